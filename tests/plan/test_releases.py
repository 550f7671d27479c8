"""What a person lets go: exactly what was shown, once, and only while the disk still says so (rule 20)."""

from __future__ import annotations

import pytest
from plan_hands import World
from plan_laws import one_pass, release
from plan_troubles import DAY, DOCUMENTS, gone_files, other_device, source, three_days, visible

from syncd.models import DeletePolicy, HoldReason, Plan


def held() -> tuple[World, Plan]:
    """Ten files of twenty are gone and held."""
    world = source(DeletePolicy(5, 20.0, DAY))
    gone_files(world, 10)
    plan = one_pass(world)
    assert [h.count for h in plan.holds] == [10]
    return world, plan


def test_a_release_lets_go_what_was_shown_and_nothing_else() -> None:
    """What is gone anew after a release is held anew, and what a person released does not count (rules 15 and 20)."""
    world, plan = held()
    release(world, plan)
    gone_files(world, 6)
    after = one_pass(world)
    assert len(world.deletions) == 10
    assert [h.count for h in after.holds] == [6]
    assert world.released == set()
    world.disk[sorted(world.documents)[0]] = "back"
    world.now += 1.0
    gone_files(world, 1)
    assert [h.count for h in one_pass(world).holds] != []


def test_a_release_counts_once() -> None:
    """A document that came back after its release and vanishes again is rationed like any other."""
    world, plan = held()
    release(world, plan)
    one_pass(world)
    path = next(p for p in world.documents if p not in world.disk)
    world.disk[path] = "other"
    for _ in range(6):
        one_pass(world)
    del world.disk[path]
    one_pass(world)
    assert [released for _, released in world.deletions] == [True] * 10 + [False]


def test_an_expired_release_lets_nothing_go() -> None:
    """A release that expired is as if it had never been (rule 20)."""
    world, plan = held()
    release(world, plan)
    world.released.clear()
    three_days(world)
    assert len(world.server) == DOCUMENTS


def test_files_that_come_back_after_a_release_are_kept() -> None:
    """A released document whose file is there again when the release is used is not touched."""
    world, plan = held()
    release(world, plan)
    for path, document in world.documents.items():
        if path not in world.disk:
            world.disk[path] = next(iter(document.revisions.values())).content.sha256
    assert one_pass(world).actions == ()
    assert (len(world.server), visible(world)) == (DOCUMENTS, DOCUMENTS)


@pytest.mark.parametrize("emptied", [False, True])
def test_an_emptied_source(emptied: bool) -> None:
    """An emptied source goes only after `release --emptied`, whatever its limits, and then as a whole."""
    world = source(DeletePolicy(1, 0.0, DAY))
    gone_files(world)
    release(world, one_pass(world))
    world.emptied = emptied
    three_days(world)
    assert len(world.server) == (0 if emptied else DOCUMENTS)


def test_an_accepted_device_is_judged_by_the_limits() -> None:
    """Accepting another file system lets nothing go by itself: what is missing on it is rationed."""
    world = source(DeletePolicy(50, 20.0, 0.0))
    other_device(world)
    release(world, one_pass(world))
    assert [h.reason for h in three_days(world).holds] == [HoldReason.LIMIT]
    assert len(world.server) == DOCUMENTS
