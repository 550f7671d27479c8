"""Which rows a query finds, and in what order.

Full text is SQLite's FTS5 with bm25 over words and pairs of CJK characters. The "embedding" is a stand-in without a
model: rows are compared with the query by the share of its weighted words they hold, mixed with a cosine. Like a real
vector search it always returns its nearest rows, however far they are.
"""

from __future__ import annotations

import math
import re
import sqlite3
import unicodedata
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from syncd.emulator.store import Store

_CJK = r"\u3400-\u4dbf\u4e00-\u9fff\u3040-\u30ff\uac00-\ud7af\uf900-\ufaff"
_WORDS = re.compile(rf"[{_CJK}]+|[^\W_{_CJK}]+")
_IS_CJK = re.compile(rf"[{_CJK}]")
_CACHED = 20_000
_QUERY_TOKENS = 24  # the rarest ones; common words cost time and decide nothing
_ENOUGH_MATCHES = 20_000
_CANDIDATES = 150
RECALL = {"embedding": (100, 0), "fullTextRecall": (0, 100), "mixedRecall": (80, 60)}  # fastgpt-api.md 2.8

_FIND = """
select d.n, -bm25(texts) as score from texts cross join datas d on d.n = texts.rowid
    cross join collections c on c.n = d.cn
where texts match ? and d.dataset = ? and (? or c.forbid is null or c.forbid = 0)
order by bm25(texts), d.n limit ?
"""
_FILL = """
select d.n from datas d cross join collections c on c.n = d.cn
where d.dataset = ? and (? or c.forbid is null or c.forbid = 0) order by d.n limit 100
"""


def tokens(text: str) -> Iterator[str]:
    """Words, and overlapping pairs of CJK characters."""
    for match in _WORDS.finditer(unicodedata.normalize("NFKC", text).lower()):
        word = match.group()
        if len(word) == 1 or not _IS_CJK.match(word):
            yield word
        else:
            yield from (word[index : index + 2] for index in range(len(word) - 1))


def indexed_text(q: str, a: str, extra: list[str]) -> str:
    """What the full-text index holds for a row."""
    return " ".join(tokens(" ".join((q, a, *extra))))


@dataclass(slots=True)
class Hit:
    """One row found: its number and score in one kind of search."""

    n: int
    value: float


class Ranking:
    """Searches of one store; keeps the word counts of rows it has compared before."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._vectors: OrderedDict[int, dict[str, float]] = OrderedDict()

    def full_text(self, dataset: str, text: str, limit: int, hidden: bool) -> list[Hit]:
        """Rows by bm25; ``hidden`` lets forbidden collections in."""
        words = self._query(text)
        return self._match(dataset, list(words), limit, hidden) if words else []

    def embedding(self, dataset: str, text: str, limit: int, hidden: bool) -> list[Hit]:
        """Rows by likeness, between 0.1 (nothing in common) and 0.95 (the same text)."""
        words = self._query(text)
        numbers = {hit.n for hit in self._match(dataset, list(words), _CANDIDATES, hidden)} if words else set()
        if len(numbers) < limit:
            numbers.update(row["n"] for row in self._store.all(_FILL, dataset, hidden))
        self._load(numbers)
        total = sum(words.values()) or 1.0
        norm = math.sqrt(sum(weight * weight for weight in words.values())) or 1.0
        hits = []
        for n in numbers:
            vector = self._vectors[n]
            shared = [(weight, vector[word]) for word, weight in words.items() if word in vector]
            cover = sum(weight for weight, _ in shared) / total
            cosine = sum(weight * value for weight, value in shared) / (norm * vector[""])
            hits.append(Hit(n, 0.1 + 0.85 * cover * (0.6 + 0.4 * min(1.0, cosine))))
        hits.sort(key=lambda hit: (-hit.value, hit.n))
        return hits[:limit]

    def forget(self) -> None:
        """The rows are no longer what they were."""
        self._vectors.clear()

    def _query(self, text: str) -> dict[str, float]:
        """The rarest words of the query with their weights."""
        counts = Counter(tokens(text[:4000]))
        rows = max(1, self._store.number("select max(n) from datas"))
        weighted = []
        for word, number in counts.items():
            documents = self._store.number("select doc from vocabulary where term = ?", word)
            weighted.append((documents, word, (1 + math.log(number)) * math.log(1 + rows / (documents + 0.5))))
        weighted.sort()
        # Words that stand nowhere find nothing, but they count against every row.
        absent = [item for item in weighted if item[0] == 0][:_QUERY_TOKENS]
        chosen = {word: weight for _, word, weight in absent}
        matches = 0
        for documents, word, weight in [item for item in weighted if item[0]][:_QUERY_TOKENS]:
            if len(chosen) >= len(absent) + 3 and matches + documents > _ENOUGH_MATCHES:
                break
            matches += documents
            chosen[word] = weight
        return chosen

    def _match(self, dataset: str, words: list[str], limit: int, hidden: bool) -> list[Hit]:
        query = " OR ".join(f'"{word}"' for word in words)
        try:
            found = self._store.all(_FIND, query, dataset, hidden, limit)
        except sqlite3.OperationalError:  # a word FTS5 cannot read finds nothing
            return []
        return [Hit(row["n"], row["score"]) for row in found]

    def _load(self, numbers: set[int]) -> None:
        """Word weights of rows, with their length under the empty word."""
        missing = [n for n in numbers if n not in self._vectors]
        for start in range(0, len(missing), 500):
            part = missing[start : start + 500]
            marks = ",".join("?" * len(part))
            for row in self._store.all(f"select rowid, x from texts where rowid in ({marks})", *part):
                vector = {word: 1 + math.log(number) for word, number in Counter(row["x"].split(" ")).items()}
                vector[""] = math.sqrt(sum(value * value for value in vector.values())) or 1.0
                self._vectors[row["rowid"]] = vector
        for n in numbers:
            self._vectors.setdefault(n, {"": 1.0})
            self._vectors.move_to_end(n)
        while len(self._vectors) > max(_CACHED, len(numbers)):
            self._vectors.popitem(last=False)


def fuse(parts: list[tuple[list[Hit], float]]) -> list[Hit]:
    """Reciprocal rank fusion with k = 60 and the weights of the two searches (record, searchTest mixedRecall)."""
    scores: dict[int, float] = {}
    for hits, weight in parts:
        for rank, hit in enumerate(hits, 1):
            scores[hit.n] = scores.get(hit.n, 0.0) + weight / (60 + rank)
    return [Hit(n, value) for n, value in sorted(scores.items(), key=lambda item: (-item[1], item[0]))]
