"""`syncd demo`: the whole product, shown in half a minute."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import click

from syncd.commands import TABLE
from syncd.commands.base import Command, globals_of

if TYPE_CHECKING:
    from pathlib import Path

    from syncd.config import Config
    from syncd.demo import Stage
    from syncd.report import Report


@click.command("demo", cls=Command, help=TABLE["demo"].help)
@click.option("--keep", is_flag=True, help="Keep the folder and the ledger, and print where they are.")
@click.pass_context
def demo(ctx: click.Context, keep: bool) -> int:
    """Sync, search, edit, delete, held; ends by itself."""
    import asyncio

    from syncd.commands.sync import display_for
    from syncd.demo import Stage

    given = globals_of(ctx)

    def say(line: str) -> None:
        (given.err if given.as_json else given.out)(line + "\n")

    def show(report: Report) -> None:
        import sys

        from syncd.report import terminal, text

        stream = sys.stderr if given.as_json else sys.stdout
        for line in text.render(report, terminal.look(stream)).splitlines():
            say(f"   {line}".rstrip())

    def load(path: Path, env: dict[str, str]) -> Config:
        return given.load(path, env)

    stage = Stage(say=say, show=show, display=lambda progress: display_for(given, progress), load=load, keep=keep)
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

    task = asyncio.ensure_future(demo.play(stage))

    def stop() -> None:
        task.cancel()

    async with service.signals(stop) as caught:
        try:
            return await task, None
        except asyncio.CancelledError:
            return {}, caught()


COMMANDS = {"demo": demo}
