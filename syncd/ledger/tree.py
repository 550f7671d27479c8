"""What the ledger remembers of the disk: one signature per directory at rest, and each file's last look."""

from __future__ import annotations

import os
import posixpath
import sqlite3
import uuid
from collections.abc import Callable, Iterable, Mapping

from syncd.models import DocumentKey, FileSnapshot, KnownFile
from syncd.scan import KnownTree


def known_tree(
    conn: sqlite3.Connection, source: str, settings_of: Callable[[str], str], placement_of: Callable[[str], str]
) -> KnownTree:
    """The memory of one source, to be compared with the disk.

    Args:
        conn: any connection; it is used from the scanning thread.
        source: the source's name.
        settings_of: the settings hash a path has under the present configuration; a file that rests under
            other settings does not rest any more.
        placement_of: where on the server, and with which tags, a path belongs under the present configuration.
    """
    ids: dict[str, int] = {}
    signatures: dict[str, tuple[bytes, int]] = {}
    directories: list[str] = []
    for directory_id, path, signature, in_scope in conn.execute(
        "select id, path, signature, in_scope from directories where source = ?", (source,)
    ):
        name = os.fsdecode(path)
        if signature is not None:
            signatures[name] = (signature, in_scope)
            if in_scope:
                directories.append(name)
        ids[name] = directory_id
    holds = "select 1 from documents where directory = ? and gone = 0 limit 1"
    directories += [
        name for name, id_ in ids.items() if name not in signatures and conn.execute(holds, (id_,)).fetchone()
    ]
    files = _files(conn, ids.get, settings_of, placement_of)
    return KnownTree(signatures=signatures, directories=directories, files=files)


def known_part(
    conn: sqlite3.Connection, source: str, settings_of: Callable[[str], str], placement_of: Callable[[str], str]
) -> KnownTree:
    """The memory of one source for a look at few directories: asked directory by directory, signatures left aside."""
    files = _files(conn, _find_in(conn, source), settings_of, placement_of)
    return KnownTree(signatures={}, directories=(), files=files)


def _find_in(conn: sqlite3.Connection, source: str) -> Callable[[str], int | None]:
    def find(directory: str) -> int | None:
        row = conn.execute(
            "select id from directories where source = ? and path = ?", (source, os.fsencode(directory))
        ).fetchone()
        return None if row is None else int(row[0])

    return find


def knows_below(conn: sqlite3.Connection, source: str, path: str) -> bool:
    """Whether documents are known in a directory or below it, by its path as the disk spells it."""
    raw = os.fsencode(path)
    row = conn.execute(
        "select 1 from directories x join documents d on d.directory = x.id where x.source = ? and d.gone = 0"
        " and (x.path = ? or (x.path > ? and x.path < ?)) limit 1",
        (source, raw, raw + b"/", raw + b"0"),  # "0" follows "/"
    ).fetchone()
    return row is not None


def _files(
    conn: sqlite3.Connection,
    id_of: Callable[[str], int | None],
    settings_of: Callable[[str], str],
    placement_of: Callable[[str], str],
) -> Callable[[str], Mapping[str, KnownFile]]:
    def files(directory: str) -> Mapping[str, KnownFile]:
        directory_id = id_of(directory)
        if directory_id is None:
            return {}
        return {
            os.fsdecode(disk_name): KnownFile(
                size=size,
                mtime_ns=mtime_ns,
                inode=inode,
                sha256=sha256,
                at_rest=bool(at_rest) and settings == settings_of(path) and placed in (None, placement_of(path)),
            )
            for disk_name, size, mtime_ns, inode, sha256, at_rest, settings, path, placed in conn.execute(
                "select d.disk_name, d.size, d.mtime_ns, d.inode, d.sha256, d.at_rest, d.settings, d.path, r.placed"
                " from documents d left join revisions r on r.document = d.id and r.state = 'verified'"
                " where d.directory = ? and d.gone = 0",
                (directory_id,),
            )
        }

    return files


def observe(conn: sqlite3.Connection, seen: Iterable[tuple[FileSnapshot, bool]], now: float) -> None:
    """Remember what the disk says of these documents.

    Args:
        conn: inside a write transaction.
        seen: each snapshot with "nothing is left to do for exactly this state of the file".
        now: for documents seen for the first time.
    """
    directories: dict[tuple[str, str], int] = {}
    rows = []
    for snapshot, at_rest in seen:
        head, tail = posixpath.split(snapshot.disk_name)
        place = (snapshot.key.source, head)
        if place not in directories:
            directories[place] = directory_id(conn, *place)
        rows.append(
            (
                str(uuid.uuid4()),
                snapshot.key.source,
                snapshot.key.path,
                directories[place],
                os.fsencode(tail),
                snapshot.size,
                -1 if snapshot.racy else snapshot.mtime_ns,
                snapshot.inode,
                snapshot.sha256,
                snapshot.settings,
                int(at_rest),
                now,
            )
        )
    conn.executemany(
        "insert into documents (uuid, source, path, directory, disk_name, size, mtime_ns, inode, sha256, settings,"
        " at_rest, first_seen_at) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " on conflict (source, path) do update set directory = excluded.directory, disk_name = excluded.disk_name,"
        " size = excluded.size, mtime_ns = excluded.mtime_ns, inode = excluded.inode, sha256 = excluded.sha256,"
        " settings = excluded.settings, at_rest = excluded.at_rest, gone = 0, note = null, note_reason = '',"
        " missing_since = null",
        rows,
    )


def missed(conn: sqlite3.Connection, source: str, paths: Iterable[str], now: float) -> None:
    """A look at the whole source did not find these files, and no others; since when is kept (rule 17)."""
    paths = set(paths)
    known = conn.execute("select path from documents where source = ? and missing_since is not null", (source,))
    back = [row[0] for row in known if row[0] not in paths]
    conn.executemany(
        "update documents set missing_since = null where source = ? and path = ?", [(source, path) for path in back]
    )
    conn.executemany(
        "update documents set missing_since = min(coalesce(missing_since, ?), ?) where source = ? and path = ?",
        [(now, now, source, path) for path in paths],
    )


def missing_many(conn: sqlite3.Connection, source: str, most: int) -> bool:
    """Whether more than ``most`` files of the source were missed by the last look at the whole of it."""
    row = conn.execute(
        "select 1 from documents where source = ? and missing_since is not null limit 1 offset ?", (source, most)
    ).fetchone()
    return row is not None


def directory_id(conn: sqlite3.Connection, source: str, path: str) -> int:
    """The id of a directory row, made when missing."""
    raw = os.fsencode(path)
    row = conn.execute("select id from directories where source = ? and path = ?", (source, raw)).fetchone()
    if row:
        return int(row[0])
    cursor = conn.execute("insert into directories (source, path) values (?, ?)", (source, raw))
    return int(cursor.lastrowid or 0)


def store_signatures(
    conn: sqlite3.Connection,
    source: str,
    signatures: Mapping[str, tuple[bytes, int]],
    unread: Mapping[str, int] | None = None,
) -> None:
    """Remember directories as seen, where everything in them is at rest; the others are looked into again.

    Args:
        conn: inside a write transaction.
        source: the source's name.
        signatures: directory -> signature, number of documents in it.
        unread: directory -> number of files in it that are of a format nobody reads.
    """
    counts = unread or {}
    for path, (signature, in_scope) in signatures.items():
        conn.execute(
            "update directories set signature = ?, in_scope = ?, unread = ? where id = ? and not exists"
            " (select 1 from documents where directory = directories.id and at_rest = 0 and gone = 0)",
            (signature, in_scope, counts.get(path, 0), directory_id(conn, source, path)),
        )


def unread(conn: sqlite3.Connection, source: str) -> int:
    """How many files of a source are of a format nobody reads, where directories are at rest."""
    row = conn.execute("select sum(unread) from directories where source = ?", (source,)).fetchone()
    return int(row[0] or 0)


_SLEEPING = "next_try_at is not null and at_rest = 1 and gone = 0"


def sleeping(conn: sqlite3.Connection) -> bool:
    """Whether a document waits for another try that no look at its file would come to."""
    return conn.execute(f"select 1 from documents where {_SLEEPING} limit 1").fetchone() is not None


def rouse(conn: sqlite3.Connection) -> None:
    """Have the next pass look at them; else `sync` would exit with 3 for ever."""
    conn.execute(f"update documents set at_rest = 0 where {_SLEEPING}")


def wake(conn: sqlite3.Connection, source: str | None, paths: Iterable[str] | None) -> int:
    """Have these documents (all when ``None``) looked at again by the next pass; returns how many."""
    if paths is None:
        where, parameters = ("1", []) if source is None else ("source = ?", [source])
        return conn.execute(f"update documents set at_rest = 0 where {where}", parameters).rowcount
    names = [row[0] for row in conn.execute("select name from sources")] if source is None else [source]
    changed = 0
    for path in paths:
        for name in names:
            changed += conn.execute(
                "update documents set at_rest = 0 where source = ? and path = ?", (name, path)
            ).rowcount
    return changed


def wake_documents(conn: sqlite3.Connection, ids: Iterable[int]) -> None:
    """Have these documents looked at again by the next pass."""
    conn.executemany("update documents set at_rest = 0 where id = ?", [(one,) for one in ids])


def paths_of(conn: sqlite3.Connection, source: str, disk_names: Iterable[str]) -> list[str]:
    """Document paths of files as the disk spells them; names the ledger does not know are left out."""
    found: list[str] = []
    for disk_name in disk_names:
        head, tail = posixpath.split(disk_name)
        row = conn.execute(
            "select d.path from documents d join directories x on x.id = d.directory"
            " where x.source = ? and x.path = ? and d.disk_name = ? and d.gone = 0",
            (source, os.fsencode(head), os.fsencode(tail)),
        ).fetchone()
        if row:
            found.append(str(row[0]))
    return found


def disk_name(conn: sqlite3.Connection, key: DocumentKey) -> str | None:
    """A document's path as the disk spelt it when it was last seen."""
    row = conn.execute(
        "select x.path, d.disk_name from documents d join directories x on x.id = d.directory"
        " where d.source = ? and d.path = ?",
        (key.source, key.path),
    ).fetchone()
    return None if row is None else posixpath.join(os.fsdecode(row[0]), os.fsdecode(row[1]))
