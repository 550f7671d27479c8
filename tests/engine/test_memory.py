"""What is under way takes a bounded room, and what is known of the server is not asked for again."""

from __future__ import annotations

import sys

import httpx
import pytest
from laws import converged, rows
from texts import text
from world import World
from world_parts import Forward

from syncd.engine import Engine, Outcome
from syncd.materials import ROOM, Materials, weight
from syncd.prove import Material


def material(size: int) -> Material:
    """A material whose text takes at least so many bytes."""
    whole = "x" * size
    return Material(whole, "", compared=whole)


def test_the_room_is_32_mib() -> None:
    """One constant says how much the texts of documents under way may take."""
    assert ROOM == 32 * 1024 * 1024
    assert Materials().room == ROOM


def test_the_least_lately_used_text_goes_first() -> None:
    """Whatever is put and asked for, the texts never take more than the room, and what is used stays."""
    kept = Materials(room=10_000)
    for name in "abc":
        kept.put(name, material(3000))
    assert kept.get("a") is not None
    kept.put("d", material(3000))
    assert [name for name in "abcd" if kept.get(name) is not None] == ["a", "c", "d"]
    assert kept.held == 3 * weight(material(3000))
    kept.put("e", material(20_000))
    assert kept.get("e") is None  # it would have driven out all others
    assert [name for name in "abcd" if kept.get(name) is not None] == ["a", "c", "d"]
    for name in "abcd":
        kept.drop(name)
    assert (len(kept), kept.held) == (0, 0)


def test_weight_is_what_the_texts_take_in_memory() -> None:
    """Characters are not bytes: Chinese takes two a character; a text under two names counts once."""
    wide = "水" * 1000
    assert weight(Material(wide, "", compared=wide)) == sys.getsizeof(wide)
    assert weight(Material(wide, "", compared=wide + "泵")) > 2 * sys.getsizeof(wide) - 200
    assert weight(Material(None, "why")) == 0


def test_texts_of_many_documents_in_training_are_bounded(world: World) -> None:
    """While training hangs only so much text is held; the rest is read again when it is needed, and proven."""
    for number in range(12):
        world.write(f"d{number}.md", text(f"d{number}", sentences=120))
    world.emulator.faults.add("train_slow", seconds=120.0, times=12)
    most: list[int] = []

    class Watched(Materials):
        def put(self, revision: str, material: Material) -> None:
            super().put(revision, material)
            most.append(self.held)

    async def body(engine: Engine) -> Outcome:
        engine._tools.materials = Watched(room=40_000)
        return await engine.sync()

    outcome = world.run(body)
    assert outcome.exit_code == 0
    assert len(most) > 12  # some were read again
    assert 20_000 < max(most) <= 40_000
    converged(world)


@pytest.mark.parametrize("folder", ["", "in/"])
def test_foreign_collections_are_asked_for_once(world: World, folder: str) -> None:
    """60 foreign collections beside three lost uploads cost 60 looks at records, not 540."""
    world.write(f"{folder}first.md", text("first"))
    assert world.sync().exit_code == 0
    parent = next((row["id"] for row in world.emulator.snapshot() if row["type"] == "folder"), None)
    for number in range(60):
        world.outsider_upload(f"foreign{number}.md", text(f"foreign {number}", sentences=1), parent=parent)
    for name in ("a", "b", "c"):
        world.write(f"{folder}{name}.md", text(name))
    lost = {"a.md", "b.md", "c.md"}

    async def between(request: httpx.Request, forward: Forward) -> httpx.Response:
        body = await request.aread()
        name = next((name for name in lost if b'filename="' + name.encode() in body), None)
        if name is None:
            return await forward(httpx.Request(request.method, request.url, headers=request.headers, content=body))
        lost.discard(name)
        raise httpx.ReadError("reset before it arrived")

    world.between = between
    before = len(world.requests("collection/detail"))
    assert world.sync().exit_code == 0
    assert lost == set()
    asked = len(world.requests("collection/detail")) - before
    assert 60 <= asked <= 75
    before = len(world.requests("collection/detail"))
    world.write(f"{folder}d.md", text("d"))
    assert world.sync().exit_code == 0  # another run, another survey
    assert len(world.requests("collection/detail")) - before <= 5
    converged(world)


def test_strangers_that_are_gone_are_forgotten(world: World) -> None:
    """What the ledger remembers of foreign collections is as much as there are."""
    world.write("a.md", text("a"))
    assert world.sync().exit_code == 0
    ids = [world.outsider_upload(f"foreign{number}.md", text(f"foreign {number}")) for number in range(3)]
    world.write("b.md", text("b"))
    assert world.sync().exit_code == 0
    for id_ in ids[:2]:
        world.call("core/dataset/collection/delete", method="DELETE", params={"id": id_}, json={})
    world.write("c.md", text("c"))
    assert world.sync().exit_code == 0
    assert rows(world, "select collection_id from strangers") == [(ids[2],)]
