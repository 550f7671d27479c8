"""Tables of a document tree as Markdown tables, by the plugin that FastGPT's converter uses.

A table without a heading row gets an empty one; line ends inside a cell are ``<br>``; cells are padded to three signs.
"""

from __future__ import annotations

import re

from syncd.emulator.javascript import trim
from syncd.emulator.nodes import Node


def table_of(node: Node) -> Node | None:
    """The table an element stands in."""
    parent = node.parent
    while parent is not None and parent.name != "table":
        parent = parent.parent
    return parent


def _rows(table: Node) -> list[Node]:
    """The table's own rows."""
    found = []
    for child in table.children:
        if child.name == "tr":
            found.append(child)
        elif child.name in ("thead", "tbody", "tfoot"):
            found += [row for row in child.children if row.name == "tr"]
    return found


def skipped(table: Node | None) -> bool:
    """Tables of one cell, and those that hold tables, are written as paragraphs."""
    return table is None or _facts(table)[0]


def _columns(table: Node) -> int:
    return _facts(table)[1]


def _facts(table: Node) -> tuple[bool, int]:
    """Whether a table is no table for Markdown, and its columns; looked up once."""
    if table.note is None:
        rows = _rows(table)
        single = len(rows) == 1 and len(rows[0].children) <= 1
        nested = any(node.name == "table" for node in table.below())
        table.note = (single or nested, max((len(row.children) for row in rows), default=0))
    facts: tuple[bool, int] = table.note
    return facts


def cell(content: str, node: Node | None, index: int | None = None) -> str:
    """One cell; the first of a row brings the row\'s first line. A spanning cell is followed by empty ones."""
    place = node.index() if node is not None else index
    content = re.sub(r"\|+", r"\\|", trim(content).replace("\n\r", "<br>").replace("\n", "<br>")).ljust(3)
    span = node.attributes.get("colspan", "1") if node is not None else "1"
    content += " |    " * ((int(span) if span.isdigit() else 1) - 1)
    return ("| " if place == 0 else " ") + content + " |"


def row(node: Node, content: str) -> str:
    """One row, with the rule below it if it is the heading."""
    table = table_of(node)
    borders = ""
    if table is not None and _heads(node):
        count = _columns(table)
        signs = {"left": ":--", "right": "--:", "center": ":-:"}
        for index in range(count):
            child = node.children[index] if count < len(node.children) else None  # so it never says how to align
            sign = signs.get(child.attributes.get("align", "").lower(), "---") if child is not None else "---"
            borders += cell(sign, child, index)
    return "\n" + content + ("\n" + borders if borders else "")


def _heads(row: Node) -> bool:
    """Whether a row is the table's heading."""
    parent = row.parent
    if parent is None or parent.name == "thead":
        return parent is not None
    first = parent.children[0] is row and (parent.name == "table" or _first_body(parent))
    return first and all(cell.name == "th" for cell in row.children)


def _first_body(section: Node) -> bool:
    before = section.sibling(-1)
    return section.name == "tbody" and (before is None or (before.name == "thead" and not trim(before.all_text())))


def table(node: Node, content: str) -> str:
    """A whole table from its rows, with an empty heading if it has none."""
    content = re.sub(r"\n+", "\n", content)
    lines = trim(content).split("\n")
    divided = len(lines) >= 2 and lines[1].startswith("| ---")
    count = _columns(node)
    head = f"|{'     |' * count}\n|{' --- |' * count}" if count and not divided else ""
    return f"\n\n{head}{content}\n\n"
