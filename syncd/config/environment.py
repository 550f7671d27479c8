"""Environment variables that override keys: ``SYNCD_FASTGPT__UPLOADS=8``.

Only names with two underscores in a row are overrides, so that ``SYNCD_CONFIG`` and its like are left alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from syncd.config.problems import Problems, did_you_mean
from syncd.config.schema import TABLES

PREFIX = "SYNCD_"


def variable(table: str, key: str) -> str:
    """The name of the variable that overrides ``key`` of ``table``."""
    return f"{PREFIX}{table}__{key}".upper()


_KNOWN = {variable(table, key): (table, key) for table, keys in TABLES.items() for key in keys}


def overrides(env: Mapping[str, str], problems: Problems) -> dict[str, dict[str, Any]]:
    """Return the checked overrides by table and key; report unknown names and wrong values."""
    found: dict[str, dict[str, Any]] = {table: {} for table in TABLES}
    for name in sorted(env):
        if not name.startswith(PREFIX) or "__" not in name:
            continue
        if name not in _KNOWN:
            problems.variable(f"{name} overrides no key{_hint(name)}")
            continue
        table, key = _KNOWN[name]
        kind = TABLES[table][key]
        try:
            found[table][key] = kind.check(kind.literal(env[name]))
        except ValueError as error:
            problems.variable(f"{name} {error}")
    return found


def _hint(name: str) -> str:
    if name.startswith(f"{PREFIX}SOURCE"):
        return "; sources can be written only in the file"
    return did_you_mean(name, _KNOWN)
