"""`syncd demo` as a newcomer runs it, and the pure part of what it claims."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

from cli_site import Site, clean_environment, interrupt

from syncd.demo_world import Visibility, visibility


def test_the_demo_runs_to_its_end_without_a_terminal(tmp_path: Path) -> None:
    """It proves, finds, flips, retires, holds, and leaves nothing behind."""
    site = Site(tmp_path, env={"TMPDIR": str(tmp_path)})
    before = set(os.listdir(tmp_path))

    # What leads the caller's own deployment elsewhere must not reach the demonstration.
    result = site.run("demo", "--json", code=0, SYNCD_FASTGPT__BASE_URL="http://127.0.0.1:9/api", SYNCD_API_KEY="x")
    figures = result.json
    assert figures["schema"] == "syncd.demo/1"
    assert (figures["documents"], 0, 0) == (
        figures["verified"],
        figures["gaps"],
        figures["searches_without_answer"],
    )
    assert (figures["retired"], figures["held"]) == (1, 2)
    assert figures["searches_meanwhile"] > 0
    assert figures["seconds"] < 30
    assert 0 < figures["save_to_searchable"] < 30
    assert "制度/年假.md" in result.err
    assert before == set(os.listdir(tmp_path))


def test_an_interrupted_demo_cleans_up(tmp_path: Path) -> None:
    """Ctrl-C ends the local FastGPT and removes the folder."""
    site = Site(tmp_path, env={"TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"})
    before = set(os.listdir(tmp_path))
    with site.running("demo") as process:
        assert process.stdout is not None
        while not process.stdout.readline().startswith("3."):
            pass
        result = interrupt(process, signal.SIGINT)

    assert result.code == 130
    assert "stopped by SIGINT" in result.err
    time.sleep(0.1)
    assert before == set(os.listdir(tmp_path))


def test_on_a_terminal_its_page_can_be_looked_at(tmp_path: Path) -> None:
    """The service of the last step goes on until Ctrl-C, which is no failure."""
    site = Site(tmp_path, env={"TMPDIR": str(tmp_path), "TERM": "dumb"})
    before = set(os.listdir(tmp_path))
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        site.command("demo"),
        cwd=tmp_path,
        env=clean_environment(**site.env),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = ""
    while "Ctrl-C" not in shown:
        shown += os.read(ours, 4096).decode()
    address = re.findall(r"Look at (http://\S+) ", shown)[0]
    with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310 - loopback
        assert "handbook" in answer.read().decode()
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while os.read(ours, 4096):
            pass
    os.close(ours)

    assert 0 == process.wait(60)
    assert before == set(os.listdir(tmp_path))


def _event(at: float, event: str, collection: str, path: str = "a.md") -> dict[str, object]:
    return {"at": at, "event": event, "collection_id": collection, "metadata": {"syncd": {"path": path}}}


_FIRST = [_event(0, "created", "1"), _event(0, "hidden", "1"), _event(1, "trained", "1"), _event(2, "shown", "1")]
_SECOND = [_event(5, "created", "2"), _event(5, "hidden", "2"), _event(6, "trained", "2")]


def test_a_flip_in_the_right_order_has_no_gap() -> None:
    """Show the new one, then hide the old one."""
    flip = [_event(7, "shown", "2"), _event(7.5, "hidden", "1")]

    assert Visibility(2, 0, 0.5) == visibility([*_FIRST, *_SECOND, *flip], "a.md")


def test_a_flip_in_the_wrong_order_is_a_gap() -> None:
    """The demonstration would notice."""
    flip = [_event(7, "hidden", "1"), _event(7.5, "shown", "2")]

    assert Visibility(2, 1, 0.0) == visibility([*_FIRST, *_SECOND, *flip], "a.md")


def test_a_version_that_is_not_trained_cannot_be_found() -> None:
    """A hidden old version and a shown but untrained new one are a gap."""
    flip = [_event(5, "created", "2"), _event(6, "hidden", "1"), _event(7, "trained", "2")]

    assert Visibility(2, 1, 0.0) == visibility([*_FIRST, *flip, _event(0, "deleted", "1", "b.md")], "a.md")
