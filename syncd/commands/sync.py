"""`syncd sync`: one pass until nothing is left to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syncd.commands import TABLE
from syncd.commands.base import DURATION, Command, Globals, chosen_sources, globals_of
from syncd.errors import SyncdError

if TYPE_CHECKING:
    from syncd.config import Config
    from syncd.live import Display
    from syncd.progress import Progress


def since_start() -> float:
    """Seconds since this process was started, the interpreter's own start included.

    Linux knows it to 10 ms (/proc/self/stat, field 22, in clock ticks since boot).
    """
    import os
    import time

    with open("/proc/self/stat", "rb") as file:
        # The second field, the program's name, may hold blanks and parentheses.
        started = int(file.read().rpartition(b")")[2].split()[19])
    return max(time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK"), 0.0)


@click.command("sync", cls=Command, help=TABLE["sync"].help)
@click.argument("sources", metavar="[SOURCE]...", nargs=-1)
@click.option(
    "--timeout",
    type=DURATION,
    default=30.0,
    metavar="DURATION",
    help="How long an unreachable server is tried, then exit code 69; 30s without it.",
)
@click.option(
    "--wait",
    type=DURATION,
    metavar="DURATION",
    help="Bound on the whole pass; when it is reached the pass stops at a safe point with exit code 4.",
)
@click.option(
    "--stateless",
    is_flag=True,
    help="For runs that keep no ledger (CI): documents on the server whose files are gone are retired too.",
)
@click.option("--despite-pause", is_flag=True, help="Also while `syncd pause` is in force, which this pass leaves so.")
@click.pass_context
def sync(
    ctx: click.Context,
    sources: tuple[str, ...],
    timeout: float,
    wait: float | None,
    stateless: bool,
    despite_pause: bool,
) -> int:
    """Mirror and prove."""
    import asyncio

    given = globals_of(ctx)
    config = given.load()
    if not despite_pause:
        _refuse_when_paused(config)
    return asyncio.run(_sync(given, config, chosen_sources(config, sources), timeout, wait, stateless))


def _refuse_when_paused(config: Config) -> None:
    from syncd.commands.reading import ledger_if_any
    from syncd.errors import BusyError
    from syncd.ledger import requests
    from syncd.report.human import minute

    with ledger_if_any(config) as ledger:
        since = None if ledger is None else requests.paused(ledger.conn)
    if since is not None:
        raise BusyError(
            f"paused by `syncd pause` since {minute(since)}: nothing was sent",
            hint="`syncd resume` lets it go on; `syncd sync --despite-pause` is this one pass all the same",
        )


def display_for(given: Globals, progress: Progress) -> Display:
    """How this call wants a pass to be shown."""
    import sys

    from syncd import live
    from syncd.report import terminal

    look = terminal.look(sys.stderr)
    if given.quiet:
        return live.Display()
    # Log lines and bars would draw over each other.
    if look.live and not given.verbosity:
        return live.Bars(progress, colour=look.colour)
    return live.Lines(progress, given.err)


async def _sync(
    given: Globals, config: Config, names: list[str] | None, timeout: float, wait: float | None, stateless: bool
) -> int:
    import signal

    from syncd import service
    from syncd.ledger import releasing, remote
    from syncd.live import shown
    from syncd.progress import Progress
    from syncd.report import passes

    progress = Progress()
    remarks = passes.Remarks(progress)
    async with service.engine(config, progress) as engine, shown(progress, display_for(given, progress)) as display:

        def stop() -> None:
            display.say("stopping at the next safe point; the same signal again stops at once")
            engine.stop()

        async with service.signals(stop) as caught:
            startup = since_start()
            try:
                outcome = await engine.sync(names, patience=timeout, limit=wait, stateless=stateless)
            except SyncdError as error:
                number = caught()
                if number is not None:  # whoever stopped us asked first
                    error.exit_code = 128 + number
                raise
        ended_by = caught()
        with engine.ledger.transaction("shown") as conn:
            releasing.show(conn, outcome.holds, engine.now())
            for name in names or engine.sources:
                remote.set_trouble(conn, name, outcome.troubles.get(name, ""))
        failed = passes.failed_documents(engine.ledger, outcome, names or [s.name for s in config.sources])
    code = outcome.exit_code if ended_by is None else 128 + ended_by
    stopped = "" if ended_by is None else signal.Signals(ended_by).name
    given.show(passes.report(outcome, remarks, failed, startup=startup, exit_code=code, stopped=stopped))
    return code


COMMANDS = {"sync": sync}
