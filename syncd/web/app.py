"""The routes of the status server. Alone knows starlette."""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from syncd.addresses import is_loopback, neighbour
from syncd.errors import EXIT_BUSY, ServerError, SyncdError
from syncd.ledger import quality, records, releasing
from syncd.logs import get_logger
from syncd.models import Hold
from syncd.together import begin
from syncd.web import asked, health
from syncd.web import guard as guarding
from syncd.web.asked import ACTIONS, LONGEST_QUERY, Refused
from syncd.web.backend import Backend
from syncd.web.facts import QUALITY_DAYS, Facts, Shared
from syncd.web.guard import Guard
from syncd.web.metrics import CONTENT_TYPE, Metrics
from syncd.web.stream import Stream
from syncd.web.tries import Tries

log = get_logger(__name__)

_WRONG_TOKEN = 0.5  # seconds that each wrong token costs whoever tries; see `tries.py` for many of them
_SHOWN = "syncd.token"  # in the scope of a request that has shown the token
_MOST_SAID = 20  # answers to forms that are kept for the page that shows them
_STATIC = {
    "style.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
Handler = Callable[[Request], Awaitable[Response]]


class Json(JSONResponse):
    """JSON that can hold the name of any file."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def make(backend: Backend, metrics: Metrics, guard: Guard, stream: Stream, facts: Facts) -> ASGIApp:
    """The application; every answer of it, errors too, carries the headers that keep browsers in bounds."""
    return _with_headers(_App(backend, metrics, guard, stream, facts).build())


def _with_headers(app: ASGIApp) -> ASGIApp:
    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(guarding.HEADERS)
            await send(message)

        await app(scope, receive, sending)

    return wrapped


@dataclass(slots=True)
class _App:
    backend: Backend
    metrics: Metrics
    guard: Guard
    stream: Stream
    facts: Facts
    said: dict[str, str] = field(default_factory=dict)  # answers to forms, by a number that only the asker knows
    scrapes: Shared[bytes] = field(init=False)
    doing: set[asyncio.Task[str]] = field(default_factory=set)
    tries: Tries = field(default_factory=Tries)

    def __post_init__(self) -> None:
        self.scrapes = Shared(partial(self.facts.in_thread, self.metrics.text))

    def build(self) -> Starlette:
        read = (
            ("/", self._page),
            ("/static/{name}", self._static),
            ("/api/v1/status", self._status),
            ("/api/v1/documents", self._documents),
            ("/api/v1/events", self._events),
            ("/api/v1/stream", self._live),
            ("/api/v1/quality", self._quality),
        )
        routes = [Route(path, self._told, methods=["GET"]) for path in health.PATHS]
        routes += [Route("/metrics", self._metrics, methods=["GET"])]
        routes += [Route(path, self._guarded(handler), methods=["GET"]) for path, handler in read]
        routes += [
            Route(f"/api/v1/{kind}", self._guarded(partial(self._act, kind), changes=True), methods=["POST"])
            for kind in ACTIONS
        ]
        routes += [
            Route("/act", self._guarded(self._form, changes=True), methods=["POST"]),
            Route("/search", self._guarded(self._search_page, costs=True), methods=["POST"]),
            Route("/api/v1/search", self._guarded(self._search, costs=True), methods=["POST"]),
            Route("/login", self._posted(self._login), methods=["POST"]),
            Route("/logout", self._posted(self._logout), methods=["POST"]),
            Route("/-/sync", self._posted(self._poke), methods=["POST"]),
        ]
        # Whoever loads the page of a form again gets the page, and asks for nothing twice.
        routes += [Route(path, _home, methods=["GET"]) for path in ("/act", "/search", "/login", "/logout")]
        handlers: dict[Any, Any] = {
            HTTPException: self._no_such_thing,
            ClientDisconnect: _gone,
            Exception: _failed,
        }
        return Starlette(routes=routes, exception_handlers=handlers)

    # ------------------------------------------------------------ guarding

    def _guarded(self, handler: Handler, *, changes: bool = False, costs: bool = False) -> Handler:
        async def guarded(request: Request) -> Response:
            refused = await self._refusal(request, changes=changes, costs=costs)
            return await self._answer(handler, request) if refused is None else refused

        return guarded

    async def _refusal(self, request: Request, *, changes: bool, costs: bool = False) -> Response | None:
        """Why a request is refused. A token is looked at only where one is needed, and not at any pace."""
        seen, now = _seen(request), time.time()
        reason = self.guard.refusal(seen.without_token(), now, changes=changes, costs=costs)
        if not reason:
            return None
        if not (self.guard.token and seen.token) or self.guard.foreign(seen, posted=changes or costs):
            return self._refuse(request, 403, reason)
        if (busy := self._waits(request)) is not None:
            return busy
        if not self.guard.is_token(seen.token):
            return await self._wrong_token(request, reason)
        self.tries.right(_neighbour(request))
        request.scope[_SHOWN] = True
        return None

    def _waits(self, request: Request) -> Response | None:
        """Whoever showed wrong tokens waits until one of his is looked at again."""
        wait = self.tries.wait(_neighbour(request), time.monotonic())
        if not wait:
            return None
        answer = self._refuse(request, 429, "too many wrong tokens came from there; wait a moment")
        answer.headers["retry-after"] = str(int(wait) + 1)
        return answer

    async def _wrong_token(self, request: Request, reason: str) -> Response:
        tries = self.tries.wrong(_neighbour(request), time.monotonic())
        self.metrics.wrong_token()
        log.warning("http.wrong_token", client=_neighbour(request), tries=tries)
        await asyncio.sleep(_WRONG_TOKEN)
        return self._refuse(request, 403, reason)

    def _posted(self, handler: Handler) -> Handler:
        """For what needs no token yet: it must come from our page, or from no browser."""

        async def guarded(request: Request) -> Response:
            reason = self.guard.foreign(_seen(request), posted=True)
            return self._refuse(request, 403, reason) if reason else await self._answer(handler, request)

        return guarded

    async def _answer(self, handler: Handler, request: Request) -> Response:
        try:
            return await handler(request)
        except Refused as error:
            return self._refuse(request, error.status, error.message)
        except SyncdError as error:
            busy = error.exit_code == EXIT_BUSY
            status = 503 if busy else 502 if isinstance(error, ServerError) else 409
            return self._refuse(request, status, f"{error.message}; {error.hint}" if error.hint else error.message)

    def _refuse(self, request: Request, status: int, reason: str) -> Response:
        """For a person a page with a login, for a program JSON."""
        if "text/html" in request.headers.get("accept", ""):
            from syncd.web.page import refused

            login = bool(self.guard.token) and status == 403
            return Response(refused(reason, login=login), status, media_type="text/html")
        return Json({"schema": "syncd.error/1", "error": {"message": reason}}, status)

    async def _no_such_thing(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        reason = "there is no such page" if status == 404 else "that cannot be done with this page"
        return self._refuse(request, status, reason)

    # ------------------------------------------------------------ health and metrics: open, and without secrets

    async def _told(self, request: Request) -> Response:
        status, body = health.told(self.backend, request.scope["path"])
        return Json(body, status)

    async def _metrics(self, request: Request) -> Response:
        # Prometheus asks by whatever name it found us under. On loopback that name is known, and a web page that
        # leads its own name here learns nothing.
        reason = "" if self.guard.public else self.guard.foreign(_seen(request), posted=False)
        if reason:
            return self._refuse(request, 403, reason)
        return Response(await self.scrapes.get(), media_type=CONTENT_TYPE)

    # ------------------------------------------------------------ reading

    async def _page(self, request: Request) -> Response:
        said = self.said.get(request.query_params.get("said", ""), "")
        return await self._render(request, part=request.query_params.get("part") == "live", said=said)

    async def _render(self, request: Request, **more: Any) -> Response:
        from syncd.web.page import render

        snapshot, now = await self.facts.snapshot(), time.time()
        drawing = partial(
            render,
            snapshot,
            may_act=request.scope.get(_SHOWN, False) or self.guard.knows(_seen(request).without_token(), now),
            may_search=request.scope.get(_SHOWN, False)
            or not self.guard.refusal(_seen(request).without_token(), now, changes=False, costs=True),
            has_token=bool(self.guard.token),
            now=now,
            **more,
        )
        return Response(await self.facts.in_thread(drawing), media_type="text/html")

    async def _static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _STATIC:
            raise Refused(404, "there is no such file")
        return Response((Path(__file__).parent / "static" / name).read_bytes(), media_type=_STATIC[name])

    async def _status(self, _request: Request) -> Response:
        return await self._json((await self.facts.snapshot()).status)

    async def _documents(self, request: Request) -> Response:
        params = request.query_params
        query = partial(
            quality.listed,
            source=params.get("source") or None,
            state=params.get("state") or None,
            part=params.get("q", ""),
            limit=asked.number(params, "limit", 100),
        )
        count, rows = await self.facts.read(query)
        return await self._json({"schema": "syncd.documents/1", "count": count, "documents": rows})

    async def _events(self, request: Request) -> Response:
        after, limit = (
            asked.number(request.query_params, "after", 0, 2**62),
            asked.number(request.query_params, "limit", 50),
        )
        rows = await self.facts.read(lambda conn: quality.recent(conn, after, limit))
        return await self._json({"schema": "syncd.events/1", "events": rows})

    async def _json(self, document: dict[str, Any]) -> Response:
        """What may hold a hundred thousand findings is made into text beside the event loop."""
        return await self.facts.in_thread(partial(Json, document))

    async def _quality(self, _request: Request) -> Response:
        proofs = (await self.facts.snapshot()).proofs
        return Json(
            {
                "schema": "syncd.quality/1",
                "span": QUALITY_DAYS,
                "days": quality.added(proofs, "day"),
                "sources": quality.added(proofs, "source"),
            }
        )

    async def _live(self, request: Request) -> Response:
        if not self.stream.has_room(_neighbour(request)):
            raise Refused(503, "too many readers")
        reader = self.stream.read(_neighbour(request))
        greeting = await anext(reader)  # the reader counts from here on

        async def lines() -> AsyncIterator[str]:
            try:
                yield greeting
                async for line in reader:
                    yield line
            finally:
                await reader.aclose()

        return StreamingResponse(lines(), media_type="text/event-stream")

    # ------------------------------------------------------------ searching

    async def _search(self, request: Request) -> Response:
        source, query = self._question(await _body(request))
        hits = await self.backend.search(source, query)
        return Json({"schema": "syncd.search/1", "source": source, "query": query, "hits": hits})

    async def _search_page(self, request: Request) -> Response:
        source, query = self._question(await _body(request))
        hits = await self.backend.search(source, query)
        return await self._render(request, searched={"source": source, "query": query, "hits": hits})

    def _question(self, given: Mapping[str, Any]) -> tuple[str, str]:
        source, query = given.get("source"), given.get("q")
        if source not in self.backend.sources():
            raise Refused(404, "there is no such source")
        if not isinstance(query, str) or not 0 < len(query.strip()) <= LONGEST_QUERY:
            raise Refused(400, f"a query has 1 to {LONGEST_QUERY} characters")
        return str(source), query.strip()

    # ------------------------------------------------------------ changing

    async def _act(self, kind: str, request: Request) -> Response:
        message = await self._do(kind, asked.arguments(kind, await _body(request)))
        return Json({"schema": f"syncd.{kind}/1", "message": message})

    async def _form(self, request: Request) -> Response:
        given = await _body(request)
        kind, confirmed = str(given.pop("kind", "")), given.pop("confirmed", "") == "yes"
        if kind not in ACTIONS:
            raise Refused(400, "there is no such action")
        if kind == "retry":
            given["paths"] = [unquote(str(given.pop("path", "")))]  # quoted: a form cannot carry every character
        chosen = asked.arguments(kind, given)
        if kind == "release" and not confirmed:
            return await self._confirm(str(chosen.get("source", "")), str(chosen.get("hold", "")))
        return self._home_saying(await self._do(kind, chosen))

    async def _do(self, kind: str, arguments: dict[str, Any]) -> str:
        """Carry it out to the end, whatever becomes of the request: a reload may stop this very server."""
        task = begin(self.backend.act(kind, arguments))
        self.doing.add(task)
        task.add_done_callback(self.doing.discard)
        return await asyncio.shield(task)

    async def _confirm(self, source: str, form: str) -> Response:
        """Ask once more before documents go: how many, which, and until when it can be undone (rule 20)."""
        from syncd.web.page import confirm

        def look(conn: sqlite3.Connection) -> tuple[Hold, releasing.Chosen] | None:
            found = [(hold, releasing.chosen(conn, hold, form)) for hold in records.holds(conn, source)]
            return next(((hold, chosen) for hold, chosen in found if chosen is not None and chosen.paths), None)

        found = await self.facts.read(look)
        if found is None:
            raise Refused(409, "that is not held any more; look at the page again, nothing was done")
        status = (await self.facts.snapshot()).status
        grace = next((one.get("grace") for one in status["sources"] if one["name"] == source), None)
        chosen = found[1]
        drawing = partial(confirm, source, form, list(chosen.paths), chosen.came_since, grace)
        page = await self.facts.in_thread(drawing)
        return Response(page, media_type="text/html")

    def _home_saying(self, message: str) -> Response:
        """Back to the page, which shows the message; loading it again does nothing twice."""
        number = secrets.token_urlsafe(9)
        self.said[number] = message
        for old in list(self.said)[:-_MOST_SAID]:
            del self.said[old]
        return RedirectResponse(f"/?said={number}", 303)

    async def _poke(self, request: Request) -> Response:
        """Says that there may be news, and can do no more: for the webhook of whoever writes the folder beside us."""
        from_here = request.client is not None and is_loopback(request.client.host)
        if self.guard.public and not from_here:
            refused = await self._refusal(request, changes=True)
            if refused is not None:
                return refused
        return Json({"schema": "syncd.sync/1", "message": await self._do("sync", {})})

    async def _login(self, request: Request) -> Response:
        given = (await _body(request)).get("token")
        if (busy := self._waits(request)) is not None:
            return busy
        if not isinstance(given, str) or not self.guard.is_token(given.strip()):
            return await self._wrong_token(request, "this is not the token")
        self.tries.right(_neighbour(request))
        response = RedirectResponse("/", 303)
        response.set_cookie(
            guarding.COOKIE,
            self.guard.session(time.time()),
            max_age=int(guarding.SESSION),
            httponly=True,
            samesite="strict",
        )
        return response

    async def _logout(self, _request: Request) -> Response:
        response = RedirectResponse("/", 303)
        response.delete_cookie(guarding.COOKIE, httponly=True, samesite="strict")
        return response


def _neighbour(request: Request) -> str:
    return neighbour(request.client.host) if request.client else ""


def _seen(request: Request) -> guarding.Request:
    return guarding.Request(request.method, request.headers, request.cookies)


async def _body(request: Request) -> dict[str, Any]:
    return await asked.body(request.stream(), request.headers.get("content-type", ""))


async def _home(_request: Request) -> Response:
    return RedirectResponse("/", 303)


async def _gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=400)  # nobody reads it


async def _failed(_request: Request, _error: Exception) -> Response:
    return Json({"schema": "syncd.error/1", "error": {"message": "a fault in syncd itself"}}, 500)
