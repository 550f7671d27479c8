"""The daemon in this process: reloads that cannot be, ports that are taken, hearts that stop."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import threading
import urllib.request
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cli_site import server

from syncd import config
from syncd.daemon import Daemon
from syncd.errors import BusyError, ConfigError, LedgerError
from syncd.heart import Heart
from syncd.ledger import Ledger, requests
from syncd.systemd import Notifier


class Recorder(Notifier):
    """Keeps what systemd would hear."""

    def __init__(self) -> None:
        super().__init__({})
        self.said: list[str] = []

    def _send(self, *lines: str, patience: float = 0.0) -> bool:
        del patience
        self.said += lines
        return True


def port() -> int:
    """One that is free."""
    with closing(socket.create_server(("127.0.0.1", 0))) as one:
        return int(one.getsockname()[1])


def answers(number: int) -> bool:
    """Whether the status server answers there."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{number}/livez", timeout=60) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


class House:
    """A daemon over a folder, with a server that cannot be reached."""

    def __init__(self, tmp: Path) -> None:
        self.tmp = tmp
        (tmp / "docs").mkdir()
        self.dead = port()
        self.write()
        self.ledger = Ledger(tmp / "ledger.db")
        self.heart = Heart(Recorder())
        self.daemon = Daemon(self.load(), self.load, self.ledger, self.heart)

    def write(self, listen: str = "", http: str = "", more: str = "") -> None:
        (self.tmp / "config.toml").write_text(
            f'version = 1\n[fastgpt]\nbase_url = "http://127.0.0.1:{self.dead}/api"\napi_key = "fastgpt-0123456789"\n'
            f'[ledger]\npath = "ledger.db"\n[http]\nlisten = "{listen}"\n{http}\n'
            f'[service]\ndrain = "5s"\n[[source]]\nname = "docs"\npath = "docs"\ndataset = "d"\n{more}\n'
        )

    def load(self) -> config.Config:
        return config.load(self.tmp / "config.toml", env={})

    @property
    def said(self) -> list[str]:
        assert isinstance(self.heart.systemd, Recorder)
        return self.heart.systemd.said

    async def up(self, count: int = 1) -> None:
        """Wait until so many configurations have come into force."""
        await self.until(lambda: self.said.count("READY=1") >= count)

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(30):
            while not condition():  # noqa: ASYNC110 - it is another's state that is waited for
                await asyncio.sleep(0.02)

    def live(self, script: Callable[[], Awaitable[None]]) -> None:
        """Run the daemon, and the script beside it; the daemon is stopped at its end."""

        async def main() -> None:
            running = asyncio.ensure_future(self.daemon.run())
            try:
                await script()
            finally:
                self.daemon.stop()
                await running

        try:
            asyncio.run(main())
        finally:
            self.ledger.close()


@pytest.fixture
def house(scratch: Path) -> House:
    return House(scratch)


def test_the_status_server_moves(house: House) -> None:
    """A free port is moved to, what else changes leaves the server alone, and "" turns it off."""
    first, second = port(), port()
    house.write(f"127.0.0.1:{first}")
    house.daemon.config = house.load()

    async def script() -> None:
        await house.up()
        assert await asyncio.to_thread(answers, first)
        server = house.daemon.server

        house.write(f"127.0.0.1:{first}", more='tags = ["a"]')
        await house.daemon.reload()
        await house.up(2)
        assert server is house.daemon.server

        house.write(f"127.0.0.1:{first}", http='allowed_hosts = ["docs.example.org"]')
        await house.daemon.reload()
        assert server is not house.daemon.server
        assert await asyncio.to_thread(answers, first)

        house.write(f"127.0.0.1:{second}")
        await house.daemon.reload()
        assert (False, True) == (
            await asyncio.to_thread(answers, first),
            await asyncio.to_thread(answers, second),
        )

        house.write("")
        await house.daemon.reload()
        assert not await asyncio.to_thread(answers, second)
        assert house.daemon.server is None

    house.live(script)
    assert not answers(second)


def test_a_busy_port_ends_nothing(house: House) -> None:
    """A new address that is taken refuses the whole configuration; the old one goes on, its status server too."""
    first = port()
    house.write(f"127.0.0.1:{first}")
    house.daemon.config = house.load()

    async def script() -> None:
        await house.up()
        before = house.daemon.config
        with closing(socket.create_server(("127.0.0.1", 0))) as other:
            house.write(f"127.0.0.1:{other.getsockname()[1]}", more='tags = ["a"]')
            with pytest.raises(BusyError, match="cannot listen"):
                await house.daemon.reload()
        assert before is house.daemon.config
        assert house.daemon.refused is not None
        assert "cannot listen" in house.daemon.refused["problems"][0]
        assert await asyncio.to_thread(answers, first)
        assert house.said.count("RELOADING=1") == 1
        await house.up(2)  # the reload is over for systemd
        assert "cannot listen" in house.daemon._summary()

        await house.daemon.reload()  # the port is free by now
        assert house.daemon.refused is None
        await house.up(3)

    house.live(script)


def test_a_busy_port_at_the_start(house: House) -> None:
    """At the start there is no old one to go on with: the daemon ends by an error that says what to do."""
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        house.write(f"127.0.0.1:{other.getsockname()[1]}")
        house.daemon.config = house.load()
        with closing(house.ledger), pytest.raises(BusyError) as caught:
            asyncio.run(house.daemon.run())
    assert "[http] listen" in caught.value.hint
    assert "READY=1" not in house.said


def test_sighup_while_it_starts(house: House) -> None:
    """SIGHUP before anything serves is obeyed: what serves in the end is the newest configuration."""

    async def script() -> None:
        house.write(more='tags = ["new"]')
        house.daemon.hang_up()
        house.daemon.hang_up()
        await house.until(lambda: house.daemon.assembly and house.daemon.assembly.config.sources[0].tags == ("new",))

    house.live(script)


def test_sighup_with_a_wrong_one_while_it_starts(house: House) -> None:
    """A wrong one at that time is refused, and the daemon comes up with the one it was started with."""

    async def script() -> None:
        house.write(more="nonsense = 1")
        house.daemon.hang_up()
        await house.until(lambda: house.daemon.refused)
        await house.until(lambda: house.daemon.assembly)
        assert house.daemon.assembly is not None
        assert () == house.daemon.assembly.config.sources[0].tags

    house.live(script)


def test_reloads_side_by_side(house: House) -> None:
    """Many reloads at once are done one after the other, and the last one counts."""

    async def script() -> None:
        await house.up()
        for number in range(5):
            house.write(more=f'tags = ["t{number}"]')
            house.daemon.hang_up()
            await asyncio.sleep(0)
        await house.until(lambda: not house.daemon._hung_up)
        await house.until(lambda: house.daemon.assembly and house.daemon.assembly.config.sources[0].tags == ("t4",))
        assert 5 == house.said.count("RELOADING=1")

    house.live(script)


def test_no_reload_at_the_end(house: House) -> None:
    """A service that is stopping reads nothing any more and says so; SIGHUP is no failure then."""

    async def script() -> None:
        await house.up()
        house.daemon.stop()
        house.daemon.hang_up()
        with pytest.raises(BusyError, match="stopping"):
            await house.daemon.reload()
        house.daemon.stop()

    house.live(script)
    assert "RELOADING=1" not in house.said


def test_another_ledger_needs_a_restart(house: House) -> None:
    """The ledger's path cannot change while the service runs; that is said, and the old one stays."""

    async def script() -> None:
        await house.up()
        path = house.tmp / "config.toml"
        path.write_text(path.read_text().replace('path = "ledger.db"', 'path = "other.db"'))
        with pytest.raises(ConfigError, match="cannot change while the service runs"):
            await house.daemon.reload()

    house.live(script)
    assert not (house.tmp / "other.db").exists()


def test_a_bug_in_reading_ends_nothing(house: House) -> None:
    """Whatever goes wrong while the configuration is read, the old one goes on and systemd is not left waiting."""

    def broken() -> config.Config:
        raise ZeroDivisionError

    async def script() -> None:
        await house.up()
        house.daemon.load = broken
        house.daemon.hang_up()
        await house.up(2)
        assert house.daemon.assembly is not None

    house.live(script)


def test_a_request_for_a_reload_is_answered_when_it_is_in_force(house: House) -> None:
    """Whoever asks for a reload is answered when the new configuration serves, or with the problems at once."""

    async def script() -> None:
        await house.up()
        with requests.mailbox(house.ledger.path) as conn:
            house.write(more='tags = ["new"]')
            good = requests.post(conn, "reload", {}, 2e9)
            await house.until(lambda: requests.answer_to(conn, good))
            assert house.daemon.assembly is not None
            assert ("new",) == house.daemon.assembly.config.sources[0].tags
            house.write(more="nonsense = 1")
            bad = requests.post(conn, "reload", {}, 2e9)
            await house.until(lambda: requests.answer_to(conn, bad))
            codes = [answer and answer.exit_code for answer in (requests.answer_to(conn, n) for n in (good, bad))]
            assert [0, 78] == codes

    house.live(script)


def test_a_heart_that_stops_ends_the_service(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the heart fails, the service ends by that error at once, instead of being killed by the watchdog later."""
    monkeypatch.setattr("syncd.heart.EVERY", 0.05)

    async def main() -> None:
        running = asyncio.ensure_future(house.daemon.run())
        await house.up()
        healthy = house.ledger.data_version

        def broken() -> int:
            task = asyncio.current_task()
            if task is not None and "beat" in repr(task.get_coro()):
                raise LedgerError("the ledger is damaged: disk I/O error")
            return healthy()

        monkeypatch.setattr(house.ledger, "data_version", broken)
        async with asyncio.timeout(30):
            await running

    with closing(house.ledger), pytest.raises(LedgerError, match="disk I/O error"):
        asyncio.run(main())


def test_a_ledger_that_takes_nothing_is_told(house: House) -> None:
    """While another program has the ledger locked, systemd, metrics and page say so; afterwards it is over."""
    notices: list[tuple[str, str]] = []

    async def script() -> None:
        await house.up()
        daemon = house.daemon
        assert daemon.assembly is not None
        daemon.assembly.notifier.tell = lambda notice: notices.append((notice.subject, notice.kind))  # type: ignore[method-assign]
        with closing(sqlite3.connect(house.ledger.path, isolation_level=None)) as other:
            other.execute("begin immediate")
            written = asyncio.ensure_future(house.ledger.commit("note", lambda db: None))
            await house.until(lambda: any("is locked by another program" in line for line in house.said))
            assert ("trouble", False) == (daemon.description()["ledger"]["state"], daemon.healthy())
            await house.until(lambda: b"syncd_ledger_up 0.0" in daemon.metrics.text())
        await written
        assert "ok" == daemon.description()["ledger"]["state"]
        assert b"syncd_ledger_up 1.0" in daemon.metrics.text()
        assert ["outage", "recovery"] == [kind for subject, kind in notices if subject == "ledger"]

    house.live(script)


def test_an_outage_that_a_reload_ends_is_told_to_be_over(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """The address was wrong; with the right one in force the service says that the server is back."""

    def said(event: str) -> int:
        return sum(record.getMessage().startswith(event) for record in caplog.records)

    async def script() -> None:
        (house.tmp / "docs" / "a.md").write_text("# A\n\nSomething about gannets.\n")
        await house.up()
        await house.until(lambda: said("server.trouble"))
        path = house.tmp / "config.toml"
        text = path.read_text().replace("fastgpt-0123456789", server().key)
        path.write_text(text.replace(f"http://127.0.0.1:{house.dead}/api", server().base_url))
        await house.daemon.reload()
        await house.up(2)
        await house.until(lambda: said("server.back"))
        assert house.daemon.assembly is not None
        assert "" == house.daemon.assembly.runner.server.message
        assert b"syncd_server_up 1.0" in house.daemon.metrics.text()

    with caplog.at_level("INFO", logger="syncd"):
        house.live(script)
    assert (1, 1) == (said("server.trouble"), said("server.back"))


def test_what_it_says_of_itself_is_never_stale(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that comes while the last one is being written is written too."""
    commit = house.ledger.commit
    changes = iter(["one", "two", "three"])

    async def changing(name: str, move: Any, *, durable: bool = True) -> Any:
        written = await commit(name, move, durable=durable)
        runner = house.daemon.assembly and house.daemon.assembly.runner
        if name == "described" and runner and (change := next(changes, None)):
            runner.troubles = {"docs": change}
            house.daemon.describe()
        return written

    async def script() -> None:
        await house.up()
        monkeypatch.setattr(house.ledger, "commit", changing)
        assert house.daemon.assembly is not None
        house.daemon.assembly.runner.troubles = {"docs": "zero"}
        house.daemon.describe()
        await house.until(lambda: requests.description(house.ledger.conn).get("troubles") == {"docs": "three"})

    house.live(script)


def test_an_end_is_written_down(house: House) -> None:
    """After the end the ledger says that nothing runs any more, and no request of this life is left in its hands."""

    async def script() -> None:
        await house.up()

    house.live(script)
    with closing(Ledger(house.ledger.path, write=False)) as ledger:
        assert {"process", "stopped_at"} == set(requests.description(ledger.conn))


def test_stop_twice(house: House) -> None:
    """Asking twice for the end is asking once."""

    async def script() -> None:
        await house.up()
        house.daemon.stop()
        house.daemon.stop()

    house.live(script)
    assert "STOPPING=1" in house.said


def test_a_configuration_on_a_disk_that_hangs_holds_nobody(house: House) -> None:
    """While keys and certificates are read from a disk that does not answer, the loop goes on, and the page with it."""
    reads, released = threading.Event(), threading.Event()

    def hanging() -> config.Config:
        reads.set()
        assert released.wait(60)
        return house.load()

    async def script() -> None:
        await house.up()
        house.daemon.load = hanging
        reload = asyncio.ensure_future(house.daemon.reload())
        await house.until(reads.is_set)
        for _ in range(50):
            await asyncio.sleep(0)
            assert house.daemon.healthy() in (True, False)
        assert not reload.done()
        released.set()
        await reload

    house.live(script)
