"""Excel workbooks to Markdown tables: raw values, so dates are numbers and errors are nothing; no merging of cells."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator

from syncd.emulator.archive import Archive
from syncd.emulator.chunking import SIGN
from syncd.emulator.csv_table import table
from syncd.emulator.javascript import number_text

_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_LINK = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_ESCAPE = re.compile(r"_x([0-9a-fA-F]{4})_")
_REFERENCE = re.compile(r"([A-Za-z]+)([0-9]+)")
_REFUSED = {
    b"%PDF": "PDF File is not a spreadsheet",
    b"\x89PNG": "PNG Image File is not a spreadsheet",
    b"\xd0\xcf\x11\xe0": "Unsupported file",  # an old Excel file, or an encrypted one: not read here
}
_LARGEST = 1_000_000  # cells of one sheet; a sheet that says it is larger is cut to what it holds


def xlsx_text(content: bytes) -> str:
    """Every sheet as a table, with the sign between them that the splitter cuts at.

    A file that is no zip is read as a sheet of its bytes (retrieval.md R15).
    """
    if content[:4] != b"PK\x03\x04":
        for start, name in _REFUSED.items():
            if content.startswith(start):
                raise ValueError(name)
        return table(_plain_rows(content))
    archive = Archive(content)
    book = archive.main_part("xl/workbook.xml")
    shared = _shared_strings(archive, archive.related(book, "sharedStrings", "xl/sharedStrings.xml"))
    targets = archive.relations(book)
    sheets = []
    for sheet in archive.xml(book).iter(f"{_SHEET}sheet"):
        _, part = targets.get(sheet.get(_LINK, ""), ("", ""))
        rows = _rows(archive.xml(part), shared) if part in archive else []
        if rows:
            sheets.append(table(rows))
    return SIGN.join(sheets)


def _plain_rows(content: bytes) -> list[list[str]]:
    """Text that calls itself a workbook: a row a line, cells at tabs, commas or semicolons, as the library guesses."""
    text = content.decode("utf-8-sig") if content[:3] == b"\xef\xbb\xbf" else content.decode("latin-1")
    head = text[:1024]
    delimiter = max(",\t;", key=head.count) if any(sign in head for sign in ",\t;") else "\x00"
    return [line.split(delimiter) for line in text.splitlines()] or [[""]]


def _shared_strings(archive: Archive, name: str) -> list[str]:
    if name not in archive:
        return []
    return [_string(item) for item in archive.xml(name).iter(f"{_SHEET}si")]


def _string(item: ET.Element) -> str:
    """A plain or a rich string; how it is pronounced does not count."""
    parts = [item, *item.findall(f"{_SHEET}r")]
    text = "".join(node.text or "" for part in parts for node in part.findall(f"{_SHEET}t"))
    return _ESCAPE.sub(lambda found: chr(int(found.group(1), 16)), text)


def _rows(sheet: ET.Element, shared: list[str]) -> list[list[str]]:
    """The cells of the range that the sheet names, blank rows too."""
    cells = dict(_cells(sheet, shared))
    dimension = sheet.find(f"{_SHEET}dimension")
    found = _REFERENCE.findall(dimension.get("ref", "") if dimension is not None else "")
    corners = [(int(row), _column(letters)) for letters, row in found] or list(cells)
    if not corners:
        return []
    top, left = min(row for row, _ in corners), min(column for _, column in corners)
    bottom, right = max(row for row, _ in corners), max(column for _, column in corners)
    if (bottom - top + 1) * (right - left + 1) > _LARGEST and cells:
        bottom, right = max(row for row, _ in cells), max(column for _, column in cells)
    return [[cells.get((row, column), "") for column in range(left, right + 1)] for row in range(top, bottom + 1)]


def _column(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - 64
    return number


def _cells(sheet: ET.Element, shared: list[str]) -> Iterator[tuple[tuple[int, int], str]]:
    line = 0
    for row in sheet.iter(f"{_SHEET}row"):
        line = int(row.get("r") or line + 1)
        column = 0
        for cell in row.findall(f"{_SHEET}c"):
            match = _REFERENCE.match(cell.get("r", ""))
            column = _column(match.group(1)) if match else column + 1
            yield (line, column), _value(cell, shared)


def _value(cell: ET.Element, shared: list[str]) -> str:
    """What JavaScript makes of a raw value: errors are nothing but ``#NULL!``, which is null."""
    kind = cell.get("t", "n")
    if kind == "inlineStr":
        inline = cell.find(f"{_SHEET}is")
        return _string(inline) if inline is not None else ""
    value = cell.findtext(f"{_SHEET}v")
    if not value or kind == "e":
        return "null" if value == "#NULL!" else ""
    if kind == "s":
        return shared[int(value)]
    if kind == "b":
        return "true" if value.strip() in ("1", "true") else "false"
    if kind in ("str", "d"):
        return _ESCAPE.sub(lambda found: chr(int(found.group(1), 16)), value)
    return number_text(float(value))
