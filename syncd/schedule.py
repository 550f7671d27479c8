"""Jobs by the clock: APScheduler pokes, the engine works. Alone knows apscheduler."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from apscheduler.executors.asyncio import AsyncIOExecutor
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from syncd.config import Schedule
from syncd.firing import Timing

JOBS = ("scan", "audit", "verify", "maintenance")
_LOOK_EVERY = 60.0  # seconds; a clock that was set, or a machine that slept, is noticed within this time


class _Trigger(BaseTrigger):  # type: ignore[misc]
    """APScheduler's view of one ``Timing``; jitter included."""

    def __init__(
        self, timing: Timing, last: float | None, now: Callable[[], float], jitter: Callable[[], float]
    ) -> None:
        self._timing = timing
        self._last = last
        self._now = now
        self._jitter = jitter

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """The next time, missed ones folded into one."""
        moment = self._now()
        if previous_fire_time is None:
            at = self._timing.first(self._last, moment)
        else:
            at = self._timing.next(previous_fire_time.timestamp(), moment)
        return datetime.fromtimestamp(at + self._jitter(), UTC)


class _Executor(AsyncIOExecutor):  # type: ignore[misc]
    """Runs pokes, which are over in no time: cancelling one at the end would be logged as an error."""

    def shutdown(self, wait: bool = True) -> None:
        """What was begun ends by itself; a poke does nothing any more after ``Scheduler.stop``."""


class Scheduler:
    """The jobs of one configuration.

    Args:
        schedule: their rules.
        fire: called on the event loop with a job's name when its time has come; must return at once.
        last: job -> when it ran last, seconds since the epoch.
        now: the wall clock.
        rng: draws the jitter.
    """

    def __init__(
        self,
        schedule: Schedule,
        *,
        fire: Callable[[str], None],
        last: Mapping[str, float],
        now: Callable[[], float] = time.time,
        rng: random.Random | None = None,
    ) -> None:
        self._fire = fire
        self._now = now
        self._last = dict(last)
        self._draw = rng or random.Random()  # noqa: S311 - spreads load, no secret
        self._jitter = schedule.jitter
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False
        self._timings = {name: Timing(getattr(schedule, name), schedule.timezone) for name in JOBS}
        self._scheduler = AsyncIOScheduler(
            timezone=UTC,
            executors={"default": _Executor()},
            # A late run still runs, several missed ones are one, and nothing overlaps itself.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )

    def start(self) -> None:
        """Begin, on the running event loop."""
        for name, timing in self._timings.items():
            trigger = _Trigger(timing, self._last.get(name), self._now, self._draw_jitter)
            self._scheduler.add_job(self._poke, trigger, args=(name,), id=name)
        self._scheduler.start()
        self._look_later()

    def _look_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_LOOK_EVERY, self._look)

    def _look(self) -> None:
        """Timers count the time that the machine is awake; the wall clock may have been set, or have gone on asleep."""
        now = self._now()
        for job in self._scheduler.get_jobs():
            latest = self._timings[job.id].after(now) + self._jitter
            if job.next_run_time is not None and job.next_run_time.timestamp() > latest:
                job.modify(next_run_time=datetime.fromtimestamp(latest, UTC))
        self._scheduler.wakeup()
        self._look_later()

    def stop(self) -> None:
        """End; nothing fires any more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    async def _poke(self, name: str) -> None:
        # A coroutine runs on the event loop; a plain function would go to a thread.
        if not self._stopped:
            self._fire(name)

    def _draw_jitter(self) -> float:
        return self._draw.uniform(0.0, self._jitter)

    def next_times(self) -> dict[str, float]:
        """When each job runs next, seconds since the epoch."""
        jobs: list[Any] = self._scheduler.get_jobs()
        return {job.id: job.next_run_time.timestamp() for job in jobs if job.next_run_time is not None}

    def explain(self) -> dict[str, str]:
        """Each rule in words."""
        return {name: timing.explain() for name, timing in self._timings.items()}
