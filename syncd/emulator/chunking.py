"""Texts to chunks: by headings and paragraphs, headings repeated, a little overlap (observed facts 15 and 20)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from syncd.emulator.decoding import strip_bom

TRIGGER = 1000  # a text shorter than this stays one chunk (fastgpt-api.md 3, chunkTriggerMinSize)
_OVERLAP = 0.2
_HEADING = re.compile(r"(#{1,5}) ")
_FENCE = re.compile(r"\s*(```|~~~)")
_PARAGRAPH = re.compile(r"(\n\s*\n)")
_SENTENCE = re.compile(r"(?<=[。！？；!?;])|(?<=\. )|(?<=\n)")


@dataclass(slots=True)
class _Piece:
    """A part of the text and the headings it stands under."""

    path: tuple[str, ...]
    text: str


def split(text: str, size: int, *, paragraphs: bool = True) -> list[str]:
    """Chunks of about ``size`` characters; every line of the text is in one of them.

    Short texts come back unchanged, with their BOM if they have one (observed fact 25).
    """
    if not text:
        return []
    if len(text) < TRIGGER and (paragraphs or len(text) <= size):
        return [text]
    text = strip_bom(text)
    pieces = [piece for section in _sections(text, paragraphs) for piece in _fit(section, size)]
    return _pack(pieces, size)


def _sections(text: str, headings: bool) -> Iterator[_Piece]:
    """The text cut at Markdown headings outside code fences; a part's path ends with its own heading."""
    path: list[tuple[int, str]] = []
    lines: list[str] = []
    fenced = False
    for line in text.splitlines(keepends=True):
        if _FENCE.match(line):
            fenced = not fenced
        match = _HEADING.match(line) if headings and not fenced else None
        if match:
            if lines:
                yield _Piece(tuple(item[1] for item in path), "".join(lines))
            level = len(match.group(1))
            path = [item for item in path if item[0] < level]
            path.append((level, line.strip()))
            lines = []
        lines.append(line)
    if lines:
        yield _Piece(tuple(item[1] for item in path), "".join(lines))


def _fit(section: _Piece, size: int) -> Iterator[_Piece]:
    """A section in parts of at most ``size``: paragraphs, then sentences, then a plain cut."""
    if len(section.text) <= size:
        yield section
        return
    for paragraph in _joined(_PARAGRAPH.split(section.text)):
        if len(paragraph) <= size:
            yield _Piece(section.path, paragraph)
            continue
        for sentence in filter(None, _SENTENCE.split(paragraph)):
            for start in range(0, len(sentence), size):
                yield _Piece(section.path, sentence[start : start + size])


def _joined(parts: list[str]) -> Iterator[str]:
    """Paragraphs with the blank lines that follow them."""
    for index in range(0, len(parts), 2):
        text = parts[index] + (parts[index + 1] if index + 1 < len(parts) else "")
        if text:
            yield text


def _pack(pieces: list[_Piece], size: int) -> list[str]:
    """Pieces put together up to ``size``; a chunk that begins inside a section repeats its headings and a tail."""
    chunks: list[str] = []
    body = ""
    tail = ""
    for piece in pieces:
        if body and len(body) + len(piece.text) > size:
            chunks.append(body)
            body = _opening(piece, tail if len(tail) <= _OVERLAP * size else "")
        body += piece.text
        tail = piece.text
    chunks.append(body)
    return [chunk for chunk in chunks if chunk.strip()] or [pieces[0].text]


def _opening(piece: _Piece, tail: str) -> str:
    """What a chunk repeats before its first piece; a piece that brings its heading only needs those above it."""
    brings = piece.path and piece.text.lstrip().startswith(piece.path[-1])
    path = piece.path[:-1] if brings else piece.path
    return "".join(f"{line}\n" for line in path) + ("" if brings else tail)
