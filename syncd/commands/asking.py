"""Asking the service that runs on a ledger, where one does; a command without one does the work itself (rule 34)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from syncd.errors import EXIT_CONFIG, BusyError, ConfigError, SyncdError

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from syncd.config import Config
    from syncd.ledger.requests import Answer

PATIENCE = 120.0  # seconds to wait for an answer
_EVERY = 0.1


def ask(config: Config, kind: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """Have the running service do something; returns the values of its answer, ``None`` when no service runs.

    A request is carried out at most once. One that the service did not take is withdrawn when nobody waits for it any
    more: after ``PATIENCE``, when the service ends (``None`` then, as if none had run), at an interruption.

    Raises:
        SyncdError: the service refused, with its own code, message and hint.
        BusyError: it did not answer in time, or ended before it did.
    """
    from syncd.ledger.store import exists

    if not exists(config.ledger.path):
        return None
    from contextlib import closing

    from syncd import standing
    from syncd.ledger import Ledger, requests

    with closing(Ledger(config.ledger.path, write=False)) as ledger:
        if not standing.of_service(config.ledger.path, ledger.conn)["running"]:
            return None
    with requests.mailbox(config.ledger.path) as conn:
        number = requests.post(conn, kind, arguments, time.time())
        try:
            answer = _wait(config.ledger.path, conn, number)
        finally:
            withdrawn = requests.withdraw(conn, number, time.time())
    if answer is None:
        if withdrawn:
            return None
        raise BusyError(
            "the service ended before it had answered",
            hint="`syncd status` and `syncd ls` show how things stand; ask again if need be",
        )
    if answer.exit_code:
        raise _refusal(answer.exit_code, answer.values)
    return dict(answer.values)


def _wait(path: Path, conn: sqlite3.Connection, number: int) -> Answer | None:
    """The answer to a request; ``None`` when nobody is there any more who could give one."""
    from syncd.ledger import requests
    from syncd.ledger.store import holder

    deadline = time.monotonic() + PATIENCE
    while (answer := requests.answer_to(conn, number)) is None:
        if not holder(path):
            # What it wrote before it ended is in the ledger by now.
            return requests.answer_to(conn, number)
        if time.monotonic() > deadline:
            if requests.is_taken(conn, number):
                raise BusyError("the service has not finished yet", hint="`syncd status` shows what it is at")
            raise BusyError(
                "the service did not take the request", hint="`syncd status` shows how it does; nothing was changed"
            )
        time.sleep(_EVERY)
    return answer


def _refusal(exit_code: int, values: Mapping[str, Any]) -> SyncdError:
    if exit_code == EXIT_CONFIG:
        return ConfigError(str(values.get("message", "")).split("\n"), hint=str(values.get("hint", "")))
    error = SyncdError(str(values.get("message", "")), hint=str(values.get("hint", "")))
    error.exit_code = exit_code
    error.code = str(values.get("code", "refused"))
    return error
