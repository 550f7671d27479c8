"""The service ends when it is asked to, whatever hangs in it; and a second signal ends it at once."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cli_site import Site, clean_environment
from service_site import PATIENCE, Service, wait_until

from syncd.ending import AFTERWARDS, GRACE

pytestmark = pytest.mark.timeout(240)

# What hangs once there is a file of this name beside the configuration; it tells so by another file.
FLAG, HANGS = "hang", "hangs"
HANG = {
    "a thread that reads from a dead mount": """
import threading
import syncd.observe
scan = syncd.observe.scan
def hung(*args, **kwargs):
    if hang.exists():
        hangs.touch()
        threading.Event().wait()
    return scan(*args, **kwargs)
syncd.observe.scan = hung
""",
    "a loop of ours": """
import syncd.running
begin = syncd.running.Runner._begin
def hung(self, now):
    while hang.exists():
        hangs.touch()
    begin(self, now)
syncd.running.Runner._begin = hung
""",
    "a call on the event loop that does not return": """
import time
import syncd.running
begin = syncd.running.Runner._begin
def hung(self, now):
    if hang.exists():
        hangs.touch()
        time.sleep(10_000)
    begin(self, now)
syncd.running.Runner._begin = hung
""",
}


class Hung(Service):
    """A service with something in it that hangs when the test says so."""

    def __init__(self, site: Site, what: str) -> None:
        self.site = site
        self.log = site.tmp / "run-0.log"
        self.ledger = site.tmp / "ledger.db"
        script = (
            f"import pathlib\nhang, hangs = pathlib.Path({FLAG!r}), pathlib.Path({HANGS!r})\n{HANG[what]}\n"
            "from syncd.cli import main\nmain()"
        )
        env = clean_environment(**{**site.env, "SYNCD_HTTP__LISTEN": "127.0.0.1:0"})
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", script, "run"],
                cwd=site.tmp,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )


@contextmanager
def hanging(tmp: Path, what: str, drain: str) -> Iterator[Service]:
    """A service in which that hangs."""
    site = Site(tmp, extra=f'[service]\ndrain = "{drain}"')
    site.fill(1)
    service = Hung(site, what)
    try:
        service.ready()
        service.wait_event("pass.done")
        (tmp / FLAG).touch()
        site.write("more.md", "# Sloths\n\nEverything about slow sloths in the far south, and who hurries them.\n")
        site.write("sub/more.md", "# Herons\n\nEverything about herons, far up in the north where the lakes are.\n")
        service.process.send_signal(signal.SIGHUP)  # everything is looked at anew
        wait_until((tmp / HANGS).exists, f"{what} hangs")
        time.sleep(0.3)  # until the call has begun: a signal in the instant before it is heard only after it
        yield service
    finally:
        if service.process.poll() is None:
            service.process.kill()
        service.process.wait(10)


@pytest.mark.parametrize("what", HANG)
def test_it_ends_within_its_time(tmp_path: Path, what: str) -> None:
    """SIGTERM ends the service, with 0, when the time for draining and a little more is over; the ledger is whole."""
    with hanging(tmp_path, what, "1s") as service:
        began = time.monotonic()
        assert 0 == service.end()
        assert time.monotonic() - began < 1.0 + GRACE + AFTERWARDS + PATIENCE / 2
        (abandoned,) = service.events("service.abandoned")
        assert abandoned["where"]
    site = service.site
    (tmp_path / FLAG).unlink()
    site.run("sync", code=0)


@pytest.mark.parametrize("what", HANG)
def test_a_second_signal_ends_it_at_once(tmp_path: Path, what: str) -> None:
    """However long it may drain, a second signal ends it by that signal, also while nothing comes round any more."""
    with hanging(tmp_path, what, "10m") as service:
        service.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)  # two signals at one moment are one
        assert -signal.SIGTERM == service.end(signal.SIGTERM, seconds=PATIENCE / 2)
