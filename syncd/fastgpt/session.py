"""What all calls share: the key, the headers, the way from an answer to its data."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlsplit

from syncd import __version__, errors

from . import wire
from .endpoints import Endpoint
from .envelope import decode
from .limiter import Turns
from .models import Stats
from .transport import Answer, Headers, Transport

T = TypeVar("T")

UNLIMITED = 1000.0  # search tests a second: the default of the configuration, which limits nothing
SEARCHES = 32  # search tests at once, however quick the server is


class Session:
    """One FastGPT server, one global key. Use it as an async context manager.

    Args:
        base_url: ends in ``/api`` (or wherever the routes below it live).
        key: the global key; it is sent in the Authorization header and shown nowhere.
        timeout: seconds that any request may take in all, uploads excepted.
        upload_timeout: the same for uploads.
        connections: requests at once.
        uploads: of them, uploads at most; fewer as the server shows.
        search_tests_per_second: the most search tests, which share limits with real users; ``UNLIMITED`` and more is
            as many as the server likes.
        ca_file: further certificates to trust.
        transport: an ``httpx.AsyncBaseTransport`` that carries every request instead of the network.
        user_agent: names this program in the server's log.
        renewed: reads the key again when the server refuses it; None where it comes from nowhere that changes.

    Raises:
        ConfigError: the key or the address cannot be sent.
    """

    stats: Stats  # counters, read by reports

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        timeout: float = 30,
        upload_timeout: float = 600,
        connections: int = 8,
        uploads: int = 4,
        search_tests_per_second: float = 5,
        ca_file: Path | None = None,
        transport: object | None = None,
        user_agent: str = f"syncd/{__version__}",
        renewed: Callable[[], str | None] = lambda: None,
    ) -> None:
        if not key or not all("!" <= c <= "~" for c in key):
            raise errors.ConfigError(["The API key is empty or holds blanks or characters that no key has."])
        try:
            parts = urlsplit(base_url)
            _ = parts.port  # raises when it is none
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise errors.ConfigError(["fastgpt.base_url is no http:// or https:// address."])
        self._shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        self._key = key
        self._secret = key.encode("ascii")
        self._timeout = float(timeout)
        self._upload_timeout = float(upload_timeout)
        self._transport = Transport(base_url, connections=connections, ca_file=ca_file, secret=key, through=transport)
        self.stats = self._transport.stats
        self.uploads = Turns(uploads)
        self.searches = Turns(SEARCHES, search_tests_per_second if search_tests_per_second < UNLIMITED else None)
        self.search_patience: float | None = 0.0  # seconds of nothing but refusals; None waits for ever
        self._user_agent = user_agent
        self._renewed = renewed
        self._headers = self._prepared(key, user_agent)
        self._json_headers = [*self._headers, (b"content-type", b"application/json")]
        self._connections = connections
        self._readers: ThreadPoolExecutor | None = None
        self._old_list = False  # listV2 is not there: before 4.8.19
        self._own_queue = False  # the server counts tasks exactly: 4.15.0 on

    @staticmethod
    def _prepared(key: str, user_agent: str) -> Headers:
        return [
            (b"authorization", b"Bearer " + key.encode("ascii")),
            (b"user-agent", user_agent.encode("ascii", "replace")),
            (b"accept", b"application/json"),
            (b"accept-encoding", b"gzip"),
        ]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._shown!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close idle connections and reader threads."""
        if self._readers is not None:
            self._readers.shutdown(wait=False, cancel_futures=True)
            self._readers = None
        await self._transport.aclose()

    def _threads(self) -> ThreadPoolExecutor:
        """The threads that read files to upload; made on first use."""
        if self._readers is None:
            self._readers = ThreadPoolExecutor(self._connections, thread_name_prefix="syncd-upload")
        return self._readers

    async def _ask(self, endpoint: Endpoint, body: object = None, *, query: str = "", key: str | None = None) -> Answer:
        """Send one JSON request and return the raw answer; ``body`` None sends none."""
        content = b"" if body is None else _written(body)
        headers = self._headers if body is None else self._json_headers
        if key is not None:
            headers = [(b"authorization", b"Bearer " + key.encode("ascii")), *headers[1:]]
        with about(endpoint):
            return await self._transport.exchange(
                endpoint, headers, content, len(content), query=query, bound=self._timeout
            )

    def _data(self, endpoint: Endpoint, answer: Answer, read: Callable[[Any], T], key: str | None = None) -> T:
        """What ``read`` makes of an answer's data, or the right error; see ``envelope.decode``.

        An answer is a good one when it could be read: what nobody understands shows nothing of the server's health.
        """
        body = answer.body if self._secret not in answer.body else answer.body.replace(self._secret, b"***")
        try:
            with about(endpoint):
                data = decode(endpoint, answer.status, answer.headers, body, secret=key or self._key, now=time.time())
        except errors.AccountRefused as error:
            if key is None and self._renew():
                raise errors.Unavailable(
                    "The key was refused; its file holds another one by now, which is used from here on.",
                    hint="syncd tries again by itself.",
                ) from error
            raise
        with about(endpoint):
            found = read(data)
        self.stats.answered(endpoint.name, asyncio.get_running_loop().time())
        return found

    def _renew(self) -> bool:
        """Take the key that its file holds now; whether that is another one."""
        key = self._renewed()
        if key is None or key == self._key:
            return False
        self._key, self._secret = key, key.encode("ascii")
        self._transport.conceal(key)
        self._headers = self._prepared(key, self._user_agent)
        self._json_headers = [*self._headers, (b"content-type", b"application/json")]
        return True

    @property
    def proxy(self) -> str:
        """The proxy that requests go through, without name and password; "" when they go straight."""
        return self._transport.proxy

    async def _call(self, endpoint: Endpoint, body: object, read: Callable[[Any], T], *, query: str = "") -> T:
        return self._data(endpoint, await self._ask(endpoint, body, query=query), read)

    async def _get(self, endpoint: Endpoint, name: str, value: str, read: Callable[[Any], T]) -> T:
        return await self._call(endpoint, None, read, query=query(name, value))

    async def _made(self, endpoint: Endpoint, body: object) -> str:
        return await self._call(endpoint, body, partial(self._identifier, endpoint))

    @staticmethod
    def _identifier(endpoint: Endpoint, data: object, field: str = "") -> str:
        """The id of what was made. Without it the thing exists all the same, so it has to be looked for (law 3)."""
        try:
            return wire.identifier(endpoint.name, data, field)
        except errors.Incompatible as error:
            raise errors.OutcomeUnknown(error.message, hint=error.hint, cause=error) from error


def _written(body: object) -> bytes:
    """A body as it is sent; half a character, which UTF-8 cannot say, goes as JSON's own escape for it."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


@contextmanager
def about(endpoint: Endpoint) -> Iterator[None]:
    """The server's trouble in here came of asking this endpoint."""
    try:
        yield
    except (errors.ServerError, errors.OutcomeUnknown) as error:
        error.endpoint = endpoint.name
        raise


def nothing(_data: object) -> None:
    """How an answer is read that says no more than "done"."""


def query(name: str, value: str) -> str:
    """A query string of one parameter."""
    return f"?{name}={quote(value, safe='')}"
