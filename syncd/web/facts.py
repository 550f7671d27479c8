"""What the status server reads: in a thread of its own, once for all who ask, and never for most of the time.

A ledger of 100 000 documents takes a good second to sum up. The event loop must not wait for that, nor must ten open
pages have it done ten times a second.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from syncd.ledger import quality
from syncd.together import begin
from syncd.web.backend import Backend

T = TypeVar("T")

QUALITY_DAYS = 30
MOST_QUARANTINED = 100  # that are shown with their remedy
_RECENT = 15
_REST = 4.0  # so many times what a reading took, until the next one begins: at most a fifth of a core
_LONGEST_REST = 2.0  # seconds: somebody waits
_REST_OF_HISTORY = 50.0  # the same for the proofs of a month, which change slowly


class Shared(Generic[T]):
    """A value that everybody who asks meanwhile shares; it is never older than the question.

    Args:
        read: finds the value.
        clock: seconds that only grow.
    """

    def __init__(self, read: Callable[[], Awaitable[T]], clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._turn = asyncio.Lock()
        self._next: asyncio.Task[T] | None = None
        self._not_before = 0.0

    async def get(self) -> T:
        """The value as it is now, or a little later."""
        if self._next is None or self._next.done():
            self._next = begin(self._get())
        return await asyncio.shield(self._next)

    async def _get(self) -> T:
        async with self._turn:
            await asyncio.sleep(max(self._not_before - self._clock(), 0.0))
            self._next = None  # who asks from here on may want to see what happens while this is read
            began = self._clock()
            try:
                return await self._read()
            finally:
                ended = self._clock()
                self._not_before = ended + min(_REST * (ended - began), _LONGEST_REST)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the page shows, as it was at one moment.

    Attributes:
        at: seconds since the epoch.
        status: the document of `syncd status --json`.
        proofs: rows of ``ledger.quality.by_day_and_source``.
        recent: rows of ``ledger.quality.recent``.
        quarantined: rows of ``ledger.quality.quarantined``.
    """

    at: float
    status: dict[str, Any]
    proofs: list[dict[str, Any]]
    recent: list[dict[str, Any]]
    quarantined: list[dict[str, Any]]


class Facts:
    """Reads for the status server.

    Args:
        backend: whose ledger it is.
        now: seconds since the epoch.
    """

    def __init__(self, backend: Backend, now: Callable[[], float] = time.time) -> None:
        self._backend = backend
        self._now = now
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="syncd-web")
        self._snapshots = Shared(self._snapshot)
        self._proofs: list[dict[str, Any]] = []
        self._proofs_until = 0.0

    async def in_thread(self, function: Callable[[], T]) -> T:
        """Run something that takes a while beside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, function)

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Ask the ledger, with a connection of its own."""

        def reading() -> T:
            with closing(self._backend.conn()) as conn:
                return query(conn)

        return await self.in_thread(reading)

    async def snapshot(self) -> Snapshot:
        """What the page shows."""
        return await self._snapshots.get()

    async def _snapshot(self) -> Snapshot:
        service = self._backend.service()  # asked here, on the event loop that changes it
        return await self.read(lambda conn: self._summed_up(conn, service))

    def _summed_up(self, conn: sqlite3.Connection, service: dict[str, Any]) -> Snapshot:
        now = self._now()
        return Snapshot(
            at=now,
            status=self._backend.status(conn, service),
            proofs=self._history(conn, now),
            recent=quality.recent(conn, limit=_RECENT),
            quarantined=quality.quarantined(conn, MOST_QUARANTINED),
        )

    def _history(self, conn: sqlite3.Connection, now: float) -> list[dict[str, Any]]:
        began = time.monotonic()
        if began >= self._proofs_until:
            self._proofs = quality.by_day_and_source(conn, now - QUALITY_DAYS * 86400)
            ended = time.monotonic()
            self._proofs_until = ended + _REST_OF_HISTORY * (ended - began)
        return self._proofs

    def close(self) -> None:
        """Begin nothing any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
