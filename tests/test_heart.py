"""Signs of life: the watchdog is fed by what makes progress, and by nothing else."""

from __future__ import annotations

import asyncio
import logging
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import virtual_loop

from syncd import pulse
from syncd.errors import LedgerError
from syncd.heart import EVERY, IN_THREAD, Heart
from syncd.ledger import Ledger
from syncd.pulse import Pulse
from syncd.systemd import Notifier


class Manager:
    """The service manager's end of the notification socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self._heard: list[list[str]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while (text := self.socket.recv(65536).decode()) != "the end":
            self._heard.append(text.split("\n"))

    def said(self) -> list[list[str]]:
        """The messages since the last time, each with its assignments; nothing is said any more."""
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sender:
            sender.sendto(b"the end", str(self.path))
        self._reader.join(30)
        found, self._heard = self._heard, []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return found

    def close(self) -> None:
        self.said()
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sender:
            sender.sendto(b"the end", str(self.path))
        self._reader.join(30)
        self.socket.close()

    def count(self, word: str) -> int:
        return sum(word in message for message in self.said())


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """A service manager that listens."""
    made = Manager(tmp_path / "notify")
    yield made
    made.close()


@pytest.fixture
def ledger(scratch: Path) -> Iterator[Ledger]:
    """A ledger that answers."""
    made = Ledger(scratch / "ledger.db")
    yield made
    made.close()


def notifier(manager: Manager, usec: int = 2_000_000, **env: str) -> Notifier:
    return Notifier({"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": str(usec), **env}, pid=7)


# ---------------------------------------------------------------- pulse


def test_pulse() -> None:
    """A part is stale when it promised a sign and gave none; one that is idle promises none."""
    beats = Pulse()
    beats.beat("loop", 0.0, allowed=60.0)
    beats.busy("scan 1", 0.0, allowed=900.0)
    beats.busy("hash 2", 0.0, allowed=900.0)

    assert [] == beats.stale(60.0)
    assert ["loop"] == beats.stale(60.1)
    beats.beat("loop", 890.0)
    beats.still("scan 1", 890.0, 900.0)
    beats.idle("hash 2")
    beats.still("hash 2", 890.0, 900.0)  # a thread that outlived its task
    assert [] == beats.stale(901.0)
    assert ["loop", "scan 1"] == beats.stale(1791.0)


# ---------------------------------------------------------------- systemd's protocol


def test_the_protocol(manager: Manager) -> None:
    """Every state as sd_notify(3) writes it; a status that has not changed is not sent again."""
    teller = notifier(manager)
    teller.extend(30.0)
    teller.ready("watches 1 source")
    teller.status("watches 1 source")
    teller.status("two\nlines READY=1")
    teller.reloading()
    teller.ready()
    teller.watchdog()
    teller.stopping("stopping")

    extend, ready, status, reloading, again, watchdog, stopping = manager.said()
    assert ["EXTEND_TIMEOUT_USEC=30000000"] == extend
    assert ["READY=1", "STATUS=watches 1 source"] == ready
    assert ["STATUS=two lines READY=1"] == status
    assert "RELOADING=1" == reloading[0]
    assert reloading[1].removeprefix("MONOTONIC_USEC=").isdecimal()
    assert (["READY=1"], ["WATCHDOG=1"], ["STOPPING=1", "STATUS=stopping"]) == (again, watchdog, stopping)


@pytest.mark.parametrize(
    ("env", "seconds"),
    [
        ({"WATCHDOG_USEC": "60000000"}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "7"}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_how_often_the_watchdog_is_fed(env: dict[str, str], seconds: float | None) -> None:
    """Twice in the time that systemd allows, and not at all when it is meant for another process."""
    assert seconds == Notifier(env, pid=7).watchdog_interval


def test_an_abstract_socket() -> None:
    """A name that begins with @ lies in the abstract name space."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listener:
        listener.bind("\0syncd-test-" + str(id(listener)))
        listener.settimeout(10)
        Notifier({"NOTIFY_SOCKET": "@syncd-test-" + str(id(listener))}).ready("up")
        assert b"READY=1\nSTATUS=up" == listener.recv(1000)


def test_nobody_listens(tmp_path: Path) -> None:
    """Without a socket, with one that is gone, and with one that is full, the service goes on."""
    Notifier({}).ready("up")
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("up")
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listener:
        listener.bind(str(tmp_path / "full"))
        teller = Notifier({"NOTIFY_SOCKET": str(tmp_path / "full")})
        for number in range(20):
            teller.status(f"{number} {'x' * 1000}")
        teller.watchdog()
        teller.ready()


def test_what_the_manager_waits_for_is_not_lost(tmp_path: Path) -> None:
    """READY=1 waits for room in a socket that is full; a status that found none is said again."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listener:
        listener.bind(str(tmp_path / "full"))
        listener.settimeout(10)
        teller = Notifier({"NOTIFY_SOCKET": str(tmp_path / "full")}, pid=7)
        for number in range(200):
            teller.status(str(number))
        teller.status("the last")  # dropped
        heard: list[bytes] = []
        reader = threading.Thread(target=lambda: heard.extend(iter(lambda: listener.recv(1000), b"STATUS=the last")))
        begin = threading.Timer(0.2, reader.start)
        begin.start()

        teller.ready()
        teller.status("the last")

        begin.join(30)
        reader.join(30)
    assert b"READY=1" in heard


def test_file_names_that_are_no_text(manager: Manager) -> None:
    """A status may name a file whose name is no valid UTF-8."""
    notifier(manager).status("waits for docs/\udcff.md")
    assert [["STATUS=waits for docs/\\udcff.md"]] == manager.said()


# ---------------------------------------------------------------- the heart


class Clock:
    """A monotonic clock that follows the loop's, and can be pushed."""

    def __init__(self) -> None:
        self.more = 0.0

    def __call__(self) -> float:
        return asyncio.get_running_loop().time() + self.more


def beat(heart: Heart, ledger: Ledger, seconds: float, then: Callable[[], Any] = lambda: None) -> BaseException | None:
    """Let the heart beat for so long in virtual time; returns what it ended by."""

    async def main() -> BaseException | None:
        beating = asyncio.ensure_future(heart.beat(ledger, lambda: "watches 1 source"))
        await asyncio.sleep(seconds / 2)
        then()
        await asyncio.sleep(seconds / 2)
        beating.cancel()
        (ended,) = await asyncio.gather(beating, return_exceptions=True)
        return ended if isinstance(ended, BaseException) else None

    result: BaseException | None = virtual_loop.run(main())
    return result


@pytest.mark.parametrize(("usec", "every"), [(2_000_000, 1.0), (60_000_000, EVERY), (8_000_000, 4.0)])
def test_it_beats(manager: Manager, ledger: Ledger, usec: int, every: float) -> None:
    """While all is well the watchdog is fed twice in its time at least, and the status told."""
    ended = beat(Heart(notifier(manager, usec), clock=Clock()), ledger, 60.5 * every)

    messages = manager.said()
    assert isinstance(ended, asyncio.CancelledError)
    assert 61 == sum("WATCHDOG=1" in message for message in messages)
    assert [["STATUS=watches 1 source"]] == [message for message in messages if "WATCHDOG=1" not in message]


def test_a_stuck_thread_starves_the_watchdog(
    manager: Manager, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    """Work in a thread that gives no sign for too long stops the feeding and is named, once; a sign revives it."""
    clock = Clock()
    heart = Heart(notifier(manager), clock=clock)
    heart.pulse.busy("scan 1", 0.0, IN_THREAD)
    with caplog.at_level(logging.ERROR, "syncd"):
        beat(heart, ledger, IN_THREAD * 2 + 100.5)
    fed = manager.count("WATCHDOG=1")

    assert abs(fed - IN_THREAD) <= 2
    assert ["service.stuck parts=['scan 1']"] == [record.getMessage() for record in caplog.records]

    async def live() -> tuple[bool, str]:
        return heart.live()

    clock.more = IN_THREAD * 3
    assert (False, "stuck: loop, scan 1") == virtual_loop.run(live())
    heart.pulse.idle("scan 1")
    clock.more = 0.0
    beat(heart, ledger, 10.5)
    assert 11 == manager.count("WATCHDOG=1")


def test_a_late_loop_is_no_death(manager: Manager, ledger: Ledger) -> None:
    """A loop that was late gives its sign as soon as it has its turn again."""
    clock = Clock()

    beat(Heart(notifier(manager), clock=clock), ledger, 20.5, lambda: setattr(clock, "more", 500.0))

    assert 21 == manager.count("WATCHDOG=1")


def test_work_in_a_thread_is_known_and_may_take_its_time(manager: Manager) -> None:
    """Work in a thread counts as busy until it ends, whatever it ends by; each of its signs gives it more time."""
    clock = [0.0]
    heart = Heart(notifier(manager), clock=lambda: clock[0])
    go, begun = threading.Event(), threading.Event()

    def work(number: int) -> int:
        begun.set()
        assert go.wait(30)
        clock[0] = IN_THREAD - 1
        pulse.sign()
        clock[0] = IN_THREAD * 1.5
        assert [] == heart.pulse.stale(clock[0])
        clock[0] = IN_THREAD * 3
        assert ["work 1"] == heart.pulse.stale(clock[0])
        return number

    async def main() -> int:
        task = asyncio.ensure_future(heart.in_thread(work, 5))
        await asyncio.to_thread(begun.wait, 30)
        assert ["work 1"] == heart.pulse.stale(IN_THREAD + 1)
        go.set()
        found: int = await task
        return found

    assert 5 == asyncio.run(main())
    assert [] == heart.pulse.stale(1e9)

    async def failing() -> None:
        with pytest.raises(ZeroDivisionError):
            await heart.in_thread(lambda: 1 / 0)

    asyncio.run(failing())
    assert [] == heart.pulse.stale(1e9)


def test_a_thread_that_outlives_its_task_is_forgotten(manager: Manager) -> None:
    """A thread whose result nobody waits for any more never counts as stuck, though it goes on to give signs."""
    heart = Heart(notifier(manager), clock=lambda: 0.0)
    go, begun, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        assert go.wait(30)
        pulse.sign()
        ended.set()

    async def main() -> None:
        task = asyncio.ensure_future(heart.in_thread(work))
        await asyncio.to_thread(begun.wait, 30)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        go.set()
        await asyncio.to_thread(ended.wait, 30)

    asyncio.run(main())
    assert [] == heart.pulse.stale(1e9)


def test_signs_without_a_listener_cost_nothing() -> None:
    """A scan of the command line gives its signs to nobody."""
    pulse.sign()


def test_a_ledger_that_fails_ends_the_beat_by_its_error(manager: Manager) -> None:
    """When the ledger does not answer any more, the heart says why it stops: the service must end, not hang."""

    class Broken:
        def data_version(self) -> int:
            raise LedgerError("the ledger is damaged: disk I/O error")

    heart: Any = Heart(notifier(manager), clock=Clock())
    ended = beat(heart, Broken(), 5.0)  # type: ignore[arg-type]
    assert isinstance(ended, LedgerError)
    assert 0 == manager.count("WATCHDOG=1")


def test_a_locked_ledger_answers(ledger: Ledger) -> None:
    """A beat waits for no lock: another process that writes, or checkpoints, delays it by nothing."""
    ledger.set_meta("a", "b")
    with closing(sqlite3.connect(ledger.path, isolation_level=None)) as other:
        other.execute("begin immediate")
        before = ledger.data_version()
        other.execute("insert into meta values ('c', 'd')")
        assert before == ledger.data_version()
        other.execute("commit")
        assert before != ledger.data_version()


def test_sqlite_trouble_is_the_ledgers(ledger: Ledger) -> None:
    """What SQLite says becomes an error of the ledger, with its exit code and hint."""
    ledger.conn.close()
    with pytest.raises(LedgerError):
        ledger.data_version()


def test_the_status_stays_the_last_word_when_stopping(manager: Manager, ledger: Ledger) -> None:
    """After "stopping" neither a beat nor a change overwrites what the service waits for."""
    heart = Heart(notifier(manager), clock=Clock())
    heart.stopping("stopping: waits for docs/a.md")
    beat(heart, ledger, 3.5)
    heart.status("watches 1 source")

    statuses = [line for message in manager.said() for line in message if line.startswith("STATUS=")]
    assert ["STATUS=stopping: waits for docs/a.md"] == statuses
