"""Short spellings of snapshots, revisions and entries, and of what the planner answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from syncd.models import (
    AnyAction,
    CollectionId,
    Content,
    DatasetId,
    Delete,
    DocumentKey,
    FileSnapshot,
    Flip,
    LedgerEntry,
    Move,
    Problem,
    Prove,
    Quarantine,
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
from syncd.plan import SourcePolicy, SourceView

NOW = 1000.0
GRACE = 50.0
PATH = "a.md"


def file(content: str = "A", path: str = PATH, *, settings: str = "s", problem: Problem | None = None) -> FileSnapshot:
    """A file with this content; one with a problem has no hash, as the scan makes it."""
    return FileSnapshot(
        key=DocumentKey("docs", path),
        disk_name=path,
        size=1,
        mtime_ns=1,
        inode=1,
        sha256="" if problem else content,
        settings=settings,
        problem=problem,
        message="why" if problem else "",
    )


def revision(name: str, content: str, state: State, *, settings: str = "s", **more: Any) -> Revision:
    """A revision whose id says what it is: c candidate, s serving, r retired, f failed."""
    return replace(
        Revision(
            id=RevisionId(name),
            document_id=1,
            content=Content(content, settings),
            state=state,
            attempt=f"attempt of {name}",
            dataset_id=DatasetId("d"),
            collection_id=None if state is State.UPLOADING else CollectionId(f"collection of {name}"),
        ),
        **more,
    )


def uploading(content: str = "A", **more: Any) -> Revision:
    """A candidate that may or may not have arrived."""
    return revision("c", content, State.UPLOADING, **more)


def indexing(content: str = "A", **more: Any) -> Revision:
    """A hidden candidate in training."""
    return revision("c", content, State.INDEXING, **more)


def proving(content: str = "A", flip: Flip | None = Flip.DONE, **more: Any) -> Revision:
    """A candidate that is being flipped or searched for."""
    return revision("c", content, State.PROVING, flip=flip, visible=flip is not None, **more)


def serving(content: str = "A", name: str = "s", path: str = PATH, **more: Any) -> Revision:
    """What serves, in its right place."""
    values = {"visible": True, "verified_at": 1.0, "placed": SourcePolicy("docs").placement(path), **more}
    return revision(name, content, State.VERIFIED, **values)


def retired(content: str = "A", name: str = "r", **more: Any) -> Revision:
    """A hidden version that served before, its grace not over."""
    return revision(name, content, State.RETIRED, **{"verified_at": 1.0, "delete_after": NOW + GRACE, **more})


def failed(content: str = "A", name: str = "f", **more: Any) -> Revision:
    """A hidden version that was given up."""
    return revision(name, content, State.QUARANTINED, **more)


def given_up(content: str = "A", problem: str = "search-missing", settings: str = "s") -> Quarantine:
    """A quarantine for this content."""
    return Quarantine(problem, "why", Content(content, settings), 1.0)


def entry(path: str = PATH, **more: Any) -> LedgerEntry:
    """What the ledger knows of one document."""
    return LedgerEntry(1, DocumentKey("docs", path), **more)


def view(
    *entries: LedgerEntry,
    seen: tuple[FileSnapshot, ...] = (),
    vanished: tuple[str, ...] = (),
    policy: SourcePolicy | None = None,
    **more: Any,
) -> SourceView:
    """What the planner sees of one source; ``serving`` and ``base`` are counted unless they are given."""
    known = {e.key.path: e for e in entries}
    count = sum(e.serving is not None for e in entries)
    return SourceView(
        policy=policy or SourcePolicy("docs"),
        root=more.pop("root", RootState.OK),
        seen=seen,
        vanished=vanished,
        entries=known,
        serving=more.pop("serving", count),
        base=more.pop("base", 100),
        **more,
    )


def told(step: AnyAction | Waiting | None) -> str:
    """One step as a line of text, so that tables read as the policy."""
    match step:
        case None:
            return "nothing"
        case Waiting():
            return f"wait until {step.until:g}" if step.until is not None else f"wait: {step.reason}"
        case Upload():
            return f"upload {step.snapshot.sha256}: {step.reason}"
        case Resume():
            return f"resume {step.revision.id}: {step.reason}"
        case Prove():
            return f"prove {step.revision.id}: {step.reason}"
        case Move():
            return f"move {step.revision.id} from {step.origin.path} to {step.key.path}: {step.reason}"
        case Restore():
            return f"restore {step.revision.id} as {'serving' if step.as_serving else 'candidate'}: {step.reason}"
        case Retire():
            what = "retire vanished" if step.vanished else "retire"
            return f"{what} {step.revision.id}, grace {step.grace:g}: {step.reason}"
        case Delete():
            return f"delete {step.revision.id}: {step.reason}"
        case QuarantineDocument():
            return f"quarantine {step.problem.value}: {step.reason}"
