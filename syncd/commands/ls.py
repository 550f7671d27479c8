"""`syncd ls`: documents and where they are, from the ledger; also while the service runs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from syncd.commands import TABLE, lastgood
from syncd.commands.base import Command, chosen_sources, globals_of

if TYPE_CHECKING:
    import sqlite3

    from syncd.config import Config
    from syncd.report import Report
    from syncd.unserved import Unserved

_MOST_SKIPPED = 10_000  # named for each source
_STATES = ("waiting", "uploading", "indexing", "proving", "verified", "quarantined", "held", "retired", "deleted")


@click.command("ls", cls=Command, help=TABLE["ls"].help)
@click.argument("sources", metavar="[SOURCE]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Also documents that are deleted for good.")
@click.option("--state", "states", multiple=True, type=click.Choice(_STATES), help="Only this state; repeatable.")
@click.option("--skipped", is_flag=True, help="Files of formats that nobody reads, as the disk says now.")
@click.pass_context
def ls(ctx: click.Context, sources: tuple[str, ...], everything: bool, states: tuple[str, ...], skipped: bool) -> None:
    """One row per document."""
    from syncd.commands.reading import ledger_if_any
    from syncd.ledger import records, remote

    given = globals_of(ctx)
    config = lastgood.load(given)
    with ledger_if_any(config) as ledger:
        beside = Beside.of(config, None if ledger is None else ledger.conn)
        known = [] if ledger is None else remote.source_names(ledger.conn)
        names = chosen_sources(config, sources, also=known)
        found = []
        if ledger is not None:
            found = records.documents(ledger.conn, names, everything=everything or "deleted" in states)
    rows = [row for row in found if not states or row["state"] in states]
    if skipped:
        given.show(_skipped(config, names, rows, beside))
    else:
        given.show(report(rows, beside, synchronised=ledger is not None))


@dataclass(frozen=True, slots=True)
class Beside:
    """What is so of whole sources: why they cannot be served, and what changed files wait for."""

    unserved: Mapping[str, Unserved] = field(default_factory=dict)
    changed: str = ""

    @classmethod
    def of(cls, config: Config, conn: sqlite3.Connection | None) -> Beside:
        """As the ledger and a running service have it."""
        from syncd import standing, unserved

        if conn is None:
            return cls()
        service = standing.of_service(config.ledger.path, conn)
        troubles = service.get("troubles", {})
        found = {s.name: unserved.of_source(conn, s.name, str(troubles.get(s.name) or "")) for s in config.sources}
        return cls({name: one for name, one in found.items() if one is not None}, unserved.changed(service))


def _skipped(config: Config, names: list[str] | None, rows: list[dict[str, Any]], beside: Beside) -> Report:
    """What is no document, since FastGPT has no reader for it and nobody asked for it by name."""
    from syncd.formats import suffix_of
    from syncd.observe import unread_files
    from syncd.report import Column, Finding, Level, Report, Table

    found = [
        {"source": source.name, "path": path, "reason": "unsupported"}
        for source in config.sources
        if names is None or source.name in names
        for path in unread_files(source, _MOST_SKIPPED)
    ]
    table = Table(
        (Column("source"), Column("path"), Column("format")),
        tuple((row["source"], row["path"], suffix_of(row["path"]) or "-") for row in found),
        empty="every file in the folders is a document, or is left out on purpose",
    )
    parts: list[Any] = [table]
    if len(found) >= _MOST_SKIPPED:
        parts.append(Finding(Level.INFO, "skipped", f"the first {_MOST_SKIPPED} of each source"))
    return Report("ls", {"documents": [document(row, beside) for row in rows], "skipped": found}, tuple(parts))


def document(row: dict[str, Any], beside: Beside | None = None) -> dict[str, Any]:
    """One row of the ledger as the contract has it; ``beside`` is what is so of its source."""
    from syncd.report.human import iso, still_written

    note = row["note_reason"]
    if row["restless_since"] is not None:
        note = still_written(row["restless_since"], time.time())
    elif row["changed"] and not note:
        note = (beside or Beside()).changed
    not_served = None if beside is None or row["gone"] else beside.unserved.get(row["source"])
    if not_served is not None:
        note = f"{note}; {not_served.note}" if note else not_served.note
    serving = None
    if row["serving_collection_id"] is not None:
        serving = {
            "collection_id": row["serving_collection_id"],
            "sha256": row["serving_sha256"],
            "verified_at": iso(row["verified_at"]),
        }
    return {
        "source": row["source"],
        "path": row["path"],
        "state": row["state"],
        "collection_id": row["collection_id"],
        "dataset_id": row["dataset_id"],
        "sha256": row["sha256"] or None,
        "size": row["size"],
        "verified_at": iso(row["verified_at"]),
        "attempts": row["attempts"],
        "error": _error(row),
        "serving": serving,
        "weak": row["weak"] or None,
        "remark": row["remark"] or None,
        "note": note or None,
        "changed": bool(row["changed"]),
        "unserved": None if not_served is None else not_served.data(),
        "next_try_at": iso(row["next_try_at"]),
    }


def _error(row: dict[str, Any]) -> dict[str, str] | None:
    if row["quarantine"] is not None:
        return {"code": row["quarantine"], "message": row["quarantine_message"]}
    if row["last_error_code"]:
        return {"code": row["last_error_code"], "message": row["last_error"]}
    return None


def report(rows: list[dict[str, Any]], beside: Beside | None = None, *, synchronised: bool) -> Report:
    """The list."""
    from syncd.report import Column, Report, Table
    from syncd.report.human import minute, size

    documents = [document(row, beside) for row in rows]

    def remark(row: dict[str, Any], shown: dict[str, Any]) -> str:
        if shown["error"] is not None:
            return f"{shown['error']['code']}: {shown['error']['message']}"
        return shown["note"] or (f"weak proof: {row['weak']}" if row["weak"] else row["remark"])

    several = len({row["source"] for row in rows}) > 1
    table = Table(
        (
            *([Column("source")] if several else []),
            Column("path"),
            Column("state", toned=True),
            Column("size", right=True),
            Column("verified"),
            Column("remark"),
        ),
        tuple(
            (
                *([row["source"]] if several else []),
                row["path"],
                row["state"],
                size(row["size"]),
                minute(row["verified_at"]),
                remark(row, shown),
            )
            for row, shown in zip(rows, documents, strict=True)
        ),
        empty="no documents" if synchronised else "no documents: nothing was synchronised yet, `syncd sync` does it",
    )
    return Report("ls", {"documents": documents}, (table,))


COMMANDS = {"ls": ls}
