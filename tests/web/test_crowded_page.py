"""Who stays connected to the status server: whoever comes is let in, and nobody keeps the others out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.web.crowd import Crowd, Limits, Member

LIMITS = Limits(most=6, of_one=3, at_most=10, grace=1.0, asking=10.0, stalled=5.0)


def crowd(*members: Member) -> Crowd:
    made = Crowd(LIMITS)
    for member in members:
        assert [] == made.enter(member, member.since)
    return made


def test_the_oldest_idle_of_one_neighbour_goes() -> None:
    """Who has too many loses the one that has asked nothing for longest, never one that is being answered."""
    answered, old, young = Member("a", 0.0, answering=True), Member("a", 1.0), Member("a", 2.0)
    there = crowd(answered, old, young)
    new = Member("a", 10.0)
    assert [old] == there.enter(new, 10.0)
    assert {answered, young, new} == there.members


def test_the_one_who_has_most_makes_room_for_others() -> None:
    """When there are too many in all, the neighbour with most of them loses one, and who comes alone stays."""
    there = crowd(*(Member("a", float(n)) for n in range(3)), *(Member(name, 3.0) for name in "bcd"))
    kubelet = Member("k", 9.0)
    [gone] = there.enter(kubelet, 9.0)
    assert ("a", 0.0) == (gone.neighbour, gone.since)
    assert kubelet in there.members


def test_who_has_just_come_may_state_its_request() -> None:
    """In a burst nobody goes before it could say a word, up to a hard bound; a moment later the oldest do."""
    there = Crowd(LIMITS)
    burst = [Member("a", 100.0 + n / 1000) for n in range(10)]
    assert [[]] * 10 == [there.enter(member, member.since) for member in burst]
    assert there.crowded
    assert [burst[0]] == there.enter(Member("a", 100.5), 100.5)  # the hard bound
    for member in burst[5:]:
        member.answering = True
    late = there.overdue(102.0)
    assert set(burst[1:5]) <= set(late)


def test_when_all_are_answered_the_newcomer_goes() -> None:
    """A neighbour whose connections are all being answered gets no more; another one is let in for his newest."""
    there = Crowd(LIMITS)
    busy = [Member("a", float(n), answering=True) for n in range(10)]
    for member in busy:
        there.enter(member, member.since)
    new = Member("a", 50.0)
    assert [new] == there.enter(new, 50.0)
    assert [busy[-1]] == there.enter(Member("k", 51.0), 51.0)


@pytest.mark.parametrize(
    ("member", "now", "late"),
    [
        (Member("a", 0.0), 9.9, False),
        (Member("a", 0.0), 10.0, True),
        (Member("a", 0.0, answering=True), 1000.0, False),
        (Member("a", 0.0, answering=True, stalled=0.0), 4.9, False),
        (Member("a", 0.0, answering=True, stalled=0.0), 5.0, True),
    ],
)
def test_who_takes_too_long(member: Member, now: float, late: bool) -> None:
    """A request, and doing nothing, have a bound; an answer has one only while nobody reads it."""
    there = crowd()
    there.enter(member, 0.0)
    assert ([member] if late else []) == there.overdue(now)
    assert ({member} if not late else set()) == there.members


def test_dripping_prolongs_nothing() -> None:
    """The time of a request begins with its first byte and not anew with each one, and ends with its answer."""
    member = Member("a", 0.0)
    member.asks(5.0)
    for second in range(6, 14):
        member.asks(float(second))
    assert (5.0, True) == (member.since, member.begun)
    member.answering = True
    member.rests(14.0)
    assert (14.0, False, False) == (member.since, member.begun, member.answering)


STEPS = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.booleans(), st.floats(0.0, 2.0, allow_nan=False)), max_size=60
)


@given(STEPS)
def test_bounds_hold(steps: list[tuple[str, bool, float]]) -> None:
    """Whatever comes, there are never more than the hard bound, the rest is let go a moment later unless it is
    answered, and whoever comes from a neighbour without another connection stays."""
    there, now = Crowd(LIMITS), 0.0
    for neighbour, answering, pause in steps:
        now += pause
        alone = neighbour not in {member.neighbour for member in there.members}
        others = len({member.neighbour for member in there.members})
        new = Member(neighbour, now, answering=answering)
        gone = there.enter(new, now)
        assert len(there.members) <= LIMITS.at_most
        broken_off = [member for member in gone if member.answering and member is not new]
        assert not broken_off or len(there.members) == LIMITS.at_most
        if alone and others < LIMITS.most:
            assert new not in gone
    there.overdue(now + LIMITS.grace + 0.01)
    if any(not member.answering for member in there.members):
        assert len(there.members) <= LIMITS.most
    for member in list(there.members):
        there.leave(member)
    assert {} == dict(there._count)
