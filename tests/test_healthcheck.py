"""`python -m syncd.healthcheck`, for containers: cheap, bounded in time, and never mistaken for well."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_site import REPOSITORY, clean_environment

from syncd import healthcheck
from syncd.healthcheck import NOTHING_TO_ASK, OK, UNREACHABLE, UNWELL, address, ask, configured

GOOD = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"live":true,"reason":"alive"}'


@contextlib.contextmanager
def answering(how: Callable[[socket.socket], None], family: int = socket.AF_INET) -> Iterator[tuple[str, list[bytes]]]:
    """A server on loopback that answers each connection with ``how``; its address, and what it was asked."""
    host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
    asked: list[bytes] = []
    with socket.create_server((host, 0), family=family) as server:
        server.settimeout(30)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection, contextlib.suppress(OSError):
                        asked.append(connection.recv(65536))
                        how(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = server.getsockname()[1]
        yield (f"[{host}]:{port}" if ":" in host else f"{host}:{port}"), asked
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
    thread.join(30)


def _run(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "syncd.healthcheck", *args],
        env=clean_environment(**env),
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_well() -> None:
    """A service that says 200 is well: code 0, and its own words on stdout."""
    with answering(lambda connection: connection.sendall(GOOD)) as (where, asked):
        done = _run(SYNCD_HTTP__LISTEN=where)
        assert (OK, '{"live":true,"reason":"alive"}\n', "") == (done.returncode, done.stdout, done.stderr)
        assert OK == _run("--ready", SYNCD_HTTP__LISTEN=where).returncode
    assert [b"GET /livez HTTP/1.0", b"GET /readyz HTTP/1.0"] == [request.split(b"\r\n")[0] for request in asked]


def test_only_the_standard_library_is_loaded(tmp_path: Path) -> None:
    """A container asks twice a minute: nothing is imported but the standard library, of that little, and no TOML reader
    unless the address must be read from the configuration."""
    code = (
        "import sys, json; from syncd import healthcheck; code = healthcheck.main([]);"
        " sys.stderr.write(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); {code}"],
        env=clean_environment(SYNCD_HTTP__LISTEN="127.0.0.1:9"),
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    loaded = json.loads(done.stderr)
    assert {"syncd", "syncd.healthcheck"} == {name for name in loaded if name.partition(".")[0] == "syncd"}
    top = {name.partition(".")[0] for name in loaded} - {"syncd"}
    assert top <= set(sys.stdlib_module_names) | {"__main__"}
    assert not top & {"asyncio", "tomllib", "ssl", "http", "urllib", "email", "subprocess", "logging", "argparse"}


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (GOOD.replace(b"200 OK", b"503 Service Unavailable"), UNWELL, "alive"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", UNWELL, "HTTP/1.1 404 Not Found"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://evil.example/\r\n\r\n", UNWELL, "302"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", UNWELL, "2000"),
        (b"\x00\xff\x16garbage", UNWELL, "garbage"),
        (b"220 mail.example.org ESMTP 200\r\n", UNWELL, "220"),
        (b"200 200 200", UNWELL, "200"),
        (b"", UNWELL, "an empty answer"),
        (b"HTTP/1.1 500 \x1b[31m\r\n\r\n\x1b[2J\nmore", UNWELL, "\\x1b[2J"),
    ],
)
def test_anything_else_is_not_well(answer: bytes, code: int, said: str) -> None:
    """Another status, another program or nothing at all is not well, and one line says what came."""
    with answering(lambda connection: connection.sendall(answer)) as (where, _):
        found, text = ask(where)
    assert code == found
    assert said in text
    assert len(text.splitlines()) <= 1


def test_nobody_listens() -> None:
    """When nobody listens that is told apart: 69."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    code, text = ask(f"127.0.0.1:{port}")
    assert UNREACHABLE == code
    assert f"nobody answers on 127.0.0.1:{port}" in text


def test_nothing_to_ask() -> None:
    """Where the status server is turned off there is nothing to ask: 78."""
    done = _run(SYNCD_HTTP__LISTEN="")
    assert NOTHING_TO_ASK == done.returncode
    assert "there is nothing to ask" in done.stdout


def test_a_drip_is_bounded() -> None:
    """A service that sends a byte now and then is given up after the time allowed for all of it."""
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        for _ in range(3000):
            if stop.wait(0.02):
                return
            connection.sendall(b"H")

    before, healthcheck.TIMEOUT = healthcheck.TIMEOUT, 0.5
    try:
        with answering(drip) as (where, _):
            began = time.monotonic()
            code, text = ask(where)
            assert time.monotonic() - began < 20
            stop.set()
    finally:
        healthcheck.TIMEOUT = before
    assert UNREACHABLE == code
    assert "timed out" in text


def test_one_that_hangs_is_bounded() -> None:
    """A service that accepts and says nothing is given up as well."""
    stop = threading.Event()
    before, healthcheck.TIMEOUT = healthcheck.TIMEOUT, 0.2
    try:
        with answering(lambda _connection: stop.wait(30) and None) as (where, _):
            assert UNREACHABLE == ask(where)[0]
            stop.set()
    finally:
        healthcheck.TIMEOUT = before


def test_an_endless_answer_is_bounded() -> None:
    """Of an answer without end only so much is read."""

    def flood(connection: socket.socket) -> None:
        while True:
            connection.sendall(GOOD + b"x" * 65536)

    with answering(flood) as (where, _):
        code, text = ask(where)
    assert OK == code
    assert len(text) < 200_000


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_ipv6() -> None:
    """An IPv6 address in brackets is asked as such."""
    try:
        with answering(lambda connection: connection.sendall(GOOD), socket.AF_INET6) as (where, _):
            assert OK == ask(where)[0]
    except OSError:
        pytest.skip("no IPv6 loopback here")


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("127.0.0.1:8321", ("127.0.0.1", 8321)),
        ("0.0.0.0:8321", ("127.0.0.1", 8321)),
        (":8321", ("127.0.0.1", 8321)),
        ("[::]:8321", ("::1", 8321)),
        ("[::1]:1", ("::1", 1)),
        ("localhost:80", ("localhost", 80)),
    ],
)
def test_where_to_ask(listen: str, expected: tuple[str, int]) -> None:
    """A service that listens everywhere is asked on loopback."""
    assert expected == address(listen)


@pytest.mark.parametrize(
    "listen", ["nonsense", "host:", "host:port", ":", "x" * 300 + ":1", "a..b:1", "127.0.0.1:99999"]
)
def test_an_address_that_is_none(listen: str) -> None:
    """An address that cannot be one is unreachable, not a traceback."""
    code, text = ask(listen)
    assert UNREACHABLE == code
    assert "nobody answers on" in text


def test_the_address_is_the_service_s(tmp_path: Path) -> None:
    """The address is the environment's, else the configuration's, else the default, whatever state the file is in."""
    config = tmp_path / "config.toml"
    assert healthcheck.DEFAULT == configured({})
    assert healthcheck.DEFAULT == configured({"SYNCD_CONFIG": str(config)})
    for text, expected in (
        ('[http]\nlisten = "0.0.0.0:9000"\n', "0.0.0.0:9000"),
        ('[http]\nlisten = ""\n', ""),
        ('[http]\nlisten = "0.0.0.0:9000"\nhealth_listen = "0.0.0.0:9001"\n', "0.0.0.0:9001"),
        ('[http]\nlisten = ""\nhealth_listen = "0.0.0.0:9001"\n', "0.0.0.0:9001"),
        ("[http]\n", healthcheck.DEFAULT),
        ("version = 1\n", healthcheck.DEFAULT),
        ("http = 3\n", healthcheck.DEFAULT),
        ("= rubbish", healthcheck.DEFAULT),
        ("\x00", healthcheck.DEFAULT),
    ):
        config.write_text(text)
        assert expected == configured({"SYNCD_CONFIG": str(config)}), text
    environment = {"SYNCD_CONFIG": str(config), "SYNCD_HTTP__LISTEN": "1.2.3.4:5"}
    assert "1.2.3.4:5" == configured(environment)
    assert "1.2.3.4:6" == configured({**environment, "SYNCD_HTTP__HEALTH_LISTEN": "1.2.3.4:6"})
    config.write_bytes(b"\xff\xfe")
    assert healthcheck.DEFAULT == configured({"SYNCD_CONFIG": str(config)})


def test_the_default_is_the_service_s() -> None:
    """The default address here is the default of the configuration."""
    from syncd.config import Http

    assert Http().listen == healthcheck.DEFAULT


def test_it_needs_no_home(tmp_path: Path) -> None:
    """It runs with no environment at all, as a container's health check may."""
    done = subprocess.run(
        [sys.executable, "-m", "syncd.healthcheck"],
        env={"PYTHONPATH": str(REPOSITORY), "SYNCD_HTTP__LISTEN": "127.0.0.1:9"},
        capture_output=True,
        cwd=tmp_path,
        timeout=60,
    )
    assert UNREACHABLE == done.returncode
    assert os.listdir(tmp_path) == []
