"""`syncd run`: builds the service from the configuration, reloads it, drains and ends.

What one configuration makes of the service is an ``Assembly``; a reload ends it at safe points and builds the next one.
Ledger, status server and metrics live on: the ledger tells the new engine where the old one was.
"""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from syncd import __version__, ending, points
from syncd.answering import Answering
from syncd.assembly import Assembly
from syncd.backend import Backend
from syncd.config import Config, Http
from syncd.config.kept import keep
from syncd.disk import PER_SOURCE
from syncd.engine import Engine
from syncd.errors import EXIT_OK, BusyError, ConfigError, LedgerWaits, SyncdError
from syncd.headline import headline
from syncd.hearing import Hearing
from syncd.heart import Heart
from syncd.jobs import Jobs
from syncd.ledger import Ledger, quality, requests
from syncd.ledger.store import own_name
from syncd.logs import get_logger
from syncd.notices import Digest, Notice, Notifier
from syncd.report.human import iso
from syncd.running import Runner, ServerState
from syncd.schedule import Scheduler
from syncd.service import make_client
from syncd.together import begin, ended, tell_failures
from syncd.watch import Watcher, WatchState
from syncd.web import Metrics, Server

log = get_logger(__name__)

THREADS = 2  # beside those of the sources: for jobs, comparisons and the configuration
_NAMED = 5  # documents that are named while the service drains
_REST_OF_COUNTING = 10.0  # times as long as a count of the documents took, there is none
_SAY_EVERY = 5.0  # seconds between two words on what is waited for


@dataclass(slots=True)
class Daemon:
    """The service.

    Args:
        config: the configuration to begin with.
        load: reads the configuration again; sets up logging so that the key is not written.
        ledger: open for writing.
        heart: tells systemd how it goes, and whether there is progress.
    """

    config: Config
    load: Callable[[], Config]
    ledger: Ledger
    heart: Heart
    metrics: Metrics = field(default_factory=Metrics)
    assembly: Assembly | None = None
    server: Server | None = None
    digest: Digest = field(default_factory=Digest)  # what persons were told; a reload does not make them hear it again
    refused: dict[str, Any] | None = None  # the configuration that was refused last, and why
    ended: bool = False
    _loaded_at: float = 0.0
    _started_at: float = 0.0
    _ledger_since: float = 0.0
    _left: ServerState = field(default_factory=ServerState)  # how the server was when the last assembly ended
    _figures: dict[str, int] = field(default_factory=dict)  # of the ledger, when it was last asked
    _http: Http | None = None  # what the status server was made of
    _reload: asyncio.Event = field(default_factory=asyncio.Event)
    _reloading: asyncio.Lock = field(default_factory=asyncio.Lock)
    _asked: list[int] = field(default_factory=list)  # requests that are answered when a new configuration is in force
    _hung_up: set[asyncio.Task[None]] = field(default_factory=set)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _keeping: asyncio.Future[None] | None = None
    _told: dict[str, Any] = field(default_factory=dict)
    _describing: asyncio.Task[None] | None = None
    _counting: asyncio.Task[None] | None = None
    _count_at: float = 0.0  # by the loop: not before

    # ------------------------------------------------------------ signals

    def stop(self) -> None:
        """Come to a safe point and end."""
        self._stop.set()

    async def reload(self) -> dict[str, Any]:
        """Read the configuration again; it is in force when what is under way has come to a safe point.

        systemd hears that the reload is over when the new configuration serves, or at once when it was refused.

        Raises:
            SyncdError: it cannot be used; the old one stays.
        """
        async with self._reloading:
            if self._stop.is_set():
                raise BusyError("the service is stopping", hint="it reads its configuration when it starts again")
            self.heart.reloading()
            try:
                config = await self.heart.in_thread(self.load)
                self._check(config)
                await self._listen(config.http)
            except SyncdError as error:
                self._refuse(error)
                self.heart.reloaded()
                raise
            self.config = config
            self._keeping = begin(self._keep())
            self.refused = None
            self._loaded_at = self._now()
            self.metrics.config_reload(True, self._loaded_at)
            log.info("config.reloaded", path=str(config.path), sources=len(config.sources))
            if self.assembly is not None:
                text = f"the configuration {config.path} is in force"
                over = Notice("recovery", "configuration", text, "", self._loaded_at, ends="config-refused")
                self.assembly.notifier.tell(over)
            self._reload.set()
            return {"message": f"{config.path} is read, and in force at the next safe point"}

    async def _keep(self) -> None:
        """For `syncd status` and its like while the file is wrong; a full disk does not keep a reload from its end."""
        text = keep(self.config)
        with suppress(SyncdError):
            await self.ledger.commit("kept", partial(requests.keep_configuration, text=text))

    def hang_up(self) -> None:
        """SIGHUP: as ``reload``; what is wrong is said and changes nothing."""
        task = begin(self._hang_up())
        self._hung_up.add(task)
        task.add_done_callback(self._hung_up.discard)

    async def _hang_up(self) -> None:
        try:
            await self.reload()
        except SyncdError:
            return  # it was said
        except Exception:
            log.exception("bug")
            self.heart.reloaded()

    def _check(self, config: Config) -> None:
        """What cannot change while the service runs, or could not be built."""
        if config.ledger.path != self.config.ledger.path:
            raise ConfigError(
                [f"{config.path}: [ledger] path cannot change while the service runs"],
                hint="restart the service to use another ledger",
            )
        make_client(config)

    def _refuse(self, error: SyncdError) -> None:
        now = self._now()
        problems = list(error.problems) if isinstance(error, ConfigError) else [error.message]
        self.refused = {"at": iso(now), "problems": problems}
        self.metrics.config_reload(False, now)
        log.error("config.refused", problems=problems, hint=error.hint)
        if self.assembly is not None:
            text = "a new configuration was refused, the old one stays: " + "; ".join(problems[:3])
            self.assembly.notifier.tell(Notice("config-refused", "configuration", text, error.hint, now))
        self.describe()

    async def _perform(self, runner: Runner, request: requests.Request) -> dict[str, Any] | None:
        """Carry out a request; whoever asked for a reload is answered when the new configuration is in force."""
        if request.kind != "reload":
            return await Answering(reload=self.reload).perform(runner, request)
        await self.reload()
        self._asked.append(request.id)
        return None

    async def _answer_reloads(self, config: Config) -> None:
        asked, self._asked = self._asked, []
        said = {"message": f"{config.path} is in force"}
        for number in asked:
            answer = partial(requests.answer, request=number, exit_code=0, values=said, now=self._now())
            await self.ledger.commit("answered", answer)
            log.info("request.done", kind="reload", exit_code=0)

    # ------------------------------------------------------------ life

    async def run(self) -> None:
        """Serve until ``stop`` was called.

        Raises:
            LedgerError: the ledger cannot be used any more.
            SyncdError: the status server cannot listen where it should.
        """
        points.install_from_environment()
        tell_failures()
        loop = asyncio.get_running_loop()
        threads = 0
        self._loaded_at = self._started_at = self._now()
        self.metrics.config_reload(True, self._loaded_at)
        log.info("service.started", version=__version__, config=str(self.config.path), ledger=str(self.ledger.path))
        with self.ledger.transaction("cleared") as conn:
            requests.clear_up(conn, self._now())
            requests.keep_configuration(conn, keep(self.config))
        self.ledger.serve()
        self.ledger.on_trouble = self._ledger_waits
        beating = begin(self.heart.beat(self.ledger, self._summary))
        try:
            await self._listen(self.config.http)
            while not self._stop.is_set():
                self._reload.clear()
                # A source whose disk hangs keeps its threads; the others have theirs.
                room = THREADS + PER_SOURCE * len(self.config.sources)
                if room > threads:
                    threads = room
                    loop.set_default_executor(ThreadPoolExecutor(room, thread_name_prefix="syncd"))
                async with self._assembled(self.config) as assembly:
                    await self._serve(assembly, beating)
        finally:
            self.ended = True
            await self._hush()
            rest = [
                beating,
                *self._hung_up,
                *(one for one in (self._describing, self._keeping, self._counting) if one is not None),
            ]
            await ended(*rest)
        # A full disk is no reason to end by an error: the next start clears up as well.
        with suppress(LedgerWaits), self.ledger.transaction("stopped") as conn:
            requests.clear_up(conn, self._now())
            requests.describe(conn, {"process": own_name(), "stopped_at": iso(self._now())})
        log.info("service.stopped")

    async def _serve(self, assembly: Assembly, beating: asyncio.Future[None]) -> None:
        """Run one assembly until a stop or a reload, then drain it.

        Raises:
            LedgerError: the ledger cannot be used any more: said by the runner, or by the heart.
        """
        running = begin(assembly.runner.run())
        waits = [begin(event.wait()) for event in (self._stop, self._reload)]
        self.heart.ready(self._summary())
        log.info("service.ready", sources=len(assembly.config.sources), listen=self.server and self.server.address)
        self.describe()
        try:
            await self._answer_reloads(assembly.config)
            ends: set[asyncio.Future[Any]] = {running, beating, *waits}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if beating.done():
                beating.result()
            if not running.done():
                assembly.runner.stop()
                await self._drain(assembly, running)
            if running.done() and not running.cancelled():
                running.result()
        finally:
            await ended(*(task for task in (running, *waits) if not task.done()))

    async def _drain(self, assembly: Assembly, running: asyncio.Future[None]) -> None:
        """Wait until what is under way has reached a safe point, and say what that is."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + assembly.config.service.drain
        while not running.done() and loop.time() < deadline:
            keys = assembly.engine.under_way()
            named = ", ".join(f"{key.source}/{key.path}" for key in keys[:_NAMED])
            more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
            waits = f"stopping: waits for {named}{more}" if keys else "stopping"
            stopping = self._stop.is_set()
            if stopping:
                self.heart.stopping(waits)
            if keys or stopping:
                log.info(
                    "service.stopping" if stopping else "service.reloading",
                    waits_for=len(keys),
                    documents=[f"{key.source}/{key.path}" for key in keys[:_NAMED]],
                )
            await asyncio.wait({running}, timeout=min(_SAY_EVERY, max(deadline - loop.time(), 0.0)))
        if not running.done():
            log.warning("service.cut", documents=len(assembly.engine.under_way()))

    @asynccontextmanager
    async def _assembled(self, config: Config) -> AsyncIterator[Assembly]:
        """Everything one configuration asks for, started; ended in reverse on the way out."""
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(make_client(config))
            engine = Engine(config, self.ledger, client, run=self.heart.in_thread)
            stack.callback(engine.close)
            notifier = Notifier(config.notify, healthy=self.healthy, digest=self.digest)
            hearing = Hearing(self.metrics, notifier.tell, self._to_page, self._now, self.describe)
            runner = Runner(engine, hearing, self._perform)
            runner.inherit(self._left)
            jobs = Jobs(config, runner, self.heart.in_thread)
            watcher = Watcher(
                config.sources, hints=runner.hints, changed=self._watch_changed, overflow=self.metrics.overflow
            )
            last = requests.last_fired(self.ledger.conn)
            scheduler = Scheduler(config.schedule, fire=jobs.fire, last=last)
            assembly = Assembly(config, engine, runner, watcher, scheduler, notifier)
            notifying = begin(notifier.run())
            stack.push_async_callback(_end, notifying, notifier.close)
            self.assembly = assembly
            self.metrics.under_way = lambda: len(engine.under_way())
            self.metrics.waiting = lambda: len(runner.looks)
            stack.callback(self._forget)
            self.heart.extend(30.0 * len(config.sources))
            for source in config.sources:
                self.metrics.watch(source.name, "off")
            stack.push_async_callback(watcher.stop)
            await watcher.start()
            scheduler.start()
            stack.callback(scheduler.stop)
            runner.look()
            yield assembly

    def _forget(self) -> None:
        if self.assembly is not None:
            self._left = self.assembly.runner.server
        self.assembly = None

    async def _listen(self, http: Http) -> None:
        """Have the status server as configured; one that is as it should be lives on.

        Raises:
            BusyError, ConfigError: it cannot listen there; the one that listens elsewhere goes on.
        """
        if http == self._http:
            return
        ports = {http.listen, http.health_listen} - {""}
        if self._http is not None and ports & {self._http.listen, self._http.health_listen}:
            await self._hush()  # two cannot have one port
        fresh = None
        if ports:
            backend = Backend(self)
            self.metrics.conn = backend.conn
            self.metrics.oldest = lambda conn: quality.oldest_wait(conn, self._now())
            fresh = Server(
                http.listen,
                backend,
                self.metrics,
                token=http.token,
                allowed_hosts=http.allowed_hosts,
                health_listen=http.health_listen,
            )
            await fresh.start()
        await self._hush()
        self.server, self._http = fresh, http

    async def _hush(self) -> None:
        """End the status server, if there is one."""
        server, self.server, self._http = self.server, None, None
        if server is not None:
            await server.stop()

    # ------------------------------------------------------------ what it says of itself

    def _ledger_waits(self, trouble: LedgerWaits | None) -> None:
        """The ledger takes nothing for a while, or does again: told to everybody, and the work waits."""
        now = self._now()
        self.metrics.ledger(trouble is None)
        self._ledger_since = now
        if trouble is None:
            log.info("ledger.back")
            notice = Notice("recovery", "ledger", "the ledger can be written again", "", now, ends="outage")
        else:
            log.warning("ledger.waits", error=trouble.message, hint=trouble.hint)
            notice = Notice("outage", "ledger", trouble.message, trouble.hint, now)
        if self.assembly is not None:
            self.assembly.notifier.tell(notice)
        self.heart.status(self._summary())
        self.describe()

    def _ledger_said(self) -> dict[str, Any]:
        blocked = self.ledger.blocked
        damage = "" if self.assembly is None else self.assembly.runner.damage
        if damage:
            hint = "restore a backup, or end the service and move the file away: the next start rebuilds it"
            return {"state": "damaged", "message": damage, "hint": hint}
        if blocked is None:
            return {"state": "ok", "message": "", "hint": ""}
        return {
            "state": "trouble",
            "message": blocked.message,
            "hint": blocked.hint,
            "since": iso(self._ledger_since),
        }

    def _now(self) -> float:
        import time

        return time.time()

    def _to_page(self, event: dict[str, Any]) -> None:
        if self.server is not None:
            self.server.tell(event)

    def _watch_changed(self, source: str, state: WatchState) -> None:
        self.metrics.watch(source, state.mode)
        log.info("watch.mode", source=source, mode=state.mode, reason=state.reason, folders=state.folders)
        self.describe()

    def description(self) -> dict[str, Any]:
        """What `status` shows of the service; written into the ledger whenever it changes."""
        assembly = self.assembly
        said: dict[str, Any] = {
            "process": own_name(),
            "version": __version__,
            "started_at": iso(self._started_at),
            "config": {"path": str(self.config.path), "loaded_at": iso(self._loaded_at), "refused": self.refused},
            "listen": self.server.address if self.server is not None else "",
            "health": self.server.health_address if self.server is not None else "",
            "ledger": self._ledger_said(),
        }
        if assembly is None:
            return said
        return {**said, **assembly.description()}

    def healthy(self) -> bool:
        """Whether there is nothing that a person should hear of: asked before each dead-man ping."""
        assembly = self.assembly
        live, _ = self.heart.live()
        return live and self.ledger.blocked is None and assembly is not None and assembly.well()

    def describe(self) -> None:
        """Write the description soon; a burst of changes is written once."""
        if self.ended or (self._describing is not None and not self._describing.done()):
            return
        self._describing = begin(self._describe())

    async def _describe(self) -> None:
        while not self.ended:
            await asyncio.sleep(0.05)
            said = self.description()
            self.heart.status(self._summary())
            if said == self._told:
                return  # nothing has changed while the last one was written
            self._told = said
            await self.ledger.commit("described", partial(requests.describe, service=said), durable=False)

    def _summary(self) -> str:
        """One line for `systemctl status`."""
        assembly = self.assembly
        if assembly is None:
            return "starting"
        if self._stop.is_set():
            return "stopping"
        self._count()
        blocked, refused = self.ledger.blocked, "" if self.refused is None else str(self.refused["problems"][0])
        facts = replace(
            assembly.facts(self._figures, refused),
            damaged=assembly.runner.damage,
            ledger="" if blocked is None else blocked.message,
        )
        return headline(facts).line

    def _count(self) -> None:
        """Have the figures counted anew, in a thread: with 100 000 documents it takes longer than the loop may stand.

        Meanwhile those before are as good; when they have changed, it is said again.
        """
        loop = asyncio.get_running_loop()
        if self._counting is None and loop.time() >= self._count_at and not self.ended:
            self._counting = begin(self._counted())

    async def _counted(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        before = self._figures
        try:
            with suppress(SyncdError, sqlite3.Error):  # locked just now
                self._figures = await self.ledger.read(quality.at_a_glance)
        finally:
            self._counting = None
            self._count_at = loop.time() + _REST_OF_COUNTING * (loop.time() - began)
        if self._figures != before:
            self.heart.status(self._summary())


async def _end(task: asyncio.Future[None], close: Callable[[], Any]) -> None:
    await close()
    await ended(task)


async def serve(daemon: Daemon) -> None:
    """Run the daemon under its signals: SIGTERM and SIGINT drain, a second one ends at once, SIGHUP reloads."""
    from syncd.service import signals

    loop = asyncio.get_running_loop()

    def begin_to_end() -> None:
        ending.within(daemon.config.service.drain + ending.GRACE, EXIT_OK, why="the time for draining is over")

    async with signals(daemon.stop, first=begin_to_end):
        loop.add_signal_handler(signal.SIGHUP, daemon.hang_up)
        try:
            await daemon.run()
        finally:
            loop.remove_signal_handler(signal.SIGHUP)
