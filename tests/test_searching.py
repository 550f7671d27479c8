"""Which search tests are asked for one document, in which order, and what they prove (retrieval.md R10 to R13)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import virtual_loop

from syncd.config import VerifyPolicy
from syncd.ledger import Ledger
from syncd.models import CollectionId, Content, DatasetId, Hit, Proof, Revision, RevisionId, State, Verdict
from syncd.searching import ASK_AGAIN, LIMIT, Searcher

OWN, OTHER = CollectionId("own"), CollectionId("other")
BOTH = frozenset({"embedding", "fullText", "rrf"})
TYPES = {"mixedRecall": BOTH, "embedding": frozenset({"embedding"}), "fullTextRecall": frozenset({"fullText"})}
FIRST = "Zirconium nozzles tolerate fluoride vapours unharmed for a whole week."
SECOND = "Used coolant belongs into the yellow drums behind hall nine of the plant."
TEXT = f"{FIRST}\n\n{SECOND}\n"
REVISION = Revision(
    RevisionId("r"), 1, Content("h", "s"), State.PROVING, "a", DatasetId("d"), collection_id=OWN, visible=True
)


@dataclass
class Server:
    """Answers search tests by rule and remembers them: (mode, question), with the limit and the time."""

    finds: Callable[[str, str, float], bool]
    asked: list[tuple[str, str]] = field(default_factory=list)
    limits: set[int] = field(default_factory=set)

    async def search_test(
        self, dataset_id: str, text: str, *, mode: str, limit: int, tries: int | None = None
    ) -> list[Hit]:
        self.asked.append((mode, text))
        self.limits.add(limit)
        found = self.finds(mode, text, asyncio.get_running_loop().time())
        hits = [Hit(OTHER, "something else", 1, 0.9, TYPES[mode])]
        return [*hits, Hit(OWN, text, 2, 0.5, TYPES[mode])] if found else hits


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger."""
    ledger = Ledger(tmp_path / "ledger.db")
    yield ledger
    ledger.close()


def prove(
    ledger: Ledger, server: Server, mode: str = "mixedRecall", probes: int = 2, text: str = TEXT
) -> tuple[Proof, float]:
    """The proof, and the seconds it took."""

    async def body() -> tuple[Proof, float]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        searcher = Searcher(server, ledger, random.Random(0))  # type: ignore[arg-type]
        proof = await searcher.proof(REVISION, VerifyPolicy(probes, mode), text, "")
        return proof, loop.time() - began

    return virtual_loop.run(body())  # type: ignore[no-any-return]


def verdicts(proof: Proof) -> list[str]:
    return [result.verdict.value for result in proof.results]


def test_a_found_passage_costs_one_search(ledger: Ledger) -> None:
    """Each passage is asked for once, in the widest keyhole that servers allow (R10)."""
    server = Server(lambda _mode, _text, _now: True)
    proof, seconds = prove(ledger, server)
    assert (True, ["found", "found"], 0.0) == (proof.passed, verdicts(proof), seconds)
    assert [("mixedRecall", FIRST), ("mixedRecall", SECOND)] == server.asked
    assert {LIMIT} == server.limits == {20_000}


@pytest.mark.parametrize(
    ("mode", "finds", "asked"),
    [
        ("mixedRecall", "plain", [("mixedRecall", FIRST), ("fullTextRecall", FIRST)]),
        (
            "mixedRecall",
            "phrase",
            [("mixedRecall", FIRST), ("fullTextRecall", FIRST), ("fullTextRecall", f'"{FIRST}"')],
        ),
        ("embedding", "plain", [("embedding", FIRST), ("fullTextRecall", FIRST)]),
        ("fullTextRecall", "phrase", [("fullTextRecall", FIRST), ("fullTextRecall", f'"{FIRST}"')]),
        (
            "fullTextRecall",
            "near",
            [("fullTextRecall", FIRST), ("fullTextRecall", f'"{FIRST}"'), ("embedding", FIRST)],
        ),
    ],
)
def test_an_outranked_passage_is_asked_for_otherwise_at_once(
    ledger: Ledger, mode: str, finds: str, asked: list[tuple[str, str]]
) -> None:
    """By full text as it stands, then as a phrase, then in the mode that is left; no time passes (R12)."""

    def rule(kind: str, text: str, _now: float) -> bool:
        if kind == mode:
            return finds == "phrase" and text.startswith('"')
        if kind == "embedding":
            return True
        return finds == "plain" or text.startswith('"')

    server = Server(rule)
    proof, seconds = prove(ledger, server, mode, probes=1, text=FIRST)
    assert (True, 0.0) == (proof.passed, seconds)
    assert Verdict.OUTRANKED is proof.results[0].verdict
    assert (OTHER,) == proof.results[0].instead
    assert asked == server.asked[: len(asked)]
    assert len(asked) >= len(server.asked) - 1  # one more for the index that has not answered (rule 9)


def test_quotes_of_the_passage_do_not_end_the_phrase(ledger: Ledger) -> None:
    """A passage that holds double quotes is asked for as one phrase without them."""
    server = Server(lambda _mode, text, _now: text.startswith('"'))
    prove(ledger, server, probes=1, text='The "yellow drums" behind hall nine take the used coolant of the plant.')
    phrases = {text for mode, text in server.asked if mode == "fullTextRecall" and text.startswith('"')}
    assert {'"The yellow drums behind hall nine take the used coolant of the plant."'} == phrases


def test_a_miss_is_asked_for_again_for_half_a_minute(ledger: Ledger) -> None:
    """What no search finds is waited for: replicas lag; the proof fails and says by which passage (design 6)."""
    server = Server(lambda _mode, _text, _now: False)
    proof, seconds = prove(ledger, server, probes=1, text=FIRST)
    assert (False, ["missing"], sum(ASK_AGAIN)) == (proof.passed, verdicts(proof), seconds)
    assert FIRST[:60] in proof.failure
    assert (OTHER,) == proof.results[0].instead
    assert len(ASK_AGAIN) + 1 == sum(mode == "mixedRecall" for mode, _ in server.asked)
    assert len(server.asked) <= 11


@pytest.mark.parametrize("late", [0.5, 5.0, 29.0])
def test_what_comes_late_is_found(ledger: Ledger, late: float) -> None:
    """A passage that search gives within the half minute is found, with its rank."""
    server = Server(lambda mode, _text, now: now >= late and mode == "mixedRecall")
    proof, seconds = prove(ledger, server, probes=1, text=FIRST)
    assert (["found"], 2) == (verdicts(proof), proof.results[0].rank)
    assert late <= seconds <= sum(ASK_AGAIN)


def test_one_missing_passage_beside_a_found_one_is_a_finding(ledger: Ledger) -> None:
    """The document is found, so it is not given up; that one passage is not, so a person is told (R13)."""
    server = Server(lambda _mode, text, _now: FIRST in text)
    proof, _ = prove(ledger, server)
    assert (True, ["found", "missing"]) == (proof.passed, verdicts(proof))
    assert ("", f'search does not find it by "{SECOND[:60]}", but by another passage') == (proof.failure, proof.finding)


@pytest.mark.parametrize(
    ("seen", "mode", "said"),
    [
        ("fullText", "embedding", "an embedding search alone does not return it"),
        ("embedding", "fullTextRecall", "a full-text search alone does not return it"),
    ],
)
def test_an_index_that_does_not_give_the_document_is_named(ledger: Ledger, seen: str, mode: str, said: str) -> None:
    """Where one of the two indexes was not seen, it is asked by itself once; what it misses makes the proof weak."""

    class OneIndex(Server):
        async def search_test(
            self, dataset_id: str, text: str, *, mode: str, limit: int, tries: int | None = None
        ) -> list[Hit]:
            self.asked.append((mode, text))
            return [Hit(OWN, text, 1, 0.9, frozenset({seen}))] if mode == "mixedRecall" else []

    server = OneIndex(lambda _mode, _text, _now: False)
    proof, _ = prove(ledger, server)
    assert (True, said, ["found", "found", "outranked"]) == (proof.passed, proof.weak, verdicts(proof))
    assert [(mode, FIRST)] == server.asked[2:]


def test_a_passage_in_an_answer_to_somebody_else_proves_nothing(ledger: Ledger) -> None:
    """What is indexed under another one's words is near others' questions, but only its own can prove that it is found.

    Its very passages are in every answer that another document gets in the same moments.
    """
    theirs = "Penguins recognise their partner by its voice among thousands of others."

    class Misindexed(Server):
        async def search_test(
            self, dataset_id: str, text: str, *, mode: str, limit: int, tries: int | None = None
        ) -> list[Hit]:
            await asyncio.sleep(0.01 if text == theirs else 0.05)
            self.asked.append((mode, text))
            mine = [Hit(OWN, TEXT, 2, 0.4, TYPES[mode])] if text == theirs else []
            return [Hit(OTHER, theirs, 1, 0.9, TYPES[mode]), *mine]

    server = Misindexed(lambda _mode, _text, _now: False)
    searcher = Searcher(server, ledger, random.Random(0))  # type: ignore[arg-type]
    other = replace(REVISION, document_id=2, collection_id=OTHER)

    async def body() -> list[Proof]:
        policy = VerifyPolicy(2, "mixedRecall")
        return await asyncio.gather(
            searcher.proof(other, policy, theirs, ""), searcher.proof(REVISION, policy, TEXT, "")
        )

    found, missed = virtual_loop.run(body())
    assert (True, ["found"]) == (found.passed, verdicts(found))
    assert (False, ["missing", "missing"]) == (missed.passed, verdicts(missed))
    assert {("mixedRecall", FIRST), ("mixedRecall", SECOND)} <= set(server.asked)


def test_what_others_say_as_well_is_no_question(ledger: Ledger) -> None:
    """A passage that search gives in other documents, and not in ours, gives way to one that is ours alone (R7)."""

    class Crowd(Server):
        async def search_test(
            self, dataset_id: str, text: str, *, mode: str, limit: int, tries: int | None = None
        ) -> list[Hit]:
            hits = await super().search_test(dataset_id, text, mode=mode, limit=limit, tries=tries)
            return [Hit(OTHER, f"Before. {FIRST} After.", 1, 0.9, TYPES[mode]), *hits[1:]]

    server = Crowd(lambda _mode, text, _now: text == SECOND)
    proof, seconds = prove(ledger, server, text=f"{FIRST}\n\n{SECOND}\n\n{FIRST.replace('week', 'month')}\n", probes=1)
    assert (True, ["found"], 0.0) == (proof.passed, verdicts(proof), seconds)
    assert SECOND == proof.results[0].probe.text
    alone, _ = prove(ledger, Crowd(lambda _mode, text, _now: text.startswith('"')), text=FIRST)
    assert ["outranked"] == verdicts(alone)[:1], "where there is nothing else, it is asked for all the same"


def test_what_a_template_says_is_asked_for_once(ledger: Ledger) -> None:
    """A passage that was seen in another document is left out while there are others."""
    server = Server(lambda _mode, _text, _now: True)
    searcher = Searcher(server, ledger, random.Random(0))  # type: ignore[arg-type]

    async def body() -> list[str]:
        for number, own in enumerate(("Otters hold their paws while they sleep on the water of the bay.", SECOND)):
            revision = replace(REVISION, document_id=number)
            proof = await searcher.proof(revision, VerifyPolicy(1, "mixedRecall"), f"{own}\n\n{FIRST}\n", "")
        return [result.probe.text for result in proof.results]

    assert [SECOND] == virtual_loop.run(body())


def test_passages_of_a_long_text_are_chosen_beside_the_event_loop(ledger: Ledger) -> None:
    """A short text takes less than a thread costs, a long one would keep everybody else waiting."""
    ran: list[str] = []

    async def beside(function: Callable[..., Any], *args: Any) -> Any:
        ran.append(getattr(function, "__name__", "choose"))
        return function(*args)

    async def body(text: str) -> None:
        server = Server(lambda _mode, _text, _now: True)
        searcher = Searcher(server, ledger, random.Random(0), run=beside)  # type: ignore[arg-type]
        await searcher.proof(REVISION, VerifyPolicy(2, "mixedRecall"), text, "")

    virtual_loop.run(body(TEXT))
    assert ran == []
    virtual_loop.run(body(TEXT * (10_000 // len(TEXT))))
    assert ran == ["candidates", "_choose"]
