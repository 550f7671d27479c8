"""Stories of a service: what happens on the disk, at the server and to the process, drawn from a seed."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import exercised
from laws import converged, foreign, no_gap
from service_world import Service, ServiceWorld
from texts import text

from syncd.ledger import records, remote
from syncd.models import DeletePolicy

REPLAY = "SYNCD_SERVICE_SEED={seed} python -m pytest tests/engine/test_service_simulation.py -k replay"
_ANY = (
    "rate_limit",
    "error_500",
    "html_502",
    "reset_before",
    "reset_after",
    "reset_mid",
    "timeout_before",
    "timeout_after",
    "code_200",
    "cut_json",
    "stale_read",
    "slow",
)
_CALLS = (
    "localFile",
    "collection/update",
    "collection/detail",
    "listV2",
    "trainingDetail",
    "searchTest",
    "data/v2/list",
)
_TRAINING = ("train_slow", "train_stuck", "train_flaky", "train_error", "vanish")


class Story:
    """One story of one world."""

    def __init__(self, world: ServiceWorld, seed: int) -> None:
        self.world = world
        self.seed = seed
        self.dice = random.Random(f"story-{seed}")
        self.version = 0
        self.steps_left = self.dice.randint(12, 40)
        self.removed: list[tuple[str, str, bytes]] = []
        self.log: list[str] = []
        dice = self.dice
        policy = DeletePolicy(
            max_count=dice.choice([3, 6, 50]), max_percent=100.0, grace=dice.choice([0.0, 3600.0, 86400.0])
        )
        settle = dice.choice([0.0, 0.0, 2.0])
        world.source = replace(world.source, settle=settle, delete=policy)
        world.sources = [world.source]
        world.fastgpt["training_timeout"] = 120.0
        world.fastgpt["uploads"] = dice.choice([1, 2, 4])
        if dice.random() < 0.35:
            other = world.tmp / "more"
            other.mkdir()
            dataset = dice.choice(["Handbook", "Other"])
            world.sources.append(replace(world.source, name="more", path=other, folder="more", dataset=dataset))

    # ------------------------------------------------------------ the disk

    def _files(self, source: str) -> list[str]:
        root = self._root(source)
        return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())

    def _root(self, source: str) -> Path:
        return self.world.folder_of(source)

    def _write(self, source: str, path: str, data: bytes) -> None:
        target = self._root(source) / path
        for parent in target.parents:
            if parent.is_file():
                self._gone(source, str(parent.relative_to(self._root(source))))
                parent.unlink()
        if target.is_dir():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        if self.dice.random() < 0.4:  # as many editors save: a new file in the place of the old one
            beside = target.with_name(f".{target.name[:40]}.part")
            beside.write_bytes(data)
            self._stamp(beside)
            beside.rename(target)
        else:
            target.write_bytes(data)
            self._stamp(target)

    def _stamp(self, path: Path) -> None:
        now = self.world.now()
        os.utime(path, (now, now))

    def _gone(self, source: str, path: str) -> None:
        self.world.forget_proof(path, source)

    def disk(self, service: Service | None) -> None:
        """One thing that happens on the disk."""
        assert self.world.sources is not None
        dice = self.dice
        source = dice.choice(self.world.sources).name
        root = self._root(source)
        files = self._files(source)
        self.version += 1
        what = dice.choice(
            ["new", "new", "edit", "edit", "edit", "again", "move", "movedit", "remove", "back", "folder", "swap"]
        )
        if len(files) < 4 and what in ("move", "movedit", "remove", "folder", "swap"):
            what = "new"
        if not files:
            what = "new"
        heard: list[str] = []
        if what == "new":
            path = f"{dice.choice(['', '', 'x/', 'x/y/', 'z/'])}n{self.version}.md"
            self._write(source, path, text(f"n{self.version}").encode())
            heard = [path]
        elif what == "edit":
            path = dice.choice(files)
            self._write(source, path, text(path, self.version).encode())
            heard = [path]
        elif what == "again":  # back to the content of an earlier version
            path = dice.choice(files)
            self._write(source, path, text(path, 1 + self.version % 3).encode())
            heard = [path]
        elif what in ("move", "movedit"):
            old = dice.choice(files)
            new = f"{dice.choice(['', 'moved/', 'x/'])}m{self.version}.md"
            self._gone(source, old)
            (root / new).parent.mkdir(parents=True, exist_ok=True)
            if (root / new).parent.is_dir() and not (root / new).exists():
                (root / old).rename(root / new)
                if what == "movedit":
                    self._write(source, new, text(new, self.version).encode())
            heard = [old, new]
        elif what == "remove":
            path = dice.choice(files)
            self.removed.append((source, path, (root / path).read_bytes()))
            self._gone(source, path)
            (root / path).unlink()
            heard = [path]
        elif what == "back" and self.removed:
            source, path, data = dice.choice(self.removed)
            if not (self._root(source) / path).exists():
                self._write(source, path, data)
            heard = [path]
        elif what == "folder":
            folders = sorted({f.split("/")[0] for f in files if "/" in f})
            if folders:
                old, new = dice.choice(folders), f"d{self.version}"
                self._gone(source, old)
                (root / old).rename(root / new)
                heard = [old, new]
        elif what == "swap":  # a file becomes a folder of the same name
            path = dice.choice(files)
            self._gone(source, path)
            data = (root / path).read_bytes()
            (root / path).unlink()
            (root / path).mkdir()
            (root / path / "inner.md").write_bytes(data)
            self._stamp(root / path / "inner.md")
            heard = [path]
        self.log.append(f"{self.world.now() - 1_800_000_000.0:9.3f} {what} {source} {heard}")
        exercised.add(f"service: {what} on disk")
        if service is not None and heard:
            chance = dice.random()
            if chance < 0.12:
                return  # the event was lost
            if chance < 0.17:
                service.hint(source=source)
            elif chance < 0.22:
                service.hint(heard[0], source=source)
            else:
                service.hint(*heard, source=source)

    # ------------------------------------------------------------ the server

    async def server(self) -> None:
        """One fault more, or an outage."""
        dice, faults = self.dice, self.world.emulator.faults
        what = dice.choice(["once", "once", "once", "training", "late", "outage", "refused"])
        self.log.append(f"{self.world.now() - 1_800_000_000.0:9.3f} server {what}")
        if what == "once":
            kind = dice.choice(_ANY)
            more = {"retry_after": dice.choice([1, 20])} if kind == "rate_limit" and dice.random() < 0.5 else {}
            faults.add(kind, match=dice.choice(_CALLS), times=dice.randint(1, 3), after=dice.randint(0, 5), **more)
        elif what == "training":
            kind = dice.choice(_TRAINING)
            more = {"seconds": dice.choice([5, 60])} if kind == "train_slow" else {}
            faults.add(kind, times=dice.randint(1, 2), **more)
        elif what == "late":
            kind = "late_effect"
            faults.add(kind, match="localFile", seconds=dice.choice([1.0, 20.0, 45.0]))
        elif what == "outage":
            kind = "outage"
            fault = faults.add("html_502", match="", times=-1)
            await asyncio.sleep(dice.choice([3, 40, 400]))
            faults.remove(fault.id)
        else:
            kind = "key_refused"
            fault = faults.add(dice.choice(["key_refused", "quota"]), match=dice.choice(["", "localFile"]), times=-1)
            await asyncio.sleep(dice.choice([3, 100]))
            faults.remove(fault.id)
        exercised.add(f"service: fault {kind}")

    # ------------------------------------------------------------ persons

    async def person(self, service: Service) -> None:
        """Somebody pauses for a while, tries again, or goes back to an earlier version."""
        dice = self.dice
        what = dice.choice(["pause", "retry", "sync", "rollback"])
        self.log.append(f"{self.world.now() - 1_800_000_000.0:9.3f} person {what}")
        exercised.add(f"service: {what}")
        if what == "pause":
            await service.ask("pause")
            await asyncio.sleep(dice.choice([0.1, 5, 60]))
            await service.ask("resume")
        elif what == "rollback":
            docs = sorted(self.world.states())
            if docs:
                service.post("rollback", path=dice.choice(docs), source="docs")
        else:
            service.post(what)

    # ------------------------------------------------------------ a life, and the end

    async def live(self, service: Service) -> None:
        """Things happen; returns when the story is told."""
        dice = self.dice
        looking = asyncio.ensure_future(self._scans(service))
        beside: list[asyncio.Task[None]] = []
        try:
            service.post("resume")  # a pause from before a crash, or one that was only asked for, is over
            while self.steps_left > 0:
                self.steps_left -= 1
                chance = dice.random()
                if chance < 0.75:
                    self.disk(service)
                elif chance < 0.92:
                    beside.append(asyncio.ensure_future(self.server()))
                else:
                    beside.append(asyncio.ensure_future(self.person(service)))
                await asyncio.sleep(
                    dice.choice([0.0, 0.01, 0.05, 0.2, 0.2, 0.5, 0.5, 1.0, 1.0, 3.0, 10.0, 40.0, 300.0])
                )
            for task in beside:
                await task
        finally:
            looking.cancel()
            for task in beside:
                task.cancel()
        self.world.emulator.faults.clear()
        await self.end(service)

    async def _scans(self, service: Service) -> None:
        while True:
            await asyncio.sleep(130.0)
            service.runner.look()

    async def end(self, service: Service) -> None:
        """Bring everything to rest, with a person's help where only a person may help."""
        world = self.world
        for _ in range(25):
            await service.rest()
            answer = await service.ask("retry")
            assert answer.exit_code == 0, answer
            pinned = "select source, path from documents where quarantine = 'rolled-back'"
            for source, path in service.engine.ledger.conn.execute(pinned).fetchall():
                await service.ask("retry", source=source, paths=[path])  # a rollback is undone by name alone
            for source in service.engine.sources:
                for hold in records.holds(service.engine.ledger.conn, source):  # as somebody who has read `status`
                    await service.ask("release", source=source, emptied=True, hold=hold.id)
            await service.rest()
            due = float(service.engine.ledger.meta("survey_at") or 0.0)
            # What was given up may arrive late; it is looked for some minutes later (rule 11).
            await asyncio.sleep(max(due - world.now(), 0.0))
            sent = len(world.requests())
            service.runner.look()
            await service.rest()
            held = service.engine.ledger.conn.execute("select count(*) from holds").fetchone()[0]
            quarantined = service.engine.ledger.conn.execute(
                "select count(*) from documents where (quarantine is not null or next_try_at is not null) and gone = 0"
            ).fetchone()[0]
            # A folder that was seen empty once is looked at again half a minute later (rule 14).
            empty = any(remote.seen_empty(service.engine.ledger.conn, source) for source in service.engine.sources)
            if len(world.requests()) == sent and not held and not quarantined and not empty:
                return
            await asyncio.sleep(61.0)
        raise AssertionError(f"it never comes to rest: {world.documents()}")

    def tell(self) -> str:
        """Tell the whole story, check the laws, return the hash of its trace."""
        world, dice = self.world, self.dice
        for _ in range(dice.randint(3, 6)):
            self.disk(None)
        world.logged.clear()
        crashes = dice.choice([0, 0, 1, 2, 3])
        strangers: list[dict[str, object]] = []
        if dice.random() < 0.5:
            world.serve(self._first)
            world.outsider_upload("stranger.md", text("stranger"))
            world.outsider_upload("stranger.md", text("stranger"), parent=None)
            strangers = foreign(world)
        for _ in range(crashes):
            died = world.serve(self.live, crash_at=dice.randint(5, 900))
            self.log.append(f"{world.now() - 1_800_000_000.0:9.3f} crash {died}")
            if died is None:
                break
            exercised.add("service: crashes")
            world.sleep(dice.choice([1, 60]))
            if dice.random() < 0.5:
                self.disk(None)
        else:
            world.serve(self.live)
        self.check(strangers)
        return world.trace_hash

    async def _first(self, service: Service) -> None:
        await self.end(service)

    def check(self, strangers: list[dict[str, object]]) -> None:
        """The laws."""
        world = self.world
        assert world.broken == [], world.broken[:3]
        if strangers:
            assert foreign(world) == strangers
        bugs = [text for name, text in world.logged if name == "bug"]
        assert bugs == [], bugs[0]
        no_gap(world)
        converged(world)
        world.budget()


def tell(make: Callable[..., ServiceWorld], seed: int) -> str:
    """One story; a failure says how to see it again."""
    world = make(seed=seed)
    story = Story(world, seed)
    try:
        found = story.tell()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        told = "\n".join(story.log[-60:])
        raise AssertionError(
            f"seed {seed}: {type(error).__name__}: {error}\nreplay with: {REPLAY.format(seed=seed)}\n{told}"
        ) from error
    exercised.add("service: schedules")
    return found
