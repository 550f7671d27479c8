"""CSV as FastGPT reads it (Papa Parse with its defaults): line ends and delimiter are guessed, bad quotes are kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

_DELIMITERS = (",", "\t", "|", ";", "\x1e", "\x1f")
_LOOK = 10  # rows that are looked at to guess the delimiter
_QUOTE = '"'


def read_rows(text: str) -> list[list[str]]:
    """The rows; a line end behind the last one makes one more row with an empty cell."""
    text = text.removeprefix("\ufeff")
    line_end = _guess_line_end(text)
    delimiter = _guess_delimiter(text, line_end)
    return list(_rows(text, delimiter, line_end))


def table(rows: list[list[str]]) -> str:
    """Rows as a Markdown table; a line end inside a cell of the body is written as ``\\\\n``."""
    head, *rest = rows
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |"]
    body = [f"| {' | '.join(cell.replace(chr(10), chr(92) + 'n') for cell in row)} |" for row in rest]
    return "\n".join(lines) + "\n" + "\n".join(body)


def _guess_line_end(text: str) -> str:
    """What ends lines outside of quotes in the first million characters."""
    bare = re.sub(r'"[^"]*"', "", text[: 1024 * 1024])
    by_return = bare.split("\r")
    by_newline = bare.split("\n")
    if len(by_return) == 1 or (len(by_newline) > 1 and len(by_newline[0]) < len(by_return[0])):
        return "\n"
    followed = sum(part.startswith("\n") for part in by_return)
    return "\r\n" if followed >= len(by_return) / 2 else "\r"


def _guess_delimiter(text: str, line_end: str) -> str:
    """The delimiter with the steadiest and largest number of fields over the first rows; a comma if none has two."""
    best, best_change, best_fields = ",", -1.0, -1.0
    for delimiter in _DELIMITERS:
        counts = [len(row) for _, row in zip(range(_LOOK), _rows(text, delimiter, line_end), strict=False)]
        if not counts:
            continue
        change = sum(abs(after - before) for before, after in pairwise(counts))
        fields = sum(counts) / len(counts)
        if (best_change < 0 or change <= best_change) and fields > best_fields and fields > 1.99:
            best, best_change, best_fields = delimiter, change, fields
    return best


def _rows(text: str, delimiter: str, line_end: str) -> Iterator[list[str]]:
    """The rows of a text, quotes and all."""
    if not text:
        return
    if _QUOTE not in text:
        for line in text.split(line_end):
            yield line.split(delimiter)
        return
    row: list[str] = []
    at = 0
    while True:
        if text.startswith(_QUOTE, at):
            cell, at, ends = _quoted(text, at, delimiter, line_end)
        else:
            cell, at, ends = _bare(text, at, delimiter, line_end)
        row.append(cell)
        if ends:
            yield row
            row = []
            if at < 0:
                return


def _bare(text: str, at: int, delimiter: str, line_end: str) -> tuple[str, int, bool]:
    """A cell without quotes: the cell, where the next one begins (-1: nowhere), whether the row ends."""
    field, line = text.find(delimiter, at), text.find(line_end, at)
    if field >= 0 and (line < 0 or field < line):
        return text[at:field], field + len(delimiter), False
    if line >= 0:
        return text[at:line], line + len(line_end), True
    return text[at:], -1, True


def _quoted(text: str, at: int, delimiter: str, line_end: str) -> tuple[str, int, bool]:
    """A cell in quotes. A quote followed by anything but the end of the cell belongs to the cell."""
    start = at + 1
    quote = at
    while True:
        quote = text.find(_QUOTE, quote + 1)
        if quote < 0:
            return text[start:], -1, True
        if quote == len(text) - 1:
            return _unquoted(text[start:quote]), -1, True
        if text[quote + 1] == _QUOTE:
            quote += 1
            continue
        field, line = text.find(delimiter, quote + 1), text.find(line_end, quote + 1)
        nearest = field if line < 0 else min(field, line)
        behind = quote + 1 + _blanks(text, quote, nearest)
        if text.startswith(delimiter, behind):
            return _unquoted(text[start:quote]), behind + len(delimiter), False
        behind = quote + 1 + _blanks(text, quote, line)
        if text.startswith(line_end, behind):
            return _unquoted(text[start:quote]), behind + len(line_end), True
        quote += 1


def _blanks(text: str, quote: int, end: int) -> int:
    """How many characters stand between a quote and ``end``, if they are all blank."""
    between = text[quote + 1 : end] if end > quote else ""
    return len(between) if between and not between.strip() else 0


def _unquoted(cell: str) -> str:
    return cell.replace(_QUOTE * 2, _QUOTE)
