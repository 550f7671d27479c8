"""What the status server may ask of the service."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from syncd import standing
from syncd.answering import Answering
from syncd.errors import BusyError
from syncd.ledger import requests
from syncd.logs import get_logger
from syncd.report.human import iso

if TYPE_CHECKING:
    from syncd.assembly import Assembly
    from syncd.daemon import Daemon

log = get_logger(__name__)


class Backend:
    """Answers for the daemon; see ``syncd.web.backend``."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def live(self) -> tuple[bool, str]:
        """Whether the service makes progress."""
        return self._daemon.heart.live()

    def ready(self) -> tuple[bool, str]:
        """Whether every source was looked at once; that FastGPT is down is no reason not to be ready."""
        assembly = self._daemon.assembly
        if assembly is None:
            return False, "starting"
        if assembly.runner.paused_since is not None:
            return True, "paused"
        missing = [name for name in assembly.engine.sources if name not in assembly.runner.seen]
        return not missing, f"the first look at {', '.join(missing)} is not done" if missing else "ready"

    def sources(self) -> list[str]:
        """The names of the sources that are configured."""
        return [source.name for source in self._daemon.config.sources]

    def service(self) -> dict[str, Any]:
        """What only the running service knows of itself."""
        daemon = self._daemon
        return {
            **daemon.description(),
            "running": True,
            "under_way": 0 if daemon.assembly is None else len(daemon.assembly.engine.under_way()),
            "waiting": 0 if daemon.assembly is None else len(daemon.assembly.runner.looks),
        }

    def status(self, conn: sqlite3.Connection, service: dict[str, Any]) -> dict[str, Any]:
        """The document of `syncd status --json`, with what only the running service knows; for any thread."""
        daemon = self._daemon
        paused = requests.paused(conn)
        said = {**service, "paused": None if paused is None else {"since": iso(paused)}}
        return {
            "schema": "syncd.status/1",
            **standing.document(daemon.config, conn, daemon.ledger.id, said, look=False),
        }

    def conn(self) -> sqlite3.Connection:
        """A connection for reading; the caller closes it."""
        return self._daemon.ledger.reader()

    async def search(self, source: str, query: str) -> list[dict[str, Any]]:
        """One search test, its hits with paths."""
        assembly = self._assembly()
        engine = assembly.engine
        state = engine.sources[source]
        await engine.bind(source)
        hits = await engine.client.search_test(state.dataset_id, query, mode=state.config.verify.search_mode)
        with closing(self.conn()) as conn:
            return standing.hits(conn, hits)

    async def act(self, kind: str, arguments: dict[str, Any]) -> str:
        """Carry out what a person asks for; returns a sentence."""
        values = await Answering(reload=self._daemon.reload).act(self._assembly().runner, kind, arguments)
        log.info("request.done", kind=kind, exit_code=0, by="http", **arguments)
        return str(values["message"])

    def _assembly(self) -> Assembly:
        if self._daemon.assembly is None:
            raise BusyError("the service is just starting", hint="try again in a moment")
        return self._daemon.assembly
