"""Moves that touch very many rows: written in a thread, over a connection of their own, while the event loop goes on.

There is still one writer: the ledger begins no other move before this one has come to its end (``Ledger.commit``).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from syncd.ledger.trouble import connect

T = TypeVar("T")

MANY = 500
"""Rows from which on a move is written beside the event loop: so many take some 20 ms."""


def write(path: Path, move: Callable[[sqlite3.Connection], T], *, durable: bool, patience: int) -> T:
    """Run one move in a transaction of its own; for any thread.

    Args:
        path: the ledger.
        move: what is written.
        durable: on disk when this returns.
        patience: milliseconds that a lock of another program is waited for.

    Raises:
        LedgerLocked, LedgerDisk: nothing of the move was written; it may be tried again.
        LedgerError: the ledger cannot be used any more.
    """
    with closing(connect(path, str(path))) as conn:
        conn.execute(f"pragma busy_timeout = {patience}")
        conn.execute("pragma foreign_keys = on")
        conn.execute("pragma synchronous = full" if durable else "pragma synchronous = normal")
        conn.execute("begin immediate")
        try:
            result = move(conn)
            conn.execute("commit")
        except BaseException:
            if conn.in_transaction:
                conn.execute("rollback")
            raise
        return result
