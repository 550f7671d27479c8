"""Reading documents and revisions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from syncd.models import (
    CANDIDATE_STATES,
    CollectionId,
    Content,
    DatasetId,
    DocumentKey,
    Flip,
    LedgerEntry,
    Quarantine,
    Revision,
    RevisionId,
    State,
)

if TYPE_CHECKING:
    from syncd.ledger.store import Ledger

_REVISION = (
    "id, document, sha256, settings, state, attempt, dataset_id, collection_id, placed, flip, visible, created_at, "
    "sent_at, absences, verified_at, retired_at, delete_after, delete_sent, reason, weak, successor, reprove, "
    "sent_as, resend_at"
)
_DOCUMENT = (
    "id, source, path, sha256, gone, quarantine, quarantine_message, quarantine_sha256, quarantine_settings, "
    "quarantine_since, attempts, next_try_at, last_error, setbacks, setback_since, missing_since"
)
_AT_ONCE = 250  # entries that are read on the event loop; a few milliseconds
_BATCH = 400  # below SQLite's limit of parameters in every build


def revision_of(row: Sequence[object]) -> Revision:
    """A revision from a row of the columns above."""
    return Revision(
        id=RevisionId(str(row[0])),
        document_id=int(row[1]),  # type: ignore[call-overload]
        content=Content(str(row[2]), str(row[3])),
        state=State(str(row[4])),
        attempt=str(row[5]),
        dataset_id=DatasetId(str(row[6])),
        collection_id=None if row[7] is None else CollectionId(str(row[7])),
        placed=str(row[8]),
        flip=None if row[9] is None else Flip(str(row[9])),
        visible=bool(row[10]),
        created_at=row[11],  # type: ignore[arg-type]
        sent_at=row[12],  # type: ignore[arg-type]
        absences=row[13],  # type: ignore[arg-type]
        verified_at=row[14],  # type: ignore[arg-type]
        retired_at=row[15],  # type: ignore[arg-type]
        delete_after=row[16],  # type: ignore[arg-type]
        delete_sent=bool(row[17]),
        reason=str(row[18]),
        weak=str(row[19]),
        successor=None if row[20] is None else RevisionId(str(row[20])),
        reprove=bool(row[21]),
        sent_as=row[22],  # type: ignore[arg-type]
        resend_at=row[23],  # type: ignore[arg-type]
    )


def _entry(row: Sequence[object], revisions: Iterable[Revision]) -> LedgerEntry:
    candidate = serving = None
    retired: list[Revision] = []
    failed: list[Revision] = []
    for revision in revisions:
        if revision.state in CANDIDATE_STATES:
            candidate = revision
        elif revision.state is State.VERIFIED:
            serving = revision
        elif revision.state is State.RETIRED:
            retired.append(revision)
        elif revision.state is State.QUARANTINED:
            failed.append(revision)
    retired.sort(key=lambda r: r.retired_at or 0.0, reverse=True)
    quarantine = None
    if row[5] is not None:
        quarantine = Quarantine(
            problem=str(row[5]),
            message=str(row[6]),
            content=Content(str(row[7]), str(row[8])),
            since=row[9] or 0.0,  # type: ignore[arg-type]
        )
    return LedgerEntry(
        document_id=row[0],  # type: ignore[arg-type]
        key=DocumentKey(str(row[1]), str(row[2])),
        candidate=candidate,
        serving=serving,
        retired=tuple(retired),
        failed=tuple(failed),
        quarantine=quarantine,
        attempts=row[10],  # type: ignore[arg-type]
        next_try_at=row[11],  # type: ignore[arg-type]
        last_error=str(row[12]),
        sha256=str(row[3]),
        missing_since=row[15],  # type: ignore[arg-type]
        gone=bool(row[4]),
        setbacks=row[13],  # type: ignore[arg-type]
        setback_since=row[14],  # type: ignore[arg-type]
    )


def _entries(conn: sqlite3.Connection, rows: list[Sequence[object]]) -> Iterator[LedgerEntry]:
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        marks = ",".join("?" * len(batch))
        revisions: dict[int, list[Revision]] = {}
        for found in conn.execute(
            f"select {_REVISION} from revisions where document in ({marks}) and state != 'deleted'",
            [row[0] for row in batch],
        ):
            revisions.setdefault(found[1], []).append(revision_of(found))
        for row in batch:
            yield _entry(row, revisions.get(row[0], ()))  # type: ignore[call-overload]


def by_path(conn: sqlite3.Connection, source: str, paths: Iterable[str]) -> dict[str, LedgerEntry]:
    """The entries of these paths; paths the ledger does not know are absent."""
    wanted = list(paths)
    result: dict[str, LedgerEntry] = {}
    for start in range(0, len(wanted), _BATCH):
        batch = wanted[start : start + _BATCH]
        marks = ",".join("?" * len(batch))
        rows = conn.execute(
            f"select {_DOCUMENT} from documents where source = ? and path in ({marks})", [source, *batch]
        ).fetchall()
        result.update((entry.key.path, entry) for entry in _entries(conn, rows))
    return result


async def of_paths(ledger: Ledger, source: str, paths: Iterable[str]) -> dict[str, LedgerEntry]:
    """The same as ``by_path``; of many in a thread."""
    wanted = list(paths)
    if len(wanted) <= _AT_ONCE:
        return by_path(ledger.conn, source, wanted)
    return await ledger.read(lambda conn: by_path(conn, source, wanted))


def one(conn: sqlite3.Connection, key: DocumentKey) -> LedgerEntry | None:
    """The entry of one document."""
    return by_path(conn, key.source, [key.path]).get(key.path)


def restless(conn: sqlite3.Connection, source: str) -> dict[str, LedgerEntry]:
    """The entries with work of their own: candidates, retired ones, proofs to renew, serving ones left hidden."""
    rows = conn.execute(
        f"select {_DOCUMENT} from documents where source = ? and id in ("
        " select document from revisions where state not in ('verified', 'deleted')"
        " union select document from revisions where reprove = 1"
        " union select document from revisions where state = 'verified' and visible = 0)",
        (source,),
    ).fetchall()
    return {entry.key.path: entry for entry in _entries(conn, rows)}


def under_way(conn: sqlite3.Connection, source: str) -> bool:
    """Whether any version of the source is on its way."""
    row = conn.execute(
        "select 1 from revisions r join documents d on d.id = r.document"
        " where r.state in ('uploading', 'indexing', 'proving') and d.source = ? limit 1",
        (source,),
    ).fetchone()
    return row is not None


def flipping(conn: sqlite3.Connection, source: str) -> list[DocumentKey]:
    """The documents with a begun flip."""
    rows = conn.execute(
        "select d.source, d.path from revisions r join documents d on d.id = r.document"
        " where r.state in ('uploading', 'indexing', 'proving') and r.flip is not null and d.source = ?",
        (source,),
    )
    return [DocumentKey(*row) for row in rows]


def revision(conn: sqlite3.Connection, revision_id: str) -> Revision | None:
    """One revision by its id, in whatever state."""
    row = conn.execute(f"select {_REVISION} from revisions where id = ?", (revision_id,)).fetchone()
    return revision_of(row) if row else None


def by_collection(conn: sqlite3.Connection, collection_id: str) -> Revision | None:
    """The revision that lives as this collection."""
    row = conn.execute(f"select {_REVISION} from revisions where collection_id = ?", (collection_id,)).fetchone()
    return revision_of(row) if row else None


def known_collections(conn: sqlite3.Connection, dataset_id: str) -> dict[str, tuple[str, bool]]:
    """Collection id to state and visibility, for all collections of ours in a dataset that should exist.

    A second of work with 100 000 of them; for a thread.
    """
    rows = conn.execute(
        "select collection_id, state, visible from revisions"
        " where dataset_id = ? and collection_id is not null and state != 'deleted'",
        (dataset_id,),
    )
    return {collection_id: (state, bool(visible)) for collection_id, state, visible in rows}


async def known_among(ledger: Ledger, collections: Iterable[str]) -> set[str]:
    """Of these collections, those of ours that should exist."""
    wanted = list(collections)
    if len(wanted) <= _AT_ONCE:
        return _known_among(ledger.conn, wanted)
    return await ledger.read(lambda conn: _known_among(conn, wanted))


def _known_among(conn: sqlite3.Connection, wanted: list[str]) -> set[str]:
    known: set[str] = set()
    for start in range(0, len(wanted), _BATCH):
        batch = wanted[start : start + _BATCH]
        marks = ",".join("?" * len(batch))
        rows = conn.execute(
            f"select collection_id from revisions where collection_id in ({marks}) and state != 'deleted'", batch
        )
        known.update(row[0] for row in rows)
    return known


def serving_others(conn: sqlite3.Connection, collections: Iterable[str], document_id: int) -> set[CollectionId]:
    """Of these collections, those that serve another document and were found by their own id (rule 7)."""
    wanted = list(dict.fromkeys(collections))[:_BATCH]
    marks = ",".join("?" * len(wanted))
    return {
        CollectionId(row[0])
        for row in conn.execute(
            f"select r.collection_id from revisions r where r.collection_id in ({marks}) and r.state = 'verified'"
            " and r.document != ? and exists (select 1 from proofs p join probe_results q on q.proof = p.id"
            " where p.revision = r.id and q.verdict = 'found')",
            [*wanted, document_id],
        )
    }


def documents_serving(conn: sqlite3.Connection, source: str) -> int:
    """How many documents of the source have a verified revision."""
    row = conn.execute(
        "select count(*) from documents d where source = ? and exists"
        " (select 1 from revisions r where r.document = d.id and r.state = 'verified')",
        (source,),
    ).fetchone()
    return int(row[0])


def key_of(conn: sqlite3.Connection, document_id: int) -> DocumentKey:
    """The key of a document."""
    row = conn.execute("select source, path from documents where id = ?", (document_id,)).fetchone()
    return DocumentKey(row[0], row[1])


def controls(conn: sqlite3.Connection, revision: Revision) -> list[tuple[str, str, str]]:
    """Probes that found other documents of the same dataset, serving: (collection id, query, mode), newest first.

    The proofs are gone through from the newest one until there are enough; where other datasets have many, that may
    take long: for a thread.
    """
    return conn.execute(
        "select r.collection_id, q.query, q.mode from proofs p cross join revisions r on r.id = p.revision"
        " cross join probe_results q on q.proof = p.id where r.state = 'verified' and r.visible = 1"
        " and r.dataset_id = ? and r.document != ? and q.verdict = 'found' order by p.id desc limit 30",
        (revision.dataset_id, revision.document_id),
    ).fetchall()


def others_there(conn: sqlite3.Connection, revision: Revision) -> list[CollectionId]:
    """Collections of other documents of the same dataset, in whatever state; the newest first."""
    rows = conn.execute(
        "select collection_id from revisions where dataset_id = ? and document != ? and collection_id is not null"
        " and state in ('indexing', 'proving', 'verified') order by created_at desc limit 10",
        (revision.dataset_id, revision.document_id),
    )
    return [CollectionId(row[0]) for row in rows]


def document_uuid(conn: sqlite3.Connection, document_id: int) -> str:
    """The document's id as markers carry it."""
    return str(conn.execute("select uuid from documents where id = ?", (document_id,)).fetchone()[0])


def serving_collection(conn: sqlite3.Connection, document_id: int) -> CollectionId | None:
    """The collection that serves a document now."""
    row = conn.execute(
        "select collection_id from revisions where document = ? and state = 'verified'", (document_id,)
    ).fetchone()
    return None if row is None or row[0] is None else CollectionId(row[0])


def found_probes(conn: sqlite3.Connection, revision_id: str) -> list[tuple[str, str]]:
    """The probes that found this revision by its own id: (query, mode), newest first."""
    return conn.execute(
        "select q.query, q.mode from proofs p join probe_results q on q.proof = p.id"
        " where p.revision = ? and q.verdict = 'found' order by p.id desc, q.rowid",
        (revision_id,),
    ).fetchall()


def paths_by_hash(conn: sqlite3.Connection, source: str) -> dict[str, str]:
    """By hash, the first document of the source whose file, as last seen, has it."""
    return dict(
        conn.execute(
            "select sha256, min(path) from documents where source = ? and sha256 != '' and gone = 0 group by sha256",
            (source,),
        ).fetchall()
    )


def is_there(conn: sqlite3.Connection, key: DocumentKey) -> bool:
    """Whether the document is known, and its file is not known to have vanished."""
    row = conn.execute("select gone from documents where source = ? and path = ?", (key.source, key.path)).fetchone()
    return row is not None and not row[0]


def missing_since(conn: sqlite3.Connection, key: DocumentKey) -> float | None:
    """When a look at the whole source first did not find the file; ``None``: it was there at the last one."""
    row = conn.execute(
        "select missing_since from documents where source = ? and path = ?", (key.source, key.path)
    ).fetchone()
    return None if row is None else row[0]


def is_gone(conn: sqlite3.Connection, document_id: int) -> bool:
    """Whether the document's file is known to have vanished."""
    return bool(conn.execute("select gone from documents where id = ?", (document_id,)).fetchone()[0])
