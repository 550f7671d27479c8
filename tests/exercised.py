"""What the suite really exercised, counted while it runs and printed at its end."""

from __future__ import annotations

from collections import Counter

COUNTS: Counter[str] = Counter()


def add(name: str, n: int = 1) -> None:
    """Count ``n`` more of ``name``."""
    COUNTS[name] += n
