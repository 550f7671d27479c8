"""Proof of one revision: its content on the server compared with what was sent, then search tests (design 6)."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from syncd.compare import Difference, compare
from syncd.config import VerifyPolicy
from syncd.convert import Outgoing
from syncd.errors import Permanent
from syncd.fastgpt.client import Client
from syncd.formats import TEXT_FORMATS, format_of
from syncd.ledger import Ledger
from syncd.models import CollectionId, Proof, Revision
from syncd.searching import ASK_AGAIN, Searcher


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
        self._searcher = Searcher(client, ledger, rng or random.Random(0), shared)  # noqa: S311 - no secret

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
        return await self._searcher.proof(revision, policy, text, weak)

    async def control(self, revision: Revision) -> bool:
        """Whether search works for this dataset at all (rule 6)."""
        return await self._searcher.control(revision)

    async def finds(self, revision: Revision) -> bool:
        """Whether search still finds what it found before."""
        return await self._searcher.finds(revision)
