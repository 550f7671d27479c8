"""Proving content without a server: large files read anew, long comparisons beside the event loop, remarks."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from reading import prepare

from syncd import convert
from syncd.emulator.parsing import chunks_of
from syncd.errors import Permanent
from syncd.models import CollectionId
from syncd.prove import Material, Prover
from syncd.reader.asking import Here, Lane, Reader
from syncd.reader.wire import Message
from syncd.stream import ChangedWhileReading

RECORD = "第{}号记录：设备{}运行正常，压力{}千帕，操作员已签字。\n"
LONG = "".join(RECORD.format(i, i * 7919 % 9973, 90 + i % 37) for i in range(9000))
ID = CollectionId("c1")


class Server:
    """What a prover asks of a server: the chunks of a collection, the same at each asking."""

    def __init__(self, chunks: list[str]) -> None:
        self.given, self.asked = chunks, 0

    async def chunks(self, collection_id: str) -> list[str]:
        """The chunks."""
        self.asked += 1
        return self.given


def prover(chunks: list[str], reader: Reader | None = None) -> Prover:
    """A prover of a server that holds ``chunks``; it needs no ledger for this."""
    return Prover(Server(chunks), None, reader=reader or Here())  # type: ignore[arg-type]


def large(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Material]:
    """The material of a file that is too large to be held."""
    monkeypatch.setattr(convert, "TEXT_IN_MEMORY", 100_000)
    file = folder / "records.txt"
    file.write_text(text, encoding="utf-8")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    out = prepare(str(file), path=file.name, sha256=digest, encodings=("utf-8",), max_size=2**30, unique="")
    assert out.text is None
    return file, Material.of(out, file.name, "chunk")


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking again takes no time."""
    monkeypatch.setattr("syncd.prove.ASK_AGAIN", (0.0,))


@pytest.mark.usefixtures("no_waiting")
def test_a_file_too_large_to_be_held_is_compared_whole(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large text is read anew: equal is equal without a weakness, and one lost chunk of 300 is a difference."""
    _, material = large(scratch, LONG, monkeypatch)
    chunks = chunks_of("\ufeff\n" + LONG, {}, None)
    assert len(chunks) > 200
    found = asyncio.run(prover(chunks).compare(ID, material))
    assert (found.difference, found.weak, found.remark) == (None, "", "")
    for broken in ([*chunks[:150], *chunks[151:]], chunks[:-20], chunks[::2]):
        with pytest.raises(Permanent) as caught:
            asyncio.run(prover(broken).compare(ID, material))
        assert caught.value.code == "content-differs"


@pytest.mark.usefixtures("no_waiting")
def test_a_large_file_that_changed_is_not_compared(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read anew has to be what was sent."""
    file, material = large(scratch, LONG, monkeypatch)
    file.write_text(LONG.replace("正常", "异常"), encoding="utf-8")
    with pytest.raises(ChangedWhileReading):
        asyncio.run(prover(["x"]).compare(ID, material))


@pytest.mark.usefixtures("no_waiting")
def test_what_is_larger_still_is_weak(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the bound nothing is guessed: the proof is weak and says why."""
    monkeypatch.setattr(convert, "COMPARED", 200_000)
    _, material = large(scratch, LONG, monkeypatch)
    assert material.whole is None
    assert material.weak.startswith("too large to compare whole")


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("length", [200, 9000])
def test_a_long_comparison_leaves_the_event_loop_free(length: int) -> None:
    """Long texts are compared by a reader, in a process of its own; short ones are not worth asking it."""
    text = "".join(LONG.splitlines(keepends=True)[:length])
    asked: list[str] = []

    class Listening(Here):
        async def ask(self, make: Callable[[], Message], *, lane: Lane = "any") -> Message:
            asked.append(make().head["job"])
            return await super().ask(make, lane=lane)

    chunks = chunks_of(text, {}, None)
    asyncio.run(prover(chunks, Listening()).compare(ID, Material(text, "")))
    assert asked == ["examine"] * (length > 1000)


def test_weakness_and_remarks_are_handed_on() -> None:
    """What was known of the file and what the comparison found are both said."""
    material = Material("a text about pumps", "its beginning only", remark="1 chart is not taken over by FastGPT")
    found = asyncio.run(prover(["a text about pumps"]).compare(ID, material))
    assert found.weak == "its beginning only"
    assert found.remark == "1 chart is not taken over by FastGPT"
