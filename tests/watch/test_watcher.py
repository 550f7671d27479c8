"""The watcher over real folders, on a real loop: how each source is watched and why, and that it goes on hearing."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ears import PATIENCE, Counting, folders, inodes, is_covered, kernel_inodes
from watchdog.observers.inotify_c import InotifyConstants, InotifyEvent, WatchDescriptor
from watchdog.observers.inotify_c import Mask as WatchMask

from syncd import watch
from syncd.config import Source
from syncd.ground import Ground, look_at
from syncd.inotify import Descriptor
from syncd.roots import Root, resolve
from syncd.watch import Watcher, WatchState

NOWHERE = "/dev/root / ext4 rw 0 0\n"
OFTEN = 0.05  # seconds between two checks


class Place:
    """A watcher and everything that it told."""

    def __init__(self, *sources: Source, **options: Any) -> None:
        self.heard: dict[str, set[str]] = {source.name: set() for source in sources}
        self.whole: dict[str, int] = {source.name: 0 for source in sources}
        self.changes: list[tuple[str, WatchState]] = []
        self.overflows: list[str] = []
        self.made: list[Counting] = []
        self.prepare: Callable[[Counting], None] = lambda _descriptor: None
        self.fails: Exception | None = None  # instead of a descriptor
        self._news = asyncio.Event()
        self._fences = 0
        self.roots = {source.name: source.path for source in sources}
        settings: dict[str, Any] = {"check_every": 3600.0, "mounts": lambda: NOWHERE, **options}
        self.watcher = Watcher(
            sources,
            hints=self._hints,
            changed=self._changed,
            overflow=self._overflow,
            descriptor=self._descriptor,
            **settings,
        )

    def _descriptor(self) -> Descriptor:
        if self.fails is not None:
            raise self.fails
        descriptor = Counting()
        self.made.append(descriptor)
        self.prepare(descriptor)
        return descriptor

    def _hints(self, source: str, paths: frozenset[str] | None) -> None:
        if paths is None:
            self.whole[source] += 1
        else:
            self.heard[source] |= paths
        self._news.set()

    def _changed(self, source: str, state: WatchState) -> None:
        self.changes.append((source, state))
        self._news.set()

    def _overflow(self, source: str) -> None:
        self.overflows.append(source)
        self._news.set()

    async def until(self, condition: Callable[[], bool], what: object) -> None:
        """Wait until something that was told makes a condition true."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"not within {PATIENCE:g} seconds: {what}; {self.watcher.states}") from None

    async def hears(self, path: str, name: str = "docs") -> None:
        """Save a file, and wait until its path, or a folder above it, is told."""
        target = self.roots[name] / path
        target.parent.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(target.write_text, "text")
        await self.until(lambda: is_covered(path, self.heard[name]), f"{path} of {name} was saved")

    async def hears_everywhere(self, name: str = "docs") -> None:
        """A file saved in any folder is told by its own path, and the kernel watches these folders and no other."""
        root = self.roots[name]
        self._fences += 1
        await self.hears(f"fence-{self._fences}.md", name)  # what was made before is watched by now
        saved = {os.path.join(folder, f"saved-{self._fences}.md") for folder in folders(root)}
        for path in saved:
            await asyncio.to_thread((root / path).write_text, "x")
        await self.until(lambda: saved <= self.heard[name], "a file saved in each folder")
        assert set(inodes(root)) <= set(kernel_inodes())

    async def mode(self, mode: str, part: str = "", name: str = "docs") -> str:
        """Wait until a source is watched in a way whose reason holds some words; returns the reason."""
        states = self.watcher.states
        await self.until(lambda: states[name].mode == mode and part in states[name].reason, f"{mode}: {part}")
        return states[name].reason

    async def looked(self, more_than: int, name: str = "docs") -> None:
        """Wait until a whole source is to be looked at."""
        await self.until(lambda: self.whole[name] > more_than, "a look at the whole source is asked for")


def source(path: Path, name: str = "docs", **values: Any) -> Source:
    return Source(name, path, "dataset", **values)


@asynccontextmanager
async def watched(place: Place) -> AsyncIterator[Place]:
    """Start, and stop at the end; then nothing of it is left."""
    before = set(threading.enumerate())
    await place.watcher.start()
    try:
        yield place
    finally:
        await place.watcher.stop()
    assert [] == kernel_inodes()
    assert [] == [thread for thread in place.made if thread.is_alive()]
    assert not [thread for thread in set(threading.enumerate()) - before if isinstance(thread, Descriptor)]


class Notes:
    """Stands where the log of the watcher stands."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows: list[tuple[str, dict[str, Any]]] = []
        self.news = asyncio.Event()
        monkeypatch.setattr(watch, "log", self)

    def info(self, event: str, **values: Any) -> None:
        self.rows.append((event, values))
        self.news.set()

    warning = exception = info


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


@pytest.fixture
def root(scratch: Path) -> Path:
    """A folder with some below it, and room beside it."""
    for folder in ("a/b/c", "d"):
        (scratch / "docs" / folder).mkdir(parents=True)
    return scratch / "docs"


# ------------------------------------------------------------ which way, and why


def test_events(root: Path) -> None:
    """A local folder is watched by events, says so, and tells the paths of saved files."""

    async def main() -> None:
        place = Place(source(root))
        async with watched(place):
            assert [("docs", WatchState("events", "inotify on ext4", 5))] == place.changes
            await place.hears_everywhere()
            await place.hears("new/deep/er/x.md")
            await place.hears_everywhere()
            assert ({"docs": 0}, 1) == (place.whole, len(place.changes))

    run(main())


def test_off_and_poll_take_no_inotify(root: Path) -> None:
    """`off` and `poll` do as they say, without an inotify instance."""

    async def main() -> None:
        place = Place(source(root, "still", watch="off"), source(root, "docs", watch="poll", poll=0.01))
        place.fails = AssertionError("no descriptor is wanted")
        async with watched(place):
            assert ("off", "watch is off in the configuration") == (
                place.watcher.states["still"].mode,
                place.watcher.states["still"].reason,
            )
            assert WatchState("poll", "asked for in the configuration") == place.watcher.states["docs"]
            await place.looked(3)
        assert 0 == place.whole["still"]

    run(main())


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "9p", "virtiofs", "fuse.sshfs"])
def test_a_shared_file_system_is_polled(root: Path, kind: str) -> None:
    """`auto` polls where others write without this kernel's knowledge; `events` has its way all the same."""

    async def main() -> None:
        mounts = f"{NOWHERE}server:/x {root.parent} {kind} rw 0 0\n"
        place = Place(source(root, poll=0.01), source(root, "asked", watch="events"), mounts=lambda: mounts)
        async with watched(place):
            assert f"{kind} does not tell of what others change" == await place.mode("poll")
            await place.looked(2)
            assert f"inotify on {kind}" == await place.mode("events", name="asked")
            await place.hears("x.md", "asked")
        assert set() == place.heard["docs"]

    run(main())


def test_a_shared_file_system_below_is_polled(root: Path) -> None:
    """A share that is mounted inside the folder is as deaf as one that holds it, unless it is left out."""

    async def main() -> None:
        mounts = f"{NOWHERE}server:/x {root}/a/b nfs4 rw 0 0\n"
        place = Place(source(root), source(root, "without", exclude=("a/",)), mounts=lambda: mounts)
        async with watched(place):
            assert "nfs4, mounted on a/b, does not tell of what others change" == await place.mode("poll")
            assert "inotify on ext4" == await place.mode("events", name="without")

    run(main())


def test_the_mount_comes_later(root: Path) -> None:
    """A folder that turns out to lie on a share at the next look is polled from then on, and gives its watches back."""

    async def main() -> None:
        mounts = [NOWHERE]
        place = Place(source(root.parent / "current", poll=0.01), mounts=lambda: mounts[0], check_every=OFTEN)
        place.roots["docs"].symlink_to(root)
        share = root.parent / "share"
        share.mkdir()
        async with watched(place):
            await place.mode("events")
            mounts[0] = f"{NOWHERE}server:/x {share} nfs rw 0 0\n"
            flip(place.roots["docs"], share)
            await place.mode("poll", "nfs")
            assert set(inodes(root)).isdisjoint(kernel_inodes())
            flip(place.roots["docs"], root)
            await place.mode("events")
            await place.hears_everywhere()

    run(main())


def test_something_is_mounted_inside(root: Path) -> None:
    """No event tells of a mount: the next check finds it, has everything looked at, and polls if it is a share."""

    async def main() -> None:
        mounts = [NOWHERE]
        place = Place(source(root), mounts=lambda: mounts[0], check_every=OFTEN)
        async with watched(place):
            mounts[0] += f"disk {root}/a xfs rw 0 0\n"
            await place.looked(0)
            await place.hears_everywhere()
            mounts[0] += f"server:/x {root}/d nfs4 rw 0 0\n"
            await place.mode("poll", "nfs4, mounted on d,")
            mounts[0] = NOWHERE
            await place.mode("events")
            await place.hears_everywhere()

    run(main())


def test_the_self_test_hears_nothing(root: Path) -> None:
    """A kernel that tells of nothing is found out, and polled; when it tells again, events are back by themselves."""

    async def main() -> None:
        deaf = [True]

        def drop(event: InotifyEvent) -> bool:
            return deaf[0] and bool(event.mask & InotifyConstants.IN_OPEN)

        place = Place(source(root), check_every=OFTEN, try_again=OFTEN, self_test=0.05)
        place.prepare = lambda descriptor: setattr(descriptor, "drop", drop)
        async with watched(place):
            await place.mode("poll", "the self-test heard nothing from inotify")
            deaf[0] = False
            place.watcher._self_test = PATIENCE  # this machine is busy
            await place.mode("events")
            await place.hears_everywhere()

    run(main())


# ------------------------------------------------------------ limits


def test_no_watch_left_below_the_root(root: Path) -> None:
    """Watch limits are silent in watchdog 7.x; here the source is polled, the sysctl named, and events come back."""

    async def main() -> None:
        left: list[int | None] = [3]
        place = Place(source(root, poll=0.01), check_every=OFTEN, try_again=OFTEN)

        def limited(descriptor: Counting) -> None:
            descriptor.left, descriptor.error = left[0], errno.ENOSPC

        place.prepare = limited
        async with watched(place):
            reason = await place.mode("poll", "inotify watches is reached: raise it with sysctl")
            assert "fs.inotify.max_user_watches=" in reason
            await place.looked(1)
            place.made[-1].left = None
            await place.mode("events")
            looks = place.whole["docs"]
            await place.hears_everywhere()
            await asyncio.sleep(0.1)  # ten polls, if there were any
            assert looks == place.whole["docs"]

    run(main())


def test_no_watch_left_for_a_new_folder(root: Path) -> None:
    """Watches that run out while the service runs are noticed at the very folder that gets none."""

    async def main() -> None:
        place = Place(source(root))
        async with watched(place):
            place.made[-1].left, place.made[-1].error = 0, errno.ENOSPC
            (root / "new" / "deep").mkdir(parents=True)
            await place.mode("poll", "max_user_watches")
            await place.looked(0)

    run(main())


def test_no_instance_left(root: Path) -> None:
    """Without an inotify instance every source is polled, the sysctl named; once there is one, events are back."""

    async def main() -> None:
        place = Place(source(root), source(root / "d", "other"), check_every=OFTEN)
        place.fails = OSError(errno.EMFILE, "inotify instance limit reached")
        async with watched(place):
            for name in ("docs", "other"):
                assert "fs.inotify.max_user_instances=" in await place.mode("poll", name=name)
            place.fails = None
            for name in ("docs", "other"):
                await place.mode("events", name=name)
                await place.looked(0, name)
                await place.hears_everywhere(name)
        assert 1 == len(place.made)

    run(main())


def test_a_system_without_inotify(root: Path) -> None:
    """Elsewhere than on Linux everything is polled, and nothing falls."""

    async def main() -> None:
        place = Place(source(root), check_every=OFTEN)
        place.fails = ImportError("this system has no inotify")
        async with watched(place):
            assert "inotify cannot be used here: this system has no inotify" == await place.mode("poll")

    run(main())


def test_folders_that_cannot_be_watched(root: Path) -> None:
    """They are counted in the reason, no ground for polling, and tried again by the periodic check."""

    async def main() -> None:
        at = os.open(root, os.O_RDONLY)
        for _ in range(17):  # 17 x 251 bytes: longer than a path may be
            os.mkdir("d" * 250, dir_fd=at)
            at, above = os.open("d" * 250, os.O_RDONLY, dir_fd=at), at
            os.close(above)
        os.close(at)
        place = Place(source(root), check_every=OFTEN)
        async with watched(place):
            assert "inotify on ext4; 1 folder cannot be watched" == place.watcher.states["docs"].reason
            place.made[0].drop = lambda event: event.name == b"late"
            (root / "late" / "deep").mkdir(parents=True)
            await place.hears("fence.md")
            tree = place.watcher._watched["docs"].tree
            assert tree is not None
            tree._deaf.add("late")  # as if it could not have been read
            await place.until(lambda: "late" in place.heard["docs"], "it is watched at last")
            (root / "late" / "deep" / "a.md").touch()
            await place.until(lambda: "late/deep/a.md" in place.heard["docs"], "and all below it")
            (root / ("d" * 250)).rename(root / "short")
            await place.mode("events", "ext4")
            await place.until(lambda: place.watcher.states["docs"].reason == "inotify on ext4", "none is left")

    run(main())


# ------------------------------------------------------------ threads that die, queues that overflow


@pytest.mark.parametrize("how", ["exception", "silence"])
def test_a_dead_thread(root: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """watchdog 7.0.0's thread dies while its observer says alive; here a dead one is noticed and everything rebuilt."""

    async def main() -> None:
        notes = Notes(monkeypatch)
        place = Place(source(root), source(root / "a", "other"), check_every=OFTEN if how == "silence" else 3600.0)

        def die() -> None:
            if how == "silence":
                place.made[0].died = lambda: None  # nobody is called: the next check finds it
            raise MemoryError

        async with watched(place):
            place.made[0].before_read = die
            (root / "x.md").touch()
            for name in ("docs", "other"):
                await place.looked(0, name)
                await place.hears_everywhere(name)
            rebuilt = {(row["source"], row["reason"]) for event, row in notes.rows if event == "watch.rebuilt"}
            why = "the thread that reads inotify had died"
            assert {("docs", why), ("other", why)} == rebuilt
            assert (2, False) == (len(place.made), place.made[0].is_alive())

    run(main())


def test_a_tree_of_folders_kills_nobody(root: Path) -> None:
    """watchdog 7.0.0's reading thread dies of a tree of folders that is made at once; here it reads on."""

    async def main() -> None:
        place = Place(source(root))
        async with watched(place):
            for number in range(100):
                (root / f"n{number}" / "a" / "b").mkdir(parents=True)
            await place.hears_everywhere()
            assert (1, True) == (len(place.made), place.made[0].works)

    run(main())


def test_a_thread_that_is_deaf(root: Path) -> None:
    """A descriptor whose events do not come any more is given up for a new one at the next check."""

    async def main() -> None:
        place = Place(source(root), check_every=OFTEN)
        async with watched(place):
            place.watcher._self_test = 0.05
            place.prepare = lambda _descriptor: setattr(place.watcher, "_self_test", PATIENCE)
            place.made[0].drop = lambda _event: True
            await place.looked(0)
            await place.hears_everywhere()
            assert 2 == len(place.made)

    run(main())


def test_a_thread_that_hangs(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that does not come back from a directory, as on a dead share, is left to itself; a new one reads."""

    async def main() -> None:
        monkeypatch.setattr(watch, "_JOIN", 0.1)
        place = Place(source(root), check_every=OFTEN)
        await place.watcher.start()
        hangs, go_on = threading.Event(), threading.Event()

        def hang(path: bytes, _mask: int) -> None:
            if path.endswith(b"/stuck"):
                hangs.set()
                go_on.wait()

        try:
            place.watcher._self_test = 0.05
            place.prepare = lambda _descriptor: setattr(place.watcher, "_self_test", PATIENCE)
            place.made[0].on_add = hang
            (root / "stuck").mkdir()
            assert await asyncio.to_thread(hangs.wait, PATIENCE)
            await place.looked(0)
            await place.hears_everywhere()
            assert (2, True) == (len(place.made), place.made[0].is_alive())
        finally:
            go_on.set()
            await place.watcher.stop()
        place.made[0].join(PATIENCE)
        assert ([], False) == (kernel_inodes(), place.made[0].is_alive())

    run(main())


def test_an_overflow(root: Path) -> None:
    """watchdog never tells of lost events; here all sources of the queue are looked at as a whole, and heard again."""

    async def main() -> None:
        place = Place(source(root / "a"), source(root / "d", "other"))
        place.roots.update(docs=root / "a", other=root / "d")
        async with watched(place):
            place.made[0].handle_event(
                InotifyEvent(WatchDescriptor(-1), WatchMask(InotifyConstants.IN_Q_OVERFLOW), 0, b"")
            )
            for name in ("docs", "other"):
                await place.looked(0, name)
                await place.hears_everywhere(name)
            assert ["docs", "other"] == sorted(place.overflows)
            assert (1, 1) == (place.whole["docs"], place.whole["other"])

    run(main())


def test_a_real_overflow(root: Path) -> None:
    """A burst that the queue does not hold: the source is looked at as a whole, folders nobody told of are heard."""
    queue = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if queue > 100_000:
        pytest.skip(f"a queue of {queue} events takes too long to fill")

    async def main() -> None:
        place = Place(source(root))
        async with watched(place):
            go_on = threading.Event()
            place.made[0].before_read = lambda: (go_on.wait(), None)[1]
            for number in range(queue // 2 + 2000):  # two events each; some are in the reader's hands already
                (root / f"{number}.md").touch()
            (root / "late" / "deep").mkdir(parents=True)
            go_on.set()
            await place.looked(0)
            assert ["docs"] == place.overflows
            await place.hears_everywhere()

    run(main())


def test_a_bug_in_a_check_ends_no_checks(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails while the watches are looked after is logged, and the next check comes all the same."""

    async def main() -> None:
        notes = Notes(monkeypatch)
        place = Place(source(root), source(root.parent, "other"), check_every=OFTEN)
        async with watched(place):
            monkeypatch.setattr(watch, "look_at", lambda path, _mounts: fail() if path == str(root) else Ground())
            async with asyncio.timeout(PATIENCE):
                await notes.news.wait()
            assert ("bug", {"source": "docs", "where": "the watches"}) == notes.rows[0]
            await place.mode("events", "not there", "other")  # it was checked all the same
            monkeypatch.undo()
            shutil.rmtree(root)
            root.mkdir()
            await place.looked(0)
            await place.hears_everywhere()

    run(main())


def fail() -> None:
    raise MemoryError


# ------------------------------------------------------------ roots that come, go and change


def test_a_root_that_is_not_there_yet(scratch: Path) -> None:
    """A folder that comes after the start, with all above it, is looked at and watched from then on."""

    async def main() -> None:
        root = scratch / "x" / "y" / "docs"
        place = Place(source(root))
        async with watched(place):
            assert "inotify on ext4; the folder is not there yet" == await place.mode("events")
            (root / "sub").mkdir(parents=True)
            await place.looked(0)
            await place.until(lambda: "not there" not in place.watcher.states["docs"].reason, "it is there")
            await place.hears_everywhere()

    run(main())


def test_a_root_that_is_a_file(scratch: Path) -> None:
    """A file in the folder's place is waited out, not asked again and again."""

    async def main() -> None:
        root = scratch / "docs"
        root.touch()
        place = Place(source(root), source(scratch / "other", "other"))
        (scratch / "other").mkdir()
        async with watched(place):
            assert "inotify on ext4; the folder is not there yet" == await place.mode("events")
            root.unlink()
            root.mkdir()
            await place.looked(0)
            await place.until(lambda: "not there" not in place.watcher.states["docs"].reason, "it is there")
            await place.hears_everywhere()

    run(main())


def blind_to_inodes(path: str, mounts: str) -> Ground:
    """As on a file system that gives a new directory the inode of the one that has just gone."""
    ground = look_at(path, mounts)
    return replace(ground, root=replace(ground.root, identity=ground.root.identity and (1, 1)))


@pytest.mark.parametrize("same_inode", [False, True])
def test_a_root_that_is_made_anew(root: Path, same_inode: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """watchdog hears nothing of a root that is made anew, perhaps with the same inode; here it is heard."""
    if same_inode:
        monkeypatch.setattr(watch, "look_at", blind_to_inodes)

    async def main() -> None:
        place = Place(source(root))
        async with watched(place):
            for _ in range(4):
                looks = place.whole["docs"]
                shutil.rmtree(root)
                (root / "sub").mkdir(parents=True)
                await place.looked(looks)
                await place.until(lambda: place.watcher.states["docs"].folders == 2, "both folders are watched")
                await place.hears_everywhere()

    run(main())


def test_a_root_that_vanishes_and_comes_back(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A root that is renamed away is no longer told of; what takes its place is."""

    async def main() -> None:
        away = root.parent / "away"
        notes = Notes(monkeypatch)
        place = Place(source(root))
        async with watched(place):
            root.rename(away)
            await place.mode("events", "not there yet")
            (away / "a" / "old.md").touch()
            await place.looked(0)
            assert "the folder is gone" == notes.rows[0][1]["reason"]
            (root / "sub").mkdir(parents=True)
            await place.until(lambda: "not there" not in place.watcher.states["docs"].reason, "it is there again")
            assert "the folder is another one now" == notes.rows[1][1]["reason"]
            await place.hears_everywhere()
            assert not is_covered("a/old.md", place.heard["docs"])
            assert set(inodes(away)).isdisjoint(kernel_inodes())

    run(main())


def test_a_root_that_goes_while_it_is_found(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A root that is there when it is looked for, and gone when it is to be watched, is waited for."""
    found: list[str] = []

    def goes(path: str) -> Root:
        answer = resolve(path)
        if not found:
            shutil.rmtree(root)
        found.append(path)
        return answer

    async def main() -> None:
        monkeypatch.setattr(watch, "resolve", goes)
        place = Place(source(root))
        async with watched(place):
            await place.mode("events", "not there yet")
            root.mkdir()
            await place.until(lambda: "not there" not in place.watcher.states["docs"].reason, "it is there")
            await place.hears_everywhere()

    run(main())


def test_a_folder_above_the_root_is_moved(scratch: Path) -> None:
    """No event tells of that; the next check finds it, and finds the root when it is back."""

    async def main() -> None:
        root = scratch / "x" / "y" / "docs"
        (root / "sub").mkdir(parents=True)
        place = Place(source(root), check_every=OFTEN)
        async with watched(place):
            (scratch / "x").rename(scratch / "z")
            await place.mode("events", "not there yet")
            (scratch / "z").rename(scratch / "x")
            await place.until(lambda: "not there" not in place.watcher.states["docs"].reason, "it is there again")
            await place.hears_everywhere()

    run(main())


def flip(link: Path, target: str | Path) -> None:
    """Have a link lead elsewhere, as git-sync and Kubernetes do: in one step."""
    new = link.with_name(link.name + "_tmp")
    new.symlink_to(target)
    new.rename(link)


@pytest.mark.parametrize("inner", ["", "site/docs"], ids=["the link itself", "behind the link"])
def test_a_root_behind_a_link_that_flips(scratch: Path, inner: str) -> None:
    """git-sync: when the link leads elsewhere, the new folder is looked at and heard, the old one no longer."""

    async def main() -> None:
        for name in ("one", "two", "three"):
            (scratch / name / inner / "sub").mkdir(parents=True)
        (scratch / "current").symlink_to("one")
        place = Place(source(scratch / "current" / inner))
        async with watched(place):
            await place.hears_everywhere()
            for old, new in (("one", "two"), ("two", "three"), ("three", "one")):
                looks = place.whole["docs"]
                flip(scratch / "current", new)
                await place.looked(looks)
                await place.hears_everywhere()
                place.heard["docs"].clear()
                (scratch / old / inner / "sub" / "late.md").write_text("nobody should hear this")
                await place.hears_everywhere()
                assert "sub/late.md" not in place.heard["docs"]
                link, real = place.roots["docs"], place.roots["docs"].resolve()
                names = {scratch.stat().st_ino, real.parent.stat().st_ino}
                assert {*inodes(link), *names} == set(kernel_inodes())

    run(main())


def test_a_root_behind_kubernetes_links(scratch: Path) -> None:
    """A volume's folder that lies behind `..data`: the flip is noticed."""

    async def main() -> None:
        for name in ("..one", "..two"):
            (scratch / name / "docs").mkdir(parents=True)
        (scratch / "..data").symlink_to("..one")
        (scratch / "docs").symlink_to("..data/docs")
        place = Place(source(scratch / "docs"))
        async with watched(place):
            flip(scratch / "..data", "..two")
            await place.looked(0)
            await place.hears_everywhere()
            shutil.rmtree(scratch / "..one")
            await place.hears_everywhere()

    run(main())


# ------------------------------------------------------------ at rest, and the end


def test_checks_at_rest_tell_nothing(root: Path) -> None:
    """Checks that find everything in order ask for no look, set no watch anew, and change nothing that is said."""

    async def main() -> None:
        place = Place(source(root), source(root / "a", "other"), check_every=OFTEN)
        async with watched(place):
            opened = asyncio.Event()
            loop, number = asyncio.get_running_loop(), [0]

            def probed(_path: bytes, mask: int) -> None:
                number[0] += bool(mask & InotifyConstants.IN_OPEN)
                if number[0] >= 6:  # three checks of two sources
                    loop.call_soon_threadsafe(opened.set)

            place.made[0].on_add = probed
            async with asyncio.timeout(PATIENCE):
                await opened.wait()
            assert ({"docs": 0, "other": 0}, 2, 1) == (place.whole, len(place.changes), len(place.made))
            await place.hears_everywhere()

    run(main())


def test_a_root_that_never_rests_keeps_no_check_away(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often something happens to one root, the periodic check of everything comes in its time."""

    async def main() -> None:
        monkeypatch.setattr(watch, "_BREATH", 0.01)
        place = Place(source(root), source(root / "a", "other"), check_every=0.3)
        async with watched(place):
            probed = threading.Event()

            def opened(path: bytes, mask: int) -> None:
                if path == os.fsencode(root / "a") and mask & InotifyConstants.IN_OPEN:
                    probed.set()

            place.made[0].on_add = opened
            async with asyncio.timeout(PATIENCE):
                while not probed.is_set():
                    place.watcher._post.check("docs")
                    await asyncio.sleep(0.01)  # how restless the root is

    run(main())


def test_stop_while_everything_happens(root: Path) -> None:
    """Stopping in the middle of a burst, of checks and of a rebuild leaves no thread, no watch and no exception."""

    async def main() -> None:
        for _ in range(10):
            place = Place(source(root), source(root / "a", "other"), check_every=0.001)
            async with watched(place):
                for number in range(30):
                    (root / f"n{number}" / "x").mkdir(parents=True)
                place.watcher._post.check("docs")
                shutil.rmtree(root)
                root.mkdir()
            for folder in ("a/b/c", "d"):
                (root / folder).mkdir(parents=True, exist_ok=True)

    run(main())


def test_stop_waits_for_what_is_under_way(root: Path) -> None:
    """Nothing is closed under the hands of a thread that sets watches."""

    async def main() -> None:
        place = Place(source(root))
        await place.watcher.start()
        under_way, go_on = threading.Event(), threading.Event()

        def slowly(_path: bytes, _mask: int) -> None:
            under_way.set()
            go_on.wait()

        place.made[0].on_add = slowly
        root.rename(root.parent / "away")  # the names that the root hangs on are watched anew
        assert await asyncio.to_thread(under_way.wait, PATIENCE)
        stopping = asyncio.ensure_future(place.watcher.stop())
        await asyncio.wait({stopping}, timeout=0.2)  # time enough to close everything
        assert (False, True) == (stopping.done(), place.made[0].should_keep_running())
        go_on.set()
        await stopping
        assert ([], False) == (kernel_inodes(), place.made[0].is_alive())

    run(main())


def test_descriptors_are_given_back(root: Path) -> None:
    """Starting, breaking and stopping many times leaves no file descriptor open."""

    async def main() -> None:
        before: set[str] = set()
        for number in range(4):
            place = Place(source(root))
            async with watched(place):
                place.made[0].before_read = fail
                (root / f"{number}.md").touch()
                await place.looked(0)
            if number == 0:
                before = set(os.listdir("/proc/self/fd"))
        assert len(before) == len(os.listdir("/proc/self/fd"))

    run(main())
