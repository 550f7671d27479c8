"""What a parse task does to a stored file: bytes to text, text to chunks, with the faults ordered for it."""

from __future__ import annotations

import math
import re
import sqlite3
from typing import Any

from syncd.emulator.chunking import DEEP, LARGEST, OVERLAP, TRIGGER, split
from syncd.emulator.core import Core
from syncd.emulator.decoding import garble
from syncd.emulator.faults import Fault
from syncd.emulator.formats import ParseError, read
from syncd.emulator.javascript import trim, units
from syncd.emulator.naming import extension
from syncd.emulator.slides import begins_plainly

_URL_MARKS = re.compile(r"[#?]")


def raw_text(core: Core, row: sqlite3.Row, plan: Fault | None) -> str:
    """The text of a collection's file."""
    kind = plan.kind if plan is not None else ""
    if row["type"] == "link":
        raise ParseError("Can not fetch content from link")  # the emulator opens no connections
    content = core.store.get_file(row["id"])
    if content is None:
        raise ParseError("File not found")
    suffix = stored_extension(row["stored_name"] or row["name"], core.dialect.object_store)
    if kind == "zip_guess" and suffix.lower() == "pptx" and not begins_plainly(content):
        raise ParseError("The argument 'encoding' is invalid encoding. Received 'windows-1252'")
    text = read(content, suffix, _guesses(core))
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
    """The chunks of a file's text, with the fault that loses one.

    A short text is one chunk, unchanged, with its BOM if it has one (observed fact 25); an empty one has none.
    """
    if not text:
        return []
    chunks = [text] if _stays_whole(text, settings) else _split(text, settings)
    if plan is not None and plan.kind == "lose_chunk" and chunks:
        index = int(plan.number("index", len(chunks) // 2)) % len(chunks)
        del chunks[index]
    return chunks


def _stays_whole(text: str, settings: dict[str, Any]) -> bool:
    """Whether a text is too short to be cut (fastgpt-api.md 3, chunkTriggerType)."""
    length = len(units(trim(text)))
    if settings.get("chunkTriggerType") == "maxSize" and length < LARGEST * 0.7:
        return True
    least = settings.get("chunkTriggerMinSize")
    least = least if isinstance(least, int | float) else TRIGGER
    return settings.get("chunkTriggerType") != "forceChunk" and length < least


def _split(text: str, settings: dict[str, Any]) -> list[str]:
    """Cut as the settings say; ``chunkSize`` and the rest count only with ``chunkSettingMode: custom`` (fact 15).

    Custom without ``chunkSplitMode: paragraph`` takes no notice of headings (retrieval.md R3).
    """
    questions = settings.get("trainingType") == "qa"
    overlap = OVERLAP if settings.get("trainingType", "chunk") == "chunk" else 0.0
    if settings.get("chunkSettingMode") != "custom":
        return split(text, 8000 if questions else 1000, overlap=overlap)
    size = settings.get("chunkSize")
    deep = settings.get("paragraphChunkDeep", DEEP) if settings.get("chunkSplitMode") == "paragraph" else 0
    sign = settings.get("chunkSplitter")
    return split(
        text,
        max(1, int(size)) if isinstance(size, int | float) and size else 512,
        deep=max(0, int(deep)) if isinstance(deep, int | float) else DEEP,
        signs=(sign,) if isinstance(sign, str) and sign else (),
        overlap=overlap,
    )


def question_rows(text: str) -> list[dict[str, Any]]:
    """Question and answer rows as a language model without imagination writes them."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [{"q": f"{line} 是什么？", "a": line} for line in lines]


def index_count(q: str, a: str, extra: list[str], settings: dict[str, Any]) -> int:
    """How many vectors a row has: long texts are cut by ``indexSize`` (record, section 14)."""
    size = settings.get("indexSize")
    width = int(size) if isinstance(size, int | float) and size > 0 else 512
    return max(1, math.ceil(len(q) / width)) + (1 if a else 0) + len(extra)
