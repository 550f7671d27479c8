"""Which part of a tree a scan looks at. Pure.

A look at a few directories costs what these cost, not what the tree costs. It states facts about what it saw and says
nothing about the rest; what it finds missing is a reason to scan the whole tree, never a reason to delete.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Aim:
    """Directories to look into, as the disk spells them, relative to the root ("" is the root).

    Attributes:
        directories: each for itself.
        trees: each with everything below it.
    """

    directories: frozenset[str]
    trees: frozenset[str] = frozenset()
    _steps: dict[str, set[str]] = field(default_factory=dict, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        for target in (*self.directories, *self.trees):
            while target:
                above, name = posixpath.split(target)
                self._steps.setdefault(above, set()).add(name)
                target = above

    def covers(self, rel: str) -> bool:
        """Whether the directory itself is looked into."""
        return rel in self.directories or self.inside_tree(rel)

    def inside_tree(self, rel: str) -> bool:
        """Whether the directory and everything below it is looked into."""
        while rel not in self.trees:
            if not rel:
                return False
            rel = posixpath.dirname(rel)
        return True

    def steps(self, rel: str) -> set[str]:
        """The names in a directory that lead on to what is looked into."""
        return self._steps.get(rel, set())


def aim_at(files: Iterable[str], trees: Iterable[str]) -> Aim:
    """The aim for files (their directories are looked into) and for directories that are new or were moved here."""
    return Aim(frozenset(posixpath.dirname(path) for path in files), frozenset(trees))
