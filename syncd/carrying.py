"""Carries out one plan: moves first, then all documents side by side, what goes for good last (design 11)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from syncd import tidy
from syncd.apply import Applier, Stopped, Tools
from syncd.errors import Stuck
from syncd.following import Follower
from syncd.going import Going
from syncd.ledger import MANY, entries, moves
from syncd.models import AnyAction, Delete, DocumentKey, Move, Plan, Prove, Resume, Retire, Upload
from syncd.observe import Observation, Observer
from syncd.passing import PassState
from syncd.plan import is_new
from syncd.together import begin, ended
from syncd.turns import sliced

_LEAVES_ROOM = ("moved", "deleted")  # after these a folder on the server may be empty
IN_FLIGHT = 64  # documents on their way to the server or in training at once
AT_ALL = 2000  # with those that wait for search tests, which may be limited while uploads are not


@dataclass(slots=True)
class Carrier:
    """Gives each document of a plan to a follower."""

    tools: Tools
    applier: Applier
    follower: Follower
    state: PassState
    observer: Observer

    async def carry_out(
        self, plan: Plan, observations: dict[str, Observation], vanished_done: Callable[[], None]
    ) -> None:
        """Carry out one plan: moves first, then all documents in parallel, and beside them what goes for good.

        A vanished file goes last where it may be one that is being worked on under another name (rule 17); nothing
        else that lasts keeps it.

        Args:
            plan: what is to be done.
            observations: what it was made from.
            vanished_done: told when everything that vanished is taken away, or is left to another round.
        """
        self.tools.progress.phase = "working"
        served = [a for a in plan.actions if a.key.source not in self.state.troubles]
        first = [a for a in served if not _is_last(a)]
        last = [a for a in served if _is_last(a)]
        await self._relink([a for a in first if isinstance(a, Move)])
        progress = self.tools.progress
        by_key: dict[DocumentKey, list[AnyAction]] = {}
        async for action in sliced(first):
            if action.key not in by_key:
                by_key[action.key] = []
                progress.documents_total += 1
                if action.key.path in observations[action.key.source].snapshots:
                    progress.touched.add(action.key)
            by_key[action.key].append(action)
            progress.bytes_total += action.snapshot.size if isinstance(action, Upload) else 0
            progress.proofs_total += isinstance(action, (Upload, Resume, Prove))
        for key in {w.key for w in plan.waiting if w.until is not None}:
            by_key.setdefault(key, [])
        going = Going(self.tools, self.applier, self.follower, self.state, self.observer, vanished_done)
        async for key in sliced(by_key):
            seen = observations[key.source]
            snapshot = seen.snapshots.get(key.path)
            new = is_new(seen.view.entries.get(key.path))
            going.begins(key, "" if snapshot is None else snapshot.sha256, new=new)

        async def follow(key: DocumentKey, actions: list[AnyAction]) -> None:
            try:
                await self.follower.follow(key, actions, observations[key.source].snapshots.get(key.path))
            finally:
                going.ends(key)

        beside = begin(going.take_away(last))
        try:
            await self._in_parallel(by_key, follow)
        except Exception:
            going.is_alone()
            await ended(beside, cancel=False)  # it stops at its next safe point
            raise
        except BaseException:
            await ended(beside)
            raise
        going.is_alone()
        await beside

    async def _in_parallel(
        self,
        works: dict[DocumentKey, list[AnyAction]],
        follow: Callable[[DocumentKey, list[AnyAction]], Awaitable[None]],
    ) -> None:
        """Follow all, ``IN_FLIGHT`` at a time; a failure stops the others at their next safe point and is raised.

        Whoever is only searched for leaves its place to the next one.
        """
        failures: list[BaseException] = []
        stopping = self.tools.stopping
        places = _Places()

        async def carry(key: DocumentKey, actions: list[AnyAction]) -> None:
            try:
                await follow(key, actions)
            except Exception as error:
                failures.append(error)
                stopping.set()
            finally:
                places.end(key)

        self.follower.proving = places.leave
        try:
            async with asyncio.TaskGroup() as group:
                for key, actions in works.items():
                    await places.enter(key)
                    if stopping.is_set():
                        places.end(key)
                        break
                    group.create_task(carry(key, actions))
        except BaseExceptionGroup as grouped:
            raise grouped.exceptions[0] from None
        if failures:
            raise failures[0]

    async def _relink(self, planned: list[Move]) -> None:
        """Moves change the ledger at once, all of them in one transaction (rule 33).

        The plan may be old by now, since it has waited for the server: a file that has come back, or has gone on to
        another place, is left to the next round (rule 16).
        """
        exists = self.follower.exists
        moved = [m for m in planned if m.origin != m.key]
        linked = [m for m in moved if await exists(m.key) and not await exists(m.origin)]
        if not linked:
            return
        ledger = self.tools.ledger
        many = len(linked) > MANY
        rows = []
        for name in dict.fromkeys(move.key.source for move in linked):
            own = [move for move in linked if move.key.source == name]
            targets = await entries.of_paths(ledger, name, [move.key.path for move in own])
            rows += [(move.revision, targets[move.key.path].document_id, move.origin) for move in own]
        await ledger.commit("relink", lambda db: moves.relink(db, rows, self.tools.now()), beside=many)
        async for move in sliced(linked):
            self.tools.claims.free(move.origin, self.tools.owner)

    # ------------------------------------------------------------ folders that were emptied

    async def emptied(self, names: list[str]) -> list[str]:
        """Sources with a folder that is to be looked at for the second time (rule 14)."""
        now = self.tools.now()
        # Another shard may be about to use a folder that is empty for this one, so no shard removes any (rule 14).
        alone = [name for name in names if self.tools.sources[name].shard is None]
        served = [name for name in alone if name not in self.state.troubles]
        return [name for name in served if await tidy.second_look_due(self.tools.ledger, name, now)]

    async def tidy(self, names: list[str], ready: set[str]) -> None:
        """Take the looks at emptied folders that are due, once everything else of the round is done."""
        tools = self.tools
        if tools.stopping.is_set():
            return
        names = [name for name in names if tools.sources[name].shard is None]
        for name in names:
            await tidy.forget_first_looks(tools.ledger, name)
        left_room = any(tools.progress.counts[what] for what in _LEAVES_ROOM)
        for name in names if left_room else await self.emptied(names):
            if name in ready:
                with suppress(Stopped, Stuck):  # an empty folder may wait for the next time
                    await self.follower.blame.patience.unless_stopped(
                        partial(tidy.tidy, tools.client, tools.ledger, tools.folders, name, tools.now)
                    )


def _is_last(action: AnyAction) -> bool:
    return isinstance(action, Delete) or (isinstance(action, Retire) and action.vanished)


class _Places:
    """Room for so many documents at once."""

    def __init__(self) -> None:
        self._way = asyncio.Semaphore(IN_FLIGHT)
        self._all = asyncio.Semaphore(AT_ALL)
        self._inside: set[DocumentKey] = set()

    async def enter(self, key: DocumentKey) -> None:
        """Wait for a place."""
        await self._all.acquire()
        await self._way.acquire()
        self._inside.add(key)

    def leave(self, key: DocumentKey) -> None:
        """Nothing but its searches is left to do of a document."""
        if key in self._inside:
            self._inside.discard(key)
            self._way.release()

    def end(self, key: DocumentKey) -> None:
        """Nothing is left to do."""
        self.leave(key)
        self._all.release()
