"""What a source stands on: its root and the file systems there; and whether events would tell of every change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from syncd.filesystems import changed_by_others, file_system, mounts_below
from syncd.roots import Root, resolve


@dataclass(frozen=True, slots=True)
class Ground:
    """As it was at one moment; when a later one differs, the watches are to be set again.

    Attributes:
        root: where the source's path leads.
        kind: the type of the file system there; "" when the kernel does not tell.
        below: the types of those that are mounted below the root, by path relative to it.
    """

    root: Root = field(default_factory=lambda: Root("", None, ()))
    kind: str = ""
    below: Mapping[str, str] = field(default_factory=dict)


def look_at(path: str, mounts: str) -> Ground:
    """Follow a path, and find what is mounted where it leads.

    Args:
        mounts: from ``filesystems.read_mounts``.
    """
    root = resolve(path)
    return Ground(root, file_system(root.real or path, mounts), mounts_below(root.real, mounts) if root.real else {})


def unfit(ground: Ground, left_out: Callable[[str], bool]) -> str:
    """Why events would not tell of everything; "" when they would.

    Args:
        left_out: whether a directory, provided that those above it are not, is ignored.
    """
    if changed_by_others(ground.kind):
        return f"{ground.kind} does not tell of what others change"
    for folder, kind in ground.below.items():
        parts = folder.split("/")
        ignored = any(left_out("/".join(parts[:depth])) for depth in range(1, len(parts) + 1))
        if changed_by_others(kind) and not ignored:
            return f"{kind}, mounted on {folder}, does not tell of what others change"
    return ""
