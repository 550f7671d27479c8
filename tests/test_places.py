"""Passages in a long text."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from syncd.places import SURE, WINDOW, Places

_rng = random.Random(4)
TEXT = "".join(_rng.choices("abcdef", k=3 * WINDOW))


@given(st.integers(0, 3 * WINDOW - 400), st.integers(SURE, 400), st.integers(0, 3 * WINDOW))
def test_every_long_passage_is_found_at_its_first_place(at: int, length: int, low: int) -> None:
    """A passage of ``SURE`` characters is found wherever it is, as a search of all the text would find it."""
    passage = TEXT[at : at + length]
    assert Places(TEXT).find(passage, low) == TEXT.find(passage, low)


@given(st.integers(0, 3 * WINDOW - 400), st.integers(0, 3 * WINDOW))
def test_nothing_behind_the_end_is_found(at: int, high: int) -> None:
    """``high`` bounds the place of the whole passage."""
    passage = TEXT[at : at + SURE]
    assert Places(TEXT).find(passage, 0, high) == TEXT.find(passage, 0, high)


def test_what_is_nowhere_is_not_found() -> None:
    """Neither a passage that is not there, nor one that repeats at other places only before ``low``."""
    places = Places(TEXT + TEXT[:1000])
    assert places.find("x" * SURE, 0) == -1
    assert places.find(TEXT[100:300], 200) == 3 * WINDOW + 100
    assert places.find(TEXT[100:300], 3 * WINDOW + 101) == -1
    assert Places("").find("a", 0) == -1


@given(st.integers(0, 3 * WINDOW - 400), st.integers(1, 400))
def test_a_scan_finds_anything(at: int, length: int) -> None:
    """A scan finds what a search of all the text would find."""
    assert Places(TEXT).scan(TEXT[at : at + length]) == TEXT.find(TEXT[at : at + length])
    assert Places(TEXT).scan("xyz") == -1
