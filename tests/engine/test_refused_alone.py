"""What the server refuses for one question or one document is said of that one, and stops nobody else."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import httpx
import pytest
from answers import UNCLEAR, instead
from service_world import Service, ServiceWorld
from texts import text
from world_parts import Forward

from syncd.engine import Engine
from syncd.errors import ServerError
from syncd.verify import VerifyReport, verify

LONG = "Why is it so, again and again? " * 120  # nearly as long as a question may be


def asking(world: ServiceWorld, question: str = LONG) -> None:
    """Two documents at rest, one of them with a question that nobody takes and one that is found."""
    found = text("one").split("\n")[2]
    matter = f"---\nquestions:\n  - {found}\n---\n"
    world.write("one.md", matter + text("one"))
    world.write("one.questions.toml", f'[[questions]]\ntext = "{question}"\n[[questions]]\ntext = "{found}"\n')
    world.write("two.md", text("two"))
    assert world.sync().exit_code == 0
    world.sleep(1000)


@pytest.fixture
def world(scratch: Path) -> ServiceWorld:
    """An emulated server, a folder, and a service."""
    return ServiceWorld(scratch / "w")


@pytest.mark.parametrize("answer", ["page 413", "fastgpt 413", "fastgpt 500 read ECONNRESET", "json 200", "time-out"])
@pytest.mark.parametrize("alone", [True, False])
def test_a_question_that_is_refused(world: ServiceWorld, answer: str, alone: bool) -> None:
    """A question that the server refuses is a problem of its file; the others are asked, in a service as well."""
    asking(world)
    if alone:  # no other document to compare with
        world.delete_at_once()
        world.remove("two.md")
        assert world.sync().exit_code == 0
    asked: list[float] = []

    async def between(request: httpx.Request, forward: Forward) -> httpx.Response:
        body = await request.aread()
        if LONG.strip().encode() not in body:
            return await forward(httpx.Request(request.method, request.url, headers=request.headers, content=body))
        asked.append(world.now())
        return UNCLEAR[answer](None)

    world.between = between
    reports: list[VerifyReport] = []

    async def command(engine: Engine) -> VerifyReport:
        return await verify(engine, everything=True)

    reports.append(world.run(command))
    assert 1 <= len(asked) <= 3

    async def script(service: Service) -> None:
        await service.rest()
        reports.append(await verify(service.engine, everything=True, gate=service.runner.gate))
        assert not service.runner.gate.closed
        assert service.ears.troubles == []

    world.serve(script)
    for report in reports:
        (problem,) = report.problems
        assert problem.startswith('one.md: the server refuses the question "Why is it so')
        assert len(problem) < 1000
        assert report.exit_code == 4
        assert ["found"] * 2 == [row["verdict"] for row in report.results if row["kind"] == "golden"]
        assert ({"one.md"} if alone else {"one.md", "two.md"}) == {row["path"] for row in report.results}


def test_a_server_in_trouble_is_waited_for(world: ServiceWorld) -> None:
    """While search fails for everybody no question is blamed: a command ends, a service waits and then asks."""
    asking(world, "Which words are kept?")
    instead(world, "search", UNCLEAR["page 502"], times=12)

    async def command(engine: Engine) -> None:
        with pytest.raises(BaseExceptionGroup) as caught:
            await verify(engine, everything=True)
        assert caught.group_contains(ServerError)

    world.run(command)

    async def script(service: Service) -> None:
        report = await verify(service.engine, everything=True, gate=service.runner.gate)
        assert report.problems == []
        await asyncio.sleep(1.0)

    world.between = None
    world.emulator.faults.add("html_502", match="searchTest", times=10)
    world.serve(script)


@pytest.mark.parametrize("route", ["chunks", "search", "detail"])
def test_a_document_that_is_never_answered_for(world: ServiceWorld, route: str) -> None:
    """Calls that fail for one document, for ever, end in a problem of its own; the others are proven."""
    for name in ("one", "two", "three"):
        world.write(f"{name}.md", text(name))
    assert world.sync().exit_code == 0
    world.sleep(1000)
    world.write("one.md", text("one", 2))  # so that its text has to be asked for
    instead(world, route, UNCLEAR["page 502"], path="one.md", times=100_000)
    reports: list[VerifyReport] = []

    async def command(engine: Engine) -> None:
        reports.append(await asyncio.wait_for(verify(engine, everything=True), 300.0))

    world.run(partial(command))
    assert {"two.md", "three.md"} <= {row["path"] for row in reports[0].results}
    if route != "detail":
        (problem,) = reports[0].problems
        assert problem.startswith("one.md: the server refuses to answer for it")
