"""Passes over a world, and the laws that must hold at every step and at rest."""

from __future__ import annotations

from random import Random

from plan_draw import disturb, draw
from plan_hands import World
from plan_model import Collection, Document, FailedError

from syncd.firewall import PERCENT_FROM
from syncd.models import Delete, HoldReason, Move, Plan, Prove, Resume, Retire, RootState, State, Upload
from syncd.plan import SourceView, make

MOST_PASSES = 200


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
        except FailedError as error:
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
            r.id
            for r in document.revisions.values()
            if r.collection_id in world.server and world.server[r.collection_id].visible
        ]
        last = [r.id for r in entry.retired if r.verified_at is not None and entry.serving is None]
        if believed or not set(visible) <= set(last[:1]):
            wanted_ids = [entry.serving.id] if entry.serving else []
            assert visible == wanted_ids, f"{path}: not exactly the serving version is seen"
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
