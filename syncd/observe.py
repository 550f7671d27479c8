"""Observes one source: the disk and the ledger, put together into what the planner sees.

Nothing here talks to the server. The scan states the facts; what it calls missing is believed only when a second
scan, begun after the first one ended, did not see it either (rule 16).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import posixpath
import sqlite3
import stat
import time
import unicodedata
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from syncd.aim import Aim, aim_at
from syncd.apply import SourceState
from syncd.config import Source
from syncd.convert import settings_id
from syncd.disk import Disk
from syncd.formats import suffixes_for
from syncd.ignore import IGNORE_FILE, Rules
from syncd.ledger import MANY, Ledger, entries, moves, records, remote, resending, tree
from syncd.models import (
    DocumentKey,
    FileSnapshot,
    LedgerEntry,
    Problem,
    RevisionId,
    RootState,
    Waiting,
)
from syncd.plan import SourceView, decide, forgettable, recovered
from syncd.presence import in_scope
from syncd.pulse import sign
from syncd.scan import KnownTree, ScanResult, complete, restat, scan
from syncd.settle import remainder, second_look, unsettled

STILL_BEING_WRITTEN = "the file is still being written"
_AT_ONCE = 250  # files that are written down in one go
STILL_WRITTEN = 60.0  # seconds that a one-shot pass waits for a file that is still being written (pinned)
_DEVICE_KNOWN = 0.8  # a changed device is accepted when so many of the known files are there (rule 19)


def _never() -> bool:
    return False


@dataclass(slots=True)
class Observation:
    """One look at one source."""

    view: SourceView
    result: ScanResult
    unsettled: list[FileSnapshot] = field(default_factory=list)  # files that are still being written
    scan_seconds: float = 0.0
    partial: bool = False  # a few paths were looked at, not the whole source
    _by_path: dict[str, FileSnapshot] = field(default_factory=dict)

    @property
    def waiting(self) -> list[Waiting]:
        """The documents that are still being written, and so wait."""
        return [Waiting(snapshot.key, STILL_BEING_WRITTEN) for snapshot in self.unsettled]

    @property
    def snapshots(self) -> dict[str, FileSnapshot]:
        """The snapshots that need attention, by path."""
        if not self._by_path and self.view.seen:
            self._by_path = {snapshot.key.path: snapshot for snapshot in self.view.seen}
        return self._by_path


def rules_of(source: Source) -> Rules:
    """Which files of a source are documents."""
    return Rules.compile(source.include, source.exclude, suffixes_for(source.include))


def unread_files(source: Source, most: int) -> list[str]:
    """The first ``most`` files of a source that are of a format nobody reads, as the disk says now."""
    return sorted(_afresh(source, most).unread)


def folders(source: Source) -> tuple[int, list[str]]:
    """How many folders of a source count, and which cannot be read, each with the reason."""
    found = _afresh(source, 0)
    return found.directories, [f"{folder or 'the source itself'}: {why}" for folder, why in sorted(found.unreadable)]


def _afresh(source: Source, most: int) -> ScanResult:
    return scan(
        source.name,
        str(source.path),
        rules_of(source),
        KnownTree(signatures={}, directories=(), files=lambda _directory: {}),
        salt=b"",
        settings_of=lambda _path: "",
        max_size=source.max_size,
        now_ns=time.time_ns,
        most_named=most,
    )


class Observer:
    """Looks at sources.

    Args:
        ledger: open for writing.
        now: the wall clock that stamps the files, seconds since the epoch.
        disk: reaches the files of sources.
    """

    def __init__(
        self,
        ledger: Ledger,
        now: Callable[[], float],
        disk: Disk,
    ) -> None:
        self._ledger = ledger
        self._now = now
        self._disk = disk
        self._rules: dict[str, Rules] = {}

    async def observe(
        self, state: SourceState, *, wait: bool = True, remember: bool = True, stop: Callable[[], bool] = _never
    ) -> Observation:
        """Look at one source as a whole.

        Args:
            state: the source.
            wait: wait for files that are still being written (a plan does not).
            remember: write what was seen into the ledger.
            stop: asked while scanning.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        if remember and resending.due(self._ledger.conn, state.config.name, self._now()):
            now, name = self._now(), state.config.name
            wake = partial(resending.wake_due, source=name, now=now)
            await self._ledger.commit("resend_due", wake, durable=False, beside=True)
        result: ScanResult = await self._at(state, self._scan, state, stop)
        missing = result.missing
        if missing:
            again: ScanResult = await self._at(state, self._scan, state, stop)
            missing = sorted(set(missing) & set(again.missing))
            result = again
        scan_seconds = loop.time() - began
        settled, open_files = await self._settle(state, result.changed, wait=wait, stop=stop)
        snapshots: list[FileSnapshot] = await self._at(state, self._hash, state, settled)
        _leave_open(result, snapshots)
        view = await self._view(state, result, snapshots, missing)
        if remember:
            await self._remember(state, view, result, open_files)
        return Observation(view, result, open_files, scan_seconds)

    async def look(
        self, state: SourceState, paths: frozenset[str], *, stop: Callable[[], bool] = _never
    ) -> Observation | None:
        """Look at a few paths of one source; ``None`` when only a look at the whole source can say what is so.

        Args:
            state: the source.
            paths: files and directories, relative to the root, as the disk spells them.
            stop: asked while scanning.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        seen: tuple[ScanResult, list[FileSnapshot], list[FileSnapshot]] | None = await self._at(
            state, self._look, state, paths, stop
        )
        if seen is None:
            return None
        result, snapshots, open_files = seen
        scan_seconds = loop.time() - began
        view = SourceView(
            policy=state.policy,
            root=result.root,
            seen=tuple(snapshots),
            vanished=(),
            entries=await entries.of_paths(self._ledger, state.config.name, [s.key.path for s in snapshots]),
            serving=0,
        )
        await self._remember(state, view, result, open_files, partial=True)
        return Observation(view, result, open_files, scan_seconds, partial=True)

    async def _at(self, state: SourceState, function: Callable[..., Any], *args: Any) -> Any:
        """Something that touches the source's disk, beside the event loop."""
        return await self._disk.run(state.config.name, function, *args)

    async def exists(self, key: DocumentKey, state: SourceState) -> bool:
        """Whether the document's file is there at this moment (asked right before it is retired, rule 16)."""
        spellings = {key.path, unicodedata.normalize("NFD", key.path)}
        disk_name = tree.disk_name(self._ledger.conn, key)
        if disk_name is not None:
            spellings.add(disk_name)
        found: bool = await self._at(state, _any_in_scope, str(state.config.path), self._rules_of(state), spellings)
        return found

    async def is_there(self, state: SourceState) -> bool:
        """Whether the source's root is there at this moment, with something in it."""
        there: bool = await self._at(state, _holds_something, state.config.path)
        return there

    # ------------------------------------------------------------ disk

    def _scan(self, state: SourceState, stop: Callable[[], bool]) -> ScanResult:
        with closing(self._ledger.reader()) as conn:
            known = tree.known_tree(conn, state.config.name, _settings_of(state), state.policy.placement)
            return self._compare(state, known, None, stop)

    def _look(
        self, state: SourceState, paths: frozenset[str], stop: Callable[[], bool]
    ) -> tuple[ScanResult, list[FileSnapshot], list[FileSnapshot]] | None:
        """Scan and hash in one go: what was seen, the snapshots, and the files that are still being written."""
        with closing(self._ledger.reader()) as conn:
            aim = _aim(str(state.config.path), paths, lambda path: tree.knows_below(conn, state.config.name, path))
            if aim is None:
                return None
            known = tree.known_part(conn, state.config.name, _settings_of(state), state.policy.placement)
            result = self._compare(state, known, aim, stop)
        if result.root is not RootState.OK or result.missing or result.left or result.unreadable:
            return None
        settled, open_files = self._settled(state, result.changed)
        snapshots = self._hash(state, settled)
        _leave_open(result, snapshots)
        return result, snapshots, open_files

    def _compare(self, state: SourceState, known: KnownTree, aim: Aim | None, stop: Callable[[], bool]) -> ScanResult:
        source = state.config
        return scan(
            source.name,
            str(source.path),
            self._rules_of(state),
            known,
            salt=salt_of(state),
            settings_of=_settings_of(state),
            max_size=source.max_size,
            now_ns=lambda: int(self._now() * 1e9),
            aim=aim,
            owns=None if state.shard is None else state.owns,
            stop=stop,
        )

    def _rules_of(self, state: SourceState) -> Rules:
        name = state.config.name
        if name not in self._rules:
            self._rules[name] = rules_of(state.config)
        return self._rules[name]

    async def _settle(
        self, state: SourceState, changed: list[FileSnapshot], *, wait: bool, stop: Callable[[], bool]
    ) -> tuple[list[FileSnapshot], list[FileSnapshot]]:
        """Wait until files that were just written have been quiet for ``settle`` seconds, up to 60 s."""
        settle = state.config.settle
        settled, open_files = self._settled(state, changed)
        if not wait:
            return settled, open_files
        deadline = asyncio.get_running_loop().time() + STILL_WRITTEN
        while open_files and asyncio.get_running_loop().time() < deadline and not stop():
            now = self._now()
            await asyncio.sleep(min(max(remainder(s, now, settle) for s in open_files) + 0.01, 5.0))
            now = self._now()
            again = await self._at(state, _restat, str(state.config.path), open_files)
            look = second_look(open_files, again, now, settle)
            settled += look.settled
            open_files = look.waiting
        return settled, open_files

    def _settled(
        self, state: SourceState, changed: list[FileSnapshot]
    ) -> tuple[list[FileSnapshot], list[FileSnapshot]]:
        """Sort files into those at rest and those that were just written."""
        # An empty file may be one that an editor has truncated and is about to fill.
        fresh = [s for s in changed if s.problem is Problem.EMPTY or (not s.sha256 and s.problem is None)]
        untouched = [s for s in changed if s.problem is not Problem.EMPTY and (s.sha256 or s.problem is not None)]
        settled, open_files = unsettled(fresh, self._now(), state.config.settle)
        return untouched + settled, open_files

    def _hash(self, state: SourceState, snapshots: list[FileSnapshot]) -> list[FileSnapshot]:
        root = str(state.config.path)
        done: list[FileSnapshot] = []
        for snapshot in snapshots:
            if snapshot.sha256 or snapshot.problem is not None:
                done.append(snapshot)
                continue
            sign()
            hashed = complete(root, snapshot)
            if hashed is not None:
                done.append(hashed)
        settings_of = _settings_of(state)
        return [s if s.settings else replace(s, settings=settings_of(s.key.path)) for s in done]

    # ------------------------------------------------------------ ledger

    async def _view(
        self, state: SourceState, result: ScanResult, snapshots: list[FileSnapshot], missing: list[str]
    ) -> SourceView:
        name, now = state.config.name, self._now()
        read = partial(_read, source=name, paths=[s.key.path for s in snapshots], missing=missing)
        known = await self._ledger.read(partial(read, result=result, now=now, window=now - state.config.delete.window))
        return SourceView(
            policy=state.policy,
            root=_root_state(result, known.row, known.vanished),
            seen=tuple(snapshots),
            vanished=tuple(known.vanished),
            entries=known.entries,
            serving=known.serving,
            unreadable=result.root in (RootState.OK, RootState.EMPTY) and bool(result.unreadable),
            blind=_blind(result),
            scope_changed=known.row is not None and known.row.scope not in ("", self._scope(state)),
            used=known.used,
            base=known.base,
            released=frozenset(RevisionId(r) for r in known.released),
            emptied_released=known.emptied,
        )

    def _scope(self, state: SourceState) -> str:
        """Digest of what decides which files are documents (rule 18)."""
        source = state.config
        text = "\n".join((str(source.path), "", *source.include, "", *source.exclude))
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]

    async def _remember(
        self,
        state: SourceState,
        view: SourceView,
        result: ScanResult,
        written: list[FileSnapshot],
        *,
        partial: bool = False,
    ) -> None:
        name = state.config.name
        now = self._now()
        seen: list[tuple[FileSnapshot, bool]] = []
        finished: list[LedgerEntry] = []
        for number, snapshot in enumerate(view.seen, 1):
            if number % _AT_ONCE == 0:  # a first look may have seen 100 000 files
                await self._note(name, seen, now)
                seen.clear()
            entry = view.entries.get(snapshot.key.path)
            at_rest = decide(snapshot, entry, view.policy, now) is None
            seen.append((snapshot, at_rest))
            if at_rest and entry is not None and recovered(snapshot, entry):
                finished.append(entry)
        handed = [] if partial else await self._handed_over(name, result)
        many = len(view.vanished) > MANY or tree.missing_many(self._ledger.conn, name, MANY)
        forgotten: list[LedgerEntry] = []
        if not partial:
            forgotten = await self._at(state, forgettable, view, now) if many else forgettable(view, now)
        if partial and not view.seen and not written:
            return

        def write(db: Any) -> None:
            remote.ensure_source(db, name)
            tree.observe(db, seen, now)
            for entry in finished:
                moves.clear_quarantine(db, entry.document_id)
            for document_id in handed:
                moves.hand_over(db, document_id, now)
            settled = [snapshot.key.path for snapshot in view.seen] if partial else None
            records.store_restless(db, name, [snapshot.key.path for snapshot in written], now, settled=settled)
            if not partial:
                tree.missed(db, name, view.vanished, now)
            for entry in forgotten:
                moves.vanished(db, entry.document_id)
            if view.root is RootState.OK and not partial:
                remote.scanned(db, name, result.resolved, result.device, now)
                if not view.vanished:
                    remote.set_scope(db, name, self._scope(state))

        many = many or len(written) + len(handed) + len(finished) > MANY
        await self._ledger.commit("observed", write, durable=False, beside=many)

    async def _note(self, name: str, seen: list[tuple[FileSnapshot, bool]], now: float) -> None:
        """Write down a part of what was seen; the loop goes on between the parts."""
        part = list(seen)

        def write(db: Any) -> None:
            remote.ensure_source(db, name)
            tree.observe(db, part, now)

        await self._ledger.commit("observed", write, durable=False)

    async def _handed_over(self, name: str, result: ScanResult) -> list[int]:
        """Documents that another shard serves from now on; one in a flip stays until that is finished (rule 2)."""
        if not result.left:
            return []
        known = await self._ledger.read(
            lambda conn: entries.by_path(conn, name, tree.paths_of(conn, name, result.left))
        )
        return [
            entry.document_id for entry in known.values() if entry.candidate is None or entry.candidate.flip is None
        ]

    async def finish(self, state: SourceState, observation: Observation) -> None:
        """Keep the signatures of directories in which everything is at rest now."""
        if not observation.result.signatures:
            return
        name = state.config.name
        signatures = observation.result.signatures
        await self._ledger.commit(
            "signatures",
            lambda db: tree.store_signatures(db, name, signatures, observation.result.unread_in),
            durable=False,
            beside=len(signatures) > MANY,
        )


class _Known(NamedTuple):
    """What the ledger knows of a source, as far as a plan asks."""

    row: remote.SourceRow | None
    vanished: list[str]
    entries: dict[str, LedgerEntry]
    serving: int
    used: int  # deletions within the window
    base: int  # verified before it
    released: frozenset[str]
    emptied: bool  # a person let an emptied root go


def _read(
    conn: sqlite3.Connection,
    *,
    source: str,
    paths: list[str],
    missing: list[str],
    result: ScanResult,
    now: float,
    window: float,
) -> _Known:
    """In a thread, since it takes seconds where 100 000 documents are new, on their way, or gone."""
    vanished = tree.paths_of(conn, source, missing)
    known = entries.by_path(conn, source, paths + vanished)
    known.update(entries.restless(conn, source))
    trouble = result.root is not RootState.OK or bool(vanished) or bool(result.unreadable)
    released, emptied = records.released(conn, source, now) if vanished else (frozenset[str](), False)
    return _Known(
        row=remote.source(conn, source),
        vanished=vanished,
        entries=known,
        serving=entries.documents_serving(conn, source) if trouble else 0,
        used=records.deletions_since(conn, source, window) if vanished else 0,
        base=records.verified_before(conn, source, window) if vanished else 0,
        released=released,
        emptied=emptied,
    )


def _any_in_scope(root: str, rules: Rules, spellings: Iterable[str]) -> bool:
    return any(in_scope(root, rules, spelling) for spelling in spellings)


def _holds_something(root: Path) -> bool:
    try:
        with os.scandir(root) as found:
            return next(found, None) is not None
    except OSError:
        return False


def _restat(root: str, snapshots: Iterable[FileSnapshot]) -> dict[DocumentKey, FileSnapshot | None]:
    return {snapshot.key: restat(root, snapshot) for snapshot in snapshots}


def _leave_open(result: ScanResult, snapshots: Iterable[FileSnapshot]) -> None:
    """A directory with a file that could not be taken yet has no signature: an equal one would hide that file."""
    taken = {snapshot.key for snapshot in snapshots}
    for snapshot in result.changed:
        if snapshot.key not in taken:
            result.signatures.pop(posixpath.dirname(snapshot.disk_name), None)


def _aim(root: str, paths: Iterable[str], known: Callable[[str], bool]) -> Aim | None:
    """Where to look for these paths; ``None`` when that is everywhere.

    Args:
        root: the source's directory.
        paths: relative to it.
        known: whether documents are known in or below a directory.
    """
    files: list[str] = []
    trees: list[str] = []
    for path in paths:
        if not path or os.path.basename(path) == IGNORE_FILE:
            return None
        try:
            mode = os.lstat(os.path.join(root, path)).st_mode
        except OSError:
            if known(path):
                return None
            files.append(path)
        else:
            (trees if stat.S_ISDIR(mode) else files).append(path)
    return aim_at(files, trees)


def _blind(result: ScanResult) -> str:
    """The first directory that cannot be read, and why; how many more there are."""
    if not result.unreadable:
        return ""
    folder, why = min(result.unreadable)
    more = f" (and {len(result.unreadable) - 1} more)" if len(result.unreadable) > 1 else ""
    return f"{folder or 'the source itself'}: {why}{more}"


def salt_of(state: SourceState) -> bytes:
    """Covers everything in the configuration that gives an unchanged file work: training, encodings, place, tags."""
    source = state.config
    parts = (source.training, source.encodings, source.folder, source.tags, *((state.shard,) if state.shard else ()))
    return hashlib.sha256(repr(parts).encode()).digest()


def _settings_of(state: SourceState) -> Callable[[str], str]:
    training, encodings = state.config.training, state.config.encodings
    return lambda path: settings_id(training, encodings, path)


def _root_state(result: ScanResult, row: remote.SourceRow | None, vanished: list[str]) -> RootState:
    if result.root is RootState.OK and row is not None and row.device not in (None, result.device) and vanished:
        known = result.in_scope + len(vanished)
        if result.in_scope < _DEVICE_KNOWN * known:
            return RootState.DEVICE
    return result.root
