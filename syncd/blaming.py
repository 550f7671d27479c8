"""Whose fault a failure is, and what follows from it: the server's, the source's or the document's (design 5)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from syncd.apply import Applier, Gone, Stopped, Tools
from syncd.errors import (
    DocumentError,
    OutcomeUnknown,
    Permanent,
    RemoteMissing,
    ServerError,
    SourceError,
    Transient,
    Unavailable,
)
from syncd.fastgpt.envelope import DatasetMissing
from syncd.gate import Gate
from syncd.ledger import entries, moves
from syncd.logs import get_logger
from syncd.models import (
    DocumentKey,
    FileSnapshot,
    LedgerEntry,
    Problem,
)
from syncd.observe import STILL_BEING_WRITTEN
from syncd.passing import PassState

log = get_logger(__name__)

_PATIENT_FAILURES = 4  # so often the server's trouble may hit one document while the server itself is well
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

    async def wait_for_server(self, key: DocumentKey, error: ServerError, failures: int) -> int | None:
        """Wait for the server; when it is well but fails for this document again and again, leave it for this pass.

        That is nobody's fault that we could prove, so it is not counted (law 9). A begun flip is turned back, so
        that what was shown last and never found does not stand in for what was proven.
        """
        try:
            await self.tools.unless_stopped(self.gate().wait(error))
        except Stopped:
            return None
        if failures <= _PATIENT_FAILURES:
            return failures
        entry = entries.one(self.tools.ledger.conn, key)
        if entry is not None and entry.candidate is not None and entry.candidate.flip is not None:
            await self.take_back(key, entry, error.message)
            self.leave_unproven(key, error.message)
        else:
            self.state.put_off[key] = error.message
            self.state.open[key.source] = f"{key.path} could not be worked on in this pass"
            self.state.codes.add(error.exit_code)
        return None

    async def take_back(self, key: DocumentKey, entry: LedgerEntry, reason: str) -> None:
        candidate = entry.candidate
        if candidate is None or candidate.flip is None:
            return
        if entry.serving is None and candidate.reason in ("adopted", "alone"):
            return  # the only version there is stays as it is, unproven
        found = candidate
        try:
            await self.unless_stopped(lambda: self.applier.withdraw(key, found, entry.serving, reason))
        except RemoteMissing as error:
            why = error.message
            await self.tools.ledger.commit("lost", lambda db: moves.lost(db, found, self.tools.now(), why))

    def leave_unproven(self, key: DocumentKey, reason: str) -> None:
        self.state.unproven[key] = reason
        self.state.put_off[key] = reason
        self.state.open[key.source] = f"{key.path} is not proven yet"
        log.warning("document.unproven", source=key.source, path=key.path, reason=reason)

    def changed(self, key: DocumentKey, error: Gone) -> None:
        """The next round looks at the file again; one that never comes to rest is left alone."""
        self.state.changed[key] += 1
        if self.state.changed[key] >= _MOST_CHANGES:
            self.state.put_off[key] = f"{STILL_BEING_WRITTEN} ({error.message})"
            self.state.open[key.source] = f"{key.path} was changed while it was worked on"

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
        await self.take_back(key, fresh, error.message)
        message = f"{error.message}{'; ' + error.hint if error.hint else ''}"
        await self.tools.ledger.commit(
            "quarantined",
            lambda db: moves.quarantine(db, fresh.document_id, content, error.code, message, self.tools.now()),
        )
        if candidate is not None:
            self.tools.materials.pop(candidate.id, None)
        self.state.open[key.source] = f"{key.path} could not be uploaded in this pass"
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
            self.state.open[key.source] = f"{key.path} could not be uploaded in this pass"
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

    async def unless_stopped(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """Repeat an idempotent piece of work until the server lets it through; a stop does not wait for that.

        Raises:
            Stopped: somebody asked to stop while the server was in trouble.
        """
        while True:
            if self.gate().closed:
                await self.tools.unless_stopped(self.gate().passage())
            try:
                return await call()
            except ServerError as error:
                await self.tools.unless_stopped(self.gate().wait(_as_trouble(error)))


def _as_trouble(error: ServerError) -> ServerError:
    """For what may be repeated, an answer that never came is the server's trouble like any other."""
    return Unavailable(error.message, hint=error.hint) if isinstance(error, OutcomeUnknown) else error
