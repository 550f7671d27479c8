"""What a person asks of the running service: carried out once, answered always (rule 34)."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cli_site import Site, clean_environment
from service_site import wait_until
from world import World

from syncd.answering import Answering
from syncd.commands import asking
from syncd.config import Config, FastGPT, Http, LedgerConfig, Schedule, Secret
from syncd.engine import Engine
from syncd.errors import BusyError, SyncdError
from syncd.ledger import Ledger, requests
from syncd.ledger.store import own_name
from syncd.running import Listener, Runner

NOW = 2_000_000_000.0


@pytest.fixture
def ledger(scratch: Path) -> Iterator[Ledger]:
    """The ledger of a service that runs: open, locked, described."""
    made = Ledger(scratch / "ledger.db")
    with made.transaction("described") as conn:
        requests.describe(conn, {"process": own_name()})
    yield made
    made.close()


@pytest.fixture
def config(ledger: Ledger) -> Config:
    """The configuration of a command beside it."""
    return Config(
        path=ledger.path.with_name("config.toml"),
        fastgpt=FastGPT(base_url="http://nowhere/api", api_key=Secret("k"), api_key_origin="test"),
        ledger=LedgerConfig(path=ledger.path),
        schedule=Schedule(),
        http=Http(),
        sources=(),
    )


def take(ledger: Ledger, now: float = NOW) -> list[requests.Request]:
    with ledger.transaction("taken") as conn:
        return requests.take(conn, now)


def answer(ledger: Ledger, number: int, exit_code: int = 0, **values: Any) -> None:
    with ledger.transaction("answered") as conn:
        requests.answer(conn, number, exit_code, values, NOW)


def rows(ledger: Ledger) -> list[tuple[Any, ...]]:
    return ledger.conn.execute("select id, kind, taken_at, done_at, exit_code from requests order by id").fetchall()


# ---------------------------------------------------------------- rows


def test_taken_once_and_in_order(ledger: Ledger) -> None:
    """Requests are taken oldest first, with their arguments, and each only once."""
    with requests.mailbox(ledger.path) as conn:
        first = requests.post(conn, "retry", {"paths": ["手册.md"]}, NOW)
        second = requests.post(conn, "pause", {}, NOW)
        assert requests.is_open(ledger.conn)

        taken = take(ledger)

        assert [(first, "retry", {"paths": ["手册.md"]}), (second, "pause", {})] == [
            (request.id, request.kind, request.arguments) for request in taken
        ]
        assert ([], False) == (take(ledger), requests.is_open(ledger.conn))
        assert (None, None) == (requests.answer_to(conn, first), requests.answer_to(conn, second))
        answer(ledger, first, message="done")
        assert requests.Answer(0, {"message": "done"}) == requests.answer_to(conn, first)
        assert requests.answer_to(conn, second) is None


def test_withdrawn_only_before_it_is_taken(ledger: Ledger) -> None:
    """What nobody took can be withdrawn and is never carried out then; what was taken, or answered, cannot."""
    with requests.mailbox(ledger.path) as conn:
        gone, taken, done = (requests.post(conn, "pause", {}, NOW) for _ in range(3))
        assert requests.withdraw(conn, gone, NOW)
        assert not requests.withdraw(conn, gone, NOW)
        assert [taken, done] == [request.id for request in take(ledger)]
        answer(ledger, done)
        assert (False, False) == (requests.withdraw(conn, taken, NOW), requests.withdraw(conn, done, NOW))
        assert (False, True) == (requests.is_taken(conn, gone), requests.is_taken(conn, taken))
        assert requests.Answer(0, {}) == requests.answer_to(conn, done)


def test_another_version_is_not_written_to(ledger: Ledger) -> None:
    """A command of another version does not write into the ledger of a service that it does not understand."""
    ledger.conn.execute("pragma user_version = 99")
    with pytest.raises(SyncdError, match="another version"), requests.mailbox(ledger.path):
        raise AssertionError("not reached")


@pytest.mark.parametrize("kind", requests.KINDS)
def test_what_a_dead_service_had_taken_is_failed(ledger: Ledger, kind: str) -> None:
    """A request that was taken and not answered is never carried out again: it may be done already, or half."""
    with requests.mailbox(ledger.path) as conn:
        taken = requests.post(conn, kind, {}, NOW)
        take(ledger)
        waits = requests.post(conn, kind, {}, NOW)

        with ledger.transaction("start") as db:
            assert 1 == requests.clear_up(db, NOW + 5)

        found = requests.answer_to(conn, taken)
        assert found is not None
        assert (75, "busy", "the service ended before it had answered") == (
            found.exit_code,
            found.values["code"],
            found.values["message"],
        )
        assert [waits] == [request.id for request in take(ledger)]


def test_what_nobody_waits_for_is_not_carried_out(ledger: Ledger) -> None:
    """A request of a command that was killed long ago is not carried out when a service starts at last."""
    with requests.mailbox(ledger.path) as conn:
        old = requests.post(conn, "release", {"source": "docs"}, NOW - requests.NOBODY_WAITS - 1)
        fresh = requests.post(conn, "pause", {}, NOW - asking.PATIENCE)
        with ledger.transaction("start") as db:
            requests.clear_up(db, NOW)
        assert [fresh] == [request.id for request in take(ledger)]
        found = requests.answer_to(conn, old)
        assert found is not None
        assert 75 == found.exit_code
    assert asking.PATIENCE < requests.NOBODY_WAITS


def test_pause_keeps_its_first_moment(ledger: Ledger) -> None:
    """Pausing twice is one pause; going on twice is no failure; both are kept over restarts."""
    with ledger.transaction("pause") as conn:
        requests.set_paused(conn, 100.0)
        requests.set_paused(conn, 200.0)
    with closing(ledger.reader()) as other:
        assert 100.0 == requests.paused(other)
    with ledger.transaction("resume") as conn:
        requests.set_paused(conn, None)
        requests.set_paused(conn, None)
    assert requests.paused(ledger.conn) is None


# ---------------------------------------------------------------- the command that asks


class Asking(threading.Thread):
    """A command that asks, beside the service of the test."""

    def __init__(self, config: Config, kind: str = "pause") -> None:
        super().__init__(daemon=True)
        self.config, self.kind = config, kind
        self.answer: dict[str, Any] | None = {"message": "still waiting"}
        self.error: SyncdError | None = None
        self.start()

    def run(self) -> None:
        try:
            self.answer = asking.ask(self.config, self.kind, {"a": 1})
        except SyncdError as error:
            self.error = error

    def ended(self) -> Asking:
        self.join(30)
        assert not self.is_alive(), "it hangs"
        return self


def posted(ledger: Ledger) -> int:
    wait_until(lambda: rows(ledger), "a request was written")
    return int(rows(ledger)[0][0])


def test_an_answer_comes_back(ledger: Ledger, config: Config) -> None:
    """The command returns the values of the answer."""
    command = Asking(config)
    number = posted(ledger)
    assert [(number, "pause", {"a": 1})] == [(r.id, r.kind, r.arguments) for r in take(ledger)]
    answer(ledger, number, message="done")

    assert {"message": "done"} == command.ended().answer


def test_a_refusal_comes_back_as_the_error_it_was(ledger: Ledger, config: Config) -> None:
    """A refusal keeps exit code, code, message and hint."""
    command = Asking(config)
    number = posted(ledger)
    take(ledger)
    answer(ledger, number, 6, code="not-possible", message="nothing is held", hint="look again")

    error = command.ended().error
    assert error is not None
    assert (6, "not-possible", "nothing is held", "look again") == (
        error.exit_code,
        error.code,
        error.message,
        error.hint,
    )


def test_without_a_service_the_command_is_told_so(ledger: Ledger, config: Config) -> None:
    """Nothing is written when no service holds the ledger."""
    ledger.close()

    assert asking.ask(config, "pause", {}) is None

    with closing(sqlite3.connect(ledger.path)) as conn:
        assert [(0,)] == conn.execute("select count(*) from requests").fetchall()


def test_another_holder_of_the_ledger_is_no_service(ledger: Ledger, config: Config) -> None:
    """While a one-shot pass holds the ledger nobody is asked: it would never answer."""
    with ledger.transaction("described") as conn:
        requests.describe(conn, {"process": "pid 1 on another host"})

    assert asking.ask(config, "pause", {}) is None
    assert [] == rows(ledger)


def test_a_service_that_ends_before_taking(ledger: Ledger, config: Config) -> None:
    """When the service ends without having taken the request, it is withdrawn and the command does the work itself."""
    command = Asking(config)
    posted(ledger)
    ledger.close()  # also lets go of the lock, as the end of the process does

    assert (None, None) == (command.ended().answer, command.error)

    with closing(Ledger(ledger.path)) as again:
        assert [] == take(again)


def test_a_service_that_dies_after_taking(ledger: Ledger, config: Config) -> None:
    """When the service dies with the request in its hands, the command says at once that nobody knows, with 75."""
    command = Asking(config)
    posted(ledger)
    take(ledger)
    ledger.close()

    error = command.ended().error
    assert error is not None
    assert (75, "the service ended before it had answered") == (error.exit_code, error.message)
    assert "syncd status" in error.hint


def test_a_service_that_answers_and_ends(ledger: Ledger, config: Config) -> None:
    """An answer that was written right before the end counts."""
    command = Asking(config)
    number = posted(ledger)
    take(ledger)
    answer(ledger, number, message="done")
    ledger.close()

    assert {"message": "done"} == command.ended().answer


@pytest.mark.parametrize(
    ("taken", "message"),
    [(False, "the service did not take the request"), (True, "the service has not finished yet")],
)
def test_patience_has_an_end(
    ledger: Ledger, config: Config, monkeypatch: pytest.MonkeyPatch, taken: bool, message: str
) -> None:
    """A service that hangs does not make the command hang: 75, and what was not taken never will be."""
    monkeypatch.setattr(asking, "PATIENCE", 0.5)
    command = Asking(config)
    posted(ledger)
    if taken:
        take(ledger)

    error = command.ended().error

    assert isinstance(error, BusyError)
    assert message == error.message
    assert [] == take(ledger)


def test_an_interrupted_command_takes_its_request_back(ledger: Ledger, config: Config) -> None:
    """Ctrl-C at a command that waits: what was not taken yet is not carried out behind the person's back."""
    # Whoever runs the tests in the background of a shell has Ctrl-C ignored, and so would the command.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from pathlib import Path; from syncd import config; from syncd.commands.asking import ask;"
        "ask(config.load(Path(sys.argv[1])), 'release', {'source': 'docs'})"
    )
    config.path.write_text(
        f'version = 1\n[fastgpt]\nbase_url = "http://localhost:1"\napi_key = "k-1234567890"\n'
        f'[ledger]\npath = "{ledger.path}"\n[[source]]\nname = "docs"\npath = "{ledger.path.parent}"\ndataset = "d"\n'
    )
    command = subprocess.Popen(
        [sys.executable, "-c", code, str(config.path)], env=clean_environment(), stderr=subprocess.DEVNULL
    )
    try:
        posted(ledger)
        command.send_signal(2)
        assert command.wait(60) != 0
    finally:
        command.kill()
        command.wait(60)

    assert [] == take(ledger)
    assert 75 == rows(ledger)[0][4]


# ---------------------------------------------------------------- the service that answers


class Desk:
    """A runner whose requests are carried out by the test."""

    def __init__(self, perform: Callable[..., Any]) -> None:
        self.perform = perform

    def __call__(self, world: World, script: Callable[[Runner], Any]) -> None:
        async def body(engine: Engine) -> None:
            runner = Runner(engine, Listener(), self.perform)
            running = asyncio.ensure_future(runner.run())
            try:
                await script(runner)
            finally:
                runner.stop()
                await running

        world.run(body)


def post(world: World, kind: str = "sync") -> int:
    with requests.mailbox(world.ledger_path) as conn:
        return requests.post(conn, kind, {}, world.now())


def answered(world: World, number: int) -> requests.Answer | None:
    with requests.mailbox(world.ledger_path) as conn:
        return requests.answer_to(conn, number)


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(1000):
        while not condition():  # noqa: ASYNC110 - what is waited for is a row that anybody may write
            await asyncio.sleep(0.1)


def test_each_request_is_performed_once(world: World) -> None:
    """However many requests come, each is performed once and answered, refusals and bugs included."""
    performed: list[int] = []

    async def perform(_runner: Runner, request: requests.Request) -> dict[str, Any]:
        performed.append(request.id)
        await asyncio.sleep(0.3)
        if request.kind == "retry":
            raise BusyError("not now", hint="later")
        if request.kind == "rollback":
            raise ValueError("a bug")
        return {"message": "done"}

    async def script(_runner: Runner) -> None:
        numbers = [post(world, kind) for kind in ("sync", "retry", "rollback", "sync")]
        await until(lambda: all(answered(world, number) for number in numbers))
        codes = [(found := answered(world, number)) and found.exit_code for number in numbers]
        assert [0, 75, 1, 0] == codes
        assert numbers == performed

    Desk(perform)(world, script)


def test_what_is_begun_is_finished_before_the_end(world: World) -> None:
    """A stop waits for requests that are being carried out; one that comes later is left for the next service."""
    numbers: list[int] = []

    async def perform(_runner: Runner, request: requests.Request) -> dict[str, Any]:
        await asyncio.sleep(20)
        return {"message": "done"}

    async def script(runner: Runner) -> None:
        numbers.append(post(world, "rollback"))
        await until(lambda: not requests.is_open(runner.engine.ledger.conn))
        runner.stop()
        await asyncio.sleep(1)
        numbers.append(post(world, "sync"))

    Desk(perform)(world, script)

    assert requests.Answer(0, {"message": "done"}) == answered(world, numbers[0])
    assert answered(world, numbers[1]) is None
    with closing(Ledger(world.ledger_path)) as ledger:
        assert [numbers[1]] == [request.id for request in take(ledger)]


def test_what_is_cut_off_is_answered_so(world: World) -> None:
    """When the time for draining is over, whoever waits for an answer gets one."""
    numbers: list[int] = []

    async def perform(_runner: Runner, request: requests.Request) -> dict[str, Any]:
        await asyncio.sleep(1e6)
        raise AssertionError("not reached")

    async def body(engine: Engine) -> None:
        runner = Runner(engine, Listener(), perform)
        running = asyncio.ensure_future(runner.run())
        numbers.append(post(world, "rollback"))
        await until(lambda: not requests.is_open(engine.ledger.conn))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    world.run(body)

    found = answered(world, numbers[0])
    assert found is not None
    assert (75, "the service ended before it had answered") == (found.exit_code, found.values["message"])


def test_somebody_else_may_answer_later(world: World) -> None:
    """A request whose answer is left to somebody else stays open, and is not performed again."""
    performed: list[int] = []

    async def perform(_runner: Runner, request: requests.Request) -> None:
        performed.append(request.id)

    async def script(_runner: Runner) -> None:
        number = post(world, "reload")
        await until(lambda: performed)
        await asyncio.sleep(10)
        assert ([number], None) == (performed, answered(world, number))

    Desk(perform)(world, script)


@pytest.mark.parametrize(
    ("kind", "given", "code", "message"),
    [
        ("dance", {}, 2, 'the service knows no request "dance"'),
        ("sync", {"source": "nowhere"}, 2, 'the service has no source "nowhere"'),
        ("release", {}, 2, "a release names its source"),
        ("release", {"source": "docs"}, 6, 'nothing of "docs" is held'),
        ("rollback", {"path": "nothing.md"}, 2, 'no document "nothing.md" is known'),
        ("retry", {"paths": ["nothing.md"]}, 2, 'no document "nothing.md" is known'),
        ("retry", {}, 0, "nothing to retry"),
        ("sync", {"source": "docs"}, 0, "docs is looked at now"),
        ("resume", {}, 0, "the service goes on"),
    ],
)
def test_what_can_be_asked(world: World, kind: str, given: dict[str, Any], code: int, message: str) -> None:
    """Every kind of request is answered in words, also when it cannot be done."""

    async def reload() -> dict[str, Any]:
        return {}

    async def body(engine: Engine) -> tuple[int, str]:
        runner = Runner(engine, Listener(), Answering(reload=reload).perform)
        try:
            values = await Answering(reload=reload).act(runner, kind, given)
        except SyncdError as error:
            return error.exit_code, error.message
        return 0, str(values["message"])

    assert (code, message) == world.run(body)


def test_a_killed_service_and_its_requests(tmp_path: Path) -> None:
    """A request that the service had taken when it was killed is answered 75 by the command, and not repeated."""
    site = Site(tmp_path)
    site.fill(1)
    site.run("sync", "-q", code=0)
    environment = clean_environment(SYNCD_HTTP__LISTEN="", SYNCD_CRASH_AT="ledger.answered.before")
    with (tmp_path / "run.log").open("wb") as log:
        service = subprocess.Popen(
            site.command("run"), cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        wait_until(lambda: site.run("status", "--json").json["service"]["running"], "the service runs")
        result = site.run("retry", "--json")
        assert (75, "busy") == (result.code, result.json["error"]["code"])
        assert -9 == service.wait(60)
    finally:
        service.kill()
        service.wait(60)
    with closing(sqlite3.connect(f"{(tmp_path / 'ledger.db').as_uri()}?mode=ro", uri=True)) as conn:
        ((kind, done),) = conn.execute("select kind, done_at from requests").fetchall()
    assert ("retry", None) == (kind, done)
