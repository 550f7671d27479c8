"""Whatever lies in a document's place or beside it, `verify` goes on with the others."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from service_world import ServiceWorld
from texts import text

from syncd.engine import Engine
from syncd.questions import LARGEST
from syncd.verify import VerifyReport, verify


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 3 * 2**30)


BESIDE = {
    "a pipe": (os.mkfifo, "it is no file but a pipe"),
    "a link to a device": (lambda path: os.symlink("/dev/zero", path), "it is a link that leads out of the source"),
    "a link to a secret": (lambda path: os.symlink("/etc/passwd", path), "it is a link that leads out of the source"),
    "a link to nothing": (lambda path: os.symlink("nowhere", path), "it is a link to nothing"),
    "a folder": (lambda path: path.mkdir(), "it is no file but a folder"),
    "holes": (sparse, f"it has 3221225472 bytes; the most is {LARGEST}"),
    "too many": (lambda path: path.write_text("questions = [" + '"a",' * 500_000 + "]"), "2000014 bytes; the most is"),
    "deep": (lambda path: path.write_text("questions = " + "[" * 100_000), ":1: it cannot be read"),
    "not UTF-8": (lambda path: path.write_bytes('questions = ["水泵"]'.encode("gbk")), ":1: it is no UTF-8"),
}


@pytest.mark.parametrize("what", BESIDE)
def test_whatever_lies_beside_a_document_stops_nobody(scratch: Path, what: str) -> None:
    """It is named, the gate fails for it alone, and all others are proven and asked."""
    world = ServiceWorld(scratch / "w")
    world.write("one.md", text("one"))
    world.write("two.md", f"---\nquestions:\n  - {text('two').splitlines()[2]}\n---\n{text('two')}")
    assert world.sync().exit_code == 0
    make, why = BESIDE[what]
    make(world.root / "one.questions.toml")
    report = verified(world)
    (problem,) = report.problems
    assert problem.startswith("one.questions.toml:")
    assert why in problem
    assert 4 == report.exit_code
    assert {"one.md", "two.md"} == {row["path"] for row in report.results}
    assert ["found"] == [row["verdict"] for row in report.results if row["kind"] == "golden"]


def verified(world: ServiceWorld) -> VerifyReport:
    async def command(engine: Engine) -> VerifyReport:
        return await asyncio.wait_for(verify(engine, everything=True), 1000)

    return world.run(command)


@pytest.mark.parametrize("what", ["a pipe", "a link to a device", "a link to a secret", "holes", "a folder"])
def test_whatever_takes_a_documents_place_stops_nobody(scratch: Path, what: str) -> None:
    """Its proof is made with the server's text, as for a file that is gone."""
    world = ServiceWorld(scratch / "w")
    world.write("one.md", text("one"))
    world.write("two.md", text("two"))
    assert world.sync().exit_code == 0
    (world.root / "one.md").unlink()
    BESIDE[what][0](world.root / "one.md")
    report = verified(world)
    assert ([], 0) == (report.problems, report.exit_code)
    assert {"one.md", "two.md"} == {row["path"] for row in report.results}
