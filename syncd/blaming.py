"""Whose fault a failure is, and what follows from it: the server's, the source's or the document's (design 5)."""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from syncd.apply import Applier, Gone, Stopped, Tools
from syncd.errors import (
    EXIT_PARTIAL,
    AccountRefused,
    DocumentError,
    OutcomeUnknown,
    Permanent,
    RateLimited,
    RemoteMissing,
    ServerError,
    SourceError,
    Stuck,
    SyncdError,
    Transient,
    Unavailable,
)
from syncd.fastgpt.endpoints import CREATE_FOLDER
from syncd.fastgpt.envelope import DatasetMissing
from syncd.fastgpt.reading import Misshapen
from syncd.gate import Gate
from syncd.ledger import entries, moves
from syncd.logs import get_logger
from syncd.models import (
    DocumentKey,
    FileSnapshot,
    LedgerEntry,
    Problem,
    State,
)
from syncd.observe import STILL_BEING_WRITTEN
from syncd.passing import PassState
from syncd.witness import Word

log = get_logger(__name__)

MOST_SETBACKS = 8  # so often calls for one document may come to nothing while others pass (design 13)
_PATIENT_FAILURES = 4  # so often within one pass while nothing shows that others pass
_ALONE_FOR = 6 * 3600.0  # seconds that it goes on when nobody else asks for the same
_LONGEST_PAUSE = 3600.0  # seconds until what cannot be given up is tried again
_LATELY = 600.0  # seconds
_MOST_CHANGES = 5  # so often a file may change under our hands before the pass leaves it alone


@dataclass(slots=True)
class Blame:
    """Sorts out what goes wrong with documents.

    Args:
        gate: gives the gate of the running pass.
        report: told when a source cannot be served any more.
        max_attempts: failures after which a document is quarantined.
    """

    tools: Tools
    applier: Applier
    state: PassState
    gate: Callable[[], Gate]
    report: Callable[[str, SourceError], None]
    max_attempts: int

    async def wait_for_server(
        self, key: DocumentKey, error: ServerError | OutcomeUnknown, snapshot: FileSnapshot | None
    ) -> bool:
        """Wait for the server; then judge whose fault it is that this call came to nothing.

        Returns:
            Whether the pass goes on with the document.
        """
        try:
            await self.tools.unless_stopped(self.gate().wait(as_trouble(error)))
        except Stopped:
            return False
        except RateLimited as limit:
            if self.gate().given_up(limit.endpoint) is None:
                raise
            if (entry := entries.one(self.tools.ledger.conn, key)) is not None:
                await self.leave(key, entry, limit)
            return False
        entry = entries.one(self.tools.ledger.conn, key)
        if entry is None:
            return False
        who = DocumentKey(key.source, posixpath.dirname(key.path)) if error.endpoint == CREATE_FOLDER.name else key
        word = await self.tools.witness.judge(who, error, entry.candidate or entry.serving, again=entry.setbacks > 0)
        if isinstance(error.cause if isinstance(error, OutcomeUnknown) else error, Misshapen):
            word = Word.FAIL  # whatever is answered for others, what is no answer of FastGPT's blames no document
        if word is Word.FAIL and self._the_gate_knows(error):
            return True  # the key, the rights, the balance, a limit: the gate says how long
        self.state.setbacks[key] += 1
        if word is not Word.FAIL:
            count = entry.setbacks + 1
            long = self.tools.now() - (entry.setback_since or self.tools.now())
            if count >= MOST_SETBACKS and (word is Word.PASS or long >= _ALONE_FOR):
                return await self._give_up(key, entry, snapshot, error, count)
            slow = 0.0 if isinstance(error, OutcomeUnknown) else min(2.0 ** (count - 1), 60.0)
            await self._set_back(key, entry, error, count, _LONGEST_PAUSE if count >= MOST_SETBACKS else slow)
        if word is Word.PASS or self.state.setbacks[key] <= _PATIENT_FAILURES:
            return True
        await self.leave(key, entry, error)
        return False

    def _the_gate_knows(self, error: ServerError | OutcomeUnknown) -> bool:
        """Whether this is waited for without an end, one look at a time, so that no document has to rest."""
        limited = isinstance(as_trouble(error), RateLimited) and self.gate().patience is None
        return isinstance(error, AccountRefused) or limited

    async def _set_back(
        self, key: DocumentKey, entry: LedgerEntry, error: ServerError | OutcomeUnknown, count: int, pause: float
    ) -> None:
        now = self.tools.now()
        await self.tools.ledger.commit(
            "set_back",
            lambda db: moves.set_back(db, entry.document_id, error.code, error.message, now + pause, now),
        )
        self.tools.progress.tell("failed", key, error.message)
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
        lost = isinstance(error, OutcomeUnknown) and candidate is not None and candidate.state is State.UPLOADING
        await self._set_back(key, entry, error, count, 0.0 if lost else _LONGEST_PAUSE)
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
        await self.failed(key, entry, snapshot, why)
        return key not in self.state.put_off

    async def leave(self, key: DocumentKey, entry: LedgerEntry, error: ServerError | OutcomeUnknown) -> None:
        """Leave it for this pass, since nobody can be blamed for it (law 9).

        A begun flip is turned back, so that what was shown last and never found does not stand in for what was proven.
        """
        self.tools.witness.rest(key, error.endpoint)
        if isinstance(error, RateLimited):
            self.state.codes.add(error.exit_code)
        flips = entry.candidate is not None and entry.candidate.flip is not None
        if flips and await self.take_back(key, entry, error.message):
            self.leave_unproven(key, error.message)
        else:
            self.put_off(key, error)

    def put_off(self, key: DocumentKey, error: SyncdError) -> None:
        """Not again in this pass."""
        self.state.put_off[key] = error.message
        self.state.open[key] = f"{key.path} could not be worked on in this pass"
        cause = error.cause if isinstance(error, OutcomeUnknown) and error.cause is not None else error
        self.state.codes.add(cause.exit_code if cause.exit_code != EXIT_PARTIAL else error.exit_code)

    async def take_back(self, key: DocumentKey, entry: LedgerEntry, reason: str) -> bool:
        """Take a candidate out of its flip; false when the server does not let that through."""
        candidate = entry.candidate
        if candidate is None or candidate.flip is None:
            return True
        if entry.serving is None and candidate.reason in ("adopted", "alone"):
            return True  # the only version there is stays as it is, unproven
        found = candidate
        try:
            most = 1 if self.tools.witness.rested(key) else MOST_SETBACKS
            await self.unless_stopped(lambda: self.applier.withdraw(key, found, entry.serving, reason), most)
        except RemoteMissing as error:
            why = error.message
            await self.tools.ledger.commit("lost", lambda db: moves.lost(db, found, self.tools.now(), why))
        except Stuck:
            return False
        return True

    def leave_unproven(self, key: DocumentKey, reason: str) -> None:
        self.state.unproven[key] = reason
        self.state.put_off[key] = reason
        self.state.open[key] = f"{key.path} is not proven yet"
        log.warning("document.unproven", source=key.source, path=key.path, reason=reason)

    def changed(self, key: DocumentKey, error: Gone) -> None:
        """The next round looks at the file again; one that never comes to rest is left alone."""
        self.state.changed[key] += 1
        if self.state.changed[key] >= _MOST_CHANGES:
            self.state.put_off[key] = f"{STILL_BEING_WRITTEN} ({error.message})"
            self.state.open[key] = f"{key.path} was changed while it was worked on"

    async def failed(
        self, key: DocumentKey, entry: LedgerEntry, snapshot: FileSnapshot | None, error: DocumentError
    ) -> None:
        """Count a failure against the document: later again, or quarantine at the limit (design 5)."""
        if self._refuses_everybody(error):
            await self._not_counted(key, error)
            return
        ledger, now = self.tools.ledger, self.tools.now()
        fresh = entries.one(ledger.conn, key) or entry
        attempts = fresh.attempts + 1
        if isinstance(error, Permanent) or attempts >= self.max_attempts:
            await self._quarantine(key, fresh, snapshot, error)
            return
        pause = min(2.0 ** (attempts - 1), 60.0)
        await ledger.commit(
            "failed",
            lambda db: moves.failed_attempt(db, entry.document_id, error.code, error.message, now + pause, now),
        )
        self.tools.progress.tell("failed", key, error.message)
        log.warning("document.failed", source=key.source, path=key.path, attempt=attempts, error=error.message)

    async def _quarantine(
        self, key: DocumentKey, fresh: LedgerEntry, snapshot: FileSnapshot | None, error: DocumentError
    ) -> None:
        candidate = fresh.candidate
        content = candidate.content if candidate is not None else snapshot.content if snapshot is not None else None
        if content is None:
            self.state.put_off[key] = error.message
            return
        if not await self.take_back(key, fresh, error.message):
            # A begun flip comes to its end before anything else (rule 2): it is tried again, ever less often.
            self.tools.witness.rest(key)
            self.put_off(key, error)
            return
        message = f"{error.message.removesuffix('.')}; {error.hint}" if error.hint else error.message
        await self.tools.ledger.commit(
            "quarantined",
            lambda db: moves.quarantine(db, fresh.document_id, content, error.code, message, self.tools.now()),
        )
        if candidate is not None:
            self.tools.materials.drop(candidate.id)
        self.state.open[key] = f"{key.path} could not be uploaded in this pass"
        self.tools.progress.count("quarantined", key, f"{error.code}: {error.message}")
        log.warning("document.quarantined", source=key.source, path=key.path, code=error.code, error=error.message)

    def _refuses_everybody(self, error: DocumentError) -> bool:
        """A refused upload is the document's fault only if the server took another one lately (law 9)."""
        taken = self.tools.taken_at[0] > asyncio.get_running_loop().time() - _LATELY
        return (
            isinstance(error, Transient)
            and error.code == Problem.UPLOAD_FAILED
            and not (taken or self.tools.progress.counts["uploaded"])
        )

    async def _not_counted(self, key: DocumentKey, error: DocumentError) -> None:
        self.state.refusals[key] += 1
        if self.state.refusals[key] > _PATIENT_FAILURES:
            self.state.put_off[key] = error.message
            self.state.open[key] = f"{key.path} could not be uploaded in this pass"
            self.state.codes.add(Unavailable.exit_code)
            return
        log.warning("upload.refused", source=key.source, path=key.path, error=error.message)
        await self.pause(2.0 ** (self.state.refusals[key] - 1), key)

    async def lost(self, entry: LedgerEntry, snapshot: FileSnapshot | None, error: RemoteMissing) -> None:
        """What the server does not have any more, the ledger does not keep: the next step sends it again."""
        key, ledger = entry.key, self.tools.ledger
        source = self.tools.sources[key.source]
        if isinstance(error, DatasetMissing) or not await self._dataset_there(source.dataset_id):
            self.report(
                key.source,
                SourceError(
                    f'source "{key.source}": the dataset "{source.config.dataset}" is not on the server any more',
                    hint="if it was deleted on purpose, name another dataset in the configuration; "
                    "syncd never makes a lost dataset again by itself",
                ),
            )
            return
        fresh = entries.one(ledger.conn, key) or entry
        gone = fresh.candidate or fresh.serving
        if gone is not None and gone.collection_id is not None:
            lost = gone
            await ledger.commit("lost", lambda db: moves.lost(db, lost, self.tools.now(), error.message))
        await self.failed(
            key, fresh, snapshot, Transient(Problem.UPLOAD_FAILED, "its collection vanished on the server")
        )

    async def _dataset_there(self, dataset_id: str) -> bool:
        try:
            await self.unless_stopped(lambda: self.tools.client.dataset(dataset_id))
        except RemoteMissing:
            return False
        except Stuck:
            pass  # nobody says that it is gone
        return True

    # ------------------------------------------------------------ waiting

    async def pause(self, seconds: float, key: DocumentKey) -> None:
        """Sleep, but not past a stop or news of the document."""
        with suppress(Stopped):
            await self.tools.unless_stopped(asyncio.sleep(max(seconds, 0.0) + 0.001), key)

    async def passage(self, key: DocumentKey | None = None) -> bool:
        """Wait until the server is well; false when a stop, or news of the document, came first.

        Raises:
            ServerError: the trouble outlasted the patience.
        """
        try:
            await self.tools.unless_stopped(self.gate().passage(), key)
        except Stopped:
            return False
        return True

    async def until_stopped(self, call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """As ``unless_stopped``, for work that a stop may also break off, such as a long look at the server."""
        return await self.unless_stopped(lambda: self.tools.unless_stopped(call()))

    async def unless_stopped(self, call: Callable[[], Awaitable[Any]], most: int = MOST_SETBACKS) -> Any:
        """Repeat an idempotent piece of work until the server lets it through; a stop does not wait for that.

        Args:
            call: the work.
            most: how often it may come to nothing while the server is well.

        Raises:
            Stopped: somebody asked to stop while the server was in trouble.
            ServerError: the trouble outlasted the patience.
            Stuck: the server is well, but this came to nothing again and again.
        """
        failures = 0
        while True:
            if self.gate().closed:
                await self.tools.unless_stopped(self.gate().passage())
            try:
                return await call()
            except (ServerError, OutcomeUnknown) as error:
                await self.tools.unless_stopped(self.gate().wait(as_trouble(error)))
                failures += 1
                if failures > most:
                    raise Stuck(error.message, hint=error.hint) from error


def as_trouble(error: ServerError | OutcomeUnknown) -> ServerError:
    """An outcome that nobody knows, as what is waited for: a server that asks for a pause gets it."""
    if isinstance(error, ServerError):
        return error
    trouble = error.cause if isinstance(error.cause, RateLimited) else Unavailable(error.message, hint=error.hint)
    trouble.endpoint = error.endpoint
    return trouble
