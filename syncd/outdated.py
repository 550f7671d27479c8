"""Documents that were sent in an older way and would gain from being sent again: who they are, and sending them.

Nothing here sends. A person asks (`syncd retry --outdated`); from then on each of them has a time from which the
planner sends it anew, as an ordinary replacement: the version before serves until the new one is proven.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from syncd import door, sending
from syncd.config import Source
from syncd.door import FileAt
from syncd.ledger import Ledger, resending
from syncd.report.human import count

PER_MINUTE = 60
"""Documents that a service sends anew in a minute, unless a person says otherwise."""

_READ = 64 * 1024  # bytes of a text in which its headings are looked for
_MOST = 2000  # files read for one count; what is left is counted as if it gained
_REMEMBERED = 8192


@dataclass(slots=True)
class Older:
    """What of one source was sent in an older way.

    Attributes:
        reasons: why -> how many documents would gain.
        asked: how many of them a person has had sent anew, which is not done yet.
        exact: whether every text was looked at; if not, the count is the most it can be.
    """

    reasons: dict[str, int] = field(default_factory=dict)
    asked: int = 0
    exact: bool = True

    @property
    def number(self) -> int:
        """How many documents would gain."""
        return sum(self.reasons.values())

    @property
    def message(self) -> str:
        """The same in words; "" when there are none."""
        if not self.number:
            return ""
        were = "was" if self.number == 1 else "were"
        why = ", ".join(reason if len(self.reasons) == 1 else f"{n} {reason}" for reason, n in self.reasons.items())
        left = f" ({self.asked} of them are on their way)" if self.asked else ""
        most = "" if self.exact else "up to "
        return f"{most}{count(self.number, 'document')} {were} sent in an older way: {why}{left}"


def of_source(conn: sqlite3.Connection, source: Source, *, look: bool = True) -> Older:
    """Count the documents of a source that would gain.

    Args:
        conn: the ledger, for reading.
        source: its configuration.
        look: read the files where only the text can tell; without it the count is the most it can be.
    """
    found = Older()
    budget = [_MOST if look else 0]
    for row in resending.older(conn, source.name):
        reason, sure = _gain(row, source, budget)
        found.exact &= sure
        if reason:
            found.reasons[reason] = found.reasons.get(reason, 0) + 1
            found.asked += row.asked
    return found


def choose(
    conn: sqlite3.Connection, sources: Iterable[Source], now: float, per_minute: int | None
) -> list[tuple[str, float]]:
    """Choose the revisions that would gain from being sent anew, each with its time; reads files.

    Args:
        conn: the ledger, for reading.
        sources: whose documents.
        now: seconds since the epoch.
        per_minute: so many become due in each minute from now on; ``None``: all of them at once.
    """
    chosen: list[tuple[str, float]] = []
    for source in sources:
        for row in resending.older(conn, source.name):
            if not row.asked and _gain(row, source, None)[0]:
                chosen.append((row.revision, now if per_minute is None else now + 60.0 * (len(chosen) // per_minute)))
    return chosen


def keep(conn: sqlite3.Connection, chosen: Iterable[tuple[str, float]], now: float) -> None:
    """Write down what was chosen, and have what is due by now looked at; inside a write transaction."""
    resending.ask(conn, chosen)
    resending.wake_due(conn, None, now)


def ask(ledger: Ledger, sources: Iterable[Source], now: float, per_minute: int | None) -> int:
    """Have everything sent anew that would gain; returns how many documents that are.

    Args:
        ledger: open for writing.
        sources: whose documents.
        now: seconds since the epoch.
        per_minute: see ``choose``.
    """
    chosen = choose(ledger.conn, sources, now, per_minute)
    with ledger.transaction("resend") as conn:
        keep(conn, chosen, now)
    return len(chosen)


def _gain(row: resending.Older, source: Source, budget: list[int] | None) -> tuple[str, bool]:
    """Why the document would gain, "" when it would not, and whether that is sure; ``budget``: files left to read."""
    reason = sending.may_gain(row.sent_as, row.path, row.size, source.training)
    if reason != sending.LOSES_TITLE:
        return reason, True
    if budget is not None:
        if budget[0] <= 0:
            return reason, False
        budget[0] -= 1
    place = FileAt(str(source.path), row.disk_name)
    return (reason if _loses_title(place, row.size, row.mtime_ns) else ""), True


@lru_cache(_REMEMBERED)
def _loses_title(place: FileAt, size: int, mtime_ns: int) -> bool:
    """Whether the text of a file loses its title; false when it cannot be read: then it could not be sent either."""
    del size, mtime_ns  # another state of the file is another question
    try:
        raw = door.begin(place, _READ)
    except OSError:
        return False
    codec = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    return sending.loses_title(raw.decode(codec, errors="replace"))
