"""Health alone, for a port that is open to more than this machine: no page, no token, no name of anything."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from syncd.web.backend import Backend
from syncd.web.guard import HEADERS

PATHS = ("/livez", "/healthz", "/readyz")
"""Where health is asked; ``/healthz`` is another name for ``/livez``."""

Message = MutableMapping[str, Any]
Sending = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Callable[[], Awaitable[Message]], Sending], Awaitable[None]]


def make(backend: Backend) -> Application:
    """An ASGI application that answers ``/livez``, ``/healthz`` and ``/readyz`` as the status server does."""

    async def respond(scope: Message, _receive: Any, send: Sending) -> None:
        status, body = _answer(backend, str(scope["method"]), str(scope["path"]))
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
        headers = {**HEADERS, "content-type": "application/json", "content-length": str(len(content))}
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})

    return respond


def _answer(backend: Backend, method: str, path: str) -> tuple[int, dict[str, object]]:
    if method not in ("GET", "HEAD"):
        return 405, {"error": {"message": "this port can only be asked"}}
    if path not in PATHS:
        return 404, {"error": {"message": "this port tells health alone"}}
    return told(backend, path)


def told(backend: Backend, path: str) -> tuple[int, dict[str, object]]:
    """HTTP status and body of an answer to one of ``PATHS``."""
    name, (well, reason) = ("ready", backend.ready()) if path == "/readyz" else ("live", backend.live())
    return (200 if well else 503), {name: well, "reason": reason}
