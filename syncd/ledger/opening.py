"""Opening a ledger for reading, wherever it lies: beside its writer, on a read-only disk, in a folder of somebody else.

SQLite's write-ahead log needs a file beside the ledger (``-shm``) that a reader makes if nobody has. Where nothing can
be made, the file is read as one that nobody changes, together with a log that was left (sqlite.org/wal.html, 5).
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from syncd.errors import LedgerDisk
from syncd.ledger.trouble import Connection, connect


def for_reading(path: Path, **more: Any) -> Connection:
    """A connection that can change nothing.

    Args:
        path: the ledger, which exists.
        more: further arguments of ``sqlite3.connect``.

    Raises:
        LedgerDisk: it may not be read.
        LedgerLocked, LedgerError: it cannot be read.
    """
    target = path.resolve()
    try:
        return _opened(path, f"{target.as_uri()}?mode=ro", **more)
    except LedgerDisk:
        if not _readable(target):
            raise
    log = target.with_name(f"{target.name}-wal")
    if not _length(log):
        return _opened(path, f"{target.as_uri()}?mode=ro&immutable=1", **more)
    return _copied(path, target, log, **more)


def _opened(path: Path, target: str, **more: Any) -> Connection:
    conn = connect(path, target, uri=True, **more)
    try:
        conn.execute("pragma busy_timeout = 5000")
        conn.execute("pragma query_only = on")
        conn.execute("select count(*) from sqlite_master").fetchone()  # the files are opened by the first reading
    except BaseException:
        conn.close()
        raise
    return conn


def _copied(path: Path, target: Path, log: Path, **more: Any) -> Connection:
    """What the log holds is newer than the file: both are read, as copies, which are gone from the disk at once."""
    try:
        with tempfile.TemporaryDirectory(prefix="syncd-") as folder:
            copy = Path(folder) / "ledger.db"
            shutil.copyfile(target, copy)
            shutil.copyfile(log, copy.with_name(f"{copy.name}-wal"))
            conn = connect(path, str(copy), **more)
            try:
                conn.execute("pragma locking_mode = exclusive")  # no file beside it is needed then
                conn.execute("select count(*) from sqlite_master").fetchone()
                conn.execute("pragma query_only = on")
            except BaseException:
                conn.close()
                raise
            return conn
    except OSError as error:
        raise LedgerDisk(
            f"cannot read the ledger {path}: {log} holds its newest changes, and no copy can be made: {error.strerror}",
            hint="set TMPDIR to a folder that this user may write",
        ) from error


def _readable(path: Path) -> bool:
    with suppress(OSError), path.open("rb"):
        return True
    return False


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
