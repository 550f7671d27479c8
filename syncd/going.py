"""Takes away what vanished and what had its grace, beside the work on everything else (rule 17)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from syncd.apply import Applier, Stopped, Tools
from syncd.following import Follower
from syncd.ledger import MANY, entries, records
from syncd.logs import get_logger
from syncd.models import AnyAction, Delete, DocumentKey, Retire, Waiting
from syncd.observe import Observer
from syncd.passing import PassState
from syncd.plan import is_new
from syncd.succession import Open, Opens, Wait, left, remark
from syncd.turns import sliced

log = get_logger(__name__)

IN_FLIGHT = 48  # documents under way at once; most of them wait for their training
_LOOK_AGAIN = 1.0  # seconds between two looks at what other passes work on
_LONG_AGO = 5.0  # seconds after which the root is looked at once more before anything is taken away


async def in_parallel(works: Iterable[Callable[[], Awaitable[None]]], stopping: asyncio.Event) -> None:
    """Run all, ``IN_FLIGHT`` at a time; a failure stops the others at their next safe point and is raised."""
    works = list(works)
    queue = iter(works)
    failures: list[BaseException] = []

    async def worker() -> None:
        for work in queue:
            if stopping.is_set():
                return
            try:
                await work()
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


@dataclass(slots=True)
class Going:
    """What goes for good in one round of a pass.

    Args:
        observer: asked whether a root can still be believed, when a wait was long.
        done: told when nothing that vanished is left to this round.
    """

    tools: Tools
    applier: Applier
    follower: Follower
    state: PassState
    observer: Observer
    done: Callable[[], None]
    _working: dict[DocumentKey, Open] = field(default_factory=dict)
    _new: dict[DocumentKey, bool] = field(default_factory=dict)  # of what others work on, once it was asked
    _said: dict[DocumentKey, str] = field(default_factory=dict)
    _pulse: asyncio.Event = field(default_factory=asyncio.Event)
    _alone: bool = False  # this round has no other work left

    # ------------------------------------------------------------ what else is under way

    def begins(self, key: DocumentKey, sha256: str, *, new: bool) -> None:
        """This round works on a document; ``sha256`` is "" when its file is gone: then no other one has become it."""
        self._working[key] = Open(key.path, f"{key.path} is being worked on", sha256, new and bool(sha256))

    def ends(self, key: DocumentKey) -> None:
        """That work has come to its end, or to nothing."""
        self._working.pop(key, None)
        self._pulse.set()

    def is_alone(self) -> None:
        """Nothing else of this round is under way any more."""
        self._alone = True
        self._working.clear()
        self._pulse.set()

    async def _opens(self, source: str) -> tuple[Opens, Opens]:
        """What is open of a source: all of it, and without what has failed."""
        works = [work for key, work in self._working.items() if key.source == source]
        others = self.tools.claims.of_others(self.tools.owner, source)
        failed = {key.path: why for key, why in self.state.open.items() if key.source == source}
        unknown = [key.path for key, _ in others if key not in self._new]
        known = await entries.of_paths(self.tools.ledger, source, [*unknown, *failed])
        self._new.update((DocumentKey(source, path), is_new(known.get(path))) for path in unknown)
        async for key, content in sliced(others):
            works.append(Open(key.path, f"{key.path} is being worked on", content.sha256, self._new[key]))
        came_to_nothing = [
            Open(path, why, known[path].sha256 if path in known else "", is_new(known.get(path)))
            for path, why in failed.items()
        ]
        run = self.tools.run if len(works) + len(failed) > MANY else _at_once
        return await run(Opens.of, [*works, *came_to_nothing]), await run(Opens.of, works)

    # ------------------------------------------------------------ taking away

    async def take_away(self, actions: Iterable[AnyAction]) -> None:
        """Carry out all of them, each as soon as it may be; what must wait for longer than this round is left."""
        pending: dict[DocumentKey, list[AnyAction]] = {}
        for action in actions:
            pending.setdefault(action.key, []).append(action)
        try:
            await self._take_away(pending)
        except BaseException:
            self.tools.stopping.set()  # as when any other work of the round fails
            raise
        finally:
            self.done()

    async def _take_away(self, pending: dict[DocumentKey, list[AnyAction]]) -> None:
        began = asyncio.get_running_loop().time()
        while pending and not self.tools.stopping.is_set():
            self._pulse.clear()
            ready, soonest = await self._sort(pending)
            believed = await self._believed({key.source for key in ready}, asyncio.get_running_loop().time() - began)
            for key in ready:
                del pending[key]
            works = [(key, actions) for key, actions in ready.items() if key.source in believed]
            await in_parallel([lambda k=k, a=a: self._for_good(k, a) for k, a in works], self.tools.stopping)  # type: ignore[misc]
            if ready:
                continue
            if soonest is None:
                return  # what is left waits for what failed: another round, or another pass, looks at it
            await self._tell()
            try:
                await self.tools.unless_stopped(self._wait(min(soonest, _LOOK_AGAIN)))
            except Stopped:
                return

    async def _sort(
        self, pending: dict[DocumentKey, list[AnyAction]]
    ) -> tuple[dict[DocumentKey, list[AnyAction]], float | None]:
        """What may go now, and in how many seconds something else may; ``None``: nothing by itself in this round."""
        ready: dict[DocumentKey, list[AnyAction]] = {}
        soonest: float | None = None
        opens: dict[str, tuple[Opens, Opens]] = {}
        now = self.tools.now()
        async for key, actions in sliced(list(pending.items())):
            if key in self._working:
                soonest = _LOOK_AGAIN
                continue
            vanished = next((a for a in actions if isinstance(a, Retire) and a.vanished), None)
            if vanished is None:
                ready[key] = actions
                continue
            if key.source not in opens:
                opens[key.source] = await self._opens(key.source)
            sha256 = vanished.revision.content.sha256
            every, under_way = (which.wait(sha256) for which in opens[key.source])
            since = entries.missing_since(self.tools.ledger.conn, key)
            rest = left(every, since, now)
            if rest <= 0:
                ready[key] = [_remarked(a, every) for a in actions]
                continue
            assert every is not None  # noqa: S101 - there is something left of it
            self._said[key] = f"its file is gone; it waits, since {every.why}"
            if under_way is not None:  # what failed is not waited for in here, since nothing will come of it
                soonest = rest if soonest is None else min(soonest, rest)
        return ready, soonest

    async def _believed(self, sources: set[str], waited: float) -> set[str]:
        """Sources whose root is there; asked again only when the look at the disk is not fresh any more."""
        if waited < _LONG_AGO:
            return sources
        return {name for name in sources if await self.observer.is_there(self.tools.sources[name])}

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(seconds, 0.01)):
                await self._pulse.wait()
        except TimeoutError:
            pass

    async def _tell(self) -> None:
        """Have `ls` and `status` say what is waited for, while it is."""
        said, self._said = self._said, {}
        rows = [Waiting(key, why) for key, why in said.items()]
        if rows:
            many = len(rows) > MANY
            await self.tools.ledger.commit(
                "waits", lambda db: records.note_waiting(db, rows), durable=False, beside=many
            )

    async def _for_good(self, key: DocumentKey, actions: list[AnyAction]) -> None:
        """Take away what one document is rid of, unless somebody works on it again."""
        if key.source in self.state.adopting:  # by another pass, since this was planned (rule 25)
            return
        claims, owner = self.tools.claims, self.tools.owner
        if not claims.hold(key, owner):
            return
        try:
            for action in actions:
                await self.follower.guarded(action, lambda a=action: self._last(a))  # type: ignore[misc]
        finally:
            claims.free(key, owner)

    async def _last(self, action: AnyAction) -> None:
        match action:
            case Retire():
                await self.applier.retire(action, lambda: self.follower.exists(action.key))
            case Delete():
                await self.applier.delete(action)
            case _:
                raise AssertionError(action)


async def _at_once(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)


def _remarked(action: AnyAction, wait: Wait | None) -> AnyAction:
    """A deletion that waited as long as it may says so in the history."""
    if wait is None or not (isinstance(action, Retire) and action.vanished):
        return action
    log.warning("deletion.waited", source=action.key.source, path=action.key.path, reason=wait.why)
    return replace(action, reason=f"{action.reason}{remark(wait)}")
