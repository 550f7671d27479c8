"""Why the kernel gives no more inotify watches or instances, and which setting to raise."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_SETTINGS = {
    errno.ENOSPC: ("max_user_watches", "watches", 524288),
    errno.EMFILE: ("max_user_instances", "instances", 512),
}


def is_limit(error: OSError) -> bool:
    """Whether it is a limit that was reached, so that trying again later may help."""
    return error.errno in _SETTINGS


def refusal(error: Exception, settings: Path = Path("/proc/sys/fs/inotify")) -> str:
    """What stands in the way of watching, in one sentence that names the remedy where there is one.

    Args:
        settings: where the kernel shows its limits.
    """
    number = getattr(error, "errno", None)
    if number not in _SETTINGS:
        return f"inotify cannot be used here: {getattr(error, 'strerror', None) or error}"
    if number == errno.EMFILE and _no_descriptor_left():
        return "this process has no file descriptor left: raise LimitNOFILE or ulimit -n"
    setting, what, usual = _SETTINGS[number]
    try:
        allowed = int((settings / setting).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return f"the limit of inotify {what} is reached: raise it with sysctl fs.inotify.{setting}"
    larger = max(allowed * 4, usual)
    return f"the limit of {allowed} inotify {what} is reached: raise it with sysctl fs.inotify.{setting}={larger}"


def _no_descriptor_left() -> bool:
    try:
        os.close(os.open("/", os.O_RDONLY | os.O_DIRECTORY))
    except OSError as error:
        return error.errno == errno.EMFILE
    return False
