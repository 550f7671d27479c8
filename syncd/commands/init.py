"""`syncd init`: a first configuration, never over an existing one."""

from __future__ import annotations

import click

from syncd.commands import TABLE
from syncd.commands.base import Command, globals_of
from syncd.errors import UsageError


@click.command("init", cls=Command, help=TABLE["init"].help)
@click.option("--path", "folder", metavar="DIR", help="The folder of documents; docs without it.")
@click.option("--dataset", metavar="NAME", help="The dataset it feeds, made when missing.")
@click.option("--base-url", metavar="URL", help="FastGPT's address, such as http://localhost:3000/api.")
@click.pass_context
def init(ctx: click.Context, folder: str | None, dataset: str | None, base_url: str | None) -> None:
    """Write ./config.toml, or the file that --config names."""
    import os
    import uuid
    from pathlib import Path

    from syncd.config import starter
    from syncd.report import Lines, Report

    given = globals_of(ctx)
    target = Path(given.config_path or os.environ.get("SYNCD_CONFIG") or "config.toml")
    space = str(uuid.uuid4())
    text = starter(space)
    if base_url is not None:
        text = _set(text, "base_url", base_url)
    if folder is not None:
        # In the file a relative path starts at the file; on the command line it starts here.
        same = target.absolute().parent == Path.cwd()
        text = _set(text, "path", folder if same else os.path.abspath(folder))
        name = os.path.basename(os.path.abspath(folder))
        if name and all(c.isascii() and (c.isalnum() or c in "._-") for c in name) and name.strip("."):
            text = _set(text, "name", name)
    if dataset is not None:
        text = _set(text, "dataset", dataset)
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise UsageError(
            f"{target} exists already and is left alone", hint="`syncd check` reads it; --config names another file"
        ) from None
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror}") from error
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    option = "" if target == Path("config.toml") else f" --config {target}"
    key_file = target.parent / "fastgpt-api-key"
    lines = Lines(
        (
            f"{target} is written.",
            "",
            "Next:",
            f"  1. put FastGPT's global key (Account -> API keys) into {key_file}, alone on one line,",
            f"     readable by you alone: (umask 077; cat > {key_file})",
            f"  2. look through {target}: base_url, path, dataset",
            f"  3. syncd{option} check     reads it, offline",
            f"     syncd{option} doctor    asks the server",
            f"     syncd{option} plan      shows what would be done",
            f"     syncd{option} sync      does it",
        )
    )
    given.show(Report("init", {"path": str(target.absolute()), "space": space}, (lines,)))


def _set(text: str, key: str, value: str) -> str:
    """Give the first line of ``key`` another value; a JSON string is a TOML string."""
    import json

    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if line.startswith(f"{key} ="):
            lines[number] = f"{key} = {json.dumps(value, ensure_ascii=False)}\n"
            break
    return "".join(lines)


COMMANDS = {"init": init}
