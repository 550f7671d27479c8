"""Standard output and standard error that lose words, never work.

A disk that is full, a terminal that was closed, a pipe that nobody reads any more, a descriptor that was never there:
whatever is printed, by us or by a library, is lost then and counted, and whoever printed it goes on. Nothing waits for
long for a reader of standard error: the log of a service may be piped into something that stands still. Standard output
is the result of a command; it is given out at the pace of its reader.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO, TextIO, cast

PATIENCE = 0.5  # seconds that a line for standard error waits for its reader, and
_EVERY = 60.0  # seconds between two such waits
_PIECE = 4096  # bytes: a pipe that can be written takes so many at once (PIPE_BUF, pipe(7))
_SHORTEST = 8  # characters; shorter secrets are parts of ordinary words
_secrets: tuple[bytes, ...] = ()  # in each spelling, the longest first: one may be part of another


@dataclass(frozen=True, slots=True)
class Loss:
    """What could not be written: how many lines, and why ("" when whoever read it is simply gone)."""

    lines: int
    reason: str


class Outlet(io.RawIOBase):
    """Writes to a descriptor; what cannot be written is lost, and counted.

    Args:
        descriptor: where to.
        patience: seconds to wait for a reader, at most once a minute; ``None`` waits as long as it takes.
    """

    def __init__(self, descriptor: int, patience: float | None) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._patience = patience
        self._waited_at = -_EVERY
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._lost = 0
        self._reason = ""
        self.works = True  # took what was written last
        self._within_line = False

    def writable(self) -> bool:
        """Always."""
        return True

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return os.isatty(self._descriptor)

    def write(self, data: object) -> int:
        """Write all of it, or lose what is left; never raises ``OSError``."""
        view = memoryview(data)  # type: ignore[arg-type]
        size = len(view)
        if _secrets:
            view = memoryview(_masked(bytes(view)))
        if self._within_line and self._lost:
            view = memoryview(b"\n" + bytes(view))  # what comes now is no part of the line that was cut
        done = 0
        self.works = True
        try:
            while done < len(view):
                if not self._ready():
                    self._lose(view[done:], "nobody reads it")
                    break
                try:
                    done += os.write(self._descriptor, view[done : done + _PIECE])
                except BlockingIOError:
                    continue  # somebody else filled it meanwhile
        except OSError as error:
            gone = error.errno in (errno.EPIPE, errno.EBADF)
            self._lose(view[done:], "" if gone else os.strerror(error.errno or 0))
        if done:
            self._within_line = bytes(view[done - 1 : done]) != b"\n"
        return size

    def _ready(self) -> bool:
        if self._patience is None:
            return bool(self._poll.poll())
        if self._poll.poll(0):
            return True
        now = time.monotonic()
        if now - self._waited_at < _EVERY:
            return False
        self._waited_at = now
        return bool(self._poll.poll(self._patience * 1000))

    def _lose(self, rest: memoryview, reason: str) -> None:
        self._lost += max(bytes(rest).removeprefix(b"\n").count(b"\n"), 1)
        self._reason = reason
        self.works = False

    def take_loss(self) -> Loss | None:
        """What was lost since this was asked last."""
        if not self._lost:
            return None
        lost, self._lost = Loss(self._lost, self._reason), 0
        return lost


def conceal(secrets: Iterable[str]) -> None:
    """From here on no outlet writes these, whoever prints them: a library, or Python itself about a thread."""
    global _secrets
    from urllib.parse import quote

    spelled = {spelling for one in secrets if len(one) >= _SHORTEST for spelling in (one, quote(one, safe=""))}
    known = {*_secrets, *(spelling.encode("utf-8", "backslashreplace") for spelling in spelled)}
    _secrets = tuple(sorted(known, key=len, reverse=True))  # another one, since some thread may be printing


def _masked(data: bytes) -> bytes:
    for secret in _secrets:
        data = data.replace(secret, b"***")
    return data


def install() -> None:
    """Have everything that this process prints go through outlets; closed descriptors become those of /dev/null."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # A file that is opened later, the ledger say, would get the number, and what is printed would go into it.
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = _wrapped(sys.stdout, None)
    sys.stderr = _wrapped(sys.stderr, PATIENCE)


def _wrapped(stream: TextIO | None, patience: float | None) -> TextIO:
    descriptor, encoding = -1, "utf-8"
    if stream is not None:
        encoding = stream.encoding or encoding
        try:
            stream.flush()
            descriptor = stream.fileno()
        except (OSError, ValueError):  # no file, or closed
            pass
    if descriptor < 0:
        descriptor = os.open(os.devnull, os.O_WRONLY)
    raw = cast(BinaryIO, Outlet(descriptor, patience))
    return io.TextIOWrapper(raw, encoding=encoding, errors="backslashreplace", write_through=True)


def works(stream: object) -> bool:
    """Whether a stream took what was written to it last."""
    raw = getattr(stream, "buffer", None)
    return not isinstance(raw, Outlet) or raw.works


def take_loss(stream: object) -> Loss | None:
    """What a stream lost since this was asked last; ``None`` as well for one that is no outlet."""
    raw = getattr(stream, "buffer", None)
    return raw.take_loss() if isinstance(raw, Outlet) else None
