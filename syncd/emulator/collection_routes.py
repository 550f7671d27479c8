"""core/dataset/collection/…: folders, listings, detail, update and delete (record, sections 2, 5 and 6)."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from syncd.emulator import library
from syncd.emulator.answers import file_not_found, missing_params, no_dataset, thrown, validation
from syncd.emulator.call import Call, check, page_of, window
from syncd.emulator.core import Core
from syncd.emulator.naming import from_iso, is_object_id
from syncd.emulator.shapes import collection_detail, collection_row

PAGE_CAP = 100
_TYPES = ("folder", "virtual", "file", "link", "externalFile", "apiFile", "images")


def labels(value: object) -> str | None:
    """Tags as they are stored; none for an empty list (observed fact 25)."""
    if not isinstance(value, list) or not value:
        return None
    return json.dumps([str(item) for item in value], ensure_ascii=False)


def parent_of(value: object) -> str:
    """A parent folder's id; it need not exist (observed fact 8)."""
    if value is None or value == "":
        return ""
    if not is_object_id(value):
        raise thrown("input must be a 24 character hex string, 12 byte Uint8Array, or an integer")
    return str(value).lower()


def common_values(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """The columns that all ways of creating a collection share."""
    values: dict[str, Any] = {"parent": parent_of(body.get("parentId")), "tags": labels(body.get("tags"))}
    if call.core.dialect.keeps_external_id:
        external = body.get("externalFileId")
        values["external_id"] = None if external is None else str(external)
        created = from_iso(body.get("createTime"))
        if created is not None:
            values["create_time"] = created
    return values


def create(call: Call) -> str:
    """A folder or an empty virtual collection."""
    check(call, datasetId="str", name="str", type="str", parentId="str?", tags="list?")
    core, body = call.core, call.body
    dataset = core.dataset(body.get("datasetId"))
    kind, name = body.get("type"), body.get("name")
    if not kind:
        raise thrown("Validation failed: type: Path `type` is required.")
    if not name:
        raise thrown("Validation failed: name: Path `name` is required.")
    if kind not in _TYPES:
        raise thrown(f"Validation failed: type: `{kind}` is not a valid enum value for path `type`.")
    values = common_values(call, body) | {"type": kind, "name": str(name)}
    metadata = body.get("metadata")
    if core.dialect.create_keeps_metadata and isinstance(metadata, dict):
        values["metadata"] = json.dumps(metadata, ensure_ascii=False)
    return str(library.create(core, dataset["id"], values)["id"])


def list_v2(call: Call) -> dict[str, Any]:
    """Rows by updateTime, newest first; at most 100."""
    check(call, datasetId="str", parentId="str?", searchText="str?", pageSize="num?", offset="num?", simple="bool?")
    search = call.body.get("searchText")
    if call.core.dialect.strict_bodies and isinstance(search, str) and len(search) > 100:
        raise validation(["searchText"], "Too big: expected string to have <=100 characters", "too_big", maximum=100)
    rows, total = _page(call, PAGE_CAP)
    simple = call.body.get("simple") is True
    return {"list": [collection_row(call.core, row, simple=simple) for row in rows], "total": total}


def list_old(call: Call) -> dict[str, Any]:
    """The route before listV2; at most 30 rows a page."""
    size = call.body.get("pageSize") or 10
    rows, total = _page(call, 30)
    found = [collection_row(call.core, row) for row in rows]
    return {"pageNum": call.body.get("pageNum") or 1, "pageSize": min(int(size), 30), "data": found, "total": total}


def scroll_list(call: Call) -> dict[str, Any]:
    """A deprecated relative of listV2 whose rows always carry tags."""
    rows, total = _page(call, 30)
    return {"list": [{"tags": [], **collection_row(call.core, row)} for row in rows], "total": total}


def _page(call: Call, cap: int) -> tuple[list[sqlite3.Row], int]:
    core, body = call.core, call.body
    if not body.get("datasetId"):
        raise no_dataset()
    dataset = core.dataset(body["datasetId"])
    page = page_of(body, cap)
    where, values = "dataset = ?", [dataset["id"]]
    search = str(body.get("searchText") or "").replace("'", "").strip()
    parent = parent_of(body.get("parentId"))
    if search:  # the whole dataset, whatever parentId says (observed fact 13)
        where += " and instr(lower(name), ?) > 0"
        values.append(search.lower())
    else:
        where += " and parent = ?"
        values.append(parent)
    if body.get("selectFolder"):
        where += " and type = 'folder'"
    if body.get("filterTags"):  # these are ids of tags; labels match nothing (observed fact 8)
        return [], 0
    lag = max(call.stale, core.options.secondary_lag)
    then = core.as_of(lag) if lag > 0 else {}
    if then:
        return _lagging(core, where, values, then, page_of(body, cap), body)
    total = core.store.number(f"select count(*) from collections where {where}", *values)
    first, size = window(page, total)
    rows = core.store.all(
        f"select * from collections where {where} order by update_time desc, n desc limit ? offset ?",
        *values,
        size,
        first,
    )
    return rows, total


def _lagging(
    core: Core, where: str, values: list[Any], then: dict[str, sqlite3.Row | None], page: Any, body: dict[str, Any]
) -> tuple[list[sqlite3.Row], int]:
    """What a secondary that is behind would list (observed fact 26)."""
    dataset, needle = values
    rows = [row for row in core.store.all(f"select * from collections where {where}", *values) if row["id"] not in then]
    for row in then.values():
        if row is None or row["dataset"] != dataset or (body.get("selectFolder") and row["type"] != "folder"):
            continue
        if (needle in row["name"].lower()) if body.get("searchText") else row["parent"] == needle:
            rows.append(row)
    rows.sort(key=lambda row: (-row["update_time"], -row["n"]))
    first, size = window(page, len(rows))
    return rows[first : first + size], len(rows)


def detail(call: Call) -> dict[str, Any]:
    """Everything about one collection, read from the primary."""
    if not call.query.get("id"):
        raise missing_params()
    return collection_detail(call.core, library.require(call.core, call.query["id"]))


def update(call: Call) -> None:
    """Name, folder, tags, forbid and createTime; metadata is ignored (observed facts 7 and 22)."""
    check(call, id="str?", name="str?", parentId="str?", tags="list?", forbid="bool?")
    core, body = call.core, call.body
    row = _updated(call)
    values: dict[str, Any] = {}
    if "parentId" in body:
        values["parent"] = parent_of(body["parentId"])
    if body.get("name"):
        values |= {"name": str(body["name"]), "update_time": core.now()}
    if isinstance(body.get("tags"), list):
        values["tags"] = labels(body["tags"])
    created = from_iso(body.get("createTime"))
    if created is not None:
        values["create_time"] = created
    with core.store.change():
        if values:
            library.change(core, row["id"], **values)
        if isinstance(body.get("forbid"), bool):
            library.set_forbid(core, row, body["forbid"])


def _updated(call: Call) -> sqlite3.Row:
    """The collection an update means: by dataset and external id before id."""
    body = call.body
    if body.get("datasetId") and body.get("externalFileId"):
        row = call.core.store.one(
            "select * from collections where dataset = ? and external_id = ?",
            str(body["datasetId"]),
            str(body["externalFileId"]),
        )
        if row is None:
            raise file_not_found()
        return row
    if not body.get("id"):
        raise missing_params()
    return library.require(call.core, body["id"])


def delete(call: Call) -> None:
    """By ``?id=`` or by ``collectionIds``: all or nothing; folders take their children along (observed fact 14)."""
    core = call.core
    if core.dialect.delete_needs_object and not call.body_is_object:
        raise validation([], "Invalid input: expected object, received string", expected="object")
    check(call, collectionIds="list?")
    if call.query.get("id"):
        wanted: list[Any] = [call.query["id"]]
    elif isinstance(call.body.get("collectionIds"), list):
        wanted = call.body["collectionIds"]
        if not wanted:
            raise thrown("Cannot read properties of undefined (reading 'teamId')")
    else:
        raise missing_params()
    library.delete(core, *(library.require(core, collection_id) for collection_id in wanted))


def read_source(call: Call) -> dict[str, str]:
    """A link to the stored file."""
    row = library.require(call.core, call.body.get("collectionId"))
    return {"type": "url", "value": row["raw_link"] or f"/__emulator__/files/{row['id']}"}
