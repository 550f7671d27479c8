"""The whole life of new small documents against the emulator: client CPU and requests for each.

    python tests/benchmarks/life.py [--documents 300] [--uploads 4 8 16] [--suffix md|html|docx]

Prints one JSON document. CPU is that of the client (user and system) with the processes that read documents for it,
with the ledger's commits and everything else a pass does; the emulator runs in another process.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
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


def make_documents(root: Path, count: int, suffix: str = "md") -> None:
    """Small documents (about 1 KB of text), each with words of its own."""
    rng = random.Random(7)
    for number in range(count):
        sentences = [
            f"The {rng.choice(WORDS)} {rng.choice(WORDS)} of unit U-{number}-{line} is checked"
            f" every {rng.randint(2, 99)} weeks by crew {rng.randint(1000, 9999)}."
            for line in range(10)
        ]
        path = root / f"part-{number // 50:02d}" / f"unit-{number:04d}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_written(f"Unit {number}", sentences, suffix))


def _written(title: str, sentences: list[str], suffix: str) -> bytes:
    if suffix == "html":
        body = "".join(f"<p>{sentence}</p>\n" for sentence in sentences)
        return f"<html><head><title>{title}</title></head><body><h1>{title}</h1>\n{body}</body></html>".encode()
    if suffix == "docx":
        word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
        text = "".join(f"<w:p><w:r><w:t>{sentence}</w:t></w:r></w:p>" for sentence in [title, *sentences])
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("word/document.xml", f'<w:document xmlns:w="{word}"><w:body>{text}</w:body></w:document>')
        return out.getvalue()
    return (f"# {title}\n\n" + "\n\n".join(sentences) + "\n").encode()


async def one_pass(config_path: Path) -> dict[str, float]:
    """One first pass: CPU milliseconds and requests a document."""
    config = load(config_path)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    before = children.ru_utime + children.ru_stime
    async with service.engine(config) as engine:
        began, wall = time.process_time(), time.perf_counter()
        outcome = await engine.sync()
        seconds = time.perf_counter() - wall
        getattr(engine, "close", lambda: None)()
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = time.process_time() - began + children.ru_utime + children.ru_stime - before
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
    parser.add_argument("--suffix", choices=["md", "html", "docx"], default="md")
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
        make_documents(base / "docs", options.documents, options.suffix)
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
                    "suffix": options.suffix,
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
