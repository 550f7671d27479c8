"""uvicorn's HTTP, with each connection known to the doors. Alone knows uvicorn's protocol (0.x, h11)."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from syncd.web.crowd import Member
from syncd.web.port import Doors


def protocol(doors: Doors) -> type[H11Protocol]:
    """The protocol class of one port: uvicorn makes an object of it for each connection."""

    class Bounded(H11Protocol):
        member: Member | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.member = doors.enter(transport, self.client[0] if self.client else "")

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            if self.member is not None:
                doors.leave(self.member)

        def data_received(self, data: bytes) -> None:
            if self.member is not None:
                self.member.asks(self.loop.time())
            super().data_received(data)

        def handle_events(self) -> None:
            super().handle_events()
            cycle = self.cycle
            if self.member is not None and cycle is not None and not cycle.response_complete:
                self.member.answering = not cycle.more_body

        def on_response_complete(self) -> None:
            if self.member is not None:
                self.member.rests(self.loop.time())
            super().on_response_complete()

        def pause_writing(self) -> None:
            super().pause_writing()
            if self.member is not None:
                self.member.stalled = self.loop.time()

        def resume_writing(self) -> None:
            super().resume_writing()
            if self.member is not None:
                self.member.stalled = None

    return Bounded
