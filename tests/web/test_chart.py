"""The picture of proofs, and the bar of states: figures in, shapes out."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.web import chart

DAY = 86400
NOW = 20_000 * DAY + 3600.0  # the 20 000th day


def day(number: int, found: int = 0, missing: int = 0, mrr: float = 1.0, **more: int) -> dict[str, Any]:
    sums = {"found": found, "shared": 0, "outranked": 0, "missing": missing, **more}
    return {"day": number * DAY, "probes": sum(sums.values()), "mrr": mrr, **sums}


def test_nothing() -> None:
    """Without proofs there are axes and dates, and no bars."""
    made = chart.quality([], NOW, 7, 640)
    assert ((), (), "") == (made.bars, made.dots, made.line)
    assert ["0", "1", "2"] == [tick.text for tick in made.counts]
    assert 7 == len(made.days)


def test_a_day_is_stacked_to_its_sum() -> None:
    """The parts of a bar touch, stand on the axis, and are as high as their shares of the scale."""
    made = chart.quality([day(20_000, found=6, missing=2, shared=1, outranked=1)], NOW, 7, 640)
    floor, top = made.counts[0].y, made.counts[-1].y
    assert ["found", "shared", "outranked", "missing"] == [bar.kind for bar in made.bars]
    below = floor
    for bar in made.bars:
        assert pytest.approx(below, abs=0.02) == bar.y + bar.height
        below = bar.y
    assert pytest.approx(top, abs=0.05) == below  # ten probes, and the axis ends at ten
    assert "6 of 10 found" in made.bars[0].title


def test_days_have_their_places() -> None:
    """Today is the last place, a day before the span and one that has not come are left out."""
    rows = [day(19_993, found=1), day(19_994, found=1), day(20_000, found=1), day(20_001, found=9)]
    made = chart.quality(rows, NOW, 7, 640)
    assert 2 == len(made.bars)
    assert made.left < made.bars[0].x < made.bars[1].x < made.right
    assert made.days[0].x == pytest.approx(made.bars[1].x + made.bars[1].width / 2, abs=0.02)
    assert ["0", "1", "2"] == [tick.text for tick in made.counts]  # what is not shown does not stretch the scale


def test_the_line_of_ranks() -> None:
    """A mean reciprocal rank of 1 is at the top, 0 at the bottom, and the line goes through each dot."""
    made = chart.quality([day(19_999, found=1, mrr=0.0), day(20_000, found=1, mrr=1.0)], NOW, 7, 640)
    assert [made.ranks[0].y, made.ranks[-1].y] == [dot.y for dot in made.dots]
    assert " ".join(f"{dot.x},{dot.y}" for dot in made.dots) == made.line
    assert ["0", "0.5", "1"] == [tick.text for tick in made.ranks]


@pytest.mark.parametrize(
    ("probes", "labels"),
    [
        (1, ["0", "1", "2"]),
        (2, ["0", "1", "2"]),
        (3, ["0", "2", "4"]),
        (11, ["0", "10", "20"]),
        (41, ["0", "50", "100"]),
        (1000, ["0", "500", "1k"]),
        (250_000, ["0", "200k", "400k"]),
        (1_500_000, ["0", "1M", "2M"]),
    ],
)
def test_round_numbers_on_the_axis(probes: int, labels: list[str]) -> None:
    """The axis ends at a number that reads well."""
    assert labels == [tick.text for tick in chart.quality([day(20_000, found=probes)], NOW, 7, 640).counts]


@pytest.mark.parametrize("wide", [640.0, 340.0])
@pytest.mark.parametrize("span", [7, 14, 30])
def test_dates_do_not_touch(span: int, wide: float) -> None:
    """Dates below the plot have room, on a phone too."""
    places = sorted(tick.x for tick in chart.quality([], NOW, span, wide).days)
    assert all(later - earlier >= 44 for earlier, later in pairwise(places))
    assert places


@given(
    rows=st.lists(
        st.tuples(
            st.integers(19_960, 20_005),
            st.integers(0, 10**7),
            st.integers(0, 10**7),
            st.floats(0, 1, allow_nan=False),
        ).filter(lambda row: row[1] + row[2] > 0),
        max_size=40,
    ),
    span=st.sampled_from([7, 14, 30]),
    wide=st.sampled_from([340.0, 640.0]),
)
def test_nothing_leaves_the_plot(rows: list[tuple[int, int, int, float]], span: int, wide: float) -> None:
    """Whatever was counted, every bar and dot lies within the plot."""
    by_day = {number: day(number, found, missing, mrr) for number, found, missing, mrr in rows}
    made = chart.quality([by_day[number] for number in sorted(by_day)], NOW, span, wide)
    floor, top = made.counts[0].y, made.counts[-1].y
    for bar in made.bars:
        assert made.left <= bar.x
        assert bar.x + bar.width <= made.right + 0.02
        assert top - 0.05 <= bar.y
        assert bar.y + bar.height <= floor + 0.05
    assert all(top - 0.05 <= dot.y <= floor + 0.05 for dot in made.dots)


def test_shares() -> None:
    """The bar of states is cut in the order given and is always full; what is not there takes no place."""
    bars = chart.shares({"verified": 3, "held": 1, "waiting": 0}, ("verified", "waiting", "held"))
    assert [("verified", 0.0, 75.0), ("held", 75.0, 25.0)] == [(bar.kind, bar.x, bar.width) for bar in bars]
    assert "3 verified" == bars[0].title
    assert () == chart.shares({"verified": 0}, ("verified",))


def test_one_of_many_is_seen() -> None:
    """One quarantined document of a hundred thousand still has a visible part of the bar."""
    bars = chart.shares({"verified": 99_999, "quarantined": 1}, ("verified", "quarantined"))
    assert bars[1].width >= 0.9
    assert pytest.approx(100, abs=0.1) == bars[1].x + bars[1].width
