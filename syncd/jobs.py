"""What each scheduled job does: it pokes the engine, or does its own small work beside it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from syncd import verify
from syncd.config import Config
from syncd.errors import LedgerWaits, SyncdError
from syncd.ledger import remote, requests, upkeep
from syncd.logs import get_logger
from syncd.running import Runner

log = get_logger(__name__)

_MOST_PROBLEMS = 20  # problems of one source that are logged


@dataclass(slots=True)
class Jobs:
    """The jobs of one configuration.

    Args:
        config: the configuration.
        runner: is poked.
        run: runs blocking work elsewhere.
    """

    config: Config
    runner: Runner
    run: Callable[..., Awaitable[Any]]
    _busy: set[str] = field(default_factory=set)

    def fire(self, name: str) -> None:
        """A job's time has come; one that still runs, or waits for the end of a pause, is not begun again."""
        if name not in self._busy:
            self._busy.add(name)
            self.runner.spawn(self._run(name))

    async def _run(self, name: str) -> None:
        engine = self.runner.engine
        try:
            self.runner.listener.changed()  # the next time is another one now
            if name != "maintenance":
                await self.runner.not_paused()  # what is missed in a pause is caught up once
            log.info("job.fired", job=name)
            await engine.ledger.commit("fired", lambda db: requests.fired(db, name, engine.now()))
            await self._work(name)
        except SyncdError as error:
            log.warning("job.failed", job=name, error=error.message, hint=error.hint)
        finally:
            self._busy.discard(name)

    async def _work(self, name: str) -> None:
        match name:
            case "scan":
                self.runner.look()
            case "audit":
                await self.runner.engine.ledger.commit("audit", remote.ask_for_survey)
                self.runner.look()
            case "verify":
                await self._verify()
            case "maintenance":
                await self._maintain()

    async def _verify(self) -> None:
        """Prove a sample again, source by source; what search does not find any more is a finding."""
        runner, sample = self.runner, self.config.schedule.verify_sample
        documents = questions = missing = 0
        for name in runner.engine.sources:
            try:
                report = await verify.verify(
                    runner.engine,
                    source=name,
                    sample=sample,
                    gate=runner.gate,
                    turn=runner.not_paused,
                    heard=runner.listener.proof,
                )
            except* SyncdError as group:  # one source's trouble is not the others'
                log.warning("job.failed", job="verify", source=name, error=str(group.exceptions[0]))
            else:
                for problem in report.problems[:_MOST_PROBLEMS]:
                    log.warning("verify.problem", source=name, problem=problem)
                documents += report.documents
                questions += len(report.results)
                missing += sum(row["verdict"] == "missing" for row in report.results)
        log.info("verify.done", documents=documents, questions=questions, missing=missing)

    async def _maintain(self) -> None:
        """Each part for itself: a full disk for the copy is no reason to let the ledger grow."""
        ledger, kept = self.runner.engine.ledger, self.config.ledger
        now = self.runner.engine.now()
        window = max((source.delete.window for source in self.config.sources), default=0.0)
        portion = partial(upkeep.prune, now=now, history=kept.history, window=window)
        gone = 0
        while went := await ledger.commit("pruned", portion, durable=False, beside=True):
            gone += went
        try:
            sound = await self.run(upkeep.compact, ledger.path)
        except LedgerWaits as error:
            log.warning("maintenance.put_off", error=error.message, hint=error.hint)
            return
        copy: Path | None = None
        if sound != "ok":
            # No copy is made of what is damaged: it would push out one that is not.
            log.error("maintenance.damaged", ledger=str(ledger.path), check=sound)
            self.runner.damage = f"the ledger {ledger.path} is damaged: {sound}"
            self.runner.listener.changed()
        else:
            try:
                copy = await self.run(upkeep.rotate, ledger, kept.backups)
            except (SyncdError, OSError) as error:
                log.warning("backup.failed", error=str(error))
        log.info("maintenance.done", pruned=gone, backup=str(copy or ""), check=sound)
