"""The policy for one document: where it is, and what comes next. Pure.

``decide`` is the whole policy for a file that is there, one branch after the other; ``upkeep`` is what becomes of
versions that served or failed before.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field

from syncd import due
from syncd.models import (
    AnyAction,
    Delete,
    DeletePolicy,
    FileSnapshot,
    Flip,
    LedgerEntry,
    Move,
    Prove,
    QuarantineDocument,
    Restore,
    Resume,
    Retire,
    Revision,
    State,
    Upload,
    Waiting,
)


@dataclass(frozen=True, slots=True)
class SourcePolicy:
    """What the configuration says of one source, as far as planning needs it."""

    name: str
    folder: str = ""
    tags: tuple[str, ...] = ()
    delete: DeletePolicy = field(default_factory=DeletePolicy)
    title_in_index: bool = False  # the name is part of the index text, so a new name needs a new training

    def placement(self, path: str) -> str:
        """Where and how the document stands on the server: its path in the dataset, then its tags, one a line."""
        return "\n".join((posixpath.join(self.folder, path), *self.tags))


def decide(
    snapshot: FileSnapshot, entry: LedgerEntry | None, policy: SourcePolicy, now: float
) -> AnyAction | Waiting | None:
    """The next step of a document whose file is there; ``None`` when nothing is left to do."""
    key, wanted = snapshot.key, snapshot.content
    entry = entry or LedgerEntry(0, key)
    candidate, serving, given_up = entry.candidate, entry.serving, entry.quarantine

    # A begun flip is finished first, whatever else is true (rule 2); so is a proof of what is already shown (rule 4).
    if candidate is not None and candidate.flip is not None:
        return _later(entry, now) or Prove(key, _flip_reason(candidate.flip), revision=candidate)

    # A flip came to nothing because its new version was lost on the server: the old one is shown again (law 1).
    if serving is not None and not serving.visible:
        return _later(entry, now) or Restore(key, "it serves and must be seen", revision=serving, as_serving=True)

    if candidate is not None:
        # What is under way and was never shown goes when the file cannot be taken, or says something newer.
        if snapshot.problem is not None:
            return _withdraw(entry, candidate, "the file cannot be taken any more", policy, now)
        if candidate.content != wanted:
            return _withdraw(entry, candidate, "the file was changed again", policy, now)
        # Otherwise it goes on where it stopped.
        match candidate.state:
            case State.UPLOADING:
                return _later(entry, now) or Resume(key, "find out whether the upload arrived", revision=candidate)
            case State.INDEXING:
                return _later(entry, now) or Resume(key, "wait for its training", revision=candidate)
            case _:
                return _later(entry, now) or Prove(key, "prove it", revision=candidate)

    # The file came back within the grace of its deletion, and nothing serves it: what served last is shown at once,
    # even if the file cannot be taken as it is now. Equal content that was hidden already is compared first (rule 21).
    last = _served_last(entry)
    if last is not None and (last.visible or last.content != wanted):
        return _later(entry, now) or Restore(key, "the file came back", revision=last, as_serving=True)

    # The file cannot be taken as it is: it is given up, what serves stays.
    if snapshot.problem is not None:
        if given_up is not None and (given_up.problem, given_up.content) == (snapshot.problem.value, wanted):
            return None
        return QuarantineDocument(key, snapshot.message, snapshot=snapshot, problem=snapshot.problem)

    # Given up for exactly this content: it takes other content, other settings or a person.
    if given_up is not None and given_up.content == wanted:
        return None

    # What serves is what the file says: only its proof or its place may be stale, or the way in which it was sent.
    if serving is not None and serving.content == wanted:
        if serving.resend_at is not None and serving.resend_at <= now:
            return _later(entry, now) or Upload(key, "it was sent in an older way", snapshot=snapshot)
        if serving.reprove:
            return _later(entry, now) or Prove(key, "its proof leaned on a document that is gone", revision=serving)
        if serving.placed != policy.placement(key.path):
            reason = "its folder, name or tags changed"
            return _later(entry, now) or Move(key, reason, revision=serving, origin=key, snapshot=snapshot)
        return None

    # It was here before and has not been deleted yet: bring it back instead of sending it again (rule 21).
    for revision in entry.retired:
        if revision.content == wanted and _once_served(revision) and not revision.delete_sent:
            reason = "the same content was here before"
            return _later(entry, now) or Restore(key, reason, revision=revision, as_serving=False)

    if serving is None:
        reason = "new file"
    else:
        reason = "settings changed" if serving.content.sha256 == wanted.sha256 else "content changed"
    return _later(entry, now) or Upload(key, reason, snapshot=snapshot)


def decide_vanished(entry: LedgerEntry, now: float) -> AnyAction | Waiting | None:
    """The next step of a document whose file was not seen: what is begun comes to its end, nothing is taken away.

    This needs no belief in the disk, so it holds for a missing root as well. What the disk must be believed for is
    planned for the source as a whole, under the firewall.
    """
    key, candidate, serving = entry.key, entry.candidate, entry.serving
    if candidate is not None and candidate.flip is not None:
        return _later(entry, now) or Prove(key, _flip_reason(candidate.flip), revision=candidate)
    if serving is not None and not serving.visible:
        return _later(entry, now) or Restore(key, "it serves and must be seen", revision=serving, as_serving=True)
    if candidate is None:
        return None
    if candidate.state is State.UPLOADING:
        return _later(entry, now) or Resume(key, "find out whether the upload arrived", revision=candidate)
    # Created, but not hidden yet, and nobody has compared it (rule 3).
    if candidate.visible:
        return _later(entry, now) or Resume(key, "hide what was not compared yet", revision=candidate)
    return None


def _later(entry: LedgerEntry, now: float) -> Waiting | None:
    """After a failure every further call for the document waits for its turn."""
    if not due.has_come(entry.next_try_at, now, due.TRY):
        return Waiting(entry.key, entry.last_error, until=entry.next_try_at)
    return None


def _flip_reason(flip: Flip) -> str:
    match flip:
        case Flip.FORWARD:
            return "finish showing it"
        case Flip.DONE:
            return "finish its proof"
        case Flip.BACK:
            return "finish showing the old version again"


def _withdraw(
    entry: LedgerEntry, candidate: Revision, reason: str, policy: SourcePolicy, now: float
) -> AnyAction | Waiting:
    """Give up a candidate that is not shown; what may have been sent is looked for first (law 3)."""
    if candidate.state is State.UPLOADING:
        reason = f"{reason}; find out whether the upload arrived"
        return _later(entry, now) or Resume(entry.key, reason, revision=candidate)
    return Retire(entry.key, reason, revision=candidate, grace=grace_of(candidate, policy), vanished=False)


def grace_of(revision: Revision, policy: SourcePolicy) -> float:
    """What served once can be brought back for the grace time; what never did goes at once."""
    return policy.delete.grace if _once_served(revision) else 0.0


def _once_served(revision: Revision) -> bool:
    return revision.verified_at is not None or revision.reason == "adopted"


def _served_last(entry: LedgerEntry) -> Revision | None:
    """Of a document that nothing serves: the version that did until its file vanished, if it can still be shown."""
    if entry.serving is not None:
        return None
    proven = (r for r in entry.retired if r.verified_at is not None and r.successor is None and not r.delete_sent)
    return next(proven, None)


def upkeep(entry: LedgerEntry, policy: SourcePolicy, now: float, *, lost: bool, forgotten: bool) -> list[AnyAction]:
    """What the ledger alone knows is due: hiding what must not be seen, deleting what had its grace.

    Args:
        entry: the document.
        policy: for the grace.
        now: the time.
        lost: its file is gone and the root can be believed.
        forgotten: its file is gone and no deletion of the source is held.
    """
    actions: list[AnyAction] = []
    serving, candidate = entry.serving, entry.candidate
    # A version that served may go only while the one that replaced it serves and is visible (rule 13), or when the
    # whole document is lost. What never served must not be seen in any case.
    replaced = serving is not None and serving.visible and (candidate is None or candidate.flip is None)
    free = lost if serving is None else replaced
    for revision in entry.retired:
        due = revision.delete_after is not None and revision.delete_after <= now
        if revision.visible:
            if free or not _once_served(revision):
                reason = "it must not be visible any more"
                actions.append(Retire(entry.key, reason, revision=revision, grace=0.0, vanished=False))
        elif due and (free or not (_once_served(revision) or revision.successor)):
            actions.append(Delete(entry.key, "its grace is over", revision=revision))
    for revision in entry.failed:
        # Failed versions stay, hidden, until the next one succeeds or the document is over.
        if forgotten and serving is None:
            reason = "a failed version of a file that is gone"
        elif revision.visible and (replaced if serving is not None else revision.verified_at is None):
            reason = "it failed and must not be visible"
        else:
            continue
        actions.append(Retire(entry.key, reason, revision=revision, grace=grace_of(revision, policy), vanished=False))
    return actions
