"""One port: a socket, uvicorn on the service's own event loop, and a bound to who stays connected."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from syncd.addresses import host_of_listen, neighbour
from syncd.errors import BusyError, ConfigError
from syncd.web.crowd import Crowd, Limits, Member

_LAST_ANSWERS = 2  # seconds that answers which were begun have when the server stops
_AT_ONCE = 100  # connections that are taken in one turn of the event loop
_QUEUE = 1024  # that the kernel keeps meanwhile: who is not in it asks again a second later
_LARGEST_HEAD = 32768  # bytes
_DEAD = 30_000  # milliseconds without any sign that what was written has arrived
_OFTEN, _SELDOM = 0.1, 1.0  # seconds between two looks at who has to go

Gone = Callable[[str], None]


class Port:
    """Listens on one address.

    Args:
        setting: the key of ``[http]`` that names the address.
        listen: "host:port"; port 0 picks a free one.
        limits: of connections.
        dropped: told of each connection that had to go: "crowded" or "slow".
    """

    def __init__(self, setting: str, listen: str, limits: Limits, dropped: Gone = lambda _why: None) -> None:
        self._setting = setting
        self._listen = listen
        self._host, self._port = host_of_listen(listen), int(listen.rpartition(":")[2])
        self._doors = Doors(Crowd(limits), dropped)
        self._socket: socket.socket | None = None
        self._uvicorn: Any = None
        self.address = ""

    async def start(self, application: Any) -> None:
        """Listen, and have an ASGI application answer, until ``stop``.

        Raises:
            BusyError: somebody else listens there.
            ConfigError: one cannot listen there.
        """
        import uvicorn

        from syncd.web.bounded import protocol

        # What strangers send is not worth a line of the log each: they could fill the disk with it.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        self._socket = self._bind()
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.address = f"http://{host}:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            application,
            http=protocol(self._doors),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # who asks is who is connected, whatever the request says of itself
            date_header=False,  # kept up to date by a loop that would wake up ten times a second
            timeout_keep_alive=int(self._doors.crowd.limits.asking) or 1,
            timeout_graceful_shutdown=_LAST_ANSWERS,
            h11_max_incomplete_event_size=_LARGEST_HEAD,
            backlog=_AT_ONCE,
        )
        config.load()
        self._uvicorn = uvicorn.Server(config)
        self._uvicorn.lifespan = config.lifespan_class(config)
        await self._uvicorn.startup(sockets=[self._socket])
        # asyncio takes as many in one turn as it has the kernel keep; these are two things.
        self._socket.listen(_QUEUE)

    def _bind(self) -> socket.socket:
        try:
            family, kind, proto, _, address = socket.getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
        except OSError as error:
            raise ConfigError(
                [f"[http] {self._setting} = {self._listen!r}: {error.strerror}"],
                hint='write "127.0.0.1:8321", or "" for none',
            ) from error
        made = socket.socket(family, kind, proto)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(address)
        except OSError as error:
            made.close()
            raise BusyError(
                f"cannot listen on {self._listen}: {error.strerror}",
                hint=f'stop the other program, or change [http] {self._setting} ("" for none)',
            ) from error
        return made

    async def stop(self) -> None:
        """Answer what was begun, free the port."""
        if self._uvicorn is not None:
            await self._uvicorn.shutdown(sockets=[self._socket])
            for connection in list(self._uvicorn.server_state.connections):
                connection.transport.abort()
            self._uvicorn = None
        self._doors.close()
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _give_up_on_the_dead(transport: asyncio.Transport) -> None:
    """Who is gone without a word is found out in seconds instead of a quarter of an hour (tcp(7))."""
    connection = transport.get_extra_info("socket")
    with suppress(OSError, AttributeError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD)


class Doors:
    """Keeps a crowd in bounds, on the event loop: closes the connections of those who have to go.

    Args:
        crowd: who is connected.
        dropped: told of each one that had to go.
    """

    def __init__(self, crowd: Crowd, dropped: Gone) -> None:
        self.crowd = crowd
        self._dropped = dropped
        self._transports: dict[Member, asyncio.Transport] = {}
        self._timer: asyncio.TimerHandle | None = None

    def enter(self, transport: asyncio.Transport, host: str) -> Member:
        """Somebody has connected."""
        _give_up_on_the_dead(transport)
        now = self._now()
        member = Member(neighbour(host), now)
        self._transports[member] = transport
        self._drop(self.crowd.enter(member, now), "crowded")
        self._look_later()
        return member

    def leave(self, member: Member) -> None:
        """Somebody is gone."""
        self.crowd.leave(member)
        self._transports.pop(member, None)

    def close(self) -> None:
        """Look at nobody any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _look_later(self) -> None:
        if self._timer is None and self.crowd.members:
            pause = _OFTEN if self.crowd.crowded else min(_SELDOM, self.crowd.limits.asking / 4)
            self._timer = asyncio.get_running_loop().call_later(pause, self._look)

    def _look(self) -> None:
        self._timer = None
        self._drop(self.crowd.overdue(self._now()), "slow")
        self._look_later()

    def _drop(self, members: list[Member], why: str) -> None:
        for member in members:
            transport = self._transports.pop(member, None)
            if transport is not None:
                self._dropped(why)
                # Not close(): it would wait for whoever does not read what was written.
                transport.abort()
