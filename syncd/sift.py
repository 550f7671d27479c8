"""The files of one directory, sifted: which are documents, which of them need a look, what is missing.

Asked only for directories that are not as they were; here, and only here, rules are asked and files compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from syncd import listing
from syncd.ignore import Rules, Verdict
from syncd.models import DocumentKey, FileSnapshot, KnownFile, Problem
from syncd.snapshot import EMPTY

RACY_NS = 1_000_000_000  # kernels stamp files with a coarse clock; within a second an equal stat proves nothing


@dataclass(frozen=True, slots=True)
class Folder:
    """A directory, and what its place in the tree means for the documents in it.

    Attributes:
        rel: its path on disk, "" for the root.
        path: as documents in it are named: NFC, undecodable bytes escaped.
        trouble: why documents in it cannot have their names; "" when they can.
        rules: with every ``.syncdignore`` from the root down to here.
    """

    rel: str
    path: str
    trouble: str
    rules: Rules


@dataclass(slots=True)
class Sifted:
    """What came of one directory.

    Attributes:
        in_scope: number of documents in it.
        changed: documents that need a look.
        missing: known documents that are not there or no longer in scope, as paths on disk.
        left: known documents that belong to another instance now, as paths on disk.
        elsewhere: number of documents that are another instance's.
        proves: an equal signature will prove that nothing changed. It does not when a file was written just before the
            scan, nor while something is missing: that must be said again as long as it is known.
        skipped: reason -> number of files that are no documents.
    """

    in_scope: int = 0
    changed: list[FileSnapshot] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    elsewhere: int = 0
    proves: bool = True
    skipped: Counter[str] = field(default_factory=Counter)
    unread: list[str] = field(default_factory=list)  # of them, those of a format that nobody reads


@dataclass(frozen=True, slots=True)
class Sieve:
    """What is the same for every directory of one scan.

    Attributes:
        source: the source's name, for the keys.
        settings_of: a document's path -> hash of its training settings.
        max_size: bytes; larger files are ``TOO_LARGE``.
        started_ns: when the scan began, by the clock that stamps the files.
        owns: whether a document is this instance's; ``None`` when all are.
    """

    source: str
    settings_of: Callable[[str], str]
    max_size: int
    started_ns: int
    owns: Callable[[str], bool] | None = None

    def sift(self, folder: Folder, rows: Sequence[listing.Row], known: Mapping[str, KnownFile]) -> Sifted:
        """Compare the files of one directory with what is known of each.

        Args:
            folder: the directory.
            rows: its regular files, and the symbolic links that count as such.
            known: name on disk -> what is remembered.
        """
        prefix = join(folder.rel, "")
        result = Sifted()
        verdicts = self._choose(folder.rules, prefix, rows, result)
        result.in_scope = len(verdicts)
        result.missing = [prefix + name for name in known if name not in verdicts]
        result.proves = not result.missing
        spelled = listing.spell(verdicts, "file")
        for row in rows:
            name, size, mtime_ns, inode = row
            if name not in verdicts:
                continue
            path, trouble = spelled.get(name, (name, ""))
            if self.owns is not None and not self.owns(join(folder.path, path)):
                self._elsewhere(prefix + name, name in known, result)
                continue
            problem, message = self._problem(folder.trouble or trouble, verdicts[name], size)
            racy = mtime_ns > self.started_ns - RACY_NS
            if racy:
                result.proves = False
            before = None if racy else _unchanged(row, known.get(name))
            if before is not None and _done(before, problem):
                continue
            key = DocumentKey(self.source, join(folder.path, path))
            # A problem goes without a hash, so that its end can be seen in what is remembered (``_done``).
            sha256 = before.sha256 if before is not None and problem is None else ""
            settings = self.settings_of(key.path)
            result.changed.append(
                FileSnapshot(key, prefix + name, size, mtime_ns, inode, sha256, settings, problem, message, racy)
            )
        return result

    def _elsewhere(self, disk_name: str, known: bool, result: Sifted) -> None:
        result.in_scope -= 1
        result.elsewhere += 1
        if known:
            result.left.append(disk_name)
            result.proves = False  # until it was handed over it must be said again

    def _choose(self, rules: Rules, prefix: str, rows: Sequence[listing.Row], result: Sifted) -> dict[str, Verdict]:
        """Return the names that are documents; a format nobody reads is one if an include asks for it."""
        chosen: dict[str, Verdict] = {}
        for name, *_ in rows:
            verdict = rules.file(prefix + name)
            if verdict is Verdict.IN or (verdict is Verdict.UNSUPPORTED and rules.explicit):
                chosen[name] = verdict
            else:
                result.skipped[verdict.value] += 1
                if verdict is Verdict.UNSUPPORTED:
                    result.unread.append(prefix + name)
        return chosen

    def _problem(self, trouble: str, verdict: Verdict, size: int) -> tuple[Problem | None, str]:
        """Say why a document cannot be taken as it is (design 12, rules 31 and 32)."""
        if trouble:
            return Problem.NAME_COLLISION, trouble
        if verdict is Verdict.UNSUPPORTED:
            return Problem.UNSUPPORTED, "an include names this file, but nobody reads its format"
        if not size:
            return Problem.EMPTY, EMPTY
        if size > self.max_size:
            return Problem.TOO_LARGE, f"the file has {size} bytes; the limit is {self.max_size} bytes"
        return None, ""


def join(directory: str, name: str) -> str:
    """Put a path together; ``name`` may be "" to get a prefix for the directory's entries."""
    return f"{directory}/{name}" if directory else name


def _unchanged(row: listing.Row, before: KnownFile | None) -> KnownFile | None:
    """Return what is known of a file if it is still true."""
    if before is None or (before.size, before.mtime_ns, before.inode) != row[1:]:
        return None
    return before


def _done(before: KnownFile, problem: Problem | None) -> bool:
    """Tell whether an unchanged file needs no look.

    A file is known without a hash when something kept it from being read. If that is over, or if something now keeps
    one from being read that was read before (another name took its place), it needs one.
    """
    return before.at_rest and bool(before.sha256) == (problem is None)
