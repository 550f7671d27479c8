"""Telling systemd how the service does: ``sd_notify`` over its socket, without a library.

Without ``NOTIFY_SOCKET`` every call does nothing; a socket that is gone is no reason to stop working. A socket holds
but a few messages: what the manager waits for is given a moment until there is room, the rest is said again later.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

_PATIENCE = 2.0  # seconds until a manager that is busy has read what it was told before
_A_MOMENT = 0.2  # seconds; the event loop stands still meanwhile


class Notifier:
    """Sends states to the service manager.

    Args:
        env: holds ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID`` as systemd sets them.
        pid: this process.
    """

    def __init__(self, env: Mapping[str, str] = os.environ, *, pid: int | None = None) -> None:
        address = env.get("NOTIFY_SOCKET", "")
        # A name in the abstract name space is written with "@" and begins with a null byte.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._status = ""
        self.watchdog_interval = _interval(env, os.getpid() if pid is None else pid)

    def ready(self, status: str = "") -> None:
        """Start-up, or a reload, is finished."""
        self._send("READY=1", *self._new(status), patience=_PATIENCE)

    def status(self, text: str) -> None:
        """One line for `systemctl status`; sent only when it changed."""
        lines = self._new(text)
        if lines and not self._send(*lines):
            self._status = ""

    def reloading(self) -> None:
        """The configuration is being read again (``MONOTONIC_USEC`` is required by ``Type=notify-reload``)."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", patience=_PATIENCE)

    def stopping(self, status: str) -> None:
        """The service comes to its end."""
        self._send("STOPPING=1", *self._new(status), patience=_PATIENCE)

    def extend(self, seconds: float) -> None:
        """Starting or stopping takes so many seconds more, counted from now."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def watchdog(self) -> None:
        """The service makes progress."""
        if self.watchdog_interval is not None:
            self._send("WATCHDOG=1", patience=_A_MOMENT)

    def _new(self, status: str) -> list[str]:
        line = " ".join(status.split())  # a line break would begin another assignment
        if not line or line == self._status:
            return []
        self._status = line
        return [f"STATUS={line}"]

    def _send(self, *lines: str, patience: float = 0.0) -> bool:
        if not self._address:
            return True
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.settimeout(patience)
            sender.sendto("\n".join(lines).encode("utf-8", "backslashreplace"), self._address)
            return True
        return False


def _interval(env: Mapping[str, str], pid: int) -> float | None:
    """Seconds between two signs of life: half of what systemd allows; ``None`` when it asks for none from us."""
    meant_for = env.get("WATCHDOG_PID", "")
    if meant_for and meant_for != str(pid):
        return None
    usec = env.get("WATCHDOG_USEC", "")
    return int(usec) / 2e6 if usec.isdecimal() and int(usec) else None
