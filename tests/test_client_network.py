"""The client over loopback sockets: resets, halves, time-outs, kept-alive connections, proxies, compression."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import struct
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET, socket
from typing import Any

import pytest
from scripted_server import C1, D1

from syncd import errors
from syncd.fastgpt.client import Client
from syncd.models import Marker, Training

KEY = "fastgpt-verysecretkey"
MARKER = Marker("sp", "led", "doc", "rev", "att", "handbook", "a.md", "0" * 64, "s1")
Act = Callable[[Client], Coroutine[Any, Any, Any]]


def answer(data: Any = None, *, status: str = "200 OK", body: bytes | None = None, headers: str = "") -> bytes:
    if body is None:
        body = json.dumps({"code": 200, "statusText": "", "message": "", "data": data}).encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


GOOD = answer({"collectionId": C1})
CLOSE, RESET, HANG, HALF = "close", "reset", "hang", "half"


class Peer:
    """Does to each request what the script says, one step after the other; the last step is for all further ones.

    ``conversations`` holds, for each connection, the request lines and bodies that came through it.
    """

    def __init__(self, *script: Any) -> None:
        self.script = list(script)
        self.conversations: list[list[tuple[str, bytes]]] = []
        self.broken = 0
        self.gate = asyncio.Event()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mine: list[tuple[str, bytes]] = []
        self.conversations.append(mine)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int(head.lower().partition("content-length:")[2].partition("\r")[0] or 0)
                body = await reader.readexactly(length)
                mine.append((head.partition(" HTTP/")[0], body))
                step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                if isinstance(step, bytes):
                    writer.write(step)
                elif step == HANG:
                    await self.gate.wait()
                else:
                    if step == HALF:
                        writer.write(GOOD[:-9])
                        await writer.drain()
                    if step == RESET:
                        raw: socket = writer.get_extra_info("socket")
                        raw.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            self.broken += 1

    @property
    def requests(self) -> list[str]:
        return [line for conversation in self.conversations for line, _ in conversation]


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@asynccontextmanager
async def listening(handler: Handler) -> AsyncIterator[str]:
    """A loopback server; it ends when every connection has."""
    tasks: list[asyncio.Task[None]] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())  # type: ignore[arg-type]
        try:
            await handler(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, limit=1 << 20)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api"
    finally:
        server.close()
        await asyncio.sleep(0)
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def serving(peer: Peer) -> AsyncIterator[str]:
    async with listening(peer.talk) as base:
        try:
            yield base
        finally:
            peer.gate.set()


def against(peer_script: tuple[Any, ...], act: Act, **options: Any) -> Peer:
    async def main() -> Peer:
        peer = Peer(*peer_script)
        async with serving(peer) as base, Client(base, KEY, **options) as client:
            await act(client)
        return peer

    return asyncio.run(main())


def upload(client: Client, **changes: Any) -> Coroutine[Any, Any, Any]:
    wanted: dict[str, Any] = {
        "dataset_id": "d1",
        "parent_id": None,
        "filename": "a.md",
        "content_type": "text/markdown",
        "body": b"text",
        "size": 4,
        "marker": MARKER,
        "training": Training("chunk"),
    }
    return client.upload(**{**wanted, **changes})


HUNG = 1.0  # seconds: the request has to be there by then, also on a busy machine
MAKING: list[Act] = [upload, lambda c: c.create_folder("d", None, "f"), lambda c: c.create_dataset("d")]
REPEATABLE: list[Act] = [
    lambda c: c.update("x", forbid=True),
    lambda c: c.delete("x"),
    lambda c: c.datasets(),
    lambda c: c.collection("x"),
    lambda c: c.search_test("d", "x"),
]
GATEWAY = answer(status="504 Gateway Time-out", body=b"<html><title>504</title></html>")
LOST = [CLOSE, RESET, HALF, HANG, GATEWAY, b"HTTP/9 nonsense\r\n\r\n", answer(body=b'{"code":200,"sta')]


@pytest.mark.parametrize("step", LOST)
@pytest.mark.parametrize("act", MAKING)
def test_lost_answer_to_a_making_call_is_unknown(act: Act, step: Any) -> None:
    async def check(client: Client) -> None:
        with pytest.raises(errors.OutcomeUnknown):
            await act(client)

    bound = HUNG if step == HANG else 30
    assert len(against((step,), check, timeout=bound, upload_timeout=bound).requests) == 1


@pytest.mark.parametrize("step", LOST)
@pytest.mark.parametrize("act", REPEATABLE)
def test_lost_answer_to_a_repeatable_call_is_the_servers_trouble(act: Act, step: Any) -> None:
    async def check(client: Client) -> None:
        with pytest.raises(errors.Unavailable):
            await act(client)

    # One request: on a fresh connection nothing is repeated.
    assert len(against((step,), check, timeout=HUNG if step == HANG else 30).requests) == 1


@pytest.mark.parametrize("act", [*MAKING, *REPEATABLE])
@pytest.mark.parametrize("base", ["http://127.0.0.1:9/api", "http://fastgpt.invalid/api", "https://127.0.0.1:9/api"])
def test_unreachable_server_got_nothing(act: Act, base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")

    async def main() -> None:
        async with Client(base, KEY, timeout=20, upload_timeout=20) as client:
            with pytest.raises(errors.Unavailable, match=r"cannot be (reached|resolved)") as caught:
                await act(client)
            assert "base_url" in caught.value.hint

    asyncio.run(main())


def test_connections_are_kept_alive() -> None:
    async def act(client: Client) -> None:
        for _ in range(5):
            await client.update("x")

    peer = against((GOOD,), act)
    assert [len(conversation) for conversation in peer.conversations] == [5]


def test_least_long_unused_connection_goes_first() -> None:
    async def act(client: Client) -> None:
        await asyncio.gather(*(client.update("x") for _ in range(3)))
        for _ in range(4):
            await client.update("x")

    peer = against((GOOD,), act)
    assert sorted(len(conversation) for conversation in peer.conversations) == [1, 1, 5]


@pytest.mark.parametrize("step", [CLOSE, RESET])
def test_repeatable_call_survives_a_dropped_connection(step: str) -> None:
    async def act(client: Client) -> None:
        await client.update("x")
        await client.update("y")

    peer = against((GOOD, step, GOOD), act)
    assert [len(conversation) for conversation in peer.conversations] == [2, 1]
    assert peer.conversations[0][1] == peer.conversations[1][0]


def test_only_one_repetition() -> None:
    async def act(client: Client) -> None:
        await client.update("x")
        with pytest.raises(errors.Unavailable):
            await client.update("y")

    assert len(against((GOOD, CLOSE, CLOSE, GOOD), act).requests) == 3


def test_half_an_answer_is_not_asked_for_again() -> None:
    async def act(client: Client) -> None:
        await client.update("x")
        with pytest.raises(errors.Unavailable):
            await client.update("y")

    assert len(against((GOOD, HALF, GOOD), act).requests) == 2


@pytest.mark.parametrize("act", MAKING)
def test_making_call_is_never_repeated(act: Act) -> None:
    async def check(client: Client) -> None:
        await client.update("x")
        with pytest.raises(errors.OutcomeUnknown):
            await act(client)

    assert len(against((GOOD, CLOSE, GOOD), check).requests) == 2


def test_connection_that_closed_while_idle_is_noticed() -> None:
    async def act(client: Client) -> None:
        await client.update("x")
        await asyncio.sleep(0)  # let the end of the connection arrive
        for _ in range(50):
            await asyncio.sleep(0)
        assert await upload(client) == C1

    closing = answer({"collectionId": C1}, headers="Connection: close\r\n")
    assert len(against((closing, GOOD), act).requests) == 2


def test_client_works_on_after_every_kind_of_failure() -> None:
    async def act(client: Client) -> None:
        for step in (CLOSE, RESET, HALF, GATEWAY):
            with pytest.raises(errors.SyncdError):
                await client.create_dataset(step if isinstance(step, str) else "gateway")
        for _ in range(3):
            await client.update("x")

    against((CLOSE, RESET, HALF, GATEWAY, GOOD), act, connections=1)


def test_cancelled_request_leaves_a_working_client() -> None:
    async def main() -> None:
        peer = Peer(HANG, HANG, HANG, GOOD)
        async with serving(peer) as base, Client(base, KEY, connections=1) as client:
            for number in range(1, 4):
                task = asyncio.create_task(client.datasets())
                while len(peer.requests) < number:  # noqa: ASYNC110
                    await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            await client.update("x")

    asyncio.run(main())


# ------------------------------------------------------------ large files


def blocks(path: Path) -> Callable[[], Iterator[bytes]]:
    def start() -> Iterator[bytes]:
        with path.open("rb") as source:
            while block := source.read(1 << 20):
                yield block

    return start


def test_large_file_arrives_whole(tmp_path: Path) -> None:
    path = tmp_path / "film.pdf"
    path.write_bytes(bytes(range(256)) * 4096 * 20 + b"end")
    size = path.stat().st_size

    async def act(client: Client) -> None:
        assert await upload(client, body=blocks(path), size=size) == C1
        assert client.stats.bytes_sent > size

    ((line, body),) = against((GOOD,), act).conversations[0]
    assert line == "POST /api/core/dataset/collection/create/localFile"
    boundary = body[: body.index(b"\r\n")]
    file = body.split(b"\r\n\r\n", 2)[2].removesuffix(b"\r\n" + boundary + b"--\r\n")
    assert hashlib.sha256(file).digest() == hashlib.sha256(path.read_bytes()).digest()


def test_shrunken_file_is_aborted_and_the_server_knows(tmp_path: Path) -> None:
    path = tmp_path / "film.pdf"
    path.write_bytes(b"x" * (12 << 20))

    async def act(client: Client) -> None:
        with pytest.raises(errors.Transient, match="changed"):
            await upload(client, body=blocks(path), size=13 << 20)
        await client.update("x")

    peer = against((GOOD,), act, connections=1)
    assert peer.broken >= 1
    assert len(peer.requests) == 1  # the update; the upload never became a request


def test_server_that_refuses_in_the_middle_of_a_body() -> None:
    """nginx answers 413 and closes while the body is still on its way."""

    async def main() -> None:
        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer(status="413 Request Entity Too Large", body=b"<html><title>413</title></html>"))
            await writer.drain()
            writer.write_eof()
            while await reader.read(1 << 20):
                pass

        async with listening(refuse) as base, Client(base, KEY) as client:
            with pytest.raises(errors.OutcomeUnknown) as caught:
                await upload(client, body=b"x" * (9 << 20), size=9 << 20)
            assert caught.value.cause is not None
            assert caught.value.cause.code == "too-large"

    asyncio.run(main())


# ------------------------------------------------------------ surroundings


def test_compressed_answers() -> None:
    packed = gzip.compress(answer([{"_id": D1, "name": "手册", "type": "dataset"}]).split(b"\r\n\r\n")[1])
    good = answer(body=packed, headers="Content-Encoding: gzip\r\n")
    cut = answer(body=packed[:-12], headers="Content-Encoding: gzip\r\n")
    junk = answer(body=b"no gzip", headers="Content-Encoding: gzip\r\n")

    async def act(client: Client) -> None:
        (found,) = await client.datasets()
        assert found.name == "手册"
        for flaw in ("is cut", "cannot be decompressed"):
            with pytest.raises(errors.Unavailable, match=flaw):
                await client.datasets()

    against((good, cut, junk), act)


def test_endless_answer_is_cut_off() -> None:
    async def act(client: Client) -> None:
        with pytest.raises(errors.Incompatible, match="longer than 16 MiB"):
            await client.datasets()

    against((answer(body=b" " * ((16 << 20) + 1)),), act)


def test_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> Peer:
        peer = Peer(answer([]))
        async with serving(peer) as base:
            monkeypatch.setenv("http_proxy", base.removesuffix("/api"))
            monkeypatch.delenv("no_proxy", raising=False)
            monkeypatch.delenv("NO_PROXY", raising=False)
            async with Client("http://fastgpt.invalid/api", KEY) as client:
                assert await client.datasets() == []
            monkeypatch.setenv("no_proxy", "fastgpt.invalid")
            async with Client("http://fastgpt.invalid/api", KEY) as client:
                with pytest.raises(errors.Unavailable):
                    await client.datasets()
        return peer

    assert asyncio.run(main()).requests == ["POST http://fastgpt.invalid/api/core/dataset/list"]


def test_loopback_goes_through_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    async def act(client: Client) -> None:
        await client.update("x")

    assert len(against((GOOD,), act).requests) == 1


def test_unusable_proxy_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "gopher://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    async def main() -> None:
        async with Client("http://fastgpt.invalid/api", KEY) as client:
            with pytest.raises(errors.ConfigError, match="proxy"):
                await client.datasets()

    asyncio.run(main())


def test_tls_trouble_names_the_remedy() -> None:
    async def main() -> None:
        async def speak_plainly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(answer(status="400 Bad Request", body=b"plain HTTP only"))
            await writer.drain()

        async with listening(speak_plainly) as base, Client(base.replace("http:", "https:"), KEY) as client:
            for act in (client.datasets, lambda: upload(client)):
                with pytest.raises(errors.Unavailable, match="secure connection") as caught:
                    await act()
                assert "ca_file" in caught.value.hint

    asyncio.run(main())


def test_key_travels_in_one_header_only() -> None:
    async def main() -> bytes:
        heard = bytearray()

        async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0])
            heard.extend(head + await reader.readexactly(length))
            writer.write(GOOD)
            await writer.drain()

        async with listening(listen) as base, Client(base, KEY) as client:
            await upload(client)
        return bytes(heard)

    heard = asyncio.run(main())
    assert heard.count(KEY.encode()) == 1
    assert f"authorization: Bearer {KEY}\r\n".encode() in heard
