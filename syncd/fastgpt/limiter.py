"""Who may send next: a learnt number of requests at once, a rate where one is stated, and pauses the server asks for.

It knows only the event loop's clock, so it runs in a loop of virtual time. Whoever works on a fresh save (``urgent``)
goes before everybody else; within each kind turns come in the order of asking.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar

from syncd.aimd import Window

LONGEST_PAUSE = 15.0  # seconds; whatever a server asks for, one request looks again after that (design 13)
_FIRST_PAUSE = 1.0  # seconds without requests after a refusal that names no time; doubled while it goes on
_SLOWEST = 16.0  # never slower than this fraction of the full rate
_LEAST_RATE = 0.5  # requests a second, however often the server refuses
_RECOVERY = 60.0  # seconds from a standstill back to the full rate
_EPSILON = 1e-9  # clock arithmetic may leave a token this much short

urgent: ContextVar[bool] = ContextVar("urgent", default=False)


class Turns:
    """Lets requests of one kind pass.

    Args:
        most: at once, at most; fewer as the server shows.
        per_second: in the long run; ``None`` is as many as the server likes.

    Raises:
        ValueError: the rate is not positive, or nothing could ever pass.
    """

    def __init__(self, most: int, per_second: float | None = None) -> None:
        if per_second is not None and not per_second > 0:
            raise ValueError("a limiter needs a positive rate")
        self.window = Window(most)
        self.under_way = 0
        self._pace = _Pace(math.inf if per_second is None else float(per_second))
        self._waiting: dict[bool, deque[asyncio.Future[None]]] = {True: deque(), False: deque()}
        self._timer: asyncio.TimerHandle | None = None
        self._refused_since: float | None = None  # no answer but refusals since then
        self._refusals = 0
        self._looking = False  # after a refusal one request alone looks whether it is over
        self.on_refusal: Callable[[float], None] = lambda _pause: None  # the first of a row, and its pause
        self._shut = False
        self._empty: asyncio.Future[None] | None = None

    @property
    def rate(self) -> float:
        """Requests per second that pass now; ``inf`` while nothing limits them."""
        return self._pace.rate

    def refused_for(self) -> float:
        """Seconds since the first of an unbroken row of refusals; 0 when the last answer was good."""
        return 0.0 if self._refused_since is None else asyncio.get_running_loop().time() - self._refused_since

    async def acquire(self) -> None:
        """Wait for a turn. A cancelled waiter takes nothing with it."""
        turn = asyncio.get_running_loop().create_future()
        queue = self._waiting[urgent.get()]
        queue.append(turn)
        self._wake()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()
            else:
                with suppress(ValueError):  # whoever passed by has put it away already
                    queue.remove(turn)
            raise

    def release(self) -> None:
        """A request has ended."""
        self.under_way -= 1
        if not self.under_way and self._empty is not None and not self._empty.done():
            self._empty.set_result(None)
        self._wake()

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(self, *_: object) -> None:
        self.release()

    @asynccontextmanager
    async def none(self) -> AsyncIterator[None]:
        """While inside, nothing is under way; for one caller at a time."""
        self._shut = True
        try:
            if self.under_way:
                self._empty = asyncio.get_running_loop().create_future()
                await self._empty
            yield
        finally:
            self._shut = False
            self._empty = None
            self._wake()

    def abandon(self, error: Exception) -> None:
        """Turn away everybody who waits."""
        for queue in self._waiting.values():
            while queue:
                turn = queue.popleft()
                if not turn.done():
                    turn.set_exception(error)

    # ------------------------------------------------------------ how it went

    def answered(self, seconds: float, weight: int = 0) -> None:
        """A request was answered well after so many seconds; to be told before ``release``."""
        self._refused_since, self._refusals, self._looking = None, 0, False
        now = asyncio.get_running_loop().time()
        full = self.under_way >= self.window.size or any(self._waiting.values())
        self.window.answered(now - seconds, now, full=full, weight=weight)

    def failed(self, began: float) -> None:
        """The request sent at ``began`` (the loop's time) was not answered, or by trouble: so many were too many."""
        self.window.refused(began, asyncio.get_running_loop().time())

    def refused(self, began: float, retry_after: float | None) -> float:
        """The server refused it for haste: nobody sends for a while; returns for how many seconds.

        Args:
            began: when it was sent.
            retry_after: the seconds that the server named.
        """
        now = asyncio.get_running_loop().time()
        self.window.refused(began, now)
        asked = _FIRST_PAUSE * 2.0 ** min(self._refusals, 10) if retry_after is None else retry_after
        pause = min(max(asked, 0.0), LONGEST_PAUSE)
        if self._refused_since is None:
            self._refused_since = now
            self.on_refusal(pause)
        self._refusals += 1
        self._looking = True
        self._pace.penalise(pause, now)
        self._wake()
        return pause

    # ------------------------------------------------------------ whose turn it is

    def _wake(self) -> None:
        """Let pass whoever may."""
        now = asyncio.get_running_loop().time()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while not self._shut and self.under_way < (1 if self._looking else self.window.size):
            queue = self._waiting[True] or self._waiting[False]
            if not queue:
                return
            if queue[0].done():  # cancelled, and about to leave by itself
                queue.popleft()
                continue
            wait = self._pace.wait(now)
            if wait > 0:
                self._timer = asyncio.get_running_loop().call_later(wait, self._wake)
                return
            self._pace.take()
            self.under_way += 1
            queue.popleft().set_result(None)


class _Pace:
    """Tokens by time: at most ``limit`` a second in the long run, fewer for a while after a penalty.

    Without a limit the first refusal shows one: what passed in the second before it.
    """

    def __init__(self, limit: float) -> None:
        self.rate = limit
        self._limit = limit
        self._tokens = 1.0
        self._paused_until = -math.inf
        self._seen: float | None = None
        self._passed: deque[float] = deque(maxlen=1000)
        self._now = 0.0

    def wait(self, now: float) -> float:
        """Seconds until a token is there; 0 when it is."""
        self._refill(now)
        if now < self._paused_until:
            return self._paused_until - now
        return 0.0 if self._tokens >= 1 - _EPSILON else (1 - self._tokens) / self.rate

    def take(self) -> None:
        """Use the token that ``wait`` saw."""
        self._passed.append(self._now)
        if self.rate < math.inf:
            self._tokens -= 1

    def penalise(self, seconds: float, now: float) -> None:
        """Stop for ``seconds`` and go on at half the rate, which grows back; inside a pause it only gets longer."""
        self._refill(now)
        if now >= self._paused_until:
            if self.rate == math.inf:
                self.rate = float(sum(at > now - 1 for at in self._passed))
                self._full = max(self.rate, 2 * _LEAST_RATE)
            least = _LEAST_RATE if self._limit == math.inf else self._limit / _SLOWEST
            self.rate = max(self.rate / 2, least)
        self._paused_until = max(self._paused_until, now + seconds)
        self._tokens = 1.0  # for the one that looks whether it is over

    def _refill(self, now: float) -> None:
        """Add the tokens, and the recovery of the rate, for the time since the last look; pauses earn nothing."""
        since = now if self._seen is None else max(self._seen, min(self._paused_until, now))
        self._seen = self._now = now
        if (elapsed := now - since) > 0 and self.rate < math.inf:
            self._tokens = min(1.0, self._tokens + elapsed * self.rate)
            full = self._full if self._limit == math.inf else self._limit
            self.rate = min(self._limit, self.rate + full * elapsed / _RECOVERY)

    _full = 0.0  # what passed a second when the server refused first
