"""How long training usually takes, learnt from looks, and so when the next look is worth its request. Pure.

A look says "trained" or "not yet", so one document tells no time but a span: it was trained somewhere between its last
two looks. The spans of documents of about one size are narrowed to one belief: at ``low`` seconds a document was not
trained yet, at ``high`` it was. While these lie apart, the first look goes into the middle and the second to ``high``:
each document halves the belief, and two looks do. A server that became slower or faster is noticed by a look that
contradicts the belief. What was trained in a crowd waited for the others as well: it only tells what was enough.

A server that gives its own times (when a collection was made, when its rows were written) tells the time itself, so
that one document is enough. And until a dataset has taught anything, looks come at doubling ages: a document is seen at
most its own training time late (``LONGEST`` at most), and 60 s cost 8 looks. What another dataset of the server, or a
crowd of an earlier run, took is a guess: one more moment at which to look, which can only make it sooner.
All times are seconds since the server took the upload.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

_T = TypeVar("_T")
FIRST = 0.5  # the first look at a document of which nothing is known
LONGEST = 30.0  # the longest pause between two looks
FINE = 0.15  # a belief as narrow as this is not narrowed further: a look hits the end by as much
_LEAST = 0.2  # the shortest pause after a look that came too early
_BEYOND = 0.5  # the longest pause once a document takes longer than was believed, as a share of the age
_LATE = 0.1  # the same when the document takes longer than was believed
_MARGIN = 0.02  # a clock is never quite the same twice
_DOUBT_AFTER = 4  # so many documents that fit a narrow belief, and it is asked again whether training became faster
_DOUBT = 0.05  # how much of it is doubted then
ANSWER = 1.0  # seconds by which an upload may be answered later than its collection was made
_NEAR = 0.25  # seconds by which the server's own time may be shorter than the belief and still fit it


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
    _guesses: dict[int, float] = field(default_factory=dict)  # what was enough in a crowd of an earlier run
    _sure: bool = False  # looks have shown that the server's own times are about ours

    def first(self, size: int, guess: float | None = None) -> float:
        """The age at which a document of ``size`` bytes is looked at first; ``guess`` is another dataset's."""
        belief = self._belief(size)
        if belief is None:
            return min([FIRST, *self._guessed(size, 0.0, guess)])
        if belief.high - belief.low <= FINE:
            return belief.high + _MARGIN
        return (belief.low + belief.high) / 2

    def pause(self, size: int, age: float, guess: float | None = None) -> float:
        """Seconds until the next look after one at ``age`` that came too early: ever longer, but for a guess."""
        belief = self._belief(size)
        if belief is None:
            return max(_LEAST, min([_unknown(age), *self._guessed(size, age, guess)]) - age)
        if age < belief.high:
            left = belief.high + _MARGIN - age
            step = max(_LEAST, _LATE * age)
            return left if left <= 2 * step else step
        beyond = age - belief.high  # the longer than believed, the less a look is worth
        return min(max(_LEAST, _LATE * age, min(beyond, _BEYOND * age)), LONGEST)

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

    def told(self, size: int, before: float, at: float, took: float, *, alone: bool) -> None:
        """The server's own times say how long a document took that was learnt before.

        Args:
            size: as in ``learn``, like ``before``, ``at`` and ``alone``.
            took: seconds from the making of its collection, which is a moment before the upload was answered. Until
                looks have shown that this moment is short, it may have been a second.
        """
        belief = self._beliefs.get(_class(size))
        if belief is None or alone is belief.crowd:
            return
        self._sure |= 0 <= took - before <= _NEAR
        if self._sure:
            belief.fits = 0  # no reason to doubt
        low, took = took - (FINE / 2 if self._sure else ANSWER), min(max(took, before), at)
        if alone and belief.high - belief.low <= FINE and belief.high - _NEAR <= took <= belief.high + 2 * _MARGIN:
            return
        if belief.low <= took <= belief.high:
            belief.low, belief.high, belief.doubt = min(max(low, belief.low), took), took, 0.0
        elif alone or took < belief.high:
            belief.low, belief.high, belief.doubt = min(max(low, before), took), took, 0.0

    def known(self, size: int) -> bool:
        """Whether the server's own time would tell little more about documents of this size."""
        belief = self._beliefs.get(_class(size))
        return belief is not None and belief.high - belief.low <= ANSWER

    def enough(self, size: int) -> float | None:
        """What was enough for documents of about this size, as a guess for others; ``None``: nothing is known."""
        belief = self._belief(size)
        return None if belief is None else belief.high

    def _guessed(self, size: int, age: float, other: float | None) -> list[float]:
        """The ages after ``age`` at which a guess has it trained."""
        own = _nearest(self._guesses, size)
        return [guess + _MARGIN for guess in (own, other) if guess is not None and guess + _MARGIN > age]

    def _belief(self, size: int) -> _Belief | None:
        """What is believed of this size, else of the nearest one."""
        return _nearest(self._beliefs, size)

    def state(self) -> dict[str, list[float]]:
        """What is believed, to be kept; what a crowd taught has no lower end."""
        kept = {str(size): [round(guess, 2)] for size, guess in self._guesses.items()}
        for size, belief in self._beliefs.items():
            span = [round(belief.low, 2), round(belief.high, 2)]
            kept[str(size)] = span[1:] if belief.crowd else span
        return kept

    def restore(self, state: object) -> None:
        """Take up what ``state`` gave; what cannot be understood is forgotten."""
        if not isinstance(state, dict):
            return
        for size, span in state.items():
            if not (size.isdigit() and isinstance(span, list) and len(span) in (1, 2)):
                continue
            if not all(isinstance(one, (int, float)) and 0 <= one < 1e6 for one in span) or span[0] > span[-1]:
                continue
            if len(span) == 1:
                self._guesses.setdefault(int(size), float(span[0]))
            else:
                self._beliefs.setdefault(int(size), _Belief(float(span[0]), float(span[1]), crowd=False))


def _nearest(known: Mapping[int, _T], size: int) -> _T | None:
    """What is known of the class of ``size``, else of the nearest one."""
    wanted = _class(size)
    nearest = min(known, key=lambda one: (abs(one - wanted), one), default=None)
    return None if nearest is None else known[nearest]


def _unknown(age: float) -> float:
    """The age of the next look at a document of which nothing is known: each one is double the one before."""
    at = FIRST
    while at <= age:
        at += min(at, LONGEST)
    return at


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
