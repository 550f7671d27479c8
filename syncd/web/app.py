"""The routes of the status server. Alone knows starlette."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from syncd.errors import EXIT_BUSY, EXIT_USAGE, SyncdError
from syncd.ledger import quality, records
from syncd.web import guard as guarding
from syncd.web.backend import Backend
from syncd.web.guard import Guard
from syncd.web.metrics import CONTENT_TYPE, Metrics
from syncd.web.stream import MOST_READERS, Stream

ACTIONS = ("pause", "resume", "sync", "retry", "release", "rollback", "reload")
QUALITY_DAYS = 30
_LONGEST_QUERY = 2000  # characters
_LARGEST_BODY = 65536  # bytes
_MOST_ROWS = 500
_STATIC = {
    "style.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
Handler = Callable[[Request], Awaitable[Response]]


class Refused(SyncdError):
    """The request is not allowed, or makes no sense."""

    exit_code = EXIT_USAGE
    code = "refused"

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def make(backend: Backend, metrics: Metrics, guard: Guard, stream: Stream) -> Starlette:
    """The application."""
    return _App(backend, metrics, guard, stream).build()


@dataclass(slots=True)
class _App:
    backend: Backend
    metrics: Metrics
    guard: Guard
    stream: Stream

    def build(self) -> Starlette:
        open_ = (
            ("/livez", self._livez),
            ("/readyz", self._readyz),
            ("/healthz", self._livez),
            ("/metrics", self._metrics),
        )
        read = (
            ("/", self._page),
            ("/static/{name}", self._static),
            ("/api/v1/status", self._status),
            ("/api/v1/documents", self._documents),
            ("/api/v1/events", self._events),
            ("/api/v1/stream", self._live),
            ("/api/v1/quality", self._quality),
        )
        routes = [Route(path, handler, methods=["GET"]) for path, handler in open_]
        routes += [Route(path, self._guarded(handler), methods=["GET"]) for path, handler in read]
        routes += [
            Route(f"/api/v1/{kind}", self._guarded(self._act, changes=True), methods=["POST"]) for kind in ACTIONS
        ]
        routes += [
            Route("/act", self._guarded(self._form, changes=True), methods=["POST"]),
            Route("/search", self._guarded(self._search_page, costs=True), methods=["POST"]),
            Route("/api/v1/search", self._guarded(self._search, costs=True), methods=["POST"]),
            Route("/login", self._login, methods=["POST"]),
            # Says that there may be news, and can do no more: for the webhook of whoever writes the folder.
            Route("/-/sync", self._poke, methods=["POST", "GET"]),
        ]
        return Starlette(routes=routes, exception_handlers={Exception: _failed})

    # ------------------------------------------------------------ guarding

    def _guarded(self, handler: Handler, *, changes: bool = False, costs: bool = False) -> Handler:
        async def guarded(request: Request) -> Response:
            reason = self.guard.refusal(self._seen(request), time.time(), changes=changes, costs=costs)
            if reason:
                return self._refuse(request, 403, reason)
            try:
                response = await handler(request)
            except Refused as error:
                return self._refuse(request, error.status, error.message)
            except SyncdError as error:
                status = 503 if error.exit_code == EXIT_BUSY else 409
                return self._refuse(request, status, f"{error.message}; {error.hint}" if error.hint else error.message)
            response.headers.update(guarding.HEADERS)
            return response

        return guarded

    def _seen(self, request: Request) -> guarding.Request:
        return guarding.Request(request.method, request.headers, request.cookies)

    def _refuse(self, request: Request, status: int, reason: str) -> Response:
        """For a person a page with a login, for a program JSON."""
        if "text/html" in request.headers.get("accept", ""):
            from syncd.web.page import refused

            response: Response = Response(
                refused(reason, login=bool(self.guard.token) and status == 403), status, media_type="text/html"
            )
        else:
            response = JSONResponse({"schema": "syncd.error/1", "error": {"message": reason}}, status)
        response.headers.update(guarding.HEADERS)
        return response

    # ------------------------------------------------------------ health and metrics: open, and without secrets

    async def _livez(self, _request: Request) -> Response:
        well, reason = self.backend.live()
        return JSONResponse({"live": well, "reason": reason}, 200 if well else 503)

    async def _readyz(self, _request: Request) -> Response:
        well, reason = self.backend.ready()
        return JSONResponse({"ready": well, "reason": reason}, 200 if well else 503)

    async def _metrics(self, _request: Request) -> Response:
        return Response(self.metrics.text(), media_type=CONTENT_TYPE)

    # ------------------------------------------------------------ reading

    async def _page(self, request: Request) -> Response:
        return self._render(request)

    def _render(self, request: Request, **more: Any) -> Response:
        from syncd.web.page import render

        now = time.time()
        with closing(self.backend.conn()) as conn:
            html = render(
                self.backend.status(),
                quality=quality.by_day(conn, now - QUALITY_DAYS * 86400),
                recent=quality.recent(conn, limit=30),
                troubled=[row for row in records.documents(conn) if row["state"] in ("quarantined",)][:100],
                may_act=self.guard.knows(self._seen(request), now),
                has_token=bool(self.guard.token),
                now=now,
                part=request.query_params.get("part") == "live",
                **more,
            )
        return Response(html, media_type="text/html")

    async def _static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _STATIC:
            raise Refused(404, "there is no such file")
        return Response((Path(__file__).parent / "static" / name).read_bytes(), media_type=_STATIC[name])

    async def _status(self, _request: Request) -> Response:
        return JSONResponse(self.backend.status())

    async def _documents(self, request: Request) -> Response:
        params = request.query_params
        source, state, query = params.get("source"), params.get("state"), params.get("q", "").lower()
        with closing(self.backend.conn()) as conn:
            rows = [
                row
                for row in records.documents(conn, [source] if source else None)
                if (not state or row["state"] == state) and query in row["path"].lower()
            ]
        limit = _number(params, "limit", 100)
        return JSONResponse({"schema": "syncd.documents/1", "count": len(rows), "documents": rows[:limit]})

    async def _events(self, request: Request) -> Response:
        params = request.query_params
        with closing(self.backend.conn()) as conn:
            rows = quality.recent(conn, _number(params, "after", 0, 2**62), _number(params, "limit", 50))
        return JSONResponse({"schema": "syncd.events/1", "events": rows})

    async def _quality(self, _request: Request) -> Response:
        with closing(self.backend.conn()) as conn:
            rows = quality.by_day(conn, time.time() - QUALITY_DAYS * 86400)
        return JSONResponse({"schema": "syncd.quality/1", "days": rows})

    async def _live(self, _request: Request) -> Response:
        if len(self.stream) >= MOST_READERS:
            raise Refused(503, "too many readers")
        return StreamingResponse(self.stream.read(), media_type="text/event-stream")

    # ------------------------------------------------------------ searching

    async def _search(self, request: Request) -> Response:
        given = await _body(request)
        source, query = self._asked(given)
        hits = await self.backend.search(source, query)
        return JSONResponse({"schema": "syncd.search/1", "source": source, "query": query, "hits": hits})

    async def _search_page(self, request: Request) -> Response:
        source, query = self._asked(await _body(request))
        return self._render(
            request, searched={"source": source, "query": query, "hits": await self.backend.search(source, query)}
        )

    def _asked(self, given: Mapping[str, Any]) -> tuple[str, str]:
        source, query = str(given.get("source", "")), str(given.get("q", "")).strip()
        names = [row["name"] for row in self.backend.status()["sources"] if row["configured"]]
        if source not in names:
            raise Refused(404, "there is no such source")
        if not query or len(query) > _LONGEST_QUERY:
            raise Refused(400, f"a query has 1 to {_LONGEST_QUERY} characters")
        return source, query

    # ------------------------------------------------------------ changing

    async def _act(self, request: Request) -> Response:
        kind = request.url.path.rpartition("/")[2]
        message = await self.backend.act(kind, dict(await _body(request)))
        return JSONResponse({"schema": f"syncd.{kind}/1", "message": message})

    async def _form(self, request: Request) -> Response:
        given = await _body(request)
        kind = str(given.pop("kind", ""))
        if kind not in ACTIONS:
            raise Refused(400, "there is no such action")
        if "path" in given and kind == "retry":
            given["paths"] = [given.pop("path")]
        message = await self.backend.act(kind, given)
        return self._render(request, said=message)

    async def _poke(self, request: Request) -> Response:
        reason = self.guard.refusal(self._seen(request), time.time(), changes=False)
        if reason and not self.guard.public:
            return self._refuse(request, 403, reason)
        message = await self.backend.act("sync", {})
        return JSONResponse({"message": message})

    async def _login(self, request: Request) -> Response:
        given = await _body(request)
        seen = self._seen(request)
        if not self.guard.is_token(str(given.get("token", "")).strip()):
            return self._refuse(request, 403, "this is not the token")
        if self.guard.refusal(
            guarding.Request("POST", {**seen.headers, "authorization": ""}, {}), time.time(), changes=False
        ).startswith("this server"):
            return self._refuse(request, 403, "this server does not answer for that name")
        response = RedirectResponse("/", 303)
        response.set_cookie(
            guarding.COOKIE,
            self.guard.session(time.time()),
            max_age=int(guarding.SESSION),
            httponly=True,
            samesite="strict",
        )
        response.headers.update(guarding.HEADERS)
        return response


async def _failed(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"schema": "syncd.error/1", "error": {"message": "a fault in syncd itself"}}, 500)


def _number(params: Mapping[str, str], name: str, default: int, most: int = _MOST_ROWS) -> int:
    text = params.get(name, "")
    if not text:
        return default
    if not text.isdecimal():
        raise Refused(400, f'"{name}" is a whole number')
    return min(int(text), most)


async def _body(request: Request) -> dict[str, Any]:
    """The fields of a form or of a JSON object."""
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > _LARGEST_BODY:
            raise Refused(413, "too much for one request")
    if not data:
        return {}
    if "json" in request.headers.get("content-type", ""):
        import json

        try:
            found = json.loads(data)
        except ValueError:
            raise Refused(400, "the body is not JSON") from None
        if not isinstance(found, dict):
            raise Refused(400, "the body is not a JSON object")
        return found
    try:
        return {name: values[-1] for name, values in parse_qs(data.decode(), max_num_fields=50).items()}
    except ValueError:
        raise Refused(400, "the body is not a form") from None
