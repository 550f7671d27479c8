"""The FastGPT API as syncd uses it: one method per endpoint, values in and out, errors of ``errors.py``.

Nothing is repeated in here but a repeatable request on a kept-alive connection that turned out to be closed; when to
try again is the engine's decision. A lost answer to a call that makes something is ``OutcomeUnknown`` (law 3).
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from syncd import errors
from syncd.models import CollectionId, DatasetId, Hit, Marker, Training

from . import endpoints as to
from . import multipart, wire
from .about import About
from .envelope import RouteMissing
from .models import KEEP, Collection, CollectionRow, Dataset, Keep, Page, TrainingDetail
from .session import about, nothing, query
from .transport import Body
from .walking import one_pass

_OLD_PAGE = 30  # rows: the cap of collection/list, and of data/v2/list to this day (observed fact 13)
_WALKS = 4  # passes over a folder whose total keeps drifting


class Client(About):
    """One FastGPT server, one global key; see ``Session`` for the parameters."""

    # ------------------------------------------------------------ datasets

    async def datasets(self, search: str = "") -> list[Dataset]:
        """The datasets at the root that the key may read; with ``search`` those with it in the name, at any depth."""
        body = {"parentId": "", "searchKey": search} if search else {"parentId": ""}
        return await self._call(to.DATASETS, body, partial(wire.datasets, "datasets"))

    async def dataset(self, id: str) -> Dataset:
        """One dataset with the member's rights on it.

        Raises:
            RemoteMissing: it does not exist.
        """
        return await self._get(to.DATASET, "id", id, partial(wire.dataset, "dataset", asked=id))

    async def create_dataset(self, name: str) -> DatasetId:
        """Make a dataset; names are not unique. All four texts are required from 4.14.11 on (fastgpt-api.md 2.1)."""
        body = {"name": name, "type": "dataset", "intro": "", "avatar": ""}
        return DatasetId(await self._made(to.CREATE_DATASET, body))

    # ------------------------------------------------------------ collections

    async def collections(
        self,
        dataset_id: str,
        parent_id: str | None,
        *,
        offset: int = 0,
        page_size: int = 100,
        folders_only: bool = False,
    ) -> Page:
        """One page of the direct children of a folder, last changed first; the server may cut the page shorter."""
        if not self._old_list:
            body = {
                "datasetId": dataset_id,
                "parentId": parent_id,
                "pageSize": page_size,  # without it the offset is ignored (observed fact 13)
                "offset": offset,
                "searchText": "",
                "selectFolder": folders_only,
            }
            try:
                page = await self._call(to.LIST, body, partial(wire.page, "list"))
            except RouteMissing:
                pass
            else:
                self._own_queue = self._own_queue or any(row.active is not None for row in page.rows)
                return page
        return await self._collections_before_v2(dataset_id, parent_id, offset, folders_only)

    async def _collections_before_v2(
        self, dataset_id: str, parent_id: str | None, offset: int, folders_only: bool
    ) -> Page:
        """The same from ``collection/list``, which counts pages of 30 rows (fastgpt-api.md 2.3.1)."""
        number, skip = divmod(offset, _OLD_PAGE)
        body = {
            "datasetId": dataset_id,
            "parentId": parent_id,
            "pageNum": number + 1,
            "pageSize": _OLD_PAGE,
            "searchText": "",
            "selectFolder": folders_only,
        }
        page = await self._call(to.OLD_LIST, body, partial(wire.page, "list", field="data"))
        self._old_list = True  # only now: a gateway may answer 404 for everything while FastGPT restarts
        return Page(page.rows[skip:], page.total)

    async def walk_folder(
        self, dataset_id: str, parent_id: str | None, spend: Callable[[int], None] = lambda _rows: None
    ) -> list[CollectionRow]:
        """All direct children of a folder.

        Args:
            dataset_id: the dataset.
            parent_id: the folder; None is the root.
            spend: see ``walking.one_pass``.

        Rows move between pages while others change (the order is by time of change), so a pass counts only when the
        total held still and as many ids came as it claims. After a few passes without that all seen are returned.

        Raises:
            Misshapen: no FastGPT lists like that (``paging``).
        """

        async def ask(offset: int) -> tuple[list[tuple[CollectionId, CollectionRow]], int]:
            page = await self.collections(dataset_id, parent_id, offset=offset)
            return [(row.id, row) for row in page.rows], page.total

        seen: dict[CollectionId, CollectionRow] = {}
        for _ in range(_WALKS):
            found, totals = await one_pass(to.LIST, ask, spend=spend)
            if totals == {len(found)}:
                return list(found.values())
            seen.update(found)
            spend(-len(found))  # the next pass gives them again
        return list(seen.values())

    async def collection(self, id: str) -> Collection:
        """One collection in full, from the primary; the marker is in here alone (observed facts 7 and 26).

        Raises:
            RemoteMissing: it does not exist.
        """
        found, exact = await self._get(to.DETAIL, "id", id, partial(wire.collection, "detail", asked=id))
        self._own_queue = self._own_queue or exact
        return found

    async def create_folder(self, dataset_id: str, parent_id: str | None, name: str) -> CollectionId:
        """Make a folder collection; names are not unique, look before."""
        body = {"datasetId": dataset_id, "parentId": parent_id, "name": name, "type": "folder"}
        return CollectionId(await self._made(to.CREATE_FOLDER, body))

    async def upload(
        self,
        *,
        dataset_id: DatasetId,
        parent_id: str | None,
        filename: str,
        content_type: str,
        body: bytes | Callable[[], Iterator[bytes]],
        size: int,
        marker: Marker,
        training: Training,
        tags: tuple[str, ...] = (),
    ) -> CollectionId:
        """Send one file as a new collection with our marker.

        Args:
            filename: already percent-encoded (observed fact 2).
            body: the bytes, or a maker of an iterator over blocks of about 1 MiB; it is called once, its blocks are
                read in a thread, and an error it raises aborts the upload before the server can take it for complete.
            size: the body's length in bytes.

        Raises:
            Permanent, Transient: the document's trouble.
            OutcomeUnknown: look for ``marker.attempt`` on the server before anything else.
        """
        around = multipart.Envelope(
            dataset_id=dataset_id,
            parent_id=parent_id,
            filename=filename,
            content_type=content_type,
            marker=marker,
            training=training,
            tags=tags,
        )
        total = len(around.head) + size + len(around.tail)
        content: Body
        if isinstance(body, bytes):
            if len(body) != size:
                raise ValueError("the size of an upload is not that of its body")
            content = around.whole(body)
        elif total <= multipart.WHOLE:
            blocks = [block async for block in multipart.read(body, size, self._threads())]
            content = around.whole(b"".join(blocks))
        else:
            content = around.blocks(body, size, self._threads())
        headers = [*self._headers, (b"content-type", around.content_type)]
        began = asyncio.get_running_loop().time()
        read = partial(self._identifier, to.UPLOAD, field="collectionId")
        try:
            with about(to.UPLOAD):
                answer = await self._transport.exchange(to.UPLOAD, headers, content, total, bound=self._upload_timeout)
            made = CollectionId(self._data(to.UPLOAD, answer, read))
        except errors.RateLimited as error:
            self.uploads.refused(began, error.retry_after)
            raise
        except (errors.Unavailable, errors.OutcomeUnknown):
            self.uploads.failed(began)
            raise
        self.uploads.answered(answer.seconds, total)
        return made

    async def update(
        self,
        id: str,
        *,
        name: str | None = None,
        parent_id: str | Keep | None = KEEP,
        forbid: bool | None = None,
        tags: tuple[str, ...] | None = None,
    ) -> None:
        """Change what is given: the name, the folder (None is the root), whether search hides it, the labels.

        Raises:
            RemoteMissing: it does not exist.
        """
        body: dict[str, Any] = {"id": id}
        if name is not None:
            body["name"] = name
        if not isinstance(parent_id, Keep):
            body["parentId"] = parent_id
        if forbid is not None:
            body["forbid"] = forbid
        if tags is not None:
            body["tags"] = list(tags)
        await self._call(to.UPDATE, body, nothing)

    async def delete(self, id: str) -> None:
        """Delete a collection; a folder with all below it.

        Raises:
            RemoteMissing: it is gone already.
        """
        await self._call(to.DELETE, {}, nothing, query=query("id", id))

    # ------------------------------------------------------------ training and data

    async def training(self, id: str) -> TrainingDetail:
        """The tasks and trained rows of a collection, from the primary (observed fact 26)."""
        return await self._get(to.TRAINING, "collectionId", id, self._read_training)

    def _read_training(self, data: object) -> TrainingDetail:
        return wire.training("training", data, self._own_queue)

    async def training_errors(self, id: str) -> list[str]:
        """What went wrong, in the server's words; up to 4.14 tasks that are still tried again are among them."""
        body = {"collectionId": id, "offset": 0, "pageSize": 10}
        return await self._call(to.TRAINING_ERRORS, body, partial(wire.error_texts, "training_errors"))

    async def retry_training(self, dataset_id: str, collection_id: str) -> None:
        """Give failed tasks new tries. 4.15.0 on takes the collection alone, older ones want both (api 2.6)."""
        body = {"collectionId": collection_id} if self._own_queue else _both(dataset_id, collection_id)
        try:
            await self._call(to.RETRY_TRAINING, body, nothing)
        except RouteMissing:
            raise
        except errors.Incompatible:
            await self._call(to.RETRY_TRAINING, {"collectionId": collection_id}, nothing)

    async def chunks(self, collection_id: str) -> list[str]:
        """The texts of all rows of a collection, ``q`` and ``a`` joined by a newline, in the server's order.

        Raises:
            Misshapen: they are more than any document has.
        """

        async def ask(offset: int) -> tuple[list[tuple[str, str]], int]:
            # A larger page is cut to 30, and the offset counts only with a page size (observed fact 13).
            body = {"collectionId": collection_id, "offset": offset, "pageSize": _OLD_PAGE}
            return await self._call(to.CHUNKS, body, partial(wire.chunks, "chunks"))

        found, _ = await one_pass(to.CHUNKS, ask, len)
        return list(found.values())

    async def search_test(
        self,
        dataset_id: str,
        text: str,
        *,
        mode: str = "mixedRecall",
        limit: int = 5000,
        similarity: float = 0.0,
        tries: int | None = None,
    ) -> list[Hit]:
        """What FastGPT's retrieval finds for a text, best first.

        Waits its turn; a refusal for haste pauses all search tests of this client, and nothing else. It is repeated
        by itself, until nothing but refusals came for ``search_patience`` seconds.

        Args:
            limit: tokens, not hits; the first hit always comes (fastgpt-api.md 2.8).
            similarity: 0 .. 1; without effect in full-text mode (observed fact 16).
            tries: so many refusals of this very text are waited for; ``None`` is as many as there is patience for.

        Raises:
            ValueError: the text is blank, which the server would refuse.
            RateLimited: the patience is over, or so are the tries.
        """
        if not text.strip():
            raise ValueError("a search test needs a text")
        body = {
            "datasetId": dataset_id,
            "text": text,
            "limit": limit,
            "similarity": similarity,
            "searchMode": mode,
            "usingReRank": False,
            "datasetSearchUsingExtensionQuery": False,  # on by default up to 4.8.20; costs a model call
        }
        for refused in itertools.count(1):
            async with self.searches:
                if (found := await self._search(body, last=refused == tries)) is not None:
                    return found
        raise AssertionError  # the count has no end

    async def _search(self, body: object, *, last: bool) -> list[Hit] | None:
        """One try; ``None`` when the server limits search tests and there is patience left."""
        began = asyncio.get_running_loop().time()
        try:
            answer = await self._ask(to.SEARCH, body)
            found = self._data(to.SEARCH, answer, partial(wire.hits, "search"))
        except errors.RateLimited as error:
            pause = self.searches.refused(began, error.retry_after)
            lasts = self.searches.refused_for() + max(error.retry_after or 0.0, pause)
            if self.search_patience is not None and lasts > self.search_patience:
                if self.search_patience:
                    error.retry_after = math.inf  # to wait for it was tried
                    self.searches.abandon(error)
                raise
            if last:
                raise
            return None
        except errors.Unavailable:
            self.searches.failed(began)
            raise
        self.searches.answered(answer.seconds)
        return found

    def give_up_searches(self) -> None:
        """While the server limits search tests: end those that wait, since somebody asked to stop."""
        self.search_patience = 0.0
        if self.searches.refused_for():
            limit = errors.RateLimited("the server limits search tests", hint="they go on in the next run")
            limit.endpoint = to.SEARCH.name
            self.searches.abandon(limit)


def _both(dataset_id: str, collection_id: str) -> dict[str, str]:
    return {"datasetId": dataset_id, "collectionId": collection_id}
