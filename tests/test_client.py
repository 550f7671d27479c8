"""The client's calls against a scripted server in the process: what is sent, what comes back, how it is bounded."""

from __future__ import annotations

import asyncio
import json
import threading
import traceback
from collections.abc import Callable, Coroutine, Iterator
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import Any

import httpx
import pytest
from virtual_loop import run

from syncd import errors, points
from syncd.fastgpt.client import Client
from syncd.fastgpt.envelope import CollectionMissing, RouteMissing
from syncd.fastgpt.models import KEEP, TrainingDetail
from syncd.models import Marker, Training

KEY = "fastgpt-verysecretkey"
BASE = "http://kb.example/sub/api"
MARKER = Marker("sp", "led", "doc", "rev", "att", "handbook", "人事/请假.md", "ab" * 32, "s1")
Handler = Callable[[httpx.Request], Any]


def ok(data: Any = None) -> httpx.Response:
    return httpx.Response(200, json={"code": 200, "statusText": "", "message": "", "data": data})


def no(code: int, status_text: str, message: str = "", status: int = 500, **headers: str) -> httpx.Response:
    body = {"code": code, "statusText": status_text, "message": message, "data": None}
    return httpx.Response(status, json=body, headers=headers)


def html(status: int) -> httpx.Response:
    return httpx.Response(status, html="<html><title>404: This page could not be found</title></html>")


class Server:
    """Answers from a function, or from a list in order; keeps what came."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.seen: list[httpx.Request] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.seen.append(request)
        answer = self.answers[0] if callable(self.answers[0]) else self.answers.pop(0)
        if callable(answer):
            answer = answer(request)
        if asyncio.iscoroutine(answer):
            answer = await answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, **options: Any) -> Client:
        return Client(BASE, KEY, transport=httpx.MockTransport(self), **options)

    def bodies(self) -> list[Any]:
        return [json.loads(request.content) for request in self.seen]


def call(server: Server, act: Callable[[Client], Coroutine[Any, Any, Any]], **options: Any) -> Any:
    async def main() -> Any:
        async with server.client(**options) as client:
            return await act(client)

    return run(main())


def upload(client: Client, **changes: Any) -> Coroutine[Any, Any, Any]:
    wanted: dict[str, Any] = {
        "dataset_id": "d1",
        "parent_id": None,
        "filename": "%E8%AF%B7%E5%81%87.md",
        "content_type": "text/markdown",
        "body": "请假".encode(),
        "size": 6,
        "marker": MARKER,
        "training": Training("chunk"),
        "tags": ("t",),
    }
    return client.upload(**{**wanted, **changes})


# ------------------------------------------------------------ what is sent

SENT = [
    (lambda c: c.datasets(), "POST", "/core/dataset/list", {"parentId": ""}, []),
    (lambda c: c.datasets("手册"), "POST", "/core/dataset/list", {"parentId": "", "searchKey": "手册"}, []),
    (
        lambda c: c.create_dataset("手册"),
        "POST",
        "/core/dataset/create",
        {"name": "手册", "type": "dataset", "intro": "", "avatar": ""},
        "id",
    ),
    (
        lambda c: c.create_folder("d", None, "f"),
        "POST",
        "/core/dataset/collection/create",
        {"datasetId": "d", "parentId": None, "name": "f", "type": "folder"},
        "id",
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
    server = Server(ok({"collectionId": "c1", "results": {"insertLen": 0}}))
    assert call(server, upload) == "c1"
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
    server = Server(ok({"collectionId": "c1"}))
    call(server, lambda c: upload(c, training=Training("qa", options)))
    sent = json.loads(parts(server.seen[0])[0].get_payload())
    assert sent["trainingType"] == "qa"
    assert sent.get("chunkSettingMode") == mode  # without it FastGPT ignores the size (observed fact 15)
    assert {name: sent[name] for name, _ in options} == dict(options)


@pytest.mark.parametrize("name", ["", "100%.md", "a%2", "a%zz", 'a".md', "a\\b", "a\r\nb", "请假.md", "a\x7f", "a%"])
def test_unsafe_file_names_are_never_sent(name: str) -> None:
    server = Server(ok({"collectionId": "c1"}))
    with pytest.raises(ValueError, match="percent-encoded"):  # a lone % hangs the server (observed fact 2)
        call(server, lambda c: upload(c, filename=name))
    assert server.seen == []


def test_boundary_is_never_the_same() -> None:
    server = Server(lambda _: ok({"collectionId": "c1"}))
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
    server = Server(ok({"collectionId": "c1"}))

    async def main() -> str:  # real time: threads work beside the loop
        async with server.client() as client:
            return await upload(
                client, body=reader(*[block] * count, b"", b"end", closed=closed), size=count * 2**20 + 3
            )

    assert asyncio.run(main()) == "c1"
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
            return ok({"collectionId": "c1"})

    async def main() -> None:
        async with Client(BASE, KEY, transport=Sink()) as client:
            with pytest.raises(kind) as caught:
                await upload(client, body=body, size=size)
            assert getattr(caught.value, "code", None) == code

    asyncio.run(main())
    assert not b"".join(received).endswith(b"--\r\n")


def test_wrong_size_of_bytes_is_a_bug() -> None:
    with pytest.raises(ValueError, match="size"):
        call(Server(), lambda c: upload(c, size=7))


# ------------------------------------------------------------ what comes back

ROW = {
    "_id": "c1",
    "parentId": None,
    "name": "请假.md",
    "type": "file",
    "trainingAmount": 0,
    "dataAmount": 3,
    "updateTime": "2026-11-22T19:50:26.966Z",
    "permission": {"isOwner": True},
}


def test_dataset() -> None:
    model = {"model": "m3", "name": "M3"}
    may = {"isOwner": False, "hasManagePer": False, "hasWritePer": True, "hasReadPer": True}
    data = {"_id": "d1", "name": "手册", "type": "dataset", "vectorModel": model, "permission": may, "new": 1}
    found = call(Server(ok(data)), lambda c: c.dataset("d1"))
    assert (found.id, found.name, found.type, found.vector_model) == ("d1", "手册", "dataset", "m3")
    assert (found.can_write, found.can_manage, found.is_owner) == (True, False, False)
    assert found.raw["new"] == 1
    (listed,) = call(Server(ok([data])), lambda c: c.datasets())
    assert listed == found


def test_row() -> None:
    data = {**ROW, "parentId": "", "forbid": True, "hasError": True, "externalFileId": "e", "activeTrainingAmount": 2}
    data["tags"] = ["a", {"tag": "default_tag", "value": ["b", "c"]}, {"tag": "year", "value": 2026}, {"tag": "only"}]
    page = call(Server(ok({"list": [data, ROW], "total": 7})), lambda c: c.collections("d", None))
    first, second = page.rows
    assert page.total == 7
    assert (first.parent_id, first.forbid, first.has_error, first.external_file_id) == (None, True, True, "e")
    assert first.tags == ("a", "b", "c", "2026", "only")
    assert (first.active, first.looks_trained, first.is_folder) == (2, False, False)
    assert (second.tags, second.has_error, second.active, second.looks_trained) == ((), False, None, True)


def test_collection_and_its_marker() -> None:
    data = {**ROW, "datasetId": "d1", "rawTextLength": 353, "indexAmount": 3, "errorCount": 0, "hashRawText": "7c"}
    data["metadata"] = {"relatedImgId": "x", "syncd": {**marker_fields(), "later": [1]}}
    found = call(Server(ok(data)), lambda c: c.collection("c1"))
    assert found.marker == MARKER
    assert (found.dataset_id, found.raw_text_length, found.index_amount, found.error_count) == ("d1", 353, 3, 0)
    assert found.metadata["relatedImgId"] == "x"


def marker_fields() -> dict[str, Any]:
    return {name: getattr(MARKER, name) for name in Marker.__slots__}


@pytest.mark.parametrize(
    ("metadata", "marker"),
    [
        (None, None),
        ({}, None),
        ({"syncd": "v1"}, None),
        ({"syncd": {}}, None),
        ({"syncd": {"space": "s"}}, None),
        ({"syncd": {"space": "s", "revision": 7}}, None),
        ({"syncd": {"space": "s", "revision": "r"}}, Marker("s", "", "", "r", "", "", "", "", "")),
        (
            {"syncd": {"space": "s", "revision": "r", "v": 2, "path": 5}},
            Marker("s", "", "", "r", "", "", "", "", "", 2),
        ),
        ({"syncd": {"space": "s", "revision": "r", "v": True}}, Marker("s", "", "", "r", "", "", "", "", "")),
    ],
)
def test_markers_are_read_leniently(metadata: Any, marker: Marker | None) -> None:
    data = {**ROW, "metadata": metadata, "dataset": {"_id": "d1"}}
    found = call(Server(ok(data)), lambda c: c.collection("c1"))
    assert (found.marker, found.dataset_id) == (marker, "d1")


WRONG = [
    (lambda c: c.datasets(), {"list": []}, "datasets", "data"),
    (lambda c: c.datasets(), [{"_id": "d", "type": "dataset"}], "datasets", "name"),
    (lambda c: c.datasets(), [{"name": "d", "type": "dataset"}], "datasets", "_id"),
    (lambda c: c.datasets(), [3], "datasets", "data"),
    (lambda c: c.dataset("d"), [], "dataset", "data"),
    (lambda c: c.collections("d", None), {"list": []}, "list", "total"),
    (lambda c: c.collections("d", None), {"total": 1}, "list", "list"),
    (lambda c: c.collections("d", None), {"list": [{**ROW, "_id": 5}], "total": 1}, "list", "_id"),
    (lambda c: c.collections("d", None), {"list": [{**ROW, "forbid": "no"}], "total": 1}, "list", "forbid"),
    (lambda c: c.collections("d", None), {"list": [{**ROW, "dataAmount": True}], "total": 1}, "list", "dataAmount"),
    (lambda c: c.collections("d", None), {"list": [{**ROW, "tags": "x"}], "total": 1}, "list", "tags"),
    (lambda c: c.collection("c"), ROW, "detail", "datasetId"),
    (lambda c: c.collection("c"), None, "detail", "data"),
    (lambda c: c.training("c"), {"trainedCount": 1}, "training", "queuedCounts"),
    (lambda c: c.chunks("c"), {"list": [{"q": "x"}], "total": 1}, "chunks", "_id"),
    (lambda c: c.search_test("d", "x"), {"duration": "1s"}, "search", "list"),
    (lambda c: c.search_test("d", "x"), {"list": [{"q": "x"}]}, "search", "collectionId"),
]


@pytest.mark.parametrize(("act", "data", "endpoint", "field"), WRONG)
def test_unknown_shapes_are_named(act: Any, data: Any, endpoint: str, field: str) -> None:
    with pytest.raises(errors.Incompatible) as caught:
        call(Server(ok(data)), act)
    assert f"'{endpoint}'" in caught.value.message
    assert f"'{field}'" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("data", [None, {}, {"collectionId": ""}, {"collectionId": 5}, "c1", []])
def test_created_without_an_id_has_to_be_looked_for(data: Any) -> None:
    with pytest.raises(errors.OutcomeUnknown):
        call(Server(ok(data)), upload)
    if not isinstance(data, str):
        with pytest.raises(errors.OutcomeUnknown):
            call(Server(ok(data)), lambda c: c.create_folder("d", None, "f"))


def detail(
    queued: Any = (), training: Any = (), failed: Any = (), trained: int = 0, own: bool = False
) -> TrainingDetail:
    return TrainingDetail(dict(queued), dict(training), dict(failed), trained, own)


P, C = {"parse": 1, "chunk": 0}, {"parse": 0, "chunk": 4}
Z = {"parse": 0, "chunk": 0}


@pytest.mark.parametrize(
    ("found", "state", "empty"),
    [
        (detail(Z, P, Z), "training", False),
        (detail(Z, C, Z, 2), "training", False),
        (detail(Z, C, C, 2), "training", False),  # embedding errors heal (observed fact 10)
        (detail(Z, Z, P), "failed", False),  # a parse error is final
        (detail(P, Z, P), "failed", False),  # up to 4.14 the queue is everybody's
        (detail(Z, Z, C, 2), "failed", False),  # some chunks were lost for good
        (detail(Z, Z, Z, 5), "trained", False),
        (detail(C, Z, Z, 5), "trained", False),
        (detail(C, Z, Z, 5, own=True), "training", False),  # from 4.15 on the queue is ours
        (detail(C, Z, C, 5, own=True), "training", False),
        (detail(Z, Z, Z), "training", True),
        (detail(P, Z, Z), "training", True),
    ],
)
def test_training_state(found: TrainingDetail, state: str, empty: bool) -> None:
    assert (found.state, found.empty) == (state, empty)


def test_queue_counts_as_ours_once_the_server_has_shown_its_age() -> None:
    counts = {"queuedCounts": C, "trainingCounts": Z, "errorCounts": Z, "trainedCount": 5}
    new = {"list": [{**ROW, "activeTrainingAmount": 4}], "total": 1}
    server = Server(ok(counts), ok(new), ok(counts), ok(None))

    async def main() -> tuple[str, str]:
        async with server.client() as client:
            before = (await client.training("c")).state
            await client.collections("d", None)
            after = (await client.training("c")).state
            await client.retry_training("d", "c")
            return before, after

    assert run(main()) == ("trained", "training")
    assert json.loads(server.seen[3].content) == {"collectionId": "c"}


def test_retry_training_of_a_new_server_that_was_taken_for_an_old_one() -> None:
    refusal = httpx.Response(
        400, json={"code": 400, "statusText": "error", "message": "", "data": None, "zodError": []}
    )
    server = Server(refusal, ok())
    call(server, lambda c: c.retry_training("d", "c"))
    assert server.bodies() == [{"datasetId": "d", "collectionId": "c"}, {"collectionId": "c"}]


def test_training_errors_once_each() -> None:
    rows = [{"errorMsg": "一"}, {"errorMsg": "二"}, {"errorMsg": "一"}, {"errorMsg": ""}, {"mode": "parse"}]
    assert call(Server(ok({"list": rows, "total": 5})), lambda c: c.training_errors("c")) == ["一", "二"]


def test_chunks_over_pages() -> None:
    rows = [{"_id": str(n), "q": f"q{n}", **({"a": f"a{n}"} if n % 2 else {})} for n in range(65)]

    def page(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        return ok({"list": rows[body["offset"] :][:30], "total": 65})

    server = Server(page)
    found = call(server, lambda c: c.chunks("c"))
    assert found == [f"q{n}\na{n}" if n % 2 else f"q{n}" for n in range(65)]
    assert [body["offset"] for body in server.bodies()] == [0, 30, 60]


def test_chunks_end_when_the_rows_do() -> None:
    assert call(Server(ok({"list": [], "total": 9})), lambda c: c.chunks("c")) == []


def test_hits() -> None:
    scores = [
        [{"type": "embedding", "value": 0.67, "index": 0}, {"type": "rrf", "value": 0.016, "index": 0}],
        [{"type": "fullText", "value": 3.5, "index": 0}],
        0.8,
        None,
        [{"type": "embedding", "value": None}, "odd"],
    ]
    rows = [{"collectionId": f"c{n}", "q": "问", "a": "答" if n else "", "score": s} for n, s in enumerate(scores)]
    found = call(Server(ok({"list": rows, "duration": "0.1s"})), lambda c: c.search_test("d", "x"))
    assert [(hit.rank, hit.collection_id, hit.score) for hit in found] == [
        (1, "c0", 0.016),
        (2, "c1", 3.5),
        (3, "c2", 0.8),
        (4, "c3", None),
        (5, "c4", None),
    ]
    assert found[0].score_types == {"embedding", "rrf"}
    assert (found[0].text, found[1].text) == ("问", "问\n答")
    assert call(Server(ok(rows)), lambda c: c.search_test("d", "x")) == found  # the old, flat shape


def test_blank_search_is_a_bug() -> None:
    with pytest.raises(ValueError, match="text"):
        call(Server(), lambda c: c.search_test("d", " \n"))


# ------------------------------------------------------------ walking folders


def listing(names: list[str], total: int | None = None) -> httpx.Response:
    return ok({"list": [{**ROW, "_id": name} for name in names], "total": len(names) if total is None else total})


def test_walk_goes_by_the_rows_received() -> None:
    ids = [f"c{n:03}" for n in range(95)]

    def page(request: httpx.Request) -> httpx.Response:  # up to 4.12.0 a page holds 30, whatever is asked
        return listing(ids[json.loads(request.content)["offset"] :][:30], 95)

    server = Server(page)
    rows = call(server, lambda c: c.walk_folder("d", "p"))
    assert [row.id for row in rows] == ids
    assert [body["offset"] for body in server.bodies()] == [0, 30, 60, 90]


def test_walk_is_repeated_while_the_folder_moves() -> None:
    # A row moves to the front between two pages: one is seen twice, one not at all.
    server = Server(listing(["a", "b"], 4), listing(["b", "c"], 4), listing(["d", "a"], 4), listing(["b", "c"], 4))
    rows = call(server, lambda c: c.walk_folder("d", None))
    assert sorted(row.id for row in rows) == ["a", "b", "c", "d"]
    # The total changes on the way: a row was deleted.
    server = Server(listing(["a", "b"], 3), listing([], 2), listing(["a", "b"], 2))
    assert [row.id for row in call(server, lambda c: c.walk_folder("d", None))] == ["a", "b"]


def test_walk_ends_on_a_server_whose_total_lies() -> None:
    server = Server(lambda r: listing(["a", "b"] if json.loads(r.content)["offset"] == 0 else [], 5))
    assert [row.id for row in call(server, lambda c: c.walk_folder("d", None))] == ["a", "b"]
    assert len(server.seen) <= 8


def test_empty_folder() -> None:
    server = Server(listing([]))
    assert call(server, lambda c: c.walk_folder("d", None)) == []
    assert len(server.seen) == 1


def test_servers_before_list_v2() -> None:
    ids = [f"c{n:03}" for n in range(70)]

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("listV2"):
            return html(404)
        body = json.loads(request.content)
        start = (body["pageNum"] - 1) * body["pageSize"]
        rows = [{**ROW, "_id": name} for name in ids[start:][: body["pageSize"]]]
        return ok({"pageNum": body["pageNum"], "pageSize": body["pageSize"], "data": rows, "total": 70})

    server = Server(answer)
    rows = call(server, lambda c: c.walk_folder("d", None))
    assert [row.id for row in rows] == ids
    assert [request.url.path[-6:] for request in server.seen] == ["listV2", "n/list", "n/list", "n/list"]
    page = call(Server(answer), lambda c: c.collections("d", None, offset=35))
    assert [row.id for row in page.rows] == ids[35:60]


def test_gateway_that_answers_404_for_everything_is_not_an_old_server() -> None:
    server = Server(html(404), html(404), listing(["a"]))

    async def main() -> None:
        async with server.client() as client:
            with pytest.raises(RouteMissing):
                await client.collections("d", None)
            assert len((await client.collections("d", None)).rows) == 1

    run(main())
    assert server.seen[2].url.path.endswith("listV2")


# ------------------------------------------------------------ time


async def never(_: httpx.Request) -> httpx.Response:
    await asyncio.Event().wait()
    raise AssertionError


@pytest.mark.parametrize(
    ("act", "kind", "bound"),
    [
        (lambda c: c.datasets(), errors.Unavailable, 30),
        (lambda c: c.update("x", forbid=True), errors.Unavailable, 30),
        (lambda c: c.delete("x"), errors.Unavailable, 30),
        (lambda c: c.create_dataset("x"), errors.OutcomeUnknown, 30),
        (lambda c: c.create_folder("d", None, "x"), errors.OutcomeUnknown, 30),
        (upload, errors.OutcomeUnknown, 600),
    ],
)
def test_every_request_is_bounded(act: Any, kind: type, bound: float) -> None:
    server = Server(never)

    async def main() -> float:
        async with server.client() as client:
            with pytest.raises(kind, match=f"within {bound} s"):
                await act(client)
            return asyncio.get_running_loop().time()

    assert run(main()) == pytest.approx(bound)
    assert len(server.seen) == 1


def test_cancelling_passes_and_frees_the_connection() -> None:
    server = Server(never, ok([]))
    server.answers = [lambda r: never(r) if len(server.seen) == 1 else ok([])]

    async def main() -> None:
        async with server.client(connections=1) as client:
            task = asyncio.create_task(client.datasets())
            await asyncio.sleep(1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await client.datasets() == []

    run(main())


def test_callers_own_timeout_is_not_taken_for_the_clients() -> None:
    async def main() -> None:
        async with Server(never).client() as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(3):
                    await upload(client)

    run(main())


def test_connections_bound_what_is_under_way() -> None:
    under_way, most, order = 0, 0, []

    async def slow(request: httpx.Request) -> httpx.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        order.append(json.loads(request.content)["id"])
        await asyncio.sleep(1)
        under_way -= 1
        return ok()

    async def main() -> float:
        async with Server(slow).client(connections=3) as client:
            await asyncio.gather(*(client.update(str(n)) for n in range(9)))
            return asyncio.get_running_loop().time()

    assert run(main()) == pytest.approx(3)
    assert most == 3
    assert order == [str(n) for n in range(9)]


def test_search_tests_keep_their_rate_and_pause_after_429() -> None:
    hasty = no(429, "tooManyRequest", status=429, **{"retry-after": "20"})
    nameless = no(429, "tooManyRequest", status=429)
    server = Server(ok([]), ok([]), hasty, ok([]), nameless, ok([]))

    async def main() -> list[float]:
        loop, times = asyncio.get_running_loop(), []
        async with server.client(search_tests_per_second=2) as client:
            for _ in range(6):
                try:
                    await client.search_test("d", "x")
                except errors.RateLimited as error:
                    assert error.retry_after in (20, None)
                times.append(loop.time())
        return times

    times = run(main())
    assert times[:3] == pytest.approx([0, 0.5, 1.0])
    assert times[3] >= 21
    assert times[5] >= times[4] + 5


# ------------------------------------------------------------ the rest


def test_points_frame_each_request() -> None:
    passed: list[str] = []
    points.install(passed.append)
    try:
        data = ok({"collectionId": "c1"})
        call(Server(data, ok(), ok()), lambda c: asyncio.gather(upload(c), c.update("x"), c.delete("x")), connections=1)
        with pytest.raises(errors.Unavailable):
            call(Server(httpx.ConnectError("refused")), lambda c: c.datasets())
    finally:
        points.install(None)
    assert passed == [
        "http.upload.before",
        "http.upload.after",
        "http.update.before",
        "http.update.after",
        "http.delete.before",
        "http.delete.after",
        "http.datasets.before",
    ]


def test_crash_at_a_point_passes() -> None:
    class Crash(BaseException):
        pass

    def crash(name: str) -> None:
        raise Crash(name)

    async def main() -> None:
        async with Server(ok([])).client() as client:
            points.install(crash)
            try:
                with pytest.raises(Crash):
                    await client.datasets()
            finally:
                points.install(None)

    run(main())


def test_stats() -> None:
    server = Server(ok([]), ok([]), no(514, "unAuthApiKey"), httpx.ReadError("x"))

    async def main() -> Client:
        async with server.client() as client:
            await client.datasets()
            await client.datasets()
            for _ in range(2):
                with pytest.raises(errors.ServerError):
                    await client.update("x")
        return client

    stats = run(main()).stats
    assert stats.requests == {"datasets": 2, "update": 2}
    assert stats.failures == {"update": 1}
    assert stats.bytes_sent == sum(len(request.content) for request in server.seen)
    assert stats.bytes_received > 0


def test_key_is_shown_nowhere() -> None:
    cases = [
        no(514, "unAuthApiKey", f"unknown key {KEY}"),
        httpx.Response(502, html=f"<title>{KEY}</title>"),
        httpx.ConnectError(f"Illegal header value b'Bearer {KEY}'"),
        httpx.ReadError(KEY),
        ok(KEY),
        httpx.Response(302, headers={"location": f"http://x/{KEY}"}),
    ]
    for answer in cases:
        try:
            call(Server(answer), lambda c: c.datasets())
        except errors.SyncdError as error:
            shown = "".join(traceback.format_exception(error)) + error.hint + repr(error) + str(vars(error))
            assert KEY not in shown
        else:
            raise AssertionError(answer)
    assert repr(Server().client()) == "Client('http://kb.example/sub/api')"
    assert repr(Client("http://me:pw@kb.example/api", KEY)) == "Client('http://kb.example/api')"


@pytest.mark.parametrize("key", ["", "a b", "fast\n", "钥匙", "x\x7f"])
def test_keys_that_cannot_be_sent(key: str) -> None:
    with pytest.raises(errors.ConfigError) as caught:
        Client(BASE, key)
    assert not key or key not in str(caught.value)


@pytest.mark.parametrize("base", ["", "kb.example/api", "ftp://x/api", "http://", "http://[::1", "http://x:99999/api"])
def test_addresses_that_cannot_be_asked(base: str) -> None:
    with pytest.raises(errors.ConfigError):
        Client(base, KEY)


def test_server_text_does_not_break_parsing_when_it_echoes_the_key() -> None:
    (found,) = call(Server(ok([{"_id": "d", "name": KEY, "type": "dataset"}])), lambda c: c.datasets())
    assert found.name == "***"


BAD_ID = (500, {"code": 500, "statusText": "error", "message": "Cast to ObjectId failed", "data": None})
OLD_BAD_ID = (500, {"code": 500, "statusText": "", "message": "Cast to ObjectId failed", "data": None})
NO_DATASET = (500, {"code": 501002, "statusText": "unExistDataset", "message": "", "data": None})
STRICT = (400, {"code": 400, "statusText": "error", "message": "", "data": None, "zodError": []})
DOCUMENT = (200, {"openapi": "3.1.0", "paths": {}})
PUBLIC = (200, {"code": 200, "data": {"feConfigs": {"isPlus": True}}})


@pytest.mark.parametrize(
    ("init", "rows", "wrong", "document", "name", "quirks"),
    [
        (PUBLIC, NO_DATASET, BAD_ID, None, "4.14", ("commercial",)),
        (None, NO_DATASET, OLD_BAD_ID, None, "4.12", ()),
        (None, STRICT, BAD_ID, None, "4.14", ("strict-schemas", "http-status")),
        (
            None,
            STRICT,
            BAD_ID,
            DOCUMENT,
            "4.16",
            ("strict-schemas", "http-status", "open-api-document", "exact-training-counts"),
        ),
        ((200, {"code": 200, "data": {"systemVersion": "4.8.10"}}), None, OLD_BAD_ID, None, "4.12", ("no-list-v2",)),
        ((200, {"code": 200, "data": {"systemVersion": "v4.14.5.1"}}), NO_DATASET, BAD_ID, None, "4.14", ()),
        ((200, {"code": 200, "data": {"systemVersion": "4.16.0-beta1"}}), STRICT, None, None, "4.16", None),
        ((200, [1]), (200, 7), (200, None), (200, "x"), "unknown", ()),
        ("down", "down", "down", "down", "unknown", ()),
    ],
)
def test_detect(init: Any, rows: Any, wrong: Any, document: Any, name: str, quirks: Any) -> None:
    answers = {"getInitData": init, "listV2": rows, "detail": wrong, "systemopenapi.json": document}

    def answer(request: httpx.Request) -> Any:
        found = answers[request.url.path.rpartition("/")[2]]
        if found == "down":
            return httpx.ConnectError("refused")
        return html(404) if found is None else httpx.Response(found[0], json=found[1])

    dialect = call(Server(answer), lambda c: c.detect())
    assert dialect.name == name
    assert quirks is None or dialect.quirks == quirks


def test_health() -> None:
    health = call(Server(ok({"systemVersion": "4.8.10"})), lambda c: c.health())
    assert (health.version, health.seconds >= 0) == ("4.8.10", True)
    assert call(Server(ok({"feConfigs": {}})), lambda c: c.health()).version == ""
    with pytest.raises(errors.Incompatible):
        call(Server(html(200)), lambda c: c.health())


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("七天", "七天"),
        ([{"type": "text", "text": {"content": "七"}}, {"type": "text", "text": "天"}, {"type": "tool"}], "七天"),
    ],
)
def test_chat(content: Any, text: str) -> None:
    server = Server(lambda _: httpx.Response(200, json={"choices": [{"message": {"content": content}}]}))
    assert call(server, lambda c: c.chat("app1", "退款？", "syncd", key="fastgpt-app")) == text
    assert call(server, lambda c: c.chat(None, "退款？", "syncd")) == text
    with_app, without = server.bodies()
    assert (with_app["appId"], with_app["customUid"], with_app["stream"]) == ("app1", "syncd", False)
    assert "appId" not in without
    assert [request.headers["authorization"] for request in server.seen] == ["Bearer fastgpt-app", f"Bearer {KEY}"]


def test_gone_is_told_apart() -> None:
    with pytest.raises(CollectionMissing):
        call(Server(no(501003, "unExistCollection")), lambda c: c.delete("x"))


def test_missing_certificates_are_a_configuration_error(tmp_path: Path) -> None:
    async def main() -> None:
        async with Client("https://127.0.0.1:9/api", KEY, ca_file=tmp_path / "none.pem") as client:
            with pytest.raises(errors.ConfigError, match=r"none\.pem"):
                await client.datasets()

    asyncio.run(main())
