"""Kinds of requests that a server limits on their own: a limit on one of them stops nobody else (law 9).

Uploads and search tests have a pace each (``fastgpt.limiter``), which sends one request at most 15 s after a refusal,
whatever the server asked for, and goes on when that is answered. What is known here is how long the refusals have
lasted, and whether a pass has had enough of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from syncd.errors import RateLimited
from syncd.fastgpt.endpoints import SEARCH, UPLOAD

LANES = frozenset({UPLOAD.name, SEARCH.name})


@dataclass(slots=True)
class _Row:
    """An unbroken row of refusals."""

    since: float
    good: int  # good answers before
    given_up: RateLimited | None = None


@dataclass(slots=True)
class Lanes:
    """The lanes of one gate; times are seconds of one clock, given by the caller.

    Args:
        patience: seconds of nothing but refusals after which a lane is given up; ``None`` is never.
        good: endpoint -> how many good answers it gave so far.
    """

    patience: float | None
    good: Mapping[str, int]
    _rows: dict[str, _Row] = field(default_factory=dict)

    def refused(self, trouble: RateLimited, now: float) -> bool:
        """One more refusal; returns whether the lane is given up, for that or before."""
        row = self._row(trouble.endpoint)
        if row is None:
            row = self._rows[trouble.endpoint] = _Row(now, self.good.get(trouble.endpoint, 0))
        if self.patience is not None:
            left = row.since + self.patience - now
            # To ask before the server wants it, when nobody waits until it wants it, would only make it worse.
            if left <= 0 or (trouble.retry_after or 0.0) > left:
                row.given_up = trouble
        return row.given_up is not None

    def given_up(self, endpoint: str) -> RateLimited | None:
        """Why nothing is asked of an endpoint any more, if so; an answer to anybody ends that."""
        row = self._row(endpoint)
        return None if row is None else row.given_up

    def _row(self, endpoint: str) -> _Row | None:
        row = self._rows.get(endpoint)
        if row is not None and self.good.get(endpoint, 0) > row.good:
            del self._rows[endpoint]
            return None
        return row
