"""Live events for whoever looks at the page: bounded queues, and a slow reader loses its stream, never the service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

MOST_READERS = 32
_MOST_WAITING = 200  # events for one reader
_SIGN_OF_LIFE = 15.0  # seconds between two comments, so that a dead connection is noticed


class Stream:
    """Spreads events."""

    def __init__(self) -> None:
        self._readers: set[asyncio.Queue[str | None]] = set()

    def __len__(self) -> int:
        return len(self._readers)

    def tell(self, event: dict[str, Any]) -> None:
        """Give an event to every reader."""
        if not self._readers:
            return
        line = f"data: {json.dumps(event, ensure_ascii=True)}\n\n"
        for queue in list(self._readers):
            if queue.full():
                self._readers.discard(queue)
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

    async def read(self) -> AsyncGenerator[str, None]:
        """The events from now on, as ``text/event-stream``; the reader counts once it has taken the first piece."""
        queue: asyncio.Queue[str | None] = asyncio.Queue(_MOST_WAITING)
        self._readers.add(queue)
        try:
            yield "retry: 3000\n\n"
            while True:
                try:
                    line = await asyncio.wait_for(queue.get(), _SIGN_OF_LIFE)
                except TimeoutError:
                    line = ": alive\n\n"
                if line is None:
                    return
                yield line
        finally:
            self._readers.discard(queue)
