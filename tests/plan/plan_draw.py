"""Worlds drawn from a seed, and what happens to them."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from plan_hands import GARBLED, UNFINDABLE, World
from plan_model import Collection, Document

from syncd.models import (
    CollectionId,
    Content,
    DatasetId,
    DeletePolicy,
    Flip,
    Quarantine,
    Revision,
    RevisionId,
    RootState,
    State,
)
from syncd.plan import SourcePolicy

PATHS = ("a.md", "b.md", "in/a.md", "in/c.md", "d.md", "e.txt", "f.md")
CONTENTS = ("A", "B", "C", "D", "", GARBLED, UNFINDABLE)
WEIGHTS = (6, 6, 4, 4, 1, 1, 1)


def draw(rng: Random) -> World:
    """Any disk, any ledger and a server that fits to the ledger, plus collections of somebody else."""
    policy = SourcePolicy(
        "docs",
        folder=rng.choice(("", "h")),
        delete=DeletePolicy(
            max_count=rng.choice((0, 1, 3, 50)),
            max_percent=rng.choice((0.0, 20.0, 60.0, 100.0)),
            grace=rng.choice((0.0, 86400.0)),
        ),
        title_in_index=rng.random() < 0.2,
    )
    world = World(rng, policy)
    for path in PATHS:
        if rng.random() < 0.5:
            world.disk[path] = content(rng)
        if rng.random() < 0.5:
            world.documents[path] = draw_document(world, path)
    for i in range(rng.randrange(3)):
        world.server[f"foreign{i}"] = Collection("A", bool(rng.getrandbits(1)), "theirs", mine=False)
    return world


def content(rng: Random) -> str:
    """Mostly ordinary content, sometimes one that cannot be taken, is destroyed, or is never found."""
    return rng.choices(CONTENTS, WEIGHTS)[0]


def draw_document(world: World, path: str) -> Document:
    """A document in any state that a crash at any time may leave behind."""
    rng, document = world.rng, Document(path)

    def add(state: State, text: str, *, shown: bool, **more: object) -> Revision:
        name = RevisionId(world.new("r"))
        collection = None
        if state is not State.UPLOADING or rng.random() < 0.3:
            collection = CollectionId(world.new("col"))
            world.server[collection] = Collection(text, shown, f"{name}/0")
        if state is State.UPLOADING:
            collection = None
        revision = Revision(name, 1, Content(text, "s"), state, f"{name}/0", DatasetId("d"), collection)
        revision = replace(revision, **more)  # type: ignore[arg-type]
        document.revisions[name] = revision
        if revision.verified_at is not None:
            world.served.append((name, revision.verified_at))
        return revision

    long_ago = world.now - rng.choice((100.0, 5000.0, 200000.0))
    placed = world.policy.placement(path if rng.random() < 0.8 else "elsewhere.md")
    flip = rng.choice((None, None, None, *Flip))
    serves = rng.random() < 0.6
    if serves:
        hidden = flip is Flip.DONE or (flip is not None and rng.random() < 0.5)
        # What the ledger says of a version in mid-flip is as old as the last commit.
        add(
            State.VERIFIED,
            rng.choice("ABCD"),
            shown=not hidden,
            visible=flip is not Flip.DONE,
            verified_at=long_ago,
            placed=placed,
            reprove=rng.random() < 0.1,
        )
    if flip is not None:
        shown = flip is Flip.DONE or (serves and hidden) or rng.random() < 0.5
        add(State.PROVING, rng.choice("ABCDY"), shown=shown, visible=True, flip=flip)
    elif rng.random() < 0.3:
        state = rng.choice((State.UPLOADING, State.INDEXING))
        shown = state is State.INDEXING and rng.random() < 0.3
        again = long_ago if state is State.INDEXING and rng.random() < 0.2 else None
        add(state, content(rng) or "A", shown=shown, visible=shown, verified_at=again)
    successor = RevisionId("some") if serves else None
    while rng.random() < 0.4:
        due = world.now + rng.choice((-1.0, 100.0, 80000.0))
        # The newest may not be hidden yet: its file vanished a moment ago.
        shown = not serves and len(document.revisions) == 0 and rng.random() < 0.3
        proven = rng.random() < 0.8
        add(
            State.RETIRED,
            rng.choice("ABCD"),
            shown=shown,
            visible=shown,
            verified_at=long_ago if proven else None,
            retired_at=long_ago - len(document.revisions),
            delete_after=due,
            successor=successor,
            delete_sent=not shown and rng.random() < 0.2,
        )
    if rng.random() < 0.2:
        add(State.QUARANTINED, rng.choice("ABX"), shown=False)
        document.quarantine = Quarantine("search-missing", "", Content(rng.choice("ABX"), "s"), long_ago)
    if not document.entry().serving and not document.entry().candidate:
        document.gone = path not in world.disk and rng.random() < 0.5
    return document


def disturb(world: World) -> None:
    """Something happens to the disk, the mount, the server, the configuration, or a person decides."""
    rng = world.rng
    for _ in range(rng.choice((0, 1, 1, 2, 6))):
        path = rng.choice(PATHS)
        match rng.randrange(14):
            case 0 | 1 | 2:
                world.disk[path] = content(rng)
            case 3 | 4:
                world.disk.pop(path, None)
            case 5 | 6 | 7:
                if path in world.disk:
                    world.disk[rng.choice(PATHS)] = world.disk.pop(path)
            case 8:
                world.root = rng.choice((RootState.OK, RootState.MISSING, RootState.DEVICE, RootState.UNREADABLE))
            case 9:
                world.unreadable = rng.choice(("", "", "in/"))
            case 10:
                world.excluded ^= {path}
                world.scope_changed = True
            case 11:
                world.disk.clear()
            case 12:
                names = [n for n, c in world.server.items() if c.mine]
                if names:
                    world.server.pop(rng.choice(names))
            case _:
                document = world.documents.get(path)
                if document is not None:
                    document.quarantine, document.attempts, document.next_try_at = None, 0, None
                    document.rest = None
    if rng.random() < 0.5:
        world.root, world.unreadable = RootState.OK, ""
