"""`syncd healthcheck`: whether the service is well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from syncd.commands import TABLE, lastgood
from syncd.commands.base import Command, Globals, globals_of

if TYPE_CHECKING:
    from pathlib import Path


@click.command("healthcheck", cls=Command, help=TABLE["healthcheck"].help)
@click.option("--ready", is_flag=True, help="Ask whether it has begun to serve, not whether it makes progress.")
@click.pass_context
def healthcheck(ctx: click.Context, ready: bool) -> int:
    """Exit code 0 when it is, 1 when it is not, 69 when nobody answers, 78 when there is nothing to ask."""
    from syncd import healthcheck as asking
    from syncd.report import Lines, Report

    given = globals_of(ctx)
    listen, service = _whom(given)
    if service.get("running") and not listen:
        # Without a status server there is nothing to ask; that it holds its ledger is what can be known.
        code, text = asking.OK, f"{service['process']} runs; without [http] listen nothing more can be asked"
    else:
        code, text = asking.ask(listen, "/readyz" if ready else "/livez")
    given.show(Report("healthcheck", {"healthy": code == asking.OK, "message": text}, (Lines((text,)),)))
    return code


def _whom(given: Globals) -> tuple[str, dict[str, Any]]:
    """The address of the service, and what it says of itself.

    A service that runs knows best where it listens: its file may be wrong by now, or changed and not yet in force.
    """
    from syncd import healthcheck as asking
    from syncd.errors import ConfigError

    try:
        config = lastgood.load(given)
    except ConfigError as error:
        lastgood.tell(given, error)
        return asking.configured(), {}
    service = _service(config.ledger.path)
    if service.get("running") and "listen" in service:
        return str(service.get("health") or service["listen"]).removeprefix("http://"), service
    return config.http.health_listen or config.http.listen, {}


def _service(path: Path) -> dict[str, Any]:
    from contextlib import closing

    from syncd import standing
    from syncd.errors import SyncdError
    from syncd.ledger import Ledger
    from syncd.ledger.store import exists

    try:
        if not exists(path):
            return {}
        with closing(Ledger(path, write=False)) as ledger:
            return standing.of_service(path, ledger.conn)
    except SyncdError:
        return {}  # who may not read the ledger can ask all the same


COMMANDS = {"healthcheck": healthcheck}
