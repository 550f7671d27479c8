"""core/dataset/data/…"""

from __future__ import annotations

import pytest
from contract_target import Target

UNKNOWN = "65f000000000000000000000"
PUSH = "core/dataset/data/pushData"


def test_push_drops_rows_without_a_question(target: Target, dataset: str) -> None:
    """insertLen counts what was taken; rows appear after training; duplicates are kept."""
    collection = target.virtual(dataset)
    data = [
        {"q": "What is the torque of bolt M8?", "a": "25 Nm", "indexes": [{"text": "M8 torque"}, {"text": "螺栓"}]},
        {"q": "Oil grade of gearbox G-7", "a": "ISO VG 220"},
        {"q": "", "a": "no question"},
    ]
    body = {"collectionId": collection, "trainingType": "chunk", "data": data}
    assert target.ok(target.post(PUSH, body)) == {"insertLen": 2}
    assert target.ok(target.post(PUSH, body)) == {"insertLen": 2}
    target.trained(collection)
    assert sorted(row["q"] for row in target.rows(collection)) == sorted([data[0]["q"], data[1]["q"]] * 2)


@pytest.mark.dialects("4.12", "4.14")
def test_push_refuses_too_much_and_nonsense(target: Target, dataset: str) -> None:
    """201 rows, a text for data and an unknown collection are errors; an empty list is not."""
    collection = target.virtual(dataset)
    rows = [{"q": f"r {index}"} for index in range(201)]
    assert target.thrown(target.post(PUSH, {"collectionId": collection, "data": rows})) == "Data is too long, max 200"
    message = target.thrown(target.post(PUSH, {"collectionId": collection, "data": "x"}))
    assert message == "collectionId or data is empty"
    assert target.ok(target.post(PUSH, {"collectionId": collection, "data": []})) == {"insertLen": 0}
    response = target.post(PUSH, {"collectionId": UNKNOWN, "data": [{"q": "x"}]})
    assert target.refused(response) == (501003, "unExistCollection")


def test_lists_give_at_most_30_rows(target: Target, dataset: str) -> None:
    """data/v2/list caps a page at 30 and searches in the texts."""
    collection = target.virtual(dataset)
    rows = [{"q": f"bulk row {index:02} about valve V-{index:02}"} for index in range(40)]
    target.ok(target.post(PUSH, {"collectionId": collection, "data": rows}))
    target.trained(collection)
    body = {"collectionId": collection, "offset": 0, "pageSize": 100}
    data = target.ok(target.post("core/dataset/data/v2/list", body))
    assert (len(data["list"]), data["total"]) == (30, 40)
    body = {"collectionId": collection, "offset": 0, "pageSize": 10, "searchText": "valve V-19"}
    assert [row["q"] for row in target.ok(target.post("core/dataset/data/v2/list", body))["list"]] == [rows[19]["q"]]
    assert len(target.rows(collection)) == 40


def test_insert_is_immediate_and_refuses_twins(target: Target, dataset: str) -> None:
    """insertData indexes at once and refuses a row the collection has."""
    collection = target.virtual(dataset)
    body = {"collectionId": collection, "q": "Synchronous row about flange F-9", "a": "DN80"}
    row = target.ok(target.post("core/dataset/data/insertData", body))
    assert target.thrown(target.post("core/dataset/data/insertData", body)) == "已经存在完全一致的数据"
    assert row in [hit["id"] for hit in target.search(dataset, "flange F-9", "fullTextRecall")]


def test_update_and_delete_of_a_row(target: Target, dataset: str) -> None:
    """data/update changes what searches find, data/delete removes it, a second delete is an error."""
    collection = target.virtual(dataset)
    body = {"collectionId": collection, "q": "Original wording okapi", "a": ""}
    row = target.ok(target.post("core/dataset/data/insertData", body))
    changed = {"dataId": row, "q": "Changed wording wombat", "a": "new"}
    assert target.ok(target.http.put("core/dataset/data/update", json=changed)) is None
    detail = target.ok(target.get("core/dataset/data/detail", id=row))
    assert (detail["q"], detail["a"], detail["collectionId"]) == ("Changed wording wombat", "new", collection)
    assert row in [hit["id"] for hit in target.search(dataset, "wombat", "fullTextRecall")]
    assert row not in [hit["id"] for hit in target.search(dataset, "okapi", "fullTextRecall")]
    assert (
        target.ok(target.http.request("DELETE", "core/dataset/data/delete", params={"id": row}, json={})) == "success"
    )
    response = target.http.request("DELETE", "core/dataset/data/delete", params={"id": row}, json={})
    assert target.thrown(response) == "common:core.dataset.error.Data not found"
