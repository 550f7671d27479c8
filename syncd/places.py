"""Where passages stand in a long text, without ever searching all of it in one go; pure.

A search in some megabytes of even text takes a second and holds everything else up meanwhile. So it is searched in a
window, and beyond that by an index of the pieces of 24 characters at every 64th place, made when it is needed first.
Every passage of ``SURE`` characters that stands in the text is found.
"""

from __future__ import annotations

from bisect import bisect_left

PIECE, STRIDE = 24, 64
SURE = PIECE + STRIDE
WINDOW = 2**16
"""Characters that are searched in one go."""


class Places:
    """The passages of one text."""

    __slots__ = ("_index", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._index: dict[str, list[int]] | None = None

    def find(self, passage: str, low: int, high: int | None = None) -> int:
        """Return the first place of ``passage`` from ``low`` on (and wholly before ``high``), -1 when there is none.

        Beyond the window a passage shorter than ``SURE`` may go unseen.
        """
        text, low = self.text, max(low, 0)
        high = len(text) if high is None else min(high, len(text))
        near = min(high, low + WINDOW + len(passage))
        place = text.find(passage, low, near)
        if place >= 0 or near == high:
            return place
        best = -1
        index = self._pieces()
        for offset in range(min(STRIDE, len(passage) - PIECE + 1)):
            known = index.get(passage[offset : offset + PIECE])
            if known is None:
                continue
            for at in known[(first := bisect_left(known, low + offset)) : first + 64]:
                place = at - offset
                if place + len(passage) > high or 0 <= best <= place:
                    break
                if text.startswith(passage, place):
                    best = place
                    break
        return best

    def scan(self, passage: str) -> int:
        """Return the first place of a passage, however short, -1 when there is none; looks through all of it."""
        for low in range(0, len(self.text), WINDOW):
            place = self.text.find(passage, low, low + WINDOW + len(passage))
            if place >= 0:
                return place
        return -1

    def _pieces(self) -> dict[str, list[int]]:
        if self._index is None:
            self._index = {}
            for at in range(0, len(self.text) - PIECE + 1, STRIDE):
                self._index.setdefault(self.text[at : at + PIECE], []).append(at)
        return self._index
