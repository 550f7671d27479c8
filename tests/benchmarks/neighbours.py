"""Whether one search could prove several documents, and what such a proof would be worth.

    python tests/benchmarks/neighbours.py [--folder DIR] [--documents 300] [--wrong 20]

Without ``--folder`` (Markdown files) the documents are made-up letters. All are put into an emulator's store, so that
nothing is timed. First: how many passages are found by a question that is made of the passages of several documents.
Then ``wrong`` documents are indexed under another one's words, as after a broken embedding: their text is there and
equal, but no question for it should find them. How many of them do their own questions find, and of how many do all
passages stand in answers to the questions of others?

Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from crowd import Asker, letter

from syncd import probes
from syncd.compare import normalise
from syncd.emulator import EmulatorOptions, search_routes
from syncd.emulator.core import Core
from syncd.emulator.search_faults import Lies
from syncd.fastgpt import wire
from syncd.models import CollectionId, Hit, Probe
from syncd.searching import LIMIT

TOGETHER = (1, 2, 4, 8)  # passages of so many documents in one question


def ask(asker: Asker, question: str) -> list[Hit]:
    """One mixed search."""
    rows = search_routes.find(asker.core, [asker.dataset], question, "mixedRecall", 0.0, LIMIT, Lies(asker.core))
    return wire.hits("search", {"list": rows})


def together(asker: Asker, asked: dict[CollectionId, tuple[Probe, ...]], count: int, dice: random.Random) -> Any:
    """How many passages find their document when ``count`` of different documents are asked for at once."""
    total = found = high = questions = 0
    for number in range(2):
        items = [(own, chosen[number]) for own, chosen in sorted(asked.items()) if len(chosen) > number]
        dice.shuffle(items)
        for start in range(0, len(items), count):
            part = items[start : start + count]
            hits = ask(asker, "\n".join(probe.text for _, probe in part))
            questions += 1
            for own, _probe in part:
                ranks = [hit.rank for hit in hits if hit.collection_id == own]
                total, found, high = total + 1, found + bool(ranks), high + (min(ranks, default=count + 1) <= count)
    return {
        "found": round(found / total, 3),
        "ranked_among_as_many_as_were_asked_for": round(high / total, 3),
        "questions_a_passage_with_the_rest_asked_alone": round((questions + (total - found) * (count > 1)) / total, 2),
    }


def spoil(asker: Asker, wrong: set[CollectionId], dice: random.Random) -> None:
    """Index all rows of some documents under the words of others; the texts stay."""
    store = asker.core.store
    rows = [(row["n"], row["collection"]) for row in store.all("select n, collection from datas order by n")]
    others = [n for n, collection in rows if collection not in wrong]
    with store.change() as db:
        for n, collection in rows:
            if collection in wrong:
                words = db.execute("select x, v from texts where rowid = ?", (dice.choice(others),)).fetchone()
                db.execute("update texts set x = ?, v = ? where rowid = ?", (words[0], words[1], n))
    asker.core.ranking.forget()


def measure(documents: dict[str, str], wrong: int) -> dict[str, Any]:
    """All figures for these documents, by name."""
    dice = random.Random(2)
    asker = Asker(Core(EmulatorOptions(seed=1), clock=lambda: 0.0))
    with asker.core.store.change():
        texts = {asker.put(name, text): text for name, text in documents.items()}
    asked = {own: probes.choose(text, 2) for own, text in texts.items()}
    composed = {str(count): together(asker, asked, count, dice) for count in TOGETHER}
    spoilt = set(dice.sample(sorted(texts), wrong))
    spoil(asker, spoilt, dice)
    own: dict[CollectionId, set[str]] = {collection: set() for collection in spoilt}
    shown: dict[CollectionId, set[str]] = {collection: set() for collection in spoilt}
    rows = questions = 0
    for collection, chosen in asked.items():
        for probe in chosen:
            hits = ask(asker, probe.text)
            rows, questions = rows + len(hits), questions + 1
            if collection in spoilt and any(hit.collection_id == collection for hit in hits):
                own[collection].add(probe.text)
            for hit in hits:
                if hit.collection_id in spoilt and hit.collection_id != collection:
                    there = normalise(hit.text)
                    shown[hit.collection_id] |= {p.text for p in asked[hit.collection_id] if normalise(p.text) in there}
    complete = {
        name: sum(len(found[c]) == len(asked[c]) for c in spoilt) for name, found in (("own", own), ("others'", shown))
    }
    return {
        "documents": len(texts),
        "rows_in_an_answer": round(rows / questions, 1),
        "indexed_under_anothers_words": wrong,
        "of_these_found_by_any_own_question": sum(bool(own[c]) for c in spoilt),
        "of_these_found_by_all_own_questions": complete["own"],
        "of_these_with_any_passage_in_answers_to_others": sum(bool(shown[c]) for c in spoilt),
        "of_these_with_all_passages_in_answers_to_others": complete["others'"],
        "one_question_for_so_many_documents": composed,
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--documents", type=int, default=300)
    parser.add_argument("--wrong", type=int, default=20)
    options = parser.parse_args()
    if options.folder is None:
        documents = {f"{number}.md": letter(number) for number in range(options.documents)}
    else:
        files = sorted(options.folder.rglob("*.md"))
        documents = {str(file.relative_to(options.folder)): file.read_text("utf-8") for file in files}
    print(json.dumps({"benchmark": "neighbours", **measure(documents, options.wrong)}, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
