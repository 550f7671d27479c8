"""Several things at once, as one: when one fails the others are stopped before the failure goes on.

``asyncio.gather`` leaves the others running, with nobody who reads what becomes of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from syncd.errors import SyncdError
from syncd.logs import get_logger

log = get_logger(__name__)

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


def begin(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Begin something beside what the caller does; the caller awaits it, reads its result, or ends it by ``ended``.

    The one place that makes tasks outside of a TaskGroup: a failure that nobody read is told by ``tell_failures``.
    """
    return asyncio.get_running_loop().create_task(work)


async def ended(*tasks: asyncio.Future[Any], cancel: bool = True) -> None:
    """End tasks, and wait for that; a failure on the way that is a fault of ours is told.

    Args:
        tasks: what ``begin`` returned.
        cancel: when not, they come to their end by themselves.
    """
    if cancel:
        for task in tasks:
            task.cancel()
    if tasks:
        await asyncio.wait(tasks)
    for task in tasks:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception) and not isinstance(error, SyncdError):
            log.error("bug", where="something in the background", exc_info=error)


def tell_failures() -> None:
    """Have the running loop tell, in the log, of each failure that nobody read."""

    def tell(_loop: asyncio.AbstractEventLoop, said: dict[str, Any]) -> None:
        error = said.get("exception")
        if isinstance(error, SyncdError):
            log.warning("job.failed", error=error.message, hint=error.hint)
        else:
            log.error("bug", where=str(said.get("message", "")), exc_info=error)

    asyncio.get_running_loop().set_exception_handler(tell)
