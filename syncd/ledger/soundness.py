"""Whether a ledger is what syncd wrote: SQLite's own check, the tables as they should be, and the laws of their rows.

SQLite finds pages that contradict each other, and values of a wrong type (``integrity_check``). It cannot know that a
state has another name, a time lies below zero, a text is not UTF-8 or a JSON column does not parse.
"""

from __future__ import annotations

import functools
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

from sqlite_utils import Database

from syncd.errors import LedgerDamaged, SyncdError
from syncd.ledger import schema
from syncd.ledger.laws import Law, laws
from syncd.ledger.opening import for_reading
from syncd.ledger.trouble import Connection, damaged, trouble

SMALL = 2 * 2**20
"""Bytes up to which a ledger is checked in full before a command reads it; some 1 300 documents and 45 ms."""

_SHOWN = 60  # characters of a value
_COMMENT = re.compile(r"--[^\n]*")


def faults(conn: Connection, most: int = 3) -> list[str]:
    """What is wrong with a ledger of today's version, at most so much of it; nothing when it is sound.

    Every row is read: 100 000 documents (146 MB) took 3.7 s of CPU.

    Raises:
        LedgerLocked, LedgerDisk: it could not be looked at; that says nothing of the ledger.
    """
    try:
        found = pages(conn, most)
        if found:
            return found
        return list(islice(_contents(conn), most))
    except LedgerDamaged as error:
        return [error.what]
    except sqlite3.Error as error:
        raise trouble(conn.path, error) from error


def pages(conn: Connection, most: int = 3) -> list[str]:
    """What SQLite finds wrong with its pages, indexes, types and checks, and with references between rows."""
    found = [str(row[0]) for row in conn.execute(f"pragma main.integrity_check({most})")]
    return [] if found == ["ok"] else found


def _contents(conn: Connection) -> Iterator[str]:
    wrong = shape(conn)
    yield from wrong
    if wrong:  # then the rows cannot be asked for what they should hold
        return
    yield from _references(conn)
    garbled = [fault for table in _model()[1] for fault in _undecodable(conn, table)]
    yield from garbled
    if garbled:  # then a row cannot be named by its key either
        return
    for law in _laws():
        yield from _broken(conn, law)
    if conn.execute("select 1 from main.meta where key = 'ledger_id'").fetchone() is None:
        yield "meta has no row 'ledger_id'"


def blamed(path: Path) -> LedgerDamaged | None:
    """After an error that nobody foresaw: the damage of the ledger that explains it; ``None`` when it is sound.

    A ledger that is too large to be checked at each start may hold a value that no code expects.
    """
    try:
        with closing(for_reading(path)) as conn:
            if conn.execute("pragma user_version").fetchone()[0] != schema.SCHEMA_VERSION:
                return None
            found = faults(conn)
    except LedgerDamaged as error:
        return error
    except (SyncdError, OSError):
        return None
    return damaged(path, "; ".join(found)) if found else None


# ---------------------------------------------------------------- tables


def shape(conn: sqlite3.Connection) -> list[str]:
    """How tables, indexes and triggers differ from those of today's schema. Cheap: no row is read."""
    wanted, there = _model()[0], _objects(conn)
    missing = [f"the {kind} {name} is missing" for kind, name in wanted if (kind, name) not in there]
    other = [
        f"the {kind} {name} is another one"
        for (kind, name), sql in wanted.items()
        if there.get((kind, name), sql) != sql
    ]
    foreign = [
        f"the trigger {name} is not syncd's" for kind, name in there if kind == "trigger" and (kind, name) not in wanted
    ]
    return missing + other + foreign


def _objects(conn: sqlite3.Connection) -> dict[tuple[str, str], str]:
    rows = conn.execute("select type, name, sql from main.sqlite_master where name not like '%sqlite\\_%' escape '\\'")
    return {(kind, name): " ".join(_COMMENT.sub("", sql or "").lower().split()) for kind, name, sql in rows}


@functools.cache
def _model() -> tuple[dict[tuple[str, str], str], dict[str, dict[str, bool]]]:
    """Tables, indexes and triggers of today's schema; and by table its columns, with whether they may be NULL."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as model:
        schema.migrations.apply(Database(model, execute_plugins=False))
        objects = _objects(model)
        tables: dict[str, dict[str, bool]] = {}
        for kind, table in objects:
            if kind == "table":
                rows = model.execute('select name, "notnull", pk from pragma_table_info(?)', (table,))
                tables[table] = {name: not notnull and not key for name, notnull, key in rows}
        return objects, tables


@functools.cache
def _laws() -> tuple[Law, ...]:
    return tuple(
        laws({table: [name for name, may in columns.items() if may] for table, columns in _model()[1].items()})
    )


# ---------------------------------------------------------------- rows


def _references(conn: Connection) -> Iterator[str]:
    for table, row, parent, _ in conn.execute("pragma main.foreign_key_check"):
        yield f"{table}, row {row}: it belongs to a row of {parent} that is missing"


def _undecodable(conn: Connection, table: str) -> Iterator[str]:
    """Text that is not UTF-8; only then the columns are gone through one by one."""
    try:
        for _ in conn.execute(f"select * from main.{table}"):
            pass
    except LedgerDamaged as error:
        columns = [column for column in _model()[1][table] if not _reads(conn, table, column)]
        yield f"{table}.{columns[0]}: a text in it is not UTF-8" if columns else error.what


def _reads(conn: Connection, table: str, column: str) -> bool:
    try:
        for _ in conn.execute(f"select {column} from main.{table}"):
            pass
    except LedgerDamaged:
        return False
    return True


def _broken(conn: Connection, law: Law) -> Iterator[str]:
    column = law.columns[0]
    key = ", ".join(_key(conn, law.table)) or "rowid"
    rows = conn.execute(
        f"select {key}, hex(substr(cast({column} as blob), 1, {_SHOWN})), typeof({column}) from main.{law.table}"
        f" where not coalesce(({law.condition}), 0) limit 1"
    )
    for *names, value, kind in rows:
        shown = kind if kind == "null" else repr(bytes.fromhex(value).decode("utf-8", "backslashreplace"))
        row = "/".join(str(name) for name in names)
        yield f"{law.table}.{column}, row {row[:_SHOWN]}: {law.text}, not {shown}".replace(": is ", ": must be ")


def _key(conn: Connection, table: str) -> list[str]:
    rows = conn.execute("select name from pragma_table_info(?) where pk > 0 order by pk", (table,))
    return [row[0] for row in rows]


def size(path: Path) -> int:
    """Bytes of a ledger and of its log."""
    total = 0
    for end in ("", "-wal"):
        try:
            total += path.with_name(path.name + end).stat().st_size
        except OSError:
            continue
    return total
