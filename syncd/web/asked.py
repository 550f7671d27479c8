"""What somebody asks of the status server, taken apart and checked: bodies, numbers, and the arguments of actions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import parse_qs

from syncd.errors import EXIT_USAGE, SyncdError

LARGEST_BODY = 65536  # bytes
LONGEST_QUERY = 2000  # characters
MOST_ROWS = 500
_MOST_FIELDS = 50
_PATIENCE = 10.0  # seconds for a body to arrive

# What each action may be told. Whatever else is sent is refused: it would not be what somebody meant.
_TEXT, _TEXTS, _FLAG = "a text", "a list of texts", "true or false"
ACTIONS: Mapping[str, Mapping[str, str]] = {
    "pause": {},
    "resume": {},
    "sync": {"source": _TEXT},
    "retry": {"source": _TEXT, "paths": _TEXTS},
    "release": {"source": _TEXT, "hold": _TEXT, "emptied": _FLAG},
    "rollback": {"source": _TEXT, "path": _TEXT},
    "reload": {},
}


class Refused(SyncdError):
    """The request is not allowed, or makes no sense; ``status`` is the one of HTTP."""

    exit_code = EXIT_USAGE
    code = "refused"

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def body(chunks: AsyncIterator[bytes], content_type: str) -> dict[str, Any]:
    """The fields of a form or of a JSON object.

    Raises:
        Refused: it is too large, too slow, or neither of both.
    """
    data = bytearray()
    try:
        async with asyncio.timeout(_PATIENCE):
            async for chunk in chunks:
                data += chunk
                if len(data) > LARGEST_BODY:
                    raise Refused(413, "too much for one request")
    except TimeoutError:
        raise Refused(408, "the request took too long to arrive") from None
    if not data:
        return {}
    return _from_json(data) if "json" in content_type.lower() else _from_form(data)


def _from_json(data: bytearray) -> dict[str, Any]:
    try:
        found = json.loads(data)
        json.dumps(found, ensure_ascii=False).encode()  # half characters can be written in JSON, but mean nothing
    except (ValueError, RecursionError):
        raise Refused(400, "the body is not JSON") from None
    if not isinstance(found, dict):
        raise Refused(400, "the body is not a JSON object")
    return found


def _from_form(data: bytearray) -> dict[str, Any]:
    try:
        found = parse_qs(data.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Refused(400, "the body is not a form") from None
    return {name: values[-1] for name, values in found.items()}


def arguments(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of an action.

    Raises:
        Refused: one is unknown or of the wrong kind.
    """
    known = ACTIONS[kind]
    for name, value in given.items():
        if name not in known:
            takes = "takes " + ", ".join(known) if known else "takes nothing"
            raise Refused(400, f'"{kind}" {takes}, and nothing else')
        if not _is(known[name], value):
            raise Refused(400, f'"{name}" is {known[name]}')
    return dict(given)


def _is(kind: str, value: object) -> bool:
    if kind is _TEXTS:
        return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)
    return isinstance(value, str if kind is _TEXT else bool)


def number(params: Mapping[str, str], name: str, default: int, most: int = MOST_ROWS) -> int:
    """A whole number out of a query string, ``most`` at most."""
    text = params.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise Refused(400, f'"{name}" is a whole number')
    return min(int(text), most)
