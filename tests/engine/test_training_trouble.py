"""A training that fails is blamed on a document only while others are trained (rule 6); it is said once, and heals."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import exercised
import pytest
from laws import converged, rows
from service_world import Service, ServiceWorld
from texts import text
from world import World

from syncd.models import DeletePolicy
from syncd.suspects import LONE_FOR, LONE_TRIES, Suspects

IN_FLIGHT = 23


@pytest.fixture
def world(scratch: Path) -> ServiceWorld:
    """Three documents at rest, so that there is something that search finds."""
    exercised.add("training in trouble")
    world = ServiceWorld(scratch / "w", emulator_options={"workers": 64})
    world.source = replace(world.source, delete=DeletePolicy(max_percent=100.0))
    for name in "abc":
        world.write(f"{name}.md", text(name))

    async def script(service: Service) -> None:
        await service.rest()

    world.serve(script)
    world.sleep(10)  # what was trained a moment ago says nothing of what is trained now
    return world


def quarantined(world: ServiceWorld) -> list[str]:
    return [path for path, row in world.documents().items() if row["quarantine"] is not None]


@pytest.mark.parametrize("stage", ["chunk", "parse"])
def test_a_broken_model_quarantines_nobody(world: ServiceWorld, stage: str) -> None:
    """Of 23 documents in flight when the embedding model breaks none is blamed; healed, all end verified."""
    broken = world.emulator.faults.add("train_error", stage=stage, times=-1)
    told: list[tuple[str, bool]] = []

    async def script(service: Service) -> None:
        await service.rest()
        service.ears.training = lambda source, trouble: told.append((source, bool(trouble)))  # type: ignore[method-assign]
        for number in range(IN_FLIGHT):
            service.save(f"n{number}.md", text(f"n{number}"))
        await asyncio.sleep(3600.0)
        assert quarantined(world) == []
        assert [("docs", True)] == told
        assert 1 == world.times_logged("training.trouble")
        assert "FastGPT trains nothing of docs at present" in service.runner.troubles["docs"]
        world.emulator.faults.remove(broken.id)
        await service.until(lambda: set(world.states().values()) == {"verified"}, every=5.0, limit=3600.0)
        await service.rest()
        assert [("docs", True), ("docs", False)] == told
        assert {} == service.runner.troubles

    world.serve(script)
    assert [said for name, said in world.logged if name in ("bug", "pass.failed")] == []
    assert [] == rows(world, "select * from events where event = 'quarantined'")
    converged(world)


def test_the_model_breaks_between_two_documents(world: ServiceWorld) -> None:
    """What was trained a moment before the model broke is no evidence against what was in flight then."""

    async def script(service: Service) -> None:
        await service.rest()
        service.save("good.md", text("good"))
        await service.state("good.md", "verified")
        world.emulator.faults.add("train_error", stage="chunk", times=-1)
        for number in range(5):
            service.save(f"n{number}.md", text(f"n{number}"))
        await asyncio.sleep(1800.0)
        assert quarantined(world) == []

    world.serve(script)


def test_one_bad_document_among_good_ones(world: ServiceWorld) -> None:
    """A document whose training fails while others are trained is quarantined, soon, and the others are not."""
    world.emulator.faults.add("train_error", stage="chunk", times=-1, match="bad.md")

    async def script(service: Service) -> None:
        await service.rest()
        service.save("bad.md", text("bad"))
        await asyncio.sleep(30.0)
        assert quarantined(world) == []  # nothing else is trained: who knows
        service.save("good.md", text("good"))
        await service.state("good.md", "verified")
        await service.state("bad.md", "quarantined")
        await service.rest()
        assert {} == service.runner.troubles

    world.serve(script)
    assert ["bad.md"] == quarantined(world)


def test_a_one_shot_run_says_that_nobody_is_blamed(world: ServiceWorld) -> None:
    """Exit 4, uploaded but not proven, with the reason; the next run after it heals ends with 0."""
    broken = world.emulator.faults.add("train_error", stage="chunk", times=-1)
    for number in range(4):
        world.write(f"n{number}.md", text(f"n{number}"))
    outcome = World.sync(world)
    assert 4 == outcome.exit_code
    assert 4 == len(outcome.unproven)
    assert all("no document is blamed" in reason for reason in outcome.unproven.values())
    world.emulator.faults.remove(broken.id)
    assert 0 == World.sync(world).exit_code
    converged(world)


def test_a_lone_training_that_stands_still_is_begun_again(world: ServiceWorld) -> None:
    """What nobody works on any more is asked for again after the time-out, and is verified in the end."""
    world.fastgpt["training_timeout"] = 600.0
    world.emulator.faults.add("train_stuck", times=1)

    async def script(service: Service) -> None:
        await service.rest()
        service.save("lone.md", text("lone"))
        await service.until(lambda: world.states().get("lone.md") == "verified", every=5.0, limit=2000.0)

    world.serve(script)
    assert quarantined(world) == []


def test_nothing_fails_for_ever() -> None:
    """One document that alone fails again and again for a whole day is to blame, however quiet the dataset is."""
    suspects = Suspects()
    now = 1000.0
    for _ in range(LONE_TRIES):
        suspects.failed("c", "d", now)
    assert not suspects.long_alone("c", now + LONE_FOR - 1)
    assert suspects.long_alone("c", now + LONE_FOR)
    suspects.failed("other", "another dataset", now)
    assert suspects.long_alone("c", now + LONE_FOR)
    suspects.failed("e", "d", now)
    assert not suspects.long_alone("c", now + LONE_FOR)
    suspects.cleared("e")
    suspects.cleared("c")
    assert not suspects.long_alone("c", now + LONE_FOR)
