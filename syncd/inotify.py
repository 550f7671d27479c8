"""The inotify watches of one tree, through watchdog's descriptor. Alone knows watchdog.

watchdog's observer was measured and is not used: with its own mask it loops for ever from some 4 000 folders on, it
swallows a queue overflow and a full watch table, and two of its threads wake up every second. Its descriptor
(``InotifyFD``) does what is needed: one thread that sleeps until the kernel speaks, and a call-back for each event and
for an overflow. What is on top of it here is one watch for each folder and nothing else.

Relied on, read in watchdog 7.1.0: adding and removing may be done from any thread; call-backs come from the reading
thread, one after the other, outside of its lock; an event of a watch that has been removed is dropped; a second
call-back under one number, or the removal of one that is not there, prints a warning; an exception in a call-back ends
the thread. Of the kernel: the number of a watch is not used again, and goes with its directory, not with the path.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import posixpath
import stat
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from watchdog.utils import UnsupportedLibcError

from syncd import door
from syncd.logs import get_logger

try:
    from watchdog.observers.inotify_c import CallbackId, InotifyConstants, InotifyEvent, InotifyFD, Mask
    from watchdog.observers.inotify_c import WatchDescriptor as Number
except UnsupportedLibcError as error:  # no Linux
    raise ImportError("this system has no inotify") from error

log = get_logger(__name__)

_COMES = InotifyConstants.IN_CREATE | InotifyConstants.IN_MOVED_TO
_GOES = InotifyConstants.IN_DELETE | InotifyConstants.IN_MOVED_FROM
_ITSELF = InotifyConstants.IN_DELETE_SELF | InotifyConstants.IN_MOVE_SELF
_HOW = InotifyConstants.IN_EXCL_UNLINK | InotifyConstants.IN_ONLYDIR | InotifyConstants.IN_DONT_FOLLOW
# Closing after a write ends a change; creating is heard too, since links are made without a write.
_TOLD = InotifyConstants.IN_CLOSE_WRITE | _COMES | _GOES
_MASK = Mask(_TOLD | _ITSELF | _HOW)
# The kernel keeps one mask for a directory: these are added to it, so that nobody else's ears are closed.
_NAMES_MASK = Mask(_COMES | _GOES | _ITSELF | _HOW | InotifyConstants.IN_MASK_ADD)
_OPENED = Mask(InotifyConstants.IN_OPEN | _HOW | InotifyConstants.IN_MASK_ADD)
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR)
_FLIPPED = "..data"  # the link by which Kubernetes gives all files of a volume another content at once
_SLICE = 2000  # watches that are taken away at once; the kernel's queue holds 16 384 events
_PAUSE = 0.05  # seconds in which as many events are read
_ids = itertools.count(1)
_NO_WATCH = Number(-1)  # what watchdog gives for a directory that must not be read

__all__ = ["Descriptor", "Hearing", "Names", "Tree"]


class Descriptor(InotifyFD):
    """One inotify instance and the thread that reads it; ``OSError`` when the kernel gives none.

    Attributes:
        died: called from the thread when it ends without having been asked to.
    """

    died: Callable[[], None] = staticmethod(lambda: None)
    _dead = False

    def run(self) -> None:
        """Read until ``stop``; an exception in a call-back would otherwise end the thread in silence."""
        try:
            super().run()
        except Exception:
            log.exception("bug", where="the thread that reads inotify")
        if self.should_keep_running():
            self._dead = True
            self.died()

    @property
    def works(self) -> bool:
        """Whether the thread reads."""
        return self.is_alive() and not self._dead


@dataclass(slots=True)
class Hearing:
    """What a tree tells; called from any thread, mostly from the one that reads.

    Args:
        changed: something happened to this path, relative to the root, as the disk spells it; "" is the root.
        lost: the kernel has dropped events; the tree is to be built again.
        full: the kernel allows no more watches (``OSError`` with ENOSPC or EMFILE).
        moved: the root itself went away.
    """

    changed: Callable[[str], None]
    lost: Callable[[], None]
    full: Callable[[OSError], None]
    moved: Callable[[], None]


@dataclass(repr=False)  # watchdog's warnings would print every watch there is
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
    _path_of: dict[Number, str] = field(default_factory=dict)
    _watch_of: dict[str, Number] = field(default_factory=dict)
    _id_of: dict[Number, CallbackId] = field(default_factory=dict)
    _below: dict[str, set[str]] = field(default_factory=dict)  # watched directories in a directory
    _deaf: set[str] = field(default_factory=set)  # directories that are there and cannot be watched
    _unseen: set[str] = field(default_factory=set)  # watched before the walk under way, which has not come there yet
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _open: bool = True

    def __len__(self) -> int:
        """How many directories are watched."""
        return len(self._path_of)

    @property
    def deaf(self) -> int:
        """How many directories cannot be watched: not to be read, or of too long a path."""
        return len(self._deaf)

    @property
    def rooted(self) -> bool:
        """Whether the root is watched: its watch goes with the directory, even if another one takes the place."""
        return "" in self._watch_of

    def build(self) -> None:
        """Set the watches. May be called again: then what stands stays, and what leads nowhere any more goes.

        Taking all watches away and setting them anew would be simpler, but the kernel tells of each that goes; from
        16 384 folders on (its queue) that alone overflows, and the cure of an overflow would be the next one's cause.

        Raises:
            OSError: the root cannot be watched, or the kernel allows no more watches.
        """
        with self._lock:
            self._unseen = set(self._watch_of)
            self._deaf.clear()
        self._walk("", again=True)
        if not self.rooted:
            raise PermissionError(errno.EACCES, "it cannot be read", self.root)
        with self._lock:
            for folder in self._unseen & self._watch_of.keys():
                self._drop(folder)
            self._unseen = set()

    def catch_up(self) -> None:
        """Try again to watch what could not be watched."""
        for folder in sorted(self._deaf):
            with self._lock:
                self._deaf.discard(folder)
            try:
                if self._walk(folder):
                    self.hearing.changed(folder)
            except OSError as error:
                self.hearing.full(error)
                return

    def hush(self) -> None:
        """Tell nothing any more, and wait for nobody; the watches go with the descriptor."""
        self._open = False

    def close(self) -> None:
        """Take the watches away; nothing is told any more. Not for the reading thread."""
        with self._lock:
            self._open = False
            pairs = list(self._id_of.items())
            for known in (self._id_of, self._path_of, self._watch_of, self._below):
                known.clear()
        # The kernel tells of each: the thread is given time to read that, else the other trees' events were lost.
        for start in range(0, len(pairs), _SLICE):
            if start:
                time.sleep(_PAUSE)
            self.descriptor.remove_callbacks(pairs[start : start + _SLICE])

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
            # The probe may sit on another directory than the tree does: one that has taken the root's place.
            return probe.heard.wait(seconds) and watch == self._watch_of.get("")
        except OSError:
            return False
        finally:
            # The ordinary mask is put back before the probe goes.
            again = CallbackId(next(_ids))
            probes = [(watch, number)]
            with contextlib.suppress(OSError):  # gone meanwhile, and its watch with it
                probes.append((self.descriptor.add_callback(path, _MASK, probe, again), again))
            self.descriptor.remove_callbacks(probes)

    # ------------------------------------------------------------ called by watchdog, from its thread

    def on_event(self, event: InotifyEvent) -> None:
        """One event of one directory."""
        with self._lock:
            folder = self._path_of.get(event.wd)
            if folder is None or not self._open:
                return
            if event.mask & _ITSELF:
                if folder == "":
                    self.hearing.moved()
                return
            if not event.mask & _TOLD:
                return  # somebody opened a file while the probe listened
            name = os.fsdecode(event.name)
            if name == _FLIPPED:
                self.hearing.changed(folder)
                return
            if not self.keep(name):
                return
            path = f"{folder}/{name}" if folder else name
            if event.mask & InotifyConstants.IN_ISDIR:
                self._directory(path, event)
        self.hearing.changed(path)

    def on_watch_deleted(self, wd: Number) -> None:
        """The kernel has dropped a watch: its directory is gone."""
        if not self._open:
            return  # without the lock: the thread that has it may hang, which is why all is given up
        with self._lock:
            self._id_of.pop(wd, None)
            path = self._path_of.pop(wd, None)
            if path is None or self._watch_of.get(path) != wd:
                return
            del self._watch_of[path]
            if path == "" and self._open:
                self.hearing.moved()

    def on_queue_overflow(self) -> None:
        """The kernel has dropped events: of files, and of directories that came or went, so that no path is sure."""
        if self._open:
            self.hearing.lost()

    # ------------------------------------------------------------ directories come and go

    def _directory(self, path: str, event: InotifyEvent) -> None:
        if event.mask & _GOES:
            self._drop(path)
            return
        try:
            self._walk(path)
        except OSError as error:
            self.hearing.full(error)

    def _walk(self, path: str, *, again: bool = False) -> bool:
        """Watch a directory and all below it; what is made meanwhile is heard by the watch above it.

        Args:
            again: go through directories that are watched already, too.

        Returns:
            Whether the directory is watched that was not, or not under this path.
        """
        pending, new = [path], False
        while pending:
            folder = pending.pop()
            if folder and self.skip(folder):
                continue
            full = os.path.join(self.root, folder) if folder else self.root
            watched = self._watch(folder, full)
            new = new or (folder == path and watched is True)
            if watched is None or not (watched or again):
                continue
            try:
                # Not by its path: where a link takes its place meanwhile, all of another tree would be watched.
                listed = door.open_directory(self.root, folder)
            except OSError:
                continue  # gone again, or not to be read: the scan says so
            try:
                with os.scandir(listed) as entries:
                    pending += [
                        f"{folder}/{entry.name}" if folder else entry.name
                        for entry in entries
                        if entry.is_dir(follow_symlinks=False) and self.keep(entry.name)
                    ]
            except OSError:
                continue
            finally:
                os.close(listed)
        return new

    def _watch(self, folder: str, full: str) -> bool | None:
        """Watch one directory: ``True`` that is new, ``False`` it was watched already, ``None`` that cannot be."""
        with self._lock:  # for each directory anew: a tree is built beside the thread that reads
            if not self._open:
                return None
            number = CallbackId(next(_ids))  # watchdog warns of a second call-back under one number
            try:
                watch = _add(self.descriptor, full, self, number)
            except (FileNotFoundError, NotADirectoryError):
                if folder:
                    return None  # gone again, or a link by now
                raise
            if watch < 0:
                self._deaf.add(folder)
                return None
            if watch in self._id_of:
                self.descriptor.remove_callbacks([(watch, number)])
            else:
                self._id_of[watch] = number
            before = self._watch_of.get(folder)
            if watch == before:
                self._unseen.discard(folder)
                return False
            elsewhere = self._path_of.get(watch)
            if elsewhere is not None:
                if _same(os.path.join(self.root, elsewhere), full):
                    return None  # mounted twice: told under one of its paths
                # It was moved here, and its watch came with it; the event that says so is still to come.
                del self._watch_of[elsewhere]
            if before is not None:
                self._drop(folder)
            self._path_of[watch] = folder
            self._watch_of[folder] = watch
            if folder:
                self._below.setdefault(posixpath.dirname(folder), set()).add(folder)
            self._unseen.discard(folder)
            return True

    def _drop(self, path: str) -> None:
        """A directory has left its place: what is below it would go on telling under its old path."""
        self._below.get(posixpath.dirname(path), set()).discard(path)
        pending, watches = [path], []
        while pending:
            folder = pending.pop()
            pending += self._below.pop(folder, ())
            watch = self._watch_of.pop(folder, None)
            if watch is not None:
                self._path_of.pop(watch, None)
                watches.append(watch)
        if self._deaf:
            self._deaf = {folder for folder in self._deaf if folder != path and not folder.startswith(path + "/")}
        self._forget(watches)

    def _forget(self, watches: Iterable[Number]) -> None:
        self.descriptor.remove_callbacks([(watch, self._id_of.pop(watch)) for watch in watches])


@dataclass(repr=False)
class Names:
    """Watches some names in some directories: those that a root hangs on."""

    descriptor: Descriptor
    changed: Callable[[], None]
    _names: dict[Number, set[str]] = field(default_factory=dict)
    _id: CallbackId = field(default_factory=lambda: CallbackId(next(_ids)))
    _open: bool = True

    def watch(self, names: Iterable[tuple[str, str]]) -> None:
        """Watch each name in its directory; what cannot be watched is left to the periodic check."""
        folders: dict[str, set[str]] = {}
        for folder, name in names:
            folders.setdefault(folder, set()).add(name)
        for folder, wanted in folders.items():
            try:
                watch = _add(self.descriptor, folder, self, self._id, _NAMES_MASK)
            except OSError:
                continue
            if watch >= 0:
                self._names.setdefault(watch, set()).update(wanted)

    def hush(self) -> None:
        """Tell nothing any more; the watches go with the descriptor."""
        self._open = False

    def close(self) -> None:
        """Take the watches away; nothing is told any more."""
        self._open = False
        self.descriptor.remove_callbacks([(watch, self._id) for watch in self._names])
        self._names.clear()

    def on_event(self, event: InotifyEvent) -> None:
        """One event of one directory."""
        if os.fsdecode(event.name) in self._names.get(event.wd, ()):
            self._tell()

    def on_watch_deleted(self, wd: Number) -> None:
        """The directory is gone, and the name with it."""
        if self._names.pop(wd, None) is not None:
            self._tell()

    def on_queue_overflow(self) -> None:
        """The name may have changed."""
        self._tell()

    def _tell(self) -> None:
        if self._open:
            self.changed()


@dataclass
class _Probe:
    heard: threading.Event = field(default_factory=threading.Event)

    def on_event(self, event: InotifyEvent) -> None:
        if event.mask & InotifyConstants.IN_OPEN:
            self.heard.set()

    def on_watch_deleted(self, wd: Number) -> None:
        pass

    def on_queue_overflow(self) -> None:
        self.heard.set()


def _add(descriptor: Descriptor, path: str, callback: Any, number: CallbackId, mask: Mask = _MASK) -> Number:
    """Set a watch; -1 for a directory that cannot be watched although it is there.

    Raises:
        OSError: the kernel allows no more watches, or there is no such directory.
    """
    # Asked here: watchdog keeps a refused watch under the number -1, and warns of the second one.
    if not os.access(path, os.R_OK):
        try:
            mode = os.lstat(path).st_mode
        except OSError as error:
            if error.errno in _NOT_THERE:
                raise
            return _NO_WATCH
        if not stat.S_ISDIR(mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        return _NO_WATCH
    return descriptor.add_callback(os.fsencode(path), mask, callback, number)


def _same(one: str, other: str) -> bool:
    """Whether two paths lead to one directory now."""
    try:
        return os.path.samestat(os.lstat(one), os.lstat(other))
    except OSError:
        return False
