"""How long training usually takes, learnt from looks, and so when the next look is worth its request. Pure.

A look says "trained" or "not yet", so one document tells no time but a span: it was trained somewhere between its last
two looks. The spans of documents of about one size are narrowed to one belief: at ``low`` seconds a document was not
trained yet, at ``high`` it was. While these lie apart, the first look goes into the middle and the second to ``high``:
each document halves the belief, and two looks do. A server that became slower or faster is noticed by a look that
contradicts the belief. What was trained in a crowd waited for the others as well: it only tells what was enough.
All times are seconds since the server took the upload.
"""

from __future__ import annotations

from dataclasses import dataclass, field

FIRST = 0.5  # the first look at a document of which nothing is known
LONGEST = 30.0  # the longest pause between two looks
FINE = 0.15  # a belief as narrow as this is not narrowed further: a look hits the end by as much
_LEAST = 0.2  # the shortest pause after a look that came too early
_UNKNOWN = 0.5  # the pause after such a look, as a share of the age, while nothing is known
_LATE = 0.1  # the same when the document takes longer than was believed
_MARGIN = 0.02  # a clock is never quite the same twice
_DOUBT_AFTER = 4  # so many documents that fit a narrow belief, and it is asked again whether training became faster
_DOUBT = 0.05  # how much of it is doubted then


@dataclass(slots=True)
class _Belief:
    low: float
    high: float
    crowd: bool  # learnt among many: what is seen of a lone document replaces it
    fits: int = 0
    doubt: float = 0.0  # seconds by which ``low`` was put down without a look; 0: a look saw it


@dataclass(slots=True)
class Usual:
    """The usual training times of one dataset, by size."""

    _beliefs: dict[int, _Belief] = field(default_factory=dict)

    def first(self, size: int) -> float:
        """The age at which a document of ``size`` bytes is looked at first."""
        belief = self._belief(size)
        if belief is None:
            return FIRST
        if belief.high - belief.low <= FINE:
            return belief.high + _MARGIN
        return (belief.low + belief.high) / 2

    def pause(self, size: int, age: float) -> float:
        """Seconds until the next look after one at ``age`` that came too early: ever longer."""
        belief = self._belief(size)
        if belief is None:
            return min(max(_LEAST, _UNKNOWN * age), LONGEST)
        if age < belief.high:
            left = belief.high + _MARGIN - age
            step = max(_LEAST, _LATE * age)
            return left if left <= 2 * step else step
        beyond = age - belief.high  # the longer than believed, the less a look is worth
        return min(max(_LEAST, _LATE * age, min(beyond, _UNKNOWN * age)), LONGEST)

    def learn(self, size: int, before: float, at: float, *, alone: bool) -> None:
        """A document was not trained at ``before`` (0: nobody looked) and was at ``at``.

        Args:
            alone: hardly anything else was in training meanwhile.
        """
        belief = self._beliefs.get(_class(size))
        if belief is None or (alone and belief.crowd):
            self._beliefs[_class(size)] = _Belief(before, at, crowd=not alone)
        elif alone:
            _narrow(belief, before, at)
        elif belief.crowd and at < belief.high:
            belief.low, belief.high = min(belief.low, before), at

    def _belief(self, size: int) -> _Belief | None:
        """What is believed of this size, else of the nearest one."""
        wanted = _class(size)
        nearest = min(self._beliefs, key=lambda known: (abs(known - wanted), known), default=None)
        return None if nearest is None else self._beliefs[nearest]

    def state(self) -> dict[str, list[float]]:
        """What is believed, to be kept."""
        return {
            str(size): [round(belief.low, 2), round(belief.high, 2)]
            for size, belief in self._beliefs.items()
            if not belief.crowd
        }

    def restore(self, state: object) -> None:
        """Take up what ``state`` gave; what cannot be understood is forgotten."""
        if not isinstance(state, dict):
            return
        for size, span in state.items():
            if size.isdigit() and isinstance(span, list) and len(span) == 2:
                low, high = span
                if isinstance(low, (int, float)) and isinstance(high, (int, float)) and 0 <= low <= high < 1e6:
                    self._beliefs.setdefault(int(size), _Belief(float(low), float(high), crowd=False))


def _narrow(belief: _Belief, before: float, at: float) -> None:
    doubt, belief.doubt = belief.doubt, 0.0
    if before >= belief.high:  # it took longer than ever
        belief.low, belief.high, belief.fits = before, at, 0
    elif at <= belief.low:  # it was faster than ever
        belief.low, belief.high, belief.fits = max(before, at / 2), at, 0
    elif doubt and before <= belief.low:  # the doubt was right: by how much, nobody knows yet
        _doubt(belief, at, 3 * doubt)
    else:
        belief.low, belief.high = max(belief.low, before), min(belief.high, at)
        belief.fits += 1
        if belief.high - belief.low <= FINE and belief.fits >= _DOUBT_AFTER:
            _doubt(belief, belief.high, max(2 * FINE, _DOUBT * belief.high))


def _doubt(belief: _Belief, high: float, by: float) -> None:
    belief.low, belief.high, belief.fits = max(high - by, 0.0), high, 0
    belief.doubt = high - belief.low


def _class(size: int) -> int:
    """Documents of one class differ at most fourfold in size."""
    return max(size, 1).bit_length() // 2
