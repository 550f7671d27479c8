"""Pictures as SVG: figures in, shapes out. Pure; the template draws them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

VERDICTS = ("found", "shared", "outranked", "missing")
HEIGHT = 180.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 38.0, 30.0, 12.0, 24.0
_DAY = 86400
_WIDEST_BAR = 26.0
_THINNEST = 0.01  # of the bar
_DATE = 44.0  # units that a date takes


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
    width: float
    height: float = HEIGHT
    left: float = _LEFT

    @property
    def right(self) -> float:
        """Where the plot ends."""
        return self.width - _RIGHT


def quality(days: Sequence[Mapping[str, Any]], now: float, span: int, wide: float) -> Chart:
    """The chart of proofs.

    Args:
        days: rows of ``ledger.quality``, one a day, oldest first.
        now: seconds since the epoch; the last day.
        span: how many days are shown.
        wide: units from left to right; letters stay as large as they are.
    """
    last = int(now // _DAY)
    first = last - span + 1
    slot = (wide - _LEFT - _RIGHT) / span
    width = min(slot * 0.7, _WIDEST_BAR)
    shown = [row for row in days if 0 <= row["day"] // _DAY - first < span]
    most = _round_up(max((row["probes"] for row in shown), default=0))
    room = HEIGHT - _TOP - _BOTTOM
    bars: list[Bar] = []
    dots: list[Tick] = []
    for row in shown:
        number = row["day"] // _DAY - first
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
            for number in range(span - 1, -1, -_every(span, slot))
        ),
        counts=tuple(
            Tick(_LEFT - 6, _r(HEIGHT - _BOTTOM - room * share), _short(most * share)) for share in (0, 0.5, 1)
        ),
        width=wide,
        ranks=tuple(Tick(wide - _RIGHT + 6, _r(_TOP + room * (1 - share)), f"{share:g}") for share in (0, 0.5, 1)),
    )


def shares(counts: Mapping[str, int], order: Sequence[str]) -> tuple[Bar, ...]:
    """One horizontal bar of 100 units, cut by state; one document of thousands can still be seen."""
    least = sum(counts.values()) * _THINNEST
    parts = {state: max(counts[state], least) for state in order if counts.get(state)}
    bars: list[Bar] = []
    x = 0.0
    for state, part in parts.items():
        width = 100.0 * part / sum(parts.values())
        bars.append(Bar(_r(x), 0, _r(width), 10, state, f"{counts[state]} {state}"))
        x += width
    return tuple(bars)


def _every(span: int, slot: float) -> int:
    """How many days lie between two dates below the plot, so that they do not touch."""
    return next(step for step in (1, 2, 7, span) if step * slot >= _DATE)


def _round_up(value: float) -> float:
    """The next number that reads well: 2, 4, 10, 20, 40 …"""
    size = 2.0
    while size < value:
        size *= 2.5 if str(size).startswith("4") else 2
    return size


def _short(value: float) -> str:
    """A number for an axis: 500, 2k, 1.5M."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def _r(value: float) -> float:
    return round(value, 2)


def _date(day: int) -> str:
    return datetime.fromtimestamp(day, UTC).strftime("%d %b").lstrip("0")
