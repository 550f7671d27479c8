"""What a server may do to a connection, over real sockets: each request ends by its time bound at the latest."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable

import pytest
from scripted_server import C1, KEY
from test_client_network import listening

from syncd.errors import Incompatible, Unavailable
from syncd.fastgpt.client import Client

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
BOUND = 0.6  # seconds for a request


async def drops(*parts: bytes, pause: float = 0.0, again: bytes = b"") -> AsyncIterator[bytes]:
    """Parts, one after the other; then the same one for ever, where there is one."""
    for part in parts:
        yield part
        await asyncio.sleep(pause)
    while again:
        yield again
        await asyncio.sleep(pause)


HOSTILE: dict[str, Callable[[], AsyncIterator[bytes]]] = {
    "a status line in drops": lambda: drops(b"H", b"T", again=b"T", pause=0.05),
    "headers in drops": lambda: drops(OK, again=b"x", pause=0.02),
    "headers without end": lambda: drops(OK, again=b"x-more: y\r\n" * 100),
    "one header without end": lambda: drops(OK, b"x: ", again=b"y" * 65536),
    "informational answers without end": lambda: drops(again=b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "no status": lambda: drops(b"HELLO 200\r\n\r\n"),
    "an odd status": lambda: drops(b"HTTP/1.1 999999 X\r\n\r\n"),
    "zero bytes": lambda: drops(b"HTTP/1.1 200 O\x00K\r\nx: \x00\r\n\r\n"),
    "two lengths": lambda: drops(OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}"),
    "a negative length": lambda: drops(OK + b"content-length: -1\r\n\r\n{}"),
    "a huge length": lambda: drops(OK + b"content-length: 1000000000000\r\n\r\n{", again=b" ", pause=0.02),
    "a body without end": lambda: drops(OK + b"content-length: 1000000000000\r\n\r\n{", again=b" " * 65536),
    "chunks without end": lambda: drops(OK + b"transfer-encoding: chunked\r\n\r\n", again=b"1\r\n \r\n" * 1000),
    "chunks in drops": lambda: drops(OK + b"transfer-encoding: chunked\r\n\r\n", again=b"1\r\n \r\n", pause=0.02),
    "a chunk of no size": lambda: drops(OK + b"transfer-encoding: chunked\r\n\r\n-5\r\n"),
    "a huge chunk": lambda: drops(OK + b"transfer-encoding: chunked\r\n\r\nFFFFFFFFFF\r\n", again=b"[" * 65536),
    "trailers without end": lambda: drops(
        OK + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", again=b"x: y\r\n" * 100
    ),
    "a gzip bomb": lambda: drops(OK + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(BOMB), BOMB),
}
BOMB = gzip.compress(b"[" * (64 << 20), 1)


@pytest.mark.parametrize("how", HOSTILE)
def test_every_request_ends(how: str) -> None:
    """A request to whatever this is ends as the server's trouble, and the next one is no worse for it."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            async for part in HOSTILE[how]():
                writer.write(part)
                await writer.drain()
        except ConnectionError:
            return

    async def main() -> None:
        async with listening(talk) as base, Client(base, KEY, timeout=BOUND) as client:
            for _ in range(2):
                with pytest.raises((Unavailable, Incompatible)) as caught:
                    await asyncio.wait_for(client.collection(C1), 30.0)
                assert "detail" == caught.value.endpoint
                assert caught.value.message.isprintable()
                assert len(caught.value.message) < 1000

    asyncio.run(main())
