"""The server's trouble, kept away from documents (law 9): everyone waits at the gate while one asks.

What failed for one may be that one's own trouble: the server is looked at first, and the gate stays open for all
others until that look has failed as well. A failure of the server closes the gate; one task looks at the server with
growing pauses (at most 15 s apart) and opens it again. A server that is well at the first look has hiccupped, which is
no news. With a ``patience`` the gate gives up and the pass ends with the server's error. A limit on uploads, or on
search tests, closes the gate for nobody else (``lanes``).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping

from syncd.errors import AccountRefused, RateLimited, ServerError, Unavailable
from syncd.lanes import LANES, Lanes
from syncd.logs import get_logger
from syncd.together import begin, ended

log = get_logger(__name__)

LOOK_WITH_KEY = "datasets"  # what a look with the key asks: where just that was refused, the look sees the end of it
_FIRST_PAUSE = 0.5  # seconds
_RELAPSE = 60.0  # seconds within which trouble that returns is the same trouble
_FORGOTTEN = 3600.0  # seconds after which a refusal is over that nobody has run into again
_GLANCE = 1.0  # seconds between two glances at whether what was refused has been done again
_SHORT = 2.0  # seconds; a pause of this length that the server asks for is nothing to tell
_WELL = 10  # good answers after which a server has been well meanwhile
LONGEST_PAUSE = 15.0  # seconds between two looks at the server (pinned, design 11)


class Gate:
    """Waits for the server on behalf of all documents.

    Args:
        probe: one cheap request; raises while the server is in trouble. It is told whether the key was refused, which
            a request without the key would not notice.
        patience: seconds of uninterrupted trouble after which the gate gives up; ``None`` is for ever.
        stubborn: wait for what waiting does not cure as well, such as a refused key: somebody may cure it meanwhile.
        report: told of each trouble, again when its reason is another one, and once when it has passed.
        good: endpoint -> how many good answers it gave so far.
    """

    def __init__(
        self,
        probe: Callable[[bool], Awaitable[object]],
        *,
        patience: float | None,
        stubborn: bool = False,
        report: Callable[[ServerError | None], None],
        good: Mapping[str, int],
    ) -> None:
        self._probe = probe
        self._patience = patience
        self._stubborn = stubborn
        self._pause = _FIRST_PAUSE
        self._opened_at = -math.inf
        self._report = report
        self._reported: tuple[str, str] | None = None  # kind and message of what was told
        self._refusal: ServerError | None = None  # what no look can show to be over
        self._trouble: ServerError | None = None
        self._hoping: asyncio.TimerHandle | None = None
        self._good = good
        self._good_then: Mapping[str, int] = {}
        self._waiter: asyncio.Task[None] | None = None
        self._lanes = Lanes(patience, good)
        self._glances: dict[bool, asyncio.Task[ServerError | None]] = {}  # with the key, and without it

    @property
    def patience(self) -> float | None:
        """Seconds of uninterrupted trouble after which it gives up; ``None`` is for ever."""
        return self._patience

    async def look(self, trouble: ServerError) -> bool:
        """Whether the server is well although something failed; whoever did not fail waits for nothing meanwhile.

        All who ask at the same time share one request.

        Returns:
            False when it was in trouble, or is told to be by others, and works again.

        Raises:
            ServerError: the trouble outlasted the patience, or is one that waiting does not cure.
        """
        if self.closed:
            await self.passage()
            return False
        with_key = not isinstance(trouble, (Unavailable, RateLimited))
        glance = self._glances.get(with_key)
        if glance is None or glance.done():
            glance = self._glances[with_key] = begin(self._glance(with_key))
        found = await asyncio.shield(glance)
        if found is None:
            return True
        await self.wait(trouble if type(trouble) is type(found) else found)
        return False

    async def _glance(self, with_key: bool) -> ServerError | None:
        try:
            await self._probe(with_key)
        except ServerError as error:
            return error
        return None

    async def wait(self, trouble: ServerError) -> None:
        """Return when the server works again, or when what it limits may be asked for again.

        Raises:
            ServerError: the trouble outlasted the patience, or is one that waiting does not cure.
        """
        if not self._curable(trouble):
            raise trouble
        if isinstance(trouble, RateLimited) and trouble.endpoint in LANES:
            await self._limited(trouble)
            return
        if self._waiter is None or self._waiter.done():
            self._trouble = trouble
            self._waiter = begin(self._reopen(trouble))
        await asyncio.shield(self._waiter)

    async def passage(self) -> None:
        """Return when the gate is open.

        Raises:
            ServerError: the trouble outlasted the patience.
        """
        if self._waiter is not None and not self._waiter.done():
            await asyncio.shield(self._waiter)

    async def _limited(self, trouble: RateLimited) -> None:
        loop = asyncio.get_running_loop()
        given_up = self._lanes.refused(trouble, loop.time())
        if not _may_pass(trouble) and not self.closed:
            self._refusal = trouble
            self._say(trouble)
            if self._hoping is None or self._hoping.cancelled():
                self._hope(trouble.endpoint, loop.time(), self._good.get(trouble.endpoint, 0))
        if given_up:
            raise trouble
        # The lane's own pace decides who looks next, and when; what waits here does not crowd it.
        await asyncio.sleep(min(max(trouble.retry_after or 0.0, _FIRST_PAUSE), LONGEST_PAUSE))

    def given_up(self, endpoint: str) -> RateLimited | None:
        """Why nothing is asked of an endpoint any more that the server limits on its own, if so."""
        return self._lanes.given_up(endpoint)

    def admit(self, endpoint: str = "") -> None:
        """Let a request through.

        Raises:
            ServerError: the gate is closed, or the endpoint is given up, and for this reason.
        """
        if self.closed and self._trouble is not None:
            raise self._trouble
        if (limit := self._lanes.given_up(endpoint)) is not None:
            raise limit

    @property
    def closed(self) -> bool:
        """Whether the server is in trouble now."""
        return self._waiter is not None and not self._waiter.done()

    def _curable(self, trouble: ServerError) -> bool:
        return self._stubborn or isinstance(trouble, (Unavailable, RateLimited))

    def assume(self, trouble: ServerError) -> None:
        """Begin with a trouble that was told already, by a gate before this one: it is looked at, and its end told."""
        self._reported = (kind_of(trouble), trouble.message)
        if self._waiter is None or self._waiter.done():
            self._trouble = trouble
            self._waiter = begin(self._reopen(trouble))

    async def _reopen(self, trouble: ServerError) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        if self._hoping is not None:
            self._hoping.cancel()
        refused = isinstance(trouble, AccountRefused)
        if not isinstance(trouble, (Unavailable, RateLimited)):
            self._refusal = trouble
        relapse = self._relapse(trouble, began)
        pause = self._pause if relapse else _FIRST_PAUSE
        if relapse or not _may_pass(trouble):
            self._say(trouble)
        while True:
            asked = trouble.retry_after if isinstance(trouble, RateLimited) else None
            # Whatever the server asks for: one look is no haste, and a wrong date must not stop work for a day.
            pause = max(pause, min(asked or 0.0, LONGEST_PAUSE))
            if self._patience is not None:
                left = began + self._patience - loop.time()
                if left <= 0 or (asked or 0.0) > left:
                    raise trouble  # asking before the server wants it would only make it worse
                pause = min(pause, left)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            try:
                await self._probe(refused)
            except ServerError as error:
                if not self._curable(error):
                    raise
                trouble = error
                if not isinstance(error, (Unavailable, RateLimited)):
                    self._refusal = None  # a look sees it itself, and will see its end
                refused |= isinstance(trouble, AccountRefused)
                self._say(trouble)
            else:
                self._pause, self._opened_at, self._good_then = pause, loop.time(), dict(self._good)
                if self._reported is None:
                    log.info("server.hiccup", error=trouble.message)
                elif self._refusal is None or (refused and self._refusal.endpoint == LOOK_WITH_KEY):
                    self._well()
                else:
                    # The look says nothing of an empty balance: that is over when what was refused is done again.
                    self._say(self._refusal)
                    endpoint = self._refusal.endpoint
                    self._hope(endpoint, loop.time(), self._good.get(endpoint, 0))
                return

    def _hope(self, endpoint: str, since: float, good: int) -> None:
        """Look every second whether what was refused has been done since; it had been ``good`` times before."""
        loop = asyncio.get_running_loop()
        done = bool(endpoint) and self._good.get(endpoint, 0) > good
        # Where nobody can say what was refused, or nobody asks for it any more, it is over when it stays away.
        if done or loop.time() - since >= (_FORGOTTEN if endpoint else _RELAPSE):
            self._well()
        else:
            self._hoping = loop.call_later(_GLANCE, self._hope, endpoint, since, good)

    def _relapse(self, trouble: ServerError, now: float) -> bool:
        """Whether this is the trouble before, come back.

        What comes back as soon as the gate is open is asked for ever less: the server itself may be well, and refuse
        the key, or uploads alone. But after it has done much, and just this, a failure is a new one.
        """
        if now - self._opened_at >= _RELAPSE:
            return False
        endpoint = trouble.endpoint
        well = sum(self._good.values()) - sum(self._good_then.values()) >= _WELL
        return not well or self._good.get(endpoint, 0) <= self._good_then.get(endpoint, 0)

    def _say(self, trouble: ServerError) -> None:
        told = (kind_of(trouble), trouble.message)
        if self._reported != told:
            self._reported = told
            self._report(trouble)

    def _well(self) -> None:
        self._reported = self._refusal = self._hoping = None
        self._report(None)

    async def close(self) -> None:
        """Stop asking."""
        if self._hoping is not None:
            self._hoping.cancel()
        await ended(*(task for task in (self._waiter, *self._glances.values()) if task is not None))


def kind_of(trouble: ServerError | None) -> str:
    """What sort of trouble it is: news when it changes. An outage may say many things; a refusal has its remedy."""
    if trouble is None:
        return ""
    return (
        "outage"
        if isinstance(trouble, (Unavailable, RateLimited))
        else f"{trouble.code}: {trouble.hint or trouble.message}"
    )


def _may_pass(trouble: ServerError) -> bool:
    """Whether it may be over before anybody needs to hear of it."""
    if isinstance(trouble, RateLimited):
        return (trouble.retry_after or 0.0) <= _SHORT
    return isinstance(trouble, Unavailable)
