"""The few habits of JavaScript's strings that show in what FastGPT stores.

Lengths count UTF-16 units, ``\\s`` knows U+FEFF and no control characters, and ``^`` stands after four line ends.
Texts are held as :func:`units`, one character a UTF-16 unit, so that ``len``, slices and ``re`` count as JavaScript.
"""

from __future__ import annotations

import re

BLANKS = "\t\n\x0b\x0c\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"  # inside a [class]
LINE_START = "(?:\\A|(?<=[\n\r\u2028\u2029]))"  # ^ with the m flag

_BLANK = re.compile(f"[{BLANKS}]+")
_STRIPPED = "\t\n\x0b\x0c\r \xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(map(chr, range(0x2000, 0x200B)))
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def units(text: str) -> str:
    """The text with every character beyond U+FFFF as its two surrogates."""
    if not _ASTRAL.search(text):
        return text
    raw = text.encode("utf-16-le", "surrogatepass")
    return "".join(map(chr, memoryview(raw).cast("H"))) if raw else ""


def whole(text: str) -> str:
    """The opposite of :func:`units`; a half pair becomes U+FFFD, as when Node writes it down."""
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def trim(text: str) -> str:
    """``String.trim``."""
    return text.strip(_STRIPPED)


def visible_length(text: str) -> int:
    """How many units are left without white space; FastGPT measures chunks by it."""
    return len(_BLANK.sub("", text))
