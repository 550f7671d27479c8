"""Whose fault a failure is, and what follows from it: the server's, the source's or the document's (design 5)."""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import Callable
from dataclasses import dataclass

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
    Waiting,
)
from syncd.observe import STILL_BEING_WRITTEN
from syncd.passing import PassState
from syncd.patience import MOST, Patience, as_trouble
from syncd.witness import Word

log = get_logger(__name__)

MOST_SETBACKS = MOST  # so often calls for one document may come to nothing while others pass (design 13)
_SOON = 60.0  # seconds until the next try that any one-shot run waits for
_LEAST_TRIES = 2  # of a one-shot run, whatever its patience
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
        patience: waits.
        report: told when a source cannot be served any more.
        max_attempts: failures after which a document is quarantined.
    """

    tools: Tools
    applier: Applier
    state: PassState
    gate: Callable[[], Gate]
    patience: Patience
    report: Callable[[str, SourceError], None]
    max_attempts: int

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
            if self.gate().given_up(limit.endpoint) is None:
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
        if self.state.setbacks[key] > _PATIENT_FAILURES:
            await self.leave(key, entry, error)
            return False
        if word is Word.UNSURE:
            self._say(key, entry, error)
            await self.patience.pause(2.0 ** (self.state.setbacks[key] - 1), key)
        return True

    async def is_its_own(self, key: DocumentKey, error: ServerError) -> bool:
        """Whether a failure beside the life of a document is that document's; else the server has been waited for.

        Raises:
            Stopped: somebody asked to stop meanwhile.
            ServerError: the trouble outlasted the patience, or waiting does not cure it.
        """
        entry = entries.one(self.tools.ledger.conn, key)
        if not await self._look(key, error) or entry is None:
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
        if self.gate().patience is not None and self.tools.progress.counts["uploaded"]:
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
        if count >= MOST_SETBACKS and (word is Word.PASS or long >= _ALONE_FOR):
            return await self._give_up(key, entry, snapshot, error, count)
        patience = self.gate().patience
        lost = entry.candidate if self._is_lost(entry, error) else None
        pause = 2.0 ** ((count if patience is None else here) - 1)
        if count >= MOST_SETBACKS:
            pause = _LONGEST_PAUSE
        elif lost is not None:
            pause = 0.0  # it is looked for first, and that takes half a minute
        await self._set_back(key, entry, error, count, min(pause, 60.0 if count < MOST_SETBACKS else pause))
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
        patience, left = self.gate().patience, (waiting.until or 0.0) - self.tools.now()
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
        tried = f"try {count} of {MOST_SETBACKS}: " if count else ""
        if self._is_lost(entry, error):
            said = f"{tried}the upload was not answered clearly, so it is looked for on the server: {error.message}"
            self.tools.progress.looked_for[key] = f"looking on the server for {key.path}, whose upload was not answered"
        else:
            said = f"{tried}{error.message}"
        self.tools.progress.tell("unclear" if isinstance(error, OutcomeUnknown) else "failed", key, said)
        return said

    def _the_gate_knows(self, error: ServerError | OutcomeUnknown) -> bool:
        """Whether this is waited for without an end, one look at a time, so that no document has to rest."""
        limited = isinstance(as_trouble(error), RateLimited) and self.gate().patience is None
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
        if flips and await self.take_back(key, entry, error.message):
            self.leave_unproven(key, error.message)
        else:
            self.put_off(key, error, code)

    def put_off(self, key: DocumentKey, error: SyncdError, code: int | None = None) -> None:
        """Not again in this pass; ``code`` is the exit code when it is not the error's."""
        self.state.put_off[key] = error.message
        self.state.open[key] = f"{key.path} could not be worked on in this pass"
        cause = error.cause if isinstance(error, OutcomeUnknown) and error.cause is not None else error
        usual = cause.exit_code if cause.exit_code != EXIT_PARTIAL else error.exit_code
        self.state.codes.add(usual if code is None else code)

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
            await self.patience.unless_stopped(lambda: self.applier.withdraw(key, found, entry.serving, reason), most)
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
        await self.patience.pause(2.0 ** (self.state.refusals[key] - 1), key)

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
            await self.patience.unless_stopped(lambda: self.tools.client.dataset(dataset_id))
        except RemoteMissing:
            return False
        except Stuck:
            pass  # nobody says that it is gone
        return True
