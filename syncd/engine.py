"""The loop: observe, plan, apply, until nothing is left to do.

A document is worked on by one task at a time and followed step by step: after each action the planner is asked
again what the document needs next. Documents run in parallel, behind limits for uploads and for search tests.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from syncd.apply import Applier, Gone, SourceState, Unproven
from syncd.audit import Auditor, Survey, rival_error, space_of
from syncd.config import Config
from syncd.datasets import bind
from syncd.errors import (
    EXIT_HELD,
    EXIT_PARTIAL,
    EXIT_UNPROVEN,
    DocumentError,
    OutcomeUnknown,
    Permanent,
    RemoteMissing,
    ServerError,
    SourceError,
    SyncdError,
    Transient,
    Unavailable,
    gravest,
)
from syncd.fastgpt.client import Client
from syncd.folders import Folders
from syncd.gate import Gate
from syncd.ledger import Ledger, entries, moves, records, remote
from syncd.ledger.moves import StaleMove
from syncd.logs import get_logger
from syncd.models import (
    AnyAction,
    Delete,
    DocumentKey,
    FileSnapshot,
    Hold,
    LedgerEntry,
    Move,
    Plan,
    Prove,
    QuarantineDocument,
    Restore,
    Resume,
    Retire,
    Upload,
    Waiting,
)
from syncd.observe import Observation, Observer, exists
from syncd.plan import SourcePolicy, decide, decide_vanished, make
from syncd.progress import Progress
from syncd.prove import Prover
from syncd.training import TrainingWatch

log = get_logger(__name__)

IN_FLIGHT = 48  # documents under way at once; most of them wait for their training
_TITLE_OPTIONS = frozenset({"indexPrefixTitle", "dataEnhanceCollectionName"})
_PATIENT_FAILURES = 4  # so often the server's trouble may hit one document while the server itself is well
_MOST_ROUNDS = 200


@dataclass(slots=True)
class Outcome:
    """How a pass ended."""

    counts: dict[str, int]
    codes: set[int]
    holds: list[Hold]
    waiting: list[Waiting]
    troubles: dict[str, str]  # source -> why it could not be served
    unproven: dict[DocumentKey, str]
    timings: dict[str, float]
    verdicts: dict[str, int] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """The gravest code that applies."""
        return gravest(self.codes)


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
        self._stopping = asyncio.Event()
        self._stopped_by: BaseException | None = None
        self.sources = {source.name: _state(source, config) for source in config.sources}
        self._folders = Folders(client, ledger)
        self._training = TrainingWatch(client, config.fastgpt.training_timeout)
        self._auditor = Auditor(client, ledger, self._folders, now)
        self._observer = Observer(ledger, now, run, self._stopping.is_set)
        self._applier = Applier(
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
        )
        self._gate = Gate(self._look_at_server, patience=None, report=self._report_trouble)
        self._surveyed: set[str] = set()
        self._ready: set[str] = set()
        self._troubles: dict[str, SourceError] = {}
        self._open: dict[str, str] = {}  # source -> why its vanished files must wait (rule 17)
        self._unproven: dict[DocumentKey, str] = {}
        self._put_off: dict[DocumentKey, str] = {}  # not touched again in this pass

    def stop(self) -> None:
        """Stop at the next safe point; never inside a flip."""
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        """Whether somebody asked to stop."""
        return self._stopping.is_set()

    # ------------------------------------------------------------ one pass

    async def plan(self, names: Iterable[str] | None = None) -> tuple[Plan, list[Observation]]:
        """What a pass would do now; nothing is changed, the server is not asked."""
        observations = [
            await self._observer.observe(self.sources[name], wait=False, remember=False)
            for name in self._chosen(names)
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
        self._gate = Gate(self._look_at_server, patience=patience, report=self._report_trouble)
        chosen = self._chosen(names)
        codes: set[int] = set()
        scanning = 0.0
        observations: dict[str, Observation] = {}
        plan = Plan()
        try:
            for round_ in range(_MOST_ROUNDS):
                self.progress.phase = "scanning"
                observations = {}
                for name in chosen:
                    if name not in self._troubles:
                        observations[name] = await self._observer.observe(self.sources[name])
                        scanning += observations[name].scan_seconds
                plan = self._plan(observations)
                if self.stopping or not self._work(plan, observations):
                    break
                if limit is not None and loop.time() - began > limit:
                    codes.add(EXIT_UNPROVEN)
                    break
                if await self._prepare(plan):
                    continue
                await self._apply(plan, observations, None if limit is None else began + limit - loop.time())
                log.debug("round.done", round=round_, actions=len(plan.actions))
        finally:
            await self._training.close()
            await self._gate.close()
        for name, observation in observations.items():
            await self._observer.finish(self.sources[name], observation)
        waiting = self._waiting(plan, observations)
        await self._note(plan, observations, waiting)
        return self._outcome(plan, observations, waiting, codes, loop.time() - began, scanning)

    def _chosen(self, names: Iterable[str] | None) -> list[str]:
        return list(self.sources) if names is None else list(names)

    def _plan(self, observations: dict[str, Observation]) -> Plan:
        views = [replace(o.view, unresolved=self._open.get(name, "")) for name, o in observations.items()]
        plan = make(views, self._now())
        actions = tuple(a for a in plan.actions if a.key not in self._put_off)
        return replace(plan, actions=actions)

    def _work(self, plan: Plan, observations: dict[str, Observation]) -> bool:
        """Whether another round has something to do."""
        return bool(plan.actions) or bool(self._retry_times(plan)) or self._must_survey(observations)

    def _must_survey(self, observations: dict[str, Observation]) -> bool:
        """A copied ledger is compared with the server before anything else (rule 28)."""
        if self.ledger.meta("is_backup"):
            self.ledger.renew_identity()
            return True
        return False

    def _retry_times(self, plan: Plan) -> list[float]:
        return [w.until for w in plan.waiting if w.until is not None and w.key not in self._put_off]

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
            await self._failed(key, entry, None, error)
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

    # ------------------------------------------------------------ before the first remote action

    async def _prepare(self, plan: Plan) -> bool:
        """Bind datasets and survey them once; returns whether the plan has to be made again."""
        wanted = {action.key.source for action in plan.actions} | {w.key.source for w in plan.waiting}
        again = False
        for name in sorted(wanted - self._ready - set(self._troubles)):
            self.progress.phase = "looking at the server"
            state = self.sources[name]
            try:
                state.dataset_id = await self._patiently(lambda state=state: bind(self.client, self.ledger, state))
                again |= await self._survey(state)
            except SourceError as error:
                self._trouble(name, error)
                again = True
            else:
                self._ready.add(name)
        return again

    async def _survey(self, state: SourceState) -> bool:
        if state.dataset_id in self._surveyed:
            return False
        for other in self.sources.values():
            row = remote.source(self.ledger.conn, other.config.name)
            if not other.dataset_id and row is not None and row.dataset_id == state.dataset_id:
                other.dataset_id = state.dataset_id
        feeding = [
            s
            for s in self.sources.values()
            if s.dataset_id == state.dataset_id or s.config.dataset in (state.config.dataset, state.dataset_id)
        ]
        survey: Survey = await self._patiently(lambda: self._auditor.survey(state.dataset_id, feeding))
        self._surveyed.add(state.dataset_id)
        for name, ledger in survey.rivals.items():
            self._trouble(name, rival_error(name, ledger))
        for path, collection_id in survey.unclaimed:
            await self.ledger.commit(
                "finding",
                lambda db, path=path, collection_id=collection_id: records.add_finding(
                    db,
                    "orphan",
                    state.config.name,
                    path,
                    collection_id,
                    "carries our marker, but no file matches; `syncd adopt --take` takes it over",
                    self._now(),
                ),
            )
        if survey.adopted:
            for s in feeding:
                self._open[s.config.name] = "collections were adopted in this pass; deletions wait for the next one"
        return survey.changed

    async def _patiently(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """Repeat an idempotent piece of work until the server lets it through."""
        while True:
            try:
                return await call()
            except OutcomeUnknown as error:
                await self._gate.wait(Unavailable(error.message, hint=error.hint))
            except ServerError as error:
                await self._gate.wait(error)

    async def _look_at_server(self) -> None:
        await self.client.health()

    def _report_trouble(self, trouble: ServerError | None) -> None:
        self.progress.trouble = "" if trouble is None else trouble.message
        if trouble is None:
            log.info("server.back")
        else:
            log.warning("server.trouble", error=trouble.message, hint=trouble.hint)

    def _trouble(self, name: str, error: SourceError) -> None:
        self._troubles[name] = error
        log.error("source.trouble", source=name, error=error.message, hint=error.hint)

    # ------------------------------------------------------------ apply

    async def _apply(self, plan: Plan, observations: dict[str, Observation], limit: float | None) -> None:
        """Carry out one plan: moves first, then all documents in parallel, vanished files last."""
        self.progress.phase = "working"
        snapshots = {
            DocumentKey(name, path): snapshot
            for name, o in observations.items()
            for path, snapshot in o.snapshots.items()
        }
        first = [a for a in plan.actions if not _is_last(a)]
        last = [a for a in plan.actions if _is_last(a)]
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
        await self._in_parallel(
            [lambda k=k, a=a: self._follow(k, a, snapshots.get(k)) for k, a in by_key.items()], limit
        )
        if self.stopping:
            return
        closed = [a for a in last if not (isinstance(a, Retire) and self._open.get(a.key.source))]
        await self._in_parallel([lambda a=a: self._guarded(a.key, lambda: self._last(a)) for a in closed], limit)

    async def _in_parallel(self, works: list[Callable[[], Awaitable[None]]], limit: float | None) -> None:
        """Run all, ``IN_FLIGHT`` at a time; a failure stops the others at their next safe point and is raised."""
        queue = iter(works)
        failures: list[BaseException] = []

        async def worker() -> None:
            for work in queue:
                if self.stopping or failures:
                    return
                try:
                    await work()
                except asyncio.CancelledError:
                    raise
                except Exception as error:
                    failures.append(error)
                    self._stopping.set()
                    return

        was_stopping = self.stopping
        timer = None
        if limit is not None:
            timer = asyncio.get_running_loop().call_later(max(limit, 0.0), self._stopping.set)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(IN_FLIGHT, len(works))):
                    group.create_task(worker())
        except BaseExceptionGroup as grouped:
            raise grouped.exceptions[0] from None
        finally:
            if timer is not None:
                timer.cancel()
        if failures:
            self._stopping.clear() if not was_stopping else None
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

    async def _follow(self, key: DocumentKey, planned: list[AnyAction], snapshot: FileSnapshot | None) -> None:
        """Take one document as far as it goes in this pass."""
        extra = [a for a in planned if isinstance(a, Retire) and not a.vanished]
        for action in extra:
            await self._guarded(key, lambda action=action: self._applier.retire(action, lambda: False))
        state = self.sources[key.source]
        failures = 0
        while not self.stopping and key not in self._put_off:
            entry = entries.one(self.ledger.conn, key)
            if entry is None:
                break
            step = (
                decide(snapshot, entry, state.policy, self._now())
                if snapshot is not None
                else decide_vanished(entry, self._now())
            )
            if step is None:
                break
            if isinstance(step, Waiting):
                if step.until is None:
                    break
                await self._pause(step.until - self._now())
                continue
            try:
                await self._step(step, entry, snapshot)
                failures = 0
            except StaleMove:
                continue
            except OutcomeUnknown as error:
                log.warning("outcome.unknown", source=key.source, path=key.path, error=error.message)
                await self._gate_or_blame(entry, key, Unavailable(error.message, hint=error.hint), failures)
            except ServerError as error:
                failures += 1
                if await self._gate_or_blame(entry, key, error, failures):
                    failures = 0
            except RemoteMissing as error:
                await self._lost(entry, error)
            except Gone as error:
                self._put_off[key] = error.message
                if snapshot is not None:
                    self._open[key.source] = f"{key.path} was changed while it was worked on"
            except Unproven as error:
                self._unproven[key] = error.message
                self._put_off[key] = error.message
                self._open[key.source] = f"{key.path} is not proven yet"
                log.warning("document.unproven", source=key.source, path=key.path, reason=error.message)
            except DocumentError as error:
                await self._failed(key, entry, snapshot, error)
            except SyncdError:
                raise
            except Exception as error:
                log.exception("bug", source=key.source, path=key.path)
                text = f"a fault in syncd itself: {type(error).__name__}: {error}"
                await self._failed(key, entry, snapshot, Transient("internal", text))
        self.progress.documents_done += 1

    async def _pause(self, seconds: float) -> None:
        """Sleep, but not past a stop."""
        try:
            async with asyncio.timeout(max(seconds, 0.0) + 0.001):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def _gate_or_blame(
        self, entry: LedgerEntry, key: DocumentKey, error: ServerError, failures: int
    ) -> bool:
        """Wait for the server; when it is well but fails for this document again and again, the document waits.

        Returns whether the document was blamed.
        """
        await self._gate.wait(error)
        if failures <= _PATIENT_FAILURES:
            return False
        await self._failed(key, entry, None, Transient("upload-failed", error.message, hint=error.hint))
        return True

    async def _step(self, step: AnyAction, entry: LedgerEntry, snapshot: FileSnapshot | None) -> None:
        applier = self._applier
        match step:
            case Upload():
                await applier.upload(step, entry)
            case Resume():
                await applier.resume(step, snapshot)
            case Prove():
                await applier.prove(step, entry, snapshot)
            case Restore():
                await applier.restore(step)
            case Move():
                await applier.move(step)
            case Retire():
                await applier.retire(step, lambda: exists(self.sources[step.key.source], step.key))
            case QuarantineDocument():
                problem, snap = step.problem.value, step.snapshot
                await self.ledger.commit(
                    "quarantined",
                    lambda db: moves.quarantine(
                        db, entry.document_id, snap.content, problem, step.reason, self._now()
                    ),
                )
                self.progress.count("quarantined", step.key, f"{problem}: {step.reason}")
            case Delete():
                await applier.delete(step)

    async def _failed(
        self, key: DocumentKey, entry: LedgerEntry, snapshot: FileSnapshot | None, error: DocumentError
    ) -> None:
        """Count a failure against the document: later again, or quarantine at the limit (design 5)."""
        now = self._now()
        fresh = entries.one(self.ledger.conn, key)
        attempts = (fresh.attempts if fresh is not None else entry.attempts) + 1
        if isinstance(error, Permanent) or attempts >= self.config.fastgpt.max_attempts:
            candidate = fresh.candidate if fresh is not None else None
            content = (
                candidate.content if candidate is not None else snapshot.content if snapshot is not None else None
            )
            if content is None:
                return
            message = f"{error.message}{'; ' + error.hint if error.hint else ''}"
            await self.ledger.commit(
                "quarantined",
                lambda db: moves.quarantine(db, entry.document_id, content, error.code, message, now),
            )
            self._open[key.source] = f"{key.path} could not be uploaded in this pass"
            self.progress.count("quarantined", key, f"{error.code}: {error.message}")
            log.warning("document.quarantined", source=key.source, path=key.path, code=error.code, error=error.message)
            return
        pause = min(2.0 ** (attempts - 1), 60.0)
        await self.ledger.commit(
            "failed",
            lambda db: moves.failed_attempt(db, entry.document_id, error.code, error.message, now + pause, now),
        )
        self.progress.tell("failed", key, error.message)
        log.warning("document.failed", source=key.source, path=key.path, attempt=attempts, error=error.message)

    async def _lost(self, entry: LedgerEntry, error: RemoteMissing) -> None:
        """What the server does not have any more, the ledger does not keep: the next step sends it again."""
        candidate = entry.candidate or entry.serving
        if candidate is None or candidate.collection_id is None:
            return
        await self.ledger.commit("lost", lambda db: moves.lost(db, candidate, self._now(), error.message))
        await self.ledger.commit(
            "failed",
            lambda db: moves.failed_attempt(
                db, entry.document_id, "upload-failed", "its collection vanished on the server", self._now(), self._now()
            ),
        )

    async def _guarded(self, key: DocumentKey, work: Callable[[], Awaitable[None]]) -> None:
        """One action outside the life of a document: the server's trouble is waited for, the rest is left."""
        while not self.stopping:
            try:
                await work()
            except ServerError as error:
                await self._gate.wait(error)
                continue
            except (Gone, StaleMove) as error:
                self._put_off[key] = error.message
            except DocumentError as error:
                self._put_off[key] = error.message
                log.warning("document.failed", source=key.source, path=key.path, error=error.message)
            return

    async def _last(self, action: AnyAction) -> None:
        match action:
            case Retire():
                await self._applier.retire(action, lambda: exists(self.sources[action.key.source], action.key))
            case Delete():
                await self._applier.delete(action)
            case _:
                raise AssertionError(action)

    # ------------------------------------------------------------ the end of a pass

    def _waiting(self, plan: Plan, observations: dict[str, Observation]) -> list[Waiting]:
        waiting = list(plan.waiting)
        for observation in observations.values():
            waiting += observation.unsettled
        waiting += [
            Waiting(key, reason) for key, reason in self._put_off.items() if key not in self._unproven
        ]
        return waiting

    async def _note(self, plan: Plan, observations: dict[str, Observation], waiting: list[Waiting]) -> None:
        """Keep holds, waiting and held documents for `status` and `ls`."""
        for name in observations:
            holds = [hold for hold in plan.holds if hold.source == name]
            held = [(path, hold.message) for hold in holds for path in hold.paths]
            mine = [w for w in waiting if w.key.source == name]
            if not (holds or mine or self._noted(name)):
                continue

            def write(
                db: Any,
                name: str = name,
                holds: list[Hold] = holds,
                held: list[tuple[str, str]] = held,
                mine: list[Waiting] = mine,
            ) -> None:
                records.store_holds(db, name, holds, self._now())
                records.store_notes(db, name, mine, held)

            await self.ledger.commit("notes", write)

    def _noted(self, name: str) -> bool:
        return bool(records.holds(self.ledger.conn, name)) or records.has_notes(self.ledger.conn, name)

    def _outcome(
        self,
        plan: Plan,
        observations: dict[str, Observation],
        waiting: list[Waiting],
        codes: set[int],
        total: float,
        scanning: float,
    ) -> Outcome:
        counts = {name: self.progress.counts[name] for name in _COUNTS}
        counts["held"] = sum(len(hold.paths) for hold in plan.holds)
        in_scope = sum(o.result.in_scope for o in observations.values())
        counts["unchanged"] = max(in_scope - len(self.progress.touched), 0)
        for name in observations:
            summary = records.summary(self.ledger.conn, name)
            if summary["quarantined"] or summary["failing"]:
                codes.add(EXIT_PARTIAL)
        if plan.holds:
            codes.add(EXIT_HELD)
        if self._unproven:
            codes.add(EXIT_UNPROVEN)
        if any(w.reason.startswith("the file is still being written") for w in waiting):
            codes.add(75)
        codes |= {error.exit_code for error in self._troubles.values()}
        return Outcome(
            counts=counts,
            codes=codes,
            holds=list(plan.holds),
            waiting=waiting,
            troubles={name: error.message for name, error in self._troubles.items()},
            unproven=dict(self._unproven),
            timings={"scan": round(scanning, 6), "total": round(total, 6)},
            verdicts=dict(self.progress.verdicts),
        )


_COUNTS = ("uploaded", "verified", "replaced", "moved", "retired", "deleted", "quarantined", "held", "unchanged")


def _is_last(action: AnyAction) -> bool:
    return isinstance(action, Delete) or (isinstance(action, Retire) and action.vanished)


def _state(source: Any, config: Config) -> SourceState:
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
