"""Several instances, each with its own ledger, serve one folder (``SYNCD_SHARD``)."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from texts import text
from world import World

from syncd.errors import EXIT_BUSY
from syncd.ledger import moves
from syncd.models import State
from syncd.shards import Shard


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Twelve documents in three folders."""
    world = World(tmp_path)
    for number in range(12):
        world.write(f"f{number % 3}/d{number}.md", text(f"d{number}"))
    return world


def run(world: World, total: int, *, only: int | None = None) -> int:
    """One pass of every shard of ``total``, each with its own ledger; returns how many documents were uploaded."""
    uploaded = 0
    for index in range(total):
        if only in (None, index):
            world.shard = Shard(index, total) if total > 1 else None
            world.ledger_path = world.tmp / f"state-{index}" / "ledger.db"
            outcome = world.sync()
            assert outcome.exit_code == 0, outcome
            uploaded += outcome.counts["uploaded"]
    return uploaded


def expected(world: World) -> dict[str, str]:
    """What must be visible: every file once."""
    return {path: hashlib.sha256(data).hexdigest() for (_, path), data in world.on_disk().items()}


def test_together_they_do_the_work_of_one(world: World) -> None:
    """Every document is uploaded exactly once, and folders are made once."""
    assert 12 == run(world, 3)
    assert expected(world) == world.visible()
    folders = [row["name"] for row in world.emulator.snapshot() if row["type"] == "folder"]
    assert ["f0", "f1", "f2"] == sorted(folders)
    assert 0 == run(world, 3)


@pytest.mark.parametrize("steps", [(1, 3, 2, 1), (2, 5, 1), (3, 4, 3)])
def test_changing_n_uploads_nothing(world: World, steps: tuple[int, ...]) -> None:
    """Documents move from shard to shard by their markers: no upload, no gap, nothing hidden or deleted."""
    assert 12 == run(world, steps[0])
    before = world.visible()
    collections = {row["id"] for row in world.emulator.snapshot()}
    for total in steps[1:]:
        assert 0 == run(world, total)
        assert before == world.visible() == expected(world)
        assert collections == {row["id"] for row in world.emulator.snapshot()}
        assert 0 == run(world, total)


def test_another_shards_documents_are_never_touched(world: World) -> None:
    """A shard that runs alone leaves what belongs to others as it is, whatever happens to the files."""
    run(world, 2)
    other = [path for path in expected(world) if not Shard(0, 2).owns("docs", path)]
    for path in other:
        world.remove(path)
    before = world.visible()
    run(world, 2, only=0)
    assert before == world.visible()


def test_edits_and_removals_while_n_changes(world: World) -> None:
    """What was edited or removed between two settings of n is replaced and retired once, by whoever serves it now."""
    run(world, 2)
    world.sleep(3600)
    world.write("f0/d0.md", text("d0", 2))
    world.remove("f1/d1.md")
    world.rename("f2/d2.md", "f2/moved.md")
    # The one that knew a file retires it; the one that owns a new path uploads it: two rounds see everything.
    run(world, 3)
    run(world, 3)
    assert expected(world) == world.visible()


def test_a_crash_while_documents_are_handed_over(world: World) -> None:
    """Whatever was handed over when the process died, nothing is uploaded twice and nothing is lost."""
    run(world, 1)
    world.ledger_path = world.tmp / "state-0" / "ledger.db"
    world.shard = Shard(0, 3)
    for point in range(1, 12):
        world.crash_at(point)
    assert 0 == run(world, 3)
    assert expected(world) == world.visible()


def test_a_begun_flip_is_finished_before_a_document_is_handed_over(world: World) -> None:
    """Rule 2 holds for documents of other shards as well."""
    run(world, 1)
    world.sleep(3600)
    path = next(p for p in expected(world) if not Shard(0, 2).owns("docs", p))
    world.write(path, text("flip", 2))
    world.ledger_path = world.tmp / "state-0" / "ledger.db"
    world.shard = None
    assert world.crash_on("ledger.flipped.before") is not None
    run(world, 2)
    run(world, 2)
    assert expected(world) == world.visible()


def test_equal_documents_of_two_shards(world: World) -> None:
    """Search merges equal chunks: a twin in another shard passes as shared, and nobody is quarantined for it."""
    same = text("twins")
    names = [f"same{number}.md" for number in range(6)]
    assert {Shard(0, 2).owns("docs", name) for name in names} == {True, False}
    for name in names:
        world.write(name, same)
    run(world, 2)
    run(world, 2)
    assert expected(world) == world.visible()


def test_only_the_first_shard_makes_the_dataset(world: World) -> None:
    """Another one waits for it instead of making a second one of the same name."""
    world.shard, world.ledger_path = Shard(1, 2), world.tmp / "state-1" / "ledger.db"
    outcome = world.sync(patience=5.0)
    assert {"docs": 'the dataset "Handbook" is not there yet; shard 0 makes it'} == outcome.troubles
    assert EXIT_BUSY == outcome.exit_code
    assert [] == world.requests("core/dataset/create")


def test_a_new_shard_of_a_lone_document_is_not_an_emptied_root(world: World) -> None:
    """A shard that owns nothing any more holds nothing: the files of others are there."""
    run(world, 1)
    run(world, 12)
    for index in range(12):
        world.ledger_path = world.tmp / f"state-{index}" / "ledger.db"
        assert State.RETIRED.value not in world.states().values()


def test_handing_over_touches_no_row_of_others(world: World) -> None:
    """The move forgets one document and leaves its history."""
    run(world, 1)
    from syncd.ledger import Ledger, entries

    ledger = Ledger(world.tmp / "state-0" / "ledger.db")
    first, *others = sorted(row["path"] for row in world.documents().values())
    from syncd.models import DocumentKey

    entry = entries.one(ledger.conn, DocumentKey("docs", first))
    assert entry is not None
    with ledger.transaction("test") as db:
        moves.hand_over(db, entry.document_id, 1.0)
    left = {row for (row,) in ledger.conn.execute("select path from documents where gone = 0")}
    ledger.close()
    assert set(others) == left
