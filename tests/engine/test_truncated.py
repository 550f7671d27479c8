"""Editors that truncate a file before they fill it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from texts import text
from world import World

from syncd.engine import Engine, Outcome


def test_an_empty_file_is_settled_before_it_is_given_up(tmp_path: Path) -> None:
    """A file that was truncated a moment ago is about to be filled: it is waited for, not quarantined."""
    world = World(tmp_path)
    world.source = replace(world.source, settle=5.0)
    world.write("a.md", "", age=0.0)

    async def body(engine: Engine) -> Outcome:
        asyncio.get_running_loop().call_later(2.0, lambda: world.write("a.md", text("a"), age=0.0))
        return await engine.sync()

    outcome = world.run(body)

    assert (0, 1) == (outcome.counts["quarantined"], outcome.counts["verified"])
