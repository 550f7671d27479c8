"""Processes of syncd that are born with all of it read already.

A new interpreter spends most of a short command's time on reading syncd and its libraries: 0.3 s of 0.4 for a `sync` of
three documents. Here one interpreter reads them once and forks a process for each command. That is a process like any
other, with an id, an environment, a working directory and files of its own; it can be killed, and what is written is
written. What a fork cannot show, that each command finds what it imports, is looked at in test_interpreters.py.
``SYNCD_TEST_INTERPRETERS=1`` has every command run in an interpreter of its own.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NoReturn

_REPOSITORY = Path(__file__).resolve().parent.parent
_FIRST = threading.Lock()
_OFF = "SYNCD_TEST_INTERPRETERS"
_LARGEST = 1 << 17  # bytes of a request: arguments and environment
_AT_START = ("PYTHON", "LC_", "LANG", "TZ", "LD_")  # names of variables that an interpreter reads when it starts


def start(args: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdout: IO[Any], stderr: IO[Any]) -> Child:
    """A process that runs ``syncd ARGS``; it has nothing to read on its standard input."""
    with _FIRST:
        nursery = _nursery()
    return nursery.start(args, cwd, env, stdout, stderr)


def usable(env: Mapping[str, str]) -> bool:
    """Whether a process with this environment can be forked: an interpreter would begin with it as ours did."""
    same = _at_start(env) == _at_start(os.environ)
    return same and sys.getfilesystemencoding() == "utf-8" and _OFF not in env and _OFF not in os.environ


def _at_start(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(_AT_START) and name != "PYTHONPATH"}


class Child:
    """A process from the nursery, to be handled like ``subprocess.Popen``."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self.pid = int(line.recv(_LARGEST))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, negative for a signal, or None while it runs."""
        if self.returncode is None and select.select([self._line], [], [], 0)[0]:
            self._ended()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; raises ``subprocess.TimeoutExpired``."""
        if self.returncode is None:
            if not select.select([self._line], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(f"syncd, process {self.pid}", timeout or 0)
            self._ended()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _ended(self) -> None:
        self.returncode = int(self._line.recv(_LARGEST))
        self._line.close()


class _Nursery:
    """The interpreter that forks."""

    def __init__(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind("")  # the kernel chooses a name that is no file
            listener.listen(64)
            self._address = listener.getsockname()
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(listener.fileno())],
                env={**os.environ, "PYTHONPATH": str(_REPOSITORY)},
                stdin=subprocess.PIPE,
                pass_fds=(listener.fileno(),),
            )
        atexit.register(self._close)

    def start(self, args: Sequence[str], cwd: Path, env: Mapping[str, str], stdout: IO[Any], stderr: IO[Any]) -> Child:
        line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        line.connect(self._address)
        request = json.dumps({"args": list(args), "cwd": str(cwd), "env": dict(env)}).encode()
        socket.send_fds(line, [request], [stdout.fileno(), stderr.fileno()])
        return Child(line)

    def _close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)


@functools.cache
def _nursery() -> _Nursery:
    """The one of this test session."""
    return _Nursery()


# ---------------------------------------------------------------- in the process that forks


def _main(listener: socket.socket) -> None:
    """Fork whatever is asked for, until the tests are over: then standard input ends."""
    read_everything()
    gc.freeze()
    while True:
        ready, _, _ = select.select([listener, 0], [], [])
        if listener not in ready:
            return
        line, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _attend(line)
            return
        line.close()
        _forget_the_dead()


def read_everything() -> None:
    """Import all of syncd but its programs, and through it what it needs."""
    import syncd

    for module in pkgutil.walk_packages(syncd.__path__, "syncd."):
        if not module.name.startswith("syncd.emulator") and not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def _forget_the_dead() -> None:
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return


def _attend(line: socket.socket) -> None:
    """Read a request and fork once more: one process is what was asked for, the other one tells when that ended."""
    request, (out, err), _, _ = socket.recv_fds(line, _LARGEST, 2)
    child = os.fork()
    if child == 0:
        line.close()
        _become(json.loads(request), out, err)
    os.close(out)
    os.close(err)
    try:
        line.send(str(child).encode())
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        line.send(str(code).encode())
    finally:
        os._exit(0)


def _tell(_number: int, frame: object) -> None:
    """Say on standard error where this process is, for a test that waits for its end in vain."""
    traceback.print_stack(frame)  # type: ignore[arg-type]
    with suppress(RuntimeError):
        for task in asyncio.all_tasks():
            print(f"{task.get_name()}: {' > '.join(_awaited(task.get_coro()))}", file=sys.stderr, flush=True)


def _awaited(coro: Any) -> Iterator[str]:
    """What a coroutine waits for, and what that waits for, as ``function:line``."""
    while (frame := getattr(coro, "cr_frame", None)) is not None:
        yield f"{coro.__qualname__}:{frame.f_lineno}"
        coro = coro.cr_await


def _become(request: dict[str, Any], out: int, err: int) -> NoReturn:
    """Be a new process that runs one command."""
    from syncd.cli import main

    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, target in ((nothing, 0), (out, 1), (err, 2)):
        os.dup2(number, target)
        os.close(number)
    # A shell starts what runs in the background with SIGINT ignored; a command of a person is interrupted by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGUSR2, _tell)
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    os.chdir(request["cwd"])
    sys.argv = ["syncd", *request["args"]]
    main()


if __name__ == "__main__":
    _main(socket.socket(fileno=int(sys.argv[1])))
