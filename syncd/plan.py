"""What shall be done. Pure: (what the disk says, what the ledger knows, now) in, a plan out.

The planner looks at where each document is, never at how it came there: after a crash the ordinary next plan
repairs everything.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from syncd import firewall
from syncd.formats import format_of
from syncd.models import (
    AnyAction,
    Content,
    Delete,
    DeletePolicy,
    DocumentKey,
    FileSnapshot,
    Flip,
    Format,
    Hold,
    LedgerEntry,
    Move,
    Plan,
    Prove,
    QuarantineDocument,
    Restore,
    Resume,
    Retire,
    Revision,
    RevisionId,
    RootState,
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
    delete: DeletePolicy = DeletePolicy()
    title_in_index: bool = False  # the name is part of the index text, so a new name needs a new training

    def placement(self, path: str) -> str:
        """Where and how the document stands on the server: its path in the dataset, then its tags, one a line."""
        return "\n".join((posixpath.join(self.folder, path), *self.tags))


@dataclass(frozen=True, slots=True)
class SourceView:
    """Everything the planner sees of one source.

    ``seen`` are the files that are new, changed or not at rest; ``vanished`` the known paths that two scans did not
    see; ``entries`` the ledger's knowledge of all of these and of every document with work of its own.
    """

    policy: SourcePolicy
    root: RootState
    seen: tuple[FileSnapshot, ...]
    vanished: tuple[str, ...]
    entries: Mapping[str, LedgerEntry]
    serving: int = 0
    unreadable: bool = False
    scope_changed: bool = False
    used: int = 0
    base: int = 0
    released: frozenset[RevisionId] = frozenset()
    emptied_released: bool = False
    adopting: bool = False  # a pass that adopts never retires (rule 25)
    unresolved: str = ""  # why vanished files must wait: an upload of this pass is open or failed (rule 17)


def make(views: Iterable[SourceView], now: float) -> Plan:
    """Plan one pass over all sources.

    Order: begun flips, moves, uploads and proofs, due deletions of replaced versions; retirements of vanished files
    last (design 11).
    """
    parts = [_plan_source(view, now) for view in views]
    actions = [action for part in parts for action in part.actions]
    return Plan(
        actions=tuple(sorted(actions, key=_order)),
        holds=tuple(hold for part in parts for hold in part.holds),
        waiting=tuple(item for part in parts for item in part.waiting),
    )


def _order(action: AnyAction) -> int:
    match action:
        case Prove(revision=Revision(flip=Flip())):
            return 0
        case Move():
            return 1
        case Retire(vanished=True):
            return 4
        case Delete():
            return 3
        case _:
            return 2


def _plan_source(view: SourceView, now: float) -> Plan:
    actions: list[AnyAction] = []
    waiting: list[Waiting] = []
    uploads: list[Upload] = []
    for snapshot in view.seen:
        step = decide(snapshot, view.entries.get(snapshot.key.path), view.policy, now)
        match step:
            case None:
                pass
            case Waiting():
                waiting.append(step)
            case Upload():
                uploads.append(step)
            case _:
                actions.append(step)
    moves, uploads, moved_away = _moves(uploads, view)
    actions += [*moves, *uploads]

    doomed: list[tuple[firewall.Vanished, Revision]] = []
    for path in view.vanished:
        entry = view.entries.get(path)
        if entry is None or path in moved_away:
            continue
        before = decide_vanished(entry, now)
        if before is not None:
            actions.append(before)
        elif entry.serving is not None:
            doomed.append((firewall.Vanished(path, entry.serving.id), entry.serving))
    verdict = firewall.judge(_question(view, tuple(v for v, _ in doomed), now))
    allowed = {v.path for v in verdict.allowed}
    for vanished, serving in doomed:
        key = DocumentKey(view.policy.name, vanished.path)
        if vanished.path not in allowed:
            continue
        if view.adopting:
            waiting.append(Waiting(key, "collections were adopted in this pass; deletions wait for the next one"))
        elif view.unresolved:
            waiting.append(Waiting(key, view.unresolved))
        else:
            actions.append(
                Retire(key, "the file is gone", revision=serving, grace=view.policy.delete.grace, vanished=True)
            )
    for entry in view.entries.values():
        actions += upkeep(entry, now)
    holds: tuple[Hold, ...] = () if verdict.hold is None else (verdict.hold,)
    return Plan(tuple(actions), holds, tuple(waiting))


def _question(view: SourceView, vanished: tuple[firewall.Vanished, ...], now: float) -> firewall.Question:
    return firewall.Question(
        source=view.policy.name,
        policy=view.policy.delete,
        root=view.root,
        unreadable=view.unreadable,
        scope_changed=view.scope_changed,
        vanished=vanished,
        serving=view.serving,
        used=view.used,
        base=view.base,
        released=view.released,
        emptied_released=view.emptied_released,
        now=now,
    )


# ---------------------------------------------------------------- one document


def decide(
    snapshot: FileSnapshot, entry: LedgerEntry | None, policy: SourcePolicy, now: float
) -> AnyAction | Waiting | None:
    """The next step of a document whose file is there; ``None`` when nothing is left to do."""
    key = snapshot.key
    if entry is None:
        return _begin(snapshot, None, policy, now)
    candidate, serving = entry.candidate, entry.serving

    # A begun flip is finished first, whatever else is true (rule 2); so is a proof of what is already shown (rule 4).
    if candidate is not None and candidate.flip is not None:
        return Prove(key, _flip_reason(candidate.flip), revision=candidate)

    # The file cannot be taken as it is: what is under way goes, what serves stays.
    if snapshot.problem is not None:
        if candidate is not None:
            return _withdraw(key, candidate, "the file cannot be taken any more")
        held = entry.quarantine
        if held is not None and (held.problem, held.content) == (snapshot.problem.value, snapshot.content):
            return None
        return QuarantineDocument(key, snapshot.message, snapshot=snapshot, problem=snapshot.problem)

    wanted = snapshot.content
    if candidate is not None:
        # Newer content wins over what is under way and was never shown.
        if candidate.content != wanted:
            return _withdraw(key, candidate, "the file was changed again")
        if entry.next_try_at is not None and entry.next_try_at > now:
            return Waiting(key, entry.last_error, until=entry.next_try_at)
        match candidate.state:
            case State.UPLOADING:
                return Resume(key, "find out whether the upload arrived", revision=candidate)
            case State.INDEXING:
                return Resume(key, "wait for its training", revision=candidate)
            case _:
                return Prove(key, "prove it", revision=candidate)

    # Nothing is under way, and what serves is what the file says: only its place or its proof may be stale.
    if serving is not None and serving.content == wanted:
        if serving.reprove:
            return Prove(key, "its proof leaned on a document that is gone", revision=serving)
        if serving.placed != policy.placement(key.path):
            return Move(key, "its folder, name or tags changed", revision=serving, origin=key, snapshot=snapshot)
        return None
    return _begin(snapshot, entry, policy, now)


def _begin(
    snapshot: FileSnapshot, entry: LedgerEntry | None, policy: SourcePolicy, now: float
) -> AnyAction | Waiting | None:
    """The first step towards content that does not serve yet."""
    key = snapshot.key
    if snapshot.problem is not None:
        return QuarantineDocument(key, snapshot.message, snapshot=snapshot, problem=snapshot.problem)
    if entry is None:
        return Upload(key, "new file", snapshot=snapshot)
    # Given up for exactly this content: it takes other content, other settings or a person.
    if entry.quarantine is not None and entry.quarantine.content == snapshot.content:
        return None
    if entry.next_try_at is not None and entry.next_try_at > now:
        return Waiting(key, entry.last_error, until=entry.next_try_at)
    # It was here before and has not been deleted yet: bring it back instead of sending it again (rule 21).
    back = [r for r in entry.retired if not r.delete_sent and r.verified_at is not None]
    for revision in back:
        if revision.content == snapshot.content:
            return Restore(key, "the same content was here before", revision=revision, as_serving=False)
    if entry.serving is None:
        for revision in back:
            if revision.successor is None:
                return Restore(
                    key, "the file came back with other content", revision=revision, as_serving=True
                )
        return Upload(key, "new file", snapshot=snapshot)
    if entry.serving.content.sha256 == snapshot.sha256:
        return Upload(key, "settings changed", snapshot=snapshot)
    return Upload(key, "content changed", snapshot=snapshot)


def decide_vanished(entry: LedgerEntry, now: float) -> AnyAction | None:
    """What comes before the retirement of a document whose file is gone."""
    candidate = entry.candidate
    if candidate is None:
        return None
    if candidate.flip is not None:
        return Prove(entry.key, _flip_reason(candidate.flip), revision=candidate)
    return _withdraw(entry.key, candidate, "the file is gone")


def upkeep(entry: LedgerEntry, now: float) -> list[AnyAction]:
    """What the ledger alone knows is due: hiding what should be hidden, deleting what had its grace."""
    actions: list[AnyAction] = []
    for revision in entry.retired:
        if revision.visible:
            actions.append(
                Retire(entry.key, "it must not be visible any more", revision=revision, grace=0.0, vanished=False)
            )
        elif revision.delete_after is not None and revision.delete_after <= now:
            actions.append(Delete(entry.key, "its grace is over", revision=revision))
    if entry.gone:
        actions += [
            Retire(entry.key, "a failed version of a file that is gone", revision=revision, grace=0.0, vanished=False)
            for revision in entry.failed
        ]
    return actions


def _flip_reason(flip: Flip) -> str:
    match flip:
        case Flip.FORWARD:
            return "finish showing it"
        case Flip.DONE:
            return "finish its proof"
        case Flip.BACK:
            return "finish showing the old version again"


def _withdraw(key: DocumentKey, candidate: Revision, reason: str) -> AnyAction:
    """Give up a candidate that was never shown; what may have been sent is looked for first (law 3)."""
    if candidate.state is State.UPLOADING:
        return Resume(key, f"{reason}; find out whether the upload arrived", revision=candidate)
    return Retire(key, reason, revision=candidate, grace=0.0, vanished=False)


# ---------------------------------------------------------------- moves


def _moves(uploads: list[Upload], view: SourceView) -> tuple[list[Move], list[Upload], set[str]]:
    """Pair new files with vanished ones of equal content: they moved, and need no upload."""
    lost: dict[tuple[Content, Format | None], list[LedgerEntry]] = {}
    for path in view.vanished:
        entry = view.entries.get(path)
        if entry is not None and entry.serving is not None and entry.candidate is None:
            lost.setdefault((entry.serving.content, format_of(path)), []).append(entry)
    if not lost:
        return [], uploads, set()
    moves: list[Move] = []
    rest: list[Upload] = []
    taken: set[str] = set()
    for upload in uploads:
        known = view.entries.get(upload.key.path)
        origins = lost.get((upload.snapshot.content, format_of(upload.key.path)), [])
        origin = next((o for o in origins if _may_move(o.key, upload.key, view.policy)), None)
        if origin is None or (known is not None and known.serving is not None):
            rest.append(upload)
            continue
        origins.remove(origin)
        taken.add(origin.key.path)
        assert origin.serving is not None  # noqa: S101 - chosen above
        moves.append(
            Move(
                upload.key,
                f"moved from {origin.key.path}",
                revision=origin.serving,
                origin=origin.key,
                snapshot=upload.snapshot,
            )
        )
    return moves, rest, taken


def _may_move(origin: DocumentKey, target: DocumentKey, policy: SourcePolicy) -> bool:
    same_name = posixpath.basename(origin.path) == posixpath.basename(target.path)
    return same_name or not policy.title_in_index
