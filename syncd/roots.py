"""What a source's root hangs on: every name whose change may make the same path lead somewhere else.

A root may be a symbolic link that is flipped (git-sync), may lie behind one (Kubernetes' ``..data``), may vanish and
come back. Watching the directory it leads to tells nothing of that; watching these names does.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass

_MOST_LINKS = 40  # as many as the kernel follows


@dataclass(frozen=True, slots=True)
class Root:
    """Where a path leads now.

    Attributes:
        real: the directory it leads to; "" when there is none.
        identity: device and inode of that directory.
        names: pairs of a directory and the name in it that the path goes through: symbolic links, the directory itself,
            or, where it breaks off, the first name that is missing.
    """

    real: str
    identity: tuple[int, int] | None
    names: tuple[tuple[str, str], ...]


def resolve(path: str) -> Root:
    """Follow a path, name by name."""
    names: list[tuple[str, str]] = []
    here, rest = "/", [part for part in os.path.abspath(path).split("/") if part]
    links = 0
    while rest:
        name = rest.pop(0)
        if name in ("", "."):
            continue
        if name == "..":
            here = os.path.dirname(here)
            continue
        full = os.path.join(here, name)
        try:
            target = os.readlink(full)
        except OSError as error:
            if error.errno != errno.EINVAL:  # EINVAL: it is there, and no link
                return Root("", None, (*names, (here, name)))
            if not rest:
                names.append((here, name))
            here = full
            continue
        names.append((here, name))
        links += 1
        if links > _MOST_LINKS:
            return Root("", None, tuple(names))
        rest = [part for part in target.split("/") if part] + rest
        if target.startswith("/"):
            here = "/"
    try:
        status = os.stat(here)
    except OSError:
        return Root("", None, tuple(names))
    if not stat.S_ISDIR(status.st_mode):
        return Root("", None, tuple(names))
    return Root(here, (status.st_dev, status.st_ino), tuple(names))
