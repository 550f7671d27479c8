"""Pure: the bytes of an answer → JSON that FastGPT may have written, within bounds; or what is strange about it.

FastGPT's answers are written by ``JSON.stringify`` from what MongoDB holds: UTF-8, numbers that a double holds exactly,
no lone surrogates, no name twice in an object, a few levels deep. What is outside of that was written by somebody else,
and Python's own reader would take it: 60 MB of ``[{},{},…]`` become 1.6 GB, a number of a thousand digits breaks the
ledger, 1 000 levels break whoever walks through them.
"""

from __future__ import annotations

import json
import re
from typing import Any

from syncd import errors

MOST_VALUES = 200_000
"""Values in one answer; a page of 100 rows has some 5 000. An empty object of two bytes takes 72 bytes when read."""

DEEPEST = 32
"""Levels of lists and objects in each other; the deepest real answer has 8."""

_QUOTE = ord('"')
_LONGEST_NUMBER = 32  # characters; JavaScript writes 25 at most
_SAFE_DIGITS = 16
_LARGEST_NUMBER = 2**53  # what a double holds exactly

_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[,\[{]', re.DOTALL)  # a text, or what parts two values
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}|\\u[dD][c-fC-F][0-9a-fA-F]{2}")


class Misshapen(errors.Incompatible):
    """Something else than FastGPT writes came in FastGPT's place: it says nothing of a document, whatever was asked."""


class Strange(ValueError):
    """It is no JSON that FastGPT writes; the text says why, to stand after "it"."""


def read(body: bytes, most: int = MOST_VALUES) -> Any:
    """Return the JSON of an answer.

    Args:
        body: the decompressed bytes.
        most: values that it may hold.

    Raises:
        Strange: it is out of the bounds of what FastGPT writes.
        ValueError: it is no JSON, or half of one.
    """
    if _holds_more(body, most):
        raise Strange(f"holds more than {most} values")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.end >= len(body) and "end of data" in error.reason:
            raise  # it broke off within a character
        raise Strange("is no UTF-8") from None
    try:
        found = _DECODER.decode(text)
    except RecursionError:
        raise Strange(f"is nested deeper than {DEEPEST} levels") from None
    if _deeper(found, DEEPEST):
        raise Strange(f"is nested deeper than {DEEPEST} levels")
    if _ESCAPED_SURROGATE.search(body) and not _is_text(found):
        raise Strange("holds half a character (a lone surrogate)")
    return found


def _holds_more(body: bytes, most: int) -> bool:
    """Whether a JSON text holds more values than that, counted before anything is made of them."""
    if body.count(b",") + body.count(b"[") + body.count(b"{") <= most:
        return False
    parts = texts = 0  # what stands within texts parts nothing
    for token in _TOKEN.finditer(body):
        if body[token.start()] == _QUOTE:
            texts += 1
        else:
            parts += 1
        if parts > most or texts > 2 * most + 1:
            return True
    return False


def _deeper(value: object, most: int) -> bool:
    """Whether lists and objects stand in each other deeper than ``most``; level by level, so that nothing recurses."""
    level = [value]
    for _ in range(most):
        level = [
            child
            for parent in level
            if isinstance(parent, (dict, list))
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True


def _is_text(value: object) -> bool:
    """Whether all texts in there can be written down; the value is not deep."""
    if isinstance(value, str):
        return is_text(value)
    if isinstance(value, dict):
        return all(is_text(name) and _is_text(child) for name, child in value.items())
    return all(_is_text(child) for child in value) if isinstance(value, list) else True


def is_text(text: str) -> bool:
    """Whether it holds whole characters only; half of a pair cannot be printed, logged or kept in the ledger."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Strange("names a field twice")
    return found


def _whole(digits: str) -> int:
    if len(digits) < _SAFE_DIGITS or (len(digits) <= _LONGEST_NUMBER and abs(int(digits)) <= _LARGEST_NUMBER):
        return int(digits)
    raise Strange("holds a number that is out of all bounds")


def _fraction(digits: str) -> float:
    number = float(digits) if len(digits) <= _LONGEST_NUMBER else float("inf")
    if not -1e300 < number < 1e300:
        raise Strange("holds a number that is out of all bounds")
    return number


def _no_number(word: str) -> float:
    raise Strange(f"holds {word}, which is no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_int=_whole, parse_float=_fraction, parse_constant=_no_number)
