"""The disk as it is: which documents a source holds now, and which of them need a look.

A pass over files that did not change must cost little more than ``find``. So each directory has one *signature* over
the names, sizes, times and inodes of what it holds; where it equals the one that the ledger kept, no file in it is
compared, no rule is asked and nothing is made of it. Memory depends on the largest directory and on the number of
directories, not on the number of files.

Directories are opened one below the other by descriptor and never through a symbolic link, so nothing that moves
during the scan can lead it out of the root. What cannot be read is said to be unreadable, never to be missing.

Paths are relative to the root, POSIX style, as the disk spells them (``os.fsdecode`` form); only ``DocumentKey.path``
is NFC. Sizes are bytes, times nanoseconds since the epoch.
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from syncd import listing
from syncd.ignore import IGNORE_FILE, Rules, Verdict
from syncd.models import DocumentKey, FileSnapshot, KnownFile, Problem, RootState
from syncd.snapshot import ABSENT, DIRECTORY, EMPTY, complete, inside, open_inside, reason, restat

__all__ = ["KnownTree", "ScanResult", "complete", "restat", "scan"]

RACY_NS = 1_000_000_000  # kernels stamp files with a coarse clock; within a second an equal stat proves nothing
MAX_OPEN = 60  # directory descriptors held at once; deeper trees let go of the upper ones and climb back
_MAX_IGNORE_FILE = 1 << 20  # bytes


@dataclass(frozen=True, slots=True)
class KnownTree:
    """What the ledger remembers of one source.

    Attributes:
        signatures: directory ("" is the root) -> signature and number of documents directly in it, only for
            directories all of whose documents are at rest.
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
        changed: new, changed, not at rest, or with a problem of their own; ``sha256`` is "" where ``complete`` must
            hash.
        missing: known documents that are not there or no longer in scope.
        signatures: for directories that were looked into; to be stored once everything in them is at rest. Absent
            where an equal signature would prove too little (racy files, missing documents).
        unreadable: directory and reason; nothing known in or below one of them is called missing.
        skipped: reason -> number of entries, in the directories that were looked into.
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
    signatures: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    finished_ns: int = 0
    stopped: bool = False


@dataclass(slots=True)
class _Frame:
    """A directory whose sub-directories are being visited."""

    fd: int  # -1: let go, see ``_Scan._climb``
    rel: str
    path: str  # as documents in it are named: NFC, undecodable bytes escaped
    trouble: str  # why documents in it cannot have their names; "" when they can
    rules: Rules
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
    stop: Callable[[], bool] = lambda: False,
) -> ScanResult:
    """Compare the tree below ``root`` with what is known of it.

    Args:
        source: the source's name, for the keys.
        root: the source's directory; if it is a symbolic link it is resolved now.
        salt: covers all that changes the meaning of a signature beside the rules and ``max_size``.
        settings_of: a document's path -> hash of its training settings.
        max_size: bytes; larger files are ``TOO_LARGE``.
        now_ns: the clock that stamps the files.
        inspect: directories to look into even if their signature is equal.
        stop: asked once for each directory.

    Returns:
        Never raises for what is on the disk: a bad root is a ``RootState``, a bad directory is ``unreadable``.
    """
    result = ScanResult(RootState.OK, os.path.realpath(root), now_ns())
    job = _Scan(source, known, settings_of, max_size, inspect, stop, result)
    base = _chain(salt + max_size.to_bytes(8, "little"), rules.digest)
    try:
        fd = os.open(result.resolved, DIRECTORY)
    except OSError as error:
        result.root = RootState.MISSING if error.errno in ABSENT else RootState.UNREADABLE
        if result.root is RootState.UNREADABLE:
            result.unreadable.append(("", reason(error)))
    else:
        status = os.fstat(fd)
        result.device, result.inode = status.st_dev, status.st_ino
        job.run(_Frame(fd, "", "", "", rules, base))
    result.changed.sort(key=lambda snapshot: snapshot.disk_name)
    result.missing.sort()
    result.finished_ns = now_ns()
    return result


class _Scan:
    """One walk; ``result`` fills up on the way."""

    def __init__(
        self,
        source: str,
        known: KnownTree,
        settings_of: Callable[[str], str],
        max_size: int,
        inspect: frozenset[str],
        stop: Callable[[], bool],
        result: ScanResult,
    ) -> None:
        self.source = source
        self.known = known
        self.settings_of = settings_of
        self.max_size = max_size
        self.inspect = inspect
        self.stop = stop
        self.result = result
        self.read: set[str] = set()  # directories that were read, so that the known ones that were not are gone
        self.stack: list[_Frame] = []

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
        elif result.root is RootState.OK:
            self._find_missing_directories()
            if not result.in_scope and self.known.directories:
                result.root = RootState.EMPTY

    def _descend(self, parent: _Frame, name: str, path: str, trouble: str) -> None:
        """Open a sub-directory and visit it; one that cannot be opened is gone only if it is not there."""
        rel = _join(parent.rel, name)
        try:
            fd = os.open(name, DIRECTORY, dir_fd=parent.fd)
        except OSError as error:
            if not _gone(name, parent.fd):
                self.result.unreadable.append((rel, reason(error)))
            return
        # Another sibling may win or leave: then what is below has other names and must be looked at again.
        salt = _chain(parent.salt, trouble.encode()) if trouble else parent.salt
        self._visit(_Frame(fd, rel, _join(parent.path, path), parent.trouble or trouble, parent.rules, salt))

    def _visit(self, frame: _Frame) -> None:
        """Read one directory, and look into it if it is not as it was."""
        stack, result, rel = self.stack, self.result, frame.rel
        stack.append(frame)
        if len(stack) > MAX_OPEN and (upper := stack[-1 - MAX_OPEN]).fd >= 0:
            status = os.fstat(upper.fd)
            upper.identity = (status.st_dev, status.st_ino)
            _close(upper)
        if self.stop():
            result.stopped = True
            return
        try:
            seen = listing.read(frame.fd, lambda name: inside(result.resolved, _join(rel, name)) is not None)
            if IGNORE_FILE in seen.names or any(link.name == IGNORE_FILE for link in seen.links):
                frame.rules = _with_ignore_file(frame.rules, result.resolved, rel)
                frame.salt = _chain(frame.salt, frame.rules.digest)
        except OSError as error:
            result.unreadable.append((rel, reason(error)))
            if not rel:
                result.root = RootState.UNREADABLE
            return
        self.read.add(rel)
        result.directories += 1
        result.skipped["special"] += seen.special
        if seen.directories:
            frame.pending = self._enter(frame, seen.directories)
        signature = seen.signature(frame.salt)
        stored = self.known.signatures.get(rel)
        if stored is not None and stored[0] == signature and rel not in self.inspect:
            result.in_scope += stored[1]
        else:
            self._look_into(frame, seen, signature)

    def _climb(self, frame: _Frame, parent: _Frame) -> None:
        """Open ``parent`` again from below; give up on what is left in it when that leads elsewhere."""
        try:
            fd = os.open("..", DIRECTORY, dir_fd=frame.fd)
            status = os.fstat(fd)
            if (status.st_dev, status.st_ino) == parent.identity:
                parent.fd = fd
                return
            os.close(fd)
        except OSError:  # the reason is the same for whoever reads about it
            pass
        for name, _, _ in parent.pending:
            self.result.unreadable.append((_join(parent.rel, name), "the directory above it moved while it was read"))
        parent.pending.clear()

    def _enter(self, frame: _Frame, directories: list[str]) -> list[tuple[str, str, str]]:
        """Choose the sub-directories to visit and the names they have in documents' paths."""
        rules, prefix = frame.rules, _join(frame.rel, "")
        wanted = [name for name in directories if not rules.directory(prefix + name)]
        self.result.skipped["ignored"] += len(directories) - len(wanted)
        spelled = listing.spell(wanted, "folder")
        return [(name, *spelled.get(name, (name, ""))) for name in wanted]

    def _look_into(self, frame: _Frame, seen: listing.Listing, signature: bytes) -> None:
        """Compare the documents of one directory with what is known of each."""
        result, prefix = self.result, _join(frame.rel, "")
        rows = seen.rows()
        for link in seen.links:
            if link.row is not None and inside(result.resolved, prefix + link.name) is not None:
                rows.append(link.row)
            else:
                result.skipped["symlink"] += 1
        verdicts: dict[str, Verdict] = {}
        for name, *_ in rows:
            verdict = frame.rules.file(prefix + name)
            if verdict is Verdict.IN or (verdict is Verdict.UNSUPPORTED and frame.rules.explicit):
                verdicts[name] = verdict
            else:
                result.skipped[verdict.value] += 1
        spelled = listing.spell(verdicts, "file")
        remembered = self.known.files(frame.rel)
        racy_from = result.started_ns - RACY_NS
        missing = [prefix + name for name in remembered if name not in verdicts]
        proves = not missing  # what is missing must be said again as long as it is known
        for row in rows:
            name, size, mtime_ns, inode = row
            if name not in verdicts:
                continue
            path, trouble = spelled.get(name, (name, ""))
            problem, message = self._problem(frame.trouble or trouble, verdicts[name], size)
            racy = mtime_ns > racy_from
            proves = proves and not racy
            before = None if racy else _unchanged(row, remembered.get(name))
            # Known and at rest, but never hashed: what kept it from being read is over.
            if before is not None and before.at_rest and (before.sha256 or problem):
                continue
            key = DocumentKey(self.source, _join(frame.path, path))
            sha256 = before.sha256 if before is not None else ""
            settings = self.settings_of(key.path)
            result.changed.append(
                FileSnapshot(key, prefix + name, size, mtime_ns, inode, sha256, settings, problem, message, racy)
            )
        result.missing += missing
        result.in_scope += len(verdicts)
        if proves:
            result.signatures[frame.rel] = (signature, len(verdicts))

    def _problem(self, trouble: str, verdict: Verdict, size: int) -> tuple[Problem | None, str]:
        """Say why a document cannot be taken as it is (design 12, rules 31 and 32)."""
        if trouble:
            return Problem.NAME_COLLISION, trouble
        if verdict is Verdict.UNSUPPORTED:
            return Problem.UNSUPPORTED, "an include names this file, but nobody reads its format"
        if not size:
            return Problem.EMPTY, EMPTY
        if size > self.max_size:
            return Problem.TOO_LARGE, f"the file has {size} bytes; the limit is {self.max_size}"
        return None, ""

    def _find_missing_directories(self) -> None:
        """Call missing what is known in directories that are not there, or not in scope, any more."""
        unread = {rel for rel, _ in self.result.unreadable}
        for rel in self.known.directories:
            if rel not in self.read and not _within(rel, unread):
                prefix = _join(rel, "")
                self.result.missing += [prefix + name for name in self.known.files(rel)]


def _join(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name


def _within(rel: str, directories: set[str]) -> bool:
    """Tell whether ``rel`` or a directory above it is among ``directories``."""
    while rel not in directories:
        if not rel:
            return False
        rel = rel.rpartition("/")[0]
    return True


def _close(frame: _Frame) -> None:
    if frame.fd >= 0:
        os.close(frame.fd)
        frame.fd = -1


def _gone(name: str, parent: int) -> bool:
    """Tell whether a directory that could not be opened is not there; any doubt is a no."""
    try:
        os.lstat(name, dir_fd=parent)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def _with_ignore_file(rules: Rules, root: str, rel: str) -> Rules:
    """Add the directory's ``.syncdignore``; not to know what shall be ignored is an error, never "nothing"."""
    try:
        with open(open_inside(root, _join(rel, IGNORE_FILE)), "rb") as file:
            data = file.read(_MAX_IGNORE_FILE + 1)
        if len(data) > _MAX_IGNORE_FILE:
            raise ValueError(f"it is larger than {_MAX_IGNORE_FILE} bytes")
        return rules.with_ignore_file(rel, os.fsdecode(data))
    except (OSError, ValueError) as error:
        raise OSError(errno.EINVAL, f"{IGNORE_FILE} cannot be used: {reason(error)}") from error


def _unchanged(row: listing.Row, before: KnownFile | None) -> KnownFile | None:
    """Return what is known of a file if it is still true."""
    if before is None or (before.size, before.mtime_ns, before.inode) != row[1:]:
        return None
    return before


def _chain(salt: bytes, more: bytes) -> bytes:
    """Make the salt of what lies below something that matters."""
    return blake2b(len(salt).to_bytes(8, "little") + salt + more, digest_size=16).digest()
