"""Whole sources in trouble: whatever happens to the disk, what must not be deleted is not deleted (T7)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from random import Random

import exercised
import pytest
from plan_hands import World
from plan_laws import one_pass, release
from plan_model import Collection, Document

from syncd.models import (
    CollectionId,
    Content,
    DatasetId,
    DeletePolicy,
    HoldReason,
    Plan,
    Revision,
    RevisionId,
    RootState,
    State,
)
from syncd.plan import SourcePolicy

DAY = 86400.0
DOCUMENTS = 20
COUNTS, PERCENTS, GRACES = (0, 1, 50), (0.0, 20.0, 100.0), (0.0, DAY)
POLICIES = [DeletePolicy(*values) for values in product(COUNTS, PERCENTS, GRACES)]


def source(policy: DeletePolicy) -> World:
    """Twenty verified documents, half of them in a folder, all older than any window."""
    world = World(Random(0), SourcePolicy("docs", delete=policy), chaos=False)
    for i in range(DOCUMENTS):
        path = f"{'in' if i % 2 else 'out'}/{i:02}.md"
        name, collection, text = RevisionId(f"old{i}"), CollectionId(f"kept{i}"), f"text {i}"
        revision = Revision(
            name, 1, Content(text, "s"), State.VERIFIED, f"{name}/0", DatasetId("d"), collection,
            placed=world.policy.placement(path), visible=True, verified_at=0.0,
        )
        world.disk[path] = text
        world.documents[path] = Document(path, {name: revision}, rest=revision.content)
        world.server[collection] = Collection(text, True, revision.attempt)
        world.served.append((name, 0.0))
    return world


def gone_files(world: World, n: int = DOCUMENTS, prefix: str = "") -> None:
    """The first ``n`` files below ``prefix`` are not there any more."""
    for path in [p for p in world.disk if p.startswith(prefix)][:n]:
        del world.disk[path]


def missing(world: World) -> None:
    world.root = RootState.MISSING


def unreadable(world: World) -> None:
    world.root = RootState.UNREADABLE


def empty_mount(world: World) -> None:
    gone_files(world)


def other_device(world: World) -> None:
    gone_files(world, 15)
    world.root = RootState.DEVICE


def permission_lost(world: World) -> None:
    world.unreadable = "in/"
    gone_files(world, 5, "out/")


def half_listed(world: World) -> None:
    """A listing broke off: the folder says so, half of it was read, and files of its neighbour are missing too."""
    world.unreadable = "in/1"
    gone_files(world, 5, "in/0")
    gone_files(world, 5, "out/")


def excluded(world: World) -> None:
    world.excluded = {p for p in world.disk if p.startswith("in/")}
    world.scope_changed = True


def one_excluded(world: World) -> None:
    world.excluded = {"in/01.md"}
    world.scope_changed = True


def other_path(world: World) -> None:
    gone_files(world, len(world.disk) - 1)
    world.scope_changed = True


# What happens, the reason of the hold, and whether an ordinary release may lift it.
TROUBLES: list[tuple[Callable[[World], None], HoldReason, bool]] = [
    (missing, HoldReason.MISSING, False),
    (unreadable, HoldReason.UNREADABLE, False),
    (empty_mount, HoldReason.EMPTY, False),
    (other_device, HoldReason.DEVICE, False),
    (permission_lost, HoldReason.UNREADABLE, False),
    (half_listed, HoldReason.UNREADABLE, False),
    (excluded, HoldReason.SCOPE, True),
    (one_excluded, HoldReason.SCOPE, True),
    (other_path, HoldReason.SCOPE, True),
]


def three_days(world: World) -> Plan:
    """Passes over more time than any grace and any window take."""
    plan = Plan()
    for pause in (0.0, 1.0, 3600.0, DAY, DAY, DAY):
        world.now += pause
        plan = one_pass(world)
    return plan


def visible(world: World) -> int:
    """How many collections search can see."""
    return sum(c.visible for c in world.server.values())


@pytest.mark.parametrize("policy", POLICIES, ids=lambda p: f"{p.max_count}-{p.max_percent:g}-{p.grace:g}")
@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda t: t[0].__name__)
def test_nothing_is_deleted_whatever_the_policy(
    trouble: tuple[Callable[[World], None], HoldReason, bool], policy: DeletePolicy
) -> None:
    """A source in trouble loses no document and no sight of one, for three days, under any policy."""
    happen, reason, _ = trouble
    world = source(policy)
    happen(world)
    plan = three_days(world)
    assert [h.reason for h in plan.holds] == [reason]
    assert (len(world.server), visible(world)) == (DOCUMENTS, DOCUMENTS)
    exercised.add("firewall cases")


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda t: t[0].__name__)
def test_releases_made_before_do_not_help(trouble: tuple[Callable[[World], None], HoldReason, bool]) -> None:
    """A release is checked again when it is used: below a root in trouble it lets nothing go (rule 20)."""
    happen, _, releasable = trouble
    world = source(DeletePolicy(50, 100.0, 0.0))
    happen(world)
    world.released = {f"old{i}" for i in range(DOCUMENTS)}
    three_days(world)
    assert (len(world.server) == DOCUMENTS) is not releasable


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda t: t[0].__name__)
def test_what_was_retired_before_the_trouble_is_kept_until_it_is_over(
    trouble: tuple[Callable[[World], None], HoldReason, bool],
) -> None:
    """What the firewall let go is still not deleted below a root that cannot be believed; a changed scope can be."""
    happen, _, believed = trouble
    world = source(DeletePolicy(50, 20.0, DAY))
    gone_files(world, 2, "out/")
    one_pass(world)
    assert (len(world.server), visible(world)) == (DOCUMENTS, DOCUMENTS - 2)
    happen(world)
    three_days(world)
    assert len(world.server) == (DOCUMENTS - 2 if believed else DOCUMENTS)


@pytest.mark.parametrize("trouble", TROUBLES[:2] + TROUBLES[3:4], ids=lambda t: t[0].__name__)
def test_a_root_that_comes_back_is_as_it_was(trouble: tuple[Callable[[World], None], HoldReason, bool]) -> None:
    """After an outage of the disk nothing is uploaded, retired or deleted."""
    world = source(DeletePolicy())
    disk = dict(world.disk)
    trouble[0](world)
    three_days(world)
    world.disk, world.root = disk, RootState.OK
    assert one_pass(world) == Plan()


@pytest.mark.parametrize("policy", POLICIES, ids=lambda p: f"{p.max_count}-{p.max_percent:g}-{p.grace:g}")
@pytest.mark.parametrize("gone", [1, 2, 4, 5, 19])
def test_a_healthy_source_deletes_what_the_policy_allows(policy: DeletePolicy, gone: int) -> None:
    """From a healthy root all or nothing goes: all up to max_count and max_percent, nothing beyond."""
    world = source(policy)
    gone_files(world, gone)
    plan = three_days(world)
    allowed = gone <= policy.max_count and (gone < 5 or gone * 100 <= policy.max_percent * DOCUMENTS)
    assert len(world.server) == DOCUMENTS - (gone if allowed else 0)
    assert [h.reason for h in plan.holds] == ([] if allowed else [HoldReason.LIMIT])
    exercised.add("firewall cases")


@pytest.mark.parametrize("policy", POLICIES, ids=lambda p: f"{p.max_count}-{p.max_percent:g}-{p.grace:g}")
@pytest.mark.parametrize("pause", [60.0, 1800.0, 7200.0])
def test_a_drip_deletes_no_more_than_one_big_pass(policy: DeletePolicy, pause: float) -> None:
    """In no window of the grace, at least an hour, more documents go than the policy allows in one pass (rule 15)."""
    world = source(policy)
    times = []
    for _ in range(DOCUMENTS - 1):
        gone_files(world, 1)
        before = len(world.deletions)
        one_pass(world)
        times += [world.now] * (len(world.deletions) - before)
        world.now += pause
    for start in times:
        within = sum(start <= t < start + policy.window for t in times)
        assert within <= policy.max_count
        assert within < 5 or within * 100 <= policy.max_percent * DOCUMENTS
    exercised.add("firewall cases")


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


# ---------------------------------------------------------------- the same, end to end


def test_a_real_folder_that_goes_away(tmp_path: Path) -> None:
    """An engine over a folder that vanishes, is emptied, or comes back sends no delete and hides nothing."""
    from world import World as Whole

    whole = Whole(tmp_path)
    for i in range(6):
        whole.write(f"in/{i}.md", f"# Chapter {i}\n\nThe text of chapter number {i} is about the number {i * 37}.\n")
    whole.sync()
    before = whole.visible()
    assert len(before) == 6

    def quiet(reason: HoldReason) -> None:
        outcome = whole.sync()
        assert [h.reason for h in outcome.holds] == [reason]
        assert outcome.exit_code == 6
        assert whole.visible() == before

    aside = tmp_path / "aside"
    whole.root.rename(aside)
    quiet(HoldReason.MISSING)
    whole.root.mkdir()
    quiet(HoldReason.EMPTY)
    whole.sleep(3 * DAY)
    quiet(HoldReason.EMPTY)
    whole.root.rmdir()
    aside.rename(whole.root)
    assert whole.sync().holds == []
    assert whole.visible() == before
    assert not [r for r in whole.requests("collection/delete")]
