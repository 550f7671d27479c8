"""Answers to uploads that name another collection than the one that was made: nobody else is touched."""

from __future__ import annotations

import json

import httpx
import pytest
from laws import converged, no_gap, rows
from texts import text
from world import World
from world_parts import Forward


@pytest.mark.parametrize("which", ["nobody's", "another document's"])
@pytest.mark.parametrize("times", [1, 100])
def test_an_upload_that_is_answered_with_an_id(world: World, which: str, times: int) -> None:
    """An upload whose answer names what nobody knows, or another document, is found by its marker, in the same run."""
    for name in ("one", "two"):
        world.write(f"{name}.md", text(name))
    assert world.sync().exit_code == 0
    world.sleep(1000)
    world.write("one.md", text("one", 2))
    world.write("three.md", text("three"))
    [(other,)] = rows(
        world, "select collection_id from revisions r join documents d on d.id = r.document where d.path = 'two.md'"
    )
    struck, before = 0, len(world.emulator.timeline)

    async def between(request: httpx.Request, forward: Forward) -> httpx.Response:
        nonlocal struck
        real = await forward(request)
        body = await real.aread()
        if request.url.path.endswith("create/localFile") and struck < times:
            struck += 1
            found = json.loads(body)
            found["data"]["collectionId"] = "0" * 24 if which == "nobody's" else other
            return httpx.Response(200, json=found)
        return httpx.Response(real.status_code, content=body)

    world.between = between
    assert world.sync().exit_code == 0
    assert struck >= 1
    assert [] == rows(world, "select path from documents where quarantine is not null or attempts > 0")
    assert not any(e.event == "hidden" and e.collection_id == other for e in world.emulator.timeline[before:])
    world.between = None
    world.sleep(4000)
    assert world.sync().exit_code == 0
    world.sleep(4000)
    world.sync()
    no_gap(world)
    converged(world)
