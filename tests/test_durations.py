"""Durations, sizes and percentages as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.durations import (
    format_duration,
    format_percent,
    format_size,
    parse_duration,
    parse_percent,
    parse_size,
)

DURATIONS = [
    ("0s", 0.0),
    ("30s", 30.0),
    ("250ms", 0.25),
    ("5m", 300.0),
    ("1h30m", 5400.0),
    ("1h 30m", 5400.0),
    ("1.5h", 5400.0),
    ("24h", 86400.0),
    ("2d", 172800.0),
    ("1w2d3h4m5s6ms", 788645.006),
    ("0.1s", 0.1),
]


@pytest.mark.parametrize(("text", "seconds"), DURATIONS)
def test_durations_are_seconds(text: str, seconds: float) -> None:
    """A duration is the sum of its parts, in seconds."""
    assert seconds == parse_duration(text)


NO_DURATIONS = [
    "", " ", "30", "s", "-5s", "+5s", "30S", "30 s", "1h30", "30m1h", "1h1h", "1m60000ms2s", "1,5h", "5 min",
    "٣s", "1e3s", ".5s", "5.s", "30s ", " 30s", "30s\n", "1h\n30m", "nan", "inf", "9" * 400 + "s",
]  # fmt: skip


@pytest.mark.parametrize("text", NO_DURATIONS)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A text that is not wholly a duration is an error, never a guess."""
    with pytest.raises(ValueError, match=r"^must be a duration such as "):
        parse_duration(text)


def test_absurd_durations_are_refused() -> None:
    """A duration beyond ten years is a typing error and would overflow dates."""
    assert parse_duration("3650d") == 3650 * 86400.0
    with pytest.raises(ValueError, match=r"^must not be longer than ten years$"):
        parse_duration("3651d")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.25, "250ms"),
        (30, "30s"),
        (90, "1m30s"),
        (5400, "1h30m"),
        (86400, "24h"),
        (172800, "2d"),
        (360000, "4d4h"),
        (0.0001, "0s"),
    ],
)
def test_durations_are_written_as_people_write_them(seconds: float, text: str) -> None:
    """Formatting uses the largest units, but days only from two on."""
    assert text == format_duration(seconds)


@given(st.integers(0, 3650 * 86400 * 1000))
def test_durations_survive_a_round_trip(milliseconds: int) -> None:
    """What is formatted can be parsed and is the same to the millisecond."""
    assert milliseconds == round(parse_duration(format_duration(milliseconds / 1000)) * 1000)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0B", 0),
        ("1B", 1),
        ("10MB", 10_000_000),
        ("10 MB", 10_000_000),
        ("10mb", 10_000_000),
        ("500kB", 500_000),
        ("1.5GB", 1_500_000_000),
        ("2KiB", 2048),
        ("10MiB", 10_485_760),
        ("1TiB", 1_099_511_627_776),
        ("0.1MB", 100_000),
        ("9007199.254740993GB", 9_007_199_254_740_993),  # beyond what a float holds
    ],
)
def test_sizes_are_bytes(text: str, size: int) -> None:
    """MB counts thousands, MiB counts 1024; every byte is exact."""
    assert size == parse_size(text)


@pytest.mark.parametrize("text", ["", "10", "MB", "-1MB", "10M", "10MBB", "10XB", "1,5MB", "10MB ", "٣MB", "1e3MB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """A number without a known unit is an error: 10 could be bytes or megabytes."""
    with pytest.raises(ValueError, match=r"^must be a size such as "):
        parse_size(text)


def test_sizes_fit_into_64_bits() -> None:
    """A size that no file system and no database column can hold is refused."""
    with pytest.raises(ValueError, match=r"^must be a size below 2\^63 bytes$"):
        parse_size("9999999999TiB")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0B"),
        (999, "999B"),
        (1000, "1kB"),
        (1536, "1.5kB"),
        (10_485_760, "10.5MB"),
        (500_000_000, "500MB"),
        (2 * 10**12, "2TB"),
    ],
)
def test_sizes_are_written_in_decimal_units(size: int, text: str) -> None:
    """Formatting keeps one digit after the point, and none that is zero."""
    assert text == format_size(size)


@pytest.mark.parametrize(("text", "percent"), [("0%", 0.0), ("20%", 20.0), ("12.5%", 12.5), ("100 %", 100.0)])
def test_percentages_need_their_sign(text: str, percent: float) -> None:
    """A percentage is a number from 0 to 100 with its sign."""
    assert percent == parse_percent(text)


@pytest.mark.parametrize("text", ["", "20", "%", "-1%", "100.1%", "1e2%", "20%%", "٣%"])
def test_what_is_no_percentage_is_refused(text: str) -> None:
    """Without the sign 0.2 and 20 could both be meant; above 100 nothing is."""
    with pytest.raises(ValueError, match=r"^must be a percentage "):
        parse_percent(text)


@given(st.integers(0, 10_000))
def test_percentages_survive_a_round_trip(hundredths: int) -> None:
    """What is formatted can be parsed and is the same."""
    assert hundredths / 100 == parse_percent(format_percent(hundredths / 100))
