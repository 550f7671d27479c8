"""What the status server asks of the service."""

from __future__ import annotations

import sqlite3
from collections.abc import Coroutine
from typing import Any, Protocol


class Backend(Protocol):
    """Implemented by the service. All but ``conn`` and ``status`` are called on the event loop."""

    def live(self) -> tuple[bool, str]:
        """Whether the service makes progress, and what is so."""

    def ready(self) -> tuple[bool, str]:
        """Whether it has begun to serve; that FastGPT is down is no reason not to be."""

    def sources(self) -> list[str]:
        """The names of the sources that are configured."""

    def service(self) -> dict[str, Any]:
        """What only the running service knows of itself."""

    def status(self, conn: sqlite3.Connection, service: dict[str, Any]) -> dict[str, Any]:
        """The document of `syncd status --json`; may be called in any thread."""

    def conn(self) -> sqlite3.Connection:
        """A connection for reading, for any thread; the caller closes it."""

    async def search(self, source: str, query: str) -> list[dict[str, Any]]:
        """One search test."""

    def act(self, kind: str, arguments: dict[str, Any]) -> Coroutine[Any, Any, str]:
        """Carry out what a person asks for; returns a sentence."""
