"""The whole life of new small documents against the emulator: client CPU and requests for each.

    python tests/benchmarks/life.py [--documents 300] [--uploads 4 8 16]

Prints one JSON document. CPU is that of the client process alone (user and system), with the ledger's commits and
everything else a pass does; the emulator runs in another process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from syncd import service
from syncd.config import load

CONFIG = """version = 1
[fastgpt]
base_url = "{base_url}"
api_key = "{key}"
uploads = {uploads}
search_tests_per_second = 1000
[ledger]
path = "{state}/ledger.db"
[[source]]
name = "docs"
path = "{root}"
dataset = "bench-{uploads}"
settle = "0s"
"""
WORDS = (
    *("pump", "valve", "boiler", "turbine", "pressure", "flange", "gasket", "torque"),
    *("bearing", "rotor", "stator", "coolant", "filter", "gauge", "relay"),
)


def make_documents(root: Path, count: int) -> None:
    """Small Markdown documents (about 1 KB), each with words of its own."""
    rng = random.Random(7)
    for number in range(count):
        sentences = [
            f"The {rng.choice(WORDS)} {rng.choice(WORDS)} of unit U-{number}-{line} is checked"
            f" every {rng.randint(2, 99)} weeks by crew {rng.randint(1000, 9999)}."
            for line in range(10)
        ]
        path = root / f"part-{number // 50:02d}" / f"unit-{number:04d}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# Unit {number}\n\n" + "\n\n".join(sentences) + "\n")


async def one_pass(config_path: Path) -> dict[str, float]:
    """One first pass: CPU milliseconds and requests a document."""
    config = load(config_path)
    async with service.engine(config) as engine:
        began, wall = time.process_time(), time.perf_counter()
        outcome = await engine.sync()
        cpu, seconds = time.process_time() - began, time.perf_counter() - wall
        verified = outcome.counts["verified"]
        requests = sum(engine.client.stats.requests.values())
    if not verified or outcome.exit_code:
        raise SystemExit(f"the pass failed: {outcome}")
    return {
        "documents": verified,
        "cpu_ms_per_document": round(cpu * 1000 / verified, 2),
        "requests_per_document": round(requests / verified, 2),
        "cpu_ms_per_request": round(cpu * 1000 / requests, 2),
        "documents_per_second": round(verified / seconds, 2),
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=300)
    parser.add_argument("--uploads", type=int, nargs="*", default=[4, 16])
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="syncd-bench-"))
    server = subprocess.Popen(
        [sys.executable, "-m", "syncd.emulator", "--port", "0", "--training-seconds", "0.05"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        about = json.loads(server.stdout.readline())
        make_documents(base / "docs", options.documents)
        results = {}
        for uploads in options.uploads:
            state = base / f"state-{uploads}"
            config = base / "config.toml"
            config.write_text(
                CONFIG.format(
                    base_url=about["base_url"],
                    key=about["global_key"],
                    uploads=uploads,
                    state=state,
                    root=base / "docs",
                )
            )
            config.chmod(0o600)
            results[str(uploads)] = asyncio.run(one_pass(config))
        print(
            json.dumps(
                {
                    "benchmark": "life",
                    "by_uploads": results,
                    "target_cpu_ms_per_document": 20,
                    "target_requests_per_document": 8,
                }
            )
        )
    finally:
        server.terminate()
        server.wait(10)
        shutil.rmtree(base, ignore_errors=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
