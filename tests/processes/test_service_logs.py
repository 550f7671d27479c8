"""The log of the service as a process: JSON, known names, priorities, nothing for what did not change, no secret."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import threading
import zipfile
from datetime import datetime
from pathlib import Path

import pytest
from cli_site import Site, clean_environment, server
from service_site import Service, running, wait_until

from syncd.logged import EVENTS

pytestmark = pytest.mark.timeout(180)
SECRETS = {
    "http token": "http-token-canary-0123456789",
    "webhook address": "hook-canary-0123456789",
    "webhook secret": "signing-canary-0123456789",
    "ping address": "ping-canary-0123456789",
}


_API = ("status", "documents", "quality")
_PATHS = ("/", "/metrics", "/livez", "/readyz", *(f"/api/v1/{name}" for name in _API))


def guarded(tmp: Path) -> Site:
    """A site whose configuration is full of secrets, with addresses that cannot be reached."""
    return Site(
        tmp,
        extra=f"""
[notify]
webhook_url = "http://127.0.0.1:9/{SECRETS["webhook address"]}"
webhook_secret = "{SECRETS["webhook secret"]}"
ping_url = "http://127.0.0.1:9/{SECRETS["ping address"]}"
ping_every = "1s"
[http]
token = "{SECRETS["http token"]}"
""",
    )


def lines(service: Service) -> list[str]:
    return service.log.read_text(encoding="utf-8").splitlines()


def test_every_line_is_a_known_event(tmp_path: Path) -> None:
    """Each line is one JSON object with time, level, logger and an event of the table; unchanged files give none."""
    site = Site(tmp_path)
    site.fill(5)
    site.write("手册.md", "# 手册\n\n关于水獭以及它们在北方河流中生活的一切记录都在这里。\n")
    site.write("skipped.xyz", "nobody reads this")
    with running(site, "-vv") as service:
        service.wait_event("pass.done")
        before = service.log.stat().st_size
        site.run("sync", code=75)
        # A retry of nothing has the whole source looked at once more.
        seen = service.status()["sources"][0]["last_scan_at"]
        assert 0 == site.run("retry", "--json", code=0).json["count"]
        wait_until(lambda: service.status()["sources"][0]["last_scan_at"] > seen, "another scan")
        later = [json.loads(line) for line in service.log.read_bytes()[before:].decode().splitlines()]
        assert [] == [row for row in later if row["event"].startswith("document.")]

        (row,) = service.events("document.verified", path="手册.md")
        assert {"collection_id", "revision", "sha256", "bytes", "probes", "found", "worst_rank"} <= set(row)
        assert 1 == len(service.events("document.skipped"))
        os.utime(site.docs / "手册.md")  # touched: still the same
        for number in range(2, 6):
            site.write("otters.md", f"# Otters\n\nEverything about otters is new in the south {number}.\n")
            changed = service.wait_event("document.verified", number, path="otters.md")
            if "seconds" in changed:  # a look for another reason may see a file before anybody says that it was saved
                break
        assert changed["seconds"] >= changed["upload_to_proof"] >= 0
        assert changed["replaces"]
        site.write("empty.md", "")
        service.wait_event("document.quarantined", path="empty.md", code="empty")
        assert 0 == service.end()

    rows = [json.loads(line) for line in lines(service)]
    assert len(rows) == len(lines(service))
    for row in rows:
        assert {"timestamp", "level", "logger", "event"} <= set(row), row
        assert datetime.fromisoformat(row["timestamp"]).utcoffset() is not None
        assert row["level"] in ("debug", "info", "warning", "error")
        assert row["event"] in EVENTS or not row["logger"].startswith("syncd"), row
    assert [] == [row for row in rows if row["event"] == "bug"]


def test_no_secret_is_ever_written(tmp_path: Path) -> None:
    """No secret appears in the log at its loudest, in a traceback, in status, page, API, metrics or the bundle for a
    bug report, nor in the ledger."""
    site = guarded(tmp_path)
    site.fill(1)
    service = Service(site, "-vv")
    try:
        service.ready()
        service.in_step()
        service.wait_event("ping.failed")
        pages = "".join(service.get(path)[1] for path in _PATHS)
        config = site.tmp / "config.toml"
        good = config.read_text()
        config.write_text(good + "nonsense = 1\n")
        service.process.send_signal(signal.SIGHUP)
        service.wait_event("config.refused")
        config.write_text(good.replace(SECRETS["ping address"], "another-canary-9876543210"))
        service.process.send_signal(signal.SIGHUP)
        service.wait_event("service.ready", 2)
        shown = site.run("status").out + site.run("status", "--json").out
        site.run("doctor", "--bundle", "bundle.zip", code=0)
        with zipfile.ZipFile(tmp_path / "bundle.zip") as archive:
            shown += "".join(archive.read(name).decode() for name in archive.namelist())
        server().admin("faults", {"kind": "html_502", "match": "searchTest", "times": 2})
        site.write("more.md", "# Storks\n\nEverything about storks, and about the chimneys they live on.\n")
        service.in_step()
        assert 0 == service.end()
    finally:
        service.process.kill()
        service.process.wait(60)
    log = service.log.read_text()
    database = b"".join(file.read_bytes() for file in tmp_path.glob("ledger.db*")).decode("latin-1")
    for what, secret in {**SECRETS, "key": site.key, "new address": "another-canary-9876543210"}.items():
        for where, text in {"log": log, "pages": pages, "status": shown, "ledger": database}.items():
            assert secret not in text, f"the {what} is in the {where}"
    # What failed is told with the secret taken out, not left out.
    assert "ping.failed" in log


def test_a_failure_at_the_start_is_an_event_too(tmp_path: Path) -> None:
    """A service that cannot start says so as a line of its log, with the exit code, before the message for people."""
    site = Site(tmp_path)
    site.fill(1)
    with running(site):
        second = Service(site)
        assert 75 == second.process.wait(60)
    (failed,) = second.events("service.failed")
    assert (75, True) == (failed["exit_code"], "in use" in failed["error"])


def test_the_journal_gets_priorities(tmp_path: Path) -> None:
    """Where stderr is the journal each line begins with its priority; anywhere else none does."""
    site = Site(tmp_path)
    site.fill(1)
    path = tmp_path / "journal"
    with path.open("wb") as journal:
        found = os.fstat(journal.fileno())
        environment = clean_environment(SYNCD_HTTP__LISTEN="", JOURNAL_STREAM=f"{found.st_dev}:{found.st_ino}")
        service = subprocess.Popen(
            site.command("run"), cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, stdout=journal, stderr=journal
        )
    try:
        wait_until(lambda: "pass.done" in path.read_text(), "it works")
        (tmp_path / "config.toml").write_text("nonsense = 1\n")
        service.send_signal(signal.SIGHUP)
        wait_until(lambda: "config.refused" in path.read_text(), "it refuses")
        service.terminate()
        assert 0 == service.wait(60)
    finally:
        service.kill()
        service.wait(60)
    for line in path.read_text().splitlines():
        priority, row = line[:3], json.loads(line[3:])
        assert {"debug": "<7>", "info": "<6>", "warning": "<4>", "error": "<3>"}[row["level"]] == priority
    assert "<3>" in path.read_text()

    other = Service(site, JOURNAL_STREAM=f"{found.st_dev}:{found.st_ino + 1}")
    assert 78 == other.process.wait(60)
    assert "<" not in other.log.read_text()[:1]


def test_a_terminal_gets_lines_for_people(tmp_path: Path) -> None:
    """On a terminal the lines are for reading: coloured, not JSON, and no file name can steer the terminal."""
    site = Site(tmp_path)
    site.write("evil\x1b[2J.md", "# Otters\n\nEverything about otters, and the rivers they live in up north.\n")
    master, slave = pty.openpty()
    text = bytearray()

    def read() -> None:
        try:
            while piece := os.read(master, 65536):
                text.extend(piece)
        except OSError:
            return  # the other end is closed

    process = subprocess.Popen(
        site.command("run"),
        cwd=tmp_path,
        env=clean_environment(SYNCD_HTTP__LISTEN="", TERM="xterm"),
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        wait_until(lambda: b"document.verified" in text, "it works")
        process.terminate()
        assert 0 == process.wait(60)
    finally:
        process.kill()
        process.wait(60)
        reader.join(10)
        os.close(master)
    shown = text.decode()
    assert "\x1b[2J" not in shown
    assert "\\x1b[2J" in shown
    assert "service.ready" in shown
    assert "\x1b[" in shown  # colours
    assert not [line for line in shown.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("log", ["full", "closed", "stuck"])
def test_a_log_that_takes_nothing_stops_nothing(tmp_path: Path, log: str) -> None:
    """Whether the disk of the log is full, the log is closed, or whoever reads it stands still: documents are mirrored,
    and the service ends when asked."""
    site = Site(tmp_path)
    site.fill(2)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with pytest.raises(BlockingIOError):
        while log == "stuck":
            os.write(writing, b"x" * 4096)
        raise BlockingIOError
    os.set_blocking(writing, True)
    redirected = {"full": ">/dev/full 2>&1", "closed": ">&- 2>&-", "stuck": ""}[log]
    process = subprocess.Popen(
        ["bash", "-c", f'exec "$@" {redirected}', "bash", *site.command("-vv", "run")],
        cwd=tmp_path,
        env=clean_environment(SYNCD_HTTP__LISTEN="127.0.0.1:0"),
        stdin=subprocess.DEVNULL,
        stdout=writing,
        stderr=writing,
    )
    try:
        wait_until(lambda: sorted(site.expected().items()) == site.shown(), "disk and server are equal")
        site.write("more.md", "# Storks\n\nEverything about storks, and about the chimneys they live on.\n")
        wait_until(lambda: sorted(site.expected().items()) == site.shown(), "the new one is there as well")
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(30)
    finally:
        process.kill()
        process.wait(10)
        os.close(reading)
        os.close(writing)
    assert 0 == site.run("sync").code
