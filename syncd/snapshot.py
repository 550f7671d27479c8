"""One file of a source: looked at again, hashed. Between a scan and that anything may happen to its path."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

from syncd import door
from syncd.door import ABSENT, FileAt, NotRegular
from syncd.models import FileSnapshot, Problem

EMPTY = "the file has no bytes"


def reason(error: Exception) -> str:
    """Say why in few words, without the path that the reader already knows."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def hash_descriptor(fd: int) -> str:
    """Return the SHA-256 of an open file as hex, read from where it stands to its end.

    One that grows meanwhile is read as far as it went, and one byte more: it may grow faster than it is read.

    Raises:
        OSError: reading failed.
    """
    hashed = sha256()
    left = os.fstat(fd).st_size + 1
    while block := os.read(fd, min(left, door.BLOCK)):
        hashed.update(block)
        left -= len(block)
        if not left:
            break
    return hashed.hexdigest()


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
        fd = door.open_file(FileAt(root, snapshot.disk_name))
    except NotRegular:
        return None
    except OSError as error:
        return None if error.errno in ABSENT else _unreadable(snapshot, error)
    try:
        before = os.fstat(fd)
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
        status = door.look(FileAt(root, snapshot.disk_name))
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
