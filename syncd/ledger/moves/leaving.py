"""The moves of what goes, comes back, or changes its place."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from syncd.ledger.moves.common import HANDED, event, exactly_one, forget_signature, settle, wake_sharers
from syncd.ledger.moves.sending import never_sent
from syncd.models import DocumentKey, Revision, State


def seen_visible(conn: sqlite3.Connection, revision: Revision, visible: bool) -> None:
    """Remember whether search can see this collection."""
    conn.execute("update revisions set visible = ? where id = ?", (int(visible), revision.id))


def hidden(conn: sqlite3.Connection, revision: Revision) -> None:
    """Outcome: search does not see it any more."""
    conn.execute("update revisions set visible = 0 where id = ?", (revision.id,))


def retire(
    conn: sqlite3.Connection, revision: Revision, reason: str, now: float, grace: float, *, vanished: bool, source: str
) -> None:
    """Intent: hide this one; delete it after ``grace`` seconds. A vanished file counts for the firewall."""
    exactly_one(
        conn.execute(
            "update revisions set state = 'retired', flip = null, retired_at = ?, delete_after = ?, reason = ?"
            " where id = ? and state in ('indexing', 'proving', 'verified', 'quarantined')",
            (now, now + grace, reason, revision.id),
        ),
        "retire",
    )
    wake_sharers(conn, revision.id)
    if vanished:
        _gone(conn, revision.document_id)
        released = conn.execute(
            "delete from releases where source = ? and revision = ?", (source, revision.id)
        ).rowcount
        conn.execute(
            "insert into deletions (source, document, at, released) values (?, ?, ?, ?)",
            (source, revision.document_id, now, int(bool(released))),
        )
        settle(conn, revision.document_id, now)
    event(conn, revision.document_id, now, "retired", revision.id, reason)


def supersede(conn: sqlite3.Connection, candidate: Revision, now: float) -> None:
    """A candidate nobody sees gives way to another one; what may be under way is looked for later."""
    if candidate.collection_id is None:
        never_sent(conn, candidate, now, "superseded", late=True)
    else:
        retire(conn, candidate, "superseded", now, 0.0, vanished=False, source="")


def hand_over(conn: sqlite3.Connection, document_id: int, now: float) -> None:
    """Another shard serves the document from now on: it is forgotten here, and nothing of it is touched there."""
    conn.execute(
        "insert into events (at, source, path, event, revision, detail)"
        " select ?, source, path, 'handed-over', null, '' from documents where id = ?",
        (now, document_id),
    )
    conn.execute(
        "update revisions set state = 'deleted', flip = null, reprove = 0, collection_id = null, reason = ?"
        " where document = ? and state != 'deleted'",
        (HANDED, document_id),
    )
    conn.execute(
        "update documents set gone = 1, at_rest = 1, note = null, note_reason = '', quarantine = null,"
        " attempts = 0, next_try_at = null where id = ?",
        (document_id,),
    )
    forget_signature(conn, document_id)


def vanished(conn: sqlite3.Connection, document_id: int) -> None:
    """The file is gone and nothing of it serves: the row stays as history."""
    _gone(conn, document_id)


def _gone(conn: sqlite3.Connection, document_id: int) -> None:
    forget_signature(conn, document_id)
    conn.execute(
        "update documents set gone = 1, at_rest = 1, note = null, note_reason = '', quarantine = null,"
        " next_try_at = null, attempts = 0, missing_since = null where id = ?",
        (document_id,),
    )


def begin_delete(conn: sqlite3.Connection, revision: Revision) -> None:
    """Intent: this one goes for good."""
    exactly_one(
        conn.execute("update revisions set delete_sent = 1 where id = ? and state = 'retired'", (revision.id,)),
        "begin delete",
    )


def keep(conn: sqlite3.Connection, revision: Revision, until: float | None) -> None:
    """It may not be deleted now; asked again at ``until``, or never by itself."""
    exactly_one(
        conn.execute("update revisions set delete_after = ? where id = ? and state = 'retired'", (until, revision.id)),
        "keep",
    )


def deleted(conn: sqlite3.Connection, revision: Revision, now: float) -> None:
    """Outcome: it is not on the server any more."""
    exactly_one(
        conn.execute(
            "update revisions set state = 'deleted', deleted_at = ?, visible = 0 where id = ? and state = 'retired'",
            (now, revision.id),
        ),
        "deleted",
    )
    event(conn, revision.document_id, now, "deleted", revision.id)
    settle(conn, revision.document_id, now)


def lost(conn: sqlite3.Connection, revision: Revision, now: float, reason: str) -> None:
    """Somebody else deleted it: it is gone whatever its state was, and the document has work again.

    In the middle of a flip nobody knows whether the serving version was hidden already: it is to be shown again. And
    a candidate that is being shown when the serving version gets lost is the only one there is.
    """
    wake_sharers(conn, revision.id)
    if revision.flip is not None:
        conn.execute(
            "update revisions set visible = 0 where document = ? and state = 'verified'", (revision.document_id,)
        )
    if revision.state is State.VERIFIED:
        conn.execute(
            "update revisions set reason = 'alone' where document = ? and state = 'proving' and flip is not null",
            (revision.document_id,),
        )
    exactly_one(
        conn.execute(
            "update revisions set state = 'deleted', deleted_at = ?, visible = 0, flip = null, reason = ?"
            " where id = ? and state != 'deleted'",
            (now, reason, revision.id),
        ),
        "lost",
    )
    conn.execute("update documents set at_rest = 0 where id = ? and gone = 0", (revision.document_id,))
    event(conn, revision.document_id, now, "lost", revision.id, reason)
    settle(conn, revision.document_id, now)


def restore(conn: sqlite3.Connection, revision: Revision, now: float) -> None:
    """A retired revision becomes the candidate again; it is compared, shown and proven like any other."""
    exactly_one(
        conn.execute(
            "update revisions set state = 'indexing', retired_at = null, delete_after = null, reason = '',"
            " successor = null where id = ? and state = 'retired' and delete_sent = 0",
            (revision.id,),
        ),
        "restore",
    )
    conn.execute("update documents set gone = 0, at_rest = 0 where id = ?", (revision.document_id,))
    event(conn, revision.document_id, now, "restored", revision.id)


def serve_again(conn: sqlite3.Connection, revision: Revision, now: float) -> None:
    """Outcome: a retired revision, proven before, is visible and serves again (rule 21)."""
    exactly_one(
        conn.execute(
            "update revisions set state = 'verified', visible = 1, retired_at = null, delete_after = null, reason = ''"
            " where id = ? and state = 'retired' and delete_sent = 0",
            (revision.id,),
        ),
        "serve again",
    )
    conn.execute("update documents set gone = 0, at_rest = 0 where id = ?", (revision.document_id,))
    event(conn, revision.document_id, now, "restored", revision.id)


def relink(conn: sqlite3.Connection, moves: Iterable[tuple[Revision, int, DocumentKey]], now: float) -> None:
    """Serving revisions follow their files to other documents: all moves of a pass in one transaction (rule 33)."""
    for revision, target_id, origin in moves:
        exactly_one(
            conn.execute(
                "update revisions set document = ? where id = ? and state = 'verified'", (target_id, revision.id)
            ),
            "relink",
        )
        conn.execute(
            "update revisions set document = ? where document = ? and state in ('retired', 'quarantined')",
            (target_id, revision.document_id),
        )
        conn.execute(
            "update documents set gone = 1, at_rest = 1, note = null, quarantine = null, missing_since = null"
            " where id = ?",
            (revision.document_id,),
        )
        # Whatever the target was given up or tried for before, what it serves now is proven.
        conn.execute(
            "update documents set gone = 0, quarantine = null, quarantine_message = '', quarantine_sha256 = '',"
            " quarantine_settings = '', quarantine_since = null, attempts = 0, setbacks = 0, setback_since = null,"
            " next_try_at = null, last_error = '', last_error_code = '' where id = ?",
            (target_id,),
        )
        forget_signature(conn, revision.document_id)
        forget_signature(conn, target_id)
        event(conn, target_id, now, "moved", revision.id, f"from {origin.path}")


def placed(conn: sqlite3.Connection, revision: Revision, placement: str) -> None:
    """Outcome: the server has the collection under this folder, name and tags."""
    exactly_one(
        conn.execute("update revisions set placed = ? where id = ? and state != 'deleted'", (placement, revision.id)),
        "placed",
    )
    conn.execute(
        "update documents set at_rest = (sha256 = ? and settings = ? and next_try_at is null) where id = ?",
        (revision.content.sha256, revision.content.settings, revision.document_id),
    )
