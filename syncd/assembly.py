"""What one configuration makes of the service, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from syncd.config import Config
from syncd.engine import Engine
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
                "since": iso(server.since),
            },
            "next": {name: iso(at) for name, at in self.scheduler.next_times().items()},
            "schedule": self.scheduler.explain(),
            "troubles": dict(self.runner.troubles),
        }

    def well(self) -> bool:
        """Whether there is nothing about server and sources that a person should hear of."""
        return not self.runner.server.message and not self.runner.troubles

    def summary(self) -> str:
        """What it is at, in one line for `systemctl status`."""
        runner = self.runner
        under_way = len(self.engine.under_way())
        if runner.paused_since is not None:
            return "paused until `syncd resume`"
        if runner.server.message:
            return f"waits for the FastGPT server: {runner.server.message}"
        if runner.troubles:
            return next(iter(runner.troubles.values()))
        if under_way:
            return f"works on {under_way} document{'s' if under_way != 1 else ''}"
        sources = len(self.config.sources)
        return f"watches {sources} source{'s' if sources != 1 else ''}"
