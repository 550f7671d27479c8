"""The door to a source's files: what it opens, what it refuses, and that no swap leads out of the root."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from syncd import convert, door
from syncd.door import FileAt, LeadsOutside, NotRegular, TooLarge
from syncd.errors import Permanent, SyncdError
from syncd.stream import ChangedWhileReading

INSIDE = b"# Inside\n\nwhat belongs to the source\n"
SECRET = b"# Secret\n\nwhat nobody may have\n"
TRIES = 3000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A source, and beside it what is none of its business."""
    root = tmp_path / "root"
    (root / "in").mkdir(parents=True)
    (root / "a.md").write_bytes(INSIDE)
    (root / "in/a.md").write_bytes(INSIDE)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/a.md").write_bytes(SECRET)
    (tmp_path / "secret").write_bytes(SECRET)
    return root


def test_files_are_read(root: Path) -> None:
    """As a whole, their beginning, in blocks, by a link inside, below a root that is a link itself."""
    os.symlink("in/a.md", root / "link.md")
    os.symlink("../a.md", root / "in/up.md")
    os.symlink(root, root.parent / "way")
    for top in (str(root), str(root) + "/", str(root.parent / "way")):
        for rel in ("a.md", "in/a.md", "link.md", "in/up.md"):
            assert INSIDE == door.read(FileAt(top, rel), len(INSIDE))
            assert len(INSIDE) == door.look(FileAt(top, rel)).st_size
    at = FileAt(str(root), "a.md")
    assert INSIDE[:5] == door.begin(at, 5)
    assert [INSIDE[:8], INSIDE[8:16]] == list(door.blocks(at, 100, 8))[:2]
    with door.binary(at) as file:
        assert INSIDE == file.read()
    assert INSIDE == door.read(FileAt.of(os.fsencode(root / "a.md")), 100)


@contextmanager
def things(root: Path) -> Iterator[dict[str, tuple[FileAt, type[OSError], str]]]:
    """What is no file of the source: place, error, and a piece of the reason."""
    os.mkfifo(root / "pipe")
    os.symlink("pipe", root / "to-pipe")
    os.symlink("../secret", root / "out")
    os.symlink(root.parent / "secret", root / "out-absolute")
    os.symlink("/dev/zero", root / "zero")
    os.symlink("nowhere", root / "dangling")
    os.symlink("loop", root / "loop")
    os.symlink("../outside", root / "folder")
    os.symlink("in", root / "folder-inside")
    os.symlink("folder/a.md", root / "through")
    with socket.socket(socket.AF_UNIX) as bound:
        here = os.open(root, os.O_RDONLY)
        bound.bind(f"/proc/self/fd/{here}/socket")  # the path may be too long for one
        os.close(here)
        yield {
            "pipe": (FileAt(str(root), "pipe"), NotRegular, "a pipe"),
            "link to a pipe": (FileAt(str(root), "to-pipe"), NotRegular, "a pipe"),
            "socket": (FileAt(str(root), "socket"), NotRegular, "a socket"),
            "device": (FileAt("/dev", "zero"), NotRegular, "a device"),
            "folder": (FileAt(str(root), "in"), NotRegular, "a folder"),
            "link out": (FileAt(str(root), "out"), LeadsOutside, "leads out"),
            "absolute link out": (FileAt(str(root), "out-absolute"), LeadsOutside, "leads out"),
            "link to a device": (FileAt(str(root), "zero"), LeadsOutside, "leads out"),
            "dangling": (FileAt(str(root), "dangling"), LeadsOutside, "to nothing"),
            "loop": (FileAt(str(root), "loop"), OSError, "symbolic links"),
            "folder that leads out": (FileAt(str(root), "folder/a.md"), NotADirectoryError, "directory"),
            "folder that is a link": (FileAt(str(root), "folder-inside/a.md"), NotADirectoryError, "directory"),
            "link through a folder": (FileAt(str(root), "through"), LeadsOutside, "leads out"),
            "gone": (FileAt(str(root), "gone/a.md"), FileNotFoundError, "No such file"),
            **{
                f"no path {rel!r}": (FileAt(str(root), rel), FileNotFoundError, "No such file")
                for rel in ("../secret", "in/../a.md", "/etc/passwd", "", ".", "..", "in//a.md", "a.md\0", "\ud800")
            },
        }


def test_what_is_no_file_of_the_source_is_refused_at_once(root: Path) -> None:
    """Nothing blocks, nothing outside is opened, and the reason is said; whoever waits at a pipe is not woken."""
    opens: list[Callable[[FileAt], object]] = [
        door.open_file, door.binary, lambda at: door.read(at, 10), lambda at: door.begin(at, 10),
        lambda at: list(door.blocks(at, 10)),
    ]  # fmt: skip
    with things(root) as all_of_them:
        for at, error, why in all_of_them.values():
            for open_it in opens:
                with pytest.raises(error) as caught:
                    open_it(at)
                assert why in (caught.value.strerror or "")
            assert isinstance(caught.value, NotRegular) or caught.value.errno in door.ABSENT


def test_no_descriptor_is_left_open(root: Path) -> None:
    """Whatever happens, all that was opened on the way is closed."""
    with things(root) as all_of_them:
        before = len(os.listdir("/proc/self/fd"))
        for at, *_ in [*all_of_them.values(), (FileAt(str(root), "in/a.md"),)]:
            for most in (1, 1000):
                try:
                    door.read(at, most)
                    door.look(at)
                except OSError:
                    pass
        assert before == len(os.listdir("/proc/self/fd"))


def test_documents_are_opened_through_it(root: Path) -> None:
    """Whoever prepares, foresees or extracts meets a refusal or the disk's error, and never a wait or a secret."""
    with things(root) as all_of_them:
        for at, error, _ in all_of_them.values():
            for path in ("a.md", "a.pdf", "a.xlsx"):
                with pytest.raises(Permanent if error is NotRegular else error):
                    convert.prepare(at, path=path, sha256="", encodings=("utf-8",), max_size=100, unique="")
                if error is NotRegular:
                    assert convert.extract_text(at, path=path, encodings=("utf-8",)).weak
                else:
                    with pytest.raises(error):
                        convert.extract_text(at, path=path, encodings=("utf-8",))


def test_sizes_are_bounds(root: Path) -> None:
    """3 GB of holes are refused by their size; files of /proc, which have none, after what may be read."""
    sparse = root / "sparse.toml"
    sparse.touch()
    os.truncate(sparse, 3 * 2**30)
    with pytest.raises(TooLarge, match="it has 3221225472 bytes; the most is 1000"):
        door.read(FileAt(str(root), "sparse.toml"), 1000)
    assert bytes(10) == door.begin(FileAt(str(root), "sparse.toml"), 10)
    unsized = FileAt("/proc/self", "status")
    assert 0 == door.look(unsized).st_size
    assert b"Name:" == door.read(unsized, 100_000)[:5]
    with pytest.raises(TooLarge, match="it has more than 50 bytes; the most is 50"):
        door.read(unsized, 50)
    assert 50 == len(door.begin(unsized, 50))
    with pytest.raises(TooLarge):
        door.read(FileAt(str(root), "a.md"), len(INSIDE) - 1)


def test_a_document_of_holes_costs_no_reading(root: Path) -> None:
    """What is larger than `max_size` is refused by its size."""
    (root / "b.md").touch()
    os.truncate(root / "b.md", 3 * 2**30)
    found = convert.extract_text(root / "b.md", path="b.md", encodings=("utf-8",), sha256="", max_size=2**20)  # type: ignore[arg-type]
    assert "The file has 3221225472 bytes, more than the 1048576 allowed." == found.weak


@contextmanager
def swapping(*steps: Callable[[], None]) -> Iterator[None]:
    """Somebody who does these things by turns, all the time."""
    stop = threading.Event()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # seconds; so that it has its turn between any two calls

    def swap() -> None:
        while not stop.is_set():
            for step in steps:
                step()

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)


def becomes(path: Path, make: Callable[[Path], object]) -> Callable[[], None]:
    """Put something else in the place of a file, in one move."""
    spare = path.parent / ".spare"

    def step() -> None:
        make(spare)
        os.rename(spare, path)

    return step


def swap_file(root: Path) -> list[Callable[[], None]]:
    """A document that is a file, a link to a secret, a pipe and nothing, by turns."""
    target = root / "in/a.md"
    return [
        becomes(target, lambda path: os.symlink("../../secret", path)),
        becomes(target, lambda path: path.write_bytes(INSIDE)),
        becomes(target, lambda path: os.symlink("../a.md", path)),
        becomes(target, os.mkfifo),
        becomes(target, lambda path: os.symlink("/dev/zero", path)),
        lambda: target.unlink(),
        becomes(target, lambda path: path.write_bytes(INSIDE)),
    ]


def swap_folder(root: Path) -> list[Callable[[], None]]:
    """A folder that is now and then a link to one outside, where a document of the same name is."""
    folder, aside = root / "in", root / "aside"

    def out() -> None:
        os.rename(folder, aside)
        os.symlink("../outside", folder)

    def back() -> None:
        os.unlink(folder)
        os.rename(aside, folder)

    return [out, back]


READS: dict[str, Callable[[FileAt], bytes]] = {
    "read": lambda at: door.read(at, 1000),
    "begin": lambda at: door.begin(at, 1000),
    "prepare": lambda at: b"".join(
        convert.prepare(
            at, path="a.md", sha256=sha256(INSIDE).hexdigest(), encodings=("utf-8",), max_size=1000, unique=""
        ).body.blocks()
    )[4:],  # without the mark and the line end
    "extract_text": lambda at: extracted(convert.extract_text(at, path="a.md", encodings=("utf-8",))),
}


def extracted(found: convert.Extract) -> bytes:
    if found.text is None:
        raise OSError(found.weak)
    return found.text.encode()


@pytest.mark.parametrize("swap", [swap_file, swap_folder])
@pytest.mark.parametrize("name", READS)
def test_no_swap_leads_out(root: Path, name: str, swap: Callable[[Path], list[Callable[[], None]]]) -> None:
    """However a file or a folder is swapped under the reader's eyes: its own text or a refusal, never a secret."""
    seen: Counter[bytes | str] = Counter()
    with swapping(*swap(root)):
        for tried in range(20 * TRIES):
            if tried >= TRIES and INSIDE in seen and len(seen) > 1:
                break
            try:
                seen[READS[name](FileAt(str(root), "in/a.md"))] += 1
            except (OSError, SyncdError) as error:
                seen[type(error).__name__] += 1
    assert {INSIDE} == {found for found in seen if isinstance(found, bytes)}, seen
    assert len(seen) > 1, "nothing was swapped meanwhile"


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda path: os.symlink("../../secret", path), LeadsOutside),
        (lambda path: os.symlink("/dev/zero", path), LeadsOutside),
        (lambda path: os.symlink("../a.md", path), INSIDE),
        (lambda path: os.symlink("nowhere", path), LeadsOutside),
        (os.mkfifo, NotRegular),
        (lambda path: path.mkdir(), NotRegular),
        (lambda path: None, FileNotFoundError),
    ],
)
def test_no_swap_between_two_calls_leads_out(
    root: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], object], found: bytes | type[OSError]
) -> None:
    """The file that was looked at a moment ago is something else when it is opened."""
    target, real = root / "in/a.md", os.stat

    def look(*args: Any, **given: Any) -> os.stat_result:
        status = real(*args, **given)
        if args[0] == "a.md" and target.is_file() and not target.is_symlink():
            target.unlink()
            make(target)
        return status

    monkeypatch.setattr(os, "stat", look)
    try:
        seen: bytes | type[OSError] = door.read(FileAt(str(root), "in/a.md"), 1000)
    except OSError as error:
        seen = type(error)
    monkeypatch.undo()
    assert found == seen


@pytest.mark.long
@pytest.mark.parametrize("swap", [swap_file, swap_folder])
def test_no_swap_leads_out_in_very_many_tries(root: Path, swap: Callable[[Path], list[Callable[[], None]]]) -> None:
    """The same 200 000 times; what was seen is printed."""
    seen: Counter[bytes | str] = Counter()
    with swapping(*swap(root)):
        for _ in range(200_000):
            try:
                seen[door.read(FileAt(str(root), "in/a.md"), 1000)] += 1
            except OSError as error:
                seen[type(error).__name__] += 1
    print(seen)
    assert {INSIDE} == {found for found in seen if isinstance(found, bytes)}


def test_a_file_that_grows_without_end_is_let_go(root: Path) -> None:
    """One that is written faster than it is read keeps nobody busy: it has changed, or is hashed as far as it went."""
    target = root / "log.txt"
    target.write_bytes(b"line\n" * 1000)
    size = target.stat().st_size
    fd = door.open_file(FileAt(str(root), "log.txt"))
    try:
        with open(target, "ab") as file:
            file.write(b"more\n" * 1000)
        with pytest.raises(TooLarge):
            list(door.descriptor_blocks(fd, size))
    finally:
        os.close(fd)
    body = convert.Body(None, FileAt(str(root), "log.txt"), "log.txt", "", size)
    with pytest.raises(ChangedWhileReading):
        list(body.blocks())
