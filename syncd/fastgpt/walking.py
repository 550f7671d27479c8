"""Reads a listing from its first page to its last, as long as it can be an honest one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from syncd import errors

from .endpoints import Endpoint
from .envelope import misshapen
from .paging import Paging
from .reading import Strange

K = TypeVar("K")
V = TypeVar("V")

LONGEST_TEXT = 128 << 20
"""Characters of all rows together; one file has 500 MB at most, of which hardly any is text."""


async def one_pass(
    endpoint: Endpoint,
    ask: Callable[[int], Awaitable[tuple[list[tuple[K, V]], int]]],
    weight: Callable[[V], int] = lambda _row: 0,
    spend: Callable[[int], None] = lambda _rows: None,
) -> tuple[dict[K, V], set[int]]:
    """Return all rows by their ids, each once, and every total that was claimed on the way.

    Args:
        endpoint: what is asked, for the error.
        ask: gives the rows behind an offset, with their ids, and the total.
        weight: characters of a row's text.
        spend: told of so many new rows; raises ``Strange`` when several listings together have too many.

    Raises:
        Misshapen: no FastGPT lists like that.
        ServerError: a page did not come.
    """
    loop = asyncio.get_running_loop()
    paging = Paging(loop.time())
    found: dict[K, V] = {}
    totals: set[int] = set()
    length = 0
    goes_on = True
    while goes_on:
        rows, total = await ask(paging.received)
        totals.add(total)
        length += sum(weight(row) for id_, row in rows if id_ not in found)
        before = len(found)
        found.update(rows)
        try:
            spend(len(found) - before)
            if length > LONGEST_TEXT:
                raise Strange(f"holds more than {LONGEST_TEXT >> 20} million characters")
            goes_on = paging.goes_on(len(rows), total, len(found), loop.time())
        except Strange as error:
            said = misshapen(endpoint, str(error))
            if isinstance(said, errors.ServerError):
                said.endpoint = endpoint.name
            raise said from None
    return found, totals
