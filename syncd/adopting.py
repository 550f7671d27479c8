"""Takes collections of ours into a ledger that does not know them (rule 25): lost, old and copied ledgers heal so."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from sqlite3 import Connection

from syncd import door
from syncd.disk import Disk
from syncd.fastgpt.models import Collection, CollectionRow
from syncd.ledger import Ledger, entries, moves, remote, tree
from syncd.models import DocumentKey, LedgerEntry, Marker, State
from syncd.names import remote_name
from syncd.turns import sliced
from syncd.work import SourceState

Found = tuple[CollectionRow, Collection, SourceState]


@dataclass(slots=True)
class Adopter:
    """Finds the document of each collection, and gives it its state there."""

    ledger: Ledger
    now: Callable[[], float]
    disk: Disk

    async def adopt(
        self,
        dataset_id: str,
        fresh: list[Found],
        paths: dict[str, str],
        places: dict[str, str | None],
        *,
        take: bool,
    ) -> tuple[int, list[Found]]:
        """Adopt what a file matches.

        Args:
            dataset_id: the dataset.
            fresh: collections of ours that the ledger does not know.
            paths: the path of each folder of the dataset, by its id.
            places: what ``places`` said of them.
            take: adopt also what no file matches.

        Returns:
            How many were adopted, and those that were not since no file matches.
        """
        groups: dict[DocumentKey, list[Found]] = {}
        unclaimed: list[Found] = []
        async for row, detail, state in sliced(fresh):
            marker = _marker(detail)
            path = places[row.id]
            if path is None and take:
                path = marker.path
            if path is None:
                unclaimed.append((row, detail, state))
                continue
            groups.setdefault(DocumentKey(state.config.name, path), []).append((row, detail, state))
        for key, members in groups.items():
            await self._document(dataset_id, key, members, paths)
        return sum(map(len, groups.values())), unclaimed

    def elsewhere(self, found: Found, places: dict[str, str | None]) -> bool:
        """Whether another shard serves this collection's document; what this ledger has under way is its own."""
        row, detail, state = found
        if state.shard is None:
            return False
        marker = _marker(detail)
        known = entries.revision(self.ledger.conn, marker.revision)
        if known is not None and known.reason not in remote.LET_GO:
            return False
        return not state.owns(places[row.id] or marker.path)

    async def places(self, carried: list[Found], paths: dict[str, str]) -> dict[str, str | None]:
        """By collection, the path of the file it belongs to; ``None`` when there is none.

        Files are looked for by the place on the server, by the marker, by the hash: in a thread of their source, since
        its disk may hang, and there may be 100 000 of them.
        """
        found: dict[str, str | None] = {}
        for name in dict.fromkeys(state.config.name for _, _, state in carried):
            own = [one for one in carried if one[2].config.name == name]
            found |= await self.disk.run(name, _matched, self.ledger, own, paths)
        return found

    async def _document(self, dataset_id: str, key: DocumentKey, members: list[Found], paths: dict[str, str]) -> None:
        """Give each collection of one document its state: at most one candidate, the rest retired."""
        entry = entries.one(self.ledger.conn, key)
        wanted = entry.sha256 if entry is not None else ""

        def rank(member: Found) -> tuple[bool, bool, bool, str]:
            row, detail, _ = member
            return (_shown(row), _marker(detail).sha256 == wanted, _trained(row), row.create_time)

        for index, found in enumerate(sorted(members, key=rank, reverse=True)):
            row, detail, _ = found
            chosen = State.RETIRED
            if index == 0 and _shown(row) and not _in_flip(entry):
                chosen = State.PROVING
            elif index == 0 and _marker(detail).sha256 == wanted and _is_free(entry):
                chosen = State.INDEXING
            await self._take(dataset_id, key, found, chosen, entry, paths)

    async def _take(
        self,
        dataset_id: str,
        key: DocumentKey,
        found: Found,
        chosen: State,
        entry: LedgerEntry | None,
        paths: dict[str, str],
    ) -> None:
        row, detail, state = found
        place = posixpath.join(paths.get(row.parent_id or "", ""), row.name)
        expected = state.policy.placement(key.path)
        right_name = row.name == remote_name(key.path) and place == expected.partition("\n")[0]
        placed = expected if right_name and tuple(row.tags) == state.policy.tags else "\n".join((place, *row.tags))
        head, tail = posixpath.split(key.path)

        def move(db: Connection) -> None:
            if chosen is State.PROVING and entry is not None and entry.candidate is not None:
                # Somebody can see this one, nobody the candidate: hiding it in its favour could leave a gap.
                moves.supersede(db, entry.candidate, self.now())
            remote.adopt(
                db,
                key,
                _marker(detail),
                row.id,
                dataset_id,
                chosen,
                visible=not row.forbid,
                serving=entry is not None and entry.serving is not None,
                placed=placed,
                now=self.now(),
                grace=state.config.delete.grace,
                directory=tree.directory_id(db, key.source, head),
                disk_name=os.fsencode(tail),
            )

        await self.ledger.commit("adopt", move)


def _matched(ledger: Ledger, own: list[Found], paths: dict[str, str]) -> dict[str, str | None]:
    """The path of the file of each collection of one source."""
    found: dict[str, str | None] = {}
    with closing(ledger.reader()) as conn:
        by_hash: dict[str, str] | None = None
        for row, detail, state in own:
            marker = _marker(detail)
            path = _named(conn, row, marker, state, paths)
            if path is None:
                if by_hash is None:
                    by_hash = entries.paths_by_hash(conn, state.config.name)
                path = by_hash.get(marker.sha256)
            found[row.id] = path
    return found


def _named(
    conn: Connection, row: CollectionRow, marker: Marker, state: SourceState, paths: dict[str, str]
) -> str | None:
    place = posixpath.join(paths.get(row.parent_id or "", ""), row.name)
    folder = state.config.folder
    if not folder or place.startswith(folder + "/"):
        relative = place[len(folder) + 1 :] if folder else place
        if _there(conn, state, relative):
            return relative
    return marker.path if _there(conn, state, marker.path) else None


def _there(conn: Connection, state: SourceState, path: str) -> bool:
    if entries.is_there(conn, DocumentKey(state.config.name, path)):
        return True
    try:
        # Not by the path as a whole: the server may say "../x" of a collection.
        return not stat.S_ISDIR(door.look(state.place(path)).st_mode)
    except OSError:
        return False


def _marker(detail: Collection) -> Marker:
    assert detail.marker is not None  # noqa: S101 - only what carries one gets here
    return detail.marker


def _trained(row: CollectionRow) -> bool:
    return row.data_amount > 0 and row.training_amount == 0


def _shown(row: CollectionRow) -> bool:
    return not row.forbid and _trained(row)


def _in_flip(entry: LedgerEntry | None) -> bool:
    return entry is not None and entry.candidate is not None and entry.candidate.flip is not None


def _is_free(entry: LedgerEntry | None) -> bool:
    return entry is None or (entry.candidate is None and entry.serving is None)
