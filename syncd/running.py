"""The loop of the service: hints and jobs become passes, requests of persons are carried out, trouble is waited for.

Nothing in here decides what becomes of a document: passes do. This module decides when to look, and keeps count.
"""

from __future__ import annotations

import asyncio
import time
import unicodedata
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from syncd.collector import between_passes
from syncd.disk import stats
from syncd.engine import Engine, Outcome
from syncd.errors import LedgerError, LedgerWaits, ServerError, SyncdError
from syncd.gate import Gate, kind_of
from syncd.ledger import entries, remote, requests, resending, soundness, tree
from syncd.logs import get_logger
from syncd.looks import Look, Looks
from syncd.models import DocumentKey, Proof
from syncd.progress import Progress
from syncd.together import begin, ended

log = get_logger(__name__)

FEW_AT_ONCE = 48  # passes over a few paths that may run side by side; most of them wait for somebody's training
WHOLE_AT_ONCE = 3  # passes over one whole source: one that works, one that waits for it, one that looks
_AFTER_TROUBLE = 30.0  # seconds until a source that could not be served is tried again
_AFTER_A_BUG = 60.0  # seconds until a source is looked at again after a fault of ours
# Seconds until a source is looked at again of which something was left, at first and at most.
_AFTER_LEFT = (2.0, 300.0)
_LONGEST_WAIT = 300.0  # seconds until it is looked whether something is due, whatever the clock said
_MAILBOX_EVERY = 0.5  # seconds between two glances at whether somebody wrote into the ledger
_REMEMBERED = 100_000  # paths of which it is remembered when they were changed


class Listener:
    """What others hear of the service; every method may be overridden and none may fail or take long."""

    def event(self, event: str, key: DocumentKey, detail: str) -> None:
        """Something happened to a document."""

    def searchable(self, key: DocumentKey, seconds: float) -> None:
        """A saved document was verified so long after its change was noticed."""

    def proof(self, key: DocumentKey, proof: Proof) -> None:
        """A proof ended."""

    def scanned(self, source: str, seconds: float, at: float, files: int, whole: bool) -> None:
        """A look at the disk ended."""

    def passed(self, sources: list[str], whole: bool, outcome: Outcome) -> None:
        """A pass ended."""

    def trouble(self, error: ServerError | None) -> None:
        """The server is in trouble, or well again (``None``)."""

    def training(self, source: str, trouble: str) -> None:
        """FastGPT trains nothing of a source, and why; "" when it does again."""

    def paused(self, paused: bool) -> None:
        """A person has the service pause, or go on."""

    def changed(self) -> None:
        """Something that the service says of itself has changed."""


@dataclass(slots=True)
class ServerState:
    """How the server was when it was last asked."""

    message: str = ""  # "" when it is well
    hint: str = ""
    code: str = ""
    since: float = 0.0
    error: ServerError | None = None


def _as_state(error: ServerError | None, now: float) -> ServerState:
    return ServerState(since=now) if error is None else ServerState(error.message, error.hint, error.code, now, error)


@dataclass(slots=True)
class Runner:
    """Runs passes until it is stopped.

    Args:
        engine: whose passes these are.
        listener: hears what happens.
        perform: carries out a request of a person; returns the values of its answer, ``None`` when somebody else
            answers it later.
    """

    engine: Engine
    listener: Listener
    perform: Callable[[Runner, requests.Request], Awaitable[dict[str, Any] | None]]
    looks: Looks = field(init=False)
    gate: Gate = field(init=False)
    server: ServerState = field(default_factory=ServerState)
    paused_since: float | None = None
    troubles: dict[str, str] = field(default_factory=dict)  # source -> why it cannot be served
    unproven: dict[str, int] = field(default_factory=dict)  # source -> documents that its last whole pass left unproven
    damage: str = ""  # what the nightly check found wrong with the ledger
    untrained: dict[str, str] = field(default_factory=dict)  # source -> why FastGPT trains nothing of it
    seen: set[str] = field(default_factory=set)  # sources that were looked at as a whole
    left: dict[str, float] = field(default_factory=dict)  # source with work left -> pause before it was looked at again
    _active: dict[asyncio.Task[None], Look] = field(default_factory=dict)
    _others: set[asyncio.Task[None]] = field(default_factory=set)
    _answers: dict[asyncio.Task[None], int] = field(default_factory=dict)  # -> id of the request
    _goes: asyncio.Event = field(default_factory=asyncio.Event)  # not paused
    _poke: asyncio.Event = field(default_factory=asyncio.Event)
    _ends: asyncio.Event = field(default_factory=asyncio.Event)  # somebody called ``stop``
    _flips: asyncio.Task[None] | None = None  # finishes what a pause found begun
    _stopped: bool = False
    _to_see: dict[str, set[str]] = field(default_factory=dict)  # source -> paths that the disk is to be asked about
    _glances: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _changed_at: dict[tuple[str, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        config = self.engine.config
        self.looks = Looks({source.name: source.settle for source in config.sources})
        self.server.since = self.engine.now()
        self.gate = self.engine.gate(patience=None, stubborn=True)
        self.engine.on_trouble = self._trouble
        self.engine.look_again = self.look
        self.engine.claims.freed = lambda key: self.hints(key.source, frozenset({self._disk_name(key)}))
        self._set_paused(requests.paused(self.engine.ledger.conn))

    # ------------------------------------------------------------ what others tell

    def hints(self, source: str, paths: frozenset[str] | None) -> None:
        """Something was heard about these paths; ``None``: it is not known about which."""
        now = asyncio.get_running_loop().time()
        if paths is None:
            self.looks.whole(source, now)
        else:
            self.looks.hint(source, paths, now)
            self._glance(source, paths)
            self._remember(source, paths)
        self._poke.set()

    def look(self, source: str | None = None) -> None:
        """Have a source, or all of them, looked at as a whole."""
        now = asyncio.get_running_loop().time()
        for name in self.engine.sources if source is None else (source,):
            self.looks.whole(name, now)
        self._poke.set()

    def pause(self, since: float | None) -> None:
        """Pause, or go on; what is under way stops at its next safe point."""
        self._set_paused(since)
        if since is not None:
            self.engine.interrupt()
            self._flips = self.spawn(self._finish_flips())
        else:
            self.look()
        self.listener.changed()
        self._poke.set()

    def _set_paused(self, since: float | None) -> None:
        self.paused_since = since
        if since is None:
            self._goes.set()
        else:
            self._goes.clear()
        self.listener.paused(since is not None)

    async def not_paused(self) -> None:
        """Return at once, or when a person has the service go on."""
        await self._goes.wait()

    def stop(self) -> None:
        """Begin nothing any more; what is under way stops at its next safe point."""
        self._stopped = True
        self._ends.set()
        self.engine.stop()
        self._poke.set()

    def spawn(self, work: Awaitable[None]) -> asyncio.Task[None]:
        """Do something beside the passes; its failure is told and hurts nobody else."""
        task = begin(self._guarded(work))
        self._others.add(task)
        task.add_done_callback(self._others.discard)
        return task

    async def _guarded(self, work: Awaitable[None]) -> None:
        try:
            await work
        except SyncdError as error:
            log.warning("job.failed", error=error.message, hint=error.hint)
        except Exception:
            log.exception("bug")

    @property
    def busy(self) -> bool:
        """Whether a pass, a job or somebody's request is under way."""
        return bool(self._active or self._others)

    # ------------------------------------------------------------ the loop

    async def run(self) -> None:
        """Begin looks as they become due, until ``stop`` was called and everything has come to rest.

        Raises:
            LedgerError: the ledger cannot be used any more.
        """
        mailbox = begin(self._mailbox())
        try:
            if self.paused_since is not None:
                self._flips = self.spawn(self._finish_flips())
            with between_passes() as collector:
                while not self._stopped:
                    now = asyncio.get_running_loop().time()
                    self._begin(now)
                    await self._next(now, mailbox)
                    if self._reap():
                        collector.tell(at_work=bool(self._active))
            while pending := self._pending():
                await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                self._reap()
        finally:
            cut = [number for task, number in self._answers.items() if not task.done()]
            rest = [mailbox, *self._others, *self._active]
            await ended(*rest)
            await self.gate.close()
            if cut:
                # One that cannot be written now is cleared up at the next start.
                with suppress(LedgerWaits), self.engine.ledger.transaction("cut") as conn:
                    requests.close(conn, f"id in ({', '.join(map(str, cut))})", self.engine.now())

    def _pending(self) -> set[asyncio.Task[None]]:
        """What has to come to a safe point before the end."""
        flips = [] if self._flips is None or self._flips.done() else [self._flips]
        return {*self._active, *self._answers, *flips}

    def _begin(self, now: float) -> None:
        for source, paths in self.looks.due(now).items():
            if source not in self._glances:  # else it is asked again when the disk has answered
                self._glance(source, paths)
        self.looks.settle(now)
        if self.paused_since is not None:
            return
        for look in self.looks.take(now, self._may):
            self._active[begin(self._pass(look))] = look

    def _may(self, look: Look) -> bool:
        running = self._active.values()
        if look.paths is not None:
            # Before the first look at the whole source nothing is known of it, and that look sees these paths too.
            return look.source in self.seen and sum(one.paths is not None for one in running) < FEW_AT_ONCE
        return sum(one == look for one in running) < WHOLE_AT_ONCE

    async def _next(self, now: float, mailbox: asyncio.Future[None]) -> None:
        """Wait until something may have to be done that was not due at ``now``."""
        at = None if self.paused_since is not None else self.looks.next_at(now)
        wait = None if at is None else max(at - asyncio.get_running_loop().time(), 0.0)
        poked = begin(self._poke.wait())
        waiting: set[asyncio.Future[Any]] = {poked, mailbox, *self._active}
        try:
            await asyncio.wait(waiting, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
        finally:
            poked.cancel()
        self._poke.clear()
        if mailbox.done():
            mailbox.result()  # it ends by an exception alone

    def _reap(self) -> bool:
        """Let go of the passes that ended; whether there were any."""
        done = [task for task in self._active if task.done()]
        for task in done:
            del self._active[task]
            task.result()
        return bool(done)

    # ------------------------------------------------------------ one pass

    async def _pass(self, look: Look) -> None:
        whole = look.paths is None
        progress = Progress(
            listener=self._heard, on_proof=self.listener.proof, on_scan=self._scanned, noticed=self._noticed
        )
        paths = None if look.paths is None else {look.source: look.paths}
        began = time.monotonic()
        try:
            outcome = await self.engine.run(self.gate, progress, [look.source], paths=paths)
        except LedgerError:
            raise
        except SyncdError as error:
            log.warning("pass.failed", source=look.source, error=error.message, hint=error.hint)
            self.looks.whole(look.source, asyncio.get_running_loop().time() + 15.0)
            return
        except Exception as error:
            damage = await self.engine.ledger.run(soundness.blamed, self.engine.ledger.path)
            if damage is not None:
                raise damage from error
            log.exception("bug", source=look.source)
            self.looks.whole(look.source, asyncio.get_running_loop().time() + _AFTER_A_BUG)
            return
        self._forget(look, began, outcome.written.get(look.source, frozenset()))
        now = asyncio.get_running_loop().time()
        for source, written in outcome.written.items():
            self.looks.seen_written(source, written, now)
            self._glance(source, written)
            self._poke.set()
        await self._note(look.source, whole, outcome)

    async def _note(self, source: str, whole: bool, outcome: Outcome) -> None:
        trouble = outcome.troubles.get(source, "")
        kept = remote.source(self.engine.ledger.conn, source)  # also what an earlier run could not serve
        if kept is not None and (trouble or whole) and trouble != kept.trouble:
            await self.engine.ledger.commit(
                "trouble", lambda db: remote.set_trouble(db, source, trouble), durable=False
            )
        if source in outcome.troubles:
            self.troubles[source] = outcome.troubles[source]
            self.looks.whole(source, asyncio.get_running_loop().time() + _AFTER_TROUBLE)
        else:
            if whole:
                self.troubles.pop(source, None)
                self.unproven[source] = sum(key.source == source for key in outcome.unproven)
                await self._look_when_due(source)
            self._look_at_what_is_left(source, outcome)
        self._note_training(source, whole, outcome)
        did = {name: number for name, number in outcome.counts.items() if number and name not in ("unchanged", "held")}
        if did:
            at, seconds = self.engine.now(), outcome.timings["total"]
            await self.engine.ledger.commit(
                "run", lambda db: requests.add_run(db, at, seconds, [source], whole, outcome.counts), durable=False
            )
            log.info("pass.done", source=source, whole=whole, seconds=seconds, **did)
        self.listener.passed([source], whole, outcome)
        self.listener.changed()

    def _note_training(self, source: str, whole: bool, outcome: Outcome) -> None:
        """That nothing is trained is said once, when it begins, and once when it is over."""
        trouble = outcome.untrained.get(source, "")
        if trouble:
            number = sum(key.source == source for key in outcome.unproven)
            many = f"{number} documents wait" if number > 1 else "a document waits"
            text = f"FastGPT trains nothing of {source} at present, {many}: {trouble}"
            if source not in self.untrained:
                log.warning("training.trouble", source=source, documents=number, error=trouble)
                self.listener.training(source, text)
            self.untrained[source] = text
        elif source in self.untrained and (outcome.counts.get("verified", 0) or (whole and not self._indexes(source))):
            del self.untrained[source]
            self.troubles.pop(source, None)
            log.info("training.back", source=source)
            self.listener.training(source, "")
        if source in self.untrained:
            self.troubles[source] = self.untrained[source]

    def _indexes(self, source: str) -> bool:
        """Whether anything of the source is on its way."""
        return entries.under_way(self.engine.ledger.conn, source)

    async def _look_when_due(self, source: str) -> None:
        """What a person has had sent anew, so many a minute, goes when it is due."""
        ledger = self.engine.ledger
        at = await ledger.read(partial(resending.next_due, source=source)) if resending.asked(ledger.conn) else None
        if at is not None:
            pause = min(max(at - self.engine.now(), 1.0), _LONGEST_WAIT)
            self.looks.whole(source, asyncio.get_running_loop().time() + pause)
            self._poke.set()

    def _look_at_what_is_left(self, source: str, outcome: Outcome) -> None:
        """What a pass could not finish, such as a vanished file that waited for another one's upload, is tried again.

        Ever less often, as long as something is left.
        """
        if not any(one.key.source == source for one in outcome.waiting) and source not in {
            key.source for key in outcome.unproven
        }:
            self.left.pop(source, None)
            return
        first, most = _AFTER_LEFT
        pause = min(self.left.get(source, first / 2) * 2, most)
        self.left[source] = pause
        # A deletion whose wait is over goes then, not at the look after (rule 17).
        now = self.engine.now()
        due = [one.due - now for one in outcome.waiting if one.key.source == source and one.due is not None]
        pause = min([pause, *(max(seconds, first / 2) for seconds in due)])
        self.looks.whole(source, asyncio.get_running_loop().time() + pause)
        self._poke.set()

    def _heard(self, event: str, key: DocumentKey, detail: str) -> None:
        self.listener.event(event, key, detail)
        if event == "verified" and (seconds := self._noticed(key)) is not None:
            del self._changed_at[key.source, key.path]
            self.listener.searchable(key, seconds)

    def _noticed(self, key: DocumentKey) -> float | None:
        at = self._changed_at.get((key.source, key.path))
        return None if at is None else time.monotonic() - at

    def _scanned(self, source: str, seconds: float, files: int, whole: bool) -> None:
        if whole:
            first = source not in self.seen
            self.seen.add(source)
            if first:
                self._poke.set()
                self.listener.changed()
        self.listener.scanned(source, seconds, self.engine.now(), files, whole)

    # ------------------------------------------------------------ persons

    async def _mailbox(self) -> None:
        """Take requests as they are written; another process's write shows in SQLite's ``data_version``."""
        ledger = self.engine.ledger
        seen = -1
        while not self._stopped:
            try:
                version = ledger.data_version()
                if version != seen and requests.is_open(ledger.conn):
                    self._take_requests()
                seen = version
            except LedgerWaits:
                seen = -1  # who asks waits for the lock, or the disk, as we do
            await asyncio.sleep(_MAILBOX_EVERY)

    def _take_requests(self) -> None:
        with self.engine.ledger.transaction("taken") as db:  # at once: between taking and beginning nothing may end us
            taken = requests.take(db, self.engine.now())
        for request in taken:
            task = self.spawn(self._answer(request))
            self._answers[task] = request.id
            task.add_done_callback(lambda done: self._answers.pop(done, None))

    async def _answer(self, request: requests.Request) -> None:
        try:
            values, code = await self.perform(self, request), 0
            if values is None:
                return
        except SyncdError as error:
            values, code = {"code": error.code, "message": error.message, "hint": error.hint}, error.exit_code
        except Exception as error:
            log.exception("bug", request=request.kind)
            values, code = {"code": "bug", "message": f"{type(error).__name__}: {error}", "hint": ""}, 1
        await self.engine.ledger.commit(
            "answered", lambda db: requests.answer(db, request.id, code, values, self.engine.now())
        )
        log.info("request.done", kind=request.kind, exit_code=code, **dict(request.arguments))

    async def _finish_flips(self) -> None:
        """A begun flip is finished, whatever is paused (rule 2); passes that are interrupted do most of that."""
        await self.engine.rested()
        for name in self.engine.sources:
            for key in await self.engine.ledger.read(partial(entries.flipping, source=name)):
                async with self.engine.holding(key):
                    await self._finish_flip(key)

    async def _finish_flip(self, key: DocumentKey) -> None:
        while not self._stopped:
            try:
                await self.engine.bind(key.source)
                await self.engine.finish_flip(key, self.gate)
            except ServerError as error:
                await self._well_or_stopped(error)
            except SyncdError as error:
                log.warning("job.failed", error=error.message, hint=error.hint)
                return
            else:
                return

    async def _well_or_stopped(self, error: ServerError) -> None:
        waits = [begin(self.gate.wait(error)), begin(self._ends.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        await ended(*waits)

    # ------------------------------------------------------------ small things

    def _trouble(self, error: ServerError | None) -> None:
        before, self.server = self.server, _as_state(error, self.engine.now())
        if error is not None and kind_of(error) == kind_of(before.error):
            self.server.since = before.since  # the same trouble in other words
        else:
            self.listener.trouble(error)
        self.listener.changed()

    def inherit(self, server: ServerState) -> None:
        """Take over a trouble that the runner before this one had told: its end is told by this one."""
        if server.error is not None:
            self.server = server
            self.gate.assume(server.error)

    def _glance(self, source: str, paths: Iterable[str]) -> None:
        """Have the disk asked about these paths, in a thread: a mount that hangs holds up nobody but its own source."""
        if source in self.engine.sources:
            self._to_see.setdefault(source, set()).update(paths)
            if source not in self._glances:
                self._glances[source] = self.spawn(self._see(source))

    async def _see(self, source: str) -> None:
        try:
            while paths := self._to_see.pop(source, None):
                at = asyncio.get_running_loop().time()
                root = self.engine.sources[source].config.path
                self.looks.seen(source, await self.engine.disk.run(source, stats, root, paths), at)
                self._poke.set()
        finally:
            self._glances.pop(source, None)

    def _disk_name(self, key: DocumentKey) -> str:
        return tree.disk_name(self.engine.ledger.conn, key) or key.path

    def _forget(self, look: Look, began: float, written: frozenset[str]) -> None:
        """What was heard of before a pass began and led to nothing in it is no change whose time counts."""
        kept = {unicodedata.normalize("NFC", path) for path in written}
        looked = None if look.paths is None else {unicodedata.normalize("NFC", path) for path in look.paths}
        for source, path in [key for key, at in self._changed_at.items() if at <= began and key[0] == look.source]:
            if path not in kept and (looked is None or path in looked):
                del self._changed_at[source, path]

    def _remember(self, source: str, paths: frozenset[str]) -> None:
        """When a path was first heard of, for the time from saving to searching."""
        if len(self._changed_at) + len(paths) > _REMEMBERED:
            return
        now = time.monotonic()
        for path in paths:
            self._changed_at.setdefault((source, unicodedata.normalize("NFC", path)), now)
