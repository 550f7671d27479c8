"""`syncd explain`: what a code means and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syncd.commands import TABLE
from syncd.commands.base import Command, globals_of, unknown

if TYPE_CHECKING:
    from syncd.explain import Explanation


def _complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    from syncd.explain import TABLES

    return [code for table in TABLES.values() for code in table if code.startswith(incomplete)]


@click.command("explain", cls=Command, help=TABLE["explain"].help)
@click.argument("code", required=False, shell_complete=_complete)
@click.pass_context
def explain(ctx: click.Context, code: str | None) -> None:
    """One code, or a table of all."""
    from syncd.explain import TABLES
    from syncd.report import Column, Lines, Report, Table

    if code is None:
        tables = tuple(
            Table(
                (Column("code"), Column("means"), Column("what to do")),
                tuple((str(e.code), e.title, e.remedy) for e in table.values()),
                title=kind,
            )
            for kind, table in TABLES.items()
            if kind != "Errors of a run"
        )
        everything = [_data(kind, e) for kind, table in TABLES.items() for e in table.values()]
        globals_of(ctx).show(Report("explain", {"codes": everything}, tables))
        return
    found = [(kind, table[code]) for kind, table in TABLES.items() if code in table]
    if not found:
        raise unknown(f'there is no code "{code}"', code, [c for table in TABLES.values() for c in table], "codes")
    kind, e = found[0]
    lines = Lines((e.meaning, f"What to do: {e.remedy}"), title=f"{e.code}: {e.title}")
    globals_of(ctx).show(Report("explain", {"codes": [_data(kind, e)]}, (lines,)))


def _data(kind: str, e: Explanation) -> dict[str, str]:
    return {"kind": kind.lower(), "code": str(e.code), "title": e.title, "meaning": e.meaning, "remedy": e.remedy}


COMMANDS = {"explain": explain}
