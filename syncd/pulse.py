"""Which parts of the service still make progress. Pure, the clock is passed in.

Work in a thread gives its signs of life through ``sign``, which is called from deep inside a scan; who listens is a
matter of the context that the thread was started in.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

_sign: ContextVar[Callable[[], None] | None] = ContextVar("sign", default=None)


def sign() -> None:
    """Long work in a thread says that it goes on; without somebody who listens it costs next to nothing."""
    told = _sign.get()
    if told is not None:
        told()


def listen(told: Callable[[], None]) -> None:
    """From here on, ``sign`` in this context and in threads that are started from it calls ``told``."""
    _sign.set(told)


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

    def still(self, name: str, now: float, allowed: float) -> None:
        """A part that is busy goes on; one that is idle by now is not heard."""
        if name in self._until:
            self._until[name] = now + allowed

    def idle(self, name: str) -> None:
        """A part has nothing to do; no sign is expected of it."""
        self._until.pop(name, None)

    def stale(self, now: float) -> list[str]:
        """The parts that have been silent for too long."""
        return sorted(name for name, until in self._until.items() if now > until)
