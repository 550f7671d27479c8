"""What a vanished file may have become, and how long it waits for that (rule 17), as tables."""

from __future__ import annotations

import pytest
from plan_source import lines, run
from plan_values import NOW, entry, failed, file, given_up, indexing, retired, serving

from syncd.models import LedgerEntry, Problem
from syncd.plan import is_new
from syncd.succession import MOST_WAIT, SHORT_WAIT, Open, Opens, Wait, left, remark

EQUAL = Open("e.md", "e.md is being worked on", sha256="A", new=False)
UNHASHED = Open("u.md", "u.md is still being written")
OTHER = Open("o.md", "o.md is not proven yet", sha256="B")
KNOWN = Open("k.md", "k.md is not proven yet", sha256="C", new=False)
KNOWN_UNHASHED = Open("w.md", "w.md is still being written", new=False)

FOR_EQUAL = Wait(600.0, "e.md is being worked on, and has the same content")
FOR_UNHASHED = Wait(600.0, "u.md is still being written")
FOR_OTHER = Wait(60.0, "o.md is not proven yet")

WAITS: list[tuple[str, list[Open], Wait | None]] = [
    ("nothing is open", [], None),
    ("equal content", [EQUAL], FOR_EQUAL),
    ("equal content before all else", [OTHER, UNHASHED, EQUAL], FOR_EQUAL),
    ("a file without a hash before one of other content", [OTHER, UNHASHED], FOR_UNHASHED),
    ("a new file of other content", [OTHER], FOR_OTHER),
    ("somebody else, of other content", [KNOWN], None),
    ("somebody else, not hashed yet", [KNOWN_UNHASHED], None),
    ("somebody else hides nobody", [KNOWN, KNOWN_UNHASHED, OTHER], FOR_OTHER),
    ("nobody is hidden by somebody else", [OTHER, KNOWN], FOR_OTHER),
    ("an unhashed one stays when somebody else comes after it", [UNHASHED, KNOWN_UNHASHED], FOR_UNHASHED),
    ("the first of several equal ones", [EQUAL, Open("z.md", "z.md", sha256="A")], FOR_EQUAL),
    ("the first of several unhashed ones", [UNHASHED, Open("z.md", "z.md")], FOR_UNHASHED),
    ("the first of several new ones", [OTHER, Open("z.md", "z.md", sha256="Z")], FOR_OTHER),
]


@pytest.mark.parametrize(("case", "works", "expected"), WAITS, ids=[row[0] for row in WAITS])
def test_what_is_waited_for(case: str, works: list[Open], expected: Wait | None) -> None:
    """Equal content first, then a new file without a hash, then a new one of other content; never for somebody else."""
    assert Opens.of(works).wait("A") == expected


def test_the_longest_waits() -> None:
    """The numbers are pinned: ten minutes for what may be the same file, one minute for what may be an edited one."""
    assert (MOST_WAIT, SHORT_WAIT) == (600.0, 60.0)


LEFT = [
    (None, NOW, 0.0),
    (None, None, 0.0),
    (FOR_OTHER, None, 60.0),
    (FOR_OTHER, NOW, 60.0),
    (FOR_OTHER, NOW - 59.5, 0.5),
    (FOR_OTHER, NOW - 60, 0.0),
    (FOR_OTHER, NOW - 61, 0.0),
    (FOR_OTHER, NOW + 86400, 60.0),
    (FOR_EQUAL, NOW - 60, 540.0),
]


@pytest.mark.parametrize(("wait", "missing_since", "expected"), LEFT)
def test_how_much_of_a_wait_is_left(wait: Wait | None, missing_since: float | None, expected: float) -> None:
    """A wait counts from when the file was missed, ends at zero, and a wrong clock makes it no longer."""
    assert left(wait, missing_since, NOW) == expected


def test_what_is_said_when_the_wait_is_over() -> None:
    """A deletion names the wait that came before it, and says nothing where there was none."""
    assert remark(None) == ""
    assert remark(FOR_EQUAL) == " (it waited 10 min, but e.md is being worked on, and has the same content)"
    assert remark(Wait(90.0, "why")) == " (it waited 1.5 min, but why)"


NEW: list[tuple[str, LedgerEntry | None, bool]] = [
    ("never heard of", None, True),
    ("only seen", entry(), True),
    ("under way for the first time", entry(candidate=indexing()), True),
    ("given up", entry(quarantine=given_up(), failed=(failed(),)), True),
    ("what it had was never verified", entry(retired=(retired(verified_at=None),)), True),
    ("it serves", entry(serving=serving()), False),
    ("adopted, and serves", entry(serving=serving(verified_at=None)), False),
    ("it served once", entry(retired=(retired(),)), False),
    ("one of several served once", entry(retired=(retired(verified_at=None), retired(name="r2"))), False),
]


@pytest.mark.parametrize(("case", "known", "expected"), NEW, ids=[row[0] for row in NEW])
def test_what_was_verified_under_its_own_path_is_nobody_that_moved(
    case: str, known: LedgerEntry | None, expected: bool
) -> None:
    """Only a path under which nothing was ever verified may hold a file that has moved."""
    assert is_new(known) is expected


SAYS = "wait: its file is gone; it waits, since b.md waits for another try"
TRIED = {"next_try_at": NOW + 5}


@pytest.mark.parametrize(
    ("case", "content", "more", "seconds", "why"),
    [
        ("new, of equal content", "A", {"candidate": indexing()}, 600, ", and has the same content"),
        ("known, of equal content", "A", {"serving": serving("C", name="s2")}, 600, ", and has the same content"),
        ("new, of other content", "B", {}, 60, ""),
        ("new, not hashed yet", "", {}, 600, ""),
    ],
)
def test_a_document_in_its_back_off_is_waited_for_by_its_own_content(
    case: str, content: str, more: dict[str, object], seconds: float, why: str
) -> None:
    """What a vanished file waits for is the file in its back-off, whatever the files beside it hold."""
    beside = (file("Z", "0.md"), file("Y", "z.md"))
    at_rest = (entry("0.md", serving=serving("Z", "s0", "0.md")), entry("z.md", serving=serving("Y", "sz", "z.md")))
    made = run(
        entry(serving=serving()),
        *at_rest,
        entry("b.md", **TRIED, **more),
        seen=(beside[0], file(content, "b.md"), beside[1]),
        gone=("a.md",),
    )
    assert lines(made) == ["wait until 1005", SAYS + why]
    assert made.waiting[1].due == NOW + seconds


def test_only_what_waits_is_waited_for() -> None:
    """A new file that is given up or sent in this pass holds up no deletion by itself."""
    made = run(
        entry(serving=serving()), seen=(file("B", "b.md"), file(path="c.md", problem=Problem.TOO_LARGE)), gone=("a.md",)
    )
    assert lines(made) == [
        "upload B: new file",
        "quarantine too-large: why",
        "retire vanished s, grace 50: the file is gone",
    ]
