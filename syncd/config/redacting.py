"""A configuration as others may see it: by what its values mean, never by what its lines look like (law 10).

The file is parsed, right or wrong, and written anew. Only what the schema knows, allows and does not keep secret is
shown; comments, unknown keys and wrong values are left out or masked, since any of them may hold a secret.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from syncd.config import environment
from syncd.config.kinds import Kind
from syncd.config.schema import SOURCE, SUBTABLES, TABLES, Keys

MASK = "***"
_LARGEST = 4 * 1024 * 1024
_LARGEST_SECRET = 65536
_VERSION: Keys = {"version": Kind(lambda value: value)}


def tables_of(path: Path) -> dict[str, Any] | None:
    """The tables of a configuration, whatever is wrong with their values; ``None`` when it is no TOML."""
    try:
        with path.open("rb") as file:
            return tomllib.loads(file.read(_LARGEST).decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None


def redacted(tables: Mapping[str, Any]) -> str:
    """The same tables as TOML, with ``***`` for each value that nobody else may see."""
    lines = list(_lines({key: value for key, value in tables.items() if key == "version"}, _VERSION))
    unknown = len(tables.keys() - {"version", "source", *TABLES})
    if unknown:
        lines.append(f"# {unknown} unknown at the top")
    for name, keys in TABLES.items():
        if name in tables:
            lines += ["", f"[{name}]", *_lines(tables[name], keys)]
    sources = tables.get("source")
    for source in sources if isinstance(sources, list) else []:
        lines += ["", "[[source]]", *_lines(source, SOURCE, SUBTABLES)]
        for name, keys in SUBTABLES.items():
            if isinstance(source, dict) and name in source:
                lines += ["", f"[source.{name}]", *_lines(source[name], keys)]
    return "\n".join(lines).lstrip("\n") + "\n"


def _lines(table: object, keys: Keys, others: Mapping[str, Keys] | None = None) -> Iterator[str]:
    if not isinstance(table, dict):
        yield "# this is no table"
        return
    for key, value in table.items():
        if key in keys:
            yield f"{key} = {_shown(keys[key], value)}"
    unknown = len(table.keys() - keys.keys() - (others or {}).keys())
    if unknown:
        yield f"# {unknown} unknown in this table"


def _shown(kind: Kind, value: object) -> str:
    if kind.hidden or not kind.accepts(value) or not isinstance(value, str | int | float | list):
        return f'"{MASK}"'
    return json.dumps(value, ensure_ascii=False)


def secrets(tables: Mapping[str, Any] | None, path: Path | None, env: Mapping[str, str]) -> set[str]:
    """Every text that may be a secret of this configuration: what is stated, what the named files hold, and their
    names where there is no such file."""
    found: set[str] = set()
    folder = Path(".") if path is None else path.absolute().parent
    for stated, is_file in _stated(tables or {}, env):
        if not is_file:
            found.add(stated)
            continue
        file = folder / os.path.expanduser(stated)
        with suppress(OSError, ValueError):
            # A pipe that was read before has nothing more to say, and nobody who opens its other end.
            with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
                held = stream.read(_LARGEST_SECRET) or b""
            found.add(held.decode("utf-8", "replace").removeprefix("\ufeff").strip())
            continue
        found.add(stated)
    return {text for text in found if text}


def _stated(tables: Mapping[str, Any], env: Mapping[str, str]) -> Iterator[tuple[str, bool]]:
    """Each hidden value, and whether it names a file."""
    hidden = [(table, key) for table, keys in TABLES.items() for key, kind in keys.items() if kind.hidden]
    for table, key in hidden:
        given = tables.get(table)
        value = given.get(key) if isinstance(given, dict) else None
        for text in (value, env.get(environment.variable(table, key))):
            if isinstance(text, str):
                yield text, key.endswith("_file")
    for name in ("SYNCD_API_KEY", "SYNCD_API_KEY_FILE"):
        if name in env:
            yield env[name], name.endswith("_FILE")
    directory = env.get("CREDENTIALS_DIRECTORY")
    for name in ("fastgpt-api-key", "http-token"):
        if directory:
            yield os.path.join(directory, name), True
