"""Whether a stored time has come, by a clock that may have been wrong when it was stored, as tables."""

from __future__ import annotations

import pytest
from plan_values import NOW

from syncd.due import SURVEY, TRY, age, has_come, left

LONGEST = 100.0
LEFT = [
    ("never stored", None, 0.0),
    ("long over", 0.0, 0.0),
    ("over to the second", NOW, 0.0),
    ("about to come", NOW + 0.5, 0.5),
    ("as far ahead as anything waits", NOW + LONGEST, LONGEST),
    ("further ahead: a clock was wrong", NOW + LONGEST + 0.5, 0.0),
    ("a month ahead: a clock was wrong", NOW + 30 * 86400, 0.0),
]


@pytest.mark.parametrize(("case", "at", "expected"), LEFT, ids=[row[0] for row in LEFT])
def test_how_long_it_is_until_a_stored_time(case: str, at: float | None, expected: float) -> None:
    """A time is waited for unless it is over, or lies further ahead than anything ever waits."""
    assert left(at, NOW, LONGEST) == expected
    assert has_come(at, NOW, LONGEST) is (expected == 0.0)


@pytest.mark.parametrize(
    ("since", "expected"), [(None, 0.0), (NOW, 0.0), (NOW - 0.5, 0.5), (NOW - 86400, 86400.0), (NOW + 86400, 0.0)]
)
def test_how_long_ago_a_stored_moment_was(since: float | None, expected: float) -> None:
    """What was never stored, or lies ahead because a clock was wrong, is not in the past."""
    assert age(since, NOW) == expected


def test_the_longest_waits() -> None:
    """A document is tried again within the hour, and the datasets are looked through within ten minutes."""
    assert (TRY, SURVEY) == (3600.0, 600.0)
