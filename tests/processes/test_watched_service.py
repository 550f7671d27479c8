"""`syncd run` as persons and machines watch it: health, metrics, the page, its buttons, its messages."""

from __future__ import annotations

import base64
import hmac
import http.client
import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
from cli_site import Site, server
from prometheus_client.parser import text_string_to_metric_families
from service_site import Service, running, wait_until

TOKEN = "open-sesame-0123456789"
SECRET = "whsec_" + base64.b64encode(b"a key of twenty-four byt").decode()
HTML = "text/html"


class Relay:
    """A way to the emulator that can be cut: then nobody listens at its port.

    Attributes:
        port: on loopback.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._begin(self._accept)

    def _begin(self, function: Callable[..., None], *args: socket.socket) -> None:
        thread = threading.Thread(target=function, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                self._open |= {near, far}
                self._begin(self._pass_on, near, far)
                self._begin(self._pass_on, far, near)

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """The server is gone from here on."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for end in list(self._open):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for end in (self._listener, *self._open):
            end.close()
        self._open.clear()
        self._threads.clear()

    def mend(self) -> None:
        """The server is there again."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._begin(self._accept)


class _Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), content))  # type: ignore[attr-defined]
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        """Keep quiet."""


@contextmanager
def hook() -> Iterator[Any]:
    """Somebody who takes messages."""
    httpd: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Hook)
    httpd.got = []
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield httpd
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


def metrics(service: Service) -> dict[str, float]:
    """Value by name and labels."""
    status, text = service.get("/metrics")
    assert 200 == status
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


class Person:
    """Somebody with a browser that keeps cookies and follows redirects by hand."""

    def __init__(self, service: Service) -> None:
        self._where = urlsplit(service.address)
        self.cookie = ""
        self.seen: list[str] = []

    def ask(self, method: str, path: str, form: dict[str, str] | None = None) -> tuple[int, str, str]:
        """Status, where to, and page."""
        connection = http.client.HTTPConnection(str(self._where.hostname), self._where.port, timeout=30)
        given = {"Accept": HTML, "Origin": f"http://{self._where.netloc}"}
        if self.cookie:
            given["Cookie"] = self.cookie
        body = None
        if form is not None:
            body = urlencode(form)
            given["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, body, given)
            answer = connection.getresponse()
            page = answer.read().decode()
        finally:
            connection.close()
        if cookie := answer.headers.get("Set-Cookie"):
            self.cookie = cookie.partition(";")[0]
        self.seen.append(page)
        return answer.status, answer.headers.get("Location", ""), page

    def press(self, **form: str) -> str:
        """Press a button; the page that follows."""
        status, location, page = self.ask("POST", "/act", form)
        assert 303 == status, page
        return self.ask("GET", location)[2]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[tuple[Site, Relay, Any]]:
    """A site whose way to the server can be cut, with a token and somebody who takes messages."""
    where = urlsplit(server().base_url)
    relay = Relay(str(where.hostname), int(where.port or 80))
    with hook() as taker:
        (tmp_path / "token").write_text(TOKEN + "\n")
        os.chmod(tmp_path / "token", 0o600)
        site = Site(
            tmp_path,
            base_url=f"http://127.0.0.1:{relay.port}/api",
            extra=f"""
[http]
token_file = "token"
[notify]
webhook_url = "http://127.0.0.1:{taker.server_address[1]}/hook/secret-part"
webhook_secret = "{SECRET}"
""",
        )
        os.chmod(tmp_path / "config.toml", 0o600)
        try:
            yield site, relay, taker
        finally:
            relay.cut()


@pytest.mark.timeout(240)
def test_a_day_in_the_life(watched: tuple[Site, Relay, Any]) -> None:
    """Healthy, with trouble, paused, and at its end: what it says of itself is so, and no secret is in any of it."""
    site, relay, taker = watched
    site.fill(3)
    site.write("<img src=x onerror=alert(1)>.md", "")
    said: list[str] = []
    with running(site) as service:

        def page() -> str:
            status, text = service.get("/", accept=HTML)
            assert 200 == status
            said.append(text)
            return text

        wait_until(lambda: service.get("/readyz")[0] == 200, "ready")
        wait_until(lambda: service.status()["sources"][0]["counts"]["verified"] == 3, "three are verified")

        # Healthy: page, metrics and status say the same.
        wait_until(lambda: "1 document quarantined" in page(), "the page is quiet again")
        assert "&lt;img src=x onerror=alert(1)&gt;.md" in page()
        assert "<img src=x" not in page()
        found = metrics(service)
        assert 3 == found["syncd_documents[('source', 'docs'), ('state', 'verified')]"]
        assert 1 == found["syncd_documents[('source', 'docs'), ('state', 'quarantined')]"]
        assert 3 == found["syncd_uploads_total[('source', 'docs')]"]
        assert found["syncd_proofs_total[('source', 'docs'), ('verdict', 'found')]"] >= 3
        assert 1 == found["syncd_errors_total[('kind', 'empty')]"]
        assert 1 == found["syncd_server_up[]"]

        where = service.address.removeprefix("http://")
        assert site.run("healthcheck", "--json", code=0, SYNCD_HTTP__LISTEN=where).json["healthy"] is True
        assert site.run("healthcheck", "--ready", code=0, SYNCD_HTTP__LISTEN=where).out

        # Nothing can be done without the token, and everything with it.
        assert 403 == service.get("/api/v1/pause", b"")[0]
        assert (
            403 == service.get("/api/v1/pause", b"", authorization=f"Bearer {TOKEN}", origin="http://evil.example")[0]
        )
        person = Person(service)
        assert 403 == person.ask("POST", "/act", {"kind": "pause"})[0]
        assert 403 == person.ask("POST", "/login", {"token": "guessed"})[0]
        assert (303, "/") == person.ask("POST", "/login", {"token": TOKEN})[:2]
        assert "until <code>syncd resume</code>" in person.press(kind="pause")
        assert "Paused" in page()
        assert 1 == metrics(service)["syncd_paused[]"]
        assert 200 == service.get("/readyz")[0]
        assert site.run("status", "--json").json["service"]["paused"] is not None
        status, answer = service.get("/api/v1/resume", b"", authorization=f"Bearer {TOKEN}")
        assert (200, "the service goes on") == (status, json.loads(answer)["message"])
        assert 0 == metrics(service)["syncd_paused[]"]

        # The remedy: something is written, and what was quarantined is tried again.
        hostile = "<img src=x onerror=alert(1)>.md"
        assert "1 document is tried again now" in person.press(kind="retry", source="docs", path=quote(hostile))
        (site.docs / hostile).write_text("# Harmless\n\nA file may be called like this, and is read like any other.\n")
        wait_until(lambda: metrics(service)["syncd_documents[('source', 'docs'), ('state', 'verified')]"] == 4, "four")
        wait_until(lambda: "In step" in page(), "the page says so")
        # A scan may have seen that file before anybody said that it was saved; this one is not looked for.
        (site.docs / hostile).write_text("# Harmless\n\nIt was saved once more, and now nothing else looks for it.\n")
        count = "syncd_save_to_searchable_seconds_count[('source', 'docs')]"
        wait_until(lambda: metrics(service)[count] >= 1, "a saved file was searchable")
        wait_until(lambda: "In step" in page(), "the page says so")

        # A search, as a person would ask.
        status, _, answer = person.ask("POST", "/search", {"source": "docs", "q": "walruses in the far north"})
        assert 200 == status
        assert "docs/walruses.md" in answer

        # FastGPT goes away: that is said, and is no reason to restart anything.
        relay.cut()
        site.write("new.md", "# New\n\nA document that comes while nobody is there to take it.\n")
        wait_until(lambda: metrics(service)["syncd_server_up[]"] == 0, "the outage is noticed", 60)
        assert 200 == service.get("/readyz")[0]
        assert 200 == service.get("/livez")[0]
        wait_until(lambda: "Waits for FastGPT" in page(), "the page says so")
        relay.mend()
        wait_until(lambda: metrics(service)["syncd_server_up[]"] == 1, "it goes on by itself", 60)
        wait_until(lambda: "In step" in page(), "the page says so", 60)

        # A configuration that is wrong, by the button.
        good = (site.tmp / "config.toml").read_text()
        (site.tmp / "config.toml").write_text(good + "\n[nonsense]\n")
        status, _, answer = person.ask("POST", "/act", {"kind": "reload"})
        assert 409 == status
        assert "nonsense" in answer
        assert "A new configuration was refused" in page()
        assert 0 == metrics(service)["syncd_config_last_reload_successful[]"]
        (site.tmp / "config.toml").write_text(good)
        assert 303 == person.ask("POST", "/act", {"kind": "reload"})[0]
        wait_until(lambda: metrics(service)["syncd_config_last_reload_successful[]"] == 1, "it is right again")
        wait_until(lambda: service.get("/readyz")[0] == 200, "ready again")
        assert "Log out" in person.ask("GET", "/")[2]  # a reload does not end the session

        said += [service.get("/metrics")[1], service.get("/api/v1/status")[1], *person.seen]
        assert 0 == service.end(signal.SIGTERM)
        log = service.log.read_text(encoding="utf-8")

    # Messages: signed, and true.
    kinds = []
    for path, given, content in taker.got:
        assert "/hook/secret-part" == path
        signed = f"{given['webhook-id']}.{given['webhook-timestamp']}.".encode() + content
        expected = base64.b64encode(hmac.digest(b"a key of twenty-four byt", signed, "sha256")).decode()
        assert f"v1,{expected}" == given["webhook-signature"]
        kinds.append(json.loads(content)["type"].rpartition(".")[2])
    assert set(kinds) <= {"quarantine", "outage", "recovery", "config-refused"}
    assert len(kinds) <= 8
    said += [log, *[content.decode() for _, _, content in taker.got]]
    for text in said:
        for secret in (site.key, TOKEN, SECRET, "secret-part"):
            assert secret not in text


def test_ready_is_said_after_the_first_look(tmp_path: Path) -> None:
    """Ready means that every source was looked at once; a server that is down from the beginning changes nothing."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    site = Site(tmp_path, base_url=f"http://127.0.0.1:{port}/api")
    site.fill(2)
    with running(site) as service:
        wait_until(lambda: service.get("/readyz")[0] == 200, "ready without a server")
        assert 200 == service.get("/livez")[0]
        wait_until(lambda: "Waits for FastGPT" in service.get("/", accept=HTML)[1], "the page says so")
        assert 0 == metrics(service)["syncd_server_up[]"]
        # Without a token configured nothing can be changed, and the page says why.
        assert 403 == service.get("/api/v1/pause", b"", authorization="Bearer x")[0]
        assert "no token is set" in service.get("/", accept=HTML)[1]
        assert 0 == service.end(signal.SIGTERM)
