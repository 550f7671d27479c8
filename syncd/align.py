"""One text laid beside the pieces that a server cut it into: what is lost, what is added; pure.

The pieces are walked in their order, and the text that is *expected* next is looked for in them. What stands before it
is passed over: a piece begins with the headings above it and with the end of the piece before (FastGPT's splitter), or
with a table's first line. So each character of the text has to be there as often as it stands in the text, in order;
text that is passed over has to stand in the text as well, else it is *foreign*.

Taking what is expected at the first place where it stands leaves the most for what follows, so a walk that loses
nothing is found where there is one. Work grows with the lengths, not with their product: searches for a loss are
counted, and the walk stops when there were too many.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from syncd.bare import Bare, content
from syncd.places import SURE, WINDOW, Places

GRAM = 24
"""Characters of expected text that are looked for."""

_SMALL = 6  # of the look nearby
_TAIL = 4  # at the end of a piece, where less than a gram of the text is left in it
_KNOWN = 8  # of a line that is passed over: less stands in any text by chance
_NEAR = 400  # characters looked at on both sides
_STRANGE = 30  # foreign lines that are looked at closely
_PROBES = 16  # of a piece that does not fit
_ROW = SURE  # of a row looked for further on
_BEFORE = 20_000  # characters before the expected ones among which a repetition is looked for first
_MOST = 400  # losses after which the walk stops


@dataclass(slots=True)
class Alignment:
    """What a walk has shown; positions are those of the bare text."""

    lost: list[tuple[int, int]] = field(default_factory=list)
    foreign: list[tuple[str, str]] = field(default_factory=list)  # lines, and what of each stands nowhere in the text
    passed: list[str] = field(default_factory=list)  # all that was passed over, foreign or not
    openings: list[str] = field(default_factory=list)  # the whole first line of each piece, "" where it was expected
    replaced: set[tuple[int, int]] = field(default_factory=set)  # the lost runs in whose place something else stands
    stopped: bool = False  # too many losses: the text behind the last one was not looked at


class Laborious(Exception):
    """The two differ so much that laying them side by side takes longer than somebody is ready to wait."""


def align(text: Bare, pieces: Sequence[Bare], work: int | None = None) -> Alignment:
    """Walk ``pieces`` along ``text``.

    Args:
        text: the text.
        pieces: the pieces, in their order.
        work: characters that may be searched through for what does not agree; ``None`` for any number of them.

    Raises:
        Laborious: there would be more.
    """
    walk = _Walk(text, work)
    for piece in pieces:
        if len(walk.out.lost) > _MOST:
            walk.out.stopped = True
            return walk.out
        walk.take(piece)
    walk.lose(len(text.text))
    return walk.out


class _Walk:
    __slots__ = ("at", "first", "out", "places", "starts", "text", "work")

    def __init__(self, text: Bare, work: int | None) -> None:
        self.text, self.starts = text.text, text.starts
        self.work = work
        ends = [*text.starts[1:], len(text.text)]
        self.first: dict[str, int] = {}  # where each different line begins first
        for start, end in zip(text.starts, ends, strict=False):
            self.first.setdefault(text.text[start:end], start)
        self.places = Places(text.text)
        self.at = 0
        self.out = Alignment()

    def spend(self, work: int) -> None:
        """So many characters are searched through."""
        if self.work is not None:
            self.work -= work
            if self.work < 0:
                raise Laborious

    def lose(self, upto: int) -> None:
        """Everything up to ``upto`` was expected and did not come."""
        if upto > self.at:
            self.out.lost.append((self.at, upto))
        self.at = upto

    def take(self, piece: Bare) -> None:
        """Walk one piece from its beginning to its end."""
        row, here, size = piece.text, 0, len(piece.text)
        first = row[: piece.starts[1]] if len(piece.starts) > 1 else row
        self.out.openings.append(first if self.text[self.at : self.at + len(first)] != first else "")
        fresh = True  # a few equal characters by chance are no agreement there
        while here < size:
            same = agree(self.text, self.at, row, here)
            if same and (not fresh or same >= GRAM or not self._comes_later(row, here)):
                self.at += same
                here += same
            if here == size or len(self.out.lost) > _MOST:
                return
            if self.at == len(self.text):
                self.passed(piece, here, size)
                return
            here = self.resume(piece, here)
            fresh = False

    def _comes_later(self, row: str, here: int) -> bool:
        """Say whether what is expected stands further on, so that a short agreement before it is by chance."""
        return row.find(self.text[self.at : self.at + GRAM], here + 1) >= 0 or (
            _tail(self.text, self.at, row, here + 1) >= _TAIL
        )

    def resume(self, piece: Bare, here: int) -> int:
        """Find where the two agree again; returns the place in the piece, and moves ``at`` over what is lost."""
        row = piece.text
        self.spend(len(row) - here + _BEFORE)
        there = row.find(self.text[self.at : self.at + GRAM], here)
        if there < 0 and (tail := _tail(self.text, self.at, row, here)) >= _TAIL:
            there = len(row) - tail
        if there >= 0 and not self._runs_ahead(piece, here, there):
            return self._skip(piece, here, there)
        near = self._near(row, here)
        if near is not None and near[0] == 0:
            return self._skip(piece, here, here + near[1])
        if there < 0 and self.text.find(row[here:], max(0, self.at - _BEFORE), self.at) >= 0:
            self.passed(piece, here, len(row))  # what is left was there before: the walk has run ahead
            return len(row)
        if self._row_ahead(piece, here):
            return here
        if near is not None:
            self.passed(piece, here, here + near[1])
            self.lose(self.at + near[0])
            if near[1]:
                self.out.replaced.add(self.out.lost[-1])
            return here + near[1]
        if there >= 0:
            return self._skip(piece, here, there)
        return self._far(piece, here)

    def _skip(self, piece: Bare, here: int, there: int) -> int:
        back = self._slide(piece, here, there)
        self.passed(piece, here - back, there - back)
        return there

    def _runs_ahead(self, piece: Bare, start: int, end: int) -> bool:
        """Say whether a part of a piece holds a line that is expected only later: it must not be passed over."""
        row, starts = piece.text, piece.starts
        for number in range(bisect_right(starts, start), bisect_left(starts, end)):
            line = row[starts[number] : min(starts[number + 1] if number + 1 < len(starts) else end, end)]
            if self.first.get(line, -1) >= self.at and len(line) >= _TAIL:
                return True
        return False

    def _slide(self, piece: Bare, here: int, there: int) -> int:
        """Return how far what is passed over may move back so that it begins with a line of the piece."""
        row, starts = piece.text, piece.starts
        start = starts[bisect_right(starts, here) - 1] if starts else here
        back = here - start
        return back if 0 < back <= 200 and row[start:here] == row[there - back : there] else 0

    def _near(self, row: str, here: int) -> tuple[int, int] | None:
        """Return the smallest step over both sides, within a few hundred characters, to where they agree again."""
        size = min(_SMALL, len(row) - here, len(self.text) - self.at)
        if size < 3:
            return None
        ours = self.text[self.at : self.at + _NEAR + size]
        grams: dict[str, int] = {}
        for place in range(len(ours) - size, -1, -1):
            grams[ours[place : place + size]] = place
        best: tuple[int, int] | None = None
        for step in range(min(_NEAR, len(row) - here - size) + 1):
            if best is not None and step >= sum(best):
                break
            place = grams.get(row[here + step : here + step + size], -1)
            if place >= 0 and (best is None or place + step < sum(best)):
                best = (place, step)
        return best

    def _row_ahead(self, piece: Bare, here: int) -> bool:
        """Go on where the very row at ``here`` stands further on in the text; what is between is lost."""
        row, starts = piece.text, piece.starts
        number = bisect_right(starts, here) - 1
        before = min(here - starts[number], self.at, _ROW // 2) if number >= 0 else 0
        if before and self.text[self.at - before : self.at] != row[here - before : here]:
            before = 0
        probe = row[here - before : here - before + _ROW]
        if len(probe) < GRAM + before:
            return False
        place = self.places.find(probe, self.at - before + 1)
        if place < 0:
            return False
        self.out.lost.append((self.at - before, place))
        self.at = place + before
        return True

    def _far(self, piece: Bare, here: int) -> int:
        """Nothing nearby agrees: what is left repeats what was before, or comes from further on, or is foreign."""
        row, size = piece.text, len(piece.text)
        length = GRAM if len(self.text) <= WINDOW else SURE
        for begin in range(here, size, max(length, (size - here) // _PROBES)):
            step = max(here, min(begin, size - length))
            probe = row[step : step + length]
            if len(probe) >= _SMALL and self.places.find(probe, 0, self.at) < 0:
                place = self.places.find(probe, self.at)
                if place >= 0:
                    while step > here and place > self.at and row[step - 1] == self.text[place - 1]:
                        step, place = step - 1, place - 1
                    self.passed(piece, here, step)
                    self.lose(place)
                    return step
        tail = _tail(self.text, self.at, row, here)
        self.passed(piece, here, size - tail)
        self.at += tail
        return size

    def passed(self, piece: Bare, start: int, end: int) -> None:
        """Pass over a part of a piece: it repeats a part of the text, or is foreign."""
        if end <= start:
            return
        part = piece.text[start:end]
        self.out.passed.append(part)
        if part in self.first or self.text.find(part, max(0, self.at - _BEFORE), self.at + len(part)) >= 0:
            return
        starts = piece.starts
        first = bisect_right(starts, start) - 1
        window = min(len(self.text), 2 * _BEFORE)
        for number in range(max(first, 0), len(starts)):
            self.spend(window)
            low = max(starts[number], start)
            high = min(starts[number + 1] if number + 1 < len(starts) else len(piece.text), end)
            if low >= end:
                break
            line = piece.text[low:high]
            if line and line not in self.first and not self._stands(line) and content(line, 0, len(line)):
                enough = len(self.out.foreign) > _STRANGE
                self.out.foreign.append((line, line if enough else self._strange(line)))

    def _stands(self, line: str) -> bool:
        """Say whether a part of a line stands in the text, near what is expected or anywhere."""
        return self.text.find(line, max(0, self.at - _BEFORE), self.at + _BEFORE) >= 0 or self.places.find(line, 0) >= 0

    def _strange(self, line: str) -> str:
        """Return what is left of a line without the passages that stand in the text."""
        left: list[str] = []
        at = 0
        window = min(len(self.text), 3 * _BEFORE)
        while at < len(line):
            self.spend(window)
            place = -1
            if at + _KNOWN <= len(line):
                place = self.text.find(line[at : at + _KNOWN], max(0, self.at - _BEFORE), self.at + _BEFORE)
                place = place if place >= 0 else self.text.find(line[at : at + _KNOWN], 0, _BEFORE)
            same = agree(self.text, place, line, at) if place >= 0 else self._short(line, at)
            left.append("" if same else line[at])
            at += same or 1
        return "".join(left)

    def _short(self, line: str, at: int) -> int:
        """Return the length of a short line of the text, a heading perhaps, that stands in a longer one at ``at``."""
        for size in range(_KNOWN - 1, 1, -1):
            if line[at].isalpha() and line[at : at + size] in self.first:
                return size
        return 0


def _tail(text: str, at: int, row: str, here: int) -> int:
    """Return how many characters at the end of ``row`` are the next ones of the text; less than a gram."""
    for size in range(min(GRAM - 1, len(row) - here, len(text) - at), 0, -1):
        if row.endswith(text[at : at + size]):
            return size
    return 0


def agree(a: str, i: int, b: str, j: int) -> int:
    """Return how many characters from ``a[i]`` and ``b[j]`` on are equal, by doubling and halving slices."""
    limit = min(len(a) - i, len(b) - j)
    done, step = 0, 64
    while done < limit and a[i + done : i + min(done + step, limit)] == b[j + done : j + min(done + step, limit)]:
        done = min(done + step, limit)
        step *= 2
    while done < limit and step > 1:
        step //= 2
        upto = min(done + step, limit)
        if a[i + done : i + upto] == b[j + done : j + upto]:
            done = upto
    return done
