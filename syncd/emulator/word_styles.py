"""What the styles and the numbering of a Word document make of a paragraph: a heading, an item of a list, text."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from syncd.emulator.archive import Archive

_PREFIXES = {
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main": "w",
    "http://purl.oclc.org/ooxml/wordprocessingml/main": "w",
    "http://schemas.openxmlformats.org/officeDocument/2006/relationships": "r",
    "http://purl.oclc.org/ooxml/officeDocument/relationships": "r",
    "http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing": "wp",
    "http://purl.oclc.org/ooxml/drawingml/wordprocessingDrawing": "wp",
    "http://schemas.openxmlformats.org/drawingml/2006/main": "a",
    "http://purl.oclc.org/ooxml/drawingml/main": "a",
    "http://schemas.openxmlformats.org/markup-compatibility/2006": "mc",
    "http://schemas.microsoft.com/office/word/2010/wordml": "w14",
    "urn:schemas-microsoft-com:vml": "v",
    "urn:schemas-microsoft-com:office:office": "o",
}
_HEADING_ID = re.compile(r"Heading([1-6])")
_HEADING_NAME = re.compile(r"heading ([1-6])")
_NOTES = ("footnote text", "endnote text", "annotation text", "footnote", "endnote")


def prefixed(node: ET.Element | str) -> str:
    """The usual short name of an element or attribute, such as ``w:p``; names without a namespace as they are."""
    tag = node if isinstance(node, str) else str(node.tag)
    if not tag.startswith("{"):
        return tag
    space, _, local = tag[1:].partition("}")
    return f"{_PREFIXES.get(space, '?')}:{local}"


def _value(node: ET.Element | None, *path: str) -> str | None:
    """The ``w:val`` of an element below; None when it is not there."""
    for name in path:
        node = None if node is None else next((child for child in node if prefixed(child) == name), None)
    return None if node is None else next((text for key, text in node.attrib.items() if prefixed(key) == "w:val"), None)


def _attributes(node: ET.Element) -> dict[str, str]:
    return {prefixed(key): value for key, value in node.attrib.items()}


class Styles:
    """The styles and the numbering of one document."""

    def __init__(self, archive: Archive, part: str) -> None:
        self._names: dict[tuple[str, str], str] = {}
        self._levels: dict[str, dict[str, bool]] = {}  # of a list: level to whether it is numbered
        self._by_style: dict[str, tuple[str, bool]] = {}
        self._read_styles(archive, archive.related(part, "styles", "word/styles.xml"))
        self._read_numbering(archive, archive.related(part, "numbering", "word/numbering.xml"))

    def _read_styles(self, archive: Archive, name: str) -> None:
        if name not in archive:
            return
        for style in archive.xml(name):
            if prefixed(style) == "w:style":
                known = _attributes(style)
                self._names[known.get("w:type", ""), known.get("w:styleId", "")] = _value(style, "w:name") or ""

    def _read_numbering(self, archive: Archive, name: str) -> None:
        if name not in archive:
            return
        abstract: dict[str, dict[str, bool]] = {}
        root = archive.xml(name)
        for node in root:
            if prefixed(node) != "w:abstractNum":
                continue
            levels: dict[str, bool] = {}
            for level in node:
                if prefixed(level) != "w:lvl":
                    continue
                index = _attributes(level).get("w:ilvl", "0")
                levels[index] = _value(level, "w:numFmt") != "bullet"
                style = _value(level, "w:pStyle")
                if style is not None:
                    self._by_style[style] = (index, levels[index])
            abstract[_attributes(node).get("w:abstractNumId", "")] = levels
        for node in root:
            if prefixed(node) == "w:num":
                number = _attributes(node).get("w:numId", "")
                self._levels[number] = abstract.get(_value(node, "w:abstractNumId") or "", {})

    def is_strong(self, properties: ET.Element | None) -> bool:
        """Whether a run has the character style Strong."""
        style = _value(properties, "w:rStyle")
        return style is not None and self._names.get(("character", style), "").lower() == "strong"

    def paragraph_path(self, properties: ET.Element | None) -> str:
        """The elements around a paragraph, as a path."""
        style = _value(properties, "w:pStyle") or ""
        name = self._names.get(("paragraph", style), "").lower()
        heading = _HEADING_ID.fullmatch(style) or _HEADING_NAME.fullmatch(name)
        if heading:
            return f"h{heading.group(1)}:fresh"
        if style == "Heading" or name == "heading":
            return "h1:fresh"
        if name in _NOTES:
            return "p:fresh"
        level = self._level(properties, style)
        if level is None or not 0 <= int(level[0]) < 5:
            return "p:fresh"
        kind = "ol" if level[1] else "ul"
        return "ul|ol > li > " * int(level[0]) + f"{kind} > li:fresh"

    def _level(self, properties: ET.Element | None, style: str) -> tuple[str, bool] | None:
        """Level and kind of the list a paragraph is in."""
        level, number = _value(properties, "w:numPr", "w:ilvl"), _value(properties, "w:numPr", "w:numId")
        if level is None or number is None:
            if style in self._by_style:
                return self._by_style[style]
            level = "0"
        if number is None or level not in self._levels.get(number, {}):
            return None
        return level, self._levels[number][level]
