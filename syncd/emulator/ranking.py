"""Which rows a query finds, and in what order.

Full text asks SQLite's FTS5 for candidates by the query's rarest words and orders them as MongoDB does: by how many
of the query's words stand there, not by how rare they are. The "embedding" is a stand-in without a model: rows are
compared with the query by the share of its weighted words they hold, mixed with a cosine. Like a real vector search it
always returns its nearest rows, however far they are.
"""

from __future__ import annotations

import math
import sqlite3
from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from syncd.emulator.store import Store
from syncd.emulator.words import all_words, phrases, words

_LONGEST_QUERY = 4000
_CACHED = 20_000
_QUERY_WORDS = 24  # the rarest ones choose the candidates; common words cost time and decide little
_ENOUGH_MATCHES = 4_000
_CANDIDATES = 250
RECALL = {"embedding": (100, 0), "fullTextRecall": (0, 100), "mixedRecall": (80, 60)}  # fastgpt-api.md 2.8

_FIND = """
select d.n from (select rowid as n, rank as score from texts where texts match ? order by rank limit ?) best
    cross join datas d on d.n = best.n cross join collections c on c.n = d.cn
where d.dataset = ? and (? or c.forbid is null or c.forbid = 0) order by best.score, d.n limit ?
"""
_FILL = """
select d.n from datas d cross join collections c on c.n = d.cn
where d.dataset = ? and (? or c.forbid is null or c.forbid = 0) order by d.n limit 100
"""
_MORE = "select 1 from datas limit 1 offset ?"  # a row, where there are more than so many


@dataclass(slots=True)
class Hit:
    """One row found: its number and score in one kind of search."""

    n: int
    value: float


@dataclass(slots=True)
class _Row:
    """The words of a row: how often each stands there, how many they are; all that a model sees, and its length."""

    counts: dict[str, int]
    total: int
    seen: dict[str, int]
    norm: float


class Ranking:
    """Searches of one store; keeps the word counts of rows it has compared before."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rows: OrderedDict[int, _Row] = OrderedDict()

    def full_text(self, dataset: str, text: str, limit: int, hidden: bool) -> list[Hit]:
        """Rows by MongoDB's text score; those without a phrase in double quotes are none. ``hidden`` lets all in."""
        asked = Counter(words(text[:_LONGEST_QUERY]))
        if not asked:
            return []
        must = [" ".join(phrase) for phrase in phrases(text[:_LONGEST_QUERY])]
        query = "{x} : (" + " OR ".join(f'"{word}"' for word in self._weights(asked)) + ")"
        if must:
            query = " AND ".join(f'{{x}} : "{phrase}"' for phrase in must)
        numbers = self._match(dataset, query, _CANDIDATES, hidden)
        self._load(set(numbers))
        hits = [Hit(n, _text_score(self._rows[n], asked)) for n in numbers]
        hits.sort(key=lambda hit: (-hit.value, hit.n))
        return hits[:limit]

    def embedding(self, dataset: str, text: str, limit: int, hidden: bool) -> list[Hit]:
        """Rows by likeness, between 0.1 (nothing in common) and 0.95 (the same text).

        Figures do not count: models hardly tell numbers apart, so near-equal documents come in no good order.
        """
        asked = Counter(word for word in all_words(text[:_LONGEST_QUERY].replace("*", "")) if not _has_digit(word))
        weights = self._weights(asked)
        query = " OR ".join(f'"{word}"' for word in weights)
        numbers = set(self._match(dataset, query, _CANDIDATES, hidden)) if weights else set()
        if len(numbers) < limit:
            numbers.update(row["n"] for row in self._store.all(_FILL, dataset, hidden))
        self._load(numbers)
        total = sum(weights.values()) or 1.0
        norm = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
        hits = []
        for n in numbers:
            row = self._rows[n]
            seen, cover, product = row.seen, 0.0, 0.0
            for word, weight in weights.items():
                if word in seen:
                    cover += weight
                    product += weight * (1 + math.log(seen[word]))
            cosine = product / (norm * row.norm)
            hits.append(Hit(n, 0.1 + 0.85 * (cover / total) * (0.6 + 0.4 * min(1.0, cosine))))
        hits.sort(key=lambda hit: (-hit.value, hit.n))
        return hits[:limit]

    def forget(self) -> None:
        """The rows are no longer what they were."""
        self._rows.clear()

    def _weights(self, asked: Counter[str]) -> dict[str, float]:
        """The rarest words of the query with their weights."""
        rows = max(1, self._store.number("select max(n) from datas"))
        weighted = []
        for word, number in asked.items():
            documents = self._store.number("select doc from vocabulary where term = ?", word)
            weighted.append((documents, word, (1 + math.log(number)) * math.log(1 + rows / (documents + 0.5))))
        weighted.sort()
        # Words that stand nowhere find nothing, but they count against every row.
        absent = [item for item in weighted if item[0] == 0][:_QUERY_WORDS]
        chosen = {word: weight for _, word, weight in absent}
        matches = 0
        for documents, word, weight in [item for item in weighted if item[0]][:_QUERY_WORDS]:
            if len(chosen) >= len(absent) + 3 and matches + documents > _ENOUGH_MATCHES:
                break
            matches += documents
            chosen[word] = weight
        return chosen

    def _match(self, dataset: str, query: str, limit: int, hidden: bool) -> list[int]:
        """The best rows of a dataset by FTS5's own rank."""
        try:
            for best in (limit * 2, -1):  # the rest is only asked for where hidden rows and other datasets crowd
                found = self._store.all(_FIND, query, best, dataset, hidden, limit)
                if len(found) == limit or not self._store.all(_MORE, best):
                    break
        except sqlite3.OperationalError:  # a word FTS5 cannot read finds nothing
            return []
        return [int(row["n"]) for row in found]

    def _load(self, numbers: set[int]) -> None:
        """Word counts of rows."""
        missing = [n for n in numbers if n not in self._rows]
        for start in range(0, len(missing), 500):
            part = missing[start : start + 500]
            marks = ",".join("?" * len(part))
            for row in self._store.all(f"select rowid, x, v from texts where rowid in ({marks})", *part):
                counts = Counter(row["x"].split())
                seen = counts + Counter(row["v"].split()) if row["v"] else counts
                squares = ((1 + math.log(number)) ** 2 for word, number in seen.items() if not _has_digit(word))
                self._rows[row["rowid"]] = _Row(counts, counts.total(), seen, math.sqrt(sum(squares)) or 1.0)
        for n in numbers:
            self._rows.setdefault(n, _Row({}, 1, {}, 1.0))
            self._rows.move_to_end(n)
        while len(self._rows) > max(_CACHED, len(numbers)):
            self._rows.popitem(last=False)


@lru_cache(maxsize=100_000)
def _has_digit(word: str) -> bool:
    return not word.isalpha() and any(sign.isdigit() for sign in word)


def _text_score(row: _Row, asked: Iterable[str]) -> float:
    """MongoDB's: every word found counts at least a half, however common it is; repetitions count less and less."""
    score = 0.0
    for word in asked:
        count = row.counts.get(word, 0)
        if count:
            score += (2 - 2 ** (1 - count)) * (0.5 + 0.5 * count / row.total)
    return score


def fuse(parts: list[tuple[list[Hit], float]]) -> list[Hit]:
    """Reciprocal rank fusion with k = 60 and the weights of the two searches (record, searchTest mixedRecall)."""
    scores: dict[int, float] = {}
    for hits, weight in parts:
        for rank, hit in enumerate(hits, 1):
            scores[hit.n] = scores.get(hit.n, 0.0) + weight / (60 + rank)
    return [Hit(n, value) for n, value in sorted(scores.items(), key=lambda item: (-item[1], item[0]))]
