"""What the ledger remembers of the server: datasets, folders, strangers, earlier ledgers; and adoption."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from syncd.ledger.moves.common import HANDED, LATE
from syncd.models import CollectionId, DocumentKey, Marker, Revision, RevisionId, State

LEFT = "left in the former dataset"
LET_GO = frozenset({LEFT, HANDED})  # reasons of revisions that live on without this ledger


@dataclass(frozen=True, slots=True)
class SourceRow:
    """The ledger's row of one source."""

    name: str
    dataset_ref: str
    dataset_id: str | None
    root: str
    device: int | None
    scope: str
    last_scan_at: float | None
    adopted_at: float | None
    trouble: str  # why it could not be served when it was last tried; "" when it could


def source(conn: sqlite3.Connection, name: str) -> SourceRow | None:
    """One source as the ledger knows it."""
    row = conn.execute(
        "select name, dataset_ref, dataset_id, root, device, scope, last_scan_at, adopted_at, trouble"
        " from sources where name = ?",
        (name,),
    ).fetchone()
    return SourceRow(*row) if row else None


def set_trouble(conn: sqlite3.Connection, name: str, trouble: str) -> None:
    """Keep why a source could not be served, for `syncd status`; "" when it could."""
    conn.execute("update sources set trouble = ? where name = ? and trouble != ?", (trouble, name, trouble))


def source_names(conn: sqlite3.Connection) -> list[str]:
    """All sources the ledger has ever served."""
    return [row[0] for row in conn.execute("select name from sources order by name")]


def ensure_source(conn: sqlite3.Connection, name: str) -> None:
    """Make the source's row."""
    conn.execute("insert or ignore into sources (name) values (?)", (name,))


def bind_dataset(conn: sqlite3.Connection, name: str, reference: str, dataset_id: str) -> None:
    """A source's dataset is this id from now on (rule 26).

    When the configuration names another one, what stands in the old one is let go of: it stays there as it is, and
    should the source come back to it, adoption takes it up again.
    """
    before = conn.execute("select dataset_id from sources where name = ?", (name,)).fetchone()
    if before is not None and before[0] not in (None, dataset_id):
        documents = "(select id from documents where source = ?)"
        conn.execute(
            "update revisions set state = 'deleted', flip = null, reprove = 0, collection_id = null,"
            f" reason = '{LEFT}' where state != 'deleted' and document in {documents}",
            (name,),
        )
        conn.execute("update documents set at_rest = 0 where source = ? and gone = 0", (name,))
        conn.execute("delete from folders where source = ?", (name,))
        conn.execute("update sources set adopted_at = null where name = ?", (name,))
    conn.execute("update sources set dataset_ref = ?, dataset_id = ? where name = ?", (reference, dataset_id, name))


def scanned(conn: sqlite3.Connection, name: str, root: str, device: int, now: float) -> None:
    """The root was read completely."""
    conn.execute("update sources set root = ?, device = ?, last_scan_at = ? where name = ?", (root, device, now, name))


def forget_device(conn: sqlite3.Connection, name: str) -> None:
    """The next scan's file system is taken as the right one."""
    conn.execute("update sources set device = null where name = ?", (name,))


def set_scope(conn: sqlite3.Connection, name: str, scope: str) -> None:
    """The path and the rules the source was last mirrored under."""
    conn.execute("update sources set scope = ? where name = ?", (scope, name))


def adopted(conn: sqlite3.Connection, name: str, ledgers: Iterable[str], now: float) -> None:
    """The source's collections were looked through; these ledgers wrote them."""
    conn.execute("update sources set adopted_at = ? where name = ?", (now, name))
    conn.executemany(
        "insert or ignore into ledgers (source, ledger) values (?, ?)", [(name, ledger) for ledger in ledgers]
    )


def known_ledgers(conn: sqlite3.Connection, name: str) -> set[str]:
    """Ledgers that fed this source before this one."""
    return {row[0] for row in conn.execute("select ledger from ledgers where source = ?", (name,))}


def ask_for_survey(conn: sqlite3.Connection) -> None:
    """Have the next pass compare the datasets with the ledger."""
    conn.execute("insert or replace into meta values ('survey_at', '0')")


def forget_survey(conn: sqlite3.Connection, began: float) -> None:
    """The datasets were surveyed, as was due when that began; one that somebody asked for since is still due.

    One that lies further ahead than any was asked for by a clock that was wrong.
    """
    conn.execute(
        "delete from meta where key = 'survey_at' and (cast(value as real) <= ? or cast(value as real) > ?)",
        (began, began + 2 * LATE),
    )


# ---------------------------------------------------------------- folders


def folders(conn: sqlite3.Connection, name: str) -> dict[str, str]:
    """Folder path within the dataset to collection id."""
    return dict(conn.execute("select path, collection_id from folders where source = ?", (name,)))


def remember_folder(
    conn: sqlite3.Connection, name: str, path: str, dataset_id: str, collection_id: str, *, made: bool
) -> None:
    """A folder on the server that this source uses; ``made`` says that we created it."""
    conn.execute(
        "insert into folders (source, path, dataset_id, collection_id, made) values (?, ?, ?, ?, ?)"
        " on conflict (source, path) do update set dataset_id = excluded.dataset_id,"
        " collection_id = excluded.collection_id, made = excluded.made, empty_since = null",
        (name, path, dataset_id, collection_id, int(made)),
    )


def forget_folder(conn: sqlite3.Connection, name: str, path: str) -> None:
    """The folder is not on the server any more."""
    conn.execute("delete from folders where source = ? and path = ?", (name, path))


@dataclass(frozen=True, slots=True)
class MadeFolder:
    """A folder of ours on the server."""

    source: str
    path: str
    dataset_id: str
    collection_id: CollectionId
    empty_since: float | None


def made_folders(conn: sqlite3.Connection, name: str) -> list[MadeFolder]:
    """Folders that we created for this source, deepest first."""
    rows = conn.execute(
        "select source, path, dataset_id, collection_id, empty_since from folders where source = ? and made = 1",
        (name,),
    ).fetchall()
    return sorted((MadeFolder(*row) for row in rows), key=lambda f: -f.path.count("/"))


def seen_empty(conn: sqlite3.Connection, name: str) -> list[MadeFolder]:
    """Folders that we created for this source and that were seen empty once."""
    rows = conn.execute(
        "select source, path, dataset_id, collection_id, empty_since from folders"
        " where source = ? and made = 1 and empty_since is not null",
        (name,),
    ).fetchall()
    return [MadeFolder(*row) for row in rows]


def mark_empty(conn: sqlite3.Connection, name: str, path: str, since: float | None) -> None:
    """The folder was seen empty, or not."""
    conn.execute("update folders set empty_since = ? where source = ? and path = ?", (since, name, path))


def give_up_folder(conn: sqlite3.Connection, name: str, path: str) -> None:
    """Others have put something into a folder that we made: it is not ours to remove any more."""
    conn.execute("update folders set made = 0, empty_since = null where source = ? and path = ?", (name, path))


def folder_in_use(conn: sqlite3.Connection, folder: MadeFolder) -> bool:
    """Whether anything of ours lives in the folder or below it, in any state, or documents of it are on the disk."""
    inside = folder.path + "/"
    row = conn.execute(
        "select 1 from revisions r join documents d on d.id = r.document where r.dataset_id = ?"
        " and r.state != 'deleted' and (substr(r.placed, 1, ?) = ? or (r.placed = '' and d.source = ?)) limit 1",
        (folder.dataset_id, len(inside), inside, folder.source),
    ).fetchone()
    if row is not None:
        return True
    below = conn.execute(
        "select 1 from folders where dataset_id = ? and substr(path, 1, ?) = ? limit 1",
        (folder.dataset_id, len(inside), inside),
    ).fetchone()
    return below is not None


def unused_folders(conn: sqlite3.Connection, folders: Iterable[MadeFolder]) -> list[MadeFolder]:
    """Those of many folders that are not ``folder_in_use``; all versions of a dataset are gone through once.

    For a thread: 100 000 documents take a good part of a second.
    """
    asked = list(folders)
    used: dict[str, set[str]] = {}
    unplaced: dict[str, set[str]] = {}
    for dataset_id in {folder.dataset_id for folder in asked}:
        placed = "select placed from revisions where dataset_id = ? and state != 'deleted'"
        made = "select path from folders where dataset_id = ?"
        used[dataset_id] = _all_above(row[0] for sql in (placed, made) for row in conn.execute(sql, (dataset_id,)))
        unplaced[dataset_id] = {
            row[0]
            for row in conn.execute(
                "select distinct d.source from revisions r join documents d on d.id = r.document"
                " where r.dataset_id = ? and r.state != 'deleted' and r.placed = ''",
                (dataset_id,),
            )
        }
    return [
        folder
        for folder in asked
        if folder.path not in used[folder.dataset_id] and folder.source not in unplaced[folder.dataset_id]
    ]


def _all_above(paths: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for path in paths:
        at = path.rpartition("/")[0]
        while at and at not in found:
            found.add(at)
            at = at.rpartition("/")[0]
    return found


# ---------------------------------------------------------------- strangers


def strangers(conn: sqlite3.Connection, dataset_id: str) -> set[str]:
    """Collections that were looked at once and are not ours."""
    return {row[0] for row in conn.execute("select collection_id from strangers where dataset_id = ?", (dataset_id,))}


def remember_strangers(conn: sqlite3.Connection, dataset_id: str, ids: Iterable[str]) -> None:
    """These are not ours: they are never asked for again, and never touched."""
    conn.executemany(
        "insert or ignore into strangers (collection_id, dataset_id) values (?, ?)",
        [(collection_id, dataset_id) for collection_id in ids],
    )


def forget_strangers(conn: sqlite3.Connection, ids: Iterable[str]) -> None:
    """These are not on the server any more."""
    conn.executemany("delete from strangers where collection_id = ?", [(collection_id,) for collection_id in ids])


def resharded(conn: sqlite3.Connection, shard: str) -> None:
    """Another part of the documents is served from now on: whoever was a stranger may be ours, and is no rival."""
    conn.execute("insert or replace into meta values ('shard', ?)", (shard,))
    conn.execute("delete from strangers")
    conn.execute("update sources set adopted_at = null")
    ask_for_survey(conn)


# ---------------------------------------------------------------- adoption


def adopt(
    conn: sqlite3.Connection,
    key: DocumentKey,
    marker: Marker,
    collection_id: CollectionId,
    dataset_id: str,
    state: State,
    *,
    visible: bool,
    serving: bool,
    placed: str,
    now: float,
    grace: float,
    directory: int,
    disk_name: bytes,
) -> None:
    """Take a collection of ours into a ledger that did not know it (rule 25); never straight to ``verified``.

    A visible one enters ``proving`` with its flip done, or before its end when the ledger knows another version that
    serves (``serving``) and may be visible too; a hidden one enters ``indexing`` or ``retired``.
    """
    conn.execute(
        "insert or ignore into documents (uuid, source, path, directory, disk_name, first_seen_at)"
        " values (?, ?, ?, ?, ?, ?)",
        (marker.document, key.source, key.path, directory, disk_name, now),
    )
    document_id = conn.execute(
        "select id from documents where source = ? and path = ?", (key.source, key.path)
    ).fetchone()[0]
    taken = conn.execute("select 1 from revisions where id = ?", (marker.revision,)).fetchone()
    revision_id = RevisionId(str(uuid.uuid4()) if taken else marker.revision)
    retired = state is State.RETIRED
    conn.execute(
        "insert into revisions (id, document, sha256, settings, state, attempt, dataset_id, collection_id, placed,"
        " flip, visible, created_at, retired_at, delete_after, reason, sent_as)"
        " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            revision_id,
            document_id,
            marker.sha256,
            marker.settings,
            state.value,
            marker.attempt,
            dataset_id,
            collection_id,
            placed,
            None if state is not State.PROVING else "forward" if serving else "done",
            int(visible),
            now,
            now if retired else None,
            now + grace if retired else None,
            "adopted",
            marker.sent_as,
        ),
    )
    conn.execute("update documents set at_rest = 0 where id = ?", (document_id,))
    conn.execute(
        "insert into events (at, source, path, event, revision, detail) values (?, ?, ?, 'adopted', ?, ?)",
        (now, key.source, key.path, revision_id, collection_id),
    )


def double(conn: sqlite3.Connection, original: Revision, attempt: str, collection_id: CollectionId, now: float) -> None:
    """A second collection of one upload: hidden already, deleted with the next plan (rule 11)."""
    conn.execute(
        "insert into revisions (id, document, sha256, settings, state, attempt, dataset_id, collection_id, visible,"
        " created_at, retired_at, delete_after, reason) values (?, ?, ?, ?, 'retired', ?, ?, ?, 0, ?, ?, ?, 'double')",
        (
            str(uuid.uuid4()),
            original.document_id,
            original.content.sha256,
            original.content.settings,
            attempt,
            original.dataset_id,
            collection_id,
            now,
            now,
            now,
        ),
    )
