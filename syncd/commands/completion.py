"""`syncd completion`: the script that teaches a shell our commands."""

from __future__ import annotations

import click

from syncd.commands import TABLE
from syncd.commands.base import Command, globals_of


@click.command("completion", cls=Command, help=TABLE["completion"].help)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script; for bash: ``eval "$(syncd completion bash)"``."""
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None  # noqa: S101 - one of the three above
    root = ctx.find_root().command
    # `source_template` and not `source()`: that one starts bash to ask for its version.
    script = made.source_template % made(root, {}, "syncd", "_SYNCD_COMPLETE").source_vars()
    given = globals_of(ctx)
    if given.as_json:
        given.show_json({"schema": "syncd.completion/1", "shell": shell, "script": script})
    else:
        given.out(script.rstrip("\n") + "\n")


COMMANDS = {"completion": completion}
