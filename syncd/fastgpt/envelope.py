"""Pure: one answer of the server → its ``data``, or the right error.

FastGPT answers HTTP 500 for nearly everything, a bad key included (observed fact 4), and old versions answer 200 with
an error inside (fastgpt-api.md 1.3). So the body is always read, and it is asked in this order: ``statusText``, which
is stable; ``code``, whose values from 500000 up shift between versions; known texts; the HTTP status; and last what a
body that is no JSON looks like.

Where the call changes something, what is no known refusal (``refusals``) is an unknown outcome, whatever it looks like;
what the answer seemed to say is kept as its ``cause``, and counts once a look has shown that nothing took effect.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from syncd import errors
from syncd.models import Problem

from .endpoints import CHAT, Endpoint
from .reading import Misshapen, Strange, read
from .refusals import empty_file, refused_before_work
from .rules import BY_HTTP, OUR_FAULT, TOO_LARGE, Kind, Rule, rule_for

_LONGEST = 400  # characters of the server's own words in a message
_LONGEST_DATE = 64
_LOOKED_AT = 4096  # characters of an answer in which these words are looked for


class RouteMissing(errors.Incompatible):
    """The server has no such route, or not one that a key may use; a caller that has another way may catch it."""


class Unreadable(errors.Incompatible):
    """One collection exists but its record cannot be read: the server was upgraded without its migration."""


class CollectionMissing(errors.RemoteMissing):
    """The collection does not exist."""

    what = "collection"


class DatasetMissing(errors.RemoteMissing):
    """The dataset does not exist, is being deleted, or was not named in the request."""

    what = "dataset"


_LOOKS = "syncd looks on the server whether it took effect before it goes on."
_STRANGER = "Look at what stands between syncd and FastGPT, and at fastgpt.base_url; then run `syncd doctor`."
_ADDRESS = "Check fastgpt.base_url: it must be the address of FastGPT's API and end in /api."


def decode(
    endpoint: Endpoint,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    secret: str = "",
    now: float | None = None,
) -> Any:
    """Return the ``data`` of a successful answer.

    Args:
        endpoint: what was asked; decides what an unclear failure means.
        status: the HTTP status.
        headers: the answer's headers; names in lower case, or a mapping that ignores case.
        body: the decoded body.
        secret: taken out of every text that reaches a message.
        now: seconds since the epoch, for rate-limit headers that name a moment; the answer's own Date goes first.

    Raises:
        AccountRefused, RateLimited, Unavailable, Incompatible, RouteMissing, Unreadable: the server's (design 5).
        CollectionMissing, DatasetMissing: what was named does not exist.
        OutcomeUnknown: nobody can tell whether a call that must not be repeated took effect. The repeatable calls
            that change something give Unavailable, RateLimited or Misshapen instead: they are sent again.
        Transient, Permanent: the document's, from uploads and folders only.
    """
    ask = _Answer(endpoint, status, headers, secret, now)
    try:
        found = read(body)
    except Strange as error:
        raise ask.doubtful(ask.strange(body, str(error))) from None
    except ValueError:  # UnicodeDecodeError is one
        raise ask.doubtful(ask.not_json(body)) from None
    if endpoint is CHAT and status == 200 and isinstance(found, dict) and "choices" in found and not found.get("error"):
        return found
    if not isinstance(found, dict) or not _is_envelope(found):
        raise ask.doubtful(ask.foreign(found))
    if status == 200 and found["code"] == 200:
        return found.get("data")
    refusal = ask.refusal(found)
    raise refusal if refused_before_work(endpoint, found) else ask.doubtful(refusal)


def misshapen(endpoint: Endpoint, what: str) -> errors.SyncdError:
    """The error for an answer that cannot be FastGPT's; ``what`` stands after "it"."""
    return _Answer(endpoint, 200, {}, "", None).doubtful(_misshapen(endpoint, what))


def _misshapen(endpoint: Endpoint, what: str) -> Misshapen:
    return Misshapen(f"The answer to '{endpoint.name}' is not FastGPT's: it {what}.", hint=_STRANGER)


def _is_envelope(found: dict[str, Any]) -> bool:
    code = found.get("code")
    return isinstance(code, int) and not isinstance(code, bool) and ("statusText" in found or "data" in found)


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds to wait as the headers ask: Retry-After (seconds or an HTTP date), else X-RateLimit-Reset.

    The latter comes as seconds from now, as seconds or milliseconds since the epoch, or as a date; all are taken.
    """
    moment = _date(headers.get("date")) or now
    for name in ("retry-after", "x-ratelimit-reset"):
        text = (headers.get(name) or "").strip()
        try:
            number = float(text)
        except ValueError:
            then = _date(text)
        else:
            if not 0 <= number < 1e15:  # also catches nan
                continue
            if number < 1e9:
                return number
            then = number / 1000 if number > 1e11 else number
        if then is not None and moment is not None:
            return max(0.0, then - moment)
    return None


def _date(text: str | None) -> float | None:
    """Seconds since the epoch of an HTTP date or an ISO time; None when it is neither."""
    if not text:
        return None
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            when = parse(text[:_LONGEST_DATE])
            return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError, TypeError, LookupError):  # email's parser has raised all of them
            continue
    return None


def clean(text: str, secret: str = "") -> str:
    """One short line without the key and without the markup of an error page."""
    if secret:
        text = text.replace(secret, "***")
    text = text.lstrip()[:_LOOKED_AT]
    if text.startswith("<"):
        title = re.search(r"<(?:title|h1)[^>]*>([^<]*)<", text, re.IGNORECASE)
        text = title.group(1) if title else re.sub(r"<[^>]*>", " ", text)
    text = " ".join("".join(c if c.isprintable() else " " for c in text[: 8 * _LONGEST]).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _beginning(body: bytes, secret: str) -> str:
    """The first words of a body that is no JSON."""
    return clean(body[: 4 * _LOOKED_AT].decode("utf-8", "replace"), secret)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What is needed to word an error about one answer."""

    endpoint: Endpoint
    status: int
    headers: Mapping[str, str]
    secret: str
    now: float | None

    def refusal(self, found: dict[str, Any]) -> errors.SyncdError:
        """FastGPT's own envelope says no."""
        rule = rule_for(self.status, found)
        words = [str(found.get("message") or ""), str(found.get("statusText") or "")]
        text = clean(": ".join(dict.fromkeys(word for word in words if word)), self.secret) or "no reason given"
        said = f"FastGPT answered '{self.endpoint.name}' with {found['code']} ({text})."
        if rule is not None and self.endpoint.late_key and found.get("statusText") == "unAuthorization":
            rule = Rule(Kind.NO_ROUTE, "This FastGPT version does not open this route to keys; 4.10 and later do.")
        if rule is not None and not (rule.kind is Kind.PERMANENT and not self.endpoint.document):
            return self.build(rule, said)
        if "zodError" in found:
            if not self.endpoint.upload:
                return self.build(OUR_FAULT, said)
            detail = clean(json.dumps(found["zodError"], ensure_ascii=False), self.secret)
            empty = empty_file(found)
            return errors.Permanent(
                Problem.EMPTY if empty else Problem.UPLOAD_FAILED,
                f"{said} {detail}",
                hint="The file is empty." if empty else "FastGPT does not accept what was sent for this file.",
            )
        if self.endpoint.upload:
            return errors.Transient(
                Problem.UPLOAD_FAILED, said, hint="It is tried again; if it stays so, see FastGPT's log."
            )
        return errors.Unavailable(said, hint="See FastGPT's log; syncd tries again by itself.")

    def build(self, rule: Rule, said: str) -> errors.SyncdError:
        """The error that a rule asks for."""
        match rule.kind:
            case Kind.REFUSED:
                return errors.AccountRefused(said, hint=rule.hint)
            case Kind.RATE:
                pause = retry_after(self.headers, self.now)
                return errors.RateLimited(
                    said,
                    hint="syncd waits and goes on by itself; lower the rate if this happens often.",
                    retry_after=rule.wait if pause is None else pause,
                )
            case Kind.NO_COLLECTION:
                return CollectionMissing(said, hint=rule.hint)
            case Kind.NO_DATASET:
                return DatasetMissing(said, hint=rule.hint)
            case Kind.PERMANENT:
                return errors.Permanent(rule.problem, said, hint=rule.hint)
            case Kind.SERVER:
                return errors.Unavailable(said, hint=rule.hint or "syncd tries again by itself.")
            case Kind.SHAPE:
                return errors.Incompatible(said, hint=rule.hint)
            case Kind.UNREADABLE:
                return Unreadable(said, hint=rule.hint)
            case Kind.NO_ROUTE:
                return RouteMissing(said, hint=rule.hint)

    def foreign(self, found: object) -> errors.SyncdError:
        """JSON, but not FastGPT's envelope: a gateway, another program, or the chat route's own errors."""
        error = found.get("error") if isinstance(found, dict) else None
        if self.endpoint is CHAT and self.status == 200 and error:
            # Observed fact 17: a model's failure is HTTP 200 with an `error` field.
            text = clean(error if isinstance(error, str) else json.dumps(error, ensure_ascii=False), self.secret)
            return errors.Unavailable(f"FastGPT's model failed: {text}", hint="Check the app's model in FastGPT.")
        return self.outside(clean(json.dumps(found, ensure_ascii=False), self.secret), "JSON that is not FastGPT's")

    def strange(self, body: bytes, what: str) -> errors.SyncdError:
        """JSON that FastGPT does not write; a status that somebody in between gives says who it was."""
        if self.status in (200, 500):
            return _misshapen(self.endpoint, what)
        return self.outside(_beginning(body, self.secret), "JSON that is not FastGPT's")

    def not_json(self, body: bytes) -> errors.SyncdError:
        """A body that no JSON parser takes: an error page, a login page, a plain text or half an answer."""
        text = _beginning(body, self.secret)
        start = body.lstrip()[:1]
        if self.status == 200 and start in (b"{", b"[", b""):
            said = f"The answer to '{self.endpoint.name}' broke off after {len(body)} bytes."
            return self.lost(said)
        if start == b"<" or "text/html" in (self.headers.get("content-type") or "").lower():
            return self.outside(text, "an HTML page")
        return self.outside(text, "a plain text")

    def doubtful(self, said: errors.SyncdError) -> errors.SyncdError:
        """What an answer means that does not prove that nothing was done (law 3)."""
        if not self.endpoint.changes or isinstance(said, errors.OutcomeUnknown):
            return said
        if not self.endpoint.repeatable:
            return errors.OutcomeUnknown(said.message, hint=_LOOKS, cause=said)
        if isinstance(said, (errors.Unavailable, errors.RateLimited, Misshapen)):
            return said
        return errors.Unavailable(said.message, hint=said.hint or "syncd tries again by itself.")

    def outside(self, text: str, what: str) -> errors.SyncdError:
        """An answer that FastGPT itself did not give, by its HTTP status."""
        said = f"Instead of FastGPT's answer to '{self.endpoint.name}', {what} came with HTTP {self.status}: {text}"
        if 300 <= self.status < 400:
            target = clean(self.headers.get("location") or "an unnamed place", self.secret)
            return errors.Incompatible(
                f"The address redirects '{self.endpoint.name}' to {target} (HTTP {self.status}).",
                hint=f"{_ADDRESS} Put the address it redirects to there; a login page means a proxy stands in front.",
            )
        if self.status == 413 and not self.endpoint.document:
            return errors.Incompatible(said, hint=TOO_LARGE.hint)
        rule = BY_HTTP.get(self.status)
        if rule is not None and rule.kind is not Kind.SERVER:
            return self.build(rule, said)
        if self.status in (401, 403, 407):
            return errors.AccountRefused(
                said, hint="A proxy or firewall in front of FastGPT refuses us: let this client pass it."
            )
        if self.status == 503 or (rule is None and self.status < 500):
            # Nothing was done: 503 is said before work begins, and the rest is no FastGPT at all.
            if self.status == 503:
                return errors.Unavailable(said, hint="The server is not ready; syncd tries again by itself.")
            kind = RouteMissing if self.status in (404, 405) else errors.Incompatible
            return kind(said, hint=_ADDRESS)
        return self.lost(said)

    def lost(self, said: str) -> errors.SyncdError:
        """No verdict of FastGPT reached us."""
        if self.endpoint.repeatable:
            return errors.Unavailable(said, hint="syncd tries again by itself.")
        return errors.OutcomeUnknown(said, hint=_LOOKS)
