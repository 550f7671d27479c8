"""`syncd run`: builds the service from the configuration, reloads it, drains and ends.

What one configuration makes of the service is an ``Assembly``; a reload ends it at safe points and builds the next one.
Ledger, status server and metrics live on: the ledger tells the new engine where the old one was.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from syncd import __version__, points
from syncd.answering import Answering
from syncd.backend import Backend
from syncd.config import Config
from syncd.engine import Engine
from syncd.errors import ConfigError
from syncd.hearing import Hearing
from syncd.heart import Heart
from syncd.jobs import Jobs
from syncd.ledger import Ledger, quality, requests
from syncd.ledger.store import own_name
from syncd.logs import get_logger
from syncd.notices import Notice, Notifier
from syncd.report.human import iso
from syncd.running import Runner
from syncd.schedule import Scheduler
from syncd.service import make_client
from syncd.watch import Watcher, WatchState
from syncd.web import Metrics, Server

log = get_logger(__name__)

THREADS = 2  # for scans, hashes and conversions; more only make each other wait
_NAMED = 5  # documents that are named while the service drains
_SAY_EVERY = 5.0  # seconds between two words on what is waited for


@dataclass(slots=True)
class Assembly:
    """What one configuration makes of the service."""

    config: Config
    engine: Engine
    runner: Runner
    watcher: Watcher
    scheduler: Scheduler
    notifier: Notifier


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
    refused: dict[str, Any] | None = None  # the configuration that was refused last, and why
    ended: bool = False
    _loaded_at: float = 0.0
    _started_at: float = 0.0
    _reload: asyncio.Event = field(default_factory=asyncio.Event)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _told: dict[str, Any] = field(default_factory=dict)
    _describing: asyncio.Task[None] | None = None

    # ------------------------------------------------------------ signals

    def stop(self) -> None:
        """Come to a safe point and end."""
        self._stop.set()

    def reload(self) -> dict[str, Any]:
        """Read the configuration again.

        Raises:
            ConfigError: it is wrong; the old one stays.
        """
        self.heart.reloading()
        try:
            config = self.load()
            if config.ledger.path != self.config.ledger.path:
                raise ConfigError(
                    [f"{config.path}: [ledger] path cannot change while the service runs"],
                    hint="restart the service to use another ledger",
                )
        except ConfigError as error:
            self._refuse(error)
            raise
        finally:
            self.heart.reloaded()
        self.config = config
        self.refused = None
        self._loaded_at = self._now()
        self.metrics.config_reload(True, self._loaded_at)
        log.info("config.reloaded", path=str(config.path), sources=len(config.sources))
        self._reload.set()
        return {"message": f"{config.path} is in force"}

    def hang_up(self) -> None:
        """SIGHUP: as ``reload``; what is wrong is said and changes nothing."""
        try:
            self.reload()
        except ConfigError:
            return

    def _refuse(self, error: ConfigError) -> None:
        now = self._now()
        self.refused = {"at": iso(now), "problems": list(error.problems)}
        self.metrics.config_reload(False, now)
        log.error("config.refused", problems=list(error.problems), hint=error.hint)
        if self.assembly is not None:
            text = "a new configuration was refused, the old one stays: " + "; ".join(error.problems[:3])
            self.assembly.notifier.tell(Notice("config-refused", "configuration", text, error.hint, now))
        self.describe()

    # ------------------------------------------------------------ life

    async def run(self) -> None:
        """Serve until ``stop`` was called.

        Raises:
            LedgerError: the ledger cannot be used any more.
            SyncdError: the status server cannot listen where it should.
        """
        points.install_from_environment()
        loop = asyncio.get_running_loop()
        pool = ThreadPoolExecutor(THREADS, thread_name_prefix="syncd")
        loop.set_default_executor(pool)
        self._loaded_at = self._started_at = self._now()
        self.metrics.config_reload(True, self._loaded_at)
        log.info("service.started", version=__version__, config=str(self.config.path), ledger=str(self.ledger.path))
        beating = asyncio.ensure_future(self.heart.beat(self.ledger, self._summary))
        try:
            while not self._stop.is_set():
                self._reload.clear()
                async with self._assembled(self.config) as assembly, self._listening(self.config):
                    await self._serve(assembly)
        finally:
            self.ended = True
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
            if self._describing is not None:
                await asyncio.gather(self._describing, return_exceptions=True)
            with_nobody = {"process": own_name(), "stopped_at": iso(self._now())}
            with self.ledger.transaction("stopped") as conn:
                requests.describe(conn, with_nobody)
            log.info("service.stopped")

    async def _serve(self, assembly: Assembly) -> None:
        """Run one assembly until a stop or a reload, then drain it."""
        running = asyncio.ensure_future(assembly.runner.run())
        waits = [asyncio.ensure_future(event.wait()) for event in (self._stop, self._reload)]
        self.heart.ready(self._summary())
        log.info("service.ready", sources=len(assembly.config.sources), listen=self.server and self.server.address)
        self.describe()
        try:
            await asyncio.wait({running, *waits}, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                assembly.runner.stop()
                await self._drain(assembly, running)
            if running.done() and not running.cancelled():
                running.result()
        finally:
            for task in (running, *waits):
                task.cancel()
            await asyncio.gather(running, *waits, return_exceptions=True)

    async def _drain(self, assembly: Assembly, running: asyncio.Future[None]) -> None:
        """Wait until what is under way has reached a safe point, and say what that is."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + assembly.config.service.drain
        while not running.done() and loop.time() < deadline:
            keys = assembly.engine.under_way()
            named = ", ".join(f"{key.source}/{key.path}" for key in keys[:_NAMED])
            more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
            waits = f"stopping: waits for {named}{more}" if keys else "stopping"
            if self._stop.is_set():
                self.heart.stopping(waits)
            log.info("service.stopping", waits_for=len(keys), documents=[f"{k.source}/{k.path}" for k in keys[:_NAMED]])
            await asyncio.wait({running}, timeout=min(_SAY_EVERY, max(deadline - loop.time(), 0.0)))
        if not running.done():
            log.warning("service.cut", documents=len(assembly.engine.under_way()))

    @asynccontextmanager
    async def _assembled(self, config: Config) -> AsyncIterator[Assembly]:
        """Everything one configuration asks for, started; ended in reverse on the way out."""
        answering = Answering(reload=self.reload)
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(make_client(config))
            engine = Engine(config, self.ledger, client, run=self.heart.in_thread)
            notifier = Notifier(config.notify, healthy=self.healthy)
            hearing = Hearing(self.metrics, notifier.tell, self._to_page, self._now, self.describe)
            runner = Runner(engine, hearing, answering.perform)
            jobs = Jobs(config, runner)
            watcher = Watcher(
                config.sources, hints=runner.hints, changed=self._watch_changed, overflow=self.metrics.overflow
            )
            last = requests.last_fired(self.ledger.conn)
            scheduler = Scheduler(config.schedule, fire=jobs.fire, last=last)
            assembly = Assembly(config, engine, runner, watcher, scheduler, notifier)
            notifying = asyncio.ensure_future(notifier.run())
            stack.push_async_callback(_end, notifying, notifier.close)
            self.assembly = assembly
            self.metrics.under_way = lambda: len(engine.under_way())
            self.metrics.waiting = lambda: len(runner.looks)
            stack.callback(self._forget)
            for source in config.sources:
                self.heart.extend(30.0)
                self.metrics.watch(source.name, "off")
            stack.push_async_callback(watcher.stop)
            await watcher.start()
            scheduler.start()
            stack.callback(scheduler.stop)
            runner.look()
            yield assembly

    def _forget(self) -> None:
        self.assembly = None

    @asynccontextmanager
    async def _listening(self, config: Config) -> AsyncIterator[None]:
        """The status server, if one is asked for."""
        http = config.http
        if not http.listen:
            yield
            return
        backend = Backend(self)
        self.metrics.conn = backend.conn
        self.metrics.oldest = lambda conn: quality.oldest_wait(conn, self._now())
        server = Server(http.listen, backend, self.metrics, token=http.token, allowed_hosts=http.allowed_hosts)
        await server.start()
        self.server = server
        try:
            yield
        finally:
            self.server = None
            await server.stop()

    # ------------------------------------------------------------ what it says of itself

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
        }
        if assembly is None:
            return said
        server = assembly.runner.server
        return {
            **said,
            "watch": {
                name: {"mode": state.mode, "reason": state.reason} for name, state in assembly.watcher.states.items()
            },
            "server": {
                "state": "trouble" if server.message else "ok",
                "message": server.message,
                "hint": server.hint,
                "since": iso(server.since),
            },
            "next": {name: iso(at) for name, at in assembly.scheduler.next_times().items()},
            "schedule": assembly.scheduler.explain(),
            "troubles": dict(assembly.runner.troubles),
        }

    def healthy(self) -> bool:
        """Whether there is nothing that a person should hear of: asked before each dead-man ping."""
        assembly = self.assembly
        live, _ = self.heart.live()
        return live and assembly is not None and not assembly.runner.server.message and not assembly.runner.troubles

    def describe(self) -> None:
        """Write the description soon; a burst of changes is written once."""
        if self.ended or (self._describing is not None and not self._describing.done()):
            return
        self._describing = asyncio.ensure_future(self._describe())

    async def _describe(self) -> None:
        await asyncio.sleep(0.05)
        said = self.description()
        if said != self._told and not self.ended:
            self._told = said
            await self.ledger.commit("described", lambda db: requests.describe(db, said), durable=False)
        self.heart.status(self._summary())

    def _summary(self) -> str:
        """One line for `systemctl status`."""
        assembly = self.assembly
        if assembly is None:
            return "starting"
        runner = assembly.runner
        under_way = len(assembly.engine.under_way())
        if self._stop.is_set():
            return "stopping"
        if self.refused is not None:
            return f"runs on; a new configuration was refused: {self.refused['problems'][0]}"
        if runner.paused_since is not None:
            return "paused until `syncd resume`"
        if runner.server.message:
            return f"waits for the FastGPT server: {runner.server.message}"
        if runner.troubles:
            return next(iter(runner.troubles.values()))
        if under_way:
            return f"works on {under_way} document{'s' if under_way != 1 else ''}"
        sources = len(assembly.config.sources)
        return f"watches {sources} source{'s' if sources != 1 else ''}"


async def _end(task: asyncio.Future[None], close: Callable[[], Any]) -> None:
    await close()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def serve(daemon: Daemon) -> None:
    """Run the daemon under its signals: SIGTERM and SIGINT drain, a second one ends at once, SIGHUP reloads."""
    from syncd.service import signals

    loop = asyncio.get_running_loop()
    async with signals(daemon.stop):
        loop.add_signal_handler(signal.SIGHUP, daemon.hang_up)
        try:
            await daemon.run()
        finally:
            loop.remove_signal_handler(signal.SIGHUP)
