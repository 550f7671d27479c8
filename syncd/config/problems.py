"""Collects everything that is wrong with a configuration, so that a person mends it in one go."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NoReturn

from syncd.config.kinds import printable
from syncd.errors import ConfigError


class Problems:
    """Problems and warnings, each with its place; given out in the order of the lines, the environment last."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._in_file: list[tuple[int, str]] = []
        self._in_environment: list[str] = []
        self._warnings: list[tuple[int, str]] = []
        self._of_environment: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._in_file or self._in_environment)

    def at(self, line: int, text: str) -> None:
        """Report a problem in the file."""
        self._in_file.append((line, text))

    def variable(self, text: str) -> None:
        """Report a problem in the environment; ``text`` begins with the variable's name."""
        self._in_environment.append(text)

    def blame_variable(self, name: str) -> Callable[[str], None]:
        """Return the function that reports a problem with the value of one variable."""
        return lambda text: self.variable(f"{name} {text}")

    def warn(self, line: int, text: str) -> None:
        """Note what is allowed and yet probably not meant."""
        self._warnings.append((line, text))

    def warn_of_variable(self, text: str) -> None:
        """Note the same of what the environment says; ``text`` begins with the variable's name."""
        self._of_environment.append(text)

    def warnings(self) -> tuple[str, ...]:
        """The warnings, of the form ``file:line: text``, in the order of the lines, the environment last."""
        return (*self._lines(self._warnings), *(f"environment: {printable(text)}" for text in self._of_environment))

    def fail(self) -> NoReturn:
        """Raise ``ConfigError`` with every problem."""
        problems = self._lines(self._in_file) + [f"environment: {printable(text)}" for text in self._in_environment]
        raise ConfigError(problems, hint="correct the configuration and try again; `syncd check` reads it offline")

    def _lines(self, found: list[tuple[int, str]]) -> list[str]:
        return [printable(f"{self._file}:{line}: {text}") for line, text in sorted(found, key=lambda item: item[0])]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean "…"?`` for the known word nearest to ``word``, or "" when none is near."""
    import difflib

    near = difflib.get_close_matches(word[:100], list(known), n=1, cutoff=0.6)
    return f'; did you mean "{near[0]}"?' if near else ""
