"""A small pure model of a disk, a ledger and a server, on which plans are carried out step by step.

The server is a set of collections that are visible or hidden; the ledger is the real ``Revision`` values in the states
that the real ledger would put them in. ``plan_hands`` carries actions out.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count
from random import Random
from typing import Any

from syncd.models import (
    CANDIDATE_STATES,
    CollectionId,
    Content,
    DocumentKey,
    FileSnapshot,
    LedgerEntry,
    Problem,
    Quarantine,
    Revision,
    RevisionId,
    RootState,
    State,
)
from syncd.plan import SourcePolicy, SourceView, decide, forgettable, recovered

LOOKS = 3
MAX_ATTEMPTS = 3


class FailedError(Exception):
    """An action failed; ``permanent`` gives the document up."""

    def __init__(self, permanent: str = "") -> None:
        super().__init__(permanent)
        self.permanent = permanent


@dataclass(slots=True)
class Collection:
    """What the server holds; ``mine`` is the path it was made for, "" for somebody else's."""

    content: str
    visible: bool
    attempt: str
    mine: bool = True


@dataclass(slots=True)
class Document:
    """One row of the ledger with its revisions by id."""

    path: str
    revisions: dict[str, Revision] = field(default_factory=dict)
    gone: bool = False
    rest: Content | None = None  # nothing is left to do for exactly this content
    quarantine: Quarantine | None = None
    attempts: int = 0
    next_try_at: float | None = None

    def entry(self) -> LedgerEntry:
        """The entry as the ledger would give it."""
        by_state: dict[State, list[Revision]] = {}
        for revision in self.revisions.values():
            by_state.setdefault(revision.state, []).append(revision)
        candidates = [r for s in CANDIDATE_STATES for r in by_state.get(s, ())]
        serving = by_state.get(State.VERIFIED, [])
        assert len(candidates) <= 1, "two candidates"
        assert len(serving) <= 1, "two serving versions"
        return LedgerEntry(
            1,
            DocumentKey("docs", self.path),
            candidate=candidates[0] if candidates else None,
            serving=serving[0] if serving else None,
            retired=tuple(sorted(by_state.get(State.RETIRED, ()), key=lambda r: -(r.retired_at or 0.0))),
            failed=tuple(by_state.get(State.QUARANTINED, ())),
            quarantine=self.quarantine,
            attempts=self.attempts,
            next_try_at=self.next_try_at,
            gone=self.gone,
        )


@dataclass(slots=True)
class Model:
    """The whole world of one source."""

    rng: Random
    policy: SourcePolicy
    disk: dict[str, str] = field(default_factory=dict)  # path -> content, "" is a file that cannot be taken
    root: RootState = RootState.OK
    unreadable: str = ""  # prefix of the paths that cannot be read; "" for none
    excluded: set[str] = field(default_factory=set)
    scope_changed: bool = False
    server: dict[str, Collection] = field(default_factory=dict)
    late: list[tuple[float, str, Collection]] = field(default_factory=list)
    documents: dict[str, Document] = field(default_factory=dict)
    released: set[str] = field(default_factory=set)
    emptied: bool = False
    served: list[tuple[str, float]] = field(default_factory=list)  # revision, when it was first verified
    deletions: list[tuple[float, bool]] = field(default_factory=list)  # when, released
    now: float = 1e6
    chaos: bool = True
    ids: count[int] = field(default_factory=count)

    # ------------------------------------------------------------ looking

    def there(self, path: str) -> bool:
        """Whether a scan of a healthy root would see this document."""
        return path in self.disk and path not in self.excluded

    def state_of_root(self) -> RootState:
        """How the root looks."""
        if self.root is RootState.OK and not any(self.there(p) for p in self.disk) and self.documents:
            return RootState.EMPTY
        return self.root

    def snapshot(self, path: str) -> FileSnapshot:
        """What the scan says of one file."""
        content = self.disk[path]
        problem = None if content else Problem.EMPTY
        return FileSnapshot(DocumentKey("docs", path), path, len(content), 1, 1, content, "s", problem)

    def base(self) -> int:
        """Documents verified before the window that served when it began, as the ledger would count them."""
        start = self.now - self.policy.delete.window
        first = dict(reversed(self.served))
        return sum(
            any(
                first.get(r.id, self.now) <= start and (r.state is State.VERIFIED or (r.retired_at or 0.0) > start)
                for r in document.revisions.values()
            )
            for document in self.documents.values()
        )

    def used(self) -> int:
        """Deletions of the window that nobody released."""
        start = self.now - self.policy.delete.window
        return sum(at > start and not released for at, released in self.deletions)

    def view(self) -> SourceView:
        """What the planner sees; the ledger remembers what was seen."""
        root = self.state_of_root()
        blind = root in (RootState.MISSING, RootState.UNREADABLE)
        seen, vanished, entries = [], [], {}
        for path in self.disk:
            if self.there(path) and not blind and not (self.unreadable and path.startswith(self.unreadable)):
                snapshot = self.snapshot(path)
                document = self.documents.get(path)
                if document is None or document.gone or document.rest != snapshot.content:
                    seen.append(snapshot)
        for path, document in self.documents.items():
            hidden = blind or (self.unreadable and path.startswith(self.unreadable))
            if not document.gone and not self.there(path) and not hidden:
                vanished.append(path)
            entries[path] = document.entry()
        wanted = {s.key.path for s in seen} | set(vanished)
        known = {
            path: e
            for path, e in entries.items()
            if path in wanted or e.candidate or e.retired or e.failed or (e.serving and e.serving.reprove)
        }
        return SourceView(
            policy=self.policy,
            root=root,
            seen=tuple(seen),
            vanished=tuple(vanished),
            entries=known,
            serving=sum(e.serving is not None for e in entries.values()),
            unreadable=bool(self.unreadable) and not blind,
            scope_changed=self.scope_changed,
            used=self.used(),
            base=self.base(),
            released=frozenset(RevisionId(r) for r in self.released),
            emptied_released=self.emptied,
        )

    def remember(self, view: SourceView) -> None:
        """Write what was seen into the ledger, as the observation does."""
        over = forgettable(view, self.now)
        for snapshot in view.seen:
            path = snapshot.key.path
            document = self.documents.setdefault(path, Document(path))
            entry = view.entries.get(path)
            if decide(snapshot, entry, view.policy, self.now) is None:
                document.rest = snapshot.content
                if entry is not None and recovered(snapshot, entry):
                    document.quarantine, document.attempts, document.next_try_at = None, 0, None
            else:
                document.rest = None
            document.gone = False
        for entry in over:
            self.close(self.documents[entry.key.path])
        if view.root is RootState.OK and not view.vanished:
            self.scope_changed = False

    def survey(self) -> None:
        """Late arrivals are taken in, doubles hidden at once and made due (rules 11 and 24)."""
        for at, name, collection in list(self.late):
            if at <= self.now:
                self.server[name] = collection
                self.late.remove((at, name, collection))
        known = {r.collection_id for d in self.documents.values() for r in d.revisions.values()}
        for name, collection in self.server.items():
            if not collection.mine or name in known:
                continue
            owner = next(
                (
                    (d, r)
                    for d in self.documents.values()
                    for r in d.revisions.values()
                    if collection.attempt.startswith(r.id + "/")
                ),
                None,
            )
            assert owner is not None, "a collection of ours that nobody intended"
            document, revision = owner
            collection.visible = False
            if revision.state is State.UPLOADING and revision.attempt == collection.attempt:
                self.put(document, revision, state=State.INDEXING, collection_id=CollectionId(name))
            else:
                double = replace(
                    revision,
                    id=RevisionId(self.new("double")),
                    state=State.RETIRED,
                    verified_at=None,
                    attempt=collection.attempt,
                    collection_id=CollectionId(name),
                    visible=False,
                    retired_at=self.now,
                    delete_after=self.now,
                    reason="double",
                    flip=None,
                    delete_sent=False,
                    successor=None,
                    reprove=False,
                )
                document.revisions[double.id] = double

    # ------------------------------------------------------------ writing the ledger

    def new(self, kind: str) -> str:
        """A fresh id."""
        return f"{kind}{next(self.ids)}"

    def put(self, document: Document, revision: Revision, **changes: Any) -> Revision:
        """Move one revision."""
        changed: Revision = replace(revision, **changes)
        document.revisions[revision.id] = changed
        return changed

    def close(self, document: Document) -> None:
        document.gone, document.quarantine, document.next_try_at, document.attempts = True, None, None, 0

    def give_up(self, document: Document, content: Content, problem: str) -> None:
        """Quarantine a document; what is under way becomes a failed version."""
        for r in list(document.revisions.values()):
            if r.state in (State.INDEXING, State.PROVING):
                self.put(document, r, state=State.QUARANTINED, flip=None)
            elif r.state is State.UPLOADING:
                self.put(document, r, state=State.DELETED)
        document.quarantine = Quarantine(problem, "", content, self.now)
        document.next_try_at = None
        # At rest only if the file still says what was given up.
        document.rest = None

    def fail(self, document: Document, error: FailedError, content: Content | None) -> None:
        """Count a failure; at the limit the document is given up, but never in the middle of a flip."""
        entry = document.entry()
        candidate = entry.candidate
        document.attempts += 1
        flipping = candidate is not None and candidate.flip is not None
        if (error.permanent or document.attempts >= MAX_ATTEMPTS) and not flipping:
            blamed = candidate.content if candidate is not None else content
            if blamed is not None:
                self.give_up(document, blamed, error.permanent or "upload-failed")
                return
        document.next_try_at = self.now + 2.0 ** min(document.attempts, 6)

    def hits(self, chance: float) -> bool:
        """Whether something goes wrong here; never once the world is quiet."""
        return self.chaos and self.rng.random() < chance
