"""The SQLite file: opening, locking, transactions, backup.

One owner writes (``flock`` on the directory), others read. Every write transaction starts with
``BEGIN IMMEDIATE``; moves that are ready in the same turn of the event loop share one commit.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from sqlite_utils import Database

from syncd import points
from syncd.errors import BusyError, LedgerError
from syncd.ledger import schema

T = TypeVar("T")

_QUICK_CHECK_LIMIT = 128 * 2**20  # bytes; a larger ledger is checked by `doctor`, not at every start


class Ledger:
    """The open ledger.

    Args:
        path: the database file; its directory is made when missing.
        write: take the lock and allow writing; otherwise the file is opened read-only.

    Raises:
        LedgerError: the file is damaged, newer than this program, absent (read-only) or not writable.
        BusyError: another process holds the lock.
    """

    def __init__(self, path: Path, *, write: bool = True) -> None:
        self.path = path
        self.write = write
        self._lock: int | None = None
        self._durable = False  # a pending move must be on disk before its caller goes on
        self._pending: list[tuple[str, Callable[[sqlite3.Connection], Any], asyncio.Future[Any]]] = []
        if write:
            self._prepare_directory()
            self._lock = _lock(path)
        try:
            self.conn = self._connect()
            if write:
                self._migrate()
            self._check_version()
        except sqlite3.Error as error:
            self.close()
            raise damaged(path, error) from error
        except BaseException:
            self.close()
            raise
        self.id = self.meta("ledger_id")

    def _prepare_directory(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise LedgerError(
                f"cannot make the ledger's directory {self.path.parent}: {error.strerror}",
                hint="set [ledger] path to a place that this user may write",
            ) from error

    def _connect(self) -> sqlite3.Connection:
        if not self.write and not exists(self.path):
            raise LedgerError(f"there is no ledger at {self.path}", hint="run `syncd sync` first")
        if self.write:
            _make_for_its_owner(self.path)
        where = str(self.path) if self.write else f"{self.path.resolve().as_uri()}?mode=ro"
        conn = sqlite3.connect(where, uri=not self.write, isolation_level=None)
        try:
            if self.write:
                self._prepare(conn)
            else:
                if 0 < int(conn.execute("pragma user_version").fetchone()[0]) < schema.SCHEMA_VERSION:
                    schema.bridge(conn)
                conn.execute("pragma query_only = on")
        except BaseException:
            conn.close()
            raise
        return conn

    def _prepare(self, conn: sqlite3.Connection) -> None:
        conn.execute("pragma busy_timeout = 5000")
        self._refuse_strangers(conn)
        conn.execute("pragma journal_mode = wal")
        conn.execute("pragma synchronous = full")
        conn.execute("pragma foreign_keys = on")
        if self.path.stat().st_size <= _QUICK_CHECK_LIMIT:
            found = [row[0] for row in conn.execute("pragma quick_check(3)")]
            if found != ["ok"]:
                raise damaged(self.path, "; ".join(found))

    def _refuse_strangers(self, conn: sqlite3.Connection) -> None:
        """Before anything is written: a database with tables that are not ours is somebody else's."""
        application = int(conn.execute("pragma application_id").fetchone()[0])
        tables = conn.execute("select count(*) from sqlite_master").fetchone()[0]
        if tables and application != schema.APPLICATION_ID:
            raise self._not_ours()

    def _not_ours(self) -> LedgerError:
        return LedgerError(f"{self.path} is not a syncd ledger", hint="point [ledger] path at another file")

    def _migrate(self) -> None:
        version = self._version()
        if version > schema.SCHEMA_VERSION:
            return
        db = Database(self.conn, execute_plugins=False)
        if schema.migrations.pending(db):
            self._keep_copy(version)
            with self.transaction("migrate"):
                schema.migrations.apply(db)
                self.conn.execute(f"pragma application_id = {schema.APPLICATION_ID}")
                self.conn.execute(f"pragma user_version = {schema.SCHEMA_VERSION}")
                self.conn.execute("insert or ignore into meta values ('ledger_id', ?)", (str(uuid.uuid4()),))

    def _keep_copy(self, version: int) -> None:
        """Before an older ledger is changed: a way back to the program that wrote it."""
        copy = self.path.with_name(f"{self.path.name}.schema-{version}.bak")
        if version and not copy.exists():
            self.backup(copy)

    def _version(self) -> int:
        return int(self.conn.execute("pragma user_version").fetchone()[0])

    def _check_version(self) -> None:
        version = self._version()
        application = int(self.conn.execute("pragma application_id").fetchone()[0])
        if version > schema.SCHEMA_VERSION:
            raise LedgerError(
                f"the ledger {self.path} was written by a newer syncd (schema {version}, "
                f"this one knows {schema.SCHEMA_VERSION})",
                hint="install that version again, or move the ledger away: syncd rebuilds it from the server",
            )
        if application != schema.APPLICATION_ID:
            raise self._not_ours()

    # ------------------------------------------------------------ transactions

    @contextlib.contextmanager
    def transaction(self, name: str) -> Iterator[sqlite3.Connection]:
        """One immediate write transaction; rolled back on any exception."""
        points.reach(f"ledger.{name}.before")
        try:
            self.conn.execute("pragma synchronous = full")
            self.conn.execute("begin immediate")
            try:
                yield self.conn
            except BaseException:
                if self.conn.in_transaction:
                    self.conn.execute("rollback")
                raise
            self.conn.execute("commit")
        except sqlite3.Error as error:
            if self.conn.in_transaction:
                self.conn.execute("rollback")
            raise damaged(self.path, error) from error
        points.reach(f"ledger.{name}.after")

    async def commit(self, name: str, move: Callable[[sqlite3.Connection], T], *, durable: bool = True) -> T:
        """Run ``move`` in a durable transaction, together with what else is ready now.

        What is not ``durable`` (what was seen of the disk, notes for reports) may be forgotten by a power failure, but
        never by a crash of the process, and never after something durable that came later.

        Returns what ``move`` returns once the commit is on disk. An exception of ``move`` undoes that move alone.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._pending.append((name, move, future))
        self._durable |= durable
        if len(self._pending) == 1:
            loop.call_soon(self._flush)
        return await future

    def _flush(self) -> None:
        batch, self._pending = self._pending, []
        durable, self._durable = self._durable, False
        outcomes: list[tuple[asyncio.Future[Any], Any, BaseException | None]] = []
        try:
            for name, _, _ in batch:
                points.reach(f"ledger.{name}.before")
            self.conn.execute("pragma synchronous = full" if durable else "pragma synchronous = normal")
            self.conn.execute("begin immediate")
            for _, move, future in batch:
                self.conn.execute("savepoint move")
                try:
                    result = move(self.conn)
                except Exception as error:
                    self.conn.execute("rollback to move")
                    outcomes.append((future, None, error))
                else:
                    outcomes.append((future, result, None))
                self.conn.execute("release move")
            self.conn.execute("commit")
            for name, _, _ in batch:
                points.reach(f"ledger.{name}.after")
        except BaseException as error:
            if self.conn.in_transaction:
                self.conn.execute("rollback")
            cause = damaged(self.path, error) if isinstance(error, sqlite3.Error) else error
            outcomes = [(future, None, cause) for _, _, future in batch]
        for future, result, failure in outcomes:
            if future.cancelled():
                continue
            if failure is not None:
                future.set_exception(failure)
            else:
                future.set_result(result)

    # ------------------------------------------------------------ small things

    def meta(self, key: str) -> str:
        """One value of the ledger's own notes; "" when it was never written."""
        row = self.conn.execute("select value from meta where key = ?", (key,)).fetchone()
        return str(row[0]) if row else ""

    def set_meta(self, key: str, value: str) -> None:
        """Write one of the ledger's own notes."""
        with self.transaction("meta"):
            self.conn.execute("insert or replace into meta values (?, ?)", (key, value))

    def renew_identity(self) -> None:
        """Take a new ledger id: this file is a copy of another one that may still be in use (rule 28)."""
        with self.transaction("identity"):
            self.conn.execute("update meta set value = ? where key = 'ledger_id'", (str(uuid.uuid4()),))
            self.conn.execute("delete from meta where key = 'is_backup'")
            self.conn.execute("insert or replace into meta values ('survey_at', '0')")
            self.conn.execute("update sources set adopted_at = null")
        self.id = self.meta("ledger_id")

    def data_version(self) -> int:
        """A number that changes when another process has written (SQLite's ``data_version``); costs no disk access.

        Raises:
            LedgerError: the ledger cannot be used any more.
        """
        try:
            return int(self.conn.execute("pragma data_version").fetchone()[0])
        except sqlite3.Error as error:
            raise damaged(self.path, error) from error

    def reader(self) -> sqlite3.Connection:
        """A read-only connection of its own, for a scan in another thread."""
        return sqlite3.connect(
            f"{self.path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )

    def backup(self, target: Path) -> None:
        """Write a complete, marked copy to ``target`` (which must not exist).

        Raises:
            LedgerError: the target exists or cannot be written.
        """
        if target.exists():
            raise LedgerError(f"{target} exists already", hint="name a file that does not exist yet")
        try:
            with contextlib.closing(self.reader()) as conn:  # of its own, so that a thread can do it
                Database(conn, execute_plugins=False).execute("vacuum into ?", (str(target),))
            copy = sqlite3.connect(target, isolation_level=None)
            copy.execute("insert or replace into meta values ('is_backup', '1')")
            copy.close()
            handle = os.open(target, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)
        except (sqlite3.Error, OSError) as error:
            target.unlink(missing_ok=True)  # half a copy is worse than none
            raise LedgerError(f"the backup to {target} failed: {error}") from error

    def close(self) -> None:
        """Close the file and let go of the lock; safe to call twice."""
        conn = getattr(self, "conn", None)
        if conn is not None:
            conn.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def damaged(path: Path, error: object) -> LedgerError:
    """The error for a ledger that SQLite cannot use."""
    text = str(error)
    if "readonly" in text or "unable to open" in text:
        return LedgerError(f"cannot write the ledger {path}: {text}", hint="check its owner and its directory's rights")
    if "full" in text:
        return LedgerError(f"cannot write the ledger {path}: {text}", hint="make room on that disk")
    return LedgerError(
        f"the ledger {path} is damaged: {text}",
        hint="restore a backup, or move the file away: the next `syncd sync` rebuilds it from the server",
    )


def _make_for_its_owner(path: Path) -> None:
    """What root makes in somebody's directory is given to him: the service has to open it under a user of its own.

    SQLite does so for the files that it makes beside a ledger, but not for the ledger itself.
    """
    if os.geteuid() != 0 or exists(path):
        return
    owner = path.parent.stat()
    with contextlib.suppress(OSError):  # where root has no such rights, everything is as it would have been
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        os.chown(path, owner.st_uid, owner.st_gid)


def _try_lock(handle: int) -> bool:
    # Whoever only asks who holds it holds it for a moment.
    for pause in (0.05, 0.1, 0.2, None):
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if pause is not None:
            time.sleep(pause)
    return False


def holder(path: Path) -> str:
    """Who holds the ledger's lock, as it wrote itself down ("pid 812 on host"); "" when nobody does."""
    try:
        handle = os.open(_lock_path(path), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return os.pread(handle, 200, 0).decode(errors="replace").strip() or "another process"
    else:
        return ""
    finally:
        os.close(handle)


def exists(path: Path) -> bool:
    """Whether there is a ledger.

    Raises:
        LedgerError: this user may not look there, as nobody but root may into the state of a service.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise LedgerError(
            f"cannot look at the ledger {path}: {error.strerror}", hint="ask as root, or as the user whose ledger it is"
        ) from error
    return True


def own_name() -> str:
    """This process as it writes itself into the lock."""
    return f"pid {os.getpid()} on {socket.gethostname()}"


def _lock_path(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def _lock(path: Path) -> int:
    _make_for_its_owner(_lock_path(path))
    try:
        handle = os.open(_lock_path(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LedgerError(
            f"cannot write beside the ledger {path}: {error.strerror}",
            hint="set [ledger] path to a place that this user may write",
        ) from error
    if not _try_lock(handle):
        holder = os.pread(handle, 200, 0).decode(errors="replace").strip() or "another process"
        os.close(handle)
        raise BusyError(
            f"the ledger {path} is in use by {holder}",
            hint="a service does by itself what a pass would do, see `syncd status`; a pass ends soon: try again then",
        )
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{own_name()}\n".encode(), 0)
    return handle
