"""Keeps the ledger's times right when the clock was wrong, so that nothing is deleted early and nothing waits for ever.

The wall clock is compared with what can be proven: within a run with the monotonic clock, between runs with the wall
time that the last run saw. When it has jumped, every stored time that something waits for moves with it: what had an
hour left has an hour left, whichever way the clock went; when it is put right, the times move back.

Between runs nobody can say how long it really was. A gap that is plausible (a week, or twice the longest that was
usual before) is believed; after a longer one the times stand as if none had passed, once: the next run goes on.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field

from syncd.ledger import Ledger
from syncd.logs import get_logger

log = get_logger(__name__)

STEP = 60.0  # seconds; less is the ordinary work of whoever keeps the clock
PLAUSIBLE = 7 * 86_400.0  # seconds between two runs that are believed at once
_EVERY = 60.0  # seconds after which the time is written down again

_TIMES = (
    "update revisions set delete_after = delete_after + ? where state = 'retired' and delete_after is not null",
    "update revisions set sent_at = sent_at + ? where state = 'uploading' and sent_at is not null",
    "update revisions set resend_at = resend_at + ? where resend_at is not null",
    "update documents set next_try_at = next_try_at + ? where next_try_at is not null",
    "update documents set setback_since = setback_since + ? where setback_since is not null",
    "update documents set missing_since = missing_since + ? where missing_since is not null",
    "update restless set since = since + ?",
    "update folders set empty_since = empty_since + ? where empty_since is not null",
    "update deletions set at = at + ?",
    "update releases set at = at + ?",
    "update hold_forms set at = at + ?, shown_at = shown_at + ?",
    "update jobs set fired_at = fired_at + ?",
    "update meta set value = cast(cast(value as real) + ? as text) where key = 'survey_at' and value != '0'",
)


def shift(conn: sqlite3.Connection, seconds: float) -> None:
    """Move every stored time that something waits for, in a write transaction."""
    for statement in _TIMES:
        conn.execute(statement, [seconds] * statement.count("?"))


def unproven(gap: float, usual: float) -> float:
    """Of the wall time between two runs, the seconds that are not believed; negative when the clock went back."""
    if gap < -STEP:
        return gap
    return gap if gap > max(PLAUSIBLE, 2 * usual) else 0.0


@dataclass(slots=True)
class Timekeeper:
    """Watches the wall clock for one engine.

    Args:
        ledger: open for writing.
        wall: seconds since the epoch.
        steady: seconds that only grow while the machine is on.
    """

    ledger: Ledger
    wall: Callable[[], float]
    steady: Callable[[], float]
    _seen: tuple[float, float] | None = None  # wall and steady, when they were compared last
    _written: float = float("-inf")  # steady
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def check(self) -> None:
        """Compare the clocks, and put the ledger's times right; before anything is planned."""
        async with self._turn:  # nobody plans while the times are being moved
            wall, steady = self.wall(), self.steady()
            if self._seen is None:
                await self._begin(wall)
            else:
                drift = (wall - self._seen[0]) - (steady - self._seen[1])
                if abs(drift) > STEP:
                    await self._move(drift, wall)
            self._seen = (wall, steady)
            if steady - self._written >= _EVERY:
                await self._write(wall)
                self._written = steady

    async def _begin(self, wall: float) -> None:
        """A run begins: how long was it since the last one?"""
        known = self._known()
        if known is None:
            return  # the first run, or the ledger of an older version
        last, usual = known
        doubted = unproven(wall - last, usual)
        if doubted:
            await self._move(doubted, wall)
        await self._write(wall, max(usual, wall - last))

    def _known(self) -> tuple[float, float] | None:
        try:
            last, usual = json.loads(self.ledger.meta("clock") or "null")
        except (TypeError, ValueError):
            return None
        return float(last), float(usual)

    async def _write(self, wall: float, usual: float | None = None) -> None:
        known = self._known()
        longest = usual if usual is not None else known[1] if known else 0.0
        text = json.dumps([wall, longest])
        await self.ledger.commit(
            "clock", lambda db: db.execute("insert or replace into meta values ('clock', ?)", (text,)), durable=False
        )

    async def _move(self, seconds: float, wall: float) -> None:
        known = self._known()
        text = json.dumps([wall, known[1] if known else 0.0])

        def move(db: sqlite3.Connection) -> None:
            shift(db, seconds)
            db.execute("insert or replace into meta values ('clock', ?)", (text,))

        await self.ledger.commit("clock", move, beside=True)
        log.warning("clock.jumped", seconds=round(seconds, 1))
