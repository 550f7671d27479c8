"""What `syncd run` tells systemd: when it serves, what it does, that it makes progress, and that it ends."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import exercised
import pytest
from cli_site import Site, server
from notify_socket import listening, silent
from service_site import Service, running, wait_until

UNDER_WAY = {"kind": "train_slow", "match": "slow.md", "seconds": 60, "times": 1}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A folder with documents."""
    made = Site(tmp_path)
    made.fill(2)
    return made


def break_configuration(site: Site) -> None:
    path = site.tmp / "config.toml"
    path.write_text(path.read_text() + "nonsense = 1\n")


@pytest.mark.timeout(240)
def test_a_life(site: Site, tmp_path: Path) -> None:
    """READY=1 comes once it serves; STATUS= says what it does; a reload is framed; STOPPING=1 is the last word."""
    with listening(tmp_path / "notify") as manager, running(site, NOTIFY_SOCKET=manager.address) as service:
        ready = manager.wait("READY", "1")
        assert 200 == service.get("/livez")[0]
        earlier = manager.messages[: manager.messages.index(ready)]
        assert {"EXTEND_TIMEOUT_USEC", "STATUS"} >= {name for message in earlier for name in message}
        service.in_step()
        manager.wait_status("In step")
        assert 1 == len(manager.having("READY"))
        assert not manager.having("WATCHDOG")  # nobody asked for it

        server().admin("faults", UNDER_WAY)
        site.write("slow.md", "# Otters\n\nEverything about slow otters, and why nobody hurries them in the north.\n")
        manager.wait_status("At work: 1 document")
        site.run("pause", code=0)
        manager.wait_status("Paused")
        site.run("resume", code=0)
        server().admin("faults", [])

        before = time.monotonic_ns() // 1000
        service.process.send_signal(signal.SIGHUP)
        reloading = manager.wait("RELOADING", "1")
        manager.wait("READY", "1", count=2)
        assert before <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000

        break_configuration(site)
        service.process.send_signal(signal.SIGHUP)
        manager.wait("RELOADING", "1", count=2)
        manager.wait("READY", "1", count=3)
        assert "nonsense" in manager.wait_status("refused")

        site.configure()
        assert 0 == service.end()
        manager.wait("STOPPING", "1")
        after = manager.messages[manager.messages.index(manager.having("STOPPING")[0]) :]
        assert all("stopping" in message.get("STATUS", "stopping") for message in after)
        assert [] == [message for message in after if "READY" in message or "RELOADING" in message]
        exercised.add("messages to systemd (real process)", len(manager.messages))


@pytest.mark.parametrize(("pid", "fed"), [("", True), ("1", False)])
def test_the_watchdog_is_fed(site: Site, pid: str, fed: bool) -> None:
    """While it makes progress the watchdog is fed, over an abstract socket too; one for another process is not."""
    address = f"@syncd-test-{os.getpid()}-{site.tmp.name}-{fed}"
    with (
        listening(address) as manager,
        running(site, NOTIFY_SOCKET=address, WATCHDOG_USEC="1000000", WATCHDOG_PID=pid) as service,
    ):
        service.in_step()
        if fed:
            began, count = time.monotonic(), len(manager.having("WATCHDOG"))
            manager.wait("WATCHDOG", "1", count=count + 6)
            assert time.monotonic() - began > 2.0  # not more often than twice a second
        manager.wait_status("In step")
        assert 0 == service.end()
        assert fed == bool(manager.having("WATCHDOG"))


@pytest.mark.timeout(180)
@pytest.mark.parametrize("point", ["ledger.verified.before", "http.search.after"])
def test_a_loop_that_hangs_starves_the_watchdog(site: Site, tmp_path: Path, point: str) -> None:
    """When the event loop hangs, wherever that is, no sign of life is given any more, though the process lives."""
    with listening(tmp_path / "notify") as manager:
        service = Service(site, NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="1000000", SYNCD_HANG_AT=point)
        try:
            manager.wait("WATCHDOG", "1")
            wait_until(silent(manager, 3.0), "it falls silent")  # six times the pause between two signs
            assert service.process.poll() is None
            fed = len(manager.having("WATCHDOG"))
            service.process.send_signal(signal.SIGTERM)
            time.sleep(1.0)  # that nothing comes can only be waited for
            assert (fed, None) == (len(manager.having("WATCHDOG")), service.process.poll())
        finally:
            service.process.kill()
            service.process.wait(60)

        # What systemd does then: the next one takes up where this one was.
        with running(site) as again:
            again.in_step()
            assert 0 == again.end()
