"""Bodies in and answers out over ASGI, with the ways a connection can go wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from syncd.emulator.answers import ConnectionDropped, Reply
from syncd.emulator.call import Upload
from syncd.emulator.multipart import UploadParser, boundary_of

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_LONGEST_HANG = 600.0
_SECURITY = [
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
]


class Incoming:
    """A request's body, received to its end before anything is answered."""

    def __init__(self) -> None:
        self.raw = b""
        self.too_large = False
        self.upload: Upload | None = None


async def read_body(receive: Receive, content_type: str, limit: int, upload_limit: int | None, form: bool) -> Incoming:
    """Receive everything; JSON beyond ``limit`` is counted but not kept."""
    incoming = Incoming()
    boundary = boundary_of(content_type) if form else None
    parser = UploadParser(boundary, upload_limit) if boundary else None
    pieces: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionDropped("the client went away before its body was complete")
        piece: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        if parser is not None:
            parser.feed(piece)
            continue
        size += len(piece)
        if size <= limit:
            pieces.append(piece)
    if parser is not None:
        incoming.upload = parser.finish()
    incoming.too_large = size > limit
    incoming.raw = b"" if incoming.too_large else b"".join(pieces)
    return incoming


def read_json(raw: bytes, content_type: str) -> tuple[dict[str, Any], bool]:
    """The body as a route sees it, and whether it was an object.

    Other content types give a string, which has no fields (record, "JSON body without a Content-Type").
    Raises ValueError for invalid JSON.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return dict(parse_qsl(raw.decode("utf-8", "replace"))), True
    if kind not in ("application/json", "application/ld+json"):
        return {}, False
    if not raw:
        return {}, True
    body = json.loads(raw)
    if b"\\ud" in raw or b"\\uD" in raw:
        body = _whole(body)
    return (body, True) if isinstance(body, dict) else ({}, False)


def _whole(value: Any) -> Any:
    """Half surrogate pairs become U+FFFD, as when Node writes them to its database."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {_whole(key): _whole(item) for key, item in value.items()}
    return value


async def hang(receive: Receive) -> None:
    """Wait until the client gives up, at most ten minutes, then drop the connection."""
    try:
        async with asyncio.timeout(_LONGEST_HANG):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        pass
    raise ConnectionDropped("no answer")


async def send_reply(send: Send, reply: Reply, tag: str, *, cut: bool = False) -> None:
    """Send an answer; with ``cut`` the connection ends in the middle of the body."""
    headers = [*_SECURITY, (b"x-syncd-emulator", tag.encode())]
    if reply.content_type is not None:
        headers.append((b"content-type", reply.content_type.encode()))
    headers += [(name.lower().encode(), value.encode()) for name, value in reply.headers.items()]
    if reply.stream is not None:
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        for piece in reply.stream:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            if cut:
                raise ConnectionDropped("cut in the middle of the answer")
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return
    headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if cut:
        await send({"type": "http.response.body", "body": reply.body[: len(reply.body) // 2], "more_body": True})
        raise ConnectionDropped("cut in the middle of the answer")
    await send({"type": "http.response.body", "body": reply.body, "more_body": False})
