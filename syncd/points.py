"""Named points of the program's life at which tests may stop it.

The ledger reaches ``ledger.MOVE.before`` and ``ledger.MOVE.after`` around each commit, the API client
``http.ENDPOINT.before`` and ``http.ENDPOINT.after`` around each request. Without a hook a point costs one
comparison. ``SYNCD_CRASH_AT=NAME[:N]`` kills the process (SIGKILL, nothing is cleaned up) at the N-th passage,
``SYNCD_HANG_AT=NAME[:N]`` keeps the thread that passes there for ever.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

_hook: Callable[[str], None] | None = None


def reach(name: str) -> None:
    """Pass the point ``name``; the installed hook may not return."""
    if _hook is not None:
        _hook(name)


def install(hook: Callable[[str], None] | None) -> None:
    """Set the hook, or remove it with ``None``."""
    global _hook
    _hook = hook


def install_from_environment() -> None:
    """Obey ``SYNCD_CRASH_AT`` or ``SYNCD_HANG_AT`` if one is set."""
    if wanted := os.environ.get("SYNCD_CRASH_AT"):
        install(_at(wanted, lambda: os.kill(os.getpid(), signal.SIGKILL)))
    elif wanted := os.environ.get("SYNCD_HANG_AT"):
        install(_at(wanted, lambda: threading.Event().wait()))


def _at(wanted: str, act: Callable[[], object]) -> Callable[[str], None]:
    """A hook that acts at the N-th passage of one point."""
    name, _, nth = wanted.partition(":")
    left = int(nth or "1")

    def hook(reached: str) -> None:
        nonlocal left
        if reached == name:
            left -= 1
            if left == 0:
                act()

    return hook
