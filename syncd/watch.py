"""Notices changes: chooses events or polling for each source, tells paths, and sees to it that it goes on hearing.

What is told are hints (law 8). Nothing here is relied on, and everything here may fail: a periodic scan runs anyway.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from syncd.config import Source
from syncd.filesystems import read_mounts
from syncd.formats import suffixes_for
from syncd.ground import Ground, look_at, unfit
from syncd.ignore import IGNORE_FILE, NEVER_STARTS, Rules
from syncd.inbox import Inbox
from syncd.limits import is_limit, refusal
from syncd.logs import get_logger
from syncd.roots import resolve
from syncd.together import begin, ended

if TYPE_CHECKING:
    from syncd.inotify import Descriptor, Names, Tree

log = get_logger(__name__)
T = TypeVar("T")

_BREATH = 0.5  # seconds between two rebuilds; a burst that overflows once overflows again
_ATTEMPTS = 5  # at catching a root that changes while it is looked at
_JOIN = 5.0  # seconds that the reading thread is given to end


@dataclass(frozen=True, slots=True)
class WatchState:
    """How one source is watched: ``events``, ``poll`` or ``off``, why, and how many folders are."""

    mode: str
    reason: str
    folders: int = 0


@dataclass(slots=True)
class _Watched:
    source: Source
    rules: Rules
    ground: Ground = field(default_factory=Ground)
    tree: Tree | None = None
    names: Names | None = None
    poller: asyncio.TimerHandle | None = None
    refused: str = ""  # why the kernel gave no watch to a directory that is new
    tried_at: float = 0.0  # when watches were last set, by the loop's clock

    @property
    def by_events(self) -> bool:
        """Whether the configuration wants it watched by events, where that can be done."""
        return self.source.watch in ("auto", "events")


class Watcher:
    """Watches the folders of all sources.

    Args:
        sources: what to watch, and how (``watch`` and ``poll``).
        hints: told on the event loop: the source, and paths relative to its root as the disk spells them; ``None`` when
            something was or may have been missed.
        changed: told when the way a source is watched has changed.
        overflow: told when the kernel has dropped events of a source.
        check_every: seconds between two checks that everything is still heard.
        try_again: seconds until it is tried again to watch what could not be watched.
        self_test: seconds within which the kernel must have told of an opened directory.
        descriptor: makes the inotify instance; tests put faults in.
        mounts: tells what is mounted, as ``filesystems.read_mounts`` does.
    """

    def __init__(
        self,
        sources: Iterable[Source],
        *,
        hints: Callable[[str, frozenset[str] | None], None],
        changed: Callable[[str, WatchState], None],
        overflow: Callable[[str], None] = lambda _source: None,
        check_every: float = 30.0,
        try_again: float = 600.0,
        self_test: float = 2.0,
        descriptor: Callable[[], Descriptor] | None = None,
        mounts: Callable[[], str] = read_mounts,
    ) -> None:
        self._hints = hints
        self._changed = changed
        self._overflow = overflow
        self._check_every = check_every
        self._try_again = try_again
        self._self_test = self_test
        self._make = descriptor
        self._mounts = mounts
        self._descriptor: Descriptor | None = None
        self._unavailable = ""  # why there is no descriptor
        self._watched = {
            s.name: _Watched(s, Rules.compile(s.include, s.exclude, suffixes_for(s.include))) for s in sources
        }
        self._inbox: Inbox | None = None
        self._poke = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.states: dict[str, WatchState] = {}

    async def start(self) -> None:
        """Set the watches; returns when they stand."""
        self._inbox = Inbox(asyncio.get_running_loop(), self._hints, self._poke.set)
        await _in_thread(self._open)
        for watched in self._watched.values():
            await self._set_up(watched)
        self._task = begin(self._keep())

    async def stop(self) -> None:
        """Take the watches away and end the thread."""
        if self._task is not None:
            await ended(self._task)
        for watched in self._watched.values():
            if watched.poller is not None:
                watched.poller.cancel()
        if self._inbox is not None:
            self._inbox.close()
        await _in_thread(self._close)

    @property
    def _post(self) -> Inbox:
        assert self._inbox is not None  # noqa: S101 - it was started
        return self._inbox

    # ------------------------------------------------------------ the descriptor

    def _open(self) -> None:
        if not any(watched.by_events for watched in self._watched.values()):
            return
        self._unavailable = ""
        try:
            if self._make is None:
                from syncd.inotify import Descriptor

                self._make = Descriptor
            descriptor = self._make()
            descriptor.died = lambda: self._post.wake(self._poke.set)
            descriptor.start()
        except (OSError, ImportError) as error:  # no instance left, or no inotify here
            self._unavailable = refusal(error)
        else:
            self._descriptor = descriptor

    def _close(self) -> None:
        for watched in self._watched.values():
            for part in (watched.tree, watched.names):
                if part is not None:
                    part.hush()
            watched.tree = watched.names = None
        if self._descriptor is not None:
            self._descriptor.stop()
            self._descriptor.join(_JOIN)
            self._descriptor = None

    # ------------------------------------------------------------ one source

    async def _set_up(self, watched: _Watched) -> None:
        """Watch a source in the way that fits it, and say which that is."""
        source = watched.source
        if source.watch == "off":
            self._tell(watched, WatchState("off", "watch is off in the configuration"))
            return
        if source.watch == "poll":
            self._poll(watched, "asked for in the configuration")
            return
        watched.tried_at = asyncio.get_running_loop().time()
        reason = await _in_thread(self._build, watched)
        if reason:
            self._poll(watched, reason)
            return
        if watched.poller is not None:
            watched.poller.cancel()
            watched.poller = None
        self._by_events(watched)

    def _build(self, watched: _Watched) -> str:
        """Set the watches of one source, in a thread; returns why that is not possible, or ""."""
        watched.refused = ""
        self._find(watched)
        deaf = unfit(watched.ground, watched.rules.directory) if watched.source.watch == "auto" else ""
        reason = deaf or self._unavailable
        if not reason and watched.ground.root.real:
            reason = self._grow(watched)
        if watched.tree is not None and (reason or not watched.ground.root.real):
            watched.tree.close()
            watched.tree = None
        return reason

    def _find(self, watched: _Watched) -> None:
        """Find the root, and listen for what may make it another one."""
        path, name = str(watched.source.path), watched.source.name
        for _ in range(_ATTEMPTS):
            watched.ground = self._stands_on(watched)
            if self._descriptor is None:
                return
            from syncd.inotify import Names

            before, watched.names = watched.names, Names(self._descriptor, lambda: self._post.check(name))
            watched.names.watch(watched.ground.root.names)
            if before is not None:
                before.close()
            if resolve(path) == watched.ground.root:
                return

    def _stands_on(self, watched: _Watched) -> Ground:
        return look_at(str(watched.source.path), self._mounts())

    def _grow(self, watched: _Watched) -> str:
        """Watch the root and everything below it; returns why that is not possible, or ""."""
        from syncd.inotify import Hearing, Tree

        assert self._descriptor is not None  # noqa: S101 - else it is unavailable
        name, root, inbox = watched.source.name, watched.ground.root, self._post
        tree, new = watched.tree, False
        if tree is None or tree.root != root.real:
            if tree is not None:
                tree.close()
            hearing = Hearing(
                changed=lambda path: inbox.heard(name, path),
                lost=lambda: inbox.lost(name),
                full=lambda error: self._full(watched, error),
                moved=lambda: inbox.check(name),
            )
            tree, new = Tree(self._descriptor, root.real, watched.rules.directory, _keep_name, hearing), True
            watched.tree = tree
        try:
            tree.build()
        except (FileNotFoundError, NotADirectoryError):
            tree.close()
            watched.tree = None  # it went away this moment, which is heard
            return ""
        except OSError as error:
            return refusal(error) if is_limit(error) else f"cannot be watched: {error.strerror or error}"
        if new and not tree.hears(self._self_test) and resolve(str(watched.source.path)) == root:
            return "the self-test heard nothing from inotify"
        return ""

    def _full(self, watched: _Watched, error: OSError) -> None:
        watched.refused = refusal(error)
        self._post.check(watched.source.name)

    def _by_events(self, watched: _Watched) -> None:
        reason = f"inotify on {watched.ground.kind}" if watched.ground.kind else "inotify"
        if watched.tree is None:
            self._tell(watched, WatchState("events", f"{reason}; the folder is not there yet"))
            return
        deaf = watched.tree.deaf
        without = f"; {deaf} folder{'s' if deaf != 1 else ''} cannot be watched" if deaf else ""
        self._tell(watched, WatchState("events", reason + without, len(watched.tree)))

    def _poll(self, watched: _Watched, reason: str) -> None:
        """Have the whole source looked at every so often."""
        if watched.poller is None:
            watched.poller = asyncio.get_running_loop().call_later(watched.source.poll, self._polled, watched)
        self._tell(watched, WatchState("poll", reason))

    def _polled(self, watched: _Watched) -> None:
        watched.poller = asyncio.get_running_loop().call_later(watched.source.poll, self._polled, watched)
        self._hints(watched.source.name, None)

    def _tell(self, watched: _Watched, state: WatchState) -> None:
        name = watched.source.name
        before = self.states.get(name)
        self.states[name] = state
        if before is None or (before.mode, before.reason) != (state.mode, state.reason):
            self._changed(name, state)

    # ------------------------------------------------------------ keeping it alive

    async def _keep(self) -> None:
        """Look after the watches: at once where something happened to a root, at all of them every so often."""
        loop = asyncio.get_running_loop()
        check_at = loop.time() + self._check_every
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(check_at):
                    await self._poke.wait()
            self._poke.clear()
            try:
                await self._look_after(everything=loop.time() >= check_at)
            except Exception:
                log.exception("bug", where="the watches")
            if loop.time() >= check_at:
                check_at = loop.time() + self._check_every
            await asyncio.sleep(_BREATH)

    async def _look_after(self, *, everything: bool) -> None:
        names = self._post.to_check()
        if self._descriptor is not None and not self._descriptor.works:
            await self._start_over("the thread that reads inotify had died")
            return
        if self._descriptor is None and everything:
            await _in_thread(self._open)
            if self._descriptor is not None:
                await self._rebuild_all("there is an inotify instance again")
                return
        for watched in self._watched.values():
            name = watched.source.name
            if watched.by_events and (everything or name in names):
                try:
                    await self._check(watched, asked=name in names)
                except Exception:
                    log.exception("bug", source=name, where="the watches")  # the next check tries again

    async def _start_over(self, reason: str) -> None:
        """Everything anew, with a descriptor and a thread of its own."""
        await _in_thread(self._close)
        await _in_thread(self._open)
        await self._rebuild_all(reason)

    async def _rebuild_all(self, reason: str) -> None:
        for watched in self._watched.values():
            if watched.by_events:
                await self._rebuild(watched, reason)

    async def _check(self, watched: _Watched, *, asked: bool) -> None:
        """Whether a source is still watched where it leads to now, and heard; mended where not.

        Args:
            asked: something was heard of its root just now, so that there is no need to ask whether anything is heard.
        """
        name = watched.source.name
        overflown = self._post.overflown(name)
        if overflown:
            log.warning("watch.overflow", source=name)
            self._overflow(name)
        now = await _in_thread(self._stands_on, watched)
        reason = "the kernel had dropped events" if overflown else self._fault(watched, now)
        if reason:
            await self._rebuild(watched, reason)
        elif self.states[name].mode == "events":
            if watched.tree is not None and not asked:
                if not await _in_thread(watched.tree.hears, self._self_test):
                    await self._start_over("nothing was heard any more")
                    return
                await _in_thread(watched.tree.catch_up)
            self._by_events(watched)

    async def _rebuild(self, watched: _Watched, reason: str) -> None:
        """Set the watches of a source again; what was missed meanwhile is for a look at everything."""
        name = watched.source.name
        await self._set_up(watched)
        if self.states[name].mode == "events":
            log.info("watch.rebuilt", source=name, reason=reason, root=watched.ground.root.real)
        self._hints(name, None)

    def _fault(self, watched: _Watched, now: Ground) -> str:
        """Why the watches of a source are to be set again; "" when they are as they should be."""
        if now.root != watched.ground.root:
            return "the folder is another one now" if now.root.real else "the folder is gone"
        if now != watched.ground:
            return "something was mounted or unmounted"
        if self.states[watched.source.name].mode == "poll":
            due = asyncio.get_running_loop().time() >= watched.tried_at + self._try_again
            return "it may be possible again" if due else ""
        if now.root.real and (watched.tree is None or not watched.tree.rooted):
            return "the folder was made anew"
        return watched.refused


async def _in_thread(call: Callable[..., T], *args: object) -> T:
    """Call in a thread; whoever is cancelled waits for its end, so that nothing touches what is closed next."""
    running = begin(asyncio.to_thread(call, *args))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running})
        running.exception()  # asked for, so that asyncio does not complain that nobody did
        raise


def _keep_name(name: str) -> bool:
    """Whether something of this name can matter: what never is a document makes no noise."""
    return not name.lower().startswith(NEVER_STARTS) or name == IGNORE_FILE
