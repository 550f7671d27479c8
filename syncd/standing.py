"""How things stand: the document of `syncd status --json`, from the ledger and from what the service says of itself."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from syncd import outdated, unserved
from syncd.config import Config
from syncd.headline import of_status
from syncd.ledger import records, remote, requests, tree
from syncd.ledger.store import holder
from syncd.models import Hit
from syncd.report.human import iso, still_written
from syncd.report.passes import hold_data

STATES = ("waiting", "uploading", "indexing", "proving", "verified", "quarantined", "held", "retired")
_MOST_WAITING = 20  # that are named
_NO_WATCH = {"mode": "off", "reason": "no service is running"}


def document(
    config: Config,
    conn: sqlite3.Connection | None,
    ledger_id: str | None,
    service: Mapping[str, Any],
    *,
    look: bool = True,
) -> dict[str, Any]:
    """Everything `syncd status` knows.

    Args:
        config: the configuration.
        conn: the ledger, for reading; ``None`` when there is none yet.
        ledger_id: the ledger's id.
        service: what the service says of itself (``of_service``).
        look: read files where only their text tells whether they would gain from being sent again.
    """
    known = [] if conn is None else remote.source_names(conn)
    configured = {source.name: source for source in config.sources}
    found = {
        "ledger": {"path": str(config.ledger.path), "id": ledger_id},
        "base_url": config.fastgpt.base_url,
        "service": dict(service),
        "sources": [_source(name, configured, conn, service, look) for name in dict.fromkeys([*configured, *known])],
        "findings": [] if conn is None else [{**f, "at": iso(f["at"])} for f in records.findings(conn)],
    }
    return {"headline": of_status(found).data(), **found}


def of_service(path: Path, conn: sqlite3.Connection | None) -> dict[str, Any]:
    """What a service says of itself, if one runs on this ledger; how it was left otherwise.

    The service writes it into the ledger whenever it changes; that it runs is told by the ledger's lock.
    """
    said = {} if conn is None else requests.description(conn)
    held_by = holder(path)
    running = bool(held_by) and held_by == said.get("process")
    paused = None if conn is None else requests.paused(conn) if _has_requests(conn) else None
    return {
        **(said if running else {}),
        "running": running,
        "paused": None if paused is None else {"since": iso(paused)},
    }


def _has_requests(conn: sqlite3.Connection) -> bool:
    return bool(conn.execute("select 1 from sqlite_master where name = 'requests'").fetchone())


def _source(
    name: str, configured: Mapping[str, Any], conn: sqlite3.Connection | None, service: Mapping[str, Any], look: bool
) -> dict[str, Any]:
    source = configured.get(name)
    row = None if conn is None else remote.source(conn, name)
    counts = dict.fromkeys(STATES, 0)
    holds = []
    older = outdated.Older()
    waiting: dict[str, Any] = {"count": 0, "documents": []}
    if conn is not None and source is not None:
        older = outdated.of_source(conn, source, look=look)
    if conn is not None:
        counts.update(records.counts_by_state(conn, name))
        waiting = _waiting(conn, name, service)
        holds = [hold_data(hold) for hold in records.holds(conn, name)]
    troubled = str(service.get("troubles", {}).get(name) or "")
    not_served = None if conn is None or source is None else unserved.of_source(conn, name, troubled)
    watch = service.get("watch", {}).get(name, _NO_WATCH) if service.get("running") else _NO_WATCH
    return {
        "name": name,
        "configured": source is not None,
        "path": str(source.path) if source is not None else (row.root if row is not None else ""),
        "dataset": source.dataset if source is not None else (row.dataset_ref if row is not None else ""),
        "dataset_id": None if row is None else row.dataset_id,
        "folder": source.folder if source is not None else "",
        "grace": source.delete.grace if source is not None else None,
        "counts": counts,
        "watch": dict(watch),
        "skipped": 0 if conn is None else tree.unread(conn, name),
        "trouble": troubled or (row.trouble if row is not None else "") or None,
        "unserved": None if not_served is None else not_served.data(),
        "last_scan_at": iso(None if row is None else row.last_scan_at),
        "holds": holds,
        "waiting": waiting,
        "outdated": {
            "count": older.number,
            "on_their_way": older.asked,
            "exact": older.exact,
            "message": older.message,
        },
    }


def _waiting(conn: sqlite3.Connection, name: str, service: Mapping[str, Any]) -> dict[str, Any]:
    """Who waits and why, the first of them by name."""
    now = time.time()
    count, rows = records.waiting(conn, name, _MOST_WAITING)
    return {
        "count": count,
        "documents": [
            {
                "path": row["path"],
                "reason": still_written(row["since"], now)
                if row["written"]
                else unserved.changed(service)
                if row["changed"]
                else row["reason"],
                "since": iso(row["since"]),
            }
            for row in rows
        ],
    }


def hits(conn: sqlite3.Connection | None, found: Iterable[Hit]) -> list[dict[str, Any]]:
    """Hits of a search test with the documents they belong to; source and path are null for what is not ours."""
    rows = list(found)
    places = {} if conn is None else records.path_of_collections(conn, [hit.collection_id for hit in rows])
    return [
        {
            "rank": hit.rank,
            "score": hit.score,
            "score_types": sorted(hit.score_types),
            "source": places.get(hit.collection_id, (None, None))[0],
            "path": places.get(hit.collection_id, (None, None))[1],
            "collection_id": hit.collection_id,
            "text": hit.text,
        }
        for hit in rows
    ]
