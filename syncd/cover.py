"""How much of one text stands in others, word for word; pure.

The text is indexed by 16-character grams at every 8th position; each row is walked once, and each hit extended as far
as both agree. Work grows with the length of the texts, not with their product. A passage that stands in the text
twice counts as covered when the rows have it once. The border between two rows loses nothing, because the piece
before it and the piece after it are each extended up to the border.

A coverage is one byte per character of the text: 1 where it is covered.
"""

from __future__ import annotations

from collections.abc import Sequence

GRAM, STRIDE = 16, 8
SMALL = 4
"""Gram for texts of less than 24 characters."""

ISLAND = 64
"""A covered stretch shorter than this does not end a lost passage."""


def cover(text: str, rows: Sequence[str], gram: int = GRAM, stride: int = STRIDE) -> bytearray:
    """Return the coverage of ``text`` by ``rows``; common passages shorter than ``gram + stride`` may go unseen."""
    size = len(text)
    if size < gram + stride:
        if any(text in row for row in rows):
            return bytearray(b"\x01") * size
        if gram <= SMALL or size <= SMALL:
            return bytearray(size)
        return cover(text, rows, SMALL, 1)
    index = _Index(text, gram, stride)
    for row in rows:
        index.walk(row)
    return index.coverage()


class _Index:
    """The grams of one text, and what of it was seen so far."""

    __slots__ = ("covered", "gram", "number", "numbers", "place", "seen", "stride", "text")

    def __init__(self, text: str, gram: int, stride: int) -> None:
        self.text, self.gram, self.stride = text, gram, stride
        self.number: dict[str, int] = {}  # of each different gram
        number = self.number
        spots = range(0, len(text) - gram + 1, stride)
        self.numbers = [number.setdefault(text[spot : spot + gram], len(number)) for spot in spots]
        self.place: dict[int, int] = {}  # where each different gram stands first
        for at, which in enumerate(self.numbers):
            self.place.setdefault(which, at * stride)
        self.seen = bytearray(len(number))
        self.covered = bytearray(len(text))

    def walk(self, row: str) -> None:
        """Look for the grams along ``row``, extend each hit both ways and mark what it covers."""
        text, gram, stride, get, covered = self.text, self.gram, self.stride, self.number.get, self.covered
        if len(row) < gram + stride and (at := text.find(row)) >= 0:
            covered[at : at + len(row)] = b"\x01" * len(row)
        here, last, back = 0, len(row) - gram, 0
        while here <= last:
            which = get(row[here : here + gram])
            if which is None:
                here += 1
                continue
            there = self.place[which]
            left = _agree_left(text, there, row, here, min(here - back, there))
            right = gram + _agree_right(text, there + gram, row, here + gram)
            covered[there - left : there + right] = b"\x01" * (left + right)
            for at in range(-(-(there - left) // stride), (there + right - gram) // stride + 1):
                self.seen[self.numbers[at]] = 1
            back = max(0, here + right - 64)  # how far the next hit may look back: enough for a repeated passage
            here += max(right - gram + 1, 1)

    def coverage(self) -> bytearray:
        """Return what is covered; where one of several equal passages is, the others are."""
        if len(self.numbers) != len(self.number):
            block = b"\x01" * self.gram
            for at, which in enumerate(self.numbers):
                if self.seen[which]:
                    self.covered[at * self.stride : at * self.stride + self.gram] = block
        return self.covered


def cover_repeats(text: str, rows: Sequence[str], covered: bytearray) -> None:
    """Cover what the first look may have passed by: passages whose twin elsewhere in ``text`` was taken for them.

    Only stretches of ``ISLAND`` characters count, or all of a shorter run: less is found elsewhere by chance.
    """
    places: dict[str, list[int]] = {}
    lost = runs(covered)
    for start, end in lost:
        for at in range(max(0, start - GRAM + 1), min(end, len(text) - GRAM + 1), 4):
            places.setdefault(text[at : at + GRAM], []).append(at)
    marks = bytearray(len(text))
    block = b"\x01" * GRAM
    for row in rows if places else ():
        for gram in places.keys() & grams((row,), GRAM):
            for at in places.pop(gram):
                marks[at : at + GRAM] = block
    for start, end in lost:
        first = marks.find(1, start, end)
        while first >= 0:
            stop = marks.find(0, first)
            stop = len(marks) if stop < 0 else stop
            if stop - first >= ISLAND or (first < start + 4 and stop > end - 4):
                covered[first : min(stop, end)] = marks[first : min(stop, end)]
            first = marks.find(1, stop, end)


def _agree_right(a: str, i: int, b: str, j: int) -> int:
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


def _agree_left(a: str, i: int, b: str, j: int, limit: int) -> int:
    """Return how many characters before ``a[i]`` and ``b[j]`` are equal, at most ``limit``."""
    done, step = 0, 64
    while done < limit:
        upto = min(done + step, limit)
        if a[i - upto : i - done] == b[j - upto : j - done]:
            done = upto
        elif step == 1:
            break
        else:
            step //= 2
    return done


def runs(covered: bytearray) -> list[tuple[int, int]]:
    """Return the stretches that are not covered."""
    stop = len(covered)
    found = []
    start = covered.find(0)
    while start >= 0:
        end = covered.find(1, start)
        if end < 0:
            end = stop
        found.append((start, end))
        start = covered.find(0, end)
    return found


def losses(covered: bytearray) -> list[tuple[int, int, int]]:
    """Return the lost passages: lost characters, start and end; a short covered island does not end a passage."""
    found: list[tuple[int, int, int]] = []
    for start, end in runs(covered):
        if found and start - found[-1][2] < ISLAND:
            lost, begin, _ = found.pop()
            found.append((lost + end - start, begin, end))
        else:
            found.append((end - start, start, end))
    return found


def longest_loss(covered: bytearray) -> tuple[int, int, int]:
    """Return the lost passage with the most lost characters: their number, its start and end."""
    return max(losses(covered), default=(0, 0, 0))


def grams(rows: Sequence[str], size: int) -> set[str]:
    """Return every piece of ``size`` characters."""
    return {row[i : i + size] for row in rows for i in range(len(row) - size + 1)}


def cover_closely(text: str, start: int, end: int, known: set[str], size: int) -> bytearray:
    """Return the coverage of one run, by grams that may reach over its ends."""
    lo, hi = max(0, start - size + 1), min(len(text), end + size - 1)
    marks = bytearray(hi - lo)
    block = b"\x01" * size
    for i in range(lo, hi - size + 1):
        if text[i : i + size] in known:
            marks[i - lo : i - lo + size] = block
    return marks[start - lo : end - lo]
