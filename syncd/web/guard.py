"""Who may ask the status server for what. Pure: no sockets, no framework.

It listens on loopback by default. Even there a web page in somebody's browser could reach it, by a name of its own that
leads to 127.0.0.1 (DNS rebinding) or by a form (CSRF): so the ``Host`` must be one of ours, and what changes anything
must come from our own page or carry the token.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from syncd.addresses import is_loopback, parsed
from syncd.config import Secret

COOKIE = "syncd_session"
SESSION = 12 * 3600.0  # seconds that a login lasts
_PROCESS = secrets.token_bytes(32)  # sessions end with the process, not with a reload of the configuration

HEADERS: Mapping[str, str] = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # under "no-referrer" browsers hide the origin of our own forms from us
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def host_of(value: str) -> str:
    """The host of a ``Host`` header, without port and brackets, in lower case; "" when it is none."""
    try:
        return (urlsplit(f"//{value}").hostname or "").lower()
    except ValueError:
        return ""


@dataclass(frozen=True, slots=True)
class Request:
    """What the guard needs to know of a request; header names in lower case."""

    method: str
    headers: Mapping[str, str]
    cookies: Mapping[str, str]

    @property
    def token(self) -> str:
        """The token that it shows, right or wrong; "" for none."""
        kind, _, given = self.headers.get("authorization", "").partition(" ")
        return given.strip() if kind.lower() == "bearer" else ""

    def without_token(self) -> Request:
        """The same request of somebody who shows no token."""
        headers = {name: value for name, value in self.headers.items() if name.lower() != "authorization"}
        return Request(self.method, headers, self.cookies)


@dataclass(frozen=True, slots=True)
class Guard:
    """Judges requests.

    Args:
        listen: the host that the server listens on.
        token: opens everything; an empty one opens nothing.
        allowed_hosts: further names that the server may be asked by.
        process: random bytes of this process; sessions are signed with them and the token.
    """

    listen: str
    token: Secret
    allowed_hosts: Iterable[str] = ()
    process: bytes = field(default=_PROCESS, repr=False)

    @property
    def public(self) -> bool:
        """Whether others than this machine can reach the server."""
        return not is_loopback(self.listen)

    def refusal(self, request: Request, now: float, *, changes: bool, costs: bool = False) -> str:
        """Why a request is refused; "" when it is not.

        Args:
            request: the request.
            now: seconds since the epoch.
            changes: it changes something.
            costs: it has the server search, which costs tokens.
        """
        reason = self.foreign(request, posted=changes or costs)
        if reason or self.knows(request, now):
            return reason
        if changes:
            return self._needs_token("to change something")
        if self.public:
            return self._needs_token("to see this")
        if costs and (self.token or self.allowed_hosts):
            # Whoever has given it further names serves others than this machine through them.
            return self._needs_token("to search")
        return ""

    def foreign(self, request: Request, *, posted: bool) -> str:
        """Why a request does not come from where it should, token or not; "" when it does.

        Args:
            request: the request.
            posted: it does something, so that no other site may send it.
        """
        if not self._is_ours(host_of(request.headers.get("host", ""))):
            # The name itself is not repeated: it is whatever somebody else has sent.
            return "this server does not answer for that name; add it to [http] allowed_hosts"
        if posted and not self._same_origin(request):
            return "another site asked for this; nothing was done"
        return ""

    def _needs_token(self, why: str) -> str:
        if not self.token:
            return f"a token is needed {why}; set one: [http] token_file"
        return f"the token is needed {why}"

    def _is_ours(self, host: str) -> bool:
        if is_loopback(host) or host in {name.lower() for name in self.allowed_hosts}:
            return True
        if not self.public:
            return False
        # An address cannot be rebound; a name that leads here must have been allowed.
        return host == self.listen.strip("[]").lower() or parsed(host) is not None

    def _same_origin(self, request: Request) -> bool:
        if request.headers.get("sec-fetch-site") not in (None, "same-origin", "none"):
            return False
        origin = request.headers.get("origin")
        if origin is None:
            return True  # no browser, or one that says so by sec-fetch-site
        _, _, asked_by = origin.lower().partition("://")
        return asked_by == request.headers.get("host", "").lower()

    # ------------------------------------------------------------ token and session

    def knows(self, request: Request, now: float) -> bool:
        """Whether a request carries the token, or a session that was opened with it."""
        if not self.token:
            return False
        if request.token and self.is_token(request.token):
            return True
        return self._is_session(request.cookies.get(COOKIE, ""), now)

    def is_token(self, given: str) -> bool:
        """Compare in constant time."""
        return bool(self.token) and _same(given, self.token.reveal())

    def session(self, now: float) -> str:
        """A session for somebody who has shown the token; it ends with the process at the latest."""
        until = str(int(now + SESSION))
        return f"{until}.{self._sign(until)}"

    def _is_session(self, value: str, now: float) -> bool:
        until, _, signature = value.partition(".")
        return _same(signature, self._sign(until)) and int(until) > now

    def _sign(self, text: str) -> str:
        key = hmac.new(self.process, self.token.reveal().encode(), hashlib.sha256).digest()
        return hmac.new(key, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def _same(given: str, wanted: str) -> bool:
    """Compare in constant time; whatever somebody sends is a text here, half characters too."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), wanted.encode("utf-8", "surrogatepass"))
