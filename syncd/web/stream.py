"""Live events for whoever looks at the page: bounded queues, and a slow reader loses its stream, never the service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

MOST_READERS = 32
MOST_OF_ONE = 12  # of one neighbour
_LONGEST = 3600.0  # seconds of one stream; a page asks again by itself, and whoever has left unseen does not
_MOST_WAITING = 200  # events for one reader
_SIGN_OF_LIFE = 15.0  # seconds between two comments, so that a dead connection is noticed


class Stream:
    """Spreads events."""

    def __init__(self) -> None:
        self._readers: dict[asyncio.Queue[str | None], str] = {}  # of which neighbour

    def has_room(self, neighbour: str) -> bool:
        """Whether one reader more of a neighbour is served."""
        return len(self._readers) < MOST_READERS and list(self._readers.values()).count(neighbour) < MOST_OF_ONE

    def __len__(self) -> int:
        return len(self._readers)

    def tell(self, event: dict[str, Any]) -> None:
        """Give an event to every reader."""
        if not self._readers:
            return
        line = f"data: {json.dumps(event, ensure_ascii=True)}\n\n"
        for queue in list(self._readers):
            if queue.full():
                self._readers.pop(queue, None)
                queue.get_nowait()
                queue.put_nowait(None)
            else:
                queue.put_nowait(line)

    def close(self) -> None:
        """End every stream."""
        for queue in self._readers:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(None)
        self._readers.clear()

    async def read(self, neighbour: str = "") -> AsyncGenerator[str, None]:
        """The events from now on, as ``text/event-stream``; the reader counts once it has taken the first piece."""
        queue: asyncio.Queue[str | None] = asyncio.Queue(_MOST_WAITING)
        self._readers[queue] = neighbour
        try:
            yield "retry: 3000\n\n"
            loop = asyncio.get_running_loop()
            ends = loop.time() + _LONGEST
            while loop.time() < ends:
                try:
                    line = await asyncio.wait_for(queue.get(), _SIGN_OF_LIFE)
                except TimeoutError:
                    line = ": alive\n\n"
                if line is None:
                    return
                yield line
        finally:
            self._readers.pop(queue, None)
