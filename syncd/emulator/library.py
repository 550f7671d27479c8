"""Changes of collections: the only place that writes their rows, so that journal and timeline are complete."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from syncd.emulator.answers import ApiError, no_collection, thrown
from syncd.emulator.core import Core
from syncd.emulator.naming import require_object_id

_DESCENDANTS = """
with recursive below (id) as (
    select id from collections where id = ? and dataset = ?
    union select c.id from collections c join below b on c.parent = b.id and c.dataset = ?
) select id from below
"""


def require(core: Core, collection_id: object) -> sqlite3.Row:
    """The collection's row, or FastGPT's error for a malformed or unknown id."""
    row = core.collection(require_object_id(collection_id, "dataset_collections"))
    if row is None:
        raise no_collection()
    return row


def create(core: Core, dataset: str, values: dict[str, Any]) -> sqlite3.Row:
    """Insert a collection; only ``externalFileId`` is unique within a dataset (observed fact 6)."""
    now = core.now()
    collection_id = core.ids.new()
    columns = {"create_time": now, "update_time": now, **values, "id": collection_id, "dataset": dataset}
    core.remember(collection_id)
    names = ", ".join(columns)
    marks = ", ".join("?" * len(columns))
    try:
        with core.store.change() as db:
            db.execute(f"insert into collections ({names}) values ({marks})", tuple(columns.values()))
    except sqlite3.IntegrityError as error:
        if "external" in str(error):
            raise duplicate_external(dataset, str(values.get("external_id"))) from None
        raise
    row = core.collection(collection_id)
    assert row is not None  # noqa: S101 - it was inserted above
    core.emit("created", row)
    return row


def duplicate_external(dataset: str, external_id: str) -> ApiError:
    """MongoDB's complaint about a second collection with one externalFileId."""
    return thrown(
        "E11000 duplicate key error collection: fastgpt.dataset_collections index: datasetId_1_externalFileId_1 "
        f"dup key: {{ datasetId: ObjectId('{dataset}'), externalFileId: {json.dumps(external_id)} }}"
    )


def change(core: Core, collection_id: str, event: str | None = "updated", **values: Any) -> None:
    """Set columns of one collection."""
    core.remember(collection_id)
    assignments = ", ".join(f"{name} = ?" for name in values)
    with core.store.change() as db:
        db.execute(f"update collections set {assignments} where id = ?", (*values.values(), collection_id))
    if event is not None:
        row = core.collection(collection_id)
        if row is not None:
            core.emit(event, row)


def count(core: Core, collection_id: str, **deltas: int) -> None:
    """Add to counters of one collection; not an event."""
    core.remember(collection_id)
    assignments = ", ".join(f"{name} = {name} + ?" for name in deltas)
    with core.store.change() as db:
        db.execute(f"update collections set {assignments} where id = ?", (*deltas.values(), collection_id))


def set_forbid(core: Core, row: sqlite3.Row, forbid: bool) -> None:
    """Hide or show; a folder passes it on to everything below (observed fact 22)."""
    ids = [row["id"]] if row["type"] != "folder" else below(core, row)
    for collection_id in ids:
        before = core.collection(collection_id)
        if before is None:
            continue
        flipped = bool(before["forbid"]) != forbid
        change(core, collection_id, ("hidden" if forbid else "shown") if flipped else None, forbid=int(forbid))


def below(core: Core, row: sqlite3.Row) -> list[str]:
    """The collection and everything under it."""
    found = core.store.all(_DESCENDANTS, row["id"], row["dataset"], row["dataset"])
    return [item["id"] for item in found]


def delete(core: Core, *rows: sqlite3.Row) -> None:
    """Remove collections and everything under them, with rows, tasks, index and files."""
    ids = [collection_id for row in rows for collection_id in below(core, row)]
    with core.store.change() as db:
        for collection_id in ids:
            gone = core.collection(collection_id)
            if gone is None:
                continue
            core.remember(collection_id)
            numbers = [(item["n"],) for item in core.store.all("select n from datas where collection = ?", gone["id"])]
            db.executemany("delete from texts where rowid = ?", numbers)
            db.execute("delete from datas where collection = ?", (collection_id,))
            db.execute("delete from tasks where collection = ?", (collection_id,))
            db.execute("delete from collections where id = ?", (collection_id,))
            core.queue.forget(collection_id)
            core.emit("deleted", gone)
    for collection_id in ids:  # after the commit: a kill in between leaves a stray file, never a row without its file
        core.store.drop_file(collection_id)
