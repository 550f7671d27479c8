"""Single texts out of a configuration that may be wrong: enough to find service and ledger. Standard library only."""

from __future__ import annotations

import re
import tomllib

_TABLE = re.compile(r"\s*\[{1,2}\s*([^\[\]]+?)\s*\]{1,2}")
_LARGEST = 4 * 1024 * 1024  # characters


def text_of(source: str, table: str, key: str) -> str | None:
    """What a configuration says of one key; ``None`` when it says nothing, or nothing that is a text.

    Where the file is not TOML, its lines are read one by one: a slip in one of them does not hide the others.
    """
    try:
        found = tomllib.loads(source).get(table)
    except (ValueError, RecursionError):
        return _by_line(source[:_LARGEST], table, key)
    value = found.get(key) if isinstance(found, dict) else None
    return value if isinstance(value, str) else None


def _by_line(source: str, table: str, key: str) -> str | None:
    stated = re.compile(rf"\s*({re.escape(table)}\s*\.\s*)?{re.escape(key)}\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
    current = ""
    for line in source.splitlines():
        if (heading := _TABLE.match(line)) is not None:
            current = heading[1]
        elif (value := stated.match(line)) is not None and current == ("" if value[1] else table):
            return value[2] if value[2] is not None else value[3]
    return None
