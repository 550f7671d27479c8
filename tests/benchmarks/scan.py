#!/usr/bin/env python3
"""What a pass over files that did not change costs, measured against ``find`` in the same run.

Makes a tree of small files in three levels, scans it once to learn it, then runs by turns ``find -type f -printf`` and
a scan that finds nothing to do. Prints one JSON document: seconds are medians, memory is the peak of the process that
only knows the signatures and scans. The tree is removed at the end.

    python tests/benchmarks/scan.py [--files 1000000] [--rounds 7] [--dir /var/tmp]
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

FILES_PER_DIRECTORY = 20
TEXT = random.Random(7).randbytes(8192)
LONG_AGO = 1_600_000_000  # seconds; files of this very second would be racy and prove nothing


def make_tree(root: Path, files: int) -> None:
    """Make ``files`` files of 2 to 8 KB, twenty a directory, three levels of directories."""
    sizes = random.Random(1)
    directories = -(-files // FILES_PER_DIRECTORY)
    width = max(1, round(directories ** (1 / 3)))
    made = 0
    for number in range(directories):
        below = root / f"part-{number // (width * width):03}" / f"chapter-{number // width % width:03}"
        directory = below / f"section-{number % width:03}"
        directory.mkdir(parents=True, exist_ok=True)
        at = os.open(directory, os.O_RDONLY)
        for index in range(min(FILES_PER_DIRECTORY, files - made)):
            fd = os.open(f"document-{index:04}.md", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=at)
            os.write(fd, TEXT[: sizes.randint(2048, 8192)])
            os.utime(fd, (LONG_AGO, LONG_AGO))
            os.close(fd)
            made += 1
        os.close(at)


def run_scan(root: str, signatures: dict[str, tuple[bytes, int]]):  # type: ignore[no-untyped-def]
    """Scan once with what is known; returns the result and the seconds it took."""
    from syncd.ignore import Rules
    from syncd.scan import KnownTree, scan

    rules = Rules.compile((), (), frozenset({".md", ".txt", ".pdf"}))
    known = KnownTree(signatures, signatures, lambda _: {})
    begin = time.perf_counter()
    result = scan(
        "bench", root, rules, known, salt=b"s", settings_of=lambda _: "", max_size=1 << 30, now_ns=time.time_ns
    )
    return result, time.perf_counter() - begin


def peak_memory() -> int:
    """Return the most memory that this process ever held, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no VmHWM in /proc/self/status")


def learn(root: str, store: str) -> None:
    """Child process: scan an unknown tree and store its signatures."""
    result, seconds = run_scan(root, {})
    Path(store).write_bytes(pickle.dumps(result.signatures))
    print(json.dumps({"seconds": seconds, "changed": len(result.changed)}))


def repeat(root: str, store: str) -> None:
    """Child process: scan once for each line on stdin, in a process that did nothing else before."""
    signatures = pickle.loads(Path(store).read_bytes())  # noqa: S301 - written by ``learn`` a moment ago
    for _ in sys.stdin:
        result, seconds = run_scan(root, signatures)
        if result.changed or result.missing or result.signatures or result.unreadable:
            raise RuntimeError("the scan found work in a tree that did not change")
        answer = {"seconds": seconds, "in_scope": result.in_scope, "directories": result.directories}
        print(json.dumps({**answer, "peak_bytes": peak_memory()}), flush=True)


def find_seconds(root: str) -> float:
    """Return how long ``find`` takes to print size, time and path of each file."""
    begin = time.perf_counter()
    command = ["find", root, "-type", "f", "-printf", "%s %T@ %p\n"]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begin


def measure(root: str, store: str, rounds: int) -> dict[str, object]:
    """Run both by turns and compare."""
    this = [sys.executable, __file__]
    learned = subprocess.run([*this, "--learn", root, store], check=True, capture_output=True, text=True)
    child = subprocess.Popen([*this, "--repeat", root, store], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if child.stdin is None or child.stdout is None:
        raise RuntimeError("no pipes")
    finds: list[float] = []
    scans: list[float] = []
    last: dict[str, int] = {}
    for turn in range(rounds + 1):
        seconds = find_seconds(root)
        child.stdin.write("go\n")
        child.stdin.flush()
        last = json.loads(child.stdout.readline())
        if turn:  # the first turn fills the caches of the kernel
            finds.append(seconds)
            scans.append(last["seconds"])
    child.stdin.close()
    if child.wait() != 0:
        raise RuntimeError("the scanning process failed")
    find, scan = statistics.median(finds), statistics.median(scans)
    return {
        "files": last["in_scope"],
        "directories": last["directories"],
        "rounds": rounds,
        "find_seconds": round(find, 4),
        "scan_seconds": round(scan, 4),
        "ratio": round(scan / find, 3),
        "ratio_of_best": round(min(scans) / min(finds), 3),
        "first_scan_seconds": round(json.loads(learned.stdout)["seconds"], 4),
        "peak_mb": round(last["peak_bytes"] / 1e6, 1),
    }


def main() -> None:
    """Make the tree, measure, print, clean up."""
    if sys.argv[1:2] in (["--learn"], ["--repeat"]):
        (learn if sys.argv[1] == "--learn" else repeat)(sys.argv[2], sys.argv[3])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--dir", default=None, help="where the tree is made; default: the temporary directory")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the tree goes then, too
    place = tempfile.mkdtemp(prefix="syncd-scan-", dir=options.dir)
    try:
        root = Path(place, "tree")
        root.mkdir()
        make_tree(root, options.files)
        print(json.dumps(measure(str(root), str(Path(place, "signatures")), options.rounds), indent=2))
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
