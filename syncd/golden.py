"""Golden questions: what a person says must be found, written beside the documents. Pure.

Two places: the front matter of a document (``questions:`` as a list of texts or tables), and files named
``NAME.questions.toml`` with ``[[questions]]`` tables for the document of that name in the same folder, or for the one
that ``path`` names. Whoever writes documents writes these, so their number and length are bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Question:
    """One golden question.

    Args:
        path: the document that must be found, relative to its source.
        text: the query.
        must_rank: the worst rank that passes; ``None`` is any rank.
        must_not: paths that must not come before the document.
        answer_contains: texts an answer must contain; asked only where an app is configured.
    """

    path: str
    text: str
    must_rank: int | None = None
    must_not: tuple[str, ...] = ()
    answer_contains: tuple[str, ...] = ()

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Question:
        """One that went through JSON."""
        lists = {key: tuple(table[key]) for key in ("must_not", "answer_contains")}
        return cls(**{**table, **lists})


MOST = 1000
"""Questions of one document in one place; each is a search test in every verification."""

LONGEST = 4000
"""Characters of one text; servers refuse what is far longer, and no embedding model reads it."""

_MOST_PROBLEMS = 20  # that are told of one place

Wrong = tuple[int, str]
"""The index of a question, -1 for all of them, and what is wrong with it."""


def parse(raw: object, path: str) -> tuple[list[Question], list[Wrong]]:
    """Questions from a parsed ``questions`` value, and what is wrong with it; what is wrong is not asked.

    Args:
        raw: the value, of any type.
        path: the document the questions belong to.
    """
    if raw is None:
        return [], []
    if not isinstance(raw, list):
        return [], [(-1, "questions must be a list")]
    questions: list[Question] = []
    wrong: list[Wrong] = []
    for index, item in enumerate(raw[:MOST]):
        try:
            questions.append(_question(item, path))
        except ValueError as error:
            wrong.append((index, f"question {index + 1} {error}"))
    if len(wrong) > _MOST_PROBLEMS:
        rest = len(wrong) - _MOST_PROBLEMS
        wrong[_MOST_PROBLEMS:] = [(wrong[_MOST_PROBLEMS][0], f"{rest} more questions are wrong")]
    if len(raw) > MOST:
        wrong.append((MOST, f"there are {len(raw)} questions; the first {MOST} are asked"))
    return questions, wrong


def _question(item: object, path: str) -> Question:
    if isinstance(item, str):
        return Question(path, _text("", item))
    if not isinstance(item, Mapping) or not isinstance(item.get("text"), str):
        raise ValueError("must be a text, or a table with a text")
    rank = item.get("must_rank")
    if rank is not None and (type(rank) is not int or rank < 1):
        raise ValueError('has a "must_rank" that is no whole number from 1 on')
    return Question(
        path=path if item.get("path") is None else _text("path", item["path"]),
        text=_text("text", item["text"]),
        must_rank=rank,
        must_not=_texts("must_not", item.get("must_not")),
        answer_contains=_texts("answer_contains", item.get("answer_contains")),
    )


def _text(key: str, value: object) -> str:
    """One text; raises ``ValueError`` with the end of a sentence that begins with the question."""
    label = f'has a "{key}" that ' if key else ""
    if not isinstance(value, str):
        raise ValueError(f"{label}is no text")
    stripped = value.strip()
    if not stripped:
        raise ValueError(f"{label}is empty")
    if len(stripped) > LONGEST:
        raise ValueError(f"{label}has {len(stripped)} characters; the most is {LONGEST}")
    if any("\ud800" <= character <= "\udfff" for character in stripped):
        raise ValueError(f"{label}holds half a character")
    return stripped


def _texts(key: str, value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return (_text(key, value),)
    if not isinstance(value, list) or len(value) > MOST:
        raise ValueError(f'has a "{key}" that is no list of at most {MOST} texts')
    return tuple(_text(key, each) for each in value)


def judge(question: Question, rank: int | None, ranks: Mapping[str, int]) -> str:
    """The verdict on one question: ``found``, ``outranked`` (found, but too low) or ``missing``.

    Args:
        question: the question.
        rank: the rank of the wanted document; ``None`` when it is not among the hits.
        ranks: path to best rank of all documents among the hits.
    """
    if rank is None:
        return "missing"
    if question.must_rank is not None and rank > question.must_rank:
        return "outranked"
    if any(ranks.get(path, rank + 1) < rank for path in question.must_not):
        return "outranked"
    return "found"


def metrics(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Figures of the automatic probes, and apart from them, under ``golden``, those of golden questions.

    The two are never averaged together: ten failing questions would vanish among a thousand passages (retrieval.md R8).
    """
    ranks: dict[str, list[int | None]] = {"probe": [], "golden": []}
    for row in results:
        ranks[row["kind"]].append(row["rank"])
    return {**figures(ranks["probe"]), "golden": figures(ranks["golden"])}


def figures(ranks: Sequence[int | None]) -> dict[str, float | int | None]:
    """How many were asked, recall at 1, 5 and 10 and the mean reciprocal rank; ``None`` where nothing was asked."""
    total = len(ranks)

    def mean(values: Iterable[float]) -> float | None:
        return round(sum(values) / total, 4) if total else None

    recall = {f"recall@{n}": mean(rank is not None and rank <= n for rank in ranks) for n in (1, 5, 10)}
    return {"n": total, **recall, "mrr": mean(1.0 / rank for rank in ranks if rank is not None)}


def worse(before: Mapping[str, Any], now: Sequence[Mapping[str, Any]]) -> list[str]:
    """What got worse since a baseline: questions that passed and fail now, or that fell in rank."""
    known = {(r["source"], r["path"], r["question"]): r for r in before.get("results", [])}
    found: list[str] = []
    for row in now:
        old = known.get((row["source"], row["path"], row["question"]))
        if old is None or old.get("kind") != "golden" or old.get("verdict") not in ("found", "shared"):
            continue
        if row["verdict"] not in ("found", "shared"):
            found.append(f'{row["path"]}: "{row["question"]}" was found at rank {old["rank"]}, now {row["verdict"]}')
        elif old["rank"] is not None and row["rank"] is not None and row["rank"] > old["rank"]:
            found.append(f'{row["path"]}: "{row["question"]}" fell from rank {old["rank"]} to {row["rank"]}')
    return found
