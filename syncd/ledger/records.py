"""Holds, releases, notes, findings, history, and what the reports read."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from syncd.ledger import releasing
from syncd.models import DocumentKey, Hold, HoldReason, Orphan, Waiting

RELEASE_LIFETIME = releasing.LIFETIME


# ---------------------------------------------------------------- holds and releases


def store_holds(conn: sqlite3.Connection, source: str, holds: Iterable[Hold], now: float) -> None:
    """Replace the source's holds; a hold for the same reason keeps the time since when it stands."""
    standing = list(holds)
    since = dict(conn.execute("select reason, since from holds where source = ?", (source,)).fetchall())
    conn.execute("delete from holds where source = ?", (source,))
    conn.executemany(
        "insert into holds (source, reason, releasable, since, message, at_stake, paths, id)"
        " values (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                source,
                hold.reason.value,
                int(hold.releasable),
                since.get(hold.reason.value, now),
                hold.message,
                hold.at_stake,
                json.dumps(hold.paths, ensure_ascii=False),
                hold.id,
            )
            for hold in standing
        ],
    )
    releasing.keep_forms(conn, source, standing, now)


def holds(conn: sqlite3.Connection, source: str | None = None) -> list[Hold]:
    """The holds that stand."""
    return [
        Hold(
            source=name,
            reason=HoldReason(reason),
            releasable=bool(releasable),
            paths=tuple(json.loads(paths)),
            since=since,
            message=message,
            at_stake=at_stake,
            id=id_,
        )
        for name, reason, releasable, since, message, at_stake, paths, id_ in conn.execute(
            "select source, reason, releasable, since, message, at_stake, paths, id from holds"
            " where ? is null or source = ? order by source, reason",
            (source, source),
        )
    ]


def release(conn: sqlite3.Connection, source: str, revisions: Iterable[str], now: float, *, emptied: bool) -> None:
    """A person lets exactly these deletions go, once."""
    conn.executemany(
        "insert or replace into releases (source, revision, at, emptied) values (?, ?, ?, ?)",
        [(source, revision, now, int(emptied)) for revision in revisions],
    )


def released(conn: sqlite3.Connection, source: str, now: float) -> tuple[frozenset[str], bool]:
    """The revisions that may be retired whatever the limit says, and whether an emptied root was released too."""
    rows = conn.execute(
        "select revision, emptied from releases where source = ? and at > ?", (source, now - RELEASE_LIFETIME)
    ).fetchall()
    return frozenset(row[0] for row in rows), any(row[1] for row in rows)


def deletions_since(conn: sqlite3.Connection, source: str, since: float) -> int:
    """Retirements of vanished files that counted for the firewall after ``since``."""
    row = conn.execute(
        "select count(*) from deletions where source = ? and at > ? and released = 0", (source, since)
    ).fetchone()
    return int(row[0])


def verified_before(conn: sqlite3.Connection, source: str, since: float) -> int:
    """Documents whose first proof was passed before ``since`` and that served then (the firewall's base, rule 15).

    The proofs tell, since ``verified_at`` moves with each later proof.
    """
    row = conn.execute(
        "select count(distinct r.document) from revisions r join documents d on d.id = r.document"
        " where d.source = ? and (r.state = 'verified' or (r.verified_at is not null and r.retired_at > ?))"
        " and exists (select 1 from revisions o join proofs p on p.revision = o.id"
        " where o.document = r.document and p.passed = 1 and p.at <= ?)",
        (source, since, since),
    ).fetchone()
    return int(row[0])


# ---------------------------------------------------------------- notes and findings


def store_notes(
    conn: sqlite3.Connection, source: str, waiting: Iterable[Waiting], held: Iterable[tuple[str, str]]
) -> None:
    """Keep what was derived at plan time for `ls`: who waits, who is held, and why."""
    conn.execute("update documents set note = null, note_reason = '' where source = ? and note is not null", (source,))
    conn.executemany(
        "update documents set note = 'waiting', note_reason = ? where source = ? and path = ?",
        [(item.reason, source, item.key.path) for item in waiting],
    )
    conn.executemany(
        "update documents set note = 'held', note_reason = ? where source = ? and path = ?",
        [(reason, source, path) for path, reason in held],
    )


def note_waiting(conn: sqlite3.Connection, waiting: Iterable[Waiting]) -> None:
    """These wait from now on, and why; what else is noted stays."""
    conn.executemany(
        "update documents set note = 'waiting', note_reason = ? where source = ? and path = ? and gone = 0",
        [(item.reason, item.key.source, item.key.path) for item in waiting],
    )


def store_restless(
    conn: sqlite3.Connection, source: str, paths: Iterable[str], now: float, *, settled: Iterable[str] | None = None
) -> None:
    """Remember which files are still being written, and since when.

    Args:
        conn: inside a write transaction.
        source: the source.
        paths: files that are being written now.
        now: seconds since the epoch; a time in the future was written while the clock was wrong.
        settled: files that have come to rest; ``None``: all others.
    """
    paths = list(paths)
    written, rested = set(paths), None if settled is None else set(settled)
    known = [row[0] for row in conn.execute("select path from restless where source = ?", (source,))]
    over = [path for path in known if (path not in written if rested is None else path in rested)]
    conn.executemany("delete from restless where source = ? and path = ?", [(source, path) for path in over])
    conn.executemany(
        "insert into restless (source, path, since) values (?, ?, ?)"
        " on conflict (source, path) do update set since = min(since, excluded.since)",
        [(source, path, now) for path in paths],
    )


def add_finding(
    conn: sqlite3.Connection, kind: str, source: str, path: str, collection_id: str | None, message: str, now: float
) -> None:
    """Something is not as it should be and a person should know; the same finding is kept once."""
    conn.execute(
        "insert into findings (at, kind, source, path, collection_id, message)"
        " select ?, ?, ?, ?, ?, ? where not exists (select 1 from findings where kind = ? and source = ? and path = ?"
        " and collection_id is ? and resolved_at is null)",
        (now, kind, source, path, collection_id, message, kind, source, path, collection_id),
    )


def note_proof(
    conn: sqlite3.Connection, key: DocumentKey, collection_id: str | None, message: str, now: float, *, passed: bool
) -> None:
    """Keep what a proof gives a person to know; without a message what was said of the document before is over.

    Args:
        conn: inside a write transaction.
        key: the document.
        collection_id: the version that was asked for.
        message: what is to be known, or "".
        now: seconds since the epoch.
        passed: the document is proven all the same; what is to be known is a remark on the quality of search.
    """
    kind = "passage" if passed else "unproven"
    conn.execute(
        "update findings set resolved_at = ? where kind in ('unproven', 'passage') and source = ? and path = ?"
        " and resolved_at is null and (message != ? or kind != ?)",
        (now, key.source, key.path, message, kind),
    )
    if message:
        add_finding(conn, kind, key.source, key.path, collection_id, message, now)


def store_orphans(conn: sqlite3.Connection, sources: Sequence[str], orphans: Iterable[Orphan], now: float) -> None:
    """Keep what a survey of one dataset found, and end what it did not find any more.

    Args:
        conn: the ledger.
        sources: all that feed the dataset; what belongs to none of them stands under the first.
        orphans: of the whole dataset.
        now: seconds since the epoch.
    """
    there = {orphan.collection_id: orphan for orphan in orphans}
    marks = ", ".join("?" * len(sources))
    for (found,) in conn.execute(
        f"select collection_id from findings where kind = 'orphan' and resolved_at is null and source in ({marks})",
        list(sources),
    ).fetchall():
        if found not in there:
            conn.execute(
                "update findings set resolved_at = ? where kind = 'orphan' and collection_id = ?"
                " and resolved_at is null",
                (now, found),
            )
    for orphan in there.values():
        name = orphan.source if orphan.takeable else sources[0]
        add_finding(conn, "orphan", name, orphan.path, orphan.collection_id, orphan.sentence, now)
        conn.execute(
            "update findings set visible = ?, message = ? where kind = 'orphan' and collection_id = ?"
            " and resolved_at is null",
            (orphan.visible, orphan.sentence, orphan.collection_id),
        )


def orphans(conn: sqlite3.Connection, sources: Iterable[str]) -> list[dict[str, Any]]:
    """Collections of ours that no file stands behind, as last seen."""
    chosen = set(sources)
    rows = _rows(
        conn,
        "select source, path, collection_id, message, visible from findings"
        " where kind = 'orphan' and resolved_at is null order by source, path, id",
    )
    return [{**row, "visible": bool(row["visible"])} for row in rows if row["source"] in chosen]


def count_orphans(conn: sqlite3.Connection) -> int:
    """How many orphans are known, of all sources."""
    return int(
        conn.execute("select count(*) from findings where kind = 'orphan' and resolved_at is null").fetchone()[0]
    )


def findings(conn: sqlite3.Connection, source: str | None = None) -> list[dict[str, Any]]:
    """The open findings."""
    return _rows(
        conn,
        "select kind, source, path, collection_id, message, at from findings"
        " where resolved_at is null and (? is null or source = ?) order by id",
        (source, source),
    )


# ---------------------------------------------------------------- reports


def _rows(conn: sqlite3.Connection, sql: str, parameters: tuple[Any, ...] = ()) -> list[dict[str, Any]]:
    cursor = conn.execute(sql, parameters)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


# The file was seen to be another one than the version that serves, and nothing of it is under way yet.
CHANGED = "(c.id is null and d.quarantine is null and d.gone = 0 and d.sha256 not in ('', s.sha256))"
# One row per document: the state of its candidate if there is one, else what the document is (design 11, `ls`).
DOCUMENT_STATE = f"""
    case
        when c.state is not null then c.state
        when d.note = 'held' then 'held'
        when d.quarantine is not null then 'quarantined'
        when d.note = 'waiting' then 'waiting'
        when exists (select 1 from restless w where w.source = d.source and w.path = d.path) then 'waiting'
        when s.id is not null and {CHANGED} then 'waiting'
        when s.id is not null then 'verified'
        when exists (select 1 from revisions r where r.document = d.id and r.state = 'retired') then 'retired'
        when d.gone = 1 then 'deleted'
        else 'waiting'
    end
"""
DOCUMENT_LIST = f"""
    select d.source, d.path, {DOCUMENT_STATE} as state,
        coalesce(c.collection_id, case when c.id is null then s.collection_id end) as collection_id,
        coalesce(c.dataset_id, s.dataset_id, o.dataset_id) as dataset_id,
        coalesce(c.sha256, case when d.quarantine is not null then d.quarantine_sha256 end, s.sha256, d.sha256)
            as sha256,
        s.verified_at as verified_at, d.attempts + d.setbacks as attempts, d.size as size,
        d.quarantine as quarantine, d.quarantine_message as quarantine_message,
        d.last_error_code as last_error_code, d.last_error as last_error, d.next_try_at as next_try_at,
        d.note_reason as note_reason, coalesce(s.weak, '') as weak, coalesce(s.remark, '') as remark,
        s.collection_id as serving_collection_id, s.sha256 as serving_sha256, d.gone as gone,
        w.since as restless_since, s.id is not null and {CHANGED} as changed
    from documents d
    left join restless w on w.source = d.source and w.path = d.path
    left join sources o on o.name = d.source
    left join revisions c on c.document = d.id and c.state in ('uploading', 'indexing', 'proving')
    left join revisions s on s.document = d.id and s.state = 'verified'
"""


def documents(
    conn: sqlite3.Connection, sources: Iterable[str] | None = None, *, everything: bool = False
) -> list[dict[str, Any]]:
    """One row per document for `ls`; documents deleted for good only with ``everything``."""
    chosen = None if sources is None else list(sources)
    clause = "" if chosen is None else f" where d.source in ({','.join('?' * len(chosen))})"
    rows = _rows(conn, DOCUMENT_LIST + clause + " order by d.source, d.path", tuple(chosen or ()))
    rows = rows if everything else [row for row in rows if row["state"] != "deleted"]
    fresh = [row for row in _never_taken(conn) if chosen is None or row["source"] in chosen]
    return sorted(rows + fresh, key=lambda row: (row["source"], row["path"])) if fresh else rows


_NEVER_TAKEN = """
    from restless w left join documents d on d.source = w.source and d.path = w.path where d.id is null
"""


def _never_taken(conn: sqlite3.Connection) -> list[dict[str, Any]]:
    """Files that have been written ever since they were first seen, as rows of ``documents``."""
    return _rows(
        conn,
        "select w.source, w.path, 'waiting' as state, null as collection_id, null as dataset_id, '' as sha256,"
        " null as verified_at, 0 as attempts, 0 as size, null as quarantine, '' as quarantine_message,"
        " '' as last_error_code, '' as last_error, null as next_try_at, 'the file is still being written' as"
        " note_reason, '' as weak, '' as remark, null as serving_collection_id, null as serving_sha256, 0 as gone,"
        f" w.since as restless_since, 0 as changed {_NEVER_TAKEN}",
    )


def waiting(conn: sqlite3.Connection, source: str, most: int) -> tuple[int, list[dict[str, Any]]]:
    """How many documents of a source wait, and of the first of them why, and since when as far as that is known.

    ``written`` says that the file is still being written, ``changed`` that it is another one than what serves and not
    under way yet; then there is no other reason.
    """
    calm = " and not exists (select 1 from restless w where w.source = d.source and w.path = d.path)"
    every = (
        "select path, note_reason as reason, missing_since as since, 0 as written, 0 as changed from documents d"
        f" where source = ? and note = 'waiting'{calm}"
        " union all select path, '', since, 1, 0 from restless where source = ?"
        " union all select d.path, '', null, 0, 1 from documents d"
        " left join revisions c on c.document = d.id and c.state in ('uploading', 'indexing', 'proving')"
        " join revisions s on s.document = d.id and s.state = 'verified'"
        f" where d.source = ? and d.at_rest = 0 and coalesce(d.note, '') = '' and {CHANGED}{calm}"
    )
    count = conn.execute(f"select count(*) from ({every})", (source, source, source)).fetchone()[0]
    rows = _rows(conn, f"{every} order by written desc, since, path limit ?", (source, source, source, most))
    return int(count), rows


def counts_by_state(conn: sqlite3.Connection, source: str) -> dict[str, int]:
    """Documents by the state that `ls` would show; deleted ones left out."""
    rows = conn.execute(
        f"select {DOCUMENT_STATE} as state, count(*) from documents d"
        " left join revisions c on c.document = d.id and c.state in ('uploading', 'indexing', 'proving')"
        " left join revisions s on s.document = d.id and s.state = 'verified'"
        " where d.source = ? group by 1",
        (source,),
    ).fetchall()
    counts = {state: count for state, count in rows if state != "deleted"}
    fresh = conn.execute(f"select count(*) {_NEVER_TAKEN} and w.source = ?", (source,)).fetchone()[0]
    return {**counts, "waiting": counts.get("waiting", 0) + fresh} if fresh else counts


def history(conn: sqlite3.Connection, path: str, source: str | None = None) -> list[dict[str, Any]]:
    """What happened to one path, oldest first."""
    return _rows(
        conn,
        "select at, source, path, event, revision, detail from events where path = ? and (? is null or source = ?)"
        " order by id",
        (path, source, source),
    )


def proofs_of(conn: sqlite3.Connection, path: str, source: str | None = None) -> list[dict[str, Any]]:
    """The proofs of one path's revisions, oldest first, a row per probe."""
    return _rows(
        conn,
        "select p.id as proof, p.at, p.revision, p.passed, p.weak, p.failure, q.query, q.mode, q.verdict, q.rank,"
        " q.score, coalesce(q.instead, '') as instead from proofs p"
        " join revisions r on r.id = p.revision join documents d on d.id = r.document"
        " left join probe_results q on q.proof = p.id"
        " where d.path = ? and (? is null or d.source = ?) order by p.id, q.rowid",
        (path, source, source),
    )


def given_up(conn: sqlite3.Connection, source: str | None, *, but: str) -> list[int]:
    """The ids of documents that are quarantined, for another reason than ``but``, or failing; those that are gone not.

    A document that is gone is one whose last version is deleted on the server as well.
    """
    return [
        row[0]
        for row in conn.execute(
            f"select id from ({DOCUMENT_LIST.replace('select d.source', 'select d.id, d.source', 1)})"
            " where state != 'deleted' and (? is null or source = ?)"
            " and ((quarantine is not null and quarantine != ?) or next_try_at is not null)",
            (source, source, but),
        )
    ]


def path_of_collections(conn: sqlite3.Connection, ids: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Collection id to (source, path)."""
    wanted = list(ids)
    marks = ",".join("?" * len(wanted))
    return {
        row[0]: (row[1], row[2])
        for row in conn.execute(
            "select r.collection_id, d.source, d.path from revisions r join documents d on d.id = r.document"
            f" where r.collection_id in ({marks})",
            wanted,
        )
    }


def in_trouble(conn: sqlite3.Connection, source: str) -> bool:
    """Whether any document is quarantined or failing, for the exit code of `sync`; each has an index of its own."""
    return any(
        conn.execute(
            f"select 1 from documents where source = ? and {column} is not null and gone = 0 limit 1", (source,)
        ).fetchone()
        for column in ("quarantine", "next_try_at")
    )


def noted(conn: sqlite3.Connection, source: str, most: int) -> tuple[bool, bool]:
    """Whether the source has holds or documents that carry a note, and whether these are more than ``most``."""
    held = conn.execute("select 1 from holds where source = ? limit 1", (source,)).fetchone()
    one, many = (
        conn.execute(
            "select 1 from documents where source = ? and note is not null limit 1 offset ?", (source, offset)
        ).fetchone()
        for offset in (0, most)
    )
    return held is not None or one is not None, many is not None
