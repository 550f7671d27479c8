"""Findings end as soon as they are not so any more, and accuse nobody of what syncd did itself."""

from __future__ import annotations

import exercised
import pytest
from laws import rows
from texts import text
from world import World

from syncd.ledger import Ledger


@pytest.fixture
def hidden(world: World) -> World:
    """A serving version that somebody has hidden, and the finding that says so."""
    exercised.add("findings that end")
    for name in "ab":
        world.write(f"{name}.md", text(name))
    world.sync()
    world.sleep(100)
    [collection] = [row["id"] for row in world.emulator.snapshot() if row["name"] == "a.md"]
    world.call("core/dataset/collection/update", json={"id": collection, "forbid": True})
    world.write("b.md", text("b", 2))
    world.sync()
    assert [("changed", "a.md")] == findings(world)
    world.sleep(100)
    return world


def findings(world: World) -> list[tuple[str, str]]:
    return rows(world, "select kind, path from findings where resolved_at is null order by id")


def test_a_new_version_that_is_proven_ends_it(hidden: World) -> None:
    """What was found about the version before is over with the proof of the next one."""
    hidden.write("a.md", text("a", 2))
    hidden.sync()
    assert [] == findings(hidden)


def test_a_file_that_goes_ends_it(hidden: World) -> None:
    """Of a document whose file is gone nothing is said any more."""
    hidden.remove("a.md")
    hidden.sync()
    assert "retired" == hidden.states()["a.md"]
    assert [] == findings(hidden)


def test_a_retired_version_that_is_deleted_ends_it(world: World) -> None:
    """Somebody shows what is retired: it is hidden again and a person hears of it, until it is deleted (rule 27)."""
    world.write("a.md", text("a"))
    world.sync()
    [old] = [row["id"] for row in world.emulator.snapshot() if row["name"] == "a.md"]
    world.write("a.md", text("a", 2))
    world.sync()
    world.sleep(100)
    world.call("core/dataset/collection/update", json={"id": old, "forbid": False})
    world.write("b.md", text("b"))
    world.sync()
    assert [("changed", "a.md")] == findings(world)
    world.sleep(200_000)
    world.sync()
    assert old not in {row["id"] for row in world.emulator.snapshot()}
    assert [] == findings(world)


def test_a_restored_backup_accuses_nobody(world: World) -> None:
    """An old copy of the ledger meets what syncd itself has shown and hidden since, and finds no fault with it."""
    for name in "ab":
        world.write(f"{name}.md", text(name))
    world.sync()
    copy = world.tmp / "copy.db"
    ledger = Ledger(world.ledger_path)
    ledger.backup(copy)
    ledger.close()
    world.sleep(100)
    world.write("a.md", text("a", 2))
    world.sync()
    world.sleep(100)
    world.lose_ledger()
    copy.rename(world.ledger_path)
    world.write("c.md", text("c"))
    world.sync()
    world.sync()
    assert [] == findings(world)
    assert {"a.md", "b.md", "c.md"} == set(world.visible())
