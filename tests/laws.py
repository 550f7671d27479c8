"""The laws of the design as checks on a world: what must hold at rest, and what must have held all the time."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import Any, Protocol

from lineage import Memory, gaps
from world import World

_LOOKS = {"/api/core/dataset/detail", "/api/core/dataset/collection/listV2"}
_BLANK = re.compile(r"[\s\ufeff]+")


def rows(world: World, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """What the ledger holds."""
    with closing(sqlite3.connect(f"file:{world.ledger_path}?mode=ro", uri=True)) as conn:
        return conn.execute(sql, values).fetchall()


def marker_of(row: dict[str, Any]) -> dict[str, Any] | None:
    """Our marker in a row of the emulator's snapshot."""
    return (row["metadata"] or {}).get("syncd")


def foreign(world: World) -> list[dict[str, Any]]:
    """All collections that are not ours."""
    return [row for row in world.emulator.snapshot() if row["type"] != "folder" and marker_of(row) is None]


def server_paths(world: World) -> dict[str, str]:
    """Collection id to its path in the dataset."""
    snapshot = {row["id"]: row for row in world.emulator.snapshot()}

    def path(row: dict[str, Any]) -> str:
        parent = snapshot.get(row["parentId"]) if row["parentId"] else None
        return f"{path(parent)}/{row['name']}" if parent else row["name"]

    return {id_: path(row) for id_, row in snapshot.items()}


def uploads(world: World) -> int:
    """Files that reached the server."""
    return len(world.requests("create/localFile"))


def _holds(row: dict[str, Any], content: bytes) -> bool:
    """Whether the server's text of a collection is that of the file: each line stands in it."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = content.decode("gb18030")
        except UnicodeDecodeError:
            return bool(row["texts"])
    there = _BLANK.sub("", "".join(row["texts"]))
    lines = [_BLANK.sub("", line.strip("#*- ")) for line in text.splitlines()]
    return all(line in there for line in lines if line and "|" not in line and not line.startswith("<"))


def converged(world: World, *, failing: tuple[str, ...] = (), again: bool = True) -> None:
    """Check the laws at rest (law 2).

    Args:
        failing: documents that are quarantined, held or retired on purpose and need not be visible.
        again: also run a second pass, which must send nothing.
    """
    disk = world.on_disk()
    paths = server_paths(world)
    snapshot = [row for row in world.emulator.snapshot() if row["type"] != "folder"]
    ledger = {
        row[0]: row[1:]
        for row in rows(
            world,
            "select r.collection_id, d.source, d.path, r.state, r.visible, r.sha256, r.flip from revisions r"
            " join documents d on d.id = r.document where r.collection_id is not null and r.state != 'deleted'",
        )
    }
    folders = {source.name: source.folder for source in world.sources or [world.source]}
    # After a lost ledger, what no file matches is left as it is and reported (rule 25).
    held = {row[0] for row in rows(world, "select collection_id from findings where kind = 'orphan'")}
    seen: dict[tuple[str, str], str] = {}
    for row in snapshot:
        if marker_of(row) is None:
            continue
        if row["id"] in held:
            continue
        assert row["id"] in ledger, f"an orphan of ours: {paths[row['id']]} {row}"
        source, path, state, visible, _, flip = ledger[row["id"]]
        assert flip is None, f"{path} rests inside a flip"
        assert bool(visible) == (not row["forbid"]), f"{path}: the ledger says visible={visible}, the server {row}"
        if row["forbid"]:
            continue
        assert state == "verified", f"{path} is visible but {state}"
        place = f"{folders[source]}/{path}" if folders[source] else path
        if len(path.rsplit("/", 1)[-1]) < 200:
            assert paths[row["id"]] == place
        assert (source, path) not in seen, f"two visible versions of {path}"
        seen[source, path] = row["id"]
        if path not in failing:
            assert (source, path) in disk, f"{path} is visible, but there is no such file"
            assert _holds(row, disk[source, path]), f"{path}: the server's text is not the file's"
    wanted = {key for key in disk if key[1] not in failing and not key[1].rsplit("/", 1)[-1].startswith(".")}
    assert wanted <= set(seen), f"not visible: {sorted(wanted - set(seen))}; states {world.states()}"
    there = {row["id"] for row in snapshot}
    gone = {id_: row for id_, row in ledger.items() if id_ not in there}
    assert gone == {}, "the ledger knows collections that are not there"
    open_candidates = rows(world, "select id, state from revisions where state in ('uploading', 'indexing', 'proving')")
    assert open_candidates == [] or failing, f"candidates at rest: {open_candidates}"
    if again:
        sent = _sent_by_a_pass(world)
        for _ in range(2):  # what was sent again may have arrived late, and is looked for some time after
            if sent and {request.partition(" ")[0] for request in sent} <= _LOOKS:
                world.sleep(4000)
                sent = _sent_by_a_pass(world)
        assert sent == [], f"a pass with nothing to do sent requests: {sent}"


def _sent_by_a_pass(world: World) -> list[str]:
    """The requests of one more pass, each with the beginning of its body."""
    before = len(world.requests())
    world.sync()
    return [f"{request.path} {request.body[:300]}" for request in world.requests()[before:]]


class Watched(Protocol):
    """What ``no_gap`` asks of a world."""

    emulator: Any
    memory: Memory


def no_gap(world: Watched) -> None:
    """Check law 1 over all that has happened: once verified, a compared version is always visible."""
    found = next(gaps(world.emulator.timeline, world.memory), None)
    assert found is None, f"a gap for {found}"
