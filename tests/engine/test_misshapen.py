"""Answers that cannot be FastGPT's, as the engine meets them: nobody is blamed, nothing is deleted, and all ends."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from answers import ROUTES, instead
from laws import converged, no_gap, rows
from service_world import Service, ServiceWorld
from texts import text
from world import World
from world_parts import Forward

from syncd.engine import Engine
from syncd.errors import EXIT_INCOMPATIBLE, Incompatible

HOURS = 4 * 3600.0


def wrong(_real: httpx.Response | None) -> httpx.Response:
    """FastGPT's envelope around something else."""
    return httpx.Response(200, json={"code": 200, "statusText": "", "message": "", "data": [[[1]]]})


def nan(_real: httpx.Response | None) -> httpx.Response:
    """What Python would take for JSON."""
    return httpx.Response(200, content=b'{"code":200,"statusText":"","message":"","data":NaN}')


def at_rest(world: World) -> None:
    """Three documents that serve; one of them is about to change, one to come, one to go."""
    world.delete_at_once()
    for name in ("one", "two", "gone", "sub/changing"):
        world.write(f"{name}.md", text(name))
    assert world.sync().exit_code == 0
    world.sleep(1000)
    world.write("sub/changing.md", text("sub/changing", 2))
    world.write("new.md", text("new"))


def blamed(world: World) -> list[Any]:
    """Documents that anything is held against."""
    return rows(world, "select path from documents where quarantine is not null or attempts > 0 or setbacks > 0")


def endless(world: World, total: Callable[[int], int], pause: float = 0.05) -> list[float]:
    """A listing of ever new collections; returns when it was asked, filled in on the way.

    Args:
        total: of the rows, as it claims by the number of the page.
        pause: seconds that each page takes.
    """
    asked: list[float] = []
    ids = itertools.count()

    async def between(request: httpx.Request, forward: Forward) -> httpx.Response:
        if not request.url.path.endswith(ROUTES["list"]):
            return await forward(request)
        asked.append(world.now())
        await asyncio.sleep(pause)
        listed = [
            {"_id": f"{next(ids):024x}", "parentId": None, "name": "x", "type": "file", "dataAmount": 1}
            for _ in range(100)
        ]
        data = {"list": listed, "total": total(len(asked))}
        return httpx.Response(200, json={"code": 200, "statusText": "", "message": "", "data": data})

    world.between = between
    return asked


@pytest.mark.parametrize(
    "total",
    [lambda _page: 10**12, lambda page: page * 100 + 200],
    ids=["a total out of all sense", "a total that runs ahead"],
)
def test_an_endless_listing_ends_a_run(world: World, total: Callable[[int], int]) -> None:
    """A dataset without end is exit code 76 within seconds; nothing is sent, changed or deleted for it."""
    world.delete_at_once()
    for name in ("one", "two"):
        world.write(f"{name}.md", text(name))
    assert world.sync().exit_code == 0
    world.sleep(1000)
    world.remove("two.md")
    world.write("new.md", text("new"))
    before, began = world.emulator.snapshot(), world.now()
    asked = endless(world, total)
    with pytest.raises(Incompatible) as caught:
        world.sync()
    assert caught.value.exit_code == EXIT_INCOMPATIBLE
    assert world.now() - began < 60
    assert 1 <= len(asked) <= 60
    assert before == world.emulator.snapshot()
    assert blamed(world) == []
    world.between = None
    world.sleep(100)
    assert world.sync().exit_code == 0
    converged(world)


def test_a_stop_breaks_off_a_listing(world: World) -> None:
    """SIGTERM while a long listing is read ends the run at once, not at the listing's end."""
    world.write("one.md", text("one"))
    assert world.sync().exit_code == 0
    world.sleep(1000)
    world.lose_ledger()
    asked = endless(world, lambda _page: 300_000, pause=5.0)

    async def stopped(engine: Engine) -> None:
        asyncio.get_running_loop().call_later(100.0, engine.stop)
        await engine.sync()

    began = world.now()
    world.run(stopped)
    assert 100.0 <= world.now() - began < 101.0
    assert len(asked) <= 21


@pytest.fixture
def service_world(scratch: Path) -> ServiceWorld:
    """A world with a service in it."""
    return ServiceWorld(scratch / "service")


@pytest.mark.parametrize("answer", [wrong, pytest.param(nan, marks=pytest.mark.long)])
@pytest.mark.parametrize("route", ["upload", "detail", "list", "training", "chunks", "search", "create_folder"])
def test_a_document_whose_answers_are_nobodys(
    service_world: ServiceWorld, route: str, answer: Callable[[httpx.Response | None], httpx.Response]
) -> None:
    """What is answered for one document for hours, and is no answer of FastGPT's, is never held against it."""
    world = service_world
    at_rest(world)
    path = "fresh/one.md" if route == "create_folder" else "sub/changing.md"
    if route == "create_folder":
        world.write(path, text("fresh/one"))
    struck = instead(world, route, answer, path=path, times=100_000, effect=False)
    strange, mended = world.between, asyncio.Event()
    assert strange is not None

    async def between(request: httpx.Request, forward: Forward) -> httpx.Response:
        return await (forward(request) if mended.is_set() else strange(request, forward))

    world.between = between

    async def script(service: Service) -> None:
        await asyncio.sleep(600.0)
        service.remove("gone.md")
        await asyncio.sleep(HOURS)
        assert {"one.md", "two.md", "new.md"} <= {p for p, state in world.states().items() if state == "verified"}
        assert blamed(world) == []
        mended.set()
        await service.until(lambda: world.states()[path] == "verified", every=10.0, limit=4000.0)

    world.serve(script)
    assert 2 <= len(struck) <= 400
    assert world.broken == []
    no_gap(world)
    world.between = None
    for _ in range(2):  # what was sent again may have arrived late, and is looked for once more
        world.sleep(4000)
        assert world.sync().exit_code == 0
    converged(world)


def test_a_strange_collection_of_somebody_else(service_world: ServiceWorld) -> None:
    """A foreign collection whose record nobody understands is left out by a service, and named; all else is served."""
    world = service_world
    world.write("one.md", text("one"))
    assert world.sync().exit_code == 0
    foreign = world.outsider_upload("theirs.md", text("theirs"))
    world.sleep(1000)
    world.write("two.md", text("two"))

    async def between(request: httpx.Request, forward: Forward) -> httpx.Response:
        real = await forward(request)
        if foreign not in str(request.url):
            return real
        body = json.loads(await real.aread())
        body["data"]["name"] = 5
        return httpx.Response(200, json=body)

    world.between = between

    async def script(service: Service) -> None:
        await service.until(lambda: world.states().get("two.md") == "verified", limit=600.0)

    world.serve(script)
    assert [("stuck", "theirs.md")] == rows(world, "select kind, path from findings where resolved_at is null")
