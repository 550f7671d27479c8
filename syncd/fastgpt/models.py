"""What FastGPT answers, as frozen values; ids are its ObjectId strings, times its ISO texts."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal

from syncd.models import CollectionId, DatasetId, Marker

_REMEMBERED = 100  # good answers of one endpoint whose times are kept


@dataclass(frozen=True, slots=True)
class Dataset:
    """One dataset; the three rights are those of the key's member (fastgpt-api.md 1.2)."""

    id: DatasetId
    name: str
    type: str
    vector_model: str
    can_write: bool
    can_manage: bool
    is_owner: bool
    raw: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class CollectionRow:
    """One row of a listing; it may come from a lagging secondary and only nominates (observed fact 26).

    ``active`` and ``final_errors`` are the exact counts that servers from 4.15.0 on give; None before.
    """

    id: CollectionId
    parent_id: str | None
    name: str
    type: str
    forbid: bool
    training_amount: int
    data_amount: int
    has_error: bool
    update_time: str = ""
    create_time: str = ""
    tags: tuple[str, ...] = ()
    external_file_id: str | None = None
    active: int | None = None
    final_errors: int | None = None

    @property
    def is_folder(self) -> bool:
        """Whether this is a folder collection."""
        return self.type == "folder"

    @property
    def looks_trained(self) -> bool:
        """No task left, rows there, no error: worth asking ``training`` for the truth (fastgpt-api.md 4.3)."""
        return self.training_amount == 0 and self.data_amount > 0 and not self.has_error


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a folder; ``total`` is what the server claims the whole folder to hold."""

    rows: tuple[CollectionRow, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Collection:
    """One collection in full. ``marker`` is None when it carries none of syncd's making.

    ``data_amount`` is no part of this answer in any version (fastgpt-api.md 2.3.2): 0 unless given.
    """

    id: CollectionId
    dataset_id: DatasetId
    parent_id: str | None
    name: str
    type: str
    forbid: bool
    training_amount: int = 0
    data_amount: int = 0
    has_error: bool = False
    update_time: str = ""
    create_time: str = ""
    tags: tuple[str, ...] = ()
    external_file_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    marker: Marker | None = None
    raw_text_length: int | None = None  # characters; None until the parse has ended
    hash_raw_text: str = ""
    index_amount: int | None = None
    error_count: int | None = None

    @property
    def is_folder(self) -> bool:
        """Whether this is a folder collection."""
        return self.type == "folder"


TrainingState = Literal["trained", "training", "failed"]


@dataclass(frozen=True, slots=True)
class TrainingDetail:
    """Tasks of one collection by mode (parse, chunk, qa, …) and the number of trained rows.

    ``own_queue``: ``queued`` counts this collection's tasks (4.15.0 on); before, it counts every task on the
    server that stands ahead, so it says nothing of this collection (fastgpt-api.md 2.6).
    """

    queued: dict[str, int]
    training: dict[str, int]
    errors: dict[str, int]
    trained: int
    own_queue: bool = False

    @property
    def state(self) -> TrainingState:
        """Where the training stands (observed fact 10, fastgpt-api.md 4.3).

        Tasks that are left mean "training" even beside errors: an embedding error heals by itself. Errors with no
        task left are final. Nothing at all counts as "training": a lagging answer looks just so; see ``empty``.
        """
        if any(self.training.values()) or (self.own_queue and any(self.queued.values())):
            return "training"
        if any(self.errors.values()):
            return "failed"
        return "trained" if self.trained > 0 else "training"

    @property
    def empty(self) -> bool:
        """No task, no error, no row: when this lasts, the file held no text (fastgpt-api.md 4.4)."""
        return self.state == "training" and not any(self.training.values()) and self.trained == 0


@dataclass(frozen=True, slots=True)
class Dialect:
    """Which family of versions answers, as far as it lets on, and the quirks seen."""

    name: Literal["4.12", "4.14", "4.16", "unknown"]
    quirks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Health:
    """The server answered: after ``seconds``, and with the version it admits to ("" for most, 4.8.23 on)."""

    seconds: float
    version: str = ""


@dataclass(slots=True)
class Stats:
    """Running counters of one client; the only mutable value here."""

    requests: dict[str, int] = field(default_factory=dict)  # by endpoint's short name
    failures: dict[str, int] = field(default_factory=dict)  # of them, those without a complete answer
    good: dict[str, int] = field(default_factory=dict)  # of them, those whose answer was no error
    good_at: dict[str, deque[float]] = field(default_factory=dict)  # when the last of these came, by the loop's time
    bytes_sent: int = 0
    bytes_received: int = 0
    seconds: float = 0.0  # summed over requests, waits for a free connection not counted

    def answered(self, endpoint: str, at: float) -> None:
        """One good answer more."""
        self.good[endpoint] = self.good.get(endpoint, 0) + 1
        self.good_at.setdefault(endpoint, deque(maxlen=_REMEMBERED)).append(at)


@dataclass(frozen=True, slots=True)
class Keep:
    """The type of ``KEEP``: "leave the parent as it is", as ``None`` means the dataset's root."""


KEEP = Keep()
