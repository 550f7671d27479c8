"""What each scheduled job does: it pokes the engine, or does its own small work beside it."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import dataclass

from syncd import verify
from syncd.config import Config
from syncd.ledger import remote, requests, upkeep
from syncd.logs import get_logger
from syncd.running import Runner

log = get_logger(__name__)


@dataclass(slots=True)
class Jobs:
    """The jobs of one configuration."""

    config: Config
    runner: Runner
    _busy: set[str]

    def __init__(self, config: Config, runner: Runner) -> None:
        self.config = config
        self.runner = runner
        self._busy = set()

    def fire(self, name: str) -> None:
        """A job's time has come; one that still runs is not begun again."""
        if name not in self._busy:
            self._busy.add(name)
            self.runner.spawn(self._run(name))

    async def _run(self, name: str) -> None:
        engine = self.runner.engine
        try:
            if self.runner.paused_since is not None and name != "maintenance":
                return
            log.info("job.fired", job=name)
            await engine.ledger.commit("fired", lambda db: requests.fired(db, name, engine.now()))
            match name:
                case "scan":
                    self.runner.look()
                case "audit":
                    await engine.ledger.commit("audit", remote.ask_for_survey)
                    self.runner.look()
                case "verify":
                    await self._verify()
                case "maintenance":
                    await self._maintain()
        finally:
            self._busy.discard(name)
            self.runner.listener.changed()

    async def _verify(self) -> None:
        """Prove a sample again; what search does not find any more is a finding."""
        runner = self.runner
        report = await verify.verify(runner.engine, sample=self.config.schedule.verify_sample, gate=runner.gate)
        missing = sum(row["verdict"] == "missing" for row in report.results)
        log.info("verify.done", documents=report.documents, questions=len(report.results), missing=missing)

    async def _maintain(self) -> None:
        ledger, kept = self.runner.engine.ledger, self.config.ledger
        now = self.runner.engine.now()
        gone = await ledger.commit("pruned", lambda db: upkeep.prune(db, now, kept.history))
        copy = await asyncio.to_thread(upkeep.rotate, ledger, kept.backups)
        upkeep.compact(ledger.conn)
        with closing(ledger.reader()) as conn:
            sound = conn.execute("pragma quick_check(1)").fetchone()[0]
        level = log.info if sound == "ok" else log.error
        level("maintenance.done", pruned=gone, backup=str(copy or ""), check=sound)
