"""The child: ``python -P -m syncd.reader.child SECONDS BYTES``, with a socket as its standard input.

It limits itself before it reads the first byte of a document, and the kernel ends it when it passes a limit: no code
of ours has to be reached for that. It ends by itself when nobody is there any more to answer.
"""

from __future__ import annotations

import fcntl
import os
import resource
import select
import signal
import socket
import sys
from contextlib import suppress

from syncd.reader import jobs
from syncd.reader.wire import Message, receive, send

QUESTION = 2**26
"""Most bytes of one question: a text and the server's chunks of it."""

NO_ROOM = 3
"""Exit status of a child that had no memory for the question."""

_BEYOND = 256 * 2**20  # address space beside the data: libraries and what they map
_FILES = 32  # open files
_HEAVY = 48 * 2**20  # bytes of memory above which a child does not stay for the next document


def main(seconds: float, memory: int) -> None:
    """Answer until there is nobody who asks."""
    confine(memory)
    channel = socket.socket(fileno=0)
    with suppress(ConnectionError, BrokenPipeError):
        while (message := receive(channel, QUESTION, files=True)) is not None:
            answer = _watched(channel, message, seconds)
            soiled = "trouble" in answer.head or resident(os.getpid()) > _HEAVY
            send(channel, Message({**answer.head, "last": soiled}, answer.pieces))
            if soiled:
                return


def confine(memory: int) -> None:
    """Take from this process what no reader of documents needs."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # a terminal's; whoever asks decides
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: _FILES,
        resource.RLIMIT_DATA: memory,
        resource.RLIMIT_AS: memory + _BEYOND,
    }
    for limit, value in limits.items():
        hard = resource.getrlimit(limit)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with suppress(OSError, ValueError):  # a filter of system calls forbids it: whoever asks looks, too
            resource.setrlimit(limit, (value, value))


def _watched(channel: socket.socket, message: Message, seconds: float) -> Message:
    """Carry out a job; past its processor time, or when the other side goes away, the kernel ends this process."""
    flags = fcntl.fcntl(channel, fcntl.F_GETFL)
    fcntl.fcntl(channel, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(channel, fcntl.F_SETFL, flags | os.O_ASYNC)  # SIGIO, which nobody catches
    poll = select.poll()
    poll.register(channel, 0)
    if poll.poll(0):  # it has gone already
        sys.exit()
    seconds = min(seconds, float(message.head.get("seconds", seconds)))
    signal.setitimer(signal.ITIMER_PROF, seconds)  # SIGPROF, which nobody catches
    try:
        return jobs.carry_out(message)
    except MemoryError:
        return Message({"trouble": "memory"})
    except Exception as error:
        return Message({"trouble": "fault", "fault": f"{type(error).__name__}: {error}"[:200]})
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        fcntl.fcntl(channel, fcntl.F_SETFL, flags)


def resident(pid: int | None) -> int:
    """Bytes of memory of a process; 0 where that is not to be known."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return 0


if __name__ == "__main__":
    try:
        main(float(sys.argv[1]), int(sys.argv[2]))
    except MemoryError:  # the question alone is too large
        os._exit(NO_ROOM)
