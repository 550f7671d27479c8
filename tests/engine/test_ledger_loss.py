"""The ledger can be lost, old, copied or damaged, at any step of any story (law 6, rules 24, 25 and 28)."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import exercised
import pytest
from laws import converged, foreign, no_gap, uploads
from texts import text
from world import World

from syncd.errors import LedgerError
from syncd.ledger import Ledger
from syncd.models import DeletePolicy

KINDS = ["deleted", "older copy", "backup restored", "page corrupted"]


class Story:
    """Random edits of a few documents, a pass after each few."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.dice = random.Random(seed)
        self.version = 0

    def step(self) -> None:
        """Change something on the disk."""
        world, dice = self.world, self.dice
        self.version += 1
        files = sorted(p for p in world.root.rglob("*.md"))
        what = dice.choice(["new", "new", "edit", "edit", "move", "remove", "back"])
        if what == "new" or len(files) < 4:
            name = f"{dice.choice(['', 'x/', 'x/y/', 'z/'])}n{self.version}.md"
            world.write(name, text(f"n{self.version}"))
            return
        path = str(dice.choice(files).relative_to(world.root))
        if what == "edit":
            world.write(path, text(path, self.version))
        elif what == "move":
            world.rename(path, f"moved/m{self.version}.md")
        elif what == "remove":
            self.removed = (path, (world.root / path).read_bytes())
            world.remove(path)
        elif getattr(self, "removed", None):
            world.write(*self.removed)

    def passes(self, number: int) -> None:
        """A few changes and a pass, ``number`` times."""
        for _ in range(number):
            for _ in range(self.dice.randint(1, 3)):
                self.step()
            self.world.sync()
            self.world.sleep(self.dice.choice([10, 1000, 100_000]))


def copy_of(ledger: Path, name: str) -> Path:
    """The ledger as a file copy, at rest."""
    target = ledger.with_name(name)
    with closing(sqlite3.connect(ledger)) as conn:
        conn.execute("pragma wal_checkpoint(truncate)")
    shutil.copy(ledger, target)
    return target


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(25))
def test_a_ledger_is_lost(make_world: Callable[..., World], seed: int, kind: str) -> None:
    """A lost, old or restored ledger heals itself without an upload of what is there; a damaged one is refused."""
    exercised.add(f"ledger {kind}")
    world = make_world(seed=seed)
    world.source = replace(world.source, delete=DeletePolicy(max_count=500, max_percent=100.0, grace=86400.0))
    story = Story(world, seed)
    story.passes(2)
    world.outsider_upload("stranger.md", text("stranger"))
    older = copy_of(world.ledger_path, "older")
    backup = world.ledger_path.with_name("backup")
    ledger = Ledger(world.ledger_path)
    ledger.backup(backup)
    ledger.close()
    story.passes(story.dice.randint(0, 3))
    strangers = foreign(world)
    before = uploads(world)
    visible = world.visible()
    if kind == "page corrupted":
        _corrupt(world, seed)
        return
    world.lose_ledger()
    if kind != "deleted":
        shutil.copy(older if kind == "older copy" else backup, world.ledger_path)
    world.write("after.md", text("after"))  # an unmarked copy is noticed when there is something to do
    outcome = world.sync()
    assert outcome.exit_code == 0, outcome
    assert uploads(world) - before == 1, "an unchanged file was uploaded again"
    assert {p: h for p, h in world.visible().items() if p != "after.md"} == visible
    assert foreign(world) == strangers
    no_gap(world)
    world.sync()
    converged(world)
    story.passes(2)
    no_gap(world)
    world.sleep(100_000)
    world.sync()
    world.sync()
    converged(world)


def _corrupt(world: World, seed: int) -> None:
    copy_of(world.ledger_path, "unused")
    dice = random.Random(seed)
    raw = bytearray(world.ledger_path.read_bytes())
    pages = len(raw) // 4096
    for _ in range(3):
        start = dice.randrange(1, pages) * 4096
        raw[start : start + 4096] = dice.randbytes(4096)
    world.lose_ledger()
    world.ledger_path.write_bytes(bytes(raw))
    requests = len(world.requests())
    with pytest.raises(LedgerError) as caught:
        world.sync()
    assert caught.value.exit_code == 65
    assert len(world.requests()) == requests


def test_a_ledger_is_lost_inside_a_flip(world: World) -> None:
    """With both versions visible and no ledger, one of them remains, and never none (rule 25)."""
    exercised.add("ledger deleted")
    for name in "abc":
        world.write(f"{name}.md", text(name))
    world.sync()
    world.sleep(100)
    world.write("a.md", text("a", 2))
    for point in ("http.update.after",) * 4:
        if world.crash_on(point, 2) is None:
            break
        world.lose_ledger()
        world.sync()
        no_gap(world)
    world.sync()
    converged(world)


def test_an_adopting_pass_never_retires(world: World) -> None:
    """A pass that adopts leaves vanished files to the next one (rule 25)."""
    for name in "abc":
        world.write(f"{name}.md", text(name))
    world.sync()
    older = copy_of(world.ledger_path, "older")
    world.write("d.md", text("d"))
    world.sync()
    world.lose_ledger()
    shutil.copy(older, world.ledger_path)
    world.remove("a.md")
    assert world.sync().counts["retired"] == 0
    assert set(world.visible()) == {"a.md", "b.md", "c.md", "d.md"}
    assert world.sync().counts["retired"] == 1
    converged(world)


def test_two_instances(make_world: Callable[..., World]) -> None:
    """Two instances with ledgers of their own on one source notice each other and stop (rule 25)."""
    world = make_world()
    world.write("a.md", text("a"))
    world.sync()
    first, second = world.ledger_path, world.tmp / "state2" / "ledger.db"
    world.sleep(10_000)
    world.ledger_path = second
    assert world.sync().exit_code == 0
    before = foreign(world)
    world.sleep(10_000)
    world.write("b.md", text("b"))
    assert world.sync().exit_code == 0  # the second one writes
    world.ledger_path = first
    world.sleep(10)
    outcome = world.sync()
    assert outcome.exit_code == 6
    assert "another syncd" in outcome.troubles["docs"]
    assert foreign(world) == before
    assert sorted(world.visible()) == ["a.md", "b.md"]


def test_an_earlier_ledger_writes_on(make_world: Callable[..., World]) -> None:
    """A ledger that was taken over but goes on writing is noticed by its successor (rule 25)."""
    world = make_world()
    world.write("a.md", text("a"))
    world.sync()
    first, second = world.ledger_path, world.tmp / "state2" / "ledger.db"
    world.sleep(10_000)
    world.ledger_path = second
    world.write("b.md", text("b"))
    world.sync()
    # The first one is blind for what the second one did, and uploads.
    world.sleep(10_000)
    (world.root / "b.md").unlink()
    world.write("c.md", text("c"))
    world.ledger_path = first
    conn = sqlite3.connect(first)
    [(own,)] = conn.execute("select value from meta where key = 'ledger_id'").fetchall()
    with closing(sqlite3.connect(second)) as there:
        [(other,)] = there.execute("select value from meta where key = 'ledger_id'").fetchall()
    assert own != other
    conn.execute("update sources set adopted_at = null")
    conn.commit()
    conn.close()
    world.sync()
    world.ledger_path = second
    world.write("d.md", text("d"))
    outcome = world.sync()
    assert outcome.exit_code == 6
    assert own in outcome.troubles["docs"]


def test_a_restored_backup_takes_a_new_identity(world: World) -> None:
    """The first use of a backup takes a new ledger id and looks at the server, with or without work (rule 28)."""
    world.write("a.md", text("a"))
    world.sync()
    ledger = Ledger(world.ledger_path)
    old, target = ledger.id, world.tmp / "backup.db"
    ledger.backup(target)
    ledger.close()
    world.lose_ledger()
    shutil.copy(target, world.ledger_path)
    before = len(world.requests())
    assert world.sync().exit_code == 0
    assert len(world.requests("listV2")) > 0
    assert len(world.requests()) > before
    ledger = Ledger(world.ledger_path)
    assert ledger.id != old
    ledger.close()
    converged(world)
