"""Whose trouble it is that a call came to nothing, the server's or one document's, and how long that one is tried.

A look at the server, and at what others are answered, decides (law 9). What is one document's is counted on it, and
keeps nobody else waiting; after ``MOST`` times while others pass it is given up (design 13).
"""

from __future__ import annotations

import asyncio
import posixpath
from dataclasses import dataclass

from syncd.apply import Stopped, Tools
from syncd.blaming import Blame
from syncd.errors import (
    EXIT_PARTIAL,
    AccountRefused,
    OutcomeUnknown,
    Permanent,
    RateLimited,
    ServerError,
)
from syncd.fastgpt.endpoints import CREATE_FOLDER
from syncd.fastgpt.reading import Misshapen
from syncd.ledger import entries, moves
from syncd.logs import get_logger
from syncd.models import DocumentKey, FileSnapshot, LedgerEntry, Problem, State, Waiting
from syncd.passing import PassState
from syncd.patience import MOST, MOST_IN_DOUBT, Patience, as_trouble, rest_after
from syncd.witness import Word

log = get_logger(__name__)

_SOON = 60.0  # seconds until the next try that any one-shot run waits for
_LEAST_TRIES = 2  # of a one-shot run, whatever its patience
_ALONE_FOR = 6 * 3600.0  # seconds that it goes on when nobody else asks for the same
_LONGEST_REST = 3600.0  # seconds until what cannot be given up is tried again


@dataclass(slots=True)
class Setbacks:
    """Judges and counts the calls of one pass that came to nothing.

    Args:
        patience: waits, and knows the gate.
        blame: what follows for a document.
    """

    tools: Tools
    state: PassState
    patience: Patience
    blame: Blame

    async def came_to_nothing(
        self, key: DocumentKey, error: ServerError | OutcomeUnknown, snapshot: FileSnapshot | None
    ) -> bool:
        """A call for a document failed: find out whose trouble that is, and wait for whoever it is.

        Returns:
            Whether the pass goes on with the document.

        Raises:
            ServerError: it is the server's, and outlasted the patience, or waiting does not cure it.
        """
        try:
            was_well = await self._look(key, error)
            entry = entries.one(self.tools.ledger.conn, key)
            if entry is None:
                return False
            word = await self._judge(key, entry, error)
            misshapen = isinstance(error.cause if isinstance(error, OutcomeUnknown) else error, Misshapen)
            if misshapen and word is not Word.FAIL:
                word = Word.UNSURE  # whatever is answered for others, what is no answer of FastGPT's blames no document
            if word is Word.FAIL and was_well:
                await self.patience.all_wait(error)
        except Stopped:
            return False
        except RateLimited as limit:
            if self.patience.gate().given_up(limit.endpoint) is None:
                raise
            if (entry := entries.one(self.tools.ledger.conn, key)) is None:
                return False
            word = await self._judge(key, entry, error)
            if word is not Word.PASS:
                await self.leave(key, entry, limit)
                return False
        if word is Word.FAIL and self._the_gate_knows(error):
            return True  # the key, the rights, the balance, a limit: the gate says how long
        self.state.setbacks[key] += 1
        now = asyncio.get_running_loop().time()
        self.state.trouble_since.setdefault(key, now)
        if word in (Word.PASS, Word.ALONE):
            return await self._count(key, entry, snapshot, error, word)
        if self.state.setbacks[key] > MOST_IN_DOUBT:
            await self.leave(key, entry, error)
            return False
        if word is Word.UNSURE:
            self._say(key, entry, error)
            await self.patience.pause(rest_after(self.state.setbacks[key]), key)
        return True

    async def is_its_own(self, key: DocumentKey, error: ServerError) -> bool:
        """Whether a failure beside the life of a document is that document's; else the server has been waited for.

        Raises:
            Stopped: somebody asked to stop meanwhile.
            ServerError: the trouble outlasted the patience, or waiting does not cure it.
        """
        if not await self._look(key, error):
            return False
        entry = entries.one(self.tools.ledger.conn, key)
        if entry is None:
            return False
        if await self._judge(key, entry, error) is Word.FAIL:
            await self.patience.all_wait(error)
            return False
        return True

    async def _look(self, key: DocumentKey, error: ServerError | OutcomeUnknown) -> bool:
        """Whether the server is well though this failed: what was answered for others meanwhile is proof enough."""
        own = self.tools.witness.passed_since(self._who(key, error), error.endpoint)
        if isinstance(as_trouble(error), RateLimited):
            if not own:
                await self.patience.all_wait(error)
            return own
        return own or await self.patience.well(error)

    async def _judge(self, key: DocumentKey, entry: LedgerEntry, error: ServerError | OutcomeUnknown) -> Word:
        busy = any(other != key for other in self.tools.claims.keys())  # noqa: SIM118 - no mapping
        if self.patience.gate().patience is not None and self.tools.progress.counts["uploaded"]:
            busy = True  # others went through in this very run, whose end tells what was refused
        revision = entry.candidate or entry.serving
        return await self.tools.witness.judge(
            self._who(key, error), error, revision, again=entry.setbacks > 0, busy=busy
        )

    def _who(self, key: DocumentKey, error: ServerError | OutcomeUnknown) -> DocumentKey:
        """A folder that cannot be made fails for all documents in it, which says nothing of the server."""
        return DocumentKey(key.source, posixpath.dirname(key.path)) if error.endpoint == CREATE_FOLDER.name else key

    async def _count(
        self,
        key: DocumentKey,
        entry: LedgerEntry,
        snapshot: FileSnapshot | None,
        error: ServerError | OutcomeUnknown,
        word: Word,
    ) -> bool:
        """One setback more of this document; returns whether the pass goes on with it.

        A one-shot run is as patient with one document as it is with a server: after that time, and two tries, it
        leaves the document, counted, to the next run. An upload that may have arrived is looked for before.
        """
        count, here = entry.setbacks + 1, self.state.setbacks[key]
        long = self.tools.now() - (entry.setback_since or self.tools.now())
        if count >= MOST and (word is Word.PASS or long >= _ALONE_FOR):
            return await self._give_up(key, entry, snapshot, error, count)
        patience = self.patience.gate().patience
        lost = entry.candidate if self._is_lost(entry, error) else None
        pause = rest_after(count if patience is None else here)
        if count >= MOST:
            pause = _LONGEST_REST
        elif lost is not None:
            pause = 0.0  # it is looked for first, and that takes half a minute
        await self._set_back(key, entry, error, count, pause)
        if patience is None:
            return True
        lasts = asyncio.get_running_loop().time() - self.state.trouble_since[key]
        if here < _LEAST_TRIES or lasts + pause < patience:
            return True
        if lost is not None:
            self.tools.spent[lost.id] = error
            return True
        limited = word is Word.ALONE and isinstance(as_trouble(error), RateLimited)
        await self.leave(key, entry, error, None if limited else EXIT_PARTIAL)
        return False

    def leaves_to_next(self, key: DocumentKey, waiting: Waiting) -> bool:
        """Whether a one-shot run leaves a document whose next try is due later than it has patience for."""
        patience, left = self.patience.gate().patience, (waiting.until or 0.0) - self.tools.now()
        if patience is None or left <= max(patience, _SOON):
            return False
        self.state.put_off[key] = waiting.reason
        self.state.open[key] = f"{key.path} waits for another try"
        self.state.codes.add(EXIT_PARTIAL)
        return True

    def _is_lost(self, entry: LedgerEntry, error: ServerError | OutcomeUnknown) -> bool:
        """Whether an upload may have arrived."""
        candidate = entry.candidate
        return isinstance(error, OutcomeUnknown) and candidate is not None and candidate.state is State.UPLOADING

    def _say(self, key: DocumentKey, entry: LedgerEntry, error: ServerError | OutcomeUnknown, count: int = 0) -> str:
        """Tell what failed for this document, in words that blame nobody else; returns them."""
        tried = f"try {count} of {MOST}: " if count else ""
        if self._is_lost(entry, error):
            said = (
                f"{tried}the upload was not answered clearly; it is looked for on the server before it is sent again: "
                f"{error.message}"
            )
            self.tools.progress.looked_for[key] = f"looking on the server for {key.path}, whose upload was not answered"
        else:
            said = f"{tried}{error.message}"
        self.tools.progress.tell("unclear" if isinstance(error, OutcomeUnknown) else "failed", key, said)
        return said

    def _the_gate_knows(self, error: ServerError | OutcomeUnknown) -> bool:
        """Whether this is waited for without an end, one look at a time, so that no document has to rest."""
        limited = isinstance(as_trouble(error), RateLimited) and self.patience.gate().patience is None
        return isinstance(error, AccountRefused) or limited

    async def _set_back(
        self, key: DocumentKey, entry: LedgerEntry, error: ServerError | OutcomeUnknown, count: int, pause: float
    ) -> None:
        now = self.tools.now()
        said = self._say(key, entry, error, count)
        await self.tools.ledger.commit(
            "set_back",
            lambda db: moves.set_back(db, entry.document_id, Problem.UPLOAD_FAILED, said, now + pause, now),
        )
        log.warning("document.failed", source=key.source, path=key.path, attempt=count, error=error.message)

    async def _give_up(
        self,
        key: DocumentKey,
        entry: LedgerEntry,
        snapshot: FileSnapshot | None,
        error: ServerError | OutcomeUnknown,
        count: int,
    ) -> bool:
        """It came to nothing too often while the server was well: this document is given up (design 13)."""
        candidate = entry.candidate
        lost = self._is_lost(entry, error)
        await self._set_back(key, entry, error, count, 0.0 if lost else _LONGEST_REST)
        why = Permanent(
            Problem.UPLOAD_FAILED,
            f"it came to nothing {count} times while the server answered for others; the last time: {error.message}",
            hint="look at the limits of the proxy in front of FastGPT (size of a request, time, words it forbids), "
            "then `syncd retry`",
        )
        if lost and candidate is not None:
            # It may have arrived all the same: it is given up when the look for it has found nothing (law 3).
            self.tools.doubts[candidate.id] = OutcomeUnknown(error.message, cause=why)
            return True
        await self.blame.failed(key, entry, snapshot, why)
        return key not in self.state.put_off

    async def leave(
        self, key: DocumentKey, entry: LedgerEntry, error: ServerError | OutcomeUnknown, code: int | None = None
    ) -> None:
        """Leave it for this pass, since nobody can be blamed for it, or the pass has no more time for it (law 9).

        A begun flip is turned back, so that what was shown last and never found does not stand in for what was proven.
        """
        self.tools.witness.rest(key, error.endpoint)
        if isinstance(error, RateLimited) and code is None:
            self.state.codes.add(error.exit_code)
        flips = entry.candidate is not None and entry.candidate.flip is not None
        if flips and await self.blame.take_back(key, entry, error.message):
            self.blame.leave_unproven(key, error.message)
        else:
            self.blame.put_off(key, error, code)
