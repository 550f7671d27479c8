"""What limits what: search tests limit no uploads, a long queue no fresh save, and a slow server gets less."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from answers import ROUTES, instead
from service_world import Service, ServiceWorld
from texts import text
from world import World


@pytest.fixture
def world(scratch: Path) -> ServiceWorld:
    """An emulated server, a folder, and a service."""
    return ServiceWorld(scratch / "w", emulator_options={"workers": 64})


def test_a_limit_on_search_stops_no_uploads(world: ServiceWorld) -> None:
    """While the server refuses every search test for an hour, all documents go up; then all are proven."""
    world.emulator.faults.add("rate_limit", match="searchTest", times=-1, retry_after=86400)
    for number in range(80):
        world.write(f"d{number:03d}.md", text(f"d{number}"))

    async def script(service: Service) -> None:
        began = world.now()
        await service.until(lambda: len(world.requests("localFile")) == 80, every=1.0, limit=3600)
        assert world.now() - began < 600
        asked = len(world.requests("searchTest"))
        await asyncio.sleep(3600)
        refused = len(world.requests("searchTest")) - asked
        assert 3600 / 15 - 2 <= refused <= 3600 / 15 + 5  # one request looks, at most 15 s apart
        world.emulator.faults.clear()
        await service.rest(600)

    world.serve(script)
    assert world.states() == {f"d{number:03d}.md": "verified" for number in range(80)}


def test_a_one_shot_run_gives_up_on_a_limit_that_lasts(tmp_path: Path) -> None:
    """`sync` ends with 75 when the server refuses search tests for longer than its patience; nothing is blamed.

    Everything that needs no search is done: all is sent and compared, and nothing is shown that cannot be proven.
    """
    world = World(tmp_path)
    for number in range(60):
        world.write(f"d{number:02d}.md", text(f"d{number}"))
    world.emulator.faults.add("rate_limit", match="searchTest", times=-1)
    began = world.now()
    assert world.sync().exit_code == 75
    assert world.now() - began < 180
    assert (60, {}) == (len(world.requests("localFile")), world.visible())
    assert len(world.requests("searchTest")) < 10
    world.emulator.faults.clear()
    world.sleep(60)
    assert world.sync().exit_code == 0
    assert {0} == {row["attempts"] for row in world.documents().values()}


def test_a_limit_on_uploads_stops_nothing_else(tmp_path: Path) -> None:
    """While the server takes no uploads, what has moved is moved, with one request for the upload; then 75."""
    world = World(tmp_path)
    for name in ("moved", "stays"):
        world.write(f"{name}.md", text(name))
    assert world.sync().exit_code == 0
    world.sleep(1000)
    world.write("new.md", text("new"))
    world.rename("moved.md", "sub/moved.md")
    world.emulator.faults.add("rate_limit", match="localFile", times=-1, retry_after=3600)
    began = world.now()
    assert world.sync().exit_code == 75
    assert world.now() - began < 120
    assert {"sub/moved.md", "stays.md"} == set(world.visible())
    assert 1 == len([r for r in world.requests("localFile") if "new.md" in r.body])
    world.emulator.faults.clear()
    world.sleep(60)
    assert world.sync().exit_code == 0
    assert "verified" == world.states()["new.md"]


PAUSES = ("1e12", "-5", "nonsense", "Mon, 01 Jan 2001 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT")


@pytest.mark.parametrize(
    ("route", "asked"),
    [(route, "3600") for route in ROUTES if route != "datasets"] + [("upload", asked) for asked in PAUSES],
)
def test_whatever_pause_is_asked_for(world: ServiceWorld, route: str, asked: str) -> None:
    """A service that is refused looks again at most 15 s later, with one request, and goes on when that is answered."""
    world.delete_at_once()
    for name in ("one", "two", "gone"):
        world.write(f"{name}.md", text(name))
    if route != "create_dataset":
        assert world.sync().exit_code == 0
        world.sleep(1000)
    world.write("two.md", text("two", 2))
    for number in range(10):
        world.write(f"sub/d{number}.md", text(f"d{number}"))
    world.remove("gone.md")
    limit = {"code": 429, "statusText": "tooManyRequest", "message": "", "data": None}
    refusal = httpx.Response(429, json=limit, headers={"Retry-After": asked})
    refused = instead(world, route, lambda _real: refusal, times=4, effect=False)

    async def script(service: Service) -> None:
        begins = world.now()
        expected = {"one.md", "two.md", *(f"sub/d{number}.md" for number in range(10))}
        await service.until(
            lambda: {path for path, state in world.states().items() if state == "verified"} == expected, limit=300.0
        )
        await service.until(lambda: "gone.md" not in world.states(), limit=300.0)
        assert refused, "the route was never asked"
        assert world.now() - begins < 60.0 * (len(refused) + 1)

    world.serve(script)


def test_a_save_goes_before_a_long_first_sync(world: ServiceWorld) -> None:
    """A file saved while many wait for their first upload is searchable before most of them, new or queued."""
    for number in range(160):
        world.write(f"d{number:03d}.md", text(f"d{number}"))
    world.emulator.faults.add("slow", match="localFile", seconds=5.0, times=-1)
    world.fastgpt["uploads"] = 4
    order: list[str] = []

    async def script(service: Service) -> None:
        await service.until(lambda: len(world.requests("localFile")) >= 8, limit=3600)
        service.save("d150.md", text("d150", 2))  # one of those that wait
        service.save("new.md", text("new"))
        for path, version in (("d150.md", 2), ("new.md", 1)):
            await service.serves(path, text(path[:-3], version) if version > 1 else text("new"))
            order.append(path)
        assert len(world.requests("localFile")) < 60
        await service.rest(3600)

    world.source = replace(world.source, settle=1.0)
    world.serve(script)
    assert order == ["d150.md", "new.md"]
    assert len(world.requests("localFile")) == 161  # what was taken over is not sent by the queue as well


def test_a_file_saved_every_few_seconds_is_sent_ever_less_and_newest_first(world: ServiceWorld) -> None:
    """Saved every 3 s for 20 min: the first save goes up at once, then ever fewer do, and the last one counts."""
    world.source = replace(world.source, settle=2.0)

    async def script(service: Service) -> None:
        await service.rest()
        service.save("other.md", text("other"))
        for version in range(1, 401):
            service.save("a.md", text("a", version))
            await asyncio.sleep(3.0)
        last = world.now()
        await service.serves("a.md", text("a", 400))
        assert world.now() - last <= 310
        await service.rest()

    world.serve(script)
    uploads = [r for r in world.requests("localFile") if "'a.md'" in r.body]
    assert 5 <= len(uploads) <= 16
    at = [r.at for r in uploads]
    assert at[1] - at[0] <= 6.5
    assert at[-2] - at[-3] >= 120
    assert world.states() == {"a.md": "verified", "other.md": "verified"}


def test_a_server_that_gets_slow_gets_less_at_once(world: ServiceWorld) -> None:
    """Uploads at once are learnt: many while answers are quick, fewer when each one takes longer."""
    for number in range(150):
        world.write(f"d{number:03d}.md", text(f"d{number}"))
    world.emulator.faults.add("slow", match="localFile", seconds=0.5, times=-1)
    sizes: list[int] = []

    async def script(service: Service) -> None:
        window = service.engine.client.uploads.window
        await service.rest(600)
        sizes.append(window.size)
        world.emulator.faults.clear()
        world.emulator.faults.add("slow", match="localFile", seconds=8.0, times=-1)
        for number in range(60):
            service.save(f"d{number:03d}.md", text(f"d{number}", 2))
        await service.rest(3600)
        sizes.append(window.size)

    world.fastgpt["uploads"] = 32
    world.serve(script)
    assert sizes[0] == 32
    assert sizes[1] <= 16
