"""Versions that served or failed before: when they are hidden, deleted and forgotten."""

from __future__ import annotations

from typing import Any

import pytest
from plan_source import DISTRUST, DUE, POLICY, SUCCESSOR, lines, run
from plan_values import NOW, entry, failed, file, given_up, indexing, proving, retired, serving, told, view

from syncd.models import Flip, LedgerEntry
from syncd.plan import SourceView, forgettable

# ---------------------------------------------------------------- upkeep

FRESH = {"verified_at": None}
UPKEEP = [
    ("replaced, in its grace", entry(serving=serving(), retired=(retired(successor=SUCCESSOR),)), []),
    (
        "replaced, grace over",
        entry(serving=serving(), retired=(retired(successor=SUCCESSOR, **DUE),)),
        ["delete r: its grace is over"],
    ),
    (
        "replaced, grace over, its deletion was sent before",
        entry(serving=serving(), retired=(retired(successor=SUCCESSOR, delete_sent=True, **DUE),)),
        ["delete r: its grace is over"],
    ),
    ("no deletion was ever set", entry(serving=serving(), retired=(retired(delete_after=None),)), []),
    (
        "replaced, still visible: hidden first",
        entry(serving=serving(), retired=(retired(visible=True, **DUE),)),
        ["retire r, grace 0: it must not be visible any more"],
    ),
    (
        "replaced, but what serves is hidden (rule 13)",
        entry(serving=serving(visible=False), retired=(retired(**DUE),)),
        ["restore s as serving: it serves and must be seen"],
    ),
    (
        "replaced and visible, but what serves is hidden",
        entry(serving=serving(visible=False), retired=(retired(visible=True),)),
        ["restore s as serving: it serves and must be seen"],
    ),
    (
        "replaced, a newer one is in training",
        entry(candidate=indexing("C"), serving=serving(), retired=(retired("B", **DUE),)),
        ["delete r: its grace is over"],
    ),
    (
        "the serving one was lost: the older one stays until another serves",
        entry(retired=(retired(successor=SUCCESSOR, **DUE),)),
        [],
    ),
    ("the file is back, its version not yet shown again", entry(retired=(retired(**DUE),)), []),
    ("never served, grace over", entry(retired=(retired(**FRESH, **DUE),)), ["delete r: its grace is over"]),
    (
        "never served, visible: hidden at once",
        entry(retired=(retired(visible=True, **FRESH),)),
        ["retire r, grace 0: it must not be visible any more"],
    ),
    (
        "adopted as retired, grace over, nothing serves yet",
        entry(retired=(retired(reason="adopted", **FRESH, **DUE),)),
        [],
    ),
    (
        "several",
        entry(
            serving=serving(), retired=(retired("B", "r1", **DUE), retired("C", "r2"), retired("D", "r3", visible=True))
        ),
        ["retire r3, grace 0: it must not be visible any more", "delete r1: its grace is over"],
    ),
    (
        "gone, not hidden yet",
        entry(gone=True, retired=(retired(visible=True),)),
        ["retire r, grace 0: it must not be visible any more"],
    ),
    (
        "several failed",
        entry(failed=(failed("B", "f1"), failed("X", "f2", visible=True))),
        ["retire f2, grace 0: it failed and must not be visible"],
    ),
    ("failed, hidden: it stays until the next success", entry(serving=serving(), failed=(failed("B"),)), []),
    (
        "failed, visible beside what serves",
        entry(serving=serving(), failed=(failed("B", visible=True),)),
        ["retire f, grace 0: it failed and must not be visible"],
    ),
    (
        "brought back, failed, visible beside what serves",
        entry(serving=serving(), failed=(failed("B", visible=True, verified_at=1.0),)),
        ["retire f, grace 50: it failed and must not be visible"],
    ),
    (
        "failed, visible, nothing serves",
        entry(failed=(failed("B", visible=True),)),
        ["retire f, grace 0: it failed and must not be visible"],
    ),
    (
        "failed, visible, and it is all there is to see (law 1)",
        entry(serving=serving(visible=False), failed=(failed("B", visible=True),)),
        ["restore s as serving: it serves and must be seen"],
    ),
    (
        "brought back, failed, visible, nothing serves (law 1)",
        entry(failed=(failed(visible=True, verified_at=1.0),)),
        [],
    ),
    (
        "gone, failed",
        entry(gone=True, failed=(failed(),)),
        ["retire f, grace 0: a failed version of a file that is gone"],
    ),
]


@pytest.mark.parametrize(("case", "known", "expected"), UPKEEP, ids=[row[0] for row in UPKEEP])
def test_upkeep(case: str, known: LedgerEntry, expected: list[str]) -> None:
    """Versions that served before go when what replaced them serves and is visible, or when their file is gone."""
    assert lines(run(known)) == expected


def test_nothing_replaced_is_deleted_in_the_middle_of_a_flip() -> None:
    """While a flip is under way the version that serves may be hidden, so older ones stay (rule 13)."""
    for flip in Flip:
        known = entry(candidate=proving("C", flip), serving=serving(), retired=(retired("B", **DUE),))
        assert [told(a).split(":")[0] for a in run(known).actions] == ["prove c"]
        before = entry(
            candidate=proving("C", flip),
            serving=serving(),
            retired=(retired("B", successor=SUCCESSOR, **FRESH, **DUE), retired("D", "double", **FRESH, **DUE)),
        )
        assert [told(a).split(":")[0] for a in run(before).actions] == ["prove c", "delete double"]


def test_grace_ends_to_the_second() -> None:
    """A retired version is deleted when its time has come, not before."""
    for after, expected in ((NOW, 1), (NOW + 0.001, 0), (NOW - 0.001, 1)):
        made = run(entry(serving=serving(), retired=(retired("B", delete_after=after),)))
        assert len(made.actions) == expected


@pytest.mark.parametrize("visible", [False, True])
def test_a_file_that_is_back_is_not_deleted_in_the_same_breath(visible: bool) -> None:
    """When the file is back at the end of its grace, its version is restored and neither hidden nor deleted."""
    known = entry(retired=(retired(visible=visible, **DUE),), gone=True)
    made = run(known, seen=(file("B"),))
    assert lines(made) == ["restore r as serving: the file came back"]


@pytest.mark.parametrize("hold", DISTRUST)
@pytest.mark.parametrize("visible", [False, True])
def test_a_retired_document_outlives_its_grace_while_the_root_cannot_be_believed(hold: str, visible: bool) -> None:
    """What was retired before the root went away is neither hidden nor deleted until the root is back (law 4)."""
    known = entry(retired=(retired(visible=visible, **DUE),), gone=True)
    assert run(known, **{"serving": 1, **DISTRUST[hold]}).actions == ()


@pytest.mark.parametrize("hold", DISTRUST)
def test_replaced_versions_go_whatever_the_root_says(hold: str) -> None:
    """Holds never block the rest: a replaced version and a withdrawn candidate are no deletions of a file (law 4)."""
    known = [
        entry("o.md", serving=serving(), retired=(retired("B", successor=SUCCESSOR, **DUE),)),
        entry("w.md", retired=(retired("W", "w", verified_at=None, **DUE),)),
    ]
    assert lines(run(*known, **DISTRUST[hold])) == ["delete r: its grace is over", "delete w: its grace is over"]


# ---------------------------------------------------------------- what is forgotten

FORGET = [
    ("nothing was ever sent", entry(), True),
    ("given up", entry(quarantine=given_up(), failed=(failed(),)), True),
    ("only retired versions are left", entry(retired=(retired(),)), True),
    ("it serves", entry(serving=serving()), False),
    ("it is under way", entry(candidate=indexing()), False),
    ("it serves, and something is under way", entry(candidate=indexing("B"), serving=serving()), False),
]


def seen_by(known: LedgerEntry, **more: Any) -> SourceView:
    """A source whose one file is gone."""
    return view(known, vanished=("a.md",), policy=POLICY, **more)


@pytest.mark.parametrize(("case", "known", "expected"), FORGET, ids=[row[0] for row in FORGET])
def test_what_may_be_marked_as_gone(case: str, known: LedgerEntry, expected: bool) -> None:
    """A document is over when its file is gone, nothing of it serves and nothing is under way."""
    assert forgettable(seen_by(known), NOW) == ([known] if expected else [])


@pytest.mark.parametrize("hold", DISTRUST)
def test_nothing_is_forgotten_below_a_root_that_cannot_be_believed(hold: str) -> None:
    """A quarantine outlives an unmounted share."""
    assert forgettable(seen_by(entry(quarantine=given_up()), **{"serving": 1, **DISTRUST[hold]}), NOW) == []


def test_nothing_is_forgotten_while_deletions_are_held_or_adopted() -> None:
    """A document is marked as gone only by a pass that could delete it."""
    both = view(entry("a.md"), entry("b.md", serving=serving()), vanished=("a.md", "b.md"), policy=POLICY, used=1)
    assert forgettable(both, NOW) == []
    assert forgettable(seen_by(entry(), adopting=True), NOW) == []


def test_a_document_that_moved_away_is_not_forgotten() -> None:
    """The origin of a move is the ledger's to close, with the move itself."""
    known = view(
        entry(serving=serving()), entry("c.md"), seen=(file(path="b.md"),), vanished=("a.md", "c.md"), policy=POLICY
    )
    assert [e.key.path for e in forgettable(known, NOW)] == ["c.md"]


def test_a_document_that_was_seen_after_all_is_not_forgotten() -> None:
    """What is there is not gone, whatever else was said."""
    assert forgettable(view(entry(), seen=(file(),), vanished=("a.md",), policy=POLICY), NOW) == []


def test_unknown_paths_are_not_forgotten_twice() -> None:
    """A vanished path without an entry needs no mark."""
    assert forgettable(view(vanished=("a.md",), policy=POLICY), NOW) == []
