"""Whether a file is there, asked right before its document is retired: as a scan would say, in doubt yes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from syncd.ignore import Rules
from syncd.presence import in_scope

PLACES: dict[str, tuple[Callable[[Path], object], bool]] = {
    "a file": (lambda path: path.write_bytes(b"x"), True),
    "an empty file": (lambda path: path.touch(), True),
    "a link inside": (lambda path: os.symlink("other.md", path), True),
    "a link to nothing": (lambda path: os.symlink("not-mounted/a.md", path), True),
    "nothing": (lambda path: None, False),
    "a link outside": (lambda path: os.symlink("/etc/passwd", path), False),
    "a link to a device": (lambda path: os.symlink("/dev/zero", path), False),
    "a pipe": (os.mkfifo, False),
    "a folder": (lambda path: path.mkdir(), False),
}


@pytest.mark.parametrize("what", PLACES)
@pytest.mark.parametrize("folder", ["", "in/"])
def test_what_counts_as_there(tmp_path: Path, what: str, folder: str) -> None:
    """What a scan never takes does not keep a document of that name for ever; what may come back does."""
    (tmp_path / "in").mkdir()
    for each in ("", "in/"):
        (tmp_path / each / "other.md").write_bytes(b"x")
    make, there = PLACES[what]
    make(tmp_path / folder / "a.md")
    assert there is in_scope(str(tmp_path), Rules.compile((), (), {".md"}), folder + "a.md")


def test_a_folder_that_is_a_link_holds_no_documents(tmp_path: Path) -> None:
    """As in a scan: such folders are not entered."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real/a.md").write_bytes(b"x")
    os.symlink("real", tmp_path / "in")
    assert not in_scope(str(tmp_path), Rules.compile((), (), {".md"}), "in/a.md")
    assert in_scope(str(tmp_path), Rules.compile((), (), {".md"}), "real/a.md")


@pytest.mark.parametrize(
    ("content", "there"), [("b.md\n", True), ("*.md\n", False), ("in/\n", False), ("[z-a]\n", True), (None, True)]
)
def test_ignore_files_count(tmp_path: Path, content: str | None, there: bool) -> None:
    """A file that is ignored now is out of scope; where an ignore file cannot be used, nobody knows."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.md").write_bytes(b"x")
    if content is None:
        os.mkfifo(tmp_path / ".syncdignore")
    else:
        (tmp_path / ".syncdignore").write_text(content)
    assert there is in_scope(str(tmp_path), Rules.compile((), (), {".md"}), "in/a.md")
