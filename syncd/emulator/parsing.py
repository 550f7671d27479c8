"""What a parse task does to a stored file: bytes to text, text to chunks, with the faults ordered for it."""

from __future__ import annotations

import math
import re
import sqlite3
from typing import Any

from syncd.emulator.chunking import split
from syncd.emulator.core import Core
from syncd.emulator.decoding import garble
from syncd.emulator.faults import Fault
from syncd.emulator.formats import ParseError, read
from syncd.emulator.naming import extension

_URL_MARKS = re.compile(r"[#?]")


def raw_text(core: Core, row: sqlite3.Row, plan: Fault | None) -> str:
    """The text of a collection's file."""
    kind = plan.kind if plan is not None else ""
    if row["type"] == "link":
        raise ParseError("Can not fetch content from link")  # the emulator opens no connections
    content = core.store.get_file(row["id"])
    if content is None:
        raise ParseError("File not found")
    text = read(content, stored_extension(row["stored_name"] or row["name"], core.dialect.object_store), _guesses(core))
    if kind == "empty_parse":
        return ""
    if kind == "garble":
        return garble(text.encode())
    if kind == "truncate" and plan is not None:
        return text[: int(len(text) * plan.number("keep", 0.5))]
    return text


def _guesses(core: Core) -> bool:
    return core.dialect.guesses_encoding


def stored_extension(name: str, object_store: bool) -> str:
    """The extension the parser sees: read from a URL, it is lost behind ``#`` or ``?`` (observed fact 24)."""
    if object_store and _URL_MARKS.search(name):
        return ""
    return extension(name).removeprefix(".")


def chunks_of(text: str, settings: dict[str, Any], plan: Fault | None) -> list[str]:
    """The chunks; ``chunkSize`` counts only with ``chunkSettingMode: custom`` (observed fact 15)."""
    if not text:
        return []
    if not text.strip():
        return [text]
    custom = settings.get("chunkSettingMode") == "custom"
    size = settings.get("chunkSize")
    if settings.get("trainingType") == "qa":
        chunks = split(text, 8000)
    elif custom and isinstance(size, int | float) and size >= 1:
        chunks = split(text, max(64, int(size)), paragraphs=settings.get("chunkSplitMode") == "paragraph")
    else:
        chunks = split(text, 512 if custom else 1000)
    if plan is not None and plan.kind == "lose_chunk" and chunks:
        index = int(plan.number("index", len(chunks) // 2)) % len(chunks)
        del chunks[index]
    return chunks


def question_rows(text: str) -> list[dict[str, Any]]:
    """Question and answer rows as a language model without imagination writes them."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [{"q": f"{line} 是什么？", "a": line} for line in lines]


def index_count(q: str, a: str, extra: list[str], settings: dict[str, Any]) -> int:
    """How many vectors a row has: long texts are cut by ``indexSize`` (record, section 14)."""
    size = settings.get("indexSize")
    width = int(size) if isinstance(size, int | float) and size > 0 else 512
    return max(1, math.ceil(len(q) / width)) + (1 if a else 0) + len(extra)
