"""Texts to chunks as FastGPT 4.14 cuts them: headings, code, tables, paragraphs, lines, sentences, in this order.

Checked against what its own splitter made of 229 public documents and 22 made-up texts.
A part is only cut by a later rule when it is too long for the earlier ones. Headings are always cut at, and every
chunk below repeats all of them; a line that does not begin with ``#`` is no heading, so none behind U+FEFF is one
(retrieval.md R1). Lengths count UTF-16 units without white space.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from functools import lru_cache

from syncd.emulator.javascript import BLANKS, LINE_START, trim, units, visible_length, whole
from syncd.emulator.polish import simple_text

TRIGGER = 1000  # a text shorter than this stays one chunk (fastgpt-api.md 3, chunkTriggerMinSize)
DEEP = 5  # levels of headings (fastgpt-api.md 3, paragraphChunkDeep)
LARGEST = 64_000  # what the usual models take; a code block may be as long
OVERLAP = 0.2  # of the chunk size, repeated between chunks that are cut inside a sentence's rules
SIGN = "-----CUSTOM_SPLIT_SIGN-----"
_CUT = "SPLIT_HERE_SPLIT_HERE"
_CODE_LINE = "CODE_BLOCK_LINE_MARKER"

_CODE = re.compile(r"```[\s\S]*?```|~~~[\s\S]*?~~~")
_MANY_LINES = re.compile(r"(?:\r?\n|\r){3,}")
_RULER = re.compile(rf"(?:\|[{BLANKS}:]*-+[{BLANKS}:]*)+\|")


@dataclass(frozen=True, slots=True)
class _Rule:
    """Where to cut, and how long a part may be that one of these signs ends (None: the chunk size)."""

    sign: re.Pattern[str] | str
    longest: int | None = None
    heading: bool = False
    custom: bool = False


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a text, the heading taken off it, and how long it may be."""

    text: str
    title: str
    longest: int


@lru_cache(maxsize=64)
def _rules(deep: int, largest: int, signs: tuple[str, ...]) -> tuple[_Rule, ...]:
    headings = (
        _Rule(re.compile(rf"{LINE_START}({'#' * level}[{BLANKS}][^\n]+\n)"), heading=True)
        for level in range(1, min(deep, 8) + 1)
    )
    blank = f"[{BLANKS}]"
    return (
        *(_Rule(sign.replace("\\n", "\n"), custom=True) for sign in signs),
        *headings,
        _Rule(re.compile(r"(\n(?:```[\s\S]*?```|~~~[\s\S]*?~~~))"), largest),
        _Rule(re.compile(rf"(\n\|(?:[^\n|]*\|)+\n\|(?:[:\-{BLANKS}]*\|)+\n(?:\|(?:[^\n|]*\|)*\n)*)")),
        _Rule(re.compile(r"(\n{2,})")),
        _Rule(re.compile(r"(\n)")),
        _Rule(re.compile(rf"(。|[a-zA-Z]\.{blank})")),  # a digit's dot ends no sentence (retrieval.md R15)
        _Rule(re.compile(rf"(！|!{blank})")),
        _Rule(re.compile(rf"(？|\?{blank})")),
        _Rule(re.compile(rf"(；|;{blank})")),
        _Rule(re.compile(rf"(，|,{blank})")),
    )


def split(
    text: str, size: int, *, deep: int = DEEP, signs: tuple[str, ...] = (), overlap: float = OVERLAP
) -> list[str]:
    """The chunks of ``text``, each of about ``size`` characters.

    ``deep`` is the number of heading levels, 0 for none; ``signs`` are literal texts to cut at before all else.
    """
    text = units(text)
    chunks: list[str] = []
    for part in text.split(SIGN):
        chunks += _table(part, size) if _is_table(part) else _Splitter(size, deep, signs, overlap).split(part)
    return [whole(simple_text(chunk)) for chunk in chunks]


def _is_table(text: str) -> bool:
    """Whether all of it is one Markdown table."""
    lines = text.split("\n")
    if len(lines) < 2:
        return False
    head, ruler, *rows = (trim(line) for line in lines)
    rows = [row for row in rows if row]
    return all(row.startswith("|") and row.endswith("|") for row in (head, *rows)) and bool(_RULER.fullmatch(ruler))


def _table(text: str, size: float) -> list[str]:
    """A table in pieces of about ``size``, its head above each."""
    lines = [line for line in text.split("\n") if trim(line)]
    if len(lines) < 2:
        return [text]
    columns = max(1, lines[0].count("|") - 1)
    head = f"{lines[0]}\n| {' | '.join(['---'] * columns)} |\n"
    chunks: list[str] = []
    chunk = head
    for line in lines[2:]:
        if visible_length(chunk) + visible_length(line) > size:
            chunks.append(chunk)
            chunk = head
        chunk += line + "\n"
    return [*chunks, chunk]


class _Splitter:
    """One text under way through the rules."""

    def __init__(self, size: int, deep: int, signs: tuple[str, ...], overlap: float) -> None:
        self._size = size
        self._overlap = int(size * overlap + 0.5)
        self._rules = _rules(deep, LARGEST, signs)
        self._last_heading = len(signs) + deep - 1
        self._no_overlap = self._last_heading + 4

    def split(self, text: str) -> list[str]:
        """Chunks, before the last polish."""
        text = _CODE.sub(lambda block: block.group().replace("\n", _CODE_LINE), text)
        text = _MANY_LINES.sub("\n\n\n", text)
        return [trim(chunk.replace(_CODE_LINE, "\n")) for chunk in self._cut(text, 0, "", "")]

    def _cut(self, text: str, step: int, last: str, above: str) -> list[str]:
        """``text`` cut by the rules from ``step`` on; ``last`` is what is left over, ``above`` the headings."""
        if step >= len(self._rules):
            return self._slices(last + text)
        if self._rules[step].heading:
            return self._under_headings(text, step, last, above)
        return self._packed(text, step, last, above)

    def _slices(self, text: str) -> list[str]:
        """No rule is left; what is longer than the largest chunk is sliced."""
        if visible_length(text) < LARGEST:
            return [text]
        return [text[at : at + self._size] for at in range(0, len(text), self._size - self._overlap)]

    def _tabled(self, last: str, table: str) -> list[str]:
        """What was left over, and a table that is too long, in pieces."""
        before = [last] if visible_length(last) else []
        return before + _table(table, self._size * 1.2)

    def _under_headings(self, text: str, step: int, last: str, above: str) -> list[str]:
        chunks: list[str] = []
        for part in self._parts(text, step):
            title = above + part.title
            if visible_length(last + part.text) > part.longest and _is_table(part.text):
                chunks += self._tabled(last, part.text)
                last = ""
                continue
            inner = self._cut(last + part.text, step + 1, "", title)
            if not inner:
                chunks.append(title)
            elif step == self._last_heading:
                chunks += [title + chunk for chunk in inner]
            else:
                chunks += inner
        return chunks

    def _packed(self, text: str, step: int, last: str, above: str) -> list[str]:
        """Parts put together up to the size; one that is too long goes on to the next rule."""
        chunks: list[str] = []
        waiting = deque(self._parts(text, step))
        while waiting:
            part = waiting.popleft()
            new = last + part.text
            length, least = visible_length(new), part.longest * 0.8
            if length <= part.longest:
                if self._rules[step].custom:
                    chunks.append(part.text)
                else:
                    last = new
            elif _is_table(part.text):
                chunks += self._tabled(last, part.text)
                last = ""
            elif length < part.longest * 1.2:
                chunks.append(new)
                last = self._tail(new, step)
            elif visible_length(last) > least:
                chunks.append(last)
                last = self._tail(last, step)
                waiting.appendleft(part)
            else:
                inner = self._cut(part.text, step + 1, last, above + part.title)
                if inner and inner[-1] and visible_length(inner[-1]) < least:
                    chunks += inner[:-1]
                    last = inner[-1]
                elif inner and inner[-1]:
                    chunks += inner
                    last = self._tail(inner[-1], step)
        return self._finished(chunks, last)

    def _finished(self, chunks: list[str], last: str) -> list[str]:
        """What is left over joins the last chunk when it is small, unless that ends with it already."""
        if not last:
            return chunks
        if not chunks:
            return [last]
        if chunks[-1] and not chunks[-1].endswith(last):
            if visible_length(last) < self._size * 0.4:
                chunks[-1] += last
            else:
                chunks.append(last)
        return chunks

    def _parts(self, text: str, step: int) -> list[_Part]:
        """The text cut once: before headings, behind all other signs."""
        if step >= len(self._rules):
            return [_Part(text, "", self._size)]
        rule = self._rules[step]
        if isinstance(rule.sign, str):
            for sign in rule.sign.split("|"):
                text = text.replace(sign, _CUT) if sign else text
        else:
            text = rule.sign.sub(lambda found: _CUT + found.group(1) if rule.heading else found.group(1) + _CUT, text)
        parts = []
        for piece in text.split(_CUT):
            if not trim(piece):
                continue
            found = rule.sign.search(piece) if isinstance(rule.sign, re.Pattern) else None
            title = found.group() if found and rule.heading else ""
            rest = piece.replace(title, "", 1) if title else piece
            longest = rule.longest if found and rule.longest is not None else self._size
            if title or trim(rest):
                parts.append(_Part(rest, title, longest))
        return parts

    def _tail(self, text: str, step: int) -> str:
        """The end of a chunk that the next one repeats; whole sentences or clauses only."""
        if step <= self._no_overlap or self._overlap == 0 or step >= len(self._rules):
            return ""
        kept = ""
        for part in reversed(self._parts(text, step)):
            new = part.text + kept
            length = visible_length(new)
            if length > self._overlap:
                if length > self._size * 0.4:
                    return self._tail(new, step + 1) or kept
                return new
            kept = new
        return kept
