"""What follows from a failure that is a document's own, or its source's: later again, given up, or left (design 5)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from syncd.apply import Applier, Gone, Tools
from syncd.errors import (
    EXIT_PARTIAL,
    DocumentError,
    OutcomeUnknown,
    Permanent,
    RemoteMissing,
    SourceError,
    Stuck,
    SyncdError,
    Transient,
    Unavailable,
)
from syncd.fastgpt.envelope import DatasetMissing
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
from syncd.patience import MOST, MOST_IN_DOUBT, Patience, rest_after

log = get_logger(__name__)

_LATELY = 600.0  # seconds
_MOST_CHANGES = 5  # so often a file may change under our hands before the pass leaves it alone


@dataclass(slots=True)
class Blame:
    """Sorts out what goes wrong with documents.

    Args:
        patience: waits.
        report: told when a source cannot be served any more.
        max_attempts: failures after which a document is quarantined.
    """

    tools: Tools
    applier: Applier
    state: PassState
    patience: Patience
    report: Callable[[str, SourceError], None]
    max_attempts: int

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
            most = 1 if self.tools.witness.rested(key) else MOST
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
        pause = rest_after(attempts)
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
        if self.state.refusals[key] > MOST_IN_DOUBT:
            self.state.put_off[key] = error.message
            self.state.open[key] = f"{key.path} could not be uploaded in this pass"
            self.state.codes.add(Unavailable.exit_code)
            return
        log.warning("upload.refused", source=key.source, path=key.path, error=error.message)
        await self.patience.pause(rest_after(self.state.refusals[key]), key)

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
