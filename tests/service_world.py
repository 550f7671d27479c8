"""The service in one process: the real runner over a folder, an emulated server and a clock that jumps.

Requests and scans take a little (virtual) time, so that whatever may come in between does come in between. Everything
is drawn from the seed: the same seed is the same run, down to the last request.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import random
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import exercised
import httpx
from world import EPOCH, World
from world_parts import Crash, Transport, VirtualLoop, finish

from syncd import points
from syncd.answering import Answering
from syncd.engine import Engine, Outcome
from syncd.errors import ServerError
from syncd.fastgpt.client import Client
from syncd.ledger import Ledger, records, requests
from syncd.models import DocumentKey
from syncd.running import Listener, Runner

LONGEST = 40_000.0  # virtual seconds that one life may take to come to rest
_REQUEST = 0.02  # seconds that a request takes on the way there, and on the way back
_SCAN = 0.02  # seconds that a piece of work in a thread takes


class Ears(Listener):
    """Writes down what the runner tells."""

    def __init__(self, world: ServiceWorld) -> None:
        self.world = world
        self.troubles: list[ServerError | None] = []
        self.pauses: list[bool] = []
        self.passes: list[tuple[str, bool, dict[str, int]]] = []
        self.searchable_after: dict[str, float] = {}

    def event(self, event: str, key: DocumentKey, detail: str) -> None:
        self.world.events.append((event, key.path, detail))
        self.world.trace("event", event, key.source, key.path)
        if event in ("verified", "moved") and (self.world.folder_of(key.source) / key.path).is_file():
            self.world.proven[key.source, key.path] = self.world.now()

    def searchable(self, key: DocumentKey, seconds: float) -> None:
        self.searchable_after[key.path] = seconds

    def passed(self, sources: list[str], whole: bool, outcome: Outcome) -> None:
        self.passes.append((sources[0], whole, outcome.counts))

    def trouble(self, error: ServerError | None) -> None:
        self.troubles.append(error)
        self.world.trace("trouble", "" if error is None else error.code)

    def paused(self, paused: bool) -> None:
        self.pauses.append(paused)


class _Slow(Transport):
    """Requests take time on their way, and each is looked at when it has had its effect."""

    def __init__(self, world: ServiceWorld) -> None:
        super().__init__(app=world.emulator.asgi, between=world.between)
        self._world = world

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        world = self._world
        upload = request.url.path.endswith("localFile")
        await asyncio.sleep(world.dice.random() * _REQUEST)
        world.sending += upload
        world.most_sending = max(world.most_sending, world.sending)
        try:
            response = await super().handle_async_request(request)
            await asyncio.sleep(world.dice.random() * (0.2 if upload else _REQUEST))
        finally:
            world.sending -= upload
            world.looked()
        return response


class _Record(logging.Handler):
    """Collects the names of events."""

    def __init__(self, into: list[tuple[str, str]]) -> None:
        super().__init__(logging.DEBUG)
        self._into = into

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.msg, dict):
            self._into.append((str(record.msg.get("event")), str(record.msg)))
        else:
            text = record.getMessage()
            trace = f"\n{logging.Formatter().formatException(record.exc_info)}" if record.exc_info else ""
            self._into.append((text.split(" ", 1)[0], text + trace))


class Service:
    """One life of the service, as a script sees it."""

    def __init__(self, world: ServiceWorld, engine: Engine, runner: Runner, ears: Ears) -> None:
        self.world = world
        self.engine = engine
        self.runner = runner
        self.ears = ears

    # ------------------------------------------------------------ what a watcher does

    def hint(self, *paths: str, source: str = "docs") -> None:
        """An event about these paths; none at all: it is not known about which."""
        self.runner.hints(source, frozenset(paths) if paths else None)

    def save(self, path: str, text: str | bytes, *, hint: bool = True) -> None:
        """Save a file now, and have the watcher notice."""
        self.world.write(path, text, age=0.0)
        if hint:
            self.hint(path)

    def remove(self, path: str) -> None:
        """Delete a file, and have the watcher notice."""
        self.world.remove(path)
        self.hint(path)

    def rename(self, old: str, new: str) -> None:
        """Rename a file or a folder, and have the watcher notice."""
        self.world.rename(old, new)
        self.hint(old, new)

    # ------------------------------------------------------------ what a person does

    def post(self, kind: str, **arguments: Any) -> int:
        """Write a request as a command does."""
        with requests.mailbox(self.world.ledger_path) as conn:
            return requests.post(conn, kind, arguments, self.world.now())

    async def ask(self, kind: str, **arguments: Any) -> requests.Answer:
        """Write a request and wait for its answer."""
        number = self.post(kind, **arguments)
        with requests.mailbox(self.world.ledger_path) as conn:
            return await self.until(lambda: requests.answer_to(conn, number))

    # ------------------------------------------------------------ waiting

    async def until(self, what: Callable[[], Any], *, every: float = 0.05, limit: float = LONGEST) -> Any:
        """Wait for a condition; returns its value."""
        deadline = asyncio.get_running_loop().time() + limit
        while not (found := what()):
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError(f"waited for {limit:g} s in vain; under way: {self.engine.under_way()}")
            await asyncio.sleep(every)
        return found

    def at_rest(self) -> bool:
        """Whether nothing is under way and nothing is to be looked at, now or later, but for what was left before."""
        runner = self.runner
        looks, now = runner.looks, asyncio.get_running_loop().time()
        due = len(looks) or any(
            looks.whole_waits(name, None if name not in runner.left else now) for name in self.engine.sources
        )
        return not (due or runner.busy or runner.gate.closed)

    async def rest(self, limit: float = LONGEST) -> None:
        """Wait until the service is at rest."""
        await self.until(self.at_rest, every=0.5, limit=limit)

    async def point(self, name: str, nth: int = 1) -> None:
        """Wait until a named point has been passed ``nth`` more times."""
        await self.world.passing(name, nth)

    async def quiet(self) -> None:
        """Wait until the service is at rest and a look at everything finds nothing to do."""
        while True:
            await self.rest()
            sent = len(self.world.requests())
            self.runner.look()
            await self.rest()
            if len(self.world.requests()) == sent:
                return

    async def serves(self, path: str, content: str) -> None:
        """Wait until exactly this content is what is verified."""
        wanted = hashlib.sha256(content.encode()).hexdigest()
        sql = "select r.sha256 from revisions r join documents d on d.id = r.document where d.path = ? and r.state = ?"
        conn = self.engine.ledger.conn
        await self.until(lambda: conn.execute(sql, (path, "verified")).fetchone() == (wanted,), limit=3000.0)

    async def state(self, path: str, *states: str) -> None:
        """Wait until a document is in one of the states that `ls` shows."""

        def is_so() -> bool:
            rows = records.documents(self.engine.ledger.conn)
            return any(row["path"] == path and row["state"] in states for row in rows)

        await self.until(is_so, limit=1000.0)


class ServiceWorld(World):
    """A world whose engine runs as a service."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.dice = random.Random(f"service-{self.seed}")
        self.logged: list[tuple[str, str]] = []
        self.sending = 0
        self.most_sending = 0
        # Documents whose file has been there all the time since they were proven, and when that was.
        self.proven: dict[tuple[str, str], float] = {}
        self._seen_events = 0
        self._visible: set[str] = set()
        self._shown_once: set[str] = set()
        self._trace = hashlib.sha256()
        self.seen_points: list[str] | None = None  # filled with the names of points, for a test that wants them
        self.dies_here: Callable[[str], bool] | None = None  # asked at each point
        self.ends_at = 0.0  # for a script that wants to know how long the end takes
        self._waits: list[tuple[str, list[int], asyncio.Future[None]]] = []
        self.broken: list[str] = []  # laws that were seen broken, as they were

    # ------------------------------------------------------------ the trace

    def trace(self, *what: object) -> None:
        """One more thing happened."""
        self._trace.update(f"{self.now():.6f} {what}\n".encode())

    @property
    def trace_hash(self) -> str:
        """What happened so far, without what is drawn from outside (uuids)."""
        return self._trace.hexdigest()

    # ------------------------------------------------------------ the disk

    def folder_of(self, source: str) -> Path:
        """The root of a source."""
        return next(s.path for s in self.sources or [self.source] if s.name == source)

    def forget_proof(self, path: str, source: str = "docs") -> None:
        """A file is about to go: no version of it has to be visible from here on (law 1)."""
        for key in [key for key in self.proven if key[0] == source and (key[1] + "/").startswith(path + "/")]:
            del self.proven[key]

    def remove(self, path: str) -> None:
        """Delete a file."""
        self.forget_proof(path)
        super().remove(path)

    def rename(self, old: str, new: str) -> None:
        """Rename a file or a folder."""
        self.forget_proof(old)
        super().rename(old, new)

    # ------------------------------------------------------------ laws, looked at after each request

    def looked(self) -> None:
        """A request had its effect: look at what it did to what was proven."""
        timeline = self.emulator.timeline
        for record in self.emulator.requests[-1:]:
            self.trace("request", record.path, record.status)
        gone = False
        for event in timeline[self._seen_events :]:
            self.trace("server", event.event)
            match event.event:
                case "created":
                    self._visible.add(event.collection_id)
                case "shown":
                    self._visible.add(event.collection_id)
                    self._shown_once.add(event.collection_id)
                case "hidden" | "deleted":
                    self._visible.discard(event.collection_id)
                    gone = True
        self._seen_events = len(timeline)
        if gone:
            self._no_gap_now()
        exercised.add("service: requests looked at")

    def _no_gap_now(self) -> None:
        """Each document that was proven, and whose file has been there since, has a version that can be seen."""
        seen: set[tuple[str, str]] = set()
        with closing(sqlite3.connect(f"file:{self.ledger_path}?mode=ro", uri=True)) as conn:
            for source, path, collection_id in conn.execute(
                "select d.source, d.path, r.collection_id from revisions r join documents d on d.id = r.document"
                " where r.collection_id is not null"
            ):
                if collection_id in self._visible and collection_id in self._shown_once:
                    seen.add((source, path))
        for key in self.proven:
            if key not in seen:
                self.broken.append(f"a gap: {key[1]} cannot be seen at {self.now() - EPOCH:.3f}")

    def budget(self) -> None:
        """Never more vanished files were let go within the window than the firewall allows (law 4)."""
        for source in self.sources or [self.source]:
            with closing(sqlite3.connect(f"file:{self.ledger_path}?mode=ro", uri=True)) as conn:
                times = [
                    row[0]
                    for row in conn.execute(
                        "select at from deletions where source = ? and released = 0 order by at", (source.name,)
                    )
                ]
            window = source.delete.window
            for index, at in enumerate(times):
                used = sum(1 for other in times[: index + 1] if other > at - window)
                assert used <= source.delete.max_count, f"{used} deletions within the window of {source.name}"

    # ------------------------------------------------------------ a life

    def serve(
        self, script: Callable[[Service], Coroutine[Any, Any, None]], *, crash_at: int = 0, point: str = ""
    ) -> str | None:
        """One life of the service: from its start to the end of the script, or to a crash.

        Args:
            script: what happens meanwhile; when it is over the service is stopped.
            crash_at: die at this named point, counted from the start; 0 is never.
            point: count passages of this point only.

        Returns:
            The name of the point at which it died.
        """
        loop = VirtualLoop(self.time)
        loop.grain = 1e-9
        self.loop = loop
        died: list[str] = []
        passed = 0

        def hook(name: str) -> None:
            nonlocal passed
            if died:
                raise Crash(name)
            self._passed(name)
            passed += point in ("", name)
            if (crash_at and passed >= crash_at) or (self.dies_here is not None and self.dies_here(name)):
                died.append(name)
                loop.call_soon(end.set)
                raise Crash(name)

        end = asyncio.Event()
        points.install(hook)
        try:
            with self._listening():
                loop.run_until_complete(self._life(script, end))
        except Crash:
            assert died
        finally:
            with suppress(Crash):
                finish(loop)
            points.install(None)
            self.time = loop.virtual
            self.loop = None
            self._waits.clear()
            loop.close()
            self._remember()
        return died[0] if died else None

    async def _life(self, script: Callable[[Service], Coroutine[Any, Any, None]], end: asyncio.Event) -> None:
        config = self.config()
        ledger = Ledger(self.ledger_path)
        ledger.serve()
        try:
            async with Client(
                config.fastgpt.base_url,
                config.fastgpt.api_key.reveal(),
                timeout=config.fastgpt.timeout,
                upload_timeout=config.fastgpt.upload_timeout,
                uploads=config.fastgpt.uploads,
                search_tests_per_second=config.fastgpt.search_tests_per_second,
                transport=_Slow(self),
            ) as client:
                engine = Engine(config, ledger, client, now=self.now, run=self._in_thread)
                ears = Ears(self)
                runner = Runner(engine, ears, Answering(reload=dict).perform)
                service = Service(self, engine, runner, ears)
                running = asyncio.ensure_future(runner.run())
                runner.look()
                scripted = asyncio.ensure_future(script(service))
                ended = asyncio.ensure_future(end.wait())
                await asyncio.wait({running, scripted, ended}, return_when=asyncio.FIRST_COMPLETED)
                if end.is_set():
                    raise Crash
                if not running.done():
                    scripted.result()
                    runner.stop()
                    await asyncio.wait({running, ended}, return_when=asyncio.FIRST_COMPLETED)
                    if end.is_set():
                        raise Crash
                running.result()
                await scripted
        finally:
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)
            ledger.close()

    async def _in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        await asyncio.sleep(self.dice.random() * _SCAN)
        result = function(*args)
        await asyncio.sleep(self.dice.random() * _SCAN)
        return result

    @contextmanager
    def _listening(self) -> Iterator[None]:
        log, record = logging.getLogger("syncd"), _Record(self.logged)
        level, propagate = log.level, log.propagate
        log.addHandler(record)
        log.setLevel(logging.INFO)
        log.propagate = False
        try:
            yield
        finally:
            log.removeHandler(record)
            log.setLevel(level)
            log.propagate = propagate

    def times_logged(self, event: str) -> int:
        """How often an event was logged."""
        return sum(name == event for name, _ in self.logged)

    # ------------------------------------------------------------ named points

    def passing(self, name: str, nth: int = 1) -> Awaitable[None]:
        """Done at the ``nth`` passage of a point from now on."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waits.append((name, [nth], future))
        return future

    def _passed(self, name: str) -> None:
        if self.seen_points is not None:
            self.seen_points.append(name)
        for wanted, left, future in self._waits:
            if wanted == name and not future.done():
                left[0] -= 1
                if left[0] <= 0:
                    future.set_result(None)


def touch(path: str, at: float) -> None:
    """Set a file's time of modification."""
    os.utime(path, (at, at))


def each(text: Iterable[str]) -> str:
    """Lines of a report."""
    return "\n".join(text)
