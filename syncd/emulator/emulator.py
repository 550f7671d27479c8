"""The emulator as an object: for tests in one process, and behind the server."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from syncd.emulator import admin
from syncd.emulator.app import App
from syncd.emulator.core import Core, Event, RequestRecord
from syncd.emulator.faults import FaultBook
from syncd.emulator.options import EmulatorOptions
from syncd.emulator.training import Trainer


class Emulator:
    """A local FastGPT.

    ``asgi`` is the application. All waiting goes through the running event loop, so it works with virtual time;
    ``clock`` gives the time of day for time stamps. The same object may be used in one event loop after another.
    """

    def __init__(self, options: EmulatorOptions | None = None, clock: Callable[[], float] = time.time) -> None:
        self.options = options or EmulatorOptions()
        self._core = Core(self.options, clock)
        self._trainer = Trainer(self._core)
        self._core.queue = self._trainer
        self.asgi = App(self._core, self._trainer)
        self._core.on_reset = self._forget_work

    @property
    def global_key(self) -> str:
        """The account-wide key."""
        return self._core.global_key

    @property
    def app_key(self) -> str:
        """The key of the app."""
        return self._core.app_key

    @property
    def app_id(self) -> str:
        """The id of the app."""
        return self._core.app_id

    @property
    def faults(self) -> FaultBook:
        """Ordered faults."""
        return self._core.faults

    @property
    def requests(self) -> list[RequestRecord]:
        """The requests so far, oldest first; the newest 100 000 at least."""
        return self._core.requests

    @property
    def timeline(self) -> list[Event]:
        """What happened to collections, in order; kept in memory only."""
        return self._core.timeline

    def snapshot(self) -> list[dict[str, Any]]:
        """Every collection as it is now."""
        return admin.snapshot(self._core)

    def chats(self) -> list[dict[str, Any]]:
        """The chat history."""
        return admin.chats(self._core)

    def resume(self) -> None:
        """Take up interrupted training in the running loop, without waiting for a request."""
        self._trainer.attach()

    def reset(self) -> None:
        """An empty server again, with the same keys and no faults."""
        self._core.reset()

    def _forget_work(self) -> None:
        self._trainer.reset()
        self.asgi.cancel_late()

    def close(self) -> None:
        """Close the database."""
        self._core.store.close()
