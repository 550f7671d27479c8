"""The gate in front of the server: when it opens again, how long it waits, and what is told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from virtual_loop import run

from syncd.errors import AccountRefused, RateLimited, ServerError, Unavailable
from syncd.gate import LONGEST_PAUSE, Gate


class Server:
    """A server that is well, or not, whenever it is looked at."""

    def __init__(self, *looks: ServerError | None) -> None:
        self.looks = list(looks)  # how the next ones go; well afterwards
        self.asked: list[float] = []
        self.told: list[str] = []
        self.good: Counter[str] = Counter()

    async def probe(self) -> None:
        """One look."""
        self.asked.append(asyncio.get_running_loop().time())
        trouble = self.looks.pop(0) if self.looks else None
        if trouble is not None:
            raise trouble
        self.good["init"] += 1

    def gate(self, patience: float | None = None, *, stubborn: bool = True) -> Gate:
        """A gate in front of it."""
        return Gate(
            self.probe,
            patience=patience,
            stubborn=stubborn,
            report=lambda trouble: self.told.append("well" if trouble is None else trouble.message),
            good=self.good,
        )


def failing(endpoint: str = "search") -> Unavailable:
    """A failure of one endpoint."""
    error = Unavailable("it failed")
    error.endpoint = endpoint
    return error


def waits(server: Server, story: Callable[[Gate], Awaitable[None]]) -> list[float]:
    """Play a story; returns the seconds between the looks at the server, the first one counted from the beginning."""

    async def play() -> None:
        await story(server.gate())

    run(play())
    return [later - earlier for earlier, later in zip([0.0, *server.asked], server.asked, strict=False)]


def test_a_hiccup_is_no_news() -> None:
    """A server that is well at the first look, half a second later, is not reported."""
    server = Server()

    assert [0.5] == waits(server, lambda gate: gate.wait(failing()))
    assert [] == server.told


def test_an_outage_is_told_once() -> None:
    """However many documents wait, an outage is told at its beginning and at its end, and one task alone asks."""
    server = Server(*[failing() for _ in range(8)])

    async def story(gate: Gate) -> None:
        await asyncio.gather(*(gate.wait(failing()) for _ in range(20)))

    pauses = waits(server, story)
    assert [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0, 15.0] == pauses
    assert max(pauses) == LONGEST_PAUSE
    assert ["it failed", "well"] == server.told


def test_a_failure_now_and_then_does_not_add_up() -> None:
    """Between failures the server did much, and just this: each is a new one, and costs half a second."""
    server = Server()

    async def story(gate: Gate) -> None:
        for _ in range(30):
            await gate.wait(failing())
            server.good["search"] += 10

    assert [0.5] * 30 == waits(server, story)
    assert [] == server.told


@pytest.mark.parametrize("meanwhile", [{}, {"search": 3}, {"list": 50}])
def test_trouble_that_returns_at_once_is_the_same(meanwhile: dict[str, int]) -> None:
    """The server looks well, but what failed does not work, or hardly anything does: it is asked for ever less."""
    server = Server()

    async def story(gate: Gate) -> None:
        for _ in range(7):
            await gate.wait(failing())
            server.good.update(meanwhile)

    assert [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0] == waits(server, story)
    assert ["it failed", "well"] * 6 == server.told


def test_a_refused_key_is_told_at_once() -> None:
    """What does not pass by itself is told before the first look."""
    server = Server()

    waits(server, lambda gate: gate.wait(AccountRefused("the key is refused")))
    assert ["the key is refused", "well"] == server.told


def test_a_pause_that_the_server_asks_for_is_kept() -> None:
    """Retry-After is obeyed, and told when it is long."""
    server = Server()

    assert [40.0] == waits(server, lambda gate: gate.wait(RateLimited("slow down", retry_after=40.0)))
    assert ["slow down", "well"] == server.told


def test_patience_ends() -> None:
    """A pass of `sync` gives up with the server's own error; a refused key is not waited for at all."""
    server = Server(*[failing() for _ in range(20)])

    async def outlast() -> None:
        with pytest.raises(Unavailable):
            await server.gate(30.0, stubborn=False).wait(failing())
        assert 30.0 == asyncio.get_running_loop().time()
        with pytest.raises(AccountRefused):
            await server.gate(30.0, stubborn=False).wait(AccountRefused("the key is refused"))

    run(outlast())
