"""Who may ask the status server for what: names, origins, tokens, sessions."""

from __future__ import annotations

import pytest

from syncd.config import Secret
from syncd.web.guard import COOKIE, HEADERS, SESSION, Guard, Request, host_of, is_loopback

TOKEN = "open-sesame-0123456789"
NOW = 1_800_000_000.0
LOCAL = Guard("127.0.0.1", Secret(TOKEN), process=b"p")
BARE = Guard("127.0.0.1", Secret(""))
PUBLIC = Guard("0.0.0.0", Secret(TOKEN), ("docs.example.org",), process=b"p")  # noqa: S104 - nothing is bound
NAMED = Guard("127.0.0.1", Secret(""), ("docs.example.org",))
PUBLIC_BARE = Guard("0.0.0.0", Secret(""))  # noqa: S104


def request(host: str = "127.0.0.1:8321", cookie: str | None = None, **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("POST", {"host": host, **named}, {} if cookie is None else {COOKIE: cookie})


def bearer(token: str = TOKEN, **headers: str) -> Request:
    return request(authorization=f"Bearer {token}", **headers)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),  # noqa: S104
        ("::", False),
        ("192.168.1.5", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.nip.io", False),
        ("", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    """Loopback is a host by which a machine talks to itself, and nothing that only looks like it."""
    assert expected == is_loopback(host)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("127.0.0.1:8321", "127.0.0.1"),
        ("Docs.Example.org", "docs.example.org"),
        ("[::1]:8321", "::1"),
        ("[::1", ""),
        ("", ""),
        (":8321", ""),
    ],
)
def test_host_header(value: str, expected: str) -> None:
    """Of a Host header the name counts, without port and brackets; what is none is no name."""
    assert expected == host_of(value)


@pytest.mark.parametrize(
    ("guard", "host", "allowed"),
    [
        (LOCAL, "127.0.0.1:8321", True),
        (LOCAL, "localhost:8321", True),
        (LOCAL, "[::1]:8321", True),
        (LOCAL, "evil.example", False),
        (LOCAL, "evil.example:8321", False),
        (LOCAL, "localhost.evil.example", False),
        (LOCAL, "127.0.0.1.evil.example", False),
        (LOCAL, "192.168.1.5:8321", False),
        (LOCAL, "", False),
        (LOCAL, "[", False),
        (PUBLIC, "docs.example.org", True),
        (PUBLIC, "DOCS.example.ORG:80", True),
        (PUBLIC, "192.168.1.5:8321", True),
        (PUBLIC, "[2001:db8::1]:8321", True),
        (PUBLIC, "localhost", True),
        (PUBLIC, "evil.example", False),
        (PUBLIC, "sub.docs.example.org", False),
        (Guard("box.lan", Secret(TOKEN)), "box.lan:8321", True),
        (Guard("box.lan", Secret(TOKEN)), "evil.example", False),
    ],
)
def test_only_our_names(guard: Guard, host: str, allowed: bool) -> None:
    """A name that somebody else has led here (DNS rebinding) is refused whatever else the request carries."""
    asked = request(host=host, authorization=f"Bearer {TOKEN}")
    assert allowed == (guard.refusal(asked, NOW, changes=False) == "")
    assert allowed == (guard.foreign(asked, posted=False) == "")


def test_a_strange_name_is_not_repeated() -> None:
    """A refusal does not say back what the request said: it is somebody else's text."""
    assert "evil" not in LOCAL.refusal(request(host="evil.example"), NOW, changes=False)


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),  # no browser
        ({"origin": "http://127.0.0.1:8321"}, True),
        ({"origin": "http://127.0.0.1:8321", "sec_fetch_site": "same-origin"}, True),
        ({"sec_fetch_site": "same-origin"}, True),
        ({"sec_fetch_site": "none"}, True),
        ({"origin": "http://127.0.0.1:9999"}, False),
        ({"origin": "http://localhost:8321"}, False),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "http://evil.example/127.0.0.1:8321"}, False),
        ({"origin": "null"}, False),
        ({"origin": ""}, False),
        ({"origin": "127.0.0.1:8321"}, False),
        ({"sec_fetch_site": "cross-site"}, False),
        ({"sec_fetch_site": "same-site"}, False),
        ({"sec_fetch_site": "rubbish"}, False),
        ({"origin": "http://127.0.0.1:8321", "sec_fetch_site": "cross-site"}, False),
    ],
)
def test_no_other_site_may_act(headers: dict[str, str], allowed: bool) -> None:
    """What changes or costs something must come from our own page or from no page, with the token too."""
    for given in ({"changes": True}, {"changes": False, "costs": True}):
        assert allowed == (LOCAL.refusal(bearer(**headers), NOW, **given) == ""), given
    assert LOCAL.refusal(bearer(**headers), NOW, changes=False) == ""  # what it reads, its browser keeps from it


@pytest.mark.parametrize(
    ("guard", "shown", "see", "search", "change"),
    [
        (LOCAL, False, True, False, False),
        (LOCAL, True, True, True, True),
        (BARE, False, True, True, False),
        (NAMED, False, True, False, False),
        (NAMED, True, True, False, False),
        (BARE, True, True, True, False),
        (PUBLIC, False, False, False, False),
        (PUBLIC, True, True, True, True),
        (PUBLIC_BARE, False, False, False, False),
        (PUBLIC_BARE, True, False, False, False),
    ],
)
def test_who_may_what(guard: Guard, shown: bool, see: bool, search: bool, change: bool) -> None:
    """Without a token nothing is changed; others than this machine see nothing without one."""
    asked = bearer() if shown else request()
    assert see == (guard.refusal(asked, NOW, changes=False) == "")
    assert search == (guard.refusal(asked, NOW, changes=False, costs=True) == "")
    assert change == (guard.refusal(asked, NOW, changes=True) == "")


@pytest.mark.parametrize(
    ("value", "known"),
    [
        (f"Bearer {TOKEN}", True),
        (f"bearer   {TOKEN} ", True),
        (TOKEN, False),
        (f"Basic {TOKEN}", False),
        ("Bearer ", False),
        ("Bearer", False),
        (f"Bearer {TOKEN}x", False),
        (f"Bearer {TOKEN[:-1]}", False),
        ("Bearer tökén", False),
    ],
)
def test_bearer(value: str, known: bool) -> None:
    """The token is known by all of it, sent as a bearer."""
    assert known == LOCAL.knows(request(authorization=value), NOW)


def test_an_empty_token_is_known_to_nobody() -> None:
    """Where no token is set, an empty one opens nothing, neither do sessions."""
    assert not BARE.knows(request(authorization="Bearer "), NOW)
    assert not BARE.is_token("")
    assert not BARE.knows(request(cookie=BARE.session(NOW)), NOW)


def test_a_session_lasts() -> None:
    """A session opens what the token opens, for twelve hours, and not a second longer."""
    cookie = LOCAL.session(NOW)
    assert LOCAL.knows(request(cookie=cookie), NOW)
    assert LOCAL.knows(request(cookie=cookie), NOW + SESSION - 1)
    assert not LOCAL.knows(request(cookie=cookie), NOW + SESSION)


def test_a_session_outlives_a_reload_but_not_another_token() -> None:
    """A guard made anew in the same process knows its sessions, unless the token is another one."""
    cookie = Guard("127.0.0.1", Secret(TOKEN)).session(NOW)
    assert Guard("127.0.0.1", Secret(TOKEN)).knows(request(cookie=cookie), NOW)
    assert not Guard("127.0.0.1", Secret("another")).knows(request(cookie=cookie), NOW)
    assert not Guard("127.0.0.1", Secret(TOKEN), process=b"another").knows(request(cookie=cookie), NOW)


def _forged() -> list[str]:
    good = LOCAL.session(NOW)
    until, _, signature = good.partition(".")
    later = str(int(until) + 1)
    return [
        "",
        ".",
        until,
        f"{until}.",
        f"{later}.{signature}",
        f"{until}.{'0' * 64}",
        f"{until}.{signature[:-1]}",
        f"{good}x",
        f"x.{signature}",
        f"{until}.sïgnature",
        f"{until}.\ud800",
        f"\ud800.{signature}",
        f"{'9' * 5000}.{signature}",
        f"٣.{signature}",
        TOKEN,
    ]


@pytest.mark.parametrize("cookie", _forged())
def test_forged_sessions(cookie: str) -> None:
    """A cookie that this process has not signed opens nothing, and is no error either."""
    assert not LOCAL.knows(request(cookie=cookie), NOW)


@pytest.mark.parametrize("given", ["\ud800", "é", "", " "])
def test_any_text_may_be_tried(given: str) -> None:
    """A wrong token is wrong, whatever characters it is made of."""
    assert not LOCAL.is_token(given)


def test_no_secret_shows() -> None:
    """Neither the token nor the key of the sessions can be read off a guard that is printed."""
    shown = repr(Guard("127.0.0.1", Secret(TOKEN), process=b"process-key"))
    assert TOKEN not in shown
    assert "process-key" not in shown


def test_the_policy_lets_nothing_in_from_outside() -> None:
    """Every source of the page's policy is the page's own server, and none may run what stands in the page."""
    rules = dict(rule.split(" ", 1) for rule in HEADERS["content-security-policy"].split("; "))
    assert rules["default-src"] == "'none'"
    assert {"script-src", "style-src", "connect-src", "form-action", "base-uri", "frame-ancestors"} <= set(rules)
    allowed = {word for rule in rules.values() for word in rule.split()}
    assert allowed <= {"'self'", "'none'", "data:"}
    # Under "no-referrer" browsers send "Origin: null" with our own forms, which is what a foreign frame sends as well.
    assert HEADERS["referrer-policy"] == "same-origin"
