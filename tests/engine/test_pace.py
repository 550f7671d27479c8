"""How soon a save is searchable, and by how many requests: measured against the emulator in virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from world import World
from world_parts import Forward

from syncd.engine import Engine
from syncd.live import standing
from syncd.progress import Progress
from syncd.usual import FIRST, LONGEST

NOISE = 0.3  # seconds beside settling and training (design: performance.md)
MOST_REQUESTS = 8.0
MOST_REQUESTS_OF_THE_FIRST = 15.0
START = 3.0  # requests for the dataset, once a run: listed, made, and looked at by its id before it is kept
TIMES = [0.2, 0.5, 1.0, 2.5, 7.0, 20.0, 60.0]  # seconds of training


def text(number: int) -> str:
    """A small document with words of its own."""
    return f"# Unit {number}\n\nThe valve of unit {number:04d} closes at {number * 7 + 11} bar and opens at dawn.\n"


@dataclass
class Save:
    """What one pass took."""

    late: float  # seconds until all was searchable, beside the training of one document
    requests: float  # for each document


class Pace:
    """Documents that are saved while one engine lives, as in the service, and what each save took."""

    def __init__(self, tmp: Path, training: float, *, compat: str = "4.14") -> None:
        self.training = training
        options = {"training_seconds": training, "chunk_seconds": 0.0}
        self.world = World(tmp, compat=compat, emulator_options=options)
        self.saved = 0

    def run(self, *counts: int) -> list[Save]:
        """Save so many documents at once, one pass after the other."""

        async def saves(engine: Engine) -> list[Save]:
            return [await self.save(engine, count) for count in counts]

        return self.world.run(saves)

    async def save(self, engine: Engine, count: int) -> Save:
        """Save some more documents and wait until they are searchable."""
        for _ in range(count):
            self.saved += 1
            self.world.write(f"unit-{self.saved:04d}.md", text(self.saved))
        began, seen = self.world.now(), len(self.world.emulator.requests)
        outcome = await engine.sync()
        assert outcome.counts["verified"] == count, outcome
        return Save(self.world.now() - began - self.training, (len(self.world.emulator.requests) - seen) / count)


def judge(saves: list[Save]) -> tuple[float, float]:
    """The latest of the saves, and the requests of one on average."""
    return max(save.late for save in saves), sum(save.requests for save in saves) / len(saves)


@pytest.mark.parametrize("training", TIMES)
def test_a_lone_save_is_searchable_soon_after_its_training(tmp_path: Path, training: float) -> None:
    """Save to searchable is the training and 0.3 s at most, with at most 8 requests, once the pace is known."""
    late, requests = judge(Pace(tmp_path, training).run(*[1] * 24)[12:])
    print(f"training {training:g} s: {late:.2f} s late at most, {requests:.2f} requests")
    assert late <= NOISE
    assert requests <= MOST_REQUESTS


@pytest.mark.parametrize("training", TIMES)
def test_what_was_learnt_of_a_crowd_helps_a_lone_save(tmp_path: Path, training: float) -> None:
    """After a first sync of 40 documents, whose training waits for each other, lone saves are soon as fast."""
    first, *rest = Pace(tmp_path, training).run(40, *[1] * 16)
    late, requests = judge(rest[8:])
    print(
        f"training {training:g} s: {first.requests:.2f} requests each; then {late:.2f} s late, {requests:.2f} requests"
    )
    assert first.requests <= MOST_REQUESTS
    assert late <= NOISE
    assert requests <= MOST_REQUESTS


@pytest.mark.parametrize("compat", ["4.12", "4.14", "4.16"])
@pytest.mark.parametrize("training", TIMES)
def test_one_document_teaches_the_next(tmp_path: Path, training: float, compat: str) -> None:
    """Only the first document that a server trains pays for the pace: its training again, 15 requests at most."""
    first, *others = Pace(tmp_path, training, compat=compat).run(*[1] * 10)
    late, requests = judge(others)
    print(f"training {training:g} s: first {first.late:.2f} s late, {first.requests:.0f} requests; then {late:.2f} s")
    assert first.late <= min(training, LONGEST) + FIRST
    assert first.requests <= MOST_REQUESTS_OF_THE_FIRST + START
    assert late <= NOISE
    assert max(save.requests for save in others) <= MOST_REQUESTS
    assert (first.requests - START + requests * len(others)) / 10 <= MOST_REQUESTS  # the run's own are nobody's


@pytest.mark.parametrize("training", [1.0, 7.0, 60.0])
def test_an_upload_that_is_answered_late_makes_nothing_late(tmp_path: Path, training: float) -> None:
    """The server's times begin when it makes the collection, ours when the upload is answered: both are allowed for."""

    async def slowly(request: httpx.Request, forward: Forward) -> httpx.Response:
        response = await forward(request)
        if request.url.path.endswith("/create/localFile"):
            await asyncio.sleep(0.2)
        return response

    pace = Pace(tmp_path, training)
    pace.world.between = slowly
    _, *others = pace.run(*[1] * 12)
    late, requests = judge(others)
    assert late <= NOISE
    assert requests <= MOST_REQUESTS


@pytest.mark.parametrize("training", TIMES)
def test_a_lone_save_after_a_first_sync_and_a_restart_is_in_time(tmp_path: Path, training: float) -> None:
    """What a crowd taught is kept for the next run, so that its first save is not late either."""
    pace = Pace(tmp_path, training)
    pace.run(40)
    first, second = pace.run(1, 1)
    print(f"training {training:g} s: {first.late:.2f} s late, {first.requests:.0f} requests; then {second.late:.2f} s")
    assert max(first.late, second.late) <= NOISE
    assert first.requests <= MOST_REQUESTS_OF_THE_FIRST + START
    assert second.requests <= MOST_REQUESTS


@pytest.mark.parametrize("training", TIMES)
def test_the_first_save_of_another_dataset_is_in_time(tmp_path: Path, training: float) -> None:
    """What one dataset of a server taught is a guess for all others, which makes no save late."""
    pace = Pace(tmp_path, training)
    pace.run(1, 1)
    pace.world.source = replace(pace.world.source, dataset="Other", name="other", path=tmp_path / "more")
    pace.world.root = tmp_path / "more"
    pace.world.root.mkdir()
    first, second = pace.run(1, 1)
    assert max(first.late, second.late) <= NOISE
    assert first.requests <= MOST_REQUESTS_OF_THE_FIRST + START
    assert second.requests <= MOST_REQUESTS


def test_the_next_run_knows_what_this_one_learnt(tmp_path: Path) -> None:
    """How long training takes is learnt once, not at every start."""
    pace = Pace(tmp_path, 20.0)
    pace.run(1)
    (first,) = pace.run(1)
    assert first.late <= NOISE


def test_a_server_that_became_faster_or_slower_is_learnt_anew(tmp_path: Path) -> None:
    """What was learnt is a belief: documents that contradict it change it."""
    pace = Pace(tmp_path, 2.5)
    pace.run(*[1] * 12)
    for training in (9.0, 1.0):
        pace.training = training
        core = pace.world.emulator._core
        core.options = replace(core.options, training_seconds=training)
        late, _ = judge(pace.run(*[1] * 30)[18:])
        assert late <= NOISE


def test_a_standstill_of_the_training_is_named(tmp_path: Path) -> None:
    """When nothing has moved for a while, `sync` says what FastGPT seems to be at."""
    pace = Pace(tmp_path, 300.0)
    world = pace.world
    world.write("unit-1.md", text(1))
    said: list[tuple[float, str]] = []

    async def watched(engine: Engine) -> None:
        task = asyncio.ensure_future(engine.sync())
        while not task.done():
            said.append((world.now() - began, standing(engine.progress)))
            await asyncio.wait({task}, timeout=10)
        await task

    began = world.now()
    world.run(watched)
    early = [line for at, line in said if at <= 15]
    late = [line for at, line in said if 90 <= at <= 290]
    assert early and not any("FastGPT" in line for line in early)
    assert late and all("FastGPT has held 1 parse for" in line for line in late)
    assert "stays locked for up to 10 min" in late[0]
    assert "FastGPT" not in standing(Progress())
