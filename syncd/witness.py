"""Whether a call that fails for one document is answered for others: what a blame needs before it is spoken (law 9)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial

from syncd.errors import AccountRefused, Incompatible, OutcomeUnknown, RateLimited, ServerError, SyncdError
from syncd.fastgpt import endpoints as to
from syncd.fastgpt.client import Client
from syncd.ledger import Ledger, entries
from syncd.models import DocumentKey, Revision

LATELY = 600.0  # seconds within which an answer to somebody else says something of the server
_SHARE = 4  # so many answers outweigh one other document that fails as well
_ANYTHING = "syncd"  # a search that shows whether any is answered
_FIRST_REST, _LONGEST_REST = 60.0, 3600.0  # seconds


class Word(Enum):
    """What is known of the others."""

    PASS = auto()  # the same call is answered for others: it is this document
    FAIL = auto()  # it fails for others as well, or the server refuses us: it is the server
    ALONE = auto()  # nobody else asks for it
    UNSURE = auto()  # once is not yet a story, and others may still show whose trouble it is


@dataclass(slots=True)
class _Rest:
    endpoint: str
    since: float
    until: float
    pause: float


@dataclass(slots=True)
class Witness:
    """Remembers which calls failed for which document, and when they were answered; for one engine.

    Times are those of the event loop.

    Args:
        client: asks the same of another document where that changes nothing.
        ledger: knows other documents.
        good_at: endpoint -> the times of its last good answers, oldest first.
    """

    client: Client
    ledger: Ledger
    good_at: Mapping[str, Sequence[float]]
    _failed: dict[str, dict[DocumentKey, float]] = field(default_factory=dict)
    _rests: dict[DocumentKey, _Rest] = field(default_factory=dict)

    def passed_since(self, key: DocumentKey, endpoint: str) -> bool:
        """Whether somebody was answered at this endpoint since it failed for the document the last time."""
        before = self._failed.get(endpoint, {}).get(key)
        good = self.good_at.get(endpoint, ())
        return before is not None and bool(good) and good[-1] > before

    async def judge(
        self,
        key: DocumentKey,
        error: ServerError | OutcomeUnknown,
        revision: Revision | None,
        *,
        again: bool = False,
        busy: bool = False,
    ) -> Word:
        """What a failure for one document says; remembered for the next judgement.

        Args:
            key: the document.
            error: names the call.
            revision: the version that it was about, or another one of the document.
            again: the ledger knows of failures before, in this run or another one.
            busy: other documents are under way, and may show whose trouble it is.
        """
        now = asyncio.get_running_loop().time()
        failed = self._failed.setdefault(error.endpoint, {})
        before = failed.get(key)
        failed[key] = now
        for other in [other for other, at in failed.items() if at < now - LATELY and other != key]:
            del failed[other]
        good = [at for at in self.good_at.get(error.endpoint, ()) if at >= now - LATELY]
        last = good[-1] if good else -1.0
        if good and before is not None and last > before:
            return Word.PASS  # somebody was answered since this document failed the last time
        # The key, the rights, the balance, the haste, an odd shape: of one document only if others pass beside it.
        refused = isinstance(error, RateLimited) or (
            isinstance(error, (AccountRefused, Incompatible)) and not (good and error.endpoint in _FREE)
        )
        others = sum(at > last for other, at in failed.items() if other != key)
        if not refused and good and others * _SHARE <= len(good) - (others > 0):
            return Word.PASS
        if others and not refused:
            return Word.FAIL
        answered = await self._ask_another(error.endpoint, revision)
        if answered is not None:
            return Word.PASS if answered else Word.FAIL
        if others:
            return Word.FAIL
        if refused and not isinstance(error, RateLimited) and not (again and error.endpoint in _FREE):
            return Word.UNSURE if busy else Word.FAIL
        return Word.ALONE if again or before is not None else Word.UNSURE

    async def _ask_another(self, endpoint: str, revision: Revision | None) -> bool | None:
        """Whether the same call is answered for another document of the dataset.

        ``None`` when it cannot be asked: it would change something, or there is no other document.
        """
        if endpoint not in _ASKABLE or revision is None:
            return None
        dataset_id = revision.dataset_id
        controls = (await self.ledger.read(partial(entries.controls, revision=revision)))[:2]
        there: list[str] = [control[0] for control in controls]
        if not there:
            there += (await self.ledger.read(partial(entries.others_there, revision=revision)))[:2]
        calls: list[Callable[[], Awaitable[object]]] = []
        match endpoint:
            case to.SEARCH.name:
                asked = [(query, mode) for _, query, mode in controls] or [(_ANYTHING, "mixedRecall")]
                calls = [partial(self.client.search_test, dataset_id, q, mode=mode, tries=1) for q, mode in asked]
            case to.DETAIL.name:
                calls = [partial(self.client.collection, other) for other in there]
            case to.TRAINING.name:
                calls = [partial(self.client.training, other) for other in there]
            case to.CHUNKS.name:
                calls = [partial(self.client.chunks, other) for other in there]
            case _:
                calls = [partial(self.client.collections, dataset_id, None, page_size=1)]
        for call in calls:
            try:
                await call()
            except SyncdError:
                return False
            return True
        return None

    # ------------------------------------------------------------ rest

    def rest(self, key: DocumentKey, endpoint: str = "") -> None:
        """Leave a document alone for a while, each time for longer.

        Args:
            key: the document.
            endpoint: the call that failed for others as well: once it is answered for anybody, the rest is over.
        """
        now = asyncio.get_running_loop().time()
        known = self._rests.get(key)
        pause = _FIRST_REST if known is None else min(known.pause * 2, _LONGEST_REST)
        self._rests[key] = _Rest(endpoint, now, now + pause, pause)

    def rests(self, key: DocumentKey) -> bool:
        """Whether the document is left alone for now."""
        rest = self._rests.get(key)
        if rest is None or asyncio.get_running_loop().time() >= rest.until:
            return False
        good = self.good_at.get(rest.endpoint, ())
        return not (good and good[-1] > rest.since)

    def rested(self, key: DocumentKey) -> bool:
        """Whether the document was left alone before, and has not come through since."""
        return key in self._rests

    def passed(self, key: DocumentKey) -> None:
        """The document has come through: what was remembered of it is over."""
        self._rests.pop(key, None)
        for failed in self._failed.values():
            failed.pop(key, None)


_FREE = frozenset({to.UPDATE.name, to.DELETE.name})  # no balance and no quota ends these
_ASKABLE = frozenset({to.SEARCH.name, to.DETAIL.name, to.TRAINING.name, to.CHUNKS.name, to.LIST.name})
