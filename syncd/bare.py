"""The bare form of a text: what must survive FastGPT's reading and cutting; pure.

White space, control and zero-width characters go, and the marks of Markdown, because FastGPT writes them anew: it wraps
and trims text, pads tables, dresses HTML in Markdown, writes ``<br>`` or ``\\n`` for a line end inside a table cell and
puts pictures that stand inside a text elsewhere. Everything else stays: letters, digits, punctuation, signs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

# A dash counts when something follows it directly ("-5", "P-7"), not as a bullet, a rule or a table's second line.
_KEPT = re.compile(
    r"(?:[^\s\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufe0e\ufe0f\ufeff#*_`~|\\\[\]-]+|-(?=[^\s|\-]|$))+"
)
_BREAK = re.compile(r"<br\s*/?>|\\n", re.IGNORECASE)
_PICTURE = re.compile(r"data:[\w.+-]+/[\w.+-]+(?:;[\w.=+-]+)*;base64,[A-Za-z0-9+/=]*|\bdataset/[\w./-]+")
# FastGPT marks its cuts with words of its own, which it loses where a text holds them; and its tidying (simpleText)
# means to take blanks from between Chinese characters, but takes these.
_OWN = re.compile(r"SPLIT_HERE_SPLIT_HERE|CODE_BLOCK_LINE_MARKER|-----CUSTOM_SPLIT_SIGN-----")
_TIDIED = re.compile(r"[&^]\]+")
_LONG = 2**17  # characters of a line
_RULE = " \t|:-"
_SIGNS = frozenset("%$&@+")
_JOINTS = frozenset(".,:/-+")


class Bare(NamedTuple):
    """A text in its bare form, and where its lines begin there."""

    text: str
    starts: list[int]  # ascending, the first is 0 where there is a line


def bare(text: str) -> Bare:
    """Return the bare form of ``text``.

    Works line by line, so that no single step of it is long: others want to run meanwhile.
    """
    parts: list[str] = []
    starts: list[int] = []
    at = 0
    own = "_HERE" in text or "_MARKER" in text or "_SIGN" in text
    for line in lines(text):
        if not line.strip(_RULE):  # a table's second line, a rule
            continue
        for piece in _OWN.split(line) if own else (line,):
            if kept := _keep(piece):
                starts.append(at)
                parts.append(kept)
                at += len(kept)
    return Bare("".join(parts), starts)


def lines(text: str) -> Iterator[str]:
    """Yield the lines of a text; those that are long beyond all measure in parts that end with a blank or anywhere."""
    for line in text.split("\n"):
        if len(line) <= _LONG:
            yield line
            continue
        begin = 0
        while begin < len(line):
            end = line.find(" ", begin + _LONG)
            if end < 0 or end > begin + 2 * _LONG:
                end = begin + _LONG
                while end < len(line) and not (line[end - 1].isalnum() and line[end].isalnum()):
                    end += 1
            yield line[begin:end]
            begin = end


def _keep(line: str) -> str:
    if "<" in line or "\\n" in line:
        line = _BREAK.sub("", line)
    if ";base64," in line or "dataset/" in line:
        line = _PICTURE.sub("", line)
    if "]" in line:
        line = _TIDIED.sub("", line)
    return "".join(_KEPT.findall(line))


def letters(text: str) -> str:
    """Return ``text`` with compatibility forms resolved, as a PDF's readers differ in ligatures and wide letters."""
    return unicodedata.normalize("NFKC", text)


def content(text: str, start: int, end: int) -> int:
    """Return how many of the characters from ``start`` to ``end`` a reader would miss.

    Letters, digits and signs count; of the punctuation only what belongs to a figure: ``3.5``, ``-7``, ``10:30``.
    """
    count = 0
    for at in range(start, end):
        char = text[at]
        if char.isalnum() or char in _SIGNS:
            count += 1
        elif char >= "\x80":
            count += unicodedata.category(char)[0] in "SLMN"
        elif char in _JOINTS and at + 1 < len(text) and text[at + 1].isdigit():
            count += char in "-+" or (at > 0 and text[at - 1].isdigit())
    return count


def blank(text: str) -> bool:
    """Say whether ``text`` holds nothing that a reader would miss."""
    return all(not content(text, start, min(start + 4096, len(text))) for start in range(0, len(text), 4096))
