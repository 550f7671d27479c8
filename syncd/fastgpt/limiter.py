"""A token bucket for requests that share limits with real users, such as search tests.

It knows only the event loop's clock and ``asyncio.sleep``, so it runs in a loop of virtual time.
"""

from __future__ import annotations

import asyncio

_SLOWEST = 16.0  # never slower than this fraction of the configured rate
_RECOVERY = 60.0  # seconds from a standstill back to the full rate
_EPSILON = 1e-9  # clock arithmetic may leave a token this much short


class RateLimiter:
    """Lets at most ``per_second`` requests pass in the long run, ``burst`` at once.

    Waiters are served in the order of their coming. ``penalise`` stops all of them for a while, halves the rate and
    lets it grow back over about a minute.

    Raises:
        ValueError: the rate is not positive or the burst is below one.
    """

    def __init__(self, per_second: float, burst: int = 1) -> None:
        if not per_second > 0 or burst < 1:
            raise ValueError("a rate limiter needs a positive rate and a burst of at least one")
        self._limit = float(per_second)
        self._rate = self._limit
        self._burst = float(burst)
        self._tokens = float(burst)
        self._paused_until = float("-inf")
        self._seen: float | None = None
        self._turn = asyncio.Lock()

    @property
    def rate(self) -> float:
        """Requests per second that pass now; below the configured rate for a while after a penalty."""
        return self._rate

    async def acquire(self) -> None:
        """Wait until one request may be sent. A cancelled waiter takes nothing with it."""
        async with self._turn:
            while (wait := self._wait()) > 0:  # noqa: ASYNC110  # for the clock, not for somebody else's event
                await asyncio.sleep(wait)
            self._tokens -= 1

    def penalise(self, seconds: float) -> None:
        """Stop everybody for ``seconds``, as the server asked; penalties inside a pause only prolong it."""
        now = asyncio.get_running_loop().time()
        self._refill(now)
        if now >= self._paused_until:
            self._rate = max(self._rate / 2, self._limit / _SLOWEST)
        self._paused_until = max(self._paused_until, now + max(seconds, 0.0))
        self._tokens = min(self._tokens, 1.0)

    def _wait(self) -> float:
        """Seconds until a token is there; 0 when it is."""
        now = asyncio.get_running_loop().time()
        self._refill(now)
        if now < self._paused_until:
            return self._paused_until - now
        return 0.0 if self._tokens >= 1 - _EPSILON else (1 - self._tokens) / self._rate

    def _refill(self, now: float) -> None:
        """Add the tokens, and the recovery of the rate, for the time since the last look; pauses earn nothing."""
        since = now if self._seen is None else max(self._seen, min(self._paused_until, now))
        self._seen = now
        if (elapsed := now - since) > 0:
            self._tokens = min(self._burst, self._tokens + elapsed * self._rate)
            self._rate = min(self._limit, self._rate + self._limit * elapsed / _RECOVERY)
