"""`syncd healthcheck`: whether the service is well."""

from __future__ import annotations

import click

from syncd.commands import TABLE
from syncd.commands.base import Command, globals_of


@click.command("healthcheck", cls=Command, help=TABLE["healthcheck"].help)
@click.option("--ready", is_flag=True, help="Ask whether it has begun to serve, not whether it makes progress.")
@click.pass_context
def healthcheck(ctx: click.Context, ready: bool) -> int:
    """Exit code 0 when it is, 1 when it is not, 69 when nobody answers, 78 when there is nothing to ask."""
    from syncd import healthcheck as asking
    from syncd.report import Lines, Report

    given = globals_of(ctx)
    code, text = asking.ask(given.load().http.listen, "/readyz" if ready else "/livez")
    given.show(Report("healthcheck", {"healthy": code == asking.OK, "message": text}, (Lines((text,)),)))
    return code


COMMANDS = {"healthcheck": healthcheck}
