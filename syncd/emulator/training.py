"""The training queue: a parse task per file, then a task per chunk (fastgpt-api.md 4, observed facts 10 and 11).

Nothing polls: tasks wait as timers of the running event loop, at most ``workers`` at a time. The tasks themselves
are rows of the store, so a new event loop, or a new process, takes up what is left.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from syncd.emulator import library
from syncd.emulator.core import Core, loads, sha256
from syncd.emulator.faults import Fault
from syncd.emulator.formats import ParseError
from syncd.emulator.parsing import chunks_of, index_count, question_rows, raw_text
from syncd.emulator.words import indexed

RETRIES = 5  # tries of a task, fastgpt-api.md 4.2
_LOST = 2  # the mark of a task whose worker crashed; 1 marks one that is stuck for good
_LOCKS = {"parse": 600.0, "chunk": 180.0}  # seconds until another worker takes a lost task (retrieval.md R15)


@dataclass(slots=True)
class _Lane:
    """Tasks of one kind: those that wait, and how many are being worked on."""

    waiting: deque[int] = field(default_factory=deque)
    running: int = 0


def _lanes() -> dict[str, _Lane]:
    """Parsing and embedding have workers of their own on the real server (fastgpt-api.md 4.2)."""
    return {"parse": _Lane(), "chunk": _Lane()}


def _lane_of(mode: str) -> str:
    return "chunk" if mode == "chunk" else "parse"


class Trainer:
    """Carries out the tasks of one emulator."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._loop: asyncio.AbstractEventLoop | None = None
        self._generation = 0
        self._lanes = _lanes()
        self._plans: dict[str, Fault] = {}
        self._busy = False  # working at once; new tasks are taken up when the one under way is done
        self._locked: dict[int, float] = {}  # lost tasks and the time of day at which they are taken up again

    def attach(self) -> None:
        """Be ready in the running loop; called for every request, cheap when nothing has changed."""
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return
        self._loop = loop
        self._generation += 1
        self._core.forget_history()
        self._lanes = _lanes()
        for row in self._core.store.all("select seq, mode from tasks where retry > 0 and stuck = 0 order by seq"):
            self._lanes[_lane_of(row["mode"])].waiting.append(row["seq"])
        for row in self._core.store.all("select seq, mode from tasks where stuck = ?", _LOST):
            self._unlock_later(row["seq"], self._locked.get(row["seq"], self._core.now() + _LOCKS["parse"]))
        for row in self._core.store.all("select id from datasets where delete_time is not null"):
            self.purge_later(row["id"], 0.0)
        self._pump()

    def reset(self) -> None:
        """The store has been emptied."""
        self._lanes = _lanes()
        self._plans.clear()
        self._locked.clear()
        self._generation += 1

    def add(self, mode: str, seqs: list[int]) -> None:
        """Take up new tasks."""
        self._lanes[_lane_of(mode)].waiting.extend(seqs)
        self._pump()

    def forget(self, collection_id: str) -> None:
        """The collection is gone; its queued tasks are skipped when their turn comes."""
        self._plans.pop(collection_id, None)

    def purge_later(self, dataset_id: str, seconds: float) -> None:
        """Delete a dataset's content in the background (observed fact 14)."""
        asyncio.get_running_loop().call_later(seconds, self._purge, self._generation, dataset_id)

    def _purge(self, generation: int, dataset_id: str) -> None:
        if generation != self._generation:
            return
        for row in self._core.store.all("select * from collections where dataset = ? and parent = ''", dataset_id):
            library.delete(self._core, row)
        for row in self._core.store.all("select * from collections where dataset = ?", dataset_id):
            library.delete(self._core, row)
        with self._core.store.change() as db:
            db.execute("delete from datasets where id = ?", (dataset_id,))

    def _pump(self) -> None:
        """Start tasks while workers are free."""
        if self._loop is None or self._loop.is_closed():
            return
        if self._busy:
            return
        options = self._core.options
        self._busy = options.at_once
        try:
            more = True
            while more:
                started = [self._start_next(name, self._loop) for name in self._lanes]
                more = options.at_once and any(started)
        finally:
            self._busy = False

    def _start_next(self, name: str, loop: asyncio.AbstractEventLoop) -> bool:
        """Start what a lane has workers for; whether anything was started."""
        options, lane = self._core.options, self._lanes[name]
        started = False
        while lane.waiting and lane.running < options.workers:
            seq = lane.waiting.popleft()
            task = self._task(seq)
            if task is None:
                continue
            started = True
            lane.running += 1
            delay = options.chunk_seconds if name == "chunk" else options.training_seconds
            extra = self._plan(task) if task["mode"] == "parse" else 0.0
            if options.at_once and not extra:
                self._finish(self._generation, name, seq)
            else:
                loop.call_later(delay + extra, self._finish, self._generation, name, seq)
        return started

    def _plan(self, task: sqlite3.Row) -> float:
        """Choose the fault of this collection's training; returns the extra seconds it asks for."""
        row = self._core.collection(task["collection"])
        fault = self._core.faults.for_training(row["name"]) if row is not None else None
        if fault is None:
            self._plans.pop(task["collection"], None)  # a retry is not struck again by the old one
            return 0.0
        self._plans[task["collection"]] = fault
        return fault.number("seconds", 10.0) if fault.kind == "train_slow" else 0.0

    def _finish(self, generation: int, lane: str, seq: int) -> None:
        """A worker's time for a task is over: its effect happens now."""
        if generation != self._generation:
            return
        self._lanes[lane].running -= 1
        try:
            task = self._task(seq)
            row = self._core.collection(task["collection"]) if task is not None else None
            if task is not None and row is not None:
                with self._core.store.change():
                    self._work(task, row)
        finally:
            self._pump()

    def _task(self, seq: int) -> sqlite3.Row | None:
        return self._core.store.one("select * from tasks where seq = ? and retry > 0 and stuck = 0", seq)

    def _work(self, task: sqlite3.Row, row: sqlite3.Row) -> None:
        plan = self._plans.get(row["id"])
        if plan is None or (plan.kind == "train_error" and plan.times is None):
            plan = self._core.faults.broken_model(row["name"])  # as long as it is broken, whoever is in flight
        if plan is not None and plan.kind == "train_stuck":
            with self._core.store.change() as db:
                db.execute("update tasks set stuck = 1 where seq = ?", (task["seq"],))
            return
        if plan is not None and plan.kind == "task_lost" and self._lose(task, plan):
            return
        if task["mode"] == "parse":
            self._parse(task, row, plan)
        elif task["mode"] == "qa":
            self._qa(task, row)
        else:
            self._chunk(task, row, plan)

    def _lose(self, task: sqlite3.Row, plan: Fault) -> bool:
        """The worker crashed: nothing is written, one try is used up, and the task stays locked for minutes."""
        stage = str(plan.params.get("stage", "parse"))
        if stage != task["mode"] or task["id"] in plan.seen:
            return False
        plan.seen[task["id"]] = 1
        with self._core.store.change() as db:
            db.execute("update tasks set stuck = ?, retry = retry - 1 where seq = ?", (_LOST, task["seq"]))
        self._unlock_later(task["seq"], self._core.now() + plan.number("seconds", _LOCKS.get(stage, 600.0)))
        return True

    def _unlock_later(self, seq: int, due: float) -> None:
        self._locked[seq] = due
        wait = max(0.0, due - self._core.now())
        asyncio.get_running_loop().call_later(wait, self._unlock, self._generation, seq)

    def _unlock(self, generation: int, seq: int) -> None:
        if generation != self._generation or self._locked.pop(seq, None) is None:
            return
        with self._core.store.change() as db:
            db.execute("update tasks set stuck = 0 where seq = ? and stuck = ?", (seq, _LOST))
        task = self._task(seq)
        if task is not None:
            self.add(task["mode"], [seq])

    def _parse(self, task: sqlite3.Row, row: sqlite3.Row, plan: Fault | None) -> None:
        """One transaction: name, length and hash are set, chunk tasks made, the parse task removed.

        The name becomes the stored file's name, so a rename during the parse is lost (observed fact 22).
        """
        try:
            if plan is not None and plan.kind == "train_error" and plan.params.get("stage") != "chunk":
                raise ParseError(str(plan.params.get("message", "Parse failed")))
            text = raw_text(self._core, row, plan)
        except ParseError as error:
            self._fail(task, row, str(error), final=True)
            return
        chunks = chunks_of(text, loads(row["settings"], {}), plan)
        mode = "qa" if loads(row["settings"], {}).get("trainingType") == "qa" else "chunk"
        self._remove(task, row)
        name = row["stored_name"] or row["name"]
        digest = sha256(text.encode("utf-8", "replace"))
        library.change(self._core, row["id"], None, name=name, raw_length=len(text), raw_hash=digest)
        rows = [{"q": chunk, "chunk_index": index} for index, chunk in enumerate(chunks)]
        add_tasks(self._core, row, mode, rows)
        if not rows:
            self._done(row["id"])

    def _qa(self, task: sqlite3.Row, row: sqlite3.Row) -> None:
        """The language model's stand-in: a question and an answer for every line."""
        self._remove(task, row)
        rows = question_rows(task["q"])
        add_tasks(self._core, row, "chunk", rows)
        if not rows:
            self._done(row["id"])

    def _chunk(self, task: sqlite3.Row, row: sqlite3.Row, plan: Fault | None) -> None:
        if plan is not None and plan.kind == "train_error" and plan.params.get("stage") == "chunk":
            self._fail(task, row, str(plan.params.get("message", "Embedding failed")), final=True)
            return
        if plan is not None and plan.kind == "train_flaky" and plan.seen.get(task["id"], 0) < plan.number("n", 1):
            plan.seen[task["id"]] = plan.seen.get(task["id"], 0) + 1
            self._fail(task, row, str(plan.params.get("message", "embedding: 500 server error")), final=False)
            return
        if not task["q"].strip():
            self._fail(task, row, "input is empty", final=False)  # a blank file, record section 3
            return
        insert_data(self._core, row, task["q"], task["a"], task["chunk_index"], loads(task["indexes"], []))
        self._remove(task, row)
        self._done(row["id"])

    def _done(self, collection_id: str) -> None:
        """Tell the timeline when the last task is gone."""
        row = self._core.collection(collection_id)
        if row is None or row["task_amount"] > 0:
            return
        self._core.emit("trained", row)
        plan = self._plans.pop(collection_id, None)
        if plan is not None and plan.kind == "vanish":
            library.delete(self._core, row)

    def _remove(self, task: sqlite3.Row, row: sqlite3.Row) -> None:
        with self._core.store.change() as db:
            db.execute("delete from tasks where seq = ?", (task["seq"],))
        library.count(self._core, row["id"], task_amount=-1, error_amount=-1 if task["error"] is not None else 0)

    def _fail(self, task: sqlite3.Row, row: sqlite3.Row, message: str, *, final: bool) -> None:
        """Write the error down. A parse fails for good at once; an embedding is tried again (observed fact 10)."""
        retry = 0 if final else task["retry"] - 1
        with self._core.store.change() as db:
            db.execute("update tasks set retry = ?, error = ? where seq = ?", (retry, message, task["seq"]))
        library.count(self._core, row["id"], error_amount=int(task["error"] is None), final_amount=int(retry <= 0))
        if retry <= 0:
            after = self._core.collection(row["id"])
            if after is not None:
                self._core.emit("failed", after)
        elif self._loop is not None:
            self._loop.call_later(
                self._core.options.retry_seconds, self._again, self._generation, task["mode"], task["seq"]
            )

    def _again(self, generation: int, mode: str, seq: int) -> None:
        if generation == self._generation:
            self.add(mode, [seq])


def add_tasks(core: Core, row: sqlite3.Row, mode: str, rows: list[dict[str, Any]]) -> None:
    """Queue tasks of one collection."""
    now = core.now()
    seqs = []
    with core.store.change() as db:
        for item in rows:
            cursor = db.execute(
                "insert into tasks (id, collection, dataset, mode, q, a, chunk_index, indexes, retry, created) "
                "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    core.ids.new(),
                    row["id"],
                    row["dataset"],
                    mode,
                    item.get("q", ""),
                    item.get("a", ""),
                    item.get("chunk_index", 0),
                    item.get("indexes"),
                    RETRIES,
                    now,
                ),
            )
            seqs.append(int(cursor.lastrowid or 0))
        if seqs:
            library.count(core, row["id"], task_amount=len(seqs))
    core.queue.add(mode, seqs)


def insert_data(core: Core, row: sqlite3.Row, q: str, a: str, chunk_index: int, extra: list[str]) -> str:
    """Insert a row and index it, in one transaction."""
    data_id = core.ids.new()
    amount = index_count(q, a, extra, loads(row["settings"], {}))
    with core.store.change() as db:
        cursor = db.execute(
            "insert into datas (id, cn, collection, dataset, q, a, chunk_index, indexes, index_count, update_time) "
            "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (data_id, row["n"], row["id"], row["dataset"], q, a, chunk_index, dumps_list(extra), amount, core.now()),
        )
        db.execute("insert into texts (rowid, x, v) values (?, ?, ?)", (cursor.lastrowid, *indexed(q, a, extra)))
        library.count(core, row["id"], data_amount=1, index_amount=amount)
    return data_id


def dumps_list(items: list[str]) -> str | None:
    """A column value for a list; None when it is empty."""
    return json.dumps(items, ensure_ascii=False) if items else None
