"""Carries out what persons ask of the running service: each kind of request, as a row or over HTTP (rule 34)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from syncd import decisions, outdated
from syncd.errors import LedgerLocked, UsageError
from syncd.ledger import MANY, requests
from syncd.ledger.store import PATIENCE
from syncd.running import Runner

_AGAIN = 0.1  # seconds until what was locked is tried again

Arguments = Mapping[str, Any]


@dataclass(slots=True)
class Answering:
    """Carries requests out.

    Args:
        reload: reads the configuration again.
    """

    reload: Callable[[], Awaitable[dict[str, Any]]]

    async def perform(self, runner: Runner, request: requests.Request) -> dict[str, Any]:
        """Carry out one request; returns the values of the answer, ``message`` among them.

        Raises:
            SyncdError: it cannot be done as things are.
        """
        return await self.act(runner, request.kind, request.arguments)

    async def act(self, runner: Runner, kind: str, given: Arguments) -> dict[str, Any]:
        """Carry out one kind of request; a lock that another program holds for a moment is waited for."""
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE
        while True:
            try:
                return await self._act(runner, kind, given)
            except LedgerLocked:
                if loop.time() >= until:
                    raise
                await asyncio.sleep(_AGAIN)

    async def _act(self, runner: Runner, kind: str, given: Arguments) -> dict[str, Any]:
        match kind:
            case "pause":
                return await self._pause(runner, runner.engine.now())
            case "resume":
                return await self._pause(runner, None)
            case "sync":
                return _sync(runner, given)
            case "retry" if given.get("outdated"):
                return await _outdated(runner, given)
            case "retry":
                return await _retry(runner, given)
            case "release":
                return await _release(runner, given)
            case "rollback":
                return await _rollback(runner, given)
            case "reload":
                return await self.reload()
        raise UsageError(f'the service knows no request "{kind}"', hint="known are " + ", ".join(requests.KINDS))

    async def _pause(self, runner: Runner, since: float | None) -> dict[str, Any]:
        await runner.engine.ledger.commit("pause", lambda db: requests.set_paused(db, since))
        runner.pause(requests.paused(runner.engine.ledger.conn))
        if since is None:
            return {"message": "the service goes on"}
        return {"message": "the service is paused until `syncd resume`; what it had begun stopped at a safe point"}


def _source_of(runner: Runner, given: Arguments) -> str | None:
    name = given.get("source") or None
    if name is not None and name not in runner.engine.sources:
        raise UsageError(
            f'the service has no source "{name}"', hint="its sources: " + ", ".join(sorted(runner.engine.sources))
        )
    return name


def _sync(runner: Runner, given: Arguments) -> dict[str, Any]:
    name = _source_of(runner, given)
    runner.look(name)
    return {"message": f"{name or 'every source'} is looked at now"}


async def _retry(runner: Runner, given: Arguments) -> dict[str, Any]:
    engine, name = runner.engine, _source_of(runner, given)
    paths = given.get("paths") or None
    keys = None if paths is None else [decisions.locate(engine.ledger, engine.config, path, name) for path in paths]
    many = keys is None or len(keys) > MANY
    count = await engine.ledger.commit("retry", lambda db: decisions.try_again(db, keys, name), beside=many)
    runner.look(name)
    noun = "document is" if count == 1 else "documents are"
    return {"count": count, "message": f"{count} {noun} tried again now" if count else "nothing to retry"}


async def _outdated(runner: Runner, given: Arguments) -> dict[str, Any]:
    engine, name = runner.engine, _source_of(runner, given)
    per_minute = int(given.get("per_minute") or outdated.PER_MINUTE)
    sources = [source for source in engine.config.sources if name in (None, source.name)]
    now = engine.now()
    choose = partial(outdated.choose, sources=sources, now=now, per_minute=per_minute)
    chosen = await engine.ledger.read(choose)  # it reads many files
    await engine.ledger.commit("resend", lambda db: outdated.keep(db, chosen, now), beside=len(chosen) > MANY)
    runner.look(name)
    count = len(chosen)
    noun = "document is" if count == 1 else "documents are"
    said = f"{count} {noun} sent again now, {per_minute} a minute" if count else "nothing was sent in an older way"
    return {"count": count, "message": said}


async def _release(runner: Runner, given: Arguments) -> dict[str, Any]:
    engine, name = runner.engine, _source_of(runner, given)
    if name is None:
        raise UsageError("a release names its source", hint="`syncd status` shows what is held")
    emptied = bool(given.get("emptied"))
    hold = str(given.get("hold") or "") or None
    release = partial(decisions.let_go, source=name, now=engine.now(), emptied=emptied, hold=hold)
    released = await engine.ledger.commit("release", release, beside=True)
    runner.look(name)
    return {
        "source": name,
        "emptied": emptied,
        "hold": released.hold,
        "paths": released.paths,
        "came_since": released.came_since,
        "message": released.sentence("the service carries them out now"),
    }


async def _rollback(runner: Runner, given: Arguments) -> dict[str, Any]:
    engine = runner.engine
    key = decisions.locate(engine.ledger, engine.config, str(given.get("path", "")), _source_of(runner, given))
    async with engine.holding(key):
        message = await decisions.rollback(engine, key.path, key.source)
    runner.look(key.source)
    return {"source": key.source, "path": key.path, "message": message}
