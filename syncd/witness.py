"""Whether a call that fails for one document is answered for others: what a blame needs before it is spoken (law 9)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from syncd.errors import AccountRefused, OutcomeUnknown, RateLimited, ServerError, SyncdError
from syncd.fastgpt import endpoints as to
from syncd.fastgpt.client import Client
from syncd.ledger import Ledger, entries
from syncd.models import DocumentKey, Revision

LATELY = 600.0  # seconds within which an answer to somebody else says something of the server
_SHARE = 4  # so many answers outweigh one other document that fails as well
_FIRST_REST, _LONGEST_REST = 60.0, 3600.0  # seconds


class Word(Enum):
    """What is known of the others."""

    PASS = auto()  # the same call is answered for others: it is this document
    FAIL = auto()  # it fails for others as well, or the server refuses us: it is the server
    ALONE = auto()  # nobody else asks for it


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

    async def judge(
        self, key: DocumentKey, error: ServerError | OutcomeUnknown, revision: Revision | None, *, again: bool = False
    ) -> Word:
        """What a failure for one document says; remembered for the next judgement.

        Args:
            key: the document.
            error: names the call.
            revision: the version that it was about, or another one of the document.
            again: the ledger knows of failures before, in this run or another one.
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
        if isinstance(error, (AccountRefused, RateLimited)):
            return Word.FAIL  # the key, the balance, the haste: of one document only if others pass in between
        others = sum(at > last for other, at in failed.items() if other != key)
        if good and others * _SHARE <= len(good) - (others > 0):
            return Word.PASS
        if others:
            return Word.FAIL
        if error.endpoint in _ASKABLE:
            return (
                Word.PASS if revision is not None and await self._ask_another(error.endpoint, revision) else Word.FAIL
            )
        return Word.ALONE if again or before is not None else Word.FAIL  # once is not yet a story

    async def _ask_another(self, endpoint: str, revision: Revision) -> bool:
        """Whether the same call, which changes nothing, is answered for another document of the dataset."""
        for collection_id, query, mode in entries.controls(self.ledger.conn, revision)[:2]:
            try:
                match endpoint:
                    case to.SEARCH.name:
                        await self.client.search_test(revision.dataset_id, query, mode=mode)
                    case to.DETAIL.name:
                        await self.client.collection(collection_id)
                    case to.TRAINING.name:
                        await self.client.training(collection_id)
                    case to.CHUNKS.name:
                        await self.client.chunks(collection_id)
                    case _:
                        await self.client.collections(revision.dataset_id, None, page_size=1)
            except SyncdError:
                return False
            else:
                return True
        return False

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


_ASKABLE = frozenset({to.SEARCH.name, to.DETAIL.name, to.TRAINING.name, to.CHUNKS.name, to.LIST.name})
