"""The server's collections against the ledger: late arrivals, doubles, losses, and adoption after a lost ledger.

A survey is taken before the first remote action of a run (rule 24). The whole dataset is listed; ids that the ledger
does not know get one ``detail``; what carries our marker is taken in, everything else is remembered as a stranger and
never touched.
"""

from __future__ import annotations

import asyncio
import os
import posixpath
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from syncd.apply import SourceState
from syncd.config import Source
from syncd.errors import RemoteMissing, SourceError
from syncd.fastgpt.client import Client
from syncd.fastgpt.models import Collection, CollectionRow
from syncd.folders import Folders
from syncd.ledger import Ledger, entries, moves, records, remote, tree
from syncd.models import CollectionId, DocumentKey, Revision, State
from syncd.names import remote_name

_AT_ONCE = 8  # detail requests under way during a survey
_SPACE = uuid.UUID("7d3c3c52-3d5c-4b7e-9f0e-6f3f0f6f9b1a")


def space_of(source: Source, stated: str) -> str:
    """The deployment a source's markers belong to: the configured one, else one derived from what does not change.

    Without ``[ledger] space`` it is derived from the source's name, dataset and folder, so that a lost ledger still
    recognises its collections.
    """
    return stated or str(uuid.uuid5(_SPACE, "\n".join((source.name, source.dataset, source.folder))))


@dataclass(slots=True)
class Survey:
    """What one listing of a dataset showed, and what was done about it."""

    adopted: int = 0
    arrived: int = 0  # uploads whose answer had been lost
    doubles: int = 0
    lost: int = 0
    unclaimed: list[tuple[str, str]] = field(default_factory=list)  # ours by marker, but no file matches: (path, id)
    rivals: dict[str, str] = field(default_factory=dict)  # source -> ledger id of another instance that feeds it

    @property
    def changed(self) -> bool:
        """Whether the plan has to be made again."""
        return bool(self.adopted or self.arrived or self.doubles or self.lost)


class Auditor:
    """Takes surveys.

    Args:
        client: the API client.
        ledger: open for writing.
        folders: told of the folders that exist.
        now: the wall clock, seconds since the epoch.
    """

    def __init__(self, client: Client, ledger: Ledger, folders: Folders, now: Callable[[], float]) -> None:
        self._client = client
        self._ledger = ledger
        self._folders = folders
        self._now = now

    async def survey(self, dataset_id: str, sources: Iterable[SourceState], *, take: bool = False) -> Survey:
        """List one dataset and settle everything of ours that the ledger does not know.

        Args:
            dataset_id: the dataset.
            sources: the sources that feed it.
            take: adopt also what no file matches (``adopt --take``).
        """
        rows, paths = await self._list(dataset_id)
        chosen = {state.config.name: state for state in sources}
        conn = self._ledger.conn
        known = entries.known_collections(conn, dataset_id)
        strangers = remote.strangers(conn, dataset_id)
        survey = Survey()
        await self._losses(dataset_id, known, {row.id: row for row in rows}, survey)
        unknown = [
            row for row in rows if not row.is_folder and row.id not in known and (take or row.id not in strangers)
        ]
        details = await self._details(unknown)
        foreign: list[str] = []
        fresh: list[tuple[CollectionRow, Collection, SourceState]] = []
        for row, detail in details:
            marker = detail.marker
            state = None if marker is None else chosen.get(marker.source)
            if marker is None or (state is None and not self._space_known(marker.space, chosen)):
                foreign.append(row.id)
            elif state is None or marker.space != state.space:
                survey.unclaimed.append((marker.path, row.id))
            elif not await self._arrival(row, detail, survey):
                fresh.append((row, detail, state))
        await self._ledger.commit("strangers", lambda db: remote.remember_strangers(db, dataset_id, foreign))
        await self._adopt(dataset_id, fresh, paths, survey, take=take)
        await self._mark_adopted(chosen.values(), fresh, survey)
        return survey

    # ------------------------------------------------------------ listing

    async def _list(self, dataset_id: str) -> tuple[list[CollectionRow], dict[str, str]]:
        """All rows of the dataset, and the path of each folder by its id."""
        rows: list[CollectionRow] = []
        paths: dict[str, str] = {}
        level: list[tuple[str | None, str]] = [(None, "")]
        limit = asyncio.Semaphore(_AT_ONCE)

        async def walk(folder_id: str | None) -> list[CollectionRow]:
            async with limit:
                return await self._client.walk_folder(dataset_id, folder_id)

        while level:
            listings = await asyncio.gather(*(walk(folder_id) for folder_id, _ in level))
            below: list[tuple[str | None, str]] = []
            for (_, path), listing in zip(level, listings, strict=True):
                for row in listing:
                    rows.append(row)
                    if row.is_folder and row.id not in paths:
                        paths[row.id] = posixpath.join(path, row.name)
                        below.append((row.id, paths[row.id]))
            level = below
        tree_of_folders: dict[str, str] = {}
        for folder_id, path in paths.items():
            tree_of_folders.setdefault(path, folder_id)
        # Of several folders of one name the one that the ledger knows is ours.
        for name in remote.source_names(self._ledger.conn):
            for path, folder_id in remote.folders(self._ledger.conn, name).items():
                if paths.get(folder_id) == path:
                    tree_of_folders[path] = folder_id
        self._folders.load(dataset_id, tree_of_folders)
        return rows, paths

    async def _details(self, rows: list[CollectionRow]) -> list[tuple[CollectionRow, Collection]]:
        limit = asyncio.Semaphore(_AT_ONCE)

        async def ask(row: CollectionRow) -> tuple[CollectionRow, Collection] | None:
            async with limit:
                try:
                    return row, await self._client.collection(row.id)
                except RemoteMissing:
                    return None

        return [found for found in await asyncio.gather(*(ask(row) for row in rows)) if found is not None]

    def _space_known(self, space: str, chosen: dict[str, SourceState]) -> bool:
        return any(state.space == space for state in chosen.values())

    # ------------------------------------------------------------ what the ledger knows

    async def _losses(
        self, dataset_id: str, known: dict[str, str], rows: dict[CollectionId, CollectionRow], survey: Survey
    ) -> None:
        """Known collections that the listing lacks: a listing may lag, so ``detail`` decides (rule 5)."""
        for collection_id in [id_ for id_ in known if id_ not in rows]:
            try:
                await self._client.collection(collection_id)
            except RemoteMissing:
                revision = entries.by_collection(self._ledger.conn, collection_id)
                if revision is None or revision.state is State.DELETED:
                    continue
                if revision.state is State.RETIRED:
                    gone = revision
                    await self._ledger.commit("deleted", lambda db, gone=gone: moves.deleted(db, gone, self._now()))
                    continue
                lost = revision
                await self._ledger.commit(
                    "lost", lambda db, lost=lost: moves.lost(db, lost, self._now(), "deleted by somebody else")
                )
                survey.lost += 1
        for row in rows.values():
            state = known.get(row.id)
            if state in ("retired", "verified"):
                await self._visibility(row)

    async def _visibility(self, row: CollectionRow) -> None:
        """Somebody hid what serves, or showed what is retired (rule 27)."""
        revision = entries.by_collection(self._ledger.conn, row.id)
        if revision is None or revision.visible != row.forbid:
            return
        if row.forbid == (await self._client.collection(row.id)).forbid:
            key = entries.key_of(self._ledger.conn, revision.document_id)
            message = "somebody hid the serving version" if row.forbid else "somebody showed a retired version"
            found = revision

            def note(db: object, found: Revision = found, hidden: bool = row.forbid) -> None:
                records.add_finding(
                    self._ledger.conn, "changed", key.source, key.path, found.collection_id, message, self._now()
                )
                if not hidden:
                    moves.seen_visible(self._ledger.conn, found, True)

            await self._ledger.commit("finding", note)

    async def _arrival(self, row: CollectionRow, detail: Collection, survey: Survey) -> bool:
        """A collection of ours whose revision the ledger knows: a late answer, a double, or a re-training."""
        marker = detail.marker
        assert marker is not None  # noqa: S101 - the caller looked
        revision = entries.revision(self._ledger.conn, marker.revision)
        if revision is None:
            return False
        if revision.state is State.UPLOADING and revision.collection_id is None and revision.attempt == marker.attempt:
            await self._ledger.commit(
                "uploaded", lambda db: moves.identified(db, revision, row.id, self._now())
            )
            await self._client.update(row.id, forbid=True)
            await self._ledger.commit("hidden", lambda db: moves.hidden(db, revision))
            survey.arrived += 1
            return True
        if revision.collection_id is not None and revision.state is not State.DELETED:
            try:
                await self._client.collection(revision.collection_id)
            except RemoteMissing:
                # Re-training on the server makes a new id and copies the metadata (rule 12).
                await self._ledger.commit("rebind", lambda db: moves.rebind(db, revision, row.id))
                survey.arrived += 1
                return True
        await self._client.update(row.id, forbid=True)
        await self._ledger.commit(
            "double", lambda db: remote.double(db, revision, marker.attempt, row.id, self._now())
        )
        survey.doubles += 1
        return True

    # ------------------------------------------------------------ adoption

    async def _adopt(
        self,
        dataset_id: str,
        fresh: list[tuple[CollectionRow, Collection, SourceState]],
        paths: dict[str, str],
        survey: Survey,
        *,
        take: bool,
    ) -> None:
        groups: dict[DocumentKey, list[tuple[CollectionRow, Collection, SourceState]]] = {}
        for row, detail, state in fresh:
            assert detail.marker is not None  # noqa: S101
            path = self._match(row, detail, state, paths)
            if path is None and take:
                path = detail.marker.path
            if path is None:
                survey.unclaimed.append((detail.marker.path, row.id))
                continue
            groups.setdefault(DocumentKey(state.config.name, path), []).append((row, detail, state))
        for key, members in groups.items():
            await self._adopt_document(dataset_id, key, members, paths)
            survey.adopted += len(members)

    def _match(
        self, row: CollectionRow, detail: Collection, state: SourceState, paths: dict[str, str]
    ) -> str | None:
        """The path of the file this collection belongs to: by its place on the server, by its marker, by its hash."""
        marker = detail.marker
        assert marker is not None  # noqa: S101
        place = posixpath.join(paths.get(row.parent_id or "", ""), row.name)
        folder = state.config.folder
        if not folder or place.startswith(folder + "/"):
            relative = place[len(folder) + 1 :] if folder else place
            if self._there(state, relative):
                return relative
        if self._there(state, marker.path):
            return marker.path
        return entries.path_with_hash(self._ledger.conn, state.config.name, marker.sha256)

    def _there(self, state: SourceState, path: str) -> bool:
        row = entries.one(self._ledger.conn, DocumentKey(state.config.name, path))
        return (row is not None and not row.gone) or os.path.lexists(os.path.join(state.config.path, path))

    async def _adopt_document(
        self,
        dataset_id: str,
        key: DocumentKey,
        members: list[tuple[CollectionRow, Collection, SourceState]],
        paths: dict[str, str],
    ) -> None:
        """Give each collection of one document its state (rule 25): at most one candidate, the rest retired."""
        conn = self._ledger.conn
        entry = entries.one(conn, key)
        wanted = entry.sha256 if entry is not None else ""
        occupied = entry is not None and (entry.candidate is not None or entry.serving is not None)

        def rank(member: tuple[CollectionRow, Collection, SourceState]) -> tuple[bool, bool, bool, str]:
            row, detail, _ = member
            assert detail.marker is not None  # noqa: S101
            trained = row.data_amount > 0 and row.training_amount == 0
            return (not row.forbid and trained, detail.marker.sha256 == wanted, trained, row.create_time)

        ordered = sorted(members, key=rank, reverse=True)
        equal_visible = [m for m in ordered if not m[0].forbid and m[1].marker and m[1].marker.sha256 == wanted]
        if equal_visible:
            ordered.remove(equal_visible[0])
            ordered.insert(0, equal_visible[0])
        for index, (row, detail, state) in enumerate(ordered):
            marker = detail.marker
            assert marker is not None  # noqa: S101
            trained = row.data_amount > 0 and row.training_amount == 0
            first = index == 0 and not (occupied and entry is not None and entry.candidate is not None)
            if first and not row.forbid and trained:
                chosen = State.PROVING
            elif first and marker.sha256 == wanted and not occupied:
                chosen = State.INDEXING
            else:
                chosen = State.RETIRED
            place = posixpath.join(paths.get(row.parent_id or "", ""), row.name)
            head, tail = posixpath.split(key.path)
            expected = state.policy.placement(key.path)
            right_name = row.name == remote_name(key.path) and place == expected.partition("\n")[0]
            placed = expected if right_name and tuple(row.tags) == state.policy.tags else place

            def move(
                db: object,
                row: CollectionRow = row,
                detail: Collection = detail,
                state: SourceState = state,
                chosen: State = chosen,
                placed: str = placed,
                head: str = head,
                tail: str = tail,
            ) -> None:
                assert detail.marker is not None  # noqa: S101
                remote.adopt(
                    conn,
                    key,
                    detail.marker,
                    row.id,
                    dataset_id,
                    chosen,
                    visible=not row.forbid,
                    placed=placed,
                    now=self._now(),
                    grace=state.config.delete.grace,
                    directory=tree.directory_id(conn, key.source, head),
                    disk_name=os.fsencode(tail),
                )

            await self._ledger.commit("adopt", move)

    async def _mark_adopted(
        self,
        sources: Iterable[SourceState],
        fresh: list[tuple[CollectionRow, Collection, SourceState]],
        survey: Survey,
    ) -> None:
        """Remember which ledgers fed a source before; a new one that appears later is another instance (rule 25)."""
        conn = self._ledger.conn
        for state in sources:
            name = state.config.name
            writers = {
                detail.marker.ledger
                for _, detail, owner in fresh
                if owner is state and detail.marker is not None and detail.marker.ledger != self._ledger.id
            }
            row = remote.source(conn, name)
            if row is not None and row.adopted_at is not None:
                unknown = writers - remote.known_ledgers(conn, name)
                if unknown:
                    survey.rivals[name] = sorted(unknown)[0]
                    continue
            await self._ledger.commit(
                "adopted",
                lambda db, name=name, writers=writers: remote.adopted(conn, name, writers, self._now()),
            )


def rival_error(source: str, ledger: str) -> SourceError:
    """Two instances feed one source."""
    return SourceError(
        f'source "{source}": another syncd (ledger {ledger}) writes to the same dataset for this source',
        hint="stop one of the two, or give each its own folder and its own [ledger] space; "
        "to take over for good, run `syncd adopt --take`",
    )
