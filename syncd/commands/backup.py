"""`syncd backup`: a complete copy of the ledger, also while another syncd writes it."""

from __future__ import annotations

import click

from syncd.commands import TABLE, lastgood
from syncd.commands.base import Command, globals_of
from syncd.errors import UsageError


@click.command("backup", cls=Command, help=TABLE["backup"].help)
@click.argument("file")
@click.pass_context
def backup(ctx: click.Context, file: str) -> None:
    """Write the copy to FILE, which must not exist."""
    import os
    from pathlib import Path

    from syncd.ledger import Ledger
    from syncd.report import Lines, Report
    from syncd.report.human import size

    given = globals_of(ctx)
    config = lastgood.load(given)
    target = Path(file)
    if os.path.lexists(target):
        raise UsageError(f"{target} exists already and is left alone", hint="name a file that does not exist yet")
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}", hint="make it first; the ledger is as it was")
    os.umask(0o077)  # a copy is as private as the ledger
    ledger = Ledger(config.ledger.path, write=False)
    try:
        ledger.backup(target)
    finally:
        ledger.close()
    length = target.stat().st_size
    said = Lines((f"{target}: a complete copy of the ledger, {size(length)}",))
    given.show(Report("backup", {"path": str(target.absolute()), "bytes": length}, (said,)))


COMMANDS = {"backup": backup}
