"""File systems: what kind a path lies on, and whether the kernel tells of every change there."""

from __future__ import annotations

import os
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
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "prl_fs",
        "smb3",
        "smbfs",
        "vboxsf",
        "virtiofs",
        "vmhgfs",
    }
)
# A disk behind a driver in user space: nobody else writes to it.
_LOCAL_FUSE = frozenset({"fuseblk", "fuse.ntfs-3g", "fuse.fuse-overlayfs", "fuse.exfat", "fuse.gocryptfs"})


def file_system(path: Path, mounts: str | None = None) -> str:
    """The type of the file system a path lies on, as the kernel names it; "" when it does not tell.

    Args:
        path: anything; links are followed.
        mounts: the text of /proc/self/mounts; read when not given.
    """
    if mounts is None:
        try:
            mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
    real = os.path.realpath(path)
    best, kind = "", ""
    for line in mounts.splitlines():
        parts = line.split()
        if len(parts) < 3:
            continue
        point = parts[1].encode().decode("unicode_escape", errors="replace")
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, parts[2]
    return kind


def changed_by_others(kind: str) -> bool:
    """Whether files on such a file system change without this machine's kernel hearing of it."""
    return kind in _SHARED or (kind.startswith("fuse") and kind not in _LOCAL_FUSE)
