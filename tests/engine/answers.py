"""Somebody between us and the server: a proxy that answers in its place, for one route and one document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
from world import World
from world_parts import Forward

ROUTES = {
    "datasets": "dataset/list",
    "create_dataset": "dataset/create",
    "list": "collection/listV2",
    "create_folder": "dataset/collection/create",
    "upload": "create/localFile",
    "update": "collection/update",
    "training": "collection/trainingDetail",
    "chunks": "data/v2/list",
    "search": "dataset/searchTest",
    "detail": "collection/detail",
    "delete": "collection/delete",
}
# The document that is concerned, by the route that fails for it, and those that must be served all the same.
PATHS = {
    "upload": "stubborn/old.md",
    "create_folder": "new/old.md",
    "update": "stubborn/old.md",
    "detail": "stubborn/old.md",
    "list": "stubborn/old.md",
    "training": "stubborn/old.md",
    "chunks": "stubborn/old.md",
    "search": "stubborn/old.md",
    "delete": "stubborn/old.md",
}
OTHERS = {"one.md", "two.md", "three.md", "other/four.md"}
Answer = Callable[[httpx.Response | None], httpx.Response]


def _json(status: int, body: Any, **headers: str) -> Answer:
    return lambda _real: httpx.Response(status, json=body, headers=headers)


def _text(status: int, text: str, kind: str = "text/plain", **headers: str) -> Answer:
    return lambda _real: httpx.Response(status, text=text, headers={"content-type": kind, **headers})


def _page(status: int, title: str, **headers: str) -> Answer:
    return _text(status, f"<html><head><title>{title}</title></head></html>", "text/html", **headers)


def _envelope(status: int, code: int, status_text: str, message: str, **more: Any) -> Answer:
    return _json(status, {"code": code, "statusText": status_text, "message": message, "data": None, **more})


def _cut(real: httpx.Response | None) -> httpx.Response:
    whole = b'{"code":200,"statusText":"","message":"","data":{}}' if real is None else real.content
    return httpx.Response(200, content=whole[: len(whole) // 2], headers={"content-type": "application/json"})


def _raised(error: httpx.TransportError) -> Answer:
    def answer(_real: httpx.Response | None) -> httpx.Response:
        raise error

    return answer


# What may come instead of FastGPT's answer although it did, or may have done, what was asked.
UNCLEAR: dict[str, Answer] = {
    "fastgpt 500 read ECONNRESET": _envelope(500, 500, "error", "read ECONNRESET"),
    "fastgpt 500 without words": _envelope(500, 500, "", ""),
    "fastgpt 200 with an error": _envelope(200, 500, "error", "socket hang up"),
    "fastgpt 429": _envelope(429, 429, "tooManyRequest", "Too many request"),
    "fastgpt 413": _envelope(413, 500, "error", "request entity too large"),
    "fastgpt 400 of its own answer": _envelope(
        400, 400, "error", "Data validation error", zodError=[{"code": "invalid_type", "path": ["collectionId"]}]
    ),
    "no model any more": _envelope(500, 501010, "invalidVectorModelOrQAModel", "no model"),
    "text 503": _text(503, "upstream connect error or disconnect/reset before headers. reset reason: overflow"),
    "page 502": _page(502, "502 Bad Gateway"),
    "page 504": _page(504, "504 Gateway Time-out"),
    "page 429": _page(429, "429 Too Many Requests"),
    "page 413": _page(413, "413 Request Entity Too Large"),
    "page 403": _page(403, "403 Forbidden"),
    "page 401": _page(401, "401 Authorization Required"),
    "page 404": _page(404, "404 Not Found"),
    "text 400": _text(400, "Bad Request"),
    "json 409": _json(409, {"error": "conflict"}),
    "302 to a login": _page(302, "Found", location="https://sso.example/login"),
    "page 200": _page(200, "Sign in"),
    "json 200": _json(200, {"hello": "world"}),
    "json 500": _json(500, {"error": "upstream"}),
    "cut json": _cut,
    "reset": _raised(httpx.ReadError("connection reset")),
    "time-out": _raised(httpx.ReadTimeout("timed out")),
}

# FastGPT's own word, spoken before it works: nothing was done.
REFUSED: dict[str, Answer] = {"fastgpt 514": _envelope(500, 514, "unAuthApiKey", "the key is not valid")}


def about(world: World, request: httpx.Request, body: bytes, path: str) -> bool:
    """Whether a request is made for one document: it names it, its folder, a collection of it or its words."""
    text = body + str(request.url).encode()
    folder, _, name = path.rpartition("/")
    if name.encode() in text or f"kept by {path.removesuffix('.md')} in".encode() in text:
        return True
    rows = world.emulator.snapshot()
    ids = [row["id"] for row in rows if ((row["metadata"] or {}).get("syncd") or {}).get("path") == path]
    if request.url.path.endswith(ROUTES["list"]):
        ids = [row["id"] for row in rows if row["type"] == "folder" and row["name"] == folder]
    elif request.url.path.endswith(ROUTES["create_folder"]):
        return f'"name":"{folder}"'.encode() in body
    return any(id_.encode() in text for id_ in ids)


def instead(
    world: World, route: str, answer: Answer, *, path: str = "", nth: int = 1, times: int = 1, effect: bool = True
) -> list[float]:
    """Have one route answered by somebody else; returns the times at which that was done, filled in on the way.

    Args:
        path: only what is asked for this document; "" is everybody.
        nth: the first matching request that is answered so.
        times: how many are.
        effect: the server does what was asked.
    """
    done: list[float] = []
    seen = 0

    async def between(request: httpx.Request, forward: Forward) -> httpx.Response:
        nonlocal seen
        body = await request.aread()
        whole = httpx.Request(request.method, request.url, headers=request.headers, content=body)
        if not request.url.path.endswith(ROUTES[route]) or (path and not about(world, request, body, path)):
            return await forward(whole)
        seen += 1
        if not nth <= seen < nth + times:
            return await forward(whole)
        done.append(world.now())
        real = None
        if effect:
            real = await forward(whole)
            await real.aread()
        return answer(real)

    world.between = between
    return done
