"""Long work on the event loop, in turns that leave room for everybody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeVar

from syncd.together import together

S = TypeVar("S")
T = TypeVar("T")

TURN = 250
"""Items for which little is done at once; a few milliseconds."""


async def sliced(items: Iterable[T], size: int = TURN) -> AsyncIterator[T]:
    """The items, one by one; the event loop goes on after each ``size`` of them."""
    for number, item in enumerate(items):
        if number and number % size == 0:
            await asyncio.sleep(0)
        yield item


async def each(items: Iterable[S], work: Callable[[S], Awaitable[T]], at_once: int) -> list[T]:
    """Do the work for each item, for so many of them at once; returns the values in order.

    No task is made for an item whose turn has not come: a hundred thousand tasks take a second to make.

    Raises:
        Exception: the first failure itself, once all others have come to an end.
    """
    found: dict[int, T] = {}
    queue = enumerate(items)

    async def worker() -> None:
        for number, item in queue:
            if number and number % TURN == 0:
                await asyncio.sleep(0)
            found[number] = await work(item)

    await together(worker() for _ in range(at_once))
    return [found[number] for number in range(len(found))]
