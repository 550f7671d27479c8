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

from syncd.apply import Applier, Tools
from syncd.audit import Auditor
from syncd.blaming import Blame
from syncd.carrying import Carrier
from syncd.config import Config
from syncd.datasets import bind
from syncd.errors import EXIT_UNPROVEN, DocumentError, ServerError
from syncd.fastgpt.client import Client
from syncd.folders import Folders
from syncd.following import Follower
from syncd.gate import Gate
from syncd.ledger import Ledger, entries
from syncd.logs import get_logger
from syncd.models import DocumentKey, Plan, Prove
from syncd.observe import Observation, Observer
from syncd.passing import Outcome, PassState, keep_notes, outcome, still_waiting
from syncd.plan import make
from syncd.preparing import Preparer
from syncd.progress import Progress
from syncd.prove import Prover
from syncd.training import TrainingWatch
from syncd.work import source_state

__all__ = ["Engine", "Outcome"]

log = get_logger(__name__)

_MOST_ROUNDS = 200


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
        self.sources = {source.name: source_state(source, config) for source in config.sources}
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
        self._blame = Blame(
            tools=self._tools,
            applier=self._applier,
            state=self._state,
            gate=lambda: self._gate,
            report=lambda name, error: self._preparer.trouble(name, error),
            max_attempts=config.fastgpt.max_attempts,
        )
        self._follower = Follower(
            tools=self._tools,
            applier=self._applier,
            state=self._state,
            blame=self._blame,
            exists=lambda key: self._observer.exists(key, self.sources[key.source]),
        )
        self._carrier = Carrier(self._tools, self._applier, self._follower, self._state)
        self._preparer = Preparer(
            client=client,
            ledger=ledger,
            auditor=self._auditor,
            sources=self.sources,
            now=now,
            state=self._state,
            patiently=self._blame.patiently,
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
                        if round_ == 0:
                            self._name_skipped(name, observations[name])
                plan = self._plan(observations)
                if self._stopping.is_set():
                    break
                if not self._work(plan, chosen):
                    if await self._last_look():
                        continue
                    break
                self.progress.phase = "looking at the server"
                if await self._preparer.prepare(self._wanted(plan, chosen)):
                    continue
                await self._carrier.carry_out(plan, observations)
                await self._carrier.tidy(chosen, self._preparer.ready)
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

    def _name_skipped(self, name: str, observation: Observation) -> None:
        """Files of formats that nobody reads are no documents, but they are not passed over in silence."""
        for path in observation.result.unread:
            self.progress.tell("skipped", DocumentKey(name, path), "nobody reads its format")

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
        adopting = self._state.adopting
        views = [
            replace(o.view, unresolved=self._unresolved(name, o), adopting=name in adopting)
            for name, o in observations.items()
        ]
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
        return bool(plan.actions) or again or self._preparer.survey_due() or bool(self._by_themselves(chosen))

    def _wanted(self, plan: Plan, chosen: list[str]) -> set[str]:
        """The sources whose datasets have to be known."""
        planned = {a.key.source for a in plan.actions} | {w.key.source for w in plan.waiting}
        return planned | set(self._by_themselves(chosen))

    def _by_themselves(self, chosen: list[str]) -> list[str]:
        """Sources with work that no file asks for: emptied folders, another dataset."""
        served = [name for name in chosen if name not in self._state.troubles]
        return self._carrier.emptied(served) + self._preparer.rebound(served)

    async def _last_look(self) -> bool:
        """After an upload was sent again, look for the first one: it may have arrived late (rule 11)."""
        if not self.progress.resent:
            return False
        self.progress.resent.clear()
        found = await self._preparer.look_again()
        if found:
            # What arrived twice was in the way of search tests: those are worth another try.
            for key in self._state.unproven:
                self._state.put_off.pop(key, None)
            self._state.unproven.clear()
        return found

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
            await self._blame.failed(key, entry, None, error)
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

    # ------------------------------------------------------------ the server

    async def _look_at_server(self) -> None:
        await self.client.health()

    def _report_trouble(self, trouble: ServerError | None) -> None:
        self.progress.trouble = "" if trouble is None else trouble.message
        if trouble is None:
            log.info("server.back")
        else:
            log.warning("server.trouble", error=trouble.message, hint=trouble.hint)
