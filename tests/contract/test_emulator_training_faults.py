"""Training and searches that go wrong to order."""

from __future__ import annotations

import asyncio

import pytest
from virtual_time import Bench

TEXT = "\ufeff" + "\n\n".join(
    f"## Part {number}\n\nGauge G-{number} belongs to vessel {number * 7}, 压力容器编号第{number}号。" + " filler" * 60
    for number in range(12)
)
QUERY = "Gauge G-7 belongs to vessel 49"


async def amounts(bench: Bench, collection: str) -> tuple[int, int, bool | None]:
    row = next(row for row in await bench.listed() if row["_id"] == collection)
    return row["trainingAmount"], row["dataAmount"], row.get("hasError")


def test_stuck_training() -> None:
    """A stuck task stays for ever, until it is retried."""

    async def scenario(bench: Bench) -> None:
        bench.emulator.faults.add("train_stuck", match="stuck")
        stuck, fine = await bench.upload("stuck.md", TEXT), await bench.upload("fine.md", TEXT)
        await asyncio.sleep(100_000)
        assert await amounts(bench, stuck) == (1, 0, False)
        assert (await amounts(bench, fine))[0] == 0
        body = {"datasetId": bench.dataset, "collectionId": stuck}
        await bench.ok("core/dataset/training/updateTrainingData", body)
        await asyncio.sleep(60)
        assert (await amounts(bench, stuck))[0] == 0

    Bench().run(scenario)


def test_final_training_error() -> None:
    """A final error leaves one task with its message; the timeline says failed."""

    async def scenario(bench: Bench) -> None:
        bench.emulator.faults.add("train_error", message="the model is gone")
        collection = await bench.upload("a.md", TEXT)
        await asyncio.sleep(5)
        assert await amounts(bench, collection) == (1, 0, True)
        body = {"collectionId": collection, "offset": 0, "pageSize": 10}
        errors = await bench.ok("core/dataset/training/getTrainingError", body)
        assert [row["errorMsg"] for row in errors["list"]] == ["the model is gone"]
        assert bench.snap(collection)["status"] == "error"
        assert [event.event for event in bench.emulator.timeline] == ["created", "failed"]

    Bench().run(scenario)


def test_embedding_errors_heal() -> None:
    """A failed embedding shows hasError while it is retried, then succeeds."""

    async def scenario(bench: Bench) -> None:
        bench.emulator.faults.add("train_flaky", n=1)
        collection = await bench.upload("a.txt", "short text")
        await asyncio.sleep(5)
        assert await amounts(bench, collection) == (1, 0, True)
        await asyncio.sleep(200)
        assert (await amounts(bench, collection))[:2] == (0, 1)

    Bench().run(scenario)


def test_a_blank_chunk_fails_in_the_end() -> None:
    """A blank file's chunk is tried five times, three minutes apart; then its error is final."""

    async def scenario(bench: Bench) -> None:
        collection = await bench.upload("blank.txt", " \n \n")
        await asyncio.sleep(5)
        assert bench.snap(collection)["status"] == "training"
        await asyncio.sleep(900)
        assert bench.snap(collection)["status"] == "error"

    Bench().run(scenario)


def test_slow_training() -> None:
    """Slow training takes its seconds of loop time."""

    async def scenario(bench: Bench) -> None:
        bench.emulator.faults.add("train_slow", seconds=300)
        collection = await bench.upload("a.txt", "text")
        await asyncio.sleep(299)
        assert bench.snap(collection)["status"] == "training"
        await asyncio.sleep(5)
        assert bench.snap(collection)["status"] == "trained"

    Bench().run(scenario)


@pytest.mark.parametrize("kind", ["garble", "truncate", "lose_chunk", "empty_parse"])
def test_content_that_suffers(kind: str) -> None:
    """Garbled, cut, incomplete and empty content is trained without any error."""

    async def scenario(bench: Bench) -> None:
        bench.emulator.faults.add(kind, match="bad")
        good, bad = await bench.upload("good.md", TEXT), await bench.upload("bad.md", TEXT)
        await bench.settle()
        whole, rest = "".join(bench.snap(good)["texts"]), "".join(bench.snap(bad)["texts"])
        assert bench.snap(bad)["status"] == "trained"
        assert bench.snap(bad)["bytes_sha256"] == bench.snap(good)["bytes_sha256"]
        assert all(f"第{number}号" in whole for number in range(12))
        assert not all(f"第{number}号" in rest for number in range(12))
        assert (rest == "") is (kind == "empty_parse")

    Bench().run(scenario)


def test_a_collection_that_vanishes() -> None:
    """The collection is gone once it was trained."""

    async def scenario(bench: Bench) -> None:
        bench.emulator.faults.add("vanish")
        await bench.upload("a.txt", "text")
        await bench.settle()
        assert bench.emulator.snapshot() == []
        assert [event.event for event in bench.emulator.timeline] == ["created", "trained", "deleted"]

    Bench().run(scenario)


async def two(bench: Bench) -> tuple[str, str]:
    """A trained document and another about the same."""
    one, other = await bench.upload("one.md", TEXT), await bench.upload("other.md", "Gauge G-7 is spare. vessel")
    await bench.settle()
    return one, other


def test_search_drop() -> None:
    """A dropped collection is never found, others are; after clear it is back."""

    async def scenario(bench: Bench) -> None:
        one, other = await two(bench)
        bench.emulator.faults.add("search_drop", match="one.md")
        for mode in ("embedding", "fullTextRecall", "mixedRecall"):
            found = await bench.search(QUERY, mode)
            assert other in found
            assert one not in found
        bench.emulator.faults.clear()
        assert (await bench.search(QUERY))[0] == one

    Bench().run(scenario)


def test_search_delay() -> None:
    """A delayed collection is found from the n-th search on, or after some seconds."""

    async def scenario(bench: Bench) -> None:
        one, _ = await two(bench)
        bench.emulator.faults.add("search_delay", match="one.md", n=3)
        assert [one in await bench.search(QUERY) for _ in range(4)] == [False, False, True, True]
        bench.emulator.faults.clear()
        bench.emulator.faults.add("search_delay", match="one.md", seconds=20)
        assert one not in await bench.search(QUERY)
        await asyncio.sleep(19)
        assert one not in await bench.search(QUERY)
        await asyncio.sleep(2)
        assert one in await bench.search(QUERY)

    Bench().run(scenario)


def test_search_outrank() -> None:
    """An outranked collection is found by full text but not by embedding; or it comes last."""

    async def scenario(bench: Bench) -> None:
        one, _ = await two(bench)
        bench.emulator.faults.add("search_outrank", match="one.md")
        assert one not in await bench.search(QUERY, "embedding")
        assert one in await bench.search(QUERY, "fullTextRecall")
        bench.emulator.faults.clear()
        bench.emulator.faults.add("search_outrank", match="one.md", where="below")
        found = await bench.search(QUERY, "embedding")
        assert found[0] != one
        assert found[-1] == one

    Bench().run(scenario)


def test_search_old() -> None:
    """The hidden version is found and the visible one is not."""

    async def scenario(bench: Bench) -> None:
        old = await bench.upload("doc.md", "Gauge G-7 belongs to vessel 49, first edition")
        new = await bench.upload("doc.md", "Gauge G-7 belongs to vessel 49, second edition")
        await bench.settle()
        await bench.update(old, forbid=True)
        assert await bench.search(QUERY) == [new]
        bench.emulator.faults.add("search_old")
        assert await bench.search(QUERY) == [old]

    Bench().run(scenario)


def test_search_empty_and_error() -> None:
    """One search finds nothing, one fails; then all is well."""

    async def scenario(bench: Bench) -> None:
        await two(bench)
        bench.emulator.faults.add("search_empty")
        assert await bench.search(QUERY) == []
        bench.emulator.faults.add("search_500")
        response = await bench.post("core/dataset/searchTest", {"datasetId": bench.dataset, "text": QUERY})
        assert response.status_code == 500
        assert await bench.search(QUERY)

    Bench().run(scenario)


def test_the_limit_of_search_tests() -> None:
    """With ip_limit the searches of one second are counted, and the next second is free again."""

    async def scenario(bench: Bench) -> None:
        body = {"datasetId": bench.dataset, "text": "x"}
        codes = [(await bench.post("core/dataset/searchTest", body)).json()["code"] for _ in range(4)]
        assert codes == [200, 200, 200, 429]
        await asyncio.sleep(1)
        assert (await bench.post("core/dataset/searchTest", body)).json()["code"] == 200

    Bench(ip_limit=3).run(scenario)
