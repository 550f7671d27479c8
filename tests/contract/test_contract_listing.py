"""listV2 and its relatives: paging, name search, folders, fields."""

from __future__ import annotations

from typing import Any

import pytest
from contract_target import Target

AMOUNT = 120


@pytest.fixture(scope="module")
def _folders() -> dict[str, str]:
    return {}


@pytest.fixture
def folder(target: Target, dataset: str, _folders: dict[str, str]) -> str:
    """A folder with the collections p-000 to p-119."""
    if target.base_url not in _folders:
        folder = target.folder(dataset, "paging")
        for index in range(AMOUNT):
            target.virtual(dataset, f"p-{index:03}", parentId=folder)
        _folders[target.base_url] = folder
    return _folders[target.base_url]


PAGES: list[tuple[dict[str, Any], int, str, str]] = [
    ({}, 10, "p-119", "p-110"),
    ({"pageSize": 30}, 30, "p-119", "p-090"),
    ({"pageSize": 100}, 100, "p-119", "p-020"),
    ({"pageSize": 101}, 100, "p-119", "p-020"),
    ({"pageSize": 1000}, 100, "p-119", "p-020"),
    ({"pageSize": 100, "offset": 100}, 20, "p-019", "p-000"),
    ({"pageSize": 30, "pageNum": 2}, 30, "p-089", "p-060"),
    ({"pageSize": 30, "pageNum": 2, "offset": 0}, 30, "p-089", "p-060"),
    ({"pageSize": 30, "offset": 30}, 30, "p-089", "p-060"),
    ({"offset": 30}, 10, "p-119", "p-110"),
    ({"pageNum": 2}, 10, "p-119", "p-110"),
    ({"pageSize": -1}, 1, "p-119", "p-119"),
    ({"pageSize": 10, "simple": True}, 10, "p-119", "p-110"),
    ({"pageSize": 10, "offset": -5}, 5, "p-004", "p-000"),
]


@pytest.mark.dialects("4.12", "4.14")
@pytest.mark.parametrize(("page", "amount", "first", "last"), PAGES)
def test_pages(
    target: Target, dataset: str, folder: str, page: dict[str, Any], amount: int, first: str, last: str
) -> None:
    """At most 100 rows, newest first; offset and pageNum count only beside a pageSize."""
    data = target.listed(dataset, parentId=folder, **page)
    names = [row["name"] for row in data["list"]]
    assert (len(names), names[0], names[-1], data["total"]) == (amount, first, last, AMOUNT)


def test_paging_by_offset_sees_every_row_once(target: Target, dataset: str, folder: str) -> None:
    """pageSize with offset walks through everything, and past the end is an empty page."""
    seen: list[str] = []
    while len(seen) < AMOUNT + 1:
        data = target.listed(dataset, parentId=folder, pageSize=50, offset=len(seen))
        if not data["list"]:
            break
        seen += [row["_id"] for row in data["list"]]
    assert (len(seen), len(set(seen))) == (AMOUNT, AMOUNT)


@pytest.mark.dialects("4.12", "4.14")
def test_odd_page_sizes(target: Target, dataset: str, folder: str) -> None:
    """0 is a missing parameter, a text that is no number means no limit at all."""
    body = {"datasetId": dataset, "parentId": folder, "pageSize": 0}
    assert target.refused(target.post("core/dataset/collection/listV2", body)) == (507004, "missingParams")
    assert len(target.listed(dataset, parentId=folder, pageSize="abc")["list"]) == AMOUNT


def test_name_search_ignores_the_folder(target: Target, dataset: str, folder: str) -> None:
    """searchText looks for a part of the name in the whole dataset, without regard to case or folder."""
    other = target.folder(dataset, "elsewhere")
    data = target.listed(dataset, parentId=other, searchText="P-11", pageSize=30)
    assert sorted(row["name"] for row in data["list"]) == [f"p-11{digit}" for digit in range(10)]
    assert target.listed(dataset, searchText="p-1.*", pageSize=5)["total"] == 0


def test_folders_list_direct_children_only(target: Target, dataset: str, folder: str) -> None:
    """No parentId, null and "" are the root; only direct children are listed; selectFolder lists folders only."""
    for parent in ({}, {"parentId": None}, {"parentId": ""}):
        rows = target.listed(dataset, pageSize=100, **parent)["list"]
        assert folder in [row["_id"] for row in rows]
        assert "p-000" not in [row["name"] for row in rows]
    loose = target.virtual(dataset, "loose")
    rows = target.listed(dataset, selectFolder=True, pageSize=100)["list"]
    assert {row["type"] for row in rows} == {"folder"}
    assert loose not in [row["_id"] for row in rows]


@pytest.mark.dialects("4.12", "4.14")
def test_filter_tags_by_label_matches_nothing(target: Target, dataset: str) -> None:
    """filterTags wants ids of tags that the open-source API does not tell."""
    target.virtual(dataset, "labelled", tags=["t-one"])
    assert target.listed(dataset, filterTags=["t-one"], pageSize=5) == {"list": [], "total": 0}


def test_rows_have_no_metadata(target: Target, dataset: str) -> None:
    """Metadata is in detail only; rows have amounts and rights."""
    collection = target.trained(target.text(dataset, "plain", "plain text", metadata={"m": 1}))
    row = target.row(dataset, collection)
    assert "metadata" not in row
    assert (row["trainingAmount"], row["dataAmount"], row["type"], row["trainingType"]) == (0, 1, "file", "chunk")
    assert row["permission"]["hasWritePer"] is True


@pytest.mark.dialects("4.12", "4.14")
def test_has_error_is_absent_when_trained(target: Target, dataset: str) -> None:
    """Up to 4.14 hasError is in a row only while tasks are."""
    collection = target.text(dataset, "progress", "progress text")
    target.trained(collection)
    assert "hasError" not in target.row(dataset, collection)


@pytest.mark.dialects("4.16")
def test_exact_status_fields(target: Target, dataset: str) -> None:
    """From 4.15 on rows tell active tasks and final errors apart."""
    collection = target.trained(target.text(dataset, "exact", "exact text"))
    row = target.row(dataset, collection)
    names = ("activeTrainingAmount", "finalErrorAmount", "slowestTrainingStatus", "hasError")
    assert [row[name] for name in names] == [0, 0, "ready", False]


@pytest.mark.dialects("4.12", "4.14")
def test_malformed_and_unknown_parents(target: Target, dataset: str) -> None:
    """A malformed parentId is a thrown text, an unknown one an empty folder."""
    body = {"datasetId": dataset, "parentId": "zzz", "pageSize": 5}
    message = target.thrown(target.post("core/dataset/collection/listV2", body))
    assert message == "input must be a 24 character hex string, 12 byte Uint8Array, or an integer"
    assert target.listed(dataset, parentId="65f0000000000000000000ff", pageSize=5) == {"list": [], "total": 0}


@pytest.mark.dialects("4.12", "4.14")
@pytest.mark.parametrize("body", [{"pageSize": 10}, [], {"datasetId": "65f000000000000000000000"}])
def test_no_dataset(target: Target, body: Any) -> None:
    """Without a dataset, with a list for a body or with an unknown id: 501002."""
    response = target.post("core/dataset/collection/listV2", body)
    assert target.refused(response) == (501002, "unExistDataset")


@pytest.mark.dialects("4.16")
def test_bodies_are_checked(target: Target, dataset: str) -> None:
    """From 4.14.11 on a missing or mistyped field is HTTP 400 with zodError."""
    for body in ({"pageSize": 10}, {"datasetId": 7}, {"datasetId": dataset, "searchText": "x" * 101}):
        response = target.post("core/dataset/collection/listV2", body)
        assert (response.status_code, bool(response.json()["zodError"])) == (400, True)


def test_older_relatives(target: Target, dataset: str, folder: str) -> None:
    """collection/list pages by pageNum in its own envelope; scrollList rows always have tags."""
    body = {"datasetId": dataset, "parentId": folder, "pageNum": 2, "pageSize": 2}
    data = target.ok(target.post("core/dataset/collection/list", body))
    assert [row["name"] for row in data["data"]] == ["p-117", "p-116"]
    assert (data["pageNum"], data["pageSize"], data["total"]) == (2, 2, AMOUNT)
    body = {"datasetId": dataset, "parentId": folder, "offset": 0, "pageSize": 2}
    rows = target.ok(target.post("core/dataset/collection/scrollList", body))["list"]
    assert [row["tags"] for row in rows] == [[], []]
