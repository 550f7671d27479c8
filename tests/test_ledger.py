"""The ledger's file: what it refuses, what it keeps, how it is locked, copied and upgraded."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from syncd.errors import BusyError, LedgerError
from syncd.ledger import Ledger, records, schema
from syncd.ledger.moves import StaleMove

FIXTURES = Path(__file__).parent / "fixtures"


def restored(path: Path, version: int) -> None:
    """Make a ledger as the program of that schema version left it."""
    conn = sqlite3.connect(path)
    conn.executescript((FIXTURES / f"ledger-schema-{version}.sql").read_text(encoding="utf-8"))
    conn.close()


@pytest.mark.parametrize("version", range(1, schema.SCHEMA_VERSION + 1))
def test_every_older_ledger_opens(tmp_path: Path, version: int) -> None:
    """A ledger of any schema that was ever released is upgraded in place, and its documents are still there."""
    restored(tmp_path / "ledger.db", version)

    ledger = Ledger(tmp_path / "ledger.db")
    found = {row["path"]: row["state"] for row in records.documents(ledger.conn)}
    current = ledger.conn.execute("pragma user_version").fetchone()[0]
    ledger.close()

    assert {"a.md": "verified", "sub/b.md": "verified"} == found
    assert schema.SCHEMA_VERSION == current


@pytest.mark.parametrize("version", range(1, schema.SCHEMA_VERSION + 1))
def test_an_upgraded_ledger_is_like_a_new_one(tmp_path: Path, version: int) -> None:
    """After its migrations an older ledger has the very columns, indexes and triggers that a new one has."""
    restored(tmp_path / "old.db", version)
    upgraded, new = Ledger(tmp_path / "old.db"), Ledger(tmp_path / "new.db")

    def columns(ledger: Ledger) -> list[tuple[object, ...]]:
        return ledger.conn.execute(
            'select m.type, m.name, c.name, c.type, c."notnull", c.dflt_value from sqlite_master m'
            " left join pragma_table_info(m.name) c on m.type = 'table' order by 1, 2, 3"
        ).fetchall()

    assert columns(new) == columns(upgraded)
    upgraded.close()
    new.close()


def test_a_newer_ledger_is_refused(tmp_path: Path) -> None:
    """A ledger that a newer program wrote is left alone, and the message says so."""
    path = tmp_path / "ledger.db"
    Ledger(path).close()
    conn = sqlite3.connect(path)
    conn.execute(f"pragma user_version = {schema.SCHEMA_VERSION + 1}")
    conn.close()

    with pytest.raises(LedgerError, match="newer syncd"):
        Ledger(path)


@pytest.mark.parametrize("content", [b"not a database at all", b"\0" * 8192])
def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file of another kind is refused and kept as it is."""
    path = tmp_path / "ledger.db"
    path.write_bytes(content)

    with pytest.raises(LedgerError):
        Ledger(path)
    assert content == path.read_bytes()


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    """Somebody else's SQLite file does not become a ledger."""
    path = tmp_path / "ledger.db"
    conn = sqlite3.connect(path)
    conn.execute("create table theirs (x)")
    conn.execute("pragma application_id = 77")
    conn.commit()
    conn.close()

    with pytest.raises(LedgerError, match="not a syncd ledger"):
        Ledger(path)
    with closing(sqlite3.connect(path)) as conn:
        tables = conn.execute("select name from sqlite_master").fetchall()
    assert [("theirs",)] == tables


def test_one_engine_for_one_ledger(tmp_path: Path) -> None:
    """A second process is told who holds the ledger; readers need no lock."""
    path = tmp_path / "ledger.db"
    first = Ledger(path)

    with pytest.raises(BusyError, match="in use by pid"):
        Ledger(path)
    Ledger(path, write=False).close()
    first.close()
    Ledger(path).close()


def test_a_backup_is_marked(tmp_path: Path) -> None:
    """A copy knows that it is one, and is never written over an existing file."""
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.backup(tmp_path / "copy.db")
    with pytest.raises(LedgerError, match="exists already"):
        ledger.backup(tmp_path / "copy.db")
    original = ledger.id
    ledger.close()

    copy = Ledger(tmp_path / "copy.db")
    assert ("1", original) == (copy.meta("is_backup"), copy.id)
    copy.renew_identity()
    assert "" == copy.meta("is_backup")
    copy.close()


def test_moves_of_one_turn_share_a_commit_and_fail_alone(tmp_path: Path) -> None:
    """Moves that are ready together go in one transaction; one that fails undoes itself only."""

    async def body(ledger: Ledger) -> list[object]:
        def wrong(db: sqlite3.Connection) -> None:
            db.execute("insert into meta values ('wrong', '1')")
            raise StaleMove("not there")

        return await asyncio.gather(
            ledger.commit("one", lambda db: db.execute("insert into meta values ('one', '1')").rowcount),
            ledger.commit("two", wrong),
            ledger.commit("three", lambda db: db.execute("insert into meta values ('three', '3')").rowcount),
            return_exceptions=True,
        )

    ledger = Ledger(tmp_path / "ledger.db")
    commits: list[str] = []
    ledger.conn.set_trace_callback(lambda sql: commits.append(sql) if sql.lower() == "commit" else None)
    results = asyncio.run(body(ledger))
    ledger.conn.set_trace_callback(None)

    assert [1, "StaleMove", 1] == [r if isinstance(r, int) else type(r).__name__ for r in results]
    assert ("1", "", "3") == (ledger.meta("one"), ledger.meta("wrong"), ledger.meta("three"))
    assert ["commit"] == [sql.lower() for sql in commits]
    ledger.close()
