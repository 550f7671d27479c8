"""Datasets: create, list, detail, delete."""

from __future__ import annotations

import time

import pytest
from contract_target import Target

UNKNOWN = "65f000000000000000000000"


def test_create_answers_the_id_and_names_repeat(target: Target) -> None:
    """Two datasets of one name are two datasets."""
    body = {"name": f"twin {time.time_ns()}", "type": "dataset", "intro": "", "avatar": ""}
    first = target.ok(target.post("core/dataset/create", body))
    second = target.ok(target.post("core/dataset/create", body))
    target.made += [first, second]
    assert first != second
    found = target.ok(target.post("core/dataset/list", {"searchKey": body["name"]}))
    assert [row["_id"] for row in found] == [second, first]


@pytest.mark.dialects("4.14")
def test_create_needs_a_name(target: Target) -> None:
    """An empty create is a validation text of the database."""
    assert target.thrown(target.post("core/dataset/create")) == "Validation failed: name: Path `name` is required."


@pytest.mark.dialects("4.16")
def test_create_needs_four_texts(target: Target) -> None:
    """From 4.14.11 on name, type, intro and avatar must all be texts; otherwise HTTP 400 with zodError."""
    response = target.post("core/dataset/create", {"name": "x", "type": "dataset"})
    assert response.status_code == 400
    assert response.json()["zodError"]


def test_rows_and_detail_carry_permission(target: Target, dataset: str) -> None:
    """dataset/list and dataset/detail tell whether the key may write."""
    rows = {row["_id"]: row for row in target.ok(target.post("core/dataset/list", {"parentId": ""}))}
    detail = target.ok(target.get("core/dataset/detail", id=dataset))
    for shape in (rows[dataset], detail):
        assert {name: shape["permission"][name] for name in ("hasWritePer", "hasManagePer", "isOwner")} == {
            "hasWritePer": True,
            "hasManagePer": True,
            "isOwner": True,
        }
    assert detail["_id"] == dataset
    assert detail["type"] == "dataset"


def test_an_unknown_dataset_is_501002(target: Target) -> None:
    """An unknown dataset id is unExistDataset."""
    assert target.refused(target.get("core/dataset/detail", id=UNKNOWN)) == (501002, "unExistDataset")


@pytest.mark.dialects("4.12", "4.14")
def test_a_malformed_id_is_a_cast_error(target: Target) -> None:
    """An id that is none is a thrown text that begins with Cast to ObjectId failed."""
    assert target.thrown(target.get("core/dataset/detail", id="zzz")).startswith("Cast to ObjectId failed")


@pytest.mark.dialects("4.12", "4.14")
def test_update_refuses_keys(target: Target, dataset: str) -> None:
    """dataset/update is closed to API keys up to 4.14."""
    response = target.post("core/dataset/update", {"id": dataset, "name": "renamed"})
    assert target.refused(response) == (403, "unAuthorization")


@pytest.mark.dialects("4.16")
def test_update_takes_keys_later(target: Target, dataset: str) -> None:
    """dataset/update accepts API keys from 4.15 on."""
    target.ok(target.post("core/dataset/update", {"id": dataset, "intro": "new intro"}))
    assert target.ok(target.get("core/dataset/detail", id=dataset))["intro"] == "new intro"


@pytest.mark.dialects("4.12", "4.14")
def test_delete_without_an_id_is_507004(target: Target) -> None:
    """A missing parameter is 507004 missingParams."""
    assert target.refused(target.http.delete("core/dataset/delete")) == (507004, "missingParams")


@pytest.mark.dialects("4.14", "4.16")
def test_delete_is_asynchronous(target: Target) -> None:
    """dataset/delete answers at once, detail goes on answering for a moment, then collections are gone too."""
    dataset = target.dataset()
    child = target.virtual(dataset)
    assert target.ok(target.http.request("DELETE", "core/dataset/delete", params={"id": dataset}, json={})) is None
    assert target.get("core/dataset/detail", id=dataset).status_code == 200
    assert dataset not in [row["_id"] for row in target.ok(target.post("core/dataset/list"))]
    end = time.monotonic() + 20
    while target.get("core/dataset/detail", id=dataset).status_code == 200 and time.monotonic() < end:
        time.sleep(0.05)
    assert target.refused(target.get("core/dataset/detail", id=dataset)) == (501002, "unExistDataset")
    assert target.refused(target.get("core/dataset/collection/detail", id=child)) == (501003, "unExistCollection")
