"""A clock that was wrong once stops no work for as long as it was wrong, and deletes nothing early."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import exercised
import pytest
from laws import converged, rows
from service_world import Service, ServiceWorld
from texts import text
from world import World

from syncd import due
from syncd.models import DeletePolicy
from syncd.timekeeping import PLAUSIBLE, unproven

MONTH = 30 * 86_400.0
DAY = 86_400.0
WRONG = pytest.mark.parametrize("wrong", [MONTH, -MONTH], ids=["ahead", "behind"])


@pytest.fixture(autouse=True)
def _counted() -> None:
    exercised.add("clocks that were wrong once")


def collections(world: World) -> set[str]:
    return {row["name"] for row in world.emulator.snapshot() if row["type"] != "folder"}


@WRONG
def test_a_deletion_between_runs_is_never_early_and_comes(world: World, wrong: float) -> None:
    """One run at a wrong time neither deletes what has its grace, nor puts the deletion off (one-shot runs)."""
    world.write("a.md", text("a"))
    world.write("b.md", text("b"))
    world.sync()
    world.remove("a.md")
    world.sync()
    for hours in range(30):
        world.sleep(3600)
        world.skew = wrong if hours == 2 else 0.0
        world.sync()
        assert "a.md" in collections(world) or hours >= 23, hours
    # Of the gaps before and after the wrong run nobody knows how long they were: they do not count.
    assert "a.md" not in collections(world)
    converged(world)


@WRONG
def test_a_deletion_while_the_service_runs_is_never_early_and_comes(scratch: Path, wrong: float) -> None:
    """The monotonic clock tells what the wall clock hides: the grace is neither shorter nor longer."""
    world = ServiceWorld(scratch / "w")
    world.source = replace(world.source, delete=DeletePolicy(max_percent=100.0, grace=DAY))
    world.write("a.md", text("a"))
    world.write("b.md", text("b"))

    async def script(service: Service) -> None:
        await service.rest()
        service.remove("a.md")
        await service.state("a.md", "retired")
        for hours in range(26):
            await asyncio.sleep(3600.0)
            world.skew = wrong if hours in (2, 3) else 0.0
            service.runner.look()
            await service.rest()
            assert ("a.md" in collections(world)) == (hours < 23), hours

    world.serve(script)
    assert 2 == world.times_logged("clock.jumped")


@WRONG
@pytest.mark.parametrize(
    "stored",
    [
        "update documents set next_try_at = {now} + {wrong}, attempts = 1, at_rest = 0 where path = 'a.md'",
        "insert or replace into meta values ('survey_at', cast({now} + {wrong} as text))",
        "update documents set missing_since = {now} + {wrong} where path = 'gone.md'",
        "update folders set empty_since = {now} + {wrong}",
        "insert into restless values ('docs', 'x.md', {now} + {wrong})",
        "insert or replace into jobs values ('scan', {now} + {wrong})",
    ],
    ids=lambda sql: str(sql).split("set ")[-1].split(" ")[0][:20],
)
def test_a_time_that_was_stored_wrong(world: World, stored: str, wrong: float) -> None:
    """Whatever time a wrong clock has left behind, the next run ends within minutes, with everything done."""
    for path in ("a.md", "gone.md", "folder/c.md"):
        world.write(path, text(path))
    world.sync()
    world.sleep(100)
    with closing(sqlite3.connect(world.ledger_path)) as conn:
        conn.execute(stored.format(now=world.now(), wrong=wrong))
        conn.commit()
    world.write("a.md", text("a", 2))
    world.remove("gone.md")
    world.remove("folder/c.md")
    began = world.time
    world.sync()
    assert world.time - began < 900
    assert {"a.md"} == set(world.visible())
    assert {"a.md": "verified"} == {p: s for p, s in world.states().items() if s != "retired"}
    assert [] == rows(world, "select * from restless")


@WRONG
def test_an_upload_whose_answer_was_lost(world: World, wrong: float) -> None:
    """What was sent by a wrong clock is looked for over half a minute, not over a month; and is there once."""
    world.write("a.md", text("a"))
    world.sync()
    world.write("b.md", text("b"))
    world.skew = wrong
    assert world.crash_on("ledger.upload_intent.after") is not None
    world.skew = 0.0
    began = world.time
    world.sync()
    assert world.time - began < 300
    assert {"a.md", "b.md"} == set(world.visible())
    converged(world)


@WRONG
def test_the_firewall_counts_what_went_before_the_jump(world: World, wrong: float) -> None:
    """A clock that is put on does not empty the rolling window: no more go than before (rule 15)."""
    world.source = replace(world.source, delete=DeletePolicy(max_count=2, max_percent=100.0))
    for name in "abcdef":
        world.write(f"{name}.md", text(name))
    world.sync()
    for name in "ab":
        world.remove(f"{name}.md")
    world.sync()
    world.sleep(60)
    world.skew = wrong
    world.remove("c.md")
    assert 6 == world.sync().exit_code
    assert "c.md" in world.visible()


def test_what_is_believed_between_runs() -> None:
    """A gap of a week, or twice what was usual, is believed; more is not, nor any step back."""
    table = [(0, 0, 0), (PLAUSIBLE, 0, 0), (MONTH, 0, MONTH), (MONTH, MONTH / 2, 0), (-30, 0, 0), (-DAY, DAY, -DAY)]
    assert [doubted for *_, doubted in table] == [unproven(gap, usual) for gap, usual, _ in table]


def test_when_a_time_has_come() -> None:
    """A time is over when it is reached, when there is none, and when nobody can have meant it."""
    assert [True, True, False, False, True] == [
        due.has_come(at, 1000.0, 60.0) for at in (None, 1000.0, 1001.0, 1060.0, 1061.0)
    ]
    assert (0.0, 0.0, 5.0) == (due.age(None, 10.0), due.age(11.0, 10.0), due.age(5.0, 10.0))
