"""Answers to order: any answer to any call, before or after the effect, for one document."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile

import pytest
from virtual_time import Bench

from syncd.emulator import EmulatorOptions
from syncd.emulator.orders import ANSWERS


@pytest.mark.parametrize("answer", sorted(ANSWERS))
@pytest.mark.parametrize("effect", ["before", "after"])
def test_every_answer_comes_with_and_without_the_effect(answer: str, effect: str) -> None:
    """An ordered answer replaces FastGPT's own; the upload took effect only when it was to come after."""

    async def scenario(bench: Bench) -> None:
        bench.emulator.faults.add("answer", answer=answer, effect=effect)
        response = await bench.send("a.txt", "text")
        assert response.status_code == int(next(word for word in answer.split("_") if word.isdigit()))
        assert b'"collectionId"' not in response.content
        assert [item["name"] for item in bench.emulator.snapshot()] == (["a.txt"] if effect == "after" else [])
        assert (await bench.send("b.txt", "text")).status_code == 200

    Bench().run(scenario)


def test_fastgpts_own_error_looks_like_its_others() -> None:
    """What breaks below FastGPT comes as its own JSON with HTTP 500 and the text that was thrown."""

    async def scenario(bench: Bench) -> None:
        bench.emulator.faults.add("answer", "core/dataset/list", answer="own_500_econnreset")
        response = await bench.post("core/dataset/list")
        assert response.json() == {"code": 500, "statusText": "error", "message": "read ECONNRESET", "data": None}

    Bench().run(scenario)


def test_the_effect_may_come_later() -> None:
    """A proxy gives up at once, and FastGPT finishes the upload seconds later."""

    async def scenario(bench: Bench) -> None:
        bench.emulator.faults.add("answer", answer="nginx_504", effect="late", seconds=40)
        assert (await bench.send("a.txt", "text")).status_code == 504
        assert bench.emulator.snapshot() == []
        await asyncio.sleep(41)
        assert len(bench.emulator.snapshot()) == 1

    Bench().run(scenario)


def test_an_answer_in_ones_own_words() -> None:
    """Status, text or JSON, and headers may be said instead of a name."""

    async def scenario(bench: Bench) -> None:
        bench.emulator.faults.add("answer", status=418, text="short", headers={"Retry-After": "3"}, effect="before")
        response = await bench.send("a.txt", "text")
        assert (response.status_code, response.text, response.headers["retry-after"]) == (418, "short", "3")
        bench.emulator.faults.add("answer", status=200, json={"code": 200, "data": None})
        assert (await bench.send("a.txt", "text")).json() == {"code": 200, "data": None}

    Bench().run(scenario)


def test_one_route_for_one_document_for_ever() -> None:
    """By its name a document is struck on every call that brings its id, its file or its mark; others pass."""

    async def scenario(bench: Bench) -> None:
        mark = {"syncd": {"path": "guide/a.md"}}
        first = await bench.upload("a.md", "one", collectionMetadata=mark)
        second = await bench.upload("b.md", "two", collectionMetadata={"syncd": {"path": "guide/b.md"}})
        await bench.settle()
        bench.emulator.faults.add("answer", "", answer="nginx_502", effect="before", name="guide/a.md", times=-1)

        async def statuses(collection: str, name: str) -> list[int]:
            data = json.dumps({"datasetId": bench.dataset, "collectionMetadata": {"syncd": {"path": f"guide/{name}"}}})
            upload = "core/dataset/collection/create/localFile"
            calls = [
                bench.post("core/dataset/collection/update", {"id": collection, "forbid": True}),
                bench.http.get("core/dataset/collection/detail", params={"id": collection}),
                bench.http.get("core/dataset/collection/trainingDetail", params={"collectionId": collection}),
                bench.post("core/dataset/data/v2/list", {"collectionId": collection, "pageSize": 30, "offset": 0}),
                bench.http.post(upload, files={"file": (name, b"x")}, data={"data": data}),
                bench.post("core/dataset/collection/delete", {"collectionIds": [collection]}),
            ]
            return [(await call).status_code for call in calls]

        for _ in range(3):
            assert await statuses(first, "a.md") == [502] * 6
        assert (await statuses(second, "b.md"))[:5] == [200] * 5
        listing = await bench.post("core/dataset/collection/listV2", {"datasetId": bench.dataset})
        assert listing.status_code == 200

    Bench().run(scenario)


def test_a_folder_that_cannot_be_made() -> None:
    """``$`` ends the line: the folder's route is struck, uploads into other places are not."""

    async def scenario(bench: Bench) -> None:
        bench.emulator.faults.add("answer", "collection/create$", answer="nginx_403", name="guide", times=-1)
        body = {"datasetId": bench.dataset, "type": "folder"}
        made = [await bench.post("core/dataset/collection/create", body | {"name": name}) for name in ("guide", "x")]
        assert [response.status_code for response in made] == [403, 200]
        assert (await bench.send("guide", "text")).status_code == 200

    Bench().run(scenario)


@pytest.mark.parametrize("order", [{"answer": "nonsense"}, {}, {"answer": "nginx_502", "effect": "never"}])
def test_orders_that_cannot_be_met_are_refused(order: dict[str, str]) -> None:
    """A misspelt order is an error, not a silent calm."""
    with pytest.raises(ValueError, match=r"answer|effect"):
        Bench().emulator.faults.add("answer", **order)  # type: ignore[arg-type]


@pytest.mark.parametrize(("stage", "seconds"), [("parse", 600), ("chunk", 180)])
def test_a_task_lost_by_a_crash_stays_locked(stage: str, seconds: int) -> None:
    """A worker that dies leaves its task locked: ten minutes for a parse, three for a vector; then it is done."""

    async def scenario(bench: Bench) -> None:
        bench.emulator.faults.add("task_lost", stage=stage)
        collection = await bench.upload("a.txt", "text")
        await asyncio.sleep(seconds - 5)
        detail = await bench.http.get("core/dataset/collection/trainingDetail", params={"collectionId": collection})
        counts = detail.json()["data"]
        assert (counts["trainingCounts"][stage], counts["errorCounts"][stage], counts["trainedCount"]) == (1, 0, 0)
        await asyncio.sleep(10)
        assert bench.snap(collection)["status"] == "trained"

    Bench().run(scenario)


def test_a_lost_task_outlives_its_event_loop() -> None:
    """The lock goes by the time of day: whoever comes back later finds the task taken up when its time is over."""
    bench = Bench()

    async def first(bench: Bench) -> str:
        bench.emulator.faults.add("task_lost")
        collection = await bench.upload("a.txt", "text")
        await asyncio.sleep(5)
        return collection

    async def second(bench: Bench) -> None:
        bench.emulator.resume()
        await asyncio.sleep(700)
        assert [item["status"] for item in bench.emulator.snapshot()] == ["trained"]

    bench.run(first)
    bench.run(second)


def test_a_server_on_which_nobody_has_logged_in() -> None:
    """No dataset can be made there, by nobody."""
    assert EmulatorOptions().logged_in
    bench = Bench(logged_in=False)

    async def scenario(bench: Bench) -> None:
        response = await bench.post("core/dataset/create", {"name": "x", "type": "dataset", "intro": "", "avatar": ""})
        assert (response.status_code, "currentSubLevel" in response.json()["message"]) == (500, True)

    bench.dataset = "none"
    bench.run(scenario)


@pytest.mark.parametrize(("stored", "status"), [(True, "trained"), (False, "error")])
def test_a_deck_may_fail_by_the_beginning_of_its_zip(stored: bool, status: str) -> None:
    """Where FastGPT's guess goes wrong, a deck fails unless its zip begins with a stored ``[Content_Types].xml``."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED) as deck:
        deck.writestr("[Content_Types].xml", "<Types/>")
        draw = "http://schemas.openxmlformats.org/drawingml/2006/main"
        deck.writestr("ppt/slides/slide1.xml", f'<p xmlns:a="{draw}"><a:p><a:r><a:t>Safety</a:t></a:r></a:p></p>')

    async def scenario(bench: Bench) -> None:
        bench.emulator.faults.add("zip_guess", times=-1)
        files = {"file": ("a.pptx", target.getvalue())}
        data = {"data": json.dumps({"datasetId": bench.dataset})}
        await bench.http.post("core/dataset/collection/create/localFile", files=files, data=data)
        await bench.settle()
        assert [item["status"] for item in bench.emulator.snapshot()] == [status]

    Bench().run(scenario)
