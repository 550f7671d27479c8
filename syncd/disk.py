"""Work on the disks of sources, beside the event loop: a mount that hangs holds up its own source and nobody else."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

from syncd.settle import Stat

PER_SOURCE = 2  # threads that one source may have: one scans or converts, one looks at a few files meanwhile


class Disk:
    """Reaches the files of sources.

    Args:
        run: runs blocking work elsewhere; it must have room for ``PER_SOURCE`` works of each source.
    """

    def __init__(self, run: Callable[..., Awaitable[Any]]) -> None:
        self._run = run
        self._turns: dict[str, asyncio.Semaphore] = {}

    async def run(self, source: str, function: Callable[..., Any], *args: Any) -> Any:
        """What ``function`` returns, called in a thread; it waits while its source has as many as it may."""
        async with self._turns.setdefault(source, asyncio.Semaphore(PER_SOURCE)):
            return await self._run(function, *args)


def stats(root: Path, paths: Iterable[str]) -> dict[str, Stat | None]:
    """What the disk says of each path below ``root``; ``None``: it is not there."""
    return {path: _stat(os.path.join(root, path)) for path in paths}


def _stat(path: str) -> Stat | None:
    try:
        found = os.lstat(path)
    except (OSError, ValueError):
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino
