"""No core dump of a process that holds secrets (law 10): its memory would lie on a disk, with the key in it."""

from __future__ import annotations

import resource
from contextlib import suppress

_PR_SET_DUMPABLE = 4  # prctl(2); also keeps processes of the same user from attaching a debugger


def off() -> None:
    """From here on a crash leaves no image of this process, whatever the kernel would pass it to (core(5))."""
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(ImportError, OSError, AttributeError):
        import ctypes

        # A handler behind a pipe is given the image whatever the limit is, but not of such a process.
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
