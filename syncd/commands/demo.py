"""`syncd demo`: the whole product, shown in half a minute."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import click

from syncd.commands import TABLE
from syncd.commands.base import Command, globals_of
from syncd.together import begin

if TYPE_CHECKING:
    from pathlib import Path

    from syncd.config import Config
    from syncd.demo import Stage


@click.command("demo", cls=Command, help=TABLE["demo"].help)
@click.option("--keep", is_flag=True, help="Keep the folder and the ledger, and print where they are.")
@click.pass_context
def demo(ctx: click.Context, keep: bool) -> int:
    """Sync, search, edit, delete, held, the service; ends by itself, on a terminal when you have seen its page."""
    import asyncio
    import sys

    from syncd.commands.sync import display_for
    from syncd.demo import Stage

    given = globals_of(ctx)

    def say(line: str) -> None:
        (given.err if given.as_json else given.out)(line + "\n")

    def show_status(config: Config) -> None:
        from syncd.commands.status import report
        from syncd.ledger import Ledger
        from syncd.report import terminal, text

        ledger = Ledger(config.ledger.path, write=False)
        try:
            shown = text.render(report(config, ledger), terminal.look(sys.stderr if given.as_json else sys.stdout))
        finally:
            ledger.close()
        for line in shown.splitlines():
            say(f"   {line}".rstrip())

    async def search(config: Config, question: str) -> list[dict[str, Any]]:
        from syncd.commands.search import search_all

        hits: list[dict[str, Any]] = (await search_all(config, None, None, question, "mixedRecall"))[0]["hits"]
        return hits

    def load(path: Path, env: dict[str, str]) -> Config:
        return given.load(path, env)

    stage = Stage(
        say=say,
        status=show_status,
        search=search,
        display=lambda progress: display_for(given, progress),
        load=load,
        keep=keep,
        stay=not given.as_json and sys.stdin.isatty() and sys.stdout.isatty(),
    )
    figures, caught = asyncio.run(_play(stage))
    if caught is not None:
        given.err(f"stopped by {signal.Signals(caught).name}; everything is removed\n")
        return 128 + caught
    if given.as_json:
        given.show_json({"schema": "syncd.demo/1", **figures})
    return 0


async def _play(stage: Stage) -> tuple[dict[str, Any], int | None]:
    """Play to the end, or until a signal; what was started is ended in both cases."""
    import asyncio

    from syncd import demo, service

    task = begin(demo.play(stage))

    def stop() -> None:
        if stage.looking:
            stage.leave.set()
        else:
            task.cancel()

    # A terminal that closes says SIGHUP.
    async with service.signals(stop, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)) as caught:
        try:
            return await task, None
        except asyncio.CancelledError:
            return {}, caught()


COMMANDS = {"demo": demo}
