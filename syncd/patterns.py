r"""Patterns as git reads them in a ``.gitignore``, matched in time that grows with pattern times path. Pure.

Whoever writes documents writes patterns too, so none may cost more than it is worth: ``a*a*a*a*b`` keeps a matcher
that backtracks busy for ever. Here nothing is tried twice. Between two ``*`` stands text of a fixed length, and where
it fits first is always the best place for it, since that leaves most to what follows; the same holds for the folders
between two ``**``. So a pattern becomes a regular expression in which each ``*`` but the last stands in an atomic
group, and the last has one place where it can end. What needs no expression (a plain name, ``*.tmp``) gets none.

What git does (gitignore(5); its wildmatch.c and dir.c decide where the manual is silent) is tested against
``git check-ignore``. Different on purpose: characters count, not bytes (``?`` is one "é"); what git silently lets
match nothing (``[z-a]``, an open bracket, a backslash at the end) is an error, and so is ``**\/``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

MOST_WILDCARDS = 32
"""Runs of ``*`` in one pattern."""

LONGEST = 4096
"""Characters of one pattern; Linux knows no longer path."""

MOST_PATTERNS = 1000
"""Patterns with wildcards that hold for one path; plain names are looked up and not counted."""

MOST_CHARACTERS = 65_536
"""Of all patterns with wildcards that hold for one path; compiled, each takes some forty bytes."""

_REMEMBERED = 512
_LONGEST_REMEMBERED = 200  # characters
_CLASSES = {  # of ASCII, as in git
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "blank": " \\t", "cntrl": "\\x00-\\x1f\\x7f", "digit": "0-9",
    "graph": "!-~", "lower": "a-z", "print": " -~", "punct": "!-\\/:-@\\[-`{-~", "space": " \\t\\n\\r\\f\\v",
    "upper": "A-Z", "xdigit": "0-9A-Fa-f",
}  # fmt: skip
_WITH_SLASH = ("graph", "print", "punct")
_STAR, _DEEP, _SLASH = "*", "**", "/"  # what is neither of them is one character, as a regular expression


class PatternError(ValueError):
    """A pattern cannot be used; ``number`` says which one, from 1."""

    def __init__(self, message: str, number: int = 0) -> None:
        super().__init__(message)
        self.number = number


_Wild = tuple[int, Callable[[str], object], bool, bool]
"""A pattern with wildcards: its index, what tells whether it matches, whether that is asked of the last name of a path
(else of the path), and whether it is for directories alone."""


@dataclass(frozen=True, slots=True)
class Patterns:
    """Some patterns in their order; made by ``parse``."""

    negated: frozenset[int]  # those that take back
    _names: dict[str, int]  # plain name, or "/" and a plain path -> the last pattern that is this
    _directory_names: dict[str, int]  # the same, of those for directories alone
    _tried: tuple[_Wild, ...]  # the last one first
    characters: int = 0  # of those that are tried

    def last(self, path: str, *, directory: bool) -> int:
        """The index of the last pattern that matches ``path`` itself; -1 when none does."""
        name = path[path.rfind("/") + 1 :]
        found = -1
        if self._names:
            found = max(self._names.get(name, -1), self._names.get("/" + path, -1))
        if directory and self._directory_names:
            found = max(found, self._directory_names.get(name, -1), self._directory_names.get("/" + path, -1))
        for index, matches, of_name, of_directories in self._tried:
            if index < found:
                break
            if (directory or not of_directories) and matches(name if of_name else path):
                return index
        return found

    def __bool__(self) -> bool:
        return bool(self._names or self._directory_names or self._tried)

    @property
    def wild(self) -> int:
        """Number of those that are not looked up but tried."""
        return len(self._tried)

    def verdict(self, index: int) -> bool | None:
        """What the pattern of that index says: match, no match after all, or nothing when there is none."""
        return None if index < 0 else index not in self.negated


def parse(lines: Sequence[str], *, strict: bool = False) -> Patterns:
    """Read patterns.

    Args:
        lines: one pattern each, without line ends; paths are compared with them as they are spelled.
        strict: what matches nothing, a blank line or a comment too, is an error.

    Raises:
        PatternError: one is malformed, too long, has too many wildcards, or there are too many.
    """
    negated: set[int] = set()
    names: dict[str, int] = {}
    directory_names: dict[str, int] = {}
    wild: list[_Wild] = []
    characters = 0
    for index, line in enumerate(lines):
        try:
            text = _trimmed(line)
            one = None if not text or text.startswith("#") else _compiled(text.removeprefix("!"))
        except ValueError as error:
            raise PatternError(f"the pattern {_short(line)} {error}", index + 1) from None
        if one is None:
            if strict:
                raise PatternError(f"the pattern {_short(line)} can match nothing", index + 1)
            continue
        if text.startswith("!"):
            negated.add(index)
        if one.plain:
            (directory_names if one.of_directories else names)[one.plain] = index
            continue
        characters += len(text)
        _bound(len(wild) + 1, characters, index + 1)
        assert one.matches is not None  # noqa: S101 - what is not plain has one
        wild.append((index, one.matches, one.of_name, one.of_directories))
    return Patterns(frozenset(negated), names, directory_names, tuple(reversed(wild)), characters)


def check_together(layers: Iterable[Patterns], line: int) -> None:
    """Raise ``PatternError`` for ``line`` when all of these, which hold for one path, are too many."""
    held = list(layers)
    _bound(sum(each.wild for each in held), sum(each.characters for each in held), line)


def _bound(patterns: int, characters: int, line: int) -> None:
    if patterns > MOST_PATTERNS:
        raise PatternError(f"more than {MOST_PATTERNS} patterns with wildcards hold here", line)
    if characters > MOST_CHARACTERS:
        raise PatternError(f"patterns with wildcards of more than {MOST_CHARACTERS} characters hold here", line)


def _short(line: str) -> str:
    return repr(line) if len(line) <= 60 else f"{line[:40]!r}…"


def _trimmed(line: str) -> str:
    """Without the spaces at its end, as far as no backslash keeps them."""
    end = at = 0
    while at < len(line):
        step = 2 if line[at] == "\\" else 1
        if line[at] != " ":
            end = at + step
        at += step
    return line[:end]


@dataclass(frozen=True, slots=True)
class _Compiled:
    of_name: bool
    of_directories: bool
    plain: str  # a name, or "/" and a path; "" when there are wildcards
    matches: Callable[[str], object] | None


def _compiled(pattern: str) -> _Compiled | None:
    """The same as ``_compile``, without work for what is met in every scan."""
    return _remembered(pattern) if len(pattern) <= _LONGEST_REMEMBERED else _compile(pattern)


def _compile(pattern: str) -> _Compiled | None:
    """Translate one pattern without its "!"; ``None`` when it can match nothing.

    Raises:
        ValueError: it is malformed or beyond the bounds; the message goes on from "the pattern …".
    """
    if "\0" in pattern or "\n" in pattern:
        raise ValueError("holds a character that no path has")
    if len(pattern) > LONGEST:
        raise ValueError(f"has {len(pattern)} characters; the most is {LONGEST}")
    of_directories = pattern.endswith("/")
    text = pattern.removesuffix("/")
    of_name = "/" not in text
    tokens = _tokens(text.removeprefix("/"), deep=not of_name)
    stars = sum(token in (_STAR, _DEEP) for token in tokens)
    if stars > MOST_WILDCARDS:
        raise ValueError(f"has {stars} wildcards; the most is {MOST_WILDCARDS}")
    begin, tokens = _odd_begin(tokens)
    segments = _segments(tokens)
    if len(segments) == 2 and segments[0] == [_DEEP] != segments[1] and not begin:
        of_name, segments = True, segments[1:]  # "**/a" is "a"
    if not all(segments) and not begin:
        return None  # an empty name
    plain = None if begin else _plain(segments)
    if plain is not None:
        return _Compiled(of_name, of_directories, plain if of_name else "/" + plain, None)
    if of_name and segments[0][0] == _STAR and (end := _plain([segments[0][1:]])) is not None:
        return _Compiled(of_name, of_directories, "", _ends_with(end))
    expression = re.compile(_expression(segments, begin), re.DOTALL)
    return _Compiled(of_name, of_directories, "", expression.match)


_remembered = lru_cache(_REMEMBERED)(_compile)


def _ends_with(end: str) -> Callable[[str], object]:
    return lambda name: name.endswith(end)


def _tokens(pattern: str, *, deep: bool) -> list[str]:
    """Take a pattern apart.

    Args:
        deep: "**" as a whole segment goes over folders; else it is "*".
    """
    found: list[str] = []
    plainly = next((at for at, character in enumerate(pattern) if character in "*?[\\"), -1)  # up to the first wildcard
    at = 0
    while at < len(pattern):
        here = pattern[at]
        if here == "*":
            end = at + 1
            while pattern[end : end + 1] == "*":
                end += 1
            whole = at == 0 or found[-1] == _SLASH or at == plainly
            if whole and deep and pattern.startswith("\\/", end):
                raise ValueError("is malformed: there is a backslash before the slash behind its stars")
            whole = whole and pattern[end : end + 1] in ("", "/")
            found.append(_DEEP if deep and whole and end - at > 1 else _STAR)
            at = end
        elif here == "?":
            found.append("[^/]")
            at += 1
        elif here == "[":
            one, at = _bracket(pattern, at + 1)
            found.append(one)
        else:
            if here == "\\":
                at += 1
                if at == len(pattern):
                    raise ValueError("is malformed: it ends with a backslash")
            found.append(_SLASH if pattern[at] == "/" else re.escape(pattern[at]))
            at += 1
    return found


def _bracket(pattern: str, at: int) -> tuple[str, int]:
    """Translate a bracket whose first character is at ``at``; returns its expression and where the pattern goes on."""
    negated = pattern[at : at + 1] in ("!", "^")
    at += negated
    parts: list[str] = []
    slash = False
    before = ""  # a character that may begin a range
    first = True
    while first or pattern[at : at + 1] != "]":
        first = False
        here, at, escaped = _inside(pattern, at)
        if here == "-" and not escaped and before and pattern[at : at + 1] not in ("", "]"):
            end, at, _ = _inside(pattern, at)
            if end < before:
                raise ValueError(f'is malformed: the range "{before}-{end}" is empty')
            parts[-1] = f"{re.escape(before)}-{re.escape(end)}"
            slash = slash or before <= "/" <= end
            before = ""
            continue
        if here == "[" and not escaped and pattern[at : at + 1] == ":":
            close = pattern.find("]", at + 1)
            if close < 0:
                raise ValueError("is malformed: a bracket is not closed")
            if close - at >= 2 and pattern[close - 1] == ":":
                name = pattern[at + 1 : close - 1]
                if name not in _CLASSES:
                    raise ValueError(f'is malformed: nobody knows the class "[:{name[:20]}:]"')
                parts.append(_CLASSES[name])
                slash = slash or name in _WITH_SLASH
                at, before = close + 1, ""
                continue
        parts.append(re.escape(here))
        slash = slash or here == "/"
        before = here
    inner = "".join(parts)
    if negated:
        return f"[^/{inner}]", at + 1
    return (f"(?!/)[{inner}]" if slash else f"[{inner}]"), at + 1


def _inside(pattern: str, at: int) -> tuple[str, int, bool]:
    """One character inside a bracket, where the next one is, and whether a backslash stood before it."""
    escaped = pattern[at : at + 1] == "\\"
    at += escaped
    if at >= len(pattern):
        raise ValueError("is malformed: a bracket is not closed")
    return pattern[at], at + 1, escaped


def _odd_begin(tokens: list[str]) -> tuple[str, list[str]]:
    """Take the text off that stands right before the first "**", as in "docs/a**/b".

    The manual says that such a "**" is a "*". But git compares the text before the first wildcard apart, and what is
    left then begins with "**": it goes over folders, and matches nothing at all, too.
    """
    at = tokens.index(_DEEP) if _DEEP in tokens else 0
    if not at or tokens[at - 1] == _SLASH:
        return "", tokens
    return "".join(tokens[:at]), tokens[at:]


def _segments(tokens: Sequence[str]) -> list[list[str]]:
    """Take tokens apart at their slashes; "**/**" is "**"."""
    found: list[list[str]] = [[]]
    for token in tokens:
        if token != _SLASH:
            found[-1].append(token)
        elif found[-2:] == [[_DEEP], [_DEEP]]:
            found[-1] = []
        else:
            found.append([])
    return found[:-1] if found[-2:] == [[_DEEP], [_DEEP]] else found


def _plain(segments: Sequence[Sequence[str]]) -> str | None:
    """The text that segments without wildcards stand for; ``None`` when there are wildcards."""
    for segment in segments:
        for token in segment:
            if token in (_STAR, _DEEP) or len(token.removeprefix("\\")) != 1:
                return None
    return "/".join("".join(token[-1] for token in segment) for segment in segments)


def _expression(segments: Sequence[Sequence[str]], odd: str) -> str:
    """The regular expression of a whole path; to be matched from its beginning.

    Args:
        odd: stands before the segments, see ``_odd_begin``; "" nearly always.
    """
    groups: list[list[str]] = [[]]  # what stands between the "**"
    for segment in segments:
        if segment == [_DEEP]:
            groups.append([])
        else:
            groups[-1].append(_segment(segment))
    begin, *between = groups
    found = "".join(each + "/" for each in begin) if between else "/".join(begin)
    edge = "(?<![^/])"  # where a name begins
    if odd:
        found, edge = odd, rf"(?:{edge}|(?<=\A{odd}))"
    for number, group in enumerate(between, 1):
        if number < len(between):
            found += f"(?>.*?{edge}" + "".join(each + "/" for each in group) + ")"
        elif group:
            found += f".*?{edge}" + "/".join(group)
        else:
            found += ".*" if odd and number == 1 else ".+"
        edge = "(?<![^/])"
    return found + r"\Z"


def _segment(tokens: Sequence[str]) -> str:
    """The regular expression of one name."""
    pieces: list[str] = [""]  # what stands between the "*"
    for token in tokens:
        if token == _STAR:
            pieces.append("")
        else:
            pieces[-1] += token
    begin, *between = pieces
    if not between:
        return begin
    return begin + "".join(f"(?>[^/]*?{each})" for each in between[:-1]) + "[^/]*" + between[-1]
