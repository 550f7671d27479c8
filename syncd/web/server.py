"""The status server: a socket, and uvicorn on the service's own event loop."""

from __future__ import annotations

import socket
from typing import Any

from syncd.config import Secret
from syncd.errors import BusyError, ConfigError
from syncd.web.backend import Backend
from syncd.web.facts import Facts
from syncd.web.guard import Guard
from syncd.web.metrics import Metrics
from syncd.web.stream import Stream

MOST_CONNECTIONS = 128
_LEISURE = 15.0  # seconds that a connection may be open without asking for anything
_LAST_ANSWERS = 2  # seconds that answers which were begun have when the server stops


class Server:
    """Serves health, metrics and the status page.

    Args:
        listen: "host:port"; port 0 picks a free one.
        backend: answers.
        metrics: what was counted.
        token: lets its holder change things; an empty one lets nobody.
        allowed_hosts: names by which the server may be asked, beside loopback and the host it listens on.
    """

    def __init__(
        self, listen: str, backend: Backend, metrics: Metrics, *, token: Secret, allowed_hosts: tuple[str, ...] = ()
    ) -> None:
        host, _, port = listen.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)
        self._listen = listen
        self._backend = backend
        self._metrics = metrics
        self._guard = Guard(self._host, token, allowed_hosts)
        self._stream = Stream()
        self._facts: Facts | None = None
        self._socket: socket.socket | None = None
        self._uvicorn: Any = None
        self.address = ""

    async def start(self) -> None:
        """Listen and answer, until ``stop``.

        Raises:
            BusyError: somebody else listens there.
            ConfigError: one cannot listen there.
        """
        import uvicorn

        from syncd.web.app import make

        self._socket = self._bind()
        self._facts = Facts(self._backend)
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.address = f"http://{host}:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            make(self._backend, self._metrics, self._guard, self._stream, self._facts),
            http=_protocol(),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # who asks is who is connected, whatever the request says of itself
            date_header=False,  # kept up to date by a loop that would wake up ten times a second
            timeout_keep_alive=int(_LEISURE),
            timeout_graceful_shutdown=_LAST_ANSWERS,
            h11_max_incomplete_event_size=32768,
        )
        config.load()
        self._uvicorn = uvicorn.Server(config)
        self._uvicorn.lifespan = config.lifespan_class(config)
        await self._uvicorn.startup(sockets=[self._socket])

    def _bind(self) -> socket.socket:
        try:
            family, kind, proto, _, address = socket.getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
        except OSError as error:
            raise ConfigError(
                [f"[http] listen = {self._listen!r}: {error.strerror}"], hint='write "127.0.0.1:8321", or "" for none'
            ) from error
        made = socket.socket(family, kind, proto)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(address)
        except OSError as error:
            made.close()
            raise BusyError(
                f"cannot listen on {self._listen}: {error.strerror}",
                hint='stop the other program, or change [http] listen ("" for none)',
            ) from error
        return made

    async def stop(self) -> None:
        """End every stream, answer what was begun, free the port."""
        self._stream.close()
        if self._uvicorn is not None:
            await self._uvicorn.shutdown(sockets=[self._socket])
            for connection in list(self._uvicorn.server_state.connections):
                connection.transport.abort()
            self._uvicorn = None
        if self._facts is not None:
            self._facts.close()
            self._facts = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def tell(self, event: dict[str, Any]) -> None:
        """Show an event to whoever looks at the page."""
        self._stream.tell(event)


def _protocol() -> Any:
    """uvicorn's HTTP, with a limit to connections and to their idleness: they share our file descriptors."""
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Bounded(H11Protocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > MOST_CONNECTIONS:
                transport.abort()
            else:
                self.loop.call_later(_LEISURE, self._look)

        def _look(self) -> None:
            if self.transport.is_closing():
                return
            if self.cycle is None or self.cycle.response_complete:
                self.transport.close()
            else:
                self.loop.call_later(_LEISURE, self._look)

    return Bounded
