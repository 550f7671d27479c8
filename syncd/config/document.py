"""One configuration file while it is being read: its tables, the lines of its keys, and what is wrong with it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from syncd.config.kinds import describe
from syncd.config.lines import Lines, Where
from syncd.config.problems import Problems, did_you_mean
from syncd.config.schema import SOURCE, SUBTABLES, TABLES, Keys

Table = dict[str, Any]


def parse(text: str, problems: Problems) -> tuple[Table, Lines] | None:
    """Return the tables of a TOML text and where their keys stand, or None after reporting why not."""
    import tomllib

    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line, message = _placed(str(error), text)
        problems.at(line, f"not valid TOML: {message}")
    except RecursionError:
        problems.at(1, "not valid TOML: nested too deeply")
    except ValueError:
        problems.at(1, "not valid TOML: a number or a date that cannot be read")
    else:
        return tables, Lines(text, lambda quoted: next(iter(tomllib.loads(quoted + " = 0"))))
    return None


def _placed(message: str, text: str) -> tuple[int, str]:
    """The line that a message of ``tomllib`` ends with, and the rest of it (an attribute has it only since 3.14)."""
    said = re.fullmatch(r"(?P<what>.*) \(at (?:line (?P<line>\d+), column \d+|end of document)\)", message, re.DOTALL)
    if said is None:
        return 1, message
    return int(said["line"] or text.count("\n") + 1), said["what"]


class Document:
    """The tables of one file, with what checks and reports their keys."""

    def __init__(self, path: Path, tables: Table, lines: Lines, env: Mapping[str, str], problems: Problems) -> None:
        self.path = path
        self.tables = tables
        self.env = env
        self.problems = problems
        self._lines = lines
        self._folder = path.absolute().parent

    def line(self, where: Where) -> int:
        """The line of a key or of what is nearest around it."""
        return self._lines.of(where)

    def problem(self, where: Where, text: str) -> None:
        """Report a problem at the line of ``where``."""
        self.problems.at(self.line(where), text)

    def warn(self, where: Where, text: str) -> None:
        """Note a warning at the line of ``where``."""
        self.problems.warn(self.line(where), text)

    def states(self, table: str, key: str) -> bool:
        """Whether the file says something of ``key``, right or wrong."""
        value = self.tables.get(table)
        return isinstance(value, dict) and key in value

    def table(self, name: str) -> Table:
        """Return the checked keys of one of the tables that exist once."""
        value = self.tables.get(name, {})
        if not isinstance(value, dict):
            self.problem((name,), f'"{name}" must be a table; write [{name}] on a line of its own')
            return {}
        return self.keys(value, TABLES[name], (name,), f"[{name}]")

    def keys(self, table: Table, keys: Keys, where: Where, label: str, subtables: Iterable[str] = ()) -> Table:
        """Check each key of a table; what is wrong is reported and left out."""
        given: Table = {}
        for key, value in table.items():
            if key in subtables:
                continue
            if key not in keys:
                self.problem((*where, key), f"{label}: {unknown('key', key, (*keys, *subtables))}")
                continue
            try:
                given[key] = keys[key].check(value)
            except ValueError as error:
                self.problem((*where, key), f'{label}: "{key}" {error}')
        return given

    def absolute(self, written: str) -> Path:
        """Make a written path absolute: relative to the configuration's folder, ``~/`` is the home directory.

        ``..`` is folded only where that names the same place; beside a symbolic link it may not.
        """
        home = self.env.get("HOME")
        if home and (written == "~" or written.startswith("~/")):
            written = home + written[1:]
        path = os.path.join(self._folder, written)
        folded = os.path.normpath(path)
        return Path(folded if os.path.realpath(folded) == os.path.realpath(path) else path)


def unknown(what: str, key: str, known: Iterable[str]) -> str:
    """Say that ``key`` is unknown, and what was probably meant."""
    home = _HOMES.get(key)
    hint = f"; it belongs into {home}" if home else did_you_mean(key, known)
    return f"unknown {what} {describe(key)}{hint}"


def _homes() -> dict[str, str]:
    """For each key that only one table has, that table."""
    tables = [
        *((f"[{name}]", keys) for name, keys in TABLES.items()),
        ("[[source]]", SOURCE),
        *((f"[source.{name}]", keys) for name, keys in SUBTABLES.items()),
    ]
    owners: dict[str, list[str]] = {}
    for home, keys in tables:
        for key in keys:
            owners.setdefault(key, []).append(home)
    return {key: homes[0] for key, homes in owners.items() if len(homes) == 1}


_HOMES = _homes()
