"""The moves of an upload: from the intent to a known, hidden collection."""

from __future__ import annotations

import sqlite3
import uuid

from syncd.ledger.moves.common import event, exactly_one, look_later
from syncd.models import CollectionId, DatasetId, FileSnapshot, Revision, RevisionId
from syncd.sending import WAY


def begin_upload(
    conn: sqlite3.Connection, document_id: int, snapshot: FileSnapshot, dataset_id: str, now: float
) -> Revision:
    """Intent: this content is going to be sent."""
    conn.execute(
        "update documents set setbacks = 0, setback_since = null where id = ? and setbacks > 0"
        " and not exists (select 1 from revisions r where r.document = documents.id and r.sha256 = ?"
        " and r.settings = ?)",
        (document_id, snapshot.sha256, snapshot.settings),  # other content, which has come to nothing yet
    )
    revision = Revision(
        id=RevisionId(str(uuid.uuid4())),
        document_id=document_id,
        content=snapshot.content,
        state="uploading",  # type: ignore[arg-type]
        attempt=str(uuid.uuid4()),
        dataset_id=DatasetId(dataset_id),
        created_at=now,
        sent_at=now,
        sent_as=WAY,
    )
    conn.execute(
        "insert into revisions (id, document, sha256, settings, state, attempt, dataset_id, created_at, sent_at, size,"
        " sent_as) values (?, ?, ?, ?, 'uploading', ?, ?, ?, ?, ?, ?)",
        (
            revision.id,
            document_id,
            snapshot.sha256,
            snapshot.settings,
            revision.attempt,
            dataset_id,
            now,
            now,
            snapshot.size,
            WAY,
        ),
    )
    return revision


def send_again(conn: sqlite3.Connection, revision: Revision, now: float) -> str:
    """Intent: the marker was not found, the content goes out under a new attempt id, which is returned."""
    attempt = str(uuid.uuid4())
    exactly_one(
        conn.execute(
            "update revisions set attempt = ?, sent_at = ?, absences = 0, sent_as = ?"
            " where id = ? and state = 'uploading' and collection_id is null and attempt = ?",
            (attempt, now, WAY, revision.id, revision.attempt),
        ),
        "send again",
    )
    look_later(conn, now)
    return attempt


def count_absence(conn: sqlite3.Connection, revision: Revision) -> None:
    """One more look for the marker that did not find it."""
    conn.execute("update revisions set absences = absences + 1 where id = ? and state = 'uploading'", (revision.id,))


def outcome_unknown(conn: sqlite3.Connection, revision: Revision, now: float) -> None:
    """The request may have been at the server until ``now``: looks count from here."""
    conn.execute(
        "update revisions set sent_at = ?, absences = 0 where id = ? and state = 'uploading'", (now, revision.id)
    )


def identified(conn: sqlite3.Connection, revision: Revision, collection_id: CollectionId, now: float) -> None:
    """Outcome: the upload is this collection; it is visible until hidden."""
    exactly_one(
        conn.execute(
            "update revisions set state = 'indexing', collection_id = ?, visible = 1"
            " where id = ? and state = 'uploading'",
            (collection_id, revision.id),
        ),
        "identified",
    )
    conn.execute(
        "update documents set setbacks = 0, setback_since = null where id = ? and setbacks > 0", (revision.document_id,)
    )
    event(conn, revision.document_id, now, "uploaded", revision.id, collection_id)


def unidentified(conn: sqlite3.Connection, revision: Revision, now: float) -> None:
    """Outcome: the upload is not that collection, which nobody knows; it may be another one, and is looked for."""
    exactly_one(
        conn.execute(
            "update revisions set state = 'uploading', collection_id = null, visible = 0, sent_at = ?, absences = 0"
            " where id = ? and state = 'indexing'",
            (now, revision.id),
        ),
        "unidentified",
    )


def published(conn: sqlite3.Connection, revision: Revision, collection_id: CollectionId, now: float) -> None:
    """Outcome: the upload is this collection, and a later run of this ledger has shown it already (rule 24)."""
    exactly_one(
        conn.execute(
            "update revisions set state = 'proving', flip = 'forward', collection_id = ?, visible = 1,"
            " reason = 'adopted' where id = ? and state = 'uploading'",
            (collection_id, revision.id),
        ),
        "published",
    )
    event(conn, revision.document_id, now, "adopted", revision.id, collection_id)


def rebind(conn: sqlite3.Connection, revision: Revision, collection_id: CollectionId, *, visible: bool) -> None:
    """The same revision lives under another id now (re-training on the server, rule 12); its proof is stale."""
    exactly_one(
        conn.execute(
            "update revisions set collection_id = ?, visible = ?, reprove = (state = 'verified')"
            " where id = ? and state not in ('uploading', 'deleted')",
            (collection_id, int(visible), revision.id),
        ),
        "rebind",
    )
    conn.execute("update documents set at_rest = 0 where id = ? and gone = 0", (revision.document_id,))


def never_sent(conn: sqlite3.Connection, revision: Revision, now: float, reason: str, *, late: bool = False) -> None:
    """Outcome: the server has no such upload and shall not get it; ``late``: it may arrive all the same."""
    if late:
        look_later(conn, now)
    exactly_one(
        conn.execute(
            "update revisions set state = 'deleted', deleted_at = ?, reason = ? where id = ? and state = 'uploading'",
            (now, reason, revision.id),
        ),
        "never sent",
    )
