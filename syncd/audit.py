"""The server's collections against the ledger: late arrivals, doubles, losses, and adoption after a lost ledger.

A survey is taken before the first remote action of a run (rule 24). The whole dataset is listed; ids that the ledger
does not know get one ``detail``; what carries our marker is taken in, everything else is remembered as a stranger and
never touched.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from sqlite3 import Connection
from typing import Any, TypeVar

from syncd.adopting import Adopter, Found
from syncd.apply import SourceState
from syncd.disk import Disk
from syncd.errors import RemoteMissing, ServerError, Unavailable
from syncd.fastgpt.client import Client
from syncd.fastgpt.envelope import Unreadable
from syncd.fastgpt.models import Collection, CollectionRow
from syncd.folders import Folders
from syncd.ledger import MANY, Ledger, entries, moves, records, remote
from syncd.models import CollectionId, Marker, Orphan, Revision, State
from syncd.remotetree import Place, Spend, whole
from syncd.turns import each, sliced

T = TypeVar("T")
_THINK_AGAIN = 86400.0  # seconds that a retired version which somebody showed is kept for from then on
_PATIENCE = 3  # looks at one folder or collection that come to nothing before it is left out
_AT_ONCE = 8  # requests under way during a survey
_ROWS = 5000  # rows of a listing that are gone through in one turn of the event loop


@dataclass(slots=True)
class Survey:
    """What one listing of a dataset showed, and what was done about it."""

    adopted: int = 0
    arrived: int = 0  # uploads whose answer had been lost
    doubles: int = 0
    lost: int = 0
    shown: int = 0  # retired ones that somebody made visible
    orphans: list[Orphan] = field(default_factory=list)
    rivals: dict[str, str] = field(default_factory=dict)  # source -> ledger id of another instance that feeds it

    blind: list[tuple[str, str]] = field(default_factory=list)  # (name or path, id) of what the server never shows

    @property
    def changed(self) -> bool:
        """Whether the plan has to be made again."""
        return bool(self.adopted or self.arrived or self.doubles or self.lost or self.shown)


class Auditor:
    """Takes surveys.

    Args:
        client: the API client.
        ledger: open for writing.
        folders: told of the folders that exist.
        now: the wall clock, seconds since the epoch.
        disk: reaches the files of sources.
    """

    def __init__(self, client: Client, ledger: Ledger, folders: Folders, now: Callable[[], float], disk: Disk) -> None:
        self._client = client
        self._ledger = ledger
        self._folders = folders
        self._now = now
        self._adopter = Adopter(ledger, now, disk)
        self._unseen: Counter[str] = Counter()  # how often in a row the server did not show a folder or a collection

    async def survey(self, dataset_id: str, sources: Iterable[SourceState], *, take: bool = False) -> Survey:
        """List one dataset and settle everything of ours that the ledger does not know.

        Args:
            dataset_id: the dataset.
            sources: the sources that feed it.
            take: adopt also what no file matches (``adopt --take``).
        """
        survey = Survey()
        async with self._folders.alone():  # a folder that is made meanwhile would be forgotten, and made again
            rows, paths = await self._list(dataset_id, survey)
        chosen = {state.config.name: state for state in sources}
        conn = self._ledger.conn
        known = await self._ledger.read(partial(entries.known_collections, dataset_id=dataset_id))
        strangers = remote.strangers(conn, dataset_id)
        unknown = [
            row for row in rows if not row.is_folder and row.id not in known and (take or row.id not in strangers)
        ]
        details = await self._details(unknown, survey)
        await self._note_blind(chosen, survey)
        foreign: list[str] = []
        ours: list[Found] = []
        carried: list[Found] = []
        for row, detail in details:
            marker = detail.marker
            state = None if marker is None else chosen.get(marker.source)
            if marker is None or not self._space_known(marker.space, chosen):
                foreign.append(row.id)
            elif state is None or marker.space != state.space:
                survey.orphans.append(Orphan(marker.source, marker.path, row.id, not row.forbid, takeable=False))
            else:
                carried.append((row, detail, state))
        places = await self._adopter.places(carried, paths)
        async for found in sliced(carried):
            if self._adopter.elsewhere(found, places):
                foreign.append(found[0].id)
            else:
                ours.append(found)
        gone = strangers - {row.id for row in rows}
        if gone and not survey.blind:
            await self._ledger.commit("strangers", lambda db: remote.forget_strangers(db, gone), durable=False)
        if foreign:
            await self._ledger.commit("strangers", lambda db: remote.remember_strangers(db, dataset_id, foreign))
        if not take:
            self._rivals(ours, survey)
            ours = [found for found in ours if found[2].config.name not in survey.rivals]
        # What arrived is looked at before what is lost: a collection that was trained anew has a new id (rule 12).
        stale = await self._is_stale(ours)
        fresh = [found async for found in sliced(ours) if not await self._arrival(found, stale, survey)]
        await self._losses(known, {row.id: row for row in rows}, survey, stale)
        taken, left = await self._adopter.adopt(dataset_id, fresh, paths, places, take=take)
        survey.adopted += taken
        survey.orphans += [
            Orphan(state.config.name, marker.path, row.id, not row.forbid, takeable=True)
            for row, detail, state in left
            if (marker := detail.marker) is not None and not self._another_shards(marker, state)
        ]
        await self._mark_adopted(chosen.values(), ours, survey)
        names = list(chosen)
        standing = records.count_orphans(conn) if names and not survey.blind else 0
        if names and not survey.blind and (survey.orphans or standing):
            await self._ledger.commit(
                "orphans",
                lambda db: records.store_orphans(db, names, survey.orphans, self._now()),
                durable=False,
                beside=len(survey.orphans) + standing > MANY,
            )
        return survey

    async def _is_stale(self, ours: list[Found]) -> bool:
        """Whether the server knows later work of this very ledger: then the ledger is an old copy (rule 24)."""
        conn = self._ledger.conn
        async for _, detail, _ in sliced(ours):
            if detail.marker is not None and entries.revision(conn, detail.marker.revision) is None:
                return True
        return False

    def _another_shards(self, marker: Marker, state: SourceState) -> bool:
        """Whether another shard's ledger may know a document whose file is gone, and retire it."""
        return state.shard is not None and marker.ledger != self._ledger.id

    # ------------------------------------------------------------ two instances

    def _rivals(self, ours: list[Found], survey: Survey) -> None:
        """Collections of other ledgers that appeared after this one had looked through its source (rule 25)."""
        names = {state.config.name for _, _, state in ours}
        sources = {name: remote.source(self._ledger.conn, name) for name in names}
        ledgers = {name: remote.known_ledgers(self._ledger.conn, name) for name in names}
        for row, detail, state in ours:
            name = state.config.name
            known = sources[name]
            writer = detail.marker.ledger if detail.marker is not None else self._ledger.id
            if known is None or known.adopted_at is None or writer == self._ledger.id:
                continue
            # An earlier ledger's last upload may arrive after it was lost; anything later is somebody at work.
            late = _moment(row.create_time) <= known.adopted_at + moves.LATE
            if writer not in ledgers[name] or not late:
                survey.rivals[name] = writer

    # ------------------------------------------------------------ listing

    async def _seen(self, place: str, look: Coroutine[Any, Any, T]) -> T | None:
        """What a look at one folder or collection shows; ``None`` when the server is well but never answers this one.

        Raises:
            ServerError: the server is in trouble, or this was not asked often enough to leave it.
        """
        try:
            found = await look
        except Unreadable:
            return None
        except ServerError:
            self._unseen[place] += 1
            if self._unseen[place] <= _PATIENCE:
                raise
            return None
        self._unseen.pop(place, None)
        return found

    async def _list(self, dataset_id: str, survey: Survey) -> tuple[list[CollectionRow], dict[str, str]]:
        """All rows of the dataset, and the path of each folder by its id."""
        limit = asyncio.Semaphore(_AT_ONCE)

        async def walk(place: Place, spend: Spend) -> list[CollectionRow]:
            folder_id, path = place
            async with limit:
                if folder_id is None:
                    return await self._client.walk_folder(dataset_id, folder_id, spend)
                listing = await self._seen(folder_id, self._client.walk_folder(dataset_id, folder_id, spend))
            if listing is None:
                survey.blind.append((path, folder_id))
            return listing or []

        rows, paths = await whole(walk)
        tree_of_folders: dict[str, str] = {}
        for folder_id, path in paths.items():
            tree_of_folders.setdefault(path, folder_id)
        # Of several folders of one name the one that the ledger knows is ours.
        for name in remote.source_names(self._ledger.conn):
            ours = remote.folders(self._ledger.conn, name)
            tree_of_folders |= {path: id_ for path, id_ in ours.items() if paths.get(id_) == path}
        self._folders.load(dataset_id, tree_of_folders)
        return rows, paths

    async def _details(self, rows: list[CollectionRow], survey: Survey) -> list[tuple[CollectionRow, Collection]]:
        async def ask(row: CollectionRow) -> tuple[CollectionRow, Collection] | None:
            try:
                detail = await self._seen(row.id, self._client.collection(row.id))
            except RemoteMissing:
                return None
            if detail is None:
                survey.blind.append((row.name, row.id))
                return None
            return row, detail

        return [found for found in await each(rows, ask, _AT_ONCE) if found is not None]

    async def _note_blind(self, chosen: dict[str, SourceState], survey: Survey) -> None:
        """What the server never shows is named, and keeps nobody else from being served.

        Raises:
            Unavailable: nothing is known of these sources yet: what cannot be seen may be theirs, and would go twice.
        """
        if not survey.blind:
            return
        names = ", ".join(f'"{name}" ({id_})' for name, id_ in survey.blind[:5])
        message = f"the server does not answer what is asked of {names}"
        for name in chosen:
            known = remote.source(self._ledger.conn, name)
            if known is None or known.adopted_at is None:
                raise Unavailable(message, hint="see FastGPT's log, and that of the proxy in front of it")
        now = self._now()

        def note(db: Connection) -> None:
            for name, id_ in survey.blind:
                text = "the server does not answer what is asked of it; what is in it is not looked at"
                records.add_finding(db, "stuck", next(iter(chosen), ""), name, id_, text, now)

        await self._ledger.commit("finding", note)

    def _space_known(self, space: str, chosen: dict[str, SourceState]) -> bool:
        return any(state.space == space for state in chosen.values())

    # ------------------------------------------------------------ what the ledger knows

    async def _losses(
        self, known: dict[str, tuple[str, bool]], rows: dict[CollectionId, CollectionRow], survey: Survey, stale: bool
    ) -> None:
        """Known collections that the listing lacks: a listing may lag, so ``detail`` decides (rule 5)."""
        for collection_id in [id_ for id_ in known if id_ not in rows]:
            try:
                await self._seen(collection_id, self._client.collection(collection_id))
            except RemoteMissing:
                revision = entries.by_collection(self._ledger.conn, collection_id)
                if revision is None or revision.state is State.DELETED:
                    continue
                await self._note_loss(revision)
                survey.lost += revision.state is not State.RETIRED
        async for row in sliced(rows.values(), _ROWS):
            state, visible = known.get(row.id, ("", False))
            if state in ("retired", "verified") and visible == row.forbid:
                await self._visibility(row, survey, stale)

    async def _note_loss(self, gone: Revision) -> None:
        now = self._now()
        if gone.state is State.RETIRED:
            await self._ledger.commit("deleted", lambda db: moves.deleted(db, gone, now))
        else:
            await self._ledger.commit("lost", lambda db: moves.lost(db, gone, now, "deleted by somebody else"))

    async def _visibility(self, row: CollectionRow, survey: Survey, stale: bool) -> None:
        """Somebody hid what serves, or showed what is retired (rule 27)."""
        revision = entries.by_collection(self._ledger.conn, row.id)
        if revision is None or revision.visible != row.forbid:
            return
        hidden = (await self._client.collection(row.id)).forbid
        if row.forbid != hidden:
            return
        key = entries.key_of(self._ledger.conn, revision.document_id)
        entry = entries.one(self._ledger.conn, key)
        if entry is not None and entry.candidate is not None and entry.candidate.flip is not None:
            return  # a pass is about to write down what it has just done to the two versions
        message = "somebody hid the serving version" if hidden else "somebody showed a retired version"
        now = self._now()

        def note(db: Connection) -> None:
            if not stale:  # an old copy does not know what this very ledger has shown and hidden since
                records.add_finding(db, "changed", key.source, key.path, revision.collection_id, message, now)
            if not hidden:
                moves.seen_visible(db, revision, True)
                moves.keep(db, revision, max(revision.delete_after or 0.0, now + _THINK_AGAIN))

        await self._ledger.commit("finding", note)
        survey.shown += not hidden

    async def _arrival(self, found: Found, stale: bool, survey: Survey) -> bool:
        """A collection of ours whose revision the ledger knows: a late answer, a double, or a re-training."""
        row, detail, _ = found
        marker = detail.marker
        assert marker is not None  # noqa: S101 - the caller looked
        revision = entries.revision(self._ledger.conn, marker.revision)
        if revision is None or revision.reason in remote.LET_GO:
            return False
        if revision.collection_id == row.id:
            return True  # a pass has found it since the listing
        if revision.state is State.UPLOADING and revision.collection_id is None and revision.attempt == marker.attempt:
            survey.arrived += 1
            if await self._is_published(row, revision, stale):
                await self._ledger.commit("published", lambda db: moves.published(db, revision, row.id, self._now()))
                return True
            await self._ledger.commit("uploaded", lambda db: moves.identified(db, revision, row.id, self._now()))
            await self._client.update(row.id, forbid=True)
            await self._ledger.commit("hidden", lambda db: moves.hidden(db, revision))
            return True
        if revision.collection_id is not None and revision.state is not State.DELETED:
            try:
                await self._client.collection(revision.collection_id)
            except RemoteMissing:
                await self._ledger.commit(
                    "rebind", lambda db: moves.rebind(db, revision, row.id, visible=not detail.forbid)
                )
                survey.arrived += 1
                return True
        await self._client.update(row.id, forbid=True)
        await self._ledger.commit("double", lambda db: remote.double(db, revision, marker.attempt, row.id, self._now()))
        survey.doubles += 1
        return True

    async def _is_published(self, row: CollectionRow, revision: Revision, stale: bool) -> bool:
        """Whether an arrival has been shown on purpose since, which an old copy of the ledger does not know.

        Hiding it would then leave a gap (law 1): so it stays when no serving version is visible beside it.
        """
        if row.forbid or row.training_amount or not row.data_amount:
            return False
        serving = entries.serving_collection(self._ledger.conn, revision.document_id)
        if serving is None:
            return stale
        try:
            return (await self._client.collection(serving)).forbid
        except RemoteMissing:
            return True

    # ------------------------------------------------------------ who wrote here

    async def _mark_adopted(self, sources: Iterable[SourceState], ours: list[Found], survey: Survey) -> None:
        """Remember when the source was looked through first, and which ledgers had fed it before (rule 25)."""
        conn = self._ledger.conn
        for state in sources:
            name = state.config.name
            if name in survey.rivals:
                continue
            row = remote.source(conn, name)
            writers = {
                detail.marker.ledger
                for _, detail, owner in ours
                if owner is state and detail.marker is not None and detail.marker.ledger != self._ledger.id
            }
            if row is None or row.adopted_at is None or writers - remote.known_ledgers(conn, name):
                await self._ledger.commit(
                    "adopted",
                    lambda db, name=name, writers=writers: remote.adopted(db, name, writers, self._now()),  # type: ignore[misc]
                )


def _moment(text: str) -> float:
    """Seconds since the epoch of the server's time stamp; 0 when it says nothing."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0
