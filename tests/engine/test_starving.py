"""What does not end holds nobody up: a deletion waits for what the file may have become, and never for long (rule 17).

Every case runs in virtual time against a service, and those of one pass against a one-shot run too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import exercised
import pytest
from laws import converged, no_gap, rows
from service_world import Service, ServiceWorld
from texts import text
from world import World

from syncd.ledger import Ledger, records
from syncd.models import DeletePolicy
from syncd.succession import MOST_WAIT, SHORT_WAIT

SOON = 20.0  # seconds for what waits for nothing
LATER = 5.0  # seconds past the end of a wait


@pytest.fixture
def world(scratch: Path) -> ServiceWorld:
    """Six documents at rest."""
    exercised.add("deletions beside what does not end")
    world = ServiceWorld(scratch / "w", emulator_options={"workers": 64})
    world.source = replace(world.source, settle=2.0, delete=DeletePolicy(max_percent=100.0))
    world.fastgpt |= {"training_timeout": 4 * 3600.0, "upload_timeout": 4 * 3600.0}
    for name in "abcdef":
        world.write(f"{name}.md", text(name))

    async def script(service: Service) -> None:
        await service.rest()

    world.serve(script)
    world.sleep(100)
    return world


def can_be_found(world: ServiceWorld, name: str) -> bool:
    return any(row["name"] == name and not row["forbid"] for row in world.emulator.snapshot())


async def seconds_until_gone(service: Service, path: str, limit: float) -> float:
    """How long a document whose file goes now can still be found."""
    began = asyncio.get_running_loop().time()
    service.remove(path)
    await service.until(lambda: not can_be_found(service.world, path), every=0.5, limit=limit)
    return asyncio.get_running_loop().time() - began


async def written_for_ever(service: Service, path: str) -> None:
    number = 0
    while True:
        number += 1
        service.save(path, text(path, number))
        await asyncio.sleep(1.0)


def stuck_training(world: ServiceWorld, name: str) -> None:
    world.emulator.faults.add("train_stuck", match=name, times=1)


def endless_upload(world: ServiceWorld, name: str) -> None:
    world.emulator.faults.add("slow", match="localFile", times=1, seconds=2 * 3600.0)


def bugs(world: ServiceWorld) -> list[str]:
    return [said for name, said in world.logged if name in ("bug", "pass.failed")]


@pytest.mark.parametrize(("path", "most"), [("new.md", MOST_WAIT + LATER), ("b.md", SOON)])
def test_one_restless_file(world: ServiceWorld, path: str, most: float) -> None:
    """A new file that never rests is waited for ten minutes; one that was verified is not the one that vanished."""

    async def script(service: Service) -> None:
        await service.rest()
        writer = asyncio.ensure_future(written_for_ever(service, path))
        await asyncio.sleep(30.0)
        took = await seconds_until_gone(service, "a.md", 3600.0)
        assert took <= most
        assert took >= MOST_WAIT - LATER or path == "b.md"
        if path == "new.md":
            remarks = rows(world, "select detail from events where event = 'retired' and path = 'a.md'")
            assert [("the file is gone (it waited 10 min, but new.md is still being written)",)] == remarks
        writer.cancel()
        await service.quiet()

    world.serve(script)
    assert bugs(world) == []
    no_gap(world)
    converged(world)


@pytest.mark.parametrize("endless", [stuck_training, endless_upload])
@pytest.mark.parametrize(("path", "most"), [("new.md", SHORT_WAIT + LATER), ("b.md", SOON)])
def test_one_document_that_does_not_end(
    world: ServiceWorld, endless: Callable[[ServiceWorld, str], None], path: str, most: float
) -> None:
    """A training or an upload that takes two hours keeps no other deletion, in the same pass or in another one."""

    async def script(service: Service) -> None:
        await service.rest()
        endless(world, path)
        service.save(path, text(path, 7))
        await service.state(path, "uploading", "indexing")
        assert await seconds_until_gone(service, "a.md", 3600.0) <= most
        service.runner.look()
        assert await seconds_until_gone(service, "c.md", 3600.0) <= most

    world.serve(script)
    assert bugs(world) == []


@pytest.mark.parametrize("endless", [stuck_training, endless_upload])
def test_one_document_that_does_not_end_in_a_one_shot_run(
    world: ServiceWorld, endless: Callable[[ServiceWorld, str], None]
) -> None:
    """What vanished before the pass began goes while the pass still works on something else."""
    world.write("b.md", text("b", 2))
    world.write("new.md", text("new"))
    world.remove("a.md")
    endless(world, "new.md" if endless is stuck_training else "")
    began = world.time
    World.sync(world, limit=2000.0)
    at = rows(world, "select at from events where event = 'retired' and path = 'a.md'")[0][0]
    assert at - world.now() + (world.time - began) <= SHORT_WAIT + LATER
    assert "a.md" not in world.visible()


def test_one_long_pass(world: ServiceWorld) -> None:
    """A first sync of hours does not keep what was deleted meanwhile in search results."""
    world.fastgpt["uploads"] = 1
    for number in range(30):
        world.write(f"more/n{number}.md", text(f"n{number}"))
    world.emulator.faults.add("slow", match="localFile", times=30, seconds=60.0)

    async def script(service: Service) -> None:
        await asyncio.sleep(300.0)
        for path in "abc":
            assert await seconds_until_gone(service, f"{path}.md", 3600.0) <= MOST_WAIT + LATER
        await service.until(lambda: len(world.visible()) == 33, every=5.0, limit=10_000.0)
        await service.quiet()

    world.serve(script)
    assert bugs(world) == []
    no_gap(world)
    converged(world)


def test_the_same_content_is_waited_for_and_said(world: ServiceWorld) -> None:
    """An upload of exactly what vanished is waited for, for ten minutes; `ls` and `status` say so meanwhile."""

    async def script(service: Service) -> None:
        await service.rest()
        stuck_training(world, "moved.md")
        world.write("moved.md", text("a"))
        service.hint("moved.md")
        await service.state("moved.md", "indexing")
        gone = asyncio.ensure_future(seconds_until_gone(service, "a.md", 3600.0))
        await asyncio.sleep(120.0)
        assert "a.md" in world.visible()
        assert "waiting" == world.states()["a.md"]
        why = "its file is gone; it waits, since moved.md is being worked on, and has the same content"
        assert why == world.documents()["a.md"]["note_reason"]
        count, named = records.waiting(service.engine.ledger.conn, "docs", 20)
        assert (1, "a.md", why) == (count, named[0]["path"], named[0]["reason"])
        assert MOST_WAIT - LATER <= await gone <= MOST_WAIT + LATER

    world.serve(script)
    assert bugs(world) == []


def test_the_wait_goes_on_over_restarts(world: ServiceWorld) -> None:
    """Runs by the minute, each of which finds a new file being written, do not begin the ten minutes anew."""
    world.remove("a.md")
    waited = []
    for minute in range(14):
        world.write("new.md", text("new", minute), age=-3600.0)  # by its time it is being written
        world.source = replace(world.source, settle=7200.0)
        World.sync(world)
        if "a.md" in world.visible():
            waited.append(world.time)
        world.sleep(60)
    assert waited
    assert waited[-1] - waited[0] <= MOST_WAIT
    ledger = Ledger(world.ledger_path, write=False)
    try:
        [fresh] = [row for row in records.documents(ledger.conn) if row["path"] == "new.md"]
        assert "waiting" == fresh["state"]
        assert world.now() - fresh["restless_since"] > 600.0
        assert 1 == records.counts_by_state(ledger.conn, "docs")["waiting"]
    finally:
        ledger.close()
    world.source = replace(world.source, settle=0.0)
    World.sync(world)
    assert [] == rows(world, "select * from restless")
    assert "verified" == world.states()["new.md"]
