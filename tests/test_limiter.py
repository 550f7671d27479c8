"""Whose turn it is, in virtual time: no test waits."""

from __future__ import annotations

import asyncio

import pytest
from virtual_loop import run

from syncd.aimd import START
from syncd.fastgpt.limiter import LONGEST_PAUSE, Turns, urgent


def now() -> float:
    return asyncio.get_running_loop().time()


async def passages(turns: Turns, count: int, *, takes: float = 0.0) -> list[float]:
    """When each of ``count`` requests passed; each is answered after ``takes`` seconds."""
    times = []

    async def one() -> None:
        async with turns:
            times.append(now())
            if takes:
                await asyncio.sleep(takes)
            turns.answered(takes)

    await asyncio.gather(*(one() for _ in range(count)))
    return times


def test_a_stated_rate_is_kept_to_the_token() -> None:
    """At most so many a second, however quick the server is."""
    times = run(passages(Turns(32, 5), 21))
    assert times == pytest.approx([index / 5 for index in range(21)])


def test_without_a_rate_nothing_waits_for_the_clock() -> None:
    """Only the server's own answers limit."""
    assert run(passages(Turns(32), 100)) == [0.0] * 100


def test_so_many_at_once_as_the_window_says() -> None:
    """The first round is small; while answers are quick it grows."""
    times = run(passages(Turns(8), 20, takes=1.0))
    assert [times.count(float(second)) for second in range(3)] == [START, 8, 8]


def test_turns_come_in_the_order_of_asking() -> None:
    """Nobody is overtaken by his equals."""

    async def main() -> None:
        turns, order = Turns(1, 10), []

        async def one(number: int) -> None:
            async with turns:
                order.append(number)

        await asyncio.gather(*(one(number) for number in range(10)))
        assert order == list(range(10))

    run(main())


@pytest.mark.parametrize("rate", [None, 2.0])
def test_a_fresh_save_goes_before_everybody_elses_queue(rate: float | None) -> None:
    """Whoever is urgent has the next turn, whether places or time are scarce."""

    async def main() -> None:
        turns, order = Turns(1, rate), []

        async def one(name: str, fresh: bool) -> None:
            urgent.set(fresh)
            async with turns:
                await asyncio.sleep(0.1)
                order.append(name)

        queue = [asyncio.create_task(one(f"old {number}", False)) for number in range(5)]
        await asyncio.sleep(0.05)
        queue.append(asyncio.create_task(one("save", True)))
        await asyncio.gather(*queue)
        assert order == ["old 0", "save", "old 1", "old 2", "old 3", "old 4"]

    run(main())


def test_a_refusal_stops_those_who_wait_and_one_looks_whether_it_is_over() -> None:
    """The pause that was asked for is kept; then a single request goes before the others."""

    async def main() -> None:
        turns = Turns(8)
        passed: list[float] = []

        async def one() -> None:
            async with turns:
                passed.append(now())
                await asyncio.sleep(1.0)
                turns.answered(1.0)

        async with turns:
            assert turns.refused(now(), 10.0) == 10.0
            waiting = [asyncio.create_task(one()) for _ in range(3)]
            await asyncio.sleep(0)
        await asyncio.gather(*waiting)
        assert passed[0] == 10.0
        assert passed[1] >= 11.0

    run(main())


def test_whatever_is_asked_for_one_request_looks_after_fifteen_seconds() -> None:
    """A wrong date in Retry-After does not stop work for a day; an absurd past one does not either."""

    async def main() -> None:
        assert Turns(8).refused(0.0, 86400.0) == LONGEST_PAUSE == 15.0
        assert Turns(8).refused(0.0, -5.0) == 0.0

    run(main())


def test_unnamed_pauses_grow() -> None:
    """A server that goes on refusing is asked for ever less, at most 15 s apart."""

    async def main() -> None:
        turns = Turns(8)
        pauses = []
        for _ in range(7):
            async with turns:
                pauses.append(turns.refused(now(), None))
        assert pauses == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]
        assert turns.refused_for() == pytest.approx(sum(pauses[:-1]))
        async with turns:
            turns.answered(0.0)
        assert turns.refused_for() == 0.0
        assert turns.refused(now(), None) == 1.0

    run(main())


def test_a_stated_rate_halves_at_a_refusal_and_grows_back() -> None:
    """What a person stated is the upper bound, not what the server has to bear."""

    async def main() -> None:
        turns = Turns(8, 8.0)
        turns.refused(0.0, 10.0)
        turns.refused(0.0, 10.0)
        assert turns.rate == 4
        await asyncio.sleep(10)
        await turns.acquire()
        assert turns.rate == pytest.approx(4, abs=0.1)  # a pause earns nothing
        turns.answered(0.0)
        turns.release()
        await asyncio.sleep(15)
        await turns.acquire()
        assert turns.rate == pytest.approx(6, abs=0.1)
        turns.release()
        await asyncio.sleep(600)
        await turns.acquire()
        assert turns.rate == 8

    run(main())


def test_a_rate_that_nobody_stated_is_learnt_from_the_refusal() -> None:
    """The server let so many pass in the last second: half of that is tried next, and a little more ever after."""

    async def main() -> None:
        turns = Turns(32)
        await passages(turns, 40)
        turns.refused(now(), 1.0)
        assert turns.rate == 20
        times = await passages(turns, 41)
        assert times[0] == 1.0
        assert 1.7 <= times[-1] - times[0] <= 2.0
        await asyncio.sleep(60)
        await turns.acquire()
        assert turns.rate >= 40

    run(main())


def test_a_cancelled_waiter_takes_no_turn() -> None:
    """Who has gone is passed over, by time and by place."""

    async def main() -> None:
        turns = Turns(1, 1.0)
        async with turns:
            gone = [asyncio.create_task(turns.acquire()) for _ in range(50)]
            await asyncio.sleep(0.25)
            for task in gone:
                task.cancel()
            await asyncio.gather(*gone, return_exceptions=True)
        await turns.acquire()
        assert now() == pytest.approx(1.0)
        assert turns.under_way == 1

    run(main())


def test_a_waiter_cancelled_at_his_turn_gives_it_back() -> None:
    """Between being let in and going in nothing may be lost."""

    async def main() -> None:
        turns = Turns(1)
        await turns.acquire()
        late = asyncio.create_task(turns.acquire())
        await asyncio.sleep(0)
        turns.release()
        late.cancel()
        await asyncio.gather(late, return_exceptions=True)
        assert turns.under_way == 0

    run(main())


def test_nothing_is_under_way_while_somebody_needs_silence() -> None:
    """A look at all that is there waits for what is being sent, and holds up what comes."""

    async def main() -> None:
        turns = Turns(4)
        sending = asyncio.create_task(passages(turns, 6, takes=1.0))
        await asyncio.sleep(0.5)
        async with turns.none():
            assert now() == 1.0
            assert turns.under_way == 0
            await asyncio.sleep(5)
        assert sorted(await sending) == [0.0] * 4 + [6.0] * 2
        async with turns.none():
            assert now() == 7.0

    run(main())


def test_those_who_wait_can_be_turned_away() -> None:
    """Somebody asked to stop while the server limits requests."""

    async def main() -> None:
        turns = Turns(1)
        await turns.acquire()
        waiting = asyncio.create_task(turns.acquire())
        await asyncio.sleep(0)
        turns.abandon(RuntimeError("stop"))
        with pytest.raises(RuntimeError):
            await waiting
        turns.release()
        await turns.acquire()

    run(main())


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_senseless_rates_are_refused(rate: float) -> None:
    """Nothing could ever pass."""
    with pytest.raises(ValueError, match="positive rate"):
        Turns(1, rate)
