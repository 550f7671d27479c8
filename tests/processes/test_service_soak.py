"""The service over a long time (T12): random edits, two percent of faults, restarts; what it takes stays flat.

Less than a minute in the ordinary run; hours with one command:

    SYNCD_SOAK_DOCUMENTS=10000 SYNCD_SOAK_SECONDS=7200 python -m pytest tests/processes/test_service_soak.py
"""

from __future__ import annotations

import gc
import os
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import exercised
import pytest
from cli_site import Server, Site, start_server, stop_server
from laws import no_gap
from service_site import Seen, Service, running

DOCUMENTS = int(os.environ.get("SYNCD_SOAK_DOCUMENTS", "80"))
SECONDS = float(os.environ.get("SYNCD_SOAK_SECONDS", "16"))
RUNS = 2  # times that the service is started
PATIENCE = 120.0 + DOCUMENTS / 10
MEMORY = 1.25  # times what it took after it had warmed up
WAL = 8 << 20  # bytes; SQLite writes back at 4 MB
FAULTS = "429:0.005,500:0.005,502:0.005,reset:0.005"


@pytest.fixture
def chaotic() -> Iterator[Server]:
    """A server of which two percent of the answers are faults."""
    process, server = start_server("--chaos", FAULTS, "--seed", "12")
    yield server
    stop_server(process)


@dataclass(frozen=True)
class Taken:
    """What a process takes: resident memory in bytes, open files, size of the write-ahead log in bytes."""

    memory: int
    files: int
    wal: int


def taken(service: Service) -> Taken:
    """Measure."""
    gc.collect()
    proc = Path(f"/proc/{service.process.pid}")
    pages = int((proc / "statm").read_text().split()[1])
    wal = service.site.tmp / "ledger.db-wal"
    return Taken(
        pages * os.sysconf("SC_PAGESIZE"), len(list((proc / "fd").iterdir())), wal.stat().st_size if wal.exists() else 0
    )


def text(rng: random.Random) -> str:
    """A text that no other document has."""
    words = " ".join(f"w{rng.randrange(10**6)}" for _ in range(rng.randrange(20, 200)))
    return f"# Report {rng.randrange(10**9)}\n\n{words}.\n"


def change(site: Site, rng: random.Random) -> None:
    """One save, new file, move or removal; the number of documents stays about the same."""
    files = sorted(site.docs.rglob("*.md"))
    path = rng.choice(files)
    match rng.choice(("edit", "edit", "edit", "replace", "move")):
        case "edit":
            path.write_text(text(rng))
        case "replace":
            path.unlink()
            path.with_name(f"r{rng.randrange(10**6)}.md").write_text(text(rng))
        case "move":
            target = site.docs / f"f{rng.randrange(9)}" / f"m{rng.randrange(10**6)}.md"
            target.parent.mkdir(exist_ok=True)
            path.rename(target)


@pytest.mark.timeout(int(SECONDS + 3 * PATIENCE))
def test_what_it_takes_stays_flat(tmp_path: Path, chaotic: Server) -> None:
    """Memory, open files and the write-ahead log do not grow with time, and the ledger stays sound."""
    rng = random.Random(12)
    site = Site(tmp_path, server=chaotic, delete='max_percent = "100%"\nmax_count = 100000')
    for number in range(DOCUMENTS):
        site.write(f"f{number % 9}/d{number}.md", text(rng))
    changes = 0
    for _ in range(RUNS):
        with running(site) as service:
            service.in_step(PATIENCE)
            until = time.monotonic() + SECONDS / RUNS
            warm: Taken | None = None
            while time.monotonic() < until:
                change(site, rng)
                changes += 1
                time.sleep(rng.uniform(0.02, 0.3))  # the pace of the edits, not a synchronisation
                if warm is None and time.monotonic() > until - SECONDS / RUNS * 0.7:
                    warm = taken(service)
            service.in_step(PATIENCE)
            assert warm is not None
            after = taken(service)
            assert after.memory < warm.memory * MEMORY, (warm, after)
            assert after.files <= warm.files + 8, (warm, after)
            assert after.wal < WAL, after
            assert [] == service.events("bug"), service.tail()
            assert 0 == service.end()
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as conn:
        assert ("ok",) == conn.execute("pragma integrity_check").fetchone()
    assert site.expected() == site.visible()
    no_gap(Seen(site))
    exercised.add("changes while the service ran for long", changes)
    exercised.add("faults by chance meanwhile", sum(chaotic.admin("faults")["struck"].values()))
