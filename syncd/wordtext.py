"""The text of a docx as FastGPT's reader (mammoth, then Turndown) takes it over, and what it leaves behind.

mammoth reads the elements that it knows and passes over all others with what is in them: formulas, simple fields, ruby,
passages with a writing direction of their own, everything drawn. Of alternative contents it reads the fallback. Lists
get their numbers from Turndown, so none are given out here. Described after mammoth's behaviour and the readings in
``served/``.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Protocol

_WORD = "wordprocessingml"
_LEFT = {
    "bdo": "passage with a writing direction",
    "dir": "passage with a writing direction",
    "fldSimple": "simple field",
    "ruby": "passage with reading aids",
    "oMath": "formula",
    "oMathPara": "formula",
    "altChunk": "embedded document",
    "drawing": "",  # named by what is in it
    "Choice": "",
}
_SILENT = frozenset({"del", "moveFrom"})  # gone for Word, too
_DRAWN = {"chart": "chart", "relIds": "SmartArt drawing", "txbxContent": "text box"}
_LINK = re.compile(r'\s*HYPERLINK\s+(\\l\s+)?"([^"]*)"')
_FIELD = 4096  # characters of a field's instruction
_BOXES = str.maketrans("", "", "☐☑☒")


class Source(Protocol):
    """What gives out the parts of a package."""

    names: list[str]

    def parse(self, name: str, sink: Sink) -> None:
        """Run ``sink`` over one part."""

    def relations(self, part: str) -> dict[str, str]:
        """Return the targets of a part's relationships by id; of ``""`` those of the package by type."""


class Sink(Protocol):
    """Gets the events of one part."""

    def start(self, space: str, tag: str, attrs: dict[str, str]) -> None:
        """An element begins."""

    def end(self, space: str, tag: str) -> None:
        """An element ends."""

    def data(self, text: str) -> None:
        """Text inside of an element."""


class Add(Protocol):
    """Takes text."""

    def __call__(self, text: str, /) -> None:
        """Take it."""


def read(source: Source, add: Add, left: Counter[str]) -> int:
    """Give the text of a document to ``add``, count in ``left`` what FastGPT leaves behind; returns its characters."""
    part = source.relations("").get("officeDocument", "word/document.xml").lstrip("/")
    body = _Body(add, left, source.relations(part))
    source.parse(part, body)
    folder, texts = part.rpartition("/")[0], dict[tuple[str, str], str]()
    for kind in ("footnote", "endnote"):
        if body.notes[kind] and f"{folder}/{kind}s.xml" in source.names:
            notes = _Notes(kind, source.relations(f"{folder}/{kind}s.xml"))
            source.parse(f"{folder}/{kind}s.xml", notes)
            texts.update(notes.joined())
    for key in body.order:
        if text := texts.get(key):
            add(f"{text.strip()} [↑](#{key[0]}-ref-{key[1]})\n")
    for name in source.names:
        if re.fullmatch(rf"{re.escape(folder)}/(?:header|footer)\d*\.xml", name):
            edge = _Notes("", {})
            source.parse(name, edge)
            if edge.joined().get(("", ""), "").strip():
                left["header or footer"] += 1
    return body.unread


class _Body:
    """The sink of a document's main part."""

    def __init__(self, add: Add, left: Counter[str], links: dict[str, str]) -> None:
        self.add, self.left, self.links = add, left, links
        self.notes: Counter[str] = Counter()
        self.order: list[tuple[str, str]] = []
        self.unread = 0
        self.text = False
        self.skip: list[str] = []  # the elements inside which nothing is read
        self.choice: Counter[str] = Counter()  # what an alternative holds that has perhaps no fallback
        self.fields: list[str | None] = []  # instructions of the open fields; None behind the separator of a plain one
        self.closes: list[str] = []
        self.instruction = False
        self.picture = ""
        self.boxed = 0  # depth inside a check box

    def start(self, space: str, tag: str, attrs: dict[str, str]) -> None:
        """See ``Sink``."""
        if tag in _SILENT and _WORD in space:
            self.skip.append(tag)
        elif tag in _LEFT and not (self.skip and self.skip[-1] in _SILENT):
            if (kind := _LEFT[tag]) and not self.skip:
                self.left[kind] += 1
            self.skip.append(tag)
            if tag == "Choice":
                self.choice.clear()
        elif tag == "Fallback":
            self.choice.clear()
        elif self.skip:
            self._drawn(tag, attrs)
        elif _WORD in space:
            self._word(tag, {name.rpartition(" ")[2]: value for name, value in attrs.items()})
        self.text = _WORD in space and tag == "t"

    def _drawn(self, tag: str, attrs: dict[str, str]) -> None:
        if tag in _DRAWN:
            (self.choice if "Choice" in self.skip else self.left)[_DRAWN[tag]] += 1
        elif tag == "docPr":
            self.picture = attrs.get("descr") or attrs.get("title") or ""
        elif tag == "blip" and "Choice" not in self.skip:
            self.add(f"![{self.picture}]()")

    def _word(self, tag: str, attrs: dict[str, str]) -> None:
        if tag in ("br", "cr"):
            self.add("\n")
        elif tag == "tab":
            self.add("\t")
        elif tag == "noBreakHyphen":
            self.add("\u2011")
        elif tag == "hyperlink":
            target = self.links.get(attrs.get("id", ""), "")
            target += f"#{attrs['anchor']}" if attrs.get("anchor") else ""
            self.closes.append(f"]({target})" if target else "")
            self.add("[" if target else "")
        elif tag in ("footnoteReference", "endnoteReference"):
            kind, number = tag.removesuffix("Reference"), attrs.get("id", "")
            self.notes[kind] += 1
            self.order.append((kind, number))
            self.add(f"[[{len(self.order)}]](#{kind}-{number})")
        elif tag == "fldChar":
            self._field(attrs.get("fldCharType", ""))
        elif tag == "instrText":
            self.instruction = True

    def _field(self, kind: str) -> None:
        if kind == "begin":
            self.fields.append("")
        elif kind == "separate" and self.fields:
            link = _LINK.match(self.fields[-1] or "")
            self.fields[-1] = None
            if link:
                self.fields[-1] = f"]({'#' if link[1] else ''}{link[2]})"
                self.add("[")
        elif kind == "end" and self.fields:
            close = self.fields.pop()
            self.add(close if close and close.startswith("](") else "")

    def end(self, space: str, tag: str) -> None:
        """See ``Sink``."""
        self.text = False
        if self.skip:
            if self.skip[-1] == tag:
                self.skip.pop()
            return
        if tag == "AlternateContent":
            self.left.update(self.choice)
            self.choice.clear()
        if _WORD not in space:
            return
        self.instruction = self.instruction and tag != "instrText"
        if tag == "p":
            self.add("\n")
        elif tag == "tc":
            self.add(" | ")
        elif tag == "hyperlink" and self.closes:
            self.add(self.closes.pop())

    def data(self, text: str) -> None:
        """See ``Sink``."""
        if self.skip:
            self.unread += len(text.strip()) if self.skip[-1] not in _SILENT and "Choice" not in self.skip else 0
        elif self.text:
            self.add(text.translate(_BOXES))
        elif self.instruction and self.fields and self.fields[-1] is not None:
            self.fields[-1] = (self.fields[-1] or "")[:_FIELD] + text


class _Notes(_Body):
    """The sink of the notes, or of a header: texts by kind and id."""

    def __init__(self, kind: str, links: dict[str, str]) -> None:
        super().__init__(self._take, Counter(), links)
        self.kind, self.key = kind, ("", "")

        self.pieces: dict[tuple[str, str], list[str]] = {}

    def _take(self, text: str, /) -> None:
        self.pieces.setdefault(self.key, []).append(text)

    def joined(self) -> dict[tuple[str, str], str]:
        """The texts by kind and id."""
        return {key: "".join(pieces) for key, pieces in self.pieces.items()}

    def start(self, space: str, tag: str, attrs: dict[str, str]) -> None:
        """See ``Sink``."""
        if tag == self.kind:
            plain = {name.rpartition(" ")[2]: value for name, value in attrs.items()}
            self.key = (self.kind, "" if plain.get("type") else plain.get("id", ""))
        super().start(space, tag, attrs)
