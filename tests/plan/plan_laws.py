"""Worlds drawn from a seed, passes over them, and the laws that must hold at every step and at rest."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from plan_hands import GARBLED, UNFINDABLE, World
from plan_model import Collection, Document, Failed
from syncd.firewall import PERCENT_FROM
from syncd.models import (
    CollectionId,
    Content,
    DatasetId,
    Delete,
    DeletePolicy,
    Flip,
    HoldReason,
    Move,
    Plan,
    Prove,
    Quarantine,
    Resume,
    Retire,
    Revision,
    RevisionId,
    RootState,
    State,
    Upload,
)
from syncd.plan import SourcePolicy, SourceView, make

PATHS = ("a.md", "b.md", "in/a.md", "in/c.md", "d.md", "e.txt", "f.md")
CONTENTS = ("A", "B", "C", "D", "", GARBLED, UNFINDABLE)
WEIGHTS = (6, 6, 4, 4, 1, 1, 1)
MOST_PASSES = 200


# ---------------------------------------------------------------- drawing a world


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
        add(State.VERIFIED, rng.choice("ABCD"), shown=not hidden, visible=flip is not Flip.DONE, verified_at=long_ago,
            placed=placed, reprove=rng.random() < 0.1)
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
        add(State.RETIRED, rng.choice("ABCD"), shown=shown, visible=shown, verified_at=long_ago if proven else None,
            retired_at=long_ago - len(document.revisions), delete_after=due, successor=successor,
            delete_sent=not shown and rng.random() < 0.2)
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


def lose(world: World) -> None:
    """What somebody else deleted is noted as lost, as a survey would."""
    for document in world.documents.values():
        for revision in list(document.revisions.values()):
            known = revision.collection_id is not None and revision.state is not State.DELETED
            if known and revision.collection_id not in world.server:
                world.put(document, revision, state=State.DELETED, visible=False, flip=None)
                document.rest = None
                serving = document.entry().serving
                if revision.flip is not None and serving is not None:
                    world.put(document, serving, visible=False)  # it may have been hidden for the lost one


def release(world: World, plan: Plan) -> None:
    """A person lets go what is held and shown."""
    for hold in plan.holds:
        if hold.reason is HoldReason.DEVICE:
            world.root = RootState.OK  # the other file system is accepted
        elif hold.releasable:
            for path in hold.paths:
                serving = world.documents[path].entry().serving
                if serving is not None:
                    world.released.add(serving.id)
            world.emptied = hold.reason is HoldReason.EMPTY


# ---------------------------------------------------------------- the laws


def shown(world: World, document: Document) -> bool:
    """Whether a version of the document is visible whose content was compared."""
    return any(
        (r.verified_at is not None or r.flip is not None)
        and r.collection_id in world.server
        and world.server[r.collection_id].visible
        for r in document.revisions.values()
    )


def check_plan(world: World, view: SourceView, plan: Plan) -> None:
    """A plan names only what is ours, deletes no more than is allowed, and nothing the disk cannot vouch for."""
    believed = view.root is RootState.OK and not view.unreadable
    if view.root is RootState.EMPTY and (view.serving == 0 or view.emptied_released):
        believed = True
    seen = {s.key.path for s in view.seen}
    fresh = 0
    for action in plan.actions:
        revision = getattr(action, "revision", None)
        if revision is None:
            continue
        owner = world.documents[action.origin.path if isinstance(action, Move) else action.key.path]
        assert revision.id in owner.revisions, "a revision that is not in the ledger"
        if revision.collection_id is not None:
            assert world.server[revision.collection_id].mine, "somebody else's collection"
        if isinstance(action, (Retire, Delete)) and action.key.path not in seen:
            entry = owner.entry()
            last = entry.serving is None and revision.verified_at is not None
            vanished = isinstance(action, Retire) and action.vanished
            if vanished or last or entry.candidate == revision:
                assert believed, f"{action} below a root that cannot be believed"
                assert vanished or not world.there(action.key.path)
            if vanished:
                assert not world.there(action.key.path), "the file is there"
                fresh += revision.id not in world.released
                assert revision.id in world.released or not view.scope_changed, "a changed scope deletes nothing"
    if fresh:
        policy, planned, base = view.policy.delete, fresh + world.used(), world.base() or view.serving + world.used()
        assert planned <= policy.max_count, "more deletions than max_count"
        assert planned < PERCENT_FROM or planned * 100 <= policy.max_percent * base, "more than max_percent"


def one_pass(world: World, crash: float = 0.0) -> Plan:
    """Survey, look, plan, and carry the plan out; it may stop at any point."""
    lose(world)
    world.survey()
    view = world.view()
    plan = make([view], world.now)
    world.remember(view)
    check_plan(world, view, plan)
    before = dict(world.server)
    world.relink([a for a in plan.actions if isinstance(a, Move)])
    assert world.server == before, "a move deleted content"
    unresolved = False
    for action in plan.actions:
        if isinstance(action, Retire) and action.vanished and unresolved:
            continue
        document = world.documents[action.key.path]
        protected = document.entry().serving is not None and world.there(document.path) and shown(world, document)
        held = set(world.server)
        try:
            for point in world.apply(action):
                assert not protected or shown(world, document), f"a gap at '{point}' of {action}"
                if world.rng.random() < crash:
                    return plan
        except Failed as error:
            snapshot = world.snapshot(document.path).content if world.there(document.path) else None
            world.fail(document, error, snapshot)
            unresolved = True
        assert not protected or shown(world, document), f"a gap after {action}"
        assert not isinstance(action, Move) or set(world.server) == held, "a move deleted content"
        if isinstance(action, (Upload, Resume, Prove)):
            unresolved = unresolved or document.entry().candidate is not None
    return plan


def settle(world: World) -> Plan:
    """Pass after pass without trouble until nothing is left to do, letting time go on where only time is missing."""
    world.chaos = False
    plan = Plan()
    for _ in range(MOST_PASSES):
        plan = one_pass(world)
        if plan.actions:
            continue
        times = [w.until for w in plan.waiting if w.until is not None] + [at for at, _, _ in world.late]
        for document in world.documents.values():
            times += [r.delete_after for r in document.entry().retired if r.delete_after is not None]
        ahead = [t for t in times if t > world.now]
        if not ahead:
            return plan
        world.now = min(ahead)
    raise AssertionError(f"not at rest after {MOST_PASSES} passes: {plan}")


def check_rest(world: World, plan: Plan) -> None:
    """At rest the second plan is empty and exactly one version of each file is visible, the right one."""
    again = make([world.view()], world.now)
    assert again.actions == plan.actions == ()
    believed = not plan.holds or plan.holds[0].reason in (HoldReason.LIMIT, HoldReason.SCOPE)
    for path, document in world.documents.items():
        entry = document.entry()
        visible = [
            r.id for r in document.revisions.values() if r.collection_id in world.server
            and world.server[r.collection_id].visible
        ]
        last = [r.id for r in entry.retired if r.verified_at is not None and entry.serving is None]
        if believed or not set(visible) <= set(last[:1]):
            assert visible == ([entry.serving.id] if entry.serving else []), f"{path}: not exactly the serving version is seen"
        if not world.there(path):
            assert plan.holds or not entry.serving
            left = any(r.collection_id in world.server for r in document.revisions.values())
            assert plan.holds or not left, "something is left of a document that is gone"
        elif believed:
            wanted = world.snapshot(path)
            assert entry.candidate is None
            if entry.quarantine is not None:
                assert entry.quarantine.content == wanted.content
            else:
                assert entry.serving is not None
                assert entry.serving.content == wanted.content
                assert entry.serving.placed == world.policy.placement(path)
    if believed:
        assert all(path in world.documents for path in world.disk if world.there(path)), "a file that was not seen"
    known = {r.collection_id for d in world.documents.values() for r in d.revisions.values()}
    assert all(name in known for name, c in world.server.items() if c.mine), "an orphan of ours"


def live(rng: Random) -> int:
    """One whole life of a world: drawn, disturbed, brought to rest; returns how many passes were planned."""
    world = draw(rng)
    theirs = {name: replace_of(c) for name, c in world.server.items() if not c.mine}
    rounds = rng.randrange(5)
    for _ in range(rounds):
        disturb(world)
        plan = one_pass(world, crash=rng.choice((0.0, 0.05, 0.3)))
        if rng.random() < 0.3:
            release(world, plan)
        world.now += rng.choice((1.0, 10.0, 4000.0, 100000.0))
    plan = settle(world)
    check_rest(world, plan)
    assert {n: replace_of(c) for n, c in world.server.items() if not c.mine} == theirs, "somebody else's was changed"
    return rounds + 1


def replace_of(collection: Collection) -> tuple[str, bool]:
    """What must never change of somebody else's collection."""
    return collection.content, collection.visible
