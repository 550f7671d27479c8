"""Search tests of a document: which passages to ask for, and what the answer means; pure.

A probe is a sentence of the document itself. Sentences with words that occur once in the document are preferred, and
non-ASCII text where there is any: that is what gets lost on the way (observed fact 1). On a real server such
passages found their document first in 107 of 108 searches (observed fact 21).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Container, Sequence
from typing import NamedTuple

from syncd.compare import normalise
from syncd.models import CollectionId, Hit, Probe, ProbeResult, Verdict

SHORTEST, LONGEST = 20, 160
"""Length of a passage in characters, where the document allows it."""

_WINDOW = 5_000  # characters looked at in each part of a large document
_WHOLE = 16_000  # a text up to this length is looked at as a whole

_FRONT = re.compile(r"\ufeff?(---|\+\+\+)[ \t]*\r?\n.*?\n\1[ \t]*(?:\r?\n|$)", re.DOTALL)
_FENCE = re.compile(r"\s{0,3}(?:```|~~~)")
_PREFIX = re.compile(r"^\s*(?:(?:>|[-*+]|\d{1,3}[.)、]|#{1,6}|\[[ xX]\])\s+|>)*")
_LINK = re.compile(r"!?\[([^\]\n]*)\](?:\([^)\n]*\)|\[[^\]\n]*\])")
_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,300}>|<!--.*?-->|\{#[^}\n]*\}")
_CODE_SPAN = re.compile(r"(`[^`\n]+`)")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+|www\.\S+")
_DRESS = re.compile(r"\*\*|__|[*`|~]+|\\(?=[!-/:-@\[-`{-~])")
_SENTENCE = re.compile(r"[^。！？!?；;.\n]+(?:[.](?!\s|$)[^。！？!?；;.\n]*)*[。！？!?；;.\n]*[”’\"')）」』]*\s*")
_CJK = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+")
_LETTER = re.compile(r"[^\W\d_\x00-\x7f]")
_WIDE = re.compile(rf"[{_CJK}]")
_CLAUSE = re.compile(rf"[{_CJK}]+|[^\W_{_CJK}]+")
_PLAIN, _TABLE, _HEAD, _CODE = 0, 1, 2, 3  # how little a line tells, as a rank


class _Passage(NamedTuple):
    text: str
    start: int  # offset in the document
    rank: int


def choose(text: str, count: int, *, avoid: frozenset[str] = frozenset()) -> tuple[Probe, ...]:
    """Cut up to ``count`` probes from different parts of ``text``, in the order of the document.

    Args:
        text: the plain text or Markdown of the document.
        count: how many are wanted; a tiny document gives fewer.
        avoid: texts of probes that shall not be used again.

    Returns:
        At least one probe for a text with a letter or a digit (unless ``avoid`` holds all there is); the same ones
        for the same arguments.
    """
    if count < 1:
        return ()
    passages = [p for p in _passages(text, count) if p.text not in avoid]
    words = {p.text: _tokens(p.text) for p in passages}
    counts = Counter(token for p in passages for token in words[p.text])
    size = max(len(text), 1)
    ranked = sorted(passages, key=lambda p: (-_score(p, words[p.text], counts), p.start))
    chosen: dict[str, _Passage] = {}
    for part in range(count):  # the best prose of each part, then the best of what is left
        lo, hi = size * part // count, size * (part + 1) // count
        for p in ranked:
            if p.rank == _PLAIN and lo <= p.start < hi and len(p.text) >= SHORTEST and p.text not in chosen:
                chosen[p.text] = p
                break
    for p in ranked:
        if len(chosen) >= count or (chosen and len(p.text) < SHORTEST // 2):
            break
        chosen.setdefault(p.text, p)
    picked = sorted(chosen.values(), key=lambda p: p.start)
    return tuple(Probe(p.text, _rare(p.text, counts), min(p.start / size, 1.0)) for p in picked)


def judge(
    probe: Probe,
    hits: Sequence[Hit],
    own: CollectionId,
    *,
    mode: str,
    twins: Container[CollectionId] | Callable[[CollectionId], bool] = (),
) -> ProbeResult:
    """Return what a search test's answer says of ``probe``.

    Args:
        probe: what was asked.
        hits: the answer.
        own: the collection that should be found.
        mode: how it was asked.
        twins: other documents' visible revisions that were themselves found by their own id (rule 7); never an older
            version of the same document.

    Returns:
        ``found`` with the best rank, ``shared`` when a twin's hit holds the very passage, else ``missing``. The score
        types are those of all our hits in the answer (of the twin's hit when shared).
    """
    ours = [hit for hit in hits if hit.collection_id == own]
    if ours:
        best = min(ours, key=lambda hit: hit.rank)
        types = frozenset[str]().union(*(hit.score_types for hit in ours))
        return ProbeResult(probe, mode, Verdict.FOUND, best.rank, best.score, types)
    passage = normalise(probe.text)
    for hit in sorted(hits, key=lambda hit: hit.rank):
        known = twins(hit.collection_id) if callable(twins) else hit.collection_id in twins
        if known and passage and passage in normalise(hit.text):
            return ProbeResult(
                probe, mode, Verdict.SHARED, hit.rank, hit.score, hit.score_types, shared_with=hit.collection_id
            )
    return ProbeResult(probe, mode, Verdict.MISSING)


def judge_outranked(result: ProbeResult, hits: Sequence[Hit], own: CollectionId) -> ProbeResult:
    """Turn ``missing`` into ``outranked`` when the full-text look for the rare words has found our collection."""
    ours = [hit for hit in hits if hit.collection_id == own]
    if result.verdict is not Verdict.MISSING or not ours:
        return result
    types = result.score_types.union(*(hit.score_types for hit in ours))
    return ProbeResult(result.probe, result.mode, Verdict.OUTRANKED, None, None, types)


def needs_more(results: Sequence[ProbeResult]) -> str | None:
    """Return the search mode to ask once more in, because its score type was not seen yet (rule 9), else ``None``.

    A mode that was already asked by itself is not named again.
    """
    if not results:
        return None
    seen = frozenset[str]().union(*(result.score_types for result in results))
    asked = {result.mode for result in results}
    for score, mode in (("embedding", "embedding"), ("fullText", "fullTextRecall")):
        if score not in seen and mode not in asked:
            return mode
    return None


# ---------------------------------------------------------------- passages


def _passages(text: str, count: int) -> list[_Passage]:
    """Return the candidate passages; of a large text those of a window in each part."""
    front = _FRONT.match(text, 0, min(len(text), 70_000))
    begin = front.end() if front and _WORD.search(text, front.end()) else 0
    found: list[_Passage] = []
    for lo, hi in _windows(text, begin, count):
        found.extend(_cut(_paragraphs(text, lo, hi)))
    if not found and (word := _WORD.search(text)):
        rough = " ".join(text[word.start() : word.start() + LONGEST * 4].split())
        found.append(_Passage(_shorten(rough), word.start(), _CODE))
    return found


def _windows(text: str, begin: int, count: int) -> list[tuple[int, int]]:
    size = len(text) - begin
    if size <= _WHOLE:
        return [(begin, len(text))]
    windows = []
    for part in range(count):
        lo = begin + size * part // count + max(0, (size // count - _WINDOW) // 2)
        line = text.find("\n", lo, lo + 2000)
        lo = line + 1 if line >= 0 else lo
        windows.append((lo, min(len(text), lo + _WINDOW)))
    return windows


def _paragraphs(text: str, lo: int, hi: int) -> list[_Passage]:
    """Return cleaned paragraphs with their ranks; lines of one paragraph are joined."""
    fenced = (text.count("```", 0, lo) % 2 == 1) if lo else False
    out: list[_Passage] = []
    held: list[str] = []
    start = at = lo
    for line in text[lo:hi].split("\n"):
        here, at = at, at + len(line) + 1
        bare = line.strip()
        rank = _CODE if fenced else _rank(bare)
        if _FENCE.match(line):
            fenced = not fenced
            bare = ""
        clean = _clean(bare) if bare and rank != _CODE else bare
        fresh = rank != _PLAIN or not clean or (len(clean) < len(bare) and _starts_item(bare))
        if held and fresh:
            out.append(_Passage(_join(held), start, _PLAIN))
            held = []
        if not clean:
            continue
        if rank != _PLAIN:
            out.append(_Passage(clean, here, rank))
            continue
        if not held:
            start = here
        held.append(clean)
    if held:
        out.append(_Passage(_join(held), start, _PLAIN))
    return out


def _rank(bare: str) -> int:
    if bare.startswith("#"):
        return _HEAD
    if bare.startswith(("|", "<", ":::", "!", "{", "import ", "export ", "[")) or bare.count("|") > 1:
        return _TABLE
    return _PLAIN


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
        glue = "" if _WIDE.match(text[-1:]) and _WIDE.match(line) else " "
        text += glue + line
    return text


def _cut(paragraphs: list[_Passage]) -> list[_Passage]:
    """Cut paragraphs into passages of a good length at the ends of sentences."""
    out: list[_Passage] = []
    for text, start, rank in paragraphs:
        if len(text) <= LONGEST:
            out.append(_Passage(text, start, rank))
            continue
        held, begin = "", 0
        for match in _SENTENCE.finditer(text):
            piece = match[0]
            if held and len(held) + len(piece) > LONGEST * 3 // 4:
                out.append(_Passage(_shorten(held.strip()), start + begin, rank))
                held = ""
            if not held:
                begin = match.start()
            held += piece
        if len(held.strip()) >= SHORTEST or not out:
            out.append(_Passage(_shorten(held.strip()), start + begin, rank))
    return [p for p in out if _WORD.search(p.text)]


def _shorten(text: str) -> str:
    """Cut to the longest length allowed, at a clause or a blank if there is one in the second half."""
    if len(text) <= LONGEST:
        return text
    part = text[:LONGEST]
    for marks in ("，、：,;:）)", " "):
        at = max(part.rfind(mark) for mark in marks)
        if at >= LONGEST // 2:
            return part[: at + (marks != " ")].strip()
    end = LONGEST  # no borders at all: at least not inside an emoji or an accent
    while end > LONGEST // 2 and (text[end] in "\u200d\ufe0f" or "\u0300" <= text[end] <= "\u036f"):
        end -= 1
    return text[:end]


# ---------------------------------------------------------------- which passages are telling


def _tokens(text: str) -> list[str]:
    """Words, and pairs of neighbours in CJK text."""
    tokens: list[str] = []
    for word in _CLAUSE.findall(text.lower()):
        if word < "\u3040" or not _WIDE.match(word):
            tokens.append(word)
        else:
            tokens += [word[i : i + 2] for i in range(len(word) - 1)] or [word]
    return tokens


def _score(passage: _Passage, tokens: list[str], counts: Counter[str]) -> float:
    """Rare words, a good length and non-ASCII letters count; headings, tables and code count against it."""
    text = passage.text
    length = len(text)
    rare = sum([1.0 / counts[token] for token in set(tokens)])
    score = min(rare, 20.0) + min(length, 80) / 20
    if not text.isascii():
        score += min(30.0, 60.0 * len(_LETTER.findall(text)) / length)
    if length < SHORTEST:
        score -= 45.0
    return score - (0.0, 40.0, 20.0, 60.0)[passage.rank]


def _rare(text: str, counts: Counter[str]) -> str:
    """Return the rarest words of a passage in their order: up to four, CJK ones in pieces of up to eight characters."""
    pieces: list[tuple[float, int, str]] = []
    for order, match in enumerate(_CLAUSE.finditer(text)):
        word = match[0]
        if _WIDE.match(word):
            word = _rarest_window(word, counts)
        tokens = _tokens(word)
        if tokens and (len(word) > 1):
            common = sum(counts[token] for token in tokens) / len(tokens)
            pieces.append((common - min(len(word), 8) / 16, order, word))
    best = sorted(sorted(pieces)[:4], key=lambda piece: piece[1])
    return " ".join(dict.fromkeys(word for _, _, word in best)) or text[:LONGEST]


def _rarest_window(clause: str, counts: Counter[str]) -> str:
    if len(clause) <= 8:
        return clause
    costs = [counts[clause[i : i + 2]] for i in range(len(clause) - 1)]
    best = min(range(len(clause) - 7), key=lambda i: sum(costs[i : i + 7]))
    return clause[best : best + 8]
