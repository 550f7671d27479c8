"""What all parts of the emulator share: settings, state, clock, journal and timeline."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import sqlite3
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from syncd.emulator.answers import no_dataset
from syncd.emulator.dialect import DIALECTS
from syncd.emulator.faults import FaultBook
from syncd.emulator.naming import ObjectIds, require_object_id
from syncd.emulator.options import EmulatorOptions
from syncd.emulator.ranking import Ranking
from syncd.emulator.store import Store

_KEPT = 200_000
_ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


class Event(NamedTuple):
    """Something that happened to a collection.

    ``event`` is one of created, shown, hidden, trained, failed, updated, deleted.
    """

    at: float
    event: str
    collection_id: str
    metadata: dict[str, Any]


@dataclass(slots=True)
class RequestRecord:
    """One request. ``status`` is None while it is under way, 0 when it got no answer."""

    seq: int
    at: float
    method: str
    path: str
    status: int | None = None
    body: str = ""
    fault: str | None = None


class Queue(Protocol):
    """What the rest needs of the training queue."""

    def add(self, mode: str, seqs: list[int]) -> None:
        """Take up new tasks."""

    def forget(self, collection_id: str) -> None:
        """The collection is gone."""

    def purge_later(self, dataset_id: str, seconds: float) -> None:
        """Delete a dataset's content in the background."""


class Core:
    """The shared heart of one emulator."""

    queue: Queue
    ranking: Ranking

    def __init__(self, options: EmulatorOptions, clock: Callable[[], float]) -> None:
        self.options = options
        self.dialect = DIALECTS[options.compat]
        self.clock = clock
        self.store = Store(options.data_dir)
        self.ranking = Ranking(self.store)
        self.faults = FaultBook(options.chaos, options.seed)
        self.random = random.Random(options.seed)
        self.timeline: list[Event] = []
        self.requests: list[RequestRecord] = []
        self._journal: deque[tuple[float, str, sqlite3.Row | None]] = deque(maxlen=20_000)
        self._sequence = 0
        self.on_reset: Callable[[], None] = lambda: None
        self.searches = (0, 0)  # the second of the last search, and how many it saw
        with self.store.change():
            boot = int(self.store.meta("boot") or "0") + 1
            self.store.set_meta("boot", str(boot))
            self.global_key = self._key("global_key", "global")
            self.app_key = self._key("app_key", "app")
            # The app's and the team's ids stay the same over restarts, like the keys.
            fixed = ObjectIds(options.seed, 0)
            self.team_id, self.member_id, self.app_id = (
                self.store.meta(name) or fixed.new() for name in ("team", "member", "app")
            )
            for name, value in (("team", self.team_id), ("member", self.member_id), ("app", self.app_id)):
                self.store.set_meta(name, value)
        self._boot = boot
        self.ids = ObjectIds(options.seed, boot)

    def _key(self, name: str, salt: str) -> str:
        key = self.store.meta(name)
        if key is None:
            letters = random.Random(f"{salt}-{self.options.seed}")
            key = "fastgpt-" + "".join(letters.choice(_ALPHABET) for _ in range(40))
            self.store.set_meta(name, key)
        return key

    def now(self) -> float:
        """The time of day, for time stamps."""
        return self.clock()

    @staticmethod
    def elapsed() -> float:
        """The running loop's time, for durations; virtual in simulations."""
        try:
            return asyncio.get_running_loop().time()
        except RuntimeError:
            return 0.0

    def emit(self, event: str, row: sqlite3.Row) -> None:
        """Write down what happened to a collection."""
        if len(self.timeline) >= _KEPT:
            del self.timeline[: _KEPT // 2]
        self.timeline.append(Event(self.now(), event, row["id"], loads(row["metadata"], {})))

    def record(self, method: str, path: str) -> RequestRecord:
        """Write down a request."""
        if len(self.requests) >= _KEPT:
            del self.requests[: _KEPT // 2]
        self._sequence += 1
        record = RequestRecord(self._sequence, self.now(), method, path)
        self.requests.append(record)
        return record

    def collection(self, collection_id: str) -> sqlite3.Row | None:
        """A collection's row."""
        return self.store.one("select * from collections where id = ?", collection_id)

    def remember(self, collection_id: str) -> None:
        """Keep what a lagging reader still sees; called before each change (observed fact 26)."""
        self._journal.append((self.elapsed(), collection_id, self.collection(collection_id)))

    def as_of(self, seconds_ago: float) -> dict[str, sqlite3.Row | None]:
        """Collections that looked different then, by id: their row of that time, or None if they were not there."""
        since = self.elapsed() - seconds_ago
        then: dict[str, sqlite3.Row | None] = {}
        for at, collection_id, row in reversed(self._journal):
            if at <= since:
                break
            then[collection_id] = row
        return then

    def forget_history(self) -> None:
        """A new event loop has a new clock."""
        self._journal.clear()

    def dataset(self, dataset_id: object) -> sqlite3.Row:
        """A dataset's row. One that is being deleted is still there (observed fact 14)."""
        if not dataset_id:
            raise no_dataset()
        wanted = require_object_id(dataset_id, "datasets")
        row = self.store.one("select * from datasets where id = ?", wanted)
        if row is None:
            raise no_dataset()
        return row

    def reset(self) -> None:
        """Back to an empty server with the same keys."""
        self.store.clear()
        self.ranking.forget()
        self.faults.reset()
        self.random = random.Random(self.options.seed)
        self.ids = ObjectIds(self.options.seed, self._boot)
        self.timeline.clear()
        self.requests.clear()
        self._journal.clear()
        self._sequence = 0
        self.on_reset()


def loads(text: str | None, default: Any) -> Any:
    """JSON from a column."""
    return default if text is None else json.loads(text)


def sha256(content: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(content).hexdigest()
