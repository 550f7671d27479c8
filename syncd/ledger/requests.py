"""Requests of persons to the engine that runs: a row each, written by a command and carried out by the engine.

The writer takes no lock: its transaction is short, and the engine alone moves documents (rule 34).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syncd.errors import EXIT_BUSY, LedgerError
from syncd.ledger import schema
from syncd.ledger.trouble import connect, trouble

KINDS = ("pause", "resume", "sync", "retry", "release", "rollback", "reload")
NOBODY_WAITS = 300.0  # seconds after which a request that nobody took is not carried out any more
_WAITS = "done_at is null and taken_at is null"
CONFIGURATION = "configuration"  # and under which the last good configuration is kept, without its secrets
SERVICE = "service"  # the name in ``meta`` under which the service says who it is and how it does


@dataclass(frozen=True, slots=True)
class Request:
    """One request that was not answered yet."""

    id: int
    at: float
    kind: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request: ``exit_code`` 0, or that of the error whose message, hint and code ``values`` holds."""

    exit_code: int
    values: Mapping[str, Any]


@contextmanager
def mailbox(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection for writing requests beside the engine that holds the ledger.

    Raises:
        LedgerLocked, LedgerDisk: it cannot be written just now.
        LedgerError: the ledger cannot be used.
    """
    try:
        with closing(connect(path, f"{path.resolve().as_uri()}?mode=rw", uri=True)) as conn:
            conn.execute("pragma busy_timeout = 5000")
            if conn.execute("pragma user_version").fetchone()[0] != schema.SCHEMA_VERSION:
                raise LedgerError(
                    f"the ledger {path} is in use by another version of syncd",
                    hint="use the version that runs, or restart the service with this one",
                )
            yield conn
    except sqlite3.Error as error:
        raise trouble(path, error) from error


def post(conn: sqlite3.Connection, kind: str, arguments: Mapping[str, Any], now: float) -> int:
    """Write a request; returns its id."""
    conn.execute("begin immediate")
    cursor = conn.execute(
        "insert into requests (at, kind, arguments) values (?, ?, ?)", (now, kind, json.dumps(arguments))
    )
    conn.execute("commit")
    return int(cursor.lastrowid or 0)


def answer_to(conn: sqlite3.Connection, request: int) -> Answer | None:
    """What became of a request; ``None`` while it is open."""
    row = conn.execute("select exit_code, answer from requests where id = ? and done_at is not null", (request,))
    found = row.fetchone()
    return None if found is None else Answer(int(found[0] or 0), json.loads(found[1]))


def is_taken(conn: sqlite3.Connection, request: int) -> bool:
    """Whether the service is at it, or was."""
    row = conn.execute("select taken_at from requests where id = ?", (request,)).fetchone()
    return row is not None and row[0] is not None


def withdraw(conn: sqlite3.Connection, request: int, now: float) -> bool:
    """Take back a request that nobody has taken yet; false when it is too late for that."""
    cursor = conn.execute(
        f"update requests set done_at = ?, exit_code = {EXIT_BUSY} where id = ? and {_WAITS}",
        (now, request),
    )
    return cursor.rowcount == 1


def take(conn: sqlite3.Connection, now: float) -> list[Request]:
    """Take the requests that nobody has taken yet, oldest first."""
    rows = conn.execute(f"select id, at, kind, arguments from requests where {_WAITS} order by id").fetchall()
    conn.execute(f"update requests set taken_at = ? where {_WAITS}", (now,))
    return [Request(row[0], row[1], row[2], json.loads(row[3])) for row in rows]


def is_open(conn: sqlite3.Connection) -> bool:
    """Whether a request waits to be taken."""
    return conn.execute(f"select 1 from requests where {_WAITS} limit 1").fetchone() is not None


def clear_up(conn: sqlite3.Connection, now: float) -> int:
    """Close what a service before this one left open, when it starts; returns how many requests that were.

    What was taken may be done, half done or not: done once more it might let go other deletions than were shown, or
    roll back twice. What waits for longer than anybody asks was left by a command that was killed.
    """
    return close(conn, f"taken_at is not null or at < {now - NOBODY_WAITS!r}", now)


def close(conn: sqlite3.Connection, which: str, now: float) -> int:
    """Answer open requests, chosen by a condition, with "busy": they were not carried out to their end."""
    text = json.dumps(
        {
            "code": "busy",
            "message": "the service ended before it had answered",
            "hint": "`syncd status` and `syncd ls` show how things stand; ask again if need be",
        }
    )
    return conn.execute(
        f"update requests set done_at = ?, exit_code = {EXIT_BUSY}, answer = ? where done_at is null and ({which})",
        (now, text),
    ).rowcount


def answer(conn: sqlite3.Connection, request: int, exit_code: int, values: Mapping[str, Any], now: float) -> None:
    """Answer a request."""
    conn.execute(
        "update requests set done_at = ?, exit_code = ?, answer = ? where id = ?",
        (now, exit_code, json.dumps(values), request),
    )


# ---------------------------------------------------------------- what the service says of itself


def describe(conn: sqlite3.Connection, service: Mapping[str, Any]) -> None:
    """Write what the service says of itself."""
    conn.execute("insert or replace into meta values (?, ?)", (SERVICE, json.dumps(service)))


def keep_configuration(conn: sqlite3.Connection, text: str) -> None:
    """Keep the configuration that works, for who asks while the file is wrong."""
    conn.execute("insert or replace into meta values (?, ?)", (CONFIGURATION, text))


def description(conn: sqlite3.Connection) -> dict[str, Any]:
    """What the service said of itself last; empty when none ever ran."""
    row = conn.execute("select value from meta where key = ?", (SERVICE,)).fetchone()
    found: dict[str, Any] = {} if row is None else json.loads(row[0])
    return found


# ---------------------------------------------------------------- pause, jobs, runs


def paused(conn: sqlite3.Connection) -> float | None:
    """Since when a person has the service pause (seconds since the epoch); ``None`` when nobody has."""
    row = conn.execute("select value from meta where key = 'paused'").fetchone()
    return None if row is None else float(row[0])


def set_paused(conn: sqlite3.Connection, since: float | None) -> None:
    """Pause, or go on; kept over restarts."""
    if since is None:
        conn.execute("delete from meta where key = 'paused'")
    else:
        conn.execute("insert or ignore into meta values ('paused', ?)", (repr(since),))


def fired(conn: sqlite3.Connection, job: str, now: float) -> None:
    """A job ran."""
    conn.execute("insert or replace into jobs values (?, ?)", (job, now))


def last_fired(conn: sqlite3.Connection) -> dict[str, float]:
    """When each job ran last."""
    return dict(conn.execute("select name, fired_at from jobs"))


def add_run(
    conn: sqlite3.Connection, at: float, seconds: float, sources: list[str], whole: bool, counts: Mapping[str, int]
) -> None:
    """Keep a pass that did something."""
    conn.execute(
        "insert into runs (at, seconds, sources, whole, counts) values (?, ?, ?, ?, ?)",
        (at, seconds, json.dumps(sources), int(whole), json.dumps(counts)),
    )
