"""The children: started when there is work, replaced when they die, ended when there is nothing to do.

A quick child takes what is small. What passes its limits there is asked of a patient one, which may take longer and
more memory; so a document that is built to hurt holds up only its like. Together they stay within what the whole
service may take.
"""

from __future__ import annotations

import importlib.util
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from time import monotonic

from syncd.reader.child import NO_ROOM, resident
from syncd.reader.wire import Broken, GivenUp, Message, receive, send

IDLE = 15.0
"""Seconds without work after which a child is ended."""

ANSWER = 16 * 2**20
"""Most bytes of one answer."""

SMALL = 2 * 2**20
"""Most bytes of a question that the quick child is asked."""

_KEPT = ("PATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "LD_LIBRARY_PATH", "COVERAGE_PROCESS_START")
_NEEDED = ("syncd", "pypdf", "yaml")
_OUTSIDE = (0, -signal.SIGKILL, -signal.SIGTERM)  # how a child ends that somebody else ended, or that had said it would
_LOOK = 0.1  # seconds between two looks at the memory of a child that works: no limit may be set everywhere
_LIBRARIES = 24 * 2**20  # bytes of memory that are no data
_WALL = 4.0  # times the seconds of processor time that a child may take by the clock: others are at work, too


def _environment() -> dict[str, str]:
    """What a child needs to know: where Python is, and where this very program and its libraries come from.

    Not the path that modules are looked for on: the working directory may stand on it.
    """
    found = (importlib.util.find_spec(name) for name in _NEEDED)
    places = [os.path.dirname(os.path.dirname(spec.origin)) for spec in found if spec is not None and spec.origin]
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {"LC_ALL": "C.UTF-8", "PYTHONPATH": os.pathsep.join(dict.fromkeys(places)), **kept}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one child may take for one document: seconds of processor time, bytes of memory."""

    seconds: float
    memory: int


QUICK = Limits(2.0, 48 * 2**20)
PATIENT = Limits(20.0, 112 * 2**20)


class Child:
    """One child process at a time, for one question at a time.

    Args:
        limits: of each question.
        idle: seconds without work after which the process is ended.
    """

    def __init__(self, limits: Limits, idle: float = IDLE) -> None:
        self.limits = limits
        self.started = 0  # processes
        self._idle = idle
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._used = 0.0
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The process, if there is one."""
        process = self._process
        return None if process is None else process.pid

    def command(self) -> list[str]:
        """What is run."""
        limits = (str(self.limits.seconds), str(self.limits.memory))
        return [sys.executable, "-P", "-s", "-m", "syncd.reader.child", *limits]

    def ask(self, question: Message) -> Message:
        """Return the answer, or a head with the ``trouble``: ``time``, ``memory``, ``death``, ``fault`` or ``start``.

        Blocks; to be called in a thread.

        Raises:
            GivenUp: ``close`` was called.
        """
        with self._lock:
            for last in (False, True):
                answer = self._asked(question, last)
                if answer is not None:
                    self._used = monotonic()
                    return answer
        raise AssertionError

    def _asked(self, question: Message, last: bool) -> Message | None:
        """One try; ``None``: it was ended from outside, which is not the document's fault."""
        if self._closed:
            raise GivenUp("somebody asked to stop")
        try:
            channel = self._start()
        except (OSError, ValueError) as error:
            return Message({"trouble": "start", "fault": str(error)})
        if self._closed:  # since the process was started
            self._end(kill=True)
            raise GivenUp("somebody asked to stop")
        try:
            channel.settimeout(self.limits.seconds * _WALL)
            send(channel, question)
            if not self._answers(channel):
                self._end(kill=True)
                return self._trouble("memory")
            answer = receive(channel, ANSWER)
            if answer is None:
                raise Broken("it ended")
        except TimeoutError:
            self._end(kill=True)
            return self._trouble("time")
        except (Broken, OSError):
            code = self._end(kill=False)
            if code == -signal.SIGPROF:
                return self._trouble("time")
            if code == NO_ROOM:
                return self._trouble("memory")
            if code in _OUTSIDE and not last and not self._closed:
                return None
            return self._trouble("death", f"exit status {code}" if code >= 0 else f"signal {-code}")
        if answer.head.get("last"):
            self._end(kill=False)
        return answer

    def _answers(self, channel: socket.socket) -> bool:
        """Wait until it begins to answer, or ends; ``False``: it has more memory than the kernel should let it have.

        Raises:
            TimeoutError: its time by the clock is up.
        """
        until = monotonic() + self.limits.seconds * _WALL
        poll = select.poll()
        poll.register(channel, select.POLLIN)
        while not poll.poll(_LOOK * 1000):
            if monotonic() > until:
                raise TimeoutError
            if resident(self.pid) > self.limits.memory + _LIBRARIES:
                return False
        return True

    def _trouble(self, kind: str, fault: str = "") -> Message:
        if self._closed:
            raise GivenUp("somebody asked to stop")
        return Message({"trouble": kind, "fault": fault})

    def _start(self) -> socket.socket:
        if self._channel is not None:
            return self._channel
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - this very program
                    self.command(),
                    stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    env=_environment(),
                    cwd="/", start_new_session=True,
                )  # fmt: skip
            except BaseException:
                ours.close()
                raise
        self._channel = ours
        self.started += 1
        self._used = monotonic()
        threading.Thread(target=self._keep, args=(self._process,), name="reader", daemon=True).start()
        return ours

    def _keep(self, process: subprocess.Popen[bytes]) -> None:
        """End a process that has had nothing to do for a while."""
        over = threading.Event()
        while self._process is process:
            over.wait(self._idle)
            if self._lock.acquire(blocking=False):
                try:
                    if self._process is process and monotonic() - self._used >= self._idle:
                        self._end(kill=False)
                finally:
                    self._lock.release()

    def _end(self, *, kill: bool) -> int:
        """See the process off; returns its exit status."""
        process, channel = self._process, self._channel
        self._process = self._channel = None
        assert process is not None and channel is not None  # noqa: S101 - the callers looked
        channel.close()  # it ends by itself then
        if kill:
            process.kill()
        try:
            return process.wait(5.0)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def give_up(self) -> None:
        """End it at once, also while it is asked; whoever asks gets ``GivenUp`` from then on."""
        self._closed = True
        process = self._process
        if process is not None:
            process.kill()  # whoever waits for its answer sees it off

    def close(self) -> None:
        """The same, and see it off."""
        self.give_up()
        if self._lock.acquire(timeout=5.0):
            try:
                if self._process is not None:
                    self._end(kill=True)
            finally:
                self._lock.release()


class Children:
    """A quick child and a patient one.

    Args:
        quick, patient: their limits.
        idle: seconds without work after which a child is ended.
    """

    def __init__(self, quick: Limits = QUICK, patient: Limits = PATIENT, idle: float = IDLE) -> None:
        self.quick, self.patient = Child(quick, idle), Child(patient, idle)

    def give_up(self) -> None:
        """End both at once; nothing can be asked any more."""
        self.quick.give_up()
        self.patient.give_up()

    def close(self) -> None:
        """The same, and leave no process behind."""
        self.give_up()
        self.quick.close()
        self.patient.close()
