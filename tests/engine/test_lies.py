"""Who verifies the verifier: servers that garble and searches that lie (law 7, rules 5 to 9)."""

from __future__ import annotations

import exercised
import pytest
from laws import converged, marker_of, no_gap, rows
from texts import chinese, text
from world import World

OLD = text("target")
NEW = "\n".join(chinese(f"target {part}") for part in range(24))  # several chunks


@pytest.fixture(params=["first", "replacement"])
def staged(request: pytest.FixtureRequest, world: World) -> World:
    """Two documents at rest, and a third one that is new, or has new content, on the disk."""
    world.write("one.md", text("one"))
    world.write("two.md", text("two"))
    if request.param == "replacement":
        world.write("target.md", OLD)
    assert world.sync().exit_code == 0
    world.sleep(100)
    world.write("target.md", NEW)
    world.replaces = request.param == "replacement"
    return world


def old_serves(world: World) -> None:
    """The old version is visible if there was one; the new one is not."""
    visible = [row for row in world.emulator.snapshot() if not row["forbid"] and row["name"].startswith("target")]
    assert len(visible) == (1 if world.replaces else 0)
    assert all("keeps" in "".join(row["texts"]) or "kept by target" in "".join(row["texts"]) for row in visible)
    if world.replaces:
        no_gap(world)


@pytest.mark.parametrize("kind", ["garble", "truncate", "empty_parse", "lose_chunk"])
def test_content_lies(staged: World, kind: str) -> None:
    """What the server garbles, cuts or loses is named, never shown, and the old version serves on."""
    exercised.add(f"fault {kind}")
    staged.emulator.faults.add(kind, match="target", times=None if kind == "never" else 50)
    outcome = staged.sync()
    row = staged.documents()["target.md"]
    codes = {"garble": {"encoding-lost"}, "empty_parse": {"empty", "content-differs"}}
    assert (outcome.exit_code, row["state"]) == (3, "quarantined")
    assert row["quarantine"] in codes.get(kind, {"content-differs"})
    assert not any(
        e.event == "shown" and e.metadata["syncd"]["sha256"] == row["sha256"] for e in staged.emulator.timeline
    ), "a failed candidate was visible before its content was compared"
    old_serves(staged)
    converged(staged, failing=("target.md",))


def test_search_that_drops(staged: World) -> None:
    """A document that search never returns while it returns others is missing: flipped back and quarantined."""
    exercised.add("fault search_drop")
    sha = staged.emulator.faults.add("search_drop", match="target")
    outcome = staged.sync()
    row = staged.documents()["target.md"]
    assert (outcome.exit_code, row["state"], row["quarantine"]) == (3, "quarantined", "search-missing")
    old_serves(staged)
    converged(staged, failing=("target.md",))
    staged.emulator.faults.remove(sha.id)
    staged.sleep(100)
    staged.write("target.md", NEW + "\n\n" + text("more"))
    assert staged.sync().exit_code == 0
    converged(staged)


@pytest.mark.parametrize(("seconds", "passes"), [(10, True), (300, False)])
def test_search_that_delays(staged: World, seconds: int, passes: bool) -> None:
    """Late is not missing, as long as it comes within 30 s."""
    exercised.add("fault search_delay")
    staged.emulator.faults.add("search_delay", match="target", seconds=seconds)
    outcome = staged.sync()
    row = staged.documents()["target.md"]
    if passes:
        assert (outcome.exit_code, row["state"]) == (0, "verified")
        converged(staged)
    else:
        assert (row["state"], row["quarantine"]) == ("quarantined", "search-missing")
        old_serves(staged)
        converged(staged, failing=("target.md",))


@pytest.mark.parametrize("where", ["out", "below"])
def test_search_that_outranks(staged: World, where: str) -> None:
    """Outranked is a finding about quality, not a failure."""
    exercised.add("fault search_outrank")
    staged.emulator.faults.add("search_outrank", match="target", where=where)
    outcome = staged.sync()
    assert (outcome.exit_code, staged.states()["target.md"]) == (0, "verified")
    assert outcome.verdicts.get("missing", 0) == 0
    converged(staged)


def test_search_that_returns_the_old_version(staged: World) -> None:
    """A hit in the old version is no proof of the new one (rule 7)."""
    exercised.add("fault search_old")
    staged.emulator.faults.add("search_old", match="target")
    outcome = staged.sync()
    state = staged.states()["target.md"]
    if staged.replaces:
        assert (outcome.exit_code, state) == (3, "quarantined")
        old_serves(staged)
        converged(staged, failing=("target.md",))
    else:
        assert (outcome.exit_code, state) == (0, "verified")
        converged(staged)


@pytest.mark.parametrize("kind", ["search_drop", "search_empty", "search_500"])
def test_search_broken_for_everything(staged: World, kind: str) -> None:
    """While search finds nothing at all, nothing is proven and nothing is blamed; later it is proven (rule 6)."""
    exercised.add(f"fault {kind} for all")
    staged.emulator.faults.add(kind, match="*", times=None if kind == "search_drop" else 100_000)
    outcome = staged.sync()
    assert outcome.exit_code == 4
    assert rows(staged, "select path from documents where quarantine is not null or attempts > 0") == []
    old_serves(staged)
    staged.emulator.faults.clear()
    staged.sleep(100)
    assert staged.sync().exit_code == 0
    converged(staged)
    no_gap(staged)


def test_the_only_document_and_broken_search(world: World) -> None:
    """Without any document to compare with, a miss is the server's trouble; the upload is not repeated."""
    world.write("target.md", NEW)
    world.emulator.faults.add("search_empty", times=100_000)
    assert world.sync().exit_code == 4
    assert world.visible() == {}
    world.emulator.faults.clear()
    assert world.sync().exit_code == 0
    assert len([row for row in world.emulator.snapshot() if marker_of(row)]) == 1
    converged(world)


def test_a_lost_ledger_and_broken_search(world: World) -> None:
    """What serves is never hidden because a new ledger cannot prove it while search is broken (laws 1 and 6)."""
    for name in "abc":
        world.write(f"{name}.md", text(name))
    world.sync()
    world.sleep(100)
    world.lose_ledger()
    world.emulator.faults.add("search_empty", times=100_000)
    assert world.sync().exit_code == 4
    assert set(world.visible()) == {"a.md", "b.md", "c.md"}
    world.emulator.faults.clear()
    assert world.sync().exit_code == 0
    no_gap(world)
    converged(world)


def test_a_lost_ledger_and_one_document_search_misses(world: World) -> None:
    """An adopted version that search misses stays visible until another one of it is proven (law 1)."""
    for name in ("a", "b", "target"):
        world.write(f"{name}.md", text(name))
    world.sync()
    world.sleep(100)
    world.lose_ledger()
    world.emulator.faults.add("search_drop", match="target")
    world.sync()
    assert set(world.visible()) == {"a.md", "b.md", "target.md"}
    no_gap(world)
