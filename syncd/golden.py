"""Golden questions: what a person says must be found, written beside the documents. Pure.

Two places: the front matter of a document (``questions:`` as a list of texts or tables), and files named
``NAME.questions.toml`` with ``[[questions]]`` tables for the document of that name in the same folder, or for the one
that ``path`` names.
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


def read(data: bytes) -> dict[str, Any]:
    """Return the tables of a file of questions; it is TOML, so UTF-8.

    Raises:
        ValueError: it is not; the message says what and where.
    """
    import tomllib

    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"it is no UTF-8, line {line}: save it as UTF-8") from None


def parse(raw: object, path: str, where: str) -> tuple[list[Question], list[str]]:
    """Questions from a parsed ``questions`` value, and what is wrong with it.

    Args:
        raw: the value, of any type.
        path: the document the questions belong to.
        where: the file, for the problems.
    """
    if raw is None:
        return [], []
    if not isinstance(raw, Sequence) or isinstance(raw, (str, bytes)):
        return [], [f"{where}: questions must be a list"]
    questions: list[Question] = []
    problems: list[str] = []
    for number, item in enumerate(raw, 1):
        if isinstance(item, str) and item.strip():
            questions.append(Question(path, item.strip()))
        elif isinstance(item, Mapping) and isinstance(item.get("text"), str) and item["text"].strip():
            questions.append(_table(item, path))
        else:
            problems.append(f"{where}: question {number} must be a text, or a table with a text")
    return questions, problems


def _table(item: Mapping[str, Any], path: str) -> Question:
    rank = item.get("must_rank")
    return Question(
        path=str(item.get("path") or path),
        text=str(item["text"]).strip(),
        must_rank=rank if isinstance(rank, int) and not isinstance(rank, bool) and rank > 0 else None,
        must_not=_texts(item.get("must_not")),
        answer_contains=_texts(item.get("answer_contains")),
    )


def _texts(raw: object) -> tuple[str, ...]:
    if isinstance(raw, str):
        return (raw,)
    if isinstance(raw, Sequence):
        return tuple(str(item) for item in raw)
    return ()


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
