"""The event loop is never held: what may take long is done beside it, whatever hangs."""

from __future__ import annotations

import asyncio
import builtins
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from laws import converged
from service_world import Service, ServiceWorld
from texts import text

from syncd import observe
from syncd.disk import PER_SOURCE, Disk
from syncd.ledger import entries, records, tree
from syncd.verify import verify

_TOUCHES = ("lstat", "stat", "scandir", "open", "readlink", "listdir", "access")


@pytest.fixture
def world(scratch: Path) -> ServiceWorld:
    """An emulated server, a folder, and a service."""
    return ServiceWorld(scratch / "w", emulator_options={"workers": 64})


class Spy:
    """Notes whatever of a folder syncd touches on the event loop."""

    def __init__(self, root: Path, world: ServiceWorld) -> None:
        self.root = str(root)
        self.seen: list[str] = []
        self.elsewhere = 0  # touches that were made as they should be
        self._inside = False
        self._run = world._in_thread
        world._in_thread = self._in_thread  # type: ignore[method-assign]

    async def _in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        def marked() -> Any:
            self._inside = True
            try:
                return function(*args)
            finally:
                self._inside = False

        return await self._run(marked)

    def note(self, what: str, path: object) -> None:
        """Something is done with a path."""
        if not isinstance(path, (str, bytes, os.PathLike)) or not os.fsdecode(path).startswith(self.root):
            return
        frame: Any = sys._getframe(2)
        while frame is not None and "/tests/" not in frame.f_code.co_filename:
            name = frame.f_code.co_filename
            if "/syncd/" in name and "/emulator/" not in name:
                if self._inside:
                    self.elsewhere += 1
                else:
                    self.seen.append(f"{what} by {Path(name).name}:{frame.f_lineno}")
                return
            frame = frame.f_back

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While inside, every way to reach a file is watched."""
        kept = {name: getattr(os, name) for name in _TOUCHES}
        opened = builtins.open

        def spied(name: str) -> Callable[..., Any]:
            def touch(path: Any = ".", *args: Any, **kwargs: Any) -> Any:
                self.note(name, path)
                return kept[name](path, *args, **kwargs)

            return touch

        def spied_open(file: Any, *args: Any, **kwargs: Any) -> Any:
            self.note("open", file)
            return opened(file, *args, **kwargs)

        try:
            for name in _TOUCHES:
                setattr(os, name, spied(name))
            builtins.open = spied_open
            yield
        finally:
            for name, function in kept.items():
                setattr(os, name, function)
            builtins.open = opened


def test_the_disk_of_a_source_is_never_touched_on_the_loop(world: ServiceWorld) -> None:
    """Scans, hints, conversions, moves, deletions and `verify`: on a mount that hangs any of them may take for ever."""
    world.source = replace(world.source, settle=2.0, delete=replace(world.source.delete, grace=0.0))
    (world.root / ".syncdignore").write_text("drafts/\n")
    for name in ("a", "b", "c", "sub/d", "sub/e"):
        world.write(f"{name}.md", text(name))
    (world.root / "a.questions.toml").write_text('questions = ["who keeps the lantern"]\n')
    spy = Spy(world.root, world)

    async def script(service: Service) -> None:
        await service.rest()
        service.save("a.md", text("a", 2))
        service.save("table.csv", "name,value\n" + "".join(f"row {n},{n * 7919}\n" for n in range(200)))
        service.rename("b.md", "sub/b.md")
        service.remove("c.md")
        await service.rest(900)
        service.save("b.md", text("b"))  # it is back
        await service.rest(900)
        await verify(service.engine, everything=True)
        service.runner.look()
        await service.rest(900)

    with spy.watching():
        world.serve(script)
    assert sorted(set(spy.seen)) == []
    assert spy.elsewhere > 50
    served = {"a.md", "b.md", "sub/b.md", "sub/d.md", "sub/e.md", "table.csv"}
    assert {path for path, state in world.states().items() if state == "verified"} == served


def test_a_hung_mount_holds_up_its_own_source_alone(world: ServiceWorld) -> None:
    """Nothing that asks the disk of one source comes back: the others are served as ever, its own once it does."""
    other = world.tmp / "other"
    other.mkdir()
    world.sources = [world.source, replace(world.source, name="other", path=other, dataset="Other")]
    world.write("a.md", text("a"))
    hangs: list[asyncio.Event] = []
    run = world._in_thread

    async def hanging(function: Callable[..., Any], *args: Any) -> Any:
        if hangs and any(str(arg) == str(world.root) or "'docs'" in repr(arg)[:400] for arg in args):
            await hangs[0].wait()
        return await run(function, *args)

    async def script(service: Service) -> None:
        await service.rest()
        hangs.append(asyncio.Event())
        for version in range(2, 6):
            service.save("a.md", text("a", version))
            await asyncio.sleep(5.0)
        began = world.now()
        (other / "b.md").write_text(text("b"))
        service.hint("b.md", source="other")
        await service.until(lambda: len(world.requests("localFile")) == 2, limit=60)
        assert world.now() - began < 30
        hangs[0].set()
        await service.rest(900)

    world._in_thread = hanging  # type: ignore[method-assign]
    world.serve(script)
    converged(world)


def test_a_disk_that_hangs_takes_few_threads_and_no_turn_of_the_loop() -> None:
    """With real threads: the loop goes on, the hung source holds as many threads as it may, others get theirs."""
    released, hung = threading.Event(), threading.Semaphore(0)

    def hang() -> None:
        hung.release()
        released.wait(60)

    async def main() -> None:
        disk = Disk(asyncio.to_thread)
        stuck = [asyncio.ensure_future(disk.run("docs", hang)) for _ in range(PER_SOURCE + 3)]
        for _ in range(PER_SOURCE):
            await asyncio.to_thread(hung.acquire)
        for number in range(20):
            assert await disk.run("other", lambda number=number: number) == number
        assert not hung.acquire(blocking=False)
        assert not any(task.done() for task in stuck)
        released.set()
        await asyncio.gather(*stuck)

    asyncio.run(main())


def test_sums_over_a_large_ledger_are_made_beside_the_loop(world: ServiceWorld) -> None:
    """What the firewall and `verify` count takes seconds with 100 000 documents: never on the loop's own connection."""
    for name in "abcde":
        world.write(f"{name}.md", text(name))
    heavy = ("documents_serving", "verified_before", "documents")
    kept = {name: getattr(module, name) for module, name in zip((entries, records, records), heavy, strict=True)}
    asked: list[str] = []

    async def script(service: Service) -> None:
        own = service.engine.ledger.conn

        def watched(name: str) -> Callable[..., Any]:
            def ask(conn: Any, *args: Any, **kwargs: Any) -> Any:
                asked.append(f"{name} {'on the loop' if conn is own else 'beside it'}")
                return kept[name](conn, *args, **kwargs)

            return ask

        for module, name in zip((entries, records, records), heavy, strict=True):
            setattr(module, name, watched(name))
        await service.rest()
        service.remove("a.md")
        service.runner.look()
        await service.rest(900)
        await verify(service.engine, everything=True)

    try:
        world.serve(script)
    finally:
        for module, name in zip((entries, records, records), heavy, strict=True):
            setattr(module, name, kept[name])
    assert set(asked) == {f"{name} beside it" for name in heavy}


def test_a_first_look_at_very_many_files_is_written_down_in_parts(world: ServiceWorld) -> None:
    """Thousands of new files are no single transaction on the loop, and every one of them is served in the end."""
    for number in range(12):
        world.write(f"d{number:03d}.md", text(f"d{number}"))
    sizes: list[int] = []
    kept = tree.observe

    def watched(conn: Any, seen: Any, now: float) -> None:
        sizes.append(len(seen))
        kept(conn, seen, now)

    async def script(service: Service) -> None:
        await service.rest(900)

    at_once, observe._AT_ONCE = observe._AT_ONCE, 5
    tree.observe = watched  # type: ignore[assignment]
    try:
        world.serve(script)
    finally:
        tree.observe, observe._AT_ONCE = kept, at_once
    assert at_once <= 1000
    assert sizes[:3] == [4, 5, 3]
    assert set(world.states().values()) == {"verified"}
