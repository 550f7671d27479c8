"""Who may stay connected to the status server, and who goes first when there are too many. Pure.

A neighbour who opens hundreds of connections, or asks one byte at a time, must not keep the kubelet or Prometheus out:
whoever comes is let in, and the one goes that has been asking for longest without having asked anything, of the
neighbour who has most. What is being answered stays, unless one neighbour has all there can be.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Limits:
    """How many, and how long.

    Attributes:
        most: connections in all.
        of_one: connections of one neighbour.
        at_most: connections in all, while a burst is sorted out.
        grace: seconds in which one that has just come states its request.
        asking: seconds for a whole request, head and body, and for doing nothing between two.
        stalled: seconds that an answer may wait for somebody to read it.
    """

    most: int = 128
    of_one: int = 64
    at_most: int = 384
    grace: float = 0.25
    asking: float = 15.0
    stalled: float = 15.0


@dataclass(slots=True, eq=False)
class Member:
    """One connection.

    Attributes:
        neighbour: who it comes from.
        since: when it began to ask, or to do nothing.
        answering: its request is complete and being answered.
        stalled: since when its answer is not being read.
        begun: the first byte of its next request is there.
    """

    neighbour: str
    since: float
    answering: bool = False
    stalled: float | None = None
    begun: bool = False

    def asks(self, now: float) -> None:
        """Bytes came: the first of a request begin its time, the others do not prolong it."""
        if not self.begun:
            self.begun, self.since = True, now

    def rests(self, now: float) -> None:
        """It has its answer."""
        self.begun, self.answering, self.since = False, False, now


@dataclass(slots=True)
class Crowd:
    """All connections of one port."""

    limits: Limits = field(default_factory=Limits)
    members: set[Member] = field(default_factory=set)
    _count: Counter[str] = field(default_factory=Counter)

    def enter(self, member: Member, now: float) -> list[Member]:
        """Somebody connects; returns who has to go."""
        self.members.add(member)
        self._count[member.neighbour] += 1
        return self.too_many(now)

    def leave(self, member: Member) -> None:
        """Somebody is gone, or has to go."""
        if member in self.members:
            self.members.discard(member)
            self._count[member.neighbour] -= 1
            if not self._count[member.neighbour]:
                del self._count[member.neighbour]

    def too_many(self, now: float) -> list[Member]:
        """Who has to go since there are too many; they are not counted any more."""
        gone = []
        while (chosen := self._next(now)) is not None:
            self.leave(chosen)
            gone.append(chosen)
        return gone

    def overdue(self, now: float) -> list[Member]:
        """Who has taken too long, and who has to go since there are too many."""
        late = [member for member in self.members if self._is_late(member, now)]
        for member in late:
            self.leave(member)
        return late + self.too_many(now)

    @property
    def crowded(self) -> bool:
        """Whether some are let in only for a moment."""
        return bool(self._too_many())

    def _is_late(self, member: Member, now: float) -> bool:
        if member.stalled is not None and now - member.stalled >= self.limits.stalled:
            return True
        return not member.answering and now - member.since >= self.limits.asking

    def _next(self, now: float) -> Member | None:
        """Who goes next: the neighbour with most loses his oldest; nobody is worth more than another."""
        crowd = self._too_many()
        settled = [m for m in crowd if not m.answering and now - m.since >= self.limits.grace]
        if settled:
            return max(settled, key=lambda m: (self._count[m.neighbour], -m.since))
        if not crowd or len(self.members) <= self.limits.at_most:
            return None
        asking = [m for m in self.members if not m.answering and self._count[m.neighbour] > 1]
        if asking:
            return max(asking, key=lambda m: (self._count[m.neighbour], -m.since))
        return max(self.members, key=lambda m: (self._count[m.neighbour], m.since))

    def _too_many(self) -> list[Member]:
        """Those of whom one has to go: everybody's, or those of neighbours who have too many."""
        if len(self.members) > self.limits.most:
            return list(self.members)
        if not self._count or max(self._count.values()) <= self.limits.of_one:
            return []
        return [member for member in self.members if self._count[member.neighbour] > self.limits.of_one]
