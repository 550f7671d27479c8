"""The check of law 1 follows documents through moves, kills and lost ledgers, and sees every kind of gap."""

from __future__ import annotations

from types import SimpleNamespace

import exercised
import pytest
from laws import converged, no_gap, rows
from lineage import Deed, Memory
from texts import text
from world import World


def story(*lines: tuple[float, str, str]) -> SimpleNamespace:
    """A world from lines of (time, event, what): of collections ("1:a.md") and of the ledger ("a.md", "a.md>b.md")."""
    timeline, memory = [], Memory()
    for number, (at, event, what) in enumerate(lines):
        if event in ("created", "hidden", "shown", "deleted"):
            collection, _, path = what.partition(":")
            marker = {"source": "docs", "path": path}
            timeline.append(SimpleNamespace(at=at, event=event, collection_id=collection, metadata={"syncd": marker}))
        else:
            old, _, new = what.partition(">")
            memory.deeds.add(Deed(at, number, event, ("docs", new or old), old if new else ""))
    return SimpleNamespace(emulator=SimpleNamespace(timeline=timeline), memory=memory)


FIRST = ((1, "created", "1:a.md"), (2, "hidden", "1:a.md"), (3, "shown", "1:a.md"), (4, "verified", "a.md"))
SECOND = ((5, "created", "2:a.md"), (6, "hidden", "2:a.md"))
MOVED = (7, "moved", "a.md>b.md")
NO_GAPS = {
    "replaced": (*FIRST, *SECOND, (7, "shown", "2:a.md"), (8, "hidden", "1:a.md"), (9, "verified", "a.md")),
    "let go": (*FIRST, (5, "let go", "a.md"), (6, "hidden", "1:a.md")),
    "not verified yet": (*FIRST[:3], (5, "hidden", "1:a.md")),
    "what never was shown goes, then the document moves": (*FIRST, *SECOND, (6.5, "deleted", "2:a.md"), MOVED),
    "let go under its new name": (*FIRST, MOVED, (8, "let go", "b.md"), (9, "hidden", "1:a.md")),
    "another file takes the old name": (*FIRST, MOVED, (8, "created", "3:a.md"), (9, "hidden", "3:a.md")),
    "all in one instant": tuple((1, event, what) for _, event, what in (*FIRST, MOVED, (1, "hidden", "1:a.md"))),
}
GAPS = {
    "hidden": (*FIRST, (5, "hidden", "1:a.md")),
    "deleted": (*FIRST, (5, "deleted", "1:a.md")),
    "hidden before the new one is shown": (*FIRST, *SECOND, (7, "hidden", "1:a.md"), (8, "shown", "2:a.md")),
    "the new one was never compared": (*FIRST, (5, "created", "2:a.md"), (6, "hidden", "1:a.md")),
    "hidden under its new name": (*FIRST, MOVED, (8, "hidden", "1:a.md")),
    "let go under its old name": (*FIRST, MOVED, (8, "let go", "a.md"), (9, "hidden", "1:a.md")),
    "let go, back, verified again, hidden": (
        *FIRST,
        (5, "let go", "a.md"),
        (6, "hidden", "1:a.md"),
        (7, "shown", "1:a.md"),
        (8, "verified", "a.md"),
        (9, "hidden", "1:a.md"),
    ),
    "hidden in the instant in which the new one is shown": (
        *FIRST,
        *SECOND,
        (7, "hidden", "1:a.md"),
        (7, "shown", "2:a.md"),
    ),
}


@pytest.mark.parametrize("lines", NO_GAPS.values(), ids=NO_GAPS)
def test_no_false_alarm(lines: tuple[tuple[float, str, str], ...]) -> None:
    """What is no gap is not called one."""
    no_gap(story(*lines))


@pytest.mark.parametrize("lines", GAPS.values(), ids=GAPS)
def test_every_gap_is_seen(lines: tuple[tuple[float, str, str], ...]) -> None:
    """A document that was verified and not let go, and of which nothing compared is visible, is a gap."""
    with pytest.raises(AssertionError, match="a gap for"):
        no_gap(story(*lines))


def test_a_version_that_was_given_up_before_a_move_stays_behind(world: World) -> None:
    """A kill, another edit, a move: what was trained for nothing under the old path is no gap there (law 1, rule 33).

    This story broke the service's story of kills in three of seven runs: the check took paths for documents.
    """
    world.write("a.md", text("a"))
    world.sync()
    world.write("a.md", text("a", 2))
    assert world.crash_on("ledger.flip_intent.before") is not None  # trained, hidden, never shown
    world.write("a.md", text("a", 3))
    world.sync()
    given_up = rows(world, "select reason, state, verified_at from revisions where state = 'deleted'")
    assert [("the file was changed again", "deleted", None)] == given_up
    world.rename("a.md", "b.md")
    world.sync()
    assert ["b.md"] == list(world.visible())
    no_gap(world)
    converged(world)
    exercised.add("stories of a move and a kill")


def test_the_check_follows_a_document_to_its_new_name(world: World) -> None:
    """After a move it is the new name that must be seen, and a version that somebody hides there is a gap."""
    world.write("a.md", text("a"))
    world.sync()
    world.rename("a.md", "b.md")
    world.sync()
    no_gap(world)
    [collection] = [row["id"] for row in world.emulator.snapshot() if row["type"] != "folder"]
    world.sleep(5)
    world.call("core/dataset/collection/update", json={"id": collection, "forbid": True})
    with pytest.raises(AssertionError, match=r"a gap for b\.md"):
        no_gap(world)
