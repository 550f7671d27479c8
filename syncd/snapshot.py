"""One file of a source: opened without leaving the root, looked at again, hashed.

Between a scan and the work on a file anything may happen to the path. So every directory on the way is opened without
following symbolic links; only the last name may be one, if its target lies inside the root (design 12, rule 31).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

from syncd.models import FileSnapshot, Problem

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK a FIFO that took the file's place would block us for ever.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})  # nothing is there that a scan would have followed
EMPTY = "the file has no bytes"
_BLOCK = 1 << 20  # bytes


def reason(error: Exception) -> str:
    """Say why in few words, without the path that the reader already knows."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def hash_descriptor(fd: int) -> str:
    """Return the SHA-256 of an open file as hex, read from where it stands to its end.

    Raises:
        OSError: reading failed.
    """
    hashed = sha256()
    # A small file takes one small buffer; a large one takes blocks that do not depend on its size.
    room = min(os.fstat(fd).st_size + 1, _BLOCK)
    while block := os.read(fd, room):
        hashed.update(block)
    return hashed.hexdigest()


def inside(root: str, rel: str) -> str | None:
    """Resolve ``rel`` below ``root``; return where it leads, relative to the root, ``None`` when that is elsewhere.

    Raises:
        OSError: a link inside the root cannot be read.
    """
    prefix = os.path.realpath(root).rstrip("/") + "/"
    path = os.path.join(root, rel)
    try:
        # Strictly, since Python 3.13 on takes a link that cannot be read for a file otherwise.
        target = os.path.realpath(path, strict=True)
    except OSError as error:  # seen with links into /proc; what lies outside is none of our business
        if error.errno not in ABSENT:
            if os.fsdecode(error.filename or prefix).startswith(prefix):
                raise
            return None
        target = os.path.realpath(path)
    return target[len(prefix) :] if target.startswith(prefix) else None


def open_inside(root: str, rel: str) -> int:
    """Open a file below ``root`` for reading; only its last name may be a symbolic link, and only to the inside.

    Raises:
        OSError: its ``errno`` is in ``ABSENT`` when there is no such file by these rules.
    """
    try:
        return _open(root, rel)
    except _LinkError:
        target = inside(root, rel)
        if target is None:
            raise
        return _open(root, target)


class _LinkError(OSError):
    """The last name is a symbolic link."""


def _open(root: str, rel: str) -> int:
    *directories, name = rel.split("/")
    at = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for directory in directories:
            below = os.open(directory, DIRECTORY, dir_fd=at)
            os.close(at)
            at = below
        return os.open(name, _FILE, dir_fd=at)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _LinkError(errno.ELOOP, os.strerror(errno.ELOOP)) from error
        raise
    finally:
        os.close(at)


def complete(
    root: str, snapshot: FileSnapshot, hash_file: Callable[[int], str] = hash_descriptor
) -> FileSnapshot | None:
    """Hash the file of one snapshot.

    Args:
        root: the source's directory; ``ScanResult.resolved`` keeps to the tree that was scanned.
        snapshot: from a scan; returned as it is when it has a hash or a problem already.
        hash_file: open descriptor -> hash as hex.

    Returns:
        The snapshot with its hash and the stat that belongs to it; ``racy`` when the file changed since the scan or
        under the reader's eyes; with ``UNREADABLE`` when it cannot be read; ``None`` when it is not there any more.
    """
    if snapshot.sha256 or snapshot.problem is not None:
        return snapshot
    try:
        fd = open_inside(root, snapshot.disk_name)
    except OSError as error:
        return None if error.errno in ABSENT else _unreadable(snapshot, error)
    try:
        before = os.fstat(fd)
        if not stat.S_ISREG(before.st_mode):
            return None
        digest = hash_file(fd)
        after = os.fstat(fd)
    except OSError as error:
        return _unreadable(snapshot, error)
    finally:
        os.close(fd)
    if not after.st_size:
        return replace(snapshot, size=0, problem=Problem.EMPTY, message=EMPTY, racy=True)
    numbers = (after.st_size, after.st_mtime_ns, after.st_ino)
    same = (snapshot.size, snapshot.mtime_ns, snapshot.inode) == numbers and before.st_ctime_ns == after.st_ctime_ns
    return replace(
        snapshot,
        size=after.st_size,
        mtime_ns=after.st_mtime_ns,
        inode=after.st_ino,
        sha256=digest,
        racy=snapshot.racy or not same,
    )


def _unreadable(snapshot: FileSnapshot, error: OSError) -> FileSnapshot:
    remedy = "; give syncd's user the right to read it" if error.errno in (errno.EACCES, errno.EPERM) else ""
    return replace(snapshot, problem=Problem.UNREADABLE, message=f"the file cannot be read: {reason(error)}{remedy}")


def restat(root: str, snapshot: FileSnapshot) -> FileSnapshot | None:
    """Look at one file again without reading it.

    Returns:
        ``snapshot`` itself when size, mtime and inode are the same; a copy with the new ones and without a hash when
        they are not; ``None`` when the file is gone.

    Raises:
        OSError: the disk does not say.
    """
    try:
        status = os.stat(os.path.join(root, snapshot.disk_name))
    except OSError as error:
        if error.errno in ABSENT:
            return None
        raise
    if not stat.S_ISREG(status.st_mode):
        return None
    numbers = (status.st_size, status.st_mtime_ns, status.st_ino)
    if numbers == (snapshot.size, snapshot.mtime_ns, snapshot.inode):
        return snapshot
    return replace(
        snapshot, size=numbers[0], mtime_ns=numbers[1], inode=numbers[2], sha256="", problem=None, message="", racy=True
    )
