"""The service: from save to upload, at rest, and in a burst. Prints one JSON document.

    python tests/benchmarks/service.py save  [--files 10000] [--saves 60]
    python tests/benchmarks/service.py idle  [--files 100000] [--folders 5000] [--seconds 60]
    python tests/benchmarks/service.py burst [--files 50000]

``save``: the real `syncd run` against the emulator in another process; seconds from closing a file until the ledger has
its upload, less the settle time. ``idle``: memory and processor time of a service with nothing to do. ``burst``: new
files of which the watcher said nothing, neither by name nor by asking for a look at the whole folder; must be 0.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from noop import fill_ledger, make_tree

from syncd.config import load
from syncd.watch import Watcher

SETTLE = 1.0
CONFIG = """version = 1
[fastgpt]
base_url = "{url}"
api_key = "{key}"
search_tests_per_second = 1000
[ledger]
path = "{base}/state/ledger.db"
[http]
listen = "127.0.0.1:0"
[[source]]
name = "docs"
path = "{base}/docs"
dataset = "{dataset}"
settle = "{settle:g}s"
"""


class Service:
    """`syncd run` as a child process."""

    def __init__(self, config: Path) -> None:
        self.log = config.with_name("run.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "syncd", "--config", str(config), "run"], stderr=self.log, stdout=self.log
        )
        self.ledger = config.parent / "state" / "ledger.db"

    def wait_for(self, query: str, wanted: Any, seconds: float) -> Any:
        """Ask the ledger until it answers ``wanted``; the last answer."""
        found: Any = None
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                with closing(sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True)) as conn:
                    found = conn.execute(query).fetchone()[0]
            except sqlite3.Error:
                found = None
            if found == wanted:
                break
            time.sleep(0.2)
        return found

    def status(self, field: str) -> float:
        """A figure of /proc/PID/status in MB."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) / 1024
        raise KeyError(field)

    def cpu(self) -> float:
        """Processor seconds of all threads so far."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def end(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self.log.close()
        return code


def emulator(base: Path) -> tuple[subprocess.Popen[bytes], str, str]:
    """The local FastGPT as a child process, its address and key."""
    process = subprocess.Popen(
        [sys.executable, "-m", "syncd.emulator", "--training-seconds", "0.02", "--chunk-seconds", "0.001"],
        stdout=subprocess.PIPE,
        stderr=(base / "emulator.log").open("wb"),
    )
    assert process.stdout is not None
    greeting = json.loads(process.stdout.readline())
    return process, greeting["base_url"], greeting["global_key"]


def configure(base: Path, url: str, key: str, dataset: str = "Benchmark", settle: float = SETTLE) -> Path:
    """Write the configuration."""
    path = base / "config.toml"
    path.write_text(CONFIG.format(base=base, url=url, key=key, dataset=dataset, settle=settle))
    path.chmod(0o600)
    return path


def save(base: Path, files: int, saves: int) -> dict[str, Any]:
    """From closing a file to its upload."""
    rng = random.Random(1)
    words = [f"{a}{b}" for a in ("alpha", "beta", "gamma", "delta", "omega") for b in range(400)]
    root = base / "docs"
    paths = []
    for number in range(files):
        path = root / f"a{number // 400:03d}" / f"b{number // 20 % 20:02d}" / f"document-{number:05d}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# Document {number}\n\n" + " ".join(rng.choices(words, k=60)) + "\n")
        paths.append(path)
    server, url, key = emulator(base)
    service = Service(configure(base, url, key))
    try:
        began = time.monotonic()
        done = service.wait_for(
            "select count(*) from revisions where state = 'verified' and visible = 1", files, 60 + files * 0.2
        )
        if done != files:
            raise SystemExit(f"only {done} of {files} documents were verified at first")
        first = time.monotonic() - began
        time.sleep(2 * SETTLE)
        closed: dict[str, float] = {}
        for path in rng.sample(paths, saves):
            with path.open("a") as file:
                file.write("\n" + " ".join(rng.choices(words, k=20)) + "\n")
            closed[str(path.relative_to(root))] = time.time()
            time.sleep(rng.uniform(0.7, 1.1))  # apart, so that one document's proof is not measured with the next one
        time.sleep(SETTLE + 5)
        lags = []
        with closing(sqlite3.connect(f"file:{service.ledger}?mode=ro", uri=True)) as conn:
            for name, at in closed.items():
                row = conn.execute(
                    "select min(at) from events where path = ? and event = 'uploaded' and at > ?", (name, at)
                ).fetchone()
                if row[0] is None:
                    raise SystemExit(f"{name} was not uploaded again")
                lags.append((row[0] - at - SETTLE) * 1000)
    finally:
        code = service.end()
        server.terminate()
        server.wait(30)
    if os.environ.get("SHOW"):
        print([round(lag) for lag in lags], file=sys.stderr)
    lags.sort()
    return {
        "files": files,
        "saves": saves,
        "settle_seconds": SETTLE,
        "first_sync_seconds": round(first, 1),
        "beyond_settle_ms": {
            "p50": round(statistics.median(lags), 1),
            "p95": round(lags[int(len(lags) * 0.95)], 1),
            "most": round(lags[-1], 1),
        },
        "exit_code": code,
    }


def idle(base: Path, files: int, folders: int, seconds: float) -> dict[str, Any]:
    """Memory and processor time at rest."""
    make_tree(base / "docs", files)
    assert folders == files // 20, "the tree has 20 files a folder"
    config = configure(base, "http://127.0.0.1:9/api", "fastgpt-benchmark", "65f000000000000000000000")
    fill_ledger(config)
    service = Service(config)
    try:
        scanned = service.wait_for("select count(*) from jobs where name = 'scan'", 1, 120)
        if scanned != 1:
            raise SystemExit("the first scan did not end")
        time.sleep(15)
        before, at = service.cpu(), time.monotonic()
        time.sleep(seconds)
        used = (service.cpu() - before) / (time.monotonic() - at)
        memory, peak = service.status("VmRSS"), service.status("VmHWM")
    finally:
        code = service.end()
    return {
        "files": files,
        "folders": folders,
        "memory_mb": round(memory, 1),
        "peak_mb": round(peak, 1),
        "core_percent": round(used * 100, 4),
        "exit_code": code,
    }


def burst(base: Path, files: int) -> dict[str, Any]:
    """New files at full speed, in old and new folders, while the tree is watched; which of them nothing was said of."""
    root = base / "docs"
    for number in range(20):
        (root / f"old-{number}").mkdir(parents=True)
    config = configure(base, "http://127.0.0.1:9/api", "fastgpt-benchmark")
    heard: set[str] = set()
    wholes: list[float] = []
    began = time.monotonic()

    def hints(_source: str, paths: frozenset[str] | None) -> None:
        if paths is None:
            wholes.append(time.monotonic() - began)
        else:
            heard.update(paths)

    async def watch() -> tuple[float, float, str]:
        watcher = Watcher(load(config).sources, hints=hints, changed=lambda _source, _state: None)
        await watcher.start()
        writer = await asyncio.create_subprocess_exec(
            sys.executable, __file__, "write", "--dir", str(root), "--files", str(files)
        )
        code = await writer.wait()
        assert code == 0, "the writer failed"
        wrote = time.monotonic() - began
        before = -1
        while len(heard) != before:  # until nothing is heard any more
            before = len(heard)
            await asyncio.sleep(1.0)
        mode = watcher.states["docs"].mode
        await watcher.stop()
        return wrote, time.monotonic() - began, mode

    wrote, took, mode = asyncio.run(watch())
    written = {str(path.relative_to(root)) for path in root.rglob("*.md")}
    # A look at the whole folder that is asked for after the last file was written sees every file; one at a folder that
    # is told as new comes after its watch was set, and sees what was there before that.
    unheard = {path for path in written - heard if not heard & {str(above) for above in Path(path).parents}}
    lost = set() if any(at >= wrote for at in wholes) else unheard
    return {
        "files": len(written),
        "written_seconds": round(wrote, 1),
        "heard_after_seconds": round(took, 1),
        "heard_by_name": len(written & heard),
        "whole_looks_asked_for": len(wholes),
        "watch": mode,
        "lost": len(lost),
    }


def write(root: Path, files: int) -> None:
    """The files of a burst: half of them in folders that are there, half in new ones."""
    for number in range(files):
        folder = root / (f"old-{number % 20}" if number % 2 else f"new-{number // 100}/deep")
        if not number % 2 and not folder.exists():
            folder.mkdir(parents=True)
        with (folder / f"f{number}.md").open("w") as file:
            file.write(f"# {number}\n")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("save", "idle", "burst", "write"))
    parser.add_argument("--files", type=int)
    parser.add_argument("--folders", type=int)
    parser.add_argument("--saves", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--dir", default=None)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    if options.what == "write":  # the other process of a burst
        write(Path(options.dir), options.files)
        return 0
    base = Path(tempfile.mkdtemp(prefix="syncd-bench-", dir=options.dir))
    (base / "docs").mkdir()
    (base / "state").mkdir()
    try:
        if options.what == "save":
            result = save(base, options.files or 10_000, options.saves)
        elif options.what == "idle":
            files = options.files or 100_000
            result = idle(base, files, options.folders or files // 20, options.seconds)
        else:
            result = burst(base, options.files or 50_000)
        print(json.dumps({"schema": "syncd.benchmark.service/1", "what": options.what, **result}, indent=2))
    finally:
        if options.keep:
            print(base, file=sys.stderr)
        else:
            shutil.rmtree(base, ignore_errors=True)
    return 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
