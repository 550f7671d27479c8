"""What is said and done when SQLite fails: its error code decides, nothing is thrown away, and reading goes on."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import virtual_loop
from service_world import Service, ServiceWorld
from texts import text

from syncd.errors import BusyError, LedgerDamaged, LedgerDisk, LedgerError, LedgerLocked, LedgerWaits, SyncdError
from syncd.ledger import Ledger, schema, upkeep
from syncd.ledger.store import PATIENCE, exists
from syncd.ledger.trouble import trouble

NOBODY = 65534
NAMES = [f"n{number}" for number in range(20)]  # enough to need new pages in the ledger

PRIMARY = {
    name: value
    for name, value in vars(sqlite3).items()
    if name.startswith("SQLITE_") and isinstance(value, int) and name.count("_") == 1
}
CODES = {
    "SQLITE_BUSY": (LedgerLocked, 75),
    "SQLITE_LOCKED": (LedgerLocked, 75),
    "SQLITE_PROTOCOL": (LedgerLocked, 75),
    "SQLITE_FULL": (LedgerDisk, 75),
    "SQLITE_IOERR": (LedgerDisk, 75),
    "SQLITE_READONLY": (LedgerDisk, 75),
    "SQLITE_CANTOPEN": (LedgerDisk, 75),
    "SQLITE_PERM": (LedgerDisk, 75),
    "SQLITE_NOMEM": (LedgerDisk, 75),
    "SQLITE_CORRUPT": (LedgerDamaged, 65),
    "SQLITE_NOTADB": (LedgerDamaged, 65),
}


def failing(code: int, words: str = "whatever the words are: malformed, full, readonly, locked") -> sqlite3.Error:
    error = sqlite3.OperationalError(words)
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize("extended", [0, 3 << 8])
def test_the_code_decides(name: str, extended: int) -> None:
    """The code alone, primary or extended, says what an error means; the words do not."""
    kind, exit_code = CODES[name]
    found = trouble(Path("ledger.db"), failing(getattr(sqlite3, name) | extended))
    assert (kind, exit_code) == (type(found), found.exit_code)
    assert (name in ("SQLITE_CORRUPT", "SQLITE_NOTADB")) == ("is damaged" in found.message)
    assert found.hint


def test_no_other_error_is_damage() -> None:
    """Of all codes of SQLite two say that the file is damaged."""
    said = {name for name, code in PRIMARY.items() if "is damaged" in trouble(Path("x"), failing(code)).message}
    assert {"SQLITE_CORRUPT", "SQLITE_NOTADB"} == said
    assert len(PRIMARY) > 20


# ---------------------------------------------------------------- a lock, a full disk


@contextmanager
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """Another program writes, and takes its time."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        yield other


def fill(ledger: Ledger) -> None:
    """The disk is full from here on: SQLite's own error, when the file would grow."""
    pages = ledger.conn.execute("pragma page_count").fetchone()[0]
    ledger.conn.execute(f"pragma max_page_count = {pages}")


def make_room(ledger: Ledger) -> None:
    ledger.conn.execute("pragma max_page_count = 1000000")


def put(key: str, length: int = 1) -> Callable[[sqlite3.Connection], int]:
    return lambda db: db.execute("insert into meta values (?, ?)", (key, "x" * length)).rowcount


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "ledger.db")
    yield made
    made.close()


async def _outcomes(*tasks: asyncio.Task[Any]) -> list[object]:
    return await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("kind", ["locked", "full"])
@pytest.mark.parametrize("patience", [None, PATIENCE])
def test_moves_wait_in_their_order(ledger: Ledger, kind: str, patience: float | None) -> None:
    """A locked ledger and a full disk are waited for; then every move is written once, in its order, and it is told."""
    told: list[object] = []

    async def main() -> list[object]:
        loop = asyncio.get_running_loop()
        commits = [asyncio.ensure_future(ledger.commit(f"m{n}", put(f"k{n}", 50_000))) for n in range(3)]
        await asyncio.sleep(20.0)
        assert not any(task.done() for task in commits)
        assert isinstance(ledger.blocked, LedgerWaits)
        commits.append(asyncio.ensure_future(ledger.commit("m3", put("k3"))))
        loop.call_soon(partial(make_room, ledger) if other is None else partial(other.execute, "rollback"))
        return await _outcomes(*commits)

    ledger.serve()
    ledger.patience = patience
    ledger.on_trouble = lambda error: told.append(type(error))
    if kind == "full":
        fill(ledger)
        other = None
        assert [1, 1, 1, 1] == virtual_loop.run(main())
    else:
        with locked(ledger.path) as other:
            assert [1, 1, 1, 1] == virtual_loop.run(main())
    rows = [row[0] for row in ledger.conn.execute("select key from meta where key like 'k_' order by key")]
    assert ["k0", "k1", "k2", "k3"] == rows
    assert [LedgerDisk if kind == "full" else LedgerLocked, type(None)] == told
    assert ledger.blocked is None


def test_a_one_shot_run_waits_and_ends_busy(ledger: Ledger) -> None:
    """After its patience a move fails with 75; the next one begins to wait anew."""

    async def main() -> list[object]:
        first = await _outcomes(asyncio.ensure_future(ledger.commit("one", put("one"))))
        other.execute("rollback")
        return first + await _outcomes(asyncio.ensure_future(ledger.commit("two", put("two"))))

    ledger.serve()
    ledger.patience = PATIENCE
    with locked(ledger.path) as other:
        failed, fine = virtual_loop.run(main())
    assert isinstance(failed, LedgerLocked)
    assert (75, 1) == (failed.exit_code, fine)
    assert ("", "x") == (ledger.meta("one"), ledger.meta("two"))


def test_a_move_that_is_wrong_is_no_trouble_of_the_ledger(ledger: Ledger) -> None:
    """An error of the statement itself stays that of the move, and is not waited for."""

    async def main() -> list[object]:
        return await _outcomes(
            asyncio.ensure_future(ledger.commit("twice", lambda db: [put("a")(db), put("a")(db)])),
            asyncio.ensure_future(ledger.commit("fine", put("b"))),
        )

    failed, fine = virtual_loop.run(main())
    assert (sqlite3.IntegrityError, 1) == (type(failed), fine)


@pytest.mark.parametrize("kind", ["locked", "full"])
def test_a_transaction_that_cannot_wait_changes_nothing(ledger: Ledger, kind: str) -> None:
    """A command's transaction ends with 75, the ledger is as before, and works again afterwards."""
    ledger.conn.execute("pragma busy_timeout = 10")
    if kind == "full":
        fill(ledger)
        with pytest.raises(LedgerDisk, match="disk is full"):
            ledger.set_meta("a", "x" * 50_000)
        make_room(ledger)
    else:
        with locked(ledger.path), pytest.raises(LedgerLocked):
            ledger.set_meta("a", "x")
    assert "" == ledger.meta("a")
    ledger.set_meta("a", "y")
    assert "y" == ledger.meta("a")


@pytest.mark.parametrize("kind", ["locked", "full"])
def test_the_service_survives(tmp_path: Path, kind: str) -> None:
    """A ledger that is locked for a minute, and a disk that is full for an hour, end nothing and lose nothing."""
    world = ServiceWorld(tmp_path)

    async def script(service: Service) -> None:
        service.save("a.md", text("a"))
        await service.serves("a.md", text("a"))
        with locked(world.ledger_path) as other:
            if kind == "full":
                other.execute("rollback")
                fill(service.engine.ledger)
            for name in NAMES:
                service.save(f"{name}.md", text(name))
            service.save("a.md", text("a", 2))
            await asyncio.sleep(3600.0 if kind == "full" else 60.0)
            assert service.engine.ledger.blocked is not None
            if kind == "full":
                make_room(service.engine.ledger)
            else:
                other.execute("rollback")
        for name in NAMES:
            await service.serves(f"{name}.md", text(name))
        await service.serves("a.md", text("a", 2))
        await service.quiet()

    assert world.serve(script) is None
    assert [] == world.broken
    uploaded = [name for event, name, _ in world.events if event == "uploaded"]
    assert sorted(uploaded) == sorted(["a.md", "a.md", *(f"{name}.md" for name in NAMES)]), (
        "something was sent twice, or never"
    )
    assert 0 == world.times_logged("bug")


def test_a_busy_ledger_is_not_said_to_be_damaged_by_the_upkeep(ledger: Ledger) -> None:
    """The nightly check says nothing of a ledger that it could not look at."""
    path = ledger.path
    ledger.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("pragma locking_mode = exclusive")
        other.execute("begin exclusive")
        other.execute("insert into meta values ('a', 'b')")
        with pytest.raises(LedgerWaits):
            upkeep.compact(path)


# ---------------------------------------------------------------- starting


def test_the_start_says_what_to_do_about_the_disk(tmp_path: Path) -> None:
    """At the start a disk that does not let us in is 65 with a remedy, and not damage."""
    (tmp_path / "ledger.db").mkdir()
    with pytest.raises(LedgerError) as caught:
        Ledger(tmp_path / "ledger.db")
    assert 65 == caught.value.exit_code
    assert "damaged" not in caught.value.message
    assert caught.value.hint


def test_nobody_sees_half_a_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the first start makes the ledger there is none yet; when there is one it is complete."""
    path = tmp_path / "ledger.db"
    seen: list[object] = []
    trusted = schema.migrations.apply

    def slowly(*args: Any, **more: Any) -> None:
        seen.append(exists(path))
        trusted(*args, **more)
        seen.append(exists(path))

    monkeypatch.setattr(schema.migrations, "apply", slowly)
    ledger = Ledger(path)
    assert [False, False] == seen
    with closing(Ledger(path, write=False)) as reader:
        assert ledger.id == reader.id
    ledger.close()
    assert ["ledger.db", "ledger.db.lock"] == sorted(one.name for one in tmp_path.iterdir())


def test_an_empty_file_becomes_a_ledger(tmp_path: Path) -> None:
    """A file of no bytes is no ledger yet, and is filled; what a crash left half-made is no obstacle."""
    path = tmp_path / "ledger.db"
    path.touch()
    (tmp_path / "ledger.db.making").write_bytes(b"half of one")
    assert not exists(path)
    Ledger(path).close()
    assert exists(path)
    Ledger(path, write=False).close()


def test_a_file_that_cannot_be_replaced_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A single file that is mounted into a container cannot be put in another's place: it is filled as it stands."""
    path = tmp_path / "ledger.db"

    def busy(self: Path, target: Path) -> Path:
        raise OSError(16, f"{self} {target}")

    monkeypatch.setattr(Path, "replace", busy)
    Ledger(path).close()
    Ledger(path, write=False).close()
    assert not (tmp_path / "ledger.db.making").exists()


# ---------------------------------------------------------------- reading where nothing can be written


@pytest.fixture
def shelf() -> Iterator[Path]:
    """A folder that can be made read-only, also for tests that run as root."""
    folder = Path(tempfile.mkdtemp(prefix="syncd-test-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nothing in the folder can be changed or made; root is somebody else meanwhile, for root may do anything."""
    for one in folder.iterdir():
        one.chmod(0o444)
    folder.chmod(0o555)
    was = os.geteuid()
    if was == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if was == 0:
            os.seteuid(0)
        folder.chmod(0o755)


def test_a_ledger_is_read_on_a_read_only_disk(shelf: Path) -> None:
    """Where no file can be made beside it, a ledger that was closed is read all the same, and can be copied."""
    path = shelf / "ledger.db"
    with closing(Ledger(path)) as made:
        made.set_meta("a", "b")
    assert not path.with_name("ledger.db-wal").exists()
    with read_only(shelf), closing(Ledger(path, write=False)) as ledger:
        assert "b" == ledger.meta("a")
        with closing(ledger.reader()) as reader:
            assert ("b",) == reader.execute("select value from meta where key = 'a'").fetchone()
        with pytest.raises(LedgerDisk):
            ledger.conn.execute("delete from meta")
        target = Path(tempfile.mkdtemp(prefix="syncd-copy-")) / "copy.db"
        ledger.backup(target)
    with closing(Ledger(target, write=False)) as copy:
        assert "b" == copy.meta("a")
    shutil.rmtree(target.parent)


def test_what_a_crash_left_in_the_log_is_read_too(shelf: Path, tmp_path: Path) -> None:
    """The newest changes may lie in the write-ahead log: a reader on a read-only disk sees them."""
    with closing(Ledger(tmp_path / "ledger.db")) as made:
        made.set_meta("a", "b")
        made.conn.execute("pragma wal_checkpoint(truncate)")
        made.set_meta("a", "newer")
        for end in ("", "-wal"):
            shutil.copy(tmp_path / f"ledger.db{end}", shelf / f"ledger.db{end}")
    assert (shelf / "ledger.db-wal").stat().st_size > 0
    with read_only(shelf), closing(Ledger(shelf / "ledger.db", write=False)) as ledger:
        assert "newer" == ledger.meta("a")


def test_a_ledger_that_may_not_be_read_is_not_damaged(shelf: Path) -> None:
    """A reader without the right to read is told just that."""
    path = shelf / "ledger.db"
    Ledger(path).close()
    with read_only(shelf):
        pass
    path.chmod(0o000)
    was = os.geteuid()
    if was == 0:
        os.seteuid(NOBODY)
    try:
        with pytest.raises(LedgerError, match="cannot be opened"):
            Ledger(path, write=False)
    finally:
        if was == 0:
            os.seteuid(0)


@pytest.mark.parametrize("place", ["no-such-folder/copy.db", "file/copy.db"])
def test_a_backup_to_nowhere_is_not_a_damaged_ledger(ledger: Ledger, tmp_path: Path, place: str) -> None:
    """A copy that cannot be written says so of the copy; nothing is said of the ledger."""
    (tmp_path / "file").touch()
    with pytest.raises(SyncdError) as caught:
        ledger.backup(tmp_path / place)
    assert (75, "there is no folder" in caught.value.message) == (caught.value.exit_code, True)
    assert isinstance(caught.value, BusyError)
    assert "damaged" not in caught.value.message


def test_the_log_makes_room_itself(ledger: Ledger) -> None:
    """When the disk is full the write-ahead log is written into the ledger, for it may be what fills the disk."""
    log = ledger.path.with_name("ledger.db-wal")

    async def main() -> object:
        before = log.stat().st_size
        commit = asyncio.ensure_future(ledger.commit("m", put("k", 50_000)))
        await asyncio.sleep(5.0)
        lengths.append((before, log.stat().st_size))
        make_room(ledger)
        return await commit

    lengths: list[tuple[int, int]] = []
    ledger.serve()
    for number in range(50):
        ledger.set_meta(f"note-{number}", "x" * 1000)
    fill(ledger)
    assert 1 == virtual_loop.run(main())
    ((before, after),) = lengths
    assert before > 100_000 > after
