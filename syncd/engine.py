"""The loop: observe, plan, apply, until nothing is left to do.

A document is worked on by one task at a time and followed step by step: after each action the planner is asked
again what the document needs next. Documents run in parallel, behind limits for uploads and for search tests.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any

from syncd import tidy
from syncd.apply import Applier, SourceState, Tools
from syncd.audit import Auditor, space_of
from syncd.config import Config, Source
from syncd.datasets import bind
from syncd.errors import EXIT_UNPROVEN, DocumentError, ServerError
from syncd.fastgpt.client import Client
from syncd.folders import Folders
from syncd.following import Follower
from syncd.gate import Gate
from syncd.ledger import Ledger, entries, moves, remote
from syncd.logs import get_logger
from syncd.models import AnyAction, Delete, DocumentKey, Move, Plan, Prove, Resume, Retire, Upload
from syncd.observe import Observation, Observer
from syncd.passing import Outcome, PassState, keep_notes, outcome, still_waiting
from syncd.plan import SourcePolicy, make
from syncd.preparing import Preparer
from syncd.progress import Progress
from syncd.prove import Prover
from syncd.training import TrainingWatch

__all__ = ["Engine", "Outcome"]

log = get_logger(__name__)

IN_FLIGHT = 48  # documents under way at once; most of them wait for their training
_TITLE_OPTIONS = frozenset({"indexPrefixTitle", "dataEnhanceCollectionName"})
_MOST_ROUNDS = 200
_LEAVES_ROOM = ("moved", "deleted")  # after these a folder on the server may be empty


class Engine:
    """One engine per ledger.

    Args:
        config: the configuration.
        ledger: open for writing.
        client: the API client, entered.
        now: the wall clock, seconds since the epoch.
        run: runs blocking work elsewhere; tests run it in place.
        progress: filled in on the way.
    """

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        client: Client,
        *,
        now: Callable[[], float] = time.time,
        run: Callable[..., Awaitable[Any]] = asyncio.to_thread,
        progress: Progress | None = None,
    ) -> None:
        self.config = config
        self.ledger = ledger
        self.client = client
        self.progress = progress or Progress()
        self._now = now
        self._stopping = asyncio.Event()  # a person's stop, or the end of the pass in work
        self._asked = False  # a person's stop
        self.sources = {source.name: _state(source, config) for source in config.sources}
        self._folders = Folders(client, ledger)
        self._training = TrainingWatch(client, config.fastgpt.training_timeout)
        self._auditor = Auditor(client, ledger, self._folders, now)
        self._observer = Observer(ledger, now, run, self._stopping.is_set)
        self._tools = Tools(
            client=client,
            ledger=ledger,
            folders=self._folders,
            training=self._training,
            prover=Prover(client, ledger),
            sources=self.sources,
            uploads=asyncio.Semaphore(config.fastgpt.uploads),
            now=now,
            run=run,
            progress=self.progress,
            stopping=self._stopping,
        )
        self._applier = Applier(self._tools)
        self._gate = Gate(self._look_at_server, patience=None, report=self._report_trouble)
        self._state = PassState()
        self._follower = Follower(
            tools=self._tools,
            applier=self._applier,
            state=self._state,
            gate=lambda: self._gate,
            exists=lambda key: self._observer.exists(key, self.sources[key.source]),
            report=lambda name, error: self._preparer.trouble(name, error),
            max_attempts=config.fastgpt.max_attempts,
        )
        self._preparer = Preparer(
            client=client,
            ledger=ledger,
            auditor=self._auditor,
            sources=self.sources,
            now=now,
            state=self._state,
            patiently=self._follower.patiently,
        )

    def stop(self) -> None:
        """Stop at the next safe point; never inside a flip."""
        self._asked = True
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        """Whether somebody asked to stop."""
        return self._asked

    # ------------------------------------------------------------ one pass

    async def plan(self, names: Iterable[str] | None = None) -> tuple[Plan, list[Observation]]:
        """What a pass would do now; nothing is changed, the server is not asked."""
        observations = [
            await self._observer.observe(self.sources[name], wait=False, remember=False) for name in self._chosen(names)
        ]
        return make([o.view for o in observations], self._now()), observations

    async def sync(
        self, names: Iterable[str] | None = None, *, patience: float | None = 30.0, limit: float | None = None
    ) -> Outcome:
        """One pass until nothing is left to do: verified, quarantined or held.

        Args:
            names: the sources to serve; all of them when ``None``.
            patience: seconds of uninterrupted server trouble after which the pass gives up; ``None`` never does.
            limit: seconds for the whole pass; ``None`` is no limit.

        Raises:
            ServerError: the server's trouble outlasted the patience, or waiting does not cure it.
            LedgerError: the ledger cannot be used any more.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._begin(patience)
        chosen = self._chosen(names)
        timer = None if limit is None else loop.call_later(max(limit, 0.0), self._time_is_up)
        observations: dict[str, Observation] = {}
        plan = Plan()
        scanning = 0.0
        try:
            for round_ in range(_MOST_ROUNDS):
                self.progress.phase = "scanning"
                observations = {}
                for name in chosen:
                    if name not in self._state.troubles:
                        observations[name] = await self._observer.observe(self.sources[name])
                        scanning += observations[name].scan_seconds
                plan = self._plan(observations)
                if self._stopping.is_set():
                    break
                if not self._work(plan, chosen):
                    if await self._last_look(chosen):
                        continue
                    break
                self.progress.phase = "looking at the server"
                if await self._preparer.prepare(self._wanted(plan, chosen)):
                    continue
                await self._apply(plan, observations)
                await self._tidy(chosen)
                log.debug("round.done", round=round_, actions=len(plan.actions))
        finally:
            if timer is not None:
                timer.cancel()
            await self._training.close()
            await self._gate.close()
        for name, observation in observations.items():
            await self._observer.finish(self.sources[name], observation)
        waiting = still_waiting(plan, observations.values(), self._state)
        await keep_notes(self.ledger, self._now(), plan, observations, waiting)
        timings = {"scan": round(scanning, 6), "total": round(loop.time() - began, 6)}
        return outcome(self.ledger, self.progress, self._state, plan, observations, waiting, timings)

    def _begin(self, patience: float | None) -> None:
        """Forget the pass before; what a person asked for stays."""
        self._gate = Gate(self._look_at_server, patience=patience, report=self._report_trouble)
        self._state.clear()
        self.progress.counts.clear()
        self.progress.verdicts.clear()
        self.progress.touched.clear()
        if not self._asked:
            self._stopping.clear()

    def _time_is_up(self) -> None:
        self._state.codes.add(EXIT_UNPROVEN)
        self._stopping.set()

    def _chosen(self, names: Iterable[str] | None) -> list[str]:
        return list(self.sources) if names is None else list(names)

    def _plan(self, observations: dict[str, Observation]) -> Plan:
        views = [replace(o.view, unresolved=self._unresolved(name, o)) for name, o in observations.items()]
        plan = make(views, self._now())
        actions = tuple(a for a in plan.actions if a.key not in self._state.put_off)
        return replace(plan, actions=actions)

    def _unresolved(self, name: str, observation: Observation) -> str:
        """Why vanished files of a source must wait (rule 17): a file that is being written may be one that moved."""
        written = [waiting.key.path for waiting in observation.unsettled]
        return self._state.open.get(name, "") or (f"{written[0]} is still being written" if written else "")

    def _work(self, plan: Plan, chosen: list[str]) -> bool:
        """Whether another round has something to do."""
        again = any(w.until is not None and w.key not in self._state.put_off for w in plan.waiting)
        return bool(plan.actions) or again or self._preparer.survey_due() or bool(self._emptied(chosen))

    def _wanted(self, plan: Plan, chosen: list[str]) -> set[str]:
        """The sources whose datasets have to be known."""
        return {a.key.source for a in plan.actions} | {w.key.source for w in plan.waiting} | set(self._emptied(chosen))

    async def _last_look(self, chosen: list[str]) -> bool:
        """After an upload was sent again, look for the first one: it may have arrived late (rule 11)."""
        if not self.progress.resent:
            return False
        self.progress.resent.clear()
        return await self._preparer.look_again()

    # ------------------------------------------------------------ folders that were emptied

    def _emptied(self, chosen: list[str]) -> list[str]:
        """Sources with a folder that was seen empty once, long enough ago to be looked at for the second time."""
        now = self._now()
        return [
            name
            for name in chosen
            if name not in self._state.troubles
            and any(
                f.empty_since is not None and now - f.empty_since >= tidy.APART
                for f in remote.made_folders(self.ledger.conn, name)
            )
        ]

    async def _tidy(self, chosen: list[str]) -> None:
        if self._stopping.is_set():
            return
        left_room = any(self.progress.counts[what] for what in _LEAVES_ROOM)
        for name in chosen if left_room else self._emptied(chosen):
            if name in self._preparer.ready:
                await self._follower.patiently(
                    lambda name=name: tidy.tidy(self.client, self.ledger, self._folders, name, self._now)  # type: ignore[misc]
                )

    # ------------------------------------------------------------ for a person's decisions

    @property
    def prover(self) -> Prover:
        """Compares and searches."""
        return self._applier.prover

    def now(self) -> float:
        """The wall clock, seconds since the epoch."""
        return self._now()

    async def bind(self, name: str) -> None:
        """Have the source's dataset known."""
        state = self.sources[name]
        if not state.dataset_id:
            state.dataset_id = await bind(self.client, self.ledger, state)

    async def finish_flip(self, key: DocumentKey) -> None:
        """Carry a begun flip of one document to its end."""
        entry = entries.one(self.ledger.conn, key)
        if entry is None or entry.candidate is None:
            return
        action = Prove(key, "a person asked for it", revision=entry.candidate)
        try:
            await self._applier.prove(action, entry, None)
        except DocumentError as error:
            await self._follower.failed(key, entry, None, error)
        finally:
            await self._training.close()
            await self._gate.close()

    async def adopt(self, names: Iterable[str] | None = None, *, take: bool = False) -> dict[str, int]:
        """Rebuild what the ledger does not know from the server's markers; nothing is uploaded or deleted.

        Returns:
            How many collections were ``adopted``, had ``arrived`` late, were ``doubles``, are ``lost`` or
            ``unclaimed`` (carry our marker but match no file; ``take`` adopts these too).
        """
        counts = {"adopted": 0, "arrived": 0, "doubles": 0, "lost": 0, "unclaimed": 0}
        chosen = self._chosen(names)
        for name in chosen:
            await self._observer.observe(self.sources[name], wait=False)
            await self.bind(name)
        for dataset_id in dict.fromkeys(self.sources[name].dataset_id for name in chosen):
            feeding = [s for s in self.sources.values() if s.dataset_id == dataset_id]
            survey = await self._auditor.survey(dataset_id, feeding, take=take)
            for what in ("adopted", "arrived", "doubles", "lost"):
                counts[what] += getattr(survey, what)
            counts["unclaimed"] += len(survey.unclaimed)
        return counts

    # ------------------------------------------------------------ apply

    async def _look_at_server(self) -> None:
        await self.client.health()

    def _report_trouble(self, trouble: ServerError | None) -> None:
        self.progress.trouble = "" if trouble is None else trouble.message
        if trouble is None:
            log.info("server.back")
        else:
            log.warning("server.trouble", error=trouble.message, hint=trouble.hint)

    async def _apply(self, plan: Plan, observations: dict[str, Observation]) -> None:
        """Carry out one plan: moves first, then all documents in parallel, vanished files last."""
        self.progress.phase = "working"
        snapshots = {
            DocumentKey(name, path): snapshot
            for name, o in observations.items()
            for path, snapshot in o.snapshots.items()
        }
        served = [a for a in plan.actions if a.key.source not in self._state.troubles]
        first = [a for a in served if not _is_last(a)]
        last = [a for a in served if _is_last(a)]
        await self._relink([a for a in first if isinstance(a, Move)])
        documents = list(dict.fromkeys(a.key for a in first))
        self.progress.touched |= {key for key in documents if key in snapshots}
        self.progress.documents_total += len(documents)
        self.progress.bytes_total += sum(a.snapshot.size for a in first if isinstance(a, Upload))
        self.progress.proofs_total += sum(isinstance(a, (Upload, Resume, Prove)) for a in first)
        by_key: dict[DocumentKey, list[AnyAction]] = {}
        for action in first:
            by_key.setdefault(action.key, []).append(action)
        for key in {w.key for w in plan.waiting if w.until is not None}:
            by_key.setdefault(key, [])
        follow = self._follower.follow
        await self._in_parallel([lambda k=k, a=a: follow(k, a, snapshots.get(k)) for k, a in by_key.items()])  # type: ignore[misc]
        closed = [a for a in last if not (isinstance(a, Retire) and self._state.open.get(a.key.source))]
        guarded = self._follower.guarded
        await self._in_parallel([lambda a=a: guarded(a.key, lambda: self._last(a)) for a in closed])  # type: ignore[misc]

    async def _in_parallel(self, works: list[Callable[[], Awaitable[None]]]) -> None:
        """Run all, ``IN_FLIGHT`` at a time; a failure stops the others at their next safe point and is raised."""
        queue = iter(works)
        failures: list[BaseException] = []
        stopping = self._stopping

        async def worker() -> None:
            for work in queue:
                if stopping.is_set():
                    return
                try:
                    await work()
                except asyncio.CancelledError:
                    raise
                except Exception as error:
                    failures.append(error)
                    stopping.set()
                    return

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(IN_FLIGHT, len(works))):
                    group.create_task(worker())
        except BaseExceptionGroup as grouped:
            raise grouped.exceptions[0] from None
        if failures:
            raise failures[0]

    async def _relink(self, planned: list[Move]) -> None:
        """Moves change the ledger at once, all of them in one transaction (rule 33)."""
        linked = [m for m in planned if m.origin != m.key]
        if not linked:
            return
        conn = self.ledger.conn
        rows = []
        for move in linked:
            target = entries.one(conn, move.key)
            assert target is not None  # noqa: S101 - the observation wrote it
            rows.append((move.revision, target.document_id, move.origin))
        await self.ledger.commit("relink", lambda db: moves.relink(db, rows, self._now()))

    async def _last(self, action: AnyAction) -> None:
        match action:
            case Retire():
                await self._applier.retire(action, lambda: self._follower.exists(action.key))
            case Delete():
                await self._applier.delete(action)
            case _:
                raise AssertionError(action)


def _is_last(action: AnyAction) -> bool:
    return isinstance(action, Delete) or (isinstance(action, Retire) and action.vanished)


def _state(source: Source, config: Config) -> SourceState:
    options = {name for name, value in source.training.options if value}
    return SourceState(
        config=source,
        policy=SourcePolicy(
            name=source.name,
            folder=source.folder,
            tags=source.tags,
            delete=source.delete,
            title_in_index=bool(options & _TITLE_OPTIONS),
        ),
        space=space_of(source, config.ledger.space),
    )
