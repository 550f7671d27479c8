"""Several things at once, as one: when one fails the others are stopped before the failure goes on.

``asyncio.gather`` leaves the others running, with nobody who reads what becomes of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def together(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run all at once; returns their values in order.

    Raises:
        Exception: the first failure itself, once all others have come to an end.
    """
    tasks: list[asyncio.Task[T]] = []
    try:
        async with asyncio.TaskGroup() as group:
            tasks += [group.create_task(work) for work in works]
    except BaseExceptionGroup as failures:
        raise first_of(failures) from None
    return [task.result() for task in tasks]


def first_of(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """The failure that came first in a group of groups."""
    error: BaseException = failures
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def ended(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancel and wait until all have come to an end; what becomes of them is read, and nobody's any more."""
    rest = list(tasks)
    for task in rest:
        task.cancel()
    if rest:
        await asyncio.wait(rest)
    for task in rest:
        if not task.cancelled():
            task.exception()
