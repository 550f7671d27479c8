"""What the tests of watching share: an ear that notes what a tree tells, and what the kernel says of its watches."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from watchdog.observers.inotify_c import CallbackId, InotifyEvent, WatchCallback, WatchDescriptor
from watchdog.observers.inotify_c import Mask as WatchMask

from syncd.ignore import Rules
from syncd.inotify import Descriptor, Hearing, Tree
from syncd.watch import _keep_name

PATIENCE = 30.0  # seconds for what should happen at once


class Counting(Descriptor):
    """A descriptor that counts its events, and fails on demand."""

    def __init__(self) -> None:
        super().__init__()
        self.handled = 0
        self.most_removed = 0  # at once
        self.left: int | None = None  # watches that may still be set
        self.error = 0  # errno when there are none left
        self.before_read: Callable[[], None] = lambda: None
        self.on_add: Callable[[bytes, int], None] = lambda _path, _mask: None
        self.drop: Callable[[InotifyEvent], bool] = lambda _event: False

    def add_callback(self, path: bytes, mask: WatchMask, callback: WatchCallback, id_: CallbackId) -> WatchDescriptor:
        """Set a watch, as long as there are any."""
        if self.left is not None:
            if self.left <= 0:
                raise OSError(self.error, os.strerror(self.error))
            self.left -= 1
        number = super().add_callback(path, mask, callback, id_)
        self.on_add(path, mask)
        return number

    def remove_callbacks(self, callbacks: list[tuple[WatchDescriptor, CallbackId]]) -> None:
        """Take watches away."""
        self.most_removed = max(self.most_removed, len(callbacks))
        super().remove_callbacks(callbacks)

    def handle_event(self, event: InotifyEvent) -> None:
        """One event."""
        self.before_read()
        self.handled += 1
        if not self.drop(event):
            super().handle_event(event)


class Ear:
    """Notes what a tree tells."""

    def __init__(self) -> None:
        self.paths: set[str] = set()
        self.lost = 0
        self.moved = 0
        self.full: list[OSError] = []
        self._news = threading.Condition()

    def hearing(self) -> Hearing:
        return Hearing(changed=self._changed, lost=self._lost, full=self._full, moved=self._moved)

    def wait(self, condition: Callable[[], bool], what: object) -> None:
        """Wait until something that was told makes a condition true."""
        with self._news:
            assert self._news.wait_for(condition, PATIENCE), f"not told: {what}"

    def wait_for(self, *paths: str) -> None:
        """Wait until each of the paths was told."""
        self.wait(lambda: set(paths) <= self.paths, set(paths) - self.paths)

    def forget(self) -> None:
        """Begin anew."""
        with self._news:
            self.paths.clear()

    def _changed(self, path: str) -> None:
        with self._news:
            self.paths.add(path)
            self._news.notify_all()

    def _lost(self) -> None:
        with self._news:
            self.lost += 1
            self._news.notify_all()

    def _full(self, error: OSError) -> None:
        with self._news:
            self.full.append(error)
            self._news.notify_all()

    def _moved(self) -> None:
        with self._news:
            self.moved += 1
            self._news.notify_all()


class Watch:
    """A tree over a directory, with an ear; not reading yet, so that what is done before ``read`` comes at once."""

    def __init__(self, root: Path, exclude: tuple[str, ...] = ()) -> None:
        self.root = root
        self.ear = Ear()
        self.descriptor = Counting()
        rules = Rules.compile((), exclude, ("md",))
        self.tree = Tree(self.descriptor, str(root), rules.directory, _keep_name, self.ear.hearing())
        self._fences = 0

    def read(self) -> Watch:
        """Let the thread read."""
        self.descriptor.start()
        return self

    def fence(self) -> None:
        """Wait until everything that has happened so far was read: events come in the order of what happened."""
        self._fences += 1
        name = f"fence-{self._fences}.md"
        (self.root.parent / name).touch()
        (self.root.parent / name).rename(self.root / name)
        self.ear.wait_for(name)
        (self.root / name).unlink()

    def told(self) -> set[str]:
        """What has been told so far, without our fences."""
        self.fence()
        return {path for path in self.ear.paths if not path.startswith("fence-")}

    def quiet_events(self) -> int:
        """Wait for two fences; events between them that are not the fence's own."""
        self.fence()
        before = self.descriptor.handled
        self.fence()
        # The first fence is deleted, the second comes; that one's deletion may or may not have been read.
        return max(0, self.descriptor.handled - before - 3)

    def end(self) -> None:
        self.descriptor.stop()
        if self.descriptor.ident is not None:
            self.descriptor.join(PATIENCE)
        elif not self.descriptor._closed:  # pragma: no cover - closed by stop()
            self.descriptor.close()


@contextmanager
def watching(root: Path, exclude: tuple[str, ...] = (), *, read: bool = True) -> Iterator[Watch]:
    """A tree that is built, and read unless ``read`` is false."""
    watch = Watch(root, exclude)
    try:
        watch.tree.build()
        if read:
            watch.read()
        yield watch
    finally:
        watch.end()


def kernel_inodes() -> list[int]:
    """The inode of each directory that the kernel watches for this process, sorted."""
    found: list[int] = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{fd}") != "anon_inode:inotify":
                continue
            text = Path(f"/proc/self/fdinfo/{fd}").read_text()
        except OSError:
            continue
        found += [int(line.split("ino:")[1].split()[0], 16) for line in text.splitlines() if line.startswith("inotify")]
    return sorted(found)


def folders(root: Path) -> list[str]:
    """Every directory, the root first, relative to it."""
    return ["", *(os.path.relpath(os.path.join(at, name), root) for at, names, _ in os.walk(root) for name in names)]


def inodes(root: Path) -> list[int]:
    """The inode of each directory on the disk, sorted."""
    return sorted((root / folder).stat().st_ino for folder in folders(root))


def is_covered(path: str, told: set[str]) -> bool:
    """Whether a path was told, or a directory above it, which asks for a look at all that is below."""
    while path:
        if path in told:
            return True
        path = os.path.dirname(path)
    return "" in told
