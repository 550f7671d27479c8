"""What the server refuses to answer for one question, or one document, while it answers others: said of that one.

A question of two megabytes is refused with 413, whenever it is asked. To wait for the server then, as for an outage,
would stop everybody for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from syncd.errors import AccountRefused, Incompatible, RateLimited, ServerError
from syncd.models import Revision
from syncd.prove import Prover

T = TypeVar("T")
_PAUSES = (1.0, 3.0)  # seconds between tries at what fails while others are answered


class RefusedAlone(Exception):
    """The server answers others, and not this; ``args[0]`` is what it said."""


async def asked(prover: Prover, serving: Revision, work: Callable[[], Awaitable[T]]) -> T:
    """Return what ``work`` returns, which asks the server about one thing.

    Args:
        prover: asks for something else of the same dataset.
        serving: the version that it is about.
        work: changes nothing on the server, so that it may be done again.

    Raises:
        RefusedAlone: the server answers others, and not this.
        ServerError: it is in trouble.
    """
    for pause in (*_PAUSES, None):
        try:
            return await work()
        except ServerError as error:
            if not await _is_alone(prover, serving, error):
                raise
            if pause is None or isinstance(error, Incompatible):
                raise RefusedAlone(error.message) from error
            await asyncio.sleep(pause)
    raise AssertionError("the last try has no pause")


async def _is_alone(prover: Prover, serving: Revision, error: ServerError) -> bool:
    """Whether what was found before is found now: then the server is well."""
    if isinstance(error, (AccountRefused, RateLimited)):
        return False
    try:
        return await prover.control(serving) or await prover.finds(serving)
    except ServerError:
        return False
