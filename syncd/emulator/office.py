"""Office formats and PDF to text, with the standard library and pypdf."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
import zipfile

_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_DRAW = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def _parse(archive: zipfile.ZipFile, name: str) -> ET.Element:
    return ET.fromstring(archive.read(name))  # noqa: S314 - see above


def _numbered(archive: zipfile.ZipFile, pattern: str) -> list[str]:
    """Members like slide1.xml, slide2.xml, slide10.xml in the order of their numbers."""
    found = [(int(match.group(1)), name) for name in archive.namelist() if (match := re.fullmatch(pattern, name))]
    return [name for _, name in sorted(found)]


def docx_text(content: bytes) -> str:
    """Paragraphs, headings as Markdown, tables as Markdown tables with an empty head (as the real converter)."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        body = _parse(archive, "word/document.xml").find(f"{_WORD}body")
    blocks: list[str] = []
    for element in body if body is not None else ():
        if element.tag == f"{_WORD}p":
            text = _word_text(element)
            if text:
                blocks.append(_heading(element) + text)
        elif element.tag == f"{_WORD}tbl":
            blocks.append(_word_table(element))
    return "\n\n".join(blocks)


def _word_text(element: ET.Element) -> str:
    parts = []
    for node in element.iter():
        if node.tag == f"{_WORD}t":
            parts.append(node.text or "")
        elif node.tag in (f"{_WORD}tab", f"{_WORD}br"):
            parts.append(" ")
    return "".join(parts).strip()


def _heading(paragraph: ET.Element) -> str:
    style = paragraph.find(f"{_WORD}pPr/{_WORD}pStyle")
    match = re.fullmatch(r"[Hh]eading ?([1-6])|([1-6])", style.get(f"{_WORD}val", "") if style is not None else "")
    return "#" * int(match.group(1) or match.group(2)) + " " if match else ""


def _word_table(element: ET.Element) -> str:
    rows = [[_word_text(cell) for cell in row.findall(f"{_WORD}tc")] for row in element.findall(f"{_WORD}tr")]
    width = max((len(row) for row in rows), default=0)
    head = [f"| {' | '.join([blank] * width)} |" for blank in ("    ", "---")]
    return "\n".join(head + ["| " + " | ".join(row) + " |" for row in rows])


def pptx_text(content: bytes) -> str:
    """The text of every slide, one paragraph a line."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        slides = [_parse(archive, name) for name in _numbered(archive, r"ppt/slides/slide(\d+)\.xml")]
    pages = []
    for slide in slides:
        lines = ["".join(node.text or "" for node in para.iter(f"{_DRAW}t")) for para in slide.iter(f"{_DRAW}p")]
        pages.append("\n".join(line for line in lines if line))
    return "\n".join(pages)


def xlsx_text(content: bytes) -> str:
    """Every sheet as a Markdown table."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        shared: list[str] = []
        if "xl/sharedStrings.xml" in archive.namelist():
            strings = _parse(archive, "xl/sharedStrings.xml")
            shared = ["".join(node.text or "" for node in item.iter(f"{_SHEET}t")) for item in strings]
        sheets = [_parse(archive, name) for name in _numbered(archive, r"xl/worksheets/sheet(\d+)\.xml")]
    return "\n\n".join(filter(None, (_sheet_table(sheet, shared) for sheet in sheets)))


def _sheet_table(sheet: ET.Element, shared: list[str]) -> str:
    rows: list[list[str]] = []
    for row in sheet.iter(f"{_SHEET}row"):
        cells: list[str] = []
        for cell in row.findall(f"{_SHEET}c"):
            column = _column(cell.get("r", ""))
            cells.extend("" for _ in range(column - len(cells)))
            cells.append(_cell(cell, shared))
        rows.append(cells)
    if not rows:
        return ""
    head, *rest = rows
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rest])


def _column(reference: str) -> int:
    """The zero-based column of a reference such as ``C7``; 0 without one."""
    number = 0
    for letter in reference:
        if not letter.isalpha():
            break
        number = number * 26 + ord(letter.upper()) - 64
    return max(0, number - 1)


def _cell(cell: ET.Element, shared: list[str]) -> str:
    if cell.get("t") == "inlineStr":
        return "".join(node.text or "" for node in cell.iter(f"{_SHEET}t"))
    value = cell.findtext(f"{_SHEET}v") or ""
    return shared[int(value)] if cell.get("t") == "s" and value else value


def pdf_text(content: bytes) -> str:
    """The text of all pages, one after the other without a separator, as the real server joins them."""
    from pypdf import PdfReader  # costs 0.2 s to import; most emulators never see a PDF

    reader = PdfReader(io.BytesIO(content), strict=True)
    return "".join(page.extract_text() for page in reader.pages)
