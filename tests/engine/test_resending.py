"""What was sent in an older way stays as it is until a person asks, and is then replaced without a gap (R1, R3)."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from laws import no_gap
from sqlite_utils import Database
from texts import text
from world import World

from syncd import outdated
from syncd.answering import Answering
from syncd.engine import Engine
from syncd.ledger import Ledger, requests, schema
from syncd.models import Training
from syncd.running import Listener, Runner
from syncd.sending import LOSES_HEADINGS, LOSES_TITLE, WAY

STATED = (("chunkSettingMode", "custom"), ("chunkSize", 600))
CUSTOM = Training("chunk", STATED, (("chunkSplitMode", "paragraph"),))


def long_text(name: str) -> str:
    """A text whose chunks would lose their title."""
    body = text(name, sentences=30).partition("\n")[2]
    return f"# Handbook of {name}\n\n## First part\n{body}\n## Second part\n\nThe end of {name}.\n"


def marked(world: World, way: int) -> None:
    """Have the ledger say that everything was sent in that way."""
    with closing(sqlite3.connect(world.ledger_path)) as conn:
        conn.execute("update revisions set sent_as = ?", (way,))
        conn.commit()


def older(world: World) -> outdated.Older:
    """What `syncd status` would say."""
    ledger = Ledger(world.ledger_path, write=False)
    try:
        return outdated.of_source(ledger.conn, world.source)
    finally:
        ledger.close()


def ask(world: World, per_minute: int | None = None) -> int:
    """What `syncd retry --outdated` does."""
    ledger = Ledger(world.ledger_path)
    try:
        return outdated.ask(ledger, [world.source], world.now(), per_minute)
    finally:
        ledger.close()


def uploads(world: World) -> int:
    """How many files were sent so far."""
    return len(world.requests("create/localFile"))


@pytest.fixture
def world(tmp_path: object) -> World:
    """Three long documents and a short one, verified, sent in the former way."""
    world = World(tmp_path)  # type: ignore[arg-type]
    for name in "abc":
        world.write(f"{name}.md", long_text(name))
    world.write("short.md", text("short"))
    assert world.sync().exit_code == 0
    marked(world, 1)
    return world


def test_the_way_is_recorded_with_what_is_sent(tmp_path: object) -> None:
    """Ledger and marker say how a document was sent, so that a lost ledger knows it, too."""
    world = World(tmp_path)  # type: ignore[arg-type]
    world.write("a.md", long_text("a"))
    world.sync()
    assert [WAY] == [row["metadata"]["syncd"]["sent_as"] for row in world.emulator.snapshot() if row["metadata"]]
    assert outdated.Older() == older(world)
    world.lose_ledger()
    world.sync()
    assert outdated.Older() == older(world)


@pytest.mark.parametrize("training", [Training(), CUSTOM], ids=["auto", "custom"])
def test_every_chunk_carries_the_title(tmp_path: object, training: Training) -> None:
    """However a text is cut, each chunk on the server stands under the document's title (R1, R3)."""
    world = World(tmp_path)  # type: ignore[arg-type]
    world.source = replace(world.source, training=training)
    world.write("a.md", long_text("a"))
    world.write("b.txt", "\ufeff" + long_text("b"))
    assert 0 == world.sync().exit_code
    for row in world.emulator.snapshot():
        assert len(row["texts"]) > 2
        assert [] == [chunk for chunk in row["texts"] if "# Handbook of" not in chunk]


def test_an_older_way_resends_nothing_by_itself(world: World) -> None:
    """After an upgrade unchanged files have no work, no request is sent, and it is said how many would gain."""
    before = len(world.emulator.requests)
    outcome = world.sync()
    assert (0, 4, before) == (outcome.exit_code, outcome.counts["unchanged"], len(world.emulator.requests))
    found = older(world)
    assert ({LOSES_TITLE: 3}, 0, True) == (found.reasons, found.asked, found.exact)
    assert "3 documents were sent in an older way: their chunks lose the title" == found.message


def test_a_person_has_them_sent_again(world: World) -> None:
    """Those who would gain are replaced through the ordinary flip, in today's way; the others stay."""
    stays = {row["id"] for row in world.emulator.snapshot() if row["name"] == "short.md"}
    assert 3 == ask(world)
    assert 3 == older(world).asked
    before = uploads(world)
    assert 3 == world.sync().counts["replaced"]
    assert before + 3 == uploads(world)
    no_gap(world)
    assert outdated.Older() == older(world)
    assert stays == {row["id"] for row in world.emulator.snapshot() if row["name"] == "short.md"}
    assert dict.fromkeys(("a.md", "b.md", "c.md", "short.md"), "verified") == world.states()
    requests = len(world.emulator.requests)
    assert 0 == ask(world)
    assert 0 == world.sync().exit_code
    assert requests == len(world.emulator.requests)


def test_at_a_rate(world: World) -> None:
    """So many are due at once and as many more in each minute; a pass takes those that are due."""
    assert 3 == ask(world, per_minute=1)
    replaced = []
    for _ in range(4):
        replaced.append(world.sync().counts["replaced"])
        world.sleep(61)
    assert [1, 1, 1, 0] == replaced


def test_an_edit_comes_first(world: World) -> None:
    """A document that is edited before its turn goes once, in today's way, and is not sent a second time."""
    ask(world, per_minute=1)
    world.write("c.md", long_text("c") + "\nA new last line about quinces.\n")
    world.sync()
    before = uploads(world)
    world.sleep(600)
    world.sync()
    assert before + 1 == uploads(world)  # b.md alone
    no_gap(world)


def test_what_cannot_be_sent_again_serves_on(world: World) -> None:
    """A re-sending that fails leaves the version that serves, and is not begun again by itself."""
    ask(world)
    world.source = replace(world.source, max_size=100)
    world.sync()
    shown = world.visible()
    assert {"a.md", "b.md", "c.md", "short.md"} == set(shown)
    before = len(world.emulator.requests)
    world.sync()
    assert before == len(world.emulator.requests)


def test_a_stated_size_implies_paragraphs_for_what_is_new_alone(world: World) -> None:
    """What an implied setting changes is no change of the settings: nothing is re-sent, new files get it (R3)."""
    world.source = replace(world.source, training=Training("chunk", STATED))
    world.sync()
    marked(world, 1)
    before = uploads(world)
    world.source = replace(world.source, training=CUSTOM)
    assert 0 == world.sync().exit_code
    assert before == uploads(world)
    assert {LOSES_HEADINGS: 4} == older(world).reasons
    world.write("new.md", text("new"))
    world.sync()
    assert before + 1 == uploads(world)
    assert {LOSES_HEADINGS: 4} == older(world).reasons
    assert 4 == ask(world)
    assert 4 == world.sync().counts["replaced"]


def as_of_schema_1(path: Path) -> None:
    """Turn a ledger into what the first version would have written."""
    old = path.with_name("old.db")
    with closing(sqlite3.connect(old, isolation_level=None)) as conn:
        conn.execute(f"attach '{path}' as new")
        schema.migrations.apply(Database(conn), stop_before="m002_service")
        conn.execute(f"pragma application_id = {schema.APPLICATION_ID}")
        conn.execute("pragma user_version = 1")
        tables = conn.execute(
            "select name from main.sqlite_master where type = 'table' and name not like '\\_%' escape '\\'"
        )
        for (table,) in tables.fetchall():
            common = conn.execute(
                "select group_concat(name) from pragma_table_info(?, 'main') where name in"
                " (select name from pragma_table_info(?, 'new'))",
                (table, table),
            ).fetchone()[0]
            if table != "runs":
                conn.execute(f"insert into main.{table} ({common}) select {common} from new.{table}")
    path.unlink()
    old.rename(path)


def test_a_ledger_of_schema_1_plans_nothing(world: World) -> None:
    """The upgrade of an older ledger gives unchanged files no work, and reading it before that needs no upgrade."""
    as_of_schema_1(world.ledger_path)
    assert {LOSES_TITLE: 3} == older(world).reasons
    before = len(world.emulator.requests)
    assert 0 == world.sync().exit_code
    assert before == len(world.emulator.requests)
    assert {LOSES_TITLE: 3} == older(world).reasons
    plan, _ = world.run(lambda engine: engine.plan())
    assert () == plan.actions


def test_the_service_does_so_many_a_minute(world: World) -> None:
    """Beside a service nothing has to be asked again: it looks when the next ones are due, and ends with the last."""
    replaced: list[int] = []

    async def nobody(_runner: Runner, _request: requests.Request) -> dict[str, Any]:
        return {}

    async def body(engine: Engine) -> None:
        runner = Runner(engine, Listener(), nobody)
        running = asyncio.ensure_future(runner.run())
        runner.look()
        await asyncio.sleep(20)
        answer = await Answering(reload=dict).act(runner, "retry", {"outdated": True, "per_minute": 1})  # type: ignore[arg-type]
        assert 3 == answer["count"]
        for _ in range(4):
            await asyncio.sleep(55)
            left = engine.ledger.conn.execute("select count(*) from revisions where resend_at is not null").fetchone()
            replaced.append(3 - left[0])
            await asyncio.sleep(5)
        runner.stop()
        await running

    world.run(body)
    assert [1, 2, 3, 3] == replaced
    assert outdated.Older() == older(world)
    no_gap(world)
