"""The disk as it is: which documents a source holds now, and which of them need a look.

A pass over files that did not change must cost little more than ``find``. So each directory has one *signature* over
the names, sizes, times and inodes in it; where it equals the one that the ledger kept, no file is compared and no rule
is asked. Memory depends on the largest directory and on the number of directories, not on the number of files.

Directories are opened one below the other by descriptor and never through a symbolic link, so nothing that moves
during the scan can lead it out of the root. What cannot be read is said to be unreadable, never to be missing.

Paths are relative to the root, as the disk spells them (``os.fsdecode`` form); only ``DocumentKey.path`` is NFC.
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from syncd import listing
from syncd.aim import Aim
from syncd.door import ABSENT, DIRECTORY, inside
from syncd.ignore import IGNORE_FILE, Rules
from syncd.ignorefile import with_ignore_file
from syncd.models import FileSnapshot, KnownFile, RootState
from syncd.pulse import sign
from syncd.sift import Folder, Sieve, join
from syncd.snapshot import complete, reason, restat

__all__ = ["KnownTree", "ScanResult", "complete", "restat", "scan"]

MAX_OPEN = 60  # directory descriptors held at once; deeper trees let go of the upper ones and climb back
MOST_NAMED = 50  # skipped files that are told by name


@dataclass(frozen=True, slots=True)
class KnownTree:
    """What the ledger remembers of one source.

    Attributes:
        signatures: directory ("" is the root) -> signature, number of documents in it; only where all are at rest.
        directories: every directory in which the ledger knows documents.
        files: directory -> name on disk -> what is remembered; asked only where a signature differs.
    """

    signatures: Mapping[str, tuple[bytes, int]]
    directories: Collection[str]
    files: Callable[[str], Mapping[str, KnownFile]]


@dataclass(slots=True)
class ScanResult:
    """What one scan saw.

    Attributes:
        in_scope: number of documents seen, those with a local problem included.
        directories: number of directories read.
        changed: new, changed, or not at rest; ``sha256`` is "" where ``complete`` must hash.
        missing: known documents that are not there or no longer in scope.
        left: known documents that are there but belong to another instance now.
        elsewhere: number of documents of other instances, in the directories that were looked into.
        signatures: for directories that were looked into; to be stored once everything in them is at rest. None for
            those whose equal signature would prove too little: racy files, missing documents.
        unreadable: directory and reason; nothing known in or below one of them is called missing.
        skipped: reason -> number of entries, in the directories that were looked into.
        unread: the first of them that are of a format nobody reads, at most ``MOST_NAMED`` of the caller's choice.
        unread_in: how many of them are in each directory that has a new signature.
        stopped: the caller asked to stop; nothing is called missing.
    """

    root: RootState
    resolved: str
    started_ns: int
    device: int = 0
    inode: int = 0
    in_scope: int = 0
    directories: int = 0
    changed: list[FileSnapshot] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    elsewhere: int = 0
    signatures: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    unread: list[str] = field(default_factory=list)
    unread_in: dict[str, int] = field(default_factory=dict)
    finished_ns: int = 0
    stopped: bool = False


@dataclass(slots=True)
class _Frame:
    """A directory whose sub-directories are being visited."""

    fd: int  # -1: let go, see ``_Scan._climb``
    folder: Folder
    salt: bytes  # what signatures of this directory and those below it start with
    pending: list[tuple[str, str, str]] = field(default_factory=list)  # name, name in paths, trouble
    identity: tuple[int, int] = (0, 0)  # device and inode, known once ``fd`` was let go


def scan(
    source: str,
    root: str,
    rules: Rules,
    known: KnownTree,
    *,
    salt: bytes,
    settings_of: Callable[[str], str],
    max_size: int,
    now_ns: Callable[[], int],
    inspect: frozenset[str] = frozenset(),
    aim: Aim | None = None,
    owns: Callable[[str], bool] | None = None,
    stop: Callable[[], bool] = lambda: False,
    most_named: int = MOST_NAMED,
) -> ScanResult:
    """Compare the tree below ``root`` with what is known of it.

    Args:
        source: the source's name, for the keys.
        root: the source's directory; if it is a symbolic link it is resolved now.
        salt: covers all that changes the meaning of a signature beside the rules and ``max_size``.
        settings_of: a document's path -> hash of its training settings.
        max_size: bytes; larger files are ``TOO_LARGE``.
        now_ns: the clock that stamps the files, nanoseconds since the epoch.
        inspect: directories to look into even if their signature is equal.
        aim: look at this part of the tree only; ``missing`` then speaks of the directories looked into alone.
        owns: whether a document is this instance's; ``None`` when all are.
        stop: asked once for each directory.
        most_named: files of a format nobody reads that are told by name.

    Nothing on the disk makes it raise: a bad root is a ``RootState``, a bad directory is ``unreadable``.
    """
    result = ScanResult(RootState.OK, root, now_ns())
    sieve = Sieve(source, settings_of, max_size, result.started_ns, owns)
    base = listing.chain(salt + max_size.to_bytes(8, "little"), rules.digest)
    try:
        result.resolved = os.path.realpath(root)
        fd = os.open(result.resolved, DIRECTORY)
    except OSError as error:
        result.root = RootState.MISSING
        if error.errno not in ABSENT:
            result.root = RootState.UNREADABLE
            result.unreadable.append(("", reason(error)))
    else:
        result.device, result.inode = _identity(fd)
        _Scan(sieve, known, inspect, aim, stop, result, most_named).run(_Frame(fd, Folder("", "", "", rules), base))
    result.changed.sort(key=lambda snapshot: snapshot.disk_name)
    result.missing.sort()
    result.finished_ns = now_ns()
    return result


@dataclass(slots=True)
class _Scan:
    """One walk; ``result`` fills up on the way."""

    sieve: Sieve
    known: KnownTree
    inspect: frozenset[str]
    aim: Aim | None
    stop: Callable[[], bool]
    result: ScanResult
    most_named: int
    read: set[str] = field(default_factory=set)  # what is known in a directory that was not read is missing
    stack: list[_Frame] = field(default_factory=list)

    def run(self, root: _Frame) -> None:
        """Visit every directory, depth first, with at most ``MAX_OPEN`` of them open."""
        stack, result = self.stack, self.result
        try:
            self._visit(root)
            while stack and not result.stopped:
                frame = stack[-1]
                if frame.pending:
                    self._descend(frame, *frame.pending.pop())
                    continue
                stack.pop()
                if stack and stack[-1].fd < 0:
                    self._climb(frame, stack[-1])
                _close(frame)
        finally:
            for frame in stack:
                _close(frame)
        if result.stopped:
            result.missing.clear()
        elif result.root is RootState.OK and self.aim is None:
            self._find_missing_directories()
            if not result.in_scope and not result.elsewhere and self.known.directories:
                result.root = RootState.EMPTY

    def _descend(self, parent: _Frame, name: str, path: str, trouble: str) -> None:
        """Open a sub-directory and visit it; one that cannot be opened is gone only if it is not there."""
        above = parent.folder
        rel = join(above.rel, name)
        try:
            fd = os.open(name, DIRECTORY, dir_fd=parent.fd)
        except OSError as error:
            if not _gone(name, parent.fd):
                self.result.unreadable.append((rel, reason(error)))
            return
        # Another sibling may win or leave: then what is below has other names and must be looked at again.
        salt = listing.chain(parent.salt, trouble.encode()) if trouble else parent.salt
        self._visit(_Frame(fd, Folder(rel, join(above.path, path), above.trouble or trouble, above.rules), salt))

    def _visit(self, frame: _Frame) -> None:
        """Read one directory, and look into it if it is not as it was."""
        self._push(frame)
        result, rel = self.result, frame.folder.rel
        sign()
        if self.stop():
            result.stopped = True
            return
        if self.aim is not None and not self.aim.covers(rel) and self._pass_through(frame, self.aim):
            return
        try:
            seen = listing.read(frame.fd, lambda name: inside(result.resolved, join(rel, name)) is not None)
            if _has_ignore_file(frame.fd, seen):
                rules = with_ignore_file(frame.folder.rules, result.resolved, rel)
                frame.folder = replace(frame.folder, rules=rules)
                frame.salt = listing.chain(frame.salt, rules.digest)
        except OSError as error:
            result.unreadable.append((rel, reason(error)))
            if not rel:
                result.root = RootState.UNREADABLE
            return
        self.read.add(rel)
        result.directories += 1
        if seen.special:
            result.skipped["special"] += seen.special
        if seen.directories:
            frame.pending = self._enter(frame.folder, seen.directories)
        if self.aim is not None and not self.aim.inside_tree(rel):
            wanted = self.aim.steps(rel)
            frame.pending = [step for step in frame.pending if step[0] in wanted]
            if not self.aim.covers(rel):
                return
        signature = seen.signature(frame.salt)
        stored = self.known.signatures.get(rel)
        if stored is not None and stored[0] == signature and rel not in self.inspect:
            result.in_scope += stored[1]
        else:
            self._look_into(frame.folder, seen, signature)

    def _pass_through(self, frame: _Frame, aim: Aim) -> bool:
        """Go on to the directories below without listing this one; False when their names must be compared first.

        Names in ASCII come first in byte order, so no sibling can take a document's path from them.
        """
        names = aim.steps(frame.folder.rel)
        if not all(name.isascii() for name in names):
            return False
        try:
            os.stat(IGNORE_FILE, dir_fd=frame.fd)
        except FileNotFoundError:
            pass
        except OSError:
            return False  # the listing says what is wrong
        else:
            return False  # its rules are read together with the listing
        frame.pending = self._enter(frame.folder, sorted(names))
        return True

    def _push(self, frame: _Frame) -> None:
        """Put a directory on the stack; let go of the descriptor that is one too many."""
        self.stack.append(frame)
        if len(self.stack) > MAX_OPEN and (upper := self.stack[-1 - MAX_OPEN]).fd >= 0:
            upper.identity = _identity(upper.fd)
            _close(upper)

    def _climb(self, frame: _Frame, parent: _Frame) -> None:
        """Open ``parent`` again from below; give up on what is left in it when that leads elsewhere."""
        with suppress(OSError):
            fd = os.open("..", DIRECTORY, dir_fd=frame.fd)
            if _identity(fd) == parent.identity:
                parent.fd = fd
                return
            os.close(fd)
        for name, *_ in parent.pending:
            self.result.unreadable.append((join(parent.folder.rel, name), "the directory above it moved meanwhile"))
        parent.pending.clear()

    def _enter(self, folder: Folder, directories: list[str]) -> list[tuple[str, str, str]]:
        """Choose the sub-directories to visit and the names they have in documents' paths."""
        prefix = join(folder.rel, "")
        wanted = [name for name in directories if not folder.rules.directory(prefix + name)]
        if len(wanted) < len(directories):
            self.result.skipped["ignored"] += len(directories) - len(wanted)
        spelled = listing.spell(wanted, "folder")
        return [(name, *spelled.get(name, (name, ""))) for name in wanted]

    def _look_into(self, folder: Folder, seen: listing.Listing, signature: bytes) -> None:
        """Compare the documents of one directory with what is known of each."""
        result = self.result
        rows = seen.rows()
        try:
            for link in seen.links:
                if link.row is not None and inside(result.resolved, join(folder.rel, link.name)) is not None:
                    rows.append(link.row)
                else:
                    result.skipped["symlink"] += 1
        except OSError as error:
            result.unreadable.append((folder.rel, reason(error)))
            return
        sifted = self.sieve.sift(folder, rows, self.known.files(folder.rel))
        result.changed += sifted.changed
        result.missing += sifted.missing
        result.left += sifted.left
        result.elsewhere += sifted.elsewhere
        result.in_scope += sifted.in_scope
        result.skipped += sifted.skipped
        result.unread += sifted.unread[: max(self.most_named - len(result.unread), 0)]
        if sifted.proves:
            result.signatures[folder.rel] = (signature, sifted.in_scope)
            result.unread_in[folder.rel] = len(sifted.unread)

    def _find_missing_directories(self) -> None:
        """Call missing what is known in directories that are not there, or not in scope, any more."""
        unread = {rel for rel, _ in self.result.unreadable}
        for rel in self.known.directories:
            if rel not in self.read and not _within(rel, unread):
                prefix = join(rel, "")
                self.result.missing += [prefix + name for name in self.known.files(rel)]


def _within(rel: str, directories: set[str]) -> bool:
    """Tell whether ``rel`` or a directory above it is among ``directories``."""
    while rel and rel not in directories:
        rel = rel.rpartition("/")[0]
    return rel in directories


def _has_ignore_file(fd: int, seen: listing.Listing) -> bool:
    """Whether something of that name is there, of whatever kind; what is no file will be refused."""
    if IGNORE_FILE in seen.names or IGNORE_FILE in seen.directories:
        return True
    if any(link.name == IGNORE_FILE for link in seen.links):
        return True
    return bool(seen.special) and not _gone(IGNORE_FILE, fd)


def _identity(fd: int) -> tuple[int, int]:
    return (status := os.fstat(fd)).st_dev, status.st_ino


def _close(frame: _Frame) -> None:
    if frame.fd >= 0:
        os.close(frame.fd)
        frame.fd = -1


def _gone(name: str, parent: int) -> bool:
    """Tell whether a directory that could not be opened is not there; any doubt is a no."""
    try:
        os.lstat(name, dir_fd=parent)
    except OSError as error:
        return error.errno == errno.ENOENT
    return False
