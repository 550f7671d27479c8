"""Fixtures of all tests, and the table at the end that says what was really exercised."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import exercised
import pytest
from world import World

from syncd import logs

# Ledgers are synced to disk at each commit; in memory the same code runs many times faster.
_MEMORY = "/dev/shm"  # noqa: S108 - not a predictable name: the directories in it are made by mkdtemp
_FAST = _MEMORY if os.access(_MEMORY, os.W_OK) else None

# The tests start some hundreds of processes of syncd; where nothing may be kept, each of them compiles all of it again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """A test that has the program set up its logging leaves none of it to the next one."""
    root, ours = logging.getLogger(), logging.getLogger("syncd")
    before = list(root.handlers), root.level, ours.level, ours.propagate
    yield
    if before != (root.handlers, root.level, ours.level, ours.propagate):
        root.handlers[:] = before[0]
        root.setLevel(before[1])
        ours.setLevel(before[2])
        ours.propagate = before[3]
        logs._Pipeline.ready = False


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A directory in memory where there is such a thing."""
    path = Path(tempfile.mkdtemp(prefix="syncd-test-", dir=_FAST))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def make_world(scratch: Path) -> Callable[..., World]:
    """Makes worlds, each in a directory of its own."""
    made: list[World] = []

    def make(**options: Any) -> World:
        world = World(scratch / f"w{len(made)}", **options)
        made.append(world)
        return world

    return make


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A folder, a server, a ledger, and a clock that never waits."""
    return make_world()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Many tests wait for processes most of the time: on few cores twice as many workers keep all of them at work."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    cores = len(os.sched_getaffinity(0))
    return max(cores, min(2 * cores, 4))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each worker begins with its share of what waits longest, so that at the end there are short tests for all.

    Tests are dealt in as many parts of equal length as there are workers.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    longest = [item for item in items if "processes" in item.path.parts]
    others = [item for item in items if "processes" not in item.path.parts]
    items[:] = [
        item
        for number in range(workers)
        for item in longest[number::workers]
        + others[len(others) * number // workers : len(others) * (number + 1) // workers]
    ]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker hands what its tests counted to the process that prints."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["exercised"] = dict(exercised.COUNTS)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add what a worker's tests counted."""
    exercised.COUNTS.update(getattr(node, "workeroutput", {}).get("exercised", {}))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what the tests counted."""
    if not exercised.COUNTS:
        return
    terminalreporter.section("really exercised")
    width = max(map(len, exercised.COUNTS))
    for name in sorted(exercised.COUNTS):
        terminalreporter.write_line(f"{name:<{width}}  {exercised.COUNTS[name]:>8}")
