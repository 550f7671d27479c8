"""What the status server asks of the service."""

from __future__ import annotations

import sqlite3
from typing import Any, Protocol


class Backend(Protocol):
    """Implemented by the service."""

    def live(self) -> tuple[bool, str]:
        """Whether the service makes progress, and what is so."""

    def ready(self) -> tuple[bool, str]:
        """Whether it has begun to serve; that FastGPT is down is no reason not to be."""

    def status(self) -> dict[str, Any]:
        """The document of `syncd status --json`."""

    def conn(self) -> sqlite3.Connection:
        """A connection for reading; the caller closes it."""

    async def search(self, source: str, query: str) -> list[dict[str, Any]]:
        """One search test."""

    async def act(self, kind: str, arguments: dict[str, Any]) -> str:
        """Carry out what a person asks for; returns a sentence."""
