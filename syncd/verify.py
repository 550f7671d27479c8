"""Proofs and golden questions again, for documents that serve: the regression gate behind `syncd verify`."""

from __future__ import annotations

import asyncio
import os
import time
import zlib
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from sqlite3 import Connection
from typing import Any, NamedTuple, TypeVar

from syncd import door, golden, refusing
from syncd.apply import SourceState
from syncd.convert import ChangedWhileReading, extract_text
from syncd.decisions import locate
from syncd.door import FileAt
from syncd.engine import Engine
from syncd.errors import EXIT_OK, EXIT_UNPROVEN, ServerError, UsageError
from syncd.flipping import reproved
from syncd.formats import format_of
from syncd.gate import Gate
from syncd.ignore import QUESTIONS_END
from syncd.ledger import entries, moves, records, tree
from syncd.logs import get_logger
from syncd.models import DocumentKey, Format, LedgerEntry, Proof, Revision
from syncd.progress import Progress
from syncd.prove import Material
from syncd.questions import LARGEST
from syncd.reader import asking
from syncd.reader.wire import GivenUp
from syncd.refusing import RefusedAlone
from syncd.searching import LIMIT
from syncd.together import begin, ended

log = get_logger(__name__)
T = TypeVar("T")

AT_ONCE = 8


@dataclass(slots=True)
class VerifyReport:
    """What `syncd verify` found; ``results`` rows are as the JSON contract says."""

    results: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    documents: int = 0
    failed: bool = False  # a proof was not passed, or not to be had

    def add(self, other: VerifyReport) -> None:
        """Take the results of one document along."""
        self.results += other.results
        self.problems += other.problems
        self.failed |= other.failed

    def sort(self) -> None:
        """By document and question."""
        self.results.sort(key=lambda row: (row["source"], row["path"], row["kind"], row["question"]))

    @property
    def metrics(self) -> dict[str, Any]:
        """Recall and mean reciprocal rank, of probes and of golden questions apart."""
        return golden.metrics(self.results)

    @property
    def exit_code(self) -> int:
        """4 when a proof or a golden question failed.

        A probe that is outranked, or missing beside one that is found, is a remark on quality; a person's question
        that is outranked failed.
        """
        asked = (row for row in self.results if row["kind"] == "golden")
        failed = self.failed or any(row["verdict"] in ("missing", "outranked") for row in asked)
        return EXIT_UNPROVEN if failed else EXIT_OK


@dataclass(slots=True)
class _Run:
    """What the documents of one verification share.

    Attributes:
        heard: told of each proof that was kept.
        sick: datasets of which search finds nothing that it found before.
    """

    engine: Engine
    heard: Callable[[DocumentKey, Proof], None]
    sick: set[str] = field(default_factory=set)


async def verify(
    engine: Engine,
    *,
    paths: list[str] | None = None,
    everything: bool = False,
    sample: str | None = None,
    source: str | None = None,
    gate: Gate | None = None,
    turn: Callable[[], Awaitable[None]] | None = None,
    heard: Callable[[DocumentKey, Proof], None] = lambda _key, _proof: None,
    progress: Progress | None = None,
) -> VerifyReport:
    """Search again for documents that serve.

    Args:
        engine: the engine; its ledger is locked meanwhile.
        paths: these documents; ``None`` or empty means all, or the ``sample``.
        everything: all documents, whatever ``sample`` says.
        sample: "n/t": that share of the documents, another one each day.
        source: only this source.
        gate: waits for the server; without one its trouble ends the run.
        turn: awaited before each document; a service that is paused lets nobody have one.
        heard: told of each proof that was kept.
        progress: filled in on the way.

    Raises:
        ServerError: the server is in trouble.
    """
    keys = await _chosen(engine, paths or [], everything, sample, source)
    report = VerifyReport(documents=len(keys))
    shown = progress or Progress()
    shown.phase = "proving again"
    shown.documents_total += len(keys)
    for name in dict.fromkeys(key.source for key in keys):
        await _patiently(gate, partial(engine.bind, name))

    def kept(key: DocumentKey, proof: Proof) -> None:
        shown.proof(key, proof)
        shown.tell("proven" if proof.passed else "not proven", key, proof.failure)
        heard(key, proof)

    run = _Run(engine, kept)

    waiting = iter(keys)

    async def worker() -> None:
        for key in waiting:  # each takes the next one: no task is made for a document whose turn has not come
            if turn is not None:
                await turn()
            report.add(await _patiently(gate, partial(_verify_document, run, key)))
            shown.documents_done += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(worker())
    await engine.run_beside(report.sort)
    return report


async def _patiently(gate: Gate | None, work: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await work()
        except moves.StaleMove:
            continue  # it was replaced meanwhile: the version that serves now is asked for
        except ServerError as error:
            if gate is None:
                raise
            await gate.wait(error)


def _serving(conn: Connection, names: list[str]) -> list[DocumentKey]:
    """The documents that have something to be proven; read in a thread, since there may be 100 000 of them."""
    return [
        DocumentKey(row["source"], row["path"])
        for row in records.documents(conn, names)
        if row["serving_collection_id"] is not None
    ]


async def _chosen(
    engine: Engine, paths: list[str], everything: bool, sample: str | None, source: str | None
) -> list[DocumentKey]:
    if paths:
        return [locate(engine.ledger, engine.config, path, source) for path in paths]
    names = [s.name for s in engine.config.sources if source in (None, s.name)]
    keys = await engine.ledger.read(partial(_serving, names=names))
    if everything or sample is None:
        return keys
    share, _, total = sample.partition("/")
    if not (share.isdecimal() and total.isdecimal() and 0 < int(share) <= int(total)):
        raise UsageError(f'"{sample}" is not a sample', hint='write it as "1/7": one seventh, another one each day')
    day = int(time.time() // 86400)
    return [key for key in keys if (zlib.crc32(f"{key.source}\n{key.path}".encode()) + day) % int(total) < int(share)]


async def _verify_document(run: _Run, key: DocumentKey) -> VerifyReport:
    """Search for one document again; one that a pass works on is left to that pass, which proves what comes of it."""
    engine, owner = run.engine, object()
    if not engine.claims.hold(key, owner):
        return VerifyReport()
    try:
        return await _unless_newer(engine, key, _unless_refused(run, key))
    finally:
        engine.claims.free(key, owner)


async def _unless_newer(engine: Engine, key: DocumentKey, work: Coroutine[Any, Any, VerifyReport]) -> VerifyReport:
    """Wait for the searches, but not past news of the document: then another version of it is on its way."""
    task = begin(work)
    newer = engine.claims.newer(key)
    news = begin((newer or asyncio.Event()).wait())
    try:
        await asyncio.wait({task, news}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else VerifyReport()
    finally:
        await ended(*(each for each in (task, news) if not each.done()))


async def _unless_refused(run: _Run, key: DocumentKey) -> VerifyReport:
    """Search for it; what the server answers for others, and not for this one, is said of this one."""
    entry = entries.one(run.engine.ledger.conn, key)
    if entry is None or entry.serving is None:
        return VerifyReport()
    try:
        return await refusing.asked(run.engine.prover, entry.serving, partial(_search, run, key))
    except RefusedAlone as refusal:
        return VerifyReport(failed=True, problems=[f"{key.path}: the server refuses to answer for it: {refusal}"])


async def _search(run: _Run, key: DocumentKey) -> VerifyReport:
    report = VerifyReport()
    engine = run.engine
    entry = entries.one(engine.ledger.conn, key)
    if entry is None or entry.serving is None:
        return report
    state = engine.sources[key.source]
    serving = entry.serving
    if serving.dataset_id in run.sick:
        report.failed = True
        return report
    place = state.place(tree.disk_name(engine.ledger.conn, key) or key.path)
    material = await engine.disk.run(key.source, _material, state, entry, place)
    try:
        material = await engine.prover.complete(material)
        text = material.text or material.sample
        questions, problems = await asking.questions(engine.reader, text, key.path)
    except GivenUp:
        return report
    except OSError:
        material, questions, problems = Material(None, "the file is not there any more"), [], []
    proof = await engine.prover.search(serving, state.config.verify, material, serving.weak)
    if not proof.passed and not await engine.prover.control(serving):
        return _sick(run, key, serving)
    await engine.ledger.commit("reproved", lambda db: reproved(db, key, serving, proof, engine.now()))
    run.heard(key, proof)
    report.failed = not proof.passed
    report.results += [_row(key, "probe", r.probe.text, r.verdict.value, r.rank, r.score) for r in proof.results]
    beside = await engine.disk.run(key.source, _beside, place, key.path)
    if isinstance(beside, str):
        problems = [*problems, beside]
    elif beside is not None:
        try:
            more, wrong = await asking.question_file(engine.reader, beside.data, key.path, beside.name)
        except GivenUp:
            return report
        questions, problems = questions + more, problems + wrong
    report.problems += problems
    report.failed |= bool(problems)  # what is asked in a way that nobody understands is not answered
    for question in questions:
        try:
            ask = partial(_ask, engine, key, serving, question)
            report.results.append(await refusing.asked(engine.prover, serving, ask))
        except RefusedAlone as refusal:
            begins = " ".join(question.text[:120].split())[:60]
            report.problems.append(f'{question.path}: the server refuses the question "{begins}…": {refusal}')
            report.failed = True
    return report


def _sick(run: _Run, key: DocumentKey, serving: Revision) -> VerifyReport:
    """Search does not even find what it found before: that is nobody's fault here, and is said once (rule 6)."""
    report = VerifyReport(failed=True)
    if serving.dataset_id not in run.sick:
        run.sick.add(serving.dataset_id)
        dataset = run.engine.sources[key.source].config.dataset
        report.problems.append(
            f'search finds nothing in the dataset "{dataset}" that it found before: the server\'s search or embedding '
            "model is in trouble; no document is blamed, and the rest of this dataset was not asked for"
        )
        log.warning("verify.search_broken", source=key.source, dataset=dataset)
    return report


def _row(
    key: DocumentKey, kind: str, question: str, verdict: str, rank: int | None, score: float | None
) -> dict[str, Any]:
    return {
        "source": key.source,
        "path": key.path,
        "question": question,
        "kind": kind,
        "verdict": verdict,
        "rank": rank,
        "score": score,
    }


def _material(state: SourceState, entry: LedgerEntry, place: FileAt) -> Material:
    """The file's own text when it still is what serves, or how to get it; else the server's text is taken."""
    assert entry.serving is not None  # noqa: S101 - the caller looked
    try:
        found = extract_text(
            place,
            path=entry.key.path,
            encodings=state.config.encodings,
            sha256=entry.serving.content.sha256,
            max_size=state.config.max_size,
        )
    except ChangedWhileReading:
        return Material(None, "the file has changed since")
    except OSError:
        return Material(None, "the file is not there any more")
    if state.config.training.mode == "qa":
        return Material(None, "mode qa", sample=found.text or found.sample, task=found.task, asked_only=True)
    fmt = format_of(entry.key.path) or Format.MARKDOWN
    return Material(found.text, found.weak, fmt, sample=found.sample, task=found.task)


class _Beside(NamedTuple):
    """The file of questions beside a document."""

    name: str
    data: bytes


def _beside(place: FileAt, path: str) -> _Beside | str | None:
    """The file of questions beside a document, or why it cannot be read; ``None`` without one."""
    name = os.path.splitext(path)[0] + QUESTIONS_END
    # As the disk spells the document's name; the file beside it may have come from another system.
    for rel in dict.fromkeys((os.path.splitext(place.rel)[0] + QUESTIONS_END, name)):
        try:
            return _Beside(name, door.read(FileAt(place.root, rel), LARGEST))
        except FileNotFoundError:
            continue
        except OSError as error:
            return f"{name}: {error.strerror}"
    return None


async def _ask(engine: Engine, key: DocumentKey, serving: Revision, question: golden.Question) -> dict[str, Any]:
    state = engine.sources[key.source]
    hits = await engine.client.search_test(
        serving.dataset_id, question.text, mode=state.config.verify.search_mode, limit=LIMIT
    )
    places = records.path_of_collections(engine.ledger.conn, [hit.collection_id for hit in hits])
    ranks: dict[str, int] = {}
    best = None
    for hit in hits:
        source, path = places.get(hit.collection_id, ("", ""))
        if source == key.source:
            ranks.setdefault(path, hit.rank)
            if path == question.path and best is None:
                best = hit
    verdict = golden.judge(question, None if best is None else best.rank, ranks)
    row = _row(
        key,
        "golden",
        question.text,
        verdict,
        None if best is None else best.rank,
        None if best is None else best.score,
    )
    row["path"] = question.path
    return row
