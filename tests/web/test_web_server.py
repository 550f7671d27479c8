"""The status server on a real socket: it starts, answers, refuses to share its port, and ends quickly."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from web_parts import TOKEN, Service, add_document

from syncd.config import Secret
from syncd.errors import BusyError, ConfigError
from syncd.web import Metrics, Server
from syncd.web.crowd import Limits

PATIENCE = 30.0


def serve(
    folder: Path,
    body: Callable[[Server, Service], Coroutine[Any, Any, Any]],
    listen: str = "127.0.0.1:0",
    **more: Any,
) -> Any:
    """Run ``body`` beside a server that listens."""

    async def go() -> Any:
        service = Service(folder)
        server = Server(listen, service, Metrics(), token=Secret(TOKEN), **more)
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


async def _until(condition: Callable[[], bool]) -> None:
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not within 30 seconds")


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
    """Whoever comes is answered, however many are connected: the one that has been idle for longest goes."""

    async def body(server: Server, _service: Service) -> None:
        kept = [await _connect(server) for _ in range(4)]
        for reader, writer in kept[1:]:
            writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"HTTP/1.1 200" in await reader.readline()
        for number in range(3):
            assert b"HTTP/1.1 200" in await _ask(server, "/livez"), number
        with contextlib.suppress(ConnectionError):
            assert b"" == await kept[0][0].read()
        for _, writer in kept:
            writer.close()

    serve(scratch, body, limits=Limits(most=4, of_one=4, grace=0.0))


def test_slow_requests_end(scratch: Path) -> None:
    """A request that does not come to its end is closed, however busily its bytes drip; a stream is not, nor is what
    has all of its request."""

    async def body(server: Server, service: Service) -> None:
        stream, head, slow = [await _connect(server) for _ in range(3)]
        stream[1].write(b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await stream[0].readuntil(b"\n\n\r\n")
        head[1].write(b"GET / HTTP/1.1\r\nHost: loc")
        slow[1].write(b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n")

        async def drip(writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError):
                while not writer.is_closing():
                    writer.write(b"a")
                    await writer.drain()
                    await asyncio.sleep(0.01)

        dripping = [asyncio.ensure_future(drip(one[1])) for one in (head, slow)]
        for one in (head, slow):
            with contextlib.suppress(ConnectionError):
                assert b"" == await one[0].read()
        for task in dripping:
            task.cancel()
        server.tell({"event": "later"})
        assert b"later" in await stream[0].readuntil(b"\n\n\r\n")
        for _, writer in (stream, head, slow):
            writer.close()

    serve(scratch, body, limits=Limits(asking=0.3))


def test_who_does_not_read_goes(scratch: Path) -> None:
    """An answer that nobody reads is given up, and what it held is free again."""

    async def body(server: Server, service: Service) -> None:
        service.write(lambda conn: [add_document(conn, f"{n}-{'x' * 4000}.md", "verified") for n in range(500)])
        reader, writer = await _connect(server)
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(20):  # more than the buffers of the kernel hold
            writer.write(b"GET /api/v1/documents?limit=500 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        members = server._port._doors.crowd.members  # type: ignore[union-attr]
        await _until(lambda: any(member.stalled for member in members))
        await _until(lambda: not members)
        writer.transport.abort()

    serve(scratch, body, limits=Limits(stalled=0.2))


def test_health_has_a_port_of_its_own(scratch: Path) -> None:
    """Health is told there and nothing else, whatever the method, and the page's port may be none."""

    async def body(server: Server, service: Service) -> None:
        host, port = server.health_address.removeprefix("http://").split(":")

        async def ask(what: str) -> tuple[int, str]:
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(f"{what} HTTP/1.1\r\nHost: anything.example\r\nConnection: close\r\n\r\n".encode())
            head, _, rest = (await reader.read()).partition(b"\r\n\r\n")
            writer.close()
            return int(head.split()[1]), rest.decode()

        assert "" == server.address
        assert (200, '{"live":true,"reason":"alive"}') == await ask("GET /livez")
        assert (200, "") == await ask("HEAD /healthz")
        assert 200 == (await ask("GET /readyz"))[0]
        service.alive = service.begun = False
        assert [503, 503] == [(await ask("GET /livez"))[0], (await ask("GET /readyz"))[0]]
        for what in ("GET /", "GET /metrics", "GET /api/v1/status", "GET /api/v1/stream"):
            assert 404 == (await ask(what))[0], what
        for what in ("POST /livez", "POST /api/v1/pause", "DELETE /livez"):
            assert 405 == (await ask(what))[0], what
        assert [] == service.acted

    serve(scratch, body, "", health_listen="127.0.0.1:0")


def test_a_port_that_is_taken_frees_the_other_one(scratch: Path) -> None:
    """When one of the two ports cannot be had, the server has neither."""

    async def body(server: Server, service: Service) -> None:
        taken = server.address.removeprefix("http://")
        other = Server(taken, service, Metrics(), token=Secret(""), health_listen="127.0.0.1:0")
        with pytest.raises(BusyError):
            await other.start()
        health = other.health_address.removeprefix("http://")
        again = Server(health, service, Metrics(), token=Secret(""))
        await again.start()
        await again.stop()

    serve(scratch, body)


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


def test_this_machine_is_known_in_the_clothes_of_ipv6(scratch: Path) -> None:
    """On ``[::]`` who comes from 127.0.0.1 is this machine, and may say that there is news."""
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")

    async def body(server: Server, service: Service) -> None:
        port = int(server.address.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /-/sync HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        assert b"200" in (await reader.read()).split(b"\r\n")[0]
        writer.close()
        assert [("sync", {})] == service.acted

    serve(scratch, body, "[::]:0")


def test_what_strangers_send_fills_no_log(scratch: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Rubbish and protocols that are not spoken here are answered or closed, without a line of the log."""

    async def body(server: Server, _service: Service) -> None:
        upgrade = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
        for said in (
            b"\x16\x03\x01\x02\x00",
            b"rubbish\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            upgrade,
            b"GET /\xff HTTP/1.1\r\n\r\n",
        ):
            reader, writer = await _connect(server)
            writer.write(said + b"\r\n\r\n")
            writer.write_eof()
            with contextlib.suppress(ConnectionError):
                await reader.read()
            writer.close()
        assert b"200" in (await _ask(server, "/livez")).split(b"\r\n")[0]

    serve(scratch, body)
    assert "" == caplog.text
