"""The service as a process under signals and commands: drain, reload, pause, and what a person asks meanwhile."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cli_site import Site, server
from service_site import Service, running, wait_until

SLOW = "# Sloths\n\nEverything about slow sloths, and why nobody hurries them in the far south.\n"
pytestmark = pytest.mark.timeout(240)


def site_of(tmp: Path, number: int = 1, **options: Any) -> Site:
    """A folder with documents."""
    made = Site(tmp, **options)
    made.fill(number)
    return made


def state_of(site: Site, path: str) -> str:
    """The state of a document's newest revision, straight from the ledger."""
    with closing(sqlite3.connect(f"{(site.tmp / 'ledger.db').as_uri()}?mode=ro", uri=True)) as conn:
        row = conn.execute(
            "select r.state from revisions r join documents d on d.id = r.document where d.path = ?"
            " order by r.created_at desc limit 1",
            (path,),
        ).fetchone()
    return "" if row is None else str(row[0])


def uploads() -> int:
    """How many uploads this server has seen."""
    return sum("localFile" in record["path"] for record in server().admin("requests"))


def uploading(site: Site, service: Service, seconds: float) -> None:
    """Save slow.md and wait until its upload is under way, which takes so long."""
    service.wait_event("pass.done")
    server().admin("faults", {"kind": "slow", "match": "localFile", "times": 1, "seconds": seconds})
    site.write("slow.md", SLOW)
    wait_until(lambda: state_of(site, "slow.md") == "uploading", "slow.md is on its way")


# ---------------------------------------------------------------- SIGTERM, SIGINT


def test_sigterm_drains(tmp_path: Path) -> None:
    """SIGTERM lets what is under way come to a safe point, names it, and ends 0; the next start sends nothing twice."""
    site = site_of(tmp_path, extra='[service]\ndrain = "60s"')
    with running(site) as service:
        uploading(site, service, 4.0)

        assert 0 == service.end()

        (stopping, *_) = service.events("service.stopping")
        assert (1, ["docs/slow.md"]) == (stopping["waits_for"], stopping["documents"])
        assert ([], 1) == (service.events("service.cut"), len(service.events("service.stopped")))
    sent = uploads()
    with running(site) as again:
        again.in_step()
        assert 0 == again.end(signal.SIGINT)
    assert sent == uploads()


def test_training_is_not_waited_for(tmp_path: Path) -> None:
    """A document in training is at a safe point: the end does not wait for it, and the next start takes it up."""
    site = site_of(tmp_path)
    with running(site) as service:
        service.in_step()
        server().admin("faults", {"kind": "train_slow", "match": "slow.md", "times": 1, "seconds": 15})
        site.write("slow.md", SLOW)
        wait_until(lambda: state_of(site, "slow.md") == "indexing", "slow.md is in training")
        assert 0 == service.end()
        assert "indexing" == state_of(site, "slow.md")
        assert [] == service.events("service.cut")
    with running(site) as again:
        again.in_step()
        assert 0 == again.end()


def test_the_drain_has_an_end(tmp_path: Path) -> None:
    """What does not come to a safe point in the configured time is cut; that is said, and the end is 0 all the same."""
    site = site_of(tmp_path, extra='[service]\ndrain = "1s"')
    with running(site) as service:
        uploading(site, service, 60.0)

        assert 0 == service.end()

        (cut,) = service.events("service.cut")
        assert 1 == cut["documents"]


@pytest.mark.parametrize(("first", "second"), [(signal.SIGTERM, signal.SIGTERM), (signal.SIGTERM, signal.SIGINT)])
def test_a_second_signal_ends_at_once(tmp_path: Path, first: signal.Signals, second: signal.Signals) -> None:
    """While it drains a second signal ends the process at once, by that signal (143 or 130 for a shell)."""
    site = site_of(tmp_path, extra='[service]\ndrain = "10m"')
    with running(site) as service:
        uploading(site, service, 60.0)
        service.process.send_signal(first)
        service.wait_event("service.stopping")
        assert -second == service.end(second)


def test_a_signal_before_it_serves(tmp_path: Path) -> None:
    """SIGTERM and SIGHUP right after the start are heard, and the service never hangs."""
    site = site_of(tmp_path)
    service = Service(site)
    try:
        service.wait_event("service.started")
        service.process.send_signal(signal.SIGHUP)
        service.process.send_signal(signal.SIGTERM)
        assert 0 == service.process.wait(60)
    finally:
        service.process.kill()
        service.process.wait(60)
    assert [] == service.events("bug")


# ---------------------------------------------------------------- SIGHUP


@contextmanager
def webhook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A receiver of messages: its address, and what came."""
    heard: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Keep quiet."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_address[1]}/hook-with-a-token-0123456789", heard
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


def edit(site: Site, change: Callable[[str], str]) -> None:
    """Change the configuration."""
    path = site.tmp / "config.toml"
    path.write_text(change(path.read_text()))


def source(name: str, path: str) -> str:
    return f'\n[[source]]\nname = "{name}"\npath = "{path}"\ndataset = "{name}-set"\nsettle = "0s"\n'


def test_a_reload_adds_and_removes_sources(tmp_path: Path) -> None:
    """A valid configuration comes into force without a restart; a source that is gone from it deletes nothing."""
    site = site_of(tmp_path)
    more = tmp_path / "more"
    more.mkdir()
    (more / "x.md").write_text("# Herons\n\nEverything about herons, far up in the north where the lakes are.\n")
    dataset = f"{tmp_path.name}-more"
    with running(site) as service:
        service.in_step()
        address = service.address
        edit(site, lambda text: text + source("more", "more").replace("more-set", dataset))
        assert "is in force" in site.run("reload", "--json", code=0).json["message"]
        assert 2 == len(service.events("service.ready"))  # the answer came when it was in force
        service.wait_event("document.verified", source="more", path="x.md")
        assert ["docs", "more"] == [row["name"] for row in service.status()["sources"]]
        assert {"docs", "more"} == set(service.status()["service"]["watch"])
        assert address == service.events("service.ready")[1]["listen"]  # the status server lived on
        assert 200 == service.get("/livez")[0]

        site.configure()
        service.process.send_signal(signal.SIGHUP)
        service.wait_event("service.ready", 3)
        (removed,) = [row for row in service.status()["sources"] if row["name"] == "more"]
        assert (False, 1) == (removed["configured"], removed["counts"]["verified"])
        assert {"docs"} == set(service.status()["service"]["watch"])
        assert 0 == service.end()
    assert [] == service.events("document.retired")


def test_a_missing_folder_hinders_no_reload(tmp_path: Path) -> None:
    """A new source whose folder is not there (yet) is a trouble of that source alone; it is served when it appears."""
    site = site_of(tmp_path)
    dataset = f"{tmp_path.name}-later"
    with running(site) as service:
        edit(site, lambda text: text + source("later", "later").replace("later-set", dataset))
        service.process.send_signal(signal.SIGHUP)
        service.wait_event("service.ready", 2)
        site.write("new.md", SLOW)
        service.in_step()
        (tmp_path / "later").mkdir()
        (tmp_path / "later" / "x.md").write_text("# Herons\n\nEverything about herons, far up in the north.\n")
        service.wait_event("document.verified", source="later", seconds=90)
        assert 0 == service.end()


def test_an_invalid_configuration_is_refused_everywhere(tmp_path: Path) -> None:
    """What is wrong is said in log, status, metrics, page and webhook; the old configuration goes on, and is left."""
    with webhook() as (address, heard):
        site = site_of(tmp_path, extra=f'[notify]\nwebhook_url = "{address}"')
        with running(site) as service:
            service.in_step()
            edit(site, lambda text: text + "nonsense = 1\n")
            service.process.send_signal(signal.SIGHUP)
            (problem,) = service.wait_event("config.refused")["problems"]
            assert "nonsense" in problem
            edit(site, lambda text: text.replace("nonsense = 1\n", ""))  # for the commands below; it is not read again

            refused = wait_until(lambda: service.status()["service"]["config"]["refused"], "status says so")
            assert [problem] == refused["problems"]
            assert "refused" in site.run("status", code=0).out
            assert "syncd_config_last_reload_successful 0.0" in service.get("/metrics")[1]
            assert "nonsense" in service.get("/")[1]
            wait_until(lambda: any("nonsense" in json.dumps(message) for message in heard), "the webhook says so")

            site.write("new.md", SLOW)
            service.in_step()
            assert 1 == len(service.events("service.ready"))

            assert "is in force" in site.run("reload", code=0).out
            wait_until(lambda: service.status()["service"]["config"]["refused"] is None, "it is forgotten")
            assert "syncd_config_last_reload_successful 1.0" in service.get("/metrics")[1]
            assert 0 == service.end()
            text = service.log.read_text()
    assert "hook-with-a-token" not in text


def test_reload_says_how_it_went(tmp_path: Path) -> None:
    """`syncd reload` ends 75 without a service, 0 when the new one is in force, 78 when it was refused."""
    site = site_of(tmp_path)
    assert (75, "no service is running") == (
        site.run("reload", "--json").code,
        site.run("reload", "--json").json["error"]["message"],
    )
    with running(site) as service:
        service.in_step()
        site.run("reload", code=0)
        edit(site, lambda text: text + "nonsense = 1\n")
        pid = str(service.process.pid)
        assert 78 == site.run("reload", "--pid", pid).code
        service.wait_event("config.refused")
        site.configure()

        # The command's own look finds nothing wrong; the service does.
        edit(site, lambda text: text.replace('path = "ledger.db"', 'path = "other.db"'))
        result = site.run("reload", "--json", SYNCD_LEDGER__PATH=str(tmp_path / "ledger.db"))
        assert 78 == result.code
        assert "cannot change while the service runs" in result.json["error"]["message"]
        site.configure()
        site.run("reload", code=0)
        assert 0 == service.end()


def test_the_key_is_read_again(tmp_path: Path) -> None:
    """With a refused key the service waits and says so; SIGHUP has it read the key anew, and no key is ever written."""
    site = site_of(tmp_path)
    key_file = tmp_path / "key"
    wrong = "fastgpt-wrongwrongwrongwrongwrongwrong"
    key_file.write_text(wrong + "\n")
    with running(site) as service:
        trouble = service.wait_event("server.trouble")
        assert trouble["hint"]
        wait_until(lambda: service.status()["service"]["server"]["state"] == "trouble", "status says so")
        assert (200, 200) == (service.get("/livez")[0], service.get("/metrics")[0])

        key_file.write_text(site.key + "\n")
        service.process.send_signal(signal.SIGHUP)
        service.in_step()

        key_file.write_text(wrong + "\n")  # revoked
        site.run("reload", code=0)
        site.write("new.md", SLOW)
        service.wait_event("server.trouble", 2)
        key_file.write_text(site.key + "\n")
        site.run("reload", code=0)
        service.in_step()
        assert 0 == service.end()
        assert wrong not in service.log.read_text()
    assert [] == service.events("document.quarantined")


def test_a_reload_in_an_outage(tmp_path: Path) -> None:
    """While the server cannot be reached a reload works as ever, and a new address is gone to at once."""
    with closing(socket.create_server(("127.0.0.1", 0))) as one:
        dead = f"http://127.0.0.1:{one.getsockname()[1]}/api"
    site = site_of(tmp_path, base_url=dead)
    with running(site) as service:
        service.wait_event("server.trouble")
        site.run("reload", code=0)
        site.base_url = server().base_url
        site.configure()
        site.run("reload", code=0)
        service.in_step()
        assert 0 == service.end()


# ---------------------------------------------------------------- pause


def test_a_pause_outlives_the_service(tmp_path: Path) -> None:
    """A pause is kept over kill -9: the next service sends nothing until `syncd resume`."""
    site = site_of(tmp_path)
    with running(site) as service:
        service.in_step()
        document = site.run("pause", "--json", code=0).json
        assert document["paused"]["since"]
        service.process.kill()
        service.process.wait(60)
    site.write("new.md", SLOW)
    with running(site) as again:
        again.wait_event("watch.mode")
        assert again.status()["service"]["paused"] == document["paused"]
        assert "paused" in site.run("status", code=0).out
        site.run("pause", code=0)
        assert "" == state_of(site, "new.md")
        site.run("resume", code=0)
        again.in_step()
        assert again.status()["service"]["paused"] is None
        assert 0 == again.end()


# ---------------------------------------------------------------- commands while it runs


def test_commands_while_it_runs(tmp_path: Path) -> None:
    """Everything can be looked at and decided while the service runs; what needs the ledger for itself is refused."""
    site = site_of(tmp_path, 6, delete='grace = "24h"\nmax_count = 1\nmax_percent = "100%"')
    with running(site) as service:
        service.in_step()
        refused = site.run("sync", "--json")
        assert 75 == refused.code
        assert f"pid {service.process.pid}" in refused.json["error"]["message"]

        status = service.status()
        assert status["service"]["running"]
        assert {"scan", "audit", "verify", "maintenance"} == set(status["service"]["next"])
        assert all(status["service"]["next"].values())
        assert "every 15m" == status["service"]["schedule"]["scan"]
        shown = site.run("status", code=0).out
        assert "next audit" in shown
        assert {"verified"} == {row["state"] for row in site.run("ls", "--json", code=0).json["documents"]}
        site.run("history", "otters.md", code=0)

        before = site.expected()["otters.md"]
        site.write("otters.md", SLOW)
        service.in_step()
        site.run("rollback", "otters.md", code=0)
        assert before == dict(site.shown())["otters.md"]
        site.run("retry", "otters.md", code=0)
        service.in_step()

        # All three at once for the service: one that it sees alone may go, which takes the place of another one.
        service.process.send_signal(signal.SIGSTOP)
        for name in ("walruses.md", "petrels.md", "lemmings.md"):
            (site.docs / name).unlink()
        service.process.send_signal(signal.SIGCONT)
        service.wait_event("hold.placed", source="docs")
        assert "cannot be known" in site.run("release", "docs", code=6).err
        # A look between two of the deletions may have seen two of them first.
        wait_until(lambda: [3] == [hold["count"] for hold in service.status()["sources"][0]["holds"]], "all are held")
        released = site.run("release", "docs", "--json", code=0).json
        assert 3 == len(released["paths"])
        service.in_step()

        assert 2 == site.run("retry", "nothing.md").code
        assert 0 == service.end()
    assert [] == service.events("bug")
