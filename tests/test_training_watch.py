"""The watch over trainings: nobody who waits is forgotten, whenever he came."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from virtual_loop import run

from syncd.fastgpt.models import TrainingDetail
from syncd.training import TrainingWatch

DONE = TrainingDetail({"parse": 0}, {"parse": 0}, {"parse": 0}, 3)


class _Client:
    """A server on which everything is trained when it is asked for."""

    async def training(self, _collection_id: str) -> TrainingDetail:
        await asyncio.sleep(0.01)
        return DONE


@pytest.mark.parametrize("steps", range(12))
def test_who_comes_while_the_last_look_ends(steps: int) -> None:
    """One that begins to wait at any moment in which the watch comes to its end is looked at as well."""

    async def main() -> list[Any]:
        watch = TrainingWatch(_Client(), 600.0)  # type: ignore[arg-type]
        first = asyncio.ensure_future(watch.wait("d", "f1", "c1"))  # type: ignore[arg-type]
        await asyncio.sleep(0.01)
        for _ in range(steps):
            await asyncio.sleep(0)
        second = asyncio.ensure_future(watch.wait("d", "f2", "c2"))  # type: ignore[arg-type]
        found = await asyncio.wait_for(asyncio.gather(first, second), 60.0)
        await watch.close()
        return found

    assert [DONE, DONE] == run(main())
