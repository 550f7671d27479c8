"""What becomes of a document that search misses: what is kept of it, and what is not done (law 7, R6, R13)."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing

import pytest
from laws import converged, marker_of, no_gap, rows, uploads
from texts import text
from world import World

from syncd import decisions
from syncd.engine import Engine
from syncd.ledger import Ledger, quality, records
from syncd.models import DocumentKey


@pytest.fixture
def world(tmp_path: object) -> World:
    """Two documents at rest, and a third one on the disk that search will not give."""
    world = World(tmp_path)  # type: ignore[arg-type]
    for name in ("one", "two"):
        world.write(f"{name}.md", text(name))
    assert world.sync().exit_code == 0
    world.sleep(100)
    world.write("target.md", text("target"))
    world.emulator.faults.add("search_drop", match="target")
    return world


def sums(world: World) -> dict[str, int]:
    """Probes by verdict, as the page counts them."""
    with closing(Ledger(world.ledger_path, write=False)) as ledger:
        (row,) = quality.added(quality.by_day_and_source(ledger.conn, 0.0), "source")
    return {name: row[name] for name in ("probes", "found", "shared", "outranked", "missing")}


def test_a_failed_proof_is_kept_with_what_was_found_instead(world: World) -> None:
    """`history` shows the searches that failed and the documents that came in its place; the page counts them (R6)."""
    before = sums(world)
    outcome = world.sync()
    assert (3, "search-missing") == (outcome.exit_code, world.documents()["target.md"]["quarantine"])
    with closing(Ledger(world.ledger_path, write=False)) as ledger:
        probes = records.proofs_of(ledger.conn, "target.md")
        ids = {one for row in probes for one in json.loads(row["instead"])}
        places = records.path_of_collections(ledger.conn, ids)
    assert [("missing", 0)] * 2 == [(row["verdict"], row["passed"]) for row in probes]
    assert all(row["failure"].startswith("search does not find it by") for row in probes)
    assert {("docs", "one.md"), ("docs", "two.md")} == set(places.values())
    after = sums(world)
    assert (2, 2) == (after["missing"] - before["missing"], after["probes"] - before["probes"])
    assert outcome.verdicts == {"missing": 2}


def test_what_proves_nothing_is_not_kept(world: World) -> None:
    """While search finds nothing at all, its misses say nothing of the document and count nowhere (law 9)."""
    world.emulator.faults.add("search_empty", times=100_000)
    before = sums(world)
    outcome = world.sync()
    assert (4, before, {}) == (outcome.exit_code, sums(world), outcome.verdicts)


@pytest.mark.parametrize("again", [False, True])
def test_an_adopted_version_is_not_sent_again_because_search_misses_it(world: World, again: bool) -> None:
    """It is there and equal: another upload would be missed as well. It stays visible, and is named as not found."""
    world.emulator.faults.clear()
    world.sync()
    sent, shown = uploads(world), world.visible()
    collections = {row["id"] for row in world.emulator.snapshot() if marker_of(row)}
    world.lose_ledger()
    world.sleep(100)
    world.emulator.faults.add("search_drop", match="target")
    assert 3 == world.sync().exit_code
    row = world.documents()["target.md"]
    assert ("quarantined", "search-missing") == (row["state"], row["quarantine"])
    assert row["serving_collection_id"] is not None
    if again:
        requests = len(world.emulator.requests)
        world.sleep(1000)
        world.sync()
        assert requests == len(world.emulator.requests), "a pass with nothing to do sends no request"
    assert (sent, shown) == (uploads(world), world.visible())
    assert collections == {row["id"] for row in world.emulator.snapshot() if marker_of(row)}
    no_gap(world)

    with closing(Ledger(world.ledger_path)) as ledger:
        assert 1 == decisions.retry(ledger, world.config(), ["target.md"], source="docs")
    assert 3 == world.sync().exit_code, "it is searched for again, and still not found"
    assert "quarantined" == world.states()["target.md"]
    world.emulator.faults.clear()
    with closing(Ledger(world.ledger_path)) as ledger:
        decisions.retry(ledger, world.config(), None)
    assert 0 == world.sync().exit_code
    assert (sent, "verified") == (uploads(world), world.states()["target.md"])
    assert [] == rows(world, "select message from findings where resolved_at is null")
    converged(world)


def test_a_finding_ends_with_the_next_good_proof(world: World) -> None:
    """What was said of a document's proof is over once another proof of it has nothing to say."""
    world.emulator.faults.clear()
    world.sync()
    key = DocumentKey("docs", "one.md")
    with closing(Ledger(world.ledger_path)) as ledger, ledger.transaction("test") as db:
        records.note_proof(db, key, "c", "one passage is not found", 1.0, passed=True)
        records.note_proof(db, key, "c", "one passage is not found", 2.0, passed=True)
        records.note_proof(db, DocumentKey("docs", "two.md"), "c", "one passage is not found", 2.0, passed=True)
    assert 2 == len(rows(world, "select 1 from findings where resolved_at is null"))
    world.write("one.md", text("one", 2))
    world.sync()
    assert [("two.md",)] == rows(world, "select path from findings where resolved_at is null")


@pytest.mark.timeout(20)
def test_a_stop_does_not_wait_for_the_next_try_of_a_begun_flip(world: World) -> None:
    """A flip that is to be tried again later holds up nobody who asked to stop, and no time is spun away meanwhile."""
    world.emulator.faults.clear()
    assert "ledger.flipped.before" == world.crash_on("ledger.flipped.before")
    with closing(sqlite3.connect(world.ledger_path)) as conn:
        conn.execute("update documents set next_try_at = ? where path = 'target.md'", (world.now() + 3600,))
        conn.commit()
    began = world.time

    async def body(engine: Engine) -> None:
        asyncio.get_running_loop().call_later(2.0, engine.stop)
        await engine.sync()

    world.run(body)
    assert world.time - began < 10
    world.sleep(4000)
    assert 0 == world.sync().exit_code
    converged(world)


def test_a_remark_on_a_proof_is_no_missing_proof(world: World) -> None:
    """A document that is proven with a remark is not counted among those that are not proven."""
    world.write("one.md", text("one"))
    world.sync()
    key = DocumentKey("docs", "one.md")
    kinds = "select kind from findings where resolved_at is null"
    with closing(Ledger(world.ledger_path)) as ledger, ledger.transaction("test") as db:
        records.note_proof(db, key, "c", "one of 2 passages is not found", 1.0, passed=True)
        assert [("passage",)] == [tuple(row) for row in db.execute(kinds)]
        records.note_proof(db, key, "c", "search does not find it", 2.0, passed=False)
        assert [("unproven",)] == [tuple(row) for row in db.execute(kinds)]
