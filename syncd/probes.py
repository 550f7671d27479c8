"""Search tests of a document: which passages to ask for, and what the answer means; pure.

A probe is a sentence of the document itself. Sentences with words that occur once in the document are preferred, and
non-ASCII text where there is any: that is what gets lost on the way (observed fact 1). On a real server such
passages found their document first in 107 of 108 searches (observed fact 21).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Sequence
from dataclasses import replace

from syncd.compare import normalise
from syncd.models import CollectionId, Hit, Probe, ProbeResult, Verdict
from syncd.passages import CLAUSE, LETTER, LONGEST, PLAIN, SHORTEST, WIDE, Passage, passages_of

_INSTEAD = 5  # collections that are remembered where ours is missing


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
    passages = [p for p in passages_of(text, count) if p.text not in avoid]
    words = {p.text: _tokens(p.text) for p in passages}
    counts = Counter(token for p in passages for token in words[p.text])
    size = max(len(text), 1)
    ranked = sorted(passages, key=lambda p: (-_score(p, words[p.text], counts), p.start))
    chosen: dict[str, Passage] = {}
    prose = [p for p in ranked if p.rank == PLAIN and len(p.text) >= SHORTEST]
    foreign = [p for p in prose if len(LETTER.findall(p.text)) * 5 >= len(p.text)]
    pool = foreign if len(foreign) >= count else prose
    for part in range(count):  # the best prose of each part, then the best of what is left
        lo, hi = size * part // count, size * (part + 1) // count
        best = next((p for p in pool if lo <= p.start < hi and p.text not in chosen), None)
        if best is not None:
            chosen[best.text] = best
    for p in ranked:
        if len(chosen) >= count or (chosen and len(p.text) < SHORTEST // 2):
            break
        chosen.setdefault(p.text, p)
    picked = sorted(chosen.values(), key=lambda p: p.start)
    return tuple(Probe(p.text, _rare(p.text, counts), min(p.start / size, 1.0)) for p in picked)


def candidates(text: str, count: int) -> list[str]:
    """Return the passages that ``choose`` may choose from."""
    return [passage.text for passage in passages_of(text, count)] if count > 0 else []


def holds_it(probe: Probe, hits: Sequence[Hit]) -> bool:
    """Whether a hit, whosever it is, holds the very passage."""
    passage = normalise(probe.text)
    return bool(passage) and any(passage in normalise(hit.text) for hit in hits)


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
    instead = tuple(dict.fromkeys(hit.collection_id for hit in sorted(hits, key=lambda hit: hit.rank)))[:_INSTEAD]
    return ProbeResult(probe, mode, Verdict.MISSING, instead=instead)


def judge_outranked(result: ProbeResult, hits: Sequence[Hit], own: CollectionId) -> ProbeResult:
    """Turn ``missing`` into ``outranked`` when another question for the passage has found our collection."""
    ours = [hit for hit in hits if hit.collection_id == own]
    if result.verdict is not Verdict.MISSING or not ours:
        return result
    types = result.score_types.union(*(hit.score_types for hit in ours))
    return replace(result, verdict=Verdict.OUTRANKED, score_types=types)


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


# ---------------------------------------------------------------- which passages are telling


def _tokens(text: str) -> list[str]:
    """Words, and pairs of neighbours in CJK text."""
    tokens: list[str] = []
    for word in CLAUSE.findall(text.lower()):
        if word < "\u3040" or not WIDE.match(word):
            tokens.append(word)
        else:
            tokens += [word[i : i + 2] for i in range(len(word) - 1)] or [word]
    return tokens


def _score(passage: Passage, tokens: list[str], counts: Counter[str]) -> float:
    """Rare words, a good length and non-ASCII letters count; headings, tables and code count against it."""
    text = passage.text
    length = len(text)
    rare = sum([1.0 / counts[token] for token in set(tokens)])
    score = min(rare, 20.0) + min(length, 80) / 20
    if not text.isascii():
        score += min(30.0, 60.0 * len(LETTER.findall(text)) / length)
    if length < SHORTEST:
        score -= 45.0
    return score - (0.0, 40.0, 20.0, 60.0)[passage.rank]


def _rare(text: str, counts: Counter[str]) -> str:
    """Return the rarest words of a passage in their order: up to four, CJK ones in pieces of up to eight characters."""
    pieces: list[tuple[float, int, str]] = []
    for order, match in enumerate(CLAUSE.finditer(text)):
        word = match[0]
        if WIDE.match(word):
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
