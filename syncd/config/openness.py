"""Files of secrets that others can read: allowed, since a container may have no better way, and warned about."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def others_can_read(file: Path) -> bool:
    """Whether users other than the one who runs syncd may read a regular file.

    Where we ourselves read it as a member of its group, as a mounted secret of Kubernetes, the group is not "others".
    """
    try:
        found = file.stat()
    except (OSError, ValueError):
        return False
    if not stat.S_ISREG(found.st_mode):
        return False
    by_group = found.st_uid != os.geteuid() and found.st_gid in {os.getegid(), *os.getgroups()}
    return bool(found.st_mode & stat.S_IROTH) or (bool(found.st_mode & stat.S_IRGRP) and not by_group)


def warning(what: str, file: Path) -> str:
    """What is said of such a file, which exists, so that its name is no secret."""
    return f"others can read {what} in {file}; take their right to read: chmod 600"
