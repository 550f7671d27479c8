"""core/dataset/collection/create/…: files, texts and links (record, sections 2 to 4)."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from syncd.emulator import library
from syncd.emulator.answers import ApiError, Hang, thrown
from syncd.emulator.call import Call, Upload, check
from syncd.emulator.collection_routes import common_values
from syncd.emulator.core import Core, sha256
from syncd.emulator.formats import EXTENSIONS
from syncd.emulator.naming import cut_name, extension
from syncd.emulator.training import add_tasks

_TRAINING_TYPES = ("chunk", "qa", "auto", "imageParse", "backup", "template", "databaseSchema")
_SETTINGS = [
    "trainingType",
    "chunkSettingMode",
    "chunkSplitMode",
    "chunkSize",
    "chunkTriggerType",
    "chunkTriggerMinSize",
    "chunkSplitter",
    "indexSize",
    "paragraphChunkDeep",
    "paragraphChunkMinSize",
    "paragraphChunkAIMode",
    "customPdfParse",
    "qaPrompt",
    "indexPrefixTitle",
]
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def local_file(call: Call) -> dict[str, Any]:
    """A file as it is. Nothing about its content is checked here; a broken one fails in training (fact 9)."""
    core, upload = call.core, call.upload
    if upload is None:
        raise thrown("File not found")
    _refuse(core, upload)
    body = _data(upload)
    dataset = core.dataset(body.get("datasetId"))
    name = upload.name or ""
    if core.dialect.extension_whitelist and extension(name).lower().removeprefix(".") not in EXTENSIONS:
        raise ApiError(510000, "InvalidUploadFileType", "error.InvalidUploadFileType", http=400)
    if upload.size == 0 and not core.dialect.empty_files:
        raise _empty_file()
    metadata = body.get(core.dialect.local_metadata_key)
    return _store(call, dataset, body, name, upload.content, metadata if isinstance(metadata, dict) else {}, True)


def _refuse(core: Core, upload: Upload) -> None:
    """What the multipart reader itself complains about."""
    if upload.hangs:
        raise Hang
    if upload.problem is not None:
        raise thrown(upload.problem)
    limit = upload_limit(core)
    if limit is not None and upload.size > limit:
        raise thrown("File too large")
    if upload.name is None:
        raise thrown("File not found")


def upload_limit(core: Core) -> int | None:
    """The largest file in bytes."""
    return core.dialect.upload_limit if core.options.max_upload_bytes is None else core.options.max_upload_bytes


def _data(upload: Upload) -> dict[str, Any]:
    """The JSON in the ``data`` field; anything else counts as empty, so the dataset is missing."""
    try:
        body = json.loads(upload.fields.get("data", "{}"))
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _empty_file() -> ApiError:
    """The storage layer's schema wants a size above 0 (record, section 3)."""
    problem = {
        "origin": "number",
        "code": "too_small",
        "minimum": 0,
        "inclusive": False,
        "path": ["size"],
        "message": "Too small: expected number to be >0",
    }
    return ApiError(400, None, "Data validation error", zod=[problem])


def text(call: Call) -> dict[str, Any]:
    """A text, stored as the file ``<name>.txt`` (observed fact 15)."""
    check(call, datasetId="str", name="str", text="str", parentId="str?", tags="list?", metadata="dict?")
    body = call.body
    dataset = call.core.dataset(body.get("datasetId"))
    content = body.get("text")
    if not isinstance(content, str):
        raise thrown(
            "The first argument must be of type string or an instance of Buffer, ArrayBuffer, or Array or an "
            "Array-like Object. Received undefined"
        )
    metadata = body.get("metadata")
    name = f"{body.get('name', 'undefined')}.txt"
    kept = metadata if isinstance(metadata, dict) else None
    return _store(call, dataset, body, name, content.encode("utf-8", "replace"), kept, False)


def link(call: Call) -> dict[str, Any]:
    """A web page. The emulator opens no connections, so its parse always fails for good."""
    check(call, datasetId="str", link="str", metadata="dict?")
    core, body = call.core, call.body
    dataset = core.dataset(body.get("datasetId"))
    given = body.get("metadata")
    metadata: dict[str, Any] = given if isinstance(given, dict) else {}
    address = str(body.get("link") or "")
    values = common_values(call, body) | {
        "type": "link",
        "name": address,
        "raw_link": address,
        "settings": _settings(body),
        "metadata": json.dumps({"relatedImgId": address, **metadata}, ensure_ascii=False),
    }
    return _queued(core, dataset, values, None)


def _store(
    call: Call,
    dataset: sqlite3.Row,
    body: dict[str, Any],
    name: str,
    content: bytes,
    metadata: dict[str, Any] | None,
    related: bool,
) -> dict[str, Any]:
    """Keep the file and queue its parse. The row bears the full name until the parse sets the stored one."""
    core = call.core
    stored = cut_name(name, core.dialect.name_limit)
    suffix = extension(stored)
    file_id = core.ids.new()
    if core.dialect.object_store:
        stem = stored[: len(stored) - len(suffix)]
        code = "".join(core.random.choice(_LETTERS) for _ in range(6))
        file_id = f"dataset/{dataset['id']}/{stem}_{code}{suffix}"
    if related:
        metadata = {**(metadata or {}), "relatedImgId": file_id}
    values = common_values(call, body) | {
        "type": "file",
        "name": name,
        "stored_name": stored,
        "file_id": file_id,
        "settings": _settings(body),
        "metadata": None if metadata is None else json.dumps(metadata, ensure_ascii=False),
        "sha256": sha256(content),
        "size": len(content),
    }
    return _queued(core, dataset, values, content)


def _settings(body: dict[str, Any]) -> str:
    """The training settings to keep, with the default mode."""
    kept = {name: body[name] for name in _SETTINGS if body.get(name) is not None}
    kept.setdefault("trainingType", "chunk")
    if kept["trainingType"] not in _TRAINING_TYPES:
        raise thrown(
            f"Validation failed: trainingType: `{kept['trainingType']}` is not a valid enum value for path "
            "`trainingType`."
        )
    return json.dumps(kept, ensure_ascii=False)


def _queued(core: Core, dataset: sqlite3.Row, values: dict[str, Any], content: bytes | None) -> dict[str, Any]:
    """The collection with its parse task, in one transaction; ``insertLen`` is always 0 (observed fact 9)."""
    with core.store.change():
        row = library.create(core, dataset["id"], values)
        if content is not None:
            core.store.put_file(row["id"], content)
        add_tasks(core, row, "parse", [{}])
    return {"collectionId": row["id"], "results": {"insertLen": 0}}
