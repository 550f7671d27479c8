"""The ASGI application: key, faults, dispatch."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qsl

from syncd.emulator import admin
from syncd.emulator.answers import (
    ApiError,
    ConnectionDropped,
    Hang,
    Reply,
    encode,
    failure,
    html_page,
    success,
    text_reply,
    thrown,
    unauthorized,
    unknown_key,
)
from syncd.emulator.call import Call, Route
from syncd.emulator.core import Core, RequestRecord
from syncd.emulator.faults import Fault
from syncd.emulator.orders import ordered
from syncd.emulator.routes import BODY_MEGABYTES, ONLY_EXACT, PUBLIC, ROUTES, UPLOAD
from syncd.emulator.subjects import Subjects
from syncd.emulator.training import Trainer
from syncd.emulator.upload_routes import upload_limit
from syncd.emulator.wire import Incoming, Receive, Scope, Send, hang, read_body, read_json, send_reply

_MEGABYTE = 1024 * 1024
_SUMMARY = 300


class App:
    """One emulator as an ASGI application."""

    def __init__(self, core: Core, trainer: Trainer) -> None:
        self._core = core
        self._trainer = trainer
        self._routes = ROUTES | (ONLY_EXACT if core.dialect.exact_status else {})
        self._late: set[asyncio.TimerHandle] = set()

    def cancel_late(self) -> None:
        """Forget effects that have not come yet."""
        for handle in self._late:
            handle.cancel()
        self._late.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self._trainer.attach()
        path: str = scope["path"]
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if path.startswith("/__emulator__/"):
            content = await read_body(receive, "", 64 * _MEGABYTE, None, False)
            await send_reply(send, admin.answer(self._core, scope["method"], path, content.raw), "admin")
            return
        record = self._core.record(scope["method"], path)
        try:
            await self._serve(scope, headers, receive, send, record)
        except ConnectionDropped:
            record.status = 0
            raise

    async def _serve(
        self, scope: Scope, headers: dict[str, str], receive: Receive, send: Send, record: RequestRecord
    ) -> None:
        core = self._core
        name = record.path.removeprefix("/api/") if record.path.startswith("/api/") else ""
        route = self._routes.get(name)
        limit = BODY_MEGABYTES.get(name, 1)
        kind = headers.get("content-type", "")
        incoming = await read_body(receive, kind, limit * _MEGABYTE, upload_limit(core), name == UPLOAD)
        record.body = _summary(incoming) or scope["query_string"].decode("latin-1")
        call = Call(core, dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)), {})
        about = Subjects(core, call, incoming)
        line = f"{record.method} {record.path}"
        fault = core.faults.for_request(line, _fault_text(incoming), about) if name else None
        if fault is not None:
            record.fault = fault.kind
        reply = await self._before(fault, route, call, name, headers, incoming, receive)
        if reply is None:
            if fault is not None and fault.kind == "stale_read":
                call.stale = fault.number("seconds", 30.0)
            try:
                reply = self._answer(route, call, name, headers, incoming)
            except Hang:
                await hang(receive)
                raise
        if fault is not None:
            reply = await self._after(fault, reply, receive)
        record.status = reply.status
        await send_reply(send, reply, core.dialect.name, cut=fault is not None and fault.kind == "reset_mid")

    def _answer(self, route: Route | None, call: Call, name: str, headers: dict[str, str], incoming: Incoming) -> Reply:
        """What FastGPT answers; all effects happen in here, at once."""
        if route is None:
            if not name:  # not below /api: the web app's page, whatever was sent there
                return html_page(200, "FastGPT", "FastGPT")
            return html_page(404, "404: This page could not be found", "This page could not be found.")
        if incoming.too_large:
            return text_reply(413, f"Body exceeded {BODY_MEGABYTES.get(name, 1)}mb limit")
        try:
            call.body, call.body_is_object = read_json(incoming.raw, headers.get("content-type", ""))
        except (ValueError, RecursionError):
            return text_reply(400, "Invalid JSON")
        call.upload = incoming.upload
        try:
            if incoming.upload is not None and incoming.upload.hangs:
                raise Hang  # thrown while the body is read, before the key is looked at
            if name not in PUBLIC:
                self._authorize(call, headers.get("authorization", ""))
            answer = route(call)
        except ApiError as error:
            return failure(error, self._core.dialect)
        return answer if isinstance(answer, Reply) else success(answer)

    def _authorize(self, call: Call, header: str) -> None:
        """The second blank-separated word counts, whatever the first one is (fastgpt-api.md 1.2)."""
        words = header.split(" ")
        key = words[1] if len(words) > 1 else ""
        if not key:
            raise unauthorized()
        parts = key.split("-")
        if not self._core.dialect.exact_status and len(parts) not in (2, 3):
            raise unauthorized()
        if len(parts) == 3:
            call.key_app = parts[2]
            key = "-".join(parts[:2])
        if key == self._core.global_key:
            call.key = "global"
        elif key == self._core.app_key:
            call.key = "app"
        else:
            raise unknown_key()

    async def _before(
        self,
        fault: Fault | None,
        route: Route | None,
        call: Call,
        name: str,
        headers: dict[str, str],
        incoming: Incoming,
        receive: Receive,
    ) -> Reply | None:
        """Faults that strike before the effect, or instead of it; None means: go on."""
        if fault is None:
            return None
        match fault.kind:
            case "slow":
                await asyncio.sleep(fault.number("seconds", 1.0))
            case "timeout_before":
                await hang(receive)
            case "reset_before":
                raise ConnectionDropped("reset before the effect")
            case "late_effect":
                self._later(fault, route, call, name, headers, incoming)
                if fault.params.get("then", "reset") == "hang":
                    await hang(receive)
                raise ConnectionDropped("reset now, the effect comes later")
            case "answer":
                match fault.params.get("effect", "after"):
                    case "after":
                        self._answer(route, call, name, headers, incoming)
                    case "late":
                        self._later(fault, route, call, name, headers, incoming)
                return ordered(fault.params, self._core.dialect)
            case _:
                instead = _instead(fault, self._core)
                if instead is not None and fault.params.get("effect"):
                    self._answer(route, call, name, headers, incoming)
                return instead
        return None

    def _later(
        self, fault: Fault, route: Route | None, call: Call, name: str, headers: dict[str, str], incoming: Incoming
    ) -> None:
        """Let the effect happen after the client has given up."""
        loop = asyncio.get_running_loop()

        def effect() -> None:
            self._late.discard(handle)
            self._answer(route, call, name, headers, incoming)

        handle = loop.call_later(fault.number("seconds", 5.0), effect)
        self._late.add(handle)

    async def _after(self, fault: Fault, reply: Reply, receive: Receive) -> Reply:
        """Faults that strike after the effect."""
        match fault.kind:
            case "timeout_after":
                await hang(receive)
            case "reset_after":
                raise ConnectionDropped("reset after the effect")
            case "cut_json":
                reply.body = reply.body[: max(1, len(reply.body) // 2)]
            case "wrong_shape":
                shape = fault.params.get("body_json", {"code": 200, "statusText": "", "message": "", "data": [[1]]})
                return Reply(200, encode(shape))
        return reply


def _instead(fault: Fault, core: Core) -> Reply | None:
    """The answers that faults give in FastGPT's place."""
    params: dict[str, Any] = fault.params
    match fault.kind:
        case "rate_limit":
            body = {"code": 429, "statusText": "tooManyRequest", "message": "Too many request", "data": None}
            headers: dict[str, str] = {}
            if params.get("retry_after") is not None:
                after = str(params["retry_after"])
                headers = {"Retry-After": after, "X-RateLimit-Limit": "1", "X-RateLimit-Remaining": "0"}
            return Reply(int(fault.number("http", 429)), encode(body), headers=headers)
        case "error_500":
            return failure(thrown(str(params.get("message", "Internal error"))), core.dialect)
        case "html_502":
            return html_page(int(fault.number("http", 502)), "502 Bad Gateway", "502 Bad Gateway")
        case "code_200":
            code = int(fault.number("code", 500))
            text = {"statusText": params.get("statusText", "error"), "message": params.get("message", "fault")}
            return Reply(200, encode({"code": code, **text, "data": None}))
        case "key_refused":
            return failure(unknown_key(), core.dialect)
        case "quota":
            return failure(ApiError(500004, "aiPointsNotEnough", "common:error.aiPointsNotEnough"), core.dialect)
    return None


def _summary(incoming: Incoming) -> str:
    """A short text about the body for the list of requests."""
    if incoming.upload is not None:
        upload = incoming.upload
        return f"file {upload.name!r} {upload.size} bytes; data {upload.fields.get('data', '')[:_SUMMARY]}"
    return incoming.raw[:_SUMMARY].decode("utf-8", "replace")


def _fault_text(incoming: Incoming) -> bytes:
    """What a fault's ``body`` parameter is looked for in."""
    if incoming.upload is None:
        return incoming.raw
    return f"{incoming.upload.name} {incoming.upload.fields.get('data', '')}".encode("utf-8", "replace")
