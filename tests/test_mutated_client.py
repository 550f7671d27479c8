"""Every method of the client against changed answers: a value, or an error that has an exit code, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import exercised
import httpx
import pytest
from mutated import change
from scripted_server import C1, D1, MARKER, ROW, Server, call, oid, ok, upload
from test_client_answers import marker_fields

from syncd.errors import DocumentError, OutcomeUnknown, RemoteMissing, ServerError
from syncd.fastgpt.client import Client
from syncd.fastgpt.reading import Misshapen

CASES = 40
COUNTS = {"parse": 0, "chunk": 2}
CHAT = {"choices": [{"message": {"role": "assistant", "content": "ja"}}], "id": "x", "usage": {"prompt_tokens": 1}}
DATASET = {
    "_id": D1,
    "name": "手册",
    "type": "dataset",
    "vectorModel": {"model": "m3", "name": "M3"},
    "permission": {"hasWritePer": True, "hasManagePer": True, "isOwner": True},
}
DETAIL = {
    **ROW,
    "datasetId": D1,
    "tags": ["a", {"tag": "year", "value": 2026}],
    "metadata": {"syncd": marker_fields()},
    "rawTextLength": 7,
    "indexAmount": 1,
    "errorCount": 0,
}
HITS = [
    {"collectionId": oid(f"h{n}"), "q": "问", "a": "", "score": [{"type": "embedding", "value": 0.5, "index": n}]}
    for n in range(3)
]
Act = Callable[[Client], Any]
METHODS: dict[str, tuple[Act, Any]] = {
    "datasets": (lambda c: c.datasets(), [DATASET]),
    "dataset": (lambda c: c.dataset(D1), DATASET),
    "create_dataset": (lambda c: c.create_dataset("x"), D1),
    "collections": (lambda c: c.collections(D1, None), {"list": [ROW, {**ROW, "_id": oid("c2")}], "total": 2}),
    "walk_folder": (lambda c: c.walk_folder(D1, None), {"list": [ROW, {**ROW, "_id": oid("c2")}], "total": 2}),
    "collection": (lambda c: c.collection(C1), DETAIL),
    "create_folder": (lambda c: c.create_folder(D1, None, "f"), C1),
    "upload": (upload, {"collectionId": C1, "results": {"insertLen": 0}}),
    "update": (lambda c: c.update(C1, forbid=True), None),
    "delete": (lambda c: c.delete(C1), None),
    "training": (
        lambda c: c.training(C1),
        {"queuedCounts": COUNTS, "trainingCounts": COUNTS, "errorCounts": COUNTS, "trainedCount": 3},
    ),
    "training_errors": (lambda c: c.training_errors(C1), {"list": [{"errorMsg": "一"}], "total": 1}),
    "retry_training": (lambda c: c.retry_training(D1, C1), None),
    "chunks": (lambda c: c.chunks(C1), {"list": [{"_id": oid("r1"), "q": "x", "a": "y"}], "total": 1}),
    "search_test": (lambda c: c.search_test(D1, "x"), {"list": HITS, "duration": "1s"}),
    "health": (lambda c: c.health(), {"systemVersion": "4.9.0", "feConfigs": {"isPlus": False}}),
    "detect": (lambda c: c.detect(), {"systemVersion": "4.9.0", "feConfigs": {"isPlus": False}}),
    "key_kind": (lambda c: c.key_kind(), None),
    "may_create": (lambda c: c.may_create(), None),
    "chat": (lambda c: c.chat("app", "?", "uid"), CHAT),
}


@pytest.mark.parametrize("method", METHODS)
def test_methods_under_mutated_answers(method: str) -> None:
    """Whatever comes instead of an answer, a method returns a value or raises an error that says what happened."""
    act, data = METHODS[method]
    for number in range(CASES):
        dice = random.Random(f"{method} {number}")
        shapes = number % 4 == 0
        real = httpx.Response(200, json=data) if method == "chat" else ok(data)
        kind, _ = change(random.Random(f"{method} {number}"), real, real.content, shapes)

        def answer(_request: httpx.Request, dice: random.Random = dice, real: httpx.Response = real) -> httpx.Response:
            state = dice.getstate()
            try:  # each request of the call is answered alike
                return change(dice, real, real.content, shapes)[1]  # noqa: B023
            finally:
                dice.setstate(state)

        told = f"{method} {number}: {kind}"
        try:
            call(Server(answer), act)
        except (ServerError, OutcomeUnknown, RemoteMissing, DocumentError) as error:
            assert error.message.isprintable(), told
            assert len(error.message) < 1500, told
            cause = error.cause if isinstance(error, OutcomeUnknown) else error
            if shapes and method != "retry_training":
                assert isinstance(cause, (Misshapen, ServerError)), told
                assert isinstance(cause, Misshapen) or cause.exit_code == 76, f"{told} -> {cause!r}"
        exercised.add("mutated answers, calls of the client")


def test_the_marker_is_one() -> None:
    """What the calls above are answered is a good answer when nothing is changed."""
    for method, (act, data) in METHODS.items():
        real = httpx.Response(200, json=data) if method == "chat" else ok(data)
        found = call(Server(lambda _request, real=real: real), act)
        if method == "collection":
            assert found.marker == MARKER
