"""The text of office formats and PDF, for comparing with the server's and for cutting probes.

They are read with bounds on entries, bytes, elements, depth, pages and seconds, by a process of their own (``reader``).
Whatever goes wrong here makes a proof weak, never a document fail: the server has readers of its own.
"""

from __future__ import annotations

import logging
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from time import process_time
from typing import IO, Any, NamedTuple
from xml.parsers import expat

from syncd import sheettext, wordtext
from syncd.models import Format
from syncd.unzip import Directory


class Reading(NamedTuple):
    """What was read of a file."""

    text: str | None
    weak: str = ""  # why the text is missing or only partial, else ""
    remark: str = ""  # what FastGPT does not take over, counted; a small part


MAX_ENTRIES = 10_000
MAX_UNPACKED = 256 * 2**20  # bytes read out of one archive
MAX_ELEMENTS = 2_000_000  # of all parts of one archive
MAX_DEPTH = 1000  # elements inside of each other; a parser keeps all that are open
MAX_TOKEN = 4 * 2**20  # bytes of a tag with its attributes, or of a comment
MAX_PAGES = 500
MAX_SECONDS = 15.0  # of processor time; then what was read is taken
EDGE = 0.05  # of a page's height, above and below, that FastGPT leaves out


class _RefusedError(Exception):
    """The file is built to hurt, or too large to read here."""


def office_text(source: IO[bytes], fmt: Format, limit: int) -> Reading:
    """Return the text of a docx, pptx, xlsx or pdf file, at most ``limit`` bytes of it.

    Raises:
        OSError: the file cannot be read.
        MemoryError: there is not enough for it.
    """
    parts: list[str] = []
    left: Counter[str] = Counter()
    unread = 0
    try:
        out = _Collector(parts, limit)
        if fmt is Format.PDF:
            weak = _pdf(source, out, left)
        else:
            unread = _archive(source, fmt, out, left)
            weak = "only its beginning is compared" if out.full else ""
    except OSError as error:
        if error.errno is not None:  # the disk's trouble, not the document's
            raise
        return Reading(None, f"its text cannot be read here ({error})")
    except MemoryError:  # whoever set a limit knows what it means
        raise
    except Exception as error:  # a broken document must not stop anything; the server judges it
        return Reading(None, f"its text cannot be read here ({str(error) or type(error).__name__})"[:200])
    text = "".join(parts)
    missing = _named(left)
    if not any(c.isalnum() for c in text):
        return Reading(None, f"no text in this {fmt.value.upper()} can be read here{missing and f'; {missing}'}")
    if unread * 10 > len(text):
        return Reading(text, "; ".join(filter(None, (weak, missing))))
    return Reading(text, weak, missing)


_PLURALS = {
    "cell with an error": "cells with an error",
    "chart": "charts",
    "embedded document": "embedded documents",
    "formula": "formulas",
    "formula without a stored result": "formulas without a stored result",
    "header or footer": "headers or footers",
    "line at the edge of a page": "lines at the edges of pages",
    "passage with a writing direction": "passages with a writing direction",
    "passage with reading aids": "passages with reading aids",
    "sheet of comments": "sheets of comments",
    "simple field": "simple fields",
    "SmartArt drawing": "SmartArt drawings",
    "text box": "text boxes",
}


def _named(left: Counter[str]) -> str:
    """Say what is left behind: "1 chart, 2 formulas are not taken over by FastGPT"."""
    kinds = [f"{count} {_PLURALS[kind] if count > 1 else kind}" for kind, count in sorted(left.items()) if count]
    if not kinds:
        return ""
    return f"{', '.join(kinds)} {'is' if sum(left.values()) == 1 else 'are'} not taken over by FastGPT"


def _archive(source: IO[bytes], fmt: Format, out: _Collector, left: Counter[str]) -> int:
    with zipfile.ZipFile(Directory(source)) as archive:
        names = [info.filename for info in archive.infolist()]
        if len(names) > MAX_ENTRIES:
            raise _RefusedError("too many entries in the archive")
        readers = {Format.DOCX: wordtext.read, Format.PPTX: _pptx, Format.XLSX: _xlsx}
        return readers[fmt](_Archive(archive, names, out), out.add, left)


class _Collector:
    def __init__(self, parts: list[str], limit: int) -> None:
        self.parts, self.left, self.full = parts, limit, False

    def add(self, text: str) -> None:
        self.left -= len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
        if self.left < 0:
            self.full = True
        else:
            self.parts.append(text)


class _Archive:
    """An archive that gives out a bounded number of bytes and elements in all, for a bounded time."""

    def __init__(self, archive: zipfile.ZipFile, names: list[str], out: _Collector) -> None:
        self.archive, self.names, self.out, self.left = archive, names, out, MAX_UNPACKED
        self.elements, self.depth = 0, 0
        self.until = process_time() + MAX_SECONDS

    def blocks(self, name: str) -> Iterator[bytes]:
        with self.archive.open(name) as stream:
            while block := stream.read(65536):
                self.left -= len(block)
                if self.left < 0:
                    raise _RefusedError("it unpacks to more than can be read here")
                yield block

    def parse(self, name: str, sink: wordtext.Sink) -> None:
        """Run expat over one entry; ``sink`` gets namespace and local name."""
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True

        def doctype(*_: object) -> None:
            # The way in for entity bombs; no office program writes one.
            raise _RefusedError("it declares a document type")

        def begin(tag: str, attrs: dict[str, str]) -> None:
            self.elements += 1
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise _RefusedError(f"more than {MAX_DEPTH} of its elements stand inside of each other")
            space, _, local = tag.rpartition(" ")
            sink.start(space, local, attrs)

        def finish(tag: str) -> None:
            self.depth -= 1
            space, _, local = tag.rpartition(" ")
            sink.end(space, local)

        parser.StartDoctypeDeclHandler = doctype
        parser.StartElementHandler = begin
        parser.EndElementHandler = finish
        parser.CharacterDataHandler = sink.data
        fed = self.depth = 0
        for block in self.blocks(name):
            parser.Parse(block, False)
            fed += len(block)
            if fed - parser.CurrentByteIndex > MAX_TOKEN:
                raise _RefusedError("one of its elements is too long")
            self.out.full |= self.elements > MAX_ELEMENTS or process_time() > self.until
            if self.out.full:
                return
        parser.Parse(b"", True)

    def relations(self, part: str) -> dict[str, str]:
        """See ``wordtext.Source``."""
        folder, _, name = part.rpartition("/")
        entry = f"{folder}/_rels/{name}.rels".lstrip("/")
        found = _Relations(by_type=not part)
        if entry in self.names:
            self.parse(entry, found)
        return found.targets


class _Relations:
    """The sink of a part's relationships."""

    def __init__(self, by_type: bool) -> None:
        self.targets: dict[str, str] = {}
        self.by_type = by_type

    def start(self, space: str, tag: str, attrs: dict[str, str]) -> None:
        """See ``wordtext.Sink``."""
        if tag == "Relationship":
            key = attrs.get("Type", "").rpartition("/")[2] if self.by_type else attrs.get("Id", "")
            self.targets[key] = attrs.get("Target", "")

    def end(self, space: str, tag: str) -> None:
        """See ``wordtext.Sink``."""

    def data(self, text: str) -> None:
        """See ``wordtext.Sink``."""


class _Paragraphs:
    """The sink of a slide or of its notes: all paragraphs that hold text."""

    def __init__(self, add: Callable[[str], None], left: Counter[str]) -> None:
        self.add, self.left, self.text = add, left, False

    def start(self, space: str, tag: str, attrs: dict[str, str]) -> None:
        """See ``wordtext.Sink``."""
        self.text = tag == "t" and "drawingml" in space
        if tag == "oMath":
            self.left["formula"] += 1

    def end(self, space: str, tag: str) -> None:
        """See ``wordtext.Sink``."""
        self.text = False
        if tag == "p" and "drawingml" in space:
            self.add("\n")

    def data(self, text: str) -> None:
        """See ``wordtext.Sink``."""
        if self.text:
            self.add(text)


class _Length:
    """The sink of a part that FastGPT does not read: how much text a reader would see in it."""

    def __init__(self) -> None:
        self.length, self.text = 0, False

    def start(self, space: str, tag: str, attrs: dict[str, str]) -> None:
        """See ``wordtext.Sink``."""
        self.text = tag in ("t", "v")

    def end(self, space: str, tag: str) -> None:
        """See ``wordtext.Sink``."""
        self.text = False

    def data(self, text: str) -> None:
        """See ``wordtext.Sink``."""
        self.length += len(text) if self.text else 0


_UNREAD = {"chart": r"(?:ppt|xl)/charts/chart\d*\.xml", "SmartArt drawing": r"(?:ppt|xl)/diagrams/data\d*\.xml",
           "sheet of comments": r"xl/(?:comments/)?comments?\d*\.xml"}  # fmt: skip


def _unread(archive: _Archive, left: Counter[str]) -> int:
    """Count the parts of slides and books that FastGPT does not read; returns the length of their texts."""
    length = 0
    for kind, pattern in _UNREAD.items():
        for name in archive.names:
            if re.fullmatch(pattern, name):
                part = _Length()
                archive.parse(name, part)
                left[kind] += 1
                length += part.length
    return length


def _pptx(archive: _Archive, add: Callable[[str], None], left: Counter[str]) -> int:
    """Every paragraph of slides and notes, in the order in which they stand in the archive."""
    for name in archive.names:
        if re.fullmatch(r"ppt/(?:slides/slide|notesSlides/notesSlide)\d+\.xml", name):
            archive.parse(name, _Paragraphs(add, left))
    return _unread(archive, left)


def _xlsx(archive: _Archive, add: Callable[[str], None], left: Counter[str]) -> int:
    sheettext.read(archive, add, left)
    return _unread(archive, left)


def _pdf(source: IO[bytes], out: _Collector, left: Counter[str]) -> str:
    import pypdf

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    until = process_time() + MAX_SECONDS
    with pypdf.PdfReader(source, strict=False) as reader:
        for number, page in enumerate(reader.pages):
            if number >= MAX_PAGES or out.full or process_time() > until:
                return f"only its first {number} pages are compared"
            if _unmapped(page):
                raise _RefusedError(
                    "it is no scan, but its fonts have no character map, so nobody can tell its letters: export it anew"
                )
            out.add(_page(page, left) + "\n")
    return "only its beginning is compared" if out.full else ""


_NAMELESS = re.compile(r"/(?:g|G|c|C|a|f|cid|glyph|index)\d+")  # names of glyphs that name no letter


def _unmapped(page: Any) -> bool:
    """Say whether a page has fonts whose codes stand for no letters that anybody could know (PDF 32000-1, 9.10.2)."""
    resources = page.get("/Resources")
    fonts = resources.get_object().get("/Font") if resources is not None else None
    fonts = fonts.get_object() if fonts is not None else {}
    for name in fonts:
        font = fonts[name].get_object()
        if "/ToUnicode" in font:
            continue
        encoding = font.get("/Encoding")
        encoding = encoding.get_object() if encoding is not None else None
        if font.get("/Subtype") == "/Type0":
            below = font["/DescendantFonts"].get_object()[0].get_object()
            collection = below.get("/CIDSystemInfo", {}).get_object().get("/Ordering", "Identity")
            if str(encoding).startswith("/Identity") and collection == "Identity":
                return True
        elif isinstance(encoding, dict) and "/Differences" in encoding:
            glyphs = [g for g in encoding["/Differences"].get_object() if isinstance(g, str)]
            if glyphs and all(map(_NAMELESS.fullmatch, glyphs)):
                return True
    return False


def _page(page: Any, left: Counter[str]) -> str:
    """Return the text of a page without what stands in the uppermost and lowest 5 %, as FastGPT leaves it out."""
    box = page.cropbox
    height = float(box.width if (page.rotation // 90) % 2 else box.height)
    low, high = height * EDGE, height * (1 - EDGE)
    edges: list[str] = []

    def look(text: str, cm: list[float], tm: list[float], *_: object) -> None:
        place = cm[1] * tm[4] + cm[3] * tm[5] + cm[5]
        if text.strip() and not low < place < high:
            edges.append(text.strip())

    text: str = page.extract_text(visitor_text=look)
    for edge in edges:
        begin, _, rest = text.partition(edge) if edges.index(edge) * 2 < len(edges) else text.rpartition(edge)[::1]
        if edge in text:
            text = f"{begin}\n{rest}"
            left["line at the edge of a page"] += 1
    return text
