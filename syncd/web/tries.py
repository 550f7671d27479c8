"""Wrong tokens, counted by who shows them: each one more makes that neighbour wait longer. Pure.

While a neighbour waits, no token of his is looked at, the right one neither: otherwise an answer that comes at once
would tell it. Who has logged in has a session, which is not concerned.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

FREE = 3  # wrong tokens that only cost a moment: somebody mistypes
_FIRST = 1.0  # seconds, doubled with each wrong token more
_LONGEST = 30.0
_FORGOTTEN = 600.0  # seconds after which nothing is held against anybody
_MOST = 1024  # neighbours that are remembered


@dataclass(slots=True)
class Tries:
    """What is held against whom."""

    _known: OrderedDict[str, tuple[int, float]] = field(default_factory=OrderedDict)  # wrong ones, and when the last

    def wait(self, neighbour: str, now: float) -> float:
        """Seconds until a token of his is looked at again; 0 when it is now."""
        count, last = self._known.get(neighbour, (0, 0.0))
        if count <= FREE:
            return 0.0
        return max(last + min(_FIRST * 2.0 ** min(count - FREE - 1, 16), _LONGEST) - now, 0.0)

    def wrong(self, neighbour: str, now: float) -> int:
        """One wrong token more; returns how many there were lately."""
        count, last = self._known.pop(neighbour, (0, now))
        count = 1 if now - last >= _FORGOTTEN else count + 1
        self._known[neighbour] = (count, now)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
        return count

    def right(self, neighbour: str) -> None:
        """It was the token: nothing is held against him."""
        self._known.pop(neighbour, None)
