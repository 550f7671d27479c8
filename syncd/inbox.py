"""What threads have heard, until the event loop takes it: a burst of a thousand events wakes the loop once."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Inbox:
    """Every method may be called from any thread, but for those of which something else is said.

    Args:
        loop: is woken.
        told: called on the loop with the paths heard of one source.
        poked: called on the loop when the watches of a source are to be looked after.
    """

    loop: asyncio.AbstractEventLoop
    told: Callable[[str, frozenset[str]], None]
    poked: Callable[[], None]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _paths: dict[str, set[str]] = field(default_factory=dict)
    _woken: bool = False  # the loop knows that something was heard
    _overflown: set[str] = field(default_factory=set)
    _to_check: set[str] = field(default_factory=set)
    _closed: bool = False

    def heard(self, source: str, path: str) -> None:
        """Something happened to a path."""
        with self._lock:
            self._paths.setdefault(source, set()).add(path)
            woken, self._woken = self._woken, True
        if not woken:
            self.wake(self._flush)

    def lost(self, source: str) -> None:
        """The kernel has dropped events: single paths of this source do not matter any more."""
        with self._lock:
            self._paths.pop(source, None)
            self._overflown.add(source)
        self.check(source)

    def check(self, source: str) -> None:
        """The watches of a source are to be looked after."""
        with self._lock:
            self._to_check.add(source)
        self.wake(self.poked)

    def wake(self, call: Callable[[], None]) -> None:
        """Have something called on the loop, if that still runs."""
        if not self._closed:
            with contextlib.suppress(RuntimeError):  # it has been closed this moment
                self.loop.call_soon_threadsafe(call)

    def to_check(self) -> set[str]:
        """Take the sources whose watches are to be looked after."""
        with self._lock:
            sources, self._to_check = self._to_check, set()
        return sources

    def overflown(self, source: str) -> bool:
        """Take the word that events of a source were dropped."""
        with self._lock:
            dropped = source in self._overflown
            self._overflown.discard(source)
        return dropped

    def close(self) -> None:
        """Wake nobody any more."""
        self._closed = True

    def _flush(self) -> None:
        with self._lock:
            paths, self._paths, self._woken = self._paths, {}, False
        for source, heard in paths.items():
            self.told(source, frozenset(heard))
