"""Documents that are built to hurt, in the whole engine: each costs its own proof, and nobody else anything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import hostile
import pytest
from world import World

from syncd.emulator import parsing
from syncd.reader.asking import Readers
from syncd.reader.pool import Children, Limits
from syncd.reader.wire import GivenUp, Message

ORDINARY = "# Pumps\n\nThe pump of unit U-{0} is greased every {0} weeks by crew {0}77.\n"
NAMES = ["entities.docx", "ascii85.pdf", "loop_of_pages.pdf", "unclosed_tags.html", "entities_of_html.html"]


async def at_once(function: Callable[..., Any], *args: Any) -> Any:
    """A world's time does not go by while others work."""
    return function(*args)


@pytest.fixture
def small(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world with readers of little patience, and a server that reads nothing of what is hostile."""
    children = Children(Limits(0.5, 48 * hostile.MIB), Limits(1.0, 64 * hostile.MIB))
    world.reader = Readers(children, run=at_once)
    read = parsing.read
    monkeypatch.setattr(
        parsing, "read", lambda content, *args: read(content, *args) if b"crew" in content else "nothing to be seen"
    )
    yield world
    children.close()


def test_hostile_documents_are_weak_and_the_others_are_proven(small: World) -> None:
    """Each is verified with a reason why its text could not be judged; not one is a fault of the program."""
    for name in NAMES:
        small.write(name, hostile.PARSED[name]())
    for number in range(4):
        small.write(f"pump-{number}.md", ORDINARY.format(number))
        small.write(f"pump-{number}.html", f"<p>{ORDINARY.format(number)}</p>")
    outcome = small.sync()
    assert (0, len(NAMES) + 8) == (outcome.exit_code, outcome.counts["verified"])
    weak = {path: row["weak"] for path, row in small.documents().items() if row["weak"]}
    assert sorted(NAMES) == sorted(weak)
    assert "its text cannot be read here (it takes too long)" == weak["unclosed_tags.html"]
    assert "its text cannot be read here (it takes too much memory)" == weak["ascii85.pdf"]
    assert all("internal" not in reason and "Error" not in reason for reason in weak.values())


def test_a_stop_while_a_document_is_read_blames_nobody(small: World) -> None:
    """It is read again at the next run."""
    small.write("page.html", f"<p>{ORDINARY.format(1)}</p>")
    readers = small.reader

    class Stopped(Readers):
        async def ask(self, make: Callable[[], Message], **more: Any) -> Message:
            raise GivenUp("somebody asked to stop")

    small.reader = Stopped(Children(), run=at_once)
    small.sync()
    row = small.documents()["page.html"]
    assert ("", 0) == (row["weak"], row["attempts"])
    assert row["state"] != "quarantined"
    small.reader = readers
    assert 1 == small.sync().counts["verified"]


def test_whoever_is_stopped_reads_nothing_more() -> None:
    """The engine's stop reaches a child that hangs."""
    readers = Readers(Children(), run=at_once)
    readers.give_up()
    with pytest.raises(GivenUp):
        asyncio.run(readers.ask(lambda: Message({"job": "shown", "format": "html"}, (b"x",))))
