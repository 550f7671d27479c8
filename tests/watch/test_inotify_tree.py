"""The watches of one tree, in the real kernel."""

from __future__ import annotations

import errno
import os
import random
import shutil
import threading
from pathlib import Path
from typing import Any

import exercised
import pytest
from ears import PATIENCE, Counting, Ear, Watch, folders, inodes, is_covered, kernel_inodes, watching
from watchdog.observers.inotify_c import InotifyConstants

from syncd import inotify
from syncd.inotify import Names


@pytest.fixture
def root(scratch: Path) -> Path:
    """An empty directory to watch, with room beside it."""
    path = scratch / "root"
    path.mkdir()
    return path


def write(path: Path, text: str = "text") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def check_hears_everywhere(watch: Watch) -> None:
    """A file that is saved in any folder is told, under its path of now and no other."""
    watch.fence()
    watch.ear.forget()
    there = folders(watch.root)
    saved = {os.path.join(folder, "saved.md") for folder in there}
    for path in saved:
        (watch.root / path).write_text("x")
    assert saved == watch.told()
    assert len(there) == len(watch.tree)
    assert inodes(watch.root) == kernel_inodes()


# ------------------------------------------------------------ files


def test_what_is_told_of_files(root: Path) -> None:
    """Writing, creating, linking, deleting and renaming are told by path; reading is not."""
    write(root / "old.md")
    write(root / "read.md")
    write(root / "gone.md")
    write(root / "sub" / "from.md")
    with watching(root) as watch:
        (root / "old.md").write_text("changed")
        (root / "gone.md").unlink()
        (root / "sub" / "from.md").rename(root / "to.md")
        os.link(root / "old.md", root / "hard.md")
        (root / "soft.md").symlink_to("old.md")
        (root / "read.md").read_text()
        assert {"old.md", "gone.md", "sub/from.md", "to.md", "hard.md", "soft.md"} == watch.told()


def test_names_that_never_are_documents_make_no_noise(root: Path) -> None:
    """Hidden and lock files are not told, but `.syncdignore` is."""
    with watching(root) as watch:
        for name in (".hidden.md", ".~lock.a.odt#", "~$report.docx", ".syncdignore"):
            write(root / name)
        assert {".syncdignore"} == watch.told()


def test_a_folder_that_becomes_a_link_leads_no_watch_outside(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is swapped right after its own watch was set, as somebody may who can write there."""
    for name in ("x/y", "z"):
        (root.parent / "outside" / name).mkdir(parents=True)
    (root / "in").mkdir()
    real = inotify._add

    def add(descriptor: Any, path: str, *arguments: Any) -> int:
        watch = real(descriptor, path, *arguments)
        if path == str(root / "in"):
            (root / "in").rename(root.parent / "aside")
            (root / "in").symlink_to(root.parent / "outside")
        return watch

    monkeypatch.setattr(inotify, "_add", add)
    with watching(root):
        outside = {path.stat().st_ino for path in (root.parent / "outside").rglob("*")}
        assert set() == outside & set(kernel_inodes())


def test_excluded_folders_are_not_watched(root: Path) -> None:
    """What the configuration leaves out takes no watch, now and when it is made later."""
    write(root / "drafts" / "deep" / "a.md")
    write(root / ".git" / "objects" / "x")
    with watching(root, ("drafts/",)) as watch:
        write(root / "docs" / "drafts" / "b.md")
        watch.fence()
        assert 2 == len(watch.tree) == len(kernel_inodes())


def test_names_of_bytes_and_of_any_script(root: Path) -> None:
    """A name comes as the disk spells it: 255 bytes, blanks, emoji, both Unicode forms, and what is no UTF-8."""
    names = ["说明 %20#'.md", "😀.md", "u\u0308.md", "\u00fc.md", "x" * 252 + ".md", os.fsdecode(b"caf\xe9.md")]
    with watching(root) as watch:
        for name in names:
            (root / name).write_text("x")
        assert set(names) == watch.told()


def test_a_kubernetes_volume_is_flipped(root: Path) -> None:
    """When `..data` leads elsewhere, every file of the folder has another content: the folder is told, not its name."""
    for folder in (root, root / "config"):
        write(folder / "..one" / "a.md", "1")
        write(folder / "..two" / "a.md", "2")
        (folder / "..data").symlink_to("..one")
        (folder / "a.md").symlink_to("..data/a.md")
    with watching(root) as watch:
        for folder in (root, root / "config"):
            (folder / "..data_tmp").symlink_to("..two")
            (folder / "..data_tmp").rename(folder / "..data")
        assert {"", "config"} == watch.told()


# ------------------------------------------------------------ folders that come


@pytest.mark.parametrize("read", [True, False], ids=["read at once", "read late"])
def test_deep_folders_made_at_once(root: Path, read: bool) -> None:
    """`mkdir -p a/b/c/d` and files at once: nothing is missed, whether the thread was quick or slow."""
    with watching(root, read=read) as watch:
        made = []
        for number in range(40):
            made += ["/".join([f"n{number}", *"abcd"[:depth], f"{depth}.md"]) for depth in range(5)]
            (root / made[-1]).parent.mkdir(parents=True)
            for path in made[-5:]:
                (root / path).write_text("x")
        if not read:
            watch.read()
        told = watch.told()
        assert [] == [path for path in made if not is_covered(path, told)]
        check_hears_everywhere(watch)


def test_a_tree_that_is_moved_in(root: Path) -> None:
    """A folder with folders in it that comes from elsewhere is told, and watched all the way down."""
    write(root.parent / "coming" / "a" / "b" / "c.md")
    with watching(root) as watch:
        (root.parent / "coming").rename(root / "come")
        assert {"come"} == watch.told()
        check_hears_everywhere(watch)


def test_a_folder_that_is_a_link_is_not_entered(root: Path) -> None:
    """Links to directories are not followed, so that a loop of them is none."""
    (root / "loop").symlink_to(".")
    (root / "sub").mkdir()
    with watching(root) as watch:
        (root / "again").symlink_to("sub")
        assert {"again"} == watch.told()
        assert 2 == len(watch.tree)


def test_a_folder_that_cannot_be_watched_is_counted_and_tried_again(root: Path) -> None:
    """A folder whose path is longer than the kernel takes is no reason to watch nothing else; it is counted."""
    home = os.open(root, os.O_RDONLY)
    try:
        at = os.dup(home)
        for _ in range(17):  # 17 x 251 bytes
            os.mkdir("d" * 250, dir_fd=at)
            below = os.open("d" * 250, os.O_RDONLY, dir_fd=at)
            os.close(at)
            at = below
        os.close(at)
        with watching(root) as watch:
            assert (1, True) == (watch.tree.deaf, len(watch.tree) > 10)
            watch.tree.catch_up()
            assert 1 == watch.tree.deaf
            os.rename("d" * 250, "short", src_dir_fd=home, dst_dir_fd=home)
            watch.fence()
            assert (0, 18) == (watch.tree.deaf, len(watch.tree))
    finally:
        os.close(home)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_folder_is_watched_once_it_can_be_read(root: Path) -> None:
    """No event tells that a folder may be read now; trying again finds it, and has it looked at."""
    write(root / "locked" / "deep" / "a.md")
    (root / "locked").chmod(0)
    with watching(root) as watch:
        assert (1, 1) == (watch.tree.deaf, len(watch.tree))
        (root / "locked").chmod(0o700)
        watch.tree.catch_up()
        assert {"locked"} == watch.told()
        assert 0 == watch.tree.deaf
        check_hears_everywhere(watch)


# ------------------------------------------------------------ folders that go or change their place


def test_a_folder_that_is_renamed(root: Path) -> None:
    """After a rename, what is below tells its new path and no longer the old one."""
    write(root / "old" / "a" / "b" / "c.md")
    with watching(root) as watch:
        (root / "old").rename(root / "new")
        assert {"old", "new"} == watch.told()
        check_hears_everywhere(watch)


def test_a_folder_that_is_moved_out(root: Path) -> None:
    """watchdog 7.1.0 reports a folder that was moved out under its old path for ever; here it takes no watch more."""
    write(root / "out" / "a" / "b.md")
    with watching(root) as watch:
        (root / "out").rename(root.parent / "away")
        assert {"out"} == watch.told()
        watch.ear.forget()
        write(root.parent / "away" / "a" / "b.md", "changed")
        write(root.parent / "away" / "c.md")
        assert set() == watch.told()
        check_hears_everywhere(watch)


def test_a_folder_that_is_moved_into_a_new_one(root: Path) -> None:
    """A folder found in a new folder, whose departure from its old place is read only afterwards, stays watched."""
    write(root / "a" / "x" / "deep" / "f.md")
    with watching(root, read=False) as watch:
        (root / "b").mkdir()
        (root / "a" / "x").rename(root / "b" / "x")
        watch.read()
        check_hears_everywhere(watch)


def test_a_folder_that_takes_anothers_place(root: Path) -> None:
    """One name, one directory after the other: the last one is watched, whatever the order of reading."""
    write(root / "a" / "deep" / "f.md")
    write(root / "b" / "deep" / "f.md")
    write(root / "c" / "deep" / "f.md")
    with watching(root, read=False) as watch:
        shutil.rmtree(root / "a")
        (root / "b").rename(root / "a")
        (root / "c").rename(root / "moved")
        (root / "c").mkdir()
        write(root / "c" / "other" / "g.md")
        watch.read()
        check_hears_everywhere(watch)


def test_a_folder_becomes_a_file_and_back(root: Path) -> None:
    """What is no folder any more takes no watch."""
    write(root / "a" / "deep" / "f.md")
    with watching(root) as watch:
        shutil.rmtree(root / "a")
        (root / "a").write_text("a file")
        watch.fence()
        assert 1 == len(watch.tree)
        (root / "a").unlink()
        write(root / "a" / "deep" / "f.md")
        check_hears_everywhere(watch)


@pytest.mark.parametrize("seed", range(12))
def test_folders_at_random(root: Path, seed: int) -> None:
    """After any sequence of making, moving and deleting folders, exactly those that are there are watched."""
    rng = random.Random(seed)
    outside = root.parent / "outside"
    outside.mkdir()
    for name in ("a/b", "a/c/d", "e"):
        (root / name).mkdir(parents=True)
    watch = Watch(root)
    watch.tree.build()
    steps = 0
    try:
        for batch in range(8):
            for _ in range(rng.randint(1, 12)):
                steps += 1
                step_at_random(rng, root, outside, steps)
            if batch == 0:
                watch.read()  # the first batch is read at once and late, the others while they happen
            if rng.random() < 0.2:
                watch.tree.build()
        check_hears_everywhere(watch)
    finally:
        watch.end()
    exercised.add("folders made, moved, deleted at random while watched", steps)


def step_at_random(rng: random.Random, root: Path, outside: Path, number: int) -> None:
    """One change of folders; names are few, so that they meet again."""
    here = [folder for folder in folders(root) if folder]
    choice = rng.random()
    target = root / rng.choice(["", *here]) / rng.choice("abcdef")
    if choice < 0.35 or not here:
        (target / rng.choice("abc") / rng.choice("abc")).mkdir(parents=True, exist_ok=True)
    elif choice < 0.75:
        try:
            (root / rng.choice(here)).rename(target)
        except OSError:
            return  # into itself, or over one that is not empty
    elif choice < 0.85:
        (root / rng.choice(here)).rename(outside / str(number))
    elif choice < 0.9 and (back := sorted(outside.iterdir())) and not target.exists():
        rng.choice(back).rename(target)
    else:
        shutil.rmtree(root / rng.choice(here))


# ------------------------------------------------------------ many


def test_many_folders_neither_loop_nor_overflow(root: Path) -> None:
    """watchdog 7.1.0 loops from some 4 000 folders on: its own walk fills the queue. Here building makes no event."""
    for number in range(5000):
        (root / f"{number // 100}" / f"{number % 100}").mkdir(parents=True)
    with watching(root) as watch:
        assert 5051 == len(watch.tree) == len(kernel_inodes())
        assert 0 == watch.quiet_events()
        before = watch.descriptor.handled
        watch.tree.build()
        watch.fence()
        assert watch.descriptor.handled - before <= 3  # the fences' own: nothing was taken away to be set again
        assert 5051 == len(watch.tree) == len(kernel_inodes())
        (root / "7").rename(root / "seven")
        shutil.rmtree(root / "8")
        check_hears_everywhere(watch)
        watch.descriptor.most_removed = 0
        watch.tree.close()
        # The kernel tells of each that goes: of more than its queue holds, other trees would lose their events.
        assert 1000 < watch.descriptor.most_removed < 5000
        assert (0, []) == (watch.ear.lost, kernel_inodes())
    exercised.add("folders watched by one tree", 5051)


def test_a_burst_of_new_files_in_new_folders(root: Path) -> None:
    """10 000 files in 200 new folders while watched: each is told, or a folder above it, or that something was lost."""
    with watching(root) as watch:
        made = [f"n{number // 50}/x/{number}.md" for number in range(10_000)]
        for path in made:
            target = root / path
            if not target.parent.exists():
                target.parent.mkdir(parents=True)
            target.write_text("x")
        try:
            told = watch.told()
        except AssertionError:
            assert watch.ear.lost
            told = {""}
        assert [] == [path for path in made if not watch.ear.lost and not is_covered(path, told)]
        assert 401 == len(watch.tree)
        exercised.add("new files in a burst, each heard of", len(made))


def test_a_real_overflow_is_told(root: Path) -> None:
    """watchdog only logs that the kernel dropped events; here it is told, and building again mends what was missed."""
    queue = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    with watching(root, read=False) as watch:
        if queue > 100_000:
            pytest.skip(f"a queue of {queue} events takes too long to fill")
        for number in range(queue // 2 + 10):  # two events each
            (root / f"{number}.md").touch()
        write(root / "late" / "deep" / "a.md")  # nobody hears of this folder
        watch.read()
        watch.ear.wait(lambda: watch.ear.lost > 0, "the overflow")
        watch.fence()
        assert (1, 1) == (len(watch.tree), watch.ear.lost)
        watch.tree.build()
        check_hears_everywhere(watch)


def test_building_again_mends_whatever_was_missed(root: Path) -> None:
    """After lost events the tree is what the disk is: folders that came, went, moved, or took another's place."""
    for path in ("a/x/deep", "b/y", "c/z", "d"):
        (root / path).mkdir(parents=True)
    with watching(root, read=False) as watch:
        (root / "a").rename(root.parent / "away")
        (root / "a" / "x" / "new").mkdir(parents=True)
        (root / "b").rename(root / "d" / "b")
        (root / "c").rename(root / "e")
        (root / "b").mkdir()
        (root / "e" / "z").rename(root / "c")
        shutil.rmtree(root / "d" / "b" / "y")
        all_read = threading.Event()
        watch.descriptor.drop = lambda event: not (event.name == b"end.md" and all_read.set())
        watch.read()
        (root / "end.md").touch()
        assert all_read.wait(PATIENCE)
        watch.tree.build()
        watch.descriptor.drop = lambda _event: False
        check_hears_everywhere(watch)


# ------------------------------------------------------------ limits


def test_no_watch_left_below_the_root(root: Path) -> None:
    """watchdog 7.x says nothing when the watches run out below the root; here building fails."""
    for number in range(10):
        (root / str(number)).mkdir()
    watch = Watch(root)
    try:
        watch.descriptor.left, watch.descriptor.error = 5, errno.ENOSPC
        with pytest.raises(OSError) as caught:
            watch.tree.build()
        assert errno.ENOSPC == caught.value.errno
        watch.tree.close()
        assert ([], 0) == (kernel_inodes(), len(watch.tree))
    finally:
        watch.end()


def test_no_watch_left_for_a_new_folder(root: Path) -> None:
    """A folder that is made when there is no watch left is told as full, and told as changed all the same."""
    with watching(root) as watch:
        watch.descriptor.left, watch.descriptor.error = 0, errno.ENOSPC
        (root / "new").mkdir()
        assert {"new"} == watch.told()
        assert [errno.ENOSPC] == [error.errno for error in watch.ear.full]


def test_no_watch_left_when_a_folder_is_tried_again(root: Path) -> None:
    """A folder that could be watched at last, but for the limit, is told as full."""
    with watching(root, ("new/",)) as watch:
        (root / "new").mkdir()
        watch.fence()
        watch.tree.skip = lambda _folder: False
        watch.tree._deaf.add("new")
        watch.descriptor.left, watch.descriptor.error = 0, errno.ENOSPC
        watch.tree.catch_up()
        assert [errno.ENOSPC] == [error.errno for error in watch.ear.full]
        watch.descriptor.left = None
        watch.ear.forget()
        watch.tree._deaf.add("new")
        watch.tree.catch_up()
        assert ({"new"}, 0) == (watch.told(), watch.tree.deaf)
        check_hears_everywhere(watch)


def test_a_root_that_is_not_there(root: Path) -> None:
    """Building over nothing, or over a file, says which it is."""
    for path, kind in ((root / "no", FileNotFoundError), (root / "file", NotADirectoryError)):
        (root / "file").touch()
        watch = Watch(path)
        try:
            with pytest.raises(kind):
                watch.tree.build()
        finally:
            watch.end()


# ------------------------------------------------------------ the end


def test_close_gives_the_watches_back(root: Path) -> None:
    """After closing, the kernel holds no watch of ours, nothing is told, and another tree goes on."""
    write(root / "a" / "b" / "c.md")
    with watching(root) as watch:
        ear = Ear()
        other = type(watch.tree)(watch.descriptor, str(root / "a"), lambda _: False, lambda _: True, ear.hearing())
        other.build()
        assert (3, 2) == (len(watch.tree), len(other))
        watch.fence()
        watch.ear.forget()
        watch.tree.close()
        assert inodes(root / "a") == kernel_inodes()
        write(root / "a" / "b" / "d.md")
        ear.wait_for("b/d.md")
        assert set() == watch.ear.paths
        other.close()
        assert [] == kernel_inodes()


def test_an_exception_in_a_call_back_is_noticed(root: Path) -> None:
    """watchdog's thread ends in silence when a call-back fails; here it says so, and says that it reads no more."""
    with watching(root) as watch:
        died = threading.Event()
        watch.descriptor.died = died.set
        assert watch.descriptor.works
        watch.ear.paths = None  # type: ignore[assignment] # the next thing heard is one too many
        (root / "a.md").touch()
        assert died.wait(PATIENCE)
        assert not watch.descriptor.works


def test_an_end_that_was_asked_for_is_no_death(root: Path) -> None:
    """Stopping calls nobody."""
    with watching(root) as watch:
        died = threading.Event()
        watch.descriptor.died = died.set
    assert (False, False, False) == (died.is_set(), watch.descriptor.works, watch.descriptor.is_alive())
    assert [] == kernel_inodes()


def test_watches_are_not_printed(root: Path) -> None:
    """watchdog 7.1.0 prints the whole watch table with a warning, by the megabyte; ours are short in print."""
    for number in range(100):
        (root / str(number)).mkdir()
    with watching(root) as watch:
        assert len(repr(watch.tree)) < 100
        assert len(repr(Names(watch.descriptor, lambda: None))) < 100


# ------------------------------------------------------------ whether anything is heard


def test_the_probe(root: Path) -> None:
    """The root is opened and the kernel tells of it; afterwards nobody is told of opened files."""
    write(root / "read.md")
    with watching(root) as watch:
        assert watch.tree.hears(PATIENCE)
        watch.fence()
        before = watch.descriptor.handled
        for _ in range(50):
            (root / "read.md").read_text()
        watch.fence()
        assert watch.descriptor.handled - before <= 3  # the fences' own
        check_hears_everywhere(watch)


def test_the_probe_tells_no_document(root: Path) -> None:
    """A file that somebody reads while the probe listens has not changed."""
    write(root / "read.md")

    def read(_path: bytes, mask: int) -> None:
        if mask & InotifyConstants.IN_OPEN:
            (root / "read.md").read_text()

    with watching(root) as watch:
        watch.descriptor.on_add = read
        assert watch.tree.hears(PATIENCE)
        assert set() == watch.told()


def test_the_probe_hears_nothing(root: Path) -> None:
    """A descriptor that nobody reads, or whose events never come, does not pass."""
    with watching(root, read=False) as watch:
        assert not watch.tree.hears(0.01)
        watch.descriptor.drop = lambda _event: True
        watch.read()
        assert not watch.tree.hears(0.01)


def test_the_probe_is_not_taken_in_by_another_directory(root: Path) -> None:
    """A directory that has taken the root's place can be heard, but it is not the one that is watched."""
    with watching(root) as watch:
        root.rename(root.parent / "away")
        root.mkdir()
        assert not watch.tree.hears(PATIENCE)
        assert watch.ear.moved > 0
        shutil.rmtree(root)
        assert not watch.tree.hears(PATIENCE)
        watch.ear.wait(lambda: True, "")


def test_a_root_that_is_deleted_is_told(root: Path) -> None:
    """With the root's directory its watch is gone: each is told, since another directory may be there in between."""
    with watching(root) as watch:
        assert watch.tree.rooted
        root.rmdir()
        watch.ear.wait(lambda: watch.ear.moved == 2, "that the root is gone, and then its watch")
        assert not watch.tree.rooted
        assert [] == kernel_inodes()


# ------------------------------------------------------------ names that a root hangs on


def test_names(root: Path) -> None:
    """A watched name is told when it comes, goes, or is given to another; its neighbours are not."""
    descriptor, told = Counting(), threading.Semaphore(0)
    descriptor.start()
    try:
        names = Names(descriptor, lambda: told.release())
        names.watch([(str(root), "docs"), (str(root), "current"), (str(root / "missing"), "x")])
        for change in (
            lambda: (root / "docs").mkdir(),
            lambda: (root / "docs").rmdir(),
            lambda: (root / "current").symlink_to("one"),
            lambda: (root / "next").symlink_to("two"),
            lambda: (root / "next").rename(root / "current"),
        ):
            change()
            if change is not None and not (root / "next").is_symlink():
                assert told.acquire(timeout=PATIENCE)
        assert not told.acquire(blocking=False)
        root.rename(root.parent / "away")
        shutil.rmtree(root.parent / "away")
        assert told.acquire(timeout=PATIENCE)
        names.close()
        assert [] == kernel_inodes()
    finally:
        descriptor.stop()
        descriptor.join(PATIENCE)


def test_names_close_nobodys_ears(root: Path) -> None:
    """The kernel keeps one mask for a directory: asking for names in a watched one takes nothing away from it."""
    write(root / "a.md")
    with watching(root) as watch:
        names = Names(watch.descriptor, lambda: None)
        names.watch([(str(root), "x")])
        watch.fence()
        watch.ear.forget()
        with (root / "a.md").open("a") as file:
            file.write("more")  # nothing but its closing is told
        assert {"a.md"} == watch.told()
        names.close()
        check_hears_everywhere(watch)
