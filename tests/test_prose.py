"""The README says what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from syncd import errors
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


def test_every_command_in_the_readme_exists() -> None:
    """No sentence of the README names a command that is not there."""
    named = set(re.findall(r"(?:`|^\$ |/)syncd ([a-z]+)\b", README, re.M))

    assert named - set(TABLE) == set()
    assert named


@pytest.mark.parametrize("name", ["demo", "test"])
def test_the_two_commands_are_marked(name: str) -> None:
    """CI reads the two commands off the README, so they must be where it looks."""
    found = re.search(rf"<!-- command: {name} -->\n```bash\n(.+?)\n```", README, re.S)

    assert found is not None
    assert "\n" not in found[1]
