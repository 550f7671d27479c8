"""The composition root: builds everything from the configuration."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from syncd import __version__, ending, logs, points
from syncd.config import Config, apikey
from syncd.config.kept import keep
from syncd.engine import Engine
from syncd.fastgpt.client import Client
from syncd.fastgpt.session import SEARCHES
from syncd.ledger import Ledger, requests
from syncd.progress import Progress


def make_client(config: Config) -> Client:
    """The API client as configured; enter it before use."""
    server = config.fastgpt
    return Client(
        server.base_url,
        server.api_key.reveal(),
        timeout=server.timeout,
        upload_timeout=server.upload_timeout,
        connections=server.uploads + SEARCHES + 8,
        uploads=server.uploads,
        search_tests_per_second=server.search_tests_per_second,
        ca_file=server.ca_file,
        renewed=partial(_key_again, server.api_key_file),
        user_agent=f"syncd/{__version__}",
    )


def _key_again(file: Path | None) -> str | None:
    """The key as its file has it now; whatever it is, nothing may write it anywhere."""
    key = None if file is None else apikey.again(file)
    if key is not None:
        logs.conceal(key)
    return key


@asynccontextmanager
async def engine(config: Config, progress: Progress | None = None) -> AsyncIterator[Engine]:
    """An engine over the ledger, locked, and the server.

    Raises:
        BusyError: another instance holds the ledger.
        LedgerError: the ledger cannot be used.
    """
    points.install_from_environment()
    ledger = Ledger(config.ledger.path)
    try:
        if (text := keep(config)) != ledger.meta(requests.CONFIGURATION):
            with ledger.transaction("kept") as conn:
                requests.keep_configuration(conn, text)
        async with make_client(config) as client:
            made = Engine(config, ledger, client, progress=progress)
            try:
                yield made
            finally:
                made.close()
    finally:
        ledger.close()


@asynccontextmanager
async def signals(
    stop: Callable[[], None],
    numbers: tuple[int, ...] = (signal.SIGTERM, signal.SIGINT),
    first: Callable[[], None] = lambda: None,
) -> AsyncIterator[Callable[[], int | None]]:
    """While inside, SIGTERM and SIGINT ask to stop at the next safe point; a second one stops at once.

    Args:
        stop: called in the event loop, when it comes round.
        numbers: the signals.
        first: called at once, between two instructions of whatever runs.

    Yields a function that tells the signal's number, or ``None``.
    """
    loop = asyncio.get_running_loop()
    caught: list[int] = []

    def handle(number: int) -> None:
        caught.append(number)
        stop()

    for number in numbers:
        loop.add_signal_handler(number, handle, number)
    ending.hear(numbers, first)
    try:
        yield lambda: caught[0] if caught else None
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
