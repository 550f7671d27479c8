"""JSON documents on stdout: exactly one, whatever file names are in it."""

from __future__ import annotations

import json
from typing import Any

from syncd.harmless import in_json


def render(document: dict[str, Any], *, indent: bool, encoding: str = "utf-8") -> str:
    """The document as text, a line break at its end.

    Args:
        document: the values.
        indent: for people who look at it.
        encoding: of the stream; where it cannot hold the text, escapes are used. Names on disk need not be Unicode.
    """
    spaces = 2 if indent else None
    text = json.dumps(document, ensure_ascii=False, indent=spaces)
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = json.dumps(document, ensure_ascii=True, indent=spaces)
    return in_json(text) + "\n"
