"""Folders on the server: one for each folder of a source that holds documents."""

from __future__ import annotations

import asyncio
import contextlib
import posixpath
from collections.abc import AsyncIterator, Callable

from syncd.errors import OutcomeUnknown, RemoteMissing, ServerError
from syncd.fastgpt.client import Client
from syncd.ledger import Ledger, remote
from syncd.models import CollectionId

_NOT_AT_ONCE = 30.0  # seconds until a folder that could not be made is tried again
_LOOK_AFTER = (5.0, 10.0, 15.1)  # seconds; what may have been made is looked for so often before it is made again


class Folders:
    """Finds or makes folders; each is made once, however many documents ask at the same moment.

    Args:
        client: the API client.
        ledger: open for writing.
        shared: other shards make folders in the same dataset.
    """

    def __init__(self, client: Client, ledger: Ledger, *, shared: bool = False) -> None:
        self._client = client
        self._ledger = ledger
        self._shared = shared
        self._known: dict[tuple[str, str], str] = {}
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}
        self._failed: dict[tuple[str, str], tuple[float, ServerError | OutcomeUnknown]] = {}  # until when, and why
        self._doubtful: set[tuple[str, str]] = set()  # may have been made, but no answer said so (law 3)
        self._users = 0
        self._alone = False
        self._changed = asyncio.Event()

    @contextlib.asynccontextmanager
    async def used(self) -> AsyncIterator[None]:
        """While inside, no folder is removed: until the ledger knows what is put into one. Not to be nested."""
        await self._until(lambda: not self._alone)
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            self._changed.set()

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """While inside, nobody is about to use a folder, or makes one; for who removes or lists them."""
        await self._until(lambda: not self._alone)
        self._alone = True
        try:
            await self._until(lambda: not self._users)
            yield
        finally:
            self._alone = False
            self._changed.set()

    async def _until(self, so: Callable[[], bool]) -> None:
        while not so():
            self._changed.clear()
            await self._changed.wait()

    def load(self, dataset_id: str, tree: dict[str, str]) -> None:
        """Take over what a listing of the whole dataset showed: path to collection id."""
        self._known = {place: id_ for place, id_ in self._known.items() if place[0] != dataset_id}
        self._known.update(((dataset_id, path), id_) for path, id_ in tree.items())

    def known(self, dataset_id: str, path: str) -> str | None:
        """The folder's id, without a request; ``None`` for the dataset's root and for folders that are not there."""
        return self._known.get((dataset_id, path))

    def forget(self, dataset_id: str, path: str) -> None:
        """The folder is gone."""
        self._known.pop((dataset_id, path), None)

    async def ensure(self, source: str, dataset_id: str, path: str) -> str | None:
        """The id of the folder ``path`` ("" is the dataset's root), made with its parents when missing.

        Raises:
            OutcomeUnknown, ServerError: it could not be made, now or a moment ago.
        """
        if not path:
            return None
        place = (dataset_id, path)
        async with self._locks.setdefault(place, asyncio.Lock()):
            if place not in self._known:
                parent, name = posixpath.split(path)
                parent_id = await self.ensure(source, dataset_id, parent)
                self._known[place] = await self._try(source, place, parent_id, name)
            return self._known[place]

    async def _try(self, source: str, place: tuple[str, str], parent_id: str | None, name: str) -> str:
        """Make a folder; whoever asks for one that has just come to nothing hears the same at once."""
        now = asyncio.get_running_loop().time()
        until, error = self._failed.get(place, (now, None))
        if error is not None and now < until:
            raise error
        try:
            made = await self._make(source, *place, parent_id, name)
        except (ServerError, OutcomeUnknown) as error:
            self._failed[place] = asyncio.get_running_loop().time() + _NOT_AT_ONCE, error
            raise
        self._failed.pop(place, None)
        return made

    async def _make(self, source: str, dataset_id: str, path: str, parent_id: str | None, name: str) -> str:
        found = await self._look(dataset_id, parent_id, name) if (dataset_id, path) in self._doubtful else None
        if found is None:
            try:
                found = await self._client.create_folder(dataset_id, parent_id, name)
            except OutcomeUnknown:
                self._doubtful.add((dataset_id, path))
                found = await self._look_for(dataset_id, parent_id, name)
                if found is None:
                    found = await self._client.create_folder(dataset_id, parent_id, name)
        self._doubtful.discard((dataset_id, path))
        kept = await self._only_one(dataset_id, parent_id, name, found) if self._shared else found
        ours = kept == found
        await self._ledger.commit(
            "folder", lambda db: remote.remember_folder(db, source, path, dataset_id, kept, made=ours)
        )
        return kept

    async def _only_one(self, dataset_id: str, parent_id: str | None, name: str, made: str) -> str:
        """Of folders that several shards made at the same moment the one with the smallest id stays.

        Each maker looks after it has made its own, so the last one sees all; ids grow with time.
        """
        rows = await self._client.walk_folder(dataset_id, parent_id)
        kept = min([made, *(str(row.id) for row in rows if row.is_folder and row.name == name)])
        if kept != made:
            with contextlib.suppress(RemoteMissing):
                await self._client.delete(CollectionId(made))  # nobody else knows it, so nothing is in it
        return kept

    async def _look_for(self, dataset_id: str, parent_id: str | None, name: str) -> str | None:
        """Look until it is there, or was absent often enough (rule 11)."""
        for pause in _LOOK_AFTER:
            await asyncio.sleep(pause)
            found = await self._look(dataset_id, parent_id, name)
            if found is not None:
                return found
        return None

    async def _look(self, dataset_id: str, parent_id: str | None, name: str) -> str | None:
        for row in await self._client.walk_folder(dataset_id, parent_id):
            if row.is_folder and row.name == name:
                return row.id
        return None
