"""The client against the emulator in one process, in virtual time: one document's whole life in each dialect."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from virtual_loop import run

from syncd import errors
from syncd.emulator import ConnectionDropped, Emulator, EmulatorOptions
from syncd.fastgpt.client import Client
from syncd.fastgpt.models import TrainingDetail
from syncd.models import CollectionId, DatasetId, Marker, Training

TEXT = "\ufeff# 请假制度\n\n年假每年十五天，病假需要医生证明。\n\nThe zebra protocol is kept in the archive room.\n"
NAME = "请假 制度.md"
DIALECTS = ["4.12", "4.14", "4.16"]


class Wire(httpx.AsyncBaseTransport):
    """ASGI in the process, with a dropped connection looking as it does on a socket."""

    def __init__(self, emulator: Emulator) -> None:
        self._inner = httpx.ASGITransport(emulator.asgi)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._inner.handle_async_request(request)
        except ConnectionDropped as dropped:
            raise httpx.RemoteProtocolError(str(dropped)) from dropped


def marker(attempt: str = "a1") -> Marker:
    return Marker("space", "ledger", "doc", "rev", attempt, "handbook", "人事/请假 制度.md", "0" * 64, "s")


def upload(
    client: Client, dataset: DatasetId, folder: str | None, text: str = TEXT
) -> Coroutine[Any, Any, CollectionId]:
    body = text.encode()
    return client.upload(
        dataset_id=dataset,
        parent_id=folder,
        filename=quote(NAME, safe=""),
        content_type="text/markdown",
        body=body,
        size=len(body),
        marker=marker(),
        training=Training("chunk"),
        tags=("手册",),
    )


async def trained(client: Client, id: CollectionId) -> TrainingDetail:
    for _ in range(600):
        found = await client.training(id)
        if found.state != "training":
            return found
        await asyncio.sleep(1)
    raise AssertionError(found)


@pytest.fixture(params=DIALECTS)
def emulator(request: pytest.FixtureRequest) -> Any:
    found = Emulator(EmulatorOptions(compat=request.param))
    yield found
    found.close()


def connected(emulator: Emulator, key: str | None = None) -> Client:
    return Client("http://fastgpt.test/api", key or emulator.global_key, transport=Wire(emulator))


def test_a_documents_life(emulator: Emulator) -> None:
    async def main() -> None:
        async with connected(emulator) as client:
            dialect = await client.detect()
            assert dialect.name == emulator.options.compat
            await client.health()
            dataset = await client.create_dataset("员工手册")
            found = await client.dataset(dataset)
            assert (found.name, found.type, found.can_write) == ("员工手册", "dataset", True)
            assert [one.id for one in await client.datasets()] == [dataset]
            folder = await client.create_folder(dataset, None, "人事")

            new = await upload(client, dataset, folder)
            await client.update(new, forbid=True)
            assert (await trained(client, new)).state == "trained"
            full = await client.collection(new)
            assert (full.marker, full.forbid, full.dataset_id) == (marker(), True, dataset)
            assert full.parent_id == folder
            assert full.name == NAME
            (row,) = await client.walk_folder(dataset, folder)
            assert (row.id, row.forbid, row.tags, row.looks_trained) == (new, True, ("手册",), True)
            (top,) = await client.walk_folder(dataset, None)
            assert (top.id, top.is_folder) == (folder, True)

            texts = await client.chunks(new)
            assert "年假每年十五天" in "".join(texts)
            for mode in ("embedding", "fullTextRecall", "mixedRecall"):
                assert await client.search_test(dataset, "年假每年十五天", mode=mode) == []
            await client.update(new, forbid=False)
            for mode in ("embedding", "fullTextRecall", "mixedRecall"):
                (hit, *_) = await client.search_test(dataset, "年假每年十五天", mode=mode)
                assert (hit.collection_id, hit.rank) == (new, 1)
                assert hit.text in texts
                assert hit.score_types

            await client.update(new, name="休假.md", parent_id=None, tags=())
            moved = await client.collection(new)
            assert (moved.name, moved.parent_id, moved.tags, moved.marker) == ("休假.md", None, (), marker())
            await client.delete(new)
            for gone in (client.collection(new), client.delete(new), client.update(new, forbid=True)):
                with pytest.raises(errors.RemoteMissing):
                    await gone

    run(main())


def test_refusals(emulator: Emulator) -> None:
    async def main() -> None:
        async with connected(emulator, "fastgpt-wrong") as client:
            with pytest.raises(errors.AccountRefused):
                await client.datasets()
        async with connected(emulator) as client:
            for missing in ("65f000000000000000000000", "no-id"):
                with pytest.raises(errors.RemoteMissing):
                    await client.dataset(missing)
                with pytest.raises(errors.RemoteMissing):
                    await client.collection(missing)
            with pytest.raises(errors.RemoteMissing):
                await upload(client, DatasetId("65f000000000000000000000"), None)
        async with Client("http://fastgpt.test", emulator.global_key, transport=Wire(emulator)) as client:
            with pytest.raises(errors.Incompatible) as caught:
                await client.datasets()
            assert "/api" in caught.value.hint

    run(main())


def test_broken_and_empty_files(emulator: Emulator) -> None:
    async def main() -> None:
        async with connected(emulator) as client:
            dataset = await client.create_dataset("kb")
            content = b"%PDF-1.7 broken"
            broken = await client.upload(
                dataset_id=dataset,
                parent_id=None,
                filename="broken.pdf",
                content_type="application/pdf",
                body=content,
                size=len(content),
                marker=marker(),
                training=Training("chunk"),
            )
            assert (await trained(client, broken)).state == "failed"
            assert await client.training_errors(broken)
            await client.retry_training(dataset, broken)
            if emulator.options.compat != "4.12":  # stored before without a word
                with pytest.raises(errors.Permanent) as caught:
                    await upload(client, dataset, None, "")
                assert caught.value.code == "empty"

    run(main())


@pytest.mark.parametrize(
    ("fault", "params", "kind"),
    [
        ("timeout_before", {}, errors.OutcomeUnknown),
        ("timeout_after", {}, errors.OutcomeUnknown),
        ("reset_before", {}, errors.OutcomeUnknown),
        ("reset_after", {}, errors.OutcomeUnknown),
        ("reset_mid", {}, errors.OutcomeUnknown),
        ("cut_json", {}, errors.OutcomeUnknown),
        ("html_502", {}, errors.OutcomeUnknown),
        ("wrong_shape", {}, errors.OutcomeUnknown),
        ("error_500", {}, errors.OutcomeUnknown),
        ("rate_limit", {"retry_after": 7}, errors.OutcomeUnknown),
        ("key_refused", {}, errors.AccountRefused),
        ("quota", {}, errors.AccountRefused),
    ],
)
def test_ordered_faults_of_an_upload(fault: str, params: dict[str, Any], kind: type) -> None:
    emulator = Emulator(EmulatorOptions())

    async def main() -> None:
        async with connected(emulator) as client:
            dataset = await client.create_dataset("kb")
            emulator.faults.add(fault, "localFile", **params)
            with pytest.raises(kind) as caught:
                await upload(client, dataset, None)
            assert type(caught.value) is kind
            await upload(client, dataset, None)

    run(main())
    emulator.close()


def test_chat(emulator: Emulator) -> None:
    async def main() -> None:
        async with connected(emulator) as client:
            assert isinstance(await client.chat(emulator.app_id, "年假几天？", "syncd"), str)
            assert isinstance(await client.chat(None, "年假几天？", "syncd", key=emulator.app_key), str)

    run(main())


@pytest.mark.parametrize("compat", ["4.12", "4.14", "4.16"])
def test_known_refusals_have_no_effect_in_any_dialect(compat: str) -> None:
    """What the table of refusals says is so: after each of them the server holds what it held before (law 3)."""
    emulator = Emulator(EmulatorOptions(compat=compat, max_upload_bytes=1000))
    doubts = (errors.OutcomeUnknown, errors.Unavailable, errors.RateLimited)

    async def main() -> None:
        async with connected(emulator) as client:
            dataset = await client.create_dataset("kb")
            kept = await upload(client, dataset, None)
            before = [(row["id"], row["forbid"], row["name"]) for row in emulator.snapshot()]
            nobody = "65f000000000000000000000"
            works: list[Callable[[Client], Awaitable[Any]]] = [
                lambda c: upload(c, nobody, None),
                lambda c: c.create_folder(nobody, None, "x"),
                lambda c: c.update(nobody, forbid=True),
                lambda c: c.update("zzz", forbid=True),
                lambda c: c.delete(nobody),
                lambda c: upload(c, dataset, None, "x" * 2000),
            ]
            if compat == "4.14":
                works.append(lambda c: upload(c, dataset, None, ""))
            for work in works:
                with pytest.raises(errors.SyncdError) as caught:
                    await work(client)
                assert not isinstance(caught.value, doubts), caught.value
            async with connected(emulator, key="fastgpt-somebodyelse") as stranger:
                for work in (
                    lambda c: upload(c, dataset, None),
                    lambda c: c.create_folder(dataset, None, "x"),
                    lambda c: c.create_dataset("y"),
                    lambda c: c.update(kept, forbid=True),
                    lambda c: c.delete(kept),
                ):
                    with pytest.raises(errors.AccountRefused):
                        await work(stranger)
            assert [(row["id"], row["forbid"], row["name"]) for row in emulator.snapshot()] == before
            assert [d.name for d in await client.datasets()] == ["kb"]

    run(main())
