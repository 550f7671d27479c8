"""What one configuration makes of the service, and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from syncd.config import Config
from syncd.engine import Engine
from syncd.headline import Facts
from syncd.notices import Notifier
from syncd.report.human import iso
from syncd.running import Runner
from syncd.schedule import Scheduler
from syncd.watch import Watcher


@dataclass(slots=True)
class Assembly:
    """The parts that a reload ends and builds anew."""

    config: Config
    engine: Engine
    runner: Runner
    watcher: Watcher
    scheduler: Scheduler
    notifier: Notifier

    def description(self) -> dict[str, Any]:
        """What `status` shows of it."""
        server = self.runner.server
        return {
            "watch": {
                name: {"mode": state.mode, "reason": state.reason} for name, state in self.watcher.states.items()
            },
            "server": {
                "state": "trouble" if server.message else "ok",
                "message": server.message,
                "hint": server.hint,
                "code": server.code,
                "since": iso(server.since),
            },
            "next": {name: iso(at) for name, at in self.scheduler.next_times().items()},
            "schedule": self.scheduler.explain(),
            "troubles": dict(self.runner.troubles),
            "unproven": {name: count for name, count in self.runner.unproven.items() if count},
        }

    def well(self) -> bool:
        """Whether there is nothing about server and sources that a person should hear of."""
        return not self.runner.server.message and not self.runner.troubles

    def facts(self, figures: Mapping[str, int], refused: str) -> Facts:
        """What is so, for the headline.

        Args:
            figures: of ``ledger.quality.at_a_glance``.
            refused: what is wrong with a configuration that was refused.
        """
        runner = self.runner
        return Facts(
            server=runner.server.message,
            server_code=runner.server.code,
            troubles=dict(runner.troubles),
            held=figures.get("held", 0),
            quarantined=figures.get("quarantined", 0),
            unproven=max(figures.get("unproven", 0), sum(runner.unproven.values())),
            refused=refused,
            paused=runner.paused_since is not None,
            work=len(self.engine.under_way()) or figures.get("work", 0),
            verified=figures.get("verified", 0),
        )
