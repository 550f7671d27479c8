"""What a single value may be.

A ``Kind`` checks one TOML value and returns what it means; it raises ``ValueError`` with a message that
continues the sentence ``"key" …``. ``literal`` turns the text of an environment variable into the TOML value
that it stands for.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from syncd.durations import format_duration, parse_duration, parse_percent, parse_size

_KEY_ITSELF = re.compile(r"\s*(?:fastgpt|openapi|sk)-[A-Za-z0-9_-]{20,}\s*")
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value: its check, how an environment variable writes it, and whether nobody may be shown it."""

    check: Callable[[object], Any]
    literal: Callable[[str], object] = str
    hidden: bool = False

    def accepts(self, value: object) -> bool:
        """Whether ``value`` passes the check."""
        try:
            self.check(value)
        except ValueError:
            return False
        return True


def looks_like_key(text: str) -> bool:
    """Whether ``text`` is an API key rather than the name of something; such a text is never shown."""
    return _KEY_ITSELF.fullmatch(text) is not None


def describe(value: object) -> str:
    """Name a wrong value in a message: short, on one line, and never a key."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        # A number of thousands of digits cannot even be printed (Python limits the conversion).
        return "so large a number" if abs(value) >= 10**18 else f"the number {value}"
    if isinstance(value, str):
        if looks_like_key(value):
            return "what looks like an API key"
        shown = value if len(value) <= 60 else value[:57] + "..."
        return '"' + printable(shown.replace("\\", "\\\\").replace('"', '\\"')) + '"'
    if isinstance(value, list):
        return "a list"
    return "a table" if isinstance(value, dict) else "a date or time"


def printable(text: str) -> str:
    """``text`` on one line: characters that cannot be printed are written as escapes."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def _text(value: object, what: str = "a text in quotes") -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be {what}, not {describe(value)}")
    return value


def _unprintable(text: str) -> bool:
    return any(unicodedata.category(character) == "Cc" for character in text)


# ---------------------------------------------------------------- texts


def text() -> Kind:
    """Any text, the empty one and one of several lines included."""
    return Kind(_text)


def label(what: str, *, empty: bool = False) -> Kind:
    """A text on one line without blanks at its ends, in NFC; ``what`` says what it names."""

    def check(value: object) -> str:
        line = unicodedata.normalize("NFC", _text(value))
        if not line and not empty:
            raise ValueError(f"must not be empty; write {what}")
        if line != line.strip():
            raise ValueError(f"must not begin or end with a blank: {describe(line)}")
        if _unprintable(line):
            raise ValueError(f"must not contain line breaks or control characters: {describe(line)}")
        return line

    return Kind(check)


def secret() -> Kind:
    """A text that no message may show."""

    def check(value: object) -> str:
        if not isinstance(value, str):
            raise ValueError("must be a text in quotes")
        return value

    return Kind(check, hidden=True)


def name(*, empty: bool = False) -> Kind:
    """Letters, digits, dot, dash and underscore of ASCII: safe in paths, metrics and shells."""

    def check(value: object) -> str:
        word = _text(value)
        if empty and not word:
            return word
        if not _NAME.fullmatch(word) or not word.strip(".") or len(word) > _LONGEST_NAME:
            raise ValueError(
                f"must consist of letters, digits, dots, dashes and underscores (A-Z a-z 0-9 . - _), "
                f"at most {_LONGEST_NAME}, not {describe(word)}"
            )
        return word

    return Kind(check)


def path(*, secret_file: bool = False) -> Kind:
    """A path as it was written; the reader makes it absolute.

    That of a file with a secret is not shown: people put the secret itself where its file's name belongs.
    """

    def check(value: object) -> str:
        if secret_file and not isinstance(value, str):
            raise ValueError("must be a path in quotes")
        written = _text(value, "a path in quotes")
        if looks_like_key(written):
            what = "the key itself; it must name a file that contains the key" if secret_file else "a key, not a path"
            raise ValueError(f"looks like {what}")
        if not written.strip():
            raise ValueError("must not be empty; write a path")
        if "\0" in written:
            raise ValueError("must not contain a null character")
        return written

    return Kind(check, hidden=secret_file)


def choice(*words: str) -> Kind:
    """One of ``words``."""
    listed = ", ".join(f'"{word}"' for word in words[:-1]) + f' or "{words[-1]}"'

    def check(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise ValueError(f"must be {listed}, not {describe(value)}")
        return value

    return Kind(check)


def texts(check_one: Callable[[str], str], *, example: str, empty: bool = True) -> Kind:
    """A list of texts, each passed through ``check_one``."""

    def check(value: object) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise ValueError(f"must be a list such as {example}, not {describe(value)}")
        for item in value:
            if not isinstance(item, str):
                raise ValueError(f"must be a list of texts such as {example}, but contains {describe(item)}")
        if not value and not empty:
            raise ValueError(f"must not be empty; write a list such as {example}")
        return tuple(check_one(item) for item in value)

    return Kind(check)


# ---------------------------------------------------------------- numbers


def whole(low: int, high: int) -> Kind:
    """A whole number from ``low`` to ``high``."""

    def check(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}, not {describe(value)}")
        return value

    return Kind(check, _number)


def rate(high: float) -> Kind:
    """A number above 0, at most ``high``; a fraction is welcome."""

    def check(value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= high:
            raise ValueError(f"must be a number above 0 and at most {high:g}, not {describe(value)}")
        return float(value)

    return Kind(check, _number)


def _number(written: str) -> object:
    for read in (int, float):
        try:
            return read(written)
        except ValueError:
            continue
    return written


def flag() -> Kind:
    """``true`` or ``false``."""

    def check(value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError(f"must be true or false (without quotes), not {describe(value)}")
        return value

    return Kind(check, lambda written: {"true": True, "false": False}.get(written, written))


# ---------------------------------------------------------------- amounts with a unit


def duration(*, zero: bool = False, at_least: float = 0.0) -> Kind:
    """Seconds, written with a unit; "0s" only where ``zero`` makes sense."""

    def check(value: object) -> float:
        seconds = _amount(value, parse_duration, 'a duration such as "30s", "5m" or "1h30m"', "s")
        if not seconds and not zero:
            raise ValueError(f"must be longer than nothing, not {describe(value)}")
        if seconds < at_least:
            raise ValueError(f'must be at least "{format_duration(at_least)}", not {describe(value)}')
        return seconds

    return Kind(check)


def size() -> Kind:
    """Bytes, written with a unit; more than none."""

    def check(value: object) -> int:
        count = int(_amount(value, parse_size, 'a size such as "500kB", "10MB" or "2GiB"', "MB"))
        if not count:
            raise ValueError(f"must be more than nothing, not {describe(value)}")
        return count

    return Kind(check)


def percent() -> Kind:
    """A percentage from 0 to 100, written with its sign."""
    return Kind(lambda value: float(_amount(value, parse_percent, 'a percentage such as "20%"', "%")))


def _amount(value: object, parse: Callable[[str], float], what: str, unit: str) -> float:
    if not isinstance(value, str):
        plain = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        hint = f'; did you mean "{value}{unit}"?' if plain and 0 <= value < 10**9 else ""  # type: ignore[operator]
        raise ValueError(f"must be {what}, not {describe(value)}{hint}")
    try:
        return parse(value)
    except ValueError as error:
        raise ValueError(f"{error}, not {describe(value)}") from None
