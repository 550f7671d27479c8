"""Whose training fails, and since when: what must be known before a document is blamed for it (rule 6). Pure.

A broken embedding model fails whatever is in flight. So a failure counts against a document only when another document
of its dataset was trained after it had begun to fail; and, so that nothing fails for ever, when it alone has failed
again and again for a whole day while everything else worked. Times are seconds of one monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field

LONE_TRIES = 8
LONE_FOR = 86_400.0


@dataclass(slots=True)
class _Suspect:
    dataset_id: str
    since: float
    tries: int = 0


@dataclass(slots=True)
class Suspects:
    """Collections whose training failed, and for which nobody is blamed yet."""

    _failing: dict[str, _Suspect] = field(default_factory=dict)

    def failed(self, collection_id: str, dataset_id: str, now: float) -> float:
        """One more failure; returns since when it fails."""
        suspect = self._failing.setdefault(collection_id, _Suspect(dataset_id, now))
        suspect.tries += 1
        return suspect.since

    def cleared(self, collection_id: str) -> None:
        """It was trained, it was blamed, or it is not wanted any more."""
        self._failing.pop(collection_id, None)

    def others(self, collection_id: str, dataset_id: str) -> int:
        """How many others of the dataset fail as well."""
        return sum(one.dataset_id == dataset_id for id_, one in self._failing.items() if id_ != collection_id)

    def long_alone(self, collection_id: str, now: float) -> bool:
        """Whether it has failed for a day, again and again, while no other one of its dataset does."""
        suspect = self._failing.get(collection_id)
        if suspect is None or self.others(collection_id, suspect.dataset_id):
            return False
        return suspect.tries >= LONE_TRIES and now - suspect.since >= LONE_FOR
