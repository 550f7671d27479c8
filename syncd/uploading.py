"""Sending a document, and finding out what became of an upload whose answer never came."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from syncd import due
from syncd.convert import ChangedWhileReading, Outgoing
from syncd.errors import OutcomeUnknown, Permanent, RemoteMissing, ServerError, Transient
from syncd.fastgpt.endpoints import UPLOAD
from syncd.fastgpt.envelope import DatasetMissing
from syncd.fastgpt.models import Collection
from syncd.fastgpt.reading import Misshapen
from syncd.ledger import entries, moves, remote
from syncd.models import (
    CollectionId,
    DocumentKey,
    FileSnapshot,
    LedgerEntry,
    Marker,
    Problem,
    Resume,
    Revision,
    State,
    Upload,
)
from syncd.names import encode_filename
from syncd.progress import Progress
from syncd.prove import Material
from syncd.work import Gone, SourceState, Spent, Tools, Untrained

LOOKS = 3  # absences before an upload is sent again (rule 11)
LOOK_FOR = 30.0  # seconds over which they are spread, counted from the request's last sign
_AGAIN = (5.0, 15.0, 45.0)  # seconds until a training that failed is begun once more, while others are in training
_OF_THE_DATASET = frozenset({Problem.TRAINING_FAILED.value, Problem.TRAINING_TIMEOUT.value})


@dataclass(slots=True)
class Uploading:
    """From the file to a trained, compared, hidden collection."""

    tools: Tools

    async def upload(self, action: Upload, entry: LedgerEntry) -> None:
        """Send the content, hidden.

        Raises:
            Gone: the file is not what was planned.
            Permanent: it cannot be sent.
            OutcomeUnknown: it may have arrived.
            ServerError: it was not sent; nothing is left of the intent.
        """
        tools = self.tools
        source = tools.sources[action.key.source]
        folder = source.folder_of(action.key.path)
        tools.admit(UPLOAD.name)
        # Before its turn comes: a folder that nobody can make holds up no other upload.
        async with tools.folders.used():
            await tools.folders.ensure(action.key.source, source.dataset_id, folder)
        async with tools.uploads:
            tools.admit(UPLOAD.name)
            async with tools.folders.used():
                folder_id = await tools.folders.ensure(action.key.source, source.dataset_id, folder)
                outgoing = await tools.prepare(source, action.snapshot)
                revision = await tools.ledger.commit(
                    "upload_intent",
                    lambda db: moves.begin_upload(
                        db, entry.document_id, action.snapshot, source.dataset_id, tools.now()
                    ),
                )
            tools.materials.put(revision.id, Material.of(outgoing, action.key.path, source.config.training.mode))
            await self._send(source, action.key, revision, outgoing, folder_id)

    async def _send(
        self, source: SourceState, key: DocumentKey, revision: Revision, outgoing: Outgoing, folder_id: str | None
    ) -> None:
        tools, body = self.tools, outgoing.body
        try:
            collection_id = await tools.client.upload(
                dataset_id=revision.dataset_id,
                parent_id=folder_id,
                filename=encode_filename(outgoing.upload_name),
                content_type=outgoing.content_type,
                body=body.whole if body.whole is not None else lambda: _held_back(outgoing, tools.progress),
                size=outgoing.size,
                marker=self._marker(source, key, revision),
                training=source.config.training,
                tags=source.config.tags,
            )
        except OutcomeUnknown as error:
            await self._unknown(revision)
            tools.doubts[revision.id] = error
            raise
        except ChangedWhileReading as error:
            # The stream was broken off on purpose; should the request have arrived, the marker will show it.
            await self._unknown(revision)
            raise Gone(error.message) from error
        except (Permanent, Transient, ServerError, RemoteMissing) as error:
            reason = error.message
            await tools.ledger.commit("upload_refused", lambda db: moves.never_sent(db, revision, tools.now(), reason))
            raise
        if entries.by_collection(tools.ledger.conn, collection_id) is not None:
            await self._unknown(revision)
            raise self._nobodys(revision, f"gave {collection_id} for it, which is another document's")
        tools.training.sent(collection_id, outgoing.size)
        if body.whole is not None:
            tools.progress.sent(outgoing.size)
        await tools.ledger.commit("uploaded", lambda db: moves.identified(db, revision, collection_id, tools.now()))
        tools.taken_at[0] = asyncio.get_running_loop().time()
        tools.progress.count("uploaded", key)
        try:
            await tools.hide(revision, collection_id)
        except DatasetMissing:
            raise
        except RemoteMissing as error:
            await tools.ledger.commit("upload_unknown", lambda db: moves.unidentified(db, revision, tools.now()))
            raise self._nobodys(revision, f"gave {collection_id} for it, and does not know that") from error

    def _nobodys(self, revision: Revision, what: str) -> OutcomeUnknown:
        """The answer to an upload names an id that cannot be its own: it is looked for like one without an answer."""
        said = f"The file was sent, but the server {what}."
        unknown = OutcomeUnknown(said, hint="It is looked for by its marker.", cause=Misshapen(said))
        unknown.endpoint = UPLOAD.name
        self.tools.doubts[revision.id] = unknown
        return unknown

    async def _unknown(self, revision: Revision) -> None:
        await self.tools.ledger.commit(
            "upload_unknown", lambda db: moves.outcome_unknown(db, revision, self.tools.now())
        )

    def _marker(self, source: SourceState, key: DocumentKey, revision: Revision) -> Marker:
        return Marker(
            space=source.space,
            ledger=self.tools.ledger.id,
            document=entries.document_uuid(self.tools.ledger.conn, revision.document_id),
            revision=revision.id,
            attempt=revision.attempt,
            source=key.source,
            path=key.path,
            sha256=revision.content.sha256,
            settings=revision.content.settings,
            sent_as=revision.sent_as,
        )

    # ------------------------------------------------------------ resume

    async def resume(self, action: Resume, snapshot: FileSnapshot | None) -> None:
        """Take a candidate to the end of its training, compare its content, and begin the flip.

        Args:
            action: the candidate.
            snapshot: what the disk says now; ``None`` when the file is gone.
        """
        tools, revision = self.tools, action.revision
        if revision.state is State.UPLOADING:
            await self._look(action, snapshot)
            return
        assert revision.collection_id is not None  # noqa: S101 - from `indexing` on the ledger has it
        if revision.visible:
            await tools.hide(revision, revision.collection_id)
        source = tools.sources[action.key.source]
        if snapshot is None:
            raise Gone("the file vanished")
        folder_id = tools.folders.known(source.dataset_id, source.folder_of(action.key.path))
        with tools.progress.training():
            await self._trained(source, action.key, folder_id, revision)
        material = await tools.material(source, snapshot, revision)
        found = await tools.compare(revision, material)
        await tools.ledger.commit("flip_intent", lambda db: moves.begin_flip(db, revision, found.weak, found.remark))

    async def _trained(self, source: SourceState, key: DocumentKey, folder_id: str | None, revision: Revision) -> None:
        """Wait for the training; a failure counts only while the dataset works otherwise (rule 6)."""
        tools = self.tools
        assert revision.collection_id is not None  # noqa: S101
        collection_id, dataset_id = revision.collection_id, source.dataset_id
        pauses = iter(_AGAIN)
        while True:
            try:
                await tools.unless_stopped(tools.training.wait(dataset_id, folder_id, collection_id), key)
            except Permanent as error:
                if not await self._is_to_blame(revision, collection_id, dataset_id, error):
                    pause = next(pauses, None)
                    others = tools.training.others_wait(collection_id, dataset_id)
                    if error.code == Problem.TRAINING_TIMEOUT:  # a task whose worker died is taken up again when asked
                        await tools.client.retry_training(dataset_id, collection_id)
                    if error.code == Problem.TRAINING_TIMEOUT or pause is None or not others:
                        raise _untrained(error, tools.suspects.others(collection_id, dataset_id)) from error
                    await tools.unless_stopped(asyncio.sleep(pause), key)  # the others may show whose fault it is
                    continue
                tools.suspects.cleared(collection_id)
                raise
            else:
                tools.suspects.cleared(collection_id)
                return

    async def _is_to_blame(
        self, revision: Revision, collection_id: CollectionId, dataset_id: str, error: Permanent
    ) -> bool:
        """Whether a training that failed is the document's fault: only while others are trained (rule 6)."""
        tools, now = self.tools, asyncio.get_running_loop().time()
        if error.code not in (*_OF_THE_DATASET, Problem.PARSE_FAILED.value):
            return True
        stalled = tools.training.timeout if error.code == Problem.TRAINING_TIMEOUT else 0.0
        since = tools.suspects.failed(collection_id, dataset_id, now - stalled)
        if tools.training.others_progressed(collection_id, dataset_id, since):
            return True
        others = tools.suspects.others(collection_id, dataset_id)
        if error.code == Problem.PARSE_FAILED:  # a file that cannot be read, unless nobody's can
            return not others and not tools.training.others_wait(collection_id, dataset_id)
        return tools.suspects.long_alone(collection_id, now) and await tools.prover.control(revision)

    async def _look(self, action: Resume, snapshot: FileSnapshot | None) -> None:
        """Find out whether an upload arrived; send it again only after enough absences (rule 11)."""
        tools, revision = self.tools, action.revision
        source = tools.sources[action.key.source]
        folder = source.folder_of(action.key.path)
        # A survey that ran beside it would find the same collection, and take it for a double.
        async with tools.uploads:
            tools.admit("")
            now = entries.revision(tools.ledger.conn, revision.id)
            if now is None or now.state is not State.UPLOADING:
                return
            found = await self._find(source, tools.folders.known(source.dataset_id, folder), revision)
            if found is not None:
                await tools.ledger.commit("uploaded", lambda db: moves.identified(db, revision, found.id, tools.now()))
                await tools.hide(revision, found.id)
                return
        await tools.ledger.commit("absence", lambda db: moves.count_absence(db, revision))
        waited = due.age(revision.sent_at, tools.now())
        if revision.absences + 1 < LOOKS or waited < LOOK_FOR:
            left = max(LOOK_FOR - waited, 0.0)
            pause = max(1.0, left / max(LOOKS - 1 - revision.absences, 1)) + 0.01
            await tools.unless_stopped(asyncio.sleep(pause), action.key)
            return
        doubt = tools.doubts.pop(revision.id, None)
        if snapshot is None or snapshot.content != revision.content:
            await self._never_sent(revision)
            return
        if doubt is not None and isinstance(doubt.cause, Permanent):
            await self._never_sent(revision)  # nothing took effect, so what the answer said is so
            raise doubt.cause
        spent = tools.spent.get(revision.id)
        if spent is not None:
            raise Spent(spent.message, hint=spent.hint)
        outgoing = await tools.prepare(source, snapshot)
        async with tools.uploads:
            tools.admit(UPLOAD.name)
            async with tools.folders.used():
                folder_id = await tools.folders.ensure(action.key.source, source.dataset_id, folder)
            attempt = await tools.ledger.commit("upload_again", lambda db: moves.send_again(db, revision, tools.now()))
            fresh = entries.revision(tools.ledger.conn, revision.id)
            assert fresh is not None and fresh.attempt == attempt  # noqa: S101
            tools.progress.resent.add((source.dataset_id, folder_id))
            await self._send(source, action.key, fresh, outgoing, folder_id)

    async def _never_sent(self, revision: Revision) -> None:
        # It may still arrive later; the survey after the pass looks for it as for any upload that was given up.
        self.tools.progress.resent.add((revision.dataset_id, None))
        await self.tools.ledger.commit(
            "never_sent", lambda db: moves.never_sent(db, revision, self.tools.now(), "never arrived", late=True)
        )

    async def _find(self, source: SourceState, folder_id: str | None, revision: Revision) -> Collection | None:
        """The collection of one attempt among those that the ledger does not know; others' are asked for once."""
        tools = self.tools
        conn, dataset_id = tools.ledger.conn, source.dataset_id
        strangers = remote.strangers(conn, dataset_id)
        spaces = {state.space for state in tools.sources.values()}
        foreign: list[str] = []
        found: Collection | None = None
        rows = await tools.client.walk_folder(dataset_id, folder_id)
        known = await entries.known_among(tools.ledger, [row.id for row in rows if not row.is_folder])
        for row in rows:
            if row.is_folder or row.id in known or row.id in strangers:
                continue
            try:
                detail = await tools.client.collection(row.id)
            except RemoteMissing:
                continue
            if detail.marker is None or detail.marker.space not in spaces:
                foreign.append(row.id)
            elif detail.marker.attempt == revision.attempt:
                found = detail
                break
        if foreign:
            await tools.ledger.commit("strangers", lambda db: remote.remember_strangers(db, dataset_id, foreign))
        return found


def _held_back(outgoing: Outgoing, progress: Progress) -> Iterator[bytes]:
    """The body's blocks, the last one only after the bytes that were read proved to be the planned ones (rule 10)."""
    previous: bytes | None = None
    for block in outgoing.body.blocks():
        if previous is not None:
            progress.sent(len(previous))
            yield previous
        previous = block
    outgoing.body.verify()
    if previous is not None:
        progress.sent(len(previous))
        yield previous


def _untrained(error: Permanent, others: int) -> Untrained:
    """Nobody is blamed, and whoever asks hears why."""
    as_well = f"{others} others fail as well" if others > 1 else "another one fails as well" if others else ""
    reason = as_well or "nothing else of the dataset was trained since"
    return Untrained(
        f"{error.message}; {reason}, so no document is blamed and it is tried again",
        hint="look at the server's embedding model and its queue",
    )
