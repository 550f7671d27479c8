"""The service manager's end of systemd's notification socket."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from service_site import wait_until


class Manager:
    """Listens; each message is a dictionary of its assignments."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.messages: list[dict[str, str]] = []
        self.last = time.monotonic()  # when something was heard
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.settimeout(0.2)
        self._closing = False
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while not self._closing:
            try:
                text = self._socket.recv(65536).decode()
            except TimeoutError:
                continue
            self.last = time.monotonic()
            self.messages.append(dict(line.split("=", 1) for line in text.split("\n")))

    def close(self) -> None:
        self._closing = True
        self._thread.join(10)
        self._socket.close()

    def having(self, name: str, value: str | None = None) -> list[dict[str, str]]:
        """The messages with this assignment."""
        return [m for m in list(self.messages) if name in m and value in (None, m[name])]

    def wait(self, name: str, value: str | None = None, count: int = 1) -> dict[str, str]:
        """Wait for the ``count``-th message with this assignment."""
        wait_until(lambda: len(self.having(name, value)) >= count, f"{count} x {name}={value}, got {self.messages}")
        return self.having(name, value)[count - 1]

    def wait_status(self, part: str) -> str:
        """Wait until the newest status contains this."""

        def newest() -> Any:
            statuses = self.having("STATUS")
            return statuses and part in statuses[-1]["STATUS"] and statuses[-1]["STATUS"]

        return str(wait_until(newest, f"a status with {part!r}, got {self.having('STATUS')}"))


@contextmanager
def listening(address: Path | str) -> Iterator[Manager]:
    """A manager at a path, or at an abstract name that begins with "@"."""
    made = Manager(str(address))
    try:
        yield made
    finally:
        made.close()


def silent(manager: Manager, seconds: float) -> Callable[[], bool]:
    """A condition: nothing was heard for so long."""
    return lambda: time.monotonic() - manager.last > seconds
