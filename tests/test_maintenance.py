"""Maintenance: what is pruned and what never is, copies that rotate, the write-ahead log."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from world import World

from syncd.errors import LedgerError
from syncd.ledger import Ledger, entries, moves, records, remote, requests, tree, upkeep
from syncd.models import (
    CollectionId,
    DeletePolicy,
    DocumentKey,
    FileSnapshot,
    Probe,
    ProbeResult,
    Proof,
    Verdict,
)

DAY = 86400.0
NOW = 2_000_000_000.0
HISTORY = 90 * DAY
WINDOW = 2 * DAY


@pytest.fixture
def ledger(scratch: Path) -> Iterator[Ledger]:
    """An empty ledger."""
    made = Ledger(scratch / "ledger.db")
    yield made
    made.close()


def count(ledger: Ledger, table: str) -> int:
    return int(ledger.conn.execute(f"select count(*) from {table}").fetchone()[0])


def prune(ledger: Ledger, now: float = NOW, history: float = HISTORY, window: float = WINDOW) -> int:
    with ledger.transaction("prune") as conn:
        return upkeep.prune(conn, now, history, window)


# ---------------------------------------------------------------- pruning


@pytest.mark.parametrize(
    ("table", "insert"),
    [
        ("events", "insert into events (at, source, path, event) values (?, 's', 'a.md', 'verified')"),
        ("runs", "insert into runs (at, seconds, sources, whole, counts) values (?, 1, '[]', 1, '{}')"),
        (
            "findings",
            "insert into findings (at, kind, source, path, message, resolved_at) values (1, 'lost', 's', 'a', 'm', ?)",
        ),
    ],
)
def test_history_goes_by_age(ledger: Ledger, table: str, insert: str) -> None:
    """What happened longer ago than the configured history is forgotten, and nothing younger."""
    for age in (0.0, HISTORY - 1, HISTORY + 1, 10 * HISTORY):
        ledger.conn.execute(insert, (NOW - age,))

    assert (2, 2) == (prune(ledger), count(ledger, table))
    assert 0 == prune(ledger)


def test_in_portions(ledger: Ledger) -> None:
    """Much history goes in portions, the oldest ones of each table as well as in one go, and then there is no more."""
    conn = ledger.conn
    conn.execute("insert into directories (id, source, path) values (1, 's', x'')")
    conn.execute(
        "insert into documents (id, uuid, source, path, directory, disk_name, first_seen_at)"
        " values (1, 'u', 's', 'a', 1, x'61', 1)"
    )
    conn.execute(
        "insert into revisions (id, document, sha256, settings, state, attempt, dataset_id, created_at)"
        " values ('r', 1, 'h', 'x', 'verified', 't', 'd', 1)"
    )
    for number in range(10):
        ledger.conn.execute("insert into events (at, source, path, event) values (?, 's', 'a', 'e')", (number,))
        ledger.conn.execute("insert into proofs (revision, at, passed) values ('r', ?, ?)", (number, number > 3))
    portions = []
    while not portions or portions[-1]:
        with ledger.transaction("prune") as conn:
            portions.append(upkeep.prune(conn, NOW, HISTORY, WINDOW, most=4))

    assert [8, 8, 2, 0] == portions
    assert 0 == count(ledger, "events")
    assert [(4.0,), (9.0,)] == ledger.conn.execute("select at from proofs order by at").fetchall()


def test_what_stands_is_never_pruned(ledger: Ledger) -> None:
    """Open findings, holds and open requests stay, however old."""
    conn = ledger.conn
    conn.execute("insert into findings (at, kind, source, path, message) values (1, 'lost', 's', 'a', 'm')")
    conn.execute("insert into holds values ('s', 'limit', 1, 1.0, 'm', 0, '[]', 'id')")
    conn.execute("insert into requests (at, kind, arguments) values (1, 'pause', '{}')")
    conn.execute("insert into jobs values ('scan', 1.0)")
    requests.set_paused(conn, 1.0)

    assert 0 == prune(ledger)
    assert [1, 1, 1, 1] == [count(ledger, table) for table in ("findings", "holds", "requests", "jobs")]
    assert 1.0 == requests.paused(conn)


def test_answered_requests_go_after_a_week(ledger: Ledger) -> None:
    """An answer is kept a week, for whoever still asks."""
    for age in (6 * DAY, 8 * DAY):
        ledger.conn.execute(
            "insert into requests (at, kind, arguments, done_at) values (1, 'retry', '{}', ?)", (NOW - age,)
        )

    assert (1, 1) == (prune(ledger), count(ledger, "requests"))


@pytest.mark.parametrize(("history", "window"), [(3600.0, 30 * DAY), (30 * DAY, 3600.0)])
def test_the_budget_of_deletions_is_kept(ledger: Ledger, history: float, window: float) -> None:
    """A deletion that the firewall still counts is never forgotten, however short the history (rule 15)."""
    for age in (1.0, 29 * DAY, 31 * DAY):
        ledger.conn.execute("insert into deletions (source, document, at) values ('s', 1, ?)", (NOW - age,))
    counted = records.deletions_since(ledger.conn, "s", NOW - window)

    assert 1 == prune(ledger, history=history, window=window)

    assert counted == records.deletions_since(ledger.conn, "s", NOW - window)
    assert 2 == count(ledger, "deletions")


def test_releases_go_when_they_have_expired(ledger: Ledger) -> None:
    """A release that can still be used stays; one that has expired is forgotten (rule 20)."""
    for revision, age in (("fresh", 3600.0), ("old", DAY + 1)):
        records.release(ledger.conn, "s", [revision], NOW - age, emptied=False)

    assert 1 == prune(ledger)
    assert (frozenset({"fresh"}), False) == records.released(ledger.conn, "s", NOW)


def proofs(world: World) -> list[tuple[float, int]]:
    with closing(Ledger(world.ledger_path, write=False)) as ledger:
        return [tuple(row) for row in ledger.conn.execute("select at, passed from proofs order by id")]


def test_proofs_keep_the_first_and_the_newest(world: World) -> None:
    """Of many proofs of a revision the first passed one (the firewall's base) and the newest (its evidence) stay."""
    world.write("a.md", "# Otters\n\nAll about otters and the rivers they live in, far up in the north.\n")
    world.sync()
    with closing(Ledger(world.ledger_path)) as ledger:
        (revision,) = ledger.conn.execute("select id from revisions").fetchone()
        first = world.now()
        for day in range(1, 6):
            ledger.conn.execute(
                "insert into proofs (revision, at, passed) values (?, ?, 1)", (revision, first + day * DAY)
            )
        (results,) = ledger.conn.execute("select count(*) from probe_results").fetchone()
        base = records.verified_before(ledger.conn, "docs", first + DAY)

        gone = prune(ledger, now=first + 1000 * DAY)

        assert base == records.verified_before(ledger.conn, "docs", first + DAY) == 1
        assert (results,) == ledger.conn.execute("select count(*) from probe_results").fetchone()
    assert gone >= 4
    assert 2 == len(proofs(world))
    assert first + 5 * DAY == proofs(world)[1][0]


def test_pruning_everything_changes_no_plan(make_world: Callable[..., World]) -> None:
    """After the hardest pruning the next pass does what it would have done without it."""
    outcomes = []
    for harsh in (False, True):
        world = make_world()
        world.source = replace(world.source, delete=DeletePolicy(max_count=1, max_percent=20.0, grace=3 * DAY))
        for name in "abcdef":
            world.write(f"{name}.md", f"# The {name} chapter\n\nAll that is known of the {name} matter in the north.\n")
        world.sync()
        world.sleep(DAY)
        world.write("a.md", "# The a chapter\n\nEverything is different now with the matter of a in the south.\n")
        world.remove("b.md")
        world.sync()
        world.sleep(DAY)
        if harsh:
            with closing(Ledger(world.ledger_path)) as ledger:
                window = world.source.delete.window
                prune(ledger, now=world.now(), history=3600.0, window=window)
        world.remove("c.md")  # the second in the window: held
        outcome = world.sync()
        outcomes.append((outcome.counts, [(hold.reason, hold.paths) for hold in outcome.holds], world.states()))
        with closing(Ledger(world.ledger_path, write=False)) as ledger:
            assert remote.source(ledger.conn, "docs") is not None

    assert outcomes[0] == outcomes[1]
    assert outcomes[0][1]


# ---------------------------------------------------------------- copies


def copies(ledger: Ledger) -> list[str]:
    """The files beside the ledger that are not SQLite's own, nor the lock."""
    own = {ledger.path.name, *(ledger.path.name + end for end in ("-wal", "-shm", ".lock"))}
    return sorted(file.name for file in ledger.path.parent.iterdir() if file.name not in own)


def mark(ledger: Ledger, text: str) -> None:
    ledger.set_meta("mark", text)


def marks(ledger: Ledger, number: int) -> list[str]:
    found = []
    for nth in range(1, number + 1):
        with closing(sqlite3.connect(f"{ledger.path}.{nth}")) as conn:
            found.append(conn.execute("select value from meta where key = 'mark'").fetchone()[0])
    return found


@pytest.mark.parametrize("keep", [1, 3])
def test_copies_rotate(ledger: Ledger, keep: int) -> None:
    """``ledger.db.1`` is the newest copy, ``ledger.db.N`` the oldest; there are never more, and each is complete."""
    for text in ("one", "two", "three", "four", "five"):
        mark(ledger, text)
        assert Path(f"{ledger.path}.1") == upkeep.rotate(ledger, keep)

    assert [f"ledger.db.{number}" for number in range(1, keep + 1)] == copies(ledger)
    assert ["five", "four", "three"][:keep] == marks(ledger, keep)
    with closing(sqlite3.connect(f"{ledger.path}.1")) as conn:
        assert [("ok",)] == conn.execute("pragma integrity_check").fetchall()
        assert [("1",)] == conn.execute("select value from meta where key = 'is_backup'").fetchall()


@pytest.mark.parametrize(("before", "after"), [(3, 1), (3, 0), (0, 0)])
def test_fewer_copies_are_kept_from_now_on(ledger: Ledger, before: int, after: int) -> None:
    """When fewer copies are asked for the older ones go, behind a gap too; files that are none of them stay."""
    for _ in range(before + 1):
        upkeep.rotate(ledger, before)
    Path(f"{ledger.path}.2").unlink(missing_ok=True)  # a gap, as a crash may leave it
    others = ["ledger.db.01", "ledger.db.bak", "ledger.db.schema-1.bak", "other.db.3"]
    for name in others:
        ledger.path.with_name(name).write_text("not ours")

    upkeep.rotate(ledger, after)

    assert sorted([*(f"ledger.db.{number}" for number in range(1, after + 1)), *others]) == copies(ledger)


def test_a_crash_between_two_names_loses_no_copy(ledger: Ledger) -> None:
    """Whatever a crash left behind, the next rotation makes it good and loses none that was complete."""
    mark(ledger, "one")
    upkeep.rotate(ledger, 3)
    mark(ledger, "two")
    upkeep.rotate(ledger, 3)
    ledger.path.with_name("ledger.db.new").write_bytes(b"half a copy")  # killed while it was written
    Path(f"{ledger.path}.2").rename(f"{ledger.path}.3")  # killed between two renames
    mark(ledger, "three")

    upkeep.rotate(ledger, 3)

    assert ["ledger.db.1", "ledger.db.2", "ledger.db.3"] == copies(ledger)
    assert ["three", "two", "one"] == marks(ledger, 3)


def test_a_copy_that_cannot_be_written_harms_none(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full or may not be written, the older copies stay as they are and no half one is left."""
    mark(ledger, "one")
    upkeep.rotate(ledger, 2)

    def full(target: Path) -> None:
        target.write_bytes(b"half")
        target.unlink()
        raise LedgerError(f"the backup to {target} failed: disk full")

    monkeypatch.setattr(ledger, "backup", full)
    with pytest.raises(LedgerError, match="disk full"):
        upkeep.rotate(ledger, 2)

    assert (["ledger.db.1"], ["one"]) == (copies(ledger), marks(ledger, 1))


# ---------------------------------------------------------------- the log and the check


def wal(ledger: Ledger) -> int:
    return ledger.path.with_name(ledger.path.name + "-wal").stat().st_size


def test_the_log_is_shrunk(ledger: Ledger) -> None:
    """The write-ahead log is emptied, and the ledger found sound."""
    mark(ledger, "x" * 100_000)
    assert wal(ledger) > 100_000

    assert "ok" == upkeep.compact(ledger.path)

    assert 0 == wal(ledger)


def test_nobody_is_waited_for(ledger: Ledger) -> None:
    """A reader in a long scan and a writer in a transaction neither delay nor fail the maintenance."""
    mark(ledger, "x" * 100_000)
    with closing(ledger.reader()) as reader:
        reader.execute("begin")
        reader.execute("select count(*) from meta").fetchone()
        mark(ledger, "y" * 100_000)
        assert "ok" == upkeep.compact(ledger.path)
        assert wal(ledger) > 0
        with ledger.transaction("busy"):
            assert "ok" == upkeep.compact(ledger.path)

    assert ("ok", 0) == (upkeep.compact(ledger.path), wal(ledger))


def test_damage_is_told(ledger: Ledger) -> None:
    """A ledger whose pages are damaged is named so, instead of an exception."""
    for number in range(2000):
        ledger.conn.execute("insert into meta values (?, 'some text that fills pages')", (f"key-{number}",))
    upkeep.compact(ledger.path)
    path = ledger.path
    ledger.close()
    data = bytearray(path.read_bytes())
    for page in range(5, len(data) // 4096):
        data[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(bytes(data))

    assert upkeep.compact(path) not in ("", "ok")


# ---------------------------------------------------------------- two years


ROOM = 40  # documents that are there
NEW_EACH_DAY = 6
EDITED_EACH_DAY = 4


def _day(conn: sqlite3.Connection, day: int, now: float, there: list[int]) -> None:
    """Some files come in a folder of their own, some are edited, and as many go for good."""
    proof = Proof(True, (ProbeResult(Probe("otters", "otters", 0.0), "embedding", Verdict.FOUND, rank=1),))

    def send(document: int, content: str) -> None:
        snapshot = FileSnapshot(DocumentKey("s", ""), "", 1, 1, 1, sha256=content, settings="x")
        revision = moves.begin_upload(conn, document, snapshot, "d", now)
        moves.identified(conn, revision, CollectionId(f"c-{revision.id}"), now)
        moves.begin_flip(conn, revision, "")
        old = conn.execute("select id from revisions where document = ? and state = 'verified'", (document,)).fetchone()
        known = None if old is None else entries.revision(conn, old[0])
        moves.flipped(conn, entries.revision(conn, revision.id), "", known)
        moves.verify(conn, entries.revision(conn, revision.id), proof, now, 0.0)
        if known is not None:
            drop(known.id)

    def drop(revision: str) -> None:
        moves.begin_delete(conn, entries.revision(conn, revision))
        moves.deleted(conn, entries.revision(conn, revision), now)

    for number in range(NEW_EACH_DAY):
        key = DocumentKey("s", f"day-{day}/n{number}.md")
        shot = FileSnapshot(key, key.path, 1, 1, 1, sha256=f"{day}-{number}", settings="x")
        tree.observe(conn, [(shot, False)], now)
        document = conn.execute("select id from documents where path = ?", (key.path,)).fetchone()[0]
        send(document, f"{day}-{number}")
        there.append(document)
    for document in there[:EDITED_EACH_DAY]:
        send(document, f"edit-{day}-{document}")
    records.add_finding(conn, "unproven", "s", f"day-{day}/n0.md", None, "search misses it", now)
    while len(there) > ROOM:
        document = there.pop(day % len(there))
        serving = conn.execute(
            "select id from revisions where document = ? and state = 'verified'", (document,)
        ).fetchone()[0]
        moves.retire(conn, entries.revision(conn, serving), "the file is gone", now, 0.0, vanished=True, source="s")
        drop(serving)


def test_two_years_of_churn(ledger: Ledger) -> None:
    """A ledger is as large as what is there and the history that is kept, however long it has lived."""
    ledger.conn.execute("pragma synchronous = off")
    there: list[int] = []
    sizes: dict[int, dict[str, int]] = {}
    kept = 30 * DAY
    for day in range(730):
        now = NOW + day * DAY
        with ledger.transaction("day") as conn:
            _day(conn, day, now, there)
        if day % 10 == 9:
            with ledger.transaction("prune") as conn:
                while upkeep.prune(conn, now, kept, WINDOW):
                    pass
        if day in (179, 729):
            tables = [row[0] for row in ledger.conn.execute("select name from sqlite_master where type = 'table'")]
            sizes[day] = {table: count(ledger, table) for table in tables if not table.startswith("sqlite")}
    early, late = sizes.values()
    gone = count_where(ledger, "gone = 1")
    assert (ROOM, 730 * NEW_EACH_DAY - ROOM) == (count_where(ledger, "gone = 0"), gone)  # one row each stays
    for table in sorted(late):
        if table != "documents":
            assert late[table] <= early[table] * 1.1 + 10, (table, early[table], late[table])
    assert late["directories"] <= ROOM + 2
    assert late["revisions"] <= 2 * ROOM + 31 * (NEW_EACH_DAY + EDITED_EACH_DAY + 5)
    assert [] == [f for f in records.findings(ledger.conn) if f["path"].split("/")[0] < "day-600"]
    assert [] == ledger.conn.execute("pragma foreign_key_check").fetchall()


def count_where(ledger: Ledger, condition: str) -> int:
    return int(ledger.conn.execute(f"select count(*) from documents where {condition}").fetchone()[0])
