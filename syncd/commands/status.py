"""`syncd status`: the sources, from the ledger; also while the service runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from syncd.commands import TABLE
from syncd.commands.base import Command, globals_of

if TYPE_CHECKING:
    from syncd.config import Config
    from syncd.ledger import Ledger
    from syncd.report import Report

STATES = ("waiting", "uploading", "indexing", "proving", "verified", "quarantined", "held", "retired")
_WATCH = {"mode": "off", "reason": "no service is running"}


@click.command("status", cls=Command, help=TABLE["status"].help)
@click.pass_context
def status(ctx: click.Context) -> None:
    """Sources, counts, holds, findings."""
    from syncd.commands.reading import ledger_if_any

    given = globals_of(ctx)
    config = given.load()
    with ledger_if_any(config) as ledger:
        given.show(report(config, ledger))


def report(config: Config, ledger: Ledger | None) -> Report:
    """The state of all sources."""
    from syncd.ledger import remote
    from syncd.report import Finding, Level, Lines, Report
    from syncd.report.human import iso
    from syncd.report.passes import hold_finding

    known = [] if ledger is None else remote.source_names(ledger.conn)
    configured = {source.name: source for source in config.sources}
    rows = [_source(name, configured, ledger) for name in dict.fromkeys([*configured, *known])]
    holds = _holds(ledger)
    findings = _findings(ledger)
    parts: list[Any] = [_table(rows)]
    parts += [hold_finding(hold) for hold in holds]
    parts += [
        Finding(
            Level.WARNING,
            "removed",
            f"the source {row['name']} is not in the configuration any more; its documents stay as they are",
            "put it back to have it mirrored, or delete its collections in FastGPT",
        )
        for row in rows
        if not row["configured"]
    ]
    parts += [Finding(Level.WARNING, f["kind"], f"{f['source']}/{f['path']}: {f['message']}") for f in findings]
    if ledger is None:
        parts.append(Lines(("nothing was synchronised yet; `syncd plan` shows what `syncd sync` would do",)))
    return Report(
        "status",
        {
            "ledger": {"path": str(config.ledger.path), "id": None if ledger is None else ledger.id},
            "base_url": config.fastgpt.base_url,
            "sources": rows,
            "findings": [{**f, "at": iso(f["at"])} for f in findings],
        },
        tuple(parts),
    )


def _holds(ledger: Ledger | None) -> list[Any]:
    from syncd.ledger import records

    return [] if ledger is None else records.holds(ledger.conn)


def _findings(ledger: Ledger | None) -> list[dict[str, Any]]:
    from syncd.ledger import records

    return [] if ledger is None else records.findings(ledger.conn)


def _source(name: str, configured: dict[str, Any], ledger: Ledger | None) -> dict[str, Any]:
    from syncd.ledger import records, remote
    from syncd.report.human import iso
    from syncd.report.passes import hold_data

    source = configured.get(name)
    row = None if ledger is None else remote.source(ledger.conn, name)
    counts = dict.fromkeys(STATES, 0)
    holds = []
    if ledger is not None:
        counts.update(records.counts_by_state(ledger.conn, name))
        holds = [hold_data(hold) for hold in records.holds(ledger.conn, name)]
    return {
        "name": name,
        "configured": source is not None,
        "path": str(source.path) if source is not None else (row.root if row is not None else ""),
        "dataset": source.dataset if source is not None else (row.dataset_ref if row is not None else ""),
        "dataset_id": None if row is None else row.dataset_id,
        "folder": source.folder if source is not None else "",
        "counts": counts,
        "watch": dict(_WATCH),
        "last_scan_at": iso(None if row is None else row.last_scan_at),
        "holds": holds,
    }


def _table(rows: list[dict[str, Any]]) -> Any:
    from datetime import datetime

    from syncd.report import Column, Table
    from syncd.report.human import minute

    shown = [state for state in STATES if state == "verified" or any(row["counts"][state] for row in rows)]

    def when(text: str | None) -> str:
        return minute(datetime.fromisoformat(text).timestamp(), "never") if text else "never"

    return Table(
        (
            Column("source"),
            Column("dataset"),
            *(Column(state, right=True) for state in shown),
            Column("watch"),
            Column("last scan"),
        ),
        tuple(
            (
                row["name"],
                row["dataset"],
                *(str(row["counts"][state]) for state in shown),
                row["watch"]["mode"],
                when(row["last_scan_at"]),
            )
            for row in rows
        ),
        empty="no source is configured",
    )


COMMANDS = {"status": status}
