"""What is read for the page: shared by those who wait, as new as the question, and never for most of the time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from world_parts import VirtualLoop

from syncd.web.facts import Shared


def run(body: Coroutine[Any, Any, None]) -> None:
    """Run on a clock that never waits."""
    loop = VirtualLoop(0.0)
    try:
        loop.run_until_complete(body)
    finally:
        loop.close()


class Source:
    """Something that is read slowly and changes meanwhile."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.value = 0
        self.began: list[float] = []

    async def read(self) -> int:
        self.began.append(asyncio.get_running_loop().time())
        value = self.value
        await asyncio.sleep(self.seconds)
        return value


def _shared(source: Source) -> Shared[int]:
    return Shared(source.read, clock=asyncio.get_running_loop().time)


def test_those_who_wait_share() -> None:
    """However many ask at once, it is read once."""

    async def go() -> None:
        source = Source(1.0)
        shared = _shared(source)
        assert [0] * 20 == await asyncio.gather(*(shared.get() for _ in range(20)))
        assert 1 == len(source.began)

    run(go())


def test_who_asks_while_it_is_read_gets_what_is_newer() -> None:
    """A change after a reading began is seen by whoever asks after the change."""

    async def go() -> None:
        source = Source(1.0)
        shared = _shared(source)
        first = asyncio.ensure_future(shared.get())
        await asyncio.sleep(0.5)
        source.value = 7
        assert 7 == await shared.get()
        assert 0 == await first

    run(go())


def test_it_rests_four_times_as_long_as_it_works() -> None:
    """Asked without pause it works a fifth of the time, but lets nobody wait for more than two seconds."""

    async def go(seconds: float, period: float) -> None:
        source = Source(seconds)
        shared = _shared(source)
        while asyncio.get_running_loop().time() < 60:
            await shared.get()
        assert [pytest.approx(period * number) for number in range(len(source.began))] == source.began

    run(go(0.2, 1.0))
    run(go(3.0, 5.0))


def test_a_failure_is_told_to_all_and_tried_again() -> None:
    """When reading fails everybody who waited hears of it, and the next one has it read again."""

    async def go() -> None:
        source = Source(0.1)
        shared: Shared[int] = Shared(lambda: failing(), clock=asyncio.get_running_loop().time)

        async def failing() -> int:
            if not source.value:
                await source.read()
                raise OSError("no")
            return source.value

        for answer in await asyncio.gather(shared.get(), shared.get(), return_exceptions=True):
            assert isinstance(answer, OSError)
        source.value = 3
        assert 3 == await shared.get()

    run(go())


def test_one_who_goes_away_takes_nothing_with_him() -> None:
    """A request that is given up does not end the reading for the others."""

    async def go() -> None:
        source = Source(1.0)
        shared = _shared(source)
        gone, other = asyncio.ensure_future(shared.get()), asyncio.ensure_future(shared.get())
        await asyncio.sleep(0.5)
        gone.cancel()
        assert 0 == await other

    run(go())
