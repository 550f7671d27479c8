"""A damaged ledger, whatever the damage: it works rightly or ends 65 with the remedy, and costs nobody a document."""

from __future__ import annotations

import logging
import os
import random
import shutil
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import damage
import exercised
import pytest
from texts import text
from world import World

from syncd import cli, verify
from syncd.errors import EXIT_LEDGER, SyncdError
from syncd.ledger import Ledger, records, soundness

CASES = 60  # of each kind
MANY = 600  # with `-m long`
_SMALL = {"version": 20}  # kinds with few different cases
CONFIG = """\
version = 1
[fastgpt]
base_url = "http://127.0.0.1:9/api"
api_key_file = "key"
[ledger]
path = "{ledger}"
[http]
listen = "127.0.0.1:9"
[[source]]
name = "docs"
path = "docs"
dataset = "Handbook"
settle = "0s"
"""
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("ls",),
    ("ls", "--all", "--json"),
    ("status",),
    ("status", "--json"),
    ("history", "a.md"),
    ("history", "b.md", "--json"),
    ("plan", "--offline"),
    ("retry",),
    ("release", "docs"),
    ("pause",),
    ("resume",),
    ("rollback", "a.md"),
    ("backup", "copy.db"),
    ("healthcheck",),
    ("doctor",),
    ("check",),
)


class Unremembered(World):
    """A world whose ledgers nobody reads for the laws of its history: that would be one more reader, and not ours."""

    def _remember(self) -> None:
        """Nothing."""


@dataclass
class Place:
    """A world with a ledger that has seen something, and copies of both."""

    world: World
    sound: Path
    snapshot: Any
    codes: dict[tuple[str, ...], int]

    def fresh(self) -> None:
        """The sound ledger again."""
        self.world.lose_ledger()
        shutil.copy(self.sound, self.world.ledger_path)


def build(world: World) -> Place:
    """Documents that serve, were replaced, vanished, were given up; deletions that are held; requests, runs, jobs."""
    for name in "abcdefgh":
        world.write(f"{name}.md", text(name))
    world.write("sub/deep/x.pdf", b"bad")
    world.sync()
    world.sleep(1000)
    world.write("a.md", text("a", 2))
    world.remove("h.md")
    world.sync()
    world.sleep(100)
    for name in "efg":
        world.remove(f"{name}.md")
    world.sync()
    world.sync()
    world.sync()
    with_ledger(world, _story)
    world.tmp.joinpath("key").write_text("fastgpt-0123456789abcdef0123456789")
    world.tmp.joinpath("key").chmod(0o600)
    world.tmp.joinpath("config.toml").write_text(CONFIG.format(ledger=world.ledger_path))
    world.tmp.joinpath("config.toml").chmod(0o600)
    sound = world.tmp / "sound.db"
    with_ledger(world, lambda ledger: ledger.conn.execute("pragma wal_checkpoint(truncate)").fetchall())
    shutil.copy(world.ledger_path, sound)
    place = Place(world, sound, world.emulator.snapshot(), {})
    for command in COMMANDS:
        place.fresh()
        place.codes[command] = run(place, command)[0]
    return place


def with_ledger(world: World, act: Callable[[Ledger], object]) -> None:
    ledger = Ledger(world.ledger_path)
    try:
        act(ledger)
    finally:
        ledger.close()


def _story(ledger: Ledger) -> None:
    now = 1_800_001_200.0
    with ledger.transaction("story") as conn:
        for statement in (
            "insert into requests (at, kind, arguments) values (?, 'sync', '{}')",
            "insert into runs (at, seconds, sources, whole, counts) values (?, 1.5, '[]', 1, '{\"upload\": 1}')",
            "insert into jobs values ('scan', ?)",
            "insert into restless values ('docs', 'new.md', ?)",
            "insert into findings (at, kind, source, path, message) values (?, 'passage', 'docs', 'a.md', 'odd')",
            "insert into releases values ('docs', 'no-such-revision', ?, 0)",
        ):
            conn.execute(statement, (now,))
        conn.execute("insert into ledgers values ('docs', 'aaaaaaaa-0000-4000-8000-000000000000')")
        records.add_finding(conn, "orphan", "docs", "lost.md", "6b0000010000000000000999", "left", now)


def run(place: Place, command: tuple[str, ...]) -> tuple[int, str]:
    """One command line in this process; its exit code, and the traceback of what it calls a bug."""
    bugs: list[str] = []
    trusted = cli._report_bug

    def telling(error: BaseException, given: Any) -> int:
        code = trusted(error, given)
        if code != EXIT_LEDGER:
            bugs.append("".join(traceback.format_exception(error)))
        return code

    was, mask, level = os.getcwd(), os.umask(0o077), logging.getLogger("syncd").level
    os.chdir(place.world.tmp)
    cli._report_bug = telling
    try:
        return cli.run(["--config", "config.toml", *command]), "".join(bugs)
    finally:
        cli._report_bug = trusted
        os.chdir(was)
        os.umask(mask)
        logging.getLogger("syncd").setLevel(level)
        (place.world.tmp / "copy.db").unlink(missing_ok=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else tmp_path_factory.mktemp("damaged")  # noqa: S108
    import tempfile

    path = Path(tempfile.mkdtemp(prefix="syncd-test-", dir=folder))
    yield build(Unremembered(path / "w"))
    shutil.rmtree(path)


def attempt(place: Place, kind: str, number: int) -> list[str]:
    """One damaged ledger: what is wrong with how it was met."""
    dice = random.Random(f"{kind} {number}")
    place.fresh()
    damage.KINDS[kind](place.world.ledger_path, dice)
    kept = {file.name: file.read_bytes() for file in place.world.ledger_path.parent.iterdir()}
    wrong = []
    ends = set()
    for command in dice.sample(COMMANDS, 2):
        code, bug = run(place, command)
        ends.add(code == EXIT_LEDGER)
        if bug:
            wrong.append(f"{command}: a bug: {bug}")
        elif code not in (EXIT_LEDGER, place.codes[command], 0) and not (code == 2 and "a.md" in command):
            wrong.append(f"{command}: {code} instead of {place.codes[command]}")
        for file in place.world.ledger_path.parent.iterdir():
            file.unlink()
        for name, raw in kept.items():
            (place.world.ledger_path.parent / name).write_bytes(raw)
    try:
        if number % 2:
            code = place.world.sync().exit_code
        else:
            place.world.run(lambda engine: verify.verify(engine))
            code = 0
        ends.add(False)
    except SyncdError as error:
        code = error.exit_code
        ends.add(code == EXIT_LEDGER)
        if not error.hint:
            wrong.append(f"no remedy: {error.message}")
    except Exception as error:
        damaged = soundness.blamed(place.world.ledger_path)  # as the command line does, before it speaks of a bug
        code = 1 if damaged is None else damaged.exit_code
        ends.add(code == EXIT_LEDGER)
        if damaged is None:
            wrong.append("sync: " + "".join(traceback.format_exception(error)))
    if code not in (0, 3, 4, EXIT_LEDGER):
        wrong.append(f"sync: {code}")
    if place.world.emulator.snapshot() != place.snapshot:
        wrong.append("something changed on the server")
    if not wrong:
        what = "is refused" if ends == {True} else "works" if ends == {False} else "is refused where it matters"
        exercised.add(f"damaged ledger: {kind}: {what}")
    return wrong


def _all(place: Place, kind: str, cases: range, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = {}
    for number in cases:
        found = attempt(place, kind, number)
        if found:
            wrong[number] = found
        capsys.readouterr()
    assert {} == wrong


@pytest.mark.parametrize("kind", damage.KINDS)
def test_damaged_ledgers(place: Place, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever happened to the file: right answers, or 65 with a remedy; no bug, and nothing changes on the server."""
    _all(place, kind, range(_SMALL.get(kind, CASES)), capsys)


@pytest.mark.long
@pytest.mark.parametrize("kind", damage.KINDS)
def test_many_damaged_ledgers(place: Place, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The same, many more."""
    _all(place, kind, range(CASES, MANY), capsys)
