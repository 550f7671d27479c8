"""What the machine says about reaching a server: trusted certificates and proxies."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import threading
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from syncd import errors

_NAME_PATIENCE = 2.0  # seconds that a name service may take to say anything of a host that was just asked for


def tls_context(needed: bool, ca_file: Path | None) -> ssl.SSLContext:
    """The TLS context of all connections; loading the system's certificates costs 50 ms, so plain HTTP goes without."""
    if not needed:
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody
    import truststore

    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise errors.ConfigError([f"The certificates in {ca_file} cannot be used: {error}"]) from error
    return context


def tls_flaw(error: BaseException) -> str | None:
    """The TLS flaw at the root of an error, or None."""
    cause: BaseException | None = error
    for _ in range(8):
        if cause is None:
            break
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, (ssl.SSLWantReadError, ssl.SSLWantWriteError)):
            return getattr(cause, "verify_message", "") or str(cause)
        cause = cause.__cause__ or cause.__context__
    return None


def name_flaw(error: BaseException) -> str | None:
    """Why a host name could not be turned into an address, at the root of an error; or None."""
    cause: BaseException | None = error
    for _ in range(8):
        if cause is None:
            break
        if isinstance(cause, socket.gaierror):
            return cause.strerror or str(cause)
        cause = cause.__cause__ or cause.__context__
    return None


async def resolves_slowly(host: str, port: int, patience: float = _NAME_PATIENCE) -> bool:
    """Whether the name service has no answer about a host within ``patience`` seconds.

    In a thread of its own, which nobody waits for: the resolver of the system cannot be interrupted.
    """
    if _address(host) is not None:
        return False
    loop = asyncio.get_running_loop()
    answered = loop.create_future()

    def done() -> None:
        if not answered.done():
            answered.set_result(None)

    def ask() -> None:
        with contextlib.suppress(OSError, UnicodeError):
            socket.getaddrinfo(host, port)
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(done)

    threading.Thread(target=ask, name="syncd-name", daemon=True).start()
    try:
        async with asyncio.timeout(patience):
            await answered
    except TimeoutError:
        return True
    return False


def proxy_for(base_url: str) -> str | None:
    """The proxy that the environment names for this server; loopback never goes through one."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    proxies = getproxies()
    chosen = proxies.get(parts.scheme) or proxies.get("all")
    if not chosen or is_loopback(host) or proxy_bypass(host) or excepted(host, parts.port, proxies.get("no", "")):
        return None
    return chosen if "://" in chosen else f"http://{chosen}"


def shown(proxy: str) -> str:
    """A proxy as it may be told: without name and password."""
    parts = urlsplit(proxy)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine itself; ``localhost.corp`` is somebody else's."""
    name = host.rstrip(".").lower()
    address = _address(name)
    return address.is_loopback if address is not None else name == "localhost" or name.endswith(".localhost")


def excepted(host: str, port: int | None, no_proxy: str) -> bool:
    """Whether ``NO_PROXY`` names this host: a name with all below it, an address, a range of addresses, ``*``.

    Each may be followed by a port, as curl, Go and Python's requests read it.
    """
    name = host.rstrip(".").lower()
    address = _address(name)
    for entry in (part.strip().lower() for part in no_proxy.replace(" ", ",").split(",")):
        if entry == "*":
            return True
        if not entry:
            continue
        if address is not None:
            network = _network(entry)
            if network is None and (parted := _with_port(entry)) is not None and parted[1] == port:
                network = _network(parted[0])
            if network is not None and address in network:
                return True
            continue
        wanted, only = _with_port(entry) or (entry, None)
        wanted = wanted.removeprefix("*").strip(".")
        if wanted and only in (None, port) and (name == wanted or name.endswith(f".{wanted}")):
            return True
    return False


def _with_port(entry: str) -> tuple[str, int] | None:
    before, _, after = entry.rpartition(":")
    if not before or not after.isdecimal() or (":" in before and not before.startswith("[")):
        return None
    return before.strip("[]"), int(after)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def _network(entry: str) -> IPv4Network | IPv6Network | None:
    try:
        return ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return None
