"""`syncd emulator`: the local FastGPT, in the foreground until a signal ends it."""

from __future__ import annotations

import click

from syncd.commands import TABLE
from syncd.commands.base import Command


@click.command("emulator", cls=Command, help=TABLE["emulator"].help)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Where to listen; 0 picks a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--data", metavar="DIR", help="A folder that keeps all state over restarts.")
@click.option("--compat", type=click.Choice(["4.12", "4.14", "4.16"]), default="4.14", show_default=True)
@click.option("--chaos", metavar="SPEC", help="Faults, for example 429:0.1,500:0.05,reset,slow:2s.")
@click.option("--seed", type=int, default=0, help="Makes faults, ids and keys repeatable.")
@click.option("--training-seconds", type=click.FloatRange(0), help="Time to parse a document.")
@click.option("--chunk-seconds", type=click.FloatRange(0), help="Time to embed a chunk.")
@click.option("--at-once", is_flag=True, default=None, help="Train before an upload is answered, for benchmarks.")
@click.option("--nobody-logged-in", is_flag=True, default=None, help="A server whose web page nobody has opened yet.")
@click.option("--ip-limit", type=click.IntRange(1), help="Search tests a second.")
def emulator(**options: object) -> int:
    """Its first line on stdout is a JSON document with base_url and the keys."""
    from syncd.emulator import main

    named = {f"--{name.replace('_', '-')}": value for name, value in options.items() if value is not None}
    arguments = [name if value is True else f"{name}={value}" for name, value in named.items() if value is not False]
    try:
        return main(arguments)
    except SystemExit as error:  # argparse
        return error.code if isinstance(error.code, int) else 2


COMMANDS = {"emulator": emulator}
