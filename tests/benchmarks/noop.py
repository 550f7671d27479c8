"""A whole pass over files that did not change, against `find`, `rsync -an` and `rclone sync --dry-run`.

Makes a tree of documents (2-8 KB, three levels, 20 a folder), fills a ledger as if all of them had been verified, and
runs the real `syncd sync --json` in a child process. Prints one JSON document; ratios are of medians of interleaved
runs on the same warm tree.

    python tests/benchmarks/noop.py [--files 100000] [--runs 5] [--dir DIR]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from syncd.config import load
from syncd.disk import Disk
from syncd.ledger import Ledger, remote, tree
from syncd.models import FileSnapshot
from syncd.observe import Observer, _settings_of
from syncd.work import source_state

CONFIG = """version = 1
[fastgpt]
base_url = "http://127.0.0.1:9/api"
api_key = "fastgpt-benchmark"
[ledger]
path = "{state}/ledger.db"
[[source]]
name = "docs"
path = "{root}"
dataset = "65f000000000000000000000"
"""


def make_tree(root: Path, files: int) -> None:
    """Write the documents, all of them last changed an hour ago."""
    rng = random.Random(1)
    block = bytes(rng.choices(b"abcdefghijklmnopqrstuvwxyz \n", k=8192))
    stamp = time.time() - 3600
    made = 0
    while made < files:
        folder = root / f"a{made // 2000:03d}" / f"b{made // 200 % 10}" / f"c{made // 20 % 10}"
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(min(20, files - made)):
            path = folder / f"document-{number:02d}.md"
            path.write_bytes(block[: rng.randint(2048, 8192)])
            os.utime(path, (stamp, stamp))
        made += 20


def fill_ledger(config_path: Path) -> None:
    """Record every file as verified, as a finished sync would have."""

    config = load(config_path)
    state = source_state(config.sources[0], config)
    ledger = Ledger(config.ledger.path)

    async def inline(function, *args):  # type: ignore[no-untyped-def]
        return function(*args)

    observer = Observer(ledger, time.time, Disk(inline))
    result = observer._scan(state, lambda: False)
    from dataclasses import replace

    settings_of = _settings_of(state)
    seen: list[FileSnapshot] = [
        replace(s, sha256=hashlib.sha256(s.disk_name.encode()).hexdigest(), settings=settings_of(s.key.path))
        for s in result.changed
    ]
    now = time.time()
    with ledger.transaction("fill") as db:
        remote.ensure_source(db, "docs")
        tree.observe(db, [(s, True) for s in seen], now)
        ids = dict(db.execute("select path, id from documents"))
        db.executemany(
            "insert into revisions (id, document, sha256, settings, state, attempt, dataset_id, collection_id, placed,"
            " visible, created_at, verified_at)"
            " values (?, ?, ?, ?, 'verified', 'made-up', '65f000000000000000000000', ?, ?, 1, ?, ?)",
            [
                (
                    str(uuid.uuid4()),
                    ids[s.key.path],
                    s.sha256,
                    s.settings,
                    uuid.uuid4().hex[:24],
                    state.policy.placement(s.key.path),
                    now,
                    now,
                )
                for s in seen
            ],
        )
        tree.store_signatures(db, "docs", result.signatures)
        remote.scanned(db, "docs", result.resolved, result.device, now)
        remote.set_scope(db, "docs", observer._scope(state))
    ledger.close()


def timed(command: list[str]) -> float:
    """Seconds of one command, output thrown away."""
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.perf_counter() - began


def sync(config: Path) -> dict[str, float]:
    """One real no-op pass: seconds after start-up, and peak memory in MB."""
    # VmHWM and not ru_maxrss: the latter begins with the size of the process that forked.
    code = (
        "import re,sys,runpy;sys.argv=['syncd','--config',sys.argv[1],'sync','--json'];"
        "\ntry: runpy.run_module('syncd',run_name='__main__')\n"
        "except SystemExit as e:\n"
        " print(re.search(r'VmHWM:\\s+(\\d+)',open('/proc/self/status').read())[1],e.code,file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(config)], capture_output=True, text=True, check=False)
    try:
        answer = json.loads(done.stdout)
        memory, code_text = done.stderr.split()[-2:]
        assert code_text in ("0", "None"), (answer, done.stderr[-500:])
        assert answer["counts"]["unchanged"] > 0, answer
    except (ValueError, AssertionError) as error:
        raise SystemExit(f"the pass failed: {done.stdout[-800:]} {done.stderr[-800:]}") from error
    timings = answer["timings"]
    return {"pass": timings["total"] - timings["startup"], "memory": int(memory) / 1024, "startup": timings["startup"]}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--dir", default=None)
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="syncd-bench-", dir=options.dir))
    try:
        root, state, copy = base / "docs", base / "state", base / "copy"
        root.mkdir()
        make_tree(root, options.files)
        config = base / "config.toml"
        config.write_text(CONFIG.format(state=state, root=root))
        config.chmod(0o600)
        fill_ledger(config)
        peers: dict[str, list[str]] = {
            "find": ["find", str(root), "-type", "f", "-printf", "%s %T@ %p\n"],
        }
        if options.peers and options.files <= 200_000 and (shutil.which("rsync") or shutil.which("rclone")):
            subprocess.run(["cp", "-a", str(root), str(copy)], check=True)
            if shutil.which("rsync"):
                peers["rsync -an"] = ["rsync", "-an", f"{root}/", f"{copy}/"]
            if shutil.which("rclone"):
                peers["rclone sync --dry-run"] = ["rclone", "sync", "--dry-run", str(root), str(copy)]
        for command in peers.values():
            timed(command)
        sync(config)
        seconds: dict[str, list[float]] = {name: [] for name in peers}
        passes: list[dict[str, float]] = []
        for _ in range(options.runs):
            for name, command in peers.items():
                seconds[name].append(timed(command))
            passes.append(sync(config))
        medians = {name: statistics.median(values) for name, values in seconds.items()}
        ours = statistics.median(p["pass"] for p in passes)
        print(
            json.dumps(
                {
                    "benchmark": "noop",
                    "files": options.files,
                    "seconds": {**{k: round(v, 4) for k, v in medians.items()}, "syncd": round(ours, 4)},
                    "ratio_to_find": round(ours / medians["find"], 3),
                    "ratios": {name: round(ours / value, 3) for name, value in medians.items()},
                    "target_ratio_to_find": 2.0,
                    "startup_seconds": round(statistics.median(p["startup"] for p in passes), 3),
                    "peak_memory_mb": round(max(p["memory"] for p in passes), 1),
                }
            )
        )
    finally:
        shutil.rmtree(base, ignore_errors=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
