"""Pictures as SVG: figures in, shapes out. Pure; the template draws them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

VERDICTS = ("found", "shared", "outranked", "missing")
WIDTH, HEIGHT = 640.0, 180.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 38.0, 40.0, 10.0, 24.0
_DAY = 86400
_WIDEST_BAR = 26.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One rectangle; ``kind`` is its class, ``title`` what it says when pointed at."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    title: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A label at a place."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Probes a day as stacked bars, and the mean reciprocal rank as a line over them."""

    bars: tuple[Bar, ...]
    line: str  # points of a polyline
    dots: tuple[Tick, ...]
    days: tuple[Tick, ...]
    counts: tuple[Tick, ...]
    ranks: tuple[Tick, ...]
    left: float = _LEFT
    right: float = WIDTH - _RIGHT
    width: float = WIDTH
    height: float = HEIGHT


def quality(days: Sequence[Mapping[str, Any]], now: float, span: int) -> Chart:
    """The chart of proofs.

    Args:
        days: rows of ``ledger.quality.by_day``.
        now: seconds since the epoch; the last day.
        span: how many days are shown.
    """
    last = int(now // _DAY)
    first = last - span + 1
    slot = (WIDTH - _LEFT - _RIGHT) / span
    width = min(slot * 0.8, _WIDEST_BAR)
    most = _round_up(max((row["probes"] for row in days), default=0))
    room = HEIGHT - _TOP - _BOTTOM
    bars: list[Bar] = []
    dots: list[Tick] = []
    for row in days:
        number = row["day"] // _DAY - first
        if not 0 <= number < span:
            continue
        middle = _LEFT + slot * (number + 0.5)
        below = HEIGHT - _BOTTOM
        for verdict in VERDICTS:
            height = room * row[verdict] / most
            if height:
                below -= height
                title = f"{_date(row['day'])}: {row[verdict]} of {row['probes']} {verdict}"
                bars.append(Bar(_r(middle - width / 2), _r(below), _r(width), _r(height), verdict, title))
        dots.append(Tick(_r(middle), _r(_TOP + room * (1 - row["mrr"])), f"{_date(row['day'])}: {row['mrr']:.2f}"))
    return Chart(
        bars=tuple(bars),
        line=" ".join(f"{dot.x},{dot.y}" for dot in dots),
        dots=tuple(dots),
        days=tuple(
            Tick(_r(_LEFT + slot * (number + 0.5)), HEIGHT - 8, _date((first + number) * _DAY))
            for number in range(span - 1, -1, -7)
        ),
        counts=tuple(
            Tick(_LEFT - 6, _r(HEIGHT - _BOTTOM - room * share), f"{most * share:g}") for share in (0, 0.5, 1)
        ),
        ranks=tuple(Tick(WIDTH - _RIGHT + 6, _r(_TOP + room * (1 - share)), f"{share:g}") for share in (0, 0.5, 1)),
    )


def shares(counts: Mapping[str, int], order: Sequence[str]) -> tuple[Bar, ...]:
    """One horizontal bar of 100 units, cut by state."""
    total = sum(counts.values())
    bars: list[Bar] = []
    x = 0.0
    for state in order:
        if counts.get(state):
            width = 100.0 * counts[state] / total
            bars.append(Bar(_r(x), 0, _r(width), 10, state, f"{counts[state]} {state}"))
            x += width
    return tuple(bars)


def _round_up(value: float) -> float:
    """The next number that reads well: 2, 4, 10, 20, 40 …"""
    size = 2.0
    while size < value:
        size *= 2.5 if str(size).startswith("4") else 2
    return size


def _r(value: float) -> float:
    return round(value, 2)


def _date(day: int) -> str:
    return datetime.fromtimestamp(day, UTC).strftime("%d %b").lstrip("0")
