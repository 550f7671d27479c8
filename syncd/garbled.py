"""Were characters destroyed by a wrong encoding, as opposed to left out? Pure.

FastGPT guesses the encoding of stored files and destroys what does not fit (observed fact 1); something stands in the
place of what was lost then.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

from syncd.bare import bare

_NON_ASCII = re.compile(r"[^\x00-\x7f]")
_NON_ASCII_RUN = re.compile(r"[^\x00-\x7f]{1,12}")
_BLOCK = 2**16  # characters looked at in one go
_SPOTS = 40
_SEVEN_BITS = bytes(b & 0x7F for b in range(256))


def non_ascii(text: str, start: int, end: int) -> int:
    """Return how many characters between ``start`` and ``end`` are not ASCII."""
    blocks = (text[at : min(at + _BLOCK, end)] for at in range(start, end, _BLOCK))
    return sum(len(block) - len(block.encode("ascii", "ignore")) for block in blocks)


def destroyed(text: str, rows: Sequence[str], lost: Sequence[tuple[int, int]]) -> bool:
    """Say whether the lost runs of ``text`` stand in ``rows`` in one of the known wrong readings."""
    matches = (match for start, end in lost[:200] for match in _NON_ASCII_RUN.finditer(text, start, end))
    spots = [text[max(0, match.start() - 4) : match.end() + 4] for match in islice(matches, _SPOTS)]
    for wrong in (_seven_bits, _misread_latin, _misread_chinese, _question_marks):
        pieces = [piece for piece in (bare(wrong(spot)).text for spot in spots) if len(piece) > 4]
        if pieces and sum(any(piece in row for row in rows) for piece in pieces) * 2 >= len(pieces):
            return True
    there = "".join(rows)
    if "\ufffd" in there and "\ufffd" not in text:
        return True
    # Not one other character is there, and of the plain text only what stood beside them is missing.
    gone = sum(non_ascii(text, *run) for run in lost)
    total = non_ascii(text, 0, len(text))
    plain, missing = len(text) - total, sum(end - start for start, end in lost) - gone
    return there.isascii() and plain >= 40 and missing <= 3 * gone and missing * 10 <= plain


def _seven_bits(text: str) -> str:
    return text.encode("utf-8", "replace").translate(_SEVEN_BITS).decode("ascii")  # FastGPT's way (observed fact 1)


def _misread_latin(text: str) -> str:
    return text.encode("utf-8", "replace").decode("latin-1")


def _misread_chinese(text: str) -> str:
    return text.encode("utf-8", "replace").decode("gb18030", "ignore")


def _question_marks(text: str) -> str:
    return _NON_ASCII.sub("?", text)
