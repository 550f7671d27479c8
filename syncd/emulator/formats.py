"""Stored files to text: text, Markdown, CSV and HTML here, office formats and PDF in their own module."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser

from syncd.emulator.decoding import decode, strip_bom
from syncd.emulator.office import docx_text, pdf_text, pptx_text, xlsx_text

EXTENSIONS = ("txt", "md", "html", "pdf", "docx", "pptx", "csv", "xlsx")
_BINARY = {"docx": docx_text, "pptx": pptx_text, "xlsx": xlsx_text, "pdf": pdf_text}


class ParseError(Exception):
    """The parse task fails for good with this text."""


def read(content: bytes, extension: str, guesses: bool) -> str:
    """The raw text of a file; ``extension`` has no dot and may be in capitals (observed fact 25)."""
    kind = extension.lower()
    if kind in ("txt", "md"):
        return decode(content, guesses)
    if kind == "csv":
        return csv_text(strip_bom(decode(content, guesses)))
    if kind == "html":
        return html_text(strip_bom(decode(content, guesses)))
    reader = _BINARY.get(kind)
    if reader is None:
        raise ParseError(
            f'Only support .txt, .md, .html, .pdf, .docx, pptx, .csv, .xlsx. "{extension}" is not supported.'
        )
    try:
        return reader(content)
    except Exception as error:  # a broken file fails in whatever way its parser likes
        raise ParseError(str(error) or type(error).__name__) from error


def csv_text(text: str) -> str:
    """A CSV as a Markdown table; the line end after the last row gives one empty row, as on the real server."""
    rows = list(csv.reader(io.StringIO(text, newline="")))
    if text.endswith("\n"):
        rows.append([""])
    if not rows:
        return ""
    return table(rows)


def table(rows: list[list[str]]) -> str:
    """Rows as a Markdown table."""
    head, *rest = rows
    lines = [_row(head), "| " + " | ".join("---" for _ in head) + " |", *map(_row, rest)]
    return "\n".join(lines)


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("\n", " ") for cell in cells) + " |"


_BLOCKS = frozenset(
    [
        "p",
        "div",
        "section",
        "article",
        "header",
        "footer",
        "main",
        "ul",
        "ol",
        "table",
        "tr",
        "blockquote",
        "figure",
        "form",
        "title",
        "pre",
    ]
)
_SILENT = frozenset(["script", "style", "head", "noscript", "template", "svg"])
_MARKS = {"b": "**", "strong": "**", "i": "_", "em": "_", "code": "`"}


class _Markdown(HTMLParser):
    """A small HTML to Markdown writer; keeps the words, not the looks."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._silent: list[str] = []
        self._pre = 0
        self._row: list[list[str]] | None = None
        self._link = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT and tag != "head":
            self._silent.append(tag)
        elif re.fullmatch("h[1-6]", tag):
            self._block("#" * int(tag[1]) + " ")
        elif tag == "li":
            self.parts.append("\n-   ")
        elif tag == "br":
            self.parts.append("\n")
        elif tag == "pre":
            self._block("```\n")
            self._pre += 1
        elif tag in ("td", "th"):
            self.parts.append(" | ")
        elif tag == "tr":
            self.parts.append("\n")
        elif tag in _BLOCKS:
            self._block("")
        elif tag == "a":
            self._link = dict(attrs).get("href") or ""
            self.parts.append("[" if self._link else "")
        elif tag in _MARKS and not self._pre:
            self.parts.append(_MARKS[tag])

    def handle_endtag(self, tag: str) -> None:
        if self._silent and tag == self._silent[-1]:
            self._silent.pop()
        elif tag == "pre":
            self._pre = max(0, self._pre - 1)
            self._block("```")
            self._block("")
        elif tag == "tr":
            self.parts.append(" |")
        elif re.fullmatch("h[1-6]", tag) or tag in _BLOCKS:
            self._block("")
        elif tag == "a" and self._link:
            self.parts.append(f"]({self._link})")
            self._link = ""
        elif tag in _MARKS and not self._pre:
            self.parts.append(_MARKS[tag])

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data if self._pre else re.sub(r"\s+", " ", data))

    def _block(self, start: str) -> None:
        self.parts.append("\n\n" + start)


def html_text(text: str) -> str:
    """An HTML page as Markdown-like text."""
    writer = _Markdown()
    writer.feed(text)
    writer.close()
    lines = [line.strip() if line.strip() else "" for line in "".join(writer.parts).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
