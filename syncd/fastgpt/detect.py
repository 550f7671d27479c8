"""Pure: which family of FastGPT versions gave these answers (fastgpt-api.md 1.3 and 7.1)."""

from __future__ import annotations

from typing import Any, Literal

from .models import Dialect
from .reading import read
from .transport import Answer


def recognise(
    init: Answer | None, empty_list: Answer | None, bad_id: Answer | None, open_api: Answer | None
) -> Dialect:
    """Tell the dialect and its quirks.

    Args:
        init: of ``getInitData``.
        empty_list: of ``listV2`` with an empty body: 400 with ``zodError`` from 4.14.11 on, 500 before.
        bad_id: of ``collection/detail`` with a malformed id: an unknown error, whose ``statusText`` is "error" from
            4.13.2 on and empty before.
        open_api: of the instance's own OpenAPI document, there from 4.15.0 on.

    Any of them may be None: it did not come.
    """
    start, rows, wrong, document = (_object(answer) for answer in (init, empty_list, bad_id, open_api))
    quirks = []
    has_document = open_api is not None and open_api.status == 200 and "openapi" in document
    strict = empty_list is not None and "zodError" in rows
    if strict:
        quirks.append("strict-schemas")
    if strict and empty_list is not None and empty_list.status == 400:
        quirks.append("http-status")
    if has_document:
        quirks += ["open-api-document", "exact-training-counts"]
    if empty_list is not None and empty_list.status == 404 and not rows:
        quirks.append("no-list-v2")
    if any(answer is not None and answer.headers.get("x-request-id") for answer in (empty_list, bad_id)):
        quirks.append("request-id")
    data = start.get("data")
    settings = data.get("feConfigs") if isinstance(data, dict) else None
    if isinstance(settings, dict) and settings.get("isPlus") is True:
        quirks.append("commercial")
    return Dialect(_name(data, strict, has_document, wrong), tuple(quirks))


def _name(
    data: object, strict: bool, has_document: bool, wrong: dict[str, Any]
) -> Literal["4.12", "4.14", "4.16", "unknown"]:
    version = data.get("systemVersion") if isinstance(data, dict) else None
    if isinstance(version, str) and (number := _number(version)) is not None:
        return "4.16" if number >= (4, 15) else "4.14" if number >= (4, 13, 2) else "4.12"
    if has_document:
        return "4.16"
    if strict:
        return "4.14"
    if wrong.get("code") == 500 or wrong.get("statusText") in ("error", "unExistCollection"):
        return "4.14" if wrong.get("statusText") == "error" else "4.12"
    return "unknown"


def _number(version: str) -> tuple[int, ...] | None:
    parts = version.lstrip("v").split("-")[0].split(".")
    return tuple(int(part) for part in parts) if all(part.isdecimal() and len(part) < 9 for part in parts) else None


def _object(answer: Answer | None) -> dict[str, Any]:
    """The answer's JSON object; an empty one when it is anything else."""
    if answer is None:
        return {}
    try:
        found = read(answer.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
