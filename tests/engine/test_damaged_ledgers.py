"""A damaged ledger, whatever the damage: it works rightly or ends 65 with the remedy, and costs nobody a document."""

from __future__ import annotations

import logging
import os
import random
import shutil
import sqlite3
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import damage
import exercised
import pytest
from texts import text
from world import World

from syncd import cli, verify
from syncd.errors import EXIT_BUG, EXIT_HELD, EXIT_LEDGER, LedgerDamaged, SyncdError, gravest
from syncd.ledger import Ledger, records, soundness, store, upkeep

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
    path = Path(tempfile.mkdtemp(prefix="syncd-test-", dir=folder))
    yield build(Unremembered(path / "w"))
    shutil.rmtree(path)


def _codes(error: BaseException) -> set[int]:
    if isinstance(error, BaseExceptionGroup):
        return set().union(*(_codes(one) for one in error.exceptions))
    return {error.exit_code if isinstance(error, SyncdError) else EXIT_BUG}


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
        known = isinstance(error, ExceptionGroup) and error.split(SyncdError)[1] is None  # the gravest speaks for all
        damaged = soundness.blamed(place.world.ledger_path)  # as the command line does, before it speaks of a bug
        code = EXIT_LEDGER if damaged is not None else gravest(_codes(error)) if known else EXIT_BUG
        ends.add(code == EXIT_LEDGER)
        if code == EXIT_BUG:
            wrong.append("sync: " + "".join(traceback.format_exception(error)))
    # Held: a dataset's id that differs by a letter is that of a dataset which the server does not have.
    if code not in (0, 3, 4, EXIT_HELD, EXIT_LEDGER):
        wrong.append(f"sync: {code}")
    if code == EXIT_LEDGER and place.world.ledger_path.read_bytes() != kept["ledger.db"] and kind != "version":
        wrong.append("the file that was refused is another one now")
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


# ---------------------------------------------------------------- values, column by column


def test_each_wrong_value_is_named(place: Place) -> None:
    """A value that a column cannot hold is told with its table and column; what may be good is not."""
    tolerated = 0
    with closing(sqlite3.connect(place.sound)) as conn:
        columns = [(t, c, d) for t in damage.tables(conn) if _rows(conn, t) for c, d in damage.columns(conn, t)]
    for table, column, declared in columns:
        for value in (*damage.WRONG, damage.BAD_TEXT):
            place.fresh()
            with closing(sqlite3.connect(place.world.ledger_path, isolation_level=None)) as conn:
                if not damage.put_value(conn, table, column, declared, 0, value):
                    continue
                held = conn.execute(
                    f"select count(*) from {table} where typeof({column}) not in ('null', ?)", (declared,)
                ).fetchone()[0]
            found = soundness.blamed(place.world.ledger_path)
            if found is None:
                tolerated += 1
                text_in_number = held and value is not None and not (declared == "real" and isinstance(value, int))
                assert not text_in_number, f"{table}.{column} holds {value!r:.60}"
                assert value is not damage.BAD_TEXT, f"{table}.{column}"
            elif value is damage.BAD_TEXT and declared == "text":
                assert f"{table}.{column}" in found.message, found.message
        exercised.add("damaged ledger: columns with wrong values")
    assert tolerated > 0, "a value in free text is no damage"


def _rows(conn: sqlite3.Connection, table: str) -> int:
    return int(conn.execute(f"select count(*) from {table}").fetchone()[0])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("update revisions set delete_after = -1.0 where rowid_is", "revisions.delete_after"),
        ("update revisions set collection_id = null where state = 'verified'", "revisions.collection_id"),
        ("update documents set gone = 7 where id = 1", "documents.gone, row 1: must be 0 or 1, not '7'"),
        ("update documents set path = '../a.md' where id = 1", "documents.path, row 1: must be a path below the root"),
        ("update documents set sha256 = 'ABC' where id = 1", "documents.sha256, row 1: must be a SHA-256 in hex"),
        ("update requests set arguments = '[' where id = 1", "requests.arguments, row 1: must be a JSON object"),
        ("delete from meta where key = 'ledger_id'", "meta has no row 'ledger_id'"),
        ("update meta set value = '{}' where key = 'clock'", "meta.value, row clock: must be a JSON list"),
        ("delete from directories", "belongs to a row of directories that is missing"),
        ("drop index one_serving", "the index one_serving is missing"),
        ("create trigger x after insert on events begin select 1; end", "the trigger x is not syncd's"),
    ],
)
def test_the_maintenance_names_what_breaks_a_law(place: Place, change: str, said: str) -> None:
    """What SQLite cannot know is found by the nightly check, and named by table, column and row."""
    place.fresh()
    with closing(sqlite3.connect(place.world.ledger_path, isolation_level=None)) as conn:
        conn.execute("pragma foreign_keys = off")
        conn.execute(change.replace("rowid_is", "state = 'retired'"))
    assert said in upkeep.compact(place.world.ledger_path)


def test_a_foreign_log_does_not_overwrite_the_ledger(place: Place) -> None:
    """The log of another database that lies beside a sound ledger is named, and the ledger stays as it is."""
    place.fresh()
    path = place.world.ledger_path
    whole = path.read_bytes()
    with closing(sqlite3.connect(path.with_name("other.db"), isolation_level=None)) as conn:
        conn.execute("pragma journal_mode = wal")
        conn.execute("create table t (a)")
        shutil.copy(path.with_name("other.db-wal"), path.with_name("ledger.db-wal"))
    path.with_name("other.db").unlink()
    with pytest.raises(LedgerDamaged, match="does not belong to the ledger") as caught:
        Ledger(path)
    assert "move ledger.db-wal away" in caught.value.hint
    assert whole == path.read_bytes()
    path.with_name("ledger.db-wal").unlink()
    assert 0 == run(place, ("ls",))[0]


@pytest.mark.parametrize("kind", ["letter", "tables", "value"])
def test_a_large_ledger_is_looked_at_before_a_bug_is_told(
    place: Place, kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A ledger too large to be checked at the start: an error that nobody foresaw is explained by the damage."""
    monkeypatch.setattr(soundness, "SMALL", 0)
    monkeypatch.setattr(store, "_CHECK_LIMIT", 0)
    monkeypatch.setattr(store, "_QUICK_CHECK_LIMIT", 0)
    _all(place, kind, range(30), capsys)
