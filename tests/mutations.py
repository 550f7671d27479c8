"""What can go wrong with the chunks of a document, one thing at a time, for the tests of the comparison.

Each function gives ``(where, chunks)``: the place of the damage, and the chunks with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

ALIEN = (
    "Die Turmuhr von Sankt Florian schlägt seit dem vierten Oktober siebzehnhundertneunzig jede volle Stunde, "
    "灯塔看守人从不记录鲸鱼的数目 and no gannet ever counted."
)
"""A paragraph of another document."""

LEAST = 40
"""Characters found nowhere else that a damage takes away at least, else it is none."""

Damage = Iterator[tuple[object, list[str]]]
_SENTENCE = re.compile(r"(?<=[。！？!?])|(?<=[a-zA-Z]\.)\s|(?<=\n)")
_FIGURE = re.compile(r"\d+")
_PARAGRAPH = re.compile(r"[^\n]+(?:\n[^\n]+)*")


def packed(text: str) -> str:
    """Return ``text`` without white space."""
    return "".join(text.split())


def chunk_dropped(chunks: list[str]) -> Damage:
    """Any one chunk whose lines hold 40 characters that stand in no other chunk."""
    lines = [[packed(line) for line in chunk.split("\n")] for chunk in chunks]
    count: dict[str, int] = {}
    for of_chunk in lines:
        for line in set(of_chunk):
            count[line] = count.get(line, 0) + 1
    for number, of_chunk in enumerate(lines):
        if sum(len(line) for line in of_chunk if count[line] == 1) >= LEAST:
            yield number, [*chunks[:number], *chunks[number + 1 :]]


def figure_changed(chunks: list[str], most: int) -> Damage:
    """One digit of a table's row, at up to ``most`` places spread over the document."""
    places = [
        (number, figure.start())
        for number, chunk in enumerate(chunks)
        for figure in _FIGURE.finditer(chunk)
        if chunk.startswith("|", chunk.rfind("\n", 0, figure.start()) + 1)
    ]
    for number, at in places[:: max(1, -(-len(places) // most))]:
        chunk = chunks[number]
        other = str((int(chunk[at]) + 3) % 10)
        yield (number, at), [*chunks[:number], chunk[:at] + other + chunk[at + 1 :], *chunks[number + 1 :]]


def paragraph_replaced(chunks: list[str], most: int) -> Damage:
    """A paragraph of 40 characters or more by another document's, at up to ``most`` places."""
    places = [
        (number, *paragraph.span())
        for number, chunk in enumerate(chunks)
        for paragraph in _PARAGRAPH.finditer(chunk)
        if len(packed(paragraph[0])) >= LEAST
    ]
    for number, start, end in places[:: max(1, -(-len(places) // most))]:
        chunk = chunks[number]
        yield (number, start), [*chunks[:number], chunk[:start] + ALIEN + chunk[end:], *chunks[number + 1 :]]


def every_fourth_sentence_lost(chunks: list[str]) -> Damage:
    """Every fourth sentence or line, where these hold 40 characters that are left nowhere."""
    seen = 0
    out: list[str] = []
    lost: list[str] = []
    for chunk in chunks:
        kept = []
        for part in _SENTENCE.split(chunk):
            seen += bool(part and part.strip())
            if part and part.strip() and seen % 4 == 0:
                lost.append(part)
            else:
                kept.append((part or "") + (" " if part and part.endswith(".") else ""))
        out.append("".join(kept))
    rest = packed("".join(out))
    if sum(len(packed(part)) for part in lost if packed(part) not in rest) >= LEAST:
        yield "all", out
