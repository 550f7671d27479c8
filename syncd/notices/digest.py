"""Which notices become messages, and when: gathered, never a storm, never the same twice. Pure, the clock is passed in.

The first notice of a kind goes out after a short gathering time, later ones of that kind are gathered into one message
per interval. What stands is told once and once a day again; that it is over is told only if it was told at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

GATHER = 10.0  # seconds for which the first notice of a kind waits for others
INTERVAL = 300.0  # seconds between two messages of one kind
REMIND = 86400.0  # seconds after which a notice about the same subject may be told again
NAMED = 10  # notices of one message that are told in full
RECOVERY = "recovery"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person may have to know.

    Attributes:
        kind: "quarantine", "hold", "outage", "recovery", "config-refused".
        subject: what it is about: a document, a source, "server".
        text: what happened.
        hint: what to do; "" when nothing.
        at: seconds since the epoch.
    """

    kind: str
    subject: str
    text: str
    hint: str = ""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Message:
    """Notices of one kind, to be sent together."""

    kind: str
    notices: tuple[Notice, ...]
    count: int

    @property
    def text(self) -> str:
        """All of it for people, a line each."""
        lines = [f"{notice.text} ({notice.hint})" if notice.hint else notice.text for notice in self.notices]
        if self.count > len(self.notices):
            lines.append(f"and {self.count - len(self.notices)} more")
        return "\n".join(lines)


@dataclass(slots=True)
class Digest:
    """Collects notices."""

    _waiting: dict[str, dict[str, Notice]] = field(default_factory=dict)  # kind -> subject -> notice
    _due: dict[str, float] = field(default_factory=dict)  # kind -> when its message goes out
    _sent: dict[str, float] = field(default_factory=dict)  # kind -> when a message went out last
    _told: dict[tuple[str, str], float] = field(default_factory=dict)  # what stands -> when it was told

    def add(self, notice: Notice, now: float) -> None:
        """Take a notice."""
        if notice.kind == RECOVERY:
            self._over(notice, now)
            return
        told = self._told.get((notice.kind, notice.subject))
        if told is None or now - told >= REMIND:
            self._put(notice, now)

    def _over(self, notice: Notice, now: float) -> None:
        """Something is well again: what was not told yet need not be told any more."""
        for kind in list(self._waiting):
            self._waiting[kind].pop(notice.subject, None)
            if not self._waiting[kind]:
                del self._waiting[kind], self._due[kind]
        told = [key for key in self._told if key[1] == notice.subject]
        for key in told:
            del self._told[key]
        if told:
            self._put(notice, now)

    def _put(self, notice: Notice, now: float) -> None:
        self._waiting.setdefault(notice.kind, {})[notice.subject] = notice
        last = self._sent.get(notice.kind)
        self._due.setdefault(notice.kind, now + GATHER if last is None else max(now + GATHER, last + INTERVAL))

    def take(self, now: float) -> list[Message]:
        """Take the messages whose time has come."""
        return [self._message(kind, now) for kind, due in list(self._due.items()) if due <= now]

    def take_all(self, now: float) -> list[Message]:
        """Take everything that waits: the service ends."""
        return [self._message(kind, now) for kind in list(self._due)]

    def _message(self, kind: str, now: float) -> Message:
        notices = list(self._waiting.pop(kind).values())
        del self._due[kind]
        self._sent[kind] = now
        if kind != RECOVERY:
            self._told.update({(kind, notice.subject): now for notice in notices})
        self._forget(now)
        return Message(kind, tuple(notices[:NAMED]), len(notices))

    def _forget(self, now: float) -> None:
        for key in [key for key, at in self._told.items() if now - at >= REMIND]:
            del self._told[key]

    def next_at(self) -> float | None:
        """When the next message is due."""
        return min(self._due.values(), default=None)


def together(messages: Iterable[Message]) -> int:
    """How many notices the messages hold."""
    return sum(message.count for message in messages)
