"""`syncd demo`: the whole product on a temporary folder, against a local FastGPT, in half a minute.

Every figure it prints comes from the run, and a step that does not do what it says ends the demonstration.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syncd import demo_world as world
from syncd.errors import SyncdError
from syncd.report.human import count, lasting, shorten, size, telling_line
from syncd.together import begin

if TYPE_CHECKING:
    from syncd.config import Config
    from syncd.daemon import Daemon
    from syncd.engine import Outcome
    from syncd.live import Display
    from syncd.progress import Progress

_PAUSE = 0.05  # seconds between two searches of the watcher
_PATIENCE = 30.0  # seconds for what takes one or two
_STAY = 1800.0  # seconds after which nobody looks any more


class StepError(SyncdError):
    """A step did not do what it says."""

    code = "demo-failed"


@dataclass(slots=True)
class Stage:
    """What the demonstration needs of the command line.

    ``say`` prints a line of the story; ``status`` prints what `syncd status` does; ``search`` asks as `syncd search`
    does; ``display`` shows a running pass; ``load`` reads a configuration with an environment of its own and keeps
    its key out of all output. With ``stay`` the service goes on at the end until ``leave`` is set, so that somebody
    can look at its page.
    """

    say: Callable[[str], None]
    status: Callable[[Config], None]
    search: Callable[[Config, str], Awaitable[list[dict[str, Any]]]]
    display: Callable[[Progress], Display]
    load: Callable[[Path, dict[str, str]], Config]
    keep: bool = False
    stay: bool = False
    looking: bool = False
    leave: asyncio.Event = field(default_factory=asyncio.Event)
    steps: int = 0
    figures: dict[str, Any] = field(default_factory=dict)

    def step(self, title: str) -> None:
        """Begin the next numbered step."""
        self.steps += 1
        self.say(f"\n{self.steps}. {title}")

    def tell(self, line: str) -> None:
        """One line below the step."""
        self.say(f"   {line}")


async def play(stage: Stage) -> dict[str, Any]:
    """Run it; returns the figures.

    Raises:
        StepError: something did not do what it says.
    """
    began = time.monotonic()
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="syncd-demo-"))
    try:
        async with world.emulator(folder) as server:
            await _Demo(stage, folder, server).run()
    finally:
        if not stage.keep:
            shutil.rmtree(folder, ignore_errors=True)
    seconds = time.monotonic() - began
    stage.figures |= {"seconds": round(seconds, 3), "folder": str(folder) if stage.keep else None}
    stage.say("")
    stage.say(_ending(stage, folder, seconds))
    return stage.figures


def _ending(stage: Stage, folder: Path, seconds: float) -> str:
    f = stage.figures
    kept = f"It is kept in {folder}; the local FastGPT is gone." if stage.keep else "Nothing of it is left."
    return (
        f"That was all, in {lasting(seconds)}: {count(f['verified'], 'document')} proven by search tests, "
        f"one changed with {count(f['gaps'], 'moment')} without a visible version, {f['retired']} retired, "
        f"{count(f['held'], 'deletion')} held, a saved file searchable after {f['save_to_searchable']:.1f} s.\n"
        f"{kept} Your own folder: `syncd init`."
    )


class _Demo:
    def __init__(self, stage: Stage, folder: Path, server: world.Server) -> None:
        self.stage = stage
        self.server = server
        self.root = folder / "handbook"
        stage.step("A local FastGPT runs")
        stage.tell(f"{server.base_url}, in a process of its own; it ranks, trains and garbles as a real one does")
        path = world.write_configuration(folder, self.root, server.base_url, server.key)
        # The variables of the caller's own deployment must not lead the demonstration to a real server.
        env = {name: value for name, value in os.environ.items() if not name.startswith("SYNCD_")}
        env.pop("CREDENTIALS_DIRECTORY", None)
        self.root.mkdir()
        self.config = stage.load(path, env)

    async def run(self) -> None:
        await self.first_pass()
        await self.ask()
        await self.change()
        await self.delete_one()
        await self.delete_many()
        await self.serve()

    # ------------------------------------------------------------ steps

    async def first_pass(self) -> None:
        stage = self.stage
        rows = world.write_folder(self.root)
        stage.step(f"A folder of {count(len(rows), 'document')}")
        from syncd.report.human import padded, width

        widest = max(width(path) for path, _, _ in rows)
        for path, length, remark in rows:
            stage.tell(f"{padded(path, widest)}  {padded(size(length), 6, right=True)}  {remark}")
        stage.step("`syncd sync`: send, train hidden, compare, show, prove by search tests")
        outcome = await self.sync()
        found = sum(outcome.verdicts.values())
        stage.tell(
            f"{outcome.counts['uploaded']} uploaded, {outcome.counts['verified']} verified "
            f"by {count(found, 'search test')}, {outcome.verdicts.get('found', 0)} found"
        )
        _expect(outcome.counts["verified"] == len(rows), "not every document was verified")
        stage.figures |= {"documents": len(rows), "verified": outcome.counts["verified"], "search_tests": found}

    async def ask(self) -> None:
        self.stage.step("`syncd search`: ask as a user would, in English and in Chinese")
        for question, expected in world.QUESTIONS:
            hits = await self.search(question)
            _expect(bool(hits) and hits[0]["path"] == expected, f'"{question}" did not find {expected} first')
            self.stage.tell(f"{question}")
            self.stage.tell(f"  -> {expected}: {shorten(telling_line(hits[0]['text'], question), 76)}")

    async def change(self) -> None:
        stage = self.stage
        stage.step(f"{world.EDITED} is edited, while somebody keeps searching for it")
        async with self.watching(world.QUESTIONS[0][0], world.EDITED) as seen:
            await asyncio.sleep(4 * _PAUSE)
            world.edit(self.root)
            outcome = await self.sync()
            await asyncio.sleep(4 * _PAUSE)
        _expect(outcome.counts["replaced"] == 1, "the edited document was not replaced")
        hits = await self.search(world.NEW_PHRASE)
        _expect("kingfisher" in hits[0]["text"], "search does not find the new text")
        await self.visible_throughout(seen)

    async def visible_throughout(self, seen: list[str | None]) -> None:
        """What the searcher found, and what the server's own record says."""
        stage = self.stage
        record = world.visibility(await self.server.timeline(), world.EDITED)
        versions = Counter(which for which in seen if which is not None)
        missed = sum(which is None for which in seen)
        found = ", then ".join(
            f"{number} found the {name} version" for number, name in zip(versions.values(), _NAMES, strict=False)
        )
        stage.tell(f"{len(seen)} searches meanwhile: {found}; {missed} found none")
        stage.tell(
            f"the server's record: {record.versions} versions, {record.gaps} moments without a visible one, "
            f"both visible for {record.together * 1000:.0f} ms"
        )
        _expect(record.versions == 2 and record.gaps == 0, "there was a moment without a visible version")
        _expect(missed == 0, "a search found no version")
        stage.figures |= {"searches_meanwhile": len(seen), "searches_without_answer": missed, "gaps": record.gaps}

    async def delete_one(self) -> None:
        stage = self.stage
        stage.step(f"{world.DELETED} is deleted")
        (self.root / world.DELETED).unlink()
        outcome = await self.sync()
        row = (await self.documents())[world.DELETED]
        _expect(outcome.counts["retired"] == 1 and row["state"] == "retired", "the deleted document was not retired")
        hits = await self.search("Which paper does the dot matrix printer in the basement take?")
        _expect(all(hit["path"] != world.DELETED for hit in hits), "search still finds the deleted document")
        stage.tell("its state is retired: search does not find it any more; it is deleted after the grace time of 24 h")
        stage.tell("put the file back before that, and it is shown again without an upload")
        stage.figures["retired"] = outcome.counts["retired"]

    async def delete_many(self) -> None:
        from syncd.report import Finding
        from syncd.report.passes import hold_finding

        stage = self.stage
        stage.step(f"The folder {world.SUBFOLDER} vanishes, perhaps by accident")
        shutil.rmtree(self.root / world.SUBFOLDER)
        outcome = await self.sync()
        _expect(len(outcome.holds) == 1 and outcome.exit_code == 6, "the deletions were not held")
        finding: Finding = hold_finding(outcome.holds[0])
        stage.tell(f"held: {finding.message}")
        stage.tell(f"-> {finding.remedy}")
        question, expected = world.QUESTIONS[1]
        hits = await self.search(question)
        _expect(bool(hits) and hits[0]["path"] == expected, "a held document is not found any more")
        stage.tell(f"nothing is lost meanwhile: search still finds {expected}; the exit code is {outcome.exit_code}")
        stage.figures["held"] = outcome.counts["held"]

    async def serve(self) -> None:
        """The service takes a saved file by itself; then `syncd status`, and time to look at the page."""
        stage = self.stage
        stage.step(f"`syncd run`: the service watches, and somebody saves {world.SAVED}")
        async with self.service() as daemon:
            began = time.monotonic()
            world.save(self.root)
            await self.until(self.is_verified, f"{world.SAVED} was not verified")
            seconds = time.monotonic() - began
            hits = await self.search(world.SAVED_QUESTION)
            _expect(bool(hits) and hits[0]["path"] == world.SAVED, "the saved file is not found")
            stage.tell(f"it was verified {seconds:.1f} s after it was saved, and search finds it first")
            stage.figures["save_to_searchable"] = round(seconds, 3)
            stage.step("`syncd status`, and its page")
            stage.status(self.config)
            if stage.stay and daemon.server is not None:
                stage.tell(f"Look at {daemon.server.address} and edit {self.root}; Ctrl-C ends the demonstration.")
                stage.looking = True
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stage.leave.wait(), _STAY)

    async def is_verified(self) -> bool:
        """Whether the saved file is."""
        row = (await self.documents()).get(world.SAVED)
        return row is not None and row["state"] == "verified"

    async def until(self, condition: Callable[[], Awaitable[bool]], otherwise: str) -> None:
        """Ask again and again until it is so."""
        deadline = time.monotonic() + _PATIENCE
        while not await condition():
            _expect(time.monotonic() < deadline, otherwise)
            await asyncio.sleep(_PAUSE)

    @contextlib.asynccontextmanager
    async def service(self) -> AsyncIterator[Daemon]:
        """`syncd run`, in this process, while inside; it has looked at the folder once."""
        from syncd.daemon import Daemon
        from syncd.heart import Heart
        from syncd.ledger import Ledger
        from syncd.systemd import Notifier

        with contextlib.closing(Ledger(self.config.ledger.path)) as ledger:
            daemon = Daemon(self.config, lambda: self.config, ledger, Heart(Notifier({})))
            running = begin(daemon.run())
            try:

                async def looked() -> bool:
                    if running.done():
                        running.result()
                    return daemon.assembly is not None and bool(daemon.assembly.runner.seen)

                await self.until(looked, "the service did not begin")
                yield daemon
            finally:
                daemon.stop()
                await running

    # ------------------------------------------------------------ the product itself

    async def sync(self) -> Outcome:
        """One pass, as `syncd sync` makes it."""
        from syncd import service
        from syncd.live import shown
        from syncd.progress import Progress

        progress = Progress()
        async with service.engine(self.config, progress) as engine, shown(progress, self.stage.display(progress)):
            return await engine.sync()

    async def search(self, question: str) -> list[dict[str, Any]]:
        """One search test."""
        return await self.stage.search(self.config, question)

    async def documents(self) -> dict[str, dict[str, Any]]:
        from syncd.ledger import Ledger, records

        ledger = Ledger(self.config.ledger.path, write=False)
        try:
            return {row["path"]: row for row in records.documents(ledger.conn)}
        finally:
            ledger.close()

    @contextlib.asynccontextmanager
    async def watching(self, question: str, path: str) -> AsyncIterator[list[str | None]]:
        """While inside, search again and again; gives the collection that was found of the document each time."""
        from syncd.ledger import Ledger, records
        from syncd.service import make_client

        seen: list[str | None] = []
        row = (await self.documents())[path]
        dataset = row["dataset_id"]
        answers: list[list[str]] = []

        async def watch() -> None:
            async with make_client(self.config) as client:
                while True:
                    hits = await client.search_test(dataset, question)
                    answers.append([hit.collection_id for hit in hits])
                    await asyncio.sleep(_PAUSE)

        task = begin(watch())
        try:
            yield seen
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            # Which collections are the document's is known at the end: the new one has an id only now.
            ledger = Ledger(self.config.ledger.path, write=False)
            places = records.path_of_collections(ledger.conn, {id_ for answer in answers for id_ in answer})
            ledger.close()
            seen += [next((id_ for id_ in answer if places.get(id_, ("", ""))[1] == path), None) for answer in answers]


_NAMES = ("old", "new")


def _expect(true: bool, otherwise: str) -> None:
    if not true:
        raise StepError(f"the demonstration failed: {otherwise}", hint="please report it; --keep keeps the folder")
