"""The README says what the program does, and so does every other text that a person reads."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from syncd import errors
from syncd.cli import cli
from syncd.commands import TABLE

REPOSITORY = Path(__file__).resolve().parent.parent
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def exit_codes() -> set[int]:
    """Every exit code that the program knows, but for the signals'."""
    return {value for name, value in vars(errors).items() if name.startswith("EXIT_") and isinstance(value, int)}


def test_every_exit_code_is_in_the_table() -> None:
    """Whoever sees an exit code finds it in the README."""
    documented = {int(number) for row in re.findall(r"^\| ([\d, ]+) \|", README, re.M) for number in row.split(",")}

    assert exit_codes() | {130, 143} == documented


def test_gravity_is_as_documented() -> None:
    """The order of gravity in the README is the one that decides."""
    sentence = re.search(r"The gravest that applies: ([\d, ]+)\.", README)
    assert sentence is not None

    assert errors.EXIT_GRAVITY == tuple(int(number) for number in sentence[1].split(","))


def texts() -> list[Path]:
    """Everything that tells a person what to type: documents, units, scaffolds, and the sentences of the program."""
    named = ["README.md", "README.zh-CN.md", "CHANGELOG.md", "config.example.toml", "Dockerfile"]
    folders = [REPOSITORY / "systemd", REPOSITORY / "syncd"]
    kinds = {".md", ".py", ".toml", ".yml", ".yaml", ".service", ".timer", ".conf", ".json", ".html"}
    found = [REPOSITORY / name for name in named if (REPOSITORY / name).exists()]
    return found + [path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix in kinds]


def command_lines(text: str) -> Iterator[str]:
    """What stands behind `syncd` in backticks, at a prompt, and in the lines of scripts and units."""
    yield from re.findall(r"`(?:SYNCD_\w+=\S+ )?syncd ([^`\n{][^`\n]*)`", text)
    yield from re.findall(
        rf"^\s*(?:- )?(?:[\w./=-]+ )*?(?:\$ |/)?(?:\S*/)?syncd ((?:{'|'.join(TABLE)})\b[^\n|>&#;]*)", text, re.M
    )


def parsed(line: str) -> None:
    """Fail unless the command exists and takes what the line gives it."""
    words = shlex.split(re.sub(r"[{}\[\]]|…|\.\.\.", "", line), comments=True)
    while words and words[0].startswith("-"):
        words = words[2:] if words[0] == "--config" else words[1:]
    if not words:
        return  # `syncd --help`
    if words[0] == "COMMAND":
        return
    assert words[0] in TABLE, f"no command: syncd {line}"
    context = click.Context(cli, info_name="syncd")
    command = cli.get_command(context, words[0])
    assert command is not None
    inner = click.Context(command, parent=context, info_name=words[0])
    arguments = words[1:]
    if arguments and arguments[-1].startswith("--") and "=" not in arguments[-1]:
        option = next((p for p in command.get_params(inner) if arguments[-1] in p.opts), None)
        if isinstance(option, click.Option) and not option.is_flag and not option.count:
            arguments.append("VALUE")  # a sentence that names the option alone
    values, _, _ = command.make_parser(inner).parse_args(arguments)
    for parameter in command.get_params(inner):
        value = values.get(parameter.name or "")
        if isinstance(parameter.type, click.Choice) and isinstance(value, str) and not value.isupper():
            assert value in parameter.type.choices, f"syncd {line}"


def test_every_documented_command_line_can_be_typed() -> None:
    """No text names a command or an option that is not there."""
    seen = set()
    for path in texts():
        for line in command_lines(path.read_text(encoding="utf-8")):
            seen.add(line.split()[0])
            try:
                parsed(line)
            except (click.UsageError, ValueError) as error:
                raise AssertionError(f"{path.name}: syncd {line}: {error}") from error

    assert {"sync", "verify", "release", "scaffold"} <= seen


def test_every_option_that_the_readme_names_exists() -> None:
    """An option in the README belongs to some command of the program."""
    context = click.Context(cli, info_name="syncd")
    known = {opt for p in cli.params for opt in p.opts}
    for name in TABLE:
        command = cli.get_command(context, name)
        assert command is not None
        known |= {opt for p in command.get_params(click.Context(command)) for opt in (*p.opts, *p.secondary_opts)}
    readme = re.sub(r"`?(?:rsync|rclone|find|docker|git|pip|podman) [^`\n|;]*", "", README)
    readme = re.sub(r"```bash\n.*?```", "", readme, flags=re.S)
    named = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", readme))

    assert set() == named - known - {"--now"}  # systemctl's
    assert named


@pytest.mark.parametrize("name", ["demo", "test"])
def test_the_two_commands_are_marked(name: str) -> None:
    """CI reads the two commands off the README, so they must be where it looks."""
    found = re.search(rf"<!-- command: {name} -->\n```bash\n(.+?)\n```", README, re.S)

    assert found is not None
    assert "\n" not in found[1]
