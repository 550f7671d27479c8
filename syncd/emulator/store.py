"""The state: one SQLite database and the bytes of uploaded files.

Every change is committed before the request is answered, so that a killed server has kept what it promised.
"""

from __future__ import annotations

import json
import sqlite3
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from syncd.emulator.words import indexed

_SCHEMA = """
create table if not exists meta (key text primary key, value text not null);
create table if not exists datasets (
    n integer primary key autoincrement, id text unique not null, parent text not null, type text not null,
    name text not null, intro text not null, avatar text not null, vector_model text not null,
    agent_model text not null, update_time real not null, delete_time real
);
create table if not exists collections (
    n integer primary key autoincrement, id text unique not null, dataset text not null, parent text not null,
    type text not null, name text not null, forbid integer, tags text, metadata text, external_id text,
    file_id text, stored_name text, raw_link text, settings text not null default '{}',
    create_time real not null, update_time real not null, raw_length integer, raw_hash text, sha256 text, size integer,
    data_amount integer not null default 0, index_amount integer not null default 0,
    task_amount integer not null default 0, error_amount integer not null default 0,
    final_amount integer not null default 0
);
create index if not exists collections_listed on collections (dataset, parent, update_time desc, n desc);
create index if not exists collections_new on collections (dataset, update_time desc, n desc);
create unique index if not exists collections_external on collections (dataset, external_id)
    where external_id is not null;
create table if not exists tasks (
    seq integer primary key autoincrement, id text not null, collection text not null, dataset text not null,
    mode text not null, q text not null default '', a text not null default '', chunk_index integer not null default 0,
    indexes text, retry integer not null default 5, error text, stuck integer not null default 0,
    created real not null
);
create index if not exists tasks_collection on tasks (collection, seq);
create table if not exists datas (
    n integer primary key autoincrement, id text unique not null, cn integer not null, collection text not null,
    dataset text not null, q text not null, a text not null, chunk_index integer not null, indexes text,
    index_count integer not null, update_time real not null
);
create index if not exists datas_collection on datas (collection, chunk_index, n);
create index if not exists datas_dataset on datas (dataset, n);
create virtual table if not exists texts using fts5(x, v, tokenize = 'unicode61 remove_diacritics 0');
create virtual table if not exists vocabulary using fts5vocab(texts, 'row');
create table if not exists chats (
    n integer primary key autoincrement, at real not null, app text not null, chat text not null, custom_uid text,
    question text not null, answer text not null
);
"""

_TABLES = ("datasets", "collections", "tasks", "datas", "texts", "chats")


class Store:
    """The database connection and the file bytes; knows no FastGPT semantics."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._bytes: dict[str, bytes] = {}
        self._depth = 0
        if folder is not None:
            (folder / "files").mkdir(parents=True, exist_ok=True)
        target = ":memory:" if folder is None else str(folder / "emulator.sqlite3")
        # One emulator may be used from several event loops, one after the other, in different threads.
        self.db = sqlite3.connect(target, isolation_level=None, check_same_thread=False)
        # Whoever forgets to close an emulator leaves no open database behind.
        weakref.finalize(self, self.db.close)
        self.db.row_factory = sqlite3.Row
        if folder is not None:
            self.db.execute("pragma journal_mode = wal")
            self.db.execute("pragma synchronous = normal")
        self.db.executescript(_SCHEMA)
        self._index_again()

    def _index_again(self) -> None:
        """A folder of an earlier emulator has an index of another shape."""
        if any(column["name"] == "v" for column in self.db.execute("pragma table_info(texts)")):
            return
        self.db.executescript("drop table vocabulary; drop table texts;" + _SCHEMA)
        with self.change() as db:
            for row in self.all("select n, q, a, indexes from datas"):
                held = indexed(row["q"], row["a"], json.loads(row["indexes"] or "[]"))
                db.execute("insert into texts (rowid, x, v) values (?, ?, ?)", (row["n"], *held))

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """One transaction; inner ones join the outer one."""
        if self._depth:
            self._depth += 1
            try:
                yield self.db
            finally:
                self._depth -= 1
            return
        self.db.execute("begin immediate")
        self._depth = 1
        try:
            yield self.db
        except BaseException:
            self.db.execute("rollback")
            raise
        else:
            self.db.execute("commit")
        finally:
            self._depth = 0

    def one(self, sql: str, *values: object) -> sqlite3.Row | None:
        """The first row of a query, or None."""
        row: sqlite3.Row | None = self.db.execute(sql, values).fetchone()
        return row

    def all(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """All rows of a query."""
        return self.db.execute(sql, values).fetchall()

    def number(self, sql: str, *values: object) -> int:
        """The single number a query gives; 0 for none."""
        row = self.db.execute(sql, values).fetchone()
        return int(row[0] or 0) if row is not None else 0

    def meta(self, key: str) -> str | None:
        """A remembered setting of this store."""
        row = self.one("select value from meta where key = ?", key)
        return None if row is None else str(row["value"])

    def set_meta(self, key: str, value: str) -> None:
        """Remember a setting of this store."""
        self.db.execute("insert or replace into meta (key, value) values (?, ?)", (key, value))

    def put_file(self, key: str, content: bytes) -> None:
        """Keep a file's bytes; on disk before the row that names them is committed."""
        if self._folder is None:
            self._bytes[key] = content
            return
        (self._folder / "files" / key).write_bytes(content)

    def get_file(self, key: str) -> bytes | None:
        """A kept file's bytes."""
        if self._folder is None:
            return self._bytes.get(key)
        path = self._folder / "files" / key
        return path.read_bytes() if path.exists() else None

    def drop_file(self, key: str) -> None:
        """Forget a file's bytes."""
        if self._folder is None:
            self._bytes.pop(key, None)
            return
        (self._folder / "files" / key).unlink(missing_ok=True)

    def clear(self) -> None:
        """Forget everything but the settings."""
        with self.change() as db:
            for table in _TABLES:
                db.execute(f"delete from {table}")
        self._bytes.clear()
        if self._folder is not None:
            for path in (self._folder / "files").iterdir():
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the database."""
        self.db.close()
