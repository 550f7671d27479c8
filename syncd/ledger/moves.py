"""The moves: each takes a revision from one state to the next, and must touch exactly one row.

Every function runs inside a write transaction (``Ledger.commit`` or ``Ledger.transaction``). ``StaleMove`` means
that the row is not where the caller saw it: the caller plans anew.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterable

from syncd.errors import SyncdError
from syncd.models import (
    CollectionId,
    Content,
    DatasetId,
    DocumentKey,
    FileSnapshot,
    Flip,
    Proof,
    Revision,
    RevisionId,
)

LATE = 600.0  # seconds after which an upload that was given up does not arrive any more


class StaleMove(SyncdError):
    """A revision was not in the state from which it should have been moved."""

    code = "stale"


def _one(cursor: sqlite3.Cursor, what: str) -> None:
    if cursor.rowcount != 1:
        raise StaleMove(f"the ledger refused to move: {what} touched {cursor.rowcount} rows")


def _event(conn: sqlite3.Connection, document_id: int, now: float, event: str, revision: str, detail: str = "") -> None:
    conn.execute(
        "insert into events (at, source, path, event, revision, detail)"
        " select ?, source, path, ?, ?, ? from documents where id = ?",
        (now, event, revision, detail, document_id),
    )


# ---------------------------------------------------------------- upload


def begin_upload(
    conn: sqlite3.Connection, document_id: int, snapshot: FileSnapshot, dataset_id: str, now: float
) -> Revision:
    """Intent: this content is going to be sent."""
    revision = Revision(
        id=RevisionId(str(uuid.uuid4())),
        document_id=document_id,
        content=snapshot.content,
        state="uploading",  # type: ignore[arg-type]
        attempt=str(uuid.uuid4()),
        dataset_id=DatasetId(dataset_id),
        created_at=now,
        sent_at=now,
    )
    conn.execute(
        "insert into revisions (id, document, sha256, settings, state, attempt, dataset_id, created_at, sent_at, size)"
        " values (?, ?, ?, ?, 'uploading', ?, ?, ?, ?, ?)",
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
        ),
    )
    return revision


def send_again(conn: sqlite3.Connection, revision: Revision, now: float) -> str:
    """Intent: the marker was not found, the content goes out under a new attempt id, which is returned."""
    attempt = str(uuid.uuid4())
    _one(
        conn.execute(
            "update revisions set attempt = ?, sent_at = ?, absences = 0"
            " where id = ? and state = 'uploading' and collection_id is null and attempt = ?",
            (attempt, now, revision.id, revision.attempt),
        ),
        "send again",
    )
    _watch(conn, now)
    return attempt


def _watch(conn: sqlite3.Connection, now: float) -> None:
    """An upload that was given up may arrive yet: the datasets are to be surveyed once that is over (rule 11)."""
    conn.execute("insert or replace into meta values ('survey_at', ?)", (str(now + LATE),))


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
    _one(
        conn.execute(
            "update revisions set state = 'indexing', collection_id = ?, visible = 1 where id = ? and state = 'uploading'",
            (collection_id, revision.id),
        ),
        "identified",
    )
    _event(conn, revision.document_id, now, "uploaded", revision.id, collection_id)


def published(conn: sqlite3.Connection, revision: Revision, collection_id: CollectionId, now: float) -> None:
    """Outcome: the upload is this collection, and a later run of this ledger has shown it already (rule 24)."""
    _one(
        conn.execute(
            "update revisions set state = 'proving', flip = 'forward', collection_id = ?, visible = 1,"
            " reason = 'adopted' where id = ? and state = 'uploading'",
            (collection_id, revision.id),
        ),
        "published",
    )
    _event(conn, revision.document_id, now, "adopted", revision.id, collection_id)


def rebind(conn: sqlite3.Connection, revision: Revision, collection_id: CollectionId, *, visible: bool) -> None:
    """The same revision lives under another id now (re-training on the server, rule 12); its proof is stale."""
    _one(
        conn.execute(
            "update revisions set collection_id = ?, visible = ?, reprove = (state = 'verified')"
            " where id = ? and state not in ('uploading', 'deleted')",
            (collection_id, int(visible), revision.id),
        ),
        "rebind",
    )
    conn.execute("update documents set at_rest = 0 where id = ? and gone = 0", (revision.document_id,))


def never_sent(
    conn: sqlite3.Connection, revision: Revision, now: float, reason: str, *, late: bool = False
) -> None:
    """Outcome: the server has no such upload and shall not get it; ``late``: it may arrive all the same."""
    if late:
        _watch(conn, now)
    _one(
        conn.execute(
            "update revisions set state = 'deleted', deleted_at = ?, reason = ? where id = ? and state = 'uploading'",
            (now, reason, revision.id),
        ),
        "never sent",
    )


def seen_visible(conn: sqlite3.Connection, revision: Revision, visible: bool) -> None:
    """Remember whether search can see this collection."""
    conn.execute("update revisions set visible = ? where id = ?", (int(visible), revision.id))


# ---------------------------------------------------------------- proof and flip


def begin_flip(conn: sqlite3.Connection, revision: Revision, weak: str) -> None:
    """Intent: the content was compared and equals (``weak`` says how far); show the new one, hide the old one."""
    _one(
        conn.execute(
            "update revisions set state = 'proving', flip = 'forward', visible = 1, weak = ?"
            " where id = ? and state = 'indexing'",
            (weak, revision.id),
        ),
        "begin flip",
    )


def flipped(conn: sqlite3.Connection, revision: Revision, placed: str, old: Revision | None) -> None:
    """Outcome: the new one is visible, the old one hidden."""
    _one(
        conn.execute(
            "update revisions set flip = 'done', visible = 1, placed = ?"
            " where id = ? and state = 'proving' and flip = 'forward'",
            (placed, revision.id),
        ),
        "flipped",
    )
    if old is not None:
        conn.execute("update revisions set visible = 0 where id = ?", (old.id,))


def begin_flip_back(conn: sqlite3.Connection, revision: Revision, reason: str) -> None:
    """Intent: show the old one, then hide the new one."""
    _one(
        conn.execute(
            "update revisions set flip = 'back', reason = ? where id = ? and state = 'proving'", (reason, revision.id)
        ),
        "begin flip back",
    )


def flipped_back(conn: sqlite3.Connection, revision: Revision, old: Revision | None) -> None:
    """Outcome: the old one is visible, the new one hidden and to be proven later (nothing is blamed on it)."""
    _one(
        conn.execute(
            "update revisions set state = 'indexing', flip = null, visible = 0 where id = ? and state = 'proving'",
            (revision.id,),
        ),
        "flipped back",
    )
    if old is not None:
        conn.execute("update revisions set visible = 1 where id = ?", (old.id,))


def verify(
    conn: sqlite3.Connection, revision: Revision, proof: Proof, now: float, grace: float
) -> None:
    """Outcome: proven. The new one serves, the old one retires, failed ones go; one transaction."""
    old = conn.execute(
        "select id from revisions where document = ? and state = 'verified'", (revision.document_id,)
    ).fetchone()
    if old is not None:
        _one(
            conn.execute(
                "update revisions set state = 'retired', visible = 0, retired_at = ?, delete_after = ?, successor = ?,"
                " reason = 'replaced' where id = ? and state = 'verified'",
                (now, now + grace, revision.id, old[0]),
            ),
            "retire the old one",
        )
        _event(conn, revision.document_id, now, "replaced", old[0])
        wake_sharers(conn, old[0])
    _one(
        conn.execute(
            "update revisions set state = 'verified', flip = null, visible = 1, verified_at = ?, weak = ?, reason = '',"
            " retired_at = null, delete_after = null, successor = null where id = ? and state = 'proving'",
            (now, proof.weak, revision.id),
        ),
        "verify",
    )
    conn.execute(
        "update revisions set state = 'retired', retired_at = ?, delete_after = ?, successor = ?,"
        " reason = 'failed before' where document = ? and state = 'quarantined'",
        (now, now, revision.id, revision.document_id),
    )
    record_proof(conn, revision, proof, now)
    # A rolled-back document stays pinned while its file still says what was rolled back (rule 22).
    conn.execute(
        "update documents set quarantine = null, quarantine_message = '', quarantine_sha256 = '',"
        " quarantine_settings = '', quarantine_since = null where id = ? and not (quarantine is 'rolled-back'"
        " and quarantine_sha256 = sha256 and quarantine_settings = settings)",
        (revision.document_id,),
    )
    conn.execute(
        "update documents set attempts = 0, next_try_at = null, last_error = '', last_error_code = '', gone = 0,"
        " note = null, note_reason = '', at_rest = (quarantine is not null or (sha256 = ? and settings = ?))"
        " where id = ?",
        (revision.content.sha256, revision.content.settings, revision.document_id),
    )
    _event(conn, revision.document_id, now, "verified", revision.id, proof.weak and f"weak: {proof.weak}")


def record_proof(conn: sqlite3.Connection, revision: Revision, proof: Proof, now: float) -> None:
    """Keep the results of the probes of one revision."""
    cursor = conn.execute(
        "insert into proofs (revision, at, passed, weak, failure) values (?, ?, ?, ?, ?)",
        (revision.id, now, int(proof.passed), proof.weak, proof.failure),
    )
    conn.executemany(
        "insert into probe_results (proof, query, mode, verdict, rank, score, shared_with) values (?, ?, ?, ?, ?, ?, ?)",
        [
            (cursor.lastrowid, r.probe.text, r.mode, r.verdict.value, r.rank, r.score, r.shared_with)
            for r in proof.results
        ],
    )


def reproved(conn: sqlite3.Connection, revision: Revision, proof: Proof, now: float) -> None:
    """A serving revision was searched for again."""
    record_proof(conn, revision, proof, now)
    conn.execute(
        "update revisions set reprove = 0, weak = ?, verified_at = case when ? then ? else verified_at end"
        " where id = ? and state = 'verified'",
        (proof.weak, int(proof.passed), now, revision.id),
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


# ---------------------------------------------------------------- failure


def quarantine(
    conn: sqlite3.Connection, document_id: int, content: Content, problem: str, message: str, now: float
) -> None:
    """Give the document up until content, settings or a person changes that; what serves goes on serving."""
    conn.execute(
        "update revisions set state = 'quarantined', flip = null, reason = ? where document = ?"
        " and state in ('indexing', 'proving') and collection_id is not null",
        (problem, document_id),
    )
    conn.execute(
        "update revisions set state = 'deleted', deleted_at = ?, reason = ? where document = ? and state = 'uploading'",
        (now, problem, document_id),
    )
    _one(
        conn.execute(
            "update documents set quarantine = ?, quarantine_message = ?, quarantine_sha256 = ?,"
            " quarantine_settings = ?, quarantine_since = ?, last_error = ?, last_error_code = ?, next_try_at = null,"
            " at_rest = (sha256 = ? and settings = ?), note = null, note_reason = '' where id = ?",
            (
                problem,
                message,
                content.sha256,
                content.settings,
                now,
                message,
                problem,
                content.sha256,
                content.settings,
                document_id,
            ),
        ),
        "quarantine",
    )
    _event(conn, document_id, now, "quarantined", "", f"{problem}: {message}")


def failed_attempt(
    conn: sqlite3.Connection, document_id: int, code: str, message: str, next_try_at: float, now: float
) -> None:
    """One try more that failed; the document is tried again at ``next_try_at``."""
    conn.execute(
        "update documents set attempts = attempts + 1, next_try_at = ?, last_error = ?, last_error_code = ?"
        " where id = ?",
        (next_try_at, message, code, document_id),
    )
    _event(conn, document_id, now, "failed", "", f"{code}: {message}")


def clear_quarantine(conn: sqlite3.Connection, document_id: int) -> None:
    """A person, or content that came back, ends the quarantine."""
    conn.execute(
        "update documents set quarantine = null, quarantine_message = '', quarantine_sha256 = '',"
        " quarantine_settings = '', quarantine_since = null, attempts = 0, next_try_at = null, last_error = '',"
        " last_error_code = '' where id = ?",
        (document_id,),
    )


# ---------------------------------------------------------------- retire, delete, restore, move


def retire(
    conn: sqlite3.Connection, revision: Revision, reason: str, now: float, grace: float, *, vanished: bool, source: str
) -> None:
    """Intent: hide this one; delete it after ``grace`` seconds. A vanished file counts for the firewall."""
    _one(
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
    _event(conn, revision.document_id, now, "retired", revision.id, reason)


def supersede(conn: sqlite3.Connection, candidate: Revision, now: float) -> None:
    """A candidate nobody sees gives way to another one; what may be under way is looked for later."""
    if candidate.collection_id is None:
        never_sent(conn, candidate, now, "superseded", late=True)
    else:
        retire(conn, candidate, "superseded", now, 0.0, vanished=False, source="")


def hidden(conn: sqlite3.Connection, revision: Revision) -> None:
    """Outcome: search does not see it any more."""
    conn.execute("update revisions set visible = 0 where id = ?", (revision.id,))


def vanished(conn: sqlite3.Connection, document_id: int) -> None:
    """The file is gone and nothing of it serves: the row stays as history."""
    _gone(conn, document_id)


def _forget_signature(conn: sqlite3.Connection, document_id: int) -> None:
    """A directory that comes back just as it was must be looked into: its documents are gone in here."""
    conn.execute(
        "update directories set signature = null where id = (select directory from documents where id = ?)",
        (document_id,),
    )


def _gone(conn: sqlite3.Connection, document_id: int) -> None:
    _forget_signature(conn, document_id)
    conn.execute(
        "update documents set gone = 1, at_rest = 1, note = null, note_reason = '', quarantine = null,"
        " next_try_at = null, attempts = 0 where id = ?",
        (document_id,),
    )


def begin_delete(conn: sqlite3.Connection, revision: Revision) -> None:
    """Intent: this one goes for good."""
    _one(
        conn.execute("update revisions set delete_sent = 1 where id = ? and state = 'retired'", (revision.id,)),
        "begin delete",
    )


def keep(conn: sqlite3.Connection, revision: Revision, until: float | None) -> None:
    """It may not be deleted now; asked again at ``until``, or never by itself."""
    _one(
        conn.execute(
            "update revisions set delete_after = ? where id = ? and state = 'retired'", (until, revision.id)
        ),
        "keep",
    )


def deleted(conn: sqlite3.Connection, revision: Revision, now: float) -> None:
    """Outcome: it is not on the server any more."""
    _one(
        conn.execute(
            "update revisions set state = 'deleted', deleted_at = ?, visible = 0 where id = ? and state = 'retired'",
            (now, revision.id),
        ),
        "deleted",
    )
    _event(conn, revision.document_id, now, "deleted", revision.id)


def lost(conn: sqlite3.Connection, revision: Revision, now: float, reason: str) -> None:
    """Somebody else deleted it: it is gone whatever its state was, and the document has work again.

    In the middle of a flip nobody knows whether the serving version was hidden already: it is to be shown again.
    """
    wake_sharers(conn, revision.id)
    if revision.flip is not None:
        conn.execute(
            "update revisions set visible = 0 where document = ? and state = 'verified'", (revision.document_id,)
        )
    _one(
        conn.execute(
            "update revisions set state = 'deleted', deleted_at = ?, visible = 0, flip = null, reason = ?"
            " where id = ? and state != 'deleted'",
            (now, reason, revision.id),
        ),
        "lost",
    )
    conn.execute("update documents set at_rest = 0 where id = ? and gone = 0", (revision.document_id,))
    _event(conn, revision.document_id, now, "lost", revision.id, reason)


def restore(conn: sqlite3.Connection, revision: Revision, now: float) -> None:
    """A retired revision becomes the candidate again; it is compared, shown and proven like any other."""
    _one(
        conn.execute(
            "update revisions set state = 'indexing', retired_at = null, delete_after = null, reason = '',"
            " successor = null where id = ? and state = 'retired' and delete_sent = 0",
            (revision.id,),
        ),
        "restore",
    )
    conn.execute("update documents set gone = 0, at_rest = 0 where id = ?", (revision.document_id,))
    _event(conn, revision.document_id, now, "restored", revision.id)


def serve_again(conn: sqlite3.Connection, revision: Revision, now: float) -> None:
    """Outcome: a retired revision, proven before, is visible and serves again (rule 21)."""
    _one(
        conn.execute(
            "update revisions set state = 'verified', visible = 1, retired_at = null, delete_after = null, reason = ''"
            " where id = ? and state = 'retired' and delete_sent = 0",
            (revision.id,),
        ),
        "serve again",
    )
    conn.execute("update documents set gone = 0, at_rest = 0 where id = ?", (revision.document_id,))
    _event(conn, revision.document_id, now, "restored", revision.id)


def begin_rollback(conn: sqlite3.Connection, old: Revision, current: Revision, now: float) -> None:
    """Intent: the retired version is shown again and ``current`` retires; its content is pinned out (rule 22)."""
    _one(
        conn.execute(
            "update revisions set state = 'proving', flip = 'forward', reason = 'rollback', retired_at = null,"
            " delete_after = null, successor = null where id = ? and state = 'retired' and delete_sent = 0",
            (old.id,),
        ),
        "begin rollback",
    )
    _one(
        conn.execute(
            "update documents set quarantine = 'rolled-back', quarantine_message = 'a person went back to the version"
            " before', quarantine_sha256 = ?, quarantine_settings = ?, quarantine_since = ? where id = ?",
            (current.content.sha256, current.content.settings, now, old.document_id),
        ),
        "pin",
    )
    _event(conn, old.document_id, now, "rolled-back", old.id)


def stays_visible(conn: sqlite3.Connection, revision: Revision, reason: str) -> None:
    """The flip back found no old version: what is shown goes on being shown, and its proof stays open (rule 1)."""
    _one(
        conn.execute(
            "update revisions set flip = 'done', reason = ? where id = ? and state = 'proving' and flip = 'back'",
            (reason, revision.id),
        ),
        "stays visible",
    )


def distrust(conn: sqlite3.Connection, revision: Revision, reason: str, now: float) -> None:
    """The only version anybody can see failed its proof: it serves on, as content that no file has.

    So the planner replaces it at once, and the first replacement that is proven retires it (law 1 before law 7).
    """
    _one(
        conn.execute(
            "update revisions set state = 'verified', flip = null, visible = 1, settings = '', verified_at = null,"
            " weak = ?, reason = 'distrusted' where id = ? and state = 'proving'",
            (reason, revision.id),
        ),
        "distrust",
    )
    conn.execute("update documents set at_rest = 0 where id = ?", (revision.document_id,))
    _event(conn, revision.document_id, now, "distrusted", revision.id, reason)


def relink(
    conn: sqlite3.Connection, moves: Iterable[tuple[Revision, int, DocumentKey]], now: float
) -> None:
    """Serving revisions follow their files to other documents: all moves of a pass in one transaction (rule 33)."""
    for revision, target_id, origin in moves:
        _one(
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
            "update documents set gone = 1, at_rest = 1, note = null, quarantine = null where id = ?",
            (revision.document_id,),
        )
        _forget_signature(conn, revision.document_id)
        _event(conn, target_id, now, "moved", revision.id, f"from {origin.path}")


def placed(conn: sqlite3.Connection, revision: Revision, placement: str) -> None:
    """Outcome: the server has the collection under this folder, name and tags."""
    _one(
        conn.execute(
            "update revisions set placed = ? where id = ? and state != 'deleted'", (placement, revision.id)
        ),
        "placed",
    )
    conn.execute(
        "update documents set at_rest = (sha256 = ? and settings = ? and next_try_at is null) where id = ?",
        (revision.content.sha256, revision.content.settings, revision.document_id),
    )


FLIPS_BEGUN = frozenset({Flip.FORWARD, Flip.BACK})
