"""Waiting for the server's training of many documents with few requests.

A lone document is looked at when it may be trained, by what its dataset has taught (``usual``), from looks and from
the server's own times (``servertimes``). Several documents of one folder are looked at together by a list page of up to
100; a page only nominates, ``trainingDetail`` decides (rule 5). One or two are asked directly, which is cheaper than a
page and its confirmation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from syncd.errors import Permanent, ServerError, SyncdError, Unavailable
from syncd.fastgpt.client import Client
from syncd.fastgpt.models import CollectionRow, TrainingDetail
from syncd.fastgpt.wire import moment
from syncd.models import CollectionId, Hit, Problem
from syncd.servertimes import Ended, ServerTimes
from syncd.together import begin, ended
from syncd.turns import each
from syncd.usual import LONGEST, Usual

FEW = 2  # up to so many documents of a folder are asked one by one
_PAGE_PAUSE = 0.25  # seconds between two pages of a folder, at first
_SHORTEST_PAGE_PAUSE = 0.1
_WELL_SPENT = 4  # so many documents that a page found trained are worth looking again sooner
_FEW_PAGES = 2  # further pages are read only where they are cheaper than asking for each document
_EMPTY_LOOKS = 4  # so many answers of "no task, no error, no row" mean that there is no text
_EMPTY_FOR = 2.0  # seconds over which these are spread at least
_EMPTY_PAUSE = 1.0  # the longest pause between these
_PAGE = 100
_AT_ONCE = 16  # confirmations under way for one folder
_PATIENCE = 3  # so many failed looks in a row are told to whoever waits; fewer are repeated with the next look
_STANDS = 20.0  # seconds without progress after which it is said what FastGPT seems to be at
_MOST_REMEMBERED = 10_000

_Place = tuple[str, str | None]


@dataclass(slots=True)
class _Waiting:
    future: asyncio.Future[TrainingDetail]
    dataset_id: str
    since: float  # when the server took it, as far as is known
    moved_at: float  # when its counts last changed
    due: float  # when it is looked at next
    size: int | None = None  # bytes; None: not sent by this run, so that it teaches nothing
    looked: float = 0.0  # its age at the last look that found it in training
    counts: tuple[int, ...] = ()
    parsing: bool = False  # at the last look
    created_at: float | None = None  # by the server's clock, where a page showed it
    empty_looks: int = 0
    empty_since: float = 0.0
    failures: int = 0  # failed looks in a row
    retried: bool = False


@dataclass(slots=True)
class _Group:
    """The documents of one folder."""

    members: dict[CollectionId, _Waiting] = field(default_factory=dict)
    page_pause: float = _PAGE_PAUSE
    page_at: float = 0.0  # no page before that
    busy: bool = False  # a look is under way

    def due(self) -> float:
        """When it is to be looked at next."""
        first = min(waiting.due for waiting in self.members.values())
        return max(first, self.page_at) if len(self.members) > FEW else first


@dataclass(slots=True)
class TrainingWatch:
    """Tells each document when its training has ended.

    Args:
        client: the API client.
        timeout: seconds without any progress of a document after which it is given up.
    """

    client: Client
    timeout: float
    _groups: dict[_Place, _Group] = field(default_factory=dict)
    _task: asyncio.Task[None] | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _usual: dict[str, Usual] = field(default_factory=dict)  # by dataset
    _times: ServerTimes = field(default_factory=ServerTimes)
    _sent: dict[CollectionId, tuple[float, int]] = field(default_factory=dict)  # when the server took it, its size
    _waits_for: str = ""
    _crowded_at: float = float("-inf")  # when more than a few were last in training
    # When a collection's trained rows last grew, and its dataset (rule 6).
    _progressed: dict[CollectionId, tuple[float, str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(len(group.members) for group in self._groups.values())

    def sent(self, collection_id: CollectionId, size: int) -> None:
        """The server has just taken a document of so many bytes: from now on it may be trained."""
        if len(self._sent) >= _MOST_REMEMBERED:
            self._sent.clear()  # nobody waited for them
        self._sent[collection_id] = (asyncio.get_running_loop().time(), size)

    async def wait(self, dataset_id: str, folder_id: str | None, collection_id: CollectionId) -> TrainingDetail:
        """Return once the collection is trained.

        Raises:
            Permanent: parsing or training failed for good, made no progress, or found no text.
            RemoteMissing: the collection is gone.
            ServerError: the server is in trouble.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        at, size = self._sent.pop(collection_id, (now, None))
        due = now if size is None else max(at + self._first(dataset_id, size), now)
        waiting = _Waiting(loop.create_future(), dataset_id, since=at, moved_at=now, due=due, size=size)
        group = self._groups.setdefault((dataset_id, folder_id), _Group())
        group.members[collection_id] = waiting
        if len(self) > FEW:
            self._crowded_at = now
        if self._task is None or self._task.done():
            self._task = begin(self._run())
        self._news.set()
        try:
            return await waiting.future
        finally:
            if len(self) > FEW:
                self._crowded_at = loop.time()
            group.members.pop(collection_id, None)

    def seen(self, hits: Iterable[Hit]) -> None:
        """A search test's answer: when its rows were written tells how long the training of theirs took."""
        for training, took in self._times.seen(hits):
            usual = self._usual_of(training.dataset_id)
            usual.told(training.size, training.before, training.at, took, alone=training.alone)

    def others_progressed(self, collection_id: CollectionId, dataset_id: str, since: float) -> bool:
        """Whether the server trained anything else of the dataset since then (the loop's time; rule 6)."""
        return any(
            at >= since and dataset == dataset_id
            for other, (at, dataset) in self._progressed.items()
            if other != collection_id
        )

    def others_wait(self, collection_id: CollectionId, dataset_id: str) -> bool:
        """Whether anything else of the dataset is in training."""
        return any(
            waiting.dataset_id == dataset_id
            for group in self._groups.values()
            for other, waiting in group.members.items()
            if other != collection_id
        )

    @property
    def waits_for(self) -> str:
        """What FastGPT seems to be at, when nothing has moved for a while; "" while all goes on."""
        return self._waits_for if len(self) else ""

    def learnt(self) -> dict[str, dict[str, list[float]]]:
        """The usual times by dataset, to be kept for the next run."""
        return {dataset: state for dataset, usual in self._usual.items() if (state := usual.state())}

    def restore(self, learnt: object) -> None:
        """Take up what an earlier run learnt."""
        if isinstance(learnt, dict):
            for dataset, state in learnt.items():
                self._usual_of(str(dataset)).restore(state)

    def _note_progress(self, collection_id: CollectionId, dataset_id: str) -> None:
        self._progressed.pop(collection_id, None)
        self._progressed[collection_id] = (asyncio.get_running_loop().time(), dataset_id)
        if len(self._progressed) > _MOST_REMEMBERED:
            del self._progressed[next(iter(self._progressed))]  # the one that is longest ago

    async def close(self) -> None:
        """Stop looking."""
        task, self._task = self._task, None  # whoever waits from now on gets a task of its own
        if task is not None:
            await ended(task)

    def _usual_of(self, dataset_id: str) -> Usual:
        return self._usual.setdefault(dataset_id, Usual())

    def _first(self, dataset_id: str, size: int) -> float:
        return self._usual_of(dataset_id).first(size, self._elsewhere(dataset_id, size))

    def _elsewhere(self, dataset_id: str, size: int) -> float | None:
        """What is enough in another dataset of this server, the quickest of them."""
        others = [usual.enough(size) for dataset, usual in self._usual.items() if dataset != dataset_id]
        return min((enough for enough in others if enough is not None), default=None)

    # ------------------------------------------------------------ when

    async def _run(self) -> None:
        try:
            while len(self):  # one that came while the last look ended would wait for ever
                await self._look_when_due()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # nobody waits for a task that is gone
            for group in self._groups.values():
                for waiting in group.members.values():
                    if not waiting.future.done():
                        waiting.future.set_exception(error)

    async def _look_when_due(self) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as looks:
            while len(self) or any(group.busy for group in self._groups.values()):
                self._news.clear()
                now = loop.time()
                idle = {place: group for place, group in self._groups.items() if group.members and not group.busy}
                for place, group in idle.items():
                    if group.due() <= now:
                        group.busy = True
                        looks.create_task(self._look_guarded(place, group, now))
                times = [group.due() for group in idle.values() if not group.busy]
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(min(times) if times else None):
                        await self._news.wait()

    async def _look_guarded(self, place: _Place, group: _Group, now: float) -> None:
        try:
            await self._look(place, group, now)
        except Exception as error:  # whoever waits must hear of it, whatever it is
            for waiting in group.members.values():
                self._fail(waiting, error)
        finally:
            group.busy = False
            self._waits_for = self._standstill()
            if not group.members and self._groups.get(place) is group:
                del self._groups[place]
            self._news.set()

    def _fail(self, waiting: _Waiting, error: Exception) -> None:
        """One look failed: a single lost answer among many is no reason to send a whole group to the gate."""
        waiting.failures += 1
        self._put_off(waiting)
        patient = isinstance(error, Unavailable) and waiting.failures < _PATIENCE
        if not patient and not waiting.future.done():
            waiting.future.set_exception(error)

    def _put_off(self, waiting: _Waiting) -> None:
        """It was not trained yet: look again after a while."""
        now = asyncio.get_running_loop().time()
        waiting.looked = now - waiting.since
        size, dataset_id = waiting.size or 0, waiting.dataset_id
        pause = self._usual_of(dataset_id).pause(size, waiting.looked, self._elsewhere(dataset_id, size))
        waiting.due = now + (min(pause, _EMPTY_PAUSE) if waiting.empty_looks else pause)

    def _standstill(self) -> str:
        now = asyncio.get_running_loop().time()
        everyone = [waiting for group in self._groups.values() for waiting in group.members.values()]
        if not everyone or any(now - waiting.moved_at < _STANDS for waiting in everyone):
            return ""
        parses = sum(waiting.parsing for waiting in everyone)
        rest = len(everyone) - parses
        still = now - max(waiting.moved_at for waiting in everyone)
        said = []
        if parses:
            # A parse whose process died stays locked (retrieval.md R15); nothing tells it from a slow one.
            held = f"FastGPT has held {parses} parse{'s' * (parses > 1)} for {still:.0f} s"
            said.append(f"{held}; what it lost by a crash stays locked for up to 10 min")
        if rest:
            said.append(f"FastGPT has indexed nothing of {rest} document{'s' * (rest > 1)} for {still:.0f} s")
        return "; ".join(said)

    # ------------------------------------------------------------ one look

    async def _look(self, place: _Place, group: _Group, now: float) -> None:
        if len(group.members) <= FEW:
            await self._decide_all(group, [i for i, waiting in group.members.items() if waiting.due <= now])
            return
        nominated = await self._nominate(place, group)
        for collection_id, waiting in group.members.items():
            if collection_id not in nominated:
                self._put_off(waiting)
        done = await self._decide_all(group, nominated)
        if not done:
            group.page_pause = min(group.page_pause * 1.5, LONGEST)
        elif done >= _WELL_SPENT:
            group.page_pause = max(group.page_pause / 2, _SHORTEST_PAGE_PAUSE)
        group.page_at = asyncio.get_running_loop().time() + group.page_pause
        for waiting in group.members.values():  # a page costs the same for one as for all of them
            waiting.due = min(waiting.due, group.page_at)

    async def _decide_all(self, group: _Group, nominated: Iterable[CollectionId]) -> int:
        """Ask about each; returns how many have come to an end."""
        queue = [(i, group.members[i]) for i in nominated if i in group.members and not group.members[i].future.done()]

        async def decide(one: tuple[CollectionId, _Waiting]) -> int:
            collection_id, waiting = one
            try:
                done = await self._decide(collection_id, waiting)
            except ServerError as error:
                self._fail(waiting, error)
                return 0
            waiting.failures = 0
            if not done:
                self._put_off(waiting)
            return done

        return sum(await each(queue, decide, min(_AT_ONCE, len(queue))))

    async def _nominate(self, place: _Place, group: _Group) -> list[CollectionId]:
        """Read list pages until all documents were seen; those that no page showed are asked directly.

        What was changed last is listed first, so that in a large folder the first page shows most of them.
        """
        dataset_id, folder_id = place
        nominated: list[CollectionId] = []
        missing = set(group.members)
        offset = pages = 0
        while missing and (pages < _FEW_PAGES or pages < len(missing)):
            page = await self.client.collections(dataset_id, folder_id, offset=offset, page_size=_PAGE)
            pages += 1
            for row in page.rows:
                if row.id in missing:
                    missing.discard(row.id)
                    if (waiting := group.members.get(row.id)) is not None:
                        waiting.created_at = moment(row.create_time)
                    if _worth_asking(row) or self._stuck(waiting):
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
        asked = loop.time()
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
            self._note_progress(collection_id, waiting.dataset_id)
            waiting.future.set_result(outcome)
            if waiting.size is not None and not waiting.retried:
                await self._learn(collection_id, waiting, waiting.size, asked - waiting.since, outcome.trained)
        return 1

    async def _learn(self, collection_id: CollectionId, waiting: _Waiting, size: int, at: float, rows: int) -> None:
        """Learn from a training that has ended; whoever waited for it has gone on."""
        alone = self._crowded_at < waiting.since and len(self) <= FEW
        usual = self._usual_of(waiting.dataset_id)
        usual.learn(size, waiting.looked, at, alone=alone)
        created_at = waiting.created_at
        if created_at is None and alone and not usual.known(size) and self._times.worth_asking():
            with suppress(SyncdError):
                created_at = moment((await self.client.collection(collection_id)).create_time)
        training = Ended(waiting.dataset_id, size, waiting.looked, at, rows, alone, created_at)
        self._times.ended(collection_id, training)

    async def _outcome(
        self, collection_id: CollectionId, waiting: _Waiting, detail: TrainingDetail
    ) -> TrainingDetail | SyncdError | None:
        now = asyncio.get_running_loop().time()
        counts = (detail.trained, *detail.training.values())
        if counts != waiting.counts:
            if waiting.counts and detail.trained > waiting.counts[0]:
                self._note_progress(collection_id, waiting.dataset_id)
            waiting.counts, waiting.moved_at = counts, now
        waiting.parsing = bool(detail.training.get("parse"))
        match detail.state:
            case "trained":
                return detail
            case "failed":
                return await self._failure(collection_id, waiting, detail)
            case "training":
                pass
        if detail.empty:
            waiting.empty_since = waiting.empty_since if waiting.empty_looks else now
            waiting.empty_looks += 1
            if waiting.empty_looks >= _EMPTY_LOOKS and now - waiting.empty_since >= _EMPTY_FOR:
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
        # What failed for good FastGPT takes up again when asked (fastgpt-api.md 4.3); once is enough.
        if not waiting.retried:
            waiting.retried = True
            await self.client.retry_training(waiting.dataset_id, collection_id)
            return None
        if detail.errors.get("parse", 0):
            return Permanent(
                Problem.PARSE_FAILED,
                f"the server could not read the file: {said}",
                hint="open it with the program that made it and save it again, or exclude it",
            )
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
            hint="pages that are pictures (a scan) need text recognition; letters that cannot be copied out of a PDF "
            "have no character map: export it anew",
        )


def _worth_asking(row: CollectionRow) -> bool:
    idle = row.training_amount == 0  # trained, or nothing to train
    return idle or row.has_error
