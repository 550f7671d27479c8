"""Which parts of the service still make progress. Pure, the clock is passed in."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Pulse:
    """Collects signs of life; times are seconds of one monotonic clock."""

    _until: dict[str, float] = field(default_factory=dict)  # part -> when it must have given a sign

    def beat(self, name: str, now: float, allowed: float = 60.0) -> None:
        """A part is alive, and gives its next sign within ``allowed`` seconds."""
        self._until[name] = now + allowed

    def busy(self, name: str, now: float, allowed: float) -> None:
        """A part begins work that may take ``allowed`` seconds."""
        self._until[name] = now + allowed

    def idle(self, name: str) -> None:
        """A part has nothing to do; no sign is expected of it."""
        self._until.pop(name, None)

    def stale(self, now: float) -> list[str]:
        """The parts that have been silent for too long."""
        return sorted(name for name, until in self._until.items() if now > until)
