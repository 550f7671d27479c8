"""Durations, sizes and percentages as people write them: ``"1h30m"``, ``"10MB"``, ``"20%"``.

Durations are seconds (``float``), sizes are bytes (``int``), percentages are 0 to 100 (``float``).
Everything that cannot be read is a ``ValueError`` whose message continues the sentence "the value …".
"""

from __future__ import annotations

import re

MILLISECONDS = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
# Longer ones are typing errors, and would overflow the date arithmetic of whoever adds them to the clock.
LONGEST_DURATION = 10 * 365 * 86_400.0
BYTES = {
    "b": 1,
    "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
}  # fmt: skip
LARGEST_SIZE = 2**63 - 1

# The lengths are bounded so that no text, however long, costs more than a glance.
_NUMBER = r"[0-9]{1,12}(?:\.[0-9]{1,9})?"
_DURATION_PART = re.compile(rf"({_NUMBER})(ms|w|d|h|m|s) ?")
_SIZE = re.compile(rf"({_NUMBER}) ?([A-Za-z]{{1,3}})")
_PERCENT = re.compile(rf"({_NUMBER}) ?%")


def _times(number: str, factor: int) -> tuple[int, int]:
    """Return ``number * factor`` as a fraction: exact, where floating point would lose bytes."""
    digits, _, decimals = number.partition(".")
    return int(digits + decimals) * factor, 10 ** len(decimals)


def parse_duration(text: str) -> float:
    """Return the seconds that ``text`` stands for: ``"30s"``, ``"1h30m"``, ``"1.5h"``, ``"250ms"``.

    Units are w, d, h, m, s and ms, the larger one first, each at most once.

    Raises:
        ValueError: no duration, or longer than ten years.
    """
    total = 0.0
    last = position = 0
    while position < len(text):
        part = _DURATION_PART.match(text, position)
        unit = MILLISECONDS[part[2]] if part else 0
        if part is None or (last and unit >= last):
            raise ValueError('must be a duration such as "30s", "5m" or "1h30m"')
        milliseconds, divisor = _times(part[1], unit)
        total += milliseconds / divisor
        last, position = unit, part.end()
    if not last or text.endswith(" "):
        raise ValueError('must be a duration such as "30s", "5m" or "1h30m"')
    seconds = total / 1000
    if seconds > LONGEST_DURATION:
        raise ValueError("must not be longer than ten years")
    return seconds


def format_duration(seconds: float) -> str:
    """Return ``seconds`` (0 or more, to the millisecond) as ``parse_duration`` reads it: ``"1h30m"``.

    Days are used from two days on, so that a grace time of 86400 reads as it is usually written, ``"24h"``.
    """
    rest = round(seconds * 1000)
    if rest <= 0:
        return "0s"
    units = ("d", "h", "m", "s", "ms") if rest >= 2 * MILLISECONDS["d"] else ("h", "m", "s", "ms")
    parts = []
    for unit in units:
        count, rest = divmod(rest, MILLISECONDS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def parse_size(text: str) -> int:
    """Return the bytes that ``text`` stands for: ``"10MB"`` is 10 000 000, ``"10MiB"`` is 10 485 760.

    Units are B, kB, MB, GB, TB (powers of 1000) and KiB, MiB, GiB, TiB (powers of 1024), in any case.

    Raises:
        ValueError: no size, or beyond what a 64-bit number holds.
    """
    match = _SIZE.fullmatch(text)
    factor = BYTES.get(match[2].lower()) if match else None
    if match is None or factor is None:
        raise ValueError('must be a size such as "500kB", "10MB" or "2GiB"')
    count, divisor = _times(match[1], factor)
    size = count // divisor
    if size > LARGEST_SIZE:
        raise ValueError("must be a size below 2^63 bytes")
    return size


def format_size(size: int) -> str:
    """Return bytes in the largest decimal unit, with at most one digit after the point: ``"10.5MB"``."""
    for unit, label in (("tb", "TB"), ("gb", "GB"), ("mb", "MB"), ("kb", "kB")):
        if size >= BYTES[unit]:
            whole, tenth = divmod(round(size * 10 / BYTES[unit]), 10)
            return f"{whole}.{tenth}{label}" if tenth else f"{whole}{label}"
    return f"{size}B"


def parse_percent(text: str) -> float:
    """Return the percentage, 0 to 100: ``"20%"`` is 20.0.

    Raises:
        ValueError: no percentage, or more than 100.
    """
    match = _PERCENT.fullmatch(text)
    if match is None:
        raise ValueError('must be a percentage such as "20%"')
    percent = float(match[1])
    if percent > 100:
        raise ValueError('must be a percentage from "0%" to "100%"')
    return percent


def format_percent(percent: float) -> str:
    """Return a percentage as ``parse_percent`` reads it: ``"20%"``, ``"12.5%"``."""
    return f"{percent:.9f}".rstrip("0").rstrip(".") + "%"
