"""Passes that run side by side: who works on what, who takes away, and who looks at the server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import exercised
import pytest
from laws import converged, rows, uploads
from service_world import Service, ServiceWorld
from texts import text

from syncd.claims import Claims
from syncd.errors import Unavailable
from syncd.ledger import Ledger, remote
from syncd.models import Content, DeletePolicy, DocumentKey


@pytest.fixture(autouse=True)
def _counted() -> None:
    exercised.add("service scenarios")


@pytest.fixture
def make(scratch: Path) -> Callable[[int], ServiceWorld]:
    """Makes worlds with six documents, not synced yet; the number is the seed."""

    def make(seed: int) -> ServiceWorld:
        world = ServiceWorld(scratch / f"w{seed}", seed=seed, emulator_options={"workers": 64})
        for name in "abcdef":
            world.write(f"{name}.md", text(name))
        return world

    return make


@pytest.fixture
def world(make: Callable[[int], ServiceWorld]) -> ServiceWorld:
    """Six documents at rest."""
    world = make(0)

    async def script(service: Service) -> None:
        await service.rest()

    world.serve(script)
    world.sleep(100)
    return world


def no_bug(world: ServiceWorld) -> None:
    assert [text for name, text in world.logged if name in ("bug", "pass.failed")] == []
    assert world.broken == []


def slow(world: ServiceWorld, name: str, seconds: float = 300.0) -> None:
    world.emulator.faults.add("train_slow", match=name, times=1, seconds=seconds)


def test_what_an_earlier_run_could_not_serve_is_over(world: ServiceWorld) -> None:
    """Why a source could not be served is forgotten by the first whole pass that serves it, whoever wrote it down."""
    with closing(Ledger(world.ledger_path)) as ledger, ledger.transaction("trouble") as db:
        remote.set_trouble(db, "docs", "its dataset is not on the server any more")

    async def script(service: Service) -> None:
        await service.rest()

    world.serve(script)
    no_bug(world)
    assert rows(world, "select name, trouble from sources") == [("docs", "")]


# ---------------------------------------------------------------- one document, one pass


def test_many_looks_at_one_document_work_on_it_once(world: ServiceWorld) -> None:
    """However many passes see a new version, one of them sends it, and search is asked for one proof."""
    before = uploads(world)

    async def script(service: Service) -> None:
        await service.rest()
        service.save("a.md", text("a", 2))
        for _ in range(6):
            service.hint("a.md")
            service.runner.look()
            await asyncio.sleep(0.04)
        await service.quiet()

    world.serve(script)
    no_bug(world)
    assert uploads(world) - before == 1
    assert rows(
        world, "select count(*) from proofs p join revisions r on r.id = p.revision where r.state = ?", "verified"
    )
    assert rows(world, "select count(*) from events where event = 'uploaded' and path = 'a.md'") == [(2,)]
    assert rows(world, "select count(*) from events where event = 'verified' and path = 'a.md'") == [(2,)]
    converged(world)


def test_news_of_a_claimed_document_is_looked_at_when_it_is_free(world: ServiceWorld) -> None:
    """A save that another pass had to leave alone is looked at as soon as the document is free, without an event."""

    async def script(service: Service) -> None:
        await service.rest()
        slow(world, "a.md", 200.0)
        service.save("a.md", text("a", 2))
        await service.state("a.md", "indexing")
        world.write("a.md", text("a", 3), age=0.0)  # its event is lost
        began = world.now()
        service.runner.look()
        await service.serves("a.md", text("a", 3))
        assert world.now() - began < 10.0
        await service.quiet()

    world.serve(script)
    no_bug(world)
    converged(world)


def test_news_of_a_document_that_a_person_holds_is_not_forgotten(world: ServiceWorld) -> None:
    """A save that comes while a person's decision is carried out is looked at afterwards, without a further event."""

    async def script(service: Service) -> None:
        await service.rest()
        async with service.engine.holding(DocumentKey("docs", "a.md")):
            before = uploads(world)
            service.save("a.md", text("a", 2))
            await service.rest()
            assert uploads(world) == before
        await service.serves("a.md", text("a", 2))
        await service.quiet()

    world.serve(script)
    no_bug(world)
    converged(world)


def test_a_folder_is_moved_while_its_documents_are_under_way(world: ServiceWorld) -> None:
    """Documents that train while their folder is renamed are served under their new paths, the old ones go."""
    for number in range(4):
        world.write(f"old/d{number}.md", text(f"d{number}"))

    async def script(service: Service) -> None:
        await service.rest()
        for number in range(4):
            slow(world, f"d{number}.md", 60.0)
            service.save(f"old/d{number}.md", text(f"d{number}", 2))
        await service.state("old/d3.md", "indexing")
        service.rename("old", "new")
        await service.quiet()

    world.source = replace(world.source, delete=DeletePolicy(max_percent=100.0, grace=3600.0))
    world.serve(script)
    no_bug(world)
    converged(world)


# ---------------------------------------------------------------- what vanished


def test_a_moved_and_edited_document_leaves_no_gap(world: ServiceWorld) -> None:
    """What vanished waits a while for a new file, which it may have become (rule 17)."""

    async def script(service: Service) -> None:
        await service.rest()
        slow(world, "moved.md", 20.0)
        world.write("moved.md", text("a", 2))
        service.hint("moved.md")  # its own pass, before anybody knows that a.md is gone
        await service.state("moved.md", "indexing")
        service.remove("a.md")
        service.runner.look()
        await asyncio.sleep(10.0)
        assert "a.md" in world.visible()
        await service.state("a.md", "retired")
        assert world.states()["moved.md"] == "verified"
        await service.quiet()

    world.serve(script)
    no_bug(world)
    converged(world)


def test_what_vanished_stays_when_its_successor_fails(world: ServiceWorld) -> None:
    """When what another pass began comes to nothing, what vanished meanwhile stays until the next look (rule 17)."""

    async def script(service: Service) -> None:
        await service.rest()
        world.emulator.faults.add("train_error", match="moved.md", times=1, stage="chunk")
        slow(world, "other.md", 1.0)
        slow(world, "moved.md", 100.0)
        world.write("moved.md", text("a", 2))
        service.hint("moved.md")
        await service.state("moved.md", "indexing", "quarantined")
        service.remove("a.md")
        await service.rest()
        if world.states()["moved.md"] == "quarantined":
            assert "a.md" in world.visible() or world.states()["a.md"] == "retired"

    world.serve(script)
    no_bug(world)


def test_two_passes_take_away_no_more_than_one_may(world: ServiceWorld) -> None:
    """Files that vanish while another pass takes vanished files away count together (law 4)."""
    world.source = replace(world.source, delete=DeletePolicy(max_count=3, max_percent=100.0, grace=86400.0))

    async def script(service: Service) -> None:
        await service.rest()
        for delay, names in ((0.0, "ab"), (0.03, "cd")):
            await asyncio.sleep(delay)
            for name in names:
                world.remove(f"{name}.md")
            service.runner.look()
        await asyncio.sleep(0.03)
        service.runner.look()
        await service.rest()

    world.serve(script)
    no_bug(world)
    world.budget()
    retired = rows(world, "select count(*) from deletions")[0][0]
    held = len([path for path, state in world.states().items() if state == "held"])
    assert (retired, held) in ((2, 2), (0, 4))


def test_what_comes_back_and_goes_again_counts_once_more(world: ServiceWorld) -> None:
    """While a pass is about to take files away no other one does, even if those files come back meanwhile (law 4)."""
    world.source = replace(world.source, delete=DeletePolicy(max_count=3, max_percent=100.0, grace=86400.0))

    async def script(service: Service) -> None:
        await service.rest()
        service.save("f.md", text("f", 2))  # the dataset is known from here on
        await service.rest()
        fault = world.emulator.faults.add("html_502", match="", times=-1)
        closed = asyncio.ensure_future(service.runner.gate.wait(Unavailable("it is away")))
        await asyncio.sleep(1.0)
        for gone, back in (("ab", ""), ("cde", "ab"), ("ab", "")):
            for name in gone:
                world.remove(f"{name}.md")
            for name in back:
                world.write(f"{name}.md", text(name))
            service.runner.look()
            await asyncio.sleep(1.0)
        world.emulator.faults.remove(fault.id)
        await closed
        await service.quiet()

    world.serve(script)
    no_bug(world)
    world.budget()
    states = world.states()
    assert {states[f"{name}.md"] for name in "abcde"} <= {"retired", "held"}


@pytest.mark.parametrize("seed", range(6))
def test_the_budget_holds_whenever_passes_begin(make: Callable[[int], ServiceWorld], seed: int) -> None:
    """Passes that begin and end at any time let no more files go than the limit, and nothing is forgotten."""
    world = make(seed)
    world.source = replace(world.source, delete=DeletePolicy(max_count=3, max_percent=100.0, grace=86400.0))
    for number in range(12):
        world.write(f"n{number}.md", text(f"n{number}"))

    async def script(service: Service) -> None:
        await service.rest()
        for number in range(10):
            service.remove(f"n{number}.md")
            if world.dice.random() < 0.5:
                service.runner.look()
            await asyncio.sleep(world.dice.random() * 0.12)
        await service.rest()
        await service.quiet()

    world.serve(script)
    no_bug(world)
    world.budget()
    states = world.states()
    assert {states[f"n{number}.md"] for number in range(10)} <= {"retired", "held"}


def test_who_was_turned_away_looks_again(world: ServiceWorld) -> None:
    """A pass that left vanished files to another one is followed by a look, so that they need no further event."""

    async def script(service: Service) -> None:
        await service.rest()
        reached = service.point("ledger.retired.before")
        service.remove("a.md")
        await reached
        world.remove("b.md")
        service.hint("b.md")
        await service.rest()
        assert {world.states()["a.md"], world.states()["b.md"]} == {"retired"}

    world.serve(script)
    no_bug(world)
    converged(world)


# ---------------------------------------------------------------- surveys


def test_adoption_holds_back_what_other_passes_were_about_to_take(world: ServiceWorld) -> None:
    """What a survey takes in may be what another pass is about to retire: that one takes nothing away (rule 25)."""
    # A collection of ours that this ledger does not know: another ledger of the same deployment has written it.
    first = world.ledger_path
    world.ledger_path = world.tmp / "state2" / "ledger.db"
    world.write("g.md", text("g"))

    async def rests(service: Service) -> None:
        await service.rest()

    world.serve(rests)
    world.ledger_path = first
    ledger = Ledger(first)
    ledger.conn.execute("update sources set adopted_at = null")  # so that the two do not count as rivals
    ledger.close()
    world.remove("g.md")
    world.sleep(1000)

    async def script(service: Service) -> None:
        await service.rest()
        slow(world, "z.md", 60.0)
        service.save("z.md", text("z"))
        world.remove("a.md")
        service.runner.look()
        await service.state("z.md", "indexing")
        service.runner.left["docs"] = 300.0  # so that no later pass takes it away meanwhile, which it may
        world.write("g.md", text("g"))
        await service.engine.ledger.commit("audit", remote.ask_for_survey)
        service.hint("g.md")
        service.runner.look()
        await service.until(lambda: "g.md" in world.states(), every=0.1)
        assert uploads(world) == 8  # a to f, g by the other ledger, z: g was adopted
        await service.state("z.md", "verified")
        await service.rest()
        assert "a.md" in world.visible()
        await service.quiet()
        assert "a.md" not in world.visible()

    world.serve(script)
    no_bug(world)


@pytest.mark.parametrize("seed", range(8))
def test_a_survey_beside_a_search_for_a_lost_answer(make: Callable[[int], ServiceWorld], seed: int) -> None:
    """A survey and a pass that look for the same upload at the same time find one collection, and no double."""
    world = make(seed)

    async def script(service: Service) -> None:
        await service.rest()
        world.emulator.faults.add("reset_after", match="localFile", times=1)
        reached = service.point("ledger.upload_unknown.after")
        service.save("n.md", text("n"))
        await reached
        await service.engine.ledger.commit("audit", remote.ask_for_survey)
        service.runner.look()
        await service.quiet()

    world.serve(script)
    no_bug(world)
    assert rows(
        world, "select count(*) from revisions r join documents d on d.id = r.document where path = 'n.md'"
    ) == [(1,)]
    converged(world)


@pytest.mark.parametrize("seed", range(4))
def test_surveys_while_everything_is_under_way(make: Callable[[int], ServiceWorld], seed: int) -> None:
    """Surveys during uploads, flips, retirements and deletions find nothing strange: no finding, no double, no loss."""
    world = make(seed)
    world.source = replace(world.source, delete=DeletePolicy(max_count=50, max_percent=100.0, grace=0.0))

    async def script(service: Service) -> None:
        await service.rest()
        for version in range(2, 6):
            for name in "abc":
                service.save(f"{name}.md", text(name, version))
            service.save(f"n{version}.md", text(f"n{version}"))
            if version > 3:
                service.remove(f"n{version - 2}.md")
            for _ in range(4):
                await service.engine.ledger.commit("audit", remote.ask_for_survey)
                service.runner.look()
                await asyncio.sleep(world.dice.random() * 0.3)
        await service.quiet()

    world.serve(script)
    no_bug(world)
    assert rows(world, "select kind, path, message from findings") == []
    converged(world)


# ---------------------------------------------------------------- claims by themselves

KEY = DocumentKey("docs", "a.md")
OTHER = DocumentKey("docs", "b.md")
OLD, NEW = Content("old", ""), Content("new", "")


def test_a_claim_is_of_one() -> None:
    """The second pass is refused; equal content disturbs nobody, other content is told to the first one."""
    claims = Claims()
    assert claims.take(KEY, "first", OLD)
    assert claims.start(KEY, "first")
    assert not claims.start(KEY, "second")
    assert not claims.take(KEY, "second", OLD)
    assert not claims.newer(KEY).is_set()  # type: ignore[union-attr]
    assert not claims.take(KEY, "second", NEW)
    assert claims.newer(KEY).is_set()  # type: ignore[union-attr]
    assert claims.take(KEY, "first", NEW)


def test_only_the_owner_frees() -> None:
    """Whoever does not hold a claim cannot give it back; news is passed on once it is free."""
    told: list[DocumentKey] = []
    claims = Claims(freed=told.append)
    claims.take(KEY, "first", OLD, begun=True)
    claims.free(KEY, "second")
    assert claims.keys() == [KEY]
    assert not claims.take(KEY, "second", NEW)
    claims.free(KEY, "first")
    assert (claims.keys(), told) == ([], [KEY])
    claims.take(KEY, "first", OLD)
    claims.free(KEY, "first")
    assert told == [KEY]


def test_what_was_just_saved_does_not_wait_for_a_queue() -> None:
    """A document whose turn has not come yet goes to the pass that saw it newer; for the other it is open work."""
    claims = Claims()
    claims.take(KEY, "long", OLD)
    assert claims.take(KEY, "save", NEW)
    assert not claims.start(KEY, "long")
    assert claims.start(KEY, "save")
    assert claims.of_others("long", "docs") == [(KEY, NEW)]
    claims.free(KEY, "save")
    assert claims.of_others("long", "docs") == []


def test_what_moves_or_vanishes_is_not_taken_over() -> None:
    """A queue may lose only what begins anew wherever it goes on."""
    claims = Claims()
    claims.take(KEY, "first", OLD, begun=True)
    claims.take(OTHER, "first", None, vanished=True)
    assert not claims.take(KEY, "second", NEW)
    assert not claims.take(OTHER, "second", NEW)


def test_a_quiet_claim_disturbs_nobody() -> None:
    """Work that can wait takes a document only when it is free, and the owner hears nothing of it."""
    claims = Claims()
    claims.take(KEY, "first", OLD)
    assert not claims.hold(KEY, "second")
    assert not claims.newer(KEY).is_set()  # type: ignore[union-attr]
    assert claims.hold(KEY, "first")
    assert claims.hold(OTHER, "second")


def test_a_new_plan_gives_back_what_it_does_not_need() -> None:
    """Claims of an earlier plan go, those of others stay."""
    claims = Claims()
    claims.take(KEY, "first", OLD)
    claims.take(OTHER, "first", OLD)
    claims.keep("first", {OTHER})
    claims.keep("second", set())
    assert claims.keys() == [OTHER]


def test_what_others_work_on() -> None:
    """What a vanished file may have become is what others work on in its source; what vanishes itself is not."""
    claims = Claims()
    claims.take(KEY, "earlier", OLD)
    claims.take(DocumentKey("docs", "gone.md"), "earlier", None, vanished=True)
    claims.take(DocumentKey("more", "a.md"), "earlier", OLD)
    claims.take(OTHER, "me", NEW)
    assert claims.of_others("me", "docs") == [(KEY, OLD)]
    assert claims.of_others("earlier", "docs") == [(OTHER, NEW)]
    claims.free(KEY, "earlier")
    assert claims.of_others("me", "docs") == []


def test_a_person_gets_the_document() -> None:
    """A person's decision waits until the document is free, and the pass that has it hears so."""

    async def go() -> None:
        claims = Claims()
        claims.take(OTHER, "pass", OLD)
        await claims.wrest(OTHER, "person")  # its turn had not come
        assert not claims.start(OTHER, "pass")
        claims.take(KEY, "pass", OLD, begun=True)
        waits = asyncio.ensure_future(claims.wrest(KEY, "person"))
        await asyncio.sleep(0)
        assert claims.newer(KEY).is_set()  # type: ignore[union-attr]
        assert not waits.done()
        claims.free(KEY, "pass")
        await waits
        assert not claims.take(KEY, "pass", OLD)

    asyncio.run(go())


# ---------------------------------------------------------------- plans that have waited


@pytest.mark.parametrize("later", ["goes on", "comes back", "goes away"])
def test_a_move_that_has_waited_for_the_server(world: ServiceWorld, later: str) -> None:
    """A move that was planned before an outage is carried out only if the disk still says so afterwards (rule 16)."""
    world.source = replace(world.source, delete=DeletePolicy(max_percent=100.0, grace=3600.0))
    fault = world.emulator.faults.add("html_502", match="", times=-1)
    world.write("b.md", text("b", 2))
    world.rename("a.md", "sub/m.md")
    before = uploads(world)

    async def script(service: Service) -> None:
        await service.until(lambda: service.runner.gate.closed)
        if later == "comes back":
            world.write("a.md", text("a"))
            service.hint("a.md")
        elif later == "goes on":
            service.rename("sub/m.md", "n.md")
        else:
            service.remove("sub/m.md")
        await asyncio.sleep(100.0)
        world.emulator.faults.remove(fault.id)
        await service.quiet()

    world.serve(script)
    no_bug(world)
    shown = [event.event for event in world.emulator.timeline if event.metadata.get("syncd", {}).get("path") == "a.md"]
    assert (shown[-1] == "hidden") == (later == "goes away")
    assert uploads(world) - before == (2 if later == "comes back" else 1)
    moved = rows(world, "select path, detail from events where event = 'moved'")
    assert moved == ([("n.md", "from a.md")] if later == "goes on" else [])
    converged(world)


@pytest.mark.parametrize("version", [1, 2])
def test_a_file_that_was_back_for_a_moment(world: ServiceWorld, version: int) -> None:
    """A version that was to be shown again before an outage stays hidden when its file has gone again meanwhile."""
    world.source = replace(world.source, delete=DeletePolicy(max_percent=100.0, grace=86400.0))

    async def removes(service: Service) -> None:
        await service.rest()
        service.remove("a.md")
        await service.quiet()

    world.serve(removes)
    assert world.states()["a.md"] == "retired"
    fault = world.emulator.faults.add("html_502", match="", times=-1)
    world.write("a.md", text("a", version))

    async def script(service: Service) -> None:
        await service.until(lambda: service.runner.gate.closed)
        service.remove("a.md")
        await asyncio.sleep(100.0)
        world.emulator.faults.remove(fault.id)
        await service.quiet()

    world.serve(script)
    no_bug(world)
    assert world.states()["a.md"] == "retired"
    events = [e.event for e in world.emulator.timeline if e.metadata.get("syncd", {}).get("path") == "a.md"]
    assert events.count("shown") == 1
    converged(world)


@pytest.mark.parametrize("seed", range(8))
def test_a_folder_that_is_used_again_is_not_removed(make: Callable[[int], ServiceWorld], seed: int) -> None:
    """While one pass removes an emptied folder, no other one puts a document into it: it would go along (rule 14)."""
    world = make(seed)
    world.write("x/g.md", text("g"))
    world.write("h.md", text("h"))

    async def script(service: Service) -> None:
        await service.rest()
        service.rename("x/g.md", "g.md")
        await service.rest()
        await asyncio.sleep(31.0)  # the second look at the emptied folder is due
        # Both wait for the server, and go on at the same moment.
        fault = world.emulator.faults.add("html_502", match="", times=-1)
        closed = asyncio.ensure_future(service.runner.gate.wait(Unavailable("it is away")))
        await asyncio.sleep(1.0)
        service.runner.look()
        await asyncio.sleep(1.0)
        for path in (["x/new.md"], ["x/y/new.md"], ["x/h.md"])[seed % 3]:
            if path == "x/h.md":
                service.rename("h.md", path)
            else:
                service.save(path, text(path))
        await asyncio.sleep(1.0)
        world.emulator.faults.remove(fault.id)
        await closed
        await service.quiet()

    world.serve(script)
    no_bug(world)
    converged(world)
