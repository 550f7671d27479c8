"""How the client is bounded in time, what it counts, what it never shows, how it looks around."""

from __future__ import annotations

import asyncio
import json
import traceback
from pathlib import Path
from typing import Any

import httpx
import pytest
from scripted_server import BASE, C1, D1, KEY, Server, call, html, no, ok, upload
from virtual_loop import run

from syncd import errors, points
from syncd.fastgpt.client import Client
from syncd.fastgpt.envelope import CollectionMissing

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
    assert times[3] >= 16  # at most 15 s, whatever is asked for (design 13)
    assert times[5] >= times[4] + 1


# ------------------------------------------------------------ the rest


def test_points_frame_each_request() -> None:
    passed: list[str] = []
    points.install(passed.append)
    try:
        data = ok({"collectionId": C1})
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


def test_connection_that_breaks_in_the_process() -> None:
    with pytest.raises(errors.Unavailable):
        call(Server(ConnectionResetError("gone")), lambda c: c.datasets())
    with pytest.raises(errors.OutcomeUnknown):
        call(Server(ConnectionResetError("gone")), upload)


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
    (found,) = call(Server(ok([{"_id": D1, "name": KEY, "type": "dataset"}])), lambda c: c.datasets())
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
