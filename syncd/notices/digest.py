"""Which notices become messages, and when: gathered, never a storm, never the same twice. Pure, the clock is passed in.

What is told follows what stands: the first notice of a kind goes out after a short time of gathering, later ones of
that kind are gathered into one message per interval, and the intervals grow while there is no rest. What came and went
before it was told is never told; what was told and is over is told once, unless it is back by then. What a person must
end is told once a day again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

GATHER = 10.0  # seconds for which the first notice of a kind waits for others
INTERVAL = 300.0  # seconds between two messages of one kind, at first
LONGEST_INTERVAL = 1800.0  # seconds, when they go on and on
REMIND = 86400.0  # seconds after which what still stands is told again
NAMED = 10  # notices of one message that are told in full
RECOVERY = "recovery"
_REMINDED = frozenset({"hold", "outage", "config-refused"})  # a person has to end these; a quarantine may stay
_MOST_KEPT = 200  # notices of a kind that are kept in full until they are told
_MOST_TOLD = 100_000

Key = tuple[str, str]  # kind and subject of what stands


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person may have to know.

    Attributes:
        kind: "quarantine", "hold", "outage", "config-refused"; "recovery" when it is over.
        subject: what it is about: a document, a source, "server".
        text: what happened.
        hint: what to do; "" when nothing.
        at: seconds since the epoch.
        ends: of a recovery, the kind that is over.
    """

    kind: str
    subject: str
    text: str
    hint: str = ""
    at: float = 0.0
    ends: str = ""

    @property
    def about(self) -> Key:
        """What begins to stand, or is over."""
        return (self.ends or self.kind, self.subject)


@dataclass(frozen=True, slots=True)
class Message:
    """Notices of one kind, to be sent together."""

    kind: str
    notices: tuple[Notice, ...]
    count: int

    @property
    def lines(self) -> list[str]:
        """All of it for people."""
        said = [f"{notice.text} ({notice.hint})" if notice.hint else notice.text for notice in self.notices]
        if self.count > len(self.notices):
            said.append(f"and {self.count - len(self.notices)} more")
        return said


@dataclass(slots=True)
class _Kind:
    """The messages of one kind."""

    waiting: dict[Key, Notice | None] = field(default_factory=dict)  # ``None``: only counted
    due: float | None = None
    sent: float | None = None
    pace: float = INTERVAL


@dataclass(slots=True)
class _Told:
    at: float
    notice: Notice | None  # to be told again


@dataclass(slots=True)
class Digest:
    """Collects notices."""

    _kinds: dict[str, _Kind] = field(default_factory=dict)
    _told: dict[Key, _Told] = field(default_factory=dict)  # what persons believe to stand

    def add(self, notice: Notice, now: float) -> None:
        """Take a notice."""
        if notice.kind == RECOVERY:
            self._drop(notice.ends, notice.about)
            if notice.about in self._told:
                self._put(notice, now)
        elif notice.about in self._told:
            self._drop(RECOVERY, notice.about)  # it is back before anybody heard that it was over
            self._now_for_another_reason(notice, now)
        else:
            self._put(notice, now)

    def _now_for_another_reason(self, notice: Notice, now: float) -> None:
        """What stands may change its reason: told anew where another thing is to be done about it."""
        before = self._told[notice.about].notice
        if before is not None and before.hint != notice.hint:
            self._put(notice, now)
        elif before is not None:
            self._told[notice.about].notice = notice

    def _drop(self, kind: str, key: Key) -> None:
        found = self._kinds.get(kind)
        if found is not None and key in found.waiting:
            del found.waiting[key]
            if not found.waiting:
                found.due = None

    def _put(self, notice: Notice, now: float) -> None:
        kind = self._kinds.setdefault(notice.kind, _Kind())
        kind.waiting[notice.about] = notice if len(kind.waiting) < _MOST_KEPT else None
        if kind.due is None:
            kind.due = now + GATHER if kind.sent is None else max(now + GATHER, kind.sent + kind.pace)

    def take(self, now: float) -> list[Message]:
        """Take the messages whose time has come."""
        for told in self._told.values():
            if told.notice is not None and now >= told.at + REMIND and not self._waits(told.notice):
                self._put(told.notice, now)
        return [
            self._message(name, now) for name, kind in self._kinds.items() if kind.due is not None and kind.due <= now
        ]

    def take_all(self, now: float) -> list[Message]:
        """Take everything that waits: the service ends."""
        return [self._message(name, now) for name, kind in self._kinds.items() if kind.due is not None]

    def _waits(self, notice: Notice) -> bool:
        """Whether a notice, or that it is over, is about to be told anyway."""
        return any(notice.about in kind.waiting for kind in self._kinds.values())

    def _message(self, name: str, now: float) -> Message:
        kind = self._kinds[name]
        waiting, kind.waiting, kind.due = kind.waiting, {}, None
        restless = kind.sent is not None and now - kind.sent <= max(2 * kind.pace, LONGEST_INTERVAL)
        kind.pace = min(2 * kind.pace, LONGEST_INTERVAL) if restless else INTERVAL
        kind.sent = now
        for key, notice in waiting.items():
            if name == RECOVERY:
                self._told.pop(key, None)
            else:
                self._told[key] = _Told(now, notice if name in _REMINDED else None)
        for old in list(self._told)[: max(len(self._told) - _MOST_TOLD, 0)]:
            del self._told[old]
        named = [notice for notice in waiting.values() if notice is not None]
        return Message(name, tuple(named[:NAMED]), len(waiting))

    def next_at(self) -> float | None:
        """When something is to be done next."""
        due = [kind.due for kind in self._kinds.values() if kind.due is not None]
        standing = [told for told in self._told.values() if told.notice is not None and not self._waits(told.notice)]
        due += [told.at + REMIND for told in standing]
        return min(due, default=None)
