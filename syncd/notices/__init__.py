"""Telling persons: webhooks for what needs them, and a dead-man's switch for when nothing is told any more."""

from __future__ import annotations

import asyncio
import socket
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping

from syncd.config import Notify
from syncd.errors import SyncdError
from syncd.fastgpt.transport import post
from syncd.logs import get_logger
from syncd.notices.digest import Digest, Message, Notice
from syncd.notices.wire import body, headers

__all__ = ["Notice", "Notifier"]

log = get_logger(__name__)

Post = Callable[[str, bytes, Mapping[str, str]], Awaitable[int]]

_TRIES = 6
_FIRST_PAUSE = 2.0  # seconds; doubled from try to try
_LAST_WORDS = 5.0  # seconds that the end of the service waits for messages


class Notifier:
    """Sends messages and pings.

    Args:
        config: where to.
        healthy: whether everything works; asked before each ping.
        send: posts a body; tests put their own here.
        now: the wall clock, seconds since the epoch.
    """

    def __init__(
        self,
        config: Notify,
        *,
        healthy: Callable[[], bool] = lambda: True,
        send: Post = post,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._healthy = healthy
        self._send = send
        self._now = now
        self._host = socket.gethostname()
        self._digest = Digest()
        self._poke = asyncio.Event()
        self._closing = False

    def tell(self, notice: Notice) -> None:
        """Take a notice; it goes out with others of its kind."""
        if self._config.webhook_url:
            self._digest.add(notice, self._now())
            self._poke.set()

    async def run(self) -> None:
        """Send and ping for ever."""
        async with asyncio.TaskGroup() as group:
            if self._config.webhook_url:
                group.create_task(self._messages())
            if self._config.ping_url:
                group.create_task(self._pings())

    async def close(self) -> None:
        """Send what waits, for a few seconds at most."""
        self._closing = True
        waiting = self._digest.take_all(self._now())
        if waiting:
            try:
                async with asyncio.timeout(_LAST_WORDS):
                    for message in waiting:
                        await self._deliver(message)
            except TimeoutError:
                log.warning("notice.failed", kind=waiting[0].kind, error="there was no time left to send it")

    async def _messages(self) -> None:
        while True:
            for message in self._digest.take(self._now()):
                await self._deliver(message)
            at = self._digest.next_at()
            try:
                async with asyncio.timeout(None if at is None else max(at - self._now(), 0.0) + 0.01):
                    await self._poke.wait()
            except TimeoutError:
                continue
            self._poke.clear()

    async def _deliver(self, message: Message) -> None:
        config, number = self._config, f"msg_{uuid.uuid4().hex}"
        secret = config.webhook_secret.reveal()
        pause, problem = _FIRST_PAUSE, ""
        for _ in range(_TRIES):
            now = self._now()
            content = body(message, config.webhook_format, number=number, host=self._host, secret=secret, now=now)
            signed = headers(content, number=number, secret=secret, now=now)
            try:
                status = await self._send(config.webhook_url.reveal(), content, signed)
            except SyncdError as error:
                problem = error.message
            else:
                if status < 300:
                    log.info("notice.sent", kind=message.kind, count=message.count)
                    return
                problem = f"HTTP {status}"
                if 400 <= status < 500 and status not in (408, 429):
                    break  # it will not be taken as it is
            if self._closing:
                break
            await asyncio.sleep(pause)
            pause *= 2
        log.warning("notice.failed", kind=message.kind, count=message.count, error=problem)

    async def _pings(self) -> None:
        """Ask for the address while everything works; ``/fail`` behind it when not, as healthchecks.io reads it."""
        failing = False
        while True:
            well = self._healthy()
            url = self._config.ping_url.reveal()
            try:
                status = await self._send(url if well else url.rstrip("/") + "/fail", b"", {})
                problem = "" if status < 400 else f"HTTP {status}"
            except SyncdError as error:
                problem = error.message
            if problem and not failing:
                log.warning("ping.failed", error=problem)
            failing = bool(problem)
            await asyncio.sleep(self._config.ping_every)
