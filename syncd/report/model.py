"""The model that every renderer understands: a report is a JSON document and the same thing as parts for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a person should know, and what to do about it; both of one line."""

    level: Level
    label: str  # one word in front: "held", "quarantined", or the level itself
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table; ``toned`` cells hold names of states and get their colours."""

    title: str
    right: bool = False
    toned: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells; ``empty`` is said when there is no row."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""
    empty: str = ""


@dataclass(frozen=True, slots=True)
class Lines:
    """Plain lines; the first may be a title."""

    lines: tuple[str, ...]
    title: str = ""


Part = Table | Lines | Finding


@dataclass(frozen=True, slots=True)
class Report:
    """What a command found out.

    ``data`` is the contract for programs and becomes the one document of ``--json`` under ``schema``;
    ``parts`` say the same to people.
    """

    name: str  # "status" makes the schema "syncd.status/1"
    data: Mapping[str, Any]
    parts: tuple[Part, ...] = ()

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document."""
        return {"schema": f"syncd.{self.name}/1", **self.data}
