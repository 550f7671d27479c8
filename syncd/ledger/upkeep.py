"""What keeps a ledger small and safe over months: pruned history, a checkpoint, copies that rotate."""

from __future__ import annotations

import glob
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from syncd.errors import LedgerError, LedgerWaits
from syncd.ledger import records, remote, soundness, tree
from syncd.ledger.store import Ledger
from syncd.ledger.trouble import connect

PORTION = 2000  # rows of a table that are forgotten in one transaction
_REQUESTS_KEPT = 7 * 86400.0  # seconds; answered requests are of no use for longer
_NEITHER_FIRST_NOR_NEWEST = (
    "exists (select 1 from proofs n where n.revision = proofs.revision and n.id > proofs.id) and (passed = 0"
    " or exists (select 1 from proofs f where f.revision = proofs.revision and f.passed = 1 and f.id < proofs.id))"
)
_LET_GO = ", ".join(f"'{reason}'" for reason in sorted(remote.LET_GO))
# What is deleted on the server and was so for long. Of a document that is there the first version that was proven
# stays: the firewall reads its base from that (rule 15).
_OVER = (
    f"state = 'deleted' and reason not in ({_LET_GO}) and coalesce(deleted_at, retired_at, created_at) < ?"
    " and not exists (select 1 from documents d where d.id = revisions.document and d.gone = 0 and revisions.id ="
    " (select p.revision from proofs p join revisions o on o.id = p.revision where o.document = d.id"
    " and p.passed = 1 order by p.id limit 1))"
)
_WITHOUT_REVISION = "not exists (select 1 from revisions r where r.id = proofs.revision)"
# Nothing that is there stands in it, and no look at the disk says that it is at rest.
_EMPTY_DIRECTORY = (
    "path != x'' and signature is null"
    " and not exists (select 1 from documents d where d.directory = directories.id and d.gone = 0)"
)


def prune(conn: sqlite3.Connection, now: float, history: float, window: float, most: int = PORTION) -> int:
    """Forget some of what happened longer than ``history`` seconds ago; returns how many rows went.

    Called again until nothing is left to forget: in one go years of history would keep everybody else from writing.

    What is deleted on the server goes with its proofs, and so do directories in which nothing is any more; a document
    whose file is gone keeps one row. The newest proof of a revision stays as long as the revision does: what serves
    keeps its evidence, and the firewall's base (rule 15) is read from the first one that was passed, which therefore
    stays too.

    Args:
        conn: of the engine, in a transaction.
        now: seconds since the epoch.
        history: seconds.
        window: seconds in which the firewall counts deletions; what it counts is not forgotten.
        most: rows of each table.
    """
    before = now - history
    gone = 0
    for table, condition, moment in (
        ("events", "at < ?", before),
        ("proofs", f"at < ? and {_NEITHER_FIRST_NOR_NEWEST}", before),
        ("runs", "at < ?", before),
        ("deletions", "at < ?", min(before, now - window)),
        ("findings", "resolved_at < ?", before),
        ("requests", "done_at < ?", now - _REQUESTS_KEPT),
    ):
        some = f"select id from {table} where {condition} limit ?"
        gone += conn.execute(f"delete from {table} where id in ({some})", (moment, most)).rowcount
    some = f"select id from revisions where {_OVER} limit ?"
    gone += conn.execute(f"delete from revisions where id in ({some})", (before, most)).rowcount
    some = f"select id from proofs where {_WITHOUT_REVISION} limit ?"
    gone += conn.execute(f"delete from proofs where id in ({some})", (most,)).rowcount
    gone += conn.execute("delete from hold_forms where at < ?", (before,)).rowcount
    gone += _directories(conn, most)
    return gone + conn.execute("delete from releases where at < ?", (now - records.RELEASE_LIFETIME,)).rowcount


def _directories(conn: sqlite3.Connection, most: int) -> int:
    """Forget directories in which nothing is any more; of the documents that were in them one row each stays."""
    rows = conn.execute(
        f"select id, source from directories where {_EMPTY_DIRECTORY} and not exists (select 1 from documents d"
        " join revisions r on r.document = d.id where d.directory = directories.id and r.state != 'deleted') limit ?",
        (most,),
    ).fetchall()
    for directory, source in rows:
        conn.execute(
            "update documents set directory = ? where directory = ?", (tree.directory_id(conn, source, ""), directory)
        )
        conn.execute("delete from directories where id = ?", (directory,))
    return len(rows)


def compact(path: Path) -> str:
    """Have SQLite refresh its statistics, shrink the write-ahead log and check the file; returns "ok" or what is wrong.

    For a thread, over a connection of its own that waits for nobody: the log is shrunk the next time if it is in use.

    Raises:
        LedgerLocked, LedgerDisk: it could not be checked; that says nothing of the ledger.
    """
    with closing(connect(path, f"{path.resolve().as_uri()}?mode=rw", uri=True)) as conn:
        conn.execute("pragma busy_timeout = 0")
        for statement in ("pragma optimize", "pragma wal_checkpoint(truncate)"):
            with suppress(LedgerWaits, LedgerError):  # somebody writes; or the check tells what is wrong
                conn.execute(statement)
        conn.execute("pragma busy_timeout = 1000")
        try:
            return "; ".join(soundness.faults(conn)) or "ok"
        except LedgerWaits:
            raise
        except LedgerError as error:
            return str(error.__cause__ or error)


def rotate(ledger: Ledger, keep: int) -> Path | None:
    """Write a copy beside the ledger, ``ledger.db.1`` being the newest, and drop those past ``keep``; 0 keeps none.

    Raises:
        LedgerError: the copy could not be written; the older ones are as they were.
        OSError: they could not be renamed.
    """
    fresh = ledger.path.with_name(f"{ledger.path.name}.new")
    fresh.unlink(missing_ok=True)  # left behind by a crash
    if keep > 0:
        ledger.backup(fresh)
        for number in range(keep - 1, 0, -1):
            with suppress(FileNotFoundError):
                _copy(ledger.path, number).replace(_copy(ledger.path, number + 1))
        fresh.replace(_copy(ledger.path, 1))
    for old in ledger.path.parent.glob(f"{glob.escape(ledger.path.name)}.*"):
        end = old.name.rpartition(".")[2]
        if end.isdecimal() and int(end) > keep and old == _copy(ledger.path, int(end)):
            old.unlink()
    return _copy(ledger.path, 1) if keep > 0 else None


def _copy(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")
