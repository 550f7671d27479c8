"""Reports as Markdown, for merge requests and tickets."""

from __future__ import annotations

from syncd.report.human import one_line
from syncd.report.model import Finding, Lines, Report, Table


def render(report: Report) -> str:
    """The report as GitHub-flavoured Markdown."""
    blocks: list[str] = []
    for part in report.parts:
        match part:
            case Table():
                blocks.append(_table(part))
            case Lines():
                title = [f"### {_text(part.title)}", ""] if part.title else []
                blocks.append("\n".join([*title, *(_text(line) + "  " for line in part.lines)]))
            case Finding():
                remedy = f"  \n  {_text(part.remedy)}" if part.remedy else ""
                blocks.append(f"- **{_text(part.label)}**: {_text(part.message)}{remedy}")
    return "\n\n".join(block for block in blocks if block) + "\n"


def _table(table: Table) -> str:
    if not table.rows:
        return _text(table.empty)
    head = [f"### {_text(table.title)}", ""] if table.title else []
    titles = _row(tuple(column.title for column in table.columns))
    rule = "|" + "|".join("---:" if column.right else "---" for column in table.columns) + "|"
    return "\n".join([*head, titles, rule, *(_row(row) for row in table.rows)])


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(_text(cell).replace("|", "\\|") for cell in cells) + " |"


def _text(text: str) -> str:
    """Text in which no character of a file name means anything to Markdown; our own back quotes stay."""
    escaped = one_line(text)
    for character in "\\*_[]<>":
        escaped = escaped.replace(character, "\\" + character)
    return escaped
