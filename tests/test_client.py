"""What the client sends, and uploads from readers."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

import httpx
import pytest
from scripted_server import BASE, C1, KEY, MARKER, Server, call, no, ok, upload

from syncd import errors
from syncd.fastgpt.client import Client
from syncd.fastgpt.models import KEEP
from syncd.models import Training

# ------------------------------------------------------------ what is sent

SENT = [
    (lambda c: c.datasets(), "POST", "/core/dataset/list", {"parentId": ""}, []),
    (lambda c: c.datasets("手册"), "POST", "/core/dataset/list", {"parentId": "", "searchKey": "手册"}, []),
    (
        lambda c: c.create_dataset("手册"),
        "POST",
        "/core/dataset/create",
        {"name": "手册", "type": "dataset", "intro": "", "avatar": ""},
        C1,
    ),
    (
        lambda c: c.create_folder("d", None, "f"),
        "POST",
        "/core/dataset/collection/create",
        {"datasetId": "d", "parentId": None, "name": "f", "type": "folder"},
        C1,
    ),
    (
        lambda c: c.collections("d", "p", offset=60, page_size=30, folders_only=True),
        "POST",
        "/core/dataset/collection/listV2",
        {"datasetId": "d", "parentId": "p", "pageSize": 30, "offset": 60, "searchText": "", "selectFolder": True},
        {"list": [], "total": 0},
    ),
    (lambda c: c.update("x"), "POST", "/core/dataset/collection/update", {"id": "x"}, None),
    (
        lambda c: c.update("x", forbid=False),
        "POST",
        "/core/dataset/collection/update",
        {"id": "x", "forbid": False},
        None,
    ),
    (
        lambda c: c.update("x", name="n", parent_id=None, forbid=True, tags=()),
        "POST",
        "/core/dataset/collection/update",
        {"id": "x", "name": "n", "parentId": None, "forbid": True, "tags": []},
        None,
    ),
    (
        lambda c: c.update("x", parent_id=KEEP, tags=("a",)),
        "POST",
        "/core/dataset/collection/update",
        {"id": "x", "tags": ["a"]},
        None,
    ),
    (lambda c: c.delete("a/b ?"), "DELETE", "/core/dataset/collection/delete?id=a%2Fb%20%3F", {}, None),
    (
        lambda c: c.training_errors("x"),
        "POST",
        "/core/dataset/training/getTrainingError",
        {"collectionId": "x", "offset": 0, "pageSize": 10},
        {"list": []},
    ),
    (
        lambda c: c.retry_training("d", "x"),
        "PUT",
        "/core/dataset/training/updateTrainingData",
        {"datasetId": "d", "collectionId": "x"},
        None,
    ),
    (
        lambda c: c.chunks("x"),
        "POST",
        "/core/dataset/data/v2/list",
        {"collectionId": "x", "offset": 0, "pageSize": 30},
        {"list": [], "total": 0},
    ),
    (
        lambda c: c.search_test("d", "年假", mode="embedding", limit=100, similarity=0.5),
        "POST",
        "/core/dataset/searchTest",
        {
            "datasetId": "d",
            "text": "年假",
            "limit": 100,
            "similarity": 0.5,
            "searchMode": "embedding",
            "usingReRank": False,
            "datasetSearchUsingExtensionQuery": False,
        },
        [],
    ),
]


@pytest.mark.parametrize(("act", "method", "path", "body", "data"), SENT)
def test_requests(act: Any, method: str, path: str, body: Any, data: Any) -> None:
    server = Server(ok(data))
    call(server, act)
    (request,) = server.seen
    assert (request.method, str(request.url)) == (method, BASE + path)
    assert json.loads(request.content) == body
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["host"] == "kb.example"
    assert request.headers["content-length"] == str(len(request.content))


@pytest.mark.parametrize(
    ("act", "path"),
    [
        (lambda c: c.dataset("d 1"), "/core/dataset/detail?id=d%201"),
        (lambda c: c.collection("x"), "/core/dataset/collection/detail?id=x"),
        (lambda c: c.training("x"), "/core/dataset/collection/trainingDetail?collectionId=x"),
    ],
)
def test_gets_have_no_body(act: Any, path: str) -> None:
    server = Server(no(501003, "unExistCollection"))
    with pytest.raises(errors.RemoteMissing):
        call(server, act)
    (request,) = server.seen
    assert (request.method, str(request.url), request.content) == ("GET", BASE + path, b"")
    assert "content-type" not in request.headers


def parts(request: httpx.Request) -> list[Any]:
    head = b"content-type: " + request.headers["content-type"].encode() + b"\r\n\r\n"
    return list(BytesParser(policy=HTTP).parsebytes(head + request.content).iter_parts())


def test_upload() -> None:
    server = Server(ok({"collectionId": C1, "results": {"insertLen": 0}}))
    assert call(server, upload) == C1
    data, file = parts(server.seen[0])
    assert data["content-disposition"] == 'form-data; name="data"'
    assert file["content-disposition"] == 'form-data; name="file"; filename="%E8%AF%B7%E5%81%87.md"'
    assert file["content-type"] == "text/markdown"
    assert file.get_payload(decode=True) == "请假".encode()
    sent = json.loads(data.get_payload())
    own = {
        "syncd": {
            "v": 1,
            "space": "sp",
            "ledger": "led",
            "document": "doc",
            "revision": "rev",
            "attempt": "att",
            "source": "handbook",
            "path": "人事/请假.md",
            "sha256": "ab" * 32,
            "settings": "s1",
        }
    }
    assert sent == {
        "datasetId": "d1",
        "parentId": None,
        "trainingType": "chunk",
        "tags": ["t"],
        "metadata": own,
        "collectionMetadata": own,
    }
    assert server.seen[0].content.isascii() is False  # the file as it is
    assert server.seen[0].headers["content-length"] == str(len(server.seen[0].content))


@pytest.mark.parametrize(
    ("options", "mode"),
    [
        ((("chunkSize", 512),), "custom"),
        ((("chunkSettingMode", "auto"), ("chunkSize", 512)), "auto"),
        ((("customPdfParse", True),), None),
        ((("qaPrompt", "提问"),), None),
    ],
)
def test_training_options_go_along(options: Any, mode: str | None) -> None:
    server = Server(ok({"collectionId": C1}))
    call(server, lambda c: upload(c, training=Training("qa", options)))
    sent = json.loads(parts(server.seen[0])[0].get_payload())
    assert sent["trainingType"] == "qa"
    assert sent.get("chunkSettingMode") == mode  # without it FastGPT ignores the size (observed fact 15)
    assert {name: sent[name] for name, _ in options} == dict(options)


def test_implied_options_go_along_below_stated_ones() -> None:
    """What nobody stated is sent as well, unless a person says otherwise; the way of sending stands in the marker."""
    implied = (("chunkSplitMode", "paragraph"),)
    server = Server(*[ok({"collectionId": C1})] * 2)
    for options in ((("chunkSize", 512),), (("chunkSplitMode", "size"),)):
        training = Training("chunk", options, implied)
        call(server, lambda c, training=training: upload(c, training=training, marker=replace(MARKER, sent_as=2)))
    first, second = (json.loads(parts(seen)[0].get_payload()) for seen in server.seen)
    assert (first["chunkSplitMode"], second["chunkSplitMode"]) == ("paragraph", "size")
    assert first["metadata"]["syncd"]["sent_as"] == 2


@pytest.mark.parametrize("name", ["", "100%.md", "a%2", "a%zz", 'a".md', "a\\b", "a\r\nb", "请假.md", "a\x7f", "a%"])
def test_unsafe_file_names_are_never_sent(name: str) -> None:
    server = Server(ok({"collectionId": C1}))
    with pytest.raises(ValueError, match="percent-encoded"):  # a lone % hangs the server (observed fact 2)
        call(server, lambda c: upload(c, filename=name))
    assert server.seen == []


def test_boundary_is_never_the_same() -> None:
    server = Server(lambda _: ok({"collectionId": C1}))
    call(server, lambda c: asyncio.gather(upload(c), upload(c)))
    first, second = (request.headers["content-type"] for request in server.seen)
    assert first != second


# ------------------------------------------------------------ uploads from a reader


def reader(*blocks: Any, closed: list[int] | None = None) -> Callable[[], Iterator[bytes]]:
    def start() -> Iterator[bytes]:
        try:
            for block in blocks:
                if isinstance(block, Exception):
                    raise block
                yield block
        finally:
            if closed is not None:
                closed.append(threading.get_ident())

    return start


@pytest.mark.parametrize("count", [1, 12])
def test_upload_from_a_reader(count: int) -> None:
    closed: list[int] = []
    block = bytes(range(256)) * 4096
    server = Server(ok({"collectionId": C1}))

    async def main() -> str:  # real time: threads work beside the loop
        async with server.client() as client:
            return await upload(
                client, body=reader(*[block] * count, b"", b"end", closed=closed), size=count * 2**20 + 3
            )

    assert asyncio.run(main()) == C1
    assert parts(server.seen[0])[1].get_payload(decode=True) == block * count + b"end"
    assert server.seen[0].headers["content-length"] == str(len(server.seen[0].content))
    assert closed and closed[0] != threading.get_ident()


class AbortError(Exception):
    """Stands for what the engine's reader raises when the hash differs."""


MIB = 1 << 20
LARGE, SMALL = 9 * MIB, 7 * MIB  # streamed, and put together before it is sent
ONE = b"x" * MIB
FAILING = [
    (reader(ONE, OSError(5, "Input/output error")), LARGE, errors.Transient, "unreadable"),
    (reader(ONE, OSError(5, "Input/output error")), SMALL, errors.Transient, "unreadable"),
    (reader(ONE, TimeoutError("nfs")), LARGE, errors.Transient, "unreadable"),
    (reader(ONE), LARGE, errors.Transient, "upload-failed"),  # shorter than announced
    (reader(ONE), SMALL, errors.Transient, "upload-failed"),
    (reader(*[ONE] * 99), LARGE, errors.Transient, "upload-failed"),  # longer
    (reader(*[ONE] * 99), SMALL, errors.Transient, "upload-failed"),
    (reader(*[ONE] * 9, AbortError()), LARGE, AbortError, None),  # after the last byte
    (reader(*[ONE] * 7, AbortError()), SMALL, AbortError, None),
    (reader(AbortError()), LARGE, AbortError, None),
    (reader(errors.Permanent("unreadable", "x")), LARGE, errors.Permanent, "unreadable"),
]


@pytest.mark.parametrize(("body", "size", "kind", "code"), FAILING)
def test_failing_reader_never_sends_a_complete_file(body: Any, size: int, kind: type, code: str | None) -> None:
    received: list[bytes] = []

    class Sink(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            async for part in request.stream:  # type: ignore[union-attr]
                received.append(part)  # noqa: PERF401  # kept even when the iteration fails
            return ok({"collectionId": C1})

    async def main() -> None:
        async with Client(BASE, KEY, transport=Sink()) as client:
            with pytest.raises(kind) as caught:
                await upload(client, body=body, size=size)
            assert getattr(caught.value, "code", None) == code

    asyncio.run(main())
    assert not b"".join(received).endswith(b"--\r\n")


def test_reader_is_closed_when_the_upload_fails() -> None:
    closed: list[int] = []
    source = reader(*[ONE] * 99, closed=closed)()  # held here, so nothing but the client closes it

    async def main() -> None:
        async with Server(ok()).client() as client:
            with pytest.raises(errors.Transient):
                await upload(client, body=lambda: source, size=LARGE)

    asyncio.run(main())
    assert closed


def test_reader_without_an_end_is_left() -> None:
    with pytest.raises(errors.Transient, match="more than"):
        asyncio.run(sent_by_pieces(itertools.repeat(ONE), SMALL))
    with pytest.raises(errors.Transient, match="more than"):
        asyncio.run(sent_by_pieces(itertools.repeat(ONE), LARGE))


async def sent_by_pieces(source: Iterator[bytes], size: int, error: Exception | None = None) -> list[int]:
    """Upload through a transport that notes the length of each piece, and fails at the third if told to."""
    pieces: list[int] = []

    class Sink(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            async for part in request.stream:  # type: ignore[union-attr]
                pieces.append(len(part))
                if error is not None and len(pieces) == 3:
                    raise error
            return ok({"collectionId": C1})

    async with Client(BASE, KEY, transport=Sink()) as client:
        await upload(client, body=lambda: source, size=size)
    return pieces


def test_large_files_are_streamed_and_small_ones_go_in_one_piece() -> None:
    assert asyncio.run(sent_by_pieces(iter([ONE] * 9), LARGE))[1:-1] == [len(ONE)] * 9
    assert len(asyncio.run(sent_by_pieces(iter([ONE] * 7), SMALL))) == 1


def test_reader_is_closed_when_the_connection_breaks() -> None:
    closed: list[int] = []
    source = reader(*[ONE] * 9, closed=closed)()

    async def main() -> None:
        with pytest.raises(errors.OutcomeUnknown) as caught:
            await sent_by_pieces(source, LARGE, httpx.WriteError("broken pipe"))
        assert closed, "closed by the client, not by the end of the loop"
        assert caught.value.__traceback__ is not None  # which holds every frame until here

    asyncio.run(main())


def test_wrong_size_of_bytes_is_a_bug() -> None:
    with pytest.raises(ValueError, match="size"):
        call(Server(), lambda c: upload(c, size=7))
