"""CSV as FastGPT reads it; pure.

FastGPT reads CSV with Papa Parse and writes each record as a row of a Markdown table. Which delimiter, which line end
and where a quoted cell ends is guessed and forgiven in its own way, so malformed quotes come out differently than from
Python's reader. Described after Papa Parse 5's behaviour and the readings in ``served/``.
"""

from __future__ import annotations

import re
from itertools import pairwise

_QUOTE = '"'
_BLANKS = re.compile(r"\s*")
_DELIMITERS = (",", "\t", "|", ";", "\x1e", "\x1f")
_GUESSED_FROM = 10  # rows
_LINE_ENDS_FROM = 2**20  # characters
_HEAD = 2**18  # characters that ten rows are looked for in, before the whole is taken


def csv_text(text: str) -> str:
    """Return the cells, one line per row, joined by `` | `` as in the table FastGPT makes of them."""
    text = text.removeprefix("\ufeff")
    end = _line_end(text)
    rows = records(text, _delimiter(text, end), end)
    return "\n".join(" | ".join(" ".join(cell.split()) for cell in row) for row in rows).strip("\n")


def records(text: str, delimiter: str, end: str, most: int = -1) -> list[list[str]]:
    """Return the records, at most ``most`` of them unless that is negative; never raises."""
    if not text:
        return []
    if _QUOTE not in text:
        lines = text.split(end) if most < 0 else text.split(end, most)[:most]
        return [line.split(delimiter) for line in lines]
    return _Reader(text, delimiter, end, most).rows


class _Reader:
    """One reading of a text that has quotes."""

    def __init__(self, text: str, delimiter: str, end: str, most: int) -> None:
        self.text, self.delimiter, self.end, self.most = text, delimiter, end, most
        self.rows: list[list[str]] = []
        self.row: list[str] = []
        self.at = 0
        self._next: dict[str, int] = {}
        while self.at <= len(text) and len(self.rows) != most:
            if not (self._quoted() if text.startswith(_QUOTE, self.at) else self._plain()):
                break

    def _find(self, mark: str, start: int) -> int:
        """Return where ``mark`` stands next at or behind ``start``, or the length of the text; each is sought once."""
        known = self._next.get(mark, -1)
        if known < start:
            known = self.text.find(mark, start)
            known = len(self.text) if known < 0 else known
            self._next[mark] = known
        return known

    def _plain(self) -> bool:
        delimiter, end = self._find(self.delimiter, self.at), self._find(self.end, self.at)
        stop = min(delimiter, end)
        self.row.append(self.text[self.at : stop])
        return self._close(stop, delimiter < end)

    def _close(self, stop: int, inside: bool) -> bool:
        """End a cell at ``stop``: at a delimiter (``inside`` the row), a line end or the end of the text."""
        if stop < len(self.text) and inside:
            self.at = stop + len(self.delimiter)
            return True
        self.rows.append(self.row)
        self.row = []
        self.at = stop + len(self.end)
        return stop < len(self.text)

    def _quoted(self) -> bool:
        text, start = self.text, self.at + 1
        quote = self.at
        while True:
            quote = text.find(_QUOTE, quote + 1)
            if quote < 0:  # never closed: the rest is one cell
                self.row.append(text[start:])
                return self._close(len(text), False)
            if text.startswith(_QUOTE, quote + 1):
                quote += 1
                continue
            stop = self._end_of_cell(quote + 1)
            if stop is not None:
                self.row.append(text[start:quote].replace(_QUOTE * 2, _QUOTE))
                return self._close(stop, text.startswith(self.delimiter, stop))

    def _end_of_cell(self, after: int) -> int | None:
        """Return where the cell that a quote before ``after`` may close ends; ``None`` when it does not close it."""
        if after >= len(self.text):
            return len(self.text)
        blanks = _BLANKS.match(self.text, after)
        upto = after if blanks is None else blanks.end()
        for mark in (self.delimiter, self.end):
            at = self._find(mark, after)
            if at < len(self.text) and at <= upto:
                return at
        return None


def _line_end(text: str) -> str:
    head = text[:_LINE_ENDS_FROM]
    if _QUOTE in head:  # line ends inside quoted cells do not count
        parts = head.split(_QUOTE)
        head = "".join(parts[0::2]) + (parts[-1] if len(parts) % 2 == 0 else "")
    returns, feeds = head.split("\r"), head.split("\n")
    if len(returns) == 1 or (len(feeds) > 1 and len(feeds[0]) < len(returns[0])):
        return "\n"
    both = sum(part.startswith("\n") for part in returns)
    return "\r\n" if both >= len(returns) / 2 else "\r"


def _delimiter(text: str, end: str) -> str:
    """Return the delimiter with the steadiest number of cells in the first ten rows, then with the most cells."""
    best, best_delta, most_cells = ",", None, 1.99
    for delimiter in _DELIMITERS:
        rows = records(text[:_HEAD], delimiter, end, _GUESSED_FROM)
        if len(rows) < _GUESSED_FROM and len(text) > _HEAD:
            rows = records(text, delimiter, end, _GUESSED_FROM)
        if not rows:
            continue
        delta = sum(abs(len(a) - len(b)) for a, b in pairwise(rows))
        cells = sum(map(len, rows)) / len(rows)
        if (best_delta is None or delta <= best_delta) and cells > most_cells:
            best, best_delta, most_cells = delimiter, delta, cells
    return best
