"""The inotify watches of one tree, through watchdog's descriptor. Alone knows watchdog.

watchdog's observer was measured and is not used: with its own mask it loops for ever from some 4 000 folders on, it
swallows a queue overflow and a full watch table, and two of its threads wake up every second. Its descriptor
(``InotifyFD``) does what is needed: one thread that sleeps until the kernel speaks, and a call-back for each event and
for an overflow. What is on top of it here is one watch for each folder and nothing else.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from watchdog.observers.inotify_c import CallbackId, InotifyConstants, InotifyEvent, InotifyFD, Mask, WatchDescriptor

# Closing after a write ends a change; creating is heard too, since links are made without a write.
_MASK = Mask(
    InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_CREATE
    | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_MOVED_FROM
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_DELETE_SELF
    | InotifyConstants.IN_MOVE_SELF
    | InotifyConstants.IN_EXCL_UNLINK
    | InotifyConstants.IN_ONLYDIR
    | InotifyConstants.IN_DONT_FOLLOW
)
_OPENED = Mask(_MASK | InotifyConstants.IN_OPEN)
_ids = itertools.count(1)
_NO_WATCH = WatchDescriptor(-1)  # what watchdog gives for a directory that must not be read

__all__ = ["Descriptor", "Hearing", "Names", "Tree"]


class Descriptor(InotifyFD):
    """One inotify instance and the thread that reads it; ``OSError`` when the kernel gives none."""


@dataclass(slots=True)
class Hearing:
    """What a tree tells; every method is called from the reading thread.

    Args:
        changed: something happened to this path, relative to the root, as the disk spells it.
        lost: the kernel has dropped events; the tree is to be built anew.
        full: the kernel allows no more watches (``OSError`` with ENOSPC or EMFILE).
        moved: the root itself went away.
    """

    changed: Callable[[str], None]
    lost: Callable[[], None]
    full: Callable[[OSError], None]
    moved: Callable[[], None]


@dataclass
class Tree:
    """Watches one directory and everything below it.

    Args:
        descriptor: through which.
        root: the directory, no link.
        skip: whether a sub-directory, by its path relative to the root, is left out.
        keep: whether something of this name is worth telling.
        hearing: is told.
    """

    descriptor: Descriptor
    root: str
    skip: Callable[[str], bool]
    keep: Callable[[str], bool]
    hearing: Hearing
    _path_of: dict[WatchDescriptor, str] = field(default_factory=dict)
    _watch_of: dict[str, WatchDescriptor] = field(default_factory=dict)
    _id: CallbackId = field(default_factory=lambda: CallbackId(next(_ids)))
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _open: bool = True

    def __len__(self) -> int:
        """How many directories are watched."""
        return len(self._path_of)

    def build(self) -> None:
        """Set the watches.

        Raises:
            OSError: the root cannot be watched, or the kernel allows no more watches.
        """
        self._add("")
        if "" not in self._watch_of:
            raise PermissionError(f"{self.root} cannot be read")

    def close(self) -> None:
        """Take the watches away; nothing is told any more."""
        with self._lock:
            self._open = False
            self.descriptor.remove_callbacks([(watch, self._id) for watch in self._path_of])
            self._path_of.clear()
            self._watch_of.clear()

    def hears(self, seconds: float) -> bool:
        """Whether events arrive: opens the root and waits to be told of it. Blocks; not for the reading thread."""
        probe = _Probe()
        number = CallbackId(next(_ids))
        path = os.fsencode(self.root)
        try:
            watch = self.descriptor.add_callback(path, _OPENED, probe, number)
        except OSError:
            return False
        try:
            os.close(os.open(self.root, os.O_RDONLY | os.O_DIRECTORY))
            return probe.heard.wait(seconds)
        except OSError:
            return False
        finally:
            # The kernel keeps one mask for a directory: the ordinary one is put back before the probe goes.
            again = CallbackId(next(_ids))
            with_mask = _add(self.descriptor, path, probe, again)
            self.descriptor.remove_callbacks([(watch, number), *([(with_mask, again)] if with_mask >= 0 else [])])

    # ------------------------------------------------------------ called by watchdog, from its thread

    def on_event(self, event: InotifyEvent) -> None:
        """One event of one directory."""
        with self._lock:
            folder = self._path_of.get(event.wd)
            if folder is None or not self._open:
                return
            if not event.name:
                if folder == "" and event.mask & (InotifyConstants.IN_DELETE_SELF | InotifyConstants.IN_MOVE_SELF):
                    self.hearing.moved()
                return
            name = os.fsdecode(event.name)
            if not self.keep(name):
                return
            path = f"{folder}/{name}" if folder else name
            if event.mask & InotifyConstants.IN_ISDIR:
                self._directory(path, event)
        self.hearing.changed(path)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """The kernel has dropped a watch: its directory is gone."""
        with self._lock:
            path = self._path_of.pop(wd, None)
            if path is not None and self._watch_of.get(path) == wd:
                del self._watch_of[path]

    def on_queue_overflow(self) -> None:
        """The kernel has dropped events: of files, and of directories that came or went, so that no path is sure."""
        if self._open:
            self.hearing.lost()

    # ------------------------------------------------------------ directories come and go

    def _directory(self, path: str, event: InotifyEvent) -> None:
        if event.mask & (InotifyConstants.IN_MOVED_FROM | InotifyConstants.IN_DELETE):
            self._drop(path)
            return
        if event.mask & (InotifyConstants.IN_MOVED_TO | InotifyConstants.IN_CREATE):
            try:
                self._drop(path)
                self._add(path)
            except OSError as error:
                self.hearing.full(error)

    def _add(self, path: str) -> None:
        """Watch a directory and all below it; what is made meanwhile is heard by the watch above it."""
        pending = [path]
        while pending:
            folder = pending.pop()
            if folder and self.skip(folder):
                continue
            full = os.path.join(self.root, folder)
            if not self._watch(folder, full):
                continue
            try:
                with os.scandir(full) as entries:
                    pending += [
                        f"{folder}/{entry.name}" if folder else entry.name
                        for entry in entries
                        if entry.is_dir(follow_symlinks=False) and self.keep(entry.name)
                    ]
            except OSError:
                continue  # gone again, or not to be read: the scan says so

    def _watch(self, folder: str, full: str) -> bool:
        with self._lock:  # for each directory anew: a tree is built beside the thread that reads
            if folder in self._watch_of:
                return True
            if not self._open:
                return False
            try:
                watch = _add(self.descriptor, os.fsencode(full), self, self._id)
            except (FileNotFoundError, NotADirectoryError):
                if folder:
                    return False  # gone again, or a link by now
                raise
            if watch < 0 or watch in self._path_of:  # not to be read, or the same directory by another way
                return False
            self._path_of[watch] = folder
            self._watch_of[folder] = watch
            return True

    def _drop(self, path: str) -> None:
        """A directory has left its place: what is below it would go on telling under its old path."""
        prefix = path + "/"
        left = [folder for folder in self._watch_of if folder == path or folder.startswith(prefix)]
        watches = [self._watch_of.pop(folder) for folder in left]
        for watch in watches:
            self._path_of.pop(watch, None)
        self.descriptor.remove_callbacks([(watch, self._id) for watch in watches])


@dataclass
class Names:
    """Watches some names in some directories: those that a root hangs on."""

    descriptor: Descriptor
    changed: Callable[[], None]
    _names: dict[WatchDescriptor, set[str]] = field(default_factory=dict)
    _id: CallbackId = field(default_factory=lambda: CallbackId(next(_ids)))

    def watch(self, names: tuple[tuple[str, str], ...]) -> None:
        """Watch each name in its directory; what cannot be watched is left to the periodic check."""
        for folder, name in names:
            try:
                watch = _add(self.descriptor, os.fsencode(folder), self, self._id)
            except OSError:
                continue
            if watch >= 0:
                self._names.setdefault(watch, set()).add(name)

    def close(self) -> None:
        """Take the watches away."""
        self.descriptor.remove_callbacks([(watch, self._id) for watch in self._names])
        self._names.clear()

    def on_event(self, event: InotifyEvent) -> None:
        """One event of one directory."""
        if os.fsdecode(event.name) in self._names.get(event.wd, ()):
            self.changed()

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """The directory is gone, and the name with it."""
        if self._names.pop(wd, None) is not None:
            self.changed()

    def on_queue_overflow(self) -> None:
        """The name may have changed."""
        self.changed()


@dataclass
class _Probe:
    heard: threading.Event = field(default_factory=threading.Event)

    def on_event(self, event: InotifyEvent) -> None:
        if event.mask & InotifyConstants.IN_OPEN:
            self.heard.set()

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        pass

    def on_queue_overflow(self) -> None:
        self.heard.set()


def _add(descriptor: Descriptor, path: bytes, callback: Tree | Names | _Probe, number: CallbackId) -> WatchDescriptor:
    """Set a watch; -1 for a directory that must not be read.

    Raises:
        OSError: the kernel allows no more watches, or there is no such directory.
    """
    # Asked here: watchdog keeps a refused watch under the number -1, and warns of the second one.
    if not os.access(path, os.R_OK):
        if not os.path.isdir(path):
            raise FileNotFoundError(path)
        return _NO_WATCH
    return descriptor.add_callback(path, _MASK, callback, number)
