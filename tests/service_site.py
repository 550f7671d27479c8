"""`syncd run` as a process of its own: started on a site, watched through log, page and server, and ended."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cli_site import Site
from lineage import Memory

from syncd.ledger import records, requests

PATIENCE = 60.0  # seconds for anything that should happen at once, on a machine that is busy with other tests
_EVERY = 0.05


def wait_until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Ask until the answer is true, and return it; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:g} seconds: {what}"
        time.sleep(_EVERY)
    return answer


class Service:
    """One `syncd run`.

    Args:
        site: the folder, its configuration and its server.
        args: further arguments, global options among them.
        env: further environment.
    """

    def __init__(self, site: Site, *args: str, **env: str) -> None:
        self.site = site
        number = len(list(site.tmp.glob("run-*.log")))
        self.log: Path = site.tmp / f"run-{number}.log"
        self.ledger = Path(env.get("SYNCD_LEDGER__PATH", site.tmp / "ledger.db"))
        with self.log.open("wb") as out:
            given = {"SYNCD_HTTP__LISTEN": "127.0.0.1:0", **site.env, **env}
            self.process = site.start(*args, "run", stdout=out, stderr=out, **given)

    # ------------------------------------------------------------ what it says

    def lines(self) -> list[dict[str, Any]]:
        """Its log so far, one value for each line."""
        text = self.log.read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines() if line.startswith("{") and line.endswith("}")]

    def events(self, name: str, **fields: Any) -> list[dict[str, Any]]:
        """The lines of one event that have these fields."""
        return [row for row in self.lines() if row["event"] == name and fields.items() <= row.items()]

    def wait_event(self, name: str, count: int = 1, seconds: float = PATIENCE, **fields: Any) -> dict[str, Any]:
        """Wait for the ``count``-th line of an event."""
        self._wait(lambda: len(self.events(name, **fields)) >= count, f"{count} x {name} {fields}", seconds)
        return self.events(name, **fields)[count - 1]

    def ready(self, seconds: float = PATIENCE) -> Service:
        """Wait until it serves, and the ledger tells those who look that it does: that is written a moment later."""
        self.wait_event("service.ready", seconds=seconds)
        self._wait(self._is_told, "the ledger tells that it runs", seconds)
        return self

    def _is_told(self) -> bool:
        with closing(sqlite3.connect(f"{self.ledger.as_uri()}?mode=ro", uri=True)) as conn:
            return f"pid {self.process.pid} on " in requests.description(conn).get("process", "")

    def in_step(self, seconds: float = PATIENCE) -> None:
        """Wait until the server shows exactly what is on the disk, every document once (twice within a flip).

        And until all of it is verified: the service shows a document a moment before it has written that.
        """
        self._wait(
            lambda: sorted(self.site.expected().items()) == self.site.shown() and self._is_verified(),
            "disk and server are equal, and everything is verified",
            seconds,
        )

    def _is_verified(self) -> bool:
        with closing(sqlite3.connect(f"{self.ledger.as_uri()}?mode=ro", uri=True)) as conn:
            states = {row["path"]: row["state"] for row in records.documents(conn) if row["source"] == "docs"}
        return {"verified"} >= {state for path, state in states.items() if path in self.site.expected()}

    def _wait(self, condition: Callable[[], Any], what: str, seconds: float) -> None:
        def alive() -> Any:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.tail()}"
            return condition()

        try:
            wait_until(alive, what, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.tail()}") from None

    def tail(self) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8").splitlines()[-25:])

    # ------------------------------------------------------------ asking it

    @property
    def address(self) -> str:
        """Of its status server, such as ``http://127.0.0.1:40123``."""
        return str(self.wait_event("service.ready")["listen"])

    def get(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
        """One request to its status server; underscores in header names are dashes. Returns status and body."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.address + path, data=body, headers=named)  # noqa: S310 - loopback
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def status(self) -> Any:
        """`syncd status --json` while it runs."""
        return self.site.run("status", "--json", code=0).json

    # ------------------------------------------------------------ ending it

    def end(self, number: signal.Signals = signal.SIGTERM, seconds: float = PATIENCE) -> int:
        """Send a signal and wait for the end; returns the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(seconds)
        assert self.site.key not in self.log.read_text(encoding="utf-8"), "the key is in the log"
        return code


class Seen:
    """What happened on a site's server, for ``laws.no_gap``: its timeline, and what the site's ledger knows."""

    def __init__(self, site: Site, *ledgers: Path) -> None:
        rows = [
            row
            for row in site.emulator.admin("timeline")
            if row["metadata"].get("syncd", {}).get("space") == site.space
        ]
        self.emulator = SimpleNamespace(timeline=[SimpleNamespace(**row) for row in rows])
        self.memory = Memory()
        for ledger in ledgers or (site.tmp / "ledger.db",):
            self.memory.remember(ledger)
        assert rows, "nothing happened on the server"
        assert self.memory.proofs(), "nothing was verified"


@contextmanager
def running(site: Site, *args: str, **env: str) -> Iterator[Service]:
    """A service that is ready; killed at the end if it still runs."""
    service = Service(site, *args, **env)
    try:
        yield service.ready()
    finally:
        if service.process.poll() is None:
            service.process.kill()
        service.process.wait(60)
