"""When jobs run: durations, cron expressions as Debian's cron reads them, time zones, clocks that are set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import exercised
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.firing import SOON, Timing

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia")
RULES = (
    "1s",
    "15m",
    "24h",
    "* * * * *",
    "*/7 * * * *",
    "30 2 * * *",
    "15 1,2,3 * * *",
    "0 */2 * * *",
    "0 3 * * 0",
    "0 4 13 * 5",
    "0 0 31 * *",
    "45 1 29 2 *",
)


def at(text: str, zone: str = "UTC") -> float:
    """Seconds since the epoch of a local time; a "b" at its end means the second one of two in autumn."""
    local = datetime.fromisoformat(text.removesuffix("b")).replace(tzinfo=ZoneInfo(zone), fold=int(text.endswith("b")))
    return local.timestamp()


def local(moment: float, zone: str = "UTC") -> str:
    """The local time with its distance from UTC."""
    return datetime.fromtimestamp(moment, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S %z")


def following(rule: str, start: str, count: int, zone: str = "UTC") -> list[str]:
    """The next times after a local time, each asked for after the one before."""
    timing, moment, found = Timing(rule, zone), at(start, zone), []
    for _ in range(count):
        moment = timing.next(moment, moment)
        found.append(local(moment, zone))
    return found


# ---------------------------------------------------------------- rules


@pytest.mark.parametrize(("rule", "seconds"), [("1s", 1), ("15m", 900), ("24h", 86400), ("1h30m", 5400)])
def test_durations(rule: str, seconds: float) -> None:
    """A duration counts from the run before."""
    timing = Timing(rule, "UTC")

    assert (1000.5 + seconds, f"every {rule}") == (timing.after(1000.5), timing.explain())


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        # 2026-11-27 is a Friday.
        ("0 3 * * 0", ["2026-11-29", "2026-12-06"]),  # 0 is Sunday
        ("0 3 * * 7", ["2026-11-29", "2026-12-06"]),  # and so is 7
        ("0 3 * * SUN", ["2026-11-29", "2026-12-06"]),
        ("0 3 * * 1-5", ["2026-11-30", "2026-12-01"]),  # Monday to Friday
        ("0 3 13 * 5", ["2026-12-04", "2026-12-11", "2026-12-13", "2026-12-18"]),  # the 13th, or any Friday
        ("0 3 */2 * 5", ["2026-12-11", "2026-12-25"]),  # a star in it: the odd days that are Fridays
        ("0 3 31 * *", ["2026-12-31", "2027-01-31", "2027-03-31", "2027-05-31"]),  # months without it are passed over
        ("0 3 29 2 *", ["2028-02-29", "2032-02-29"]),
        ("0 3 1 JAN *", ["2027-01-01", "2028-01-01"]),
        ("0 3 L * *", ["2026-11-30", "2026-12-31", "2027-01-31", "2027-02-28"]),  # the last of each month
    ],
)
def test_cron_days(rule: str, expected: list[str]) -> None:
    """Days, weekdays and months mean what Debian's cron takes them for."""
    assert [f"{day} 03:00:00 +0000" for day in expected] == following(rule, "2026-11-27 12:00", len(expected))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("*/25 * * * *", ["12:25", "12:50", "13:00", "13:25"]),
        ("5,10 14-15 * * *", ["14:05", "14:10", "15:05", "15:10"]),
        ("0 20/2 * * *", ["20:00", "22:00"]),
    ],
)
def test_cron_times(rule: str, expected: list[str]) -> None:
    """Steps, lists and ranges of minutes and hours; a minute that has begun is over."""
    assert [f"2026-11-27 {time}:00 +0000" for time in expected] == following(rule, "2026-11-27 12:00", len(expected))


def test_the_zone_decides() -> None:
    """The same expression is another moment in another time zone."""
    moments = {zone: Timing("0 3 * * *", zone).after(at("2026-11-27 12:00")) for zone in ZONES}

    assert dict.fromkeys(ZONES, "03:00:00") == {zone: local(m, zone).split()[1] for zone, m in moments.items()}
    assert len(ZONES) - len(set(moments.values())) == 0


@pytest.mark.parametrize(
    ("rule", "zone", "words"),
    [
        ("0 3 * * 0", "Europe/Berlin", "At 03:00 on Sunday (Europe/Berlin)"),
        ("90m", "Europe/Berlin", "every 1h30m"),
    ],
)
def test_rules_in_words(rule: str, zone: str, words: str) -> None:
    """A person reads the rule and its zone in words."""
    assert words == Timing(rule, zone).explain()


# ---------------------------------------------------------------- clocks that change in spring and autumn


@pytest.mark.parametrize(
    ("zone", "rule", "start", "expected"),
    [
        # The clock jumps from 02:00 to 03:00: what falls into the gap runs once, right behind it.
        (
            "Europe/Berlin",
            "30 2 * * *",
            "2026-03-28 12:00",
            ["2026-03-29 03:00:00 +0200", "2026-03-30 02:30:00 +0200"],
        ),
        (
            "America/New_York",
            "30 2 * * *",
            "2026-03-07 12:00",
            ["2026-03-08 03:00:00 -0400", "2026-03-09 02:30:00 -0400"],
        ),
        # Half an hour: from 02:00 to 02:30.
        (
            "Australia/Lord_Howe",
            "15 2 * * *",
            "2026-10-03 12:00",
            ["2026-10-04 02:30:00 +1100", "2026-10-05 02:15:00 +1100"],
        ),
        ("Europe/Berlin", "0 3 * * *", "2026-03-28 12:00", ["2026-03-29 03:00:00 +0200", "2026-03-30 03:00:00 +0200"]),
        # The hour from 02:00 to 03:00 comes twice: a time in it runs once.
        (
            "Europe/Berlin",
            "30 2 * * *",
            "2026-10-24 12:00",
            ["2026-10-25 02:30:00 +0200", "2026-10-26 02:30:00 +0100"],
        ),
        (
            "America/New_York",
            "30 1 * * *",
            "2026-10-31 12:00",
            ["2026-11-01 01:30:00 -0400", "2026-11-02 01:30:00 -0500"],
        ),
        (
            "Australia/Lord_Howe",
            "45 1 * * *",
            "2026-04-04 12:00",
            ["2026-04-05 01:45:00 +1100", "2026-04-06 01:45:00 +1030"],
        ),
        # What runs every so many minutes goes on through both.
        (
            "Europe/Berlin",
            "*/30 * * * *",
            "2026-10-25 02:00",
            [
                "2026-10-25 02:30:00 +0200",
                "2026-10-25 02:00:00 +0100",
                "2026-10-25 02:30:00 +0100",
                "2026-10-25 03:00:00 +0100",
            ],
        ),
        (
            "Europe/Berlin",
            "*/30 * * * *",
            "2026-03-29 01:30",
            ["2026-03-29 03:00:00 +0200", "2026-03-29 03:30:00 +0200"],
        ),
        # A duration does not know of clocks.
        ("Europe/Berlin", "1h", "2026-10-25 02:30", ["2026-10-25 02:30:00 +0100", "2026-10-25 03:30:00 +0100"]),
    ],
)
def test_summer_time(zone: str, rule: str, start: str, expected: list[str]) -> None:
    """A time that is skipped in spring runs once when it would have been, one that comes twice in autumn runs once."""
    assert expected == following(rule, start, len(expected), zone)


@pytest.mark.parametrize(
    ("zone", "rule", "first", "second"),
    [
        ("Europe/Berlin", "30 2 * * *", "2026-10-25 02:30", "2026-10-25 02:30b"),
        ("America/New_York", "30 1 * * *", "2026-11-01 01:30", "2026-11-01 01:30b"),
    ],
)
@pytest.mark.parametrize("late", [0.0, 61.0, 1800.0, 3599.0, 3601.0])
def test_once_in_autumn_however_late(zone: str, rule: str, first: str, second: str, late: float) -> None:
    """A run that was done in the first of two equal hours is not done again in the second, however late it was."""
    done = at(first, zone)
    assert done + 3600 == at(second, zone)

    following_run = Timing(rule, zone).next(done, done + late)

    assert following_run > at(second, zone) + 12 * 3600


# ---------------------------------------------------------------- the first run after a start


@pytest.mark.parametrize(
    ("rule", "last", "now", "expected"),
    [
        # Never run: a duration begins soon (or at once, when it is shorter), a cron expression waits for its time.
        ("15m", None, 1e9, SOON),
        ("2s", None, 1e9, 2.0),
        ("0 3 * * *", None, at("2026-11-27 02:00"), 3600.0),
        # Run before: a duration counts from there, so that restarts do not put it off.
        ("15m", 1e9 - 600, 1e9, 300.0),
        ("0 3 * * *", at("2026-11-27 03:00"), at("2026-11-27 12:00"), 15 * 3600.0),
        # Missed, once or a thousand times: caught up once, soon.
        ("15m", 1e9 - 901, 1e9, SOON),
        ("15m", 1e9 - 1e6, 1e9, SOON),
        ("0 3 * * *", at("2025-11-27 03:00"), at("2026-11-27 12:00"), SOON),
        ("0 3 * * *", at("2026-11-26 03:00"), at("2026-11-27 03:00"), SOON),
        # A last run in the future: the clock was wrong then, or is wrong now.
        ("15m", 1e9 + 1e6, 1e9, 900.0),
        ("0 3 * * *", at("2027-11-27 03:00"), at("2026-11-27 12:00"), 15 * 3600.0),
    ],
)
def test_first_run(rule: str, last: float | None, now: float, expected: float) -> None:
    """Missed runs are caught up once, soon after the start; nothing else runs before its time."""
    assert now + expected == Timing(rule, "UTC").first(last, now)


# ---------------------------------------------------------------- properties

changes = st.sampled_from(
    [
        at("2026-03-29 01:00", "UTC"),
        at("2026-10-25 01:00", "UTC"),
        at("2026-03-08 07:00", "UTC"),
        at("2026-11-01 06:00", "UTC"),
        at("2026-10-03 15:30", "UTC"),
        at("2026-04-04 15:00", "UTC"),
        at("2011-12-30 10:00", "UTC"),  # Apia went without this day
    ]
)
moments = st.one_of(
    st.floats(min_value=at("1990-01-01"), max_value=at("2060-01-01"), allow_nan=False),
    st.builds(float.__add__, changes, st.floats(min_value=-7300, max_value=7300)),
)
timings = st.builds(Timing, st.sampled_from(RULES), st.sampled_from(ZONES))


@settings(max_examples=300, deadline=None)
@given(timing=timings, fired=moments, late=st.floats(min_value=0, max_value=4e8))
def test_the_next_run_is_ahead(timing: Timing, fired: float, late: float) -> None:
    """However late a run was, the next one lies in the future: missed ones never pile up."""
    now = fired + late
    exercised.add("schedules asked for their next run")

    assert timing.next(fired, now) > now
    assert timing.next(now, fired) > now  # the clock was set back
    assert timing.first(None, now) > now
    assert timing.first(fired, now) > now


@settings(max_examples=200, deadline=None)
@given(timing=timings, last=moments, off=st.floats(min_value=0, max_value=4e8))
def test_caught_up_at_most_once(timing: Timing, last: float, off: float) -> None:
    """After a long stop there is one run soon, and the next one at its ordinary time."""
    now = last + off
    first = timing.first(last, now)
    second = timing.next(first, first)

    if first == now + SOON:
        assert timing.after(last) <= now
    assert timing.after(first) == second
    assert second > first


@settings(max_examples=200, deadline=None)
@given(rule=st.sampled_from([rule for rule in RULES if " " in rule]), zone=st.sampled_from(ZONES), moment=moments)
def test_a_time_is_one_of_its_rule(rule: str, zone: str, moment: float) -> None:
    """Every run of a cron expression shows a clock that the expression names, but right behind a skipped time."""
    found = datetime.fromtimestamp(Timing(rule, zone).after(moment), ZoneInfo(zone))
    before = (found.astimezone(UTC) - timedelta(minutes=1)).astimezone(ZoneInfo(zone))
    minutes, hours = rule.split()[:2]

    def allowed(field: str, value: int) -> bool:
        return any(
            part == "*" or (part.startswith("*/") and value % int(part[2:]) == 0) or part == str(value)
            for part in field.split(",")
        )

    assert found.second == 0
    if found.utcoffset() == before.utcoffset():
        assert allowed(minutes, found.minute)
        assert allowed(hours, found.hour)
