"""The engine as a service: newest content wins, documents go side by side, and the server's trouble is waited for."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import exercised
import pytest
from laws import converged, rows, uploads
from service_world import Service, ServiceWorld
from texts import text

from syncd.errors import LedgerError
from syncd.ledger import remote, requests
from syncd.models import DeletePolicy, DocumentKey
from syncd.running import FEW_AT_ONCE


@pytest.fixture
def world(scratch: Path) -> ServiceWorld:
    """Two documents, not synced yet."""
    made = ServiceWorld(scratch / "w", emulator_options={"workers": 64})
    made.write("a.md", text("a"))
    made.write("b.md", text("b"))
    return made


@pytest.fixture(autouse=True)
def _counted() -> None:
    exercised.add("service scenarios")


def served(world: ServiceWorld) -> None:
    """Bring the world to rest."""

    async def script(service: Service) -> None:
        await service.rest()

    world.serve(script)
    world.sleep(100)


def sent(world: ServiceWorld, name: str) -> list[str]:
    """The bodies of the uploads of one file name that reached the server."""
    return [r.body for r in world.requests("create/localFile") if f"'{name}'" in r.body]


def no_bug(world: ServiceWorld) -> None:
    assert [text for name, text in world.logged if name == "bug"] == []
    assert world.broken == []


def slow(world: ServiceWorld, name: str, seconds: float = 300.0) -> None:
    """The training of one document takes long."""
    world.emulator.faults.add("train_slow", match=name, times=1, seconds=seconds)


# ---------------------------------------------------------------- newest content wins

MOMENTS = {
    "queued": "ledger.upload_intent.before",
    "sending": "http.upload.before",
    "arrived": "ledger.uploaded.before",
    "hidden": "ledger.hidden.after",
    "indexing": "http.training.before",
    "compared": "ledger.flip_intent.before",
    "flipping": "ledger.flip_intent.after",
    "shown": "ledger.flipped.before",
    "proving": "http.search.before",
    "proven": "ledger.verified.before",
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_newest_content_wins(world: ServiceWorld, moment: str) -> None:
    """Whatever an upload has come to when its file is saved again, the newest content ends up visible, with no gap."""
    served(world)
    before = uploads(world)

    async def script(service: Service) -> None:
        await service.rest()
        reached = service.point(MOMENTS[moment])
        service.save("a.md", text("a", 2))
        await reached
        service.save("a.md", text("a", 3))
        await service.rest()

    world.serve(script)
    no_bug(world)
    assert uploads(world) - before <= 2
    converged(world)


def test_a_queued_older_version_is_never_sent(world: ServiceWorld) -> None:
    """While a document waits for its turn, newer content takes the place of the older: one upload, of the newest."""
    served(world)
    world.fastgpt["uploads"] = 1
    before = uploads(world)

    async def script(service: Service) -> None:
        await service.rest()
        world.emulator.faults.add("slow", match="localFile", seconds=20.0)
        started = service.point("http.upload.before")
        service.save("b.md", text("b", 2))
        await started
        for version in (2, 3, 4):
            service.save("a.md", text("a", version))
            await asyncio.sleep(1.0)
        await service.rest()

    world.serve(script)
    no_bug(world)
    assert uploads(world) - before == 2
    converged(world)


def test_a_burst_of_saves_is_one_upload(world: ServiceWorld) -> None:
    """Saves that follow each other faster than the quiet time are one change."""
    world.source = replace(world.source, settle=2.0)
    served(world)
    before = uploads(world)

    async def script(service: Service) -> None:
        await service.rest()
        for version in range(2, 22):
            service.save("a.md", text("a", version))
            await asyncio.sleep(0.3)
        await service.rest()

    world.serve(script)
    no_bug(world)
    assert uploads(world) - before == 1
    converged(world)


def test_saves_during_uploads_are_few_uploads(world: ServiceWorld) -> None:
    """Twenty saves while versions are under way cost far fewer uploads, since only what is newest is sent."""
    served(world)
    before = uploads(world)

    async def script(service: Service) -> None:
        await service.rest()
        for version in range(2, 22):
            service.save("a.md", text("a", version))
            await asyncio.sleep(0.03)
        await service.quiet()

    world.serve(script)
    no_bug(world)
    assert uploads(world) - before <= 6
    converged(world)


# ---------------------------------------------------------------- side by side


@pytest.mark.parametrize("limit", [1, 3])
def test_uploads_in_flight(world: ServiceWorld, limit: int) -> None:
    """As many uploads as configured are under way at once, over all passes, and never more."""
    world.fastgpt["uploads"] = limit

    async def script(service: Service) -> None:
        await service.rest()
        for number in range(12):
            service.save(f"n{number}.md", text(f"n{number}"))
            await asyncio.sleep(0.01)
        await service.rest()

    world.serve(script)
    no_bug(world)
    assert world.most_sending == limit
    converged(world)


def test_slow_training_keeps_nobody_waiting(world: ServiceWorld) -> None:
    """However many documents wait for their training, one that is saved meanwhile is served at once."""
    served(world)

    async def script(service: Service) -> None:
        await service.rest()
        for number in range(FEW_AT_ONCE // 2):
            slow(world, f"slow{number}.md")
            service.save(f"slow{number}.md", text(f"slow{number}"))
            await asyncio.sleep(0.5)
        began = world.now()
        service.save("a.md", text("a", 2))
        await service.serves("a.md", text("a", 2))
        assert world.now() - began < 5.0
        await service.rest()

    world.serve(script)
    no_bug(world)
    converged(world)


def test_more_slow_documents_than_passes(world: ServiceWorld) -> None:
    """Eight and more documents that the server never trains do not stop the next save."""
    served(world)
    assert FEW_AT_ONCE > 24

    async def script(service: Service) -> None:
        await service.rest()
        for number in range(20):
            slow(world, f"slow{number}.md")
            service.save(f"slow{number}.md", text(f"slow{number}"))
            await asyncio.sleep(0.5)
        service.save("new.md", text("new"))
        began = world.now()
        await service.state("new.md", "verified")
        assert world.now() - began < 10.0

    world.serve(script)
    no_bug(world)


def test_a_document_that_needs_nothing_more_is_free(world: ServiceWorld) -> None:
    """What a pass has done with is free for others, although the pass goes on with something slow."""
    world.delete_at_once()
    world.source = replace(world.source, delete=DeletePolicy(max_percent=100.0, grace=3600.0))
    for name in "cdefg":
        world.write(f"{name}.md", text(name))
    served(world)

    async def script(service: Service) -> None:
        await service.rest()
        reached = service.point("ledger.retired.before")
        service.remove("b.md")
        await reached
        slow(world, "z.md")
        world.write("z.md", text("z"))  # seen by the next round of the same pass
        await service.state("z.md", "indexing")
        assert len(service.engine.under_way()) == 1
        began = world.now()
        service.save("b.md", text("b"))
        await service.state("b.md", "verified")
        assert world.now() - began < 10.0
        await service.rest()

    world.serve(script)
    no_bug(world)
    converged(world)


def test_a_claim_of_an_earlier_round_does_not_last(world: ServiceWorld) -> None:
    """A document that a pass planned for and then found at rest again is free, although the pass goes on."""
    served(world)

    async def script(service: Service) -> None:
        await service.rest()
        slow(world, "z.md")
        world.write("z.md", text("z"))
        world.write("a.md", text("a", 2))
        # A survey is due: the dataset is bound and looked through, then the plan is made again.
        await service.engine.ledger.commit("audit", remote.ask_for_survey)
        reached = service.point("http.dataset.before")
        service.runner.look()
        await reached
        world.write("a.md", text("a"))
        await service.state("z.md", "indexing")
        assert DocumentKey("docs", "a.md") not in service.engine.under_way()
        began = world.now()
        service.save("a.md", text("a", 3))
        await service.serves("a.md", text("a", 3))
        assert world.now() - began < 10.0
        await service.rest()

    world.serve(script)
    no_bug(world)
    converged(world)


# ---------------------------------------------------------------- the circuit breaker


def test_an_outage(world: ServiceWorld) -> None:
    """While the server is away it is looked at ever more rarely, nobody is blamed, and all goes on by itself."""
    served(world)

    async def script(service: Service) -> None:
        await service.rest()
        service.save("a.md", text("a", 2))  # the dataset is known from here on
        await service.rest()
        began = world.now()
        fault = world.emulator.faults.add("html_502", match="", times=-1)
        burst = [f"n{number}.md" for number in range(12)]
        for name in burst:
            service.save(name, text(name), hint=False)
        service.hint(*burst)
        for number in range(8):
            await asyncio.sleep(0.5)
            service.save(f"d{number}/n.md", text(f"d{number}"))
        await asyncio.sleep(600.0)
        seen = [r for r in world.requests() if r.at >= began]
        looks = [r.at for r in seen if r.path.endswith("getInitData")]
        gaps = [later - earlier for earlier, later in pairwise(looks)]
        assert max(gaps) <= 15.2
        assert min(gaps[6:]) >= 14.8
        assert sorted(gaps[:5]) == gaps[:5]
        # Nothing else is sent: the uploads whose turn it was fail, and then there are the looks alone.
        others = [r for r in seen if not r.path.endswith("getInitData")]
        assert len(others) <= 2 * 4, [r.path for r in others]
        assert service.runner.gate.closed
        world.emulator.faults.remove(fault.id)
        await asyncio.sleep(16.0)
        assert not service.runner.gate.closed
        await service.rest()
        assert [None if e is None else e.code for e in service.ears.troubles] == ["server-unreachable", None]

    world.serve(script)
    no_bug(world)
    assert (world.times_logged("server.trouble"), world.times_logged("server.back")) == (1, 1)
    assert rows(world, "select path from documents where attempts > 0 or quarantine is not null") == []
    converged(world)


@pytest.mark.parametrize("match", ["", "localFile"])
@pytest.mark.parametrize("kind", ["key_refused", "quota"])
def test_a_refused_key(world: ServiceWorld, kind: str, match: str) -> None:
    """A refused key, or an empty balance, is waited for and said once, although the server itself answers."""
    served(world)

    async def script(service: Service) -> None:
        await service.rest()
        fault = world.emulator.faults.add(kind, match=match, times=-1)
        service.save("a.md", text("a", 2))
        service.save("n.md", text("n"))
        await asyncio.sleep(600.0)
        assert service.runner.server.code != ""
        world.emulator.faults.remove(fault.id)
        await service.rest()
        await asyncio.sleep(120.0)
        told = [None if e is None else e.code for e in service.ears.troubles]
        assert told == [told[0], None], told

    world.serve(script)
    no_bug(world)
    assert (world.times_logged("server.trouble"), world.times_logged("server.back")) == (1, 1)
    assert rows(world, "select path from documents where attempts > 0 or quarantine is not null") == []
    converged(world)


def test_an_outage_in_every_life(world: ServiceWorld) -> None:
    """A service that is started, stopped and started while the server is away comes to a safe point each time."""
    world.emulator.faults.add("html_502", match="", times=-1)

    async def script(service: Service) -> None:
        await asyncio.sleep(100.0)
        service.save("a.md", text("a", 2))
        await asyncio.sleep(1.0)

    for _ in range(3):
        began = world.time
        world.serve(script)
        assert world.time - began < 130.0
    world.emulator.faults.clear()
    served(world)
    no_bug(world)
    converged(world)


# ---------------------------------------------------------------- persons

FLIP = {
    "intent": "ledger.flip_intent.after",
    "shown": "http.update.after",
    "flipped": "ledger.flipped.before",
    "searched": "http.search.after",
}


def flips_in_progress(world: ServiceWorld) -> int:
    return len(rows(world, "select id from revisions where flip is not null"))


@pytest.mark.parametrize("moment", FLIP)
def test_a_pause_finishes_a_begun_flip(world: ServiceWorld, moment: str) -> None:
    """A pause stops new remote work at once, and never inside a flip (rule 2)."""
    served(world)

    async def script(service: Service) -> None:
        await service.rest()
        begun, reached = service.point("ledger.flip_intent.before"), service.point(FLIP["intent"])
        service.save("a.md", text("a", 2))
        service.save("b.md", text("b", 2))
        await begun
        await reached
        if moment != "intent":
            await service.point(FLIP[moment])
        assert (await service.ask("pause")).exit_code == 0
        await service.until(lambda: not service.runner.busy)
        assert flips_in_progress(world) == 0
        sent_so_far = len(world.requests())
        service.save("new.md", text("new"))
        service.runner.look()
        await asyncio.sleep(1000.0)
        assert len(world.requests()) == sent_so_far
        assert (await service.ask("resume")).exit_code == 0
        await service.quiet()
        assert service.ears.pauses == [False, True, False]

    world.serve(script)
    no_bug(world)
    converged(world)


@pytest.mark.parametrize("moment", FLIP)
def test_a_crash_inside_a_flip_and_a_paused_start(world: ServiceWorld, moment: str) -> None:
    """A flip that a crash left half done is finished at the next start, although that is paused; nothing else is."""
    served(world)

    points = world.seen_points = []

    async def dies(service: Service) -> None:
        await service.rest()
        points.clear()
        service.save("a.md", text("a", 2))
        await service.rest()

    world.dies_here = lambda name: name == FLIP[moment] and "ledger.flip_intent.before" in points
    assert world.serve(dies) == FLIP[moment]
    world.dies_here = None
    assert flips_in_progress(world) == 1
    with requests.mailbox(world.ledger_path) as conn:
        requests.set_paused(conn, world.now())
    before = uploads(world)

    async def paused(service: Service) -> None:
        service.save("new.md", text("new"))
        await asyncio.sleep(300.0)
        assert flips_in_progress(world) == 0
        assert uploads(world) == before
        await service.ask("resume")
        await service.quiet()

    world.serve(paused)
    no_bug(world)
    converged(world)


def test_a_pause_in_an_outage_finishes_flips_when_it_is_over(world: ServiceWorld) -> None:
    """A flip that an outage has stopped half way is finished once the server is back, though a pause came first."""
    served(world)

    async def script(service: Service) -> None:
        await service.rest()
        reached = service.point("ledger.flip_intent.after")
        service.save("a.md", text("a", 2))
        await reached
        fault = world.emulator.faults.add("html_502", match="", times=-1)
        await asyncio.sleep(30.0)
        await service.ask("pause")
        await asyncio.sleep(30.0)
        assert flips_in_progress(world) == 1
        world.emulator.faults.remove(fault.id)
        await asyncio.sleep(60.0)
        assert flips_in_progress(world) == 0
        service.save("new.md", text("new"))
        sent_so_far = uploads(world)
        await asyncio.sleep(60.0)
        assert uploads(world) == sent_so_far
        await service.ask("resume")
        await service.quiet()

    world.serve(script)
    no_bug(world)
    converged(world)


def test_a_stop_while_a_paused_service_waits_to_finish_a_flip(world: ServiceWorld) -> None:
    """A stop does not wait for a server that is away, not even for a flip; the next start finishes it."""
    served(world)

    async def script(service: Service) -> None:
        await service.rest()
        reached = service.point("ledger.flip_intent.after")
        service.save("a.md", text("a", 2))
        await reached
        world.emulator.faults.add("html_502", match="", times=-1)
        await asyncio.sleep(30.0)
        await service.ask("pause")
        await asyncio.sleep(3.0)
        world.ends_at = world.now()

    world.serve(script)
    assert world.now() - world.ends_at < 5.0
    world.emulator.faults.clear()

    async def goes_on(service: Service) -> None:
        await asyncio.sleep(60.0)
        assert flips_in_progress(world) == 0
        await service.ask("resume")
        await service.quiet()

    world.serve(goes_on)
    no_bug(world)
    converged(world)


def test_retry_while_passes_run(world: ServiceWorld) -> None:
    """What was given up is tried again at once when a person asks for it, whatever else is under way."""
    served(world)

    async def script(service: Service) -> None:
        await service.rest()
        world.emulator.faults.add("train_error", match="n.md", times=1, stage="chunk")
        service.save("n.md", text("n"))
        await asyncio.sleep(10)
        service.save("o.md", text("o"))  # the dataset trains others: only then a failure counts (rule 6)
        await service.state("n.md", "quarantined")
        await service.state("o.md", "verified")
        slow(world, "z.md")
        service.save("z.md", text("z"))
        await service.state("z.md", "indexing")
        began = world.now()
        answer = await service.ask("retry", paths=["n.md"])
        assert (answer.exit_code, answer.values["count"]) == (0, 1)
        await service.state("n.md", "verified")
        assert world.now() - began < 5.0
        await service.quiet()

    world.serve(script)
    no_bug(world)
    converged(world)


def test_rollback_while_a_pass_works_on_the_document(world: ServiceWorld) -> None:
    """A person's decision gets the document at the pass's next safe point; then the pass's work is planned anew."""
    served(world)

    async def script(service: Service) -> None:
        await service.rest()
        service.save("a.md", text("a", 2))
        await service.serves("a.md", text("a", 2))
        await service.rest()
        slow(world, "a.md", 600.0)
        slow(world, "z.md", 900.0)
        service.save("z.md", text("z"))
        service.save("a.md", text("a", 3))
        await service.state("a.md", "indexing")
        began = world.now()
        answer = await service.ask("rollback", path="a.md")
        # What is under way stands in the way of a rollback, and that is said at once instead of after the training.
        assert (answer.exit_code, world.now() - began < 5.0) == (6, True)
        await service.quiet()

    world.serve(script)
    no_bug(world)
    converged(world)


def test_rollback_at_rest(world: ServiceWorld) -> None:
    """A rollback through the service goes through the flip once, and stays until the file changes (rule 22)."""
    served(world)

    async def script(service: Service) -> None:
        await service.rest()
        service.save("a.md", text("a", 2))
        await service.serves("a.md", text("a", 2))
        await service.rest()
        first, second = service.post("rollback", path="a.md"), service.post("retry", paths=["b.md"])
        with requests.mailbox(world.ledger_path) as conn:
            answers = [await service.until(lambda n=n: requests.answer_to(conn, n)) for n in (first, second)]  # type: ignore[misc]
        assert [answer.exit_code for answer in answers] == [0, 0]
        await service.quiet()
        await service.serves("a.md", text("a"))
        service.save("a.md", text("a", 3))
        await service.serves("a.md", text("a", 3))
        await service.quiet()

    world.serve(script)
    no_bug(world)
    converged(world)


def test_release_while_passes_run(world: ServiceWorld) -> None:
    """What a person lets go is carried out by the running service, although other documents train meanwhile."""
    world.source = replace(world.source, delete=DeletePolicy(max_count=1, grace=3600.0))
    for name in "cdef":
        world.write(f"{name}.md", text(name))
    served(world)

    async def script(service: Service) -> None:
        await service.rest()
        for name in "cde":
            world.remove(f"{name}.md")
        service.hint()
        await service.rest()
        assert len(rows(world, "select source from holds")) == 1
        assert world.states()["c.md"] == "held"
        refused = await service.ask("release", source="docs")
        assert (6, True) == (refused.exit_code, "cannot be known" in str(refused.values["message"]))
        shown = rows(world, "select id from holds")[0][0]
        answer = await service.ask("release", source="docs", hold=shown)
        assert sorted(answer.values["paths"]) == ["c.md", "d.md", "e.md"]
        await service.quiet()
        assert rows(world, "select source from holds") == []

    world.serve(script)
    no_bug(world)
    converged(world)


# ---------------------------------------------------------------- faults of ours, and the end


def test_a_bug_in_a_pass(world: ServiceWorld) -> None:
    """An exception that nobody foresaw ends its pass and not the service; the source is looked at again by itself."""
    served(world)

    async def script(service: Service) -> None:
        await service.rest()
        real, failures = service.engine.run, [3]

        async def run(*args: Any, **kwargs: Any) -> Any:
            if failures[0]:
                failures[0] -= 1
                raise ZeroDivisionError("a bug")
            return await real(*args, **kwargs)

        service.engine.run = run  # type: ignore[method-assign]
        service.save("a.md", text("a", 2))
        await service.serves("a.md", text("a", 2))
        await service.quiet()

    world.serve(script)
    assert [name for name, _ in world.logged if name == "bug"] == ["bug"] * 3
    assert world.broken == []
    converged(world)


def test_a_ledger_error_ends_the_service(world: ServiceWorld) -> None:
    """A ledger that cannot be used ends the service with its own error, whatever is under way."""
    served(world)

    async def script(service: Service) -> None:
        await service.rest()
        slow(world, "z.md")
        service.save("z.md", text("z"))
        await service.state("z.md", "indexing")

        async def commit(*_args: Any, **_kwargs: Any) -> None:
            raise LedgerError("the disk is full")

        service.engine.ledger.commit = commit  # type: ignore[method-assign]
        service.save("a.md", text("a", 2))
        await asyncio.sleep(100.0)
        raise AssertionError("the service lives on")

    with pytest.raises(LedgerError):
        world.serve(script)
    served(world)
    no_bug(world)


@pytest.mark.parametrize("moment", ["queued", "sending", "indexing", "flipping", "proving"])
def test_a_stop_while_many_are_under_way(world: ServiceWorld, moment: str) -> None:
    """A stop reaches a safe point of every pass soon, never inside a flip, and the next start goes on from there."""
    world.fastgpt["uploads"] = 4  # so few that some are still queued
    for number in range(12):
        world.write(f"n{number}.md", text(f"n{number}"))
    served(world)

    async def script(service: Service) -> None:
        await service.rest()
        for number in range(4):
            slow(world, f"slow{number}.md", 100.0)
            service.save(f"slow{number}.md", text(f"slow{number}"))
        for number in range(12):
            service.save(f"n{number}.md", text(f"n{number}", 2))
            await asyncio.sleep(0.02)
        await service.point(MOMENTS[moment], 3)
        world.ends_at = world.now()

    world.serve(script)
    assert world.now() - world.ends_at < 3.0
    assert flips_in_progress(world) == 0

    async def goes_on(service: Service) -> None:
        await service.quiet()

    world.serve(goes_on)
    no_bug(world)
    assert uploads(world) == 14 + 4 + 12
    converged(world)


def test_a_file_that_was_being_written_is_seen_after_a_crash(world: ServiceWorld) -> None:
    """A look that found a file not at rest yet leaves nothing behind that hides it from the looks of the next life."""
    world.source = replace(world.source, settle=2.0)
    served(world)

    async def dies(service: Service) -> None:
        await service.rest()
        passes = len(service.ears.passes)
        service.save("n.md", text("n"), hint=False)
        await asyncio.sleep(1.0)
        service.runner.look()
        await service.until(lambda: len(service.ears.passes) > passes)

    world.serve(dies)
    world.sleep(100)

    async def goes_on(service: Service) -> None:
        await service.quiet()

    world.serve(goes_on)
    no_bug(world)
    assert world.states()["n.md"] == "verified"
    converged(world)


def test_an_upload_that_arrives_after_its_file_became_a_folder(world: ServiceWorld) -> None:
    """An upload that was given up since its file cannot be read any more is looked for, should it arrive late."""
    served(world)

    async def script(service: Service) -> None:
        await service.rest()
        world.emulator.faults.add("late_effect", match="localFile", seconds=45.0)
        reached = service.point("ledger.upload_unknown.after")
        service.save("n.md", text("n"))
        await reached
        await asyncio.sleep(20.0)
        world.remove("n.md")
        service.save("n.md/inner.md", text("inner"), hint=False)  # the event is lost, so the pass goes on
        await service.rest()
        await asyncio.sleep(700.0)
        await service.quiet()

    world.serve(script)
    no_bug(world)
    converged(world, failing=("n.md",))


def test_a_vanished_file_goes_soon_after_another_one_failed(world: ServiceWorld) -> None:
    """What waited for a file that then failed is tried again by itself, not at the next scan (rule 17)."""
    served(world)

    async def script(service: Service) -> None:
        await service.rest()
        world.emulator.faults.add("train_error", match="x.md", times=1, stage="chunk")
        service.save("x.md", text("x"))
        service.remove("a.md")
        await asyncio.sleep(10)
        service.save("o.md", text("o"))  # the dataset trains others: only then a failure counts (rule 6)
        await service.state("x.md", "quarantined")
        began = world.now()
        await service.until(lambda: "a.md" not in world.visible())
        assert world.now() - began < 30.0

    world.serve(script)
    no_bug(world)


def test_retry_of_everything_leaves_a_rollback_alone(world: ServiceWorld) -> None:
    """A rolled-back document goes forward again only when it is named, or its file changes (rule 22)."""
    served(world)

    async def script(service: Service) -> None:
        await service.rest()
        service.save("a.md", text("a", 2))
        await service.serves("a.md", text("a", 2))
        await service.rest()
        assert (await service.ask("rollback", path="a.md")).exit_code == 0
        await service.quiet()
        assert (await service.ask("retry")).values["count"] == 0
        await service.quiet()
        await service.serves("a.md", text("a"))
        assert (await service.ask("retry", paths=["a.md"])).values["count"] == 1
        await service.serves("a.md", text("a", 2))

    world.serve(script)
    no_bug(world)
