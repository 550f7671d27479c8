"""The engine: passes over one ledger and one server, one after the other or side by side."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from syncd.apply import Applier, Tools
from syncd.audit import Auditor
from syncd.claims import Claims
from syncd.config import Config
from syncd.datasets import bind
from syncd.disk import Disk
from syncd.errors import DocumentError, ServerError
from syncd.fastgpt.client import Client
from syncd.folders import Folders
from syncd.foreseeing import foreseen
from syncd.gate import Gate, kind_of
from syncd.ledger import Ledger, entries
from syncd.logs import get_logger
from syncd.models import DocumentKey, Plan, Prove
from syncd.observe import Observation, Observer
from syncd.passes import Pass, Shared
from syncd.passing import Outcome
from syncd.plan import make
from syncd.preparing import Known
from syncd.progress import Progress
from syncd.prove import Prover
from syncd.reader.asking import Reader, Readers
from syncd.timekeeping import Timekeeper
from syncd.training import TrainingWatch
from syncd.witness import Witness
from syncd.work import source_state

__all__ = ["Engine", "Outcome"]

log = get_logger(__name__)

_LEARNT = "training_usual"  # the ledger's note of how long training usually takes


class Engine:
    """One engine per ledger.

    Args:
        config: the configuration.
        ledger: open for writing.
        client: the API client, entered.
        now: the wall clock, seconds since the epoch.
        run: runs blocking work elsewhere; tests run it in place.
        progress: filled in on the way by ``sync``.
        reader: reads documents; child processes of its own without one.
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
        reader: Reader | None = None,
    ) -> None:
        self.config = config
        self.ledger = ledger
        self.client = client
        self.progress = progress or Progress()
        self.claims = Claims()
        self.on_trouble: Callable[[ServerError | None], None] = lambda _trouble: None
        self.look_again: Callable[[str], None] = lambda _source: None
        self._now = now
        self.disk = Disk(run)
        self.reader = reader or Readers(run=run)
        ledger.run = run
        self._asked = False  # a person's stop
        self._trouble_kind = ""  # of the server, as it was logged last
        self._resting = asyncio.Event()  # no pass runs
        self._resting.set()
        self.sources = {source.name: source_state(source, config) for source in config.sources}
        self._training = TrainingWatch(client, config.fastgpt.training_timeout)
        self._learnt = ledger.meta(_LEARNT)
        self._training.restore(_parsed(self._learnt))
        self.progress.waits_for = self._waits_for
        client.searches.on_refusal = lambda pause: log.warning("search.limited", pause=round(pause, 1))
        folders = Folders(client, ledger, shared=config.shard is not None)
        self._tools = Tools(
            client=client,
            ledger=ledger,
            folders=folders,
            training=self._training,
            prover=Prover(
                client,
                ledger,
                shared=config.shard is not None,
                seen=self._training.seen,
                run=run,
                reader=self.reader,
            ),
            sources=self.sources,
            uploads=client.uploads,
            now=now,
            run=run,
            disk=self.disk,
            progress=self.progress,
            stopping=asyncio.Event(),
            claims=self.claims,
            witness=Witness(client, ledger, client.stats.good_at),
            look_again=lambda source: self.look_again(source),
        )
        self._shared = Shared(
            tools=self._tools,
            observer=Observer(ledger, now, self.disk),
            auditor=Auditor(client, ledger, folders, now, self.disk),
            known=Known(),
            clock=Timekeeper(ledger, now, lambda: asyncio.get_running_loop().time()),
            max_attempts=config.fastgpt.max_attempts,
        )

    # ------------------------------------------------------------ stopping

    def stop(self) -> None:
        """Stop every pass at its next safe point; never inside a flip. What comes later stops at once."""
        self._asked = True
        self.interrupt()
        self.reader.give_up()

    def close(self) -> None:
        """Leave no process behind."""
        self.reader.close()

    def interrupt(self) -> None:
        """Stop the passes that run at their next safe point; later ones are not concerned."""
        for one in self._shared.live:
            one.stopping.set()
        self.client.give_up_searches()

    @property
    def stopping(self) -> bool:
        """Whether somebody asked to stop."""
        return self._asked

    async def rested(self) -> None:
        """Return when no pass runs."""
        await self._resting.wait()

    def under_way(self) -> list[DocumentKey]:
        """The documents that are being worked on."""
        return self.claims.keys()

    # ------------------------------------------------------------ passes

    async def plan(self, names: Iterable[str] | None = None) -> tuple[Plan, list[Observation]]:
        """What a pass would do now; nothing is changed, the server is not asked."""
        observer = self._shared.observer
        observations = [
            await observer.observe(self.sources[name], wait=False, remember=False) for name in self._chosen(names)
        ]
        plan = make([o.view for o in observations], self._now())
        return await self._tools.run(foreseen, plan, self.sources), observations

    async def sync(
        self,
        names: Iterable[str] | None = None,
        *,
        patience: float | None = 30.0,
        limit: float | None = None,
        stateless: bool = False,
    ) -> Outcome:
        """One pass until nothing is left to do: verified, quarantined or held.

        Args:
            names: the sources to serve; all of them when ``None``.
            patience: seconds of uninterrupted server trouble after which the pass gives up; ``None`` never does.
            limit: seconds for the whole pass; ``None`` is no limit.
            stateless: first take over what is on the server, also what no file here matches: no ledger is kept between
                two runs, so nobody else can tell that a file was deleted. The pass then retires it, under the firewall.

        Raises:
            ServerError: the server's trouble outlasted the patience, or waiting does not cure it.
            LedgerError: the ledger cannot be used any more.
        """
        gate = self.gate(patience=patience)
        self.progress.begin()
        try:
            if stateless:
                self.progress.phase = "looking at the server"
                await self._take_over(names, gate)
            return await self.run(gate, self.progress, self._chosen(names), limit=limit, wait=True)
        finally:
            await gate.close()

    async def _take_over(self, names: Iterable[str] | None, gate: Gate) -> None:
        chosen = self._chosen(names)
        while not self._asked:
            try:
                await self.adopt(chosen, take=True)
            except ServerError as error:
                await gate.wait(error)
            else:
                return

    async def run(
        self,
        gate: Gate,
        progress: Progress,
        names: Iterable[str],
        *,
        paths: Mapping[str, frozenset[str]] | None = None,
        limit: float | None = None,
        wait: bool = False,
    ) -> Outcome:
        """One pass, beside others that may run; see ``Pass``."""
        one = Pass(self._shared, names, gate=gate, progress=progress, paths=paths, wait=wait)
        if self._asked:
            one.stopping.set()
        self._resting.clear()
        self.client.search_patience = 0.0 if self._asked else gate.patience
        try:
            outcome = await one.run(limit)
            await self._keep_learnt()
            return outcome
        finally:
            await self._rest()

    async def _keep_learnt(self) -> None:
        """How long training usually takes is known to the next run from its first document on."""
        learnt = json.dumps(self._training.learnt(), sort_keys=True)
        if learnt in (self._learnt, "{}"):
            return
        self._learnt = learnt
        await self.ledger.commit(
            "learnt",
            lambda db: db.execute("insert or replace into meta values (?, ?)", (_LEARNT, learnt)),
            durable=False,
        )

    async def _rest(self) -> None:
        if not self._shared.live:
            self._resting.set()
            await self._training.close()

    def gate(self, *, patience: float | None, stubborn: bool = False) -> Gate:
        """A gate in front of this engine's server; close it after use."""
        return Gate(
            self._look_at_server,
            patience=patience,
            stubborn=stubborn,
            report=self._report_trouble,
            good=self.client.stats.good,
        )

    def _chosen(self, names: Iterable[str] | None) -> list[str]:
        return list(self.sources) if names is None else list(names)

    # ------------------------------------------------------------ for a person's decisions

    @property
    def prover(self) -> Prover:
        """Compares and searches."""
        return self._tools.prover

    async def run_beside(self, function: Callable[..., Any], *args: Any) -> Any:
        """What ``function`` returns, called beside the event loop."""
        return await self._tools.run(function, *args)

    def now(self) -> float:
        """The wall clock, seconds since the epoch."""
        return self._now()

    @asynccontextmanager
    async def holding(self, key: DocumentKey) -> AsyncIterator[None]:
        """While inside, no pass works on the document."""
        owner = object()
        await self.claims.wrest(key, owner)
        try:
            yield
        finally:
            self.claims.free(key, owner)

    async def bind(self, name: str, *, make: bool = True) -> None:
        """Have the source's dataset known; ``make``: made when it is missing, else its id stays empty."""
        state = self.sources[name]
        if not state.dataset_id:
            state.dataset_id = await bind(self.client, self.ledger, state, make=make)

    async def finish_flip(self, key: DocumentKey, gate: Gate | None = None) -> None:
        """Carry a begun flip of one document to its end.

        Args:
            key: the document; nobody else works on it meanwhile.
            gate: the gate in front of the server, if there is one already.

        Raises:
            ServerError: the server is in trouble.
        """
        entry = entries.one(self.ledger.conn, key)
        if entry is None or entry.candidate is None:
            return
        action = Prove(key, "a person asked for it", revision=entry.candidate)
        own = None if gate is not None else self.gate(patience=None)
        one = Pass(self._shared, [key.source], gate=gate or own, progress=self.progress)  # type: ignore[arg-type]
        try:
            await Applier(self._tools).prove(action, entry, None)
        except DocumentError as error:
            await one.blame.failed(key, entry, None, error)
        finally:
            await self._rest()
            if own is not None:
                await own.close()

    async def adopt(
        self, names: Iterable[str] | None = None, *, take: bool = False, make: bool = True
    ) -> dict[str, int]:
        """Rebuild what the ledger does not know from the server's markers; nothing is uploaded or deleted.

        Args:
            names: the sources; all of them when ``None``.
            take: adopt also what no file here matches.
            make: a dataset that is missing is made.

        Returns:
            How many collections were ``adopted``, had ``arrived`` late, were ``doubles``, are ``lost`` or
            ``unclaimed`` (carry our marker but match no file; ``take`` adopts these too).
        """
        counts = {"adopted": 0, "arrived": 0, "doubles": 0, "lost": 0, "unclaimed": 0}
        chosen = self._chosen(names)
        for name in chosen:
            await self._shared.observer.observe(self.sources[name], wait=False)
            await self.bind(name, make=make)
        for dataset_id in dict.fromkeys(self.sources[name].dataset_id for name in chosen):
            if not dataset_id:
                continue
            feeding = [s for s in self.sources.values() if s.dataset_id == dataset_id]
            survey = await self._shared.auditor.survey(dataset_id, feeding, take=take)
            for what in ("adopted", "arrived", "doubles", "lost"):
                counts[what] += getattr(survey, what)
            counts["unclaimed"] += len(survey.orphans)
        return counts

    # ------------------------------------------------------------ the server

    def _waits_for(self) -> str:
        limited = self.client.searches.refused_for()
        search = f"the server has limited search tests for {limited:.0f} s; uploads go on" if limited else ""
        looking = next(iter(self.progress.looked_for.values()), "")
        more = len(self.progress.looked_for) - 1
        looking += f" and {more} more" * (more > 0)
        return "; ".join(filter(None, (self._training.waits_for, search, looking)))

    async def _look_at_server(self, refused: bool) -> None:
        if refused:
            await self.client.datasets()  # gate.LOOK_WITH_KEY
        else:
            await self.client.health()

    def _report_trouble(self, trouble: ServerError | None) -> None:
        self.on_trouble(trouble)
        self.progress.trouble = "" if trouble is None else trouble.message
        kind, self._trouble_kind = self._trouble_kind, kind_of(trouble)
        if trouble is None:
            log.info("server.back")
        elif kind != self._trouble_kind:
            log.warning("server.trouble", error=trouble.message, hint=trouble.hint)


def _parsed(text: str) -> object:
    try:
        return json.loads(text or "{}")
    except ValueError:
        return {}
