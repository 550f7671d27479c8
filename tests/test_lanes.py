"""Limits on one kind of request: how long they last, and what a gate makes of them."""

from __future__ import annotations

import asyncio
import math
from collections import Counter

import pytest
from virtual_loop import run

from syncd.errors import RateLimited, ServerError
from syncd.gate import LONGEST_PAUSE, Gate
from syncd.lanes import LANES, Lanes


def limit(endpoint: str, retry_after: float | None = None) -> RateLimited:
    """A refusal for haste."""
    error = RateLimited(f"{endpoint} is limited", retry_after=retry_after)
    error.endpoint = endpoint
    return error


def test_a_row_of_refusals_is_given_up_with_the_patience() -> None:
    """A lane is given up when refusals have lasted as long as the patience, and taken up with the first answer."""
    good: Counter[str] = Counter()
    lanes = Lanes(30.0, good)
    assert [False, False, True] == [lanes.refused(limit("upload"), now) for now in (0.0, 29.0, 30.0)]
    assert (None, None) != (lanes.given_up("upload"), None)
    assert lanes.given_up("search") is None
    good["upload"] += 1
    assert lanes.given_up("upload") is None
    assert not lanes.refused(limit("upload"), 31.0)  # a new row


@pytest.mark.parametrize(("asked", "given_up"), [(None, False), (30.0, False), (31.0, True), (math.inf, True)])
def test_a_pause_beyond_the_patience_is_not_begun(asked: float | None, given_up: bool) -> None:
    """Nobody waits half of what a server asks for, to go away then."""
    assert given_up == Lanes(30.0, {}).refused(limit("search", asked), 0.0)


def test_without_patience_nothing_is_given_up() -> None:
    """A service waits as long as it takes."""
    lanes = Lanes(None, {})
    assert not any(lanes.refused(limit("search", math.inf), now) for now in (0.0, 1e9))


@pytest.mark.parametrize("endpoint", sorted(LANES))
@pytest.mark.parametrize("asked", [None, 0.0, 3600.0, 1e12, math.inf])
def test_a_limit_on_one_kind_closes_the_gate_for_nobody(endpoint: str, asked: float | None) -> None:
    """Whoever is limited waits 15 s at most; everybody else passes, no look is taken, and both are told once."""
    told: list[ServerError | None] = []
    good: Counter[str] = Counter()

    async def probe(_refused: bool) -> None:
        raise AssertionError("nobody asked for a look")

    async def story() -> None:
        gate = Gate(probe, patience=None, stubborn=True, report=told.append, good=good)
        loop = asyncio.get_running_loop()
        for _ in range(5):
            began = loop.time()
            waits = asyncio.ensure_future(gate.wait(limit(endpoint, asked)))
            await asyncio.sleep(0)
            assert not gate.closed
            gate.admit()
            await gate.passage()
            assert loop.time() == began
            await waits
            assert 0.5 <= loop.time() - began <= LONGEST_PAUSE
        good[endpoint] += 1
        await asyncio.sleep(1.1)
        await gate.close()

    run(story())
    long = asked is not None and asked > 2.0
    assert ([f"{endpoint} is limited", "well"] if long else []) == [
        "well" if one is None else one.message for one in told
    ]


def test_a_lane_that_is_given_up_admits_nobody_and_the_others_are_admitted() -> None:
    """With a patience the limited kind ends by the server's own error; the rest of the pass goes on."""

    async def probe(_refused: bool) -> None:
        raise AssertionError("nobody asked for a look")

    async def story() -> None:
        gate = Gate(probe, patience=30.0, report=lambda _trouble: None, good={})
        with pytest.raises(RateLimited):
            await gate.wait(limit("upload", 3600.0))
        with pytest.raises(RateLimited):
            gate.admit("upload")
        gate.admit("search")
        gate.admit()
        assert gate.given_up("upload") is not None
        await gate.close()

    run(story())
