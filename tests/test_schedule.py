"""The scheduler with the real APScheduler, on an event loop and a wall clock that jump."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from datetime import datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import exercised
import pytest
from apscheduler.schedulers import base
from virtual_loop import VirtualLoop

from syncd.config import Schedule
from syncd.firing import SOON
from syncd.schedule import Scheduler

HOUR = 3600.0
DAY = 24 * HOUR
JOBS = ("scan", "audit", "verify", "maintenance")
NEVER = "1000d"


class Wall:
    """The wall clock: goes on with the loop's, and can be set."""

    def __init__(self, start: str, zone: str = "UTC") -> None:
        self.zone = ZoneInfo(zone)
        self.loop = VirtualLoop()
        self._set = datetime.fromisoformat(start).replace(tzinfo=self.zone).timestamp()

    def now(self) -> float:
        return self._set + self.loop.time()

    def jump(self, seconds: float) -> None:
        """Somebody sets the clock, or the machine slept: the loop knows nothing of it."""
        self._set += seconds

    def local(self, moment: float) -> str:
        return datetime.fromtimestamp(moment, self.zone).strftime("%m-%d %H:%M:%S")


class Run:
    """One scheduler and what it fired."""

    def __init__(self, wall: Wall, *, last: dict[str, float] | None = None, seed: int = 0, **rules: Any) -> None:
        self.wall = wall
        self.fired: list[tuple[str, float]] = []
        given = {**dict.fromkeys(JOBS, NEVER), "timezone": wall.zone.key, "jitter": 0.0, **rules}
        self.scheduler = Scheduler(
            Schedule(**given),
            fire=lambda name: self.fired.append((name, wall.now())),
            last={**{name: wall.now() for name in JOBS if name not in rules}, **(last or {})},
            now=wall.now,
            rng=random.Random(seed),
        )

    def times(self, name: str) -> list[float]:
        return [moment for job, moment in self.fired if job == name]

    def shown(self, name: str) -> list[str]:
        return [self.wall.local(moment) for moment in self.times(name)]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[[Wall, Callable[[], Coroutine[Any, Any, None]]], None]:
    """Runs a play in the wall's loop; APScheduler, which takes no clock, is given the wall's."""

    def run(wall: Wall, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        class Clock(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> Clock:
                return cls.fromtimestamp(wall.now(), tz)

        monkeypatch.setattr(base, "datetime", Clock)
        with asyncio.Runner(loop_factory=lambda: wall.loop) as runner:
            runner.run(main())

    return run


async def serve(run: Run, seconds: float) -> None:
    """Start the scheduler and let so much time go by."""
    run.scheduler.start()
    await asyncio.sleep(seconds)


Play = Callable[[Wall, Callable[[], Coroutine[Any, Any, None]]], None]


def test_each_job_at_its_time(play: Play) -> None:
    """Durations count from the start, cron expressions run at their times, day after day, and never twice."""
    wall = Wall("2026-11-27 12:00")  # a Friday
    run = Run(wall, scan="6h", audit="0 3 * * *", verify="0 4 * * 0", maintenance="30 3 28 * *")

    async def main() -> None:
        await serve(run, 2 * DAY)
        run.scheduler.stop()

    play(wall, main)

    assert ["11-28 03:00:00", "11-29 03:00:00"] == run.shown("audit")
    assert (["11-29 04:00:00"], ["11-28 03:30:00"]) == (run.shown("verify"), run.shown("maintenance"))
    assert (8, "11-27 12:00:05", "11-27 18:00:05") == (len(run.times("scan")), *run.shown("scan")[:2])
    exercised.add("scheduled runs (virtual days)", len(run.fired))


@pytest.mark.parametrize(
    ("zone", "start", "rule", "expected"),
    [
        ("Europe/Berlin", "2026-10-24 12:00", "30 2 * * *", ["10-25 02:30:00", "10-26 02:30:00"]),
        ("Europe/Berlin", "2026-03-28 12:00", "30 2 * * *", ["03-29 03:00:00", "03-30 02:30:00"]),
        ("America/New_York", "2026-10-31 12:00", "30 1 * * *", ["11-01 01:30:00", "11-02 01:30:00"]),
        ("Australia/Lord_Howe", "2026-10-03 12:00", "15 2 * * *", ["10-04 02:30:00", "10-05 02:15:00"]),
        ("Australia/Lord_Howe", "2026-04-04 12:00", "45 1 * * *", ["04-05 01:45:00", "04-06 01:45:00"]),
    ],
)
@pytest.mark.parametrize("jitter", [0.0, 40 * 60.0])
def test_summer_time(play: Play, zone: str, start: str, rule: str, expected: list[str], jitter: float) -> None:
    """On the days on which clocks change a daily job runs once, and the scheduler does not spin."""
    wall = Wall(start, zone)
    run = Run(wall, audit=rule, jitter=jitter)

    async def main() -> None:
        await serve(run, 1.8 * DAY)
        run.scheduler.stop()

    play(wall, main)

    def exactly(text: str) -> float:
        return datetime.strptime(f"{start[:4]}-{text}", "%Y-%m-%d %H:%M:%S").replace(tzinfo=wall.zone).timestamp()

    times = run.times("audit")
    assert len(expected) == len(times)
    if not jitter:
        assert expected == run.shown("audit")
    assert all(0 <= late - due <= jitter + 1e-3 for late, due in zip(times, map(exactly, expected), strict=True))


def test_missed_runs_are_caught_up_once(play: Play) -> None:
    """What was missed while nothing ran is run once, soon after the start; then all goes its ordinary way."""
    wall = Wall("2026-11-27 12:00")
    last = {"scan": wall.now() - 40 * DAY, "audit": wall.now() - 3 * DAY, "verify": wall.now() - HOUR}
    run = Run(wall, last=last, scan="1h", audit="0 3 * * *", verify="0 4 * * 0")

    async def main() -> None:
        await serve(run, 2.5 * HOUR)
        run.scheduler.stop()

    play(wall, main)

    assert ["11-27 12:00:05", "11-27 13:00:05", "11-27 14:00:05"] == run.shown("scan")
    assert (["11-27 12:00:05"], []) == (run.shown("audit"), run.shown("verify"))
    assert SOON == run.times("audit")[0] - wall.now() + 2.5 * HOUR


def test_a_machine_that_slept(play: Play) -> None:
    """Whatever came due while the machine slept runs once, within a minute of its waking."""
    wall = Wall("2026-11-27 12:00")
    run = Run(wall, scan="15m", audit="0 3 * * *")

    async def main() -> None:
        await serve(run, 60.0)
        run.fired.clear()
        wall.jump(3 * DAY)
        await asyncio.sleep(61.0)
        run.scheduler.stop()

    play(wall, main)

    assert ["audit", "scan"] == sorted(job for job, _ in run.fired)


@pytest.mark.parametrize("back", [120.0, DAY, 400 * DAY])
def test_a_clock_that_is_set_back(play: Play, back: float) -> None:
    """A clock that is set back delays no job by more than its own interval and a minute."""
    wall = Wall("2026-11-27 12:00")
    run = Run(wall, scan="15m", audit="0 * * * *")

    async def main() -> None:
        await serve(run, 30 * 60.0)
        run.fired.clear()
        wall.jump(-back)
        await asyncio.sleep(60.0 + 15 * 60.0 + 1.0)
        assert run.times("scan")
        await asyncio.sleep(50 * 60.0)
        run.scheduler.stop()

    play(wall, main)

    gaps = [later - earlier for earlier, later in zip(run.times("scan"), run.times("scan")[1:], strict=False)]
    assert all(gap > 14 * 60 for gap in gaps)
    assert all(run.wall.local(moment).endswith(":00:00") for moment in run.times("audit"))
    assert run.times("audit")


def test_jitter(play: Play) -> None:
    """Jitter puts a run off by at most so much, not always the same, and loses or doubles none."""
    wall = Wall("2026-11-27 12:00")
    run = Run(wall, audit="0 3 * * *", jitter=600.0, seed=4)

    async def main() -> None:
        await serve(run, 6 * DAY)
        run.scheduler.stop()

    play(wall, main)

    late = [(moment - wall.now()) % DAY - 15 * HOUR for moment in run.times("audit")]
    assert 6 == len(late)
    assert all(0 <= seconds <= 600 + 1e-3 for seconds in late)
    assert max(late) - min(late) > 60


def test_nothing_fires_after_the_stop(play: Play, caplog: pytest.LogCaptureFixture) -> None:
    """A stop holds at once, also for what is due at that very moment, and leaves no timer behind."""
    wall = Wall("2026-11-27 12:00")
    run = Run(wall, scan="10s")

    async def main() -> None:
        await serve(run, 6.0)
        before = len(run.fired)
        wall.jump(DAY)  # everything is due
        run.scheduler._scheduler.wakeup()
        run.scheduler.stop()
        await asyncio.sleep(HOUR)
        assert (1, 1) == (before, len(run.fired))
        assert [] == caplog.records
        assert [] == [timer for timer in wall.loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]

    play(wall, main)


def test_stopping_twice_or_before_the_start_does_no_harm(play: Play) -> None:
    """The end of a start that failed half-way is no failure of its own."""
    wall = Wall("2026-11-27 12:00")
    run = Run(wall)

    async def main() -> None:
        run.scheduler.stop()
        run.scheduler.start()
        run.scheduler.stop()
        run.scheduler.stop()
        await asyncio.sleep(1)

    play(wall, main)
    assert [] == run.fired


def test_next_times_and_words(play: Play) -> None:
    """`status` can show when each job runs next, and its rule in words; a run moves the next one on."""
    wall = Wall("2026-11-27 12:00", "Europe/Berlin")
    run = Run(wall, scan="15m", audit="0 3 * * *", verify="0 4 * * 7", maintenance="30 3 * * *")
    told: list[dict[str, str]] = []

    def shown() -> dict[str, str]:
        return {name: wall.local(moment) for name, moment in run.scheduler.next_times().items()}

    async def main() -> None:
        assert {} == run.scheduler.next_times()
        run.scheduler.start()
        told.append(shown())
        await asyncio.sleep(SOON + 1)
        told.append(shown())
        run.scheduler.stop()
        await asyncio.sleep(1)
        told.append(shown())

    play(wall, main)

    rest = {"audit": "11-28 03:00:00", "verify": "11-29 04:00:00", "maintenance": "11-28 03:30:00"}
    assert [{"scan": "11-27 12:00:05", **rest}, {"scan": "11-27 12:15:05", **rest}] == told[:2]
    assert {
        "scan": "every 15m",
        "audit": "At 03:00 every day (Europe/Berlin)",
        "verify": "At 04:00 on Sunday (Europe/Berlin)",
        "maintenance": "At 03:30 every day (Europe/Berlin)",
    } == run.scheduler.explain()
