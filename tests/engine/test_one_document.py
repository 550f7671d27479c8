"""Every call x every refusal of it, for one document alone and for ever: it ends, is counted, named, blocks nobody.

The table is printed in the summary of the tests: for each call the exit code of a first one-shot run, and how often the
call was made before the document was given up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import exercised
import pytest
from answers import OTHERS, PATHS, REFUSED, UNCLEAR, instead
from laws import converged, no_gap, rows
from service_world import Service, ServiceWorld
from texts import text
from world import World

from syncd.engine import Engine, Outcome
from syncd.live import Lines
from syncd.live import shown as display

ANSWERS = {
    "401": "page 401",
    "403": "page 403",
    "404": "page 404",
    "429": "fastgpt 429",
    "500": "fastgpt 500 without words",
    "502": "page 502",
    "odd JSON": "json 200",
    "key": "fastgpt 514",
}
FEW = ("403", "429", "key")  # in the ordinary suite; the others are long
FEW_LIVES = {("chunks", "403"), ("search", "429"), ("update", "key")}
READS = ("list", "detail", "training", "chunks", "search")
LONGEST = 100.0  # seconds of a one-shot run; it is patient for 30 s, and an upload is looked for as long as that
MOST_RUNS = 8
# That the account may not do what nobody else asks for just then cannot be told from one document's trouble: it is not
# counted, and the run ends with what FastGPT said once all others are done.
OF_THE_ACCOUNT = {("upload", "key"), ("create_folder", "key")}


def at_work(world: World, route: str) -> str:
    """Some documents that serve; one changes, or is new, one goes, others are new. Returns the path concerned."""
    world.delete_at_once()
    for name in ("one", "two", "gone", "stubborn/old"):
        world.write(f"{name}.md", text(name))
    assert world.sync().exit_code == 0
    world.sleep(1000)
    path = PATHS[route]
    world.write(path, text(path.removesuffix(".md"), 2))
    world.write("three.md", text("three"))
    world.write("other/four.md", text("four"))
    world.remove("gone.md")
    return path


def one_shot(world: World, told: list[str]) -> tuple[Outcome, float]:
    """One run, as `syncd sync` makes it, and its length in seconds; ``told`` gets what is said of the server."""

    async def run(engine: Engine) -> Outcome:
        engine.on_trouble = lambda trouble: told.append("" if trouble is None else trouble.message)
        return await engine.sync()

    began = world.time
    outcome = world.run(run)
    return outcome, world.time - began


def findings(world: World) -> list[tuple[Any, ...]]:
    """What people are told to look at."""
    return rows(world, "select kind, path from findings where resolved_at is null")


def given_up(world: World, route: str, answer: str, path: str) -> bool:
    """Whether nothing is tried any more but ever less often, and a person hears of it."""
    row = world.documents()[path]
    match route:
        case "list" | "delete":  # the document itself is well
            return row["state"] == "verified" and findings(world) == [
                ("stuck", "stubborn" if route == "list" else path)
            ]
        case "detail":  # a begun flip cannot be given up (rule 2)
            return row["state"] == "proving" and row["attempts"] >= 8 and "'detail'" in row["last_error"]
        case "update" if answer == "429":  # haste is everybody's: nobody is given up for it before six hours are over
            return row["attempts"] >= 8 and "429" in row["last_error"]
        case _:
            return (row["state"], row["quarantine"]) == ("quarantined", "upload-failed") and row["attempts"] >= 8


def check_one_shot(world: World, route: str, answer: str) -> str:
    """One cell of the table; returns its words."""
    path = at_work(world, route)
    struck = instead(world, route, {**UNCLEAR, **REFUSED}[ANSWERS[answer]], path=path, times=100_000, effect=False)
    told: list[str] = []
    outcome, lasted = one_shot(world, told)
    states = world.states()
    assert {name for name in OTHERS if states[name] == "verified"} == OTHERS
    assert lasted < LONGEST
    if (route, answer) == ("list", "404"):  # an older FastGPT has another route for it, which is asked then
        assert (outcome.exit_code, len(struck)) == (0, 1)
        return "0/1"
    if answer != "429":  # who asks for a pause gets one from everybody, the first time
        assert told == []
    if route != "create_folder":  # a new file may be the vanished one, moved and edited (rule 17)
        assert "gone.md" not in states
    code = {"list": 0}.get(route, 77 if (route, answer) in OF_THE_ACCOUNT else 3)
    assert outcome.exit_code in ({3, 75} if answer == "429" and route in ("update", "upload") else {code})
    first = outcome.exit_code
    if route != "list":
        assert path in {w.key.path for w in outcome.waiting} | {key.path for key in outcome.unproven}
    no_gap(world)
    runs = 1
    while not given_up(world, route, answer, path) and (route, answer) not in OF_THE_ACCOUNT and runs < MOST_RUNS:
        world.sleep(700)
        world.write(f"more{runs}/more{runs}.md", text(f"more{runs}"))  # somebody else's calls pass
        outcome, lasted = one_shot(world, told)
        assert lasted < LONGEST
        runs += 1
    if (route, answer) in OF_THE_ACCOUNT:
        assert world.documents()[path]["attempts"] == 0
    else:
        assert given_up(world, route, answer, path), (route, answer, runs, world.documents()[path])
    assert "gone.md" not in world.states() or runs == 1
    no_gap(world)
    return f"{first}/{len(struck)}"


def _cells() -> Iterable[Any]:
    for route in PATHS:
        for answer in ANSWERS:
            yield pytest.param(route, answer, marks=() if answer in FEW else pytest.mark.long)


@pytest.mark.parametrize(("route", "answer"), list(_cells()))
def test_a_one_shot_run(world: World, route: str, answer: str) -> None:
    """A run ends soon, with 3, although a call is refused for one document for ever; further runs give it up."""
    words = check_one_shot(world, route, answer)
    exercised.add(f"one document, one-shot runs: {route} {answer}: exit {words.replace('/', ', tries ')}")


def test_what_is_said_of_a_lost_upload(world: World) -> None:
    """Whoever watches hears of this upload, how often it was tried, and nothing of the server, which is well."""
    path = at_work(world, "upload")
    instead(world, "upload", UNCLEAR["page 502"], path=path, times=100_000, effect=False)
    world.events.clear()
    shown: list[str] = []
    told: list[str] = []

    async def run(engine: Engine) -> Outcome:
        engine.on_trouble = lambda trouble: told.append("" if trouble is None else trouble.message)
        lines = Lines(engine.progress, shown.append, clock=asyncio.get_running_loop().time)
        async with display(engine.progress, lines):
            return await engine.sync()

    outcome = world.run(run)
    said = [detail for event, about, detail in world.events if (event, about) == ("unclear", path)]
    assert len(said) == 2
    assert all(f"try {n} of 8: the upload was not answered clearly" in line for n, line in enumerate(said, 1))
    assert all("502" in line and "it is looked for on the server" in line for line in said)
    assert any(f"looking on the server for {path}" in line for line in shown)
    assert (told, [line for line in shown if line.startswith("server ")]) == ([], [])
    assert outcome.exit_code == 3
    row = world.documents()[path]
    assert (row["last_error_code"], row["attempts"]) == ("upload-failed", 2)
    assert row["last_error"].startswith("try 2 of 8: the upload was not answered clearly")


def test_a_lost_upload_is_taken_up_by_the_next_run(world: World) -> None:
    """What a run left is looked for by the next one, and sent again, once; then all is well (law 3)."""
    path = at_work(world, "upload")
    struck = instead(world, "upload", UNCLEAR["page 502"], path=path, times=2, effect=False)
    assert world.sync().exit_code == 3
    assert (len(struck), world.states()[path]) == (2, "uploading")
    world.sleep(100)
    outcome, lasted = one_shot(world, [])
    assert (outcome.exit_code, lasted < 10.0) == (0, True)
    converged(world)


def test_a_run_without_others_ends_as_soon(world: World) -> None:
    """A document that is alone in the run is counted, and left after the same time; nobody is given up for it."""
    world.write("only.md", text("only"))
    instead(world, "upload", UNCLEAR["page 502"], path="only.md", times=100_000, effect=False)
    for _ in range(10):
        outcome, lasted = one_shot(world, [])
        assert (outcome.exit_code, lasted < LONGEST) == (3, True)
        world.sleep(100)
    assert world.documents()["only.md"]["quarantine"] is None
    world.between = None
    world.sleep(4000)
    assert world.sync().exit_code == 0
    converged(world)


@pytest.fixture
def service_world(make_world: Callable[..., World], scratch: Path) -> ServiceWorld:
    """A world with a service in it."""
    return ServiceWorld(scratch / "service")


def check_service(world: ServiceWorld, route: str, answer: str, seconds: float) -> str:
    """One cell of the table for a service that runs for so long; returns its words."""
    path = at_work(world, route)
    struck = instead(world, route, {**UNCLEAR, **REFUSED}[ANSWERS[answer]], path=path, times=100_000, effect=False)

    async def script(service: Service) -> None:
        await asyncio.sleep(1.0)
        for number in range(20):  # others go on saving, and are served
            service.save(f"more{number}/more{number}.md", text(f"more{number}"))
            await asyncio.sleep(seconds / 20)
            assert world.states()[f"more{number}/more{number}.md"] == "verified"
        assert "gone.md" not in world.states()

    world.serve(script)
    assert {name for name in OTHERS if world.states()[name] == "verified"} == OTHERS
    account = (route, answer) in OF_THE_ACCOUNT  # told as the account's, and looked at for as long as it lasts
    assert len(struck) <= 8 + seconds / (15 if account else 60)
    assert world.broken == []
    no_gap(world)
    if account:
        assert world.times_logged("server.trouble") > 0
        return f"tries {len(struck)}"
    if (route, answer) != ("list", "404"):
        assert given_up(world, route, answer, path), (route, answer, world.documents()[path])
    if answer != "429":
        assert world.times_logged("server.trouble") == 0
    return f"tries {len(struck)}"


@pytest.mark.parametrize(
    ("route", "answer"),
    [
        pytest.param(route, answer, marks=() if (route, answer) in FEW_LIVES else pytest.mark.long)
        for route in PATHS
        for answer in ANSWERS
    ],
)
def test_a_service(service_world: ServiceWorld, route: str, answer: str) -> None:
    """In four hours of the service such a call is made a few times; others are served all the time."""
    words = check_service(service_world, route, answer, 4 * 3600.0)
    exercised.add(f"one document, a service: {route} {answer}: {words}")
