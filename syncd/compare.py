"""Is what the server holds the content of the file? (law 7; design 13, "content")

A question of *sequence with multiplicity*: the text of the file, read as FastGPT reads it, is laid beside the chunks
in their order, and each character of it has to be there as often and in the order in which it stands in the file. What
FastGPT's reader and splitter add is known and taken out (see ``bare`` and ``align``). Nothing is excused by a share:
one changed figure is a difference.

What is excused is named. Lines that stand elsewhere on the server were moved; a passage at an end that repeats what
stands directly before it is dropped by FastGPT's splitter; single letters of a PDF are read differently by different
readers; numbers with a format in a spreadsheet are shown as the server's version likes. What cannot be judged makes a
proof weak.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from syncd.align import GRAM, Alignment, align
from syncd.bare import Bare, bare, blank, content, letters, lines
from syncd.garbled import destroyed, non_ascii
from syncd.models import Format
from syncd.places import SURE, Places
from syncd.sheettext import FORMATTED, PLAIN

FOREIGN = 40
"""Letters, digits and signs of a line that is not in the file, from which on the server holds something else."""

_NOISE_RUN, _NOISE_SHARE = 12, 2.0  # letters in a row, and percent, that two readers of a PDF may read differently
_VERBATIM = frozenset({Format.TEXT, Format.MARKDOWN, Format.CSV, Format.HTML, Format.XLSX})  # nothing is added to them
_COUNTED = 3 * 10**7  # characters that are counted through for lost lines
_CLAIMS = 300  # lost lines that are looked for elsewhere
_LIST_NUMBER = re.compile(r"^([ \t>]*)\d{1,4}\.  +")
_CELL_NUMBER = re.compile(r"<br>\s*\d{1,4}\.  +")
_HYPHEN = re.compile(r"-[ \t]*\r?\n[ \t]*")
_FORMATTED = re.compile(f"{FORMATTED}[^{PLAIN}]*{PLAIN}")
_MARKS = re.compile(f"[{FORMATTED}{PLAIN}]|_x000[DdAa]_")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])")
_LOGICAL = re.compile(r"\b(?:TRUE|FALSE)\b")
_LINK_TARGET = re.compile(r"\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*(?:\s+\"[^\"\n]*\")?\)")
_DATA_URI = re.compile(r"data:[\w.+/-]+;base64,[A-Za-z0-9+/=]+")
_NORMAL = re.compile(r"[^\s\x00-\x1f\x7f\u200b-\u200f\u2060\ufeff#*_`~|<>\-+=\[\]()!\\:]+")


@dataclass(frozen=True, slots=True)
class Difference:
    """What is missing on the server, or stands there and not in the file."""

    kind: Literal["encoding-lost", "content-differs"]
    message: str
    lost_characters: int  # of the bare text
    lost_run: str  # the beginning of the longest lost passage, at most 80 characters
    lost_non_ascii_percent: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a comparison has shown."""

    difference: Difference | None
    weak: str = ""  # what could not be judged
    remark: str = ""  # what FastGPT is known to leave out


def normalise(text: str) -> str:
    """Return ``text`` reduced to its words, as probes are compared: no white space, no marks, no targets of links."""
    if "](" in text:
        text = _LINK_TARGET.sub("]", text)
    if ";base64," in text:
        text = _DATA_URI.sub("", text)
    if "\\n" in text:
        text = text.replace("\\n", "")
    return "".join(_NORMAL.findall(text))


def compare(sent: str, chunks: Sequence[str], fmt: Format = Format.MARKDOWN) -> Difference | None:
    """Return what differs, ``None`` when the server holds the text; see ``examine``."""
    return examine(sent, chunks, fmt).difference


def examine(
    sent: str,
    chunks: Sequence[str],
    fmt: Format = Format.MARKDOWN,
    *,
    partial: bool = False,
    work: int | None = None,
) -> Comparison:
    """Compare the text of a file with the server's chunks.

    Args:
        sent: the text of the document as FastGPT reads it (``visible``, ``tabular``, ``extract``).
        chunks: the texts of the collection's rows, in the server's order; another order is recognised.
        fmt: decides what readers do differently.
        partial: ``sent`` is not all of the text, so nothing is said about what stands on the server only.
        work: what may be spent on what differs, see ``align``; ``None`` for any amount.

    Raises:
        Laborious: ``work`` was not enough.
    """
    form = _FORMS.get(fmt, _as_it_is)
    text = bare(form(sent))
    if blank(text.text):
        return Comparison(None)
    pieces = [piece for piece in (bare(form(chunk)) for chunk in chunks) if piece.text]
    if not pieces:
        message = "The server holds no text for this document."
        return Comparison(Difference("content-differs", message, len(text.text), text.text[:80], _share(text.text)))
    found = _judge(text, pieces, fmt, partial, work)
    if found.difference is not None and (ordered := _in_order(text.text, pieces)) is not None:
        again = _judge(text, ordered, fmt, partial, work)
        found = again if again.difference is None else found
    if found.difference is not None and fmt is Format.XLSX:
        return _sheet(found, sent, chunks, partial, work)
    return found


def _judge(text: Bare, pieces: list[Bare], fmt: Format, partial: bool, work: int | None) -> Comparison:
    walked = align(text, pieces, work)
    lost = [run for run in walked.lost if content(text.text, *run)]
    remark = ""
    if lost and not walked.stopped:
        longest = max(len(piece.text) for piece in pieces)
        repeats = [run for run in lost if run not in walked.replaced and _repeats(text, *run, longest)]
        lost = _not_elsewhere(text, pieces, walked, [run for run in lost if run not in repeats])
        if repeats:
            count = sum(end - start for start, end in repeats)
            remark = f"{count} characters that repeat what stands before them are not taken over by FastGPT"
    if lost:
        share = 100.0 * sum(content(text.text, *run) for run in lost) / len(text.text)
        if fmt is Format.PDF and share <= _NOISE_SHARE and all(_is_noise(text.text, *run) for run in lost):
            return Comparison(None, "single letters of this PDF are read differently here than on the server", remark)
        return Comparison(_difference(text, pieces, lost, walked, fmt), remark=remark)
    return Comparison(None, remark=remark) if partial else _added(text, pieces, walked, fmt, remark)


def _added(text: Bare, pieces: Sequence[Bare], walked: Alignment, fmt: Format, remark: str) -> Comparison:
    """Nothing is lost; judge what stands on the server and not in the file."""
    strict, table = fmt in _VERBATIM, fmt in (Format.CSV, Format.XLSX)
    foreign = [
        line
        for line, strange in walked.foreign
        if content(strange, 0, len(strange)) >= FOREIGN
        or (strict and any(map(str.isdigit, line if table else strange)))
    ]
    if table:
        foreign += _other_headers(text, pieces, walked)
    if not foreign:
        return Comparison(None, remark=remark)
    shown = max(foreign, key=len)[:80]
    message = f"{len(foreign)} lines on the server are not in the file, the longest near: {shown!r}."
    if strict:
        return Comparison(Difference("content-differs", message, 0, shown, 0.0), remark=remark)
    return Comparison(None, f"the server reads more of it than can be read here, near: {shown!r}", remark)


def _other_headers(text: Bare, pieces: Sequence[Bare], walked: Alignment) -> list[str]:
    """Return the rows that open a piece of a table, but neither come in turn nor open the piece before."""
    other: list[str] = []
    before = ""
    for piece, opening in zip(pieces, walked.openings, strict=False):
        first = piece.text[: piece.starts[1]] if len(piece.starts) > 1 else piece.text
        if opening and opening != before and before and opening in set(_texts(text)):
            other.append(opening)
        before = first
    return other


def _repeats(bare_text: Bare, start: int, end: int, longest: int) -> bool:
    """Say whether a lost run at an end repeats what stands directly before it, which FastGPT's splitter drops."""
    text, size = bare_text.text, end - start
    cuts = {*bare_text.starts, len(text)}
    if size > longest or (size < GRAM and not (start in cuts and end in cuts)):
        return False
    head = text[start : min(start + GRAM, end)]
    place = text.rfind(head, max(0, start - size), start + len(head) - 1)
    while place >= 0 and start - place <= size:
        if text[place : place + size] == text[start:end]:
            return True
        place = text.rfind(head, max(0, start - size), place + len(head) - 1)
    return False


def _not_elsewhere(
    text: Bare, pieces: Sequence[Bare], walked: Alignment, lost: list[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Return the lost runs without the lines that stand elsewhere on the server, as often as in the file."""
    lines = [(low, high) for run in lost for low, high in _lines(text, *run)]
    if not lines or len(lines) > _CLAIMS:
        return lost
    ours = Counter(_texts(text))
    theirs: Counter[str] = Counter()
    for piece in pieces:
        theirs.update(_texts(piece))
    there = "\0".join(piece.text for piece in pieces)
    passed = "\0".join(walked.passed)
    few = len(lines) * len(there) <= _COUNTED
    left: list[tuple[int, int]] = []
    for low, high in lines:
        line = text.text[low:high]
        whole = bisect_left(text.starts, low) < len(text.starts) and text.starts[bisect_left(text.starts, low)] == low
        if whole and line in passed and 0 < ours[line] <= theirs[line]:
            continue
        if few and high - low >= GRAM and line in passed and there.count(line) >= text.text.count(line):
            continue
        if content(text.text, low, high):
            left.append((low, high))
    return left


def _lines(text: Bare, start: int, end: int) -> list[tuple[int, int]]:
    """Return a run cut at the beginnings of lines."""
    cuts = text.starts[bisect_right(text.starts, start) : bisect_left(text.starts, end)]
    return list(zip([start, *cuts], [*cuts, end], strict=True))


def _texts(text: Bare) -> list[str]:
    return [text.text[low:high] for low, high in zip(text.starts, [*text.starts[1:], len(text.text)], strict=False)]


def _in_order(text: str, pieces: Sequence[Bare]) -> list[Bare] | None:
    """Return the pieces in the order in which they stand in the text; ``None`` when that is their order."""
    keys: list[int] = []
    places = Places(text)
    for piece in pieces:
        size = len(piece.text)
        place = -1
        for start in (max(0, size - SURE), size - GRAM, size // 2):
            probe = piece.text[max(0, start) : start + SURE]
            if place < 0 and probe:
                place = places.find(probe, 0) if len(probe) == SURE else places.scan(probe)
                place -= start if place >= 0 else 0
        keys.append(place if place >= 0 else (keys[-1] if keys else 0))
    if keys == sorted(keys):
        return None
    return [pieces[number] for number in sorted(range(len(pieces)), key=keys.__getitem__)]


def _sheet(found: Comparison, sent: str, chunks: Sequence[str], partial: bool, work: int | None) -> Comparison:
    """Look at a spreadsheet again, cell by cell, before it is blamed.

    Some versions repeat merged cells, and show numbers in their formats. Where nothing but that differs, nothing is
    wrong with the one, and with the other the proof is weak: all other cells are there, in their order.
    """
    ours, theirs = list(_rows(sent)), [list(_rows(chunk)) for chunk in chunks]
    if found.difference is not None and not found.difference.lost_characters:
        return _judge(_once(ours), [piece for piece in map(_once, theirs) if piece.text], Format.XLSX, partial, work)
    formatted = Counter(_as_sheet(cell) for cell in _FORMATTED.findall(sent))
    as_stored = formatted & Counter(cell for rows in theirs for row in rows for cell in row)
    if as_stored.total() * 2 >= formatted.total():
        return found  # this server gives out what is stored
    without = _FORMATTED.sub("", sent)
    rest = (cell for rows in theirs for row in rows for cell in row)
    if all(cell in rest for row in _rows(without) for cell in row):
        message = "its numbers with a format are shown differently by the server and could not be compared"
        return Comparison(None, message, found.remark)
    return found


def _rows(text: str) -> Iterator[list[str]]:
    """Yield the cells of each row of a sheet in their bare form, without the empty ones."""
    for line in lines(_as_sheet(text)):
        if row := [kept for cell in line.split("|") if (kept := bare(cell).text)]:
            yield row


def _once(rows: Sequence[Sequence[str]]) -> Bare:
    """Return the bare form of rows in which equal cells side by side stand once."""
    parts: list[str] = []
    starts: list[int] = []
    at = 0
    for row in rows:
        line = "".join(cell for number, cell in enumerate(row) if number == 0 or cell != row[number - 1])
        starts.append(at)
        parts.append(line)
        at += len(line)
    return Bare("".join(parts), starts)


def _is_noise(text: str, start: int, end: int) -> bool:
    return content(text, start, end) < _NOISE_RUN and not any(map(str.isdigit, text[start:end]))


def _difference(
    text: Bare, pieces: list[Bare], lost: list[tuple[int, int]], walked: Alignment, fmt: Format
) -> Difference:
    """Name the difference."""
    count = sum(end - start for start, end in lost)
    start, end = max(lost, key=lambda run: run[1] - run[0])
    shown = text.text[start:end][:80]
    gone = sum(non_ascii(text.text, *run) for run in lost)
    total = non_ascii(text.text, 0, len(text.text))
    percent = 100.0 * gone / total if total else 0.0
    rows = [piece.text for piece in pieces]
    if gone and fmt in (Format.TEXT, Format.MARKDOWN, Format.CSV, Format.HTML) and destroyed(text.text, rows, lost):
        if walked.stopped:
            percent = 100.0 * gone / max(1, non_ascii(text.text, 0, lost[-1][1]))
        message = f"The server destroyed {percent:.1f} % of the non-ASCII characters, near: {shown!r}."
        return Difference("encoding-lost", message, count, shown, percent)
    least = "At least " if walked.stopped else ""
    digits = sum(char.isdigit() for run in lost for char in text.text[slice(*run)])
    figures = f", {digits} of them digits" if digits else ""
    message = (
        f"{least}{count} of {len(text.text)} characters are not on the server{figures}, "
        f"the longest passage near: {shown!r}."
    )
    return Difference("content-differs", message, count, shown, percent)


def _share(text: str) -> float:
    return 100.0 if non_ascii(text, 0, len(text)) else 0.0


# ---------------------------------------------------------------- what readers do differently, by format


def _as_it_is(text: str) -> str:
    return text


def _as_document(text: str) -> str:
    """Without the numbers of lists, which Turndown gives out and Word keeps elsewhere."""
    return "\n".join(_LIST_NUMBER.sub(r"\1", _CELL_NUMBER.sub("", line)) for line in lines(text))


def _as_pages(text: str) -> str:
    return "\n".join(map(letters, lines(_HYPHEN.sub("-", text))))


def _as_sheet(text: str) -> str:
    """Numbers in one form, whatever wrote them: 0.07000000000000001 is 0.07."""
    return "\n".join(_NUMBER.sub(_number, _LOGICAL.sub(_lower, _MARKS.sub("", line))) for line in lines(text))


def _lower(found: re.Match[str]) -> str:
    return found[0].lower()


def _number(found: re.Match[str]) -> str:
    token = found[0]
    if token.lstrip("-").isdigit() and len(token) <= 16:
        return token
    value = float(token)
    return f"{value:.17g}" if abs(value) >= 1e15 else f"{value:.15g}"


_FORMS: dict[Format, Callable[[str], str]] = {
    Format.DOCX: _as_document,
    Format.PDF: _as_pages,
    Format.XLSX: _as_sheet,
}
