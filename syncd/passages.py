"""A document's text cut into passages that could be searched for; pure.

Markup is taken off line by line, lines of a paragraph are joined and cut again at the ends of sentences. Of a large
text only a window in each part is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

SHORTEST, LONGEST = 20, 160
"""Length of a passage in characters, where the document allows it."""

_WINDOW = 5_000  # characters looked at in each part of a large document
_WHOLE = 16_000  # a text up to this length is looked at as a whole
_PIECE = 1 << 16  # characters that are searched through in one go; meanwhile no other thread of Python goes on

_FRONT = re.compile(r"\ufeff?(---|\+\+\+)[ \t]*\r?\n.*?\n\1[ \t]*(?:\r?\n|$)", re.DOTALL)
_FENCE = re.compile(r"\s{0,3}(?:```|~~~)")
_PREFIX = re.compile(r"^\s*(?:(?:>|[-*+]|\d{1,3}[.)、]|#{1,6}|\[[ xX]\])\s+|>)*")
# From each of many places these look so far ahead and no further: a text of brackets alone would take minutes.
_LINK = re.compile(r"!?\[([^\]\n]{0,300})\](?:\([^)\n]{0,1000}\)|\[[^\]\n]{0,300}\])")
_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,300}>|<!--.{0,1000}?-->|\{#[^}\n]{0,300}\}")
_CODE_SPAN = re.compile(r"(`[^`\n]+`)")
# What FastGPT does not keep as it stands: runs that its full text drops (retrieval.md R11), and the two words that its
# splitter and its Markdown reader use for themselves (textSplitter.ts, markdown.ts).
_DROPPED = re.compile(r"(?<!\S)\S*https?\S*|SPLIT_HERE_SPLIT_HERE|CODE_BLOCK_LINE_MARKER", re.IGNORECASE)
_MAY_DROP = ("HTTP", "SPLIT_HERE_SPLIT_HERE", "CODE_BLOCK_LINE_MARKER")
_PICTURE = re.compile(r"data:[\w.+/-]*;base64,[A-Za-z0-9+/=\s]{40,}")  # FastGPT stores it elsewhere
_NUMBER = re.compile(r"\W*\d{0,4}\W*")  # all that is left of a list of links
_URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+|www\.\S+")
_DRESS = re.compile(r"\*\*|__|[*`|~]+|\\(?=[!-/:-@\[-`{-~])")
_SENTENCE = re.compile(r"[^。！？!?；;.\n]+(?:[.](?!\s|$)[^。！？!?；;.\n]*)*[。！？!?；;.\n]*[”’\"')）」』]*\s*")
_CJK = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+")
LETTER = re.compile(r"[^\W\d_\x00-\x7f]")
WIDE = re.compile(rf"[{_CJK}]")
CLAUSE = re.compile(rf"[{_CJK}]+|[^\W_{_CJK}]+")
_CLAUSE_ENDS = "，、：,;: \t"
PLAIN, TABLE, HEADING, CODE = 0, 1, 2, 3  # how little a line tells, as a rank


class Passage(NamedTuple):
    text: str
    start: int  # offset in the document
    rank: int


def passages_of(text: str, count: int) -> list[Passage]:
    """Return the candidate passages; of a large text those of a window in each part."""
    if ";base64," in text:
        text = _PICTURE.sub(" ", text)
    front = _FRONT.match(text, 0, min(len(text), 70_000))
    begin = front.end() if front and _WORD.search(text, front.end()) else 0
    found: list[Passage] = []
    if len(text) - begin <= _WHOLE:
        found = _cut(_paragraphs(text, begin, len(text)))
    else:
        for part in range(count):
            found += _part(text, begin, part, count)
    if not found and (word := _word(text)):
        first, last = word
        run = _DROPPED.search(text[last : first + LONGEST * 8])
        end = min(first + LONGEST * 4, last + run.start() if run else len(text))
        rough = " ".join(text[first : max(end, last)].split())
        found.append(Passage(_shorten(rough), first, CODE))
    return found


def _part(text: str, begin: int, part: int, count: int) -> list[Passage]:
    """Return the passages of one window of a part: of its middle, else its beginning or end, where there is prose."""
    size = len(text) - begin
    low, high = begin + size * part // count, begin + size * (part + 1) // count
    found: list[Passage] = []
    for lo in ((low + high - _WINDOW) // 2, low, high - _WINDOW):
        start = max(lo, begin)
        line = text.find("\n", start, start + 2000)
        start = line + 1 if line >= 0 and start > begin else start
        found = _cut(_paragraphs(text, start, min(len(text), start + _WINDOW)))
        if any(passage.rank == PLAIN for passage in found):
            break
    return found


def _paragraphs(text: str, lo: int, hi: int) -> list[Passage]:
    """Return cleaned paragraphs with their ranks; lines of one paragraph are joined."""
    fenced = (text.count("```", 0, lo) % 2 == 1) if lo else False
    out: list[Passage] = []
    held: list[str] = []
    start = lo
    for line, here, follows in _lines(text, lo, hi):
        bare = line.strip()
        rank = CODE if fenced else PLAIN if follows else _rank(bare)
        if _FENCE.match(line) and not follows:
            fenced = not fenced
            bare = ""
        clean = _clean(bare) if bare and rank != CODE else bare
        if follows and held:  # not one sentence with what stood before the run that is left out
            out.append(Passage(_join(held), start, PLAIN))
            held = []
        fresh = rank != PLAIN or not clean or (len(clean) < len(bare) and _starts_item(bare))
        if held and fresh:
            out.append(Passage(_join(held), start, PLAIN))
            held = []
        if not clean:
            continue
        if rank != PLAIN:
            out.append(Passage(clean, here, rank))
            continue
        if not held:
            start = here
        held.append(clean)
    if held:
        out.append(Passage(_join(held), start, PLAIN))
    return out


def _lines(text: str, lo: int, hi: int) -> Iterator[tuple[str, int, bool]]:
    """Yield lines, their offsets, and whether they go on behind a run that FastGPT's full text does not know.

    It drops every run of non-blanks that holds "http" (retrieval.md R11), in Chinese whole sentences: a question from
    such a run would find nothing. A link whose text reaches over a blank is cut off before it.
    """
    at = lo
    for line in text[lo:hi].split("\n"):
        upper = line.upper()
        if not any(word in upper for word in _MAY_DROP):
            yield line, at, False
        else:
            begin = 0
            for run in [*_DROPPED.finditer(line), None]:
                part = line[begin : len(line) if run is None else run.start()]
                if part.rfind("[") > part.rfind("]") or part.rfind("<") > part.rfind(">"):
                    part = part[: max(part.rfind("["), part.rfind("<"))]
                if part.strip() or not begin:
                    yield "" if _NUMBER.fullmatch(part) else part, at + begin, begin > 0
                begin = len(line) if run is None else run.end()
        at += len(line) + 1


def _word(text: str) -> tuple[int, int] | None:
    """Where the first word stands that full text knows, or else any word: its begin and its end."""
    first: tuple[int, int] | None = None  # behind the last run that is dropped
    telling: tuple[int, int] | None = None  # the same, but no number: that of a link in a list tells nothing
    dropped: tuple[int, int] | None = None
    number: tuple[int, int] | None = None
    for lo, hi in _pieces(text):
        begin = lo
        for run in [*_DROPPED.finditer(text, lo, hi), None]:
            for word in _WORD.finditer(text, begin, hi if run is None else run.start()):
                number = number or word.span()
                if not word[0].isdigit():
                    if first is None:
                        return word.span()
                    telling = telling or word.span()
                    break
                first = first or word.span()
            if run is None:
                continue
            if telling is not None:
                return telling
            first, begin = None, run.end()
            for word in _WORD.finditer(text, run.start(), run.end()) if dropped is None else ():
                number = number or word.span()
                if not word[0].isdigit():
                    dropped = word.span()
                    break
    return first or dropped or number


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """Yield the borders of pieces of a text, at blanks where there are any."""
    lo = 0
    while lo < len(text):
        hi = min(lo + _PIECE, len(text))
        if hi < len(text):
            hi = max(text.rfind(" ", lo, hi), text.rfind("\n", lo, hi)) + 1 or hi
        yield lo, hi
        lo = hi


def _rank(bare: str) -> int:
    if bare.startswith("#"):
        return HEADING
    if bare.startswith(("|", "<", ":::", "!", "{", "import ", "export ", "[")) or bare.count("|") > 1:
        return TABLE
    return PLAIN


def _starts_item(bare: str) -> bool:
    return bare[0] in "-*+>" or bare[0].isdigit()


def _clean(line: str) -> str:
    """Take the markup off one line."""
    line = _PREFIX.sub("", line, count=1)
    if "[" in line:
        line = _LINK.sub(r"\1", line)
    if "<" in line or "{#" in line:  # not inside code: `<Transition>` is a word of the text
        line = "".join(part if i % 2 else _TAG.sub(" ", part) for i, part in enumerate(_CODE_SPAN.split(line)))
    if "://" in line or "www." in line:
        line = _URL.sub(" ", line)
    line = " ".join(_DRESS.sub("", line).split())
    return line if _WORD.search(line) else ""


def _join(lines: list[str]) -> str:
    text = lines[0]
    for line in lines[1:]:
        glue = "" if WIDE.match(text[-1:]) and WIDE.match(line) else " "
        text += glue + line
    return text


def _cut(paragraphs: list[Passage]) -> list[Passage]:
    """Cut paragraphs into passages of a good length at the ends of sentences."""
    out: list[Passage] = []
    for text, start, rank in paragraphs:
        if len(text) <= LONGEST:
            out.append(Passage(text, start, rank))
            continue
        held, begin = "", 0
        for match in _SENTENCE.finditer(text):
            piece, at = match[0], match.start()
            if held and len(held) + len(piece) > LONGEST * 3 // 4:
                out.append(Passage(_shorten(held), start + begin, rank))
                held = ""
            while len(piece) > LONGEST:  # a sentence that does not end
                head = _shorten(piece)
                out.append(Passage(head, start + at, rank))
                at += len(head)
                piece = piece[len(head) :].lstrip(_CLAUSE_ENDS)
            begin = begin if held else at
            held += piece
        if len(held.strip()) >= SHORTEST or not out:
            out.append(Passage(_shorten(held), start + begin, rank))
    return [p for p in out if _WORD.search(p.text)]


def _shorten(text: str) -> str:
    """Cut to the longest length allowed, at a clause or a blank if there is one in the second half."""
    text = text.strip()
    if len(text) <= LONGEST:
        return text
    part = text[: LONGEST + 1]
    for marks in ("，、：,;:）)", " "):
        at = max(part.rfind(mark) for mark in marks)
        if at >= LONGEST // 2:
            return part[:at]
    end = LONGEST  # no borders at all: at least not inside an emoji or an accent
    while end > LONGEST // 2 and (text[end] in "\u200d\ufe0f" or "\u0300" <= text[end] <= "\u036f"):
        end -= 1
    return text[:end]
