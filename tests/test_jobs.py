"""The jobs of the schedule over a real engine: they poke, they wait for a pause and for the server, they keep count."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from world import World

from syncd import verify
from syncd.engine import Engine
from syncd.jobs import Jobs
from syncd.ledger import Ledger, records, requests, upkeep
from syncd.running import Listener, Runner


class Lines(logging.Handler):
    """The events that were logged, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())

    def of(self, name: str) -> list[str]:
        return [text for text in self.texts if text.split()[0] == name]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What the service writes into its log."""
    handler, ours = Lines(), logging.getLogger("syncd")
    level = ours.level
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    yield handler
    ours.removeHandler(handler)
    ours.setLevel(level)


async def nobody(_runner: Runner, _request: requests.Request) -> dict[str, Any]:
    return {"message": ""}


async def here(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)


class Shop:
    """A running runner and its jobs."""

    def __init__(self, world: World, engine: Engine, backups: int) -> None:
        config = replace(engine.config, ledger=replace(engine.config.ledger, backups=backups, history=3600.0))
        self.world = world
        self.runner = Runner(engine, Listener(), nobody)
        self.jobs = Jobs(replace(config, schedule=replace(config.schedule, verify_sample="1/1")), self.runner, here)

    async def at_rest(self, seconds: float = 5.0) -> None:
        """Let the jobs run to their end."""
        await asyncio.sleep(seconds)

    def fired(self) -> dict[str, float]:
        return requests.last_fired(self.runner.engine.ledger.conn)


def play(world: World, script: Callable[[Shop], Awaitable[None]], backups: int = 3) -> None:
    """Run a script beside the service's loop."""

    async def body(engine: Engine) -> None:
        shop = Shop(world, engine, backups)
        running = asyncio.ensure_future(shop.runner.run())
        try:
            await script(shop)
        finally:
            shop.runner.stop()
            await running

    world.run(body)


def fill(world: World, names: str = "abc") -> None:
    for name in names:
        world.write(f"{name}.md", f"# Chapter {name}\n\nAll that is known of the {name} matter, far up in the north.\n")


def test_a_scan_pokes_the_engine(world: World) -> None:
    """The scan job has every source looked at as a whole; the engine does the work."""
    fill(world)

    async def script(shop: Shop) -> None:
        assert world.requests() == []
        shop.jobs.fire("scan")
        await shop.at_rest(60)
        assert dict.fromkeys(("a.md", "b.md", "c.md"), "verified") == world.states()

    play(world, script)


def test_when_a_job_ran_is_remembered(world: World) -> None:
    """The time of each job's last run is in the ledger, so that the next service knows what was missed."""
    before = world.now()

    async def script(shop: Shop) -> None:
        shop.jobs.fire("scan")
        shop.jobs.fire("audit")
        await shop.at_rest()
        assert {"scan", "audit"} == set(shop.fired())

    play(world, script)

    with closing(Ledger(world.ledger_path, write=False)) as ledger:
        assert all(before <= at <= before + 1 for at in requests.last_fired(ledger.conn).values())


def test_an_audit_has_the_datasets_listed_again(world: World) -> None:
    """The audit job makes the next pass list what the server holds: what somebody deleted is found and sent again."""
    fill(world)
    world.sync()
    (victim,) = [row["id"] for row in world.emulator.snapshot() if row["name"] == "a.md"]
    world.call("core/dataset/collection/delete", method="DELETE", params={"id": victim})

    async def script(shop: Shop) -> None:
        await shop.at_rest(60)
        assert {"b.md", "c.md"} == set(world.visible())
        shop.jobs.fire("audit")
        await shop.at_rest(120)
        assert {"a.md", "b.md", "c.md"} == set(world.visible())

    play(world, script)


def test_a_job_is_not_begun_twice(world: World, lines: Lines) -> None:
    """A job that still runs is not begun again; when it has ended it may be."""

    async def script(shop: Shop) -> None:
        shop.jobs.fire("verify")
        shop.jobs.fire("verify")
        await shop.at_rest()
        assert 1 == len(lines.of("job.fired"))
        shop.jobs.fire("verify")
        await shop.at_rest()
        assert 2 == len(lines.of("job.fired"))

    play(world, script)


def test_verify_proves_again(world: World, lines: Lines) -> None:
    """The verify job searches again for a sample; what search does not find any more is a finding."""
    fill(world)
    world.sync()
    world.emulator.faults.add("search_drop", match="b.md")

    async def script(shop: Shop) -> None:
        await shop.at_rest(30)
        searched = len(world.requests("searchTest"))
        shop.jobs.fire("verify")
        await shop.at_rest(300)
        assert len(world.requests("searchTest")) >= searched + 3

    play(world, script)

    (done,) = lines.of("verify.done")
    assert "documents=3" in done
    assert "missing=0" not in done
    with closing(Ledger(world.ledger_path, write=False)) as ledger:
        assert [("unproven", "b.md")] == [(f["kind"], f["path"]) for f in records.findings(ledger.conn)]


def test_a_sick_search_blames_nobody(world: World, lines: Lines) -> None:
    """When search finds nothing that it found before, no document gets a finding, and it is said once (rule 6)."""
    fill(world, "abcdefghij")
    world.sync()
    with closing(Ledger(world.ledger_path, write=False)) as ledger:
        proofs = ledger.conn.execute("select count(*) from proofs").fetchone()
    world.emulator.faults.add("search_empty", times=100_000)

    async def script(shop: Shop) -> None:
        await shop.at_rest(30)
        shop.jobs.fire("verify")
        await shop.at_rest(600)

    play(world, script)

    assert 1 == len(lines.of("verify.done")) == len(lines.of("verify.search_broken"))
    with closing(Ledger(world.ledger_path, write=False)) as ledger:
        assert [] == records.findings(ledger.conn)
        assert proofs == ledger.conn.execute("select count(*) from proofs").fetchone()


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_document_under_way_is_left_to_its_pass(world: World, lines: Lines, when: str) -> None:
    """A verification that meets a document while a pass replaces it searches for neither version, and blames none."""
    fill(world, "abc")
    world.sync()
    world.emulator.faults.add("search_drop", match="b.md", times=100_000)

    async def script(shop: Shop) -> None:
        await shop.at_rest(30)
        if when == "meanwhile":
            shop.jobs.fire("verify")
            await shop.at_rest(5)
        world.write("b.md", "# Chapter b\n\nAll that is new of the b matter, far down in the south, with a pelican.\n")
        shop.runner.look()
        await shop.at_rest(0.3 if when == "before" else 2)
        world.emulator.faults.clear()
        if when == "before":
            shop.jobs.fire("verify")
        await shop.at_rest(600)

    play(world, script)

    with closing(Ledger(world.ledger_path, write=False)) as ledger:
        assert [] == records.findings(ledger.conn)
        assert (
            2 == ledger.conn.execute("select count(*) from events where path='b.md' and event='verified'").fetchone()[0]
        )
    assert [] == lines.of("bug")


@pytest.mark.parametrize("fault", ["html_502", "key_refused", "rate_limit"])
def test_verify_waits_for_the_server(world: World, lines: Lines, fault: str) -> None:
    """While the server is in trouble the verify job waits at the gate, fails nothing, and goes on by itself."""
    fill(world)
    world.sync()
    world.emulator.faults.add(fault, match="", times=-1)

    async def script(shop: Shop) -> None:
        shop.jobs.fire("verify")
        await shop.at_rest(600)
        assert ([], []) == (lines.of("verify.done"), lines.of("job.failed"))
        world.emulator.faults.clear()
        await shop.at_rest(120)
        assert 1 == len(lines.of("verify.done"))

    play(world, script)
    assert "missing=0" in lines.of("verify.done")[0]
    assert [] == lines.of("bug")


def test_a_source_that_cannot_be_verified_hinders_no_other(world: World, lines: Lines) -> None:
    """The trouble of one source is told and costs that source alone."""
    other = world.tmp / "other"
    other.mkdir()
    world.sources = [world.source, replace(world.source, name="other", path=other, dataset="Other")]
    fill(world)
    (other / "x.md").write_text("# Chapter x\n\nAll that is known of the x matter, far up in the north.\n")
    world.sync()
    with closing(Ledger(world.ledger_path)) as ledger:
        ledger.conn.execute("update sources set dataset_id = 'feedfacefeedfacefeedface' where name = 'docs'")

    async def script(shop: Shop) -> None:
        shop.jobs.fire("verify")
        await shop.at_rest(300)

    play(world, script)

    assert 1 == len(lines.of("verify.done"))
    assert "documents=1" in lines.of("verify.done")[0]
    assert ["docs"] == [line.split("source='")[1].split("'")[0] for line in lines.of("job.failed")]
    assert [] == lines.of("bug")


@pytest.mark.parametrize("name", ["scan", "audit", "verify"])
def test_a_pause_puts_remote_jobs_off(world: World, lines: Lines, name: str) -> None:
    """What comes due in a pause sends nothing, however often it comes due, and is caught up once when it is over."""
    fill(world)
    world.sync()

    async def script(shop: Shop) -> None:
        await shop.at_rest(60)
        shop.runner.pause(world.now())
        await shop.at_rest()
        sent = len(world.requests())
        for _ in range(3):
            shop.jobs.fire(name)
            await shop.at_rest(60)
        assert (sent, [], {}) == (len(world.requests()), lines.of("job.fired"), shop.fired())
        shop.runner.pause(None)
        await shop.at_rest(60)
        assert (1, [name]) == (len(lines.of("job.fired")), list(shop.fired()))

    play(world, script)


def test_a_pause_stops_a_verification_between_two_documents(world: World) -> None:
    """A verification under way sends nothing any more in a pause, and goes on behind it."""
    fill(world, "abcdefghijklmnopqrst")
    world.sync()
    world.fastgpt["search_tests_per_second"] = 2.0

    async def script(shop: Shop) -> None:
        await shop.at_rest(60)
        before = len(world.requests("searchTest"))
        shop.jobs.fire("verify")
        await shop.at_rest(1)
        shop.runner.pause(world.now())
        await shop.at_rest(10)  # those that were begun are finished
        paused = len(world.requests("searchTest"))
        await shop.at_rest(60)
        assert before < paused <= before + 2 + verify.AT_ONCE < before + 20
        assert paused == len(world.requests("searchTest"))
        shop.runner.pause(None)
        await shop.at_rest(60)
        assert before + 20 == len(world.requests("searchTest"))

    play(world, script)


def test_maintenance_runs_in_a_pause_too(world: World, lines: Lines) -> None:
    """Maintenance sends nothing, so a pause does not keep it: it prunes, copies, shrinks and checks."""
    fill(world)
    world.sync()
    world.sleep(7200)

    async def script(shop: Shop) -> None:
        shop.runner.pause(world.now())
        shop.jobs.fire("maintenance")
        await shop.at_rest()

    play(world, script, backups=1)

    (done,) = lines.of("maintenance.done")
    assert "check='ok'" in done
    assert "pruned=0" not in done
    assert Path(f"{world.ledger_path}.1").exists()


def test_without_copies(world: World, lines: Lines) -> None:
    """``backups = 0`` writes none."""

    async def script(shop: Shop) -> None:
        shop.jobs.fire("maintenance")
        await shop.at_rest()

    play(world, script, backups=0)

    assert "backup=''" in lines.of("maintenance.done")[0]
    assert [] == list(world.ledger_path.parent.glob("ledger.db.[0-9]"))


def test_a_copy_that_fails_is_told_and_the_rest_done(
    world: World, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk costs the copy; pruning and checking are done all the same, and the service lives on."""

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(upkeep, "rotate", full)

    async def script(shop: Shop) -> None:
        shop.jobs.fire("maintenance")
        await shop.at_rest()

    play(world, script)

    assert "No space left" in lines.of("backup.failed")[0]
    assert "check='ok'" in lines.of("maintenance.done")[0]
    assert [] == lines.of("bug")


def test_no_copy_of_a_damaged_ledger(world: World, lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the check finds damage it is told, and no copy pushes out one that is sound."""
    monkeypatch.setattr(upkeep, "compact", lambda _path: "row 3 missing from index")

    async def script(shop: Shop) -> None:
        shop.jobs.fire("maintenance")
        await shop.at_rest()

    play(world, script)

    assert "row 3 missing" in lines.of("maintenance.damaged")[0]
    assert [] == list(world.ledger_path.parent.glob("ledger.db.[0-9]"))
