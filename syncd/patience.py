"""Waits on behalf of one document or one piece of work: for the server as a whole, or for itself alone (law 9).

A call that comes to nothing says nothing of the server yet. It is looked at once, and nobody waits for that look: when
the server is well, only what failed is tried again, with growing pauses; when it is not, everyone waits at the gate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from syncd.apply import Stopped, Tools
from syncd.errors import AccountRefused, Incompatible, OutcomeUnknown, RateLimited, ServerError, Stuck, Unavailable
from syncd.fastgpt.reading import Misshapen
from syncd.gate import Gate
from syncd.models import DocumentKey

MOST = 8  # so often one piece of work may come to nothing while the server is well (design 13)
MOST_IN_DOUBT = 4  # and so often within one pass while nothing shows that others pass
_MOST_REFUSALS = 3  # the same for what is refused, or answered in a shape that nobody knows
_LEAST = 4  # tries of a one-shot run, whatever its patience
_FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0  # seconds between two tries of such work
_LONGEST_REST = 60.0  # seconds between two tries of a document


@dataclass(slots=True)
class Patience:
    """What waits in one pass.

    Args:
        gate: gives the gate of the running pass.
    """

    tools: Tools
    gate: Callable[[], Gate]

    async def pause(self, seconds: float, key: DocumentKey | None = None) -> None:
        """Sleep, but not past a stop or news of the document."""
        with suppress(Stopped):
            await self.tools.unless_stopped(asyncio.sleep(max(seconds, 0.0) + 0.001), key)

    async def passage(self, key: DocumentKey | None = None) -> bool:
        """Wait until the server is well; false when a stop, or news of the document, came first.

        Raises:
            ServerError: the trouble outlasted the patience.
        """
        try:
            await self.tools.unless_stopped(self.gate().passage(), key)
        except Stopped:
            return False
        return True

    async def well(self, error: ServerError | OutcomeUnknown) -> bool:
        """Look at the server after a failure; false when it was in trouble, which is waited for.

        Raises:
            Stopped: somebody asked to stop meanwhile.
            ServerError: the trouble outlasted the patience, or waiting does not cure it.
        """
        return await self.tools.unless_stopped(self.gate().look(as_trouble(error)))

    async def all_wait(self, error: ServerError | OutcomeUnknown) -> None:
        """Have everyone wait: what failed is the server's trouble, whatever a look at it shows.

        Raises:
            Stopped: somebody asked to stop meanwhile.
            ServerError: the trouble outlasted the patience, or waiting does not cure it.
        """
        await self.tools.unless_stopped(self.gate().wait(as_trouble(error)))

    async def until_stopped(self, call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """As ``unless_stopped``, for work that a stop may also break off, such as a long look at the server."""
        return await self.unless_stopped(lambda: self.tools.unless_stopped(call()))

    async def unless_stopped(self, call: Callable[[], Awaitable[Any]], most: int = MOST) -> Any:
        """Repeat an idempotent piece of work until the server lets it through; a stop does not wait for that.

        Args:
            call: the work.
            most: how often it may come to nothing while the server is well.

        Raises:
            Stopped: somebody asked to stop while the server was in trouble.
            ServerError: the trouble outlasted the patience.
            Stuck: the server is well, but this came to nothing again and again.
        """
        loop = asyncio.get_running_loop()
        failures, pause, began = 0, _FIRST_PAUSE, loop.time()
        while True:
            if self.gate().closed:
                await self.tools.unless_stopped(self.gate().passage())
            try:
                return await call()
            except (ServerError, OutcomeUnknown) as error:
                if isinstance(as_trouble(error), (RateLimited, Misshapen)):
                    await self.all_wait(error)  # a listing without end is not read again by a run that ends
                elif await self.well(error):
                    await self.tools.unless_stopped(asyncio.sleep(pause))
                    pause = min(pause * 2, LONGEST_PAUSE)
                failures += 1
                patience = self.gate().patience
                spent = patience is not None and failures >= _LEAST and loop.time() - began + pause >= patience
                if spent or failures > (min(most, _MOST_REFUSALS) if is_refusal(error) else most):
                    stuck = Stuck(error.message, hint=error.hint)
                    stuck.exit_code = error.exit_code
                    raise stuck from error


def rest_after(failures: int) -> float:
    """Seconds until a document is tried again that has failed so often in a row: 1, 2, 4 and so on, 60 at most."""
    return min(2.0 ** (failures - 1), _LONGEST_REST)


def is_refusal(error: ServerError | OutcomeUnknown) -> bool:
    """Whether waiting does not cure it: the key, the rights, the balance, or an answer in an unknown shape."""
    return isinstance(error, (AccountRefused, Incompatible))


def as_trouble(error: ServerError | OutcomeUnknown) -> ServerError:
    """An outcome that nobody knows, as what is waited for: a server that asks for a pause gets it."""
    if isinstance(error, ServerError):
        return error
    trouble = error.cause if isinstance(error.cause, RateLimited) else Unavailable(error.message, hint=error.hint)
    trouble.endpoint = error.endpoint
    return trouble
