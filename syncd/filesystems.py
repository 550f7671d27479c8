"""Which file system a path lies on, and whether the kernel tells of every change there."""

from __future__ import annotations

import os
import re
from pathlib import Path

# Others write to these without this kernel's knowledge: other clients, a host, a cloud.
_SHARED = frozenset(
    {
        "9p",
        "acfs",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "drvfs",
        "fakeowner",
        "fhgfs",
        "gfs",
        "gfs2",
        "glusterfs",
        "gpfs",
        "grpcfuse",
        "ibrix",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "osxfs",
        "panfs",
        "prl_fs",
        "pvfs2",
        "smb3",
        "smbfs",
        "snfs",
        "vboxsf",
        "virtiofs",
        "vmhgfs",
        "wekafs",
    }
)
# A disk behind a driver in user space: nobody else writes to it.
_LOCAL_FUSE = frozenset({"fuseblk", "fuse.ntfs-3g", "fuse.fuse-overlayfs", "fuse.exfat", "fuse.gocryptfs"})
_ESCAPED = re.compile(rb"\\([0-7]{3})")  # how the kernel writes blanks, and its own escape sign, in this file


def read_mounts() -> str:
    """What is mounted where, in the kernel's words; "" when it does not tell. Names may hold surrogate escapes."""
    try:
        return os.fsdecode(Path("/proc/self/mounts").read_bytes())
    except OSError:
        return ""


def file_system(path: str | Path, mounts: str | None = None) -> str:
    """The type of the file system a path lies on, as the kernel names it; "" when it does not tell.

    Args:
        path: anything; links are followed.
        mounts: from ``read_mounts``; read when not given.
    """
    mounts = read_mounts() if mounts is None else mounts
    real = os.path.realpath(path)
    best, found = "", ""
    for point, kind in _points(mounts):
        # A later mount hides an earlier one on the same point.
        if (real == point or real.startswith(_slashed(point))) and len(point) >= len(best):
            best, found = point, kind
    return found


def mounts_below(path: str, mounts: str) -> dict[str, str]:
    """The types of the file systems that are mounted below a directory, by mount point relative to it.

    Args:
        path: no link on it.
        mounts: from ``read_mounts``.
    """
    inside = _slashed(path)
    return {point[len(inside) :]: kind for point, kind in _points(mounts) if point.startswith(inside) and point != "/"}


def changed_by_others(kind: str) -> bool:
    """Whether files on such a file system change without this machine's kernel hearing of it."""
    return kind in _SHARED or (kind.startswith("fuse") and kind not in _LOCAL_FUSE)


def _points(mounts: str) -> list[tuple[str, str]]:
    """Pairs of mount point and type, in the order in which they were mounted."""
    pairs = []
    for line in mounts.split("\n"):
        parts = line.split(" ")
        if len(parts) >= 3:
            name = _ESCAPED.sub(lambda octal: bytes([int(octal[1], 8) & 0xFF]), os.fsencode(parts[1]))
            pairs.append((os.fsdecode(name), parts[2]))
    return pairs


def _slashed(path: str) -> str:
    return path.rstrip("/") + "/"
