"""When Python's garbage collector looks at everything: between the passes, not during one.

A full collection looks at each object that is there and holds the event loop meanwhile. A pass makes many objects, so
one comes due again and again just while they are most: at 100 000 documents each took 160 to 180 ms
(``tests/benchmarks/hold.py``). Between two passes next to nothing is left to look at.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_NEVER = 1_000_000_000  # collections of the middle generation until a full one
_LEAST = 60.0  # seconds from one full collection to the next: a save every second asks for none of its own
_LONGEST = 3600.0  # seconds of passes without a break until one comes all the same


class Collector:
    """Decides when to collect; ``tell`` is called whenever passes ended."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()

    def tell(self, at_work: bool) -> None:
        """Collect in full, if it is time: at rest, or after an hour without one."""
        now = self._clock()
        if now - self._last >= (_LONGEST if at_work else _LEAST):
            gc.collect()
            self._last = now


@contextmanager
def between_passes() -> Iterator[Collector]:
    """Leave full collections to the one that is given; before and after, Python decides.

    What is there already (modules and their like) stays for good and is not looked at any more.
    """
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*thresholds[:2], _NEVER)
    try:
        yield Collector()
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
