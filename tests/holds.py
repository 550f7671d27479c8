"""How long the event loop is held: processor time of its thread in its longest callback.

Processor time and not that of the clock: on a busy machine the loop waits for its turn, and that is nobody's fault.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Longest:
    """The longest callback so far, in seconds."""

    seconds: float = 0.0


@contextmanager
def longest() -> Iterator[Longest]:
    """Measure each callback of the loops of this thread; garbage is collected before and after, not meanwhile."""
    found, run, own = Longest(), asyncio.Handle._run, threading.get_ident()

    def measured(handle: asyncio.Handle) -> None:
        began = time.thread_time()
        run(handle)
        if threading.get_ident() == own:
            found.seconds = max(found.seconds, time.thread_time() - began)

    gc.collect()
    gc.disable()
    asyncio.Handle._run = measured  # type: ignore[method-assign]
    try:
        yield found
    finally:
        asyncio.Handle._run = run  # type: ignore[method-assign]
        gc.enable()
