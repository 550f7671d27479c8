"""`syncd doctor`: everything that must be right, and what to do about what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syncd.commands import TABLE
from syncd.commands.base import Command, Globals, globals_of
from syncd.errors import ConfigError, UsageError, gravest

if TYPE_CHECKING:
    from pathlib import Path


@click.command("doctor", cls=Command, help=TABLE["doctor"].help)
@click.option("--bundle", metavar="FILE", help="Write a redacted ZIP for a bug report.")
@click.pass_context
def doctor(ctx: click.Context, bundle: str | None) -> int:
    """One finding a line."""
    import asyncio
    import os
    from pathlib import Path

    from syncd import doctor as examiner
    from syncd.report import Finding, Level, Lines, Report
    from syncd.report.human import count

    given = globals_of(ctx)
    path = _configuration(given)
    if bundle is not None:
        try:
            asyncio.run(examiner.bundle(path, os.environ, Path(bundle)))
        except FileExistsError:
            raise UsageError(f"{bundle} exists already and is left alone", hint="name another file") from None
        except OSError as error:
            raise UsageError(f"cannot write {bundle}: {error.strerror}") from error
        said = Lines((f"{bundle} is written; no secret is in it, paths and addresses are",))
        given.show(Report("doctor-bundle", {"path": str(Path(bundle).absolute())}, (said,)))
        return 0
    found = asyncio.run(examiner.examine(path, os.environ))
    errors = [f for f in found if f.level == "error"]
    code = gravest({f.exit_code for f in errors})
    findings = [
        {"check": f.check, "level": f.level, "message": f.message, "hint": f.hint, "exit_code": f.exit_code}
        for f in found
    ]
    shown = tuple(Finding(Level(f.level), f.level, f"{f.check}: {f.message}", f.hint) for f in found)
    warnings = sum(f.level == "warning" for f in found)
    last = f"{count(len(errors), 'error')}, {count(warnings, 'warning')}" if errors or warnings else "all is well"
    given.show(Report("doctor", {"findings": findings, "exit_code": code}, (*shown, Lines((last,)))))
    return code


def _configuration(given: Globals) -> Path | None:
    """The file to examine; with it read, the key is known and can be kept out of all output."""
    import os

    from syncd import config
    from syncd.config import redacting

    try:
        path = config.find(given.config_path, os.environ)
    except ConfigError:
        given.configure_logs()
        return None
    try:
        given.load(path)
    except ConfigError:  # a finding of the examination
        given.configure_logs(redacting.secrets(redacting.tables_of(path), path, os.environ))
    return path


COMMANDS = {"doctor": doctor}
