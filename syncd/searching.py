"""Search tests of one visible revision: which questions are asked, in which order, and how long (design 6).

A search test shows a keyhole of the dataset: so many tokens of the best hits. The widest one that servers allow is
asked for, and a passage that is outranked in it is asked for by full text at once, as it stands and then as a phrase:
on a real server every one of 25 such passages was found that way (retrieval.md R10, R12). Only what misses there too
is asked for again, with growing pauses, since replicas lag.

A document is asked for by its own words, one passage a question. An answer holds up to 140 rows, often with passages of
other documents that wait for their turn, but these prove nothing: whatever is indexed, however wrongly, is near some
question or other. Of 20 documents that were indexed under another one's words, among 229 real ones, 1 was found by all
of its own questions, while all passages of 13 stood in answers to others. And it would save little: 0.09 of 1.96
searches a document where the server does not limit them. A question made of the passages of two or four documents finds
98 and 84 % of them, but gives no rank that could be compared (``tests/benchmarks/neighbours.py``).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from syncd import probes
from syncd.config import VerifyPolicy
from syncd.errors import RemoteMissing
from syncd.fastgpt.client import Client
from syncd.ledger import Ledger, entries
from syncd.models import CollectionId, Hit, Probe, ProbeResult, Proof, Revision, Verdict
from syncd.together import together

LIMIT = 20_000
"""Tokens of hits that are asked for: the most that a server gives; more pages are not to be had (R10)."""

# A miss counts only after asking again with growing pauses for 30 s (rule 5, design 6).
ASK_AGAIN = (1.0, 2.0, 4.0, 8.0, 15.0)
FULL_TEXT = "fullTextRecall"
_COMMON = -1  # several documents hold the passage
_REMEMBERED = 20_000  # passages
_AT_ONCE = 4000  # characters of a text in which passages are looked for at once; in longer ones beside the event loop
_TRIES = 6  # refusals for haste of one question, 15 s and more, before it is asked whether others are refused as well
_CHOICES = 3  # so often other passages are chosen in place of those that turn out to be common


@dataclass(slots=True)
class Searcher:
    """Asks.

    Args:
        client: the API client (its search tests go through one rate limiter).
        ledger: knows which other collections serve.
        rng: picks control probes, no secret.
        shared: other shards, with ledgers of their own, feed the same datasets.
        seen: hears of every answer.
        run: runs blocking work elsewhere (``asyncio.to_thread``).
    """

    client: Client
    ledger: Ledger
    rng: random.Random
    shared: bool = False
    seen: Callable[[list[Hit]], None] = lambda _hits: None
    run: Callable[..., Awaitable[Any]] = asyncio.to_thread
    _known: dict[int, int] = field(default_factory=dict)  # hash of a passage -> who holds it; the oldest first

    async def proof(self, revision: Revision, policy: VerifyPolicy, text: str, weak: str) -> Proof:
        """Run the probes of one visible revision.

        A passage that is found by no search is a failure only if no other one of the document is found either; beside
        one that is found it is a finding (R13).

        Raises:
            ServerError: the server is in trouble.
        """
        known = self._commonplaces(revision, await self._beside(text, probes.candidates, policy.probes))
        chosen: tuple[Probe, ...] = await self._beside(text, _choose, policy.probes, known)
        if not chosen:
            return Proof(True, (), weak=weak or "no probe could be cut from it")
        results = await self._ask_all(revision, chosen, policy.search_mode, text, known)
        missed = [r for r in results if r.verdict is Verdict.MISSING]
        absent = probes.needs_more(results)
        if absent is not None and not missed:
            extra = await self._once(revision, results[0].probe, absent)
            if extra.verdict is Verdict.MISSING:
                # Found by the configured mode, but one of the two indexes does not give it: a finding, not a failure.
                extra = replace(extra, verdict=Verdict.OUTRANKED)
                kind = "a full-text" if absent == FULL_TEXT else "an embedding"
                weak = weak or f"{kind} search alone does not return it"
            results.append(extra)
        said = f'search does not find it by "{missed[0].probe.text[:60]}"' if missed else ""
        passed = len(missed) < len(results)
        return Proof(
            passed=passed,
            results=tuple(results),
            weak=weak,
            failure="" if passed else said,
            finding=f"{said}, but by another passage" if passed and said else "",
        )

    async def _ask_all(
        self, revision: Revision, chosen: tuple[Probe, ...], mode: str, text: str, tried: frozenset[str]
    ) -> list[ProbeResult]:
        """Ask for all; a passage that others turn out to hold, and not ours, gives way to another one (R7)."""
        asked = await together(self._first(revision, probe, mode) for probe in chosen)
        for _ in range(_CHOICES):
            tried |= {result.probe.text for result, _common in asked}
            common = [index for index, (_result, common) in enumerate(asked) if common]
            if not common:
                break
            others: tuple[Probe, ...] = await self._beside(text, partial(probes.choose, avoid=tried), len(common))
            if not others:
                break
            found = await together(self._first(revision, probe, mode) for probe in others)
            for index, answer in zip(common, found, strict=False):
                asked[index] = answer
        telling = [result for result, common in asked if not common]
        # Where a document holds nothing but what others hold, that is what it is asked for.
        results = telling or [result for result, _common in asked]
        return await together(self._patiently(revision, result) for result in results)

    async def _first(self, revision: Revision, probe: Probe, mode: str) -> tuple[ProbeResult, bool]:
        """What the configured mode says, and whether it gave others that hold the passage instead of ours."""
        hits = await self._hits(revision, probe.text, mode)
        result = await self._judged(revision, probe, hits, mode)
        common = result.verdict is Verdict.MISSING and probes.holds_it(probe, hits)
        if common:
            self._known[hash(probe.text)] = _COMMON
        return result, common

    async def _beside(self, text: str, function: Callable[..., Any], *args: Any) -> Any:
        """What ``function`` finds in the text; in a long one it takes longer than the event loop may stand."""
        return function(text, *args) if len(text) <= _AT_ONCE else await self.run(function, text, *args)

    def _commonplaces(self, revision: Revision, candidates: list[str]) -> frozenset[str]:
        """Passages that other documents were seen to hold as well: what a template says finds them all (R7)."""
        found: set[str] = set()
        for passage in candidates:
            key = hash(passage)
            first = self._known.pop(key, revision.document_id)
            if first != revision.document_id:
                first = _COMMON
                found.add(passage)
            self._known[key] = first
        while len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]
        return frozenset(found)

    async def _patiently(self, revision: Revision, result: ProbeResult) -> ProbeResult:
        """What the configured mode missed: asked for otherwise at once, and what misses there too for half a minute."""
        probe, mode = result.probe, result.mode
        result = await self._otherwise(revision, result)
        for number, pause in enumerate(ASK_AGAIN, 1):
            if result.verdict is not Verdict.MISSING:
                return result
            await asyncio.sleep(pause)
            result = await self._once(revision, probe, mode)
            if number == len(ASK_AGAIN):
                result = await self._otherwise(revision, result, probe.rare_words)
        return result

    async def _otherwise(self, revision: Revision, result: ProbeResult, words: str = "") -> ProbeResult:
        """Ask for a missed passage by full text, as it stands and as a phrase, and by what else the mode left out.

        Args:
            revision: what should be found.
            result: what the configured mode said.
            words: asked for last of all; "" for none.
        """
        mode, text = result.mode, result.probe.text
        phrase = '"' + " ".join(text.replace('"', " ").split()) + '"'
        nearness = [("embedding", text)] if mode == FULL_TEXT else []  # the mixed mode asks for it, too
        for other, question in [(FULL_TEXT, text), (FULL_TEXT, phrase), *nearness, (FULL_TEXT, words)]:
            if result.verdict is not Verdict.MISSING:
                break
            if question and (other, question) != (mode, text):
                result = await self._second_look(result, revision, question, other)
        return result

    async def _once(self, revision: Revision, probe: Probe, mode: str) -> ProbeResult:
        return await self._judged(revision, probe, await self._hits(revision, probe.text, mode), mode)

    async def _second_look(self, result: ProbeResult, revision: Revision, question: str, mode: str) -> ProbeResult:
        """Ask another question for the passage that was missed."""
        hits = await self._hits(revision, question, mode)
        seen = probes.judge_outranked(result, hits, _own(revision))
        if seen.verdict is not Verdict.MISSING:
            return seen
        judged = await self._judged(revision, result.probe, hits, result.mode)
        return judged if judged.verdict is Verdict.SHARED else replace(result, instead=result.instead or judged.instead)

    async def _hits(self, revision: Revision, question: str, mode: str) -> list[Hit]:
        hits = await self.client.search_test(revision.dataset_id, question, mode=mode, limit=LIMIT, tries=_TRIES)
        self.seen(hits)
        return hits

    async def _judged(self, revision: Revision, probe: Probe, hits: list[Hit], mode: str) -> ProbeResult:
        twins = self._twins(hits, revision)
        if self.shared and all(hit.collection_id != revision.collection_id for hit in hits):
            twins |= await self._twins_elsewhere(hits, revision)
        return probes.judge(probe, hits, _own(revision), mode=mode, twins=twins)

    def _twins(self, hits: list[Hit], revision: Revision) -> set[CollectionId]:
        others = [hit.collection_id for hit in hits if hit.collection_id != revision.collection_id]
        return entries.serving_others(self.ledger.conn, others, revision.document_id) if others else set()

    async def _twins_elsewhere(self, hits: list[Hit], revision: Revision) -> set[CollectionId]:
        """Visible collections of other shards, hit by their own ids, that were made of the very same bytes (rule 7)."""
        found: set[CollectionId] = set()
        for hit_id in dict.fromkeys(hit.collection_id for hit in hits):
            if entries.by_collection(self.ledger.conn, hit_id) is not None:
                continue
            try:
                detail = await self.client.collection(hit_id)
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
        known = await self.ledger.read(partial(entries.controls, revision=revision))
        for collection_id, query, mode in self.rng.sample(known, min(3, len(known))):
            if any(hit.collection_id == collection_id for hit in await self._hits(revision, query, mode)):
                return True
        return False

    async def finds(self, revision: Revision) -> bool:
        """Whether a probe that found this revision before finds it now."""
        for query, mode in entries.found_probes(self.ledger.conn, revision.id)[:2]:
            if any(hit.collection_id == revision.collection_id for hit in await self._hits(revision, query, mode)):
                return True
        return False


def _choose(text: str, count: int, avoid: frozenset[str]) -> tuple[Probe, ...]:
    """Probes that avoid passages where the document has others."""
    return probes.choose(text, count, avoid=avoid) or probes.choose(text, count)


def _own(revision: Revision) -> CollectionId:
    assert revision.collection_id is not None  # noqa: S101 - a visible revision has one
    return revision.collection_id
