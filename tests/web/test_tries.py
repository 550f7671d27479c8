"""Wrong tokens cost whoever shows them ever more time, and nobody else any."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest
from web_parts import TOKEN, Site, logged_in, with_token

from syncd.addresses import is_loopback, neighbour
from syncd.web import app
from syncd.web.tries import FREE, Tries


def test_each_wrong_token_costs_more() -> None:
    """The first few are free, then the pause doubles up to half a minute; the right one or ten minutes forgive all."""
    tries, pauses = Tries(), []
    for _ in range(10):
        tries.wrong("a", 100.0)
        pauses.append(tries.wait("a", 100.0))
    assert [0.0] * FREE + [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0] == pauses
    assert (10.0, 0.0, 0.0) == (tries.wait("a", 120.0), tries.wait("a", 130.0), tries.wait("b", 100.0))
    assert 1 == tries.wrong("a", 800.0)
    tries.right("a")
    assert 1 == tries.wrong("a", 800.0)


def test_memory_is_bounded() -> None:
    """However many neighbours try, only the last thousand are remembered."""
    tries = Tries()
    for number in range(5000):
        tries.wrong(str(number), float(number))
    assert 1024 == len(tries._known)
    assert 2 == tries.wrong("4999", 5000.0)


@pytest.mark.parametrize(
    ("host", "loopback", "expected"),
    [
        ("127.0.0.1", True, "127.0.0.1"),
        ("127.8.9.1", True, "127.8.9.1"),
        ("::1", True, "::/64"),
        ("[::1]", True, "::/64"),
        ("::ffff:127.0.0.1", True, "127.0.0.1"),
        ("::ffff:7f00:1", True, "127.0.0.1"),
        ("[::ffff:127.0.0.1]", True, "127.0.0.1"),
        ("::ffff:10.0.0.7", False, "10.0.0.7"),
        ("10.0.0.7", False, "10.0.0.7"),
        ("fe80::1%eth0", False, "fe80::/64"),
        ("2001:db8:1:2:3:4:5:6", False, "2001:db8:1:2::/64"),
        ("localhost", True, "localhost"),
        ("example.org", False, "example.org"),
        ("", False, ""),
    ],
)
def test_addresses(host: str, loopback: bool, expected: str) -> None:
    """An IPv4 address in IPv6's clothes is that address; with IPv6 a neighbour has a whole network."""
    assert (loopback, expected) == (is_loopback(host), neighbour(host))


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "_WRONG_TOKEN", 0.0)


@pytest.mark.parametrize("how", ["header", "login", "poke"])
def test_guessing_is_slowed(make_site: Callable[..., Site], how: str, caplog: pytest.LogCaptureFixture) -> None:
    """After a few wrong tokens none is looked at for a while, the right one neither, however many ask at once; a
    session goes on, and it is counted."""
    site = make_site(listen="192.168.1.1")
    site.client_host = "10.0.0.7"

    async def body(client: httpx.AsyncClient) -> tuple[list[int], list[int]]:
        async def guess(token: str) -> httpx.Response:
            if how == "login":
                return await client.post("/login", json={"token": token})
            path = "/-/sync" if how == "poke" else "/api/v1/pause"
            return await client.post(path, headers={"authorization": f"Bearer {token}"})

        guesses = [answer.status_code for answer in await asyncio.gather(*(guess(f"wrong-{n}") for n in range(20)))]
        right = await guess(TOKEN)
        assert "retry-after" in right.headers
        session = await client.get("/api/v1/status", headers=logged_in(site))
        return guesses, [right.status_code, session.status_code]

    guesses, after = site.run(body)
    assert ([403] * (FREE + 1) + [429] * (20 - FREE - 1), [429, 200]) == (sorted(guesses), after)
    assert [] == site.service.acted
    assert f"syncd_http_wrong_tokens_total {FREE + 1}.0" in site.metrics.text().decode()
    assert "wrong-" not in caplog.text


def test_a_token_is_looked_at_only_where_one_is_needed(site: Site) -> None:
    """What a proxy in front of us sends along for itself is no wrong token, and gives no hint whether it is right."""
    for _ in range(20):
        assert 200 == site.ask("GET", "/", headers={"authorization": "Bearer of-the-proxy"}).status_code
    assert 'action="/act"' not in site.ask("GET", "/", headers=with_token()).text
    assert "syncd_http_wrong_tokens_total 0.0" in site.metrics.text().decode()
    assert 200 == site.ask("POST", "/api/v1/pause", headers=with_token()).status_code
