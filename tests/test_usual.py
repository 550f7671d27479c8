"""How long training usually takes: looks are handed in, times to look come out."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.usual import FINE, FIRST, LONGEST, Usual

SIZE = 1000  # bytes
NOISE = 0.3


class Watched(NamedTuple):
    """How one document was watched."""

    looks: int
    late: float


def watch(usual: Usual, training: float, *, size: int = SIZE, alone: bool = True) -> Watched:
    """Look at one document until it is trained, and learn from it."""
    age, before, looks = usual.first(size), 0.0, 1
    while age < training:
        before = age
        age += usual.pause(size, age)
        looks += 1
        assert looks < 1000
    usual.learn(size, before, age, alone=alone)
    return Watched(looks, age - training)


def test_the_first_document_is_looked_at_after_half_a_second_then_ever_more_slowly() -> None:
    """Of a dataset of which nothing is known a short training is seen soon, and a long one costs few looks."""
    usual = Usual()
    ages = [usual.first(SIZE)]
    while ages[-1] < 7200:
        ages.append(ages[-1] + usual.pause(SIZE, ages[-1]))
    pauses = [b - a for a, b in itertools.pairwise(ages)]
    assert ages[0] == FIRST == 0.5
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST
    assert len([age for age in ages if age <= 60]) <= 13


@pytest.mark.parametrize("training", [0.0, 0.2, 0.5, 1.0, 2.5, 7.0, 20.0, 60.0])
def test_two_looks_do_once_the_pace_is_known(training: float) -> None:
    """A steady server is known after ten documents: two looks at most, and none comes late."""
    usual = Usual()
    for _ in range(10):
        watch(usual, training)
    later = [watch(usual, training) for _ in range(50)]
    assert max(one.looks for one in later) <= 2
    assert max(one.late for one in later) <= NOISE
    assert sum(one.looks for one in later) <= 1.8 * len(later) or training > 30


@given(before=st.floats(0.0, 60.0), after=st.floats(0.0, 60.0))
def test_whatever_the_pace_was_it_is_learnt_anew(before: float, after: float) -> None:
    """From any pace to any other: after 25 documents nothing is late any more."""
    usual = Usual()
    for _ in range(10):
        watch(usual, before)
    for _ in range(25):
        watch(usual, after)
    later = [watch(usual, after) for _ in range(6)]
    assert max(one.late for one in later) <= NOISE
    assert max(one.looks for one in later) <= 3


@given(st.lists(st.floats(0.0, 100.0), min_size=1, max_size=40))
def test_a_moody_server_is_never_waited_for_much_longer_than_ever_before(trainings: list[float]) -> None:
    """Whatever was learnt, a document is looked at not much later than the slowest one so far was trained."""
    usual = Usual()
    longest = 0.0
    for training in trainings:
        longest = max(longest, training)
        done = watch(usual, training)
        assert training + done.late <= 1.6 * longest + FIRST + FINE


def test_sizes_are_learnt_apart_and_a_new_one_begins_with_its_neighbour() -> None:
    """A large document does not make small ones wait."""
    usual = Usual()
    for _ in range(12):
        watch(usual, 1.0, size=1000)
        watch(usual, 30.0, size=5_000_000)
    assert watch(usual, 1.0, size=1100).late <= NOISE
    assert watch(usual, 30.0, size=5_100_000).late <= NOISE
    assert usual.first(4000) == usual.first(1000)


def test_a_crowd_teaches_only_what_was_enough() -> None:
    """What waited for others took longer than it will take alone: the shortest of it is where lone documents begin."""
    usual = Usual()
    for queue in (2.0, 2.5, 3.0, 9.0):
        usual.learn(SIZE, queue - 0.5, queue, alone=False)
    assert usual.first(SIZE) == 1.75
    usual.learn(SIZE, 0.0, 0.9, alone=True)
    usual.learn(SIZE, 8.0, 9.0, alone=False)
    assert usual.first(SIZE) < 0.9


def test_what_was_learnt_can_be_kept_and_taken_up() -> None:
    """A kept belief is the belief; what is no belief is passed over."""
    usual, fresh = Usual(), Usual()
    for _ in range(9):
        watch(usual, 4.0)
    fresh.restore(usual.state())
    assert fresh.first(SIZE) == pytest.approx(usual.first(SIZE), abs=0.02)
    for nonsense in ([], {"x": [1, 2]}, {"4": [1]}, {"4": ["a", "b"]}, {"4": [5, 1]}, {"4": None}, {"4": [-1, 2]}):
        empty = Usual()
        empty.restore(nonsense)
        assert empty.first(SIZE) == FIRST


def test_a_belief_of_a_crowd_is_not_kept() -> None:
    """The next run may meet the server at rest."""
    usual = Usual()
    usual.learn(SIZE, 1.0, 2.0, alone=False)
    assert usual.state() == {}
