"""How many deletions pass: the limits over the rolling window, as a table."""

from __future__ import annotations

import pytest
from plan_questions import answer, question, some, vanished

from syncd.firewall import judge
from syncd.models import DeletePolicy, HoldReason

# max_count, max_percent, base, used, gone, released -> allowed, held
LIMIT = [
    (50, 100.0, 1000, 0, 50, 0, 50, 0),
    (50, 100.0, 1000, 0, 51, 0, 0, 51),
    (50, 100.0, 1000, 1, 50, 0, 0, 50),
    (50, 100.0, 1000, 50, 0, 0, 0, 0),
    (50, 100.0, 1000, 60, 0, 0, 0, 0),
    (50, 100.0, 1000, 60, 3, 3, 3, 0),
    (50, 100.0, 1000, 0, 60, 10, 60, 0),
    (50, 100.0, 1000, 0, 61, 10, 10, 51),
    (0, 100.0, 1000, 0, 1, 0, 0, 1),
    (0, 100.0, 1000, 0, 2, 1, 1, 1),
    (1, 100.0, 1000, 0, 1, 0, 1, 0),
    (1, 100.0, 1000, 1, 1, 0, 0, 1),
    # the percentage is asked from five deletions on
    (50, 20.0, 4, 0, 4, 0, 4, 0),
    (50, 20.0, 5, 0, 5, 0, 0, 5),
    (50, 20.0, 25, 0, 5, 0, 5, 0),
    (50, 20.0, 24, 0, 5, 0, 0, 5),
    (50, 20.0, 25, 1, 5, 0, 0, 5),
    (50, 20.0, 30, 1, 5, 0, 6 - 1, 0),
    (50, 20.0, 10, 4, 1, 0, 0, 1),
    (50, 20.0, 10, 3, 1, 0, 1, 0),
    (50, 0.0, 1000, 0, 4, 0, 4, 0),
    (50, 0.0, 1000, 0, 5, 0, 0, 5),
    (50, 100.0, 5, 0, 5, 0, 5, 0),
    (50, 100.0, 5, 1, 5, 0, 0, 5),
    (50, 0.5, 1000, 0, 5, 0, 5, 0),
    (50, 0.5, 999, 0, 5, 0, 0, 5),
    # what a person released does not count
    (50, 20.0, 25, 0, 10, 5, 10, 0),
    (50, 20.0, 25, 0, 10, 4, 4, 6),
]


@pytest.mark.parametrize(("count", "percent", "base", "used", "gone", "released", "allowed", "held"), LIMIT)
def test_the_limit(
    count: int, percent: float, base: int, used: int, gone: int, released: int, allowed: int, held: int
) -> None:
    """Past max_count or max_percent of the rolling window all that was not released is held (law 4, rule 15)."""
    documents = some(gone)
    verdict = judge(
        question(
            policy=DeletePolicy(max_count=count, max_percent=percent),
            base=base,
            serving=base,
            used=used,
            vanished=documents,
            released=frozenset(v.revision for v in documents[:released]),
        )
    )
    assert verdict.allowed == documents[:allowed]
    if not held:
        assert verdict.hold is None
        return
    assert verdict.hold is not None
    assert (verdict.hold.reason, verdict.hold.releasable) == (HoldReason.LIMIT, True)
    assert verdict.hold.paths == tuple(v.path for v in documents[released:])
    assert verdict.root_believed is True


@pytest.mark.parametrize(
    ("base", "serving", "used", "gone", "reason"),
    [
        (0, 25, 0, 5, ""),
        (0, 24, 0, 5, "limit"),
        (0, 24, 1, 5, "limit"),
        (0, 29, 1, 5, ""),
        (0, 0, 4, 1, "limit"),
        (24, 1000, 0, 5, "limit"),
    ],
)
def test_a_source_younger_than_the_window(base: int, serving: int, used: int, gone: int, reason: str) -> None:
    """The percentage is of the documents verified before the window; a younger source is judged by what it has."""
    assert answer(base=base, serving=serving, used=used, vanished=some(gone))[1] == reason


def test_a_drip_of_small_passes_does_what_one_big_pass_may_and_no_more() -> None:
    """Many small passes within the window delete as much as one big one may, and not one document more (rule 15)."""
    for percent, limit in ((100.0, 50), (20.0, 20), (4.0, 4)):
        used = 0
        for i in range(100):
            verdict = judge(
                question(policy=DeletePolicy(50, percent), used=used, vanished=vanished(f"v{i}"), serving=100 - used)
            )
            used += len(verdict.allowed)
            if verdict.hold is not None:
                break
        assert used == limit
