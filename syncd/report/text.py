"""Reports for people: drawn tables on a terminal, aligned plain text everywhere else."""

from __future__ import annotations

from collections.abc import Iterable

import click

from syncd.harmless import harmless
from syncd.report.human import TONES, one_line, padded, printable, width
from syncd.report.model import Finding, Lines, Report, Table
from syncd.report.terminal import Look

_GAP = "  "
_LABEL = 13  # columns for the word in front of a finding


def render(report: Report, look: Look) -> str:
    """The report as text, a line break at its end."""
    blocks: list[str] = []
    findings: list[Finding] = []
    for part in report.parts:
        match part:
            case Finding():
                findings.append(part)
                continue
            case Table():
                block = _table(part, look)
            case Lines():
                block = _lines(part, look)
        blocks += [*_pending(findings, look), block]
        findings = []
    blocks += _pending(findings, look)
    return "\n".join(block.rstrip("\n") + "\n" for block in blocks if block)


def _pending(findings: Iterable[Finding], look: Look) -> list[str]:
    text = "".join(finding(f, look) for f in findings)
    return [text] if text else []


def _lines(part: Lines, look: Look) -> str:
    lines = [printable(line) for line in part.lines]
    if part.title:
        lines.insert(0, style(part.title, look, bold=True))
    return "\n".join(lines) + "\n" if lines else ""


def finding(found: Finding, look: Look) -> str:
    """One finding: its label, its message, and the remedy below."""
    label = style(padded(found.label, _LABEL - 2), look, tone=TONES.get(found.label) or TONES[found.level.value])
    text = f"{label}{_GAP}{one_line(found.message)}\n"
    if found.remedy:
        text += f"{' ' * _LABEL}{style('-> ' + one_line(found.remedy), look, dim=True)}\n"
    return text


def style(text: str, look: Look, *, tone: str | None = None, bold: bool = False, dim: bool = False) -> str:
    """``text`` in a colour where the stream takes colours."""
    if not look.colour or not text:
        return text
    return click.style(text, fg=tone, bold=bold or None, dim=dim or None)


def _table(table: Table, look: Look) -> str:
    if not table.rows:
        return one_line(table.empty) + "\n" if table.empty else ""
    rows = [tuple(harmless(one_line(cell)) for cell in row) for row in table.rows]
    return _drawn(table, rows, look) if look.rich else _plain(table, rows)


def _plain(table: Table, rows: list[tuple[str, ...]]) -> str:
    titles = tuple(column.title for column in table.columns)
    widths = [max(width(cell) for cell in cells) for cells in zip(titles, *rows, strict=True)]

    def line(cells: tuple[str, ...]) -> str:
        parts = [
            padded(cell, columns, right=column.right)
            for cell, columns, column in zip(cells, widths, table.columns, strict=True)
        ]
        return _GAP.join(parts).rstrip()

    head = [table.title] if table.title else []
    return "\n".join([*head, line(titles), *map(line, rows)]) + "\n"


def _drawn(table: Table, rows: list[tuple[str, ...]], look: Look) -> str:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table as Drawn
    from rich.text import Text

    drawn = Drawn(
        box=SIMPLE_HEAD,
        title=table.title or None,
        title_justify="left",
        title_style="bold",
        pad_edge=False,
        show_edge=False,
    )
    for column in table.columns:
        drawn.add_column(column.title, justify="right" if column.right else "left", overflow="fold")
    for row in rows:
        cells = [
            Text(cell, style=TONES.get(cell, "") if column.toned else "")
            for cell, column in zip(row, table.columns, strict=True)
        ]
        drawn.add_row(*cells)
    console = Console(force_terminal=look.colour, no_color=not look.colour, highlight=False)
    with console.capture() as capture:
        console.print(drawn)
    # rich fills lines with blanks up to the width of the terminal.
    return "\n".join(line.rstrip() for line in capture.get().splitlines())
