"""Output is never work: a stream that takes nothing loses words, not documents; and no name in it gives orders."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from cli_site import Site, clean_environment
from test_harmless import ORDERS, obeyed
from world import World

from syncd import logs
from syncd.cli import run
from syncd.harmless import harmless
from syncd.ledger import Ledger, moves, records
from syncd.models import DocumentKey
from syncd.outlet import Loss, Outlet, take_loss
from syncd.progress import Progress


def shell(site: Site, line: str) -> subprocess.CompletedProcess[str]:
    """`syncd` with redirections."""
    return subprocess.run(
        ["bash", "-c", f"{sys.executable} -m syncd {line}"],
        cwd=site.tmp,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=90,
    )


# ---------------------------------------------------------------- work goes on


@pytest.mark.parametrize(
    "streams",
    ["2>/dev/full", ">/dev/full 2>&1", "2>&-", "<&- >&- 2>&-", "-vv 2>/dev/full"],
)
def test_a_pass_whose_words_are_lost(tmp_path: Path, streams: str) -> None:
    """However full or closed the streams are, every document is verified, nothing is blamed, and the code is 0."""
    site = Site(tmp_path)
    site.fill(3)

    assert 0 == shell(site, f"sync {streams}").returncode

    assert site.expected() == site.visible()
    with closing(Ledger(tmp_path / "ledger.db", write=False)) as ledger:
        assert [] == ledger.conn.execute("select detail from events where event = 'failed'").fetchall()
    assert 0 == shell(site, "sync").returncode


def test_a_reader_that_stands_still(tmp_path: Path) -> None:
    """A log that is piped into something that does not read holds up nothing."""
    site = Site(tmp_path)
    site.fill(2)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)
    ended = subprocess.run(
        site.command("sync", "-vv"),
        cwd=tmp_path,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=writing,
        timeout=60,
    )
    os.close(reading)
    os.close(writing)

    assert 0 == ended.returncode
    assert site.expected() == site.visible()


@pytest.mark.parametrize("command", ["ls --json", "explain", "--help", "nonsense"])
def test_every_command_ends_as_it_would(tmp_path: Path, command: str) -> None:
    """The exit code is that of the work, and a full stream is named on the other one."""
    site = Site(tmp_path)
    site.fill(1)
    code = site.run(*command.split()).code

    full = shell(site, f"{command} >/dev/full")
    assert code == full.returncode
    assert ("No space left on device" in full.stderr) == (command != "nonsense")  # that one says nothing on stdout
    for streams in ("2>/dev/full", ">&- 2>&-"):
        assert code == shell(site, f"{command} {streams}").returncode


def test_a_report_that_cannot_be_written_costs_no_verdict(tmp_path: Path) -> None:
    """When the file for JUnit or the baseline cannot be written, what was found is told all the same, and that too."""
    site = Site(tmp_path)
    site.fill(1)
    site.run("sync", code=0)
    for option in ("--junit", "--baseline"):
        result = site.run("verify", "--json", option, "/nowhere/file", code=2)
        assert "syncd.verify/1" == result.json["schema"]
        assert "cannot write /nowhere/file: No such file or directory" in result.err


def test_what_is_opened_later_never_takes_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    """With standard error closed the ledger does not become descriptor 2, into which everything is printed."""
    site = Site(tmp_path)
    script = (
        "import os, sys; from syncd import outlet; outlet.install(); f = open(sys.argv[1], 'w')\n"
        "print('words', file=sys.stderr); os.write(2, b'words'); sys.exit(f.fileno() < 3)"
    )
    ended = subprocess.run(
        ["bash", "-c", f'{sys.executable} -c "$0" file 2>&- >&- <&-', script], cwd=site.tmp, env=clean_environment()
    )
    assert 0 == ended.returncode
    assert "" == (tmp_path / "file").read_text()


# ---------------------------------------------------------------- the outlet


def test_a_cut_line_is_no_part_of_the_next_one() -> None:
    """Where a line was cut the next one begins anew, and what was lost is counted."""
    reading, writing = os.pipe()
    outlet = Outlet(writing, 0.0)
    stream = io.TextIOWrapper(outlet, write_through=True)  # type: ignore[arg-type]
    stream.write("a" * 100_000 + "\nlost\n")
    stream.write("lost too\n")
    assert Loss(3, "nobody reads it") == take_loss(stream)
    assert None is take_loss(stream)
    stream.write("cut again" * 10_000)
    first = os.read(reading, 1 << 20)
    assert b"a" in first
    stream.write("the next line\n")
    rest = os.read(reading, 1 << 20)
    assert b"\nthe next line\n" == rest
    os.close(reading)
    stream.write("nobody is there\n")
    assert Loss(2, "") == take_loss(stream)
    os.close(writing)


def test_patience_is_spent_once() -> None:
    """Standard error waits for its reader once for a moment, not again for every line."""
    reading, writing = os.pipe()
    outlet = Outlet(writing, 0.2)
    outlet.write(b"x" * 200_000)
    waited: list[bool] = []
    began = time.monotonic()
    for _ in range(1000):
        outlet.write(b"a line\n")
        waited.append(outlet.works)
    # A thousand lines that wait would take 200 seconds.
    assert time.monotonic() - began < 30
    assert not any(waited)
    os.close(reading)
    os.close(writing)


def test_the_log_says_what_it_lost(capsys: pytest.CaptureFixture[str]) -> None:
    """As soon as the log takes lines again, it says how many it lost, and why."""
    reading, writing = os.pipe()
    stream = io.TextIOWrapper(Outlet(writing, 0.0), write_through=True)  # type: ignore[type-var]
    handlers, level = logging.getLogger().handlers[:], logging.getLogger("syncd").level
    try:
        logs.configure(logging.INFO, json=True, stream=stream)
        for number in range(2000):
            logs.get_logger("test").info("line", text="x" * 100, number=number)
        before = os.read(reading, 1 << 20).splitlines()
        logs.get_logger("test").info("line", text="again")
        after = [json.loads(line) for line in os.read(reading, 1 << 20).splitlines() if line]
    finally:
        logging.getLogger().handlers[:] = handlers
        logging.getLogger("syncd").setLevel(level)
        logs._Pipeline.ready = False
        os.close(reading)
        os.close(writing)
    whole = sum(line.endswith(b"}") for line in before)
    assert ["line", "log.lost"] == [line["event"] for line in after]
    assert (2000 - whole, "nobody reads it") == (after[1]["lines"], after[1]["reason"])


# ---------------------------------------------------------------- nobody is blamed for words


def test_a_listener_that_fails_costs_no_document_anything(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong while something is told, the document is verified and the pass ends with 0."""

    def fails(_self: Progress, event: str, key: DocumentKey, detail: str = "") -> None:
        raise OSError(28, f"{event} {key} {detail}")

    world.write("a.md", "# A\n\nEverything about otters in the far north and their rivers.\n")
    before = Progress.__init__

    def deaf(self: Progress, *args: object, **kwargs: object) -> None:
        before(self, *args, **kwargs)  # type: ignore[arg-type]
        self.listener = lambda event, key, detail: fails(self, event, key, detail)

    monkeypatch.setattr(Progress, "__init__", deaf)
    outcome = world.sync()
    assert (0, "verified") == (outcome.exit_code, world.states()["a.md"])
    assert 0 == world.sync().exit_code


def test_a_failure_noted_of_a_document_at_rest_is_looked_at_again(world: World) -> None:
    """A document that is verified and failing at once is put right by the next pass, not left with code 3 for ever."""
    world.write("a.md", "# A\n\nEverything about otters in the far north and their rivers.\n")
    world.sync()
    with closing(Ledger(world.ledger_path)) as ledger, ledger.transaction("test") as conn:
        [(document,)] = conn.execute("select id from documents").fetchall()
        moves.failed_attempt(conn, document, "internal", "a word could not be written", world.now(), world.now())
    world.sleep(100)
    assert 0 == world.sync().exit_code

    with closing(Ledger(world.ledger_path)) as ledger, ledger.transaction("test") as conn:
        # As older ledgers were left.
        conn.execute("update documents set at_rest = 1, next_try_at = ?, attempts = 1", (world.now(),))
        assert records.in_trouble(conn, "docs")
    world.sleep(100)
    assert 0 == world.sync().exit_code


# ---------------------------------------------------------------- names give no orders

NAMES = [name.strip() + f"{n}.md" for n, name in enumerate(ORDERS) if "/" not in name]


def test_no_name_gives_orders_in_the_output_of_any_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Documents named like commands of CI systems are listed, planned, sent, searched and quarantined as plain text."""
    site = Site(tmp_path)
    for number, name in enumerate(NAMES):
        site.write(name, f"# Title {number}\n\nThis one speaks of subject number {number}{number} in the far north.\n")
    site.write("::error::empty.md", b"")
    site.write("##vso[x]empty.md", b"\x00\x01")
    site.write("::skipped::x.xyz", b"x")
    monkeypatch.chdir(tmp_path)
    commands = [
        *(["plan"], ["plan", "--format", "markdown"], ["plan", "--json"], ["sync", "-vv"], ["sync", "--json"]),
        *(["ls"], ["ls", "--json"], ["ls", "--skipped"], ["status"], ["status", "--json"], ["verify"]),
        *(["verify", "--json"], ["search", "subject number 33"], ["audit", "-v"], ["doctor"], ["check"], ["retry"]),
        *(["history", NAMES[0]], ["history", NAMES[8], "--json"], ["retry", NAMES[8]], ["rollback", NAMES[0]]),
        *(["sync", "\n::error::x"], ["ls", "::x::\n::y::"], ["explain", "\n::error::"], ["--config", "\n::x", "check"]),
    ]
    found: list[tuple[list[str], str, str]] = []
    for command in commands:
        code = run(command)
        printed = capsys.readouterr()
        assert code != 1, (command, printed.err)
        found += [(command, why, line) for line in "\n".join(printed).split("\n") if (why := obeyed(line))]
    assert [] == found
    drawn = site.run("ls", FORCE_COLOR="1", COLUMNS="60").out.split("\n")
    assert [] == [line for line in drawn if "control character" not in obeyed(line) and obeyed(line)]


def test_what_is_ours_word_for_word_stays(tmp_path: Path) -> None:
    """Scripts and files that syncd prints for others to run are not changed on their way."""
    site = Site(tmp_path)
    for command in (["completion", "bash"], ["completion", "zsh"], ["scaffold", "github"], ["scaffold", "gitlab"]):
        printed = site.run(*command, code=0).out
        assert harmless(printed) == printed
        assert "\\x" not in printed
