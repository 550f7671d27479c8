"""The only module that knows httpx: connections, time bounds, and what a broken connection means.

httpx's own client costs several milliseconds of CPU per request as soon as many run on it at once (performance.md).
So each connection here is an httpx transport of its own, and requests go to it directly; the least long unused one is
taken first, so that idle ones time out. All share one TLS context.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.util
import ssl
import sys
import time
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from syncd import errors, points
from syncd.lean import without

from .endpoints import Endpoint
from .envelope import clean, misshapen
from .models import Stats
from .network import name_flaw, proxy_for, resolves_slowly, shown, tls_context, tls_flaw

with without("rich", "pygments"):
    import httpx

_CONNECT = 10.0  # seconds for name, connection and TLS
_KEEP_ALIVE = 4.0  # seconds; FastGPT closes idle connections after 5 (observed, section 12)
_OTHERS_ANSWER = 16384  # bytes that are read of the answer of somebody who is not FastGPT
_SMALL = 1 << 20  # bytes of an answer that may be held beside any number of others

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
_DROPPED = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)

if importlib.util.find_spec("sniffio") is None:
    # httpcore tries this import four times in every request, and anyio has stopped to bring it along; a failing search
    # through all of sys.path costs as much as the rest of the request. An entry of None makes it fail at once.
    sys.modules["sniffio"] = None  # type: ignore[assignment]

Headers = list[tuple[bytes, bytes]]
Body = bytes | AsyncGenerator[bytes, None]


@dataclass(frozen=True, slots=True)
class Answer:
    """One complete answer, its body decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float = 0.0  # from sending to the last byte, by the loop's time; waits for a connection not counted


class _TooLong(Exception):
    """The answer is longer than any that FastGPT gives to what was asked."""


class _Blocks(httpx.AsyncByteStream):
    """A request body that comes in blocks."""

    def __init__(self, blocks: AsyncGenerator[bytes, None]) -> None:
        self._blocks = blocks

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._blocks


class _Connection:
    """One transport with at most one connection; ``used`` tells that it may be a kept-alive one."""

    __slots__ = ("transport", "used")

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self.transport = transport
        self.used = False


class Transport:
    """At most ``connections`` requests at once to one server; further ones wait in the order of their coming.

    Args:
        base_url: scheme, host and the path that goes before every route.
        connections: how many at once.
        ca_file: further certificates to trust, PEM; None for the system's alone.
        secret: taken out of every message.
        through: an ``httpx.AsyncBaseTransport`` that carries every request instead; it is not closed here.

    Raises:
        ConfigError: the address, the proxy in the environment or the file of certificates cannot be used.
    """

    def __init__(
        self, base_url: str, *, connections: int, ca_file: Path | None, secret: str, through: object | None = None
    ) -> None:
        self._base = base_url.rstrip("/")
        try:
            url = httpx.URL(self._base)
        except httpx.InvalidURL as error:
            raise errors.ConfigError([f"fastgpt.base_url is no usable address: {clean(str(error), secret)}"]) from None
        self.host = url.netloc
        self._tls = url.scheme == "https"
        self._secret = secret
        if through is not None and not isinstance(through, httpx.AsyncBaseTransport):
            raise TypeError("transport is not an httpx.AsyncBaseTransport")
        self._through = through
        self._proxy = None if through is not None else proxy_for(self._base)
        self._ca_file = ca_file
        self._context: ssl.SSLContext | None = None
        self._idle: list[_Connection] = []
        self._free = asyncio.Semaphore(connections)
        self._large = asyncio.Lock()  # one answer at a time that is not small: memory is what all of them share
        self._urls: dict[str, httpx.URL] = {}
        self.stats = Stats()

    async def aclose(self) -> None:
        """Close the idle connections; those under way close with their requests."""
        while self._idle:
            await self._close(self._idle.pop())

    async def exchange(
        self,
        endpoint: Endpoint,
        headers: Headers,
        body: Body,
        size: int,
        *,
        query: str = "",
        bound: float,
    ) -> Answer:
        """Send one request and return its complete answer, whatever it says.

        A repeatable request is sent a second time at once when a kept-alive connection turns out to be closed.

        Args:
            endpoint: the route.
            headers: all of them but Host and Content-Length.
            body: the bytes to send; an iterator is used up, so such a request is never sent twice.
            size: the body's length in bytes.
            query: the query with its question mark, percent-encoded.
            bound: seconds for everything from the first to the last byte, connecting included; in-process transports
                know no time-outs of their own.

        Raises:
            Unavailable: nothing was sent, or the request does no harm when it is repeated.
            OutcomeUnknown: the answer was lost of a request that must not be repeated.
        """
        async with self._free:
            connection = self._idle.pop() if self._idle else self._connect()
            started = time.perf_counter()
            began = asyncio.get_running_loop().time()
            fine = False
            try:
                async with asyncio.timeout(bound):
                    try:
                        response = await self._send(connection, endpoint, headers, body, size, query, bound)
                    except _DROPPED:
                        if not (endpoint.repeatable and connection.used and isinstance(body, bytes)):
                            raise
                        response = await self._send(connection, endpoint, headers, body, size, query, bound)
                    connection.used = self._through is None  # nothing is kept alive in the process
                    answer = await self._read(response, began, endpoint.most)
                fine = True
            except _TooLong:
                raise misshapen(endpoint, f"is longer than {endpoint.most >> 20} MiB") from None
            except TimeoutError:
                raise self._lost(endpoint, f"No answer to '{endpoint.name}' within {bound:g} s{self._via}.") from None
            except httpx.ConnectTimeout as error:
                raise await self._no_connection(endpoint, error) from None
            except (httpx.HTTPError, ConnectionError) as error:  # the latter from in-process transports
                raise self._broken(endpoint, error) from None
            finally:
                self.stats.seconds += time.perf_counter() - started
                if fine:
                    self._idle.append(connection)
                else:
                    self.stats.failures[endpoint.name] = self.stats.failures.get(endpoint.name, 0) + 1
                    await self._close(connection)
                if not isinstance(body, bytes):
                    await body.aclose()
        points.reach(f"http.{endpoint.name}.after")
        return answer

    async def _send(
        self,
        connection: _Connection,
        endpoint: Endpoint,
        headers: Headers,
        body: Body,
        size: int,
        query: str,
        bound: float,
    ) -> httpx.Response:
        """Send one request on one connection and wait for the head of its answer."""
        path = endpoint.path
        if query:
            url = httpx.URL(self._base + path + query)
        elif path in self._urls:
            url = self._urls[path]
        else:
            url = self._urls[path] = httpx.URL(self._base + path)
        connect = min(_CONNECT, bound)
        request = httpx.Request(
            endpoint.method,
            url,
            headers=[(b"host", self.host), *headers, (b"content-length", b"%d" % size)],
            stream=httpx.ByteStream(body) if isinstance(body, bytes) else _Blocks(body),
            extensions={"timeout": {"connect": connect, "read": bound, "write": bound, "pool": connect}},
        )
        points.reach(f"http.{endpoint.name}.before")
        self.stats.requests[endpoint.name] = self.stats.requests.get(endpoint.name, 0) + 1
        self.stats.bytes_sent += size
        return await connection.transport.handle_async_request(request)

    async def _read(self, response: httpx.Response, began: float, most: int) -> Answer:
        """The answer with its whole body, of at most so many bytes.

        A large one is read while no other large one is; whoever asked parses it before anything else may run.
        """
        stream = response.stream
        if not isinstance(stream, httpx.AsyncByteStream):
            raise httpx.DecodingError("the answer cannot be read asynchronously")
        parts: list[bytes] = []
        received = 0
        async with contextlib.AsyncExitStack() as held:
            try:
                async for part in stream:
                    if received <= _SMALL < received + len(part):
                        await held.enter_async_context(self._large)
                    parts.append(part)
                    received += len(part)
                    if received > most:
                        raise _TooLong
            finally:
                await stream.aclose()
                self.stats.bytes_received += received
            body = b"".join(parts)
            parts.clear()
            if response.headers.get("content-encoding", "").strip().lower() in ("gzip", "x-gzip"):
                body = _unpacked(body, most)
        seconds = asyncio.get_running_loop().time() - began
        return Answer(response.status_code, response.headers, body, seconds)

    def _connect(self) -> _Connection:
        if self._through is not None:
            return _Connection(self._through)
        safe_proxy = (self._proxy or "").startswith("https:")
        if self._context is None:
            self._context = tls_context(self._tls or safe_proxy, self._ca_file)
        try:
            transport = httpx.AsyncHTTPTransport(
                verify=self._context,
                trust_env=False,
                limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=_KEEP_ALIVE),
                proxy=None
                if self._proxy is None
                else httpx.Proxy(self._proxy, ssl_context=self._context if safe_proxy else None),
            )
        except (ValueError, ImportError) as error:
            raise errors.ConfigError(
                [f"The proxy named in the environment cannot be used: {clean(str(error), self._secret)}"],
                hint="Set http_proxy or https_proxy to an http:// address, or name the server in no_proxy.",
            ) from None
        return _Connection(transport)

    async def _close(self, connection: _Connection) -> None:
        if self._through is None:
            with contextlib.suppress(httpx.HTTPError, OSError):
                await connection.transport.aclose()

    @property
    def proxy(self) -> str:
        """The proxy that requests go through, without name and password; "" when they go straight."""
        return "" if self._proxy is None else shown(self._proxy)

    def conceal(self, secret: str) -> None:
        """Another key is in use: it is this one that no message may show."""
        self._secret = secret

    @property
    def _via(self) -> str:
        return f" through the proxy {self.proxy}" if self.proxy else ""

    @property
    def _peer(self) -> tuple[str, int]:
        """Host and port of whoever is connected to: the proxy, or the server."""
        url = httpx.URL(self._proxy or self._base)
        return url.host, url.port or (443 if url.scheme == "https" else 80)

    async def _no_connection(self, endpoint: Endpoint, error: httpx.ConnectTimeout) -> errors.SyncdError:
        """Nobody has answered in time: the host, or whoever should have said where it is."""
        host, port = self._peer
        if await resolves_slowly(host, port):
            return errors.Unavailable(
                f"The name '{host}' is not resolved in time{self._via}: the name service is slow or does not answer.",
                hint=f"Look at DNS on this machine: `getent hosts {host}`.",
            )
        return self._broken(endpoint, error)

    def _broken(self, endpoint: Endpoint, error: Exception) -> errors.SyncdError:
        """What a failure of the connection means for this request."""
        text = clean(str(error), self._secret) or type(error).__name__
        if isinstance(error, _NOT_SENT) and (flaw := name_flaw(error)) is not None:
            host = self._peer[0]
            whose = f"of the proxy {self.proxy}" if self.proxy else "of the server"
            named = "http_proxy, https_proxy and no_proxy" if self.proxy else "fastgpt.base_url"
            return errors.Unavailable(
                f"The name '{host}' {whose} cannot be resolved: {flaw}",
                hint=f"Check {named}, and DNS on this machine: `getent hosts {host}`.",
            )
        if (flaw := tls_flaw(error)) is not None:
            return errors.Unavailable(
                f"The secure connection to the server{self._via} failed: {clean(flaw, self._secret)}",
                hint="For a certificate of your own name its authority in fastgpt.ca_file; for none use http://.",
            )
        if isinstance(error, httpx.ProxyError):
            return errors.Unavailable(
                f"The proxy {self.proxy} refuses '{endpoint.name}': {text}",
                hint="Check http_proxy, https_proxy and no_proxy.",
            )
        if isinstance(error, _NOT_SENT):
            hint = "Check fastgpt.base_url and that FastGPT is running."
            if self.proxy:
                hint = f"Check {self.proxy} (http_proxy, https_proxy, no_proxy), fastgpt.base_url, and FastGPT itself."
            return errors.Unavailable(f"The server cannot be reached{self._via}: {text}", hint=hint)
        return self._lost(endpoint, f"The connection{self._via} failed during '{endpoint.name}': {text}")

    def _lost(self, endpoint: Endpoint, said: str) -> errors.SyncdError:
        if endpoint.repeatable:
            return errors.Unavailable(said, hint="syncd tries again by itself.")
        return errors.OutcomeUnknown(said, hint="syncd looks on the server whether it took effect before it goes on.")


def _unpacked(body: bytes, most: int) -> bytes:
    """The plain bytes of a gzip body, at most so many: a few bytes may stand for millions."""
    unzip = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        plain = unzip.decompress(body, most + 1)
    except zlib.error as error:
        raise httpx.DecodingError(f"the answer cannot be decompressed: {error}") from None
    if len(plain) > most:
        raise _TooLong
    if not unzip.eof:
        raise httpx.DecodingError("the compressed answer is cut")
    return plain


async def send(
    method: str, url: str, content: bytes, headers: Mapping[str, str], *, timeout: float = 10.0
) -> tuple[int, bytes]:
    """Send something to somebody who is not FastGPT; returns the HTTP status and the beginning of the answer.

    The address may carry a token: neither it nor the cause, which quotes it, is part of an error.

    Raises:
        Unavailable: nobody answered, or not within ``timeout`` seconds in all.
    """
    try:
        async with (
            asyncio.timeout(timeout),
            httpx.AsyncClient(
                verify=_others_tls(url.startswith("https:") or (proxy_for(url) or "").startswith("https:")),
                follow_redirects=False,
                trust_env=False,
                proxy=proxy_for(url),
            ) as client,
            client.stream(method, url, content=content, headers=dict(headers), timeout=timeout) as answer,
        ):
            said = b""
            async for part in answer.aiter_raw(_OTHERS_ANSWER):
                said += part
                if len(said) >= _OTHERS_ANSWER:
                    break
            return answer.status_code, said
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise errors.Unavailable(f"nobody took the message: {type(error).__name__}") from None


@functools.cache
def _others_tls(needed: bool) -> ssl.SSLContext:
    return tls_context(needed, None)
