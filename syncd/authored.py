"""TOML that somebody else wrote, read within bounds. Pure.

Python's parser keeps each beginning of a dotted key: one line of 500 KB of dots took more than all the memory of the
machine. What a person writes by hand has few of them in a line, and few brackets one in another.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any

MOST_DOTS = 100
"""In one line."""

_AT_LINE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")
_LONGEST = 200  # characters of a reason: it may repeat what is written
_DEEP = 50  # brackets one in another that are worth a look


class NotReadable(ValueError):
    """It cannot be read; ``line`` says where, from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message if len(message) <= _LONGEST else message[:_LONGEST] + "…")
        self.line = line


def tables(text: str) -> dict[str, Any]:
    """Return the tables of a TOML text.

    Raises:
        NotReadable: it is no TOML, or beyond the bounds.
    """
    for number, written in enumerate(text.split("\n"), 1):
        if written.count(".") > MOST_DOTS:
            raise NotReadable(f"the line has more than {MOST_DOTS} dots", number)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise NotReadable("brackets stand too deep in each other", _deep_line(text)) from None
    except ValueError as error:
        found = _AT_LINE.search(str(error))
        line = int(found[1]) if found and found[1] else text.count("\n") + 1 if found else 1
        raise NotReadable(_AT_LINE.sub("", str(error)), line) from None


def _deep_line(text: str) -> int:
    depth = 0
    for number, line in enumerate(text.split("\n"), 1):
        depth += sum(line.count(bracket) for bracket in "[{") - sum(line.count(bracket) for bracket in "]}")
        if depth > _DEEP:
            return number
    return 1
