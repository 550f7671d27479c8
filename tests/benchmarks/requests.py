"""What one request costs: client CPU, at 1 to 32 requests at once, against a raw asyncio socket.

Run it as ``python tests/benchmarks/requests.py``; it prints one JSON document. The server is a trivial one in a child
process, so only the client's own work is counted. Trust the ratios, which come from one run; the times are this
machine's. Target (design, performance.md): at most 2 ms a request, or at most 12 times a raw one, at any parallelism.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from syncd.fastgpt.client import Client
from syncd.models import DatasetId, Marker, Training

MARKER = Marker("space", "ledger", "document", "revision", "attempt", "handbook", "a/b.md", "0" * 64, "settings")
TRAINING = Training("chunk")
ANSWER = json.dumps(
    {"code": 200, "statusText": "", "message": "", "data": {"collectionId": "6b03478f83be05e0af4073b7"}}
)
FILE = os.urandom(4096)


async def serve() -> None:
    """Answer every request with the same envelope; print the port first."""
    reply = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(ANSWER)}\r\n"
        f"Connection: keep-alive\r\n\r\n{ANSWER}"
    ).encode()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                left = int(head.partition(b"content-length:")[2].partition(b"\r")[0] or b"0")
                while left > 0:
                    left -= len(await reader.read(min(left, 1 << 20)))
                writer.write(reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, limit=1 << 20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def spread(count: int, parallel: int, worker: Callable[[int], Awaitable[None]]) -> float:
    """CPU milliseconds per request of ``count`` requests made by ``parallel`` workers."""
    started = time.process_time()
    await asyncio.gather(*(worker(count // parallel) for _ in range(parallel)))
    return (time.process_time() - started) * 1000 / (count // parallel * parallel)


async def raw(port: int, count: int, parallel: int) -> float:
    """The floor: the same bytes over asyncio streams, the answer read and parsed as JSON."""
    boundary = "0" * 32
    body = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.md"\r\n\r\n'.encode() + FILE
    request = (
        f"POST /api/core/dataset/collection/create/localFile HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        f"Content-Type: multipart/form-data; boundary={boundary}\r\n\r\n"
    ).encode() + body

    async def worker(share: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(share):
            writer.write(request)
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0])
            json.loads(await reader.readexactly(length))
        writer.close()
        await writer.wait_closed()

    return await spread(count, parallel, worker)


async def ours(port: int, count: int, parallel: int, kind: str) -> float:
    """``Client.upload`` of 4 KB, or ``Client.update`` as a small JSON call."""
    async with Client(f"http://127.0.0.1:{port}/api", "fastgpt-benchmark", connections=parallel) as client:

        async def upload(share: int) -> None:
            for _ in range(share):
                await client.upload(
                    dataset_id=DatasetId("6b03477e83be05e0af406d6d"),
                    parent_id=None,
                    filename="handbook.md",
                    content_type="text/markdown",
                    body=FILE,
                    size=len(FILE),
                    marker=MARKER,
                    training=TRAINING,
                )

        async def update(share: int) -> None:
            for _ in range(share):
                await client.update("6b03478f83be05e0af4073b7", forbid=True)

        worker = upload if kind == "upload" else update
        await asyncio.gather(*(worker(2) for _ in range(parallel)))  # opens the connections
        return await spread(count, parallel, worker)


def large(port: int, megabytes: int) -> dict[str, float]:
    """Send one large file and report the seconds it took and the peak memory it added, in MiB."""

    def peak() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    async def send() -> dict[str, float]:
        with tempfile.NamedTemporaryFile() as file:
            for _ in range(megabytes):
                file.write(os.urandom(1 << 20))
            file.flush()

            def blocks() -> Iterator[bytes]:
                with open(file.name, "rb") as source:
                    while block := source.read(1 << 20):
                        yield block

            async with Client(f"http://127.0.0.1:{port}/api", "fastgpt-benchmark") as client:
                await client.update("6b03478f83be05e0af4073b7", forbid=True)
                before, began, cpu = peak(), time.perf_counter(), time.process_time()
                await client.upload(
                    dataset_id=DatasetId("6b03477e83be05e0af406d6d"),
                    parent_id=None,
                    filename="film.pdf",
                    content_type="application/pdf",
                    body=blocks,
                    size=megabytes << 20,
                    marker=MARKER,
                    training=TRAINING,
                )
                return {
                    "megabytes": megabytes,
                    "seconds": round(time.perf_counter() - began, 3),
                    "cpu_seconds": round(time.process_time() - cpu, 3),
                    "peak_added_mib": round(peak() - before, 1),
                }

    return asyncio.run(send())


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--requests", type=int, default=960)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--megabytes", type=int, default=200)
    options.add_argument("--large", type=int, metavar="PORT", help=argparse.SUPPRESS)
    options.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.serve:
        asyncio.run(serve())
        return
    if chosen.large is not None:
        print(json.dumps(large(chosen.large, chosen.megabytes)))
        return
    me = [sys.executable, __file__]
    with subprocess.Popen([*me, "--serve"], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            report = {}
            for parallel in (1, 8, 16, 32):
                rounds: dict[str, list[float]] = {"raw": [], "upload": [], "json": []}
                for _ in range(chosen.rounds):  # interleaved, so that a noisy moment hits all three
                    rounds["raw"].append(asyncio.run(raw(port, chosen.requests, parallel)))
                    rounds["upload"].append(asyncio.run(ours(port, chosen.requests, parallel, "upload")))
                    rounds["json"].append(asyncio.run(ours(port, chosen.requests, parallel, "json")))
                cost = {name: statistics.median(times) for name, times in rounds.items()}
                report[str(parallel)] = {
                    **{f"{name}_ms": round(value, 3) for name, value in cost.items()},
                    "upload_ratio": round(cost["upload"] / cost["raw"], 1),
                    "json_ratio": round(cost["json"] / cost["raw"], 1),
                }
            # In a process of its own: peak memory never falls again.
            sent = subprocess.run(
                [*me, "--large", str(port), "--megabytes", str(chosen.megabytes)],
                stdout=subprocess.PIPE,
                check=True,
            )
        finally:
            server.terminate()
    worst = max(entry["upload_ms"] for entry in report.values())
    print(
        json.dumps(
            {
                "schema": "syncd.benchmark.requests/1",
                "client_cpu_per_request": report,
                "large_upload": json.loads(sent.stdout),
                "worst_upload_ms": worst,
                "passed": worst <= 2 or all(entry["upload_ratio"] <= 12 for entry in report.values()),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
