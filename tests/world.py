"""A whole world in one process: a folder, an emulated server, an engine, and a clock that never waits.

The event loop's time jumps to the next timer whenever nothing else can run, so thirty seconds of waiting cost nothing
and every run of the same seed is the same run.
"""

from __future__ import annotations

import asyncio
import json
import os
import unicodedata
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import httpx
from lineage import Memory
from world_parts import Between, Crash, Transport, VirtualLoop, finish

from syncd import points
from syncd.config import Config, FastGPT, Http, LedgerConfig, Schedule, Secret, Source
from syncd.emulator import Emulator, EmulatorOptions
from syncd.engine import Engine, Outcome
from syncd.fastgpt.client import Client
from syncd.ledger import Ledger, records
from syncd.models import DeletePolicy
from syncd.progress import Progress
from syncd.reader.asking import Here, Reader
from syncd.shards import Shard

T = TypeVar("T")
EPOCH = 1_800_000_000.0  # the wall clock when a world's loop shows 0


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
    skew: float = 0.0  # seconds by which the wall clock is wrong

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
        self.shard: Shard | None = None
        self.events: list[tuple[str, str, str]] = []
        self._hook: Callable[[str], None] | None = None
        self.between: Between | None = None  # somebody between us and the server
        self.reader: Reader | None = None  # who reads documents, if not this very process
        self.replaces = False  # for tests that run with and without an earlier version
        self.memory = Memory()  # of all ledgers this world has had

    # ------------------------------------------------------------ time and disk

    def now(self) -> float:
        """The wall clock."""
        return EPOCH + (self.loop.virtual if self.loop is not None else self.time) + self.skew

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

    def on_disk(self) -> dict[tuple[str, str], bytes]:
        """The files of all sources by (source, NFC path)."""
        found = {}
        for source in self.sources or [self.source]:
            for file in source.path.rglob("*"):
                if file.is_file():
                    relative = unicodedata.normalize("NFC", str(file.relative_to(source.path)))
                    found[source.name, relative] = file.read_bytes()
        return found

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
            shard=self.shard,
        )

    def delete_at_once(self) -> None:
        """No grace from now on."""
        self.source = replace(self.source, delete=DeletePolicy(grace=0.0))

    def lose_ledger(self) -> None:
        """Somebody deletes the ledger."""
        for file in self.ledger_path.parent.glob(self.ledger_path.name + "*"):
            file.unlink()

    def run(self, body: Callable[[Engine], Coroutine[Any, Any, T]]) -> T:
        """Open ledger, client and engine, run ``body``, close everything."""
        loop = VirtualLoop(self.time)
        self.loop = loop
        try:
            return loop.run_until_complete(self._run(body))
        finally:
            with suppress(Crash):
                finish(loop)
            self.time = loop.virtual
            self.loop = None
            loop.close()
            self._remember()

    def _remember(self) -> None:
        """Keep what the checks of the laws need, whatever becomes of the ledger."""
        self.memory.remember(self.ledger_path)

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
                uploads=config.fastgpt.uploads,
                search_tests_per_second=config.fastgpt.search_tests_per_second,
                transport=Transport(app=self.emulator.asgi, between=self.between),
            ) as client:
                progress = Progress(listener=lambda event, key, text: self.events.append((event, key.path, text)))
                engine = Engine(
                    config, ledger, client, now=self.now, run=inline, progress=progress, reader=self.reader or Here()
                )
                return await body(engine)
        finally:
            ledger.close()

    def sync(self, **kwargs: Any) -> Outcome:
        """One ordinary pass."""
        hook, self._hook = self._hook, None
        if hook is None:
            return self.run(lambda engine: engine.sync(**kwargs))
        points.install(hook)
        try:
            return self.run(lambda engine: engine.sync(**kwargs))
        finally:
            points.install(None)

    def during(self, endpoint: str, what: Callable[[], object], *, nth: int = 1, name: str = "") -> None:
        """Do something on the disk right after the ``nth`` answer of an endpoint, once; ``name`` says which upload."""
        del name
        left = nth

        def hook(point: str) -> None:
            nonlocal left
            if point == f"http.{endpoint}.after":
                left -= 1
                if left == 0:
                    what()

        self._hook = hook

    def outsider_upload(self, name: str, content: str, *, parent: str | None = None, **fields: Any) -> str:
        """Somebody else puts a file into the dataset; returns the collection's id."""
        dataset = next(row["datasetId"] for row in self.emulator.snapshot())
        data = {"datasetId": dataset, "parentId": parent, "trainingType": "chunk", **fields}
        files = {"file": (name, content.encode(), "text/markdown"), "data": (None, json.dumps(data))}
        return str(self.call("core/dataset/collection/create/localFile", files=files)["collectionId"])

    def call(self, route: str, *, method: str = "POST", wait: float = 5.0, **kwargs: Any) -> Any:
        """One request by somebody else; the server works on for ``wait`` seconds."""
        loop = VirtualLoop(self.time)
        self.loop = loop
        seen = len(self.emulator.requests)

        async def go() -> Any:
            async with httpx.AsyncClient(
                transport=Transport(app=self.emulator.asgi), base_url="http://emulator/api/"
            ) as client:
                headers = {"Authorization": f"Bearer {self.emulator.global_key}"}
                answer = await client.request(method, route, headers=headers, **kwargs)
                await asyncio.sleep(wait)
                return answer.json()["data"]

        try:
            return loop.run_until_complete(go())
        finally:
            del self.emulator.requests[seen:]  # these are not ours
            self.time = loop.virtual
            self.loop = None
            loop.close()

    def crash_at(self, wanted: int, point: str = "") -> str | None:
        """One pass that dies at the ``wanted``-th named point; returns the point's name, or ``None`` if it lived.

        With ``point`` only passages of that one count.
        """
        passed = 0
        died = ""

        def hook(name: str) -> None:
            nonlocal passed, died
            passed += point in ("", name)
            if died or passed >= wanted:
                died = died or name
                raise Crash(name)

        points.install(hook)
        try:
            self.run(lambda engine: engine.sync())
        except BaseException as error:
            if not died:
                raise
            if isinstance(error, KeyboardInterrupt):
                raise
        finally:
            points.install(None)
        return died or None

    def crash_on(self, point: str, nth: int = 1) -> str | None:
        """One pass that dies at the ``nth`` passage of a point."""
        return self.crash_at(nth, point)

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
