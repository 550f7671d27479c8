"""How long the event loop is held, with very many documents. Prints one JSON document.

    python tests/benchmarks/hold.py [SCENARIO ...] [--documents 100000] [--dir DIR]

Every callback of the loop is measured: what it took by the clock, and how much processor time of the loop's thread.
The longest of each scenario is told with where it stood when a second thread looked at it, every 10 ms. What is asked
of a real server is answered here at once, out of memory, in the same process; so the figures hold the client's own work
and that of a stand-in (about 0.1 ms a request).
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from noop import fill_ledger, make_tree
from quick_server import listed

from syncd import probes, verify
from syncd.answering import Answering
from syncd.config import Config, load
from syncd.engine import Engine
from syncd.fastgpt.client import Client
from syncd.heart import Heart
from syncd.jobs import Jobs
from syncd.ledger import Ledger, records, remote
from syncd.ledger.schema import SCHEMA_VERSION
from syncd.running import Listener, Runner
from syncd.systemd import Notifier

DATASET = "65f000000000000000000000"
OTHER = "65f000000000000000000001"
CONFIG = """version = 1
[fastgpt]
base_url = "http://127.0.0.1:9/api"
api_key = "fastgpt-benchmark"
search_tests_per_second = 1000
[ledger]
path = "{base}/state/ledger.db"
[[source]]
name = "docs"
path = "{base}/docs"
dataset = "{dataset}"
settle = "0s"
[source.delete]
max_count = {most}
max_percent = "100%"
"""


# ---------------------------------------------------------------- measuring


@dataclass
class Held:
    """One callback of the loop."""

    wall: float = 0.0
    cpu: float = 0.0
    where: str = ""


class Holds:
    """Measures every callback of the loop of this thread while it is installed."""

    def __init__(self) -> None:
        self.longest = Held()
        self.over = 0  # callbacks of more than 100 ms of processor time
        self._began: tuple[int, float] | None = None
        self._number = 0
        self._seen: Counter[str] = Counter()
        self._ends = threading.Event()
        self._of = threading.get_ident()

    def __enter__(self) -> Holds:
        run = self._run = asyncio.Handle._run

        def measured(handle: asyncio.Handle) -> None:
            if threading.get_ident() != self._of:
                run(handle)
                return
            self._number += 1
            self._seen = Counter()
            at, cpu = time.perf_counter(), time.thread_time()
            self._began = (self._number, at)
            try:
                run(handle)
            finally:
                self._began = None
                cpu, wall = time.thread_time() - cpu, time.perf_counter() - at
                self.over += cpu > 0.1
                if cpu > self.longest.cpu:
                    self.longest = Held(wall, cpu, "; ".join(name for name, _ in self._seen.most_common(2)))

        asyncio.Handle._run = measured  # type: ignore[method-assign]
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.Handle._run = self._run  # type: ignore[method-assign]
        self._ends.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._ends.wait(0.01):
            began = self._began
            if began is None or time.perf_counter() - began[1] < 0.02:
                continue
            frame = sys._current_frames().get(self._of)
            names: list[str] = []
            while frame is not None and len(names) < 3:
                name = frame.f_code.co_filename
                if "/syncd/" in name and "/benchmarks/" not in name:
                    names.append(f"{name.rpartition('/syncd/')[2]}:{frame.f_lineno}")
                frame = frame.f_back
            self._seen[" < ".join(names)] += 1


# ---------------------------------------------------------------- the server


@dataclass
class Server:
    """Answers out of memory; knows what a pass asks for."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    below: dict[str | None, list[dict[str, Any]]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    datasets: tuple[str, ...] = (DATASET,)

    def add(
        self, name: str, kind: str, parent: str | None, metadata: dict[str, Any], id_: str | None = None, **more: Any
    ) -> str:
        """One more collection."""
        number = id_ or f"{len(self.rows) + 1:024x}"
        row = listed(number, self.datasets[0], name, kind, parent, metadata) | more
        self.rows[number] = row
        self.below.setdefault(parent, []).append(row)
        return number

    async def handle(self, request: httpx.Request) -> httpx.Response:
        """One request; others may come in between, as over a wire."""
        await asyncio.sleep(0)
        route = request.url.path.rpartition("/core/dataset/")[2]
        self.asked[route] += 1
        try:
            data = self._answer(route, dict(request.url.params), request.content)
        except KeyError:
            return httpx.Response(
                500, json={"code": 500, "statusText": "error", "message": "collection not exist", "data": None}
            )
        return httpx.Response(200, json={"code": 200, "statusText": "", "message": "", "data": data})

    def _answer(self, route: str, query: dict[str, str], body: bytes) -> Any:
        match route:
            case "collection/create/localFile":
                return {"collectionId": self.add("x", "file", None, {})}
            case "collection/detail":
                return self.rows[query["id"]]
            case "collection/trainingDetail":
                none: dict[str, int] = {"parse": 0, "chunk": 0}
                counts = {"queuedCounts": none, "trainingCounts": none, "errorCounts": none, "trainedCount": 1}
                return {"trainingType": "chunk", **counts}
            case "detail":
                return self._dataset(query["id"])
            case "collection/delete":
                return None
        asked = json.loads(body) if body else {}
        match route:
            case "list":
                return [self._dataset(one) for one in self.datasets]
            case "collection/create":
                return self.add(asked["name"], "folder", asked.get("parentId"), {})
            case "collection/update":
                return None
            case "collection/listV2":
                found = self.below.get(asked.get("parentId"), [])
                first = asked["offset"]
                return {"list": found[first : first + asked["pageSize"]], "total": len(found)}
            case "data/v2/list":
                return {"list": [], "total": 0}
            case "searchTest":
                return {"list": []}
        raise KeyError(route)

    def _dataset(self, id_: str) -> dict[str, Any]:
        may = {"hasWritePer": True, "hasManagePer": True, "isOwner": True}
        return {"_id": id_, "name": id_, "type": "dataset", "permission": may}


# ---------------------------------------------------------------- the service


@dataclass
class Life:
    """One life of the service, as a scenario sees it."""

    config: Config
    ledger: Ledger
    engine: Engine
    runner: Runner
    heart: Heart
    server: Server
    holds: Holds

    async def until(self, what: Callable[[], Any], seconds: float = 300.0) -> None:
        """Wait for something."""
        deadline = time.monotonic() + seconds
        while not what():
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited in vain; asked: {dict(self.server.asked)}")
            await asyncio.sleep(0.05)

    async def rest(self) -> None:
        """Wait until no pass runs and none is due."""
        await asyncio.sleep(0.2)
        await self.until(lambda: not self.runner.busy and not self.runner.looks.whole_waits("docs", time.monotonic()))

    def count(self, sql: str) -> int:
        """What the ledger says; over a connection of its own."""
        with closing(sqlite3.connect(f"file:{self.ledger.path}?mode=ro", uri=True)) as conn:
            return int(conn.execute(sql).fetchone()[0] or 0)

    async def act(self, kind: str, **arguments: Any) -> dict[str, Any]:
        """What a person asks for."""
        return await Answering(reload=dict).act(self.runner, kind, arguments)  # type: ignore[arg-type]


@asynccontextmanager
async def life(config: Config, server: Server, holds: Holds) -> AsyncIterator[Life]:
    """The service, without its status page; stopped on the way out, which is measured as well."""
    ledger = Ledger(config.ledger.path)
    ledger.serve()
    heart = Heart(Notifier({}))
    try:
        async with Client(
            config.fastgpt.base_url,
            config.fastgpt.api_key.reveal(),
            search_tests_per_second=1000,
            transport=httpx.MockTransport(server.handle),
        ) as client:
            engine = Engine(config, ledger, client, run=heart.in_thread)
            runner = Runner(engine, Listener(), Answering(reload=dict).perform)  # type: ignore[arg-type]
            running = asyncio.ensure_future(runner.run())
            beating = asyncio.ensure_future(heart.beat(ledger, lambda: ""))
            try:
                yield Life(config, ledger, engine, runner, heart, server, holds)
            finally:
                runner.stop()
                await asyncio.wait({running}, timeout=30)
                running.cancel()
                await asyncio.wait({running})
                beating.cancel()
                with suppress(asyncio.CancelledError):
                    await beating
    finally:
        ledger.close()


# ---------------------------------------------------------------- scenarios


@dataclass
class Place:
    """Where a scenario has its folder, and a ledger in which every file is verified, to be copied."""

    base: Path
    documents: int

    def config(self, *, dataset: str = DATASET, most: int = 10_000_000) -> Config:
        """The configuration."""
        path = self.base / "config.toml"
        path.write_text(CONFIG.format(base=self.base, dataset=dataset, most=most))
        path.chmod(0o600)
        return load(path)

    def fresh(self) -> None:
        """No ledger."""
        shutil.rmtree(self.base / "state", ignore_errors=True)
        (self.base / "state").mkdir()

    def filled(self) -> None:
        """Everything is verified."""
        self.fresh()
        kept = self.base / "filled.db"
        if not kept.exists():
            self.config()
            fill_ledger(self.base / "config.toml")
            with closing(sqlite3.connect(self.base / "state" / "ledger.db")) as conn:
                conn.execute("pragma wal_checkpoint(truncate)")
                conn.execute("update revisions set sent_as = 2")
                _true_hashes(conn, self.base / "docs")
                conn.execute("update sources set adopted_at = 1, dataset_ref = ?, dataset_id = ?", (DATASET, DATASET))
                conn.execute("insert or replace into meta values ('shard', '')")
                conn.commit()
            shutil.copy(self.base / "state" / "ledger.db", kept)
        shutil.copy(kept, self.base / "state" / "ledger.db")

    def change(self, *statements: str) -> None:
        """Change the ledger before the service begins."""
        with closing(sqlite3.connect(self.base / "state" / "ledger.db")) as conn:
            for statement in statements:
                conn.execute(statement)
            conn.commit()

    def server(self) -> Server:
        """Has what the filled ledger knows, in folders as the disk has them."""
        server = Server()
        folders: dict[str, str] = {}
        with closing(sqlite3.connect(self.base / "state" / "ledger.db")) as conn:
            rows = conn.execute(
                "select d.path, d.uuid, r.id, r.collection_id, r.sha256, r.settings from revisions r"
                " join documents d on d.id = r.document where r.collection_id is not null"
            ).fetchall()
        for path, document, revision, collection, sha256, settings in rows:
            folder, _, name = path.rpartition("/")
            parent: str | None = None
            at = ""
            for part in filter(None, folder.split("/")):
                at = f"{at}/{part}"
                if at not in folders:
                    folders[at] = server.add(part, "folder", parent, {}, uuid.uuid4().hex[:24])
                parent = folders[at]
            server.add(name, "file", parent, {}, collection)
            server.rows[collection]["ours"] = (document, revision, path, sha256, settings)
        return server


def _true_hashes(conn: sqlite3.Connection, root: Path) -> None:
    rows = [
        (hashlib.sha256((root / path).read_bytes()).hexdigest(), id_)
        for id_, path in conn.execute("select id, path from documents").fetchall()
    ]
    conn.executemany("update documents set sha256 = ? where id = ?", rows)
    conn.executemany("update revisions set sha256 = ? where document = ?", rows)


Scenario = Callable[[Place, Holds], Awaitable[dict[str, Any]]]
SCENARIOS: dict[str, Scenario] = {}


def scenario(function: Scenario) -> Scenario:
    """Have it found by its name."""
    SCENARIOS[function.__name__] = function
    return function


@scenario
async def first(place: Place, holds: Holds) -> dict[str, Any]:
    """A first look: nothing is known of any file; until some are uploaded, and the stop."""
    place.fresh()
    async with life(place.config(), Server(), holds) as one:
        one.runner.look()
        await one.until(lambda: one.server.asked["collection/create/localFile"] > 40)
    return {}


@scenario
async def idle_look(place: Place, holds: Holds) -> dict[str, Any]:
    """A look at a source in which nothing changed."""
    place.filled()
    async with life(place.config(), place.server(), holds) as one:
        one.runner.look()
        await one.rest()
    return {}


@scenario
async def survey(place: Place, holds: Holds) -> dict[str, Any]:
    """The dataset is compared with the ledger."""
    place.filled()
    async with life(place.config(), place.server(), holds) as one:
        await one.ledger.commit("audit", remote.ask_for_survey)
        one.runner.look()
        await one.until(lambda: one.count("select count(*) from meta where key = 'survey_at'") == 0)
        await one.rest()
        return {"requests": dict(one.server.asked)}


@scenario
async def shown(place: Place, holds: Holds) -> dict[str, Any]:
    """The same, and somebody has hidden everything."""
    place.filled()
    server = place.server()
    for row in server.rows.values():
        row["forbid"] = row["type"] == "file"
    async with life(place.config(), server, holds) as one:
        await one.ledger.commit("audit", remote.ask_for_survey)
        one.runner.look()
        await one.until(lambda: one.server.asked["collection/detail"] > 1000)
    return {}


@scenario
async def adoption(place: Place, holds: Holds) -> dict[str, Any]:
    """The ledger is lost: what is on the server is taken in."""
    place.filled()
    server = place.server()
    config = place.config()
    state = None
    async with life(config, server, holds) as one:
        state = one.engine.sources["docs"]
    for row in server.rows.values():
        if "ours" in row:
            document, revision, path, sha256, settings = row.pop("ours")
            row["metadata"] = {
                "syncd": {
                    "v": 1,
                    "space": state.space,
                    "ledger": "0" * 8,
                    "source": "docs",
                    "path": path,
                    "document": document,
                    "revision": revision,
                    "attempt": uuid.uuid4().hex,
                    "sha256": sha256,
                    "settings": settings,
                }
            }
    place.fresh()
    async with life(config, server, holds) as one:
        one.runner.look()
        await one.until(lambda: one.count("select count(*) from events where event = 'adopted'") > 1000)
        return {"requests": dict(one.server.asked)}


@scenario
async def held(place: Place, holds: Holds) -> dict[str, Any]:
    """All files of most folders are gone: the firewall holds their deletions; the hold is released, and carried out."""
    place.filled()
    (place.base / "docs").rename(place.base / "aside")
    (place.base / "docs").mkdir()
    (place.base / "docs" / "one.md").write_text("# one\n\nleft\n")
    try:
        async with life(place.config(most=20), place.server(), holds) as one:
            one.runner.look()
            await one.until(lambda: one.count("select count(*) from holds") > 0)
            await one.rest()
            with one.ledger.transaction("shown") as conn:
                from syncd.ledger import releasing

                releasing.show(conn, records.holds(conn, "docs"), one.engine.now())
            looked, holds.longest = holds.longest, Held()
            await one.act("release", source="docs")
            released, holds.longest = holds.longest, Held()
            await one.until(lambda: one.count("select count(*) from events where event = 'retired'") > 200)
            carried, holds.longest = holds.longest, Held()
        ended = holds.longest
        holds.longest = max((looked, released, carried, ended), key=lambda h: h.cpu)
        names = ("looked", "released", "carried", "ended")
        return {n: vars(h) for n, h in zip(names, (looked, released, carried, ended), strict=True)}
    finally:
        shutil.rmtree(place.base / "docs")
        (place.base / "aside").rename(place.base / "docs")


@scenario
async def moved(place: Place, holds: Holds) -> dict[str, Any]:
    """Everything was put into another folder."""
    place.filled()
    (place.base / "docs").rename(place.base / "aside")
    (place.base / "docs").mkdir()
    (place.base / "aside").rename(place.base / "docs" / "all")
    try:
        async with life(place.config(), place.server(), holds) as one:
            one.runner.look()
            await one.until(lambda: one.count("select count(*) from events where event = 'moved'") > 200)
    finally:
        (place.base / "docs" / "all").rename(place.base / "aside")
        shutil.rmtree(place.base / "docs")
        (place.base / "aside").rename(place.base / "docs")
    return {}


@scenario
async def rebound(place: Place, holds: Holds) -> dict[str, Any]:
    """The configuration names another dataset."""
    place.filled()
    server = Server(datasets=(OTHER,))
    async with life(place.config(dataset=OTHER), server, holds) as one:
        one.runner.look()
        await one.until(lambda: one.server.asked["collection/create/localFile"] > 40)
    return {}


@scenario
async def retried(place: Place, holds: Holds) -> dict[str, Any]:
    """Everything was quarantined, and a person has all of it tried again."""
    place.filled()
    place.change(
        "update documents set quarantine = 'internal', quarantine_message = 'a fault', quarantine_sha256 = sha256,"
        " quarantine_settings = settings, quarantine_since = 1"
    )
    async with life(place.config(), place.server(), holds) as one:
        one.runner.look()
        await one.rest()
        await one.act("retry")
        await one.rest()
    return {}


@scenario
async def outdated(place: Place, holds: Holds) -> dict[str, Any]:
    """Everything was sent in an older way, and a person has had all of it sent again."""
    place.filled()
    place.change("update revisions set sent_as = 1, resend_at = 1")
    async with life(place.config(), place.server(), holds) as one:
        one.runner.look()
        await one.until(lambda: one.server.asked["collection/create/localFile"] > 40)
    return {}


@scenario
async def verifying(place: Place, holds: Holds) -> dict[str, Any]:
    """`verify` of everything; until some were searched for."""
    place.filled()
    async with life(place.config(), place.server(), holds) as one:
        work = asyncio.ensure_future(verify.verify(one.engine, everything=True))
        await one.until(lambda: one.server.asked["searchTest"] > 50 or work.done())
        work.cancel()
        with suppress(asyncio.CancelledError, BaseExceptionGroup):
            await work
    return {}


@scenario
async def maintenance(place: Place, holds: Holds) -> dict[str, Any]:
    """Two years of history are forgotten: ten events, five proofs with three probes, and two versions a document."""
    place.filled()
    old = "1000000"
    numbers = "with recursive n(i) as (select 1 union all select i + 1 from n where i < {})"
    place.change(
        f"{numbers.format(10)} insert into events (at, source, path, event) "
        f"select {old}, 'docs', path, 'verified' from documents, n",
        f"{numbers.format(5)} insert into proofs (revision, at, passed) select r.id, {old}, 1 from revisions r, n",
        f"{numbers.format(3)} insert into probe_results (proof, query, mode, verdict)"
        " select p.id, 'who keeps the lantern', 'mixedRecall', 'found' from proofs p, n",
        f"{numbers.format(2)} insert into revisions (id, document, sha256, settings, state, attempt, dataset_id,"
        " created_at, deleted_at) select lower(hex(randomblob(16))), document, sha256, settings, 'deleted', 'made-up',"
        f" dataset_id, {old}, {old} from revisions, n",
        f"{numbers.format(place.documents // 20)} insert into directories (source, path)"
        " select 'docs', cast('gone/' || i as blob) from n",
    )
    async with life(place.config(), place.server(), holds) as one:
        jobs = Jobs(one.config, one.runner, one.heart.in_thread)
        began = time.perf_counter()
        await jobs._maintain()
        took = time.perf_counter() - began
        return {"seconds": round(took, 1), "left": one.count("select count(*) from events")}


@scenario
async def controls(place: Place, holds: Holds) -> dict[str, Any]:
    """Whether search works at all is asked, where every document has its proofs."""
    place.filled()
    numbers = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 3)"
    place.change(
        "insert into proofs (revision, at, passed) select id, 1000000, 1 from revisions",
        f"{numbers} insert into probe_results (proof, query, mode, verdict)"
        " select p.id, 'who keeps the lantern', 'mixedRecall', 'found' from proofs p, n",
    )
    async with life(place.config(), place.server(), holds) as one:
        from syncd.ledger import entries

        row = one.ledger.conn.execute("select id from revisions limit 1").fetchone()
        revision = entries.revision(one.ledger.conn, row[0])
        assert revision is not None
        await one.engine.prover.control(revision)
    return {}


@scenario
async def burst(place: Place, holds: Holds) -> dict[str, Any]:
    """All files are heard of within a moment."""
    place.filled()
    async with life(place.config(), place.server(), holds) as one:
        one.runner.look()
        await one.rest()
        names = [str(path.relative_to(place.base / "docs")) for path in sorted((place.base / "docs").rglob("*.md"))]
        for start in range(0, len(names), 100):
            one.runner.hints("docs", frozenset(names[start : start + 100]))
            await asyncio.sleep(0)
        await one.rest()
    return {}


@scenario
async def emptied(place: Place, holds: Holds) -> dict[str, Any]:
    """Thousands of folders that were made on the server are empty."""
    place.filled()
    place.change(
        "insert into folders (source, path, dataset_id, collection_id, made, empty_since) select 'docs', 'gone/' ||"
        f" id, '{DATASET}', lower(hex(randomblob(12))), 1, 1 from directories limit 1000",
    )
    async with life(place.config(), place.server(), holds) as one:
        one.runner.look()
        await one.until(lambda: one.server.asked["collection/delete"] >= 20)
    return {}


def texts() -> dict[str, str]:
    """Large texts of all shapes, 4 MB each."""
    size = 4_000_000
    words = "the keeper of the lantern walks along the quay at dusk and counts boats "
    chinese = "灯塔看守人在黄昏时分沿着码头行走并且数着归来的渔船"
    table = "".join(f"| row {n} | {n * 7919} | {n % 13} boats |\n" for n in range(size // 30))
    return {
        "prose": "".join(f"Sentence {n}: {words}. " for n in range(size // 90)),
        "one line": (words * (size // len(words))),
        "one word": "a" * size,
        "letters and digits": "".join(f"{n:x}" for n in range(size // 5)),
        "table": table,
        "chinese": "".join(f"第{n}章{chinese}。" for n in range(size // 32)),
        "chinese, one line": chinese * (size // len(chinese)),
        "links": " ".join(f"https://example.org/{n}" for n in range(size // 26)),
        "links and brackets": "".join(f"[a{n}](http://e.org/{n})" for n in range(size // 24)),
        "front matter": "---\n" + "a: b\n" * (size // 5) + "---\nend\n",
        "numbers": " ".join(str(n) for n in range(size // 7)),
        "blank": " \n" * (size // 2) + "end",
        "pictures": "![](data:image/png;base64," + "A" * size + ")\n\nThe keeper of the lantern.",
        "quotes": '"' * size,
        "dots": "." * size,
        "tags": "<b>x</b>" * (size // 8),
        "fences": "```\ncode\n```\n" * (size // 13),
        "crlf": "a line of the log\r\n" * (size // 19),
    }


@scenario
async def probing(_place: Place, holds: Holds) -> dict[str, Any]:
    """Passages are chosen from large texts; processor seconds of each."""
    took: dict[str, float] = {}
    for name, text in texts().items():
        began = time.thread_time()
        probes.candidates(text, 5)
        probes.choose(text, 5)
        took[name] = round(time.thread_time() - began, 3)
    worst = max(took, key=lambda name: took[name])
    holds.longest = Held(took[worst], took[worst], f"probes, {worst}")
    return {"seconds": took}


# ---------------------------------------------------------------- running


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("scenarios", nargs="*", default=[])
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--dir", default=None)
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="syncd-bench-", dir=options.dir))
    results: dict[str, Any] = {}
    try:
        (base / "docs").mkdir()
        make_tree(base / "docs", options.documents)
        place = Place(base, options.documents)
        for name in options.scenarios or SCENARIOS:
            print(name, file=sys.stderr, flush=True)
            began = time.perf_counter()

            async def run(name: str = name) -> tuple[Holds, dict[str, Any]]:
                with Holds() as holds:
                    return holds, await SCENARIOS[name](place, holds)

            try:
                holds, more = asyncio.run(run())
            except Exception as error:
                results[name] = {"failed": f"{type(error).__name__}: {error}"}
                continue
            results[name] = {
                "cpu_ms": round(holds.longest.cpu * 1000, 1),
                "wall_ms": round(holds.longest.wall * 1000, 1),
                "where": holds.longest.where,
                "over_100_ms": holds.over,
                "seconds": round(time.perf_counter() - began, 1),
                **more,
            }
            print(json.dumps(results[name]), file=sys.stderr, flush=True)
        print(
            json.dumps(
                {
                    "benchmark": "hold",
                    "documents": options.documents,
                    "schema": SCHEMA_VERSION,
                    "load": os.getloadavg()[0],
                    "longest_hold": results,
                },
                indent=2,
            )
        )
    finally:
        shutil.rmtree(base, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
