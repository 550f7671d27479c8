"""Proof of one revision: its content on the server compared with what was sent, then search tests (design 6)."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from syncd import probes
from syncd.compare import Difference, compare
from syncd.config import VerifyPolicy
from syncd.convert import Outgoing
from syncd.errors import Permanent, RemoteMissing
from syncd.fastgpt.client import Client
from syncd.formats import TEXT_FORMATS, format_of
from syncd.ledger import Ledger, entries
from syncd.models import CollectionId, Hit, Probe, ProbeResult, Proof, Revision, Verdict

# Replicas lag: a miss or a difference counts only after asking again with growing pauses for 30 s (rule 5, design 6).
ASK_AGAIN = (1.0, 2.0, 4.0, 8.0, 15.0)
_MODES = {"embedding": "embedding", "fullText": "fullTextRecall"}


@dataclass(frozen=True, slots=True)
class Material:
    """What a proof can lean on: the text of the document, or why there is none."""

    text: str | None
    weak: str
    tolerant: bool = False  # the server's own extraction may order the text differently
    length: int | None = None  # characters of a text too large to be held whole
    sample: str = ""

    @classmethod
    def of(cls, outgoing: Outgoing, path: str, mode: str) -> Material:
        """The material of a file as it was sent."""
        if mode == "qa":
            return cls(
                None, "in mode qa the server stores questions and answers of its own", sample=outgoing.text or ""
            )
        return cls(
            text=outgoing.text,
            weak=outgoing.weak,
            tolerant=format_of(path) not in TEXT_FORMATS,
            length=outgoing.text_length,
            sample=outgoing.sample,
        )


class Prover:
    """Compares and searches.

    Args:
        client: the API client (its search tests go through one rate limiter).
        ledger: knows which other collections serve.
        shared: other shards, with ledgers of their own, feed the same datasets.
    """

    def __init__(
        self, client: Client, ledger: Ledger, rng: random.Random | None = None, *, shared: bool = False
    ) -> None:
        self._client = client
        self._shared = shared
        self._ledger = ledger
        self._rng = rng or random.Random(0)  # noqa: S311 - picks a control probe, no secret

    async def compare(self, collection_id: CollectionId, material: Material) -> str:
        """Compare the server's chunks with what was sent; returns why the comparison is weak, or "".

        Raises:
            Permanent: ``encoding-lost`` or ``content-differs``, after reading again for 30 s.
        """
        difference = await self._difference(collection_id, material)
        for pause in ASK_AGAIN:
            if difference is None:
                return material.weak
            await asyncio.sleep(pause)
            difference = await self._difference(collection_id, material)
        if difference is None:
            return material.weak
        raise Permanent(
            difference.kind,
            f"the server holds something else than the file: {difference.message}",
            hint="the old version, if there is one, goes on serving; look at the file's encoding, then `syncd retry`",
        )

    async def _difference(self, collection_id: CollectionId, material: Material) -> Difference | None:
        if material.text is not None:
            chunks = await self._client.chunks(collection_id)
            return compare(material.text, chunks, tolerant=material.tolerant)
        if material.length is not None:
            detail = await self._client.collection(collection_id)
            stored = detail.raw_text_length
            if stored is not None and abs(stored - material.length) > 0.01 * material.length + 2:
                return Difference(
                    kind="content-differs",
                    message=f"{stored} characters instead of {material.length}",
                    lost_characters=max(material.length - stored, 0),
                    lost_run="",
                    lost_non_ascii_percent=0.0,
                )
        return None

    async def search(self, revision: Revision, policy: VerifyPolicy, material: Material, weak: str) -> Proof:
        """Run the probes of one visible revision.

        Raises:
            ServerError: the server is in trouble.
        """
        assert revision.collection_id is not None  # noqa: S101 - a visible revision has one
        text = material.text or material.sample
        if not text:
            text = "\n".join(await self._client.chunks(revision.collection_id))
            weak = weak or "its text cannot be read here; the probes were cut from what the server stored"
        chosen = probes.choose(text, policy.probes) if policy.probes else ()
        if not chosen:
            return Proof(True, (), weak=weak or "no probe could be cut from it")
        results = list(await asyncio.gather(*(self._ask(revision, probe, policy.search_mode) for probe in chosen)))
        absent = probes.needs_more(results)
        if absent is not None and all(r.verdict is not Verdict.MISSING for r in results):
            extra = await self._ask(revision, chosen[0], absent, patient=False)
            results.append(extra)
            if extra.verdict is Verdict.MISSING:
                # Found by the configured mode, but one of the two indexes does not know it: a finding, not a failure.
                results[-1] = ProbeResult(extra.probe, extra.mode, Verdict.OUTRANKED)
                weak = weak or f"a {absent} search alone does not return it"
        missed = [r for r in results if r.verdict is Verdict.MISSING]
        failure = f'search does not find it by "{missed[0].probe.text[:60]}"' if missed else ""
        return Proof(passed=not missed, results=tuple(results), weak=weak, failure=failure)

    async def _ask(self, revision: Revision, probe: Probe, mode: str, *, patient: bool = True) -> ProbeResult:
        result = await self._once(revision, probe, mode)
        for pause in ASK_AGAIN if patient else ():
            if result.verdict is not Verdict.MISSING:
                return result
            await asyncio.sleep(pause)
            result = await self._once(revision, probe, mode)
        if result.verdict is Verdict.MISSING and patient:
            hits = await self._client.search_test(
                revision.dataset_id, probe.rare_words or probe.text, mode="fullTextRecall"
            )
            assert revision.collection_id is not None  # noqa: S101
            result = probes.judge_outranked(result, hits, revision.collection_id)
        return result

    async def _once(self, revision: Revision, probe: Probe, mode: str) -> ProbeResult:
        hits = await self._client.search_test(revision.dataset_id, probe.text, mode=mode)
        assert revision.collection_id is not None  # noqa: S101
        twins = self._twins(hits, revision)
        if self._shared and all(hit.collection_id != revision.collection_id for hit in hits):
            twins |= await self._twins_elsewhere(hits, revision)
        return probes.judge(probe, hits, revision.collection_id, mode=mode, twins=twins)

    def _twins(self, hits: list[Hit], revision: Revision) -> set[CollectionId]:
        others = [hit.collection_id for hit in hits if hit.collection_id != revision.collection_id]
        return entries.serving_others(self._ledger.conn, others, revision.document_id) if others else set()

    async def _twins_elsewhere(self, hits: list[Hit], revision: Revision) -> set[CollectionId]:
        """Visible collections of other shards, hit by their own ids, that were made of the very same bytes (rule 7)."""
        found: set[CollectionId] = set()
        for hit_id in dict.fromkeys(hit.collection_id for hit in hits):
            if entries.by_collection(self._ledger.conn, hit_id) is not None:
                continue
            try:
                detail = await self._client.collection(hit_id)
            except RemoteMissing:
                continue
            marker = detail.marker
            if marker is not None and not detail.forbid and marker.sha256 == revision.content.sha256:
                found.add(hit_id)
        return found

    async def control(self, revision: Revision) -> bool:
        """Whether search works for this dataset at all: a verified document of it is found now (rule 6).

        Without this a lying or broken search would be blamed on the document.
        """
        known = entries.controls(self._ledger.conn, revision)
        for collection_id, query, mode in self._rng.sample(known, min(3, len(known))):
            hits = await self._client.search_test(revision.dataset_id, query, mode=mode)
            if any(hit.collection_id == collection_id for hit in hits):
                return True
        return False
