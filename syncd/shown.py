"""The text of a text format after the conversion that FastGPT is known to make; pure."""

from __future__ import annotations

from syncd.models import Format
from syncd.tabular import csv_text
from syncd.visible import html_text


def shown(text: str, fmt: Format) -> tuple[str | None, str]:
    """Return what FastGPT shows of a text, and why there is nothing to be seen of it (else "")."""
    if fmt is Format.HTML:
        text = html_text(text)
    elif fmt is Format.CSV:
        text = csv_text(text)
    else:
        return text, ""
    if not any(map(str.isalnum, text)):
        return None, f"no text is to be seen in this {fmt.value.upper()}"
    return text, ""
