"""collection/create, detail, update and delete."""

from __future__ import annotations

import pytest
from contract_target import Target

UNKNOWN = "65f000000000000000000000"
DELETE = "core/dataset/collection/delete"


@pytest.mark.dialects("4.12", "4.14")
def test_create_checks_name_and_type(target: Target, dataset: str) -> None:
    """A missing name, a missing type and an unknown type are validation texts."""
    path = "core/dataset/collection/create"
    start = "Validation failed: "
    body = {"datasetId": dataset, "name": "x"}
    assert target.thrown(target.post(path, body)) == start + "type: Path `type` is required."
    body = {"datasetId": dataset, "type": "virtual"}
    assert target.thrown(target.post(path, body)) == start + "name: Path `name` is required."
    body = {"datasetId": dataset, "name": "x", "type": "nonsense"}
    assert target.thrown(target.post(path, body)).startswith(start + "type: `nonsense` is not a valid enum value")


@pytest.mark.dialects("4.12", "4.14")
def test_create_keeps_metadata(target: Target, dataset: str) -> None:
    """Metadata of folders and virtual collections comes back as it was, up to 4.14.10."""
    marker = {"client": "marker-1", "nested": {"a": 1}}
    assert target.detail(target.virtual(dataset, metadata=marker))["metadata"] == marker
    assert target.detail(target.folder(dataset, metadata=marker))["metadata"] == marker


@pytest.mark.dialects("4.16")
def test_create_drops_metadata(target: Target, dataset: str) -> None:
    """From 4.14.11 on collection/create drops metadata."""
    assert "metadata" not in target.detail(target.virtual(dataset, metadata={"a": 1}))


def test_names_repeat(target: Target, dataset: str) -> None:
    """Two collections, and two folders, may have one name."""
    assert target.virtual(dataset, "twin") != target.virtual(dataset, "twin")
    assert target.folder(dataset, "twins") != target.folder(dataset, "twins")


def test_an_unknown_collection_is_501003(target: Target) -> None:
    """detail, update and delete of an unknown id are unExistCollection."""
    missing = (501003, "unExistCollection")
    assert target.refused(target.get("core/dataset/collection/detail", id=UNKNOWN)) == missing
    assert target.refused(target.post("core/dataset/collection/update", {"id": UNKNOWN, "name": "x"})) == missing
    assert target.refused(target.post(f"{DELETE}?id={UNKNOWN}")) == missing


def test_detail_knows_the_text(target: Target, dataset: str) -> None:
    """After the parse, detail has the hash and length of the raw text and the number of vectors."""
    collection = target.trained(target.upload(dataset, "facts.txt", b"twenty-one characters"))
    detail = target.detail(collection)
    assert len(detail["hashRawText"]) == 64
    assert (detail["rawTextLength"], detail["indexAmount"], detail["errorCount"]) == (21, 1, 0)
    assert detail["dataset"]["_id"] == detail["datasetId"] == dataset
    assert "forbid" not in detail


def test_rename_and_move_keep_id_data_and_metadata(target: Target, dataset: str) -> None:
    """An update of name and folder needs no training; the name may be longer than 50 characters."""
    collection = target.trained(target.text(dataset, "before", "a text that moves", metadata={"m": 1}))
    folder = target.folder(dataset, "new home")
    name = "a name of more than fifty characters, set after the training.txt"
    target.update(collection, name=name, parentId=folder)
    detail = target.detail(collection)
    assert (detail["name"], detail["parentId"], detail["metadata"]) == (name, folder, {"m": 1})
    assert [row["q"] for row in target.rows(collection)] == ["a text that moves"]
    hit = target.search(dataset, "a text that moves", "fullTextRecall")[0]
    assert (hit["collectionId"], hit["sourceName"]) == (collection, name)
    target.update(collection, parentId=None)
    assert target.detail(collection)["parentId"] is None


def test_a_rename_during_training_is_lost_but_not_the_folder(target: Target, dataset: str) -> None:
    """The end of the parse sets the stored file's name again; the folder is kept."""
    folder = target.folder(dataset, "kept")
    for _ in range(20):  # until an update has demonstrably come before the end of the parse
        collection = target.upload(dataset, "stored name.txt", b"text of the renamed one")
        target.update(collection, name="too early.txt", parentId=folder)
        if target.progress(collection)["trainingCounts"]["parse"]:
            break
    target.trained(collection)
    detail = target.detail(collection)
    assert (detail["name"], detail["parentId"]) == ("stored name.txt", folder)


@pytest.mark.dialects("4.12", "4.14")
def test_update_takes_any_method_and_ignores_metadata(target: Target, dataset: str) -> None:
    """Metadata in an update, and an empty name, are ignored without an error; [] removes tags."""
    collection = target.virtual(dataset, "steady", metadata={"m": 1}, tags=["one"])
    body = {"id": collection, "metadata": {"m": 2}, "name": "", "tags": ["two"]}
    assert target.ok(target.http.put("core/dataset/collection/update", json=body)) is None
    detail = target.detail(collection)
    assert (detail["name"], detail["metadata"], detail["tags"]) == ("steady", {"m": 1}, ["two"])
    target.update(collection, tags=[])
    assert "tags" not in target.detail(collection)


def test_update_needs_an_id(target: Target) -> None:
    """Without an id the answer is an error."""
    response = target.post("core/dataset/collection/update", {"name": "x"})
    assert response.json()["code"] == (400 if target.dialect == "4.16" else 507004)


@pytest.mark.dialects("4.12", "4.14")
def test_update_by_external_id(target: Target, dataset: str) -> None:
    """datasetId and externalFileId name a collection too; an unknown one is fileNotFound."""
    collection = target.virtual(dataset, "outer", externalFileId="ext-u")
    body = {"datasetId": dataset, "externalFileId": "ext-u", "name": "by-ext"}
    target.ok(target.post("core/dataset/collection/update", body))
    assert target.detail(collection)["name"] == "by-ext"
    body["externalFileId"] = "ext-none"
    assert target.refused(target.post("core/dataset/collection/update", body)) == (507002, "fileNotFound")


def test_forbid_on_a_folder_reaches_its_children(target: Target, dataset: str) -> None:
    """Setting forbid on a folder sets it on everything below."""
    folder = target.folder(dataset, "outer")
    inner = target.folder(dataset, "inner", parentId=folder)
    child = target.virtual(dataset, "child", parentId=inner)
    target.update(folder, forbid=True)
    assert [target.detail(one)["forbid"] for one in (folder, inner, child)] == [True, True, True]
    target.update(folder, forbid=False)
    assert target.detail(child)["forbid"] is False


def test_the_universal_delete(target: Target, dataset: str) -> None:
    """DELETE with ?id= and an empty JSON object deletes; a second one is unExistCollection."""
    collection = target.virtual(dataset)
    assert target.ok(target.http.request("DELETE", DELETE, params={"id": collection}, json={})) is None
    response = target.http.request("DELETE", DELETE, params={"id": collection}, json={})
    assert target.refused(response) == (501003, "unExistCollection")


def test_delete_by_ids_is_all_or_nothing(target: Target, dataset: str) -> None:
    """One unknown id fails the whole call; an empty list is an error; without ids a parameter is missing."""
    first, second = target.virtual(dataset), target.virtual(dataset)
    body = {"collectionIds": [first, UNKNOWN]}
    assert target.refused(target.post(DELETE, body)) == (501003, "unExistCollection")
    assert target.detail(first)
    assert target.ok(target.post(DELETE, {"collectionIds": [first, second]})) is None
    for gone in (first, second):
        assert target.get("core/dataset/collection/detail", id=gone).json()["code"] == 501003
    assert target.thrown(target.post(DELETE, {"collectionIds": []})).startswith("Cannot read properties of undefined")
    assert target.post(DELETE).json()["code"] == (400 if target.dialect == "4.16" else 507004)


@pytest.mark.dialects("4.16")
def test_delete_wants_an_object(target: Target, dataset: str) -> None:
    """From 4.14.11 on a delete without a JSON object is HTTP 400."""
    collection = target.virtual(dataset)
    assert target.http.delete(DELETE, params={"id": collection}).status_code == 400


def test_deleting_a_folder_deletes_its_children(target: Target, dataset: str) -> None:
    """Everything below a deleted folder is gone."""
    folder = target.folder(dataset)
    child = target.trained(target.text(dataset, "child", "unrepeatable zebra crossing", parentId=folder))
    target.ok(target.post(f"{DELETE}?id={folder}"))
    assert target.get("core/dataset/collection/detail", id=child).json()["code"] == 501003
    assert child not in [hit["collectionId"] for hit in target.search(dataset, "unrepeatable zebra crossing")]


def test_a_delete_during_training_leaves_nothing(target: Target, dataset: str) -> None:
    """A collection may be deleted while it trains; its rows are not found afterwards."""
    collection = target.upload(dataset, "short-lived.txt", b"ephemeral quagga paragraph")
    target.ok(target.post(f"{DELETE}?id={collection}"))
    other = target.trained(target.upload(dataset, "marker.txt", b"an unrelated text that ends later"))
    found = [hit["collectionId"] for hit in target.search(dataset, "ephemeral quagga paragraph")]
    assert collection not in found
    assert target.detail(other)
