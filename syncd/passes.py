"""One pass: observe, plan, apply, until nothing is left to do.

Passes of one engine may run side by side, over whole sources or over a few paths of one. A document is worked on by
one of them at a time (``claims``) and followed step by step: after each action the planner is asked again what the
document needs next. Only a pass that looked at a whole source takes anything away, and only one at a time does so for
a source, so that the firewall has counted what the others took.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from syncd.apply import Applier, Stopped, Tools
from syncd.audit import Auditor
from syncd.blaming import Blame
from syncd.carrying import Carrier
from syncd.errors import EXIT_UNPROVEN
from syncd.fastgpt.limiter import urgent
from syncd.following import Follower
from syncd.gate import Gate
from syncd.ledger import entries
from syncd.logs import get_logger
from syncd.models import AnyAction, DocumentKey, Move, Plan, Retire, Waiting
from syncd.observe import Observation, Observer
from syncd.passing import Outcome, PassState, keep_notes, outcome, still_waiting
from syncd.patience import Patience
from syncd.plan import SourceView, is_new, make
from syncd.preparing import Known, Preparer
from syncd.progress import Progress
from syncd.setbacks import Setbacks
from syncd.succession import Open
from syncd.timekeeping import Timekeeper
from syncd.turns import sliced

log = get_logger(__name__)

_MOST_ROUNDS = 200
_MANY = 1000  # files with work; a plan for more is made beside the event loop
_FRESH = 50  # so few saved files go before everybody else's queue


@dataclass(slots=True)
class Shared:
    """What all passes of one engine have in common.

    Attributes:
        tools: what actions need; each pass has its own progress and its own stop in it.
        vanishing: source -> the pass that takes vanished files of it away.
        turned_away: sources whose vanished files a pass saw while another one had them.
        live: the passes that run.
    """

    tools: Tools
    observer: Observer
    auditor: Auditor
    known: Known
    clock: Timekeeper
    max_attempts: int
    vanishing: dict[str, Pass] = field(default_factory=dict)
    turned_away: set[str] = field(default_factory=set)
    live: list[Pass] = field(default_factory=list)


class Pass:
    """One pass over some sources.

    Args:
        shared: what it has in common with the other passes of the engine.
        names: the sources.
        gate: waits for the server.
        progress: filled in on the way.
        paths: source -> paths on disk to look at; a source that is not in it is looked at as a whole.
        wait: wait for files that are still being written.
    """

    def __init__(
        self,
        shared: Shared,
        names: Iterable[str],
        *,
        gate: Gate,
        progress: Progress,
        paths: Mapping[str, frozenset[str]] | None = None,
        wait: bool = True,
    ) -> None:
        self.names = list(names)
        self.progress = progress
        self.stopping = asyncio.Event()
        self._shared = shared
        self._gate = gate
        self._paths = dict(paths or {})
        self._wait = wait
        self._refused: set[DocumentKey] = set()
        self.state = PassState()
        tools = replace(shared.tools, progress=progress, stopping=self.stopping, owner=self, admit=gate.admit, spent={})
        self._tools = tools
        applier = Applier(tools)
        self.blame = Blame(
            tools=tools,
            applier=applier,
            state=self.state,
            patience=Patience(tools, lambda: self._gate),
            report=lambda name, error: self._preparer.trouble(name, error),
            max_attempts=shared.max_attempts,
        )
        follower = Follower(
            tools=tools,
            applier=applier,
            state=self.state,
            blame=self.blame,
            setbacks=Setbacks(tools, self.state, self.blame.patience, self.blame),
            exists=lambda key: shared.observer.exists(key, tools.sources[key.source]),
        )
        self._carrier = Carrier(tools, applier, follower, self.state, shared.observer)
        self._preparer = Preparer(
            client=tools.client,
            ledger=tools.ledger,
            auditor=shared.auditor,
            sources=tools.sources,
            now=tools.now,
            state=self.state,
            patiently=self.blame.patience.until_stopped,
            known=shared.known,
            uploads=tools.uploads,
            adopted=self._adopted,
        )

    async def run(self, limit: float | None = None) -> Outcome:
        """Go on until nothing is left to do: verified, quarantined or held.

        Args:
            limit: seconds for the whole pass; ``None`` is no limit.

        Raises:
            ServerError: the server's trouble outlasted the gate's patience, or waiting does not cure it.
            LedgerError: the ledger cannot be used any more.
        """
        loop = asyncio.get_running_loop()
        urgent.set(0 < sum(map(len, self._paths.values())) <= _FRESH)
        timer = None if limit is None else loop.call_later(max(limit, 0.0), self._time_is_up)
        self._shared.live.append(self)
        try:
            return await self._run()
        finally:
            if timer is not None:
                timer.cancel()
            self._shared.live.remove(self)
            self._let_vanish()
            self._tools.claims.end(self)

    async def _run(self) -> Outcome:
        loop = asyncio.get_running_loop()
        began = loop.time()
        tools = self._tools
        observations: dict[str, Observation] = {}
        plan = Plan()
        scanning = 0.0
        for round_ in range(_MOST_ROUNDS):
            await self._shared.clock.check()
            self.progress.phase = "scanning"
            observations = {}
            for name in self.names:
                if name not in self.state.troubles:
                    observations[name] = await self._observe(name)
                    scanning += observations[name].scan_seconds
                    self.progress.scanned(
                        name,
                        observations[name].scan_seconds,
                        observations[name].result.in_scope,
                        not observations[name].partial,
                    )
                    if round_ == 0:
                        self._name_skipped(name, observations[name])
            plan = await self._plan(observations)
            if self.stopping.is_set():
                break
            if not await self._work(plan):
                with suppress(Stopped):
                    if await self._last_look():
                        continue
                break
            self.progress.phase = "looking at the server"
            try:
                if await self._preparer.prepare(await self._wanted(plan)):
                    continue
                await self._carrier.carry_out(plan, observations, self._let_vanish)
            except Stopped:
                break
            finally:
                self._let_vanish()
            if not self._paths:
                await self._carrier.tidy(self.names, self._preparer.known.ready)
            log.debug("round.done", round=round_, actions=len(plan.actions))
        for name, observation in observations.items():
            await self._shared.observer.finish(tools.sources[name], observation)
        waiting = still_waiting(plan, observations.values(), self.state)
        vanishing = self._shared.vanishing
        whole = {n: o for n, o in observations.items() if not o.partial and vanishing.get(n, self) is self}
        await keep_notes(tools.ledger, tools.now(), plan, whole, waiting)
        timings = {"scan": round(scanning, 6), "total": round(loop.time() - began, 6)}
        return await outcome(tools.ledger, self.progress, self.state, plan, observations, waiting, timings)

    async def _observe(self, name: str) -> Observation:
        """Look at the paths that were named; at the whole source when these alone cannot say what is so."""
        observer, state = self._shared.observer, self._tools.sources[name]
        paths = self._paths.get(name)
        if paths is not None:
            observation = await observer.look(state, paths, stop=self.stopping.is_set)
            if observation is not None:
                return observation
            del self._paths[name]
        return await observer.observe(state, wait=self._wait, stop=self.stopping.is_set)

    def _name_skipped(self, name: str, observation: Observation) -> None:
        """Files of formats that nobody reads are no documents, but they are not passed over in silence."""
        for path in observation.result.unread:
            self.progress.tell("skipped", DocumentKey(name, path), "nobody reads its format")

    def _time_is_up(self) -> None:
        self.state.codes.add(EXIT_UNPROVEN)
        self.stopping.set()

    # ------------------------------------------------------------ the plan, and what of it is ours to do

    async def _plan(self, observations: dict[str, Observation]) -> Plan:
        adopting = self.state.adopting
        views = [
            replace(o.view, unresolved=await self._unresolved(name, o), adopting=name in adopting)
            for name, o in observations.items()
        ]
        many = sum(len(view.seen) + len(view.entries) for view in views) > _MANY
        planning = partial(_planned, views, observations, self._tools.now())
        plan: Plan = await self._tools.run(planning) if many else planning()
        plan = self._one_at_a_time(plan)
        self._refused.clear()
        # Many are claimed in turns: the plan was made beside the event loop, and is no older for it.
        actions: list[AnyAction] = []
        needed: set[DocumentKey] = set()
        async for action in sliced(plan.actions):
            if action.key not in self.state.put_off and self._claim(action, observations):
                actions.append(action)
                needed.add(action.key)
                if isinstance(action, Move):
                    needed.add(action.origin)
        waiting: list[Waiting] = []
        async for wait in sliced(plan.waiting):
            if wait.until is None or self._take(wait.key, observations):
                waiting.append(wait)
                if wait.until is not None:
                    needed.add(wait.key)
        self._tools.claims.keep(self, needed)
        return replace(plan, actions=tuple(actions), waiting=tuple(waiting))

    def _one_at_a_time(self, plan: Plan) -> Plan:
        """Leave what vanished from a source to the pass that is at it: the firewall counts what was taken."""
        vanishing = self._shared.vanishing
        busy = {name for name in self.names if vanishing.get(name, self) is not self}
        going = {a.key.source for a in plan.actions if isinstance(a, Retire) and a.vanished}
        self._shared.turned_away |= going & busy
        vanishing.update(dict.fromkeys(going - busy, self))
        if not busy:
            return plan
        return replace(
            plan,
            actions=tuple(
                a for a in plan.actions if not (isinstance(a, Retire) and a.vanished and a.key.source in busy)
            ),
            holds=tuple(hold for hold in plan.holds if hold.source not in busy),
        )

    def _let_vanish(self) -> None:
        """Whoever was turned away from a source's vanished files may look again."""
        mine = [name for name, owner in self._shared.vanishing.items() if owner is self]
        for name in mine:
            del self._shared.vanishing[name]
            if name in self._shared.turned_away:
                self._shared.turned_away.discard(name)
                self._tools.look_again(name)

    def _claim(self, action: AnyAction, observations: Mapping[str, Observation]) -> bool:
        vanished = isinstance(action, Retire) and action.vanished
        moves = isinstance(action, Move)
        if isinstance(action, Move) and action.origin != action.key:
            origin = self._take(action.origin, observations, vanished=True)
            if not origin:
                return False
        return self._take(action.key, observations, vanished=vanished, begun=moves)

    def _take(
        self,
        key: DocumentKey,
        observations: Mapping[str, Observation],
        *,
        vanished: bool = False,
        begun: bool = False,
    ) -> bool:
        snapshot = observations[key.source].snapshots.get(key.path)
        content = None if snapshot is None else snapshot.content
        taken = self._tools.claims.take(key, self, content, vanished=vanished, begun=begun)
        if not taken:
            self._refused.add(key)
        return taken

    def _adopted(self, names: set[str]) -> None:
        """What was adopted may be what another pass is about to take away (rule 25)."""
        for other in self._shared.live:
            other.state.adopting |= names

    async def _unresolved(self, name: str, observation: Observation) -> tuple[Open, ...]:
        """What a vanished file of the source may have become, and what is not done in this round (rule 17)."""
        if not observation.view.vanished:
            return ()
        written = {s.key.path: ("", f"{s.key.path} is still being written") for s in observation.unsettled}
        snapshots = observation.snapshots
        failed = {
            key.path: (snapshots[key.path].sha256 if key.path in snapshots else "", why)
            for key, why in self.state.open.items()
            if key.source == name
        }
        open_ = {**failed, **written}
        if not open_:
            return ()
        known = await entries.of_paths(self._tools.ledger, name, open_)
        return tuple(
            Open(
                path,
                why,
                sha256 or (known[path].sha256 if path in failed and path in known else ""),
                is_new(known.get(path)),
            )
            for path, (sha256, why) in open_.items()
        )

    # ------------------------------------------------------------ whether there is work

    async def _work(self, plan: Plan) -> bool:
        """Whether another round has something to do."""
        again = any(w.until is not None and w.key not in self.state.put_off for w in plan.waiting)
        return bool(plan.actions) or again or self._preparer.survey_due() or bool(await self._by_themselves())

    async def _wanted(self, plan: Plan) -> set[str]:
        """The sources whose datasets have to be known."""
        planned = {a.key.source for a in plan.actions} | {w.key.source for w in plan.waiting}
        return planned | set(await self._by_themselves())

    async def _by_themselves(self) -> list[str]:
        """Sources with work that no file asks for: emptied folders, another dataset."""
        served = [name for name in self.names if name not in self.state.troubles and name not in self._paths]
        return await self._carrier.emptied(served) + self._preparer.rebound(served)

    async def _last_look(self) -> bool:
        """After an upload was sent again, look for the first one: it may have arrived late (rule 11)."""
        if not self.progress.resent:
            return False
        self.progress.resent.clear()
        found = await self._preparer.look_again()
        if found:
            # What arrived twice was in the way of search tests: those are worth another try.
            for key in self.state.unproven:
                self.state.put_off.pop(key, None)
            self.state.unproven.clear()
        return found


def _planned(views: list[SourceView], observations: Mapping[str, Observation], now: float) -> Plan:
    """The plan; what was seen of each path is laid ready on the way, which takes as long where there is much."""
    for observation in observations.values():
        _ = observation.snapshots
    return make(views, now)
