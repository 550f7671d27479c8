"""Which deletions are allowed: every reason against every policy, as tables."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncd.firewall import PERCENT_FROM, Question, Vanished, judge
from syncd.models import DeletePolicy, HoldReason, RevisionId, RootState


def vanished(*names: str) -> tuple[Vanished, ...]:
    """Documents whose files are gone, each with a revision of its own."""
    return tuple(Vanished(f"{name}.md", RevisionId(name)) for name in names)


def some(n: int) -> tuple[Vanished, ...]:
    """``n`` vanished documents."""
    return vanished(*(f"v{i:03}" for i in range(n)))


def question(**more: object) -> Question:
    """A healthy source of 100 documents with nothing gone."""
    values: dict[str, object] = {
        "source": "docs",
        "policy": DeletePolicy(),
        "root": RootState.OK,
        "unreadable": False,
        "scope_changed": False,
        "vanished": (),
        "serving": 100,
        "used": 0,
        "base": 100,
        "released": frozenset(),
        "emptied_released": False,
        "now": 7.0,
    }
    return Question(**{**values, **more})  # type: ignore[arg-type]


def answer(**more: object) -> tuple[list[str], str]:
    """The revisions that are let go, and the reason of the hold."""
    verdict = judge(question(**more))
    return [v.revision for v in verdict.allowed], verdict.hold.reason.value if verdict.hold else ""


def ids(*names: str) -> frozenset[RevisionId]:
    """Revisions a person let go."""
    return frozenset(RevisionId(name) for name in names)


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
    verdict = judge(
        question(policy=POLICIES[policy], vanished=vanished("a", "b"), released=ids(*released), **state)
    )
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
    verdict = judge(
        question(vanished=vanished("a"), released=ids("a"), emptied_released=True, **state)
    )
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
    assert answer(
        scope_changed=True, vanished=vanished(*gone), released=ids(*released), policy=POLICIES[policy]
    ) == (allowed, reason)


# max_count, max_percent, base, used, gone, released -> allowed, held
LIMIT = [
    (50, 100.0, 1000, 0, 50, 0, 50, 0),
    (50, 100.0, 1000, 0, 51, 0, 0, 51),
    (50, 100.0, 1000, 1, 50, 0, 0, 50),
    (50, 100.0, 1000, 50, 0, 0, 0, 0),
    (50, 100.0, 1000, 60, 0, 0, 0, 0),
    (50, 100.0, 1000, 60, 3, 3, 3, 0),
    (50, 100.0, 1000, 0, 60, 10, 60, 0),
    (50, 100.0, 1000, 0, 61, 10, 10, 51),
    (0, 100.0, 1000, 0, 1, 0, 0, 1),
    (0, 100.0, 1000, 0, 2, 1, 1, 1),
    (1, 100.0, 1000, 0, 1, 0, 1, 0),
    (1, 100.0, 1000, 1, 1, 0, 0, 1),
    # the percentage is asked from five deletions on
    (50, 20.0, 4, 0, 4, 0, 4, 0),
    (50, 20.0, 5, 0, 5, 0, 0, 5),
    (50, 20.0, 25, 0, 5, 0, 5, 0),
    (50, 20.0, 24, 0, 5, 0, 0, 5),
    (50, 20.0, 25, 1, 5, 0, 0, 5),
    (50, 20.0, 30, 1, 5, 0, 6 - 1, 0),
    (50, 20.0, 10, 4, 1, 0, 0, 1),
    (50, 20.0, 10, 3, 1, 0, 1, 0),
    (50, 0.0, 1000, 0, 4, 0, 4, 0),
    (50, 0.0, 1000, 0, 5, 0, 0, 5),
    (50, 100.0, 5, 0, 5, 0, 5, 0),
    (50, 100.0, 5, 1, 5, 0, 0, 5),
    (50, 0.5, 1000, 0, 5, 0, 5, 0),
    (50, 0.5, 999, 0, 5, 0, 0, 5),
    # what a person released does not count
    (50, 20.0, 25, 0, 10, 5, 10, 0),
    (50, 20.0, 25, 0, 10, 4, 4, 6),
]


@pytest.mark.parametrize(("count", "percent", "base", "used", "gone", "released", "allowed", "held"), LIMIT)
def test_the_limit(
    count: int, percent: float, base: int, used: int, gone: int, released: int, allowed: int, held: int
) -> None:
    """Past max_count or max_percent of the rolling window all that was not released is held (law 4, rule 15)."""
    documents = some(gone)
    verdict = judge(
        question(
            policy=DeletePolicy(max_count=count, max_percent=percent),
            base=base,
            serving=base,
            used=used,
            vanished=documents,
            released=frozenset(v.revision for v in documents[:released]),
        )
    )
    assert verdict.allowed == documents[:allowed]
    if not held:
        assert verdict.hold is None
        return
    assert verdict.hold is not None
    assert (verdict.hold.reason, verdict.hold.releasable) == (HoldReason.LIMIT, True)
    assert verdict.hold.paths == tuple(v.path for v in documents[released:])
    assert verdict.root_believed is True


@pytest.mark.parametrize(
    ("base", "serving", "used", "gone", "reason"),
    [
        (0, 25, 0, 5, ""),
        (0, 24, 0, 5, "limit"),
        (0, 24, 1, 5, "limit"),
        (0, 29, 1, 5, ""),
        (0, 0, 4, 1, "limit"),
        (24, 1000, 0, 5, "limit"),
    ],
)
def test_a_source_younger_than_the_window(base: int, serving: int, used: int, gone: int, reason: str) -> None:
    """The percentage is of the documents verified before the window; a younger source is judged by what it has."""
    assert answer(base=base, serving=serving, used=used, vanished=some(gone))[1] == reason


def test_a_drip_of_small_passes_does_what_one_big_pass_may_and_no_more() -> None:
    """Many small passes within the window delete as much as one big one may, and not one document more (rule 15)."""
    for percent, limit in ((100.0, 50), (20.0, 20), (4.0, 4)):
        used = 0
        for i in range(100):
            verdict = judge(
                question(policy=DeletePolicy(50, percent), used=used, vanished=vanished(f"v{i}"), serving=100 - used)
            )
            used += len(verdict.allowed)
            if verdict.hold is not None:
                break
        assert used == limit


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
    ({"root": RootState.EMPTY}, "no file is left in the source's folder"),
    ({"root": RootState.EMPTY, "emptied_released": True}, "no file is left in the source's folder"),
    ({"scope_changed": True}, "path, include or exclude were changed"),
    ({"policy": DeletePolicy(max_count=4), "used": 2}, "7 deletions, more than max_count = 4"),
    ({"policy": DeletePolicy(max_percent=2.5), "used": 2}, "7 deletions of 100 documents, more than max_percent = 2.5%"),
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
