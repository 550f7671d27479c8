"""The policy for one document, as tables: where it is, what the file says, what comes next."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plan_values import (
    GRACE,
    NOW,
    PATH,
    entry,
    failed,
    file,
    given_up,
    indexing,
    proving,
    retired,
    revision,
    serving,
    told,
    uploading,
)

from syncd.models import DeletePolicy, Flip, LedgerEntry, Problem, RevisionId, State
from syncd.plan import SourcePolicy, decide, decide_vanished, recovered

POLICY = SourcePolicy("docs", delete=DeletePolicy(grace=GRACE))
LATER = {"next_try_at": NOW + 1, "last_error": "why"}
TOO_LARGE = file(problem=Problem.TOO_LARGE)
UNREADABLE = file(problem=Problem.UNREADABLE)
BACK = "the file came back"
OLDER = "it was sent in an older way"
SUCCESSOR = RevisionId("s")

A, B = file("A"), file("B")

TABLE = [
    # -- nothing is known of it
    ("a new file is sent", A, None, "upload A: new file"),
    ("a new file that cannot be taken is given up", TOO_LARGE, None, "quarantine too-large: why"),
    ("known, but nothing was ever sent", A, entry(), "upload A: new file"),
    ("known and failing", A, entry(**LATER), "wait until 1001"),
    ("a failure's time is over to the second", A, entry(next_try_at=NOW), "upload A: new file"),
    # -- a begun flip is finished first (rules 2 and 4)
    ("a flip begun", A, entry(candidate=proving(flip=Flip.FORWARD)), "prove c: finish showing it"),
    ("a flip done", A, entry(candidate=proving(flip=Flip.DONE)), "prove c: finish its proof"),
    (
        "a flip back begun",
        A,
        entry(candidate=proving(flip=Flip.BACK)),
        "prove c: finish showing the old version again",
    ),
    ("edited while flipped", B, entry(candidate=proving()), "prove c: finish its proof"),
    ("spoiled while flipped", TOO_LARGE, entry(candidate=proving()), "prove c: finish its proof"),
    (
        "back to what serves while flipped",
        A,
        entry(candidate=proving("B"), serving=serving()),
        "prove c: finish its proof",
    ),
    (
        "rolled back: the flip goes on",
        A,
        entry(candidate=proving("B"), quarantine=given_up()),
        "prove c: finish its proof",
    ),
    ("a flip that failed waits for its turn", A, entry(candidate=proving(), **LATER), "wait until 1001"),
    # -- what is under way goes on
    ("sent, answer unknown", A, entry(candidate=uploading()), "resume c: find out whether the upload arrived"),
    ("sent, in training", A, entry(candidate=indexing()), "resume c: wait for its training"),
    ("created, not hidden yet", A, entry(candidate=indexing(visible=True)), "resume c: wait for its training"),
    ("compared, not flipped", A, entry(candidate=proving(flip=None)), "prove c: prove it"),
    ("under way and failing: upload", A, entry(candidate=uploading(), **LATER), "wait until 1001"),
    ("under way and failing: training", A, entry(candidate=indexing(), **LATER), "wait until 1001"),
    ("under way and failing: proof", A, entry(candidate=proving(flip=None), **LATER), "wait until 1001"),
    # -- newer content wins over what was never shown (rule 4)
    ("edited in training", B, entry(candidate=indexing()), "retire c, grace 0: the file was changed again"),
    (
        "new settings in training",
        file("A", settings="t"),
        entry(candidate=indexing()),
        "retire c, grace 0: the file was changed again",
    ),
    (
        "edited while the upload is unknown: look first (law 3)",
        B,
        entry(candidate=uploading()),
        "resume c: the file was changed again; find out whether the upload arrived",
    ),
    ("edited while the look fails", B, entry(candidate=uploading(), **LATER), "wait until 1001"),
    (
        "edited in training, failing: hiding needs no turn",
        B,
        entry(candidate=indexing(), **LATER),
        "retire c, grace 0: the file was changed again",
    ),
    (
        "spoiled in training",
        TOO_LARGE,
        entry(candidate=indexing()),
        "retire c, grace 0: the file cannot be taken any more",
    ),
    (
        "spoiled while the upload is unknown",
        TOO_LARGE,
        entry(candidate=uploading()),
        "resume c: the file cannot be taken any more; find out whether the upload arrived",
    ),
    (
        "back to what serves in training",
        A,
        entry(candidate=indexing("B"), serving=serving()),
        "retire c, grace 0: the file was changed again",
    ),
    (
        "edited while a version that served once is brought back: it keeps its grace",
        B,
        entry(candidate=indexing(verified_at=1.0)),
        "retire c, grace 50: the file was changed again",
    ),
    (
        "edited while an adopted one is brought back",
        B,
        entry(candidate=indexing(reason="adopted")),
        "retire c, grace 50: the file was changed again",
    ),
    # -- what serves is what the file says
    ("at rest", A, entry(serving=serving()), "nothing"),
    ("at rest, with an old failure", A, entry(serving=serving(), **LATER), "nothing"),
    ("other content failed, now it is back", A, entry(serving=serving(), quarantine=given_up("B")), "nothing"),
    (
        "its proof leaned on what is gone",
        A,
        entry(serving=serving(reprove=True)),
        "prove s: its proof leaned on a document that is gone",
    ),
    ("the same, failing", A, entry(serving=serving(reprove=True), **LATER), "wait until 1001"),
    (
        "it stands in another folder",
        A,
        entry(serving=serving(path="old/a.md")),
        "move s from a.md to a.md: its folder, name or tags changed",
    ),
    ("the same, failing", A, entry(serving=serving(path="old/a.md"), **LATER), "wait until 1001"),
    ("its move was given up", A, entry(serving=serving(path="old/a.md"), quarantine=given_up()), "nothing"),
    (
        "proof before place",
        A,
        entry(serving=serving(reprove=True, path="old/a.md")),
        "prove s: its proof leaned on a document that is gone",
    ),
    # -- a person wants it sent in today's way
    ("to be sent anew, and its time has come", A, entry(serving=serving(resend_at=NOW)), f"upload A: {OLDER}"),
    ("to be sent anew, not yet", A, entry(serving=serving(resend_at=NOW + 0.001)), "nothing"),
    ("to be sent anew, failing", A, entry(serving=serving(resend_at=NOW), **LATER), "wait until 1001"),
    ("to be sent anew, but edited", B, entry(serving=serving(resend_at=NOW)), "upload B: content changed"),
    ("to be sent anew, but given up", A, entry(serving=serving(resend_at=NOW), quarantine=given_up()), "nothing"),
    (
        "to be sent anew before its proof and its place",
        A,
        entry(serving=serving(resend_at=NOW, reprove=True, path="old/a.md")),
        f"upload A: {OLDER}",
    ),
    # -- a flip lost its new version on the server
    (
        "what serves was hidden for a version that is lost",
        A,
        entry(serving=serving(visible=False)),
        "restore s as serving: it serves and must be seen",
    ),
    ("the same, edited", B, entry(serving=serving(visible=False)), "restore s as serving: it serves and must be seen"),
    (
        "the same, spoiled",
        TOO_LARGE,
        entry(serving=serving(visible=False)),
        "restore s as serving: it serves and must be seen",
    ),
    (
        "the same, the next version is in training",
        B,
        entry(serving=serving(visible=False), candidate=indexing("B")),
        "restore s as serving: it serves and must be seen",
    ),
    ("the same, failing", A, entry(serving=serving(visible=False), **LATER), "wait until 1001"),
    # -- what serves is older
    ("edited", B, entry(serving=serving()), "upload B: content changed"),
    ("other settings", file("A", settings="t"), entry(serving=serving()), "upload A: settings changed"),
    ("edited, failing", B, entry(serving=serving(), **LATER), "wait until 1001"),
    ("edited, and the old place is stale", B, entry(serving=serving(path="old/a.md")), "upload B: content changed"),
    # -- given up (rule 32)
    ("this content was given up", A, entry(quarantine=given_up()), "nothing"),
    (
        "this content was given up, an older one serves",
        B,
        entry(serving=serving(), quarantine=given_up("B")),
        "nothing",
    ),
    ("given up, other content now", B, entry(quarantine=given_up("A")), "upload B: new file"),
    ("given up, other settings now", file("A", settings="t"), entry(quarantine=given_up("A")), "upload A: new file"),
    (
        "rolled back: the content stays out",
        B,
        entry(serving=serving("A"), quarantine=given_up("B", "rolled-back"), retired=(retired("B"),)),
        "nothing",
    ),
    # -- the file cannot be taken
    ("too large now, an older one serves on", TOO_LARGE, entry(serving=serving()), "quarantine too-large: why"),
    ("still too large", TOO_LARGE, entry(quarantine=given_up("", "too-large")), "nothing"),
    (
        "too large, then unreadable",
        UNREADABLE,
        entry(quarantine=given_up("", "too-large")),
        "quarantine unreadable: why",
    ),
    (
        "too large under other settings",
        file(problem=Problem.TOO_LARGE, settings="t"),
        entry(quarantine=given_up("", "too-large")),
        "quarantine too-large: why",
    ),
    (
        "taken again: unsupported, then supported",
        A,
        entry(quarantine=given_up("", "unsupported")),
        "upload A: new file",
    ),
    ("cannot be taken, failing: no call is needed", TOO_LARGE, entry(**LATER), "quarantine too-large: why"),
    # -- it was here before (rule 21)
    (
        "back in its grace, equal: compare, show, prove",
        A,
        entry(retired=(retired(),)),
        "restore r as candidate: the same content was here before",
    ),
    (
        "back in its grace, equal, not hidden yet: it goes on",
        A,
        entry(retired=(retired(visible=True),)),
        f"restore r as serving: {BACK}",
    ),
    (
        "back in its grace, other content: the old one is shown first",
        B,
        entry(retired=(retired(),)),
        f"restore r as serving: {BACK}",
    ),
    (
        "back in its grace, cannot be taken: the old one is shown first",
        TOO_LARGE,
        entry(retired=(retired(),)),
        f"restore r as serving: {BACK}",
    ),
    (
        "back in its grace, content given up: the old one is shown first",
        B,
        entry(retired=(retired(),), quarantine=given_up("B")),
        f"restore r as serving: {BACK}",
    ),
    ("back in its grace, failing, other content", B, entry(retired=(retired(),), **LATER), "wait until 1001"),
    ("back in its grace, failing, equal", A, entry(retired=(retired(),), **LATER), "wait until 1001"),
    ("back, equal, but that content was given up", A, entry(retired=(retired(),), quarantine=given_up()), "nothing"),
    ("back, but its deletion was sent: upload", A, entry(retired=(retired(delete_sent=True),)), "upload A: new file"),
    (
        "back with other content, deletion sent: upload",
        B,
        entry(retired=(retired(delete_sent=True),)),
        "upload B: new file",
    ),
    (
        "the newest of several is shown",
        B,
        entry(retired=(retired("C", "r2"), retired("A", "r1"))),
        f"restore r2 as serving: {BACK}",
    ),
    (
        "the equal one of several comes back",
        A,
        entry(retired=(retired("C", "r2", successor=SUCCESSOR), retired("A", "r1", successor=SUCCESSOR))),
        "restore r1 as candidate: the same content was here before",
    ),
    (
        "a replaced version is never shown in place of a lost one",
        B,
        entry(retired=(retired(successor=SUCCESSOR),)),
        "upload B: new file",
    ),
    (
        "edited back to a replaced version: no upload",
        A,
        entry(serving=serving("B"), retired=(retired(successor=SUCCESSOR),)),
        "restore r as candidate: the same content was here before",
    ),
    (
        "edited on, an older one waits for deletion",
        file("C"),
        entry(serving=serving("B"), retired=(retired(successor=SUCCESSOR),)),
        "upload C: content changed",
    ),
    ("equal, but it never served", A, entry(retired=(retired(verified_at=None),)), "upload A: new file"),
    ("other content, and it never served", B, entry(retired=(retired(verified_at=None),)), "upload B: new file"),
    (
        "equal, adopted from a lost ledger: no upload",
        A,
        entry(retired=(retired(verified_at=None, reason="adopted"),)),
        "restore r as candidate: the same content was here before",
    ),
    (
        "adopted, other content: not shown unproven",
        B,
        entry(retired=(retired(verified_at=None, reason="adopted"),)),
        "upload B: new file",
    ),
    (
        "equal hash, other settings",
        file("A", settings="t"),
        entry(serving=serving("B"), retired=(retired(),)),
        "upload A: content changed",
    ),
    ("only a failed version is left", A, entry(failed=(failed("B"),)), "upload A: new file"),
]


@pytest.mark.parametrize(("case", "snapshot", "known", "expected"), TABLE, ids=[row[0] for row in TABLE])
def test_a_file_that_is_there(case: str, snapshot: object, known: LedgerEntry | None, expected: str) -> None:
    """The next step follows from where the document is and from nothing else."""
    assert told(decide(snapshot, known, POLICY, NOW)) == expected  # type: ignore[arg-type]


UNSEEN = [
    (
        "what serves was hidden for a version that is lost",
        entry(serving=serving(visible=False)),
        "restore s as serving: it serves and must be seen",
    ),
    (
        "the same, the next version is in training",
        entry(serving=serving(visible=False), candidate=indexing("B")),
        "restore s as serving: it serves and must be seen",
    ),
    ("the same, failing", entry(serving=serving(visible=False), **LATER), "wait until 1001"),
    (
        "flipped, what serves is hidden",
        entry(serving=serving(visible=False), candidate=proving("B")),
        "prove c: finish its proof",
    ),
    ("nothing under way", entry(serving=serving()), "nothing"),
    ("retired only", entry(retired=(retired(visible=True),)), "nothing"),
    ("a flip begun", entry(candidate=proving(flip=Flip.FORWARD)), "prove c: finish showing it"),
    ("a flip done", entry(candidate=proving(flip=Flip.DONE)), "prove c: finish its proof"),
    ("a flip back begun", entry(candidate=proving(flip=Flip.BACK)), "prove c: finish showing the old version again"),
    ("a flip that failed", entry(candidate=proving(), **LATER), "wait until 1001"),
    ("sent, answer unknown", entry(candidate=uploading()), "resume c: find out whether the upload arrived"),
    ("sent, answer unknown, failing", entry(candidate=uploading(), **LATER), "wait until 1001"),
    ("created, not hidden yet", entry(candidate=indexing(visible=True)), "resume c: hide what was not compared yet"),
    ("created, not hidden yet, failing", entry(candidate=indexing(visible=True), **LATER), "wait until 1001"),
    ("hidden, in training", entry(candidate=indexing()), "nothing"),
    ("hidden, in training, failing", entry(candidate=indexing(), **LATER), "nothing"),
]


@pytest.mark.parametrize(("case", "known", "expected"), UNSEEN, ids=[row[0] for row in UNSEEN])
def test_a_file_that_was_not_seen(case: str, known: LedgerEntry, expected: str) -> None:
    """What is begun comes to its end whatever the disk says, and nothing is taken away for it (rules 2 and 3)."""
    assert told(decide_vanished(known, NOW)) == expected


def test_a_waiting_document_says_why_and_until_when() -> None:
    """A document that waits names itself, its last error and the time of its next try."""
    waiting = decide(A, entry(**LATER), POLICY, NOW)
    assert (waiting.key.path, waiting.reason, waiting.until) == (PATH, "why", NOW + 1)  # type: ignore[union-attr]


def test_actions_carry_what_they_are_about() -> None:
    """Upload, move and quarantine carry the snapshot they were decided on, and every step names its document."""
    upload = decide(A, None, POLICY, NOW)
    move = decide(A, entry(serving=serving(path="old/a.md")), POLICY, NOW)
    spoiled = decide(TOO_LARGE, None, POLICY, NOW)
    assert upload.snapshot == move.snapshot == A  # type: ignore[union-attr]
    assert spoiled.snapshot == TOO_LARGE  # type: ignore[union-attr]
    for step in (upload, move, spoiled, *(decide(row[1], row[2], POLICY, NOW) for row in TABLE)):  # type: ignore[arg-type]
        assert step is None or step.key == A.key


@pytest.mark.parametrize(
    ("folder", "tags", "path", "expected"),
    [
        ("", (), "a.md", "a.md"),
        ("handbook", (), "b/a.md", "handbook/b/a.md"),
        ("handbook", ("x", "y"), "a.md", "handbook/a.md\nx\ny"),
    ],
)
def test_placement(folder: str, tags: tuple[str, ...], path: str, expected: str) -> None:
    """A placement is the path in the dataset and the tags, so that a change of either is seen."""
    assert SourcePolicy("docs", folder=folder, tags=tags).placement(path) == expected


def test_defaults_of_a_policy() -> None:
    """Without a configuration a source lies at the dataset's root and has the pinned limits."""
    policy = SourcePolicy("docs")
    assert (policy.folder, policy.tags, policy.title_in_index) == ("", (), False)
    assert policy.delete == DeletePolicy(50, 20.0, 86400.0)


RECOVERED = [
    ("a quarantine of other content is over", A, entry(serving=serving(), quarantine=given_up("B")), True),
    ("so is the back-off of other content", A, entry(serving=serving(), next_try_at=1.0), True),
    ("and its count of failures", A, entry(serving=serving(), attempts=1), True),
    ("and its count of setbacks", A, entry(serving=serving(), setbacks=1), True),
    ("failures and setbacks add up", A, entry(serving=serving(), attempts=1, setbacks=1), True),
    ("there was no failure", A, entry(serving=serving()), False),
    ("its own move was given up", A, entry(serving=serving(), quarantine=given_up("A"), attempts=1), False),
    ("something else serves", B, entry(serving=serving(), quarantine=given_up("C")), False),
    ("nothing serves", A, entry(quarantine=given_up("B")), False),
    ("something is under way", A, entry(candidate=indexing(), serving=serving(), attempts=1), False),
    ("it cannot be taken", TOO_LARGE, entry(serving=serving(""), quarantine=given_up("B")), False),
]


@pytest.mark.parametrize(("case", "snapshot", "known", "expected"), RECOVERED, ids=[row[0] for row in RECOVERED])
def test_failures_end_when_the_file_is_again_what_serves(
    case: str, snapshot: object, known: LedgerEntry, expected: bool
) -> None:
    """A file that is again what serves ends the quarantine and the failures of other content (rule 32)."""
    assert recovered(snapshot, known) is expected  # type: ignore[arg-type]


def test_every_state_of_a_candidate_has_a_step() -> None:
    """No state of a candidate, with or without a flip, leaves a document without a next step."""
    for state in (State.UPLOADING, State.INDEXING, State.PROVING):
        for flip in (None, *Flip):
            candidate = replace(revision("c", "A", state), flip=flip)
            assert decide(A, entry(candidate=candidate), POLICY, NOW) is not None
