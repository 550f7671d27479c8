"""Carries out one action: intent into the ledger, call, outcome into the ledger.

Every step may be the last one before a crash: whatever is in the ledger then, the next plan goes on from there. The
work itself is in three modules, by the part of a revision's life: ``uploading``, ``flipping``, ``retiring``.
"""

from __future__ import annotations

from syncd.flipping import ADOPTED, ALONE, Flipping
from syncd.ledger import moves
from syncd.logs import get_logger
from syncd.models import DocumentKey, LedgerEntry, QuarantineDocument, Revision
from syncd.retiring import Retiring
from syncd.uploading import LOOK_FOR, LOOKS, Uploading
from syncd.work import Gone, Refused, SourceState, Spent, Stopped, Tools, Unproven, Untrained

__all__ = [
    "ADOPTED",
    "ALONE",
    "LOOKS",
    "LOOK_FOR",
    "Applier",
    "Gone",
    "Refused",
    "SourceState",
    "Spent",
    "Stopped",
    "Tools",
    "Unproven",
    "Untrained",
]

log = get_logger(__name__)


class Applier:
    """Does what plans say, one document at a time."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self.prover = tools.prover
        uploading, flipping, retiring = Uploading(tools), Flipping(tools), Retiring(tools)
        self.upload = uploading.upload
        self.resume = uploading.resume
        self.prove = flipping.prove
        self.restore = flipping.restore
        self.retire = retiring.retire
        self.delete = retiring.delete
        self.move = retiring.move
        self._flipping = flipping

    async def quarantine(self, action: QuarantineDocument, entry: LedgerEntry) -> None:
        """Give up a file that cannot be taken as it is."""
        tools, snapshot, problem = self._tools, action.snapshot, action.problem.value
        await tools.ledger.commit(
            "quarantined",
            lambda db: moves.quarantine(db, entry.document_id, snapshot.content, problem, action.reason, tools.now()),
        )
        tools.progress.count("quarantined", action.key, f"{problem}: {action.reason}")
        log.warning(
            "document.quarantined", source=action.key.source, path=action.key.path, code=problem, error=action.reason
        )

    async def withdraw(self, key: DocumentKey, candidate: Revision, old: Revision | None, reason: str) -> None:
        """Take a candidate out of its flip before it is given up or put off, so that no gap is left behind."""
        if candidate.flip is not None:
            await self._flipping.withdraw(key, candidate, old, reason)
        self._tools.materials.drop(candidate.id)
