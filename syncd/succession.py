"""What a vanished file waits for before its document goes (rule 17). Pure.

A vanished file may have been moved. If the file it has become is on its way, the old version stays until that one is
served, but never for long: one upload that does not end must not keep everything that was deleted in search results.

- Work on exactly the content that vanished, and a new file that is too new to be hashed, is waited for, at most
  ``MOST_WAIT`` seconds from when the file was first missed.
- A new file of other content may be the vanished one, moved and edited: it is waited for, but ``SHORT_WAIT`` at most.
- What was verified under its own path before is somebody else, whatever becomes of it, unless its content is equal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

MOST_WAIT = 600.0
SHORT_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class Open:
    """Work on another document of the source that has not come to its end."""

    path: str
    why: str  # what is the matter with it, in plain words, as "b.md is still being written"
    sha256: str = ""  # of its file; "" while that is too new to be hashed
    new: bool = True  # nothing was ever verified under its path


@dataclass(frozen=True, slots=True)
class Wait:
    """How long a vanished file waits, counted from when it was missed, and what for."""

    seconds: float
    why: str


@dataclass(slots=True)
class Opens:
    """All open work of a source; asked in one step for each of many vanished files."""

    equal: dict[str, Open] = field(default_factory=dict)
    unhashed: Open | None = None
    other: Open | None = None

    @classmethod
    def of(cls, works: Iterable[Open]) -> Opens:
        """Sort the work by what can be concluded from it."""
        made = cls()
        for work in works:
            if work.sha256:
                made.equal.setdefault(work.sha256, work)
                made.other = made.other or (work if work.new else None)
            else:
                made.unhashed = made.unhashed or (work if work.new else None)
        return made

    def wait(self, sha256: str) -> Wait | None:
        """What a file of this content waits for; ``None``: for nothing."""
        if (same := self.equal.get(sha256)) is not None:
            return Wait(MOST_WAIT, f"{same.why}, and has the same content")
        if self.unhashed is not None:
            return Wait(MOST_WAIT, self.unhashed.why)
        if self.other is not None:
            return Wait(SHORT_WAIT, self.other.why)
        return None


def left(wait: Wait | None, missing_since: float | None, now: float) -> float:
    """Seconds that are left of a wait; 0 when it is over.

    A time in the future was written while the clock was wrong: the wait begins anew, so that it is never longer.
    """
    if wait is None:
        return 0.0
    since = now if missing_since is None else min(missing_since, now)
    return max(since + wait.seconds - now, 0.0)


def remark(wait: Wait | None) -> str:
    """What is said of a deletion that did not wait any longer; "" when there was nothing to wait for."""
    if wait is None:
        return ""
    return f" (it waited {wait.seconds / 60:g} min, but {wait.why})"
