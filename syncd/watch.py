"""Notices changes: chooses events or polling for each source, tells paths, and sees to it that it goes on hearing.

What is told are hints (law 8). Nothing here is relied on, and everything here may fail: a periodic scan runs anyway.
"""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from syncd.config import Source
from syncd.filesystems import changed_by_others, file_system
from syncd.formats import DEFAULT_SUFFIXES
from syncd.ignore import IGNORE_FILE, NEVER_STARTS, Rules
from syncd.logs import get_logger
from syncd.roots import Root, resolve

if TYPE_CHECKING:
    from syncd.inotify import Descriptor, Names, Tree

log = get_logger(__name__)

_SELF_TEST = 2.0  # seconds within which the kernel must have told of an opened directory
_BREATH = 0.5  # seconds between two rebuilds; a burst that overflows once overflows again
_TRY_AGAIN = 600.0  # seconds until it is tried again to watch what could not be watched
_LIMITS = {
    errno.ENOSPC: ("max_user_watches", "watches"),
    errno.EMFILE: ("max_user_instances", "instances"),
}


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
    root: Root = field(default_factory=lambda: Root("", None, ()))
    tree: Tree | None = None
    names: Names | None = None
    poller: asyncio.TimerHandle | None = None
    paths: set[str] = field(default_factory=set)  # heard in the thread, not told yet
    overflown: bool = False  # the kernel has dropped events
    refused: str = ""  # why the kernel gives no (more) watches
    tried_at: float = 0.0  # when watches were last set, by the loop's clock


class Watcher:
    """Watches the folders of all sources.

    Args:
        sources: what to watch, and how (``watch`` and ``poll``).
        hints: told on the event loop: the source, and paths relative to its root as the disk spells them; ``None`` when
            something was or may have been missed.
        changed: told when the way a source is watched has changed.
        overflow: told when the kernel has dropped events of a source.
        check_every: seconds between two checks that everything is still heard.
        descriptor: makes the inotify instance; tests put faults in.
    """

    def __init__(
        self,
        sources: Iterable[Source],
        *,
        hints: Callable[[str, frozenset[str] | None], None],
        changed: Callable[[str, WatchState], None],
        overflow: Callable[[str], None] = lambda _source: None,
        check_every: float = 30.0,
        descriptor: Callable[[], Descriptor] | None = None,
    ) -> None:
        self._hints = hints
        self._changed = changed
        self._overflow = overflow
        self._check_every = check_every
        self._make = descriptor
        self._descriptor: Descriptor | None = None
        self._watched = {s.name: _Watched(s, Rules.compile(s.include, s.exclude, DEFAULT_SUFFIXES)) for s in sources}
        self._lock = threading.Lock()
        self._told = False  # the loop knows that something was heard
        self._recheck: set[str] = set()
        self._poke = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.states: dict[str, WatchState] = {}

    async def start(self) -> None:
        """Set the watches; returns when they stand."""
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._open)
        for watched in self._watched.values():
            await self._set_up(watched)
        self._task = asyncio.ensure_future(self._keep())

    async def stop(self) -> None:
        """Take the watches away and end the thread."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for watched in self._watched.values():
            if watched.poller is not None:
                watched.poller.cancel()
        self._loop = None
        await asyncio.to_thread(self._close)

    # ------------------------------------------------------------ the descriptor

    def _open(self) -> None:
        if all(watched.source.watch in ("poll", "off") for watched in self._watched.values()):
            return
        try:
            if self._make is None:
                from syncd.inotify import Descriptor

                self._make = Descriptor
            self._descriptor = self._make()
            self._descriptor.start()
        except (OSError, ImportError) as error:  # no instance left, or no inotify here
            self._descriptor = None
            for watched in self._watched.values():
                watched.refused = _limit(error)

    def _close(self) -> None:
        for watched in self._watched.values():
            watched.tree = watched.names = None
        if self._descriptor is not None:
            self._descriptor.stop()
            self._descriptor.join(5.0)
            self._descriptor = None

    # ------------------------------------------------------------ one source

    async def _set_up(self, watched: _Watched) -> None:
        """Watch a source in the way that fits it, and say which that is."""
        source = watched.source
        watched.tried_at = asyncio.get_running_loop().time()
        if source.watch == "off":
            self._tell(watched, WatchState("off", "watch is off in the configuration"))
            return
        if source.watch == "poll":
            self._poll(watched, "asked for in the configuration")
            return
        kind = file_system(source.path)
        if source.watch == "auto" and changed_by_others(kind):
            self._poll(watched, f"{kind} does not tell of what others change")
            return
        reason = await asyncio.to_thread(self._build, watched)
        if reason:
            self._poll(watched, reason)
            return
        if watched.poller is not None:
            watched.poller.cancel()
            watched.poller = None
        folders = 0 if watched.tree is None else len(watched.tree)
        waits = "" if watched.root.real else "; the folder is not there yet"
        self._tell(watched, WatchState("events", f"inotify{f' on {kind}' if kind else ''}{waits}", folders))

    def _build(self, watched: _Watched) -> str:
        """Set the watches of one source anew, in a thread; returns why that is not possible, or ""."""
        from syncd.inotify import Hearing, Names, Tree

        self._take_down(watched)
        if self._descriptor is None:
            return watched.refused
        name = watched.source.name
        watched.root = resolve(str(watched.source.path))
        watched.names = Names(self._descriptor, lambda: self._look_at(name))
        watched.names.watch(watched.root.names)
        if not watched.root.real:
            return ""
        hearing = Hearing(
            changed=lambda path: self._heard(watched, path),
            lost=lambda: self._lost(watched),
            full=lambda error: self._full(watched, error),
            moved=lambda: self._look_at(name),
        )
        tree = Tree(self._descriptor, watched.root.real, watched.rules.directory, _keep_name, hearing)
        watched.tree, watched.refused = tree, ""
        try:
            tree.build()
        except OSError as error:
            tree.close()
            watched.tree = None
            if error.errno in _LIMITS:
                watched.refused = _limit(error)
                return watched.refused
            return (
                "" if error.errno in (errno.ENOENT, errno.ENOTDIR) else f"cannot be watched: {error.strerror or error}"
            )
        if not tree.hears(_SELF_TEST):
            tree.close()
            watched.tree = None
            return "the self-test heard nothing from inotify"
        return watched.refused

    def _take_down(self, watched: _Watched) -> None:
        for part in (watched.tree, watched.names):
            if part is not None and self._descriptor is not None and self._descriptor.is_alive():
                part.close()
        watched.tree = watched.names = None

    def _poll(self, watched: _Watched, reason: str) -> None:
        """Have the whole source looked at every so often."""
        assert self._loop is not None  # noqa: S101 - it was started
        if watched.poller is None:
            watched.poller = self._loop.call_later(watched.source.poll, self._polled, watched)
        self._tell(watched, WatchState("poll", reason))

    def _polled(self, watched: _Watched) -> None:
        assert self._loop is not None  # noqa: S101
        watched.poller = self._loop.call_later(watched.source.poll, self._polled, watched)
        self._hints(watched.source.name, None)

    def _tell(self, watched: _Watched, state: WatchState) -> None:
        name = watched.source.name
        before = self.states.get(name)
        self.states[name] = state
        if before is None or (before.mode, before.reason) != (state.mode, state.reason):
            self._changed(name, state)

    # ------------------------------------------------------------ called from the reading thread

    def _heard(self, watched: _Watched, path: str) -> None:
        with self._lock:
            watched.paths.add(path)
            told, self._told = self._told, True
        if not told:
            self._wake(self._flush)

    def _lost(self, watched: _Watched) -> None:
        with self._lock:
            watched.paths.clear()
            watched.overflown = True
        self._look_at(watched.source.name)

    def _full(self, watched: _Watched, error: OSError) -> None:
        watched.refused = _limit(error)
        self._look_at(watched.source.name)

    def _look_at(self, name: str) -> None:
        with self._lock:
            self._recheck.add(name)
        self._wake(self._poke.set)

    def _wake(self, call: Callable[[], None]) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(call)

    def _flush(self) -> None:
        with self._lock:
            heard = [(watched.source.name, watched.paths) for watched in self._watched.values() if watched.paths]
            for watched in self._watched.values():
                watched.paths = set()
            self._told = False
        for name, paths in heard:
            self._hints(name, frozenset(paths))

    # ------------------------------------------------------------ keeping it alive

    async def _keep(self) -> None:
        """Look after the watches: at once where something happened to a root, at all of them every so often."""
        while True:
            try:
                async with asyncio.timeout(self._check_every):
                    await self._poke.wait()
            except TimeoutError:
                await self._check_all()
                continue
            self._poke.clear()
            with self._lock:
                names, self._recheck = self._recheck, set()
            for name in names:
                await self._check(self._watched[name], asked=True)
            await asyncio.sleep(_BREATH)

    async def _check_all(self) -> None:
        dead = self._descriptor is not None and not self._descriptor.is_alive()
        if dead or (self._descriptor is None and any(w.refused for w in self._watched.values())):
            await asyncio.to_thread(self._close)
            await asyncio.to_thread(self._open)
            if dead:
                log.warning("watch.rebuilt", reason="the thread that reads inotify had died")
        for watched in self._watched.values():
            if watched.source.watch in ("auto", "events"):
                await self._check(watched, rebuild=dead)

    async def _check(self, watched: _Watched, *, rebuild: bool = False, asked: bool = False) -> None:
        """Whether a source is still watched where it leads to now, and heard; built anew where not."""
        name = watched.source.name
        if self.states[name].mode == "poll" and not watched.refused:
            if asyncio.get_running_loop().time() > watched.tried_at + _TRY_AGAIN:
                await self._set_up(watched)
            return
        overflown, watched.overflown = watched.overflown, False
        now = await asyncio.to_thread(resolve, str(watched.source.path))
        reason = self._fault(watched, now, rebuild=rebuild, overflown=overflown)
        if not reason and not asked and not await asyncio.to_thread(self._hears, watched):
            reason = "nothing was heard any more"
        if not reason:
            if watched.tree is not None:
                state = self.states[name]
                self.states[name] = WatchState(state.mode, state.reason, len(watched.tree))
            return
        if overflown:
            log.warning("watch.overflow", source=name)
            self._overflow(name)
        await self._set_up(watched)
        log.info("watch.rebuilt", source=name, reason=reason, root=watched.root.real)
        self._hints(name, None)

    def _fault(self, watched: _Watched, now: Root, *, rebuild: bool, overflown: bool) -> str:
        """Why the watches of a source are to be set anew; "" when they are as they should be."""
        if rebuild:
            return "the thread that reads inotify had died"
        if overflown:
            return "the kernel had dropped events"
        if now != watched.root:
            return "the folder is another one now" if now.real else "the folder is gone"
        if watched.refused and self.states[watched.source.name].mode == "events":
            return watched.refused
        if watched.refused and asyncio.get_running_loop().time() > watched.tried_at + _TRY_AGAIN:
            return "there may be watches again"
        return ""

    def _hears(self, watched: _Watched) -> bool:
        return watched.tree is None or watched.tree.hears(_SELF_TEST)


def _keep_name(name: str) -> bool:
    """Whether something of this name can matter: what never is a document makes no noise."""
    return not name.lower().startswith(NEVER_STARTS) or name == IGNORE_FILE


def _limit(error: Exception) -> str:
    """Why the kernel gives no more watches, and which setting to raise."""
    number = getattr(error, "errno", None)
    if number not in _LIMITS:
        return f"inotify cannot be used here: {getattr(error, 'strerror', None) or error}"
    setting, what = _LIMITS[number]
    try:
        allowed = int(Path(f"/proc/sys/fs/inotify/{setting}").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return f"the limit of inotify {what} is reached: raise it with sysctl fs.inotify.{setting}"
    larger = max(allowed * 4, 524288 if what == "watches" else 512)
    return f"the limit of {allowed} inotify {what} is reached: raise it with sysctl fs.inotify.{setting}={larger}"
