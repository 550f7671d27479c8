"""Which paths are quiet: the clock and what was seen are handed in."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.models import DocumentKey, FileSnapshot
from syncd.settle import Restraint, Settler, remainder, second_look, stat_of, unsettled

STAT = (10, 1_000, 7)


def snapshot(mtime: float, *, path: str = "a.md", size: int = 10) -> FileSnapshot:
    return FileSnapshot(DocumentKey("s", path), path, size, round(mtime * 1e9), 7)


def test_a_hinted_path_is_ready_after_the_settle_time_and_only_once() -> None:
    """Silence alone is enough for a path that nobody looked at; it is handed out once."""
    settler = Settler(2.0)
    settler.hint("a.md", 100.0)
    assert settler.next_at() == 102.0
    assert settler.ready(101.9) == []
    assert settler.ready(102.0) == ["a.md"]
    assert settler.ready(200.0) == []
    assert settler.next_at() is None
    assert len(settler) == 0


def test_each_hint_starts_the_quiet_time_again() -> None:
    """A file that is written again and again does not settle in between."""
    settler = Settler(2.0)
    for now in (100.0, 101.0, 102.5, 104.0):
        settler.hint("a.md", now)
        assert settler.ready(now) == []
    assert settler.ready(105.9) == []
    assert settler.ready(106.0) == ["a.md"]


def test_a_clock_that_was_set_back_costs_one_settle_time_at_most() -> None:
    """The last hint counts, not the latest time ever named."""
    settler = Settler(2.0)
    settler.hint("a.md", 9_000.0)
    settler.hint("a.md", 100.0)
    assert settler.ready(102.0) == ["a.md"]


def test_an_observed_path_needs_a_second_equal_look() -> None:
    """Quiet alone does not do for a path that was looked at: it is due for a look, then ready."""
    settler = Settler(2.0)
    settler.hint("a.md", 100.0)
    settler.observe("a.md", STAT, 100.0)
    assert settler.due(101.0) == []
    assert settler.ready(103.0) == []
    assert settler.due(103.0) == ["a.md"]
    settler.observe("a.md", STAT, 103.0)
    assert settler.due(103.0) == []
    assert settler.ready(103.0) == ["a.md"]


def test_a_changed_stat_starts_the_quiet_time_again() -> None:
    """A file that grew without a hint is not settled."""
    settler = Settler(2.0)
    settler.observe("a.md", STAT, 100.0)
    settler.observe("a.md", (11, 1_000, 7), 102.0)
    assert settler.ready(102.0) == []
    assert settler.next_at() == 104.0
    settler.observe("a.md", (11, 1_000, 7), 104.0)
    assert settler.ready(104.0) == ["a.md"]


def test_the_first_look_proves_nothing_however_late_it_comes() -> None:
    """One look has nothing to be compared with."""
    settler = Settler(2.0)
    settler.hint("a.md", 100.0)
    settler.observe("a.md", STAT, 110.0)
    assert settler.ready(110.0) == []
    assert settler.next_at() == 112.0


def test_an_equal_look_before_the_time_is_over_is_not_the_second_look() -> None:
    """The stat must be the same at the end of the quiet time, not in the middle of it."""
    settler = Settler(2.0)
    settler.observe("a.md", STAT, 100.0)
    settler.observe("a.md", STAT, 101.0)
    assert settler.ready(103.0) == []
    assert settler.due(103.0) == ["a.md"]


def test_a_vanished_file_settles_as_vanished() -> None:
    """Being absent is a state like another: a save that deletes and makes a file anew is waited out."""
    settler = Settler(2.0)
    settler.observe("a.md", STAT, 100.0)
    settler.observe("a.md", None, 101.0)
    settler.observe("a.md", None, 103.0)
    assert settler.ready(103.0) == ["a.md"]


def test_paths_are_independent_and_sorted() -> None:
    """One restless file keeps no other waiting."""
    settler = Settler(2.0)
    for path, now in (("c", 100.0), ("a", 100.5), ("b", 104.0)):
        settler.hint(path, now)
    assert settler.next_at() == 102.0
    assert settler.ready(103.0) == ["a", "c"]
    assert settler.next_at() == 106.0


def test_zero_lets_everything_through_and_less_is_refused() -> None:
    """Without a settle time a hint is ready at once; a negative one is a mistake of the caller."""
    settler = Settler(0.0)
    settler.hint("a", 5.0)
    assert settler.ready(5.0) == ["a"]
    with pytest.raises(ValueError, match="-1"):
        Settler(-1.0)


@given(
    events=st.lists(
        st.tuples(st.floats(0.001, 3.0), st.sampled_from(["hint", "same", "grown"])), min_size=1, max_size=20
    ),
    settle=st.floats(0.0, 5.0),
)
def test_nothing_is_ready_before_it_was_quiet_for_the_settle_time(
    events: list[tuple[float, str]], settle: float
) -> None:
    """Whatever happens, ``next_at`` is the last disturbance plus the settle time, and nothing is ready before."""
    settler, now, size, disturbed, looked = Settler(settle), 0.0, 1, 0.0, False
    for pause, event in events:
        now += pause
        if event == "hint":
            settler.hint("a", now)
            disturbed = now
        else:
            size += event == "grown"
            if event == "grown" or not looked:
                disturbed = now
            looked = True
            settler.observe("a", (size, 0, 0), now)
        assert settler.next_at() == disturbed + settle
        if now < disturbed + settle:
            assert settler.ready(now) == []
    end = disturbed + settle
    if looked:
        settler.observe("a", (size, 0, 0), end)
    assert settler.ready(end) == ["a"]


@pytest.mark.parametrize(
    ("age", "left"),
    [
        (10.0, 0.0),
        (2.5, 0.0),
        (2.0, 0.0),
        (1.5, 0.5),
        (0.0, 2.0),
        (-1.0, 3.0),  # stamped by a clock that is a little ahead
        (-2.0, 4.0),
        (-2.001, 0.0),  # nonsense: waiting for it could last for years
        (-1e9, 0.0),
    ],
)
def test_how_long_a_young_file_is_waited_for(age: float, left: float) -> None:
    """A file must be as old as the settle time, unless its time lies further in the future than that."""
    now = 1_700_000_000.0
    assert remainder(snapshot(now - age), now, 2.0) == pytest.approx(left, abs=1e-5)
    settled, waiting = unsettled([snapshot(now - age)], now, 2.0)
    assert (len(settled), len(waiting)) == ((0, 1) if left else (1, 0))


def test_without_a_settle_time_nothing_waits() -> None:
    """``settle = "0s"`` means: as it is now."""
    now = 1_700_000_000.0
    assert unsettled([snapshot(now), snapshot(now + 5)], now, 0.0)[1] == []


def test_the_second_look_sorts_settled_growing_and_gone() -> None:
    """Unchanged for long enough is settled; changed waits as it is now; absent is gone."""
    now = 1_700_000_000.0
    still, grew, gone, young = (snapshot(now - 1, path=name) for name in ("still", "grew", "gone", "young"))
    later = now + 1.0
    grown = replace(grew, size=11, mtime_ns=round(later * 1e9))
    younger = replace(young, mtime_ns=round((now - 0.5) * 1e9))
    look = second_look([still, grew, gone, young], {still.key: still, grew.key: grown, young.key: younger}, later, 2.0)
    assert (look.settled, look.waiting, look.gone) == ([still], [grown, younger], [gone])


def test_a_second_look_that_comes_too_early_settles_nothing() -> None:
    """Unchanged is not enough: the settle time must be over."""
    now = 1_700_000_000.0
    young = snapshot(now - 1)
    assert second_look([young], {young.key: young}, now + 0.5, 2.0).waiting == [young]


def test_a_change_that_kept_an_old_time_is_still_a_change() -> None:
    """A file put in place with an old mtime has another inode or size: it is looked at once more."""
    now = 1_700_000_000.0
    before = snapshot(now - 1)
    for after in (replace(before, inode=8), replace(before, size=11), replace(before, mtime_ns=5)):
        look = second_look([before], {before.key: after}, now + 10, 2.0)
        assert look.waiting == [after]
        again = second_look(look.waiting, {after.key: after}, now + 20, 2.0)
        assert again.settled == [after]


def test_the_stat_of_a_snapshot() -> None:
    """Size, time and inode decide, nothing else."""
    assert stat_of(snapshot(1.0)) == (10, 1_000_000_000, 7)


def looks_at(saves: list[float]) -> list[float]:
    """When a path that is saved at these times is looked at."""
    restraint, looks, saved = Restraint(), [], False
    pending = list(saves)
    now = 0.0
    while pending or saved:
        wanted = max(now, restraint.next_at("a")) if saved else pending[0]
        if pending and pending[0] <= wanted:
            now, saved = pending.pop(0), True
            continue
        now, saved = wanted, False
        restraint.looked("a", now)
        looks.append(now)
    return looks


def test_a_path_that_is_saved_for_ever_is_looked_at_ever_less() -> None:
    """Saved every three seconds for an hour: at once, then at growing intervals from 2 s to 5 min."""
    looks = looks_at([3.0 * number for number in range(1200)])
    pauses = [later - earlier for earlier, later in itertools.pairwise(looks)]
    assert looks[0] == 0.0
    assert pauses == sorted(pauses)
    assert pauses[0] <= 3.0
    assert 300.0 <= pauses[-1] <= 303.0
    assert len(looks) <= 24


@pytest.mark.parametrize("every", [20.0, 60.0, 3600.0])
def test_a_person_who_saves_now_and_then_waits_for_nothing(every: float) -> None:
    """Only what changes every few seconds is restrained."""
    saves = [every * number for number in range(50)]
    assert looks_at(saves) == saves


def test_a_path_that_came_to_rest_is_as_new() -> None:
    """After a quiet while the next save counts at once again."""
    busy = [3.0 * number for number in range(100)]
    looks = looks_at([*busy, 10_000.0, 10_001.0])
    assert looks[-2:] == [10_000.0, 10_001.0]
    assert looks[-3] < 1000.0


@given(st.lists(st.floats(0.01, 1000.0), min_size=1, max_size=60))
def test_every_save_is_looked_at_within_five_minutes(gaps: list[float]) -> None:
    """Nothing is forgotten: after each save there is a look, at most 5 min later."""
    saves = list(itertools.accumulate(gaps))
    looks = looks_at(saves)
    for save in saves:
        assert min(look for look in looks if look >= save) - save <= 300.0


def test_it_forgets_what_is_long_calm() -> None:
    """A tree of many files, each saved once, is not remembered for ever; what is busy is."""
    restraint = Restraint()
    for number in range(5000):
        restraint.looked(f"{number}", float(number))
    assert len(restraint._last) <= 1100
    assert restraint.next_at("never") < 0
