"""Carries out one action: intent into the ledger, call, outcome into the ledger.

Every step may be the last one before a crash: whatever is in the ledger then, the next plan goes on from there.
"""

from __future__ import annotations

import asyncio
import os
import posixpath
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from syncd.config import Source
from syncd.convert import ChangedWhileReading, Outgoing, prepare
from syncd.errors import (
    OutcomeUnknown,
    Permanent,
    RemoteMissing,
    ServerError,
    SyncdError,
    Transient,
    Unavailable,
)
from syncd.fastgpt.client import Client
from syncd.fastgpt.models import Collection
from syncd.folders import Folders
from syncd.ledger import Ledger, entries, moves, records
from syncd.models import (
    CollectionId,
    Delete,
    DocumentKey,
    FileSnapshot,
    Flip,
    LedgerEntry,
    Marker,
    Move,
    Problem,
    Proof,
    Prove,
    Restore,
    Resume,
    Retire,
    Revision,
    State,
    Upload,
)
from syncd.names import encode_filename, remote_name
from syncd.plan import SourcePolicy
from syncd.progress import Progress
from syncd.prove import Material, Prover
from syncd.training import TrainingWatch

LOOKS = 3  # absences before an upload is sent again (rule 11)
LOOK_FOR = 30.0  # seconds over which they are spread, counted from the request's last sign
_INLINE = 256 * 1024  # bytes; larger files are converted in a thread


class Unproven(SyncdError):
    """Search misses the document, but nothing shows that search works at all: the server's trouble (rule 6)."""

    code = "unproven"


class Gone(SyncdError):
    """The file changed or vanished between plan and action: the next look at the disk decides."""

    code = "changed"


@dataclass(slots=True)
class SourceState:
    """One source at run time: its configuration and what is bound to it."""

    config: Source
    policy: SourcePolicy
    space: str
    dataset_id: str = ""

    def disk_path(self, snapshot: FileSnapshot) -> str:
        """Where the document's file is."""
        return os.path.join(self.config.path, snapshot.disk_name)


@dataclass(slots=True)
class Applier:
    """Does what plans say, one document at a time."""

    client: Client
    ledger: Ledger
    folders: Folders
    training: TrainingWatch
    prover: Prover
    sources: dict[str, SourceState]
    uploads: asyncio.Semaphore
    now: Callable[[], float]
    run: Callable[..., Awaitable[Any]]  # runs blocking work elsewhere: asyncio.to_thread
    progress: Progress
    _materials: dict[str, Material] = field(default_factory=dict)  # by revision, while it is under way

    # ------------------------------------------------------------ upload

    async def upload(self, action: Upload, entry: LedgerEntry) -> None:
        """Send the content, hidden.

        Raises:
            Gone: the file is not what was planned.
            Permanent: it cannot be sent.
            OutcomeUnknown: it may have arrived.
            ServerError: it was not sent; nothing is left of the intent.
        """
        source = self.sources[action.key.source]
        placement = source.policy.placement(action.key.path)
        folder = posixpath.dirname(placement.partition("\n")[0])
        folder_id = await self.folders.ensure(action.key.source, source.dataset_id, folder)
        async with self.uploads:
            outgoing = await self._prepare(source, action.snapshot)
            revision = await self.ledger.commit(
                "upload_intent",
                lambda db: moves.begin_upload(
                    db, entry.document_id, action.snapshot, source.dataset_id, self.now()
                ),
            )
            self._materials[revision.id] = Material.of(outgoing, action.key.path, source.config.training.mode)
            await self._send(source, action.key, revision, outgoing, folder_id)

    async def _prepare(self, source: SourceState, snapshot: FileSnapshot) -> Outgoing:
        def convert() -> Outgoing:
            return prepare(
                source.disk_path(snapshot),
                path=snapshot.key.path,
                sha256=snapshot.sha256,
                encodings=source.config.encodings,
                max_size=source.config.max_size,
                unique=snapshot.sha256,
            )

        try:
            outgoing: Outgoing = convert() if snapshot.size <= _INLINE else await self.run(convert)
        except ChangedWhileReading as error:
            raise Gone(error.message) from error
        except FileNotFoundError as error:
            raise Gone("the file vanished") from error
        except OSError as error:
            raise Permanent(
                Problem.UNREADABLE, f"the file cannot be read: {error.strerror}", hint="check its rights"
            ) from error
        return outgoing

    async def _send(
        self, source: SourceState, key: DocumentKey, revision: Revision, outgoing: Outgoing, folder_id: str | None
    ) -> None:
        body = outgoing.body
        try:
            collection_id = await self.client.upload(
                dataset_id=source.dataset_id,
                parent_id=folder_id,
                filename=encode_filename(outgoing.upload_name),
                content_type=outgoing.content_type,
                body=body.whole if body.whole is not None else lambda: _held_back(outgoing, self.progress),
                size=outgoing.size,
                marker=self._marker(source, key, revision),
                training=source.config.training,
                tags=source.config.tags,
            )
        except OutcomeUnknown:
            await self.ledger.commit(
                "upload_unknown", lambda db: moves.outcome_unknown(db, revision, self.now())
            )
            raise
        except ChangedWhileReading as error:
            # The stream was broken off on purpose; should the request have arrived, the marker will show it.
            await self.ledger.commit(
                "upload_unknown", lambda db: moves.outcome_unknown(db, revision, self.now())
            )
            raise Gone(error.message) from error
        except (Permanent, Transient, ServerError) as error:
            reason = error.message
            await self.ledger.commit(
                "upload_refused", lambda db: moves.never_sent(db, revision, self.now(), reason)
            )
            raise
        if body.whole is not None:
            self.progress.sent(outgoing.size)
        await self.ledger.commit(
            "uploaded", lambda db: moves.identified(db, revision, collection_id, self.now())
        )
        self.progress.count("uploaded", key)
        await self._hide(revision, collection_id)

    def _marker(self, source: SourceState, key: DocumentKey, revision: Revision) -> Marker:
        return Marker(
            space=source.space,
            ledger=self.ledger.id,
            document=entries.document_uuid(self.ledger.conn, revision.document_id),
            revision=revision.id,
            attempt=revision.attempt,
            source=key.source,
            path=key.path,
            sha256=revision.content.sha256,
            settings=revision.content.settings,
        )

    async def _hide(self, revision: Revision, collection_id: CollectionId) -> None:
        await self.client.update(collection_id, forbid=True)
        await self.ledger.commit("hidden", lambda db: moves.hidden(db, revision))

    # ------------------------------------------------------------ resume

    async def resume(self, action: Resume, snapshot: FileSnapshot | None) -> None:
        """Take a candidate to the end of its training, compare its content, and flip.

        Args:
            action: the candidate.
            snapshot: what the disk says now; ``None`` when the file is gone.
        """
        revision = action.revision
        if revision.state is State.UPLOADING:
            await self._look(action, snapshot)
            return
        assert revision.collection_id is not None  # noqa: S101 - from `indexing` on the ledger has it
        if revision.visible:
            await self._hide(revision, revision.collection_id)
        source = self.sources[action.key.source]
        if snapshot is None:
            raise Gone("the file vanished")
        folder = posixpath.dirname(source.policy.placement(action.key.path).partition("\n")[0])
        folder_id = self.folders.known(source.dataset_id, folder)
        with self.progress.training():
            await self.training.wait(source.dataset_id, folder_id, revision.collection_id)
        material = await self._material(source, snapshot, revision)
        weak = await self.prover.compare(revision.collection_id, material)
        await self.ledger.commit("flip_intent", lambda db: moves.begin_flip(db, revision, weak))

    async def _look(self, action: Resume, snapshot: FileSnapshot | None) -> None:
        """Find out whether an upload arrived; send it again only after enough absences (rule 11)."""
        revision = action.revision
        source = self.sources[action.key.source]
        folder = posixpath.dirname(source.policy.placement(action.key.path).partition("\n")[0])
        found = await self._find(source, self.folders.known(source.dataset_id, folder), revision)
        if found is not None:
            await self.ledger.commit(
                "uploaded", lambda db: moves.identified(db, revision, found.id, self.now())
            )
            await self._hide(revision, found.id)
            return
        await self.ledger.commit("absence", lambda db: moves.count_absence(db, revision))
        sent_at = revision.sent_at or 0.0
        waited = self.now() - sent_at
        if revision.absences + 1 < LOOKS or waited < LOOK_FOR:
            left = max(LOOK_FOR - waited, 0.0)
            await asyncio.sleep(max(1.0, left / max(LOOKS - 1 - revision.absences, 1)) + 0.01)
            return
        if snapshot is None or snapshot.content != revision.content:
            await self.ledger.commit(
                "never_sent", lambda db: moves.never_sent(db, revision, self.now(), "never arrived")
            )
            return
        outgoing = await self._prepare(source, snapshot)
        folder_id = await self.folders.ensure(action.key.source, source.dataset_id, folder)
        async with self.uploads:
            attempt = await self.ledger.commit(
                "upload_again", lambda db: moves.send_again(db, revision, self.now())
            )
            fresh = entries.revision(self.ledger.conn, revision.id)
            assert fresh is not None and fresh.attempt == attempt  # noqa: S101
            self.progress.resent.add((source.dataset_id, folder_id))
            await self._send(source, action.key, fresh, outgoing, folder_id)

    async def _find(self, source: SourceState, folder_id: str | None, revision: Revision) -> Collection | None:
        known = entries.known_collections(self.ledger.conn, source.dataset_id)
        for row in await self.client.walk_folder(source.dataset_id, folder_id):
            if row.is_folder or row.id in known:
                continue
            try:
                detail = await self.client.collection(row.id)
            except RemoteMissing:
                continue
            if detail.marker is not None and detail.marker.attempt == revision.attempt:
                return detail
        return None

    async def _material(self, source: SourceState, snapshot: FileSnapshot | None, revision: Revision) -> Material:
        """The text the revision was made of: kept since the upload, or read again if the file is still the same."""
        kept = self._materials.get(revision.id)
        if kept is not None:
            return kept
        if snapshot is None or snapshot.content != revision.content:
            return Material(None, "the file is not there any more in the version that was sent")
        outgoing = await self._prepare(source, snapshot)
        return Material.of(outgoing, snapshot.key.path, source.config.training.mode)

    # ------------------------------------------------------------ flip and proof

    async def prove(self, action: Prove, entry: LedgerEntry, snapshot: FileSnapshot | None) -> Proof | None:
        """Finish the flip, search, and decide; or prove a serving revision again.

        Raises:
            Permanent: ``search-missing``, after the old version was shown again.
            Unproven: search works for nothing here.
        """
        revision = action.revision
        source = self.sources[action.key.source]
        if revision.state is State.VERIFIED:
            return await self._prove_again(source, revision, snapshot)
        old = entry.serving
        if revision.flip is Flip.BACK:
            await self._finish_back(action.key, revision, old)
            return None
        material = await self._material(source, snapshot, revision)
        weak = revision.weak
        if revision.reason == ADOPTED:
            weak = await self._compare_adopted(source, action.key, revision, old, material)
        if revision.flip is Flip.FORWARD:
            await self._show(source, action.key, revision, old)
        proof = await self.prover.search(revision, source.config.verify, material, weak)
        self.progress.proof(action.key, proof)
        if proof.passed:
            await self.ledger.commit(
                "verified",
                lambda db: moves.verify(db, revision, proof, self.now(), source.config.delete.grace),
            )
            self._materials.pop(revision.id, None)
            if old is not None:
                self.progress.counts["replaced"] += 1
            self.progress.count("verified", action.key, proof.weak)
            return proof
        await self._back(action.key, revision, old, proof)
        return proof

    async def _show(self, source: SourceState, key: DocumentKey, revision: Revision, old: Revision | None) -> None:
        """Show the new one under its true name, see it visible, then hide the old one (rules 1 and 33)."""
        assert revision.collection_id is not None  # noqa: S101
        placement = source.policy.placement(key.path)
        await self._place(source, key, revision.collection_id, forbid=False)
        if old is not None and old.collection_id is not None:
            await self._see_visible(revision.collection_id)
            try:
                await self.client.update(old.collection_id, forbid=True)
            except RemoteMissing:
                old_gone = old
                await self.ledger.commit(
                    "old_lost", lambda db: moves.lost(db, old_gone, self.now(), "deleted by somebody else")
                )
                old = None
        await self.ledger.commit("flipped", lambda db: moves.flipped(db, revision, placement, old))

    async def _place(
        self, source: SourceState, key: DocumentKey, collection_id: CollectionId, *, forbid: bool | None = None
    ) -> None:
        folder = posixpath.dirname(source.policy.placement(key.path).partition("\n")[0])
        folder_id = await self.folders.ensure(key.source, source.dataset_id, folder)
        await self.client.update(
            collection_id,
            name=remote_name(key.path),
            parent_id=folder_id,
            forbid=forbid,
            tags=source.config.tags or None,
        )

    async def _see_visible(self, collection_id: CollectionId) -> None:
        for pause in (0.2, 0.5, 1.0, 2.0, 5.0):
            if not (await self.client.collection(collection_id)).forbid:
                return
            await self.client.update(collection_id, forbid=False)
            await asyncio.sleep(pause)
        raise Unavailable("the server answers that it shows a collection, but keeps it hidden")

    async def _compare_adopted(
        self, source: SourceState, key: DocumentKey, revision: Revision, old: Revision | None, material: Material
    ) -> str:
        assert revision.collection_id is not None  # noqa: S101
        try:
            return await self.prover.compare(revision.collection_id, material)
        except Permanent as error:
            await self._turn_back(key, revision, old, error.message)
            raise

    async def _back(self, key: DocumentKey, revision: Revision, old: Revision | None, proof: Proof) -> None:
        """Search misses what was just shown: show the old one again, then blame whoever is to blame (rule 6)."""
        await self._turn_back(key, revision, old, proof.failure)
        works = await self.prover.control(revision)
        if not works and old is not None and old.collection_id is not None:
            works = await self._old_is_found(old)
        if works:
            raise Permanent(
                Problem.SEARCH_MISSING,
                proof.failure,
                hint="`syncd history PATH` shows the probes; `syncd retry` tries again",
            )
        raise Unproven(
            f"{proof.failure}, and no other document of the dataset is found either",
            hint="search or the embedding model of the server is in trouble; the next run proves again",
        )

    async def _old_is_found(self, old: Revision) -> bool:
        for query, mode in entries.found_probes(self.ledger.conn, old.id)[:2]:
            hits = await self.client.search_test(old.dataset_id, query, mode=mode)
            if any(hit.collection_id == old.collection_id for hit in hits):
                return True
        return False

    async def _turn_back(self, key: DocumentKey, revision: Revision, old: Revision | None, reason: str) -> None:
        await self.ledger.commit("flip_back_intent", lambda db: moves.begin_flip_back(db, revision, reason))
        await self._finish_back(key, revision, old)

    async def _finish_back(self, key: DocumentKey, revision: Revision, old: Revision | None) -> None:
        """Show the old one, see it visible, then hide the new one; without an old one that was proven, only hide."""
        assert revision.collection_id is not None  # noqa: S101
        if old is not None and old.collection_id is not None:
            try:
                await self.client.update(old.collection_id, forbid=False)
                await self._see_visible(old.collection_id)
            except RemoteMissing:
                lost = old
                message = "the old version is gone, so the new one stays visible although search misses it"
                await self.ledger.commit(
                    "old_lost",
                    lambda db: (
                        moves.lost(db, lost, self.now(), "deleted by somebody else"),
                        records.add_finding(
                            db, "unproven", key.source, key.path, revision.collection_id, message, self.now()
                        ),
                        moves.stays_visible(db, revision),
                    ),
                )
                return
        await self.client.update(revision.collection_id, forbid=True)
        await self.ledger.commit("flipped_back", lambda db: moves.flipped_back(db, revision, old))

    async def _prove_again(
        self, source: SourceState, revision: Revision, snapshot: FileSnapshot | None
    ) -> Proof:
        material = await self._material(source, snapshot, revision)
        proof = await self.prover.search(revision, source.config.verify, material, revision.weak)
        await self.ledger.commit("reproved", lambda db: moves.reproved(db, revision, proof, self.now()))
        if not proof.passed:
            key = entries.key_of(self.ledger.conn, revision.document_id)
            await self.ledger.commit(
                "finding",
                lambda db: records.add_finding(
                    db, "unproven", key.source, key.path, revision.collection_id, proof.failure, self.now()
                ),
            )
        return proof

    # ------------------------------------------------------------ retire, delete, restore, move

    async def retire(self, action: Retire, snapshot_exists: Callable[[], bool]) -> None:
        """Hide a revision; its deletion comes after the grace."""
        revision = action.revision
        if action.vanished and snapshot_exists():
            raise Gone("the file is there again")
        if revision.state is not State.RETIRED:
            await self.ledger.commit(
                "retired",
                lambda db: moves.retire(
                    db,
                    revision,
                    action.reason,
                    self.now(),
                    action.grace,
                    vanished=action.vanished,
                    source=action.key.source,
                ),
            )
        if revision.collection_id is not None and (revision.visible or action.vanished):
            try:
                await self.client.update(revision.collection_id, forbid=True)
            except RemoteMissing:
                await self.ledger.commit(
                    "lost", lambda db: moves.lost(db, revision, self.now(), "deleted by somebody else")
                )
        await self.ledger.commit("hidden", lambda db: moves.hidden(db, revision))
        if action.vanished:
            self.progress.count("retired", action.key)

    async def delete(self, action: Delete) -> None:
        """Delete a retired revision, if the server shows that it is ours, hidden and not needed (rule 13)."""
        revision = action.revision
        objection = await self._objection(revision)
        if objection:
            await self.ledger.commit(
                "finding",
                lambda db: records.add_finding(
                    db, "changed", action.key.source, action.key.path, revision.collection_id, objection, self.now()
                ),
            )
            raise Gone(objection)
        assert revision.collection_id is not None  # noqa: S101
        await self.ledger.commit("delete_intent", lambda db: moves.begin_delete(db, revision))
        try:
            await self.client.delete(revision.collection_id)
        except RemoteMissing:
            pass  # somebody was faster, or an earlier request of ours arrived after all
        await self.ledger.commit("deleted", lambda db: moves.deleted(db, revision, self.now()))
        self.progress.count("deleted", action.key)

    async def _objection(self, revision: Revision) -> str:
        """Why this must not be deleted; "" when it may."""
        if revision.collection_id is None:
            return "the ledger does not know its collection"
        try:
            detail = await self.client.collection(revision.collection_id)
        except RemoteMissing:
            return ""
        if detail.marker is None or detail.marker.attempt != revision.attempt:
            return "the collection does not carry our marker any more; it is left alone"
        if not detail.forbid:
            return "the collection was made visible by somebody; it is left alone"
        if revision.successor is not None:
            successor = entries.serving_collection(self.ledger.conn, revision.document_id)
            if successor is None:
                return ""  # the whole document is gone, not only this version
            try:
                shown = await self.client.collection(successor)
            except RemoteMissing:
                return "its successor is not on the server; it is kept"
            if shown.forbid:
                return "its successor is hidden; it is kept"
        return ""

    async def restore(self, action: Restore) -> None:
        """Bring a retired revision back, without an upload."""
        revision = action.revision
        assert revision.collection_id is not None  # noqa: S101
        try:
            if action.as_serving:
                await self._restore_serving(action, revision, revision.collection_id)
            else:
                await self.client.collection(revision.collection_id)
                await self.ledger.commit("restored", lambda db: moves.restore(db, revision, self.now()))
        except RemoteMissing:
            await self.ledger.commit(
                "lost", lambda db: moves.lost(db, revision, self.now(), "deleted by somebody else")
            )

    async def _restore_serving(self, action: Restore, revision: Revision, collection_id: CollectionId) -> None:
        await self.client.update(collection_id, forbid=False)
        await self._see_visible(collection_id)
        await self.ledger.commit("served_again", lambda db: moves.serve_again(db, revision, self.now()))

    async def move(self, action: Move) -> None:
        """Tell the server the new folder, name and tags; the ledger followed before."""
        revision = action.revision
        source = self.sources[action.key.source]
        assert revision.collection_id is not None  # noqa: S101
        try:
            await self._place(source, action.key, revision.collection_id)
        except RemoteMissing:
            await self.ledger.commit(
                "lost", lambda db: moves.lost(db, revision, self.now(), "deleted by somebody else")
            )
            return
        placement = source.policy.placement(action.key.path)
        await self.ledger.commit("moved", lambda db: moves.placed(db, revision, placement))
        self.progress.count("moved", action.key)


ADOPTED = "adopted"


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
