"""Hiding what is not wanted any more, deleting it after its grace, and moving what stays."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from sqlite3 import Connection

from syncd.errors import RemoteMissing
from syncd.ledger import entries, moves, records
from syncd.ledger.moves import StaleMove
from syncd.logs import get_logger
from syncd.models import CollectionId, Delete, DocumentKey, Move, Retire, Revision, State
from syncd.work import Gone, Refused, Tools

log = get_logger(__name__)

LOOK_LATER = 3600.0  # seconds until a deletion that had to wait for its successor is tried again


@dataclass(slots=True)
class Retiring:
    """The end of a revision's life, and its moves."""

    tools: Tools

    async def retire(self, action: Retire, snapshot_exists: Callable[[], Awaitable[bool]]) -> None:
        """Hide a revision; its deletion comes after the grace.

        Raises:
            Gone: the file is there again.
        """
        tools, revision = self.tools, action.revision
        if action.vanished and await snapshot_exists():
            raise Gone("the file is there again")
        now_there = entries.revision(tools.ledger.conn, revision.id)
        if now_there is not None and now_there.state is State.RETIRED:
            revision = now_there  # its call came to nothing after the ledger had followed
        if revision.state is not State.RETIRED:
            await tools.ledger.commit(
                "retired",
                lambda db: moves.retire(
                    db,
                    revision,
                    action.reason,
                    tools.now(),
                    action.grace,
                    vanished=action.vanished,
                    source=action.key.source,
                ),
            )
        if revision.collection_id is not None and (revision.visible or action.vanished):
            try:
                if not action.vanished:
                    await self._see_serving(revision, revision.collection_id)
                await tools.client.update(revision.collection_id, forbid=True)
            except RemoteMissing:
                await tools.ledger.commit(
                    "lost", lambda db: moves.lost(db, revision, tools.now(), "deleted by somebody else")
                )
        await tools.ledger.commit("hidden", lambda db: moves.hidden(db, revision))
        tools.materials.drop(revision.id)
        if action.vanished:
            tools.progress.count("retired", action.key)
            log.info("document.retired", **_named(action.key, revision), grace=action.grace)

    async def _see_serving(self, revision: Revision, collection_id: CollectionId) -> None:
        """Before a version of a document that still exists is hidden, the serving one is seen visible (rule 1)."""
        serving = entries.serving_collection(self.tools.ledger.conn, revision.document_id)
        if serving is not None and serving != collection_id:
            with suppress(RemoteMissing):  # it is lost, and the next survey says so
                await self.tools.see_visible(serving)

    # ------------------------------------------------------------ delete

    async def delete(self, action: Delete) -> None:
        """Delete a retired revision, if the server shows that it is ours, hidden and not needed (rule 13).

        Raises:
            Refused: the server does not show that.
            StaleMove: it is not retired any more.
        """
        tools = self.tools
        revision = entries.revision(tools.ledger.conn, action.revision.id)
        if revision is None or revision.state is not State.RETIRED or revision.collection_id is None:
            raise StaleMove("it is not retired any more")
        objection, for_good = await self._objection(revision, revision.collection_id)
        if objection:
            kept = revision
            again = None if for_good else tools.now() + LOOK_LATER

            def keep(db: Connection) -> None:
                moves.keep(db, kept, again)
                key = action.key
                records.add_finding(db, "changed", key.source, key.path, kept.collection_id, objection, tools.now())

            await tools.ledger.commit("finding", keep)
            raise Refused(objection)
        gone = revision
        await tools.ledger.commit("delete_intent", lambda db: moves.begin_delete(db, gone))
        with suppress(RemoteMissing):  # somebody was faster, or an earlier request of ours arrived after all
            await tools.client.delete(revision.collection_id)
        await tools.ledger.commit("deleted", lambda db: moves.deleted(db, gone, tools.now()))
        tools.progress.count("deleted", action.key)
        log.info("document.deleted", **_named(action.key, gone))

    async def _objection(self, revision: Revision, collection_id: CollectionId) -> tuple[str, bool]:
        """Why this must not be deleted ("" when it may), and whether it stays so for good."""
        client, conn = self.tools.client, self.tools.ledger.conn
        try:
            detail = await client.collection(collection_id)
        except RemoteMissing:
            return "", False
        if detail.marker is None or detail.marker.attempt != revision.attempt:
            return "the collection does not carry our marker any more; it is left alone", True
        if not detail.forbid:
            return "the collection was made visible by somebody; it is left alone", True
        if revision.successor is None or entries.is_gone(conn, revision.document_id):
            return "", False
        serving = entries.serving_collection(conn, revision.document_id)
        if serving is None:
            return "its successor is not there; it is kept", False
        try:
            shown = await client.collection(serving)
        except RemoteMissing:
            return "its successor is not on the server; it is kept", False
        return ("its successor is hidden; it is kept", False) if shown.forbid else ("", False)

    # ------------------------------------------------------------ move

    async def move(self, action: Move) -> None:
        """Tell the server the new folder, name and tags; the ledger followed before."""
        tools, revision = self.tools, action.revision
        source = tools.sources[action.key.source]
        placement = source.policy.placement(action.key.path)
        async with tools.folders.used():
            try:
                await tools.place(source, action.key, revision)
            except RemoteMissing:
                await tools.ledger.commit(
                    "lost", lambda db: moves.lost(db, revision, tools.now(), "deleted by somebody else")
                )
                return
            await tools.ledger.commit("moved", lambda db: moves.placed(db, revision, placement))
        tools.progress.count("moved", action.key)
        log.info("document.moved", **_named(action.key, revision))


def _named(key: DocumentKey, revision: Revision) -> dict[str, object]:
    """What a line of the log says of a revision."""
    return {
        "source": key.source,
        "path": key.path,
        "collection_id": revision.collection_id,
        "revision": revision.id,
    }
