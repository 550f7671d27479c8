"""`syncd plan`: what a pass would do and why, without asking the server and without changing anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syncd.commands import TABLE
from syncd.commands.base import Command, chosen_sources, globals_of

if TYPE_CHECKING:
    from syncd.config import Config
    from syncd.models import Plan, Waiting
    from syncd.report.plans import Cost


@click.command("plan", cls=Command, help=TABLE["plan"].help)
@click.argument("sources", metavar="[SOURCE]...", nargs=-1)
@click.option("--out", metavar="FILE", help="Write the plan as JSON into a file; never over an existing one.")
@click.option("--format", "format_", type=click.Choice(["text", "json", "markdown"]), help="text without it.")
@click.option("--exit-code", "tell", is_flag=True, help="Exit with 5 when there is anything to do.")
@click.pass_context
def plan(ctx: click.Context, sources: tuple[str, ...], out: str | None, format_: str | None, tell: bool) -> int:
    """Actions with their reasons, holds, and an estimate of the cost."""
    import asyncio

    from syncd.errors import EXIT_DRIFT, EXIT_OK
    from syncd.report import markdown, plans

    given = globals_of(ctx)
    config = given.load()
    names = chosen_sources(config, sources)
    made, waiting, ledger_id, cost = asyncio.run(_plan(config, names))
    report = plans.report(made, waiting, ledger_id=ledger_id, cost=cost)
    if out is not None:
        _write(out, report.document)
        given.note(f"the plan is written to {out}")
    if format_ == "json" or given.as_json:
        given.show_json(report.document)
    elif format_ == "markdown":
        given.out(markdown.render(report))
    else:
        given.show(report)
    return EXIT_DRIFT if tell and (made.actions or made.holds or waiting) else EXIT_OK


async def _plan(config: Config, names: list[str] | None) -> tuple[Plan, list[Waiting], str, Cost]:
    """Plan over the ledger as it is, read-only, so that a running service is not disturbed."""
    import tempfile
    from pathlib import Path

    from syncd.engine import Engine
    from syncd.ledger import Ledger
    from syncd.ledger.store import exists
    from syncd.report import plans
    from syncd.service import make_client

    with tempfile.TemporaryDirectory(prefix="syncd-plan-") as folder:
        path = config.ledger.path
        known = exists(path)
        if not known:
            # Before the first pass there is no ledger, and a plan must not make one: an empty one elsewhere does.
            path = Path(folder) / "ledger.db"
            Ledger(path).close()
        ledger = Ledger(path, write=False)
        try:
            async with make_client(config) as client:
                made, observations = await Engine(config, ledger, client).plan(names)
            waiting = [*made.waiting, *(w for o in observations for w in o.waiting)]
            return made, waiting, ledger.id if known else "", plans.estimate(config, made)
        finally:
            ledger.close()


def _write(out: str, document: dict[str, object]) -> None:
    import json

    from syncd.errors import UsageError

    try:
        with open(out, "x", encoding="utf-8", errors="surrogateescape") as file:
            json.dump(document, file, ensure_ascii=False, indent=2)
            file.write("\n")
    except FileExistsError:
        raise UsageError(f"{out} exists already and is left alone", hint="name another file") from None
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror}") from error


COMMANDS = {"plan": plan}
