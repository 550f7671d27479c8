"""What all moves share: they touch exactly one row, and they leave a trace in the history."""

from __future__ import annotations

import sqlite3

from syncd.errors import SyncdError

HANDED = "handed to another shard"
LATE = 600.0  # seconds after which an upload that was given up does not arrive any more


class StaleMove(SyncdError):
    """A revision was not in the state from which it should have been moved."""

    code = "stale"


def exactly_one(cursor: sqlite3.Cursor, what: str) -> None:
    if cursor.rowcount != 1:
        raise StaleMove(f"the ledger refused to move: {what} touched {cursor.rowcount} rows")


def event(conn: sqlite3.Connection, document_id: int, now: float, event: str, revision: str, detail: str = "") -> None:
    conn.execute(
        "insert into events (at, source, path, event, revision, detail)"
        " select ?, source, path, ?, ?, ? from documents where id = ?",
        (now, event, revision, detail, document_id),
    )


def look_later(conn: sqlite3.Connection, now: float) -> None:
    """An upload that was given up may arrive yet: the datasets are to be surveyed once that is over (rule 11)."""
    conn.execute("insert or replace into meta values ('survey_at', ?)", (str(now + LATE),))


def forget_signature(conn: sqlite3.Connection, document_id: int) -> None:
    """A directory that comes back just as it was must be looked into: its documents are gone in here."""
    conn.execute(
        "update directories set signature = null where id = (select directory from documents where id = ?)",
        (document_id,),
    )


def wake_sharers(conn: sqlite3.Connection, revision_id: str) -> None:
    """Documents whose proof leaned on this collection are to be proven again (rule 7)."""
    conn.execute(
        "update revisions set reprove = 1 where state = 'verified' and id in"
        " (select p.revision from proofs p join probe_results q on q.proof = p.id where q.shared_with ="
        " (select collection_id from revisions where id = ?))",
        (revision_id,),
    )
    conn.execute(
        "update documents set at_rest = 0 where at_rest = 1 and gone = 0 and id in"
        " (select document from revisions where reprove = 1)"
    )


def settle(conn: sqlite3.Connection, document_id: int, now: float, *, proven: bool = False) -> None:
    """Findings end as soon as they are not so any more: with the collection they name, with the file, with a proof.

    Args:
        conn: inside a write transaction.
        document_id: the document to which something has just happened.
        now: seconds since the epoch.
        proven: a version of it has just passed its proof and is seen.
    """
    conn.execute(
        "update findings set resolved_at = ? where resolved_at is null and kind != 'orphan' and collection_id in"
        " (select collection_id from revisions where document = ? and state = 'deleted')",
        (now, document_id),
    )
    # What somebody showed, and what we do not delete for it, is there for people to see: that stays.
    conn.execute(
        "update findings set resolved_at = ? where resolved_at is null and kind != 'orphan' and (source, path) ="
        " (select source, path from documents where id = ? and (? or gone = 1))"
        " and not exists (select 1 from revisions r where r.collection_id = findings.collection_id"
        " and r.state = 'retired' and (r.delete_after is null or (? and r.visible = 1)))",
        (now, document_id, int(proven), int(proven)),
    )
