"""Answers to order: what a client may get in place of FastGPT's own answer, with or without the effect.

``faults.add("answer", MATCH, answer=NAME, effect=WHEN, name=DOCUMENT, times=N)`` orders one of them for any call:

- MATCH is a part of "METHOD path"; with ``$`` at its end the line must end there (``"collection/create$"`` makes
  folders, without the sign it would also be every upload).
- NAME is a key of :data:`ANSWERS`, or leave it out and say ``status`` with ``text`` or ``json`` (and ``headers``,
  ``content_type``) yourself.
- WHEN is ``"before"`` (the server never sees the request), ``"after"`` (it does its work, then this is answered; the
  default) or ``"late"`` (this is answered at once, the work is done ``seconds`` later).
- DOCUMENT restricts any request fault to one document or folder; see :mod:`syncd.emulator.subjects`.
- ``times`` is 1 unless said; -1 for ever. ``after=N`` lets N matches pass first.

Over HTTP the same words are sent as JSON to ``POST /__emulator__/faults``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from syncd.emulator.answers import Reply, encode, failure, html_page, text_reply, thrown
from syncd.emulator.dialect import Dialect

EFFECTS = ("before", "after", "late")


def _own(message: str) -> Callable[[Dialect], Reply]:
    """FastGPT's own JSON for a text that something below it threw; HTTP 500 in every version."""

    def answer(dialect: Dialect) -> Reply:
        return failure(thrown(message), dialect)

    return answer


def _page(status: int, title: str) -> Callable[[Dialect], Reply]:
    return lambda dialect: html_page(status, title, title)


def _plain(status: int, text: str) -> Callable[[Dialect], Reply]:
    return lambda dialect: Reply(status, text.encode(), "text/plain")


def _json(status: int, value: object) -> Callable[[Dialect], Reply]:
    return lambda dialect: Reply(status, encode(value), "application/json")


_BUSY = {"code": 429, "statusText": "tooManyRequest", "message": "Too many request", "data": None}

ANSWERS: dict[str, Callable[[Dialect], Reply]] = {
    # FastGPT's own, when what it stands on breaks in the middle of its work
    "own_500_econnreset": _own("read ECONNRESET"),
    "own_500_timeout": _own("timeout of 60000ms exceeded"),
    "own_500_write_conflict": _own("WriteConflict error: this operation conflicted with another operation."),
    "own_429": _json(429, _BUSY),
    # proxies and gateways in front of it
    "envoy_503": _plain(503, "upstream connect error or disconnect/reset before headers. reset reason: termination"),
    "nginx_502": _page(502, "502 Bad Gateway"),
    "nginx_504": _page(504, "504 Gateway Time-out"),
    "nginx_413": _page(413, "413 Request Entity Too Large"),
    "next_413": lambda dialect: text_reply(413, "Body exceeded 10mb limit"),
    "nginx_400": _page(400, "400 Bad Request"),
    "nginx_403": _page(403, "403 Forbidden"),
    "nginx_404": _page(404, "404 Not Found"),
    "nginx_408": _page(408, "408 Request Time-out"),
    "nginx_409": _page(409, "409 Conflict"),
    "nginx_429": _page(429, "429 Too Many Requests"),
    "nginx_499": _page(499, "499 Client Closed Request"),
    "waf_403_json": _json(403, {"error": "forbidden", "request_id": "9f1c"}),
    "gateway_422_json": _json(422, {"detail": "unprocessable"}),
    "login_302": lambda dialect: Reply(302, b"", None, {"Location": "https://sso.example.com/login"}),
    "foreign_200_json": _json(200, {"ok": True}),
    "foreign_500_json": _json(500, {"error": {"message": "internal"}}),
    "login_200_page": _page(200, "Sign in"),
    "empty_200": lambda dialect: Reply(200, b"", None),
    "empty_500": lambda dialect: Reply(500, b"", None),
}


def check_order(params: dict[str, Any]) -> None:
    """Refuse what cannot be answered; raises ValueError that names the bad word."""
    name = params.get("answer")
    if name is not None and name not in ANSWERS:
        raise ValueError(f"unknown answer {name!r}; known are {', '.join(sorted(ANSWERS))}")
    if name is None and not isinstance(params.get("status"), int):
        raise ValueError("an ordered answer needs a name (answer=…) or a status (status=…)")
    if params.get("effect", "after") not in EFFECTS:
        raise ValueError(f"effect must be one of {', '.join(EFFECTS)}, not {params['effect']!r}")


def ordered(params: dict[str, Any], dialect: Dialect) -> Reply:
    """The answer that was ordered."""
    name = params.get("answer")
    if name is not None:
        return ANSWERS[name](dialect)
    headers = {str(key): str(value) for key, value in params.get("headers", {}).items()}
    if "json" in params:
        return Reply(params["status"], encode(params["json"]), headers=headers)
    text = str(params.get("text", ""))
    return Reply(params["status"], text.encode(), params.get("content_type", "text/plain"), headers)
