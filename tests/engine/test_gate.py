"""The gate in front of the server: when it opens again, how long it waits, and what is told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from virtual_loop import run

from syncd.errors import AccountRefused, RateLimited, ServerError, Unavailable
from syncd.gate import LONGEST_PAUSE, LOOK_WITH_KEY, Gate


class Server:
    """A server that is well, or not, whenever it is looked at."""

    def __init__(self, *looks: ServerError | None) -> None:
        self.looks = list(looks)  # how the next ones go; well afterwards
        self.asked: list[float] = []
        self.refused = False  # whether the last look was told that the key was refused
        self.told: list[str] = []
        self.good: Counter[str] = Counter()

    async def probe(self, refused: bool) -> None:
        """One look."""
        self.refused = refused
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
    assert ["the key is refused"] == server.told
    assert server.refused


def test_a_refusal_that_no_look_shows_is_over_when_it_stays_away() -> None:
    """A server that answers, and refuses again and again, is one trouble; it is well when a minute passes without."""
    server = Server()

    async def refused(gate: Gate) -> None:
        for _ in range(8):
            await gate.wait(AccountRefused("the balance is empty"))
        await asyncio.sleep(59.0)
        assert ["the balance is empty"] == server.told
        await asyncio.sleep(2.0)

    assert [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0] == waits(server, refused)
    assert ["the balance is empty", "well"] == server.told


def test_a_refusal_that_looks_show_is_over_with_the_first_good_one() -> None:
    """What a look with the key has seen itself, it may also call over."""
    server = Server(AccountRefused("the key is refused"), AccountRefused("the key is refused"))

    waits(server, lambda gate: gate.wait(AccountRefused("the key is refused")))
    assert ["the key is refused", "well"] == server.told


def refusal(message: str, hint: str, endpoint: str = "") -> AccountRefused:
    """A refusal with its remedy."""
    error = AccountRefused(message, hint=hint)
    error.endpoint = endpoint
    return error


def test_a_refusal_ends_when_what_was_refused_is_done() -> None:
    """An empty balance is over within a second of the first upload that is taken, and not before."""
    server = Server()

    async def story(gate: Gate) -> None:
        await gate.wait(refusal("the balance is used up", "top it up", "upload"))
        server.good["search"] += 100
        await asyncio.sleep(1800.0)
        assert ["the balance is used up"] == server.told
        server.good["upload"] += 1
        await asyncio.sleep(1.1)
        assert ["the balance is used up", "well"] == server.told

    waits(server, story)


def test_a_refusal_that_nobody_runs_into_again_is_forgotten() -> None:
    """Where no upload is wanted any more nothing is said for ever."""
    server = Server()

    async def story(gate: Gate) -> None:
        await gate.wait(refusal("the balance is used up", "top it up", "upload"))
        await asyncio.sleep(3602.0)

    waits(server, story)
    assert ["the balance is used up", "well"] == server.told


def test_a_changed_reason_replaces_the_old_one() -> None:
    """An outage that turns into a refused key is told anew, and so is one refusal that becomes another."""
    server = Server(failing(), refusal("the key is refused", "use another key"))

    async def story(gate: Gate) -> None:
        await gate.wait(failing())
        await gate.wait(refusal("the balance is used up", "top it up", "upload"))

    waits(server, story)
    assert ["it failed", "the key is refused", "well", "the balance is used up"] == server.told


def test_an_outage_between_does_not_end_a_refusal() -> None:
    """After an outage the refusal that stood before is told again, for it is still so."""
    server = Server()

    async def story(gate: Gate) -> None:
        await gate.wait(refusal("the balance is used up", "top it up", "upload"))
        server.looks = [failing()]
        await gate.wait(failing())
        await asyncio.sleep(5.0)
        assert ["the balance is used up", "it failed", "the balance is used up"] == server.told
        server.good["upload"] += 1
        await asyncio.sleep(1.1)

    waits(server, story)
    assert "well" == server.told[-1]


def test_what_was_told_before_is_ended_by_the_next_gate() -> None:
    """A gate that begins with a trouble looks at once, does not tell it again, and tells its end."""
    server = Server(failing())

    async def story(gate: Gate) -> None:
        gate.assume(failing())
        assert gate.closed
        await gate.passage()

    waits(server, story)
    assert ["well"] == server.told


def test_a_key_that_was_mended_is_well_at_the_first_look() -> None:
    """What was refused is what the look asks with the key: a good one ends it, for the next gate too."""
    server = Server()

    async def story(gate: Gate) -> None:
        gate.assume(refusal("the key is refused", "put another one", LOOK_WITH_KEY))
        await gate.passage()

    waits(server, story)
    assert server.refused
    assert ["well"] == server.told


def test_a_closed_gate_lets_nobody_through() -> None:
    """While the server is in trouble nothing new is begun; it goes on with the first good look."""
    server = Server(failing(), failing())

    async def story(gate: Gate) -> None:
        gate.admit()
        first = asyncio.ensure_future(gate.wait(failing()))
        await asyncio.sleep(0.1)
        with pytest.raises(Unavailable):
            gate.admit()
        await gate.passage()
        gate.admit()
        assert first.done()

    assert [0.5, 1.0, 2.0] == waits(server, story)


@pytest.mark.parametrize(("asked", "waited"), [(10.0, 10.0), (40.0, LONGEST_PAUSE), (86400.0, LONGEST_PAUSE)])
def test_a_pause_that_the_server_asks_for_is_kept(asked: float, waited: float) -> None:
    """Retry-After is obeyed, and told when it is long; but one look is taken at most 15 s apart (design 13)."""
    server = Server()

    assert [waited] == waits(server, lambda gate: gate.wait(RateLimited("slow down", retry_after=asked)))
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


def test_what_failed_for_one_closes_the_gate_for_nobody() -> None:
    """A server that is well when it is looked at is no trouble: nobody waits, nothing is told, one look serves all."""
    server = Server()

    async def story(gate: Gate) -> None:
        async with asyncio.TaskGroup() as group:
            looks = [group.create_task(gate.look(failing())) for _ in range(20)]
            await asyncio.sleep(0)
            assert not gate.closed
        assert [True] * 20 == [look.result() for look in looks]

    assert [0.0] == waits(server, story)
    assert [] == server.told


def test_a_look_that_fails_closes_the_gate() -> None:
    """What fails for one, and then for the look as well, is an outage: everyone waits, and it is told."""
    server = Server(*[failing() for _ in range(3)])

    async def story(gate: Gate) -> None:
        async with asyncio.TaskGroup() as group:
            looks = [group.create_task(gate.look(failing())) for _ in range(20)]
            await asyncio.sleep(0.1)
            assert gate.closed
        assert [False] * 20 == [look.result() for look in looks]

    assert [0.0, 0.5, 1.0, 2.0] == waits(server, story)
    assert ["it failed", "well"] == server.told


def test_a_refused_key_is_seen_by_the_look_with_it() -> None:
    """A refusal is looked at with the key: one that everybody gets ends a one-shot pass at once."""
    server = Server(AccountRefused("the key is refused"))

    async def refused() -> None:
        with pytest.raises(AccountRefused):
            await server.gate(30.0, stubborn=False).look(AccountRefused("this is refused"))
        assert asyncio.get_running_loop().time() == 0.0

    run(refused())
    assert server.refused
