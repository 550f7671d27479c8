"""The names of the events in the log are a contract: one table lists them all."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncd.logged import EVENTS

PACKAGE = Path(__file__).resolve().parent.parent / "syncd"
_METHODS = frozenset({"debug", "info", "warning", "error", "exception"})
_NOT_OURS = ("emulator",)  # a program of its own


def is_logger(value: ast.expr) -> bool:
    """Whether methods of this expression write into the log."""
    if isinstance(value, ast.Call):
        function = value.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        return name == "get_logger"
    return isinstance(value, ast.Name) and value.id in ("log", "level")


def events_of(tree: ast.AST) -> Iterator[tuple[int, ast.expr]]:
    """Line and first argument of each call that writes into the log."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        function = node.func
        if isinstance(function, ast.Attribute) and function.attr in _METHODS and is_logger(function.value):
            yield node.lineno, node.args[0]


def names_in(argument: ast.expr) -> list[str] | None:
    """The event's name, both of them for ``a if … else b``; ``None`` when it is put together at run time."""
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        return [argument.value]
    if isinstance(argument, ast.IfExp):
        both = [names_in(argument.body), names_in(argument.orelse)]
        return None if None in both else [name for names in both if names for name in names]
    return None


def written() -> dict[str, str]:
    """Every event in the code, with a place that writes it."""
    found: dict[str, str] = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        place = file.relative_to(PACKAGE)
        if place.parts[0] in _NOT_OURS or place.name == "logs.py":
            continue
        for line, argument in events_of(ast.parse(file.read_text(encoding="utf-8"))):
            names = names_in(argument)
            assert names is not None, f"{place}:{line}: the name of an event is a literal, so that it can be found"
            for name in names:
                found[name] = f"{place}:{line}"
    return found


def test_the_table_lists_what_the_code_writes() -> None:
    """An event that the code writes is in the table, and the table lists no other."""
    found = written()

    assert {name: place for name, place in found.items() if name not in EVENTS} == {}
    assert set(EVENTS) - set(found) == set()


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_a_name_is_stable_and_explained(name: str) -> None:
    """A name is "thing.happened" in small letters (or "bug"), and its meaning fits into one line."""
    assert name == "bug" or re.fullmatch(r"[a-z]+\.[a-z_]+", name)
    assert EVENTS[name]
    assert "\n" not in EVENTS[name]
    assert len(EVENTS[name]) <= 100
