"""How long the server says a training took: from the making of a collection to the writing of its last row. Pure.

A look tells a span, the server's own times tell the time (``createTime`` of a collection in lists and in ``detail``,
``updateTime`` of a row in the answers of search tests, fastgpt-api.md 2.3 and 2.8). Both are of the server's clock, so
that ours does not matter. What contradicts the looks is not believed: servers behind one address may have clocks of
their own, and from 4.17.2 on rows are written before they are indexed (fastgpt-api.md 4.1).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from syncd.models import CollectionId, Hit
from syncd.usual import ANSWER

_REMEMBERED = 10_000
_FUTILE = 3  # so many questions for ``createTime`` that led to nothing are enough
_GRAIN = 0.05  # seconds by which the looks and the server may differ


@dataclass(frozen=True, slots=True)
class Ended:
    """A training that has ended, as the looks saw it; ages are seconds since the server took the upload."""

    dataset_id: str
    size: int  # bytes
    before: float  # the age at which it was not trained yet; 0: nobody looked
    at: float  # the age at which it was
    rows: int
    alone: bool
    created_at: float | None  # by the server's clock


@dataclass(slots=True)
class ServerTimes:
    """Matches what ended with the rows that searches show a moment later."""

    _ended: dict[CollectionId, Ended] = field(default_factory=dict)  # the oldest first
    _futile: int = 0

    def ended(self, collection_id: CollectionId, training: Ended) -> None:
        """Wait for rows of this collection."""
        self._ended[collection_id] = training
        if len(self._ended) > _REMEMBERED:
            del self._ended[next(iter(self._ended))]

    def worth_asking(self) -> bool:
        """Whether another question for ``createTime`` may tell anything; counts it."""
        self._futile += 1
        return self._futile <= _FUTILE

    def seen(self, hits: Iterable[Hit]) -> list[tuple[Ended, float]]:
        """The trainings of which ``hits`` show all rows, and the seconds that they took."""
        rows: dict[CollectionId, list[float]] = {}
        for hit in hits:
            if hit.written_at is not None and hit.collection_id in self._ended:
                rows.setdefault(hit.collection_id, []).append(hit.written_at)
        found = []
        for collection_id, written in rows.items():
            training = self._ended[collection_id]
            if training.created_at is None or len(written) < training.rows:
                continue  # the last of its rows may be among those that are not shown
            del self._ended[collection_id]
            took = max(written) - training.created_at
            if training.before - _GRAIN <= took <= training.at + ANSWER:
                self._futile = 0
                found.append((training, took))
        return found
