"""The ledger's tables and how older ones become newer ones.

Each migration runs in one transaction with the record that it ran (sqlite-utils). Paths and names as the disk
spells them are BLOBs (``os.fsencode``), since a file name need not be valid UTF-8.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

from sqlite_utils import Database, Migrations

APPLICATION_ID = 0x53594E43  # "SYNC", so that `file ledger.db` and we recognise it
SCHEMA_VERSION = 3

migrations = Migrations("syncd")


@migrations(name="m001_initial")
def m001_initial(db: Database) -> None:
    """The tables of version 1."""
    _execute(db, _M001)


@migrations(name="m002_service")
def m002_service(db: Database) -> None:
    """What a service needs: requests of persons, the last runs of jobs, passes that did something."""
    _execute(db, _M002)


@migrations(name="m003_proof")
def m003_proof(db: Database) -> None:
    """What a proof rests on, and what is counted."""
    _execute(db, _M003)


def bridge(conn: sqlite3.Connection) -> None:
    """Let a connection that only reads an older ledger see it as a newer one would be, without changing the file.

    What is missing stands in temporary views and tables with the defaults that the migrations would give.
    """
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as model:
        migrations.apply(Database(model, execute_plugins=False))
        wanted = dict(model.execute("select name, sql from sqlite_master where type = 'table'").fetchall())
        columns = {name: _columns(model, name) for name in wanted}
    for name, sql in wanted.items():
        there = _columns(conn, name)
        missing = [f"{default} as {column}" for column, default in columns[name].items() if column not in there]
        if not there:
            conn.execute(
                sql.replace("create table", "create temp table", 1).replace("CREATE TABLE", "create temp table", 1)
            )
        elif missing:
            conn.execute(f"create temp view {name} as select *, {', '.join(missing)} from main.{name}")


def _columns(conn: sqlite3.Connection, table: str) -> dict[str, str]:
    """The columns of a table and their defaults, as SQL."""
    rows = conn.execute("select name, coalesce(dflt_value, 'null') from pragma_table_info(?)", (table,))
    return dict(rows.fetchall())


def _execute(db: Database, script: str) -> None:
    for statement in script.split(";\n"):
        if statement.strip():
            db.execute(statement)


_M001 = """
create table meta (key text primary key, value text not null) strict, without rowid;

create table sources (
    name text primary key,
    dataset_ref text not null default '',   -- as the configuration names it
    dataset_id text,                        -- bound once (rule 26)
    root text not null default '',          -- resolved path of the last scan
    device integer,
    scope text not null default '',         -- digest of path, include and exclude (rule 18)
    last_scan_at real,
    adopted_at real
) strict, without rowid;

create table directories (
    id integer primary key,
    source text not null,
    path blob not null,
    signature blob,                         -- null: something in it is not at rest
    in_scope integer not null default 0,
    unique (source, path)
) strict;

create table documents (
    id integer primary key,
    uuid text not null,
    source text not null,
    path text not null,
    directory integer not null references directories (id),
    disk_name blob not null,
    size integer not null default 0,
    mtime_ns integer not null default -1,
    inode integer not null default 0,
    sha256 text not null default '',
    settings text not null default '',
    at_rest integer not null default 0,
    gone integer not null default 0,
    quarantine text,
    quarantine_message text not null default '',
    quarantine_sha256 text not null default '',
    quarantine_settings text not null default '',
    quarantine_since real,
    attempts integer not null default 0,
    next_try_at real,
    last_error text not null default '',
    last_error_code text not null default '',
    note text,                              -- 'waiting' or 'held', derived at plan time
    note_reason text not null default '',
    first_seen_at real not null,
    unique (source, path)
) strict;
create index documents_directory on documents (directory);
create index documents_restless on documents (source, id) where at_rest = 0;
create index documents_noted on documents (source) where note is not null;
create index documents_quarantined on documents (source) where quarantine is not null;
create index documents_failing on documents (source) where next_try_at is not null;

create trigger documents_wake after update of at_rest on documents when new.at_rest = 0
begin update directories set signature = null where id = new.directory; end;
create trigger documents_new after insert on documents when new.at_rest = 0
begin update directories set signature = null where id = new.directory; end;

create table revisions (
    id text primary key,
    document integer not null references documents (id),
    sha256 text not null,
    settings text not null,
    state text not null check (state in
        ('uploading', 'indexing', 'proving', 'verified', 'retired', 'quarantined', 'deleted')),
    attempt text not null,
    dataset_id text not null,
    collection_id text,
    placed text not null default '',
    flip text check (flip in ('forward', 'done', 'back')),
    visible integer not null default 0,
    created_at real not null,
    sent_at real,
    absences integer not null default 0,
    verified_at real,
    retired_at real,
    delete_after real,
    delete_sent integer not null default 0,
    deleted_at real,
    reason text not null default '',
    weak text not null default '',
    successor text,
    reprove integer not null default 0,
    size integer not null default 0
) strict, without rowid;
create unique index one_serving on revisions (document) where state = 'verified';
create unique index one_candidate on revisions (document) where state in ('uploading', 'indexing', 'proving');
create index revisions_document on revisions (document);
create index revisions_restless on revisions (state, document) where state not in ('verified', 'deleted');
create index revisions_left_hidden on revisions (document) where state = 'verified' and visible = 0;
create index revisions_reprove on revisions (document) where reprove = 1;
create unique index revisions_collection on revisions (collection_id) where collection_id is not null;

create table folders (
    source text not null,
    path text not null,
    dataset_id text not null,
    collection_id text not null,
    made integer not null,                  -- 1: made by us, so ours to remove (rule 14)
    empty_since real,
    primary key (source, path)
) strict, without rowid;

create table strangers (collection_id text primary key, dataset_id text not null) strict, without rowid;

create table ledgers (source text not null, ledger text not null, primary key (source, ledger)) strict, without rowid;

create table deletions (
    id integer primary key,
    source text not null,
    document integer not null,
    at real not null,
    released integer not null default 0
) strict;
create index deletions_window on deletions (source, at);

create table releases (
    source text not null,
    revision text not null,
    at real not null,
    emptied integer not null default 0,
    primary key (source, revision)
) strict, without rowid;

create table holds (
    source text not null,
    reason text not null,
    releasable integer not null,
    since real not null,
    message text not null,
    at_stake integer not null,              -- documents that serve from a root that cannot be believed
    paths text not null,                    -- JSON list
    primary key (source, reason)
) strict, without rowid;

create table proofs (
    id integer primary key,
    revision text not null,
    at real not null,
    passed integer not null,
    weak text not null default '',
    failure text not null default ''
) strict;
create index proofs_revision on proofs (revision);

create table probe_results (
    proof integer not null references proofs (id) on delete cascade,
    query text not null,
    mode text not null,
    verdict text not null,
    rank integer,
    score real,
    shared_with text
) strict;
create index probe_results_proof on probe_results (proof);
create index probe_results_shared on probe_results (shared_with) where shared_with is not null;

create table events (
    id integer primary key,
    at real not null,
    source text not null,
    path text not null,
    event text not null,
    revision text,
    detail text not null default ''
) strict;
create index events_path on events (source, path);

create table findings (
    id integer primary key,
    at real not null,
    kind text not null,
    source text not null,
    path text not null,
    collection_id text,
    message text not null,
    resolved_at real
) strict;

create table runs (
    id integer primary key,
    started_at real not null,
    finished_at real,
    exit_code integer,
    counts text not null default '{}'
) strict;
"""

_M002 = """
create table requests (                     -- what a person asks of the engine that runs (rule 34)
    id integer primary key,
    at real not null,
    kind text not null,
    arguments text not null,                -- JSON object
    taken_at real,
    done_at real,
    exit_code integer,                      -- 0: done; else why not, as the command would exit
    answer text not null default '{}'       -- JSON object
) strict;
create index requests_open on requests (id) where done_at is null;

create table jobs (name text primary key, fired_at real not null) strict, without rowid;

drop table runs;
create table runs (                         -- passes of the service that did something
    id integer primary key,
    at real not null,
    seconds real not null,
    sources text not null,                  -- JSON list
    whole integer not null,                 -- 0: a few paths were looked at
    counts text not null                    -- JSON object
) strict;

create index events_at on events (at);
create index proofs_at on proofs (at);
"""

# One statement a change, each ended by a semicolon and a line end; what it is for stands above it.
_M003 = """
-- the way of sending, see `syncd.sending`
alter table revisions add column sent_as integer not null default 1;
-- a person wants what serves sent anew, in today's way, from this time on
alter table revisions add column resend_at real;
create index revisions_resend on revisions (resend_at) where resend_at is not null;
create index revisions_older on revisions (document) where state = 'verified' and sent_as < 2;
-- what FastGPT does not take over of the document: "2 formulas are not taken over by FastGPT"
alter table revisions add column remark text not null default '';
-- JSON list of the collections that search gave instead, best first
alter table probe_results add column instead text not null default '';
-- why the source could not be served when it was last looked at; '' when it could
alter table sources add column trouble text not null default '';
-- names exactly what is held, so that exactly that can be released
alter table holds add column id text not null default '';
-- holds in each form that somebody may have seen; shown_at: when a person was shown it last
create table hold_forms (
    source text not null,
    id text not null,
    reason text not null,
    at real not null,
    shown_at real,
    revisions text not null,
    primary key (source, id)
) strict, without rowid;
-- since when the file is missing, for what waits at most so long (rule 17)
alter table documents add column missing_since real;
create index documents_missing on documents (source) where missing_since is not null;
-- unknown or refused outcomes of this document since its last success, while the server was well, and since when
alter table documents add column setbacks integer not null default 0;
alter table documents add column setback_since real;
-- files that are still being written, and since when; many are no documents yet
create table restless (
    source text not null,
    path text not null,
    since real not null,
    primary key (source, path)
) strict, without rowid;
-- of an orphan: whether people find it
alter table findings add column visible integer not null default 0;
-- files of a format nobody reads; every directory is looked into once more to count them
alter table directories add column unread integer not null default 0;
update directories set signature = null;
"""
