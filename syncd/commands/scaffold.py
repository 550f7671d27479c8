"""`syncd scaffold`: files for wherever syncd runs."""

from __future__ import annotations

from pathlib import Path

import click

from syncd.commands import TABLE
from syncd.commands.base import Command, globals_of
from syncd.scaffolding import KINDS

_KINDS = "\n".join(["\b", "Kinds:", *(f"  {kind:<12}{what}" for kind, what in KINDS.items())])


@click.command("scaffold", cls=Command, help=TABLE["scaffold"].help, epilog=_KINDS)
@click.argument("kind")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Write files there instead of printing them."
)
@click.option("--force", is_flag=True, help="Write over files that exist.")
@click.option("--shards", type=click.IntRange(1, 4096), default=1, metavar="N", help="For k8s: so many instances.")
@click.pass_context
def scaffold(ctx: click.Context, kind: str, out: Path | None, force: bool, shards: int) -> None:
    """Print or write the files of one kind."""
    from syncd import scaffolding

    given = globals_of(ctx)
    made = scaffolding.files(kind, shards=shards)
    document = {
        "schema": "syncd.scaffold/1",
        "kind": kind,
        "files": [{"path": file.path, "content": file.content} for file in made],
    }
    if out is not None:
        written = scaffolding.write(made, out, force=force)
        for path in written:
            given.note(f"wrote {path}")
    elif not given.as_json:
        given.out(scaffolding.printed(made))
    if given.as_json:
        given.show_json(document)


COMMANDS = {"scaffold": scaffold}
