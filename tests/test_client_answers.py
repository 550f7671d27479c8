"""What the client makes of answers, page by page."""

from __future__ import annotations

import itertools
import json
from typing import Any

import httpx
import pytest
from scripted_server import C1, D1, MARKER, ROW, Server, call, html, oid, ok, upload
from virtual_loop import run

from syncd import errors
from syncd.fastgpt.envelope import RouteMissing
from syncd.fastgpt.models import TrainingDetail
from syncd.models import Marker

# ------------------------------------------------------------ what comes back


def test_dataset() -> None:
    model = {"model": "m3", "name": "M3"}
    may = {"isOwner": False, "hasManagePer": False, "hasWritePer": True, "hasReadPer": True}
    data = {"_id": D1, "name": "手册", "type": "dataset", "vectorModel": model, "permission": may, "new": 1}
    found = call(Server(ok(data)), lambda c: c.dataset(D1))
    assert (found.id, found.name, found.type, found.vector_model) == (D1, "手册", "dataset", "m3")
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
    data = {**ROW, "datasetId": D1, "rawTextLength": 353, "indexAmount": 3, "errorCount": 0, "hashRawText": "7c"}
    data["metadata"] = {"relatedImgId": "x", "syncd": {**marker_fields(), "later": [1]}}
    found = call(Server(ok(data)), lambda c: c.collection(C1))
    assert found.marker == MARKER
    assert (found.dataset_id, found.raw_text_length, found.index_amount, found.error_count) == (D1, 353, 3, 0)
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
    data = {**ROW, "metadata": metadata, "dataset": {"_id": D1}}
    found = call(Server(ok(data)), lambda c: c.collection(C1))
    assert (found.marker, found.dataset_id) == (marker, D1)


WRONG = [
    (lambda c: c.datasets(), {"list": []}, "datasets", "data"),
    (lambda c: c.datasets(), [{"_id": D1, "type": "dataset"}], "datasets", "name"),
    (lambda c: c.datasets(), [{"name": "d", "type": "dataset"}], "datasets", "_id"),
    (lambda c: c.datasets(), [3], "datasets", "data"),
    (lambda c: c.dataset("d"), [], "dataset", "data"),
    (lambda c: c.collections("d", None), {"list": []}, "list", "total"),
    (lambda c: c.collections("d", None), {"total": 1}, "list", "list"),
    (lambda c: c.collections("d", None), {"list": [{**ROW, "_id": 5}], "total": 1}, "list", "_id"),
    (lambda c: c.collections("d", None), {"list": [{**ROW, "forbid": "no"}], "total": 1}, "list", "forbid"),
    (lambda c: c.collections("d", None), {"list": [{**ROW, "dataAmount": True}], "total": 1}, "list", "dataAmount"),
    (lambda c: c.collections("d", None), {"list": [{**ROW, "tags": "x"}], "total": 1}, "list", "tags"),
    (lambda c: c.collection(C1), ROW, "detail", "datasetId"),
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
    rows = [{"_id": oid(str(n)), "q": f"q{n}", **({"a": f"a{n}"} if n % 2 else {})} for n in range(65)]

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
    rows = [{"collectionId": oid(f"c{n}"), "q": "问", "a": "答" if n else "", "score": s} for n, s in enumerate(scores)]
    found = call(Server(ok({"list": rows, "duration": "0.1s"})), lambda c: c.search_test("d", "x"))
    assert [(hit.rank, hit.collection_id, hit.score) for hit in found] == [
        (1, oid("c0"), 0.016),
        (2, oid("c1"), 3.5),
        (3, oid("c2"), 0.8),
        (4, oid("c3"), None),
        (5, oid("c4"), None),
    ]
    assert found[0].score_types == {"embedding", "rrf"}
    assert (found[0].text, found[1].text) == ("问", "问\n答")
    assert call(Server(ok(rows)), lambda c: c.search_test("d", "x")) == found  # the old, flat shape


def test_blank_search_is_a_bug() -> None:
    with pytest.raises(ValueError, match="text"):
        call(Server(), lambda c: c.search_test("d", " \n"))


# ------------------------------------------------------------ walking folders


def listing(names: list[str], total: int | None = None) -> httpx.Response:
    return ok({"list": [{**ROW, "_id": oid(name)} for name in names], "total": len(names) if total is None else total})


def test_walk_goes_by_the_rows_received() -> None:
    ids = [f"c{n:03}" for n in range(95)]

    def page(request: httpx.Request) -> httpx.Response:  # up to 4.12.0 a page holds 30, whatever is asked
        return listing(ids[json.loads(request.content)["offset"] :][:30], 95)

    server = Server(page)
    rows = call(server, lambda c: c.walk_folder("d", "p"))
    assert [row.id for row in rows] == [oid(name) for name in ids]
    assert [body["offset"] for body in server.bodies()] == [0, 30, 60, 90]


def test_walk_is_repeated_while_the_folder_moves() -> None:
    # A row moves to the front between two pages: one is seen twice, one not at all.
    server = Server(listing(["a", "b"], 4), listing(["b", "c"], 4), listing(["d", "a"], 4), listing(["b", "c"], 4))
    rows = call(server, lambda c: c.walk_folder("d", None))
    assert sorted(row.id for row in rows) == [oid(name) for name in "abcd"]
    # The total changes on the way: a row was deleted.
    server = Server(listing(["a", "b"], 3), listing([], 2), listing(["a", "b"], 2))
    assert [row.id for row in call(server, lambda c: c.walk_folder("d", None))] == [oid(name) for name in "ab"]


def test_walk_without_luck_gives_all_that_was_seen() -> None:
    passes = itertools.cycle([["a", "b"], ["b"], ["b", "c"], ["c"], ["c", "d"], ["d"]])  # one id twice in each pass
    server = Server(lambda _: listing(next(passes), 3))
    assert sorted(row.id for row in call(server, lambda c: c.walk_folder("d", None))) == [oid(name) for name in "abcd"]


def test_walk_ends_on_a_server_whose_total_lies() -> None:
    server = Server(lambda r: listing(["a", "b"] if json.loads(r.content)["offset"] == 0 else [], 5))
    assert [row.id for row in call(server, lambda c: c.walk_folder("d", None))] == [oid(name) for name in "ab"]
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
        rows = [{**ROW, "_id": oid(name)} for name in ids[start:][: body["pageSize"]]]
        return ok({"pageNum": body["pageNum"], "pageSize": body["pageSize"], "data": rows, "total": 70})

    server = Server(answer)
    rows = call(server, lambda c: c.walk_folder("d", None))
    assert [row.id for row in rows] == [oid(name) for name in ids]
    assert [request.url.path[-6:] for request in server.seen] == ["listV2", "n/list", "n/list", "n/list"]
    page = call(Server(answer), lambda c: c.collections("d", None, offset=35))
    assert [row.id for row in page.rows] == [oid(name) for name in ids[35:60]]


def test_gateway_that_answers_404_for_everything_is_not_an_old_server() -> None:
    server = Server(html(404), html(404), listing(["a"]))

    async def main() -> None:
        async with server.client() as client:
            with pytest.raises(RouteMissing):
                await client.collections("d", None)
            assert len((await client.collections("d", None)).rows) == 1

    run(main())
    assert server.seen[2].url.path.endswith("listV2")
