"""All of a dataset, folder by folder, as long as it can be one that somebody has made."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Coroutine
from typing import Any

from syncd.fastgpt.endpoints import LIST
from syncd.fastgpt.models import CollectionRow
from syncd.fastgpt.paging import MOST_ROWS
from syncd.fastgpt.reading import Misshapen, Strange
from syncd.together import together

_AT_ONCE = 256  # folders for which a task waits; those that may ask at once are fewer
_DEEPEST = 1_000  # folders in each other; FastGPT's own page gives up long before, Linux's paths end at 2 048
_LONGEST_PATHS = 64 << 20  # characters of all folders' paths together

Spend = Callable[[int], None]
Place = tuple[str | None, str]  # a folder's id and its path; the root's are None and ""


async def whole(
    walk: Callable[[Place, Spend], Coroutine[Any, Any, list[CollectionRow]]], most: int = MOST_ROWS
) -> tuple[list[CollectionRow], dict[str, str]]:
    """Return all rows of a dataset, and the path of each folder by its id.

    Args:
        walk: gives the direct children of a folder, and tells of their number while they come.
        most: rows that the dataset may have.

    Raises:
        Misshapen: it has no end, or is larger than any dataset.
        ServerError: what ``walk`` raises.
    """
    rows: list[CollectionRow] = []
    paths: dict[str, str] = {}
    level: list[Place] = [(None, "")]
    length = came = 0

    def spend(count: int) -> None:
        nonlocal came
        came += count
        if came > most:
            raise Strange(f"names {came} collections of one dataset, and goes on")

    for _ in range(_DEEPEST):
        below: list[Place] = []
        for first in range(0, len(level), _AT_ONCE):
            places = level[first : first + _AT_ONCE]
            listings = await together(walk(place, spend) for place in places)
            for (_, path), listing in zip(places, listings, strict=True):
                rows += listing
                for row in listing:
                    if row.is_folder and row.id not in paths:  # one that is in itself is seen once
                        paths[row.id] = posixpath.join(path, row.name)
                        length += len(paths[row.id])
                        below.append((row.id, paths[row.id]))
                if length > _LONGEST_PATHS:
                    raise _endless("paths of folders that are longer than any")
        if not below:
            return rows, paths
        level = below
    raise _endless(f"folders in each other, {_DEEPEST} deep and more")


def _endless(what: str) -> Misshapen:
    error = Misshapen(
        f"The answers to '{LIST.name}' are not FastGPT's: they name {what}.",
        hint="Look at what stands between syncd and FastGPT, and at fastgpt.base_url; then run `syncd doctor`.",
    )
    error.endpoint = LIST.name
    return error
