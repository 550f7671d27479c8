"""What the status page reads: the quality of proofs over time, what happened lately, what waits."""

from __future__ import annotations

import sqlite3
from typing import Any

_DAY = 86400


def by_day(conn: sqlite3.Connection, since: float) -> list[dict[str, Any]]:
    """Probes by day (UTC), oldest first: how many, how many of each verdict, and the mean reciprocal rank."""
    rows = conn.execute(
        "select cast(p.at / ? as integer), count(*), sum(q.verdict = 'found'), sum(q.verdict = 'shared'),"
        " sum(q.verdict = 'outranked'), sum(q.verdict = 'missing'), sum(q.rank = 1),"
        " sum(case when q.rank > 0 then 1.0 / q.rank else 0 end)"
        " from proofs p join probe_results q on q.proof = p.id where p.at >= ? group by 1 order by 1",
        (_DAY, since),
    )
    return [
        {
            "day": day * _DAY,
            "probes": count,
            "found": found,
            "shared": shared,
            "outranked": outranked,
            "missing": missing,
            "first": first or 0,
            "mrr": round(reciprocal / count, 4),
        }
        for day, count, found, shared, outranked, missing, first, reciprocal in rows
    ]


def recent(conn: sqlite3.Connection, after: int = 0, limit: int = 50) -> list[dict[str, Any]]:
    """What happened to documents, newest first; with ``after`` only what is newer than that id."""
    rows = conn.execute(
        "select id, at, source, path, event, detail from events where id > ? order by id desc limit ?", (after, limit)
    )
    return [
        {"id": row[0], "at": row[1], "source": row[2], "path": row[3], "event": row[4], "detail": row[5]}
        for row in rows
    ]


def oldest_wait(conn: sqlite3.Connection, now: float) -> float:
    """Age in seconds of the oldest document that is under way; 0 when nothing is."""
    row = conn.execute(
        "select min(created_at) from revisions where state in ('uploading', 'indexing', 'proving')"
    ).fetchone()
    return 0.0 if row[0] is None else max(now - row[0], 0.0)
