"""What can happen to the file of a ledger, one thing at a time, drawn from a seed.

Each kind takes a folder that holds a sound ``ledger.db`` and damages it. Values are written past the tables' own rules,
as a failing disk, a foolish script or a foreign tool would have them.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

PAGE = 4096
WRONG: tuple[Any, ...] = (
    None,
    "nonsense",
    "",
    -1,
    -(2**63),
    2**63 - 1,
    1e300,
    float("inf"),
    0.5,
    b"\x00\xff",
    "[",
    "{}",
    "[1]",
    "null",
    "[" * 900,
    "x" * 70_000,
    "a\x00b",
)
"""Values that hardly any column can hold; text that is not UTF-8 is written by itself."""
BAD_TEXT = "cast(x'ff6dfe' as text)"


def flip_bits(path: Path, dice: random.Random) -> None:
    """A few bits, anywhere."""
    raw = bytearray(path.read_bytes())
    for _ in range(dice.choice([1, 1, 3, 30])):
        raw[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
    path.write_bytes(raw)


def flip_text(path: Path, dice: random.Random) -> None:
    """One letter of a value, where values are."""
    raw = bytearray(path.read_bytes())
    places = [at for at in range(PAGE, len(raw)) if 0x20 < raw[at] < 0x7F]
    raw[dice.choice(places)] ^= 1 << dice.randrange(8)
    path.write_bytes(raw)


def change_pages(path: Path, dice: random.Random) -> None:
    """Pages zeroed, swapped, doubled, or of noise."""
    raw = bytearray(path.read_bytes())
    one, other = (at * PAGE for at in dice.sample(range(len(raw) // PAGE), 2))
    first, second = bytes(raw[one : one + PAGE]), bytes(raw[other : other + PAGE])
    match dice.choice(["zero", "swap", "double", "noise"]):
        case "zero":
            raw[one : one + PAGE] = bytes(PAGE)
        case "swap":
            raw[one : one + PAGE], raw[other : other + PAGE] = second, first
        case "double":
            raw[one : one + PAGE] = second
        case "noise":
            raw[one : one + PAGE] = dice.randbytes(PAGE)
    path.write_bytes(raw)


def swap_index_pages(path: Path, dice: random.Random) -> None:
    """The roots of two indexes of equal shape change places: each page by itself is sound."""
    with closing(sqlite3.connect(path)) as conn:
        roots = [row[0] for row in conn.execute("select rootpage from sqlite_master where type = 'index' and sql > ''")]
    raw = bytearray(path.read_bytes())
    one, other = ((root - 1) * PAGE for root in dice.sample(roots, 2))
    raw[one : one + PAGE], raw[other : other + PAGE] = raw[other : other + PAGE], raw[one : one + PAGE]
    path.write_bytes(raw)


def cut(path: Path, dice: random.Random) -> None:
    """Cut off at any byte, or too long."""
    raw = path.read_bytes()
    at = dice.choice([dice.randrange(1, len(raw)), dice.randrange(1, 200), dice.randrange(1, len(raw) // PAGE) * PAGE])
    path.write_bytes(raw[:at] if dice.random() < 0.9 else raw + dice.randbytes(at))


def foreign_log(path: Path, dice: random.Random) -> None:
    """The write-ahead log or the shared memory of another database, or noise."""
    other = path.with_name("other.db")
    with closing(sqlite3.connect(other, isolation_level=None)) as conn:
        conn.execute("pragma journal_mode = wal")
        conn.execute("create table t (a, b)")
        for _ in range(dice.randrange(1, 40)):
            conn.execute("insert into t values (?, ?)", (dice.randbytes(400), dice.random()))
        end = dice.choice(["-wal", "-shm"])
        taken = other.with_name(f"other.db{end}").read_bytes()
    noise = dice.random() < 0.3
    path.with_name(f"{path.name}{end}").write_bytes(dice.randbytes(len(taken)) if noise else taken)
    for name in ("", "-wal", "-shm"):
        other.with_name(f"other.db{name}").unlink(missing_ok=True)


def torn_log(path: Path, dice: random.Random) -> None:
    """The newest changes are in a log whose frames are torn."""
    log = path.with_name(f"{path.name}-wal")
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        conn.execute("pragma journal_mode = wal")
        for number in range(dice.randrange(1, 9)):
            conn.execute("insert or replace into jobs values (?, 1800000000.0)", (f"job{number}" * 99,))
        taken, file = bytearray(log.read_bytes()), path.read_bytes()
    at = dice.randrange(len(taken))
    match dice.choice(["cut", "noise", "flip"]):
        case "cut":
            del taken[at:]
        case "noise":
            taken[at : at + 100] = dice.randbytes(len(taken[at : at + 100]))
        case "flip":
            taken[at] ^= 1 << dice.randrange(8)
    path.write_bytes(file)
    log.write_bytes(taken)


def change_version(path: Path, dice: random.Random) -> None:
    """Another version, another application."""
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        if dice.random() < 0.8:
            conn.execute(f"pragma user_version = {dice.choice([0, 1, 2, 4, 99, -1, 2**31 - 1])}")
        else:
            conn.execute(f"pragma application_id = {dice.choice([0, 1, 2**31 - 1])}")


def change_tables(path: Path, dice: random.Random) -> None:
    """A table, an index, a trigger or a column is missing, is too many or has another name."""
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        conn.execute("pragma foreign_keys = off")
        things = conn.execute(
            "select type, name from sqlite_master where name not like '%sqlite%' and type in ('table', 'index',"
            " 'trigger')"
        ).fetchall()
        kind, name = dice.choice(things)
        table = dice.choice(tables(conn))
        column = dice.choice(columns(conn, table))[0]
        changes = [
            f"drop {kind} {name}",
            f"drop table {table}",
            f"alter table {table} rename to {table}_x",
            f"alter table {table} rename column {column} to {column}_x",
            f"alter table {table} drop column {column}",
            f"alter table {table} add column extra text not null default 'x'",
            f"create trigger extra after update on {table} begin delete from documents; end",
            f"delete from {table}",
        ]
        dice.shuffle(changes)
        for change in changes:
            try:
                conn.execute(change)
            except sqlite3.Error:
                continue  # a column that an index needs
            return


def change_value(path: Path, dice: random.Random) -> None:
    """A value of a wrong kind, in any column of any table that has rows."""
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        table = dice.choice([t for t in tables(conn) if conn.execute(f"select 1 from {t} limit 1").fetchone()])
        column, strict = dice.choice(columns(conn, table))
        rows = conn.execute(f"select count(*) from {table}").fetchone()[0]
        put_value(conn, table, column, strict, dice.randrange(rows), dice.choice([*WRONG, BAD_TEXT]))


def put_value(conn: sqlite3.Connection, table: str, column: str, declared: str, row: int, value: Any) -> bool:
    """Write a value past all rules of a table, references among them; false: a key of the table refuses it."""
    conn.execute("pragma foreign_keys = off")
    conn.execute("pragma ignore_check_constraints = on")
    text = value == BAD_TEXT
    key = ", ".join(
        r[0] for r in conn.execute("select name from pragma_table_info(?) where pk > 0 order by pk", (table,))
    )
    chosen = f"select {key or 'rowid'} from {table} order by 1 limit 1 offset {row}"
    change = f"update {table} set {column} = {BAD_TEXT if text else '?'} where ({key or 'rowid'}) = ({chosen})"
    old = conn.execute("select sql from sqlite_master where name = ?", (table,)).fetchone()[0]
    loose = old.replace("strict, without rowid", "without rowid").replace(") strict", ")")
    loose = loose.replace(f"{column} {declared} not null", f"{column} {declared}")
    triggers = conn.execute("select name, sql from sqlite_master where type = 'trigger'").fetchall()
    for name, _ in triggers:
        conn.execute(f"drop trigger {name}")
    _rewrite(conn, table, loose)
    try:
        conn.execute(change, () if text else (value,))
    except sqlite3.IntegrityError:
        return False  # a row's number must be a number, and a key must be the only one
    else:
        return True
    finally:
        _rewrite(conn, table, old)
        for _, sql in triggers:
            conn.execute(sql)


def _rewrite(conn: sqlite3.Connection, table: str, sql: str) -> None:
    conn.execute("pragma writable_schema = on")
    conn.execute("update sqlite_master set sql = ? where name = ? and type = 'table'", (sql, table))
    conn.execute("pragma writable_schema = reset")


def tables(conn: sqlite3.Connection) -> list[str]:
    """The tables of syncd's own."""
    return [
        row[0]
        for row in conn.execute(
            "select name from sqlite_master where type = 'table' and name not like '%sqlite%' order by name"
        )
    ]


def columns(conn: sqlite3.Connection, table: str) -> list[tuple[str, str]]:
    """The columns of a table and their declared types."""
    rows = conn.execute("select name, lower(type) from pragma_table_info(?)", (table,)).fetchall()
    return [(row[0], row[1]) for row in rows]


KINDS: dict[str, Callable[[Path, random.Random], None]] = {
    "bits": flip_bits,
    "letter": flip_text,
    "pages": change_pages,
    "index pages": swap_index_pages,
    "cut": cut,
    "foreign log": foreign_log,
    "torn log": torn_log,
    "version": change_version,
    "tables": change_tables,
    "value": change_value,
}
