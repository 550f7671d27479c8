"""Listings end: whatever a server says of how many rows there are, and whatever it gives."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_server import D1, ROW, Server, call, oid, ok
from virtual_loop import run

from syncd.errors import EXIT_INCOMPATIBLE
from syncd.fastgpt.models import CollectionRow
from syncd.fastgpt.paging import MOST_ROWS, Paging
from syncd.fastgpt.reading import Misshapen, Strange
from syncd.remotetree import Place, Spend, whole

Rows = Callable[[int, int], tuple[list[str], int]]
"""(offset, number of the request) -> the ids of a page, and the total."""
fresh = itertools.count()


def new_ids(count: int) -> list[str]:
    """Ids that nobody has seen."""
    return [f"{next(fresh):024x}" for _ in range(count)]


ENDLESS: dict[str, Rows] = {
    "a total out of all sense": lambda _offset, _n: (new_ids(100), 10**12),
    "a total that runs ahead": lambda offset, _n: (new_ids(100), offset + 200),
    "a total that runs ahead, late": lambda offset, _n: (new_ids(100), max(3000, offset + 200)),
    "one row a page": lambda _offset, _n: (new_ids(1), 300_000),
    "the same page again and again": lambda _offset, _n: ([oid(str(n)) for n in range(100)], 300_000),
    "the same row again and again": lambda _offset, _n: ([oid("x")] * 100, 300_000),
    "two pages in turns": lambda _offset, n: ([oid(f"{n % 2}.{row}") for row in range(30)], 10**9),
    "more rows than it claims": lambda _offset, _n: (new_ids(100), 1),
    "pages that hold everything": lambda _offset, _n: (new_ids(3_000), 30_000),
}


def walk(rows: Rows, what: str) -> tuple[list[Any] | Misshapen, int]:
    """What comes of a listing that goes like that, and how many requests it took."""
    asked = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        assert asked < 20_000, "it does not end"
        ids, total = rows(json.loads(request.content)["offset"], asked)
        one = ROW if what == "walk_folder" else {"q": "x"}
        return ok({"list": [{**one, "_id": id_} for id_ in ids], "total": total})

    try:
        args = (D1, None) if what == "walk_folder" else (D1,)
        return call(Server(answer), lambda client: getattr(client, what)(*args)), asked
    except Misshapen as error:
        assert error.exit_code == EXIT_INCOMPATIBLE
        assert error.endpoint == {"walk_folder": "list"}.get(what, what)
        return error, asked


@pytest.mark.parametrize("what", ["walk_folder", "chunks"])
@pytest.mark.parametrize("how", ENDLESS)
def test_listings_end(how: str, what: str) -> None:
    """A listing that has no end is told as an answer that is not FastGPT's, or ends when nothing new comes."""
    found, asked = walk(ENDLESS[how], what)
    assert asked <= 200
    if "again" in how or how in ("more rows than it claims", "pages that hold everything"):
        assert isinstance(found, list)
        assert len(found) <= MOST_ROWS
    else:
        assert isinstance(found, Misshapen)


def test_a_text_without_end() -> None:
    """The rows of one document hold only so many characters together."""
    page = {"list": [{"_id": oid(str(n)), "q": "x" * 500_000} for n in range(30)], "total": 300}

    def answer(request: httpx.Request) -> httpx.Response:
        offset = json.loads(request.content)["offset"]
        rows = [{**row, "_id": f"{offset + n:024x}"} for n, row in enumerate(page["list"])]  # type: ignore[arg-type]
        return ok({"list": rows, "total": 300})

    server = Server(answer)
    with pytest.raises(Misshapen, match="million characters"):
        call(server, lambda client: client.chunks(D1))
    assert len(server.seen) < 10


def test_a_server_that_plays_for_time() -> None:
    """Pages that come slower than one row a second, for ten minutes, are no listing."""
    count = 0

    async def slow(_request: httpx.Request) -> httpx.Response:
        nonlocal count
        count += 1
        await asyncio.sleep(29.0)
        return ok({"list": [{**ROW, "_id": id_} for id_ in new_ids(10)], "total": 300_000})

    async def main() -> None:
        async with Server(slow).client() as client:
            with pytest.raises(Misshapen, match=r"of 300000 rows in"):
                await client.walk_folder(D1, None)
        assert asyncio.get_running_loop().time() < 3600.0

    run(main())
    assert count < 100


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 5000),
    st.sampled_from([30, 100]),
    st.lists(st.sampled_from([-3, -1, 0, 0, 0, 1, 5]), min_size=1, max_size=20),
    st.floats(0.0, 20.0),
)
def test_an_honest_listing_is_read_to_its_end(rows: int, size: int, drift: list[int], pause: float) -> None:
    """Whatever others change meanwhile, a listing that gives what it has is read until it ends."""
    paging = Paging(0.0)
    total, now, pages = rows, 0.0, 0
    changes = itertools.cycle(drift)
    while paging.goes_on(max(0, min(size, total - paging.received)), total, min(paging.received + size, total), now):
        pages += 1
        now += pause if size / max(pause, 0.01) > 2 else 0.1
        total = max(0, total + next(changes))
        assert pages < 100_000
    assert paging.received >= total or paging.received == 0


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 10**13), st.booleans()), min_size=1, max_size=5))
def test_any_listing_ends(pages: list[tuple[int, int, bool]]) -> None:
    """Whatever sequence of pages is repeated for ever, it comes to an end before memory does."""
    paging = Paging(0.0)
    seen = 0
    try:
        for count, total, new in itertools.islice(itertools.cycle(pages), 100_000):
            seen += count if new else 0
            if not paging.goes_on(count, total, seen):
                break
        else:
            raise AssertionError("it does not end")
    except Strange:
        pass
    assert paging.received <= MOST_ROWS + 2000


# ------------------------------------------------------------ a whole dataset


def folder(id_: str, name: str = "f") -> CollectionRow:
    """A row of a folder."""
    return CollectionRow(id_, None, name, "folder", False, 0, 0, False)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("width", "name"), [(1, "f"), (3, "f"), (1, "n" * 60_000), (2000, "f")], ids=["chain", "bush", "names", "wide"]
)
def test_a_tree_without_end(width: int, name: str) -> None:
    """Folders within folders within folders end, however they are spread; nothing of it is believed."""
    asked = 0

    async def walk_(_place: Place, spend: Spend) -> list[CollectionRow]:
        nonlocal asked
        asked += 1
        spend(width)
        return [folder(id_, name) for id_ in new_ids(width)]

    with pytest.raises((Misshapen, Strange)):  # the client makes one of the other
        run(whole(walk_, 20_000))
    assert asked <= 20_000


def test_a_folder_in_itself() -> None:
    """A circle of folders is walked through once."""

    async def walk_(place: Place, _spend: Spend) -> list[CollectionRow]:
        return [folder("a"), folder("b")] if place[0] != "x" else []

    rows, paths = run(whole(walk_))
    assert {"a": "f", "b": "f"} == paths
    assert len(rows) == 6
