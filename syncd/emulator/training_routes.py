"""Progress and errors of training (record, sections 2 to 4; fastgpt-api.md 2.6)."""

from __future__ import annotations

import sqlite3
from typing import Any

from syncd.emulator import library
from syncd.emulator.answers import missing_params, thrown, validation
from syncd.emulator.call import Call, check, page_of, window
from syncd.emulator.core import Core, loads
from syncd.emulator.naming import iso

_MODES = ("parse", "qa", "chunk", "image", "auto", "imageParse")


def _counts(core: Core, sql: str, *values: object) -> dict[str, int]:
    found = {row["mode"]: int(row["amount"]) for row in core.store.all(sql, *values)}
    return {mode: found.get(mode, 0) for mode in _MODES}


def training_detail(call: Call) -> dict[str, Any]:
    """Own tasks with tries left, tasks with errors, and everybody's tasks in front of this collection."""
    core = call.core
    if not call.query.get("collectionId"):
        raise missing_params()
    row = library.require(core, call.query["collectionId"])
    settings = loads(row["settings"], {})
    first = core.store.number("select coalesce(min(seq), 0) from tasks where collection = ?", row["id"])
    waiting = "select mode, count(*) as amount from tasks where retry > 0 and seq < ? group by mode"
    errors = "select mode, count(*) as amount from tasks where collection = ? and error is not null group by mode"
    if core.dialect.exact_status:  # own queue only, final errors only (fastgpt-api.md 2.6)
        waiting = "select mode, 0 as amount from tasks where seq = ? group by mode"
        errors = errors.replace("error is not null", "error is not null and retry <= 0")
    own = "select mode, count(*) as amount from tasks where collection = ? and retry > 0 group by mode"
    return {
        "trainingType": settings.get("trainingType", "chunk"),
        "advancedTraining": {
            "customPdfParse": bool(settings.get("customPdfParse")),
            "imageIndex": False,
            "autoIndexes": False,
        },
        "queuedCounts": _counts(core, waiting, first),
        "trainingCounts": _counts(core, own, row["id"]),
        "errorCounts": _counts(core, errors, row["id"]),
        "trainedCount": row["data_amount"],
    }


def training_error(call: Call) -> dict[str, Any]:
    """The only place where the error text is."""
    check(call, collectionId="str", pageSize="num?", offset="num?")
    core = call.core
    row = library.require(core, call.body.get("collectionId"))
    condition = "collection = ? and error is not null" + (" and retry <= 0" if core.dialect.exact_status else "")
    total = core.store.number(f"select count(*) from tasks where {condition}", row["id"])
    first, size = window(page_of(call.body, 30), total)
    found = core.store.all(
        f"select * from tasks where {condition} order by seq limit ? offset ?", row["id"], size, first
    )
    return {"list": [_error_row(core, task) for task in found], "total": total}


def _error_row(core: Core, task: sqlite3.Row) -> dict[str, Any]:
    return {
        "teamId": core.team_id,
        "tmbId": core.member_id,
        "datasetId": task["dataset"],
        "collectionId": task["collection"],
        "billId": task["id"],
        "mode": task["mode"],
        "retryCount": max(0, task["retry"]),
        "q": task["q"],
        "a": task["a"],
        "chunkIndex": task["chunk_index"],
        "weight": 0,
        "_id": task["id"],
        "expireAt": iso(task["created"]),
        "lockTime": iso(task["created"]),
        "indexes": [],
        "__v": 0,
        "errorMsg": task["error"],
    }


def retry(call: Call) -> dict[str, Any]:
    """Three new tries for failed tasks (fastgpt-api.md 2.6)."""
    core, body = call.core, call.body
    if core.dialect.exact_status and bool(body.get("datasetId")) == bool(body.get("collectionId")):
        raise validation([], "exactly one of datasetId and collectionId is needed", "custom")
    condition, values = "(error is not null or stuck > 0)", []
    if body.get("collectionId"):
        condition += " and collection = ?"
        values.append(library.require(core, body["collectionId"])["id"])
    else:
        condition += " and dataset = ?"
        values.append(core.dataset(body.get("datasetId"))["id"])
    if body.get("dataId"):
        condition += " and id = ?"
        values.append(str(body["dataId"]))
    tasks = core.store.all(f"select * from tasks where {condition}", *values)
    with core.store.change() as db:
        for task in tasks:
            db.execute("update tasks set retry = 3, error = null, stuck = 0 where seq = ?", (task["seq"],))
            failed = task["error"] is not None
            library.count(
                core,
                task["collection"],
                error_amount=-int(failed),
                final_amount=-int(failed and task["retry"] <= 0),
            )
    for task in tasks:
        core.queue.add(task["mode"], [task["seq"]])
    return {}


def delete_task(call: Call) -> dict[str, Any]:
    """Drop one failed task."""
    core = call.core
    row = library.require(core, call.body.get("collectionId"))
    task = core.store.one(
        "select * from tasks where collection = ? and id = ?", row["id"], str(call.body.get("dataId"))
    )
    if task is None:
        raise thrown("data not found")
    with core.store.change() as db:
        db.execute("delete from tasks where seq = ?", (task["seq"],))
        library.count(
            core,
            row["id"],
            task_amount=-1,
            error_amount=-int(task["error"] is not None),
            final_amount=-int(task["error"] is not None and task["retry"] <= 0),
        )
    return {}


def dataset_queue(call: Call) -> dict[str, int]:
    """How much work a dataset has left."""
    row = call.core.dataset(call.query.get("datasetId"))
    left = call.core.store.number("select count(*) from tasks where dataset = ? and retry > 0", row["id"])
    return {"rebuildingCount": 0, "trainingCount": left}
