"""core/dataset/data/…: the rows of collections (record, section 7)."""

from __future__ import annotations

import sqlite3
from typing import Any

from syncd.emulator import library
from syncd.emulator.answers import missing_params, thrown
from syncd.emulator.call import Call, check, page_of, window
from syncd.emulator.core import Core, loads
from syncd.emulator.naming import iso, require_object_id
from syncd.emulator.parsing import index_count
from syncd.emulator.training import add_tasks, dumps_list, insert_data
from syncd.emulator.words import indexed

PAGE_CAP = 30
_PUSH_CAP = 200


def listing(call: Call) -> dict[str, Any]:
    """Rows in the order of the text; at most 30 a page."""
    check(call, collectionId="str", searchText="str?", pageSize="num?", offset="num?")
    core = call.core
    row = library.require(core, call.body.get("collectionId"))
    page = page_of(call.body, PAGE_CAP)
    where, values = "collection = ?", [row["id"]]
    search = str(call.body.get("searchText") or "").strip().lower()
    if search:
        where += " and (instr(lower(q), ?) > 0 or instr(lower(a), ?) > 0)"
        values += [search, search]
    total = core.store.number(f"select count(*) from datas where {where}", *values)
    first, size = window(page, total)
    found = core.store.all(
        f"select * from datas where {where} order by chunk_index, n limit ? offset ?", *values, size, first
    )
    return {"list": [_row(core, data) for data in found], "total": total}


def _row(core: Core, data: sqlite3.Row) -> dict[str, Any]:
    return {
        "_id": data["id"],
        "teamId": core.team_id,
        "datasetId": data["dataset"],
        "collectionId": data["collection"],
        "q": data["q"],
        "a": data["a"],
        "chunkIndex": data["chunk_index"],
    }


def _extra(item: dict[str, Any]) -> list[str]:
    """The texts of custom indexes."""
    indexes = item.get("indexes")
    if not isinstance(indexes, list):
        return []
    return [str(index["text"]) for index in indexes if isinstance(index, dict) and index.get("text")]


def push(call: Call) -> dict[str, int]:
    """Queue rows; those without a question are dropped without a word, duplicates are kept (observed fact 15)."""
    core, data = call.core, call.body.get("data")
    if not call.body.get("collectionId") or not isinstance(data, list):
        raise thrown("collectionId or data is empty")
    if len(data) > _PUSH_CAP:
        raise thrown("Data is too long, max 200")
    row = library.require(core, call.body["collectionId"])
    rows = [
        {
            "q": str(item["q"]),
            "a": str(item.get("a") or ""),
            "chunk_index": int(item.get("chunkIndex") or 0),
            "indexes": dumps_list(_extra(item)),
        }
        for item in data
        if isinstance(item, dict) and item.get("q")
    ]
    add_tasks(core, row, "chunk", rows)
    return {"insertLen": len(rows)}


def insert(call: Call) -> str:
    """One row at once; refused if the collection has it already."""
    core, body = call.core, call.body
    if not body.get("q") or not body.get("collectionId"):
        raise missing_params()
    row = library.require(core, body["collectionId"])
    q, a = str(body["q"]), str(body.get("a") or "")
    if core.store.one("select 1 from datas where collection = ? and q = ? and a = ?", row["id"], q, a):
        raise thrown("已经存在完全一致的数据")
    return insert_data(core, row, q, a, int(body.get("chunkIndex") or 0), _extra(body))


def _require(core: Core, data_id: object) -> sqlite3.Row:
    missing = thrown("common:core.dataset.error.Data not found")
    if not data_id:
        raise missing
    row = core.store.one("select * from datas where id = ?", require_object_id(data_id, "dataset_datas"))
    if row is None:
        raise missing
    return row


def detail(call: Call) -> dict[str, Any]:
    """A row with its indexes."""
    core = call.core
    data = _require(core, call.query.get("id"))
    collection = core.collection(data["collection"])
    return {
        "id": data["id"],
        "teamId": core.team_id,
        "updateTime": iso(data["update_time"]),
        "q": data["q"],
        "a": data["a"],
        "chunkIndex": data["chunk_index"],
        "indexes": indexes_of(data),
        "datasetId": data["dataset"],
        "collectionId": data["collection"],
        "sourceName": "" if collection is None else collection["name"],
        "isOwner": True,
    }


def indexes_of(data: sqlite3.Row) -> list[dict[str, str]]:
    """The index texts of a row: custom ones, then the question, then the answer."""
    texts = [("custom", text) for text in loads(data["indexes"], [])] + [("default", data["q"].strip())]
    if data["a"]:
        texts.append(("default", data["a"]))
    return [
        {"type": kind, "dataId": str(data["n"] * 10 + index), "text": text, "_id": data["id"]}
        for index, (kind, text) in enumerate(texts)
    ]


def update(call: Call) -> None:
    """New texts for a row; indexed anew at once."""
    core, body = call.core, call.body
    data = _require(core, body.get("dataId"))
    row = library.require(core, data["collection"])
    q = str(body.get("q") or data["q"])
    a = str(data["a"] if body.get("a") is None else body["a"])
    extra = _extra(body) if "indexes" in body else loads(data["indexes"], [])
    amount = index_count(q, a, extra, loads(row["settings"], {}))
    with core.store.change() as db:
        db.execute(
            "update datas set q = ?, a = ?, indexes = ?, index_count = ?, update_time = ? where n = ?",
            (q, a, dumps_list(extra), amount, core.now(), data["n"]),
        )
        db.execute("update texts set x = ?, v = ? where rowid = ?", (*indexed(q, a, extra), data["n"]))
        library.count(core, row["id"], index_amount=amount - data["index_count"])
    core.ranking.forget()


def delete(call: Call) -> str:
    """Remove one row."""
    core = call.core
    data = _require(core, call.query.get("id"))
    with core.store.change() as db:
        db.execute("delete from texts where rowid = ?", (data["n"],))
        db.execute("delete from datas where n = ?", (data["n"],))
        library.count(core, data["collection"], data_amount=-1, index_amount=-data["index_count"])
    return "success"
