"""/__emulator__/…: faults, requests, snapshot, timeline, chats, reset."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Callable
from typing import Any

from syncd.emulator.answers import Reply, encode
from syncd.emulator.core import Core, loads


def snapshot(core: Core) -> list[dict[str, Any]]:
    """Every collection with its state, texts and the hash of its bytes, in the order they were made."""
    texts: dict[str, list[str]] = {}
    for row in core.store.all("select collection, q from datas order by collection, chunk_index, n"):
        texts.setdefault(row["collection"], []).append(row["q"])
    return [_shape(row, texts.get(row["id"], [])) for row in core.store.all("select * from collections order by n")]


def _shape(row: sqlite3.Row, texts: list[str]) -> dict[str, Any]:
    status = "error" if row["final_amount"] else "training" if row["task_amount"] else "trained"
    return {
        "id": row["id"],
        "parentId": row["parent"] or None,
        "datasetId": row["dataset"],
        "name": row["name"],
        "type": row["type"],
        "forbid": bool(row["forbid"]),
        "metadata": loads(row["metadata"], {}),
        "tags": loads(row["tags"], []),
        "status": status,
        "texts": texts,
        "bytes_sha256": row["sha256"],
        "raw_length": row["raw_length"],
    }


def chats(core: Core) -> list[dict[str, Any]]:
    """The chat history: the real server shows it in its logs."""
    return [
        {
            "at": row["at"],
            "appId": row["app"],
            "chatId": row["chat"],
            "customUid": row["custom_uid"],
            "question": row["question"],
            "answer": row["answer"],
        }
        for row in core.store.all("select * from chats order by n")
    ]


def _faults(core: Core, method: str, raw: bytes) -> object:
    if method == "GET":
        return {"armed": [fault.as_dict() for fault in core.faults.armed()], "struck": core.faults.struck}
    if method == "DELETE":
        core.faults.clear()
        return None
    order = json.loads(raw or b"{}")
    orders = order if isinstance(order, list) else [order]
    return [core.faults.add(**item).as_dict() for item in orders]


def _reset(core: Core, method: str, raw: bytes) -> object:
    core.reset()
    return None


_ROUTES: dict[str, Callable[[Core, str, bytes], object]] = {
    "faults": _faults,
    "requests": lambda core, method, raw: [dataclasses.asdict(record) for record in core.requests],
    "snapshot": lambda core, method, raw: snapshot(core),
    "timeline": lambda core, method, raw: [event._asdict() for event in core.timeline],
    "chats": lambda core, method, raw: chats(core),
    "reset": _reset,
}


def answer(core: Core, method: str, path: str, raw: bytes) -> Reply:
    """One admin request; answers plain JSON, not FastGPT's envelope."""
    name = path.removeprefix("/__emulator__/").strip("/")
    if name.startswith("files/"):
        content = core.store.get_file(name.removeprefix("files/"))
        return Reply(404, b"{}") if content is None else Reply(200, content, "application/octet-stream")
    route = _ROUTES.get(name)
    if route is None:
        return Reply(404, encode({"error": f"known: {', '.join(_ROUTES)}"}))
    try:
        return Reply(200, encode(route(core, method, raw)))
    except (TypeError, ValueError) as error:
        return Reply(400, encode({"error": str(error)}))
