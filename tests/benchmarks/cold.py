"""A first sync: how near it comes to the ceiling, and where the time goes with 10 000 documents.

    python tests/benchmarks/cold.py ceiling  [--parallel 8 16 32] [--seconds 20]
    python tests/benchmarks/cold.py many     [--documents 10000]

``ceiling``: a stand-in that answers every request after 50 ms and trains at once. With ``parallel`` requests at once no
client makes more than parallel / (requests a document x 50 ms) documents a second; the target is 80 % of it. On a busy
machine answers take longer than 50 ms: what they took, and the share of the time in which all of the requests that may
be under way were, is told beside it.

``many``: the emulator in its fastest mode, in a process of its own; documents a second, processor time of both sides,
peak memory, requests by endpoint, and where the client's own time went (a sample of its stack every 10 ms).

Prints one JSON document.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from types import FrameType
from typing import Any

from life import make_documents

from syncd import service
from syncd.config import load
from syncd.engine import Engine
from syncd.fastgpt.client import Client
from syncd.ledger import Ledger

ANSWER = 0.05  # seconds
CONFIG = """version = 1
[fastgpt]
base_url = "{base_url}"
api_key = "{key}"
uploads = {uploads}
[ledger]
path = "{state}/ledger.db"
[[source]]
name = "docs"
path = "{root}"
dataset = "bench"
settle = "0s"
"""


def configure(base: Path, base_url: str, key: str, uploads: int) -> Path:
    """A configuration with a ledger of its own."""
    path = base / f"config-{uploads}.toml"
    state = base / f"state-{uploads}"
    text = CONFIG.format(base_url=base_url, key=key, uploads=uploads, state=state, root=base / "docs")
    path.write_text(text)
    path.chmod(0o600)
    return path


async def at_parallel(config_path: Path, parallel: int) -> dict[str, Any]:
    """One first sync with so many requests at once, over the wire."""
    config = load(config_path)
    ledger = Ledger(config.ledger.path)
    try:
        key = config.fastgpt.api_key.reveal()
        async with Client(
            config.fastgpt.base_url, key, connections=parallel, uploads=parallel, search_tests_per_second=1000
        ) as client:
            began, cpu = time.perf_counter(), time.process_time()
            outcome = await Engine(config, ledger, client).sync()
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
            requests = sum(client.stats.requests.values())
            by_endpoint, answers = dict(client.stats.requests), client.stats.seconds
    finally:
        ledger.close()
    verified = outcome.counts["verified"]
    if not verified or outcome.exit_code:
        raise SystemExit(f"the pass failed: {outcome}")
    ceiling = parallel / (requests / verified * ANSWER)
    return {
        "documents": verified,
        "seconds": round(seconds, 2),
        "documents_per_second": round(verified / seconds, 1),
        "requests_per_document": round(requests / verified, 2),
        "requests": by_endpoint,
        "ceiling": round(ceiling, 1),
        "share_of_ceiling": round(verified / seconds / ceiling, 3),
        "answer_ms_measured": round(answers / requests * 1000, 1),
        "share_of_time_in_use": round(answers / (seconds * parallel), 3),
        "client_cores": round(cpu / seconds, 2),
        "client_cpu_ms_per_document": round(cpu * 1000 / verified, 2),
    }


def ceiling(base: Path, parallels: list[int], seconds: float) -> dict[str, Any]:
    """Documents enough for so many seconds at each parallelism."""
    results = {}
    for parallel in parallels:
        shutil.rmtree(base / "docs", ignore_errors=True)
        make_documents(base / "docs", int(parallel / (7 * ANSWER) * seconds))
        script = Path(__file__).with_name("quick_server.py")
        with subprocess.Popen([sys.executable, str(script), str(ANSWER)], stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                address = f"http://127.0.0.1:{int(server.stdout.readline())}/api"
                config = configure(base, address, "fastgpt-benchmark", parallel)
                results[str(parallel)] = asyncio.run(at_parallel(config, parallel))
            finally:
                server.terminate()
    return {
        "benchmark": "cold ceiling",
        "answer_seconds": ANSWER,
        "by_parallel": results,
        "target_share": 0.8,
        "load_before": os.getloadavg()[0],
        "passed": all(one["share_of_ceiling"] >= 0.8 for one in results.values()),
    }


class Sampler:
    """Where the main thread is, about every 10 ms; by the module of ours or of others that it is in, in seconds.

    A signal asks, and not a second thread: that one would hold frames of the first for a moment, and with them cursors
    of the ledger, which must not be freed by another thread while a statement of theirs runs ("API misuse").
    """

    def __init__(self) -> None:
        self.seen: defaultdict[str, float] = defaultdict(float)
        self._last = 0.0
        self._before: Any = None

    def __enter__(self) -> Sampler:
        self._last = time.perf_counter()
        self._before = signal.signal(signal.SIGALRM, self._sample)
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)

    def _sample(self, _number: int, frame: FrameType | None) -> None:
        # A signal waits for the end of a long call in C, which then counts with its whole length.
        now = time.perf_counter()
        self.seen[_place(frame)] += now - self._last
        self._last = now


def _place(frame: FrameType | None) -> str:
    if frame is not None and frame.f_code.co_name == "select":
        return "waiting for the server"
    while frame is not None:
        name = frame.f_code.co_filename
        if "/syncd/" in name and "/benchmarks/" not in name:
            return name.rpartition("/syncd/")[2]
        frame = frame.f_back
    return "the event loop"


async def one_pass(config_path: Path) -> dict[str, Any]:
    """One first sync as `syncd sync` makes it."""
    config = load(config_path)
    async with service.engine(config) as engine:
        began, cpu = time.perf_counter(), time.process_time()
        with Sampler() as sampler:
            outcome = await engine.sync()
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        stats = engine.client.stats
        windows = {"uploads": engine.client.uploads.window.size, "searches": engine.client.searches.window.size}
    verified = outcome.counts["verified"]
    total = sum(sampler.seen.values())
    return {
        "verified": verified,
        "exit_code": outcome.exit_code,
        "counts": {name: count for name, count in outcome.counts.items() if count},
        "seconds": round(seconds, 1),
        "documents_per_second": round(verified / seconds, 1),
        "client_cpu_ms_per_document": round(cpu * 1000 / max(verified, 1), 2),
        "client_cores": round(cpu / seconds, 2),
        "client_peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "requests_per_document": round(sum(stats.requests.values()) / max(verified, 1), 2),
        "requests": dict(stats.requests),
        "at_once_at_the_end": windows,
        "where_the_time_went_percent": {
            name: round(100 * spent / total, 1)
            for name, spent in sorted(sampler.seen.items(), key=lambda item: -item[1])[:14]
        },
    }


def many(base: Path, documents: int) -> dict[str, Any]:
    """Ten thousand documents against the emulator."""
    make_documents(base / "docs", documents)
    command = [sys.executable, "-m", "syncd.emulator", "--port", "0", "--at-once"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            about = json.loads(server.stdout.readline())
            before = os.getloadavg()[0]
            found = asyncio.run(one_pass(configure(base, about["base_url"], about["global_key"], 32)))
            ticks = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
            server_cpu = (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")
        finally:
            server.terminate()
    found["server_cpu_ms_per_document"] = round(server_cpu * 1000 / max(found["verified"], 1), 2)
    return {"benchmark": "cold many", "documents": documents, "load_before": before, **found}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("ceiling", "many"))
    parser.add_argument("--parallel", type=int, nargs="*", default=[8, 16, 32])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--documents", type=int, default=10_000)
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="syncd-bench-"))
    try:
        if options.what == "ceiling":
            result = ceiling(base, options.parallel, options.seconds)
        else:
            result = many(base, options.documents)
        print(json.dumps(result, indent=2))
    finally:
        shutil.rmtree(base, ignore_errors=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
