"""Word documents to a tree, by the rules of the converter that FastGPT uses (Mammoth with its default styles).

What that converter does not know is lost: tables of simple fields, ruby, formulas, charts, drawn text boxes without a
fallback, headers and footers.
"""

from __future__ import annotations

import hashlib
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, field

from syncd.emulator.archive import Archive
from syncd.emulator.nodes import Node, words
from syncd.emulator.word_pieces import Piece, Pieces, tree, wrap
from syncd.emulator.word_styles import Styles, prefixed

_CHILDREN = words(
    "w:customXml w:ins w:moveFromRangeEnd w:moveFromRangeStart w:moveTo w:moveToRangeEnd w:moveToRangeStart w:object "
    "w:smartTag w:drawing v:roundrect v:shape v:textbox w:txbxContent v:group v:rect"
)
_FIELD_LINK = re.compile(r"\s*HYPERLINK\s+(\\l\s+)?(?:\"(.*)\"|([^\\]\S*))")
# Signs of symbol fonts that stand in forms; others are left out here (the converter knows a thousand).
_SYMBOLS = {
    ("Wingdings", "FE"): "🗹",
    ("Wingdings", "A8"): "🞎",
    ("Wingdings", "FC"): "✓",
    ("Wingdings", "FD"): "🗷",
    ("Wingdings", "FB"): "🗶",
    ("Wingdings", "6F"): "🞏",
    ("Wingdings", "E0"): "🡪",
    ("Wingdings 2", "52"): "☑",
    ("Wingdings 2", "A3"): "□",
    ("Symbol", "B7"): "•",
    ("Symbol", "B0"): "°",
    ("Symbol", "B1"): "±",
    ("Symbol", "A3"): "≤",
    ("Symbol", "B3"): "≥",
}


def docx_tree(content: bytes) -> Node:
    """The tree of a document under a node named ``root``. Raises whatever a broken zip or XML raises."""
    archive = Archive(content)
    part = archive.main_part("word/document.xml")
    reader = _Reader(archive, part)
    body = next(node for node in archive.xml(part) if prefixed(node) == "w:body")
    pieces = reader.read(list(body)).pieces
    notes: Pieces = []
    for note in reader.notes:  # grows while notes are read that refer to others
        notes += reader.note(*note)
    return tree([*pieces, Piece(("ol",), notes)])


@dataclass(slots=True)
class _Read:
    """What came of an element, and what goes behind the paragraph it stands in."""

    pieces: Pieces = field(default_factory=list)
    extra: Pieces = field(default_factory=list)


@dataclass(slots=True)
class _Field:
    """A field under way: a link, a check box, or anything else."""

    begin: ET.Element
    link: str | None = None
    box: bool | None = None


class _Reader:
    """Reads one document; ``notes`` collects the notes that are referred to, as (kind, id)."""

    def __init__(self, archive: Archive, part: str) -> None:
        self._archive = archive
        self._relations = archive.relations(part)
        self._styles = Styles(archive, part)
        self._bodies = {kind: _note_bodies(archive, part, kind) for kind in ("footnote", "endnote")}
        self._fields: list[_Field] = []
        self._instruction = ""
        self._deleted: list[ET.Element] = []
        self.notes: list[tuple[str, str]] = []
        self._readers: dict[str, Callable[[ET.Element], _Read]] = {
            "w:p": self._paragraph,
            "w:r": self._run,
            "w:t": lambda node: _Read([node.text or ""]),
            "w:tab": lambda node: _Read(["\t"]),
            "w:noBreakHyphen": lambda node: _Read(["\u2011"]),
            "w:softHyphen": lambda node: _Read(["\u00ad"]),
            "w:br": self._break,
            "w:sym": self._symbol,
            "w:fldChar": self._field,
            "w:instrText": self._instruct,
            "w:hyperlink": self._hyperlink,
            "w:bookmarkStart": self._bookmark,
            "w:footnoteReference": lambda node: self._reference("footnote", node),
            "w:endnoteReference": lambda node: self._reference("endnote", node),
            "w:tbl": self._table,
            "mc:AlternateContent": lambda node: self.read(_inside(node, "mc:Fallback")),
            "w:sdt": self._control,
            "w:pict": self._picture,
            "wp:inline": self._drawing,
            "wp:anchor": self._drawing,
            "v:imagedata": lambda node: self._image(_attribute(node, "r:id"), _attribute(node, "o:title")),
        }

    def read(self, nodes: list[ET.Element]) -> _Read:
        """What comes of elements, one after the other."""
        found = _Read()
        for node in nodes:
            name = prefixed(node)
            reader = self._readers.get(name)
            read = reader(node) if reader else self.read(list(node)) if name in _CHILDREN else _Read()
            found.pieces += read.pieces
            found.extra += read.extra
        return found

    # ------------------------------------------------------------ paragraphs and runs

    def _paragraph(self, node: ET.Element) -> _Read:
        properties = _first(node, "w:pPr")
        marks = _first(properties, "w:rPr")
        if _first(marks, "w:del") is not None:  # its content goes on in the next paragraph
            self._deleted += list(node)
            return _Read()
        children, self._deleted = [*self._deleted, *node], []
        read = self.read(children)
        path = self._styles.paragraph_path(properties)
        return _Read([*wrap(path, read.pieces, kept=True), *read.extra])

    def _run(self, node: ET.Element) -> _Read:
        properties = _first(node, "w:rPr")
        read = self.read(list(node))
        link = next((item.link for item in reversed(self._fields) if item.link is not None), None)
        pieces = read.pieces
        if link is not None:
            pieces = [Piece(("a",), pieces, {"href": link}, fresh=False)]
        position = _attribute(_first(properties, "w:vertAlign"), "w:val")
        for path, wanted in (
            ("s", _on(_first(properties, "w:strike"))),
            ("sub", position == "subscript"),
            ("sup", position == "superscript"),
            ("em", _on(_first(properties, "w:i"))),
            ("strong", _on(_first(properties, "w:b"))),
            ("strong", self._styles.is_strong(properties)),
        ):
            pieces = wrap(path, pieces) if wanted else pieces
        return _Read(pieces, read.extra)

    def _break(self, node: ET.Element) -> _Read:
        return _Read([Piece(("br",))] if _attribute(node, "w:type") in ("", "textWrapping") else [])

    def _symbol(self, node: ET.Element) -> _Read:
        code = _attribute(node, "w:char").upper()
        code = code[2:] if re.fullmatch("F0..", code) else code
        return _Read([_SYMBOLS.get((_attribute(node, "w:font"), code), "")])

    def _bookmark(self, node: ET.Element) -> _Read:
        name = _attribute(node, "w:name")
        return _Read([] if name == "_GoBack" else [Piece(("a",), [], {"id": name}, kept=True)])

    # ------------------------------------------------------------ links, fields, notes

    def _hyperlink(self, node: ET.Element) -> _Read:
        read = self.read(list(node))
        target, anchor = _attribute(node, "r:id"), _attribute(node, "w:anchor")
        if not target and not anchor:
            return read
        href = f"#{anchor}"
        if target:
            href = self._relations.get(target, ("", ""))[1]
            href = href.partition("#")[0] + f"#{anchor}" if anchor else href
        attributes = {"href": href}
        if _attribute(node, "w:tgtFrame"):
            attributes["target"] = _attribute(node, "w:tgtFrame")
        return _Read([Piece(("a",), read.pieces, attributes, fresh=False)], read.extra)

    def _instruct(self, node: ET.Element) -> _Read:
        self._instruction += node.text or ""
        return _Read()

    def _field(self, node: ET.Element) -> _Read:
        kind = _attribute(node, "w:fldCharType")
        if kind == "begin":
            self._fields.append(_Field(node))
            self._instruction = ""
        elif kind == "separate" and self._fields:
            self._understand(self._fields[-1])
        elif kind == "end" and self._fields:
            done = self._fields.pop()
            if done.link is None and done.box is None:
                self._understand(done)
            if done.box is not None:
                return _Read([_box(done.box)])
        return _Read()

    def _understand(self, item: _Field) -> None:
        link = _FIELD_LINK.match(self._instruction)
        if link:
            target = link.group(3) if link.group(2) is None else link.group(2)
            item.link = f"#{target}" if link.group(1) else target
        elif "FORMCHECKBOX" in self._instruction:
            box = _first(_first(item.begin, "w:ffData"), "w:checkBox")
            checked = _first(box, "w:checked")
            item.box = _on(checked if checked is not None else _first(box, "w:default"))

    def _reference(self, kind: str, node: ET.Element) -> _Read:
        number = _attribute(node, "w:id")
        self.notes.append((kind, number))
        attributes = {"href": f"#{kind}-{number}", "id": f"{kind}-ref-{number}"}
        return _Read([Piece(("sup",), [Piece(("a",), [f"[{len(self.notes)}]"], attributes)])])

    def note(self, kind: str, number: str) -> Pieces:
        """The list item of one note, with a link back."""
        read = self.read(self._bodies[kind].get(number, []))
        back: Pieces = [" ", Piece(("a",), ["↑"], {"href": f"#{kind}-ref-{number}"})]
        paragraph = Piece(("p",), back, fresh=False)
        return [Piece(("li",), [*read.pieces, paragraph], {"id": f"{kind}-{number}"})]

    def _control(self, node: ET.Element) -> _Read:
        """A content control; the sign of a check box becomes a box."""
        read = self.read(_inside(node, "w:sdtContent"))
        box = _first(_first(node, "w:sdtPr"), "w14:checkbox")
        if box is None:
            return read
        checked = _first(box, "w14:checked")
        piece = _box(checked is not None and _attribute(checked, "w14:val") not in ("false", "0"))
        return _Read(read.pieces if _replace_text(read.pieces, piece) else [piece], read.extra)

    # ------------------------------------------------------------ tables

    def _table(self, node: ET.Element) -> _Read:
        rows: list[tuple[bool, list[_Cell]]] = []
        extra: Pieces = []
        for row in node:
            properties = _first(row, "w:trPr")
            if prefixed(row) != "w:tr" or _first(properties, "w:del") is not None:
                continue
            cells = []
            for cell in row:
                if prefixed(cell) == "w:tc":
                    read = self.read(list(cell))
                    extra += read.extra
                    cells.append(_cell(cell, read.pieces))
            rows.append((_first(properties, "w:tblHeader") is not None, cells))
        _merge([cells for _, cells in rows])
        heads = next((index for index, (header, _) in enumerate(rows) if not header), len(rows))
        made = [_row_piece(cells, "th" if index < heads else "td") for index, (_, cells) in enumerate(rows)]
        parts: Pieces = [*made]
        if heads:
            parts = [Piece(("thead",), [*made[:heads]]), Piece(("tbody",), [*made[heads:]])]
        return _Read([Piece(("table",), parts, kept=True)], extra)

    # ------------------------------------------------------------ pictures

    def _picture(self, node: ET.Element) -> _Read:
        read = self.read(list(node))
        return _Read([], [*read.extra, *read.pieces])

    def _drawing(self, node: ET.Element) -> _Read:
        properties = _first(node, "wp:docPr")
        title = _attribute(properties, "descr").strip() and _attribute(properties, "descr")
        found = _Read()
        for blip in node.iter():
            if prefixed(blip) == "a:blip":
                found.pieces += self._image(
                    _attribute(blip, "r:embed"), title or _attribute(properties, "title")
                ).pieces
        return found

    def _image(self, relation: str, title: str) -> _Read:
        part = self._relations.get(relation, ("", ""))[1]
        if part not in self._archive:
            return _Read()
        name = hashlib.sha256(f"{part} {relation}".encode()).hexdigest()[:16]
        attributes = {"alt": title} if title else {}
        return _Read([Piece(("img",), [], {**attributes, "src": f"dataset/parsed/{name}.png"})])


@dataclass(slots=True)
class _Cell:
    """A table cell; ``continued`` says that it belongs to the one above."""

    pieces: Pieces
    columns: int
    continued: bool
    rows: int = 1


def _cell(node: ET.Element, pieces: Pieces) -> _Cell:
    properties = _first(node, "w:tcPr")
    span = _attribute(_first(properties, "w:gridSpan"), "w:val")
    merge = _first(properties, "w:vMerge")
    continued = merge is not None and _attribute(merge, "w:val") in ("", "continue")
    return _Cell(pieces, int(span) if span.isdigit() else 1, continued)


def _merge(rows: list[list[_Cell]]) -> None:
    """Take out the cells that go on from above."""
    above: dict[int, _Cell] = {}
    for cells in rows:
        column = 0
        for cell in list(cells):
            if cell.continued and column in above:
                above[column].rows += 1
                cells.remove(cell)
            else:
                above[column] = cell
            column += cell.columns


def _row_piece(cells: list[_Cell], name: str) -> Piece:
    pieces: Pieces = []
    for cell in cells:
        attributes = {"colspan": str(cell.columns)} if cell.columns != 1 else {}
        if cell.rows != 1:
            attributes["rowspan"] = str(cell.rows)
        pieces.append(Piece((name,), cell.pieces, attributes, kept=True))
    return Piece(("tr",), pieces, kept=True)


def _box(checked: bool) -> Piece:
    return Piece(("input",), [], {"type": "checkbox", **({"checked": "checked"} if checked else {})})


def _replace_text(pieces: Pieces, box: Piece) -> bool:
    """Put a box in the place of the first text."""
    for index, piece in enumerate(pieces):
        if isinstance(piece, str):
            if piece:
                pieces[index] = box
                return True
        elif _replace_text(piece.children, box):
            return True
    return False


def _note_bodies(archive: Archive, part: str, kind: str) -> dict[str, list[ET.Element]]:
    name = archive.related(part, f"{kind}s", f"word/{kind}s.xml")
    if name not in archive:
        return {}
    notes = [node for node in archive.xml(name) if prefixed(node) == f"w:{kind}"]
    separators = ("separator", "continuationSeparator")
    return {_attribute(node, "w:id"): list(node) for node in notes if _attribute(node, "w:type") not in separators}


def _first(node: ET.Element | None, name: str) -> ET.Element | None:
    return None if node is None else next((child for child in node if prefixed(child) == name), None)


def _inside(node: ET.Element, name: str) -> list[ET.Element]:
    found = _first(node, name)
    return [] if found is None else list(found)


def _attribute(node: ET.Element | None, name: str) -> str:
    if node is None:
        return ""
    return next((value for key, value in node.attrib.items() if prefixed(key) == name), "")


def _on(node: ET.Element | None) -> bool:
    return node is not None and _attribute(node, "w:val") not in ("false", "0")
