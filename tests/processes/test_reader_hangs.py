"""A service whose reader hangs in a document: it ends when it is asked to, and its reader ends with it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import hostile
import pytest
from cli_site import REPOSITORY, Server, Site
from service_site import running, wait_until

pytestmark = pytest.mark.timeout(240)
SERVER = """
import runpy, sys
from syncd.emulator import parsing
parsing.read = lambda content, *_: "nothing to be seen"
sys.argv[1:] = ["--port", "0", "--training-seconds", "0.05", "--chunk-seconds", "0.001"]
runpy.run_module("syncd.emulator", run_name="__main__")
"""


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that does not read what it is sent: its reader would hang, too."""
    with subprocess.Popen([sys.executable, "-c", SERVER], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        yield Server(said["base_url"], said["global_key"], said["app_key"])
        process.kill()


def readers(pid: int) -> list[int]:
    """The children of a process that have been at work for a while."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            if "syncd.reader.child" in Path(f"/proc/{child}/cmdline").read_text().replace("\0", " "):
                fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
                if int(fields[11]) + int(fields[12]) > 50:  # hundredths of a second
                    found.append(int(child))
    return found


def gone(pid: int) -> bool:
    """Whether a process is not there any more."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def hangs(pid: int) -> Callable[[], list[int]]:
    """Asks for the readers of a service, which come and go."""

    def look() -> list[int]:
        try:
            return readers(pid)
        except OSError:
            return []

    return look


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_a_reader_that_hangs(tmp_path: Path, server: Server, number: signal.Signals) -> None:
    """SIGTERM waits for no reader, `kill -9` leaves none behind."""
    site = Site(tmp_path, server=server)
    (site.docs / "quotes.html").write_bytes(hostile.unclosed_quotes())
    with running(site) as service:
        child = wait_until(hangs(service.process.pid), "a reader is at work")[0]
        began = time.monotonic()
        code = service.end(number, seconds=15)
        assert code == (0 if number is signal.SIGTERM else -signal.SIGKILL)
        assert time.monotonic() - began < 15
    wait_until(lambda: gone(child), "the reader has ended")
