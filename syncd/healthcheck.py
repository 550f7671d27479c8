"""Asks the service whether it is well: `python -m syncd.healthcheck`, for containers.

A container asks twice a minute, so this costs as little as it can: nothing but the standard library's sockets, and the
configuration is read only for the address, and only when the environment does not give it.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence

TIMEOUT = 3.0  # seconds for all of it
_LONGEST_ANSWER = 65536  # bytes
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
    text = said if said.isprintable() else ascii(said)[1:-1]
    words = head.split(b" ", 2)
    well = words[0].startswith(b"HTTP/") and words[1:2] == [b"200"]
    return (OK if well else UNWELL), text or "an empty answer"


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
    """The address as the service has it: the environment, else the configuration, else the default."""
    if "SYNCD_HTTP__LISTEN" in env:
        return env["SYNCD_HTTP__LISTEN"]
    path = env.get("SYNCD_CONFIG", "")
    try:
        import tomllib

        with open(path, "rb") as file:
            return str(tomllib.load(file).get("http", {}).get("listen", DEFAULT))
    except (OSError, ValueError, AttributeError):
        return DEFAULT


def main(arguments: Sequence[str]) -> int:
    """`--ready` asks whether the service has begun to serve, instead of whether it makes progress."""
    code, text = ask(configured(), "/readyz" if "--ready" in arguments else "/livez")
    sys.stdout.write(text + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
