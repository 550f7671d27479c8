"""The planner over any disk, ledger and server: it converges, rations deletions and never leaves a gap (T1)."""

from __future__ import annotations

import os
from random import Random

import exercised
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plan_laws import live

CASES = int(os.environ.get("SYNCD_PLAN_CASES", "1000000" if os.environ.get("SYNCD_LONG") else "10000"))
PARTS = 4  # for several processes to share them
REPLAY = "SYNCD_PLAN_SEED={seed} .venv/bin/python -m pytest tests/plan/test_properties.py -k replay"


@pytest.mark.timeout(60 + CASES // 50)
@pytest.mark.parametrize("part", range(PARTS))
def test_every_world_comes_to_rest_within_the_laws(part: int) -> None:
    """Plan, apply, plan again: at rest within 200 steps, one visible version per file, and no law broken on the way."""
    seeds = range(part, CASES, PARTS)
    for seed in seeds:
        try:
            live(Random(seed))
        except Exception as error:
            raise AssertionError(f"{error}\nreplay with: {REPLAY.format(seed=seed)}") from error
    exercised.add("planner cases", len(seeds))


@settings(
    max_examples=max(min(CASES // 100, 1000), 10),
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(st.randoms(use_true_random=False))
def test_the_smallest_world_that_breaks_a_law(rng: Random) -> None:
    """The same worlds, drawn so that a failing one is made as small as possible."""
    live(rng)


def test_replay() -> None:
    """One seed again: the one that SYNCD_PLAN_SEED names."""
    live(Random(int(os.environ.get("SYNCD_PLAN_SEED", "0"))))
