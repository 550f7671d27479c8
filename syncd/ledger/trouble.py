"""What SQLite's errors mean for a ledger: its code decides, never its words.

``BUSY`` and ``LOCKED`` pass by themselves; a full, failing or read-only disk is mended by a person, and nothing that
waits to be written is thrown away meanwhile; only ``CORRUPT`` and ``NOTADB`` say that the file itself is damaged.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from syncd.errors import LedgerDamaged, LedgerDisk, LedgerError, LedgerLocked, SyncdError

_PRIMARY = 0xFF  # extended result codes carry the primary one in their low byte (sqlite.org/rescode.html)
_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
REMEDY = "restore a backup, or move the file away: the next `syncd sync` rebuilds it from the server"
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_DISK = {
    sqlite3.SQLITE_FULL: ("its disk is full", "make room on that disk; what waits to be written is kept until then"),
    sqlite3.SQLITE_IOERR: (
        "its disk does not work as it should",
        "look at the disk (`dmesg`, quota, limits to the size of files); what waits to be written is kept until then",
    ),
    sqlite3.SQLITE_READONLY: (
        "it cannot be written",
        "check its owner, its directory's rights, and that the disk is not mounted read-only",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "it cannot be opened",
        "check its owner, its directory's rights, the number of open files, and that the disk is there",
    ),
    sqlite3.SQLITE_PERM: ("it may not be opened", "check its owner and its directory's rights"),
    sqlite3.SQLITE_NOMEM: ("there is no memory left", "free some memory, or allow the service more"),
}


def code_of(error: BaseException) -> int:
    """SQLite's primary result code; 0 when it is none of SQLite's own errors."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & _PRIMARY


def trouble(path: Path, error: BaseException) -> SyncdError:
    """The error to raise for one of SQLite's.

    Returns:
        ``LedgerLocked`` or ``LedgerDisk`` for what passes, ``LedgerError`` for a ledger that cannot be used.
    """
    code, text = code_of(error), "a name or text in it is not UTF-8" if _is_garbled(error) else str(error)
    if code in _LOCKED:
        return LedgerLocked(
            f"the ledger {path} is locked by another program: {text}",
            hint="end whatever has it open for so long (`fuser` names it), or try again; nothing was changed",
        )
    if code in _DISK:
        what, remedy = _DISK[code]
        return LedgerDisk(f"cannot use the ledger {path}, {what}: {text}", hint=remedy)
    if code in _DAMAGED or _is_garbled(error):
        return damaged(path, text)
    return LedgerError(
        f"the ledger {path} cannot be used: {text}",
        hint="`syncd doctor` looks at it; if it finds nothing, please report this",
    )


def damaged(path: Path, text: str) -> LedgerDamaged:
    """The error for a ledger whose content is not what it should be."""
    return LedgerDamaged(f"the ledger {path} is damaged: {text}", hint=REMEDY, what=text)


def is_outer(error: BaseException) -> bool:
    """Whether an error of SQLite comes from the world around a statement, and not from the statement itself."""
    code = code_of(error)
    return code in _LOCKED or code in _DISK or code in _DAMAGED or _is_garbled(error)


def _is_garbled(error: BaseException) -> bool:
    """Whether a text that was read is not UTF-8: an error of Python's module, which has no code of SQLite's."""
    return isinstance(error, UnicodeDecodeError) or (
        not hasattr(error, "sqlite_errorcode") and str(error).startswith("Could not decode to UTF-8")
    )


class Cursor(sqlite3.Cursor):
    """A cursor whose errors say what they mean; those of a statement itself stay SQLite's."""

    connection: Connection

    def _told(self, call: Callable[..., Any], *args: Any) -> Any:
        try:
            return call(*args)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if is_outer(error):
                raise trouble(self.connection.path, error) from error
            raise

    def execute(self, *args: Any) -> Self:
        """Run one statement."""
        self._told(super().execute, *args)
        return self

    def executemany(self, *args: Any) -> Self:
        """Run one statement for many rows."""
        self._told(super().executemany, *args)
        return self

    def fetchone(self) -> Any:
        """The next row, or ``None``."""
        return self._told(super().fetchone)

    def fetchall(self) -> list[Any]:
        """The rows that are left."""
        rows: list[Any] = self._told(super().fetchall)
        return rows

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if is_outer(error):
                raise trouble(self.connection.path, error) from error
            raise


class Connection(sqlite3.Connection):
    """A connection that knows its ledger, and whose errors say what they mean for it."""

    path: Path = Path()

    def cursor(self, factory: Any = Cursor) -> Any:
        """A cursor of ours."""
        return super().cursor(factory)

    def execute(self, *args: Any) -> Any:
        """Run one statement with a cursor of its own."""
        return self.cursor().execute(*args)

    def executemany(self, *args: Any) -> Any:
        """Run one statement for many rows."""
        return self.cursor().executemany(*args)


def connect(path: Path, target: str, **more: Any) -> Connection:
    """Open a database as part of the ledger at ``path``.

    Args:
        path: the ledger that errors speak of.
        target: what SQLite opens: a path or a URI.
        more: further arguments of ``sqlite3.connect``.

    Raises:
        LedgerDisk, LedgerLocked, LedgerError: it cannot be opened.
    """
    try:
        conn = sqlite3.connect(target, isolation_level=None, factory=Connection, **more)
    except sqlite3.Error as error:
        raise trouble(path, error) from error
    conn.path = path
    conn.execute("pragma cell_size_check = on")  # a page is looked at before its cells are believed
    return conn
