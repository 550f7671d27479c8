"""The status port of a real service, with hundreds of neighbours who ask nothing, or one byte at a time."""

from __future__ import annotations

import http.client
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import exercised
import pytest
from cli_site import Site
from service_site import running

pytestmark = pytest.mark.timeout(120)
IDLE, SLOW = 500, 200
PATIENCE = 1.0  # seconds for each answer: what the kubelet is content with by default


@contextmanager
def crowd(port: int) -> Iterator[None]:
    """So many connections that ask nothing, and so many that drip: some a head, some a body; who is put out returns."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 2048), hard), hard))
    over = threading.Event()

    def connected() -> socket.socket:
        made = socket.create_connection(("127.0.0.1", port), 10)
        made.setblocking(False)
        return made

    idle = [connected() for _ in range(IDLE)]
    slow: list[socket.socket | None] = [None] * SLOW
    heads = (
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ",
        b"POST /login HTTP/1.1\r\nHost: l\r\nContent-Length: 9999\r\n\r\n",
    )

    def drip() -> None:
        while not over.wait(0.05):
            for number, one in enumerate(slow):
                try:
                    if one is None:
                        one = slow[number] = connected()
                        one.send(heads[number % 2])
                    one.send(b"a")
                except BlockingIOError:
                    continue
                except OSError:
                    if one is not None:
                        one.close()
                    slow[number] = None

    dripping = threading.Thread(target=drip, daemon=True)
    dripping.start()
    try:
        yield
    finally:
        over.set()
        dripping.join()
        for one in [*idle, *slow]:
            if one is not None:
                with suppress(OSError):
                    one.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_health_is_told_in_a_second(tmp_path: Path) -> None:
    """With 500 idle and 200 slow connections from the same address `/livez` answers in a second each time, the page and
    a stream are served, the work goes on, and the service has no more connections open than it wants."""
    site = Site(tmp_path, extra='[http]\nhealth_listen = "127.0.0.1:0"\n')
    site.fill(2)
    with running(site) as service:
        service.in_step()
        where = service.address.rsplit(":", 1)
        port = int(where[1])
        took: list[float] = []
        with crowd(port):
            for path in ("/livez", "/readyz", "/livez", "/metrics", "/livez", "/", "/livez", "/livez", "/livez"):
                began = time.monotonic()
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                connection.request("GET", path)
                assert 200 == connection.getresponse().status, path
                connection.close()
                took.append(time.monotonic() - began)
                time.sleep(0.1)
            site.write("more.md", "# Storks\n\nEverything about storks, and about the chimneys they live on.\n")
            service.in_step()
            open_files = len(list(Path(f"/proc/{service.process.pid}/fd").iterdir()))
        exercised.add("connections that starve nobody", IDLE + SLOW)
        # One answer may be late on a busy machine; whoever waits for the crowd waits for fifteen seconds each time.
        assert sorted(took)[len(took) // 2] < PATIENCE, took
        assert max(took) < 5 * PATIENCE, took
        assert open_files < 500
        assert 0 == site.run("healthcheck").code
        assert ", health at http://127.0.0.1:" in site.run("status").out
    assert "Traceback" not in service.log.read_text()
