"""Proof of one revision: its content on the server compared with what was sent, then search tests (design 6)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from syncd import sheettext
from syncd.align import Laborious
from syncd.compare import Comparison, Difference, examine
from syncd.config import VerifyPolicy
from syncd.convert import Outgoing
from syncd.errors import Permanent
from syncd.fastgpt.client import Client
from syncd.formats import format_of
from syncd.ledger import Ledger
from syncd.models import CollectionId, Format, Hit, Proof, Revision
from syncd.reader import asking
from syncd.reader.asking import Read, Reader, Readers, Task, Whole
from syncd.searching import ASK_AGAIN, Searcher

_AT_ONCE = 30_000
"""Characters up to which a text is compared at once; longer ones by a reader, so that the event loop goes on."""

_WORK = 5_000_000
"""Characters that are searched through at once for what differs, some hundredths of a second; more by a reader."""


@dataclass(frozen=True, slots=True)
class Material:
    """What a proof can lean on: the text of the document, or why there is none."""

    text: str | None
    weak: str
    fmt: Format = Format.MARKDOWN
    remark: str = ""  # what FastGPT does not take over of it
    length: int | None = None  # characters of a text too large to be held whole
    sample: str = ""
    compared: str | None = None  # ``text`` with the marks that only the comparison understands
    whole: Whole | None = None  # a text too large to be held
    task: Task | None = None  # what a reader is still to be asked for the text
    asked_only: bool = False  # the text is for probes alone, nothing is compared with it

    @classmethod
    def of(cls, outgoing: Outgoing, path: str, mode: str) -> Material:
        """The material of a file as it was sent."""
        if mode == "qa":
            weak = "in mode qa the server stores questions and answers of its own"
            return cls(None, weak, sample=outgoing.text or "", task=outgoing.task, asked_only=True)
        return cls(
            text=outgoing.text and sheettext.plain(outgoing.text),
            weak=outgoing.weak,
            fmt=format_of(path) or Format.MARKDOWN,
            length=outgoing.text_length,
            sample=outgoing.sample,
            compared=outgoing.text,
            whole=outgoing.whole,
            task=outgoing.task,
        )

    def completed(self, read: Read) -> Material:
        """With the text that a reader gave."""
        plain = read.text and sheettext.plain(read.text)
        if self.asked_only:
            return replace(self, sample=plain or "", task=None)
        return replace(self, text=plain, weak=read.weak, remark=read.remark, compared=read.text, task=None)


class Prover:
    """Compares and searches.

    Args:
        client: the API client (its search tests go through one rate limiter).
        ledger: knows which other collections serve.
        shared: other shards, with ledgers of their own, feed the same datasets.
        seen: hears of every answer of a search test.
        run: runs blocking work elsewhere (``asyncio.to_thread``).
        reader: reads and compares what is long, or what somebody may have built to hurt.
    """

    def __init__(
        self,
        client: Client,
        ledger: Ledger,
        rng: random.Random | None = None,
        *,
        shared: bool = False,
        seen: Callable[[list[Hit]], None] = lambda _hits: None,
        run: Callable[..., Awaitable[Any]] = asyncio.to_thread,
        reader: Reader | None = None,
    ) -> None:
        self._client = client
        rng = rng or random.Random(0)  # noqa: S311 - no secret
        self._searcher = Searcher(client, ledger, rng, shared, seen, run)
        self._reader = reader or Readers(run=run)
        self._large = asyncio.Lock()  # one text at a time is held that is too large to be held

    async def complete(self, material: Material) -> Material:
        """The material with its text, if a reader was still to be asked for it.

        Raises:
            GivenUp: somebody asked to stop.
            OSError: the file cannot be read any more.
        """
        return material if material.task is None else material.completed(await asking.read(self._reader, material.task))

    async def compare(self, collection_id: CollectionId, material: Material) -> Comparison:
        """Compare the server's chunks with what was sent; returns why that is weak, and what FastGPT leaves out.

        Raises:
            Permanent: ``encoding-lost`` or ``content-differs``, after reading again for 30 s.
            ChangedWhileReading: a large text that is read anew is not what was sent any more.
        """
        found = await self._examine(collection_id, material)
        for pause in ASK_AGAIN:
            if found.difference is None:
                break
            await asyncio.sleep(pause)
            found = await self._examine(collection_id, material)
        if found.difference is None:
            weak = "; ".join(filter(None, (material.weak, found.weak)))
            return Comparison(None, weak, "; ".join(filter(None, (material.remark, found.remark))))
        raise Permanent(
            found.difference.kind,
            f"the server holds something else than the file: {found.difference.message}",
            hint="the old version, if there is one, goes on serving; `syncd retry` sends it again",
        )

    async def _examine(self, collection_id: CollectionId, material: Material) -> Comparison:
        text = material.text if material.compared is None else material.compared
        if text is None and material.whole is not None:
            async with self._large:
                return await self._with(collection_id, material, material.whole)
        if text is not None:
            return await self._with(collection_id, material, text)
        if material.length is None:
            return Comparison(None)
        stored = (await self._client.collection(collection_id)).raw_text_length
        if stored is None or abs(stored - material.length) <= 2:
            return Comparison(None)
        message = f"{stored} characters instead of {material.length}"
        if abs(stored - material.length) <= 0.01 * material.length:  # pictures inside of it are stored elsewhere
            return Comparison(None, message)
        return Comparison(Difference("content-differs", message, max(material.length - stored, 0), "", 0.0))

    async def _with(self, collection_id: CollectionId, material: Material, text: str | Whole) -> Comparison:
        chunks = await self._client.chunks(collection_id)
        partial = bool(material.weak)
        if isinstance(text, str) and len(text) <= _AT_ONCE and sum(map(len, chunks)) <= 3 * _AT_ONCE:
            with suppress(Laborious):
                return examine(text, chunks, material.fmt, partial=partial, work=_WORK)
        return await asking.examine(self._reader, text, chunks, material.fmt, partial=partial)

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
