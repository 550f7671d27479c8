"""The moves of a flip and its proof: verified, quarantined, or back again."""

from __future__ import annotations

import json
import sqlite3

from syncd.ledger.moves.common import event, exactly_one, look_later, settle, wake_sharers
from syncd.models import Content, Problem, Proof, Revision


def begin_flip(conn: sqlite3.Connection, revision: Revision, weak: str, remark: str = "") -> None:
    """Intent: the content was compared and equals (``weak`` says how far); show the new one, hide the old one.

    ``remark``: what FastGPT does not take over of the document.
    """
    exactly_one(
        conn.execute(
            "update revisions set state = 'proving', flip = 'forward', visible = 1, weak = ?, remark = ?"
            " where id = ? and state = 'indexing'",
            (weak, remark, revision.id),
        ),
        "begin flip",
    )


def flipped(conn: sqlite3.Connection, revision: Revision, placed: str, old: Revision | None) -> None:
    """Outcome: the new one is visible, the old one hidden."""
    exactly_one(
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
    exactly_one(
        conn.execute(
            "update revisions set flip = 'back',"
            " reason = case when reason in ('adopted', 'alone') then reason else ? end"
            " where id = ? and state = 'proving'",
            (reason, revision.id),
        ),
        "begin flip back",
    )


def flipped_back(conn: sqlite3.Connection, revision: Revision, old: Revision | None) -> None:
    """Outcome: the old one is visible, the new one hidden and to be proven later (nothing is blamed on it)."""
    exactly_one(
        conn.execute(
            "update revisions set state = 'indexing', flip = null, visible = 0 where id = ? and state = 'proving'",
            (revision.id,),
        ),
        "flipped back",
    )
    if old is not None:
        conn.execute("update revisions set visible = 1 where id = ?", (old.id,))


def verify(conn: sqlite3.Connection, revision: Revision, proof: Proof, now: float, grace: float) -> None:
    """Outcome: proven. The new one serves, the old one retires, failed ones go; one transaction."""
    old = conn.execute(
        "select id from revisions where document = ? and state = 'verified'", (revision.document_id,)
    ).fetchone()
    if old is not None:
        exactly_one(
            conn.execute(
                "update revisions set state = 'retired', visible = 0, retired_at = ?, delete_after = ?, successor = ?,"
                " reason = 'replaced', resend_at = null where id = ? and state = 'verified'",
                (now, now + grace, revision.id, old[0]),
            ),
            "retire the old one",
        )
        event(conn, revision.document_id, now, "replaced", old[0])
        wake_sharers(conn, old[0])
    exactly_one(
        conn.execute(
            "update revisions set state = 'verified', flip = null, visible = 1, verified_at = ?, weak = ?, reason = '',"
            " retired_at = null, delete_after = null, successor = null, resend_at = null"
            " where id = ? and state = 'proving'",
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
        "update documents set attempts = 0, setbacks = 0, setback_since = null, next_try_at = null, last_error = '',"
        " last_error_code = '', gone = 0,"
        " note = null, note_reason = '', at_rest = (quarantine is not null or (sha256 = ? and settings = ?))"
        " where id = ?",
        (revision.content.sha256, revision.content.settings, revision.document_id),
    )
    remark: str = conn.execute("select remark from revisions where id = ?", (revision.id,)).fetchone()[0]
    event(
        conn,
        revision.document_id,
        now,
        "verified",
        revision.id,
        "; ".join(filter(None, (proof.weak and f"weak: {proof.weak}", remark))),
    )
    settle(conn, revision.document_id, now, proven=True)


def record_proof(conn: sqlite3.Connection, revision: Revision, proof: Proof, now: float) -> None:
    """Keep the results of the probes of one revision."""
    cursor = conn.execute(
        "insert into proofs (revision, at, passed, weak, failure) values (?, ?, ?, ?, ?)",
        (revision.id, now, int(proof.passed), proof.weak, proof.failure),
    )
    conn.executemany(
        "insert into probe_results (proof, query, mode, verdict, rank, score, shared_with, instead)"
        " values (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                cursor.lastrowid,
                r.probe.text,
                r.mode,
                r.verdict.value,
                r.rank,
                r.score,
                r.shared_with,
                json.dumps(r.instead) if r.instead else "",
            )
            for r in proof.results
        ],
    )


def reproved(conn: sqlite3.Connection, revision: Revision, proof: Proof, now: float) -> None:
    """A serving revision was searched for again; one that was adopted and never found is found now, or still not."""
    record_proof(conn, revision, proof, now)
    conn.execute(
        "update revisions set reprove = (not ? and verified_at is null),"
        " weak = case when ? or verified_at is not null then ? else weak end,"
        " verified_at = case when ? then ? else verified_at end where id = ? and state = 'verified'",
        (int(proof.passed), int(proof.passed), proof.weak, int(proof.passed), now, revision.id),
    )
    if proof.passed:
        conn.execute(
            "update documents set quarantine = null, quarantine_message = '', quarantine_sha256 = '',"
            " quarantine_settings = '', quarantine_since = null, last_error = '', last_error_code = ''"
            " where id = ? and quarantine = 'search-missing' and quarantine_sha256 = ? and quarantine_settings = ?",
            (revision.document_id, revision.content.sha256, revision.content.settings),
        )
    elif revision.verified_at is None:
        quarantine(conn, revision.document_id, revision.content, Problem.SEARCH_MISSING, proof.failure, now)
    if proof.passed:
        settle(conn, revision.document_id, now, proven=True)


def stays_visible(conn: sqlite3.Connection, revision: Revision, reason: str) -> None:
    """The flip back found no old version: what is shown goes on being shown, and its proof stays open (rule 1)."""
    exactly_one(
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
    exactly_one(
        conn.execute(
            "update revisions set state = 'verified', flip = null, visible = 1, settings = '', verified_at = null,"
            " weak = ?, reason = 'distrusted' where id = ? and state = 'proving'",
            (reason, revision.id),
        ),
        "distrust",
    )
    conn.execute("update documents set at_rest = 0 where id = ?", (revision.document_id,))
    event(conn, revision.document_id, now, "distrusted", revision.id, reason)


def unfound(conn: sqlite3.Connection, revision: Revision, reason: str, now: float) -> None:
    """An adopted version is equal and the only one there is, but search misses it: it serves on, unproven.

    The document is given up for this content: nothing is sent again. ``reprove`` has it searched for as soon as a
    person ends that.
    """
    exactly_one(
        conn.execute(
            "update revisions set state = 'verified', flip = null, visible = 1, verified_at = null, weak = ?,"
            " reason = '', reprove = 1 where id = ? and state = 'proving'",
            (reason, revision.id),
        ),
        "unfound",
    )
    quarantine(conn, revision.document_id, revision.content, Problem.SEARCH_MISSING, reason, now)


def begin_rollback(conn: sqlite3.Connection, old: Revision, current: Revision, now: float) -> None:
    """Intent: the retired version is shown again and ``current`` retires; its content is pinned out (rule 22)."""
    exactly_one(
        conn.execute(
            "update revisions set state = 'proving', flip = 'forward', reason = 'rollback', retired_at = null,"
            " delete_after = null, successor = null where id = ? and state = 'retired' and delete_sent = 0",
            (old.id,),
        ),
        "begin rollback",
    )
    exactly_one(
        conn.execute(
            "update documents set quarantine = 'rolled-back', quarantine_message = 'a person went back to the version"
            " before', quarantine_sha256 = ?, quarantine_settings = ?, quarantine_since = ? where id = ?",
            (current.content.sha256, current.content.settings, now, old.document_id),
        ),
        "pin",
    )
    event(conn, old.document_id, now, "rolled-back", old.id)


def quarantine(
    conn: sqlite3.Connection, document_id: int, content: Content, problem: str, message: str, now: float
) -> None:
    """Give the document up until content, settings or a person changes that; what serves goes on serving."""
    conn.execute(
        "update revisions set state = 'quarantined', flip = null, reason = ? where document = ?"
        " and state in ('indexing', 'proving') and collection_id is not null",
        (problem, document_id),
    )
    sent = conn.execute(
        "update revisions set state = 'deleted', deleted_at = ?, reason = ? where document = ? and state = 'uploading'",
        (now, problem, document_id),
    )
    # What serves in an older way serves on: that it was to be sent anew has come to nothing.
    conn.execute("update revisions set resend_at = null where document = ? and state = 'verified'", (document_id,))
    if sent.rowcount:  # what was never sent is not given up here
        look_later(conn, now)
    exactly_one(
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
    event(conn, document_id, now, "quarantined", "", f"{problem}: {message}")


def failed_attempt(
    conn: sqlite3.Connection, document_id: int, code: str, message: str, next_try_at: float, now: float
) -> None:
    """One try more that failed; the document is tried again at ``next_try_at``, so it is not at rest."""
    conn.execute(
        "update documents set attempts = attempts + 1, next_try_at = ?, last_error = ?, last_error_code = ?,"
        " at_rest = (at_rest and gone) where id = ?",
        (next_try_at, message, code, document_id),
    )
    event(conn, document_id, now, "failed", "", f"{code}: {message}")


def set_back(
    conn: sqlite3.Connection, document_id: int, code: str, message: str, next_try_at: float, now: float
) -> None:
    """One more call that came to nothing for this document, on a server that was well."""
    conn.execute(
        "update documents set setbacks = setbacks + 1, setback_since = coalesce(setback_since, ?), next_try_at = ?,"
        " last_error = ?, last_error_code = ?, at_rest = (at_rest and gone)"
        " where id = ?",
        (now, next_try_at, message, code, document_id),
    )
    event(conn, document_id, now, "failed", "", f"{code}: {message}")


def recover(conn: sqlite3.Connection, document_id: int) -> None:
    """What had come to nothing for a while went through."""
    conn.execute(
        "update documents set setbacks = 0, setback_since = null, next_try_at = null, last_error = '',"
        " last_error_code = '' where id = ? and setbacks > 0 and attempts = 0 and quarantine is null",
        (document_id,),
    )


def clear_quarantine(conn: sqlite3.Connection, document_id: int) -> None:
    """A person, or content that came back, ends the quarantine."""
    conn.execute(
        "update documents set quarantine = null, quarantine_message = '', quarantine_sha256 = '',"
        " quarantine_settings = '', quarantine_since = null, attempts = 0, setbacks = 0, setback_since = null,"
        " next_try_at = null, last_error = '', last_error_code = '' where id = ?",
        (document_id,),
    )
