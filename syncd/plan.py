"""What shall be done. Pure: (what the disk says, what the ledger knows, now) in, a plan out.

The planner looks at where each document is, never at how it came there: after a crash the ordinary next plan
repairs everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from syncd import firewall, pairing, succession
from syncd.models import (
    AnyAction,
    Delete,
    FileSnapshot,
    Flip,
    Hold,
    LedgerEntry,
    Move,
    Plan,
    Prove,
    Retire,
    Revision,
    RevisionId,
    RootState,
    Waiting,
)
from syncd.policy import SourcePolicy, decide, decide_vanished, grace_of, upkeep

__all__ = ["SourcePolicy", "SourceView", "decide", "decide_vanished", "forgettable", "is_new", "make", "recovered"]

ADOPTED = "collections were adopted in this pass; deletions wait for the next one"


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
    blind: str = ""  # the first directory that cannot be read, and why
    scope_changed: bool = False
    used: int = 0
    base: int = 0
    released: frozenset[RevisionId] = frozenset()
    emptied_released: bool = False
    adopting: bool = False  # a pass that adopts never retires (rule 25)
    unresolved: tuple[succession.Open, ...] = ()  # open or failed in this pass: may be a file that moved (rule 17)


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
        case Delete():
            return 3
        case Retire(vanished=True):
            return 4
        case _:
            return 2


def _plan_source(view: SourceView, now: float) -> Plan:
    actions: list[AnyAction] = []
    waiting: list[Waiting] = []

    def take(step: AnyAction | Waiting | None) -> None:
        if isinstance(step, Waiting):
            waiting.append(step)
        elif step is not None:
            actions.append(step)

    seen, gone, moves = _sides(view)
    actions += moves
    moved = {path for move in moves for path in (move.key.path, move.origin.path)}
    works = list(view.unresolved)
    for snapshot in view.seen:
        path = snapshot.key.path
        if path not in moved:
            known = view.entries.get(path)
            step = decide(snapshot, known, view.policy, now)
            take(step)
            if isinstance(step, Waiting):
                works.append(succession.Open(path, f"{path} waits for another try", snapshot.sha256, is_new(known)))
    opens = succession.Opens.of(works)
    for path, entry in view.entries.items():
        if path not in seen and path not in moved:
            take(decide_vanished(entry, now))

    verdict = _judge(view, gone, now)
    allowed = {v.path for v in verdict.allowed}
    for entry in gone:
        take(_retire_vanished(entry, view, allowed, verdict.hold, opens, now))
    absent = {entry.key.path for entry in gone}
    for path, entry in view.entries.items():
        over = path not in seen and (entry.gone or path in absent)
        due = upkeep(
            entry,
            view.policy,
            now,
            lost=over and verdict.root_believed and not view.adopting,
            forgotten=over and verdict.hold is None and not view.adopting,
        )
        actions += [action for action in due if not (view.adopting and isinstance(action, Delete))]
    return Plan(tuple(actions), () if verdict.hold is None else (verdict.hold,), tuple(waiting))


def forgettable(view: SourceView, now: float) -> list[LedgerEntry]:
    """Documents to be marked as gone: their file vanished, nothing of them serves or is under way, no hold stands."""
    _, gone, _ = _sides(view)
    if view.adopting or _judge(view, gone, now).hold is not None:
        return []
    return [entry for entry in gone if entry.serving is None and entry.candidate is None]


def recovered(snapshot: FileSnapshot, entry: LedgerEntry) -> bool:
    """Whether the file is again what serves, so that failures of other content are over (rule 32)."""
    serves = entry.serving is not None and entry.serving.content == snapshot.content
    other = entry.quarantine is None or entry.quarantine.content != snapshot.content
    failures = entry.quarantine is not None or entry.next_try_at is not None or entry.attempts + entry.setbacks > 0
    return snapshot.problem is None and entry.candidate is None and serves and other and failures


def _sides(view: SourceView) -> tuple[set[str], list[LedgerEntry], list[Move]]:
    """The paths that are there, the documents that are gone for good, and the moves from those to these."""
    seen = {snapshot.key.path for snapshot in view.seen}
    vanished = [path for path in view.vanished if path not in seen]
    moves = pairing.moves(view.seen, vanished, view.entries, title_in_index=view.policy.title_in_index)
    left = {move.origin.path for move in moves}
    return seen, [view.entries[path] for path in vanished if path in view.entries and path not in left], moves


def _judge(view: SourceView, gone: Iterable[LedgerEntry], now: float) -> firewall.Verdict:
    # Documents with work under way count as well: one event is judged as a whole.
    serving = ((entry.key.path, entry.serving) for entry in gone)
    vanished = tuple(firewall.Vanished(path, revision.id) for path, revision in serving if revision is not None)
    return firewall.judge(
        firewall.Question(
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
            blind=view.blind,
        )
    )


def is_new(entry: LedgerEntry | None) -> bool:
    """Whether nothing was ever verified under a path, so that its file may be another one that has moved."""
    if entry is None:
        return True
    return entry.serving is None and all(revision.verified_at is None for revision in entry.retired)


def _retire_vanished(
    entry: LedgerEntry, view: SourceView, allowed: set[str], hold: Hold | None, opens: succession.Opens, now: float
) -> AnyAction | Waiting | None:
    """What the firewall lets happen to a document whose file is gone."""
    key, candidate, serving = entry.key, entry.candidate, entry.serving
    if decide_vanished(entry, now) is not None or (candidate is None and serving is None):
        return None
    # A hold names the documents that serve; what only was under way waits beside them.
    if serving is not None and key.path not in allowed:
        return None
    if serving is None and hold is not None:
        return Waiting(key, hold.message)
    if view.adopting:
        return Waiting(key, ADOPTED)
    if candidate is not None:
        grace = grace_of(candidate, view.policy)
        return Retire(key, "the file is gone", revision=candidate, grace=grace, vanished=False)
    assert serving is not None  # noqa: S101 - one of the two is there
    wait = opens.wait(serving.content.sha256)
    left = succession.left(wait, entry.missing_since, now)
    if left > 0:
        assert wait is not None  # noqa: S101 - nothing is left of no wait
        return Waiting(key, f"its file is gone; it waits, since {wait.why}", due=now + left)
    return Retire(
        key,
        f"the file is gone{succession.remark(wait)}",
        revision=serving,
        grace=view.policy.delete.grace,
        vanished=True,
    )
