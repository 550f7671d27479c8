"""Which looks at the disk are due: settled paths of a source, or the source as a whole. Pure, the clock is passed in.

A hint about a path begins its quiet time; a path that has been quiet for ``settle`` seconds, with the same stat at both
ends of it, becomes part of the next look; one that changes every few seconds ever less often. What cannot be told path
by path asks for a look at the whole source.
Times are seconds of one monotonic clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from syncd.settle import Restraint, Settler, Stat

_MANY = 20_000  # paths of one source; more cost less as a look at the whole of it


@dataclass(frozen=True, slots=True)
class Look:
    """One look that may be taken now; ``paths`` is ``None`` for the whole source."""

    source: str
    paths: frozenset[str] | None


@dataclass(slots=True)
class _Source:
    seconds: float  # of quiet
    settler: Settler
    quiet: set[str] = field(default_factory=set)  # settled, waiting for a look
    restraint: Restraint = field(default_factory=Restraint)
    later: dict[str, float] = field(default_factory=dict)  # settled, but looked at so often that it waits until then
    whole_at: float | None = None  # when the whole source is to be looked at


class Looks:
    """What is to be looked at.

    Args:
        settle: source -> seconds of quiet that its files must have had.
    """

    def __init__(self, settle: Mapping[str, float]) -> None:
        self._sources = {name: _Source(seconds, Settler(seconds)) for name, seconds in settle.items()}

    def __len__(self) -> int:
        """How many paths wait."""
        return sum(len(source.settler) + len(source.quiet) + len(source.later) for source in self._sources.values())

    def hint(
        self, source: str, paths: Iterable[str], now: float, stat: Callable[[str], Stat | None] | None = None
    ) -> None:
        """Something happened to these paths; ``stat`` tells what the disk says of one (``None``: it is not there).

        Without it they are looked at by ``seen``, as soon as the disk has answered.

        Of too many paths none is followed on its own: a look at everything finds by itself what is still being written.
        """
        known = self._sources.get(source)
        if known is None:
            return  # the configuration has just lost it
        paths = frozenset(paths)
        if len(known.settler) + len(paths) > _MANY:
            known.settler = Settler(known.seconds)
            known.later.clear()
            self.whole(source, now + known.seconds)
            return
        for path in paths:
            known.settler.hint(path, now)
            if stat is not None:
                known.settler.observe(path, stat(path), now)

    def seen(self, source: str, stats: Mapping[str, Stat | None], at: float) -> None:
        """What the disk said of paths, asked at ``at``; those that nobody waits for any more are passed over."""
        known = self._sources.get(source)
        for path, stat in stats.items() if known is not None else ():
            if path in known.settler:  # type: ignore[union-attr]
                known.settler.observe(path, stat, at)  # type: ignore[union-attr]

    def due(self, now: float) -> dict[str, list[str]]:
        """By source, the paths of which the disk has to be asked once more."""
        return {name: due for name, source in self._sources.items() if (due := source.settler.due(now))}

    def seen_written(
        self, source: str, paths: Iterable[str], now: float, stat: Callable[[str], Stat | None] | None = None
    ) -> None:
        """A look found these files not at rest; for those that are waited for already that is no news."""
        known = self._sources.get(source)
        if known is not None:
            self.hint(source, [path for path in paths if path not in known.settler], now, stat)

    def whole(self, source: str, at: float) -> None:
        """Have the whole source looked at, not before ``at``; an earlier wish stands."""
        known = self._sources.get(source)
        if known is not None:
            known.whole_at = at if known.whole_at is None else min(known.whole_at, at)

    def whole_waits(self, source: str, by: float | None = None) -> bool:
        """Whether a look at the whole source is asked for, and due ``by`` then."""
        at = self._sources[source].whole_at
        return at is not None and (by is None or at <= by)

    def settle(self, now: float, stat: Callable[[str, str], Stat | None] | None = None) -> None:
        """Set those paths aside that have come to rest; with ``stat`` look once more at those whose silence is over."""
        for name, source in self._sources.items():
            for path in source.settler.due(now) if stat is not None else ():
                source.settler.observe(path, stat(name, path), now)  # type: ignore[misc]
            for path in source.settler.ready(now):
                source.later[path] = source.restraint.next_at(path)
            # What is being written again waits for its rest, since only its newest content is of interest.
            for path in [p for p, at in source.later.items() if at <= now and p not in source.settler]:
                del source.later[path]
                source.restraint.looked(path, now)
                source.quiet.add(path)
            if len(source.quiet) > _MANY:
                source.whole_at = now
                source.quiet.clear()
                source.later.clear()

    def take(self, now: float, may: Callable[[Look], bool]) -> list[Look]:
        """Take the looks that are due and that ``may`` be begun; the others stay.

        A look at the whole source sees what is quiet as well, so it takes the paths along.
        """
        taken: list[Look] = []
        for name, source in self._sources.items():
            whole = Look(name, None)
            if source.whole_at is not None and source.whole_at <= now and may(whole):
                source.whole_at = None
                source.quiet.clear()
                for path in source.later:
                    source.restraint.looked(path, now)
                source.later.clear()
                taken.append(whole)
            elif source.quiet and may(few := Look(name, frozenset(source.quiet))):
                source.quiet.clear()
                taken.append(few)
        return taken

    def next_at(self, now: float) -> float | None:
        """When, after ``now``, something becomes due by the passing of time alone."""
        times = [source.settler.next_at() for source in self._sources.values()]
        times += [at for source in self._sources.values() for at in source.later.values()]
        times += [source.whole_at for source in self._sources.values()]
        return min((at for at in times if at is not None and at > now), default=None)
