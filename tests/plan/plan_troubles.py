"""A source of twenty documents, and everything that may happen to the disk below it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from random import Random

from plan_hands import World
from plan_laws import one_pass
from plan_model import Collection, Document

from syncd.models import (
    CollectionId,
    Content,
    DatasetId,
    DeletePolicy,
    HoldReason,
    Plan,
    Revision,
    RevisionId,
    RootState,
    State,
)
from syncd.plan import SourcePolicy

DAY = 86400.0
DOCUMENTS = 20
COUNTS, PERCENTS, GRACES = (0, 1, 50), (0.0, 20.0, 100.0), (0.0, DAY)
POLICIES = [DeletePolicy(*values) for values in product(COUNTS, PERCENTS, GRACES)]


def source(policy: DeletePolicy) -> World:
    """Twenty verified documents, half of them in a folder, all older than any window."""
    world = World(Random(0), SourcePolicy("docs", delete=policy), chaos=False)
    for i in range(DOCUMENTS):
        path = f"{'in' if i % 2 else 'out'}/{i:02}.md"
        name, collection, text = RevisionId(f"old{i}"), CollectionId(f"kept{i}"), f"text {i}"
        revision = Revision(
            name,
            1,
            Content(text, "s"),
            State.VERIFIED,
            f"{name}/0",
            DatasetId("d"),
            collection,
            placed=world.policy.placement(path),
            visible=True,
            verified_at=0.0,
        )
        world.disk[path] = text
        world.documents[path] = Document(path, {name: revision}, rest=revision.content)
        world.server[collection] = Collection(text, True, revision.attempt)
        world.served.append((name, 0.0))
    return world


def gone_files(world: World, n: int = DOCUMENTS, prefix: str = "") -> None:
    """The first ``n`` files below ``prefix`` are not there any more."""
    for path in [p for p in world.disk if p.startswith(prefix)][:n]:
        del world.disk[path]


def missing(world: World) -> None:
    world.root = RootState.MISSING


def unreadable(world: World) -> None:
    world.root = RootState.UNREADABLE


def empty_mount(world: World) -> None:
    gone_files(world)


def other_device(world: World) -> None:
    gone_files(world, 15)
    world.root = RootState.DEVICE


def permission_lost(world: World) -> None:
    world.unreadable = "in/"
    gone_files(world, 5, "out/")


def half_listed(world: World) -> None:
    """A listing broke off: the folder says so, half of it was read, and files of its neighbour are missing too."""
    world.unreadable = "in/1"
    gone_files(world, 5, "in/0")
    gone_files(world, 5, "out/")


def excluded(world: World) -> None:
    world.excluded = {p for p in world.disk if p.startswith("in/")}
    world.scope_changed = True


def one_excluded(world: World) -> None:
    world.excluded = {"in/01.md"}
    world.scope_changed = True


def other_path(world: World) -> None:
    gone_files(world, len(world.disk) - 1)
    world.scope_changed = True


# What happens, the reason of the hold, and whether an ordinary release may lift it.
TROUBLES: list[tuple[Callable[[World], None], HoldReason, bool]] = [
    (missing, HoldReason.MISSING, False),
    (unreadable, HoldReason.UNREADABLE, False),
    (empty_mount, HoldReason.EMPTY, False),
    (other_device, HoldReason.DEVICE, False),
    (permission_lost, HoldReason.UNREADABLE, False),
    (half_listed, HoldReason.UNREADABLE, False),
    (excluded, HoldReason.SCOPE, True),
    (one_excluded, HoldReason.SCOPE, True),
    (other_path, HoldReason.SCOPE, True),
]


def three_days(world: World) -> Plan:
    """Passes over more time than any grace and any window take."""
    plan = Plan()
    for pause in (0.0, 1.0, 3600.0, DAY, DAY, DAY):
        world.now += pause
        plan = one_pass(world)
    return plan


def visible(world: World) -> int:
    """How many collections search can see."""
    return sum(c.visible for c in world.server.values())
