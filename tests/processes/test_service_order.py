"""`syncd run` starts in any order with its neighbours and outlives their restarts."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_site import Server, Site, start_server, stop_server
from service_site import Service, running, wait_until


class Flaky:
    """A server that keeps its data, its key and its port while it is stopped and started."""

    def __init__(self, data: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        self._data = data
        self._process: subprocess.Popen[str] | None = None
        self.server = self.start()

    def start(self) -> Server:
        """Come up."""
        self._process, server = start_server("--port", str(self._port), "--data", str(self._data))
        return server

    def stop(self) -> None:
        """Go down."""
        assert self._process is not None
        stop_server(self._process)
        self._process = None


@pytest.fixture
def flaky(tmp_path: Path) -> Iterator[Flaky]:
    """A server that was up once, so that its key is known, and is down now."""
    made = Flaky(tmp_path / "data")
    made.stop()
    yield made
    if made._process is not None:
        made.stop()


def site_of(tmp_path: Path, flaky: Flaky) -> Site:
    """A site of that server."""
    place = tmp_path / "site"
    place.mkdir()
    return Site(place, server=flaky.server)


def test_before_its_server_and_its_folder(tmp_path: Path, flaky: Flaky) -> None:
    """It is ready without FastGPT and without the folder, says what is missing, and works once both are there."""
    site = site_of(tmp_path, flaky)
    site.docs.rmdir()
    with running(site) as service:
        code, body = service.get("/livez")
        assert 200 == code, body
        service.wait_event("watch.mode", source="docs")
        wait_until(lambda: "not there yet" in service.status()["sources"][0]["watch"]["reason"], "status says so")
        site.docs.mkdir()
        site.fill(3)
        service.wait_event("server.trouble")
        wait_until(lambda: "trouble" == service.status()["service"]["server"]["state"], "status says so")
        flaky.start()
        service.wait_event("server.back")
        service.in_step()
        assert 0 == service.end()


def test_a_server_that_restarts(tmp_path: Path, flaky: Flaky) -> None:
    """An outage is said once, what is saved meanwhile goes up after it, and nothing stays counted against it."""
    flaky.start()
    site = site_of(tmp_path, flaky)
    site.fill(3)
    with running(site) as service:
        service.in_step()
        flaky.stop()
        site.write("otters.md", "# Otters\n\nDuring the outage otters floated on their backs.\n")
        service.wait_event("server.trouble")
        site.write("walruses.md", "# Walruses\n\nDuring the outage walruses slept on the ice.\n")
        assert 200 == service.get("/readyz")[0]
        flaky.start()
        service.wait_event("server.back")
        service.in_step()
        assert 1 == len(service.events("server.trouble"))
        rows = site.run("ls", "--json", code=0).json["documents"]
        assert {0} == {row["attempts"] for row in rows}
        assert 0 == service.end()


def test_only_one_service_a_ledger(tmp_path: Path) -> None:
    """A second one ends with 75 and says who is there; the first is not disturbed."""
    site = Site(tmp_path)
    site.fill(1)
    with running(site) as service:
        second = Service(site)
        assert 75 == second.process.wait(60)
        assert str(service.process.pid) in second.tail()
        service.in_step()
        assert 0 == service.end()
