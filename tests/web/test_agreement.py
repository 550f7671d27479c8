"""Page, metrics, quality and status tell the same story, whatever happened."""

from __future__ import annotations

import asyncio
import re
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

sys.path.insert(0, str(Path(__file__).parent.parent / "engine"))
from texts import text
from world import World

from syncd import standing, verify
from syncd.engine import Engine
from syncd.hearing import Hearing
from syncd.ledger import Ledger, quality
from syncd.running import Runner
from syncd.web import Metrics, page
from syncd.web.facts import Snapshot

VERDICTS = ("found", "shared", "outranked", "missing")


async def nobody(_runner: Runner, _request: Any) -> dict[str, Any]:
    return {}


def serve(world: World, script: Any) -> Metrics:
    """Run a service in this process for a while; returns what it has counted."""
    metrics = Metrics()

    async def body(engine: Engine) -> None:
        hearing = Hearing(metrics, lambda _n: None, lambda _e: None, world.now, lambda: None)
        runner = Runner(engine, hearing, nobody)
        running = asyncio.ensure_future(runner.run())
        try:
            runner.look()
            await script(runner)
        finally:
            runner.stop()
            await running

    world.run(body)
    return metrics


def counted(metrics: Metrics) -> dict[str, int]:
    """Probes by verdict, as Prometheus reads them."""
    found = dict.fromkeys(VERDICTS, 0)
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            if sample.name == "syncd_proofs_total":
                found[sample.labels["verdict"]] += int(sample.value)
    return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Documents of every fate: found, twins, outranked, missing."""
    world = World(tmp_path)
    world.source = replace(world.source, verify=replace(world.source.verify, probes=2))
    for name in ("one", "two", "hard", "lost"):
        world.write(f"{name}.md", text(name))
    world.write("twin.md", text("one"))
    world.emulator.faults.add("search_outrank", match="hard")
    return world


def test_the_three_agree(world: World) -> None:
    """After first proofs, failed ones, a sick search and proofs of the schedule all who count have the same figures."""

    async def script(runner: Runner) -> None:
        await asyncio.sleep(60)
        world.emulator.faults.add("search_drop", match="lost")
        world.write("lost.md", text("lost", 2))
        world.write("more.md", text("more"))
        runner.look()
        await asyncio.sleep(300)
        await verify.verify(runner.engine, gate=runner.gate, heard=runner.listener.proof)
        world.emulator.faults.add("search_empty", times=100_000)
        world.write("late.md", text("late"))
        runner.look()
        await asyncio.sleep(100)
        await verify.verify(runner.engine, gate=runner.gate, heard=runner.listener.proof)
        world.emulator.faults.clear()
        world.emulator.faults.add("search_drop", match="lost")
        runner.look()
        await asyncio.sleep(600)

    metrics = serve(world, script)

    with closing(Ledger(world.ledger_path, write=False)) as ledger:
        proofs = quality.by_day_and_source(ledger.conn, 0.0)
        status = standing.document(world.config(), ledger.conn, ledger.id, {"running": True})
        quarantined = quality.quarantined(ledger.conn, 10)
        recent = quality.recent(ledger.conn)
    (source,) = quality.added(proofs, "source")
    assert counted(metrics) == {verdict: source[verdict] for verdict in VERDICTS}
    assert source["missing"] >= 2 and source["outranked"] and source["shared"]
    assert ["lost.md"] == [row["path"] for row in quarantined]

    shown = page.render(
        Snapshot(world.now(), status, proofs, recent, quarantined), may_act=False, has_token=False, now=world.now()
    )
    flat = " ".join(re.sub(r"<[^>]*>", " ", str(shown)).split())
    good = source["found"] + source["shared"]
    percent = f"{min(round(100 * good / source['probes'], 1), 99.9):g}"
    assert f"{percent} % of {source['probes']} probes found" in flat
    assert "100 %" not in flat

    metrics.conn = lambda: Ledger(world.ledger_path, write=False).conn
    states = {
        sample.labels["state"]: int(sample.value)
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
        if sample.name == "syncd_documents"
    }
    assert states == status["sources"][0]["counts"]
    assert 1 == states["quarantined"]
