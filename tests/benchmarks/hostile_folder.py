"""A service over a folder of hostile documents: its memory, its answers, and what becomes of the others. Prints JSON.

    nice python tests/benchmarks/hostile_folder.py [--ordinary 40] [--seconds 900] [NAME…]

`syncd run` against the emulator, which is spared the parsing: it shows nothing of a hostile document, so that each of
them comes to an end, verified as weak or quarantined as different. Measured are the memory of the service with its
children (sum of resident sizes, ten times a second), how long `/livez` takes, how soon the ordinary documents are
verified, how long SIGTERM takes at the end, and then `syncd verify` over everything.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
import hostile

SERVER = """
import runpy, sys
from syncd.emulator import parsing
ask = parsing.read
def read(content, suffix, guesses):
    ordinary = len(content) < 20_000 and b"Pump P-" in content[:2000] + unpacked(content)
    return ask(content, suffix, guesses) if ordinary else "nothing"
def unpacked(content):
    import io, zipfile
    if len(content) > 5000 or not content.startswith(b"PK"):
        return b""
    with zipfile.ZipFile(io.BytesIO(content)) as archive, archive.open(archive.namelist()[0]) as entry:
        return entry.read(2000)
parsing.read = read
sys.argv[1:] = ["--port", "0", "--training-seconds", "0.05"]
runpy.run_module("syncd.emulator", run_name="__main__")
"""
CONFIG = """version = 1
[fastgpt]
base_url = "{base_url}"
api_key = "{key}"
search_tests_per_second = 1000
[ledger]
path = "{base}/state/ledger.db"
[http]
listen = "127.0.0.1:0"
[[source]]
name = "docs"
path = "{base}/docs"
dataset = "hostile"
settle = "0s"
"""


def resident(pid: int) -> float:
    """MB of a process and its children, exactly: pages that several have count for each."""
    total = 0.0
    with suppress(OSError, ValueError):
        total = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                total += resident(int(child))
    return total


class Watch:
    """Looks at a process all the time: memory, and `/livez` if it has one."""

    def __init__(self, pid: int, port: int | None = None) -> None:
        self.pid, self.port = pid, port
        self.peak, self.alone, self.slowest, self.asked, self.failed = 0.0, 0.0, 0.0, 0, 0
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._memory)]
        if port is not None:
            self._threads.append(threading.Thread(target=self._livez))
        for thread in self._threads:
            thread.start()

    def _memory(self) -> None:
        while not self._over.wait(0.1):
            self.peak = max(self.peak, resident(self.pid))
            with suppress(OSError, IndexError, ValueError):
                own = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6
                self.alone = max(self.alone, own)

    def _livez(self) -> None:
        while not self._over.wait(0.2):
            began = time.monotonic()
            self.asked += 1
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/livez", timeout=30).read()
            except OSError:
                self.failed += 1
            self.slowest = max(self.slowest, time.monotonic() - began)

    def end(self) -> dict[str, Any]:
        """Stop looking; returns the figures."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        figures = {"peak_mb": round(self.peak, 1), "peak_mb_without_children": round(self.alone, 1)}
        if self.port is not None:
            figures |= {
                "livez_slowest_s": round(self.slowest, 3),
                "livez_asked": self.asked,
                "livez_failed": self.failed,
            }
        return figures


def states(ledger: Path) -> dict[str, str]:
    """The state of each document."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as conn:
        rows = conn.execute(
            "select d.path, r.state from documents d join revisions r on r.document = d.id order by r.created_at"
        )
        return dict(rows.fetchall())
    return {}


def _parsed(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        found = {}
    return found if isinstance(found, dict) else {}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--keep", help="copy configuration, logs and ledger there")
    parser.add_argument("--ordinary", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=900.0)
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="syncd-hostile-"))
    docs = base / "docs"
    docs.mkdir()
    chosen = {**hostile.PARSED, **hostile.TEXTS}
    for name in options.names or chosen:
        (docs / name).write_bytes(chosen[name]())
    for number in range(options.ordinary):
        text = f"Pump P-{number} stands in hall {number % 7} and is greased every {number + 3} weeks by crew {number}."
        if number % 4 == 0:
            paragraph = f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>".encode()
            (docs / f"z{number}.docx").write_bytes(hostile._word((paragraph,)))
        else:
            (docs / f"z{number}.{'html' if number % 4 == 1 else 'md'}").write_text(f"<p>{text}</p>\n")
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = {"hostile": len(options.names or chosen), "ordinary": options.ordinary}
    try:
        assert server.stdout is not None
        about = json.loads(server.stdout.readline())
        config = base / "config.toml"
        config.write_text(CONFIG.format(base_url=about["base_url"], key=about["global_key"], base=base))
        config.chmod(0o600)
        log = (base / "run.log").open("wb")
        began = time.monotonic()
        run = subprocess.Popen(
            [sys.executable, "-m", "syncd", "--config", str(config), "run"], stdout=log, stderr=log, cwd=base
        )
        port = None
        while port is None:
            time.sleep(0.1)
            found = re.search(r"127\.0\.0\.1:(\d+)", (base / "run.log").read_text())
            port = int(found[1]) if found and int(found[1]) else None
        watch = Watch(run.pid, port)
        ledger = base / "state" / "ledger.db"
        ordinary: float | None = None
        while time.monotonic() - began < options.seconds:
            time.sleep(0.5)
            now = states(ledger)
            proven = sum(now.get(file.name) == "verified" for file in docs.glob("z[0-9]*"))
            if ordinary is None and proven == options.ordinary:
                ordinary = round(time.monotonic() - began, 1)
            done = '"pass.done"' in (base / "run.log").read_text()
            if done and set(now.values()) <= {"verified", "quarantined"}:
                break
        result["all_ordinary_verified_after_s"] = ordinary
        result["at_rest_after_s"] = round(time.monotonic() - began, 1)
        result["states"] = dict(Counter(now.values()))
        result["not_at_rest"] = sorted(name for name, state in now.items() if state not in ("verified", "quarantined"))
        result["run"] = watch.end()
        stopped = time.monotonic()
        result["log"] = Counter(
            line.get("event", "") for line in map(_parsed, (base / "run.log").read_text().splitlines())
        ).most_common(12)
        run.send_signal(signal.SIGTERM)
        run.wait()
        result["sigterm_s"] = round(time.monotonic() - stopped, 2)
        began = time.monotonic()
        verify = subprocess.Popen(
            [sys.executable, "-m", "syncd", "--config", str(config), "--json", "verify"],
            stdout=subprocess.PIPE, stderr=log, cwd=base,
        )  # fmt: skip
        watch = Watch(verify.pid)
        out, _ = verify.communicate()
        result["verify"] = {"exit": verify.returncode, "seconds": round(time.monotonic() - began, 1), **watch.end()}
        result["verify"]["verdicts"] = dict(Counter(row["verdict"] for row in json.loads(out).get("results", [])))
        print(json.dumps(result, indent=1))
        with closing(sqlite3.connect(ledger)) as conn:
            for row in conn.execute(
                "select d.path, r.state, r.weak from documents d join revisions r on r.document = d.id "
                "where d.path not like 'z%' order by d.path"
            ):
                print(*row, file=sys.stderr)
    finally:
        server.kill()
        if options.keep:
            shutil.copytree(base, options.keep, dirs_exist_ok=True)
        shutil.rmtree(base, ignore_errors=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
