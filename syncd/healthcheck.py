"""Asks the service whether it is well: `python -m syncd.healthcheck`, for containers.

A container asks twice a minute, so this costs as little as it can: nothing but the standard library's sockets, and the
configuration is read only for the address, and only when the environment does not give it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence

TIMEOUT = 3.0  # seconds for all of it
_LONGEST_ANSWER = 65536  # bytes
_LARGEST_FILE = 4 * 1024 * 1024  # bytes of a configuration
_LONGEST_LINE = 500  # characters
DEFAULT = "127.0.0.1:8321"
OK, UNWELL, UNREACHABLE, NOTHING_TO_ASK = 0, 1, 69, 78


def address(listen: str) -> tuple[str, int]:
    """Where to ask: a service that listens everywhere is asked on loopback. Raises ValueError."""
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    if host in ("0.0.0.0", ""):  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    elif host == "::":
        host = "::1"
    return host, int(port)


def ask(listen: str, path: str = "/livez") -> tuple[int, str]:
    """Ask; returns the exit code and one line that says why."""
    if not listen:
        return NOTHING_TO_ASK, '[http] listen is "": there is nothing to ask'
    try:
        answer = _asked(*address(listen), path)
    except (OSError, ValueError) as error:
        return UNREACHABLE, f"nobody answers on {listen}: {error}"
    head, _, body = answer.partition(b"\r\n\r\n")
    said = (body.strip() or head).decode("utf-8", "replace").partition("\n")[0].strip()[:_LONGEST_LINE]
    text = _harmless(said if said.isprintable() else ascii(said)[1:-1])
    words = head.split(b" ", 2)
    well = words[0].startswith(b"HTTP/") and words[1:2] == [b"200"]
    return (OK if well else UNWELL), text or "an empty answer"


def _harmless(text: str) -> str:
    """No order to a CI system, whoever answers there (`harmless.py`, which would cost more to load)."""
    if text.startswith(("::", "section_", "travis_")):
        text = f"\\x{ord(text[0]):02x}{text[1:]}"
    return text.replace("##", "\\x23#")


def _asked(host: str, port: int, path: str) -> bytes:
    """The answer, or its beginning; what takes longer than ``TIMEOUT`` in all raises OSError."""
    deadline = time.monotonic() + TIMEOUT
    with socket.create_connection((host, port), TIMEOUT) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        answer = b""
        while len(answer) < _LONGEST_ANSWER:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            connection.settimeout(left)
            block = connection.recv(4096)
            if not block:
                break
            answer += block
    return answer


def configured(env: Mapping[str, str] = os.environ) -> str:
    """The address as the service has it: the environment, else the configuration, else the default.

    The configuration may be wrong by now: the service that runs was started with a good one.
    """
    health = env["SYNCD_HTTP__HEALTH_LISTEN"] if "SYNCD_HTTP__HEALTH_LISTEN" in env else _health_listen(env)
    if health:
        return health
    if "SYNCD_HTTP__LISTEN" in env:
        return env["SYNCD_HTTP__LISTEN"]
    stated = _stated(env, "http", "listen")
    return DEFAULT if stated is None else stated


def _health_listen(env: Mapping[str, str]) -> str | None:
    # Where the environment gives the address of the page, which is health's as well, no file is read for another one.
    return None if env.get("SYNCD_HTTP__LISTEN") else _stated(env, "http", "health_listen")


def _stated(env: Mapping[str, str], table: str, key: str) -> str | None:
    path = env.get("SYNCD_CONFIG", "")
    if not path:
        return None
    from syncd import salvage

    try:
        with open(path, "rb") as file:
            return salvage.text_of(file.read(_LARGEST_FILE).decode("utf-8-sig", "replace"), table, key)
    except (OSError, ValueError):
        return None


def running(env: Mapping[str, str] = os.environ) -> str | None:
    """Where the service says in its ledger that it listens; ``None`` when that cannot be known.

    Asked when nobody answers where the configuration says: that may have been changed, and not be in force yet.
    """
    stated = env.get("SYNCD_LEDGER__PATH") or _stated(env, "ledger", "path")
    folder = os.path.dirname(os.path.abspath(env.get("SYNCD_CONFIG", "")))
    state = env.get("STATE_DIRECTORY", "").split(":")[0]
    path = os.path.join(folder, stated) if stated else os.path.join(state, "ledger.db") if state else ""
    if not os.path.exists(path):
        return None
    import json
    import sqlite3
    from pathlib import Path

    try:
        conn = sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro", uri=True)
        try:
            row = conn.execute("select value from meta where key = 'service'").fetchone()
        finally:
            conn.close()
        said = json.loads(row[0])
        return str(said.get("health") or said["listen"]).removeprefix("http://") or None
    except (sqlite3.Error, ValueError, KeyError, TypeError):
        return None


def main(arguments: Sequence[str]) -> int:
    """`--ready` asks whether the service has begun to serve, instead of whether it makes progress."""
    path = "/readyz" if "--ready" in arguments else "/livez"
    code, text = ask(configured(), path)
    if code in (UNREACHABLE, NOTHING_TO_ASK) and (listen := running()) is not None:
        code, text = ask(listen, path)
    # Full, or closed from the start: the exit code is the answer. Python's own stream would fail at the end once more.
    with contextlib.suppress(OSError):
        os.write(1, (text + "\n").encode("utf-8", "backslashreplace"))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
