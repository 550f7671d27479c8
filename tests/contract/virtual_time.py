"""An event loop whose clock jumps to the next timer, and an emulator inside it."""

from __future__ import annotations

import asyncio
import json
import selectors
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import httpx

from syncd.emulator import ConnectionDropped, Emulator, EmulatorOptions

EPOCH = 1_700_000_000.0


class _JumpingSelector(selectors.SelectSelector):
    """Never waits: it moves the clock instead."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        events = super().select(0)
        if events:
            return events
        if timeout is None:
            raise RuntimeError("everything waits and no timer is set")
        self.loop.now += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """``time()`` is virtual; a loop with nothing to do and no timer is an error."""

    def __init__(self) -> None:
        self.now = 0.0
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self.now


class Bench:
    """An emulator and a client in virtual time."""

    def __init__(self, **options: Any) -> None:
        self.loop: VirtualLoop | None = None
        self.emulator = Emulator(EmulatorOptions(**options), clock=self.clock)
        self.dataset = ""

    def clock(self) -> float:
        return EPOCH + (self.loop.now if self.loop else 0.0)

    def run(self, scenario: Callable[[Bench], Coroutine[Any, Any, Any]]) -> Any:
        """Run a scenario in a loop of its own."""
        self.loop = VirtualLoop()
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:  # type: ignore[arg-type,return-value]
            return runner.run(self._with_client(scenario))

    async def _with_client(self, scenario: Callable[[Bench], Coroutine[Any, Any, Any]]) -> Any:
        transport = httpx.ASGITransport(app=self.emulator.asgi)  # type: ignore[arg-type]
        headers = {"Authorization": f"Bearer {self.emulator.global_key}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://fastgpt/api/", headers=headers) as http:
            self.http = http
            while not self.dataset:
                await self._create_dataset()
            return await scenario(self)

    async def _create_dataset(self) -> None:
        """Make the dataset; chaos may strike this request too."""
        body = {"name": "kb", "type": "dataset", "intro": "", "avatar": ""}
        with suppress(ConnectionDropped, TimeoutError, AssertionError):
            async with asyncio.timeout(30):
                self.dataset = await self.ok("core/dataset/create", body)

    async def post(self, path: str, body: Any = None) -> httpx.Response:
        return await self.http.post(path, json={} if body is None else body)

    async def ok(self, path: str, body: Any = None) -> Any:
        response = await self.post(path, body)
        assert (response.status_code, response.json()["code"]) == (200, 200), response.text
        return response.json()["data"]

    async def send(self, name: str, text: str, **more: Any) -> httpx.Response:
        files = {"file": (name, text.encode(), "text/plain")}
        data = {"data": json.dumps({"datasetId": self.dataset, **more})}
        return await self.http.post("core/dataset/collection/create/localFile", files=files, data=data)

    async def upload(self, name: str, text: str, **more: Any) -> str:
        response = await self.send(name, text, **more)
        return str(response.json()["data"]["collectionId"])

    async def listed(self) -> list[dict[str, Any]]:
        body = {"datasetId": self.dataset, "pageSize": 100}
        return list((await self.ok("core/dataset/collection/listV2", body))["list"])

    async def search(self, text: str, mode: str = "mixedRecall") -> list[str]:
        body = {"datasetId": self.dataset, "text": text, "searchMode": mode, "limit": 20000}
        return [row["collectionId"] for row in (await self.ok("core/dataset/searchTest", body))["list"]]

    async def update(self, collection: str, **values: Any) -> None:
        await self.ok("core/dataset/collection/update", {"id": collection, **values})

    def snap(self, collection: str) -> dict[str, Any]:
        """One collection of the snapshot."""
        return next(item for item in self.emulator.snapshot() if item["id"] == collection)

    async def settle(self) -> None:
        """Let all training end."""
        for _ in range(10_000):
            if all(item["status"] != "training" for item in self.emulator.snapshot()):
                return
            await asyncio.sleep(0.5)
        raise AssertionError("training does not end")
