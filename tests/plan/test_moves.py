"""Renames, moves, swaps: which need no upload, and which must not pass as one."""

from __future__ import annotations

import pytest
from plan_values import NOW, entry, failed, file, given_up, indexing, proving, retired, serving, told, uploading, view

from syncd.models import DocumentKey, FileSnapshot, LedgerEntry, Move, Plan, Problem, RevisionId
from syncd.pairing import moves
from syncd.plan import SourcePolicy, make

TITLED = SourcePolicy("docs", title_in_index=True)


def known(path: str, content: str = "A", name: str = "", **more: object) -> LedgerEntry:
    """A verified document; its revision is called as the path says."""
    return entry(path, serving=serving(content, name or f"s:{path}", path=path), **more)


def plan(
    *entries: LedgerEntry, seen: tuple[FileSnapshot, ...], gone: tuple[str, ...], policy: SourcePolicy | None = None
) -> list[str]:
    """The actions of one pass, as text."""
    made: Plan = make([view(*entries, seen=seen, vanished=gone, policy=policy)], NOW)
    assert made.holds == ()
    return [told(action) for action in made.actions]


def pairs(made: list[Move]) -> dict[str, str]:
    """Target to origin."""
    return {move.key.path: move.origin.path for move in made}


def moved(
    *entries: LedgerEntry, seen: tuple[FileSnapshot, ...], gone: tuple[str, ...], title: bool = False
) -> dict[str, str]:
    """The pairs that are found."""
    return pairs(moves(seen, gone, {e.key.path: e for e in entries}, title_in_index=title))


def test_a_rename_needs_no_upload() -> None:
    """A new file with the content of a vanished one is the vanished one under another name."""
    assert plan(known("a.md"), entry("b.md"), seen=(file(path="b.md"),), gone=("a.md",)) == [
        "move s:a.md from a.md to b.md: moved from a.md"
    ]


def test_a_move_carries_its_target_its_origin_and_the_snapshot() -> None:
    """A move names both documents and the file it was decided on."""
    [move] = moves([file(path="b.md")], ["a.md"], {"a.md": known("a.md")}, title_in_index=False)
    assert move.key == DocumentKey("docs", "b.md")
    assert move.origin == DocumentKey("docs", "a.md")
    assert move.snapshot == file(path="b.md")
    assert move.revision.id == "s:a.md"


def test_a_moved_document_is_not_a_deletion() -> None:
    """A renamed folder of a hundred documents passes the strictest firewall: nothing is lost."""
    paths = [f"{i:03}.md" for i in range(100)]
    made = make(
        [
            view(
                *(known(f"old/{p}", content=p) for p in paths),
                seen=tuple(file(p, f"new/{p}") for p in paths),
                vanished=tuple(f"old/{p}" for p in paths),
            )
        ],
        NOW,
    )
    assert made.holds == ()
    assert pairs([a for a in made.actions if isinstance(a, Move)]) == {f"new/{p}": f"old/{p}" for p in paths}
    assert len(made.actions) == 100


NOT_MOVED = [
    ("other content", known("a.md", "B"), None, file("A", "b.md")),
    ("other settings", known("a.md"), None, file("A", "b.md", settings="t")),
    ("another format", known("a.md"), None, file("A", "b.txt")),
    ("the new file cannot be taken", known("a.md", ""), None, file(path="b.md", problem=Problem.TOO_LARGE)),
    ("something serves at the target", known("a.md"), known("b.md", "B"), file("A", "b.md")),
    ("something is under way at the target", known("a.md"), entry("b.md", candidate=uploading("A")), file("A", "b.md")),
    ("something is under way at the origin", known("a.md", candidate=indexing("B")), None, file("A", "b.md")),
    ("the origin never served", entry("a.md", retired=(retired(),)), None, file("A", "b.md")),
    ("the origin is unknown", entry("z.md"), None, file("A", "b.md")),
]


@pytest.mark.parametrize(("case", "origin", "target", "snapshot"), NOT_MOVED, ids=[row[0] for row in NOT_MOVED])
def test_what_is_not_a_move(case: str, origin: LedgerEntry, target: LedgerEntry | None, snapshot: FileSnapshot) -> None:
    """Only proven, equal content that is free at both ends moves."""
    entries = [e for e in (origin, target) if e is not None]
    assert moved(*entries, seen=(snapshot,), gone=("a.md",)) == {}


TARGETS = [
    ("was never known", None),
    ("was only seen", entry("b.md")),
    ("was deleted a moment ago, with other content", entry("b.md", retired=(retired("B"),), gone=True)),
    ("was deleted a moment ago, with equal content", entry("b.md", retired=(retired("A"),), gone=True)),
    ("was given up with other content", entry("b.md", quarantine=given_up("B"), failed=(failed("B"),))),
    ("was given up with this very content", entry("b.md", quarantine=given_up("A"))),
    ("waits for another try", entry("b.md", next_try_at=NOW + 9)),
]


@pytest.mark.parametrize(("case", "target"), TARGETS, ids=[row[0] for row in TARGETS])
def test_the_history_of_the_target_is_no_obstacle(case: str, target: LedgerEntry | None) -> None:
    """Proven content that moves in comes before restoring, waiting for or giving up what was there."""
    entries = [e for e in (known("a.md"), target) if e is not None]
    assert plan(*entries, seen=(file(path="b.md"),), gone=("a.md",)) == [
        "move s:a.md from a.md to b.md: moved from a.md"
    ]


def test_several_equal_files_keep_their_names_where_they_can() -> None:
    """Of several files of equal content each is paired with the one of its own name first, and used once."""
    entries = [known("old/x.md"), known("old/y.md"), known("old/z.md")]
    gone = ("old/z.md", "old/y.md", "old/x.md")
    seen = (file(path="new/z.md"), file(path="new/a.md"), file(path="new/y.md"))
    assert moved(*entries, seen=seen, gone=gone) == {
        "new/a.md": "old/x.md",
        "new/y.md": "old/y.md",
        "new/z.md": "old/z.md",
    }


def test_a_name_is_not_taken_by_a_file_that_comes_first() -> None:
    """A new name does not take the version of a file that kept its name in another folder."""
    seen = (file(path="new/a.md"), file(path="new/x.md"))
    assert moved(known("old/x.md"), known("old/y.md"), seen=seen, gone=("old/x.md", "old/y.md")) == {
        "new/a.md": "old/y.md",
        "new/x.md": "old/x.md",
    }


def test_a_file_takes_one_version_only() -> None:
    """Of two vanished files of one name and content the first moves, the other is gone."""
    seen = (file(path="c/x.md"),)
    assert moved(known("a/x.md"), known("b/x.md"), seen=seen, gone=("a/x.md", "b/x.md")) == {"c/x.md": "a/x.md"}


def test_a_move_is_the_only_step_of_its_origin() -> None:
    """A version that moves is not shown under its old path as well, even if it has to be shown again."""
    hidden = entry("a.md", serving=serving(visible=False))
    assert plan(hidden, seen=(file(path="b.md"),), gone=("a.md",)) == ["move s from a.md to b.md: moved from a.md"]


def test_the_moves_of_all_sources_come_first() -> None:
    """A move of one source is carried out before the uploads of another."""
    made = make(
        [view(seen=(file(path="n.md"),)), view(known("a.md"), seen=(file(path="b.md"),), vanished=("a.md",))], NOW
    )
    assert [told(a).split(":")[0] for a in made.actions] == ["move s", "upload A"]


def test_more_new_files_than_vanished_ones() -> None:
    """One vanished file becomes one of its copies; the others are new."""
    assert plan(known("a.md"), seen=(file(path="c.md"), file(path="b.md")), gone=("a.md",)) == [
        "move s:a.md from a.md to b.md: moved from a.md",
        "upload A: new file",
    ]


def test_more_vanished_files_than_new_ones() -> None:
    """Two copies of one content, one new file: one moved, the other is gone and passes the firewall."""
    assert plan(known("a.md"), known("b.md"), seen=(file(path="c.md"),), gone=("a.md", "b.md")) == [
        "move s:a.md from a.md to c.md: moved from a.md",
        "retire vanished s:b.md, grace 86400: the file is gone",
    ]


@pytest.mark.parametrize("order", [1, -1])
def test_pairs_do_not_depend_on_the_order_of_the_scan(order: int) -> None:
    """The same disk gives the same moves, in the order of their new paths."""
    entries = [known("a.md"), known("b.md"), known("c.md", "C")]
    seen = [file(path="x.md"), file(path="w.md"), file("C", "v.md")][::order]
    gone = ["b.md", "a.md", "c.md"][::order]
    made = moves(seen, gone, {e.key.path: e for e in entries}, title_in_index=False)
    assert [(m.key.path, m.origin.path) for m in made] == [("v.md", "c.md"), ("w.md", "a.md"), ("x.md", "b.md")]


def test_a_name_that_is_part_of_the_index_is_trained_again() -> None:
    """Where titles are indexed a new name is a new revision, a new folder is not."""
    entries = [known("a.md"), known("b.md", "B")]
    seen = (file(path="new/a.md"), file("B", "c.md"))
    assert moved(*entries, seen=seen, gone=("a.md", "b.md"), title=True) == {"new/a.md": "a.md"}
    assert plan(*entries, seen=seen, gone=("a.md", "b.md"), policy=TITLED) == [
        "move s:a.md from a.md to new/a.md: moved from a.md",
        "upload B: new file",
        "retire vanished s:b.md, grace 86400: the file is gone",
    ]


@pytest.mark.parametrize(("title", "expected"), [(False, {"README.md": "readme.md"}), (True, {})])
def test_a_change_of_case_is_a_rename(title: bool, expected: dict[str, str]) -> None:
    """A name that differs in case only is another name."""
    assert moved(known("readme.md"), seen=(file(path="README.md"),), gone=("readme.md",), title=title) == expected


def test_two_files_that_swapped_their_names_are_replaced() -> None:
    """A swap leaves no path without its version: both are uploaded, then replaced."""
    entries = (known("a.md", "A"), known("b.md", "B"))
    assert plan(*entries, seen=(file("B", "a.md"), file("A", "b.md")), gone=()) == [
        "upload B: content changed",
        "upload A: content changed",
    ]


def test_a_file_moved_over_another_one() -> None:
    """`mv a b` over an existing b replaces b by an upload; a goes last."""
    entries = (known("a.md", "A"), known("b.md", "B"))
    assert plan(*entries, seen=(file("A", "b.md"),), gone=("a.md",)) == [
        "upload A: content changed",
        "retire vanished s:a.md, grace 86400: the file is gone",
    ]


def test_a_chain_of_renames() -> None:
    """`mv b c; mv a b`: what is free moves, what is taken is replaced, and nothing is lost from sight."""
    entries = (known("a.md", "A"), known("b.md", "B"))
    assert plan(*entries, seen=(file("A", "b.md"), file("B", "c.md")), gone=("a.md",)) == [
        "upload A: content changed",
        "upload B: new file",
        "retire vanished s:a.md, grace 86400: the file is gone",
    ]


def test_moved_and_edited() -> None:
    """A document that was moved and edited is uploaded first; its old version goes last (design 11)."""
    assert plan(known("a.md"), seen=(file("B", "b.md"),), gone=("a.md",)) == [
        "upload B: new file",
        "retire vanished s:a.md, grace 86400: the file is gone",
    ]


def test_a_path_that_was_seen_after_all_is_no_origin() -> None:
    """A path among both the seen and the vanished ones is there."""
    assert plan(known("a.md"), seen=(file(), file(path="b.md")), gone=("a.md",)) == ["upload A: new file"]


def test_a_move_within_the_placement_keeps_key_and_origin_equal() -> None:
    """A document whose folder on the server changed moves onto itself."""
    policy = SourcePolicy("docs", folder="handbook", tags=("t",))
    assert plan(known("a.md"), seen=(file(),), gone=(), policy=policy) == [
        "move s:a.md from a.md to a.md: its folder, name or tags changed"
    ]


def test_moves_come_after_begun_flips_and_before_everything_else() -> None:
    """A pass finishes flips, then moves, then uploads, then deletes, and retires what vanished last."""
    done = make(
        [
            view(
                known("gone.md", "G"),
                known("old.md", "M"),
                entry("flip.md", candidate=proving("F")),
                entry("up.md"),
                known("kept.md", "K", retired=(retired("O", successor=RevisionId("s"), delete_after=NOW),)),
                seen=(file("U", "up.md"), file("F", "flip.md"), file("M", "new.md")),
                vanished=("gone.md", "old.md"),
            )
        ],
        NOW,
    )
    assert [told(a).split(":")[0] for a in done.actions] == [
        "prove c",
        "move s",
        "upload U",
        "delete r",
        "retire vanished s",
    ]
