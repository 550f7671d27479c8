"""`syncd plan`: what a pass would do and why, without changing anything here or on the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syncd.commands import TABLE
from syncd.commands.base import Command, chosen_sources, globals_of

if TYPE_CHECKING:
    from syncd.config import Config
    from syncd.report.plans import Planned


@click.command("plan", cls=Command, help=TABLE["plan"].help)
@click.argument("sources", metavar="[SOURCE]...", nargs=-1)
@click.option(
    "--out", metavar="FILE", help="Write the plan into a file, as JSON or as --format says; never over an existing one."
)
@click.option("--format", "format_", type=click.Choice(["text", "json", "markdown"]), help="text without it.")
@click.option("--offline", is_flag=True, help="Without a ledger: do not ask the server what is there.")
@click.option("--exit-code", "tell", is_flag=True, help="Exit with 5 when there is anything to do.")
@click.pass_context
def plan(
    ctx: click.Context, sources: tuple[str, ...], out: str | None, format_: str | None, offline: bool, tell: bool
) -> int:
    """Actions with their reasons, holds, and an estimate of the cost."""
    import asyncio

    from syncd.errors import EXIT_DRIFT, EXIT_OK
    from syncd.report import jsontext, markdown, plans, terminal, text

    given = globals_of(ctx)
    config = given.load()
    names = chosen_sources(config, sources)
    made = asyncio.run(_plan(config, names, offline))
    report = plans.report(made)
    if out is not None:
        if format_ == "markdown":
            written = markdown.render(report)
        elif format_ == "text":
            written = text.render(report, terminal.Look(live=False, rich=False, colour=False))
        else:
            written = jsontext.render(report.document, indent=True)
        _write(out, written)
        given.note(f"the plan is written to {out}")
    if format_ == "json" or given.as_json:
        given.show_json(report.document)
    elif format_ == "markdown":
        given.out(markdown.render(report))
    else:
        given.show(report)
    return EXIT_DRIFT if tell and (made.plan.actions or made.plan.holds or made.waiting) else EXIT_OK


async def _plan(config: Config, names: list[str] | None, offline: bool) -> Planned:
    """Plan over the ledger as it is, read-only, so that a running service is not disturbed.

    Before the first pass, and in CI, there is no ledger. Then one is made elsewhere from what the server says of
    itself, without changing anything there; only when that cannot be had, the files alone are planned for.
    """
    import tempfile
    from pathlib import Path

    from syncd.engine import Engine
    from syncd.errors import SyncdError
    from syncd.ledger import Ledger, records
    from syncd.ledger.store import exists
    from syncd.report.plans import Planned, as_adopted, estimate
    from syncd.service import make_client

    with tempfile.TemporaryDirectory(prefix="syncd-plan-") as folder:
        path, basis, why = config.ledger.path, "ledger", ""
        async with make_client(config) as client:
            if not exists(path):
                path, basis = Path(folder) / "ledger.db", "files"
                ledger = Ledger(path)
                try:
                    if not offline:
                        await Engine(config, ledger, client).adopt(names, make=False)
                        basis = "server"
                except SyncdError as error:
                    why = error.message
                finally:
                    ledger.close()
            ledger = Ledger(path, write=False)
            try:
                made, observations = await Engine(config, ledger, client).plan(names)
                if basis == "server":
                    made = as_adopted(made, {s.key: s for o in observations for s in o.snapshots.values()})
                waiting = [*made.waiting, *(w for o in observations for w in o.waiting)]
                chosen = [s.name for s in config.sources] if names is None else names
                return Planned(
                    plan=made,
                    waiting=waiting,
                    ledger_id=ledger.id if basis == "ledger" else "",
                    cost=estimate(config, made),
                    basis=basis,
                    ledger_path=str(config.ledger.path),
                    not_asked=why,
                    orphans=records.orphans(ledger.conn, chosen),
                )
            finally:
                ledger.close()


def _write(out: str, written: str) -> None:
    from syncd.errors import UsageError

    try:
        with open(out, "x", encoding="utf-8", errors="surrogateescape") as file:
            file.write(written)
    except FileExistsError:
        raise UsageError(f"{out} exists already and is left alone", hint="name another file") from None
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror}") from error


COMMANDS = {"plan": plan}
