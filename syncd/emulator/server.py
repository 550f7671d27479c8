"""The emulator behind a socket."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from syncd.emulator.answers import ConnectionDropped
from syncd.emulator.emulator import Emulator
from syncd.emulator.options import COMPATIBLE, EmulatorOptions


class DroppingProtocol(H11Protocol):
    """Ends the TCP connection when the application raises ConnectionDropped, instead of answering 500."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wrap the application for this connection."""
        super().connection_made(transport)
        inner = self.app

        async def app(scope: Any, receive: Any, send: Any) -> None:
            started = False

            async def watched(message: Any) -> None:
                nonlocal started
                started = True
                await send(message)

            try:
                await inner(scope, receive, watched)
            except ConnectionDropped:
                if not started:  # a real reset, not an orderly end
                    with suppress(OSError):
                        transport.get_extra_info("socket").setsockopt(
                            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                        )
                    transport.abort()
                else:
                    transport.close()
                await asyncio.sleep(0)  # lets the protocol learn that the connection is gone
                await asyncio.sleep(0)

        self.app = app


class _Server(uvicorn.Server):
    """A server that leaves signals to us."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn would raise the signal again after its shutdown, and the exit code would not be 0."""
        yield


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; clients may connect from now on."""
    # With the protocol named, asyncio switches Nagle's algorithm off; without, every answer would wait 40 ms.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    sock.listen(2048)
    return sock


async def serve(emulator: Emulator, sock: socket.socket, stop: asyncio.Event | None = None) -> None:
    """Serve until SIGTERM, SIGINT or ``stop``."""
    config = uvicorn.Config(
        emulator.asgi,
        http=DroppingProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=30,
        server_header=False,
    )
    server = _Server(config)
    loop = asyncio.get_running_loop()

    def end() -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(ValueError, RuntimeError):  # not in the main thread
            loop.add_signal_handler(number, end)

    async def wait(stopped: asyncio.Event) -> None:
        await stopped.wait()
        end()

    emulator.resume()
    async with asyncio.TaskGroup() as beside:
        waiting = None if stop is None else beside.create_task(wait(stop))
        await server.serve(sockets=[sock])
        if waiting is not None:
            waiting.cancel()


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser("syncd.emulator", description="A local FastGPT for tests and demonstrations.")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--data", type=Path, help="folder that keeps all state over restarts")
    parser.add_argument("--compat", choices=COMPATIBLE, default="4.14")
    parser.add_argument("--chaos", help="for example 429:0.1,500:0.05,hang:1%%,reset,slow:2s")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--training-seconds", type=float, default=0.3, help="time to parse a document")
    parser.add_argument("--chunk-seconds", type=float, default=0.02, help="time to embed a chunk")
    parser.add_argument("--retry-seconds", type=float, default=180.0, help="pause after a failed embedding")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--secondary-lag", type=float, default=0.0, help="seconds by which listings lag")
    parser.add_argument("--ip-limit", type=int, help="search tests a second")
    parser.add_argument("--max-upload-bytes", type=int)
    parser.add_argument("--at-once", action="store_true", help="train before an upload is answered, for benchmarks")
    parser.add_argument("--nobody-logged-in", action="store_true", help="a server whose web page nobody has opened yet")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the server; the first line on stdout is one JSON document with address and keys."""
    given = arguments().parse_args(argv)
    try:
        options = EmulatorOptions(
            compat=given.compat,
            data_dir=given.data,
            chaos=given.chaos,
            seed=given.seed,
            training_seconds=given.training_seconds,
            chunk_seconds=given.chunk_seconds,
            workers=given.workers,
            secondary_lag=given.secondary_lag,
            ip_limit=given.ip_limit,
            retry_seconds=given.retry_seconds,
            max_upload_bytes=given.max_upload_bytes,
            logged_in=not given.nobody_logged_in,
            at_once=given.at_once,
        )
        emulator = Emulator(options)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    try:
        sock = listen(given.host, given.port)
    except OSError as error:
        sys.stderr.write(f"cannot listen on {given.host}:{given.port}: {error}\n")
        return 1
    host = f"[{given.host}]" if ":" in given.host else given.host
    greeting = {
        "base_url": f"http://{host}:{sock.getsockname()[1]}/api",
        "global_key": emulator.global_key,
        "app_key": emulator.app_key,
        "app_id": emulator.app_id,
        "compat": given.compat,
    }
    try:
        sys.stdout.write(json.dumps(greeting) + "\n")
        sys.stdout.flush()
        asyncio.run(serve(emulator, sock))
    except BrokenPipeError:
        os.close(sys.stdout.fileno())
    finally:
        emulator.close()
    return 0
