"""Is what the server holds what was sent? (design 12, rule 8)

FastGPT re-wraps text, repeats headings, overlaps chunks and turns CSV and HTML into Markdown (observed fact 20), so
both sides are reduced to their characters without white space and markup, and the question is how much of the sent text
is *covered* by passages that stand on the server word for word.

A passage that stands in the document twice counts as covered when the server has it once: older servers drop repeated
chunks, and nothing a reader could find is lost.

Non-ASCII characters are judged by the same coverage and not by counting: the 20 % overlap of chunks would let a count
hide the loss of a fifth of the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from syncd.cover import SMALL, cover, cover_closely, cover_repeats, grams, longest_loss, runs

LOST_RUN = 200
"""Lost characters in a row (after normalising) that make a difference."""

LOST_NON_ASCII = 1.0
"""Percent of the sent non-ASCII characters that may be missing."""

LOST_SHARE = 30.0
"""Percent of all characters that may be missing in scattered small pieces."""

_CLOSE = 6  # gram of the closer look

# Everything but white space, controls, zero-width characters and the characters Markdown and HTML use as markup.
_KEPT = re.compile(r"[^\s\x00-\x1f\x7f\u200b-\u200f\u2060\ufeff#*_`~|<>\-+=\[\]()!\\:]+")
_NON_ASCII = re.compile(r"[^\x00-\x7f]")
_NON_ASCII_RUN = re.compile(r"[^\x00-\x7f]{1,12}")
_LINK_TARGET = re.compile(r"\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*(?:\s+\"[^\"\n]*\")?\)")
_DATA_URI = re.compile(r"data:[\w.+/-]+;base64,[A-Za-z0-9+/=]+")
_SEVEN_BITS = bytes(b & 0x7F for b in range(256))


@dataclass(frozen=True, slots=True)
class Difference:
    """What is missing on the server."""

    kind: Literal["encoding-lost", "content-differs"]
    message: str
    lost_characters: int  # of the normalised text
    lost_run: str  # the beginning of the longest lost passage, at most 80 characters
    lost_non_ascii_percent: float


def normalise(text: str) -> str:
    """Return ``text`` reduced to what must survive: no white space, controls, U+FEFF, zero-width or markup characters.

    Link targets go as well (FastGPT adds them to HTML), pictures inside the text (it stores them elsewhere), and the
    two characters ``\\n`` that it writes for a line end inside a CSV cell.
    """
    if "](" in text:
        text = _LINK_TARGET.sub("]", text)
    if ";base64," in text:
        text = _DATA_URI.sub("", text)
    if "\\n" in text:
        text = text.replace("\\n", "")
    return "".join(_KEPT.findall(text))


def compare(sent: str, chunks: Sequence[str], *, tolerant: bool = False) -> Difference | None:
    """Return what the server lost of ``sent``, ``None`` when it is equal enough.

    Args:
        sent: the plain text of the document, after the known conversion.
        chunks: the texts of the collection's rows, in any order.
        tolerant: for office formats and PDF, whose text order, numbers and spacing differ between readers: only letters
            are compared, in grams of 12, and a fifth of them may be missing as long as no block of 1 000 is.
            Always content-differs: FastGPT guesses encodings of text files only.
    """
    if tolerant:
        return _compare_tolerant(sent, chunks)
    text = normalise(sent)
    if not text:
        return None
    rows = [row for row in map(normalise, chunks) if row]
    covered = cover(text, rows)
    if covered.find(0) < 0:
        return None
    return _judge(text, rows, covered)


def _judge(text: str, rows: list[str], covered: bytearray) -> Difference | None:
    """Decide over a text that is not wholly covered; looks closer before it blames anybody."""
    limit = min(LOST_RUN, (len(text) + 1) // 2)
    total = len(_NON_ASCII.findall(text)) if not text.isascii() else 0
    if _passes(text, covered, total, limit):
        return None
    cover_repeats(text, rows, covered)
    if _passes(text, covered, total, limit):
        return None
    # Something the server inserted may have cut the text into pieces too small for the first look. That excuses
    # single characters, not a long run: in such small pieces much of any text is found elsewhere by chance.
    close = bytearray(covered)
    _look_closer(text, rows, close)
    lost, start, end = longest_loss(covered)
    percent = 100.0 * _non_ascii_lost(text, close) / total if total else 0.0
    if lost < limit and percent <= LOST_NON_ASCII and 100.0 * close.count(0) <= LOST_SHARE * len(text):
        return None
    return _difference(text, rows, covered, close, text[start:end], percent)


def _passes(text: str, covered: bytearray, total: int, limit: int) -> bool:
    return (
        longest_loss(covered)[0] < limit
        and 100.0 * covered.count(0) <= LOST_SHARE * len(text)
        and (not total or 100.0 * _non_ascii_lost(text, covered) <= LOST_NON_ASCII * total)
    )


def _difference(
    text: str, rows: list[str], covered: bytearray, close: bytearray, run: str, percent: float
) -> Difference:
    """Name the difference; ``close`` is the coverage after the closer look."""
    count = covered.count(0)
    shown = run[:80]
    if not rows:
        message = "The server holds no text for this document."
        return Difference("content-differs", message, count, shown, percent)
    if percent > LOST_NON_ASCII and _garbled(text, rows, close):
        message = f"The server destroyed {percent:.1f} % of the non-ASCII characters, near: {shown!r}."
        return Difference("encoding-lost", message, count, shown, percent)
    message = f"{count} of {len(text)} characters are not on the server, the longest passage near: {shown!r}."
    return Difference("content-differs", message, count, shown, percent)


def _non_ascii_lost(text: str, covered: bytearray) -> int:
    return sum(len(_NON_ASCII.findall(text, start, end)) for start, end in runs(covered))


def _look_closer(text: str, rows: list[str], covered: bytearray) -> None:
    """Cover what was lost again in the smallest pieces, to see which non-ASCII characters are missing indeed."""
    known = grams(rows, _CLOSE)
    for start, end in runs(covered):
        covered[start:end] = cover_closely(text, start, end, known, _CLOSE)


def _garbled(text: str, rows: list[str], covered: bytearray) -> bool:
    """Say whether the characters were destroyed, as opposed to left out: something stands in their place."""
    spots = [
        text[max(0, match.start() - 4) : match.end() + 4]
        for start, end in runs(covered)[:200]
        for match in _NON_ASCII_RUN.finditer(text, start, end)
    ][:100]
    for wrong in (_seven_bits, _misread_latin, _misread_chinese, _question_marks):
        pieces = [piece for piece in (normalise(wrong(spot)) for spot in spots) if len(piece) > 4]
        if pieces and sum(any(piece in row for row in rows) for piece in pieces) * 2 >= len(pieces):
            return True
    there = "".join(rows)
    if "\ufffd" in there and "\ufffd" not in text:
        return True
    # Not one other character is there, and of the plain text only what stood beside them is missing.
    gone = _non_ascii_lost(text, covered)
    plain, missing = len(text) - gone, covered.count(0) - gone
    return there.isascii() and plain >= 40 and missing <= 3 * gone and missing * 10 <= plain


def _seven_bits(text: str) -> str:
    return text.encode("utf-8", "replace").translate(_SEVEN_BITS).decode("ascii")  # FastGPT's way (observed fact 1)


def _misread_latin(text: str) -> str:
    return text.encode("utf-8", "replace").decode("latin-1")


def _misread_chinese(text: str) -> str:
    return text.encode("utf-8", "replace").decode("gb18030", "ignore")


def _question_marks(text: str) -> str:
    return _NON_ASCII.sub("?", text)


def _letters(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", normalise(text)).casefold() if c.isalpha())


def _compare_tolerant(sent: str, chunks: Sequence[str]) -> Difference | None:
    """Compare letters only, in grams of 12; see ``compare``."""
    text = _letters(sent)
    rows = [row for row in map(_letters, chunks) if row]
    if len(text) < 20:  # figures: their formats differ between readers, so only their presence is asked
        figures = sum(map(str.isdigit, sent))
        there = sum(c.isdigit() for chunk in chunks for c in chunk)
        if (not text or any(text in row for row in rows)) and there * 2 >= figures:
            return None
        if text and cover(text, rows, SMALL, 1).count(1) * 2 >= len(text):
            return None
        return Difference("content-differs", "The server holds other text.", len(text) or figures, sent[:80], 0.0)
    covered = cover(text, rows, 12, 1 if len(text) < 100_000 else 4)
    lost = covered.count(0)
    blocks = [covered[i : i + 500].count(1) * 3 < 500 for i in range(0, len(covered) - 499, 500)]
    holes = any(a and b for a, b in pairwise(blocks))
    if lost * 5 <= len(text) and not holes:
        return None
    total = len(_NON_ASCII.findall(text))
    percent = 100.0 * _non_ascii_lost(text, covered) / total if total else 0.0
    shown = text[slice(*longest_loss(covered)[1:])][:80]
    message = f"{lost} of {len(text)} letters are not on the server, the longest passage near: {shown!r}."
    return Difference("content-differs", message, lost, shown, percent)
