"""The text of office formats and PDF, for comparing with the server's and for cutting probes.

They are read with bounds on entries, bytes, pages and seconds. Whatever goes wrong here makes a proof weak, never a
document fail: the server has readers of its own.
"""

from __future__ import annotations

import logging
import os
import re
import zipfile
from collections.abc import Callable, Iterator
from time import monotonic
from typing import IO
from xml.parsers import expat

from syncd.models import Format

Result = tuple[str | None, str]
"""The text, or ``None``; and why it is missing or only partial, else ""."""

MAX_ENTRIES = 10_000
MAX_UNPACKED = 256 * 2**20  # bytes read out of one archive
MAX_PAGES = 500
MAX_SECONDS = 20.0


class _RefusedError(Exception):
    """The file is built to hurt, or too large to read here."""


def office_text(source: str | bytes | IO[bytes], fmt: Format, limit: int) -> Result:
    """Return the text of a docx, pptx, xlsx or pdf file, at most ``limit`` bytes of it; raises ``OSError`` only."""
    reader = _pdf if fmt is Format.PDF else _archive
    try:
        parts: list[str] = []
        weak = reader(source, fmt, parts, limit)
    except OSError as error:
        if error.errno is not None:  # the disk's trouble, not the document's
            raise
        return None, f"its text cannot be read here ({error})"
    except Exception as error:  # a broken document must not stop anything; the server judges it
        return None, f"its text cannot be read here ({str(error) or type(error).__name__})"[:200]
    text = "".join(parts)
    if not any(c.isalnum() for c in text):
        return None, f"no text in this {fmt.value.upper()} can be read here"
    return text, weak


def _archive(source: str | bytes | IO[bytes], fmt: Format, parts: list[str], limit: int) -> str:
    handle = os.fsdecode(source) if isinstance(source, bytes) else source
    with zipfile.ZipFile(handle) as archive:
        names = [info.filename for info in archive.infolist()]
        if len(names) > MAX_ENTRIES:
            raise _RefusedError("too many entries in the archive")
        out = _Collector(parts, limit)
        readers = {Format.DOCX: _docx, Format.PPTX: _pptx, Format.XLSX: _xlsx}
        readers[fmt](_Archive(archive, names), out)
    return "only its beginning is compared" if out.full else ""


class _Collector:
    def __init__(self, parts: list[str], limit: int) -> None:
        self.parts, self.left, self.full = parts, limit, False

    def add(self, text: str) -> None:
        self.left -= len(text.encode("utf-8", "replace"))
        if self.left < 0:
            self.full = True
        else:
            self.parts.append(text)


class _Archive:
    """An archive that gives out a bounded number of bytes in all."""

    def __init__(self, archive: zipfile.ZipFile, names: list[str]) -> None:
        self.archive, self.names, self.left = archive, names, MAX_UNPACKED

    def numbered(self, pattern: str) -> list[str]:
        found = [(int(m[1]), name) for name in self.names if (m := re.fullmatch(pattern, name))]
        return [name for _, name in sorted(found)]

    def blocks(self, name: str) -> Iterator[bytes]:
        with self.archive.open(name) as stream:
            while block := stream.read(65536):
                self.left -= len(block)
                if self.left < 0:
                    raise _RefusedError("it unpacks to more than can be read here")
                yield block

    def parse(
        self,
        name: str,
        out: _Collector,
        start: Callable[[str, str, dict[str, str]], None],
        end: Callable[[str, str], None],
        data: Callable[[str], None],
    ) -> None:
        """Run expat over one entry; ``start`` and ``end`` get namespace and local name."""
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True

        def doctype(*_: object) -> None:
            # The way in for entity bombs; no office program writes one.
            raise _RefusedError("it declares a document type")

        def begin(tag: str, attrs: dict[str, str]) -> None:
            space, _, local = tag.rpartition(" ")
            start(space, local, attrs)

        def finish(tag: str) -> None:
            space, _, local = tag.rpartition(" ")
            end(space, local)

        parser.StartDoctypeDeclHandler = doctype
        parser.StartElementHandler = begin
        parser.EndElementHandler = finish
        parser.CharacterDataHandler = data
        for block in self.blocks(name):
            parser.Parse(block, False)
            if out.full:
                return
        parser.Parse(b"", True)


_Start = Callable[[str, str, dict[str, str]], None]


def _docx(archive: _Archive, out: _Collector) -> None:
    """Paragraphs and tables of the body, as mammoth (FastGPT's reader) takes them: no headers, no deleted text."""
    state = {"text": False, "skip": 0}

    def start(space: str, tag: str, attrs: dict[str, str]) -> None:
        if tag in ("Choice", "moveFrom"):  # a text box stands in the file twice; moved text at its old place
            state["skip"] += 1
        elif "wordprocessingml" in space:
            state["text"] = tag == "t"
            if tag in ("tab", "br", "cr"):
                data("\n" if tag != "tab" else "\t", force=True)

    def end(space: str, tag: str) -> None:
        if tag in ("Choice", "moveFrom"):
            state["skip"] -= 1
        elif "wordprocessingml" in space:
            state["text"] = False
            if tag == "p":
                data("\n", force=True)
            elif tag == "tc":
                data(" | ", force=True)

    def data(text: str, force: bool = False) -> None:
        if (state["text"] or force) and not state["skip"]:
            out.add(text)

    archive.parse("word/document.xml", out, start, end, data)


def _pptx(archive: _Archive, out: _Collector) -> None:
    """Every paragraph of the slides, then of the notes."""
    state = {"text": False}

    def start(space: str, tag: str, attrs: dict[str, str]) -> None:
        state["text"] = tag == "t" and "drawingml" in space

    def end(space: str, tag: str) -> None:
        state["text"] = False
        if tag == "p" and "drawingml" in space:
            out.add("\n")

    def data(text: str) -> None:
        if state["text"]:
            out.add(text)

    for kind in ("slides/slide", "notesSlides/notesSlide"):
        for name in archive.numbered(rf"ppt/{kind}(\d+)\.xml"):
            archive.parse(name, out, start, end, data)


def _xlsx(archive: _Archive, out: _Collector) -> None:
    """The cells in row order, one line per row; dates and percentages as the bare numbers they are stored as."""
    strings = _shared_strings(archive, out)
    cell: dict[str, str] = {}
    row: list[str] = []
    words: list[str] = []

    def start(space: str, tag: str, attrs: dict[str, str]) -> None:
        if tag == "c":
            cell["type"] = attrs.get("t", "n")
            words.clear()
        cell["in"] = tag

    def end(space: str, tag: str) -> None:
        cell["in"] = ""
        if tag == "row" and row:
            out.add(" | ".join(row) + "\n")
            row.clear()
        elif tag == "c" and words:
            value = "".join(words)
            if cell["type"] == "s":
                index = int(value)
                value = strings[index] if index < len(strings) else ""
            elif cell["type"] == "b":
                value = "TRUE" if value == "1" else "FALSE"
            row.append(" ".join(value.split()))

    def data(text: str) -> None:
        if cell.get("in") in ("v", "t"):
            words.append(text)

    for name in archive.numbered(r"xl/worksheets/sheet(\d+)\.xml"):
        archive.parse(name, out, start, end, data)


def _shared_strings(archive: _Archive, out: _Collector) -> list[str]:
    if "xl/sharedStrings.xml" not in archive.names:
        return []
    strings: list[str] = []
    words: list[str] = []
    state = {"text": False, "reading": False}  # reading: the pronunciation of East Asian words

    def start(space: str, tag: str, attrs: dict[str, str]) -> None:
        if tag == "rPh":
            state["reading"] = True
        state["text"] = tag == "t" and not state["reading"]

    def end(space: str, tag: str) -> None:
        state["text"] = False
        if tag == "rPh":
            state["reading"] = False
        elif tag == "si":
            strings.append("".join(words))
            words.clear()

    def data(text: str) -> None:
        if state["text"]:
            words.append(text)

    archive.parse("xl/sharedStrings.xml", out, start, end, data)
    return strings


def _pdf(source: str | bytes | IO[bytes], fmt: Format, parts: list[str], limit: int) -> str:
    import pypdf

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    out = _Collector(parts, limit)
    until = monotonic() + MAX_SECONDS
    handle = os.fsdecode(source) if isinstance(source, bytes) else source
    with pypdf.PdfReader(handle, strict=False) as reader:
        for number, page in enumerate(reader.pages):
            if number >= MAX_PAGES or out.full or monotonic() > until:
                return f"only its first {number} pages are compared"
            out.add(page.extract_text() + "\n")
    return "only its beginning is compared" if out.full else ""
