"""core/dataset/searchTest (record, section 8; observed facts 16, 18 and 21)."""

from __future__ import annotations

import math
import re
import sqlite3
from functools import lru_cache
from typing import Any

from syncd.emulator.answers import ApiError, missing_params, thrown
from syncd.emulator.call import Call, check
from syncd.emulator.core import Core
from syncd.emulator.data_routes import indexes_of
from syncd.emulator.naming import iso
from syncd.emulator.ranking import RECALL, Hit, fuse
from syncd.emulator.search_faults import Lies

_PUNCTUATION = re.compile(r"[\W_]+")
_MAX_TOKENS = 20_000
_DEFAULT_TOKENS = 5000
_REMEMBERED = 4096  # texts; each search answers with up to a hundred rows, and they are the same ones again and again


def search_test(call: Call) -> dict[str, Any]:
    """``limit`` counts tokens; ``similarity`` counts in embedding mode only; an unknown mode means embedding."""
    check(call, datasetId="str", text="str", limit="num?", similarity="num?", searchMode="str?")
    core, body = call.core, call.body
    text = body.get("text")
    if not isinstance(text, str) or not text:
        raise missing_params()
    dataset = core.dataset(body.get("datasetId"))
    mode = body.get("searchMode")
    mode = mode if mode in RECALL else "embedding"
    limit, similarity = _number(body.get("limit"), _DEFAULT_TOKENS), _number(body.get("similarity"), 0)
    _allow(core)
    lies = Lies(core)
    if lies.fails:
        raise thrown("lab: injected failure")
    rows = find(core, [dataset["id"]], text, str(mode), similarity, min(limit, _MAX_TOKENS), lies)
    return {
        "list": rows,
        "duration": "0.012s",
        "usingReRank": False,
        "searchMode": mode,
        "limit": body.get("limit", _DEFAULT_TOKENS),
        "similarity": body.get("similarity", 0),
        "usingSimilarityFilter": mode == "embedding",
    }


def _number(value: object, default: float) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default


def _allow(core: Core) -> None:
    """The limit per address and second, on only where the server sets it (fastgpt-api.md 1.5)."""
    allowed = core.options.ip_limit
    if allowed is None:
        return
    second = math.floor(core.elapsed())
    last, used = core.searches
    core.searches = (second, used + 1 if second == last else 1)
    if core.searches[1] > allowed:
        raise ApiError(429, None, f"Too many request, request {allowed} times every 1 seconds", http=429)


def find(
    core: Core, datasets: list[str], text: str, mode: str, similarity: float, limit: float, lies: Lies
) -> list[dict[str, Any]]:
    """The rows of a search, as answered."""
    near: list[Hit] = []
    words: list[Hit] = []
    near_limit, words_limit = RECALL[mode]
    wide = 100 if lies.active else 0  # lies remove rows; then the recall must be wider
    for dataset in datasets:
        if near_limit:
            near += core.ranking.embedding(dataset, text, near_limit + wide, lies.needs_hidden)
        if words_limit:
            words += core.ranking.full_text(dataset, text, words_limit + wide, lies.needs_hidden)
    near.sort(key=lambda hit: (-hit.value, hit.n))
    words.sort(key=lambda hit: (-hit.value, hit.n))
    rows = _load(core, {hit.n for hit in near} | {hit.n for hit in words})
    near = lies.bend(near, rows, "embedding")[:near_limit]
    words = lies.bend(words, rows, "fullText")[:words_limit]
    if mode == "embedding":
        merged = [hit for hit in near if hit.value >= similarity]
    elif mode == "fullTextRecall":
        merged = words
    else:
        merged = fuse([(near, 0.5), (words, 0.5)])
    ranks = {"embedding": _ranks(near), "fullText": _ranks(words)}
    answered = _answers(core, merged, rows, ranks, mode)
    return _within(lies.order(answered), limit)


def _ranks(hits: list[Hit]) -> dict[int, tuple[int, float]]:
    return {hit.n: (index, hit.value) for index, hit in enumerate(hits)}


def _load(core: Core, numbers: set[int]) -> dict[int, sqlite3.Row]:
    found: dict[int, sqlite3.Row] = {}
    wanted = sorted(numbers)
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        marks = ",".join("?" * len(part))
        for row in core.store.all(
            "select d.*, c.name as source_name, c.file_id as source_id, c.forbid as forbid from datas d "
            f"join collections c on c.n = d.cn where d.n in ({marks})",
            *part,
        ):
            found[row["n"]] = row
    return found


def _answers(
    core: Core,
    merged: list[Hit],
    rows: dict[int, sqlite3.Row],
    ranks: dict[str, dict[int, tuple[int, float]]],
    mode: str,
) -> list[dict[str, Any]]:
    """Rows in order; equal question and answer are merged across collections (fastgpt-api.md 2.8)."""
    seen: set[str] = set()
    answered: list[dict[str, Any]] = []
    for hit in merged:
        row = rows[hit.n]
        key = _signs_of(row["q"] + row["a"])
        if key in seen:
            continue
        seen.add(key)
        scores = [
            {"type": kind, "value": found[hit.n][1], "index": found[hit.n][0]}
            for kind, found in ranks.items()
            if hit.n in found
        ]
        if mode == "mixedRecall":
            scores.append({"type": "rrf", "value": hit.value, "index": len(answered)})
        answered.append(_answer(row, scores))
    return answered


def _answer(row: sqlite3.Row, scores: list[dict[str, Any]]) -> dict[str, Any]:
    shape: dict[str, Any] = {"id": row["id"], "updateTime": iso(row["update_time"]), "q": row["q"]}
    if row["a"]:
        shape["a"] = row["a"]
    shape |= {"chunkIndex": row["chunk_index"], "datasetId": row["dataset"], "collectionId": row["collection"]}
    if scores and scores[0]["type"] == "fullText":
        shape["indexes"] = indexes_of(row)
    if row["source_id"] is not None:
        shape["sourceId"] = row["source_id"]
    return shape | {"sourceName": row["source_name"], "score": scores, "tokens": tokens_of(row["q"] + row["a"])}


@lru_cache(maxsize=_REMEMBERED)
def _signs_of(text: str) -> str:
    """What is compared where equal rows are merged."""
    return _PUNCTUATION.sub("", text)


@lru_cache(maxsize=_REMEMBERED)
def tokens_of(text: str) -> int:
    """About what a tokenizer counts: one for a CJK character, a third for others."""
    narrow = len(text.encode("ascii", "ignore"))
    return len(text) - narrow + math.ceil(narrow / 3.5)


def _within(rows: list[dict[str, Any]], limit: float) -> list[dict[str, Any]]:
    """The first row is always kept; the list ends when the sum exceeds the limit (observed fact 16)."""
    kept: list[dict[str, Any]] = []
    used = 0
    for row in rows:
        used += row["tokens"]
        if kept and used > limit:
            break
        kept.append(row)
    return kept
