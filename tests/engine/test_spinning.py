"""Whatever a service waits for, it sleeps meanwhile: rounds of the event loop are counted meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import exercised
import httpx
import pytest
import world_parts
from answers import UNCLEAR, instead
from service_world import Service, ServiceWorld
from texts import text

LONG = 1200.0
MOST = 8.0  # rounds a second; two looks at the mailbox take four
EACH = 20.0  # rounds that a request takes with all that comes of it


@contextmanager
def rounds() -> Iterator[list[int]]:
    """Counts how often an event loop asks whether there is anything to do."""
    count = [0]
    select = world_parts._Selector.select

    def counted(self: world_parts._Selector, timeout: float | None = None) -> object:
        count[0] += 1
        return select(self, timeout)

    world_parts._Selector.select = counted  # type: ignore[method-assign]
    try:
        yield count
    finally:
        world_parts._Selector.select = select  # type: ignore[method-assign]


def limit(_real: httpx.Response | None) -> httpx.Response:
    """A refusal for haste that lasts."""
    body = {"code": 429, "statusText": "tooManyRequest", "message": "", "data": None}
    return httpx.Response(429, json=body, headers={"retry-after": "3600"})


def nothing(_world: ServiceWorld) -> None:
    """Everything is well."""


STATES: dict[str, Callable[[ServiceWorld], object]] = {
    "all is done": nothing,
    "the server is away": lambda world: world.emulator.faults.add("html_502", match="", times=10**6),
    "the key is refused": lambda world: world.emulator.faults.add("key_refused", match="", times=10**6),
    "an empty balance": lambda world: world.emulator.faults.add("quota", match="localFile", times=10**6),
    "search is limited": lambda world: instead(world, "search", limit, times=10**6, effect=False),
    "uploads are limited": lambda world: instead(world, "upload", limit, times=10**6, effect=False),
    "everything is limited": lambda world: world.emulator.faults.add("rate_limit", match="core", times=10**6),
    "search finds nothing": lambda world: world.emulator.faults.add("search_empty", times=10**6),
    "nothing is trained": lambda world: world.emulator.faults.add("train_stuck", match="*", times=10**6),
    **{
        f"'{route}' fails for one document": lambda world, route=route: instead(
            world, route, UNCLEAR["page 502"], path="one.md", times=10**6, effect=False
        )
        for route in ("update", "detail", "search", "chunks", "training", "upload")
    },
    "answers are nobody's": lambda world: world.emulator.faults.add("wrong_shape", match="core", times=10**6),
}


@pytest.mark.parametrize(
    ("state", "news"),
    [(state, "") for state in STATES]
    + [("'update' fails for one document", "saves"), ("search finds nothing", "saves")]
    + [(f"'{route}' fails for one document", "pause") for route in ("update", "detail", "search")],
)
def test_no_waiting_spins(scratch: Path, state: str, news: str) -> None:
    """While it waits, also when files are saved or a person pauses, the loop comes round a few times a second."""
    world = ServiceWorld(scratch / "w")
    for name in ("one", "two"):
        world.write(f"{name}.md", text(name))
    assert world.sync().exit_code == 0
    world.sleep(1000)
    STATES[state](world)

    async def script(service: Service) -> None:
        await service.until(lambda: world.states() != {}, limit=10.0)
        service.save("one.md", text("one", 2))
        service.save("new.md", text("new"))
        await asyncio.sleep(60.0)
        if news == "pause":
            await service.ask("pause")
        with rounds() as count:
            began, asked = world.now(), len(world.requests())
            version = 3
            while world.now() - began < LONG:
                await asyncio.sleep(60.0)
                if news == "saves":
                    service.save("one.md", text("one", version))
                    version += 1
            seconds, asked = world.now() - began, len(world.requests()) - asked
        assert count[0] <= MOST * seconds + EACH * asked, f"{count[0] / seconds:.1f} rounds a second, {asked} requests"
        exercised.add("states of waiting in which nothing spun")

    world.serve(script)
