"""Commands that are promised and not there yet: they say so."""

from __future__ import annotations

import click

from syncd.commands import LATER, TABLE
from syncd.commands.base import Command
from syncd.errors import UsageError

_INSTEAD = {
    "apply": "until then `syncd sync` does what `syncd plan` shows",
    "audit": "the service looks at the server at the times of its job `audit` (`syncd status` shows the next one); "
    "without a service `syncd adopt` compares the server's collections with the ledger",
}


def _later(name: str) -> click.Command:
    def refuse(rest: tuple[str, ...]) -> None:
        raise UsageError(
            f"`syncd {name}` is not yet a command of this version",
            hint=_INSTEAD.get(name, "`syncd --help` shows what is"),
        )

    return Command(
        name,
        callback=refuse,
        help=TABLE[name].help,
        params=[click.Argument(["rest"], nargs=-1, type=click.UNPROCESSED)],
        context_settings={"ignore_unknown_options": True},
    )


COMMANDS: dict[str, click.Command] = {name: _later(name) for name in LATER}
