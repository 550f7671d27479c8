"""Any crash, any point: the next ordinary run converges (laws 1, 3 and 5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import exercised
import pytest
from laws import converged, no_gap, uploads
from texts import text
from world import World

from syncd.models import DeletePolicy, Training


def first_sync(world: World) -> int:
    """Three documents, one in a sub-folder; returns how many uploads are needed."""
    for path in ("a.md", "b.md", "sub/c.md"):
        world.write(path, text(path))
    return 3


def edit_delete_new(world: World) -> int:
    """An edit, a deletion without grace, and a new file."""
    world.source = replace(world.source, delete=DeletePolicy(grace=0.0))
    first_sync(world)
    world.sync()
    world.sleep(1000)
    world.write("a.md", text("a.md", 2))
    world.remove("b.md")
    world.write("new/d.md", text("d"))
    return 2


def move_restore_settings(world: World) -> int:
    """A move, a file that comes back within its grace, and other settings for one source."""
    first_sync(world)
    world.sync()
    world.sleep(1000)
    world.remove("b.md")
    world.sync()
    world.sleep(1000)
    world.rename("a.md", "moved/a.md")
    world.write("b.md", text("b.md"))
    other = world.tmp / "other"
    other.mkdir(exist_ok=True)
    (other / "x.md").write_text(text("x"))
    second = replace(world.source, name="other", path=other, folder="other")
    world.sources = [world.source, second]
    world.sync(names=["other"])
    world.sleep(1000)
    world.sources = [world.source, replace(second, training=Training("chunk", (("chunkSize", 700),)))]
    return 1


SCENARIOS = [first_sync, edit_delete_new, move_restore_settings]


def _survives(make_world: Callable[..., World], scenario: Callable[[World], int], wanted: int) -> str | None:
    world = make_world()
    needed = scenario(world)
    before = uploads(world)
    died = world.crash_at(wanted)
    outcome = world.sync()
    where = f"{scenario.__name__}, point {wanted}: {died}"
    try:
        assert outcome.exit_code == 0, outcome
        converged(world)
        no_gap(world)
        assert uploads(world) - before <= needed + 1, "a document was uploaded more often than needed"
    except AssertionError as error:
        raise AssertionError(f"{where}: {error}") from error
    return died


@pytest.mark.timeout(170)
@pytest.mark.parametrize("part", range(2))
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.__name__)
def test_every_point(make_world: Callable[..., World], scenario: Callable[[World], int], part: int) -> None:
    """A crash before or after any commit, send or receive leaves nothing that the next ordinary run does not mend."""
    wanted = 1 + part
    failures = []
    while True:
        try:
            if _survives(make_world, scenario, wanted) is None:
                break
        except AssertionError as error:
            failures.append(str(error)[:600])
        exercised.add("crash points")
        wanted += 2
    assert failures == []


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.__name__)
def test_pairs_of_points(make_world: Callable[..., World], scenario: Callable[[World], int]) -> None:
    """A second crash while the first one is mended changes nothing."""
    first = 1
    while True:
        for second in range(1, 400, 7):
            world = make_world()
            scenario(world)
            if world.crash_at(first) is None:
                return
            lived = world.crash_at(second) is None
            assert world.sync().exit_code == 0
            converged(world)
            no_gap(world)
            exercised.add("crash points, pairs")
            if lived:
                break
        first += 5
