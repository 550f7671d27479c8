"""A write-ahead log that was left beside a ledger is looked at before a writer takes it over.

SQLite writes any log into the file beside it whose frames are sound in themselves, also that of another database which
was copied or restored there: the ledger would be gone for good as soon as its writer closes it. Whoever only reads
writes nothing (sqlite.org/wal.html, 5).
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from syncd.errors import LedgerDamaged, LedgerError
from syncd.ledger import schema
from syncd.ledger.opening import for_reading
from syncd.ledger.trouble import Connection, connect

_LARGEST = 128 * 2**20  # bytes of a ledger whose pages are checked; of a larger one it is asked whose it is


def check(path: Path) -> None:
    """Refuse a log that makes a sound ledger unsound; nothing is changed.

    Args:
        path: the ledger, which exists, and whose lock the caller holds.

    Raises:
        LedgerDamaged: the ledger is sound without the log, and not with it.
        LedgerLocked, LedgerDisk: it cannot be read just now.
    """
    log = path.with_name(f"{path.name}-wal")
    try:
        if log.stat().st_size == 0:
            return
    except OSError:
        return
    try:
        with closing(for_reading(path)) as conn:
            wrong = _wrong(conn)
    except LedgerError as error:
        wrong = error.message
    if wrong and _sound_alone(path):
        raise LedgerDamaged(
            f"the log {log} does not belong to the ledger beside it: with it the ledger is not sound ({wrong})",
            hint=f"move {log.name} away and start again: the ledger is sound without it, and nothing was changed",
            what=wrong,
        )


def _sound_alone(path: Path) -> bool:
    try:
        with closing(connect(path, f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as conn:
            return not _wrong(conn)
    except (LedgerError, sqlite3.Error):
        return False


def _wrong(conn: Connection) -> str:
    if conn.execute("pragma application_id").fetchone()[0] != schema.APPLICATION_ID:
        return "it is that of another program"
    if conn.path.stat().st_size > _LARGEST:
        return ""
    found = str(conn.execute("pragma quick_check(1)").fetchone()[0])
    return "" if found == "ok" else found
