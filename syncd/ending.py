"""Ends the process when it was asked to, whatever hangs: a thread in a read of a dead mount, a library, a loop of ours.

Python waits for all threads of its pools before it ends, and asyncio hears a signal when its loop comes round. Neither
is to be counted on: a read of a hung mount never returns. So a signal is heard between two instructions of the main
thread, whatever it does, and a thread of its own, which nothing waits for, ends the process when its time is over. The
ledger is made for that: every moment may be the last one.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from types import FrameType

from syncd.logs import get_logger

log = get_logger(__name__)

GRACE = 5.0
"""Seconds for an orderly end after the time for draining: connections and the ledger are closed, last lines go out."""

AFTERWARDS = 2.0
"""Seconds that threads may take to end when all is done."""

_A_WORD = 1.0  # seconds that a last line of the log may take; whoever should read it may hang, too


def within(seconds: float, code: int, *, why: str) -> None:
    """End this process with ``code`` if it still lives after so many seconds; nothing waits for that.

    Args:
        seconds: from now on.
        code: of the end.
        why: what is then said to hang.
    """
    threading.Thread(target=_end, args=(seconds, code, why), name="syncd-end", daemon=True).start()


def _end(seconds: float, code: int, why: str) -> None:
    time.sleep(max(seconds, 0.0))
    stuck = sorted(one.name for one in threading.enumerate() if not one.daemon and one is not threading.main_thread())
    word = threading.Thread(
        target=lambda: log.error("service.abandoned", where=why, threads=stuck[:5]), name="syncd-word", daemon=True
    )
    word.start()
    word.join(_A_WORD)
    os._exit(code)


def hear(numbers: Iterable[int], first: Callable[[], None]) -> None:
    """From now on the first of these signals calls ``first``, and a second one ends the process at once, by itself.

    For the main thread, after the event loop has taken its handlers: the loop is told by the signal's number all the
    same, and does the rest when it comes round.
    """
    heard: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        heard.append(number)
        if len(heard) > 1:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        else:
            first()

    for number in numbers:
        signal.signal(number, handle)
