"""Tasks side by side: a failure stops its siblings, and nothing fails in the background without a word."""

from __future__ import annotations

import ast
import asyncio
import logging
from pathlib import Path

import pytest
from virtual_loop import run

from syncd.errors import Unavailable
from syncd.together import begin, ended, tell_failures, together

PACKAGE = Path(__file__).parent.parent / "syncd"
HOME = PACKAGE / "together.py"
_BARE = {"gather", "ensure_future"}


def bare(tree: ast.Module) -> list[tuple[int, str]]:
    """Lines that begin a task outside of a TaskGroup, and what they call."""
    groups = {
        item.optional_vars.id
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncWith)
        for item in node.items
        if isinstance(item.optional_vars, ast.Name) and "TaskGroup" in ast.unparse(item.context_expr)
    }
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        of = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
        if name in _BARE or (name == "create_task" and of not in groups):
            found.append((node.lineno, ast.unparse(node.func)))
    return found


@pytest.mark.parametrize(
    ("code", "calls"),
    [
        ("async def f():\n    await asyncio.gather(a(), b())", ["asyncio.gather"]),
        ("async def f():\n    await gather(a())", ["gather"]),
        ("asyncio.create_task(a())", ["asyncio.create_task"]),
        ("loop.create_task(a())", ["loop.create_task"]),
        ("x = asyncio.ensure_future(a())", ["asyncio.ensure_future"]),
        ("async def f():\n    async with asyncio.TaskGroup() as g:\n        g.create_task(a())", []),
        ("async def f():\n    async with lock as g:\n        g.create_task(a())", ["g.create_task"]),
    ],
)
def test_bare_tasks_are_seen(code: str, calls: list[str]) -> None:
    """The check below sees each way of beginning a task that nobody may hear of again."""
    assert [call for _, call in bare(ast.parse(code))] == calls


def test_tasks_are_begun_in_groups_or_in_one_place() -> None:
    """``gather`` leaves siblings running after a failure; bare tasks may fail unheard: neither is in the package."""
    found = [
        f"{path.relative_to(PACKAGE)}:{line}: {call}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path != HOME
        for line, call in bare(ast.parse(path.read_text()))
    ]
    assert found == []


def test_a_failure_stops_the_others_first() -> None:
    """When ``together`` raises, nothing of it runs any more, and the error is the failure itself."""
    going = []

    async def forever() -> None:
        going.append("began")
        try:
            await asyncio.sleep(1000.0)
            going.append("went on")
        finally:
            going.append("stopped")

    async def fails() -> None:
        await asyncio.sleep(1.0)
        raise Unavailable("away")

    async def main() -> None:
        with pytest.raises(Unavailable, match="away"):
            await together([forever(), fails(), forever()])
        assert going == ["began", "began", "stopped", "stopped"]

    run(main())


def test_values_come_in_order() -> None:
    """Whoever is done first, the values stand as the works did."""

    async def value(number: int) -> int:
        await asyncio.sleep(10.0 - number)
        return number

    assert run(together(value(number) for number in range(5))) == [0, 1, 2, 3, 4]
    assert run(together([])) == []


def test_what_failed_before_its_end_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A fault of ours in a task that is ended is in the log, with its traceback; an error on purpose is its owner's."""

    async def bug() -> None:
        raise KeyError("lost")

    async def trouble() -> None:
        raise Unavailable("away")

    async def main() -> None:
        tasks = [begin(bug()), begin(trouble()), begin(asyncio.sleep(1000.0))]
        await asyncio.sleep(1.0)
        await ended(*tasks)
        assert tasks[2].cancelled()

    with caplog.at_level(logging.INFO):
        run(main())
    assert [("bug" in record.getMessage(), record.exc_info is not None) for record in caplog.records] == [(True, True)]


def test_what_nobody_read_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A task that fails after everybody has forgotten it is in the log as well."""

    async def bug() -> None:
        raise KeyError("lost")

    async def main() -> None:
        tell_failures()
        begin(bug())  # and nobody keeps it
        await asyncio.sleep(1.0)

    with caplog.at_level(logging.INFO):
        run(main())
    assert any("bug" in record.getMessage() for record in caplog.records)
