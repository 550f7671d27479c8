"""Pure: whether a listing that comes page by page can still be an honest one, and when it has come to its end.

An honest server says how many rows there are, gives some of them that were not seen before with each page, and nearly
as many in all as it said. Rows move between pages while others change (the order is by time of change), and the total
moves with them, so a little of everything is forgiven. What is not: totals out of all sense, a total that grows faster
than it is read, pages that bring hardly anything.
"""

from __future__ import annotations

from dataclasses import dataclass

from .reading import Strange

MOST_ROWS = 400_000
"""Rows of one listing; syncd is made for some 100 000 documents (performance.md), a row takes 650 bytes."""

_GROWN = 2  # times what was claimed at first
_SLACK = 1_000  # rows that may have come while the listing was read
_SHORT = 10  # rows a page on average; a page holds 30 or 100, fewer where the key may not see all of them
_FIRST_PAGES = 100  # so many may be short
_SAME = 3  # pages in a row without anything new end a pass: it is read once more
_PATIENCE = 600.0  # seconds after which rows come at one a second at least, or somebody plays for time


@dataclass(slots=True)
class Paging:
    """One pass over one listing.

    Args:
        began: when it began, in seconds.
        most: rows that it may have.
    """

    began: float = 0.0
    most: int = MOST_ROWS
    received: int = 0
    _pages: int = 0
    _claimed: int = -1  # by the first page
    _seen: int = 0  # different ids before the last page
    _same: int = 0

    def goes_on(self, rows: int, total: int, seen: int, now: float = 0.0) -> bool:
        """Whether there is another page to ask for.

        Args:
            rows: on the page that has just come.
            total: how many there are, as it says.
            seen: different ids in this pass, those of the page among them.
            now: seconds of the clock of ``began``.

        Raises:
            Strange: no FastGPT lists like that.
        """
        self._pages += 1
        self.received += rows
        if self._claimed < 0:
            self._claimed = total
        if total > self.most:
            raise Strange(f"claims to hold {total} rows")
        if self.received > min(_GROWN * self._claimed, self.most) + _SLACK:
            raise Strange(f"goes on after {self.received} rows, although it claimed {self._claimed} at first")
        if not rows or self.received >= total:
            return False
        if self._pages > _FIRST_PAGES and self.received < _SHORT * self._pages:
            raise Strange(f"gives {self.received} rows on {self._pages} pages, and goes on")
        if now - self.began > max(_PATIENCE, float(self.received)):
            raise Strange(f"gives {self.received} of {total} rows in {now - self.began:.0f} s")
        self._same = self._same + 1 if seen == self._seen else 0
        self._seen = seen
        return self._same < _SAME
