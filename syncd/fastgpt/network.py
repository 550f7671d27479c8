"""What the machine says about reaching a server: trusted certificates and proxies."""

from __future__ import annotations

import ssl
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from syncd import errors

_LOOPBACK = ("localhost", "127.", "::1")


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


def proxy_for(base_url: str) -> str | None:
    """The proxy that the environment names for this server; loopback never goes through one."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    proxies = getproxies()
    chosen = proxies.get(parts.scheme) or proxies.get("all")
    if not chosen or host.startswith(_LOOPBACK) or proxy_bypass(host):
        return None
    return chosen if "://" in chosen else f"http://{chosen}"
