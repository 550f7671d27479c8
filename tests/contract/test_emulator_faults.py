"""Ordered faults of requests: what the client sees, and whether the effect took place."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from contract_target import start_emulator, stop_emulator
from virtual_time import Bench

from syncd.emulator import ConnectionDropped, EmulatorOptions
from syncd.emulator.faults import parse_chaos

LIST = "core/dataset/collection/listV2"


def amount(bench: Bench) -> int:
    return len(bench.emulator.snapshot())


@pytest.mark.parametrize(("kind", "effect"), [("timeout_before", 0), ("timeout_after", 1)])
def test_timeouts(kind: str, effect: int) -> None:
    """A time-out before the effect leaves nothing, one after it leaves the collection."""

    async def scenario(bench: Bench) -> None:
        bench.emulator.faults.add(kind)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await bench.send("a.txt", "text")
        assert amount(bench) == effect
        assert (await bench.send("b.txt", "text")).status_code == 200
        assert amount(bench) == effect + 1
        assert [record.fault for record in bench.emulator.requests][-2:] == [kind, None]

    Bench().run(scenario)


def test_hangs_are_bounded() -> None:
    """A client without a time-out is cut off after ten minutes of loop time."""

    async def scenario(bench: Bench) -> None:
        bench.emulator.faults.add("timeout_before")
        with pytest.raises(ConnectionDropped):
            await bench.send("a.txt", "text")
        assert bench.loop is not None
        assert 600 <= bench.loop.now < 601

    Bench().run(scenario)


@pytest.mark.parametrize(("kind", "effect"), [("reset_before", 0), ("reset_after", 1), ("reset_mid", 1)])
def test_resets(kind: str, effect: int) -> None:
    """In one process a reset is ConnectionDropped out of the application, before or after the effect."""

    async def scenario(bench: Bench) -> None:
        bench.emulator.faults.add(kind)
        with pytest.raises(ConnectionDropped):
            await bench.send("a.txt", "text")
        assert amount(bench) == effect

    Bench().run(scenario)


def test_answers_in_the_servers_place() -> None:
    """Faults that answer for the server have no effect on it."""

    async def scenario(bench: Bench) -> None:
        async def answer(kind: str, **params: object) -> tuple[int, object, httpx.Response]:
            bench.emulator.faults.add(kind, **params)  # type: ignore[arg-type]
            response = await bench.send("a.txt", "text")
            is_json = response.headers["content-type"].startswith("application/json")
            return response.status_code, response.json() if is_json else None, response

        status, body, response = await answer("rate_limit")
        assert (status, body["code"], "retry-after" in response.headers) == (429, 429, False)  # type: ignore[index]
        status, body, response = await answer("rate_limit", retry_after=7)
        assert response.headers["retry-after"] == "7"
        status, body, _ = await answer("error_500")
        assert (status, body["code"], body["statusText"]) == (500, 500, "error")  # type: ignore[index]
        status, body, _ = await answer("html_502")
        assert (status, body) == (502, None)
        status, body, _ = await answer("code_200", code=501002, statusText="unExistDataset")
        assert (status, body["code"], body["statusText"]) == (200, 501002, "unExistDataset")  # type: ignore[index]
        status, body, _ = await answer("key_refused")
        assert (status, body["code"]) == (500, 514)  # type: ignore[index]
        status, body, _ = await answer("quota")
        assert body["statusText"] == "aiPointsNotEnough"  # type: ignore[index]
        assert amount(bench) == 0

    Bench().run(scenario)


def test_answers_that_cannot_be_read() -> None:
    """Cut JSON and a wrong shape come after the effect."""

    async def scenario(bench: Bench) -> None:
        bench.emulator.faults.add("cut_json")
        response = await bench.send("a.txt", "text")
        with pytest.raises(json.JSONDecodeError):
            response.json()
        bench.emulator.faults.add("wrong_shape")
        response = await bench.send("b.txt", "text")
        assert response.json()["data"] == [[1]]
        assert amount(bench) == 2

    Bench().run(scenario)


def test_slow_answers() -> None:
    """A slow answer takes its seconds of loop time."""

    async def scenario(bench: Bench) -> None:
        bench.emulator.faults.add("slow", seconds=12)
        await bench.send("a.txt", "text")
        assert bench.loop is not None
        assert bench.loop.now >= 12

    Bench().run(scenario)


@pytest.mark.parametrize("then", ["reset", "hang"])
def test_late_effects(then: str) -> None:
    """The client gives up, and the upload takes effect later."""

    async def scenario(bench: Bench) -> None:
        bench.emulator.faults.add("late_effect", seconds=45, then=then)
        with pytest.raises((ConnectionDropped, TimeoutError)):
            async with asyncio.timeout(10):
                await bench.send("a.txt", "text")
        assert amount(bench) == 0
        await asyncio.sleep(30)
        assert amount(bench) == 0
        await asyncio.sleep(20)
        assert amount(bench) == 1

    Bench().run(scenario)


def test_stale_reads() -> None:
    """A stale listing shows the state of N seconds ago, detail the present."""

    async def scenario(bench: Bench) -> None:
        old = await bench.upload("old.txt", "old text")
        gone = await bench.upload("gone.txt", "gone text")
        await bench.settle()
        await asyncio.sleep(60)
        new = await bench.upload("new.txt", "new text")
        await bench.update(old, forbid=True)
        await bench.http.post(f"core/dataset/collection/delete?id={gone}", json={})
        bench.emulator.faults.add("stale_read", match="listV2", seconds=20)
        stale = {row["_id"]: row for row in await bench.listed()}
        assert set(stale) == {old, gone}
        assert "forbid" not in stale[old]
        assert stale[old]["dataAmount"] == 1
        assert {row["_id"]: row.get("forbid") for row in await bench.listed()} == {old: True, new: None}

    Bench().run(scenario)


def test_a_lagging_secondary() -> None:
    """With secondary_lag listings are always behind, detail and trainingDetail are not."""

    async def scenario(bench: Bench) -> None:
        collection = await bench.upload("a.txt", "text")
        assert await bench.listed() == []
        detail = await bench.http.get("core/dataset/collection/detail", params={"id": collection})
        assert detail.json()["data"]["name"] == "a.txt"
        await asyncio.sleep(2.5)
        assert [(row["trainingAmount"], row["dataAmount"]) for row in await bench.listed()] == [(1, 0)]
        await asyncio.sleep(2)
        assert [(row["trainingAmount"], row["dataAmount"]) for row in await bench.listed()] == [(0, 1)]

    Bench(secondary_lag=2.0, training_seconds=1.0).run(scenario)


def test_order_of_faults() -> None:
    """Faults strike in the order they were added, after the matches they let pass, as often as they should."""

    async def scenario(bench: Bench) -> None:
        faults = bench.emulator.faults
        faults.add("error_500", match="listV2", times=2, after=1)
        faults.add("html_502", match="GET")
        faults.add("quota", match="localFile", body="b.txt")
        codes = [(await bench.post(LIST, {"datasetId": bench.dataset})).status_code for _ in range(4)]
        assert codes == [200, 500, 500, 200]
        assert (await bench.http.get("core/dataset/detail", params={"id": bench.dataset})).status_code == 502
        assert (await bench.send("a.txt", "text")).status_code == 200
        assert (await bench.send("b.txt", "text")).status_code == 500
        assert faults.armed() == []
        faults.add("error_500", match="", times=-1)
        assert [(await bench.post(LIST)).status_code for _ in range(5)] == [500] * 5
        faults.clear("error_500")
        with pytest.raises(ValueError, match="unknown fault"):
            faults.add("nonsense")

    Bench().run(scenario)


def test_chaos_is_seeded() -> None:
    """The same seed strikes the same requests, another one others."""

    async def scenario(bench: Bench) -> list[int]:
        body = {"datasetId": bench.dataset}
        return [(await bench.post(LIST, body)).status_code for _ in range(200)]

    def run(seed: int) -> list[int]:
        return list(Bench(seed=seed, chaos="429:0.1,500:5%").run(scenario))

    first = run(1)
    assert first == run(1) != run(2)
    assert 8 <= first.count(429) <= 40
    assert 2 <= first.count(500) <= 25


@pytest.mark.parametrize("spec", ["nonsense:0.1", "429:2", "slow:fast", "search_drop:0.1"])
def test_bad_chaos_is_refused(spec: str) -> None:
    """A chaos specification that cannot be obeyed is an error, not a silent calm."""
    with pytest.raises(ValueError, match="chaos"):
        parse_chaos(spec)
    with pytest.raises(ValueError, match="compat"):
        EmulatorOptions(compat="4.13")


def test_the_wire() -> None:
    """Over TCP a reset is a dropped connection; faults, requests, snapshot and timeline are reachable by HTTP."""
    process, greeting = start_emulator("--training-seconds", "0")
    base = greeting["base_url"]
    admin = base.removesuffix("/api") + "/__emulator__"
    try:
        with httpx.Client(headers={"Authorization": f"Bearer {greeting['global_key']}"}, timeout=10) as http:
            create = {"name": "kb", "type": "dataset", "intro": "", "avatar": ""}
            for kind in ("reset_before", "reset_after", "reset_mid"):
                assert http.post(f"{admin}/faults", json={"kind": kind, "match": "dataset/create"}).status_code == 200
                with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
                    http.post(f"{base}/core/dataset/create", json=create)
            http.post(f"{admin}/faults", json={"kind": "timeout_before", "match": "dataset/list"})
            with pytest.raises(httpx.ReadTimeout):
                http.post(f"{base}/core/dataset/list", json={}, timeout=0.3)
            names = [row["name"] for row in http.post(f"{base}/core/dataset/list", json={}).json()["data"]]
            assert names == ["kb", "kb"]
            dataset = http.post(f"{base}/core/dataset/list", json={}).json()["data"][0]["_id"]
            body = {"datasetId": dataset, "name": "v", "type": "virtual"}
            http.post(f"{base}/core/dataset/collection/create", json=body)
            assert [item["name"] for item in http.get(f"{admin}/snapshot").json()] == ["v"]
            assert [item["event"] for item in http.get(f"{admin}/timeline").json()] == ["created"]
            assert http.get(f"{admin}/requests").json()[0]["fault"] == "reset_before"
            assert http.get(f"{admin}/faults").json()["armed"] == []
            assert http.post(f"{admin}/faults", json={"kind": "nonsense"}).status_code == 400
            assert http.post(f"{admin}/reset").status_code == 200
            assert http.post(f"{base}/core/dataset/list", json={}).json()["data"] == []
            assert http.get(f"{admin}/nope").status_code == 404
    finally:
        assert stop_emulator(process) == 0
