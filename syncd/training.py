"""Waiting for the server's training of many documents with few requests.

Several documents of one folder are looked at by list pages of 100; a page only nominates, ``trainingDetail``
decides (rule 5). One or two are asked directly, which is cheaper than a page and its confirmation.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from syncd.errors import Permanent, ServerError, SyncdError, Unavailable
from syncd.fastgpt.client import Client
from syncd.fastgpt.models import CollectionRow, TrainingDetail
from syncd.models import CollectionId, Problem

_FIRST_LOOK = 0.4  # seconds after a document joins
_LONGEST_PAUSE = 5.0
_DIRECT = 2  # up to so many documents of a folder are asked one by one
_EMPTY_LOOKS = 4  # so many answers of "no task, no error, no row" mean that there is no text
_PAGE = 100
_PATIENCE = 3  # so many failed looks in a row are told to whoever waits; fewer are repeated with the next look


@dataclass(slots=True)
class _Waiting:
    future: asyncio.Future[TrainingDetail]
    dataset_id: str
    since: float
    moved_at: float  # when its counts last changed
    counts: tuple[int, ...] = ()
    empty_looks: int = 0
    failures: int = 0  # failed looks in a row
    retried: bool = False


@dataclass(slots=True)
class TrainingWatch:
    """Tells each document when its training has ended.

    Args:
        client: the API client.
        timeout: seconds without any progress of a document after which it is given up.
    """

    client: Client
    timeout: float
    _groups: dict[tuple[str, str | None], dict[CollectionId, _Waiting]] = field(default_factory=dict)
    _task: asyncio.Task[None] | None = None
    _usual: float = 0.0  # how long the last documents took, smoothed; 0 is unknown
    _progressed: dict[CollectionId, float] = field(default_factory=dict)  # when its trained rows last grew (rule 6)

    def __len__(self) -> int:
        return sum(len(group) for group in self._groups.values())

    async def wait(self, dataset_id: str, folder_id: str | None, collection_id: CollectionId) -> TrainingDetail:
        """Return once the collection is trained.

        Raises:
            Permanent: parsing or training failed for good, made no progress, or found no text.
            RemoteMissing: the collection is gone.
            ServerError: the server is in trouble.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        waiting = _Waiting(loop.create_future(), dataset_id, since=now, moved_at=now)
        group = self._groups.setdefault((dataset_id, folder_id), {})
        group[collection_id] = waiting
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._run())
        try:
            return await waiting.future
        finally:
            group.pop(collection_id, None)

    def others_progressed(self, collection_id: CollectionId, since: float) -> bool:
        """Whether the server trained anything else since then (the loop's time; rule 6)."""
        return any(at >= since for other, at in self._progressed.items() if other != collection_id)

    async def close(self) -> None:
        """Stop looking."""
        task, self._task = self._task, None  # whoever waits from now on gets a task of its own
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._progressed.clear()

    async def _run(self) -> None:
        pause = max(_FIRST_LOOK, min(self._usual * 0.8, _LONGEST_PAUSE))
        while len(self):
            await asyncio.sleep(pause + 0.004 * len(self))
            ended = 0
            for place in [place for place, group in self._groups.items() if group]:
                try:
                    ended += await self._look(place)
                except Exception as error:  # whoever waits must hear of it, whatever it is
                    self._fail_all(place, error)
            pause = max(_FIRST_LOOK, pause / 2) if ended else min(pause * 1.4, _LONGEST_PAUSE)

    def _fail_all(self, place: tuple[str, str | None], error: Exception) -> None:
        for waiting in self._groups[place].values():
            self._fail(waiting, error)

    def _fail(self, waiting: _Waiting, error: Exception) -> None:
        """One look failed: a single lost answer among many is no reason to send a whole group to the gate."""
        waiting.failures += 1
        patient = isinstance(error, Unavailable) and waiting.failures < _PATIENCE
        if not patient and not waiting.future.done():
            waiting.future.set_exception(error)

    async def _look(self, place: tuple[str, str | None]) -> int:
        group = self._groups[place]
        if len(group) <= _DIRECT:
            nominated = list(group)
        else:
            nominated = await self._nominate(place, set(group))
        ended = 0
        for collection_id in nominated:
            waiting = group.get(collection_id)
            if waiting is None or waiting.future.done():
                continue
            try:
                ended += await self._decide(collection_id, waiting)
                waiting.failures = 0
            except ServerError as error:
                self._fail(waiting, error)
        return ended

    async def _nominate(self, place: tuple[str, str | None], wanted: set[CollectionId]) -> list[CollectionId]:
        """Read list pages until all wanted rows were seen; rows that a page does not show are asked directly."""
        dataset_id, folder_id = place
        nominated: list[CollectionId] = []
        missing = set(wanted)
        offset = 0
        while missing:
            page = await self.client.collections(dataset_id, folder_id, offset=offset, page_size=_PAGE)
            for row in page.rows:
                if row.id in missing:
                    missing.discard(row.id)
                    if _worth_asking(row) or self._stuck(self._groups[place].get(row.id)):
                        nominated.append(row.id)
            offset += len(page.rows)
            if not page.rows or offset >= page.total:
                break
        return nominated + sorted(missing)

    def _stuck(self, waiting: _Waiting | None) -> bool:
        return waiting is not None and asyncio.get_running_loop().time() - waiting.moved_at > self.timeout

    async def _decide(self, collection_id: CollectionId, waiting: _Waiting) -> int:
        """Ask about one collection; returns 1 when its wait has ended."""
        loop = asyncio.get_running_loop()
        try:
            detail = await self.client.training(collection_id)
            outcome = await self._outcome(collection_id, waiting, detail)
        except ServerError:
            raise
        except SyncdError as error:
            outcome = error
        if outcome is None or waiting.future.done():
            return 0
        if isinstance(outcome, SyncdError):
            waiting.future.set_exception(outcome)
        else:
            took = loop.time() - waiting.since
            self._usual = took if not self._usual else 0.7 * self._usual + 0.3 * took
            self._progressed[collection_id] = loop.time()
            waiting.future.set_result(outcome)
        return 1

    async def _outcome(
        self, collection_id: CollectionId, waiting: _Waiting, detail: TrainingDetail
    ) -> TrainingDetail | SyncdError | None:
        now = asyncio.get_running_loop().time()
        counts = (detail.trained, *detail.training.values())
        if counts != waiting.counts:
            if waiting.counts and detail.trained > waiting.counts[0]:
                self._progressed[collection_id] = now
            waiting.counts, waiting.moved_at = counts, now
        match detail.state:
            case "trained":
                return detail
            case "failed":
                return await self._failure(collection_id, waiting, detail)
            case "training":
                pass
        if detail.empty:
            waiting.empty_looks += 1
            if waiting.empty_looks >= _EMPTY_LOOKS:
                return await self._no_text(collection_id)
        if now - waiting.moved_at > self.timeout:
            texts = await self.client.training_errors(collection_id)
            said = f"; the server says: {texts[0]}" if texts else ""
            return Permanent(
                Problem.TRAINING_TIMEOUT,
                f"no progress of its training for {self.timeout:.0f} s{said}",
                hint="look at the server's model and queue, then `syncd retry`",
            )
        return None

    async def _failure(
        self, collection_id: CollectionId, waiting: _Waiting, detail: TrainingDetail
    ) -> SyncdError | None:
        texts = await self.client.training_errors(collection_id)
        said = texts[0] if texts else "no text was given"
        if detail.errors.get("parse", 0):
            return Permanent(
                Problem.PARSE_FAILED,
                f"the server could not read the file: {said}",
                hint="open it with the program that made it and save it again, or exclude it",
            )
        # Some chunks failed for good: FastGPT takes them up again when asked (fastgpt-api.md 4.3); once is enough.
        if not waiting.retried:
            waiting.retried = True
            await self.client.retry_training(waiting.dataset_id, collection_id)
            return None
        return Permanent(
            Problem.TRAINING_FAILED,
            f"the server could not index it: {said}",
            hint="look at the server's embedding model, then `syncd retry`",
        )

    async def _no_text(self, collection_id: CollectionId) -> SyncdError | None:
        collection = await self.client.collection(collection_id)
        if collection.raw_text_length in (0, None) and not collection.hash_raw_text:
            return None  # not parsed yet, so nothing is known
        return Permanent(
            Problem.EMPTY,
            "the server found no text in the file",
            hint="a scanned document needs text recognition before it can be searched",
        )


def _worth_asking(row: CollectionRow) -> bool:
    idle = row.training_amount == 0  # trained, or nothing to train
    return idle or row.has_error
