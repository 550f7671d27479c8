"""One source as a whole: what is retired and held back when files are gone."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from plan_source import DISTRUST, DUE, HELD, POLICY, RATIONED, SUCCESSOR, lines, run
from plan_values import NOW, entry, failed, file, given_up, indexing, proving, retired, serving, uploading, view

from syncd.models import DeletePolicy, Flip, LedgerEntry, Plan, Problem, RevisionId, RootState
from syncd.plan import SourcePolicy, SourceView, make
from syncd.succession import Open

ADOPTED = "collections were adopted in this pass; deletions wait for the next one"

# ---------------------------------------------------------------- files that are gone

GONE = [
    ("it serves", entry(serving=serving()), ["retire vanished s, grace 50: the file is gone"]),
    (
        "it serves and is given up",
        entry(serving=serving(), quarantine=given_up("B"), failed=(failed("B"),)),
        ["retire vanished s, grace 50: the file is gone"],
    ),
    ("in training, never served", entry(candidate=indexing()), ["retire c, grace 0: the file is gone"]),
    (
        "brought back, then gone again: it keeps its grace",
        entry(candidate=indexing(verified_at=1.0)),
        ["retire c, grace 50: the file is gone"],
    ),
    (
        "in training beside a serving one: first the candidate",
        entry(candidate=indexing("B"), serving=serving()),
        ["retire c, grace 0: the file is gone"],
    ),
    ("compared, not flipped", entry(candidate=proving(flip=None)), ["retire c, grace 0: the file is gone"]),
    ("sent, answer unknown", entry(candidate=uploading()), ["resume c: find out whether the upload arrived"]),
    (
        "sent, unknown, beside a serving one",
        entry(candidate=uploading("B"), serving=serving()),
        ["resume c: find out whether the upload arrived"],
    ),
    (
        "in the middle of a flip",
        entry(candidate=proving("B", Flip.FORWARD), serving=serving()),
        ["prove c: finish showing it"],
    ),
    ("created, not hidden yet", entry(candidate=indexing(visible=True)), ["resume c: hide what was not compared yet"]),
    ("failing, in the middle of a flip", entry(candidate=proving(), next_try_at=NOW + 1), ["wait until 1001"]),
    (
        "given up, a failed version is left",
        entry(quarantine=given_up(), failed=(failed(),)),
        ["retire f, grace 0: a failed version of a file that is gone"],
    ),
    (
        "brought back, failed, gone again",
        entry(failed=(failed(verified_at=1.0),)),
        ["retire f, grace 50: a failed version of a file that is gone"],
    ),
    ("nothing was ever sent", entry(), []),
    ("retired already, in its grace", entry(retired=(retired(),), gone=True), []),
    ("retired already, grace over", entry(retired=(retired(**DUE),), gone=True), ["delete r: its grace is over"]),
]


@pytest.mark.parametrize(("case", "known", "expected"), GONE, ids=[row[0] for row in GONE])
def test_a_file_that_is_gone(case: str, known: LedgerEntry, expected: list[str]) -> None:
    """What is begun is ended, what never served goes at once, what serves is retired with its grace."""
    assert lines(run(known, gone=("a.md",))) == expected


def test_an_unknown_path_that_is_gone_is_nobodys_document() -> None:
    """A path the ledger does not know needs nothing."""
    assert lines(run(gone=("a.md",))) == []


@pytest.mark.parametrize("hold", DISTRUST)
@pytest.mark.parametrize(
    "known",
    [row[1] for row in GONE if row[2] and not row[2][0].startswith(("resume", "prove", "wait"))],
    ids=[row[0] for row in GONE if row[2] and not row[2][0].startswith(("resume", "prove", "wait"))],
)
def test_nothing_is_taken_away_below_a_root_that_cannot_be_believed(known: LedgerEntry, hold: str) -> None:
    """Under a missing, emptied, changed or partly readable root nothing is retired or deleted, not even candidates."""
    made = run(known, gone=("a.md",), **{"serving": 1, **DISTRUST[hold]})
    assert made.actions == ()
    assert len(made.holds) == 1


@pytest.mark.parametrize("hold", DISTRUST)
@pytest.mark.parametrize("gone", [("a.md",), ()], ids=["gone", "not looked at"])
@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (entry(candidate=proving("B", Flip.FORWARD), serving=serving()), "prove c: finish showing it"),
        (entry(candidate=proving("B", Flip.BACK), serving=serving()), "prove c: finish showing the old version again"),
        (entry(candidate=uploading()), "resume c: find out whether the upload arrived"),
        (entry(candidate=indexing(visible=True)), "resume c: hide what was not compared yet"),
    ],
)
def test_what_is_begun_is_finished_whatever_the_root_says(
    known: LedgerEntry, expected: str, gone: tuple[str, ...], hold: str
) -> None:
    """A begun flip, an unknown upload, an unhidden creation come to their end even below a missing root (rule 2)."""
    assert lines(run(known, gone=gone, **DISTRUST[hold])) == [expected]


@pytest.mark.parametrize("hold", RATIONED)
def test_while_deletions_are_held_no_document_is_given_up(hold: str) -> None:
    """All of a source's deletions are held together: candidates and failed versions of gone files wait as well."""
    known = [
        entry("s.md", serving=serving(name="s2")),
        entry("c.md", candidate=indexing()),
        entry("f.md", failed=(failed(),)),
        entry("both.md", candidate=indexing("B"), serving=serving()),
    ]
    made = run(*known, gone=("s.md", "c.md", "f.md", "both.md"), **RATIONED[hold])
    assert made.actions == ()
    assert made.holds[0].paths == ("s.md", "both.md")
    assert [w.key.path for w in made.waiting] == ["c.md"]
    assert made.waiting[0].reason == made.holds[0].message


@pytest.mark.parametrize("hold", RATIONED)
def test_what_passed_the_firewall_before_is_not_stopped_by_a_later_limit(hold: str) -> None:
    """A retired document whose grace is over goes although other deletions of its source are held."""
    known = [entry("old.md", retired=(retired(**DUE),), gone=True), entry("s.md", serving=serving())]
    made = run(*known, gone=("s.md",), **RATIONED[hold])
    assert lines(made) == ["delete r: its grace is over"]
    assert len(made.holds) == 1


def test_what_a_person_released_goes_although_others_are_held() -> None:
    """Released documents are retired, with what is under way for them, while the rest is held."""
    known = [
        entry("a.md", serving=serving(name="s1")),
        entry("b.md", serving=serving(name="s2"), candidate=indexing("B")),
        entry("c.md", serving=serving(name="s3")),
        entry("d.md", serving=serving(name="s4")),
    ]
    made = run(*known, gone=("a.md", "b.md", "c.md", "d.md"), released=frozenset({RevisionId("s1"), RevisionId("s2")}))
    assert lines(made) == ["retire c, grace 0: the file is gone", "retire vanished s1, grace 50: the file is gone"]
    assert made.holds[0].paths == ("c.md", "d.md")


def test_one_event_is_judged_as_a_whole() -> None:
    """Documents with work under way count for the limit, so that they cannot slip through behind the others."""
    known = [entry("a.md", serving=serving(name="s1")), entry("b.md", serving=serving(), candidate=uploading("B"))]
    made = run(*known, gone=("a.md", "b.md"))
    assert lines(made) == ["resume c: find out whether the upload arrived"]
    assert made.holds[0].message == HELD


# ---------------------------------------------------------------- rule 17, rule 25


EQUAL = Open("b.md", "b.md is being worked on", sha256="A")
UNHASHED = Open("b.md", "b.md is still being written")
OTHER = Open("b.md", "b.md is not proven yet", sha256="B")
WAITS = "wait: its file is gone; it waits, since "


@pytest.mark.parametrize(
    ("work", "seconds", "why"),
    [
        (EQUAL, 600, "b.md is being worked on, and has the same content"),
        (replace(EQUAL, new=False), 600, "b.md is being worked on, and has the same content"),
        (UNHASHED, 600, "b.md is still being written"),
        (replace(UNHASHED, new=False), 0, ""),
        (OTHER, 60, "b.md is not proven yet"),
        (replace(OTHER, new=False), 0, ""),
    ],
)
def test_what_a_vanished_file_waits_for(work: Open, seconds: float, why: str) -> None:
    """Only for what it may have become, for ten minutes at most; then it goes and says what it waited for (rule 17)."""
    gone = entry(serving=serving())
    for waited in (None, 0.0, max(seconds - 1.0, 0.0), seconds, 86400.0):
        since = None if waited is None else NOW - waited
        made = run(replace(gone, missing_since=since), gone=("a.md",), unresolved=(work,))
        if (waited or 0.0) < seconds:
            assert lines(made) == [WAITS + why]
            assert made.waiting[0].due == NOW + seconds - (waited or 0.0)
        else:
            remark = f" (it waited {seconds // 60} min, but {why})" if seconds else ""
            assert lines(made) == [f"retire vanished s, grace 50: the file is gone{remark}"]


def test_a_time_that_a_wrong_clock_wrote_is_no_longer_wait() -> None:
    """A file that was missed in the future, by a clock that was wrong, waits as if it were missed now."""
    gone = entry(serving=serving(), missing_since=NOW + 30 * 86400)
    made = run(gone, gone=("a.md",), unresolved=(EQUAL,))
    assert made.waiting[0].due == NOW + 600


def test_retirements_wait_for_a_new_document_that_will_be_tried_again() -> None:
    """A new document in its back-off may be the vanished one, moved and edited: the old version stays for a minute."""
    retried = entry("b.md", next_try_at=NOW + 5)
    made = run(entry(serving=serving()), retried, seen=(file("B", "b.md"),), gone=("a.md",))
    assert lines(made) == ["wait until 1005", WAITS + "b.md waits for another try"]
    served = replace(retried, serving=serving("C", name="s2"))
    made = run(entry(serving=serving()), served, seen=(file("B", "b.md"),), gone=("a.md",))
    assert lines(made) == ["retire vanished s, grace 50: the file is gone", "wait until 1005"]


def test_what_never_served_does_not_wait_for_uploads() -> None:
    """Withdrawing a hidden candidate of a vanished file opens no gap, so it waits for nothing."""
    made = run(entry(candidate=indexing()), gone=("a.md",), unresolved=(EQUAL,))
    assert lines(made) == ["retire c, grace 0: the file is gone"]


def test_a_vanished_document_in_its_back_off_does_not_hold_up_the_others() -> None:
    """Only uploads of files that are there make vanished files wait."""
    made = run(
        entry("a.md", serving=serving()),
        entry("b.md", candidate=uploading(), next_try_at=NOW + 5),
        gone=("a.md", "b.md"),
    )
    assert lines(made) == ["retire vanished s, grace 50: the file is gone", "wait until 1005"]


def test_an_adopting_pass_never_retires_or_deletes() -> None:
    """After an adoption the disk and the server are compared anew before anything is taken away (rule 25)."""
    known = [
        entry("s.md", serving=serving(name="s1")),
        entry("c.md", candidate=indexing()),
        entry("f.md", failed=(failed(),)),
        entry("r.md", retired=(retired(visible=True),), gone=True),
        entry("o.md", serving=serving(), retired=(retired(successor=SUCCESSOR, **DUE),)),
        entry("d.md", retired=(retired("D", verified_at=None, **DUE),)),
    ]
    made = run(*known, gone=("s.md", "c.md", "f.md"), adopting=True)
    assert made.actions == ()
    assert [(w.key.path, w.reason) for w in made.waiting] == [("s.md", ADOPTED), ("c.md", ADOPTED)]


def test_an_adopting_pass_still_hides_what_must_not_be_seen() -> None:
    """Two visible versions of a document are no question of adoption."""
    known = entry(serving=serving(), retired=(retired(visible=True, successor=SUCCESSOR),))
    assert lines(run(known, adopting=True)) == ["retire r, grace 0: it must not be visible any more"]


# ---------------------------------------------------------------- several sources


def test_sources_do_not_hold_up_each_other() -> None:
    """A held source stops nothing of another one, and all steps of a pass share one order."""
    ill = view(entry("a.md", serving=serving()), root=RootState.MISSING, policy=POLICY)
    well = view(
        entry("b.md", serving=serving(name="sb"), retired=(retired("X", successor=SUCCESSOR, **DUE),)),
        entry("c.md"),
        seen=(file("C", "c.md"),),
        vanished=("b.md",),
        policy=SourcePolicy("other", delete=DeletePolicy(grace=0.0)),
    )
    made = make([well, ill, view(entry("d.md", candidate=proving()), policy=POLICY)], NOW)
    assert lines(made) == [
        "prove c: finish its proof",
        "upload C: new file",
        "delete r: its grace is over",
        "retire vanished sb, grace 0: the file is gone",
    ]
    assert [(h.source, h.at_stake) for h in made.holds] == [("docs", 1)]


def test_the_firewall_is_asked_with_everything_the_view_knows() -> None:
    """Base, budget used, releases and the time reach the firewall unchanged."""
    policy = SourcePolicy("docs", delete=DeletePolicy(max_count=100, max_percent=50))
    known = [entry(f"{i}.md", serving=serving(name=f"s{i}")) for i in range(4)]
    gone = tuple(f"{i}.md" for i in range(4))
    for base, used, held in ((10, 1, 0), (9, 1, 1), (10, 2, 1), (0, 1, 1)):
        made = make([view(*known, vanished=gone, policy=policy, base=base, used=used, serving=4)], NOW)
        assert len(made.holds) == held
    emptied = view(
        *known,
        vanished=gone,
        policy=policy,
        root=RootState.EMPTY,
        released=frozenset(RevisionId(f"s{i}") for i in range(4)),
        emptied_released=True,
    )
    assert len(make([emptied], NOW).actions) == 4
    assert make([view(root=RootState.MISSING, serving=3)], NOW).holds[0].since == NOW


def test_an_empty_source_needs_nothing() -> None:
    """A pass with nothing to do is empty."""
    assert make([view()], NOW) == Plan()
    assert make([], NOW) == Plan()
    assert make([view(entry(serving=serving()), seen=(file(),))], NOW) == Plan()


def test_a_view_is_healthy_unless_it_says_otherwise() -> None:
    """The defaults of a view hold nothing, release nothing and block nothing."""
    known = {"a.md": entry(serving=serving())}
    bare = SourceView(policy=POLICY, root=RootState.OK, seen=(), vanished=("a.md",), entries=known)
    assert (bare.serving, bare.used, bare.base, bare.released) == (0, 0, 0, frozenset())
    assert (bare.unreadable, bare.scope_changed, bare.emptied_released, bare.adopting, bare.unresolved) == (
        False,
        False,
        False,
        False,
        (),
    )
    assert lines(make([bare], NOW)) == ["retire vanished s, grace 50: the file is gone"]


def test_a_file_that_cannot_be_taken_keeps_what_serves() -> None:
    """A file that grew too large is given up, and nothing of its document is retired."""
    made = run(entry(serving=serving()), seen=(file(problem=Problem.TOO_LARGE),))
    assert lines(made) == ["quarantine too-large: why"]


def test_a_view_of_which_nothing_is_said_names_no_directory() -> None:
    """What a hold says of an unreadable directory is what was found, never a default."""
    assert "" == {one.name: one.default for one in fields(SourceView)}["blind"]
