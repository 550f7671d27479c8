"""Nothing is tried for ever: one route that fails for one document, for ever, ends in a name and blocks nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import exercised
import pytest
from answers import OTHERS, PATHS, UNCLEAR, instead
from laws import converged, no_gap, rows
from service_world import Service, ServiceWorld
from texts import text
from world import World

from syncd.decisions import retry

DAY = 86400.0
MOST = 200  # requests for one document in a day in which they are never answered; it were 2 880 at one in 30 s
FEW = ("fastgpt 500 read ECONNRESET", "fastgpt 429", "page 413", "302 to a login", "json 200", "time-out")


def at_work(world: World, route: str) -> None:
    """Some documents that serve, one of them about to change, some about to be new, one about to go."""
    world.delete_at_once()
    for name in ("one", "two", "gone", "stubborn/old"):
        world.write(f"{name}.md", text(name))
    assert world.sync().exit_code == 0
    world.sleep(1000)
    if route == "create_folder":
        world.write("new/old.md", text("new/old"))
    else:
        world.write("stubborn/old.md", text("stubborn/old", 2))
    world.write("three.md", text("three"))
    world.write("other/four.md", text("four"))


def named(world: World, route: str, path: str) -> None:
    """What is said of the document: what failed, and how often; and everybody else has come through."""
    row = world.documents()[path]
    states = world.states()
    assert {name for name in OTHERS if states[name] == "verified"} == OTHERS
    findings = rows(world, "select kind, path from findings where resolved_at is null")
    match route:
        case "list":  # the folder is left out of what is looked at, and that is all it was needed for
            assert row["state"] == "verified"
            assert findings == [("stuck", "stubborn")]
        case "delete":  # the new version serves; the old one is hidden, and stays until the server takes it away
            assert row["state"] == "verified"
            assert findings == [("stuck", "stubborn/old.md")]
        case "detail":  # rule 1: nothing is hidden that cannot be seen to be replaced, so the flip stays begun
            assert (row["state"], row["attempts"] >= 8) == ("proving", True)
            assert "'detail'" in row["last_error"]
        case _:
            assert (row["state"], row["quarantine"]) == ("quarantined", "upload-failed")
            assert row["attempts"] >= 8
            assert "came to nothing" in row["quarantine_message"]
            assert "proxy" in row["quarantine_message"]
    no_gap(world)


def mended(world: World, path: str) -> None:
    """The server answers again, a person says `retry`: all is well."""
    world.between = None
    world.sleep(4000)
    world.run(lambda engine: _retried(engine.ledger, engine.config, path))
    assert world.sync().exit_code == 0
    world.sleep(4000)
    converged(world)


async def _retried(ledger: object, config: object, path: str) -> None:
    retry(ledger, config, [path])  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", [pytest.param(a, marks=() if a in FEW else pytest.mark.long) for a in UNCLEAR])
def test_an_upload_that_is_always_answered_so(world: World, answer: str) -> None:
    """Whatever the answer is, an upload that never takes effect ends in a name after a few tries of a few runs."""
    exercised.add("uploads that are never taken")
    at_work(world, "upload")
    path = PATHS["upload"]
    struck = instead(world, "upload", UNCLEAR[answer], path=path, times=100_000, effect=False)
    if "429" in answer:  # a limit is the server's for as long as it lasts, and a run waits for it as for an outage
        assert world.sync().exit_code == 75
        assert world.documents()[path]["state"] != "quarantined"
        assert len(struck) <= 8
        assert {name for name in OTHERS if world.states()[name] == "verified"} == OTHERS
        world.between = None
        for _ in range(2):  # the second one looks for what may have arrived late
            world.sleep(4000)
            assert world.sync().exit_code == 0
        converged(world)
        return
    for number in range(8):
        began = world.time
        assert world.sync().exit_code == 3
        assert world.time - began < 70.0
        row = world.documents()[path]
        assert {name for name in OTHERS if world.states()[name] == "verified"} == OTHERS
        if row["state"] == "quarantined":
            break
        assert f"try {row['attempts']} of 8" in row["last_error"]
        world.sleep(100)
        world.write(f"more{number}.md", text(f"more{number}"))  # somebody else's upload passes
    assert row["state"] == "quarantined"
    # What the answer says for good is believed once a look has found nothing; the rest is tried eight times.
    for_good = {"fastgpt 413": "too-large", "page 413": "too-large", "fastgpt 400 of its own answer": "upload-failed"}
    assert (row["quarantine"], len(struck)) == (for_good.get(answer, "upload-failed"), 1 if answer in for_good else 8)
    mended(world, path)


def test_nobody_is_blamed_while_others_fail_as_well(world: World) -> None:
    """A proxy that takes no upload of anybody is the server's trouble; the run ends all the same (law 9)."""
    at_work(world, "upload")
    struck = instead(world, "upload", UNCLEAR["page 502"], times=100_000, effect=False)
    assert world.sync().exit_code == 69
    assert len(struck) <= 5 * 3
    assert rows(world, "select path from documents where quarantine is not null or attempts + setbacks > 0") == []
    world.between = None
    world.sleep(100)
    assert world.sync().exit_code == 0
    converged(world)


def test_the_count_outlives_the_process(world: World) -> None:
    """A run that is stopped, again and again, goes on counting where the one before was."""
    at_work(world, "upload")
    path = PATHS["upload"]
    struck = instead(world, "upload", UNCLEAR["page 502"], path=path, times=100_000, effect=False)
    counts = []
    for number in range(12):
        world.write(f"more{number}.md", text(f"more{number}"))  # somebody else's upload passes
        world.sync(limit=45.0)
        counts.append(world.documents()[path]["attempts"])
        if world.documents()[path]["state"] == "quarantined":
            break
    assert counts == sorted(counts)
    assert len(counts) > 3
    assert world.documents()[path]["quarantine"] == "upload-failed"
    assert len(struck) <= 16


@pytest.fixture
def service_world(make_world: Callable[..., World], scratch: object) -> ServiceWorld:
    """A world with a service in it."""
    return ServiceWorld(scratch / "service")  # type: ignore[operator]


@pytest.mark.parametrize(
    "route", [pytest.param(r, marks=() if r in ("upload", "update") else pytest.mark.long) for r in PATHS]
)
def test_a_day_ends(service_world: ServiceWorld, route: str) -> None:
    """In a day of the service a call that never succeeds for one document is made a few times, and blocks nobody."""
    exercised.add("days with a route that fails for one document")
    world = service_world
    at_work(world, route)
    path = PATHS[route]
    struck = instead(world, route, UNCLEAR["page 502"], path=path, times=100_000, effect=False)

    async def script(service: Service) -> None:
        await asyncio.sleep(600.0)
        service.remove("gone.md")
        await asyncio.sleep(1800.0)
        assert world.states().get("gone.md") is None  # nobody's deletion waits for it
        await asyncio.sleep(DAY)

    world.serve(script)
    assert 4 <= len(struck) <= MOST
    named(world, route, path)
    assert world.broken == []
    mended(world, path)
