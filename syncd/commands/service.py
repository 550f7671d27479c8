"""`syncd run`, `pause` and `resume`: the service, and a person's hand on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syncd.commands import TABLE, lastgood
from syncd.commands.base import Command, Globals, globals_of

if TYPE_CHECKING:
    from pathlib import Path

    from syncd.config import Config


@click.command("run", cls=Command, help=TABLE["run"].help)
@click.pass_context
def run(ctx: click.Context) -> None:
    """Watch the folders and synchronise until SIGTERM; SIGHUP reads the configuration again."""
    import asyncio

    given = globals_of(ctx)
    secrets: set[str] = set()
    config = _load(given, None, secrets)
    asyncio.run(_run(given, config, secrets))


def _load(given: Globals, path: Path | None, secrets: set[str]) -> Config:
    """Read the configuration; a service logs what it does, unless ``-q`` asks for warnings only.

    Args:
        given: the global options.
        path: the file; ``None`` finds it.
        secrets: of all configurations so far: what was sent with an older key may still be told of.
    """
    import logging
    import os

    from syncd import config, coredumps, logs

    coredumps.off()
    loaded = config.load(config.find(given.config_path, os.environ) if path is None else path, env=os.environ)
    secrets.update(loaded.secrets())
    given.ledger = loaded.ledger.path
    given.redactor = logs.Redactor(secrets)
    level = logging.WARNING if given.quiet else logging.DEBUG if given.verbosity > 1 else logging.INFO
    logs.configure(level, secrets=secrets)
    for warning in loaded.warnings:
        logs.get_logger(__name__).warning("config.warning", problem=warning)
    return loaded


async def _run(given: Globals, config: Config, secrets: set[str]) -> None:
    from syncd import daemon, ending, logs
    from syncd.errors import EXIT_BUG, EXIT_OK, SyncdError
    from syncd.heart import Heart
    from syncd.ledger import Ledger, soundness
    from syncd.systemd import Notifier

    code = EXIT_OK
    try:
        ledger = Ledger(config.ledger.path)
        try:
            made = daemon.Daemon(config, lambda: _load(given, config.path, secrets), ledger, Heart(Notifier()))
            await daemon.serve(made)
        finally:
            ledger.close()
    except SyncdError as error:
        code = error.exit_code
        logs.get_logger(__name__).error(
            "service.failed", error=error.message, hint=error.hint, exit_code=error.exit_code
        )
        raise
    except Exception as error:
        damage = soundness.blamed(config.ledger.path)
        if damage is not None:
            code = damage.exit_code
            logs.get_logger(__name__).error("service.failed", error=damage.message, hint=damage.hint, exit_code=code)
            raise damage from error
        code = EXIT_BUG
        logs.get_logger(__name__).exception("bug")
        raise
    finally:
        # Python would wait for every thread, also for one that reads from a dead mount.
        ending.within(ending.AFTERWARDS, code, why="everything is done")


@click.command("pause", cls=Command, help=TABLE["pause"].help)
@click.pass_context
def pause(ctx: click.Context) -> None:
    """Nothing is sent until `syncd resume`, not even after a restart; what is being flipped is finished."""
    _set(globals_of(ctx), "pause", "paused until `syncd resume`; `syncd run` and `syncd sync` keep to it")


@click.command("resume", cls=Command, help=TABLE["resume"].help)
@click.pass_context
def resume(ctx: click.Context) -> None:
    """Go on after `syncd pause`."""
    _set(globals_of(ctx), "resume", "goes on; no service is running, `syncd run` starts one")


@click.command("reload", cls=Command, help=TABLE["reload"].help)
@click.option(
    "--pid", type=int, metavar="PID", help="The service's process; it then hears of a wrong configuration too."
)
@click.pass_context
def reload(ctx: click.Context, pid: int | None) -> int:
    """Returns when the new configuration is in force; exit code 78 when it was refused and the old one stays."""
    import contextlib
    import os
    import signal

    from syncd.commands.asking import ask
    from syncd.errors import EXIT_OK, BusyError, ConfigError
    from syncd.report import Lines, Report

    given = globals_of(ctx)
    wrong: ConfigError | None
    try:
        # The key is the affair of the service: systemd gives its credentials to it, not to whoever asks for a reload.
        # So is the file: what it refuses it says in its log, its metrics and on its page too.
        config, wrong = lastgood.load_or_last(given, {"SYNCD_API_KEY": "not-needed-here", **os.environ})
        answer = ask(config, "reload", {})
    except ConfigError as error:
        answer, wrong = None, error
    if answer is None and wrong is not None:
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGHUP)
        raise wrong
    if answer is None:
        raise BusyError(
            "no service is running", hint="`syncd run` starts one, and reads the configuration as it is then"
        )
    given.show(Report("reload", answer, (Lines((answer["message"],)),)))
    return EXIT_OK


def _set(given: Globals, kind: str, alone: str) -> None:
    import time
    from contextlib import closing

    from syncd.commands.asking import ask
    from syncd.errors import BusyError, LedgerWaits
    from syncd.ledger import Ledger, requests
    from syncd.report import Lines, Report
    from syncd.report.human import iso

    config = lastgood.load(given)
    answer = ask(config, kind, {})
    if answer is None:
        since = time.time() if kind == "pause" else None
        try:
            ledger = Ledger(config.ledger.path)
        except LedgerWaits:
            raise
        except BusyError as busy:
            # A pass is at work and ends by itself; the next one keeps to it.
            with requests.mailbox(config.ledger.path) as conn:
                requests.set_paused(conn, since)
            answer = {"message": f"{alone}; {busy.message}, whose pass is not concerned any more"}
        else:
            with closing(ledger), ledger.transaction(kind) as conn:
                requests.set_paused(conn, since)
            answer = {"message": alone}
    from syncd.commands.reading import ledger_if_any

    with ledger_if_any(config) as ledger_now:
        since = None if ledger_now is None else requests.paused(ledger_now.conn)
    document = {"message": answer["message"], "paused": None if since is None else {"since": iso(since)}}
    given.show(Report(kind, document, (Lines((answer["message"],)),)))


COMMANDS = {"run": run, "pause": pause, "resume": resume, "reload": reload}
