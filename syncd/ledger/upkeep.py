"""What keeps a ledger small and safe over months: pruned history, a checkpoint, copies that rotate."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

from syncd.ledger.store import Ledger

_REQUESTS_KEPT = 7 * 86400.0  # seconds; answered requests are of no use for longer

_WINDOWS_KEPT = 366 * 86400.0  # seconds; longer than any sensible grace, which is the window the firewall counts in


def prune(conn: sqlite3.Connection, now: float, history: float) -> int:
    """Forget what happened longer than ``history`` seconds ago; returns how many rows went.

    The newest proof of a revision stays as long as the revision does: what serves keeps its evidence, and the
    firewall's base (rule 15) is read from the first one, which therefore stays too.
    """
    before = now - history
    gone = conn.execute("delete from events where at < ?", (before,)).rowcount
    gone += conn.execute(
        "delete from proofs where at < ? and id not in (select max(id) from proofs group by revision)"
        " and id not in (select min(id) from proofs where passed = 1 group by revision)",
        (before,),
    ).rowcount
    gone += conn.execute("delete from runs where at < ?", (before,)).rowcount
    gone += conn.execute("delete from deletions where at < ?", (min(before, now - _WINDOWS_KEPT),)).rowcount
    gone += conn.execute("delete from findings where resolved_at < ?", (before,)).rowcount
    gone += conn.execute("delete from requests where done_at < ?", (now - _REQUESTS_KEPT,)).rowcount
    return gone


def compact(conn: sqlite3.Connection) -> None:
    """Have SQLite refresh its statistics and shrink the write-ahead log."""
    conn.execute("pragma optimize")
    conn.execute("pragma wal_checkpoint(truncate)")


def rotate(ledger: Ledger, keep: int) -> Path | None:
    """Write a copy beside the ledger, ``ledger.db.1`` being the newest, and drop those past ``keep``; 0 keeps none."""
    if keep <= 0:
        return None
    fresh = _copy(ledger.path, 0)
    fresh.unlink(missing_ok=True)
    ledger.backup(fresh)
    for number in range(keep, 0, -1):
        with suppress(FileNotFoundError):
            _copy(ledger.path, number - 1).replace(_copy(ledger.path, number))
    number = keep + 1
    while _copy(ledger.path, number).exists():
        _copy(ledger.path, number).unlink()
        number += 1
    return _copy(ledger.path, 1)


def _copy(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}" if number else f"{path.name}.new")
