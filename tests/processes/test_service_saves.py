"""T8: one `syncd run` while real programs save: one upload for each save, of settled content only.

All files are saved side by side in rounds, each round ends when the server shows what is on the disk; then each rule
is asked of what the ledger says was uploaded.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import threading
import time
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from unicodedata import normalize

import dances
import exercised
import pytest
from cli_site import Site
from service_site import Service, running

ROUNDS = 3  # the first makes the files, the others save them
SETTLE = 1.0
NAMES = (
    "100% sure.md",
    "#1 issue.md",
    'it\'s & "that".md',
    "😀 party 🎉.md",
    normalize("NFD", "Übergrößenträger.md"),
    normalize("NFC", "Äpfel.md"),
    "x" * 252 + ".md",
    "文" * 84 + ".md",
    " spaces  inside .md",
    "a\\b$(c)`d`.md",
)


def text(title: str, number: int) -> bytes:
    """Content that no other file and no other round has."""
    word = hashlib.sha256(f"{title}{number}".encode()).hexdigest()
    return f"# Edition {number} of {word[:12]}\n\nEverything about {word[12:30]} and the {word[30:44]}.\n".encode()


class Story:
    """What was saved, and what came of it."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.saved: dict[str, list[str]] = defaultdict(list)  # path -> hashes, in order
        self.rested: set[str] = set()  # paths whose saving came to rest before its end: this machine is busy
        self.slow = dances.Dribble()

    def save(self, path: str, number: int, how: dances.Save = dances.write) -> None:
        """Save one file in one way, and note what is to be uploaded."""
        content = text(path, number)
        self.saved[normalize("NFC", path)].append(hashlib.sha256(content).hexdigest())
        target = self.site.docs / path
        target.parent.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        how(target, content)
        if (self.slow.longest if how is self.slow else time.monotonic() - began) >= SETTLE / 2:
            self.rested.add(normalize("NFC", path))

    def uploads(self) -> dict[str, list[str]]:
        """Hashes by path, in the order in which they were uploaded."""
        found: dict[str, list[str]] = defaultdict(list)
        with closing(sqlite3.connect(f"file:{self.site.tmp}/ledger.db?mode=ro", uri=True)) as conn:
            for path, sha256 in conn.execute(
                "select e.path, r.sha256 from events e join revisions r on r.id = e.revision "
                "where e.event = 'uploaded' order by e.id"
            ):
                found[path].append(sha256)
        return found

    def disk(self) -> list[tuple[str, str]]:
        """Path in NFC and hash of every document on the disk, sorted."""
        return sorted((normalize("NFC", path), sha256) for path, sha256 in self.site.expected().items())


def in_step(service: Service, story: Story) -> None:
    """Wait until the server shows exactly the disk, and until everything heard up to now has been gone into."""
    service._wait(lambda: story.disk() == story.site.shown(), "disk and server are equal", 120)


def play(service: Service, story: Story) -> None:
    """Everything that is done to the disk, round after round."""
    docs = story.site.docs
    for number in range(ROUNDS):
        slow = threading.Thread(target=story.save, args=("slow/slow.md", number, story.slow))
        slow.start()
        for dance in dances.EVERY:
            story.save(f"{dance.__name__}/{dance.__name__}.md", number, dance if number else dances.write)
        for name in NAMES:
            story.save(f"names/{name}", number)
        if number == 0:
            for path in ("old/deep/a.md", "old/b.md", "becomes.md", "same.md", "touched.md", "again.md"):
                story.save(path, 0)
            (docs / "loop").symlink_to(".")
            (docs / "self.md").symlink_to("self.md")
        elif number == 1:
            (docs / "old").rename(docs / "new")
            (docs / "becomes.md").unlink()
            story.save("becomes.md/inner.md", 1)
            (docs / "same.md").write_bytes((docs / "same.md").read_bytes())
            os.utime(docs / "touched.md")
            again = (docs / "again.md").read_bytes()
            (docs / "again.md").unlink()
            (docs / "again.md").write_bytes(again)
        else:
            (docs / "becomes.md" / "inner.md").unlink()
            (docs / "becomes.md").rmdir()
            story.save("becomes.md", 2)
            (docs / "new" / "deep").rename(docs / "deep")
            story.save("new/made/at/once/c.md", 2)
        slow.join()
        in_step(service, story)
    flip(docs, story)
    in_step(service, story)
    story.save("last.md", 0)  # whatever was heard before this one was gone into before it
    in_step(service, story)


def flip(docs: Path, story: Story) -> None:
    """As git-sync does it: a new folder with everything in it, to which the link to the documents is turned."""
    new = docs.with_name("v2")
    shutil.copytree(docs, new, symlinks=True)
    (docs.with_name("next")).symlink_to(new.name)
    story.save("flipped.md", 0, lambda _path, content: dances.write(new / "flipped.md", content))
    docs.with_name("next").rename(docs)


def renamed(uploads: dict[str, list[str]], *paths: str) -> list[str]:
    """What was uploaded of one file under all the paths that it had."""
    return [sha256 for path in paths for sha256 in uploads.pop(path, [])]


@pytest.mark.timeout(300)
def test_each_save_is_uploaded_once(tmp_path: Path) -> None:
    """Whatever programs do to save a file, and whatever it is called: one upload a save, of the content it ended with.

    Nothing at all is uploaded of locks, probes, backups and half-written files, nor when a save changes nothing (the
    same content again, a new time, deleted and put back at once), nor when a folder is renamed, nor, but for what is
    new, when the link to all of them is turned to a copy.
    """
    site = Site(tmp_path, settle=f"{SETTLE:g}s", delete='grace = "0s"\nmax_percent = "100%"')
    site.docs.rename(tmp_path / "v1")
    site.docs.symlink_to("v1")
    story = Story(site)
    with running(site) as service:
        play(service, story)
        assert 0 == service.end()
        passes = len(service.events("pass.done"))

    uploads, saved = story.uploads(), dict(story.saved)
    assert saved.pop("old/deep/a.md") == renamed(uploads, "old/deep/a.md", "new/deep/a.md", "deep/a.md")
    assert saved.pop("old/b.md") == renamed(uploads, "old/b.md", "new/b.md")
    for path in story.rested:
        assert set(saved.pop(path)) <= set(uploads.pop(path))
    assert saved == dict(uploads)
    assert len(saved) > len(dances.EVERY)
    assert passes < 12 * ROUNDS  # saves that come together are gone into together
    exercised.add("saves as programs do them, each uploaded once", sum(map(len, story.saved.values())))
