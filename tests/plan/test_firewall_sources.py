"""Whole sources in trouble: whatever happens to the disk, what must not be deleted is not deleted (T7)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import exercised
import pytest
from plan_hands import World
from plan_laws import one_pass
from plan_troubles import DAY, DOCUMENTS, POLICIES, TROUBLES, gone_files, source, three_days, visible

from syncd.models import DeletePolicy, HoldReason, Plan, RootState


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
    assert whole.requests("collection/delete") == []
