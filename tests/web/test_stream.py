"""Live events: bounded, in order, and a slow reader loses its stream, never the service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator

import virtual_loop

from syncd.web import stream as streaming
from syncd.web.stream import MOST_READERS, Stream


async def _begun(stream: Stream) -> AsyncGenerator[str, None]:
    reader = stream.read()
    assert "retry: 3000\n\n" == await anext(reader)
    return reader


def test_every_reader_gets_every_event_in_order() -> None:
    """Each reader sees the events from its beginning on, each as one line of JSON in ASCII."""

    async def go() -> None:
        stream = Stream()
        stream.tell({"n": 0})  # nobody hears it
        readers = [await _begun(stream) for _ in range(3)]
        for number in (1, 2):
            stream.tell({"n": number, "path": "文档\n\u2028.md"})
        for reader in readers:
            for number in (1, 2):
                piece = await anext(reader)
                assert piece.isascii()
                assert piece.startswith("data: ")
                assert piece.endswith("\n\n")
                assert 2 == piece.count("\n")
                assert {"n": number, "path": "文档\n\u2028.md"} == json.loads(piece.removeprefix("data: "))
            await reader.aclose()
        assert 0 == len(stream)

    asyncio.run(go())


def test_a_slow_reader_is_let_go() -> None:
    """A reader that does not read is ended, keeps at most what it had waiting, and hinders nobody."""

    async def go() -> None:
        stream = Stream()
        slow, quick = await _begun(stream), await _begun(stream)
        for number in range(10_000):
            stream.tell({"n": number})
            assert f'data: {{"n": {number}}}\n\n' == await anext(quick)
        assert 1 == len(stream)
        assert len([piece async for piece in slow]) < 500
        await quick.aclose()

    asyncio.run(go())


def test_close_ends_all() -> None:
    """When the server stops every stream ends by itself, full or empty."""

    async def go() -> None:
        stream = Stream()
        empty, full = await _begun(stream), await _begun(stream)
        for number in range(200):
            stream.tell({"n": number})
            if number:
                continue
            await anext(empty)
        stream.close()
        async with asyncio.timeout(10):
            assert 199 == len([piece async for piece in full])
            assert 199 == len([piece async for piece in empty])
        assert 0 == len(stream)

    asyncio.run(go())


def test_a_reader_that_goes_away_is_forgotten() -> None:
    """Nothing is kept for a reader that was cancelled."""

    async def go() -> None:
        stream = Stream()

        async def reading() -> None:
            async for _ in stream.read():
                pass

        tasks = [asyncio.ensure_future(reading()) for _ in range(MOST_READERS)]
        await asyncio.sleep(0)
        assert MOST_READERS == len(stream)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert 0 == len(stream)

    asyncio.run(go())


def test_signs_of_life() -> None:
    """A stream on which nothing happens still says now and then that it is there."""

    async def go() -> None:
        stream = Stream()
        reader = await _begun(stream)
        before, streaming._SIGN_OF_LIFE = streaming._SIGN_OF_LIFE, 0.01
        try:
            assert ": alive\n\n" == await anext(reader)
            stream.tell({"n": 1})
            pieces = [await anext(reader)]
            while pieces[-1] == ": alive\n\n":
                pieces.append(await anext(reader))
            assert 'data: {"n": 1}\n\n' == pieces[-1]
        finally:
            streaming._SIGN_OF_LIFE = before
        await reader.aclose()

    asyncio.run(go())


def test_one_neighbour_does_not_take_all_readers() -> None:
    """Each neighbour has so many readers at most, and a reader that has gone makes room."""

    async def go() -> None:
        stream = Stream()
        readers = [stream.read("a") for _ in range(streaming.MOST_OF_ONE)]
        for reader in readers:
            await anext(reader)
        assert (False, True) == (stream.has_room("a"), stream.has_room("b"))
        await readers[0].aclose()
        assert stream.has_room("a")
        for reader in readers:
            await reader.aclose()

    asyncio.run(go())


def test_a_stream_has_an_end() -> None:
    """After an hour a stream ends, and its page asks anew; whoever left unseen does not."""

    async def go() -> None:
        stream = Stream()
        began = asyncio.get_running_loop().time()
        pieces = [piece async for piece in stream.read()]
        assert streaming._LONGEST <= asyncio.get_running_loop().time() - began < streaming._LONGEST + 60
        assert {"retry: 3000\n\n", ": alive\n\n"} == set(pieces)
        assert 0 == len(stream)

    virtual_loop.run(go())
