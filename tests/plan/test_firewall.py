"""Which deletions are allowed: every reason against every policy, as tables."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from plan_questions import answer, ids, question, some, vanished

from syncd.firewall import PERCENT_FROM, judge, name_of
from syncd.models import DeletePolicy, HoldReason, RootState

POLICIES = {
    "default": DeletePolicy(),
    "nothing": DeletePolicy(max_count=0, max_percent=0),
    "everything": DeletePolicy(max_count=10_000, max_percent=100),
}
# What is wrong with the root, the reason of the hold, and whether a person can lift it.
DISTRUST = {
    "missing": ({"root": RootState.MISSING}, HoldReason.MISSING, False),
    "unreadable": ({"root": RootState.UNREADABLE}, HoldReason.UNREADABLE, False),
    "partly unreadable": ({"unreadable": True}, HoldReason.UNREADABLE, False),
    "other device": ({"root": RootState.DEVICE}, HoldReason.DEVICE, True),
    "emptied": ({"root": RootState.EMPTY}, HoldReason.EMPTY, True),
}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("released", [(), ("a",), ("a", "b")], ids=["", "one released", "all released"])
@pytest.mark.parametrize("trouble", DISTRUST)
def test_a_root_that_cannot_be_believed(trouble: str, released: tuple[str, ...], policy: str) -> None:
    """Nothing is deleted from a root that is missing, empty, changed or partly readable, released or not (rule 20)."""
    state, reason, releasable = DISTRUST[trouble]
    verdict = judge(question(policy=POLICIES[policy], vanished=vanished("a", "b"), released=ids(*released), **state))
    assert verdict.allowed == ()
    assert verdict.hold is not None
    assert (verdict.hold.reason, verdict.hold.releasable) == (reason, releasable)
    assert verdict.hold.paths == ("a.md", "b.md")
    assert verdict.root_believed is False


@pytest.mark.parametrize("trouble", DISTRUST)
def test_a_root_that_cannot_be_believed_is_held_even_when_nothing_is_missing_yet(trouble: str) -> None:
    """A pass over such a root ends with a hold, so that its exit code says so (design 11)."""
    state, reason, _ = DISTRUST[trouble]
    verdict = judge(question(**state))
    assert verdict.hold is not None
    assert verdict.hold.reason is reason


@pytest.mark.parametrize("trouble", ["missing", "unreadable", "partly unreadable", "other device"])
def test_only_an_emptied_root_can_be_released_as_emptied(trouble: str) -> None:
    """`release --emptied` lifts nothing but the hold of an emptied root (rule 20)."""
    state, reason, _ = DISTRUST[trouble]
    verdict = judge(question(vanished=vanished("a"), released=ids("a"), emptied_released=True, **state))
    assert verdict.allowed == ()
    assert verdict.hold is not None
    assert verdict.hold.reason is reason


def test_a_missing_root_says_how_many_documents_are_at_stake() -> None:
    """Below a missing root the scan names no path, but the hold counts every document that serves."""
    for root in (RootState.MISSING, RootState.UNREADABLE):
        hold = judge(question(root=root, serving=42)).hold
        assert hold is not None
        assert (hold.paths, hold.at_stake, hold.count) == ((), 42, 42)


@pytest.mark.parametrize(
    "state", [{"unreadable": True}, {"root": RootState.DEVICE}, {"root": RootState.EMPTY}, {"scope_changed": True}]
)
def test_other_holds_count_what_they_name(state: dict[str, object]) -> None:
    """Where the scan names what is gone, the hold is about exactly these documents."""
    hold = judge(question(vanished=vanished("a", "b"), serving=42, **state)).hold
    assert hold is not None
    assert (hold.at_stake, hold.count) == (0, 2)


EMPTIED = [
    ("not released", 2, (), False, [], "root-empty"),
    ("released without saying emptied", 2, ("a", "b"), False, [], "root-empty"),
    ("released as emptied", 2, ("a", "b"), True, ["a", "b"], ""),
    ("released as emptied, one more is gone since", 2, ("a",), True, ["a"], "root-empty"),
    ("emptied released, nothing left to let go", 2, (), True, [], "root-empty"),
    ("nothing was ever verified: not held (rule 19)", 0, (), False, ["a", "b"], ""),
]


@pytest.mark.parametrize(("case", "count", "released", "emptied", "allowed", "reason"), EMPTIED)
def test_an_emptied_root(
    case: str, count: int, released: tuple[str, ...], emptied: bool, allowed: list[str], reason: str
) -> None:
    """An emptied root lets go exactly what was released as emptied, at whatever limit (rules 19 and 20)."""
    assert answer(
        root=RootState.EMPTY,
        serving=count,
        vanished=vanished("a", "b"),
        released=ids(*released),
        emptied_released=emptied,
        policy=DeletePolicy(max_count=0) if count else DeletePolicy(),
    ) == (allowed, reason)


def test_an_emptied_root_that_was_released_holds_only_the_rest() -> None:
    """What is held anew after `release --emptied` names only what the release did not know."""
    verdict = judge(
        question(root=RootState.EMPTY, vanished=vanished("a", "b"), released=ids("a"), emptied_released=True)
    )
    assert verdict.hold is not None
    assert (verdict.hold.paths, verdict.hold.releasable) == (("b.md",), True)


def test_an_emptied_root_with_nothing_confirmed_gone_is_not_held_once_released() -> None:
    """After `release --emptied` an empty root without anything left to delete is at rest."""
    assert answer(root=RootState.EMPTY, emptied_released=True) == ([], "")
    assert answer(root=RootState.EMPTY, serving=1) == ([], "root-empty")


SCOPE = [
    ("held, one or many", ("a",), (), [], "scope-changed"),
    ("released goes, the rest is held", ("a", "b"), ("a",), ["a"], "scope-changed"),
    ("all released", ("a", "b"), ("a", "b"), ["a", "b"], ""),
    ("nothing is gone", (), (), [], ""),
]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("case", "gone", "released", "allowed", "reason"), SCOPE)
def test_a_changed_scope(
    case: str, gone: tuple[str, ...], released: tuple[str, ...], allowed: list[str], reason: str, policy: str
) -> None:
    """Deletions caused by a changed path, include or exclude are always held (rule 18)."""
    assert answer(scope_changed=True, vanished=vanished(*gone), released=ids(*released), policy=POLICIES[policy]) == (
        allowed,
        reason,
    )


def test_the_reason_that_no_release_lifts_is_named_first() -> None:
    """Where several reasons hold at once, the gravest is told: root, unreadable folders, emptied, scope, limit."""
    everything = {
        "vanished": some(60),
        "unreadable": True,
        "scope_changed": True,
        "policy": DeletePolicy(max_count=0, max_percent=0),
    }
    assert answer(root=RootState.MISSING, **everything)[1] == "root-missing"
    assert answer(root=RootState.DEVICE, **everything)[1] == "root-device"
    assert answer(root=RootState.EMPTY, **everything)[1] == "root-unreadable"
    assert answer(**everything)[1] == "root-unreadable"
    everything["unreadable"] = False
    assert answer(root=RootState.EMPTY, **everything)[1] == "root-empty"
    assert answer(**everything)[1] == "scope-changed"
    everything["scope_changed"] = False
    assert answer(**everything)[1] == "limit"


MESSAGES = [
    ({"root": RootState.MISSING}, "the source's folder is missing"),
    ({"root": RootState.UNREADABLE}, "the source's folder cannot be read"),
    ({"root": RootState.DEVICE}, "another file system is mounted there and most known files are missing"),
    ({"unreadable": True}, "some folders cannot be read, so nothing is known of their files"),
    (
        {"unreadable": True, "blind": "in: in/.syncdignore:3: too many wildcards"},
        "some folders cannot be read, so nothing is known of their files: in: in/.syncdignore:3: too many wildcards",
    ),
    ({"root": RootState.EMPTY}, "no file is left in the source's folder"),
    ({"root": RootState.EMPTY, "emptied_released": True}, "no file is left in the source's folder"),
    ({"scope_changed": True}, "path, include or exclude were changed"),
    ({"policy": DeletePolicy(max_count=4), "used": 2}, "7 deletions, more than max_count = 4"),
    (
        {"policy": DeletePolicy(max_percent=2.5), "used": 2},
        "7 deletions of 100 documents, more than max_percent = 2.5%",
    ),
]


@pytest.mark.parametrize(("state", "message"), MESSAGES)
def test_a_hold_says_what_happened(state: dict[str, object], message: str) -> None:
    """A hold names its source, its paths, since when it stands, and the reason in plain words."""
    hold = judge(question(vanished=some(5), serving=0 if "root" not in state else 1, **state)).hold
    assert hold is not None
    assert (hold.source, hold.since, hold.message) == ("docs", 7.0, message)
    assert hold.paths == tuple(f"v{i:03}.md" for i in range(5))
    assert hold.count == 5


def test_more_released_never_means_less_allowed() -> None:
    """Releasing one more document never takes away what was allowed before, in whatever state the source is."""
    documents = some(8)
    states = [{}, {"scope_changed": True}, *(state for state, _, _ in DISTRUST.values())]
    for state in states:
        for emptied in (False, True):
            for used in (0, 2, 49):
                base = question(vanished=documents, used=used, emptied_released=emptied, base=40, **state)
                before: set[str] = set()
                for n in range(len(documents) + 1):
                    released = frozenset(v.revision for v in documents[:n])
                    allowed = {v.revision for v in judge(replace(base, released=released)).allowed}
                    assert before <= allowed
                    before = allowed


def test_the_percentage_is_asked_from_five_deletions_on() -> None:
    """The number is pinned."""
    assert PERCENT_FROM == 5


NAMES = [
    ("docs", HoldReason.LIMIT, ("r1", "r2")),
    ("other", HoldReason.LIMIT, ("r1", "r2")),
    ("docs", HoldReason.SCOPE, ("r1", "r2")),
    ("docs", HoldReason.LIMIT, ("r1",)),
    ("docs", HoldReason.LIMIT, ("r1r2",)),
    ("docs", HoldReason.LIMIT, ()),
]


def test_the_id_of_a_hold_stands_for_exactly_these_deletions() -> None:
    """Source, reason and every deletion make the id, in whatever order they come, and whatever text they are."""
    made = [name_of(source, reason, names) for source, reason, names in NAMES]
    assert len(set(made)) == len(NAMES)
    assert {len(name) for name in made} == {8}
    assert name_of("docs", HoldReason.LIMIT, ("r2", "r1")) == made[0]
    assert len(name_of("docs", HoldReason.LIMIT, ("\udcff",))) == 8


def test_the_id_of_a_hold_is_pinned() -> None:
    """What one version of syncd showed, the next one must find again: the way in which an id is made never changes."""
    expected = hashlib.sha256(b"docs\0limit\0r1\0r2").hexdigest()[:8]
    assert name_of("docs", HoldReason.LIMIT, ("r1", "r2")) == expected


@pytest.mark.parametrize(
    ("state", "reason", "held"),
    [
        ({"root": RootState.MISSING}, HoldReason.MISSING, ["a", "b", "c"]),
        ({"root": RootState.EMPTY}, HoldReason.EMPTY, ["a", "b", "c"]),
        ({"root": RootState.DEVICE}, HoldReason.DEVICE, ["a", "b", "c"]),
        ({"scope_changed": True}, HoldReason.SCOPE, ["b", "c"]),
        ({"policy": DeletePolicy(max_count=1)}, HoldReason.LIMIT, ["b", "c"]),
    ],
)
def test_a_hold_carries_its_id_and_its_revisions(state: dict[str, object], reason: HoldReason, held: list[str]) -> None:
    """A hold names the revisions that a release of its id lets go: those of its paths, and no others."""
    hold = judge(question(vanished=vanished("c", "a", "b"), released=ids("a"), **state)).hold
    assert hold is not None
    assert sorted(hold.revisions) == held
    assert tuple(f"{name}.md" for name in hold.revisions) == hold.paths
    assert hold.id == name_of("docs", reason, held)
