"""Rows and details in the shapes FastGPT answers."""

from __future__ import annotations

import sqlite3
from typing import Any

from syncd.emulator.core import Core, loads
from syncd.emulator.naming import iso


def permission() -> dict[str, Any]:
    """What the owner's key may do: everything."""
    roles = {
        name: {"name": f"common:permission.{name}", "description": f"dataset:permission.des.{name}", "value": value}
        for name, value in (("read", 4), ("write", 2), ("manage", 1))
    }
    rights = {f"has{what}{kind}": True for kind in ("Per", "Role") for what in ("Manage", "Write", "Read")}
    return {"permission": 4294967295, "isOwner": True, **rights, "role": 4294967295, "roleList": roles}


_PERMISSION = permission()


def vector_model(name: str) -> dict[str, Any]:
    """The embedding model in full."""
    return {
        "type": "embedding",
        "provider": "OpenAI",
        "model": name,
        "name": name,
        "isActive": True,
        "isDefault": True,
        "defaultToken": 512,
        "maxToken": 3000,
        "weight": 0,
        "charsPointsPrice": 0,
        "avatar": "",
        "isCustom": False,
    }


def agent_model(name: str) -> dict[str, Any]:
    """The language model in full."""
    return {
        "type": "llm",
        "provider": "OpenAI",
        "model": name,
        "name": name,
        "isActive": True,
        "isDefault": True,
        "maxContext": 64000,
        "maxResponse": 4000,
        "quoteMaxToken": 32000,
        "maxTemperature": 1,
        "datasetProcess": True,
    }


def dataset_row(core: Core, row: sqlite3.Row) -> dict[str, Any]:
    """A row of dataset/list."""
    return {
        "_id": row["id"],
        "avatar": row["avatar"],
        "name": row["name"],
        "intro": row["intro"],
        "type": row["type"],
        "vectorModel": vector_model(row["vector_model"]),
        "inheritPermission": True,
        "tmbId": core.member_id,
        "updateTime": iso(row["update_time"]),
        "permission": _PERMISSION,
        "sourceMember": {"name": "Owner", "avatar": "/imgs/avatar/RoyalBlueAvatar.svg", "status": "active"},
    }


def dataset_detail(core: Core, row: sqlite3.Row) -> dict[str, Any]:
    """dataset/detail."""
    return {
        "parentId": row["parent"] or None,
        "teamId": core.team_id,
        "tmbId": core.member_id,
        "type": row["type"],
        "avatar": row["avatar"],
        "name": row["name"],
        "vectorModel": vector_model(row["vector_model"]),
        "agentModel": agent_model(row["agent_model"]),
        "intro": row["intro"],
        "inheritPermission": True,
        "_id": row["id"],
        "updateTime": iso(row["update_time"]),
        "status": "active",
        "errorMsg": "",
        "permission": _PERMISSION,
    }


def collection_row(core: Core, row: sqlite3.Row, *, simple: bool = False) -> dict[str, Any]:
    """A row of listV2; metadata is not in it (observed fact 7)."""
    shape: dict[str, Any] = {
        "_id": row["id"],
        "parentId": row["parent"] or None,
        "tmbId": core.member_id,
        "type": row["type"],
        "name": row["name"],
    }
    if row["tags"] is not None:
        shape["tags"] = loads(row["tags"], [])
    if row["forbid"] is not None:
        shape["forbid"] = bool(row["forbid"])
    if row["raw_link"] is not None:
        shape["rawLink"] = row["raw_link"]
    if row["file_id"] is not None:
        shape["fileId"] = row["file_id"]
    if row["external_id"] is not None:
        shape["externalFileId"] = row["external_id"]
    training = loads(row["settings"], {}).get("trainingType")
    if training is not None:
        shape["trainingType"] = training
    shape["createTime"] = iso(row["create_time"])
    shape["updateTime"] = iso(row["update_time"])
    if simple:
        shape |= {"dataAmount": 0, "indexAmount": 0, "trainingAmount": 0, "hasError": False}
    else:
        shape |= _amounts(core, row)
    shape["permission"] = _PERMISSION
    return shape


def _amounts(core: Core, row: sqlite3.Row) -> dict[str, Any]:
    """Progress. Up to 4.14 ``hasError`` is there only while tasks are, and true also for errors still retried."""
    tasks, final = row["task_amount"], row["final_amount"]
    amounts: dict[str, Any] = {"trainingAmount": tasks, "dataAmount": row["data_amount"]}
    if core.dialect.exact_status:
        active = tasks - final
        status = "running" if active else "error" if final else "ready"
        amounts |= {
            "hasError": final > 0,
            "activeTrainingAmount": active,
            "finalErrorAmount": final,
            "slowestTrainingStatus": status,
        }
    elif tasks:
        amounts["hasError"] = row["error_amount"] > 0
    return amounts


_SETTINGS_ALWAYS = {
    "chunkSplitMode": "paragraph",
    "paragraphChunkAIMode": "forbid",
    "paragraphChunkDeep": 5,
    "paragraphChunkMinSize": 100,
    "chunkSize": 1000,
    "indexSize": 512,
}
_SETTINGS_GIVEN = ("customPdfParse", "trainingType", "chunkSettingMode", "indexPrefixTitle", "qaPrompt")


def shown_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Chunk settings as detail tells them: the server's own unless the mode is ``custom`` (observed fact 15)."""
    shown = {name: settings[name] for name in _SETTINGS_GIVEN if settings.get(name) is not None}
    if not settings:
        return {}
    if settings.get("chunkSettingMode") != "custom":
        return shown | _SETTINGS_ALWAYS
    own = {"chunkSplitMode": "size", "chunkSize": 512}
    given = {
        name: settings[name]
        for name in ("chunkSplitMode", "chunkSize", "chunkSplitter", "indexSize", "paragraphChunkDeep")
        if settings.get(name) is not None
    }
    return shown | own | given


def collection_detail(core: Core, row: sqlite3.Row) -> dict[str, Any]:
    """collection/detail: the whole document with its dataset."""
    listed = collection_row(core, row)
    detail: dict[str, Any] = {
        "parentId": listed["parentId"],
        "teamId": core.team_id,
        "tmbId": core.member_id,
        "datasetId": row["dataset"],
        "type": row["type"],
        "name": row["name"],
    }
    for name in ("tags", "createTime", "fileId", "externalFileId", "rawLink", "forbid"):
        if name in listed:
            detail[name] = listed[name]
    if row["metadata"] is not None:
        detail["metadata"] = loads(row["metadata"], {})
    detail |= shown_settings(loads(row["settings"], {}))
    detail |= {"_id": row["id"], "updateTime": listed["updateTime"], "__v": 0}
    if row["raw_hash"] is not None:
        detail |= {"hashRawText": row["raw_hash"], "rawTextLength": row["raw_length"]}
    dataset = core.store.one("select * from datasets where id = ?", row["dataset"])
    if dataset is not None:
        detail["dataset"] = dataset_detail(core, dataset) | {
            "vectorModel": dataset["vector_model"],
            "agentModel": dataset["agent_model"],
        }
        del detail["dataset"]["permission"]
    detail["indexAmount"] = row["index_amount"]
    if row["file_id"] is not None:
        detail["sourceId"] = row["file_id"]
        detail["file"] = {"filename": row["stored_name"], "contentLength": row["size"]}
    detail |= {"sourceName": row["name"], "permission": _PERMISSION}
    detail["errorCount"] = row["final_amount"]
    if core.dialect.exact_status:
        detail |= _amounts(core, row)
    return detail
