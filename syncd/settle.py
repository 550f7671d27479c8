"""Which paths are quiet, given the clock.

Nothing in here looks at a clock or a disk: the caller hands in the time (``now``, seconds) and what it saw. A path is
*settled* when nothing was heard of it for ``settle`` seconds and its stat was the same at the begin and at the end of
that time. Two users: the service feeds a ``Settler`` with hints, the one-shot ``sync`` sorts snapshots.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from syncd.models import DocumentKey, FileSnapshot

NANOSECONDS = 1_000_000_000
_SOON = 10.0  # seconds: a path that changes again within them is about to change more often
_CALM = 4.0  # a path that was quiet for so many of its pauses has come to rest
_REMEMBERED = 1000  # paths

Stat = tuple[int, int, int]
"""Size in bytes, mtime in nanoseconds, inode: equal values mean that nobody wrote in between."""


@dataclass(slots=True)
class _Path:
    """What was heard and seen of one path."""

    quiet_since: float
    stat: Stat | None = None
    seen_at: float | None = None  # when ``stat`` was last seen; None: never looked at


class Settler:
    """Collects hints about paths and tells which of them have come to rest.

    The order of calls for one path: ``hint``, ``observe`` (optional, right away), and when ``next_at`` has come
    ``observe`` each of ``due``, then take ``ready``. A path that was never observed is ready by silence alone, which
    is enough where a scan states the facts afterwards.

    Args:
        settle: seconds of quiet that are asked for; 0 lets everything through at once.
    """

    def __init__(self, settle: float) -> None:
        if settle < 0:
            raise ValueError(f"settle must not be negative: {settle}")
        self._settle = settle
        self._paths: dict[str, _Path] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def __contains__(self, path: str) -> bool:
        return path in self._paths

    def hint(self, path: str, now: float) -> None:
        """Note that something happened to ``path``: its quiet time begins again."""
        known = self._paths.get(path)
        if known is None:
            self._paths[path] = _Path(now)
        else:
            known.quiet_since = now

    def observe(self, path: str, signature: Stat | None, now: float) -> None:
        """Note the stat of ``path`` (``None``: it is not there); a first look and a change start its quiet time."""
        known = self._paths.get(path)
        if known is None:
            self._paths[path] = _Path(now, signature, now)
            return
        if known.seen_at is None or known.stat != signature:
            known.quiet_since = max(known.quiet_since, now)  # it may have been heard of again while it was looked at
        known.stat = signature
        known.seen_at = now

    def due(self, now: float) -> list[str]:
        """Return the paths whose silence is over and that must be looked at once more before they are ready."""
        return sorted(path for path, known in self._paths.items() if self._silent(known, now) and self._unproven(known))

    def ready(self, now: float) -> list[str]:
        """Return the settled paths, sorted, and forget them."""
        settled = sorted(
            path for path, known in self._paths.items() if self._silent(known, now) and not self._unproven(known)
        )
        for path in settled:
            del self._paths[path]
        return settled

    def next_at(self) -> float | None:
        """Return the earliest time at which a path may be ready or due; ``None`` when there is no path."""
        return min((known.quiet_since + self._settle for known in self._paths.values()), default=None)

    def _silent(self, known: _Path, now: float) -> bool:
        # ``next_at`` adds; comparing sums, not differences, keeps both in step down to the last bit.
        return now >= known.quiet_since + self._settle

    def _unproven(self, known: _Path) -> bool:
        """Tell whether the path was looked at, but not since its silence was long enough."""
        return known.seen_at is not None and known.seen_at < known.quiet_since + self._settle


class Restraint:
    """Spreads looks at paths that change again and again: the first change counts at once, further ones ever later.

    Each look soon after the one before doubles the time until the next, from ``least`` to ``most`` seconds; a path that
    was left alone for a while is as new. What is seen then is always the newest content.
    """

    def __init__(self, least: float = 2.0, most: float = 300.0) -> None:
        self._least = least
        self._most = most
        self._many = _REMEMBERED
        self._last: dict[str, tuple[float, float]] = {}  # when it was looked at, and seconds until the next time

    def next_at(self, path: str) -> float:
        """When the path may be looked at again; the distant past when it may at any time."""
        at, pause = self._last.get(path, (float("-inf"), 0.0))
        return at + pause

    def looked(self, path: str, now: float) -> None:
        """The path is looked at now."""
        if len(self._last) > self._many:
            self._last = {one: (at, pause) for one, (at, pause) in self._last.items() if not self._calm(at, pause, now)}
            self._many = max(2 * len(self._last), _REMEMBERED)
        known = self._last.get(path)
        if known is None or self._calm(*known, now):
            self._last[path] = (now, 0.0)
        else:
            self._last[path] = (now, min(max(self._least, 2 * known[1]), self._most))

    def _calm(self, at: float, pause: float, now: float) -> bool:
        return not at <= now <= at + max(_CALM * pause, _SOON)


def remainder(snapshot: FileSnapshot, now: float, settle: float) -> float:
    """Return how many seconds ``snapshot`` must still stay as it is; 0 when it is settled.

    A time of modification further in the future than ``settle`` says nothing about when somebody wrote, and waiting
    for it could last years: such a file counts as settled.
    """
    age = now - snapshot.mtime_ns / NANOSECONDS
    return settle - age if -settle <= age < settle else 0.0


def unsettled(
    snapshots: Iterable[FileSnapshot], now: float, settle: float
) -> tuple[list[FileSnapshot], list[FileSnapshot]]:
    """Sort snapshots into settled ones and ones that must be looked at again after their ``remainder``.

    Args:
        now: seconds since the epoch, by the clock that stamps the files.
        settle: seconds.

    Returns:
        ``(settled, waiting)``, each in the order given.
    """
    settled: list[FileSnapshot] = []
    waiting: list[FileSnapshot] = []
    for snapshot in snapshots:
        (waiting if remainder(snapshot, now, settle) > 0 else settled).append(snapshot)
    return settled, waiting


@dataclass(slots=True)
class SecondLook:
    """What became of files that were waited for."""

    settled: list[FileSnapshot] = field(default_factory=list)  # unchanged for long enough
    waiting: list[FileSnapshot] = field(default_factory=list)  # as they are now; look again
    gone: list[FileSnapshot] = field(default_factory=list)  # no longer there


def second_look(
    waiting: Iterable[FileSnapshot], again: Mapping[DocumentKey, FileSnapshot | None], now: float, settle: float
) -> SecondLook:
    """Judge files that were waited for by what the disk says of them now.

    Args:
        waiting: the snapshots that ``unsettled`` or an earlier ``second_look`` put off.
        again: a fresh snapshot for each key (``scan.restat``); ``None`` or absent: the file is gone.
        now: seconds since the epoch, read before the fresh snapshots were taken.
        settle: seconds.
    """
    result = SecondLook()
    for before in waiting:
        after = again.get(before.key)
        if after is None:
            result.gone.append(before)
        elif stat_of(after) != stat_of(before) or remainder(after, now, settle) > 0:
            result.waiting.append(after)
        else:
            result.settled.append(after)
    return result


def stat_of(snapshot: FileSnapshot) -> Stat:
    """Return the values whose change means that somebody wrote."""
    return snapshot.size, snapshot.mtime_ns, snapshot.inode
