"""The status server on a real socket: it starts, answers, refuses to share its port, and ends quickly."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from web_parts import TOKEN, Service

from syncd.config import Secret
from syncd.errors import BusyError, ConfigError
from syncd.web import Metrics, Server
from syncd.web import server as serving

PATIENCE = 30.0


def serve(
    folder: Path, body: Callable[[Server, Service], Coroutine[Any, Any, Any]], listen: str = "127.0.0.1:0"
) -> Any:
    """Run ``body`` beside a server that listens."""

    async def go() -> Any:
        service = Service(folder)
        server = Server(listen, service, Metrics(), token=Secret(TOKEN))
        try:
            await server.start()
            async with asyncio.timeout(PATIENCE):
                return await body(server, service)
        finally:
            await server.stop()
            service.ledger.close()

    return asyncio.run(go())


async def _connect(server: Server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = server.address.removeprefix("http://").rpartition(":")
    return await asyncio.open_connection(host.strip("[]"), int(port))


async def _ask(server: Server, path: str, **headers: str) -> bytes:
    """One request on a connection of its own; the whole answer."""
    reader, writer = await _connect(server)
    more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def test_it_answers(scratch: Path) -> None:
    """A page comes with its headers, and with nothing that names the program that serves it."""

    async def body(server: Server, _service: Service) -> None:
        head, _, page = (await _ask(server, "/")).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert b"content-security-policy: default-src 'none'" in head
        assert b"uvicorn" not in head.lower()
        assert b"<!doctype html>" in page

    serve(scratch, body)


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_ipv6(scratch: Path) -> None:
    """It listens on an IPv6 address, and names it as one does in an address."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 loopback here")

    async def body(server: Server, _service: Service) -> None:
        assert server.address.startswith("http://[::1]:")
        assert b"200" in (await _ask(server, "/livez")).split(b"\r\n")[0]

    serve(scratch, body, "[::1]:0")


def test_two_cannot_listen(scratch: Path) -> None:
    """A port that somebody else has is said, with what to do, and leaves nothing open."""

    async def body(server: Server, service: Service) -> None:
        other = Server(server.address.removeprefix("http://"), service, Metrics(), token=Secret(""))
        with pytest.raises(BusyError, match="cannot listen on"):
            await other.start()
        await other.stop()

    serve(scratch, body)


def test_an_address_that_is_none(scratch: Path) -> None:
    """A host that does not exist is an error of the configuration."""
    service = Service(scratch)
    server = Server("no-such-host.invalid:1", service, Metrics(), token=Secret(""))
    with pytest.raises(ConfigError, match=r"\[http\] listen"):
        asyncio.run(server.start())
    service.ledger.close()


def test_stopping_ends_streams_and_frees_the_port(scratch: Path) -> None:
    """With streams open and idle connections about it stops at once, and the port can be had again."""

    async def body(server: Server, service: Service) -> None:
        reader, writer = await _connect(server)
        writer.write(b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"retry" in await reader.readuntil(b"\n\n\r\n")
        idle, half = await _connect(server), await _connect(server)
        half[1].write(b"GET / HTTP/1.1\r\nHost: loc")
        server.tell({"event": "verified"})
        assert b"verified" in await reader.readuntil(b"\n\n\r\n")
        await server.stop()
        assert b"0\r\n\r\n" == await reader.read()  # an end, not a break
        for one in (writer, idle[1], half[1]):
            one.close()
        again = Server(server.address.removeprefix("http://"), service, Metrics(), token=Secret(""))
        await again.start()
        assert b"200" in (await _ask(again, "/livez")).split(b"\r\n")[0]
        await again.stop()

    serve(scratch, body)


def test_an_action_outlives_the_server(scratch: Path) -> None:
    """A request that stops this very server, as a reload may, is carried out to its end."""

    async def body(server: Server, service: Service) -> None:
        done = asyncio.Event()

        async def reload(kind: str, _arguments: dict[str, Any]) -> str:
            await server.stop()
            await asyncio.sleep(0)  # here it would end, had stopping the server ended it
            done.set()
            return kind

        service.act = reload  # type: ignore[method-assign]
        reader, writer = await _connect(server)
        writer.write(
            b"POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n"
            b"Authorization: Bearer " + TOKEN.encode() + b"\r\n\r\n"
        )
        await done.wait()
        await reader.read()
        writer.close()

    serve(scratch, body)


def test_too_many_connections(scratch: Path) -> None:
    """Connections beyond the limit are closed at once; the others are served."""

    async def body(server: Server, _service: Service) -> None:
        before, serving.MOST_CONNECTIONS = serving.MOST_CONNECTIONS, 4
        try:
            kept = [await _connect(server) for _ in range(4)]
            reader, writer = await _connect(server)
            with contextlib.suppress(ConnectionResetError):
                assert b"" == await reader.read()
            writer.close()
            kept[0][1].write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"HTTP/1.1 200" in await kept[0][0].readline()
            for _, one in kept:
                one.close()
        finally:
            serving.MOST_CONNECTIONS = before

    serve(scratch, body)


def test_idle_connections_end(scratch: Path) -> None:
    """A connection that does not finish asking is closed; a stream, which is being answered, is not."""

    async def body(server: Server, _service: Service) -> None:
        stream, half = await _connect(server), await _connect(server)
        stream[1].write(b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await stream[0].readuntil(b"\n\n\r\n")
        half[1].write(b"GET / HTTP/1.1\r\nHost: loc")
        assert b"" == await half[0].read()
        server.tell({"event": "later"})
        assert b"later" in await stream[0].readuntil(b"\n\n\r\n")
        for _, writer in (stream, half):
            writer.close()

    before, serving._LEISURE = serving._LEISURE, 0.2
    try:
        serve(scratch, body)
    finally:
        serving._LEISURE = before


def test_who_asks_is_who_is_connected(scratch: Path) -> None:
    """What a request says of where it comes from is not believed."""

    async def body(server: Server, service: Service) -> None:
        reader, writer = await _connect(server)
        writer.write(
            b"POST /-/sync HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 192.168.1.9\r\n"
            b"Content-Length: 0\r\nConnection: close\r\n\r\n"
        )
        assert b"200" in (await reader.read()).split(b"\r\n")[0]
        writer.close()
        assert [("sync", {})] == service.acted

    serve(scratch, body, "0.0.0.0:0")


def test_a_broken_off_request_is_no_fault(scratch: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A client that goes away in the middle of its body leaves no traceback in the log."""

    async def body(server: Server, service: Service) -> None:
        _, writer = await _connect(server)
        writer.write(
            b"POST /api/v1/pause HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
            b"Authorization: Bearer " + TOKEN.encode() + b"\r\n\r\n{"
        )
        await writer.drain()
        await _ask(server, "/livez")
        writer.transport.abort()
        await _ask(server, "/livez")
        assert [] == service.acted

    serve(scratch, body)
    assert "Traceback" not in caplog.text
