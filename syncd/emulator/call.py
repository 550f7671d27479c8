"""One request as a route sees it, and the checks that routes share."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from syncd.emulator.answers import missing_params, validation
from syncd.emulator.core import Core


@dataclass(slots=True)
class Upload:
    """A multipart body. ``problem`` is what the parser complained about."""

    name: str | None = None
    content: bytes = b""
    size: int = 0
    fields: dict[str, str] = field(default_factory=dict)
    problem: str | None = None
    hangs: bool = False


@dataclass(slots=True)
class Call:
    """A request after its body was read and its key checked."""

    core: Core
    query: dict[str, str]
    body: dict[str, Any]
    key: str = "none"  # none, global or app
    key_app: str | None = None
    body_is_object: bool = True
    upload: Upload | None = None
    stale: float = 0.0  # seconds by which listings lag


Route = Callable[[Call], Any]


@dataclass(frozen=True, slots=True)
class Page:
    """A slice of a list. ``size`` None means all; ``start`` may be negative, as on the real server."""

    start: int
    size: int | None


def page_of(body: dict[str, Any], cap: int) -> Page:
    """The paging rules of section 5 of the record: ``offset`` and ``pageNum`` count only beside a ``pageSize``."""
    if body.get("pageSize") is None and "pageSize" not in body:
        return Page(0, min(10, cap))
    number = _number(body.get("pageSize"))
    if number == 0:
        raise missing_params()
    if number is None:
        return Page(0, None)
    size = min(int(number), cap) if number > 0 else abs(int(number))
    offset = _number(body.get("offset"))
    page = _number(body.get("pageNum"))
    if offset:
        return Page(int(offset), size)
    return Page((int(page) - 1) * size if page and page > 0 else 0, size)


def _number(value: Any) -> float | None:
    """JavaScript's Number(); None for NaN and infinity, 0 for null and empty texts."""
    if value is None or value == "":
        return 0.0
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def window(page: Page, total: int) -> tuple[int, int]:
    """(first row, number of rows) of a page; a negative start counts from the end (offset -5 gives the last five)."""
    if page.size is None:
        return 0, total
    if page.start < 0:
        first = max(0, total + page.start)
        return first, min(page.size, total - first)
    return page.start, page.size


_CHECKS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "str": ("string", lambda value: isinstance(value, str)),
    "str?": ("string", lambda value: value is None or isinstance(value, str)),
    "num?": ("number", lambda value: value is None or _number(value) is not None),
    "bool?": ("boolean", lambda value: value is None or isinstance(value, bool)),
    "list?": ("array", lambda value: value is None or isinstance(value, list)),
    "dict?": ("object", lambda value: value is None or isinstance(value, dict)),
}


def check(call: Call, **schema: str) -> None:
    """Refuse wrong types where the dialect has schemas (fastgpt-api.md, turning point 4.14.11)."""
    if not call.core.dialect.strict_bodies:
        return
    for name, kind in schema.items():
        expected, fits = _CHECKS[kind]
        if not fits(call.body.get(name)):
            received = "undefined" if name not in call.body else type(call.body[name]).__name__
            raise validation([name], f"Invalid input: expected {expected}, received {received}", expected=expected)
