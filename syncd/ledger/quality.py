"""What the status page reads: the quality of proofs over time, what happened lately, what waits, what was given up.

Each query is bounded by what is shown, not by what the ledger holds, or counts without fetching.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from syncd.ledger.records import DOCUMENT_LIST, DOCUMENT_STATE

_DAY = 86400
_SUMS = ("probes", "found", "shared", "outranked", "missing", "first", "reciprocal")


def by_day_and_source(conn: sqlite3.Connection, since: float) -> list[dict[str, Any]]:
    """Probes by day (UTC) and source, oldest first: how many, of each verdict, at rank 1, and the sum of 1 / rank."""
    rows = conn.execute(
        "select cast(p.at / ? as integer), d.source, count(*), sum(q.verdict = 'found'), sum(q.verdict = 'shared'),"
        " sum(q.verdict = 'outranked'), sum(q.verdict = 'missing'), sum(coalesce(q.rank = 1, 0)),"
        " sum(case when q.rank > 0 then 1.0 / q.rank else 0 end)"
        " from proofs p join probe_results q on q.proof = p.id join revisions r on r.id = p.revision"
        " join documents d on d.id = r.document where p.at >= ? group by 1, 2 order by 1, 2",
        (_DAY, since),
    )
    return [{"day": day * _DAY, "source": source, **dict(zip(_SUMS, sums, strict=True))} for day, source, *sums in rows]


def added(rows: Iterable[Mapping[str, Any]], by: str) -> list[dict[str, Any]]:
    """Rows of ``by_day_and_source`` added up by ``"day"`` or ``"source"``, with the mean reciprocal rank as ``mrr``."""
    sums: dict[Any, dict[str, Any]] = {}
    for row in rows:
        total = sums.setdefault(row[by], {by: row[by], **dict.fromkeys(_SUMS, 0)})
        for name in _SUMS:
            total[name] += row[name]
    return [
        {**{name: value for name, value in row.items() if name != "reciprocal"}, "mrr": _mean(row)}
        for row in sums.values()
    ]


def _mean(row: Mapping[str, Any]) -> float:
    return float(round(row["reciprocal"] / row["probes"], 4))


def recent(conn: sqlite3.Connection, after: int = 0, limit: int = 50) -> list[dict[str, Any]]:
    """What happened to documents, newest first; with ``after`` only what is newer than that id."""
    rows = conn.execute(
        "select id, at, source, path, event, detail from events where id > ? order by id desc limit ?", (after, limit)
    )
    return [
        {"id": row[0], "at": row[1], "source": row[2], "path": row[3], "event": row[4], "detail": row[5]}
        for row in rows
    ]


def quarantined(conn: sqlite3.Connection, limit: int) -> list[dict[str, Any]]:
    """The documents that were given up, newest first, at most ``limit``."""
    return _rows(
        conn,
        "select d.source, d.path, d.quarantine as code, d.quarantine_message as message, d.quarantine_since as since,"
        " s.id is not null as serves from documents d"
        " left join revisions c on c.document = d.id and c.state in ('uploading', 'indexing', 'proving')"
        " left join revisions s on s.document = d.id and s.state = 'verified'"
        f" where d.quarantine is not null and {DOCUMENT_STATE} = 'quarantined'"
        " order by d.quarantine_since desc, d.source, d.path limit ?",
        (limit,),
    )


def listed(
    conn: sqlite3.Connection, *, source: str | None, state: str | None, part: str, limit: int
) -> tuple[int, list[dict[str, Any]]]:
    """Documents as `ls` shows them: how many there are, and the first of them.

    Args:
        conn: the ledger.
        source: only of this one.
        state: only in this one; documents deleted for good are in none.
        part: only with this in their path, whatever the case.
        limit: how many are fetched.
    """
    conn.create_function("folded", 1, str.casefold, deterministic=True)
    chosen = (
        f"from ({DOCUMENT_LIST}) where state != 'deleted' and (? is null or source = ?) and (? is null or state = ?)"
        " and (? = '' or instr(folded(path), ?))"
    )
    values = (source, source, state, state, part, part.casefold())
    count = int(conn.execute(f"select count(*) {chosen}", values).fetchone()[0])
    return count, _rows(conn, f"select * {chosen} order by source, path limit ?", (*values, limit))


def at_a_glance(conn: sqlite3.Connection) -> dict[str, int]:
    """What one line about everything needs; each figure has an index, so that the event loop may ask for it."""
    return {
        name: int(conn.execute(f"select {what}").fetchone()[0] or 0)
        for name, what in (
            ("verified", "count(*) from revisions where state = 'verified'"),
            ("work", "count(*) from revisions where state in ('uploading', 'indexing', 'proving')"),
            ("quarantined", "count(*) from documents where quarantine is not null and gone = 0"),
            ("held", "sum(max(json_array_length(paths), at_stake, 1)) from holds"),
            ("unproven", "count(*) from findings where resolved_at is null and kind = 'unproven'"),
        )
    }


def held(conn: sqlite3.Connection) -> dict[str, int]:
    """How many reasons for holding deletions stand, by source."""
    return dict(conn.execute("select source, count(*) from holds group by source").fetchall())


def oldest_wait(conn: sqlite3.Connection, now: float) -> float:
    """Age in seconds of the oldest document that is under way; 0 when nothing is."""
    row = conn.execute(
        "select min(created_at) from revisions where state in ('uploading', 'indexing', 'proving')"
    ).fetchone()
    return 0.0 if row[0] is None else max(now - row[0], 0.0)


def _rows(conn: sqlite3.Connection, sql: str, parameters: tuple[Any, ...]) -> list[dict[str, Any]]:
    cursor = conn.execute(sql, parameters)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]
