"""`syncd explain`: what a code means and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syncd.commands import TABLE
from syncd.commands.base import Command, globals_of, unknown

if TYPE_CHECKING:
    from syncd.explain import Explanation
    from syncd.report import Report

_CONTRACTS = ("events", "metrics")  # names that machines rely on


def _complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    from syncd.explain import TABLES

    known = [*_CONTRACTS, *(code for table in TABLES.values() for code in table)]
    return [code for code in known if code.startswith(incomplete)]


@click.command("explain", cls=Command, help=TABLE["explain"].help)
@click.argument("code", required=False, shell_complete=_complete)
@click.pass_context
def explain(ctx: click.Context, code: str | None) -> None:
    """One code, or a table of all; `events` lists the names in the log, `metrics` what Prometheus is told."""
    from syncd.explain import TABLES
    from syncd.report import Column, Lines, Report, Table

    if code in _CONTRACTS:
        globals_of(ctx).show(_contract(code))
        return
    if code is None:
        tables = tuple(
            Table(
                (Column("code"), Column("means"), Column("what to do")),
                tuple((str(e.code), e.title, e.remedy) for e in table.values()),
                title=kind,
            )
            for kind, table in TABLES.items()
            if kind not in ("Errors of a run", "Words of reports")
        )
        everything = [_data(kind, e) for kind, table in TABLES.items() for e in table.values()]
        globals_of(ctx).show(Report("explain", {"codes": everything}, tables))
        return
    found = [(kind, table[code]) for kind, table in TABLES.items() if code in table]
    if not found:
        known = [*_CONTRACTS, *(c for table in TABLES.values() for c in table)]
        raise unknown(f'there is no code "{code}"', code, known, "codes")
    kind, e = found[0]
    lines = Lines((e.meaning, f"What to do: {e.remedy}"), title=f"{e.code}: {e.title}")
    globals_of(ctx).show(Report("explain", {"codes": [_data(kind, e)]}, (lines,)))


def _contract(which: str) -> Report:
    """The names that machines rely on, each with what it says."""
    from syncd.report import Column, Report, Table

    if which == "events":
        from syncd.logged import EVENTS

        rows = [{"event": name, "says": says} for name, says in EVENTS.items()]
    else:
        from syncd.web.metrics import TABLE as METRICS

        rows = [{"metric": m.name, "kind": m.kind, "labels": ", ".join(m.labels), "says": m.help} for m in METRICS]
    columns = tuple(Column(name) for name in rows[0])
    return Report("explain", {which: rows}, (Table(columns, tuple(tuple(row.values()) for row in rows)),))


def _data(kind: str, e: Explanation) -> dict[str, str]:
    return {"kind": kind.lower(), "code": str(e.code), "title": e.title, "meaning": e.meaning, "remedy": e.remedy}


COMMANDS = {"explain": explain}
