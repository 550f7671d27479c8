"""What was sent in an older way, and when it is sent anew because a person asked for it."""

from __future__ import annotations

import os
import posixpath
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from syncd.sending import WAY


@dataclass(frozen=True, slots=True)
class Older:
    """One document whose serving version was sent in an older way."""

    revision: str
    path: str
    disk_name: str  # below the root, as the disk spells it
    size: int  # of the file, in bytes
    mtime_ns: int
    sent_as: int
    asked: bool  # a person has had it sent anew, which is not done yet


def older(conn: sqlite3.Connection, source: str) -> list[Older]:
    """The documents of a source that serve in an older way, by path."""
    rows = conn.execute(
        "select r.id, d.path, x.path, d.disk_name, d.size, d.mtime_ns, r.sent_as, r.resend_at is not null"
        " from revisions r join documents d on d.id = r.document join directories x on x.id = d.directory"
        f" where r.state = 'verified' and r.sent_as < {WAY} and d.source = ? and d.gone = 0 and d.quarantine is null"
        " order by d.path",
        (source,),
    )
    return [
        Older(revision, path, posixpath.join(os.fsdecode(folder), os.fsdecode(name)), size, mtime_ns, way, bool(asked))
        for revision, path, folder, name, size, mtime_ns, way, asked in rows
    ]


def ask(conn: sqlite3.Connection, chosen: Iterable[tuple[str, float]]) -> None:
    """Have these revisions sent anew, each from its time on."""
    conn.executemany(
        "update revisions set resend_at = ? where id = ? and state = 'verified'", [(at, r) for r, at in chosen]
    )


def due(conn: sqlite3.Connection, source: str, now: float) -> bool:
    """Whether a document of the source rests although it is to be sent anew by now."""
    return conn.execute(f"select 1 {_RESTING} limit 1", (now, source, source)).fetchone() is not None


def wake_due(conn: sqlite3.Connection, source: str | None, now: float) -> None:
    """Have the next look at the disk find what is to be sent anew by now."""
    conn.execute(f"update documents set at_rest = 0 where id in (select d.id {_RESTING})", (now, source, source))


def asked(conn: sqlite3.Connection) -> bool:
    """Whether anything at all is to be sent anew."""
    return conn.execute("select 1 from revisions where resend_at is not null limit 1").fetchone() is not None


def next_due(conn: sqlite3.Connection, source: str) -> float | None:
    """When the next document of the source is to be sent anew; ``None`` when none is left."""
    row = conn.execute(
        "select min(r.resend_at) from revisions r join documents d on d.id = r.document where r.resend_at is not null"
        " and r.state = 'verified' and d.source = ? and d.gone = 0 and d.at_rest = 1",
        (source,),
    ).fetchone()
    return None if row[0] is None else float(row[0])


_RESTING = (
    "from revisions r join documents d on d.id = r.document where r.resend_at <= ? and r.resend_at is not null"
    " and r.state = 'verified' and d.at_rest = 1 and d.gone = 0 and (? is null or d.source = ?)"
)
