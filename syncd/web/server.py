"""The status server: what answers on which port."""

from __future__ import annotations

from typing import Any

from syncd.addresses import host_of_listen
from syncd.config import Secret
from syncd.web.backend import Backend
from syncd.web.crowd import Limits
from syncd.web.facts import Facts
from syncd.web.guard import Guard
from syncd.web.metrics import Metrics
from syncd.web.port import Port
from syncd.web.stream import Stream

LIMITS = Limits()


class Server:
    """Serves health, metrics and the status page.

    Args:
        listen: "host:port"; port 0 picks a free one; "" for none.
        backend: answers.
        metrics: what was counted.
        token: lets its holder change things; an empty one lets nobody.
        allowed_hosts: names by which the server may be asked, beside loopback and the host it listens on.
        health_listen: where health alone is told, on a port that nothing else can keep busy; "" for nowhere.
        limits: of the connections of each port.
    """

    def __init__(
        self,
        listen: str,
        backend: Backend,
        metrics: Metrics,
        *,
        token: Secret,
        allowed_hosts: tuple[str, ...] = (),
        health_listen: str = "",
        limits: Limits = LIMITS,
    ) -> None:
        self._backend = backend
        self._metrics = metrics
        self._guard = Guard(host_of_listen(listen), token, allowed_hosts)
        self._stream = Stream()
        self._facts: Facts | None = None
        self._port = Port("listen", listen, limits, metrics.dropped) if listen else None
        self._health = Port("health_listen", health_listen, limits, metrics.dropped) if health_listen else None

    @property
    def address(self) -> str:
        """Where the page is, as an address; "" for nowhere."""
        return "" if self._port is None else self._port.address

    @property
    def health_address(self) -> str:
        """Where health alone is, as an address; "" for nowhere."""
        return "" if self._health is None else self._health.address

    async def start(self) -> None:
        """Listen and answer, until ``stop``.

        Raises:
            BusyError: somebody else listens there.
            ConfigError: one cannot listen there.
        """
        from syncd.web import health

        try:
            if self._health is not None:
                await self._health.start(health.make(self._backend))
            if self._port is not None:
                await self._port.start(self._application())
        except BaseException:
            await self.stop()
            raise

    def _application(self) -> Any:
        from syncd.web.app import make

        self._facts = Facts(self._backend)
        return make(self._backend, self._metrics, self._guard, self._stream, self._facts)

    async def stop(self) -> None:
        """End every stream, answer what was begun, free the ports."""
        self._stream.close()
        for port in (self._port, self._health):
            if port is not None:
                await port.stop()
        if self._facts is not None:
            self._facts.close()
            self._facts = None

    def tell(self, event: dict[str, Any]) -> None:
        """Show an event to whoever looks at the page."""
        self._stream.tell(event)
