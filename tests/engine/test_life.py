"""The life of documents: what happens on the disk happens on the server, once, and without a gap."""

from __future__ import annotations

import io
import os
import unicodedata
import zipfile
from dataclasses import replace

import exercised
import pytest
from laws import converged, foreign, marker_of, no_gap, rows, server_paths, uploads
from texts import chinese, text
from world import World

from syncd.models import DeletePolicy, Training


def settled(world: World, **files: str) -> None:
    """Bring a few documents to rest."""
    for name, content in (files or {"a": text("a"), "b": text("b"), "c": text("c")}).items():
        world.write(f"{name}.md", content)
    assert world.sync().exit_code == 0
    world.sleep(100)


def no_grace(world: World) -> None:
    world.source = replace(world.source, delete=DeletePolicy(grace=0.0))


@pytest.fixture(autouse=True)
def _counted() -> None:
    exercised.add("life scenarios")


def test_create(world: World) -> None:
    """New files are uploaded, proven and visible in a folder of the same name."""
    world.write("a.md", text("a"))
    world.write("deep/er/b.md", text("b"))
    outcome = world.sync()
    assert (outcome.exit_code, outcome.counts["uploaded"], outcome.counts["verified"]) == (0, 2, 2)
    converged(world)


def test_edit(world: World) -> None:
    """Other content replaces the old version, which is kept hidden for the grace time."""
    settled(world)
    world.write("a.md", text("a", 2))
    outcome = world.sync()
    assert (outcome.counts["uploaded"], outcome.counts["replaced"]) == (1, 1)
    assert sum(row["forbid"] for row in world.emulator.snapshot()) == 1
    converged(world)
    no_gap(world)


def test_the_grace_ends(world: World) -> None:
    """After the grace time the old version is deleted, and not before."""
    settled(world)
    world.write("a.md", text("a", 2))
    world.sync()
    world.sleep(86300)
    assert world.sync().counts["deleted"] == 0
    world.sleep(200)
    assert world.sync().counts["deleted"] == 1
    converged(world)
    no_gap(world)


def test_grace_zero(world: World) -> None:
    """With a grace of 0 s the old version goes in the same pass, after the proof."""
    no_grace(world)
    settled(world)
    world.write("a.md", text("a", 2))
    world.remove("b.md")
    counts = world.sync().counts
    assert (counts["deleted"], counts["retired"]) == (2, 1)
    assert len(world.emulator.snapshot()) == 2
    converged(world)
    no_gap(world)


def test_rename(world: World) -> None:
    """A rename with equal content is one update: no upload, no training."""
    settled(world)
    before = uploads(world)
    world.rename("a.md", "new/name.md")
    outcome = world.sync()
    assert (uploads(world) - before, outcome.counts["moved"]) == (0, 1)
    assert "new/name.md" in world.visible()
    converged(world)
    no_gap(world)


def test_rename_folder_and_back(world: World) -> None:
    """A folder that is renamed takes its documents along without an upload, there and back; emptied folders go."""
    world.write("old/a.md", text("a"))
    world.write("old/b.md", text("b"))
    world.sync()
    world.sleep(100)
    before = uploads(world)
    (world.root / "old").rename(world.root / "new")
    assert world.sync().counts["moved"] == 2
    world.sleep(100)
    world.sync()
    assert [r["name"] for r in world.emulator.snapshot() if r["type"] == "folder"] == ["new"]
    (world.root / "new").rename(world.root / "old")
    world.sync()
    assert uploads(world) == before
    converged(world)
    no_gap(world)


def test_move_and_edit(world: World) -> None:
    """A document that was moved and edited is a new one; the old one goes only after the new one is proven."""
    no_grace(world)
    settled(world)
    world.remove("a.md")
    world.write("moved/a.md", text("a", 2))
    world.sync()
    events = [e for e in world.emulator.timeline if e.event in ("shown", "hidden", "deleted")]
    assert events[-1].event == "deleted"
    converged(world)
    no_gap(world)


def test_delete(world: World) -> None:
    """A file that is gone is hidden at once and deleted after the grace."""
    settled(world)
    world.remove("b.md")
    assert world.sync().counts["retired"] == 1
    assert set(world.visible()) == {"a.md", "c.md"}
    converged(world)
    world.sleep(90000)
    assert world.sync().counts["deleted"] == 1
    assert len(world.emulator.snapshot()) == 2
    converged(world)


@pytest.mark.parametrize("version", [1, 2])
def test_restore_within_grace(world: World, version: int) -> None:
    """A file that is back within the grace is shown again; only other content costs an upload (rule 21)."""
    settled(world)
    world.remove("b.md")
    world.sync()
    world.sleep(100)
    before = uploads(world)
    world.write("b.md", text("b", version))
    assert world.sync().exit_code == 0
    assert uploads(world) - before == version - 1
    converged(world)
    no_gap(world)


def test_restore_after_grace(world: World) -> None:
    """Once the delete was sent, a file that is back is uploaded anew (rule 21)."""
    settled(world)
    world.remove("b.md")
    world.sync()
    world.sleep(90000)
    world.sync()
    before = uploads(world)
    world.write("b.md", text("b"))
    world.sync()
    assert uploads(world) - before == 1
    converged(world)


def test_edited_back(world: World) -> None:
    """Content that returns within the grace is taken from the retired version, without an upload."""
    settled(world)
    world.write("a.md", text("a", 2))
    world.sync()
    world.sleep(100)
    before = uploads(world)
    world.write("a.md", text("a", 1))
    assert world.sync().exit_code == 0
    assert uploads(world) == before
    converged(world)
    no_gap(world)


def test_settings_change(world: World) -> None:
    """Another chunk size makes new revisions of all documents of that source, each without a gap."""
    settled(world)
    before = uploads(world)
    world.source = replace(world.source, training=Training("chunk", (("chunkSize", 600),)))
    assert world.sync().counts["replaced"] == 3
    assert uploads(world) - before == 3
    converged(world)
    no_gap(world)


def test_tags(world: World) -> None:
    """Tags are set, changed and removed by updates, without an upload."""
    settled(world, a=text("a"))
    before = uploads(world)
    for tags in (("blue",), ("red", "round"), ()):
        world.source = replace(world.source, tags=tags)
        assert world.sync().counts["moved"] == 1
        assert [tuple(row["tags"]) for row in world.emulator.snapshot() if marker_of(row)] == [tags]
        converged(world)
    assert uploads(world) == before


def test_target_folder(world: World) -> None:
    """Another folder in the configuration moves the whole tree without an upload."""
    settled(world)
    before = uploads(world)
    world.space = "kept"
    world.source = replace(world.source, folder="mirror/docs")
    world.sync()
    assert uploads(world) == before
    assert set(world.visible()) == {"mirror/docs/a.md", "mirror/docs/b.md", "mirror/docs/c.md"}
    converged(world)
    no_gap(world)


def test_several_sources(world: World) -> None:
    """Sources feed one dataset in distinct folders, or several datasets, and do not touch each other (rule 29)."""
    base = world.source
    world.sources = []
    for name, dataset, folder in (("one", "X", "one"), ("two", "X", "two"), ("three", "Y", "")):
        path = world.tmp / name
        path.mkdir()
        (path / "same.md").write_text(text(name))
        (path / "sub").mkdir()
        (path / "sub" / "other.md").write_text(text(name + "other"))
        world.sources.append(replace(base, name=name, path=path, dataset=dataset, folder=folder))
    world.sleep(1000)
    assert world.sync().exit_code == 0
    converged(world)
    (world.tmp / "one" / "same.md").unlink()
    world.sleep(100)
    world.sync()
    assert set(world.visible()) == {"one/sub/other.md", "two/same.md", "two/sub/other.md", "same.md", "sub/other.md"}
    converged(world)


def test_same_content_twice(world: World) -> None:
    """Two files of equal content are both verified; search shows one, so the other passes as shared (rule 7)."""
    world.write("a.md", text("twin"))
    world.write("b.md", text("twin"))
    world.write("c.md", text("other"))
    outcome = world.sync()
    assert (outcome.exit_code, outcome.counts["verified"]) == (0, 3)
    assert outcome.verdicts["shared"] > 0
    converged(world)


def test_sharers_are_proven_again(world: World) -> None:
    """When the twin that a proof leaned on goes, its sharers are proven again by their own id (rule 7)."""
    world.write("a.md", text("twin"))
    world.write("b.md", text("twin"))
    world.write("c.md", text("other"))
    world.sync()
    [(leaned,)] = rows(
        world,
        "select distinct d.path from probe_results q join revisions r on r.collection_id = q.shared_with"
        " join documents d on d.id = r.document",
    )
    proofs = rows(world, "select count(*) from proofs")
    world.sleep(100)
    world.remove(leaned)
    outcome = world.sync()
    assert outcome.exit_code == 0
    world.sync()
    assert rows(world, "select count(*) from proofs")[0][0] == proofs[0][0] + 1
    assert rows(world, "select count(*) from revisions where reprove = 1 and state = 'verified'") == [(0,)]
    converged(world)


def test_swap(world: World) -> None:
    """Two files that exchange their names end with each content under its name."""
    settled(world)
    world.rename("a.md", "x.md")
    world.rename("b.md", "a.md")
    world.rename("x.md", "b.md")
    assert world.sync().exit_code == 0
    converged(world)
    no_gap(world)


def test_file_becomes_folder_and_back(world: World) -> None:
    """A folder in the place of a file, and the reverse, end as the disk says."""
    no_grace(world)
    world.write("a.md", text("a"))
    for name in "bcdefghijk":
        world.write(f"{name}.md", text(name))
    world.sync()
    world.sleep(100)
    world.remove("a.md")
    world.write("a.md/inner.md", text("inner"))
    assert world.sync().exit_code == 0
    converged(world)
    world.sleep(100)
    (world.root / "a.md" / "inner.md").unlink()
    (world.root / "a.md").rmdir()
    world.write("a.md", text("a", 3))
    assert world.sync().exit_code == 0
    converged(world)


def test_case_only_rename(world: World) -> None:
    """A rename that changes only capitals shows on the server, without an upload."""
    settled(world)
    before = uploads(world)
    world.rename("a.md", "A.md")
    world.sync()
    assert uploads(world) == before
    assert set(world.visible()) == {"A.md", "b.md", "c.md"}
    converged(world)
    no_gap(world)


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("empty.md", b"", "empty"),
        ("blank.md", b" \n\t\n", "empty"),
        ("zip.docx", b"no zip at all", "parse-failed"),
        ("large.md", b"x" * 2000, "too-large"),
        ("binary.md", bytes(range(256)) * 4, "unreadable"),
    ],
)
def test_what_cannot_be_taken(world: World, name: str, content: bytes, code: str) -> None:
    """A file that cannot be taken is quarantined with its reason and leaves the others alone (rule 32)."""
    world.source = replace(world.source, max_size=1500)
    world.write(name, content)
    world.write("good.md", text("good"))
    outcome = world.sync()
    row = world.documents()[name]
    assert (outcome.exit_code, row["state"], row["quarantine"]) == (3, "quarantined", code)
    converged(world, failing=(name,))


def test_unsupported_by_include(world: World) -> None:
    """A format that nobody reads is quarantined when an include names it, and ignored otherwise."""
    world.write("picture.png", b"\x89PNG and so on")
    world.write("good.md", text("good"))
    assert world.sync().exit_code == 0
    world.source = replace(world.source, include=("*.png", "*.md"))
    world.sync()
    assert world.documents()["picture.png"]["quarantine"] == "unsupported"


def test_quarantine_ends_with_other_content(world: World) -> None:
    """A quarantined document is taken up again as soon as its content changes (rule 32)."""
    world.write("a.md", b"")
    assert world.sync().exit_code == 3
    world.sleep(10)
    world.write("a.md", text("a"))
    assert world.sync().exit_code == 0
    converged(world)


def test_quarantine_ends_when_content_returns(world: World) -> None:
    """A quarantine ends without an upload when the content returns to what serves (rule 32)."""
    settled(world)
    world.write("a.md", b"")
    assert world.sync().exit_code == 3
    assert "a.md" in world.visible()
    before = uploads(world)
    world.sleep(10)
    world.write("a.md", text("a"))
    assert world.sync().exit_code == 0
    assert uploads(world) == before
    converged(world)
    no_gap(world)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_file(world: World) -> None:
    """A file without read permission is quarantined as unreadable."""
    world.write("a.md", text("a")).chmod(0)
    assert world.sync().exit_code == 3
    assert world.documents()["a.md"]["quarantine"] == "unreadable"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("gbk.txt", chinese("gbk").encode("gbk")),
        ("head.md", ("x" * 220 + "\n\n" + chinese("head")).encode()),
        ("bom.md", b"\xef\xbb\xbf" + chinese("bom").encode()),
        ("page.html", b"<html><body><h1>Title</h1><p>" + text("page").encode() + b"</p></body></html>"),
        ("what#is?this%20 100%.md", text("odd").encode()),
        ("emoji 🎉🎉👩‍👩‍👧‍👦.md", text("emoji").encode()),
        ("中文文档" * 20 + ".md", chinese("long").encode()),
        ("n" * 252 + ".md", text("255").encode()),
        (unicodedata.normalize("NFD", "é à ü") + ".md", text("nfd").encode()),
        ("component.mdx", text("mdx").encode()),
        ("UPPER.TXT", text("upper").encode()),
        ('it\'s "quoted".md', text("quoted").encode()),
    ],
)
def test_names_and_encodings(world: World, name: str, content: bytes) -> None:
    """Whatever the name or encoding of a text, its content arrives whole and is proven."""
    world.write(name, content)
    outcome = world.sync()
    assert (outcome.exit_code, outcome.counts["verified"]) == (0, 1)
    [row] = [row for row in world.emulator.snapshot() if marker_of(row)]
    shown = unicodedata.normalize("NFC", name)
    assert row["name"] == shown or len(shown) > 200
    if not name.endswith(".html"):
        converged(world)


def test_docx(world: World) -> None:
    """An office document is compared by its own text and proven."""
    body = "".join(f"<w:p><w:r><w:t>{line}</w:t></w:r></w:p>" for line in text("office").splitlines() if line)
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?><w:document xmlns:w='
        f'"http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>{body}</w:body></w:document>'
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", xml)
    world.write("office.docx", packed.getvalue())
    outcome = world.sync()
    assert (outcome.exit_code, outcome.counts["verified"]) == (0, 1)
    assert world.documents()["office.docx"]["weak"] == ""


def test_foreign_collections_are_left_alone(world: World) -> None:
    """Collections that are not ours, in the same dataset and folder, are never changed (law 2)."""
    world.write("sub/a.md", text("a"))
    world.sync()
    world.sleep(10)
    parent = next(row["id"] for row in world.emulator.snapshot() if row["type"] == "folder")
    for folder in (None, parent):
        world.outsider_upload("a.md", text("stranger"), parent=folder)
    before = foreign(world)
    assert len(before) == 2
    world.write("sub/a.md", text("a", 2))
    world.write("b.md", text("b"))
    world.sync()
    world.sleep(90000)
    world.remove("sub/a.md")
    world.sync()
    world.sleep(90000)
    world.sync()
    world.sleep(100)
    world.sync()
    assert foreign(world) == before
    assert parent in server_paths(world)
    converged(world)


def test_deleted_while_uploading(world: World) -> None:
    """A file that vanishes while it is sent leaves nothing visible and nothing behind."""
    world.source = replace(world.source, delete=DeletePolicy(grace=0.0))
    for name in "bcdefghij":
        world.write(f"{name}.md", text(name))
    world.write("a.md", text("a"))
    world.during("upload", lambda: world.remove("a.md"), name="a.md")
    world.sync()
    world.sync()
    assert "a.md" not in world.visible()
    converged(world)


def test_edited_while_proving(world: World) -> None:
    """A file that is edited while its version is proven gets that proof finished, then the next version (rule 4)."""
    settled(world)
    world.write("a.md", text("a", 2))
    world.during("search", lambda: world.write("a.md", text("a", 3)))
    assert world.sync().exit_code == 0
    converged(world)
    no_gap(world)


def test_deleted_while_proving(world: World) -> None:
    """A file that is deleted while its version is proven leaves no gap before, and nothing visible after (rule 4)."""
    settled(world)
    world.write("a.md", text("a", 2))
    world.during("search", lambda: world.remove("a.md"))
    world.sync()
    assert set(world.visible()) == {"b.md", "c.md"}
    converged(world)
    no_gap(world)


@pytest.mark.parametrize("point", ["http.upload.after", "ledger.uploaded.after", "http.training.after"])
def test_superseded(world: World, point: str) -> None:
    """A candidate whose file changes before the flip is superseded and never shown (rule 4)."""
    settled(world)
    world.write("a.md", text("a", 2))
    assert world.crash_on(point) == point
    world.write("a.md", text("a", 3))
    assert world.sync().exit_code == 0
    converged(world)
    no_gap(world)
    assert len({e.collection_id for e in world.emulator.timeline if e.event == "shown"}) == 4


def test_a_pass_without_work_sends_nothing(world: World) -> None:
    """A pass with nothing to do sends no request (rule 24)."""
    settled(world)
    before = len(world.requests())
    for _ in range(3):
        world.sleep(3600)
        assert world.sync().exit_code == 0
    assert len(world.requests()) == before
