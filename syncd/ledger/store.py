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
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sqlite_utils import Database

from syncd import points
from syncd.errors import BusyError, LedgerDisk, LedgerError, LedgerWaits, SyncdError
from syncd.ledger import aside, leftover, schema, soundness, tree
from syncd.ledger.opening import for_reading
from syncd.ledger.trouble import Connection, code_of, connect, damaged, trouble
from syncd.together import begin

T = TypeVar("T")

PATIENCE = 30.0  # seconds that a one-shot run waits for a locked ledger or its disk, then exit code 75
LOCK_TIMEOUT = 5000  # milliseconds that a transaction waits for a lock where nothing else has to go on
_IN_LOOP = 20  # the same where an event loop must not stand still
_FIRST_PAUSE = 0.05  # seconds until what could not be written is tried again; it grows with the wait
_LONGEST_PAUSE = 2.0
_NEWS = 1.0  # seconds of a lock that are nothing to tell
_CHECK_LIMIT = 32 * 2**20  # bytes, some 20 000 documents and 0.8 s; up to here a writer's start checks everything
_QUICK_CHECK_LIMIT = 128 * 2**20  # bytes; a larger ledger is checked by `doctor`, not at every start


class _Move(NamedTuple):
    """One move that waits to be written."""

    name: str
    write: Callable[[sqlite3.Connection], Any]
    done: asyncio.Future[Any]
    durable: bool  # it must be on disk before its caller goes on
    beside: bool  # in a thread


class Ledger:
    """The open ledger.

    Args:
        path: the database file; its directory is made when missing.
        write: take the lock and allow writing; otherwise the file is opened read-only.

    Raises:
        LedgerError: the file is damaged, newer than this program, absent (read-only) or not writable.
        BusyError: another process holds the lock, or another program has locked the file.

    Attributes:
        patience: seconds that a move waits for a locked ledger or a disk that is full; ``None`` waits for ever.
        on_trouble: told when moves begin to wait, and why, and ``None`` when the ledger takes them again.
        run: runs blocking work elsewhere.
    """

    def __init__(self, path: Path, *, write: bool = True) -> None:
        self.path = path
        self.write = write
        self._lock: int | None = None
        self.patience: float | None = PATIENCE
        self.on_trouble: Callable[[LedgerWaits | None], None] = lambda _trouble: None
        self._blocked: LedgerWaits | None = None  # why moves wait
        self._blocked_at = 0.0
        self._told: type[LedgerWaits] | None = None  # the kind of trouble that ``on_trouble`` heard of
        self.run: Callable[..., Awaitable[Any]] = asyncio.to_thread
        self._flushing: asyncio.Handle | asyncio.Task[None] | None = None
        self._pending: list[_Move] = []
        if write:
            self._prepare_directory()
            self._lock = _lock(path)
        try:
            self.conn = self._connect()
            if write:
                self._migrate()
            self._check_version()
            self._check_content()
            if write and tree.sleeping(self.conn):
                with self.transaction("woken"):
                    tree.rouse(self.conn)
        except LedgerDisk as error:  # while it runs it may wait for the disk; it cannot begin without
            self.close()
            raise LedgerError(error.message, hint=error.hint) from error
        except sqlite3.Error as error:
            self.close()
            raise trouble(path, error) from error
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

    def _connect(self) -> Connection:
        if not self.write:
            if not exists(self.path):
                raise LedgerError(f"there is no ledger at {self.path}", hint="run `syncd sync` first")
            return _bridged(for_reading(self.path))
        if exists(self.path):
            leftover.check(self.path)
        else:
            _make(self.path)
        conn = connect(self.path, str(self.path))
        try:
            self._prepare(conn)
        except BaseException:
            conn.close()
            raise
        return conn

    def _prepare(self, conn: Connection) -> None:
        conn.execute(f"pragma busy_timeout = {LOCK_TIMEOUT}")
        self._refuse_strangers(conn)
        _write_ahead(conn)
        size = soundness.size(self.path)
        if size <= _QUICK_CHECK_LIMIT:
            check = "integrity_check" if size <= _CHECK_LIMIT else "quick_check"
            found = [row[0] for row in conn.execute(f"pragma {check}(3)")]
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
        if version < schema.SCHEMA_VERSION:
            self._keep_copy(version)
            with self.transaction("migrate"):
                _upgrade(self.conn)

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

    def _check_content(self) -> None:
        """The tables always; all that is in them where that is cheap, for a reader most of all.

        The nightly maintenance checks everything, whatever its size.
        """
        if self._version() != schema.SCHEMA_VERSION:
            return  # a reader of an older ledger; its writer makes a new one of it first
        limit = _CHECK_LIMIT if self.write else soundness.SMALL
        small = soundness.size(self.path) <= limit
        found = soundness.faults(self.conn) if small else soundness.shape(self.conn)
        if found:
            raise damaged(self.path, "; ".join(found))

    # ------------------------------------------------------------ transactions

    @contextlib.contextmanager
    def transaction(self, name: str) -> Iterator[sqlite3.Connection]:
        """One immediate write transaction; rolled back on any exception.

        Raises:
            LedgerLocked: another program has had the ledger locked for as long as one waits for it here.
            LedgerDisk: the disk does not take it; nothing was changed.
        """
        points.reach(f"ledger.{name}.before")
        try:
            self.conn.execute("pragma synchronous = full")
            self.conn.execute("begin immediate")
            try:
                yield self.conn
            except BaseException:
                self._undo()
                raise
            self.conn.execute("commit")
        except LedgerWaits:
            self._undo()
            raise
        except sqlite3.Error as error:
            self._undo()
            raise trouble(self.path, error) from error
        points.reach(f"ledger.{name}.after")

    def _undo(self) -> None:
        # A full disk may have had SQLite roll back by itself already.
        if self.conn.in_transaction:
            self.conn.execute("rollback")

    def serve(self) -> None:
        """Serve an event loop that must go on: wait for no lock, and for the disk as long as it takes."""
        self.patience = None
        self.conn.execute(f"pragma busy_timeout = {_IN_LOOP}")

    async def commit(
        self, name: str, move: Callable[[sqlite3.Connection], T], *, durable: bool = True, beside: bool = False
    ) -> T:
        """Run ``move`` in a durable transaction, together with what else is ready now.

        What is not ``durable`` (what was seen of the disk, notes for reports) may be forgotten by a power failure, but
        never by a crash of the process, and never after something durable that came later.

        What touches very many rows is written ``beside`` the event loop, in a thread and by itself. Moves that come
        meanwhile wait for it; who reads sees the ledger as it was before.

        A locked ledger and a full disk are waited for, in the order of the moves; ``move`` may run several times then,
        each time on a ledger on which it has not run.

        Returns what ``move`` returns once the commit is on disk. An exception of ``move`` undoes that move alone.

        Raises:
            LedgerLocked, LedgerDisk: it took longer than ``patience``; nothing of the move was written.
            LedgerError: the ledger cannot be used any more.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._pending.append(_Move(name, move, future, durable, beside))
        if self._flushing is None:
            self._flush_soon()
        return await future

    def _flush_soon(self) -> None:
        self._flushing = asyncio.get_running_loop().call_soon(self._flush) if self._pending else None

    def _flush(self) -> None:
        if self._pending and self._pending[0].beside:
            self._flushing = begin(self._flush_beside(self._pending.pop(0)))
            return
        self._flushing = None
        alone = next((index for index, move in enumerate(self._pending) if move.beside), len(self._pending))
        batch, self._pending = self._pending[:alone], self._pending[alone:]
        try:
            outcomes = self._written(batch)
        except LedgerWaits as error:
            self._undo()
            if self._postponed(error):
                self._pending = batch + self._pending
                return
            outcomes = [(move.done, None, error) for move in batch]
        except BaseException as error:
            self._undo()
            cause = trouble(self.path, error) if isinstance(error, sqlite3.Error) else error
            outcomes = [(move.done, None, cause) for move in batch]
        else:
            self._free()
        self._flush_soon()
        for outcome in outcomes:
            _tell(*outcome)

    def _written(self, batch: list[_Move]) -> list[tuple[asyncio.Future[Any], Any, BaseException | None]]:
        """Run the moves in one transaction; a move that fails undoes itself alone."""
        outcomes: list[tuple[asyncio.Future[Any], Any, BaseException | None]] = []
        for move in batch:
            points.reach(f"ledger.{move.name}.before")
        durable = any(move.durable for move in batch)
        self.conn.execute("pragma synchronous = full" if durable else "pragma synchronous = normal")
        self.conn.execute("begin immediate")
        for move in batch:
            self.conn.execute("savepoint move")
            try:
                result = move.write(self.conn)
            except (LedgerWaits, LedgerError):
                raise  # not this move's affair
            except Exception as error:
                self.conn.execute("rollback to move")
                outcomes.append((move.done, None, error))
            else:
                outcomes.append((move.done, result, None))
            self.conn.execute("release move")
        self.conn.execute("commit")
        for move in batch:
            points.reach(f"ledger.{move.name}.after")
        return outcomes

    async def _flush_beside(self, move: _Move) -> None:
        """Write one move in a thread; nothing else is written meanwhile."""
        result: Any = None
        failure: BaseException | None = None
        try:
            points.reach(f"ledger.{move.name}.before")
            result = await self.run(self._write_beside, move)
            points.reach(f"ledger.{move.name}.after")
        except LedgerWaits as error:
            if self._postponed(error):
                self._pending.insert(0, move)
                return
            failure = error
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            failure = trouble(self.path, error) if isinstance(error, sqlite3.Error) else error
        else:
            self._free()
        self._flush_soon()
        _tell(move.done, result, failure)

    def _write_beside(self, move: _Move) -> Any:
        return aside.write(self.path, move.write, durable=move.durable, patience=LOCK_TIMEOUT)

    def _postponed(self, error: LedgerWaits) -> bool:
        """Whether what waits is tried again a little later."""
        loop = asyncio.get_running_loop()
        if self._blocked is None:
            self._blocked_at = loop.time()
        waited = loop.time() - self._blocked_at
        self._blocked = error
        if type(error) is not self._told and (waited >= _NEWS or isinstance(error, LedgerDisk)):
            self._told = type(error)
            self.on_trouble(error)
        if self.patience is not None and waited >= self.patience:
            self._free()
            return False
        if isinstance(error, LedgerDisk):
            # The write-ahead log may be what fills the disk: written into the file it takes no room any more.
            with contextlib.suppress(LedgerWaits, LedgerError):
                self.conn.execute("pragma wal_checkpoint(truncate)").fetchone()
        self._flushing = loop.call_later(min(max(waited, _FIRST_PAUSE), _LONGEST_PAUSE), self._flush)
        return True

    def _free(self) -> None:
        self._blocked = None
        if self._told is not None:
            self._told = None
            self.on_trouble(None)

    @property
    def blocked(self) -> LedgerWaits | None:
        """Why moves wait to be written; ``None`` when none does."""
        return self._blocked

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
            LedgerLocked, LedgerDisk: it cannot be read just now.
            LedgerError: the ledger cannot be used any more.
        """
        try:
            return int(self.conn.execute("pragma data_version").fetchone()[0])
        except sqlite3.Error as error:
            raise trouble(self.path, error) from error

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """What a query over very many rows finds: in a thread, with a connection of its own.

        Raises:
            LedgerLocked, LedgerDisk: it cannot be read just now.
            LedgerError: the ledger cannot be used any more.
        """

        def reading() -> T:
            with contextlib.closing(self.reader()) as conn:
                return query(conn)

        found: T = await self.run(reading)
        return found

    def reader(self) -> sqlite3.Connection:
        """A read-only connection of its own, for a scan in another thread."""
        return for_reading(self.path, check_same_thread=False)

    def backup(self, target: Path) -> None:
        """Write a complete, marked copy to ``target`` (which must not exist).

        Raises:
            LedgerError: the target exists, or the ledger is damaged.
            LedgerDisk: the copy cannot be written there; the ledger is as it was.
        """
        if target.exists():
            raise LedgerError(f"{target} exists already", hint="name a file that does not exist yet")
        try:
            with contextlib.closing(self.reader()) as conn:  # of its own, so that a thread can do it
                conn.execute("pragma query_only = off")  # which forbids it; the file itself is opened for reading
                # Through one that does not speak of the ledger: what goes wrong from here on is the copy's.
                sqlite3.Cursor(conn).execute("vacuum into ?", (str(target),))
            copy = sqlite3.connect(target, isolation_level=None)
            copy.execute("insert or replace into meta values ('is_backup', '1')")
            copy.close()
            handle = os.open(target, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)
        except (sqlite3.Error, OSError) as error:
            with contextlib.suppress(OSError):
                target.unlink(missing_ok=True)  # half a copy is worse than none
            raise not_copied(target, error) from error

    def close(self) -> None:
        """Close the file and let go of the lock; safe to call twice."""
        conn = getattr(self, "conn", None)
        if conn is not None:
            conn.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _tell(done: asyncio.Future[Any], result: Any, failure: BaseException | None) -> None:
    if done.done():  # whoever waited was cancelled
        return
    if failure is not None:
        done.set_exception(failure)
    else:
        done.set_result(result)


def not_copied(target: Path, error: sqlite3.Error | OSError) -> SyncdError:
    """The error for a backup that could not be made; the ledger is blamed only for what is its own."""
    if code_of(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return LedgerError(
            f"the backup to {target} failed: the ledger is damaged: {error}", hint="`syncd doctor` looks at the ledger"
        )
    if not target.parent.is_dir():
        return LedgerDisk(f"the backup to {target} failed: there is no folder {target.parent}", hint="make it first")
    return LedgerDisk(
        f"the backup to {target} failed: {error}",
        hint="check the rights and the room of that folder; the ledger is as it was",
    )


def _bridged(conn: Connection) -> Connection:
    """A connection for reading on which a ledger of an older version looks like one of today."""
    try:
        if 0 < int(conn.execute("pragma user_version").fetchone()[0]) < schema.SCHEMA_VERSION:
            conn.execute("pragma query_only = off")
            schema.bridge(conn)
            conn.execute("pragma query_only = on")
    except BaseException:
        conn.close()
        raise
    return conn


def _write_ahead(conn: Connection) -> None:
    """As every writer of a ledger has it."""
    conn.execute("pragma journal_mode = wal")
    conn.execute("pragma synchronous = full")
    conn.execute("pragma foreign_keys = on")


def _upgrade(conn: Connection) -> None:
    """Bring the tables to today's schema, in a transaction that is open."""
    schema.migrations.apply(Database(conn, execute_plugins=False))
    conn.execute(f"pragma application_id = {schema.APPLICATION_ID}")
    conn.execute(f"pragma user_version = {schema.SCHEMA_VERSION}")
    conn.execute("insert or ignore into meta values ('ledger_id', ?)", (str(uuid.uuid4()),))


def _make(path: Path) -> None:
    """Make a ledger, aside, and put it in its place when it is complete: nobody ever sees half of one.

    Whoever calls this holds the lock. Where nothing can be put in a file's place, as in that of a single file that is
    mounted into a container, the file that is there is filled instead, in one transaction, by ``Ledger``.
    """
    fresh = path.with_name(f"{path.name}.making")
    _forget(fresh)  # left behind by a crash
    try:
        _make_for_its_owner(fresh)
        conn = connect(path, str(fresh))
        try:
            _write_ahead(conn)
            conn.execute("begin immediate")
            _upgrade(conn)
            conn.execute("commit")
        finally:
            conn.close()  # the last one writes the log into the file, and removes it
        with contextlib.suppress(OSError):
            fresh.replace(path)
            _sync_folder(path.parent)
    finally:
        _forget(fresh)


def _forget(fresh: Path) -> None:
    for end in ("", "-wal", "-shm", "-journal"):
        with contextlib.suppress(OSError):
            fresh.with_name(fresh.name + end).unlink()


def _sync_folder(folder: Path) -> None:
    """A power failure does not take a new name in it back."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _make_for_its_owner(path: Path) -> None:
    """What root makes in somebody's directory is given to him: the service has to open it under a user of its own.

    SQLite does so for the files that it makes beside a ledger, but not for the ledger itself.
    """
    if os.geteuid() != 0 or path.exists():
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
    """Whether there is a ledger; an empty file is none yet.

    Raises:
        LedgerError: this user may not look there, as nobody but root may into the state of a service.
    """
    try:
        return path.stat().st_size > 0
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise LedgerError(
            f"cannot look at the ledger {path}: {error.strerror}", hint="ask as root, or as the user whose ledger it is"
        ) from error


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
