"""The event loop is never held for long, however many documents there are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from holds import longest
from world import World

from syncd import decisions, tidy
from syncd.answering import Answering
from syncd.engine import Engine
from syncd.errors import ServerError
from syncd.fastgpt.client import Client
from syncd.fastgpt.models import CollectionRow
from syncd.jobs import Jobs
from syncd.ledger import Ledger, entries, moves, records, remote, requests
from syncd.models import CollectionId, DocumentKey, Hold, HoldReason
from syncd.running import Listener, Runner

MANY = 20_000
MOST = 0.1  # seconds; each of these took 0.2 to 6 before it was done beside the loop, in turns, or not at all
DATASET = "6" * 24
_NUMBERS = "with recursive n(i) as (select 0 union all select i + 1 from n where i < {most} - 1)"


def fill(path: Path, most: int = MANY) -> None:
    """A ledger in which so many documents are verified."""
    numbers = _NUMBERS.format(most=most)
    with closing(Ledger(path)) as ledger, ledger.transaction("fill") as db:
        db.execute(
            "insert into sources (name, dataset_ref, dataset_id, adopted_at) values ('docs', ?, ?, 1)",
            (DATASET, DATASET),
        )
        db.execute("insert into directories (id, source, path) values (1, 'docs', x'')")
        db.execute(
            f"{numbers} insert into documents (id, uuid, source, path, directory, disk_name, sha256, at_rest,"
            " first_seen_at) select i + 1, 'u' || i, 'docs', 'd' || i || '.md', 1, cast('d' || i || '.md' as blob),"
            " printf('%064x', i), 1, 1 from n"
        )
        db.execute(
            f"{numbers} insert into revisions (id, document, sha256, settings, state, attempt, dataset_id,"
            " collection_id, placed, visible, created_at, verified_at) select 'r' || i, i + 1, printf('%064x', i), '',"
            " 'verified', 'a' || i, ?, 'c' || i, 'd' || i || '.md', 1, 1, 1 from n",
            (DATASET,),
        )


class Unreachable(httpx.AsyncBaseTransport):
    """No server; tells when it is asked."""

    def __init__(self) -> None:
        self.asked: Callable[[], None] = lambda: None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked()
        raise httpx.ConnectError("refused", request=request)


class Life:
    """An engine and its runner on a loop of their own, with real threads."""

    def __init__(self, world: World, engine: Engine, server: Unreachable) -> None:
        self.engine = engine
        self.server = server
        self.ledger = engine.ledger
        self.runner = Runner(engine, Listener(), Answering(reload=dict).perform)  # type: ignore[arg-type]
        self.world = world

    async def act(self, kind: str, **given: Any) -> dict[str, Any]:
        """What a person asks for."""
        return await Answering(reload=dict).act(self.runner, kind, given)  # type: ignore[arg-type]


@asynccontextmanager
async def life(world: World, ledger: Ledger) -> Any:
    """The world's configuration in force."""
    config = world.config()
    ledger.serve()
    try:
        server = Unreachable()
        async with Client("http://127.0.0.1:9/api", "key", transport=server) as client:
            one = Life(world, Engine(config, ledger, client, now=world.now), server)
            yield one
            await one.runner.gate.close()
    finally:
        ledger.close()


def held(world: World, script: Callable[[Life], Awaitable[None]]) -> float:
    """Seconds of the longest hold; the ledger is opened, and checked, before anything waits for the loop."""
    ledger = Ledger(world.ledger_path)

    async def body() -> None:
        async with life(world, ledger) as one:
            await script(one)

    with longest() as found:
        asyncio.run(body())
    return found.seconds


def test_what_holds_the_loop_is_seen() -> None:
    """The measure itself: work on the loop counts, work in a thread and waiting do not."""

    def work() -> None:
        until = time.thread_time() + 0.2
        while time.thread_time() < until:
            pass

    async def on_the_loop() -> None:
        work()

    async def beside_it() -> None:
        await asyncio.gather(asyncio.to_thread(work), asyncio.sleep(0.3))

    with longest() as found:
        asyncio.run(on_the_loop())
    assert found.seconds >= 0.2
    with longest() as found:
        asyncio.run(beside_it())
    assert found.seconds < 0.1


def test_a_first_look_claims_its_documents_in_turns(world: World) -> None:
    """Thousands of new files: they are read, written down, planned and claimed, until the server is asked."""
    for number in range(0, MANY, 100):
        folder = world.root / f"f{number}"
        folder.mkdir()
        for name in range(100):
            (folder / f"{name}.md").write_bytes(b"# a\n")
    claimed: list[int] = []

    async def script(one: Life) -> None:
        gate = one.engine.gate(patience=0.0)
        one.server.asked = lambda: claimed.append(len(one.engine.claims))
        try:
            with pytest.raises(ServerError):
                await one.engine.run(gate, one.engine.progress, ["docs"])
        finally:
            await gate.close()

    assert held(world, script) < MOST
    assert claimed[:1] == [MANY]


class Listing:
    """Lists a dataset."""

    def __init__(self, rows: list[CollectionRow]) -> None:
        self.rows = rows

    async def walk_folder(self, dataset_id: str, folder_id: str | None, spend: Any) -> list[CollectionRow]:
        """What stands at its root."""
        await asyncio.sleep(0)
        return self.rows


def test_a_survey_of_what_is_known_asks_the_ledger_once(world: World) -> None:
    """What the listing and the ledger say of each collection is compared without a question for each."""
    fill(world.ledger_path)
    rows = [
        CollectionRow(
            id=CollectionId(f"c{n}"),
            parent_id=None,
            name=f"d{n}.md",
            type="file",
            forbid=False,
            training_amount=0,
            data_amount=1,
            has_error=False,
        )
        for n in range(MANY)
    ]

    async def script(one: Life) -> None:
        auditor = one.engine._shared.auditor
        auditor._client = Listing(rows)  # type: ignore[assignment]
        survey = await auditor.survey(DATASET, one.engine.sources.values())
        assert not survey.changed

    assert held(world, script) < MOST


def test_history_is_forgotten_beside_the_loop(world: World) -> None:
    """A ledger of years is pruned; others write in between."""
    fill(world.ledger_path)
    with closing(Ledger(world.ledger_path)) as ledger, ledger.transaction("fill") as db:
        db.execute("insert into events (at, source, path, event) select 1, source, path, 'verified' from documents")
        db.execute("insert into proofs (revision, at, passed) select id, 1, 1 from revisions, (values (1), (2), (3))")
        db.execute(
            "insert into revisions (id, document, sha256, settings, state, attempt, dataset_id, created_at, deleted_at)"
            " select 'x' || id, document, sha256, settings, 'deleted', 'b' || id, dataset_id, 1, 1 from revisions"
        )
        db.execute(
            f"{_NUMBERS.format(most=MANY)} insert into directories (source, path)"
            " select 'docs', cast('gone/' || i as blob) from n"
        )

    async def script(one: Life) -> None:
        await Jobs(one.engine.config, one.runner, one.engine.run_beside)._maintain()
        assert one.ledger.conn.execute("select count(*) from events").fetchone() == (0,)

    assert held(world, script) < MOST


def test_folders_that_were_emptied_are_found_in_one_look(world: World) -> None:
    """Which of hundreds of folders are used is not asked folder by folder."""
    fill(world.ledger_path)
    with closing(Ledger(world.ledger_path)) as ledger, ledger.transaction("fill") as db:
        db.execute(
            f"{_NUMBERS.format(most=300)} insert into folders (source, path, dataset_id, collection_id, made,"
            " empty_since) select 'docs', 'gone/' || i, ?, 'f' || i, 1, 1 from n",
            (DATASET,),
        )
        db.execute("insert into folders values ('docs', 'gone', ?, 'f', 1, 1)", (DATASET,))

    async def script(one: Life) -> None:
        assert await tidy.second_look_due(one.ledger, "docs", one.world.now())
        empty = {folder.path for folder in await tidy.due(one.ledger, "docs", one.world.now())}
        assert empty == {f"gone/{n}" for n in range(300)}
        await tidy.forget_first_looks(one.ledger, "docs")
        assert [f.path for f in remote.made_folders(one.ledger.conn, "docs") if f.empty_since is None] == ["gone"]

    assert held(world, script) < MOST


def test_all_of_it_is_tried_again_beside_the_loop(world: World) -> None:
    """A person has everything that was given up tried again, while the service serves."""
    fill(world.ledger_path)
    with closing(Ledger(world.ledger_path)) as ledger, ledger.transaction("fill") as db:
        db.execute("update documents set quarantine = 'internal', quarantine_since = 1")

    async def script(one: Life) -> None:
        assert (await one.act("retry"))["count"] == MANY
        assert one.ledger.conn.execute("select count(*) from documents where at_rest = 1").fetchone() == (0,)
        assert not records.in_trouble(one.ledger.conn, "docs")

    assert held(world, script) < MOST


def test_very_many_deletions_are_let_go_beside_the_loop(world: World) -> None:
    """A hold over everything is shown, and released."""
    fill(world.ledger_path)
    paths, revisions = ([f"{letter}{n}{end}" for n in range(MANY)] for letter, end in (("d", ".md"), ("r", "")))
    hold = Hold("docs", HoldReason.LIMIT, True, tuple(paths), 1.0, "so many", id="hold", revisions=tuple(revisions))
    with closing(Ledger(world.ledger_path)) as ledger, ledger.transaction("fill") as db:
        records.store_holds(db, "docs", [hold], 1.0)

    async def script(one: Life) -> None:
        released = await one.act("release", source="docs", hold="hold")
        assert len(released["paths"]) == MANY

    assert held(world, script) < MOST


def test_another_dataset_is_taken_beside_the_loop(world: World) -> None:
    """What stood in the former dataset is let go of in one transaction; who writes meanwhile waits for his turn."""
    fill(world.ledger_path)
    turns: list[str] = []

    async def script(one: Life) -> None:
        bind = partial(remote.bind_dataset, name="docs", reference="other", dataset_id="7" * 24)
        note = partial(requests.set_paused, since=1.0)
        async with asyncio.TaskGroup() as group:
            first = group.create_task(one.ledger.commit("bound", bind, beside=True))
            await asyncio.sleep(0)
            then = group.create_task(one.ledger.commit("fired", note))
            first.add_done_callback(lambda _: turns.append("bound"))
            then.add_done_callback(lambda _: turns.append("fired"))
        assert entries.one(one.ledger.conn, DocumentKey("docs", "d0.md")).serving is None  # type: ignore[union-attr]

    assert held(world, script) < MOST
    assert turns == ["bound", "fired"]


def test_a_folder_of_very_many_documents_is_moved_beside_the_loop(world: World) -> None:
    """All moves of a pass are one transaction (rule 33), and none that holds the loop."""
    fill(world.ledger_path)
    with closing(Ledger(world.ledger_path)) as ledger, ledger.transaction("fill") as db:
        db.execute(
            "insert into documents (id, uuid, source, path, directory, disk_name, first_seen_at)"
            " select id + 1000000, 'v' || id, 'docs', 'new/' || path, 1, disk_name, 1 from documents"
        )

    async def script(one: Life) -> None:
        known = await entries.of_paths(one.ledger, "docs", [f"d{n}.md" for n in range(MANY)])
        rows = [(entry.serving, entry.document_id + 1_000_000, entry.key) for entry in known.values()]
        relink: Any = partial(moves.relink, moves=rows, now=1.0)
        await one.ledger.commit("relink", relink, beside=True)
        assert one.ledger.conn.execute("select count(*) from documents where gone").fetchone() == (MANY,)

    assert held(world, script) < MOST


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger that serves a loop."""
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.serve()
    yield ledger
    ledger.close()


def test_moves_keep_their_order_around_one_that_is_written_beside(ledger: Ledger) -> None:
    """What comes before is written before, what comes after sees it; a failure undoes that move alone."""

    def put(text: str) -> Callable[[Any], None]:
        return lambda db: db.execute(
            "insert into meta values ('told', ?) on conflict (key) do update set value = value || excluded.value",
            (text,),
        )

    def fail(db: Any) -> None:
        put("x")(db)
        raise decisions.NotPossible("no")

    async def body() -> list[BaseException | None]:
        told = [
            ledger.commit("a", put("a")),
            ledger.commit("b", put("b"), beside=True),
            ledger.commit("c", put("c")),
            ledger.commit("d", fail, beside=True),
            ledger.commit("e", put("e"), beside=True),
            ledger.commit("f", put("f")),
        ]
        return await asyncio.gather(*told, return_exceptions=True)  # type: ignore[return-value]

    found = asyncio.run(body())
    assert [type(one).__name__ for one in found].count("NotPossible") == 1
    assert ledger.meta("told") == "abcef"
