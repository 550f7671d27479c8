"""What a world is made of: a clock that jumps, a connection into the same process, and a way to die."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from syncd.emulator import ConnectionDropped


class _Selector(selectors.DefaultSelector):  # type: ignore[misc,valid-type]
    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(0)
        if events or timeout == 0:
            return events
        if timeout is None:
            raise RuntimeError("the world stands still: every task waits and no timer is set")
        self.loop.virtual += timeout + self.loop.grain
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps; ``grain`` is what it jumps too far, so that no sum is short of a time."""

    grain = 0.0

    def __init__(self, start: float = 0.0) -> None:
        selector = _Selector()
        selector.loop = self
        self.virtual = start
        super().__init__(selector)

    def time(self) -> float:
        return self.virtual


class Crash(BaseException):
    """The process died here."""


Forward = Callable[[httpx.Request], Awaitable[httpx.Response]]
Between = Callable[[httpx.Request, Forward], Awaitable[httpx.Response]]


class Transport(httpx.ASGITransport):
    """The emulator in this process; a dropped connection looks as it would on a socket.

    ``between`` stands between us and the server, as a proxy does: it forwards a request or not, and answers.
    """

    def __init__(self, app: Any, between: Between | None = None) -> None:
        super().__init__(app=app)
        self._between = between

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await (self._forward(request) if self._between is None else self._between(request, self._forward))

    async def _forward(self, request: httpx.Request) -> httpx.Response:
        try:
            return await super().handle_async_request(request)
        except ConnectionDropped as error:
            raise httpx.ReadError("connection reset", request=request) from error


def finish(loop: VirtualLoop) -> None:
    """Cancel what a crash left behind, as the end of a process would."""
    pending = asyncio.all_tasks(loop)
    for task in pending:
        task.cancel()
    if pending:
        loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
