"""How long the server says a training took: trainings and rows are handed in, seconds come out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncd.models import CollectionId, Hit
from syncd.servertimes import Ended, ServerTimes

HERE, THERE = CollectionId("here"), CollectionId("there")
MADE = 1_800_000_000.0
ENDED = Ended("d", 1000, before=2.0, at=4.0, rows=1, alone=True, created_at=MADE)


def row(collection: CollectionId, written_at: float | None) -> Hit:
    """One row of an answer."""
    return Hit(collection, "text", 1, 0.5, frozenset(), written_at)


def test_the_last_row_ends_a_training() -> None:
    """From the making of the collection to the writing of its last row, whoever was asked for; told once."""
    times = ServerTimes()
    ended = replace(ENDED, rows=2)
    times.ended(HERE, ended)
    rows = [row(HERE, MADE + 1.0), row(THERE, MADE + 9.0), row(HERE, MADE + 3.25)]
    assert times.seen(rows) == [(ended, 3.25)]
    assert times.seen(rows) == []


@pytest.mark.parametrize(
    ("ended", "written"),
    [
        (ENDED, None),
        (replace(ENDED, created_at=None), MADE + 3.0),
        (replace(ENDED, rows=2), MADE + 3.0),
        (ENDED, MADE + 1.9),
        (ENDED, MADE + 5.1),
        (ENDED, MADE - 3600.0),
    ],
    ids=["no time of the row", "no time of the collection", "rows are missing", "too early", "too late", "other clock"],
)
def test_what_cannot_be_known_or_contradicts_the_looks_teaches_nothing(ended: Ended, written: float | None) -> None:
    """Only times that fit what was seen are believed: servers behind one address have clocks of their own."""
    times = ServerTimes()
    times.ended(HERE, ended)
    assert times.seen([row(HERE, written)]) == []


def test_a_server_that_tells_nothing_is_not_asked_for_ever() -> None:
    """Questions that led to nothing come to an end; one that taught something lets them begin anew."""
    times = ServerTimes()
    assert [times.worth_asking() for _ in range(5)] == [True, True, True, False, False]
    times.ended(HERE, ENDED)
    assert times.seen([row(HERE, MADE + 3.0)])
    assert times.worth_asking()
