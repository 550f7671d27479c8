"""Every document of a crowded dataset is found by its own passages (retrieval.md R7, R10 to R13)."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import exercised
import pytest
import virtual_loop
from crowd import Asker, chinese_contract, contract, letter

from syncd.config import VerifyPolicy
from syncd.emulator import EmulatorOptions
from syncd.emulator.core import Core
from syncd.ledger import Ledger
from syncd.models import Content, DatasetId, Revision, RevisionId, State
from syncd.searching import Searcher

KINDS = {"contract": contract, "chinese contract": chinese_contract, "letter": letter}


def prove_all(ledger: Ledger, asker: Asker, documents: dict[str, str]) -> tuple[Counter[str], float]:
    """Prove one document after the other; the verdicts, and the seconds of waiting."""
    searcher = Searcher(asker, ledger, random.Random(0))  # type: ignore[arg-type]

    async def body() -> tuple[Counter[str], float]:
        verdicts: Counter[str] = Counter()
        for number, (collection, text) in enumerate(documents.items()):
            revision = Revision(
                RevisionId(str(number)), number, Content("h", "s"), State.PROVING, "a", DatasetId(asker.dataset),
                collection_id=collection,  # type: ignore[arg-type]
            )  # fmt: skip
            proof = await searcher.proof(revision, VerifyPolicy(), text, "")
            verdicts.update(result.verdict.value for result in proof.results)
            verdicts["passed" if proof.passed else "failed"] += 1
        return verdicts, asyncio.get_running_loop().time()

    return virtual_loop.run(body())  # type: ignore[no-any-return]


def crowded(tmp_path: Path, crowd: int, others: int, kind: str) -> None:
    asker = Asker(Core(EmulatorOptions(seed=1), clock=lambda: 0.0))
    make: Callable[[int], str] = KINDS[kind]
    template = chinese_contract if kind == "chinese contract" else contract
    with asker.core.store.change():
        for number in range(crowd):
            asker.put(f"crowd {number}.md", template(number))
        documents = {asker.put(f"{n}.md", make(1_000_000 + n)): make(1_000_000 + n) for n in range(others)}
    ledger = Ledger(tmp_path / "ledger.db")
    verdicts, waited = prove_all(ledger, asker, documents)  # type: ignore[arg-type]
    ledger.close()
    for verdict, number in sorted(verdicts.items()):
        exercised.add(f"crowd of {crowd}, {others} {kind}s: {verdict}", number)
    exercised.add(f"crowd of {crowd}, {others} {kind}s: searches", asker.searches)
    assert (others, 0, 0) == (verdicts["passed"], verdicts["failed"], verdicts["missing"])
    assert 0.0 == waited, "nothing was waited for"
    assert asker.searches <= 4 * others


@pytest.mark.parametrize("kind", KINDS)
def test_a_small_crowd(tmp_path: Path, kind: str) -> None:
    """Each of twenty documents among 250 of one template is found by two passages, without waiting."""
    crowded(tmp_path, 250, 20, kind)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", KINDS)
def test_a_large_crowd(tmp_path: Path, kind: str) -> None:
    """All probes of 300 documents among 5000 of one template find them."""
    crowded(tmp_path, 5000, 300, kind)
