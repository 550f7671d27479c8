"""The disk as it is: real directories, and a ledger that is a dictionary."""

from __future__ import annotations

import errno
import hashlib
import os
import pickle
import random
import socket
import subprocess
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from syncd import listing
from syncd import scan as scanning
from syncd.ignore import Rules
from syncd.models import DocumentKey, FileSnapshot, KnownFile, Problem, RootState
from syncd.scan import KnownTree, ScanResult, complete, restat, scan

SUFFIXES = frozenset({".md", ".txt", ".pdf"})
LONG_AGO = 1_600_000_000  # seconds
NOW = 1_700_000_000 * 10**9  # nanoseconds
EMPTY_TREE = KnownTree({}, (), lambda _: {})


def put(path: Path | str | bytes, text: str = "some text", mtime: int = LONG_AGO) -> None:
    """Write a file that is old enough not to be racy."""
    path = os.fsencode(path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(text.encode())
    os.utime(path, (mtime, mtime))


class Memory:
    """What the ledger would remember."""

    def __init__(self, root: Path | str, **options: Any) -> None:
        self.root = root
        self.options = options
        self.files: dict[str, dict[str, KnownFile]] = {}
        self.signatures: dict[str, tuple[bytes, int]] = {}
        self.asked: list[str] = []

    def tree(self) -> KnownTree:
        def files(rel: str) -> dict[str, KnownFile]:
            self.asked.append(rel)
            return self.files.get(rel, {})

        return KnownTree(self.signatures, [rel for rel, known in self.files.items() if known], files)

    def scan(self, rules: Rules | None = None, **more: Any) -> ScanResult:
        self.asked = []
        options: dict[str, Any] = {
            "salt": b"salt",
            "settings_of": lambda path: "settings",
            "max_size": 1000,
            "now_ns": lambda: NOW,
            **self.options,
            **more,
        }
        return scan("src", str(self.root), rules or Rules.compile((), (), SUFFIXES), self.tree(), **options)

    def learn(self, result: ScanResult, *, at_rest: bool = True) -> None:
        """Finish all the work that a scan found."""
        for snapshot in result.changed:
            directory, _, name = snapshot.disk_name.rpartition("/")
            hashed = complete(result.resolved, snapshot)
            assert hashed is not None
            self.files.setdefault(directory, {})[name] = KnownFile(
                hashed.size, -1 if hashed.racy else hashed.mtime_ns, hashed.inode, hashed.sha256, at_rest
            )
        for path in result.missing:
            directory, _, name = path.rpartition("/")
            del self.files[directory][name]
        for rel, signature in result.signatures.items():
            if all(known.at_rest for known in self.files.get(rel, {}).values()):
                self.signatures[rel] = signature
            else:
                self.signatures.pop(rel, None)

    def settle(self, rules: Rules | None = None, **more: Any) -> ScanResult:
        """Scan and learn; scan again and check that nothing is left, that nothing was compared."""
        result = self.scan(rules, **more)
        self.learn(result)
        again = self.scan(rules, **more)
        assert not again.changed
        assert not again.missing
        assert again.in_scope == sum(map(len, self.files.values()))
        return result


def names(result: ScanResult) -> list[str]:
    return [snapshot.disk_name for snapshot in result.changed]


def by_path(result: ScanResult) -> dict[str, FileSnapshot]:
    paths = {snapshot.key.path: snapshot for snapshot in result.changed}
    assert len(paths) == len(result.changed), "two documents share one key"
    return paths


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name in ("a.md", "b.txt", "one/c.md", "one/d.md", "one/two/e.md", "three/f.pdf"):
        put(root / name, name)
    return root


# ---------------------------------------------------------------- the ordinary course


def test_an_unknown_tree_is_all_new(tree: Path) -> None:
    """Each document becomes a snapshot with its stat and settings and without a hash."""
    result = Memory(tree).scan()
    assert names(result) == ["a.md", "b.txt", "one/c.md", "one/d.md", "one/two/e.md", "three/f.pdf"]
    status = os.stat(tree / "one/c.md")
    assert result.changed[2] == FileSnapshot(
        DocumentKey("src", "one/c.md"), "one/c.md", 8, LONG_AGO * 10**9, status.st_ino, settings="settings"
    )
    assert (result.in_scope, result.directories, result.root) == (6, 4, RootState.OK)
    assert (result.device, result.inode) == (os.stat(tree).st_dev, os.stat(tree).st_ino)
    assert result.resolved == os.path.realpath(tree)
    assert {rel: number for rel, (_, number) in result.signatures.items()} == {
        "": 2,
        "one": 2,
        "one/two": 1,
        "three": 1,
    }
    assert (result.started_ns, result.finished_ns, result.stopped) == (NOW, NOW, False)


def test_an_unchanged_tree_asks_nothing(tree: Path) -> None:
    """Where the signature is equal the ledger is not asked for files, no setting is looked up, nothing is stored."""
    memory = Memory(tree)
    memory.settle()

    def never(path: str) -> str:
        raise AssertionError(path)

    result = memory.scan(settings_of=never)
    assert memory.asked == []
    assert (result.changed, result.missing, result.signatures, result.unreadable) == ([], [], {}, [])
    assert (result.in_scope, result.directories, result.root) == (6, 4, RootState.OK)


@pytest.mark.parametrize(
    ("change", "changed", "missing"),
    [
        (lambda root: put(root / "one/c.md", "longer than before"), ["one/c.md"], []),
        (lambda root: os.utime(root / "one/c.md", (LONG_AGO + 9, LONG_AGO + 9)), ["one/c.md"], []),
        (lambda root: put(root / "one/new.md"), ["one/new.md"], []),
        (lambda root: put(root / "one/new/g.md"), ["one/new/g.md"], []),
        (lambda root: os.remove(root / "one/c.md"), [], ["one/c.md"]),
        (lambda root: os.rename(root / "one/c.md", root / "one/z.md"), ["one/z.md"], ["one/c.md"]),
        (lambda root: os.rename(root / "one/c.md", root / "three/c.md"), ["three/c.md"], ["one/c.md"]),
        (
            lambda root: os.rename(root / "one", root / "uno"),
            ["uno/c.md", "uno/d.md", "uno/two/e.md"],
            ["one/c.md", "one/d.md", "one/two/e.md"],
        ),
        (lambda root: os.rename(root / "one/two", root / "one/.two"), [], ["one/two/e.md"]),
        (lambda root: put(root / "one/picture.png"), [], []),
        (lambda root: os.chmod(root / "one/c.md", 0o600), [], []),
    ],
)
def test_changes_are_seen(tree: Path, change: Callable[[Path], None], changed: list[str], missing: list[str]) -> None:
    """Each kind of change is reported, for what it touches and nothing else; learned, it is no change any more."""
    memory = Memory(tree)
    memory.settle()
    change(tree)
    result = memory.settle()
    assert (names(result), result.missing) == (changed, missing)


def test_equal_size_and_time_with_another_inode_is_a_change(tree: Path) -> None:
    """A file put in place of another with its time restored does not pass for the old one."""
    memory = Memory(tree)
    memory.settle()
    put(tree / "one/other", "one/C.md")
    os.replace(tree / "one/other", tree / "one/c.md")
    result = memory.settle()
    assert names(result) == ["one/c.md"]
    assert result.changed[0].sha256 == ""


def test_two_files_that_swap_names_are_both_changed(tree: Path) -> None:
    """Equal sizes and times: the inodes tell."""
    memory = Memory(tree)
    memory.settle()
    os.rename(tree / "one/c.md", tree / "one/x.md")
    os.rename(tree / "one/d.md", tree / "one/c.md")
    os.rename(tree / "one/x.md", tree / "one/d.md")
    assert names(memory.settle()) == ["one/c.md", "one/d.md"]


def test_what_is_not_at_rest_is_reported_with_the_hash_that_is_known(tree: Path) -> None:
    """An unfinished document comes again in each scan, and its unchanged file is not hashed again."""
    memory = Memory(tree)
    memory.learn(memory.scan(), at_rest=False)
    result = memory.scan()
    assert len(result.changed) == 6
    assert result.changed[0].sha256 == hashlib.sha256(b"a.md").hexdigest()
    put(tree / "a.md", "other")
    assert memory.scan().changed[0].sha256 == ""


def test_a_file_that_was_never_hashed_is_reported_though_it_rests(tree: Path) -> None:
    """What kept it from being read (a mode, a collision, a limit) may be over."""
    memory = Memory(tree)
    memory.settle()
    memory.files[""]["a.md"] = replace(memory.files[""]["a.md"], sha256="")
    assert names(memory.scan(inspect=frozenset({""}))) == ["a.md"]


def test_a_file_whose_mode_changed_makes_its_directory_be_looked_into(tree: Path) -> None:
    """An unreadable file that becomes readable has the same size and mtime."""
    memory = Memory(tree)
    memory.settle()
    memory.files[""]["a.md"] = replace(memory.files[""]["a.md"], sha256="")
    assert names(memory.scan()) == []
    os.chmod(tree / "a.md", 0o640)
    assert names(memory.scan()) == ["a.md"]


def test_inspect_looks_into_a_directory_with_an_equal_signature(tree: Path) -> None:
    """Only the named directory is looked into, not those below it."""
    memory = Memory(tree)
    memory.settle()
    memory.files["one"]["d.md"] = replace(memory.files["one"]["d.md"], at_rest=False)
    result = memory.scan(inspect=frozenset({"one", "no/such"}))
    assert memory.asked == ["one"]
    assert names(result) == ["one/d.md"]


def test_what_is_missing_is_said_as_long_as_it_is_known(tree: Path) -> None:
    """A held deletion is seen in every scan: a directory with something missing gets no signature."""
    memory = Memory(tree)
    memory.settle()
    os.remove(tree / "one/c.md")
    for _ in range(2):
        result = memory.scan()
        assert result.missing == ["one/c.md"]
        assert "one" not in result.signatures
        memory.signatures.update(result.signatures)


@pytest.mark.parametrize(
    "options",
    [{"salt": b"other"}, {"max_size": 999}, {"rules": Rules.compile((), ("nothing",), SUFFIXES)}],
)
def test_another_meaning_makes_every_directory_be_looked_into(tree: Path, options: dict[str, Any]) -> None:
    """Salt, size limit and rules are part of each signature."""
    memory = Memory(tree)
    memory.settle()
    result = memory.scan(**options)
    assert sorted(memory.asked) == ["", "one", "one/two", "three"]
    assert result.changed == []


def test_file_and_directory_may_change_places(tree: Path) -> None:
    """A directory where a file was, and a file where a directory was: the old is missing, the new is there."""
    memory = Memory(tree)
    memory.settle()
    os.remove(tree / "a.md")
    put(tree / "a.md" / "inner.md")
    for name in ("c.md", "d.md", "two/e.md"):
        os.remove(tree / "one" / name)
    os.rmdir(tree / "one/two")
    os.rmdir(tree / "one")
    put(tree / "one", "a file without suffix")
    result = memory.settle()
    assert names(result) == ["a.md/inner.md"]
    assert result.missing == ["a.md", "one/c.md", "one/d.md", "one/two/e.md"]
    assert result.skipped["unsupported"] == 1


# ---------------------------------------------------------------- names


ODD = [
    "100%25 #1?.md",
    "line\nbreak.md",
    "tab\t.md",
    "🦄 emoji.md",
    "日本語.md",
    "back\\slash.md",
    " space .md",
    "-rf.md",
]


def test_odd_names_are_ordinary(tmp_path: Path) -> None:
    """Whatever the file system takes and UTF-8 knows is a document's name, in files and in folders."""
    odd = [*ODD, "é" * 126 + ".md", "x" * 252 + ".md"]
    for name in odd:
        put(tmp_path / name)
        put(tmp_path / ("d" + name[:-3]) / name)
    result = Memory(tmp_path).settle()
    assert sorted(by_path(result)) == sorted([*odd, *("d" + name[:-3] + "/" + name for name in odd)])
    assert all(snapshot.problem is None and snapshot.key.path == snapshot.disk_name for snapshot in result.changed)


def test_a_decomposed_name_is_one_document_under_its_composed_name(tmp_path: Path) -> None:
    """The key is NFC; the disk's own spelling is kept to open the file."""
    put(tmp_path / "cafe\u0301" / "re\u0301sume\u0301.md")
    snapshot = Memory(tmp_path).settle().changed[0]
    assert snapshot.key.path == "caf\u00e9/r\u00e9sum\u00e9.md"
    assert snapshot.disk_name == "cafe\u0301/re\u0301sume\u0301.md"
    assert snapshot.problem is None


def test_of_names_that_collide_the_first_in_byte_order_wins(tmp_path: Path) -> None:
    """The other is quarantined under a key of its own, so that both can be told apart."""
    put(tmp_path / "caf\u00e9.md", "composed")
    put(tmp_path / "cafe\u0301.md", "decomposed")
    found = by_path(Memory(tmp_path).settle())
    assert set(found) == {"caf\u00e9.md", "caf\\xc3\\xa9.md"}
    assert found["caf\u00e9.md"].disk_name == "cafe\u0301.md"
    assert found["caf\u00e9.md"].problem is None
    lost = found["caf\\xc3\\xa9.md"]
    assert (lost.disk_name, lost.problem) == ("caf\u00e9.md", Problem.NAME_COLLISION)
    assert "caf\u00e9.md" in lost.message


def test_the_loser_of_a_collision_is_healed_when_the_winner_goes(tmp_path: Path) -> None:
    """Its file did not change, but its name is free now."""
    put(tmp_path / "caf\u00e9.md", "composed")
    memory = Memory(tmp_path)
    memory.settle()
    put(tmp_path / "cafe\u0301.md", "decomposed")
    result = memory.settle()
    assert by_path(result)["caf\\xc3\\xa9.md"].problem is Problem.NAME_COLLISION
    os.remove(tmp_path / "cafe\u0301.md")
    snapshot = by_path(memory.settle())["caf\u00e9.md"]
    assert (snapshot.disk_name, snapshot.problem, snapshot.sha256) == ("caf\u00e9.md", None, "")


def test_an_ignored_file_wins_no_name(tmp_path: Path) -> None:
    """Only documents collide."""
    put(tmp_path / "old" / "x.md")
    put(tmp_path / "caf\u00e9.md")
    put(tmp_path / "cafe\u0301.md")
    rules = Rules.compile(("**/caf\u00e9.md",), (), SUFFIXES)
    assert [s.problem for s in Memory(tmp_path).scan(rules).changed] == [None, Problem.NAME_COLLISION]
    put(tmp_path / "K.txt")
    put(tmp_path / "\u212a.md")  # the Kelvin sign is a K after NFC
    assert by_path(Memory(tmp_path).scan())["K.md"].disk_name == "\u212a.md"


def test_ascii_wins_over_what_becomes_ascii(tmp_path: Path) -> None:
    """The Kelvin sign is a K after NFC."""
    put(tmp_path / "\u212a.md", "kelvin")
    put(tmp_path / "K.md", "ascii")
    found = by_path(Memory(tmp_path).settle())
    assert found["K.md"].disk_name == "K.md"
    assert found["\\xe2\\x84\\xaa.md"].problem is Problem.NAME_COLLISION


def test_folders_that_collide_quarantine_what_is_in_the_second(tmp_path: Path) -> None:
    """All of it, with a reason; and all of it is healed when the first folder goes, though no file changed."""
    put(tmp_path / "caf\u00e9" / "deep" / "a.md", "composed")
    put(tmp_path / "cafe\u0301" / "deep" / "a.md", "decomposed")
    memory = Memory(tmp_path)
    found = by_path(memory.settle())
    assert set(found) == {"caf\u00e9/deep/a.md", "caf\\xc3\\xa9/deep/a.md"}
    lost = found["caf\\xc3\\xa9/deep/a.md"]
    assert (lost.disk_name, lost.problem) == ("caf\u00e9/deep/a.md", Problem.NAME_COLLISION)
    assert "folder" in lost.message
    os.remove(tmp_path / "cafe\u0301/deep/a.md")
    os.rmdir(tmp_path / "cafe\u0301/deep")
    os.rmdir(tmp_path / "cafe\u0301")
    healed = by_path(memory.settle())["caf\u00e9/deep/a.md"]
    assert (healed.disk_name, healed.problem) == ("caf\u00e9/deep/a.md", None)


def test_a_name_that_is_not_utf8_is_quarantined_under_a_readable_key(tmp_path: Path) -> None:
    """In a file's name or a folder's; a file that really has the escaped name keeps it."""
    root = os.fsencode(tmp_path)
    put(root + b"/caf\xe9.md")
    put(root + b"/b\xfc/\xc3\xa9.md")
    memory = Memory(tmp_path)
    found = by_path(memory.settle())
    assert set(found) == {"caf\\xe9.md", "b\\xfc/é.md"}
    for snapshot in found.values():
        assert snapshot.problem is Problem.NAME_COLLISION
        assert "not UTF-8" in snapshot.message
        snapshot.message.encode()
        snapshot.key.path.encode()
    assert os.fsencode(found["caf\\xe9.md"].disk_name) == b"caf\xe9.md"
    put(tmp_path / "caf\\xe9.md", "the real one")
    found = by_path(Memory(tmp_path).settle())
    assert found["caf\\xe9.md"].problem is None
    assert found["caf\\xe9.md\\"].problem is Problem.NAME_COLLISION


def test_spelling_never_gives_one_name_twice() -> None:
    """For any set of siblings the names in paths are distinct, and the winner is the first in byte order."""
    dice = random.Random(5)
    parts = [b"e\xcc\x81", b"\xc3\xa9", b"K", b"\xe2\x84\xaa", b"\xe9", b"\\xe9", b"a", b"\\"]
    for _ in range(500):
        siblings = {os.fsdecode(b"".join(dice.choices(parts, k=dice.randint(1, 3)))) for _ in range(8)}
        spelled = listing.spell(siblings, "file")
        final = {name: spelled.get(name, (name, ""))[0] for name in siblings}
        assert len(set(final.values())) == len(siblings)
        for name, (path, trouble) in spelled.items():
            path.encode()
            if not trouble:
                rivals = [other for other in siblings if final[other] == path or _nfc(other) == path]
                assert min(rivals, key=os.fsencode) == name


def _nfc(name: str) -> str:
    import unicodedata

    return unicodedata.normalize("NFC", name)


# ---------------------------------------------------------------- what is no document, or cannot be one


def test_empty_and_too_large_files_are_documents_with_a_problem(tmp_path: Path) -> None:
    """They are counted, named and not hashed; the limit itself is allowed."""
    put(tmp_path / "empty.md", "")
    put(tmp_path / "limit.md", "x" * 1000)
    put(tmp_path / "large.md", "x" * 1001)
    memory = Memory(tmp_path)
    result = memory.settle()
    found = by_path(result)
    assert result.in_scope == 3
    assert found["empty.md"].problem is Problem.EMPTY
    assert found["limit.md"].problem is None
    assert found["large.md"].problem is Problem.TOO_LARGE
    assert "1001" in found["large.md"].message
    assert "1000" in found["large.md"].message
    assert complete(str(tmp_path), found["large.md"]) is found["large.md"]
    assert names(memory.settle(max_size=2000)) == ["large.md"], "a raised limit frees it"
    assert [s.problem for s in memory.settle(max_size=1000).changed] == [Problem.TOO_LARGE]


def test_an_unsupported_file_is_a_document_only_by_wish(tmp_path: Path) -> None:
    """Named by an include it is quarantined; else it is passed over and counted."""
    put(tmp_path / "a.png")
    put(tmp_path / "a.md")
    result = Memory(tmp_path).settle()
    assert names(result) == ["a.md"]
    assert result.skipped == {"unsupported": 1}
    result = Memory(tmp_path).settle(Rules.compile(("**/*.png",), (), SUFFIXES))
    assert by_path(result)["a.png"].problem is Problem.UNSUPPORTED
    assert result.skipped == {"not-included": 1}


def test_ignored_names_are_passed_over(tmp_path: Path) -> None:
    """Dot files, lock files and dot directories are no documents, and ignored directories are not entered."""
    for name in (".a.md", "~$b.md", "c.md~", ".git/d.md", "drafts/e.md", "f.md"):
        put(tmp_path / name)
    result = Memory(tmp_path).settle(Rules.compile((), ("drafts/",), SUFFIXES))
    assert names(result) == ["f.md"]
    assert result.skipped == {"ignored": 5}
    assert result.directories == 1


def test_a_directory_that_is_ignored_now_takes_its_documents_out_of_scope(tree: Path) -> None:
    """They are missing, all the way down (the firewall then asks a person)."""
    memory = Memory(tree)
    memory.settle()
    result = memory.scan(Rules.compile((), ("one/",), SUFFIXES))
    assert result.missing == ["one/c.md", "one/d.md", "one/two/e.md"]
    assert (result.in_scope, result.unreadable) == (3, [])


def test_pipes_sockets_and_devices_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that is no regular file is opened, whatever its name."""
    os.mkfifo(tmp_path / "pipe.md")
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.md")
        os.symlink("pipe.md", tmp_path / "link.md")
        put(tmp_path / "a.md")
        result = Memory(tmp_path).settle()
    assert names(result) == ["a.md"]
    assert result.skipped == {"special": 2, "symlink": 1}


# ---------------------------------------------------------------- symbolic links


def test_links_are_followed_inside_the_root_only(tmp_path: Path) -> None:
    """Inside: a document with the stat of its target. Outside, dangling, looping, or to a directory: none."""
    root = tmp_path / "root"
    put(tmp_path / "outside.md", "secret")
    put(tmp_path / "root-2" / "twin.md", "a sibling whose name begins like the root's")
    put(root / ".data" / "target.md", "the target")
    put(root / "real" / "a.md")
    links = {
        "in.md": ".data/target.md",
        "chain.md": "in.md",
        "absolute.md": str(root / ".data/target.md"),
        "out.md": "../outside.md",
        "twin.md": "../root-2/twin.md",
        "back.md": "../root/../outside.md",
        "gone.md": "nowhere.md",
        "loop.md": "loop.md",
        "folder": "real",
        "up": "..",
        "self": ".",
        "folder.md": "real",
    }
    for name, target in links.items():
        os.symlink(target, root / name)
    result = Memory(root).settle()
    assert names(result) == ["absolute.md", "chain.md", "in.md", "real/a.md"]
    assert result.skipped["symlink"] == 9
    status = os.stat(root / ".data/target.md")
    assert [(s.size, s.inode) for s in result.changed[:3]] == [(10, status.st_ino)] * 3
    hashed = complete(str(root), result.changed[1])
    assert hashed is not None
    assert hashed.sha256 == hashlib.sha256(b"the target").hexdigest()


def test_a_link_is_changed_when_its_target_is(tmp_path: Path) -> None:
    """By its content, by pointing elsewhere (as Kubernetes publishes), by leaving the root, by dangling."""
    put(tmp_path / "outside.md", "other")
    root = tmp_path / "root"
    for version in ("..v1", "..v2"):
        put(root / version / "a.md", version)
    os.symlink("..v1", root / "..data")
    os.symlink("..data/a.md", root / "a.md")
    memory = Memory(root)
    memory.settle()
    put(root / "..v1/a.md", "changed")
    assert names(memory.settle()) == ["a.md"]
    os.symlink("..v2", root / "..tmp")
    os.rename(root / "..tmp", root / "..data")
    assert names(memory.settle()) == ["a.md"]
    os.remove(root / "a.md")
    os.symlink("../outside.md", root / "a.md")
    assert memory.scan().missing == ["a.md"]
    os.remove(root / "a.md")
    os.symlink("nowhere", root / "a.md")
    assert memory.scan().missing == ["a.md"]


def test_a_link_to_what_cannot_be_looked_at_inside_is_not_missing(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target inside the root that gives an error makes its directory unreadable; one outside is passed over."""
    os.symlink("../a.md", tree / "one/link.md")
    os.symlink("/proc/1/root/x", tree / "three/link.md")
    memory = Memory(tree)
    memory.settle()
    real = os.stat

    def stat(path: Any, **options: Any) -> os.stat_result:
        if path == "link.md" and options.get("dir_fd") is not None:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, **options)

    monkeypatch.setattr(os, "stat", stat)
    result = memory.scan()
    assert result.unreadable == [("one", "Permission denied")]
    assert result.missing == []


def test_a_link_inside_that_cannot_be_read_makes_its_directory_unreadable(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The directory was listed, but whether the link leads outside cannot be told."""
    os.symlink("../a.md", tree / "one/link.md")
    memory = Memory(tree)
    memory.settle()
    os.utime(tree / "one/c.md", (5, 5))
    real = os.readlink

    def readlink(path: Any, **options: Any) -> Any:
        if os.path.isabs(path) and path.endswith("link.md"):
            raise OSError(errno.EIO, "Input/output error", path)
        return real(path, **options)

    monkeypatch.setattr(os, "readlink", readlink)
    result = memory.scan()
    assert result.unreadable == [("one", "Input/output error")]
    assert (result.missing, result.changed) == ([], [])


def test_the_root_may_be_a_link_and_is_resolved_in_each_scan(tmp_path: Path) -> None:
    """A deployment that flips a link is a change of the tree, seen in the next scan."""
    for version in ("v1", "v2"):
        put(tmp_path / version / "a.md", version)
    put(tmp_path / "v2" / "b.md")
    link = tmp_path / "current"
    os.symlink("v1", link)
    memory = Memory(link)
    assert memory.settle().resolved == os.path.realpath(tmp_path / "v1")
    os.remove(link)
    os.symlink("v2", link)
    result = memory.settle()
    assert (names(result), result.missing) == (["a.md", "b.md"], [])
    assert result.inode == os.stat(tmp_path / "v2").st_ino


def test_a_directory_replaced_by_a_link_during_the_scan_is_not_followed(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between listing and opening: nothing outside is read, and what was known there is not called missing."""
    memory = Memory(tree)
    memory.settle()
    put(tree.parent / "elsewhere" / "c.md", "secret")
    real = os.open

    def swap(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        if path == "one" and os.path.isdir(tree / "one") and not os.path.islink(tree / "one"):
            os.rename(tree / "one", tree.parent / "moved")
            os.symlink("../elsewhere", tree / "one")
        return real(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", swap)
    result = memory.scan()
    assert [path for path, _ in result.unreadable] == ["one"]
    assert (result.changed, result.missing) == ([], [])


# ---------------------------------------------------------------- .syncdignore


def test_ignore_files_count_below_their_directory(tree: Path) -> None:
    """Nested ones add up, the deeper one wins, and the file itself is no document."""
    put(tree / ".syncdignore", "c.md\n*.pdf\n")
    put(tree / "one/two/.syncdignore", "!c.md\n")
    put(tree / "one/two/c.md")
    assert names(Memory(tree).settle()) == ["a.md", "b.txt", "one/d.md", "one/two/c.md", "one/two/e.md"]


def test_a_changed_ignore_file_reaches_every_directory_below(tree: Path) -> None:
    """Added, changed, removed: the directories below have another signature though nothing in them changed."""
    memory = Memory(tree)
    memory.settle()
    put(tree / "one/.syncdignore", "e.md\n")
    assert memory.settle().missing == ["one/two/e.md"]
    put(tree / "one/.syncdignore", "d.md\n")
    result = memory.settle()
    assert (names(result), result.missing) == (["one/two/e.md"], ["one/d.md"])
    os.remove(tree / "one/.syncdignore")
    assert names(memory.settle()) == ["one/d.md"]


def test_an_ignore_file_with_restored_stat_is_read_all_the_same(tree: Path) -> None:
    """Its content counts, not its stat."""
    put(tree / "one/.syncdignore", "c.md\n")
    memory = Memory(tree)
    memory.settle()
    with open(tree / "one/.syncdignore", "r+b") as file:
        file.write(b"d")
    os.utime(tree / "one/.syncdignore", (LONG_AGO, LONG_AGO))
    result = memory.settle()
    assert (names(result), result.missing) == (["one/c.md"], ["one/d.md"])


BAD_IGNORE_FILES = {
    "pattern": "one/.syncdignore:2: the pattern '[z-a]' is malformed: the range \"z-a\" is empty",
    "wildcards": f"one/.syncdignore:3: the pattern '{'*a' * 20}'… has 33 wildcards; the most is 32",
    "outside": "one/.syncdignore cannot be used: it is a link that leads out of the source",
    "dangling": "one/.syncdignore cannot be used: it is a link to nothing",
    "folder": "one/.syncdignore cannot be used: it is no file but a folder",
    "pipe": "one/.syncdignore cannot be used: it is no file but a pipe",
    "own folder": "one/.syncdignore cannot be used: it is no file but a folder",
    "large": "one/.syncdignore cannot be used: it has 1048577 bytes; the most is 1048576",
    "binary": "one/.syncdignore cannot be used: it is no UTF-8, line 2: save it as UTF-8",
}


@pytest.mark.parametrize("how", BAD_IGNORE_FILES)
def test_an_ignore_file_that_cannot_be_used_stops_its_directory(tree: Path, how: str) -> None:
    """Not to know what to ignore publishes nothing and deletes nothing, and says so."""
    memory = Memory(tree)
    memory.settle()
    bad = tree / "one/.syncdignore"
    if how == "pattern":
        put(bad, "x\n[z-a]\n")
    elif how == "wildcards":
        put(bad, "x\n# *\n" + "*a" * 33)
    elif how == "large":
        put(bad, "x" * (1 << 20) + "\n")
    elif how == "pipe":
        os.mkfifo(bad)
    elif how == "own folder":
        bad.mkdir()
    elif how == "binary":
        put(bad, "x\ny\0z")
    else:
        put(tree.parent / "rules", "c.md\n")
        put(tree / ".rules/a.md")
        os.symlink({"outside": "../../rules", "dangling": "nowhere", "folder": "../.rules"}[how], bad)
    put(tree / "one/new.md")
    result = memory.scan()
    assert [("one", BAD_IGNORE_FILES[how])] == result.unreadable
    assert (result.changed, result.missing, result.root) == ([], [], RootState.OK)


def test_an_ignore_file_may_be_a_link_inside(tree: Path) -> None:
    """As Kubernetes publishes all files of a volume."""
    put(tree / ".data/rules", "c.md\n")
    os.symlink("../.data/rules", tree / "one/.syncdignore")
    assert "one/c.md" not in names(Memory(tree).settle())


# ---------------------------------------------------------------- racy files


@pytest.mark.parametrize(("age_ns", "racy"), [(10**9, False), (10**9 - 1, True), (0, True), (-(10**15), True)])
def test_a_file_written_within_a_second_of_the_scan_proves_nothing(tmp_path: Path, age_ns: int, racy: bool) -> None:
    """It is marked, its directory gets no signature, and the next scan reports it again for hashing."""
    put(tmp_path / "a.md")
    put(tmp_path / "other" / "b.md")
    os.utime(tmp_path / "a.md", ns=(NOW - age_ns, NOW - age_ns))
    memory = Memory(tmp_path)
    result = memory.scan()
    assert by_path(result)["a.md"].racy is racy
    assert set(result.signatures) == ({"other"} if racy else {"", "other"})
    memory.learn(result)
    later = memory.scan(now_ns=lambda: NOW + 10**10)
    if racy:
        assert names(later) == ["a.md"]
        assert later.changed[0].sha256 == ""
        assert later.changed[0].racy is (age_ns < -(10**10))
    else:
        assert later.changed == []


def test_a_racy_file_that_is_no_document_does_not_matter(tmp_path: Path) -> None:
    """A log that is written all the time does not keep its directory from having a signature."""
    put(tmp_path / "a.md")
    put(tmp_path / "live.log")
    os.utime(tmp_path / "live.log", ns=(NOW, NOW))
    assert set(Memory(tmp_path).scan().signatures) == {""}


def test_a_same_size_write_within_the_grain_is_caught_by_the_next_scan(tmp_path: Path) -> None:
    """The case that the rule is for: same size, same mtime, same inode, other content."""
    put(tmp_path / "a.md", "old")
    os.utime(tmp_path / "a.md", ns=(NOW, NOW))
    memory = Memory(tmp_path)
    memory.learn(memory.scan())
    with open(tmp_path / "a.md", "r+b") as file:
        file.write(b"new")
    os.utime(tmp_path / "a.md", ns=(NOW, NOW))
    result = memory.scan(now_ns=lambda: NOW + 5 * 10**9)
    assert names(result) == ["a.md"]
    hashed = complete(str(tmp_path), result.changed[0])
    assert hashed is not None
    assert hashed.sha256 == hashlib.sha256(b"new").hexdigest()


def test_a_clock_that_was_set_back_trusts_no_file_that_seems_new(tmp_path: Path) -> None:
    """What is known of a file counts for nothing while its time says that it is being written."""
    put(tmp_path / "a.md")
    memory = Memory(tmp_path)
    memory.settle()
    result = memory.scan(now_ns=lambda: LONG_AGO * 10**9, inspect=frozenset({""}))
    assert [(s.disk_name, s.racy, s.sha256) for s in result.changed] == [("a.md", True, "")]


def test_times_before_1970_are_times(tmp_path: Path) -> None:
    """Some archives carry them."""
    put(tmp_path / "a.md", mtime=-5)
    memory = Memory(tmp_path)
    assert memory.settle().changed[0].mtime_ns == -5 * 10**9
    os.utime(tmp_path / "a.md", (-4, -4))
    assert names(memory.settle()) == ["a.md"]


# ---------------------------------------------------------------- the root, and what cannot be read


@pytest.mark.parametrize("how", ["absent", "file", "dangling", "loop", "below-file"])
def test_a_root_that_is_not_there_is_missing(tree: Path, how: str) -> None:
    """Absent or no directory: a state, not an error, and no document is called missing."""
    memory = Memory(tree)
    memory.settle()
    place = tree.parent / "place"
    if how == "file":
        put(place)
    elif how == "below-file":
        put(place)
        place = place / "root"
    elif how != "absent":
        os.symlink("place" if how == "loop" else "nowhere", place)
    memory.root = place
    result = memory.scan()
    assert result.root is RootState.MISSING
    assert (result.missing, result.changed, result.in_scope, result.directories) == ([], [], 0, 0)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.ESTALE, errno.ENOTCONN])
def test_a_root_that_cannot_be_opened_is_unreadable(tree: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """A sick mount is not an empty one."""
    memory = Memory(tree)
    memory.settle()
    refuse(monkeypatch, os.path.realpath(tree), code)
    result = memory.scan()
    assert result.root is RootState.UNREADABLE
    assert result.unreadable == [("", os.strerror(code))]
    assert result.missing == []


def test_a_root_that_cannot_be_resolved_is_unreadable(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some links, as those below /proc, give an error when they are read."""

    def realpath(path: str) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os.path, "realpath", realpath)
    result = Memory(tree).scan()
    assert (result.root, result.unreadable) == (RootState.UNREADABLE, [("", "Permission denied")])


def test_a_root_that_cannot_be_listed_is_unreadable(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It opened, and then the disk gave an error."""
    memory = Memory(tree)
    memory.settle()

    def scandir(fd: int) -> Any:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "scandir", scandir)
    result = memory.scan()
    assert result.root is RootState.UNREADABLE
    assert (result.missing, result.unreadable) == ([], [("", "Input/output error")])


def test_an_emptied_root_is_said_to_be_empty(tree: Path) -> None:
    """No file in scope while documents are known; a root that was always empty is fine."""
    memory = Memory(tree)
    assert Memory(tree.parent / "new").scan().root is RootState.MISSING
    os.mkdir(tree.parent / "new")
    assert Memory(tree.parent / "new").scan().root is RootState.OK
    memory.settle()
    os.rename(tree, tree.parent / "was")
    os.mkdir(tree)
    put(tree / "lost+found.png")
    result = memory.scan()
    assert result.root is RootState.EMPTY
    assert len(result.missing) == 6


def refuse(monkeypatch: pytest.MonkeyPatch, name: str, code: int) -> None:
    """Make opening ``name`` fail."""
    real = os.open

    def refusing(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        if path == name:
            raise OSError(code, os.strerror(code))
        return real(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", refusing)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.ENOENT])
def test_a_directory_that_cannot_be_opened_is_unreadable(
    tree: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """Its documents and those below are not missing, even if the error says "no such file" while lstat finds it."""
    memory = Memory(tree)
    memory.settle()
    put(tree / "a.md", "changed")
    refuse(monkeypatch, "one", code)
    result = memory.scan()
    assert result.unreadable == [("one", os.strerror(code))]
    assert (names(result), result.missing, result.root) == (["a.md"], [], RootState.OK)


def test_a_directory_that_gives_no_answer_at_all_is_unreadable(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gone is what lstat says is gone; an lstat that fails otherwise says nothing."""
    memory = Memory(tree)
    memory.settle()
    refuse(monkeypatch, "one", errno.ENOENT)
    real = os.lstat

    def lstat(path: Any, **options: Any) -> os.stat_result:
        if path == "one":
            raise OSError(errno.EIO, "Input/output error")
        return real(path, **options)

    monkeypatch.setattr(os, "lstat", lstat)
    result = memory.scan()
    assert [path for path, _ in result.unreadable] == ["one"]
    assert result.missing == []


def test_a_directory_that_cannot_be_read_to_its_end_is_unreadable(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a listing proves nothing: an error in the middle, or a file that gives no stat, spoils all of it."""
    memory = Memory(tree)
    memory.settle()
    real = os.scandir

    class Sick:
        def __init__(self, fd: int) -> None:
            self.entries = real(fd)

        def __enter__(self) -> Sick:
            return self

        def __exit__(self, *_: object) -> None:
            self.entries.close()

        def __iter__(self) -> Any:
            for number, entry in enumerate(self.entries):
                if entry.name in ("c.md", "d.md") and number > 0:
                    raise OSError(errno.ESTALE, "Stale file handle")
                yield entry

    monkeypatch.setattr(os, "scandir", Sick)
    result = memory.scan()
    assert result.unreadable == [("one", "Stale file handle")]
    assert (result.changed, result.missing) == ([], [])


def test_a_directory_without_search_permission_is_unreadable(tree: Path) -> None:
    """Real modes, as an ordinary user: not listable, and listable but not searchable."""
    memory = Memory(tree)
    memory.settle()
    for mode in (0o000, 0o444):
        os.chmod(tree / "one", mode)
        try:
            result = as_ordinary_user(tree, memory.scan)
        finally:
            os.chmod(tree / "one", 0o755)  # noqa: S103
        assert result.unreadable == [("one", "Permission denied")]
        assert (result.changed, result.missing, result.in_scope) == ([], [], 3)


def as_ordinary_user(tree: Path, work: Callable[[], Any]) -> Any:
    """Run ``work`` in a child without privileges, which the superuser's own eyes would miss."""
    if os.getuid() != 0:
        return work()
    for path in (tree, *list(tree.parents)[:-2]):
        os.chmod(path, os.stat(path).st_mode | 0o755)  # noqa: S103
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            os.write(send, pickle.dumps(work()))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(send)
    with open(receive, "rb") as file:
        data = file.read()
    os.waitpid(child, 0)
    return pickle.loads(data)  # noqa: S301 - our own child wrote it


def test_a_directory_that_vanishes_between_listing_and_opening_is_gone(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """lstat says so: its documents are missing (a second scan then has to agree)."""
    memory = Memory(tree)
    memory.settle()
    real = os.open

    def vanish(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        if path == "one" and (tree / "one").exists():
            os.rename(tree / "one", tree.parent / "away")
        return real(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", vanish)
    result = memory.scan()
    assert result.unreadable == []
    assert result.missing == ["one/c.md", "one/d.md", "one/two/e.md"]


def test_a_file_that_vanishes_between_listing_and_stat_is_missing(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no reason to distrust the rest of the directory."""
    memory = Memory(tree)
    memory.settle()
    real = os.scandir

    def scandir(fd: int) -> Any:
        entries = real(fd)
        if os.fstat(fd).st_ino == os.stat(tree / "one").st_ino and (tree / "one/c.md").exists():
            listed = list(entries)
            os.remove(tree / "one/c.md")
            return Listed(listed)
        return entries

    class Listed(list[Any]):
        def __enter__(self) -> Listed:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(os, "scandir", scandir)
    result = memory.scan()
    assert (result.missing, result.unreadable, names(result)) == (["one/c.md"], [], [])


def test_a_scan_that_is_stopped_calls_nothing_missing(tree: Path) -> None:
    """It says that it was stopped; what it did not see may well be there."""
    memory = Memory(tree)
    memory.settle()
    os.remove(tree / "a.md")
    for calls in range(4):
        left = iter([False] * calls)
        before = len(os.listdir("/proc/self/fd"))
        result = memory.scan(stop=lambda left=left: next(left, True))
        assert result.stopped
        assert result.missing == []
        assert result.root is RootState.OK
        assert len(os.listdir("/proc/self/fd")) == before
    assert memory.scan().missing == ["a.md"]


# ---------------------------------------------------------------- deep and wide


def make_deep(root: Path, depth: int) -> None:
    """Make a chain of directories longer than a path may be, with documents in and beside every hundredth."""
    root.mkdir()
    at = os.open(root, os.O_RDONLY)
    for level in range(depth):
        os.mkdir("deep", dir_fd=at)
        below = os.open("deep", os.O_RDONLY, dir_fd=at)
        if level % 100 == 0:
            os.mkdir("side", dir_fd=at)
            for name in ("a.md", "side/b.md"):
                fd = os.open(name, os.O_WRONLY | os.O_CREAT, dir_fd=at)
                os.write(fd, b"x")
                os.utime(fd, (LONG_AGO, LONG_AGO))
                os.close(fd)
        os.close(at)
        at = below
    os.close(at)


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """A place for a tree that is too deep for pytest's own clearing up."""
    yield tmp_path / "deep"
    subprocess.run(["rm", "-rf", str(tmp_path / "deep")], check=True)


def test_depth_costs_no_recursion_and_few_descriptors(deep: Path) -> None:
    """A tree deeper than Python recurses, with paths longer than PATH_MAX, is read with at most 64 directories open."""
    make_deep(deep, 1100)
    begin = len(os.listdir("/proc/self/fd"))
    most = 0

    def count() -> bool:
        nonlocal most
        most = max(most, len(os.listdir("/proc/self/fd")) - begin)
        return False

    memory = Memory(deep)
    result = memory.scan(stop=count)
    assert (result.in_scope, result.unreadable) == (22, [])
    assert most <= 64
    assert len(os.listdir("/proc/self/fd")) == begin
    hashed = complete(str(deep), max(result.changed, key=lambda snapshot: len(snapshot.disk_name)))
    assert hashed is not None
    assert hashed.sha256 == hashlib.sha256(b"x").hexdigest()
    memory.signatures = result.signatures
    assert memory.scan().changed == []


@pytest.mark.parametrize("move", [False, True])
def test_a_deep_directory_that_moves_during_the_scan_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, move: bool
) -> None:
    """Climbing back through ".." checks where it arrives; what was left to do is unreadable, not missing."""
    monkeypatch.setattr(scanning, "MAX_OPEN", 2)
    root = tmp_path / "root"
    documents = ["p/q/r/s/t/a.md", "p/q/x/b.md", "p/y/c.md"]
    for name in documents:
        put(root / name)
    put(tmp_path / "x" / "secret.md")  # a sibling of where the directory goes
    memory = Memory(root)
    memory.settle()
    real = listing.read

    def read(fd: int, *rest: Any) -> listing.Listing:
        seen = real(fd, *rest)
        # The longest way down first, so that something is left to do above.
        seen.directories.sort(key=lambda name: name in ("q", "r"))
        if move and seen.names == ["a.md"]:
            os.rename(root / "p/q/r", tmp_path / "r")
        return seen

    monkeypatch.setattr(listing, "read", read)
    result = memory.scan(salt=b"other")
    if move:
        assert sorted(path for path, _ in result.unreadable) == ["p/q/x", "p/y"]
        assert result.in_scope == 1
    else:
        assert (result.unreadable, result.in_scope) == ([], 3)
    assert (result.changed, result.missing) == ([], [])


def test_random_changes_are_seen_exactly(tmp_path: Path) -> None:
    """Whatever is done to a tree, what is reported is the difference between what was learned and what is there."""
    dice = random.Random(11)
    folders = ["", "a", "a/b", "a/b/c", "d", "d/é", "f.md"]
    memory = Memory(tmp_path / "root")
    root = tmp_path / "root"
    root.mkdir()
    model: dict[str, tuple[str, int]] = {}
    clock = LONG_AGO
    memory.learn(memory.scan())
    for _ in range(60):
        before = dict(model)
        for _ in range(dice.randint(1, 4)):
            path = "/".join(filter(None, (dice.choice(folders), dice.choice(["1.md", "2.md", "日.txt"]))))
            clock += 1
            if path in model and dice.random() < 0.4:
                os.remove(root / path)
                del model[path]
            else:
                text = "x" * dice.randint(1, 3)
                put(root / path, text, mtime=clock)
                model[path] = (text, clock)
        result = memory.scan()
        assert names(result) == sorted(path for path, what in model.items() if before.get(path) != what)
        assert result.missing == sorted(set(before) - set(model))
        assert result.in_scope == len(model)
        memory.learn(result)
        if not model:
            memory.files.clear()


# ---------------------------------------------------------------- one file: complete, restat


def first(root: Path) -> FileSnapshot:
    return Memory(root).scan().changed[0]


def test_complete_hashes_the_whole_file(tmp_path: Path) -> None:
    """Also one that is larger than one block."""
    data = random.Random(3).randbytes((1 << 20) * 2 + 17)
    (tmp_path / "a.md").write_bytes(data)
    os.utime(tmp_path / "a.md", (LONG_AGO, LONG_AGO))
    snapshot = Memory(tmp_path).scan(max_size=1 << 30).changed[0]
    assert complete(str(tmp_path), snapshot) == replace(snapshot, sha256=hashlib.sha256(data).hexdigest())


def test_complete_says_when_the_file_is_gone_or_no_file(tree: Path) -> None:
    """Removed, its directory removed, replaced by a pipe, a directory, or a link that leaves the root."""
    put(tree.parent / "outside.md")
    snapshot = first(tree)
    path = tree / "a.md"
    os.remove(path)
    assert complete(str(tree), snapshot) is None
    os.mkfifo(path)
    assert complete(str(tree), snapshot) is None
    os.remove(path)
    os.symlink("../outside.md", path)
    assert complete(str(tree), snapshot) is None
    os.remove(path)
    os.symlink("a.md", path)
    assert complete(str(tree), snapshot) is None
    os.remove(path)
    os.mkdir(path)
    assert complete(str(tree), snapshot) is None
    below = Memory(tree).scan().changed[1]
    assert below.disk_name == "one/c.md"
    os.rename(tree / "one", tree.parent / "outside")
    assert complete(str(tree), below) is None
    os.symlink("../outside", tree / "one")
    assert complete(str(tree), below) is None, "a folder that became a link out of the root was followed"


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO])
def test_complete_says_when_the_file_cannot_be_opened(tree: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """An error that is not absence is the document's problem, with the reason."""
    snapshot = first(tree)
    refuse(monkeypatch, "a.md", code)
    result = complete(str(tree), snapshot)
    assert result is not None
    assert (result.problem, result.sha256) == (Problem.UNREADABLE, "")
    assert (code == errno.EACCES) is ("the right to read it" in result.message)  # a remedy for rights alone
    assert os.strerror(code) in result.message


def test_complete_says_when_reading_fails(tree: Path) -> None:
    """In the middle of the file, too; the descriptor is closed."""
    snapshot = first(tree)
    before = len(os.listdir("/proc/self/fd"))

    def broken(fd: int) -> str:
        raise OSError(errno.EIO, "Input/output error")

    result = complete(str(tree), snapshot, broken)
    assert result is not None
    assert result.problem is Problem.UNREADABLE
    assert len(os.listdir("/proc/self/fd")) == before


def test_complete_takes_the_stat_that_belongs_to_the_hash(tree: Path) -> None:
    """Changed between scan and hash, or during it: hashed, marked racy, with the stat of what was read."""
    snapshot = first(tree)
    put(tree / "a.md", "changed since")
    result = complete(str(tree), snapshot)
    assert result is not None
    assert (result.racy, result.size) == (True, 13)
    assert result.sha256 == hashlib.sha256(b"changed since").hexdigest()

    snapshot = first(tree)

    def grow(fd: int) -> str:
        with open(tree / "a.md", "ab") as file:
            file.write(b"!")
        return "0"

    result = complete(str(tree), snapshot, grow)
    assert result is not None
    assert (result.racy, result.size) == (True, 14)

    put(tree / "a.md", "calm again")
    snapshot = first(tree)
    assert not snapshot.racy

    def touch(fd: int) -> str:
        time.sleep(0.02)  # the kernel's clock has a grain
        with open(tree / "a.md", "r+b") as file:
            file.write(b"C")
        os.utime(tree / "a.md", ns=(snapshot.mtime_ns, snapshot.mtime_ns))
        return "0"

    result = complete(str(tree), snapshot, touch)
    assert result is not None
    assert result.racy, "a write whose mtime was put back went unseen"

    snapshot = first(tree)
    put(tree / "a.md", "")
    result = complete(str(tree), snapshot)
    assert result is not None
    assert (result.problem, result.racy) == (Problem.EMPTY, True)


def test_complete_leaves_alone_what_needs_no_hash(tree: Path) -> None:
    """What has a hash or a problem is handed back as it is."""
    hashed = replace(first(tree), sha256="abc")
    assert complete("/no/such/root", hashed) is hashed
    trouble = replace(first(tree), problem=Problem.EMPTY)
    assert complete("/no/such/root", trouble) is trouble


def test_a_name_that_is_not_utf8_can_be_opened(tmp_path: Path) -> None:
    """Only its document's name is a problem, not the path."""
    put(os.fsencode(tmp_path) + b"/caf\xe9.md", "x")
    snapshot = replace(first(tmp_path), problem=None)
    result = complete(str(tmp_path), snapshot)
    assert result is not None
    assert result.sha256 == hashlib.sha256(b"x").hexdigest()


def test_restat_looks_again_without_reading(tree: Path) -> None:
    """The same object when nothing changed, a fresh one without a hash when something did, None when it is gone."""
    snapshot = replace(first(tree), sha256="abc")
    assert restat(str(tree), snapshot) is snapshot
    put(tree / "a.md", "longer than before")
    again = restat(str(tree), snapshot)
    assert again is not None
    assert (again.size, again.sha256, again.racy, again.key) == (18, "", True, snapshot.key)
    os.remove(tree / "a.md")
    assert restat(str(tree), snapshot) is None
    os.mkdir(tree / "a.md")
    assert restat(str(tree), snapshot) is None
