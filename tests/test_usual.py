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


def watch(
    usual: Usual,
    training: float,
    *,
    size: int = SIZE,
    alone: bool = True,
    tells: bool = False,
    ahead: float = 0.0,
    guess: float | None = None,
) -> Watched:
    """Look at one document until it is trained, and learn from it; with ``tells`` also from the server's own times.

    ``ahead``: its collection was made so many seconds before the upload was answered.
    """
    age, before, looks = usual.first(size, guess), 0.0, 1
    while age < training:
        before = age
        age += usual.pause(size, age, guess)
        looks += 1
        assert looks < 1000
    usual.learn(size, before, age, alone=alone)
    if tells:
        usual.told(size, before, age, training + ahead, alone=alone)
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
    assert len([age for age in ages if age < 60]) + 1 <= 8
    assert all(b <= 2 * a or b - a == LONGEST for a, b in itertools.pairwise(ages))


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
        assert training + done.late <= 2 * longest + FIRST + FINE


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


def test_what_a_crowd_taught_is_a_guess_for_the_next_run() -> None:
    """The next run may meet the server at rest: it looks as if nothing were known, and once more at the guess."""
    usual, fresh = Usual(), Usual()
    usual.learn(SIZE, 10.0, 20.0, alone=False)
    fresh.restore(usual.state())
    assert watch(fresh, 0.4) == watch(Usual(), 0.4)
    fresh.restore(usual.state())
    assert watch(Usual(), 19.0).late > 10
    guessing = Usual()
    guessing.restore(usual.state())
    assert watch(guessing, 19.9).late <= NOISE
    assert guessing.state() != usual.state()


@given(st.floats(0.0, 100.0), st.floats(0.0, 100.0))
def test_a_guess_makes_nothing_late(training: float, guess: float) -> None:
    """What another dataset took costs one look at most where it is wrong, and no look comes much later for it."""
    alone, guessed = watch(Usual(), training), watch(Usual(), training, guess=guess)
    assert guessed.late <= alone.late + NOISE
    assert guessed.looks <= alone.looks + 1
    if guess - 0.2 <= training <= guess:
        assert guessed.late <= NOISE


@pytest.mark.parametrize("training", [0.0, 0.2, 1.0, 7.0, 60.0])
def test_where_the_server_tells_one_document_is_enough(training: float) -> None:
    """A server's own times teach at once: from the second document on none comes late, and mostly one look does."""
    usual = Usual()
    watch(usual, training, tells=True)
    later = [watch(usual, training, tells=True) for _ in range(20)]
    assert sum(one.looks for one in later) <= len(later) + 2
    assert max(one.late for one in later) <= NOISE


@pytest.mark.parametrize("ahead", [0.05, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("training", [0.2, 1.0, 7.0, 60.0])
def test_a_server_that_answers_uploads_late_is_learnt_as_well(training: float, ahead: float) -> None:
    """Where the upload is answered long after its collection was made, looks find out that it is trained sooner."""
    usual = Usual()
    seen = [watch(usual, training, tells=True, ahead=ahead) for _ in range(60)]
    assert max(one.late for one in seen[1:]) <= max(ahead, 0.1 * training) + NOISE
    assert max(one.late for one in seen[30:]) <= NOISE
    assert sum(one.looks for one in seen[30:]) <= 2 * 30


@given(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=30), st.sampled_from([1.0, 10.0, 60.0]))
def test_a_server_that_tells_may_vary(shares: list[float], training: float) -> None:
    """Training that varies by a second costs three looks on average at most and comes late by as much at most."""
    usual = Usual()
    watch(usual, training, tells=True)
    seen = [watch(usual, training + share, tells=True) for share in shares]
    assert max(one.late for one in seen) <= max(1.0, 0.1 * training) + FINE
    assert max(one.looks for one in seen) <= 6


def test_what_the_server_tells_of_a_crowd_does_not_replace_what_is_known_of_lone_documents() -> None:
    """A document that waited for others took longer than it takes alone."""
    usual = Usual()
    watch(usual, 1.0, tells=True)
    watch(usual, 30.0, tells=True, alone=False)
    assert usual.first(SIZE) <= 1.0 + NOISE
    assert usual.known(SIZE)
