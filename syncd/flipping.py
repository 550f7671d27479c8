"""The switch from the old version of a document to the new one, its proof, and the way back (rules 1, 2, 4)."""

from __future__ import annotations

from dataclasses import dataclass
from sqlite3 import Connection

from syncd.errors import Permanent, RemoteMissing, ServerError
from syncd.ledger import entries, moves, records
from syncd.logs import get_logger
from syncd.models import (
    DocumentKey,
    FileSnapshot,
    Flip,
    LedgerEntry,
    Problem,
    Proof,
    Prove,
    Restore,
    Revision,
    State,
    Verdict,
)
from syncd.prove import Material
from syncd.work import SourceState, Tools, Unproven

log = get_logger(__name__)

ADOPTED = "adopted"
ALONE = "alone"
_LAST_ONE = frozenset({ADOPTED, ALONE})  # may be the only version anybody can see: never hidden without another one


def reproved(db: Connection, key: DocumentKey, revision: Revision, proof: Proof, now: float) -> None:
    """Keep a proof of what serves, and what a person should know of it; inside a write transaction."""
    moves.reproved(db, revision, proof, now)
    message = proof.failure or proof.finding
    records.note_proof(db, key, revision.collection_id, message, now, passed=proof.passed)


@dataclass(slots=True)
class Flipping:
    """From a compared, hidden candidate to a proven, visible version, or back."""

    tools: Tools

    async def prove(self, action: Prove, entry: LedgerEntry, snapshot: FileSnapshot | None) -> Proof | None:
        """Finish the flip, search, and decide; or prove a serving revision again.

        Raises:
            Permanent: ``search-missing``, after the old version was shown again.
            Unproven: search works for nothing here.
        """
        tools, revision = self.tools, action.revision
        source = tools.sources[action.key.source]
        if revision.state is State.VERIFIED:
            return await self._prove_again(source, revision, snapshot)
        old = entry.serving
        if revision.flip is Flip.BACK:
            await self._finish_back(action.key, revision, old)
            return None
        material = await tools.material(source, snapshot, revision)
        weak = revision.weak
        if revision.reason == ADOPTED:
            assert revision.collection_id is not None  # noqa: S101 - it was adopted by its id
            try:
                weak = (await tools.compare(revision, material)).weak
            except Permanent as error:
                if not await self.withdraw(action.key, revision, old, error.message):
                    raise
                return None
        if revision.flip is Flip.FORWARD and not await self._show(source, action.key, revision, old):
            return None  # the old one is gone: with what the ledger says now the next step goes on
        proof = await tools.prover.search(revision, source.config.verify, material, weak)
        if not proof.passed:
            await self._missed(action.key, revision, old, proof)
            return None

        def verify(db: Connection) -> None:
            moves.verify(db, revision, proof, tools.now(), source.config.delete.grace)
            records.note_proof(db, action.key, revision.collection_id, proof.finding, tools.now(), passed=True)

        await tools.ledger.commit("verified", verify)
        tools.progress.proof(action.key, proof)
        tools.materials.drop(revision.id)
        if old is not None:
            tools.progress.counts["replaced"] += 1
        self._log(action.key, revision, old, snapshot, proof)
        tools.progress.count("verified", action.key, proof.weak)
        return proof

    def _log(
        self, key: DocumentKey, revision: Revision, old: Revision | None, snapshot: FileSnapshot | None, proof: Proof
    ) -> None:
        ranks = [result.rank for result in proof.results if result.rank is not None]
        noticed = self.tools.progress.noticed(key)
        known = {
            "bytes": None if snapshot is None else snapshot.size,
            "replaces": None if old is None else old.collection_id,
            "worst_rank": max(ranks, default=None),
            "weak": proof.weak or None,
            "seconds": None if noticed is None else round(noticed, 3),
        }
        log.info(
            "document.verified",
            source=key.source,
            path=key.path,
            collection_id=revision.collection_id,
            revision=revision.id,
            sha256=revision.content.sha256,
            probes=len(proof.results),
            found=sum(result.verdict is Verdict.FOUND for result in proof.results),
            upload_to_proof=round(max(self.tools.now() - revision.created_at, 0.0), 3),
            **{name: value for name, value in known.items() if value is not None},
        )

    # ------------------------------------------------------------ forward

    async def _show(self, source: SourceState, key: DocumentKey, revision: Revision, old: Revision | None) -> bool:
        """Show the new one under its true name, see it visible, then hide the old one (rules 1 and 33).

        Returns:
            False when the old one was found gone.
        """
        async with self.tools.folders.used():
            return await self._show_in_place(source, key, revision, old)

    async def _show_in_place(
        self, source: SourceState, key: DocumentKey, revision: Revision, old: Revision | None
    ) -> bool:
        tools = self.tools
        assert revision.collection_id is not None  # noqa: S101
        placement = source.policy.placement(key.path)
        await tools.place(source, key, revision, forbid=False)
        if old is not None and old.collection_id is not None:
            await tools.see_visible(revision.collection_id)
            try:
                await tools.client.update(old.collection_id, forbid=True)
            except RemoteMissing:
                await tools.ledger.commit(
                    "old_lost", lambda db: moves.lost(db, old, tools.now(), "deleted by somebody else")
                )
                return False
        await tools.ledger.commit("flipped", lambda db: moves.flipped(db, revision, placement, old))
        return True

    # ------------------------------------------------------------ back

    async def _missed(self, key: DocumentKey, revision: Revision, old: Revision | None, proof: Proof) -> None:
        """Search misses what is shown: show the old one again, then blame whoever is to blame (rule 6).

        What search misses while it finds nothing else either says nothing of the document, and is not kept.
        """
        tools = self.tools
        only_one = old is None and revision.reason in _LAST_ONE
        if not only_one:
            only_one = not await self._turn_back(key, revision, old, proof.failure)
        if tools.progress.resent:
            # Equal chunks of an upload that arrived late would mask this one; the look for it comes before the blame.
            raise Unproven(f"{proof.failure}; an upload that was sent twice may hide it")
        works = await tools.prover.control(revision)
        if not works and old is not None and not only_one:
            works = await tools.prover.finds(old)
        if not works:
            tools.progress.proofs_done += 1
            raise Unproven(
                f"{proof.failure}, and no other document of the dataset is found either",
                hint="search or the embedding model of the server is in trouble; the next run proves again",
            )
        await tools.ledger.commit("missed", lambda db: moves.record_proof(db, revision, proof, tools.now()))
        tools.progress.proof(key, proof)
        if only_one and revision.reason == ADOPTED:
            await self._unfound(key, revision, proof.failure)
            return
        if only_one:
            await self._distrust(key, revision, proof.failure)
            return
        raise Permanent(
            Problem.SEARCH_MISSING,
            proof.failure,
            hint="`syncd history PATH` shows the probes; `syncd retry` tries again",
        )

    async def _unfound(self, key: DocumentKey, revision: Revision, reason: str) -> None:
        """An adopted version that is there and equal, but that search misses: it is not sent again, and stays as it is.

        Another upload of the same content would be missed as well. It is given up as long as the content stays what it
        is; a proof that finds it ends that.
        """
        tools = self.tools
        now = tools.now()

        def keep(db: Connection) -> None:
            moves.unfound(db, revision, reason, now)
            message = f"it stays visible, although {reason}"
            records.note_proof(db, key, revision.collection_id, message, now, passed=False)

        await tools.ledger.commit("unfound", keep)
        tools.progress.count("quarantined", key, f"{Problem.SEARCH_MISSING.value}: {reason}")
        log.warning("document.quarantined", source=key.source, path=key.path, code="search-missing", error=reason)

    async def withdraw(self, key: DocumentKey, revision: Revision, old: Revision | None, reason: str) -> bool:
        """Take a candidate out of its flip, whatever comes of it afterwards.

        Returns:
            Whether it goes on being shown because it is the only version there is.
        """
        if (old is None and revision.reason in _LAST_ONE) or not await self._turn_back(key, revision, old, reason):
            await self._distrust(key, revision, reason)
            return True
        return False

    async def _turn_back(self, key: DocumentKey, revision: Revision, old: Revision | None, reason: str) -> bool:
        if revision.flip is not Flip.BACK:
            await self.tools.ledger.commit("flip_back_intent", lambda db: moves.begin_flip_back(db, revision, reason))
        return await self._finish_back(key, revision, old)

    async def _finish_back(self, key: DocumentKey, revision: Revision, old: Revision | None) -> bool:
        """Show the old one, see it visible, then hide the new one; without an old one that was proven, only hide.

        Returns:
            False when the old one is gone and the new one stays visible instead.
        """
        tools = self.tools
        assert revision.collection_id is not None  # noqa: S101
        if old is None and revision.reason in _LAST_ONE:
            await self._stays(key, revision, None)
            return False
        try:
            if old is not None and old.collection_id is not None:
                try:
                    await tools.client.update(old.collection_id, forbid=False)
                    await tools.see_visible(old.collection_id)
                except RemoteMissing:
                    await self._stays(key, revision, old)
                    return False
            await tools.client.update(revision.collection_id, forbid=True)
        except ServerError:
            # A server that takes no change of this document has not shown it either: then nothing is to be turned back.
            if not await self._is_back(revision, old):
                raise
        await tools.ledger.commit("flipped_back", lambda db: moves.flipped_back(db, revision, old))
        return True

    async def _is_back(self, revision: Revision, old: Revision | None) -> bool:
        """Whether the server shows things as they are after a flip back."""
        client = self.tools.client
        assert revision.collection_id is not None  # noqa: S101
        try:
            seen = old is None or old.collection_id is None or not (await client.collection(old.collection_id)).forbid
            return seen and (await client.collection(revision.collection_id)).forbid
        except RemoteMissing:
            return False

    async def _stays(self, key: DocumentKey, revision: Revision, old: Revision | None) -> None:
        message = "the old version is gone, so the new one stays visible although search misses it"
        now = self.tools.now()

        def stay(db: Connection) -> None:
            if old is not None:
                moves.lost(db, old, now, "deleted by somebody else")
            records.add_finding(db, "unproven", key.source, key.path, revision.collection_id, message, now)
            moves.stays_visible(db, revision, ALONE)

        await self.tools.ledger.commit("old_lost", stay)

    async def _distrust(self, key: DocumentKey, revision: Revision, reason: str) -> None:
        """What cannot be hidden without a gap serves on, but counts as other content: it is replaced at once."""
        message = f"it stays visible until it is replaced, although {reason}"
        now = self.tools.now()

        def distrust(db: Connection) -> None:
            moves.distrust(db, revision, reason, now)
            records.add_finding(db, "unproven", key.source, key.path, revision.collection_id, message, now)

        await self.tools.ledger.commit("distrusted", distrust)

    # ------------------------------------------------------------ what serves already

    async def _prove_again(self, source: SourceState, revision: Revision, snapshot: FileSnapshot | None) -> Proof:
        tools = self.tools
        material: Material = await tools.material(source, snapshot, revision)
        proof = await tools.prover.search(revision, source.config.verify, material, revision.weak)
        key = entries.key_of(tools.ledger.conn, revision.document_id)
        if not proof.passed and not await tools.prover.control(revision):
            raise Unproven(f"{proof.failure}, and no other document of the dataset is found either")
        await tools.ledger.commit("reproved", lambda db: reproved(db, key, revision, proof, tools.now()))
        tools.progress.proof(key, proof)
        return proof

    async def restore(self, action: Restore) -> None:
        """Bring a retired revision back, without an upload; or show what serves and was left hidden."""
        tools, revision = self.tools, action.revision
        assert revision.collection_id is not None  # noqa: S101
        try:
            if not action.as_serving:
                await tools.client.collection(revision.collection_id)
                await tools.ledger.commit("restored", lambda db: moves.restore(db, revision, tools.now()))
                return
            if revision.state is State.RETIRED:
                # From here on it may be visible; should the file vanish again, it is known to need hiding.
                await tools.ledger.commit("show_intent", lambda db: moves.seen_visible(db, revision, True))
            await tools.client.update(revision.collection_id, forbid=False)
            await tools.see_visible(revision.collection_id)
            if revision.state is State.RETIRED:
                await tools.ledger.commit("served_again", lambda db: moves.serve_again(db, revision, tools.now()))
            else:
                await tools.ledger.commit("shown", lambda db: moves.seen_visible(db, revision, True))
        except RemoteMissing:
            await tools.ledger.commit(
                "lost", lambda db: moves.lost(db, revision, tools.now(), "deleted by somebody else")
            )
