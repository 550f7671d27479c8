"""Garbage is collected in full between the passes, and not during one."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from syncd.collector import Collector, between_passes


class Knot:
    """An object that refers to itself."""

    def __init__(self) -> None:
        self.self = self


@contextmanager
def _full_collections() -> Iterator[list[str]]:
    found: list[str] = []

    def heard(phase: str, info: dict[str, int]) -> None:
        if phase == "start" and info["generation"] == 2:
            found.append(phase)

    gc.callbacks.append(heard)
    try:
        yield found
    finally:
        gc.callbacks.remove(heard)


def _crowd() -> None:
    """Twice as many objects as were there before, which is when Python wants to look at everything."""
    crowd: list[list[int]] = []
    crowd.extend([one] for one in range(2 * len(gc.get_objects()) + 100_000))


def test_many_objects_call_for_no_full_collection() -> None:
    """A pass may make very many objects, and nobody looks at all of them; by itself Python does."""
    with _full_collections() as found:
        _crowd()
    assert found
    with between_passes(), _full_collections() as found:
        _crowd()
        assert [] == found


def test_it_is_made_up_for_at_rest() -> None:
    """What refers to itself goes when the passes are over, at most once a minute, and after an hour all the same."""
    now = [0.0]
    with between_passes():
        collector = Collector(lambda: now[0])
        for at, at_work, gone in (
            (59.0, False, False),
            (60.0, True, False),
            (60.0, False, True),
            (3659.0, True, False),
            (3660.0, True, True),
        ):
            kept: Knot | None = Knot()
            knot = weakref.ref(kept)
            gc.collect(1)  # now it is old
            kept = None
            now[0] = at
            collector.tell(at_work)
            assert gone == (knot() is None), at


def test_afterwards_python_decides_again() -> None:
    """Nothing of it stays: neither the thresholds nor the objects that were set aside."""
    before = gc.get_threshold()
    with between_passes():
        assert before[:2] == gc.get_threshold()[:2]
        assert gc.get_freeze_count() > 0
    assert (before, 0) == (gc.get_threshold(), gc.get_freeze_count())
