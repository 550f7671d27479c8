"""Whether a stored time has come, by a clock that may have been wrong when it was stored. Pure.

A time that lies further ahead than anything ever waits was written by a clock that was wrong then: it counts as come,
since otherwise work would stand still for as long as the clock was wrong. Deletions are not asked in here: they never
come early, see ``syncd.timekeeping``.
"""

from __future__ import annotations

TRY = 3600.0  # the longest pause until a document is tried again
SURVEY = 600.0  # the longest time until the datasets are looked through again


def left(at: float | None, now: float, longest: float) -> float:
    """Seconds until a stored time; 0 when it has come, or cannot be meant. ``longest``: nothing is put off further."""
    if at is None:
        return 0.0
    rest = at - now
    return rest if 0.0 < rest <= longest else 0.0


def has_come(at: float | None, now: float, longest: float) -> bool:
    """Whether the time is over; a time that was never stored is."""
    return left(at, now, longest) == 0.0


def age(since: float | None, now: float) -> float:
    """Seconds since a stored moment; 0 when that lies ahead, or was never stored."""
    return 0.0 if since is None else max(now - since, 0.0)
