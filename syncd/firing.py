"""When jobs run: the next time of a duration or a cron expression. Pure but for the calendar.

Cron expressions are those of Debian's cron (cronsim): 0 and 7 are Sunday, day and weekday are alternatives, a time that
the clock skips in spring runs when it would have been, one that comes twice in autumn runs once.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim

from syncd.durations import format_duration, parse_duration

SOON = 5.0  # seconds until a missed run is caught up


class Timing:
    """One job's rule.

    Args:
        rule: a duration ("15m") or a cron expression of five fields.
        timezone: in which the expression is meant.
    """

    def __init__(self, rule: str, timezone: str) -> None:
        self._zone = ZoneInfo(timezone)
        self._rule = rule
        self._every = None if len(rule.split()) == 5 else parse_duration(rule)

    def after(self, moment: float) -> float:
        """The first time after ``moment``; seconds since the epoch."""
        if self._every is not None:
            return moment + self._every
        # In the second of two equal hours cronsim names the time in the first one, which is over.
        return next(at for found in CronSim(self._rule, self._local(moment)) if (at := found.timestamp()) > moment)

    def first(self, last: float | None, now: float) -> float:
        """When to run first after a start.

        Args:
            last: when the job ran last; ``None`` when it never did.
            now: seconds since the epoch.

        A run that was missed is caught up once, soon; a duration counts from the last run, so that frequent restarts
        do not put it off for ever.
        """
        if last is None:
            return now + min(self._every, SOON) if self._every is not None else self.after(now)
        if last > now:
            return self.after(now)  # the clock was wrong then, or is wrong now
        due = self.after(last)
        return due if due > now else now + SOON

    def next(self, fired: float, now: float) -> float:
        """When to run after a run at ``fired``: never a pile of missed ones."""
        return self.after(max(fired, now))

    def explain(self) -> str:
        """The rule in words."""
        if self._every is not None:
            return f"every {format_duration(self._every)}"
        return f"{CronSim(self._rule, self._local(0.0)).explain()} ({self._zone.key})"

    def _local(self, moment: float) -> datetime:
        return datetime.fromtimestamp(moment, self._zone)
