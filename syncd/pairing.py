"""Which new files are vanished ones under another name. Pure.

A file that appears with exactly the content that a vanished one serves was moved: what is on the server gets another
name and folder, and nothing is uploaded or trained.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping

from syncd.formats import format_of
from syncd.models import Content, FileSnapshot, Format, LedgerEntry, Move, Revision


def moves(
    seen: Iterable[FileSnapshot],
    vanished: Iterable[str],
    entries: Mapping[str, LedgerEntry],
    *,
    title_in_index: bool,
) -> list[Move]:
    """Pair files that are there with vanished ones of equal content, each at most once.

    Args:
        seen: the files that are there.
        vanished: the paths that are not.
        entries: what the ledger knows of both.
        title_in_index: the name is part of the index text; then only the folder may change.
    """
    origins: dict[tuple[Content, Format | None], list[tuple[LedgerEntry, Revision]]] = {}
    for path in sorted(vanished):
        entry = entries.get(path)
        # What is under way for the old path has to be ended there first; then the new path is sent anew.
        if entry is not None and entry.serving is not None and entry.candidate is None:
            origins.setdefault((entry.serving.content, format_of(path)), []).append((entry, entry.serving))
    if not origins:  # the ordinary pass, in which a hundred thousand new files need not be sorted
        return []
    targets = sorted((s for s in seen if _may_receive(s, entries.get(s.key.path))), key=lambda s: s.key.path)
    found: dict[str, Move] = {}
    # Equal names first, so that of several files of equal content each keeps its own name where it can.
    for same_name in (True,) if title_in_index else (True, False):
        for snapshot in targets:
            path = snapshot.key.path
            rest = origins.get((snapshot.content, format_of(path)), [])
            pair = next((o for o in rest if not same_name or _name(o[0].key.path) == _name(path)), None)
            if path in found or pair is None:
                continue
            rest.remove(pair)
            origin, serving = pair
            reason = f"moved from {origin.key.path}"
            found[path] = Move(snapshot.key, reason, revision=serving, origin=origin.key, snapshot=snapshot)
    return [found[path] for path in sorted(found)]


def _may_receive(snapshot: FileSnapshot, entry: LedgerEntry | None) -> bool:
    """Whether a path can take over a revision: nothing serves it and nothing is under way for it.

    What it held before (retired, given up, or waiting for another try) is no obstacle: the content is here, proven.
    """
    return snapshot.problem is None and (entry is None or (entry.serving is None and entry.candidate is None))


def _name(path: str) -> str:
    return posixpath.basename(path)
