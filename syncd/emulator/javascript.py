"""The few habits of JavaScript's strings that show in what FastGPT stores.

Lengths count UTF-16 units, ``\\s`` knows U+FEFF and no control characters, and ``^`` stands after four line ends.
Texts are held as :func:`units`, one character a UTF-16 unit, so that ``len``, slices and ``re`` count as JavaScript.
"""

from __future__ import annotations

import math
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


def number_text(value: float) -> str:
    """``String(number)``."""
    if value != value or value in (math.inf, -math.inf):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "0"
    digits, exponent = _shortest(value)
    sign = "-" if value < 0 else ""
    point = exponent + 1  # digits before the point
    if 0 < point <= 21:
        whole_part = digits[:point].ljust(point, "0")
        return sign + whole_part + ("." + digits[point:] if len(digits) > point else "")
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return f"{sign}{mantissa}e{'+' if exponent >= 0 else '-'}{abs(exponent)}"


def _shortest(value: float) -> tuple[str, int]:
    """The fewest digits that mean this number, and the power of ten of the first."""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    before, _, after = mantissa.partition(".")
    after = "" if after == "0" else after
    power = int(exponent or 0) + len(before) - 1
    digits = before + after
    stripped = digits.lstrip("0")
    return stripped.rstrip("0") or "0", power - (len(digits) - len(stripped))
