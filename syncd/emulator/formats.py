"""Stored files to text: which reader reads what, and what goes wrong with it."""

from __future__ import annotations

from syncd.emulator.csv_table import read_rows, table
from syncd.emulator.decoding import decode, strip_bom
from syncd.emulator.html_page import parse
from syncd.emulator.markdown import markdown
from syncd.emulator.pages import pdf_text
from syncd.emulator.polish import simple_markdown, store_pictures, store_sources
from syncd.emulator.sheets import xlsx_text
from syncd.emulator.slides import pptx_text
from syncd.emulator.word import docx_tree

EXTENSIONS = ("txt", "md", "html", "pdf", "docx", "pptx", "csv", "xlsx")
LONGEST_PAGE = 1_000_000  # characters; a longer page is kept as it is, tags and all
_UNREADABLE = {"docx": "Can not read doc file, please convert to PDF"}


class ParseError(Exception):
    """The parse task fails for good with this text."""


def read(content: bytes, extension: str, guesses: bool) -> str:
    """The raw text of a file; ``extension`` has no dot and may be in capitals (observed fact 25)."""
    kind = extension.lower()
    if kind in ("txt", "md"):
        return store_pictures(decode(content, guesses))
    if kind == "csv":
        return csv_text(decode(content, guesses))
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
        raise ParseError(_UNREADABLE.get(kind) or str(error) or type(error).__name__) from error


def csv_text(text: str) -> str:
    """A CSV as a Markdown table."""
    rows = read_rows(text)
    if not rows:
        raise ParseError("Cannot read properties of undefined (reading 'join')")
    return store_pictures(table(rows))


def html_text(text: str) -> str:
    """A page as Markdown; one that is nested too deeply gives nothing, as FastGPT's converter gives up on it."""
    if len(text) > LONGEST_PAGE:
        return text
    try:
        return simple_markdown(markdown(parse(store_sources(text))))
    except RecursionError:
        return ""


def docx_text(content: bytes) -> str:
    """A Word document as Markdown."""
    return simple_markdown(markdown(docx_tree(content)))


_BINARY = {"docx": docx_text, "pptx": pptx_text, "xlsx": xlsx_text, "pdf": pdf_text}
