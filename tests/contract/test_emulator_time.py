"""Virtual time, determinism, several event loops, idleness."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from virtual_time import EPOCH, Bench

CHAOS = "reset:0.05,500:0.05,slow:3s:0.1,train_flaky:0.2,hang:0.02,lose_chunk:0.1"


async def story(bench: Bench) -> None:
    """Uploads, flips and deletes, several at a time, whatever goes wrong."""

    async def one(number: int) -> None:
        for edition in range(3):
            try:
                async with asyncio.timeout(20):
                    name = f"doc-{number}.md"
                    new = await bench.upload(name, f"# Document {number}\n\nedition {edition} " * 20, tags=["x"])
                    await bench.update(new, forbid=True)
                    await asyncio.sleep(3)
                    await bench.update(new, forbid=False)
                    await bench.search(f"document {number} edition {edition}")
            except Exception:  # the client of this story gives up on anything
                await asyncio.sleep(1)

    await asyncio.gather(*(one(number) for number in range(8)))
    await asyncio.sleep(2000)


def trace(seed: int) -> list[Any]:
    bench = Bench(seed=seed, chaos=CHAOS)
    bench.run(story)
    records = [(record.at, record.path, record.status, record.fault) for record in bench.emulator.requests]
    return [*bench.emulator.timeline, *records, bench.emulator.faults.struck, bench.emulator.snapshot()]


def test_the_same_seed_gives_the_same_trace() -> None:
    """Ids, times, order, faults and content depend on nothing but the seed."""
    first = trace(5)
    assert len(first) > 60
    assert first == trace(5)
    assert first != trace(6)


def test_time_stamps_come_from_the_clock() -> None:
    """createTime is the clock's time; training takes loop time."""

    async def scenario(bench: Bench) -> None:
        await asyncio.sleep(100)
        collection = await bench.upload("a.txt", "text")
        row = (await bench.listed())[0]
        assert row["createTime"] == "2023-11-14T22:15:00.000Z"
        await asyncio.sleep(0.29)
        assert bench.snap(collection)["status"] == "training"
        await asyncio.sleep(0.05)
        assert bench.snap(collection)["status"] == "trained"
        trained = bench.emulator.timeline[-1]
        assert (trained.event, round(trained.at - EPOCH, 3)) == ("trained", 100.32)

    Bench(training_seconds=0.3, chunk_seconds=0.02).run(scenario)


def test_workers_work_side_by_side() -> None:
    """Four workers train eight documents in two rounds."""

    async def scenario(bench: Bench) -> None:
        for number in range(8):
            await bench.upload(f"{number}.txt", f"text {number}")
        await bench.settle()
        times = [round(event.at - EPOCH, 3) for event in bench.emulator.timeline if event.event == "trained"]
        assert times == [10.0] * 4 + [20.0] * 4

    Bench(training_seconds=10, chunk_seconds=0, workers=4).run(scenario)


def test_an_idle_emulator_sets_no_timer() -> None:
    """With nothing to train nothing wakes the loop: waiting for an event that never comes is seen as a deadlock."""

    async def scenario(bench: Bench) -> None:
        await bench.upload("a.txt", "text")
        await bench.settle()
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="no timer is set"):
        Bench().run(scenario)


def test_one_emulator_in_several_loops() -> None:
    """Training that a closed loop left behind goes on in the next one."""
    bench = Bench(training_seconds=5)

    async def first(bench: Bench) -> str:
        return await bench.upload("a.txt", "left behind")

    async def second(bench: Bench) -> None:
        await bench.listed()
        await bench.settle()

    collection = bench.run(first)
    assert bench.snap(collection)["status"] == "training"
    bench.run(second)
    assert bench.snap(collection)["status"] == "trained"


def test_the_timeline_knows_what_is_visible() -> None:
    """created, hidden, shown, trained, updated and deleted are told in order, with the marker."""

    async def scenario(bench: Bench) -> None:
        collection = await bench.upload("a.txt", "text", collectionMetadata={"syncd": {"document": "d-1"}})
        await bench.update(collection, forbid=True)
        await bench.update(collection, forbid=True)
        await bench.settle()
        await bench.update(collection, forbid=False)
        await bench.update(collection, name="b.txt")
        await bench.http.post(f"core/dataset/collection/delete?id={collection}", json={})
        events = bench.emulator.timeline
        names = [event.event for event in events]
        assert names == ["created", "hidden", "trained", "shown", "updated", "deleted"]
        assert {event.collection_id for event in events} == {collection}
        assert {event.metadata["syncd"]["document"] for event in events} == {"d-1"}

    Bench().run(scenario)


def test_reset_empties_the_server() -> None:
    """After reset nothing is left but the keys; what was under way does not come back."""
    bench = Bench(training_seconds=5)

    async def scenario(bench: Bench) -> None:
        key = bench.emulator.global_key
        bench.emulator.faults.add("late_effect", seconds=20, after=1)
        await bench.upload("a.txt", "text")
        with pytest.raises(Exception):  # noqa: B017 - the dropped connection
            await bench.upload("b.txt", "text")
        bench.emulator.reset()
        await asyncio.sleep(60)
        assert (bench.emulator.snapshot(), bench.emulator.timeline, bench.emulator.requests) == ([], [], [])
        assert bench.emulator.global_key == key
        bench.dataset = await bench.ok("core/dataset/create", {"name": "k", "type": "dataset"})
        collection = await bench.upload("c.txt", "text")
        await bench.settle()
        assert bench.snap(collection)["status"] == "trained"

    bench.run(scenario)


def test_the_fastest_mode_trains_before_it_answers() -> None:
    """At once: no time passes and no turn of the loop is needed; ordered delays still hold for their document."""

    async def scenario(bench: Bench) -> None:
        bench.emulator.faults.add("train_slow", match="slow", seconds=30)
        collection = await bench.upload("a.md", "# A\n\n" + "Grease the pump. " * 200)
        assert (bench.snap(collection)["status"], len(bench.snap(collection)["texts"])) == ("trained", 3)
        late = await bench.upload("slow.md", "text")
        assert bench.snap(late)["status"] == "training"
        assert bench.loop is not None
        assert bench.loop.now == 0
        await asyncio.sleep(31)
        assert bench.snap(late)["status"] == "trained"

    Bench(at_once=True).run(scenario)
