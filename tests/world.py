"""A whole world in one process: a folder, an emulated server, an engine, and a clock that never waits.

The event loop's time jumps to the next timer whenever nothing else can run, so thirty seconds of waiting cost nothing
and every run of the same seed is the same run.
"""

from __future__ import annotations

import asyncio
import os
import selectors
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from syncd import points
from syncd.config import Config, FastGPT, Http, LedgerConfig, Schedule, Source
from syncd.config import Secret
from syncd.emulator import ConnectionDropped, Emulator, EmulatorOptions
from syncd.engine import Engine, Outcome
from syncd.fastgpt.client import Client
from syncd.ledger import Ledger, records
from syncd.models import DeletePolicy
from syncd.progress import Progress

T = TypeVar("T")
EPOCH = 1_800_000_000.0  # the wall clock when a world's loop shows 0


class _Selector(selectors.DefaultSelector):  # type: ignore[misc,valid-type]
    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(0)
        if events or timeout == 0:
            return events
        if timeout is None:
            raise RuntimeError("the world stands still: every task waits and no timer is set")
        self.loop.virtual += timeout
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps."""

    def __init__(self, start: float = 0.0) -> None:
        selector = _Selector()
        selector.loop = self
        self.virtual = start
        super().__init__(selector)

    def time(self) -> float:
        return self.virtual


class Crash(BaseException):
    """The process died here."""


class _Transport(httpx.ASGITransport):
    """The emulator in this process; a dropped connection looks as it would on a socket."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await super().handle_async_request(request)
        except ConnectionDropped as error:
            raise httpx.ReadError("connection reset", request=request) from error


@dataclass
class World:
    """One folder ``docs``, one ledger, one server.

    ``config`` may be changed between runs. Time goes on from run to run.
    """

    tmp: Path
    compat: str = "4.14"
    seed: int = 0
    emulator_options: dict[str, Any] = field(default_factory=dict)
    time: float = 0.0

    def __post_init__(self) -> None:
        self.root = self.tmp / "docs"
        self.root.mkdir(parents=True, exist_ok=True)
        self.emulator = Emulator(
            EmulatorOptions(compat=self.compat, seed=self.seed, **self.emulator_options), clock=self.now
        )
        self.loop: VirtualLoop | None = None
        self.ledger_path = self.tmp / "state" / "ledger.db"
        self.source = Source(
            name="docs",
            path=self.root,
            dataset="Handbook",
            settle=0.0,
            delete=DeletePolicy(max_count=50, max_percent=20.0, grace=86400.0),
        )
        self.sources: list[Source] | None = None
        self.fastgpt: dict[str, Any] = {"search_tests_per_second": 50.0}
        self.space = ""
        self.events: list[tuple[str, str, str]] = []

    # ------------------------------------------------------------ time and disk

    def now(self) -> float:
        """The wall clock."""
        return EPOCH + (self.loop.virtual if self.loop is not None else self.time)

    def sleep(self, seconds: float) -> None:
        """Let time pass between runs."""
        self.time += seconds

    def write(self, path: str, text: str | bytes, age: float = 10.0) -> Path:
        """Write a file that was last changed ``age`` seconds ago."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode() if isinstance(text, str) else text)
        stamp = self.now() - age
        os.utime(target, (stamp, stamp))
        return target

    def remove(self, path: str) -> None:
        """Delete a file."""
        (self.root / path).unlink()

    def rename(self, old: str, new: str) -> None:
        """Rename a file within the folder."""
        target = self.root / new
        target.parent.mkdir(parents=True, exist_ok=True)
        (self.root / old).rename(target)

    # ------------------------------------------------------------ running

    def config(self) -> Config:
        """The configuration of the next run."""
        return Config(
            path=self.tmp / "config.toml",
            fastgpt=FastGPT(
                base_url="http://emulator/api",
                api_key=Secret(self.emulator.global_key),
                api_key_origin="test",
                **self.fastgpt,
            ),
            ledger=LedgerConfig(path=self.ledger_path, space=self.space),
            schedule=Schedule(),
            http=Http(),
            sources=tuple(self.sources or [self.source]),
        )

    def run(self, body: Callable[[Engine], Coroutine[Any, Any, T]]) -> T:
        """Open ledger, client and engine, run ``body``, close everything."""
        loop = VirtualLoop(self.time)
        self.loop = loop
        try:
            return loop.run_until_complete(self._run(body))
        finally:
            with suppress(Crash):
                _finish(loop)
            self.time = loop.virtual
            self.loop = None
            loop.close()

    async def _run(self, body: Callable[[Engine], Coroutine[Any, Any, T]]) -> T:
        config = self.config()

        async def inline(function: Callable[..., Any], *args: Any) -> Any:
            return function(*args)

        ledger = Ledger(self.ledger_path)
        try:
            async with Client(
                config.fastgpt.base_url,
                config.fastgpt.api_key.reveal(),
                timeout=config.fastgpt.timeout,
                upload_timeout=config.fastgpt.upload_timeout,
                search_tests_per_second=config.fastgpt.search_tests_per_second,
                transport=_Transport(app=self.emulator.asgi),
            ) as client:
                progress = Progress(listener=lambda event, key, text: self.events.append((event, key.path, text)))
                return await body(Engine(config, ledger, client, now=self.now, run=inline, progress=progress))
        finally:
            ledger.close()

    def sync(self, **kwargs: Any) -> Outcome:
        """One ordinary pass."""
        return self.run(lambda engine: engine.sync(**kwargs))

    def crash_at(self, wanted: int) -> str | None:
        """One pass that dies at the ``wanted``-th named point; returns the point's name, or ``None`` if it lived."""
        passed = 0
        died = ""

        def hook(name: str) -> None:
            nonlocal passed, died
            passed += 1
            if passed >= wanted:
                died = died or name
                raise Crash(name)

        points.install(hook)
        try:
            self.sync()
        except BaseException as error:
            if not died:
                raise
            if isinstance(error, KeyboardInterrupt):
                raise
        finally:
            points.install(None)
        return died or None

    # ------------------------------------------------------------ looking

    def documents(self) -> dict[str, dict[str, Any]]:
        """What `ls` shows, by path."""
        ledger = Ledger(self.ledger_path, write=False)
        try:
            return {row["path"]: row for row in records.documents(ledger.conn)}
        finally:
            ledger.close()

    def states(self) -> dict[str, str]:
        """Path to state."""
        return {path: row["state"] for path, row in self.documents().items()}

    def visible(self) -> dict[str, str]:
        """Path below the source to the hash in its marker, for every visible collection of ours; doubles fail."""
        rows = self.emulator.snapshot()
        folders = {row["id"]: row for row in rows if row["type"] == "folder"}
        found: dict[str, str] = {}
        for row in rows:
            if row["type"] == "folder" or row["forbid"]:
                continue
            marker = (row["metadata"] or {}).get("syncd")
            if marker is None:
                continue
            path = row["name"]
            parent = row["parentId"]
            while parent:
                path = f"{folders[parent]['name']}/{path}"
                parent = folders[parent]["parentId"]
            assert path not in found, f"two visible versions of {path}"
            found[path] = marker["sha256"]
        return found

    def requests(self, part: str = "") -> list[Any]:
        """The requests the server saw, those whose path contains ``part``."""
        return [r for r in self.emulator.requests if part in r.path]


def _finish(loop: VirtualLoop) -> None:
    """Cancel what a crash left behind, as the end of a process would."""
    pending = asyncio.all_tasks(loop)
    for task in pending:
        task.cancel()
    if pending:
        loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
