"""`syncd status`: the sources, from the ledger; also while the service runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from syncd.commands import TABLE, lastgood
from syncd.commands.base import Command, globals_of

if TYPE_CHECKING:
    from syncd.config import Config
    from syncd.ledger import Ledger
    from syncd.report import Report


_RESENDS = "`syncd retry --outdated` re-sends them, each replaced without a gap"


@click.command("status", cls=Command, help=TABLE["status"].help)
@click.pass_context
def status(ctx: click.Context) -> None:
    """Sources, counts, holds, findings."""
    from syncd.commands.reading import ledger_if_any

    given = globals_of(ctx)
    config = lastgood.load(given)
    with ledger_if_any(config) as ledger:
        given.show(report(config, ledger))
        holds = _holds(ledger)
    if holds:
        _shown(config, holds)


def _shown(config: Config, holds: list[Any]) -> None:
    """Remember that these were shown: `syncd release` lets go just these. Where that cannot be, it asks for the id."""
    import contextlib
    import time

    from syncd.errors import SyncdError
    from syncd.ledger import releasing, requests

    with contextlib.suppress(SyncdError), requests.mailbox(config.ledger.path) as conn:
        releasing.show(conn, holds, time.time())


def report(config: Config, ledger: Ledger | None) -> Report:
    """The state of all sources."""
    from syncd import standing
    from syncd.report import Finding, Level, Lines, Report
    from syncd.report.human import count
    from syncd.report.passes import hold_finding

    conn = None if ledger is None else ledger.conn
    service = standing.of_service(config.ledger.path, conn)
    document = standing.document(config, conn, None if ledger is None else ledger.id, service)
    rows = document["sources"]
    parts: list[Any] = [_headline(document), _table(rows)]
    parts += _service(service)
    parts += [hold_finding(hold) for hold in _holds(ledger)]
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
    parts += [Finding(Level.ERROR, "source", row["trouble"]) for row in rows if row["trouble"]]
    parts += [
        Finding(Level.WARNING, "not served", f"{row['name']}: {_kept(row)}", "`syncd ls` shows them as they were")
        for row in rows
        if row["unserved"] is not None and sum(row["counts"].values())
    ]
    parts += [
        Finding(Level.INFO, "waiting", f"{row['name']}/{one['path']}: {one['reason']}")
        for row in rows
        for one in row["waiting"]["documents"]
    ]
    parts += [
        Finding(Level.WARNING, f["kind"], f"{f['source']}/{f['path']}: {f['message']}") for f in document["findings"]
    ]
    parts += [
        Finding(Level.INFO, "outdated", f"{row['name']}: {row['outdated']['message']}", _RESENDS)
        for row in rows
        if row["outdated"]["count"]
    ]
    parts += [
        Finding(
            Level.INFO,
            "skipped",
            f"{row['name']}: {count(row['skipped'], 'file')} of formats that nobody reads",
            "`syncd ls --skipped` names them",
        )
        for row in rows
        if row["skipped"]
    ]
    if ledger is None:
        parts.append(Lines(("nothing was synchronised yet; `syncd plan` shows what `syncd sync` would do",)))
    return Report("status", document, tuple(parts))


def _holds(ledger: Ledger | None) -> list[Any]:
    from syncd.ledger import records

    return [] if ledger is None else records.holds(ledger.conn)


def _kept(row: dict[str, Any]) -> str:
    """What becomes of the documents of a source that cannot be served: nothing, and they are shown so."""
    from syncd.report.human import count

    note = row["unserved"]["note"] if row["unserved"]["since"] else "not served"
    return f"{count(sum(row['counts'].values()), 'document')} as last proven, {note}"


def _headline(document: dict[str, Any]) -> Any:
    from syncd.headline import of_status
    from syncd.report import Lines

    return Lines((of_status(document).line,))


def _service(service: dict[str, Any]) -> list[Any]:
    """What the service says of itself, for people."""
    from datetime import datetime

    from syncd.report import Finding, Level, Lines
    from syncd.report.human import minute

    def when(text: str) -> str:
        return minute(datetime.fromisoformat(text).timestamp())

    parts: list[Any] = []
    if service["running"]:  # the headline says that none does
        lines = [f"service: {service['process']}, since {when(service['started_at'])}"]
        if service.get("listen"):
            lines[0] += f", {service['listen']}"
        if service.get("health"):
            lines[0] += f", health at {service['health']}"
        lines += [
            f"  watch {name}: {state['mode']} ({state['reason']})" for name, state in service.get("watch", {}).items()
        ]
        explained = service.get("schedule", {})
        lines += [
            f"  next {job}: {when(at)} ({explained.get(job, '')})" for job, at in service.get("next", {}).items() if at
        ]
        parts.append(Lines(tuple(lines)))
    if service["paused"]:
        since = when(service["paused"]["since"])
        parts.append(Finding(Level.WARNING, "paused", f"paused since {since}", "`syncd resume` lets it go on"))
    server = service.get("server", {})
    if server.get("message"):
        parts.append(Finding(Level.ERROR, "server", server["message"], server.get("hint", "")))
    refused = service.get("config", {}).get("refused")
    if refused:
        parts += [
            Finding(Level.ERROR, "config", f"a new configuration was refused: {problem}", "`syncd check` shows all")
            for problem in refused["problems"]
        ]
    return parts


def _table(rows: list[dict[str, Any]]) -> Any:
    from datetime import datetime

    from syncd.report import Column, Table
    from syncd.report.human import minute
    from syncd.standing import STATES

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
