"""State over restarts and ``kill -9``."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from contract_target import Target, start_emulator, stop_emulator
from virtual_time import Bench


def start(folder: Path, training: str) -> tuple[object, Target]:
    process, greeting = start_emulator("--data", str(folder), "--training-seconds", training)
    return process, Target("4.14", "4.14", greeting["base_url"], greeting["global_key"], greeting["app_key"])


def kill(process: object) -> None:
    process.send_signal(signal.SIGKILL)  # type: ignore[attr-defined]
    process.wait(20)  # type: ignore[attr-defined]
    process.stdout.close()  # type: ignore[attr-defined]


def test_state_survives_an_orderly_restart(tmp_path: Path) -> None:
    """Keys, datasets, collections, texts and flags are the same after SIGTERM, which exits 0."""
    process, first = start(tmp_path, "0.01")
    dataset = first.dataset()
    collection = first.trained(first.upload(dataset, "kept.md", b"the kept armadillo paragraph"))
    first.update(collection, forbid=True)
    before = first.detail(collection)
    first.http.close()
    first.bare.close()
    assert stop_emulator(process) == 0  # type: ignore[arg-type]
    process, second = start(tmp_path, "0.01")
    assert second.key == first.key
    assert second.detail(collection) == before
    assert second.search(dataset, "kept armadillo") == []
    second.update(collection, forbid=False)
    assert second.search(dataset, "kept armadillo")[0]["collectionId"] == collection
    other = second.upload(dataset, "next.md", b"next")
    assert other != collection
    second.close()
    assert stop_emulator(process) == 0  # type: ignore[arg-type]


def test_what_was_answered_survives_kill_9(tmp_path: Path) -> None:
    """After a kill everything that was answered is there, and its training resumes without being asked."""
    known: dict[str, str] = {}
    dataset = ""
    for turn in range(3):
        process, target = start(tmp_path, "0.2")
        dataset = dataset or target.dataset()
        for number in range(5):
            text = f"turn {turn} document {number} about pangolins"
            known[target.upload(dataset, f"{turn}-{number}.md", text.encode())] = text
        kill(process)
        target.http.close()
        target.bare.close()
    process, target = start(tmp_path, "0.01")
    rows = target.listed(dataset, pageSize=100)
    assert {row["_id"] for row in rows["list"]} == set(known)
    for collection, text in known.items():
        target.trained(collection)
        assert [row["q"] for row in target.rows(collection)] == [text]
    target.close()
    assert stop_emulator(process) == 0  # type: ignore[arg-type]


def test_a_folder_of_an_earlier_emulator_is_indexed_again(tmp_path: Path) -> None:
    """The search index had another shape once; what was stored then is found after an update."""
    bench = Bench(data_dir=tmp_path, at_once=True)

    async def store(bench: Bench) -> None:
        await bench.upload("kept.md", "the kept armadillo paragraph, see https://example.com/zebra")

    async def find(bench: Bench) -> None:
        assert len(await bench.search("armadillo", "fullTextRecall")) == 1
        assert await bench.search("zebra", "fullTextRecall") == []

    bench.run(store)
    bench.emulator.close()
    with closing(sqlite3.connect(tmp_path / "emulator.sqlite3")) as db:
        db.executescript(
            "drop table vocabulary; drop table texts; create virtual table texts using fts5(x);"
            "create virtual table vocabulary using fts5vocab(texts, 'row');"
        )
    again = Bench(data_dir=tmp_path, at_once=True)
    again.dataset = bench.dataset
    again.run(find)
    again.emulator.close()
