"""Whether the service makes progress, and telling systemd: the watchdog is fed by what works, not by a timer alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from syncd import pulse
from syncd.errors import LedgerWaits
from syncd.ledger import Ledger
from syncd.logs import get_logger
from syncd.pulse import Pulse
from syncd.systemd import Notifier

log = get_logger(__name__)

EVERY = 10.0  # seconds between two beats when systemd does not ask for more
IN_THREAD = 900.0  # seconds without a sign of life after which a scan, a hash or a conversion counts as stuck


@dataclass(slots=True)
class Heart:
    """Beats while everything works.

    A beat needs the event loop's turn, a word from the ledger, and that no work in a thread is stuck.

    Args:
        systemd: is told.
        clock: monotonic, seconds.
    """

    systemd: Notifier
    clock: Callable[[], float] = time.monotonic
    pulse: Pulse = field(default_factory=Pulse)
    _numbers: int = 0
    _stopping: bool = False

    async def in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run blocking work in a thread and know that it is under way; it may say that it goes on (``pulse.sign``)."""
        self._numbers += 1
        name = f"{getattr(function, '__name__', 'work').strip('_')} {self._numbers}"
        self.pulse.busy(name, self.clock(), IN_THREAD)
        context = copy_context()
        context.run(pulse.listen, lambda: self.pulse.still(name, self.clock(), IN_THREAD))
        try:
            work = partial(context.run, function, *args)
            return await asyncio.get_running_loop().run_in_executor(None, work)
        finally:
            self.pulse.idle(name)

    async def beat(self, ledger: Ledger, summary: Callable[[], str]) -> None:
        """Feed the watchdog for ever, as long as nothing is stuck.

        Raises:
            LedgerError: the ledger does not answer any more; the service must end then.
        """
        interval = min(self.systemd.watchdog_interval or EVERY, EVERY)
        said = ""
        while True:
            with suppress(LedgerWaits):  # locked, or its disk is full: that is told, and no reason to end
                ledger.data_version()
            self.pulse.beat("loop", self.clock())
            stale = self.pulse.stale(self.clock())
            if not stale:
                self.systemd.watchdog()
            elif said != stale[0]:
                log.error("service.stuck", parts=stale)
            said = stale[0] if stale else ""
            if not self._stopping:
                self.systemd.status(summary())
            await asyncio.sleep(interval)

    def live(self) -> tuple[bool, str]:
        """Whether there is progress, and if not what is stuck."""
        stale = self.pulse.stale(self.clock())
        return not stale, f"stuck: {', '.join(stale)}" if stale else "alive"

    def ready(self, status: str) -> None:
        """The service is up."""
        self.systemd.ready(status)

    def status(self, text: str) -> None:
        """What it does, in one line."""
        if not self._stopping:
            self.systemd.status(text)

    def reloading(self) -> None:
        """The configuration is being read again."""
        self.systemd.reloading()

    def reloaded(self) -> None:
        """It was read, or refused; ``status`` says which."""
        self.systemd.ready()

    def extend(self, seconds: float) -> None:
        """Starting takes so much longer."""
        self.systemd.extend(seconds)

    def stopping(self, status: str) -> None:
        """The service comes to its end."""
        self._stopping = True
        self.systemd.stopping(status)
