"""The rate limiter in virtual time: no test waits."""

from __future__ import annotations

import asyncio

import pytest
from virtual_loop import run

from syncd.fastgpt.limiter import RateLimiter


async def passages(limiter: RateLimiter, count: int) -> list[float]:
    times = []

    async def one() -> None:
        await limiter.acquire()
        times.append(asyncio.get_running_loop().time())

    await asyncio.gather(*(one() for _ in range(count)))
    return times


def test_rate_is_kept_to_the_token() -> None:
    times = run(passages(RateLimiter(5), 21))
    assert times == pytest.approx([index / 5 for index in range(21)])


def test_burst_passes_at_once_and_is_saved_up_again() -> None:
    async def main() -> None:
        limiter = RateLimiter(2, burst=3)
        assert await passages(limiter, 4) == pytest.approx([0, 0, 0, 0.5])
        await asyncio.sleep(100)
        assert await passages(limiter, 4) == pytest.approx([100.5, 100.5, 100.5, 101.0])

    run(main())


def test_waiters_pass_in_the_order_of_their_coming() -> None:
    async def main() -> None:
        limiter, order = RateLimiter(10), []

        async def one(number: int) -> None:
            await limiter.acquire()
            order.append(number)

        await asyncio.gather(*(one(number) for number in range(10)))
        assert order == list(range(10))

    run(main())


def test_penalty_stops_those_who_wait_already() -> None:
    async def main() -> list[float]:
        limiter = RateLimiter(1)
        waiting = asyncio.create_task(passages(limiter, 3))
        await asyncio.sleep(0.5)
        limiter.penalise(30)
        return await waiting

    first, second, third = run(main())
    assert first == 0
    assert second == pytest.approx(30.5, abs=1.01)
    assert second >= 30.5
    assert 1.0 < third - second <= 2.0  # half the rate, growing back


def test_rate_halves_once_per_pause_and_grows_back() -> None:
    async def main() -> None:
        limiter = RateLimiter(8)
        for _ in range(5):  # several answers of one moment
            limiter.penalise(10)
        assert limiter.rate == 4
        await asyncio.sleep(10)
        await limiter.acquire()
        assert limiter.rate == pytest.approx(4, abs=0.1)  # a pause earns nothing
        await asyncio.sleep(15)
        await limiter.acquire()
        assert limiter.rate == pytest.approx(6, abs=0.1)
        await asyncio.sleep(600)
        await limiter.acquire()
        assert limiter.rate == 8

    run(main())


def test_rate_has_a_floor() -> None:
    async def main() -> None:
        limiter = RateLimiter(16)
        for _ in range(20):
            limiter.penalise(0)
        assert limiter.rate == 1

    run(main())


def test_penalty_takes_what_was_saved_up() -> None:
    async def main() -> list[float]:
        limiter = RateLimiter(4, burst=5)
        limiter.penalise(10)
        return await passages(limiter, 2)

    first, second = run(main())
    assert first == 10
    assert second > 10.25


def test_longer_penalty_wins_and_a_shorter_one_changes_nothing() -> None:
    async def main() -> None:
        limiter = RateLimiter(100)
        limiter.penalise(20)
        limiter.penalise(3)
        limiter.penalise(-5)
        await limiter.acquire()
        assert asyncio.get_running_loop().time() >= 20

    run(main())


def test_cancelled_waiter_takes_no_turn() -> None:
    async def main() -> None:
        limiter = RateLimiter(1)
        await limiter.acquire()
        gone = [asyncio.create_task(limiter.acquire()) for _ in range(50)]
        await asyncio.sleep(0.25)
        for task in gone:
            task.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        await limiter.acquire()
        assert asyncio.get_running_loop().time() == pytest.approx(1.0)

    run(main())


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (float("nan"), 1), (1, 0)])
def test_senseless_settings_are_refused(rate: float, burst: int) -> None:
    with pytest.raises(ValueError, match="positive rate"):
        RateLimiter(rate, burst)
