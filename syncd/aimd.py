"""How many requests of one kind a server likes to have at once, learnt from its answers. Pure.

Additive up, halved down: while answers come quickly one request more is tried, first with every answer, later with
every round; a refusal for haste, or a round of which most were slow, halves. What is quick is learnt as well: at most
twice the time of an answer of about that size. With a single request under way nobody but the server sets the pace, so
then its time is what is usual, however long it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field

START = 4  # requests at once before anything is known
_SLOW = 2.0  # times the usual
_NOISE = 0.25  # seconds more or less mean nothing: whoever shares the machine or the network causes them too
_ALONE = 0.3  # so much of a slow answer becomes usual, when no crowd can be the reason
_SHORTEST_ROUND = 4  # answers


@dataclass(slots=True)
class Window:
    """One kind of request.

    Args:
        most: never more at once.
    """

    most: int
    _size: float = 0.0
    _rising: bool = True  # nothing was too much yet: one more with every answer
    _halved_at: float = float("-inf")
    _answers: int = 0  # in this round
    _slow: int = 0  # of them
    _usual: dict[int, float] = field(default_factory=dict)  # seconds of a quick answer, by size

    def __post_init__(self) -> None:
        if self.most < 1:
            raise ValueError("a window needs room for one request")
        self._size = float(min(START, self.most))

    @property
    def size(self) -> int:
        """So many may be under way now."""
        return int(self._size)

    def answered(self, began: float, now: float, *, full: bool, weight: int = 0) -> None:
        """A good answer came.

        Args:
            began: when its request was sent; what was sent before the last halving tells of the crowd of then.
            now: seconds of the same clock.
            full: nothing more could have been under way with it; else it is no reason to try more.
            weight: bytes sent; requests of one size are compared with each other.
        """
        slow = self._is_slow(weight.bit_length() // 2, now - began)
        if began < self._halved_at:
            return
        self._answers += 1
        self._slow += slow
        if full and not slow:
            self._size = min(self._size + (1.0 if self._rising else 1.0 / self._size), float(self.most))
        if self._answers >= max(self.size, _SHORTEST_ROUND):
            if 2 * self._slow > self._answers:
                self._halve(now)
            self._answers = self._slow = 0

    def refused(self, began: float, now: float) -> None:
        """The server refused a request for haste, or did not manage it in time; one halving for all of one moment."""
        if began >= self._halved_at:
            self._halve(now)

    def _halve(self, now: float) -> None:
        self._size = max(self._size / 2, 1.0)
        self._rising = False
        self._halved_at = now
        self._answers = self._slow = 0

    def _is_slow(self, weight: int, seconds: float) -> bool:
        usual = self._usual.get(weight)
        if usual is None or seconds <= usual:
            self._usual[weight] = seconds
            return False
        if self.size == 1:
            self._usual[weight] = usual + (seconds - usual) * _ALONE
        return seconds > _SLOW * usual + _NOISE
