"""How many requests at once: answers are handed in, a number comes out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.aimd import START, Window


class Server:
    """A server that answers ``good`` requests at once in ``seconds``; more only wait for each other."""

    def __init__(self, good: int, seconds: float = 0.05) -> None:
        self.good = good
        self.seconds = seconds
        self.now = 0.0

    def serve(self, window: Window, rounds: int) -> list[int]:
        """Keep the window full for some rounds; returns its size after each."""
        sizes = []
        for _ in range(rounds):
            size = window.size
            began, self.now = self.now, self.now + self.seconds * max(1.0, size / self.good)
            for _ in range(size):
                window.answered(began, self.now, full=True)
            sizes.append(window.size)
        return sizes


@pytest.mark.parametrize(("most", "starts"), [(1, 1), (2, 2), (4, START), (32, START)])
def test_it_begins_with_few(most: int, starts: int) -> None:
    """Nothing is known of a server at first, so few are tried; never more than a person allows."""
    assert Window(most).size == starts


def test_a_quick_server_is_used_up_to_the_bound() -> None:
    """While answers stay quick, one more is tried with each: 32 at once after a few rounds, and no more."""
    sizes = Server(good=1000).serve(Window(32), 10)
    assert sizes[3] == 32
    assert max(sizes) == 32


def test_a_server_that_gets_slower_is_asked_for_less() -> None:
    """Where more at once only wait for each other, the window settles near what the server does side by side."""
    sizes = Server(good=8, seconds=0.3).serve(Window(64), 400)
    later = sizes[50:]
    assert min(later) >= 4
    assert max(later) <= 40
    assert sum(later) / len(later) <= 4 * 8


@pytest.mark.parametrize(("before", "after"), [(32, 16), (3, 1), (1, 1)])
def test_a_refusal_halves(before: int, after: int) -> None:
    """Halved down, and one request is always let through."""
    window = Window(32)
    Server(good=1000).serve(window, 20)
    while window.size > before:
        window.refused(1e6 - window.size, 1e6 - window.size)
    window._size = float(before)
    window.refused(2e6, 2e6)
    assert window.size == after


def test_refusals_of_one_moment_halve_once() -> None:
    """What was sent before the halving was sent by the crowd of then, and says nothing of the few of now."""
    window = Window(32)
    Server(good=1000).serve(window, 10)
    for _ in range(32):
        window.refused(began=100.0, now=100.1)
    assert window.size == 16
    for _ in range(50):
        window.answered(began=100.0, now=109.0, full=True)
    assert window.size == 16


def test_after_a_halving_it_grows_by_one_a_round() -> None:
    """Additive up: what was too much once is approached slowly."""
    window = Window(32)
    server = Server(good=1000)
    server.serve(window, 10)
    window.refused(server.now, server.now)
    sizes = server.serve(window, 5)
    assert sizes == [16, 17, 18, 19, 20] or sizes == [17, 18, 19, 20, 21]


def test_a_window_that_is_not_used_does_not_grow() -> None:
    """A few answers at leisure say nothing of what many at once would meet."""
    window = Window(32)
    for number in range(100):
        window.answered(float(number), number + 0.05, full=False)
    assert window.size == START


def test_one_slow_answer_changes_nothing() -> None:
    """A single hiccup is no crowd; most of a round has to be slow."""
    window = Window(8)
    server = Server(good=1000)
    server.serve(window, 10)
    window.answered(server.now, server.now + 30.0, full=True)
    assert server.serve(window, 3) == [8, 8, 8]


def test_large_requests_are_compared_with_large_ones() -> None:
    """A film takes longer than a note; that is no sign of a crowd."""
    window = Window(16)
    for number in range(200):
        large = number % 2
        window.answered(
            100.0 * number, 100.0 * number + (20.0 if large else 0.05), full=True, weight=10**8 if large else 500
        )
    assert window.size == 16


def test_a_server_that_became_slower_for_good_is_not_held_down_for_ever() -> None:
    """With one request under way the server alone sets the pace: that is usual then, and more is tried again."""
    window = Window(8)
    Server(good=1000, seconds=0.05).serve(window, 10)
    sizes = Server(good=1000, seconds=2.0)
    sizes.now = 1000.0
    assert sizes.serve(window, 200)[-1] == 8


@given(
    most=st.integers(1, 64),
    story=st.lists(st.tuples(st.floats(0.0, 10.0), st.booleans(), st.booleans(), st.integers(0, 10**9)), max_size=200),
)
def test_whatever_happens_it_stays_within_its_bounds(most: int, story: list[tuple[float, bool, bool, int]]) -> None:
    """From one to the bound, and it changes by one up or by half down."""
    window, now = Window(most), 0.0
    for seconds, good, full, weight in story:
        before, began, now = window.size, now, now + seconds
        if good:
            window.answered(began, now, full=full, weight=weight)
        else:
            window.refused(began, now)
        assert 1 <= window.size <= most
        assert window.size <= before + 1
        assert window.size >= before // 2


def test_a_window_without_room_is_refused() -> None:
    """Nothing could ever pass."""
    with pytest.raises(ValueError, match="room"):
        Window(0)
