"""Telling persons: webhooks for what needs them, and a dead-man's switch for when nothing is told any more."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping

from syncd.config import Notify
from syncd.errors import SyncdError
from syncd.fastgpt.transport import send
from syncd.logs import get_logger
from syncd.notices.digest import Digest, Message, Notice
from syncd.notices.wire import body, flaw, headers

__all__ = ["Digest", "Notice", "Notifier"]

log = get_logger(__name__)

Send = Callable[[str, str, bytes, Mapping[str, str]], Awaitable[tuple[int, bytes]]]

_TRIES = 6
_FIRST_PAUSE = 2.0  # seconds; doubled from try to try
_AFTER_A_BUG = 60.0  # seconds
_LAST_WORDS = 5.0  # seconds that the end of the service waits for messages


class Notifier:
    """Sends messages and pings.

    Args:
        config: where to.
        healthy: whether everything works; asked before each ping.
        digest: what was told and what waits; given when it outlives a reload of the configuration.
        send: sends method, address, body and headers; tests put their own here.
        now: the wall clock, seconds since the epoch.
        first_pause: seconds between the first two tries.
    """

    def __init__(
        self,
        config: Notify,
        *,
        healthy: Callable[[], bool] = lambda: True,
        digest: Digest | None = None,
        send: Send = send,
        now: Callable[[], float] = time.time,
        first_pause: float = _FIRST_PAUSE,
    ) -> None:
        self._config = config
        self._healthy = healthy
        self._send = send
        self._now = now
        self._first_pause = first_pause
        self._host = socket.gethostname()
        self._digest = Digest() if digest is None else digest
        self._poke = asyncio.Event()
        self._closing = asyncio.Event()
        self._turn = asyncio.Lock()

    def tell(self, notice: Notice) -> None:
        """Take a notice; it goes out with others of its kind."""
        if self._config.webhook_url:
            self._digest.add(notice, self._now())
            self._poke.set()

    async def run(self) -> None:
        """Send and ping for ever."""
        async with asyncio.TaskGroup() as group:
            if self._config.webhook_url:
                group.create_task(_for_ever(self._messages))
            if self._config.ping_url:
                group.create_task(_for_ever(self._pings))

    async def close(self) -> None:
        """Send what waits and what is being tried, for a few seconds at most; each once."""
        self._closing.set()
        waiting = self._digest.take_all(self._now())
        try:
            async with asyncio.timeout(_LAST_WORDS):
                async with self._turn:  # a message that is being tried has its last try
                    pass
                while waiting:
                    await self._deliver(waiting[0])
                    del waiting[0]
        except TimeoutError:
            for message in waiting:
                log.warning("notice.failed", kind=message.kind, count=message.count, error="there was no time left")

    async def _messages(self) -> None:
        while True:
            self._poke.clear()
            for message in self._digest.take(self._now()):
                await self._deliver(message)
            at = self._digest.next_at()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if at is None else max(at - self._now(), 0.0) + 0.01):
                    await self._poke.wait()

    async def _deliver(self, message: Message) -> None:
        """Try until it is taken, or cannot be, or was tried often enough."""
        async with self._turn:
            pause, number = self._first_pause, f"msg_{uuid.uuid4().hex}"
            for left in range(_TRIES - 1, -1, -1):
                problem, again = await self._try(message, number)
                if not problem:
                    log.info("notice.sent", kind=message.kind, count=message.count)
                    return
                if not again or not left or self._closing.is_set():
                    break
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._closing.wait()
                pause *= 2
            log.warning("notice.failed", kind=message.kind, count=message.count, error=problem)

    async def _try(self, message: Message, number: str) -> tuple[str, bool]:
        """Send a message once; why it was not taken, and whether trying again makes sense."""
        config, secret, now = self._config, self._config.webhook_secret.reveal(), self._now()
        content = body(message, config.webhook_format, number=number, host=self._host, secret=secret, now=now)
        signed = headers(content, number=number, secret=secret, now=now)
        try:
            status, answer = await self._send("POST", config.webhook_url.reveal(), content, signed)
        except SyncdError as error:
            return error.message, True
        return flaw(config.webhook_format, status, answer)

    async def _pings(self) -> None:
        """Ask for the address while everything works: its silence is the alarm."""
        failing = False
        while True:
            if self._healthy():
                problem = await self._ping()
                if problem and not failing:
                    log.warning("ping.failed", error=problem)
                failing = bool(problem)
            await asyncio.sleep(self._config.ping_every)

    async def _ping(self) -> str:
        try:
            status, _ = await self._send("GET", self._config.ping_url.reveal(), b"", {})
        except SyncdError as error:
            return error.message
        return f"HTTP {status}" if status >= 300 else ""


async def _for_ever(loop: Callable[[], Awaitable[None]]) -> None:
    """A fault of ours in one message must not end all telling."""
    while True:
        try:
            await loop()
        except Exception:
            log.exception("bug")
        await asyncio.sleep(_AFTER_A_BUG)
