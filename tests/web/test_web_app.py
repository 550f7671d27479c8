"""Every route of the status server: what it answers, what it refuses, and that nothing is changed without the token."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from web_parts import TOKEN, NotNow, Site, add_document, add_event, add_proof, hold, stand, verified, with_token

from syncd.errors import BusyError, Unavailable
from syncd.web.asked import ACTIONS, LARGEST_BODY
from syncd.web.guard import COOKIE, HEADERS
from syncd.web.stream import MOST_READERS

READ = ("/", "/static/style.css", "/static/page.js", "/static/icon.svg", "/livez", "/healthz", "/readyz", "/metrics")
READ_API = tuple(f"/api/v1/{name}" for name in ("status", "documents", "events", "quality"))
PAGE = {"accept": "text/html,application/xhtml+xml"}
BODIES: dict[str, dict[str, Any]] = {
    "pause": {},
    "resume": {},
    "sync": {"source": "docs"},
    "retry": {"source": "docs", "paths": ["a.md"]},
    "release": {"source": "docs", "emptied": True},
    "rollback": {"source": "docs", "path": "a.md"},
    "reload": {},
}


def _bounded(answer: httpx.Response) -> None:
    """The headers that keep browsers in bounds are on this answer."""
    for name, value in HEADERS.items():
        assert value == answer.headers.get(name), (answer.request.url, name)


@pytest.mark.parametrize("path", [*READ, *READ_API])
def test_what_can_be_read(site: Site, path: str) -> None:
    """Each page answers GET and HEAD alike, with the headers that keep browsers in bounds, and is stored nowhere."""
    got, head = site.ask("GET", path), site.ask("HEAD", path)
    assert (200, 200) == (got.status_code, head.status_code)
    assert got.headers["content-type"] == head.headers["content-type"]
    assert b"" == head.content
    _bounded(got)
    _bounded(head)
    if path in READ_API:
        assert got.json()["schema"] == f"syncd.{path.rpartition('/')[2]}/1"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/static/app.py", 404),
        ("GET", "/static/../app.py", 404),
        ("GET", "/static/%2e%2e%2fapp.py", 404),
        ("GET", "/api/v1/pause", 405),
        ("DELETE", "/", 405),
        ("PUT", "/api/v1/pause", 405),
        ("POST", "/api/v1/format-disk", 404),
        ("POST", "/metrics", 405),
        ("GET", "/-/sync", 405),
        ("GET", "/api/v1/documents?limit=x", 400),
        ("GET", "/api/v1/documents?limit=-1", 400),
        ("GET", "/api/v1/documents?limit=" + "9" * 30, 400),
        ("GET", "/api/v1/events?after=%D9%A3", 400),
    ],
)
def test_what_is_not_there(site: Site, method: str, path: str, status: int) -> None:
    """An unknown page or method is refused in JSON for programs, as a page for persons, with all headers on it."""
    answer = site.ask(method, path, headers=with_token())
    assert status == answer.status_code
    assert answer.json()["error"]["message"]
    _bounded(answer)
    for_person = site.ask(method, path, headers=with_token(**PAGE))
    assert status == for_person.status_code
    assert "Back to the page" in for_person.text
    _bounded(for_person)


def test_health(site: Site) -> None:
    """Live and ready are two questions; each is 503 with its reason when it is not so, by whatever name it is asked."""
    for path, attribute, reason in (("/livez", "alive", "stuck: scan 7"), ("/readyz", "begun", "docs is not done")):
        assert 200 == site.ask("GET", path, headers={"host": "10.0.0.7:8321"}).status_code
        setattr(site.service, attribute, False)
        answer = site.ask("GET", path)
        assert 503 == answer.status_code
        assert reason in answer.json()["reason"]
    site.service.said["server"] = {"state": "trouble", "message": "down", "hint": "", "since": None}
    site.service.begun = site.service.alive = True
    assert 200 == site.ask("GET", "/readyz").status_code


@pytest.mark.parametrize("kind", ACTIONS)
def test_actions_need_the_token(site: Site, kind: str) -> None:
    """Each action is carried out with the token, and without it, or for another site, not at all."""
    path, body = f"/api/v1/{kind}", BODIES[kind]
    refused: list[dict[str, str]] = [
        {},
        {"authorization": "Bearer wrong"},
        {"cookie": f"{COOKIE}={TOKEN}"},
        with_token(host="evil.example"),
        with_token(origin="http://evil.example"),
        with_token(origin="null"),
        {**with_token(), "sec-fetch-site": "cross-site"},
    ]
    for headers in refused:
        answer = site.ask("POST", path, json=body, headers=headers)
        assert 403 == answer.status_code, headers
        _bounded(answer)
    assert [] == site.service.acted
    answer = site.ask("POST", path, json=body, headers=with_token())
    assert (200, {"schema": f"syncd.{kind}/1", "message": f"{kind}: <done>"}) == (answer.status_code, answer.json())
    assert [(kind, body)] == site.service.acted


def test_without_a_configured_token_nothing_can_be_changed(make_site: Callable[..., Site]) -> None:
    """Where no token is set, neither an empty one nor any other opens anything."""
    site = make_site(token="")
    for headers in ({}, {"authorization": "Bearer "}, with_token(), {"cookie": f"{COOKIE}=1.2"}):
        for kind in ACTIONS:
            assert 403 == site.ask("POST", f"/api/v1/{kind}", json=BODIES[kind], headers=headers).status_code
            assert 403 == site.ask("POST", "/act", data={"kind": kind}, headers=headers).status_code
    assert [] == site.service.acted
    assert 403 == site.ask("POST", "/login", data={"token": ""}).status_code


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        ("pause", {"kind": "resume"}, "takes nothing"),
        ("pause", {"event": "x"}, "takes nothing"),
        ("sync", {"path": "a.md"}, "takes source"),
        ("sync", {"source": ["docs"]}, '"source" is a text'),
        ("sync", {"source": None}, '"source" is a text'),
        ("retry", {"paths": "a.md"}, '"paths" is a list of texts'),
        ("retry", {"paths": []}, '"paths" is a list of texts'),
        ("retry", {"paths": [1]}, '"paths" is a list of texts'),
        ("release", {"source": "docs", "emptied": "yes"}, '"emptied" is true or false'),
        ("rollback", {"path": {"a": 1}}, '"path" is a text'),
    ],
)
def test_arguments_are_checked(site: Site, kind: str, body: dict[str, Any], reason: str) -> None:
    """What an action does not know, or of another kind, is refused before anything is done."""
    answer = site.ask("POST", f"/api/v1/{kind}", json=body, headers=with_token())
    assert 400 == answer.status_code
    assert reason in answer.json()["error"]["message"]
    assert [] == site.service.acted


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'"x"', "application/json", 400),
        (b'{"source": "\\ud800"}', "application/json", 400),
        (b"[" * 30_000, "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"\xff", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a=%d" % number for number in range(60)), "application/x-www-form-urlencoded", 400),
        (b"x" * (LARGEST_BODY + 1), "application/json", 413),
        (b'{"source": "' + b"x" * LARGEST_BODY + b'"}', "application/json", 413),
        (b"", "application/json", 200),
        (b"", "", 200),
    ],
)
def test_bodies(site: Site, content: bytes, kind: str, status: int) -> None:
    """A body that is no form and no JSON object, or too large, is refused and does nothing; none at all is empty."""
    answer = site.ask("POST", "/api/v1/sync", content=content, headers=with_token(**{"content-type": kind}))
    assert status == answer.status_code
    assert (status == 200) == (site.service.acted == [("sync", {})])
    _bounded(answer)


def test_an_endless_body_is_not_read(site: Site) -> None:
    """Reading ends as soon as the limit is passed, however much would come."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 4096
            yield b"x" * 4096

    async def go(client: httpx.AsyncClient) -> httpx.Response:
        return await client.post("/api/v1/sync", content=endless(), headers=with_token())

    assert 413 == site.run(go).status_code
    assert sent <= LARGEST_BODY + 2 * 4096


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (NotNow("nothing is held", hint="look"), 409, "nothing is held; look"),
        (BusyError("just starting", hint="later"), 503, "just starting; later"),
        (Unavailable("nobody answers", hint="wait"), 502, "nobody answers; wait"),
        (ValueError("secret detail"), 500, "a fault in syncd itself"),
    ],
)
def test_refusals_of_the_service(site: Site, error: Exception, status: int, said: str) -> None:
    """What the service refuses is told with its remedy; a fault of ours is told without its details."""
    site.service.fails = error
    for path, body in (("/api/v1/pause", {}), ("/api/v1/search", {"source": "docs", "q": "x"})):
        answer = site.ask("POST", path, json=body, headers=with_token())
        assert (status, said) == (answer.status_code, answer.json()["error"]["message"])
        _bounded(answer)


# ---------------------------------------------------------------- persons: login and forms


def test_login_and_logout(site: Site) -> None:
    """The token opens a session by a cookie that no script and no other site can use; logging out ends it."""

    async def go(client: httpx.AsyncClient) -> None:
        wrong = await client.post("/login", data={"token": "wrong"}, headers=PAGE)
        assert 403 == wrong.status_code
        assert "set-cookie" not in wrong.headers
        entered = await client.post("/login", data={"token": f" {TOKEN}\n"}, headers=PAGE)
        assert (303, "/") == (entered.status_code, entered.headers["location"])
        cookie = entered.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert TOKEN not in cookie
        did = await client.post("/act", data={"kind": "pause"}, headers=PAGE)
        assert 303 == did.status_code
        page = await client.get(did.headers["location"])
        assert "pause: &lt;done&gt;" in page.text
        left = await client.post("/logout")
        assert (303, "/") == (left.status_code, left.headers["location"])
        assert 403 == (await client.post("/act", data={"kind": "resume"})).status_code

    site.run(go)
    assert [("pause", {})] == site.service.acted


@pytest.mark.parametrize(
    "headers",
    [{"origin": "http://evil.example"}, {"host": "evil.example"}, {"sec-fetch-site": "cross-site"}],
)
def test_no_other_site_logs_in(site: Site, headers: dict[str, str]) -> None:
    """Neither a login nor a logout is taken from another site or by another name."""
    for path in ("/login", "/logout"):
        answer = site.ask("POST", path, data={"token": TOKEN}, headers=headers)
        assert 403 == answer.status_code
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("token", ["\ud800", 7, None, ["x"], ""])
def test_any_login_may_be_tried(site: Site, token: object) -> None:
    """Whatever is sent as a token is judged, not stumbled over."""
    answer = site.ask("POST", "/login", content=json.dumps({"token": token}), headers={"content-type": "text/json"})
    assert answer.status_code in (400, 403)


def test_forms(site: Site) -> None:
    """The buttons of the page send what the service expects."""
    for data, expected in (
        ({"kind": "sync"}, ("sync", {})),
        (
            {"kind": "retry", "source": "docs", "path": "a%0Ab%3C.md"},
            ("retry", {"source": "docs", "paths": ["a\nb<.md"]}),
        ),
        ({"kind": "reload"}, ("reload", {})),
    ):
        assert 303 == site.ask("POST", "/act", data=data, headers=with_token()).status_code
        assert expected == site.service.acted[-1]
    for data in ({}, {"kind": "drop"}, {"kind": "sync", "more": "x"}, {"kind": "release", "emptied": "1"}):
        assert 400 == site.ask("POST", "/act", data=data, headers=with_token()).status_code
    assert 3 == len(site.service.acted)


def words(answer: httpx.Response) -> str:
    """What a page says, without its marks."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())


def test_a_release_is_confirmed_and_of_what_was_seen(site: Site) -> None:
    """The button leads to a question with the count and the grace; its answer releases what the page showed."""
    revisions: list[str] = []
    site.service.write(lambda conn: revisions.extend(verified(conn, path) for path in ("a.md", "b.md", "c.md")))
    first, second = hold("a.md", "b.md", revisions=revisions[:2]), hold("a.md", "b.md", "c.md", revisions=revisions)
    stand(site.service, [first])
    form = {"kind": "release", "source": "docs", "hold": first.id}
    asked = site.ask("POST", "/act", data=form, headers=with_token())
    assert 200 == asked.status_code
    assert "Delete 2 documents of docs?" in words(asked)
    assert "24h" in words(asked)
    assert [] == site.service.acted

    stand(site.service, [second])
    later = words(site.ask("POST", "/act", data=form, headers=with_token()))
    assert "Delete 2 documents of docs?" in later
    assert "1 more came since" in later
    assert 303 == site.ask("POST", "/act", data={**form, "confirmed": "yes"}, headers=with_token()).status_code
    assert [("release", {"source": "docs", "hold": first.id})] == site.service.acted

    stand(site.service, [])
    assert 409 == site.ask("POST", "/act", data=form, headers=with_token()).status_code


@pytest.mark.parametrize("path", ["/act", "/search", "/login", "/logout"])
def test_loading_a_form_again_leads_home(site: Site, path: str) -> None:
    """Whoever reloads the address of a form comes to the page, and asks for nothing twice."""
    answer = site.ask("GET", path)
    assert (303, "/") == (answer.status_code, answer.headers["location"])


def test_an_unknown_answer_says_nothing(site: Site) -> None:
    """Nobody can have the page show a text of his own."""
    assert "said" not in site.ask("GET", "/?said=You+were+hacked").text.replace("/?said", "")


def test_refused_persons_get_a_login(site: Site) -> None:
    """A person who lacks the token gets a page with a login, a program JSON."""
    page = site.ask("POST", "/act", data={"kind": "pause"}, headers=PAGE)
    assert 403 == page.status_code
    assert 'action="/login"' in page.text
    assert "application/json" == site.ask("POST", "/act", data={"kind": "pause"}).headers["content-type"]


# ---------------------------------------------------------------- listening for others


def test_from_elsewhere_nothing_is_seen_without_the_token(make_site: Callable[..., Site]) -> None:
    """A server that others reach shows them health and metrics, and the rest only with the token."""
    site = make_site(listen="0.0.0.0", hosts=("docs.example.org",))  # noqa: S104 - nothing is bound
    site.client_host = "192.168.1.9"
    for path in ("/", *READ_API, "/api/v1/stream", "/static/style.css"):
        assert 403 == site.ask("GET", path).status_code, path
        if path != "/api/v1/stream":
            assert 200 == site.ask("GET", path, headers=with_token(host="docs.example.org")).status_code, path
    for path in ("/livez", "/readyz", "/metrics"):
        assert 200 == site.ask("GET", path).status_code, path
    assert 403 == site.ask("POST", "/-/sync").status_code
    assert 200 == site.ask("POST", "/-/sync", headers=with_token()).status_code


@pytest.mark.parametrize("listen", ["127.0.0.1", "0.0.0.0"])  # noqa: S104
def test_a_neighbour_may_say_that_there_is_news(make_site: Callable[..., Site], listen: str) -> None:
    """From this machine a look at everything is had without the token, by POST alone and by no web page."""
    site = make_site(listen=listen)
    assert 200 == site.ask("POST", "/-/sync").status_code
    assert [("sync", {})] == site.service.acted
    for headers in ({"origin": "http://evil.example"}, {"host": "evil.example"}, {"sec-fetch-site": "cross-site"}):
        assert 403 == site.ask("POST", "/-/sync", headers=headers).status_code
    assert 1 == len(site.service.acted)


# ---------------------------------------------------------------- what the answers hold


def test_documents(site: Site) -> None:
    """Documents are chosen by source, state and part of their path in any case, counted in full and listed in part."""

    def fill(conn: Any) -> None:
        for number in range(7):
            add_document(conn, f"Ärger/{number}.md", "verified" if number % 2 else "quarantined")
        add_document(conn, "x.md", "verified", source="other")
        gone = add_document(conn, "gone.md", "waiting")
        conn.execute("update documents set note = null, gone = 1 where id = ?", (gone,))

    site.service.write(fill)

    def ask(query: str) -> tuple[int, list[str]]:
        found = site.ask("GET", f"/api/v1/documents{query}").json()
        return found["count"], [f"{row['source']}/{row['path']}" for row in found["documents"]]

    assert 8 == ask("")[0]
    assert (3, ["docs/Ärger/1.md", "docs/Ärger/3.md", "docs/Ärger/5.md"]) == ask("?source=docs&state=verified")
    assert (7, ["docs/Ärger/0.md", "docs/Ärger/1.md"]) == ask("?q=äRGER&limit=2")
    assert (1, ["other/x.md"]) == ask("?source=other")
    assert (0, []) == ask("?q=%25")  # no pattern, a text
    assert (8, []) == ask("?limit=0")


def test_events(site: Site) -> None:
    """History is given newest first, or what came after a known line."""

    def fill(conn: Any) -> None:
        for number in range(5):
            add_event(conn, f"{number}.md", "verified", float(number))

    site.service.write(fill)
    rows = site.ask("GET", "/api/v1/events?limit=2").json()["events"]
    assert ["4.md", "3.md"] == [row["path"] for row in rows]
    later = site.ask("GET", f"/api/v1/events?after={rows[1]['id']}").json()["events"]
    assert ["4.md"] == [row["path"] for row in later]


def test_quality(site: Site) -> None:
    """Proofs of the last 30 days are summed up by day and by source, with their mean reciprocal rank."""
    import time

    today = int(time.time() // 86400) * 86400

    def fill(conn: Any) -> None:
        for source in ("docs", "other"):
            number = add_document(conn, "a.md", "verified", source=source)
            revision = conn.execute("select id from revisions where document = ?", (number,)).fetchone()[0]
            add_proof(conn, revision, today + 1.0, 1, 4)
            add_proof(conn, revision, today - 5 * 86400, None)
            add_proof(conn, revision, today - 40 * 86400, 1)

    site.service.write(fill)
    found = site.ask("GET", "/api/v1/quality").json()
    assert [(today - 5 * 86400, 2, 0.0), (today, 4, 0.625)] == [
        (row["day"], row["probes"], row["mrr"]) for row in found["days"]
    ]
    assert (4, 0, 0, 0, 2) == tuple(
        found["days"][1][name] for name in ("found", "shared", "outranked", "missing", "first")
    )
    assert [("docs", 3), ("other", 3)] == [(row["source"], row["probes"]) for row in found["sources"]]


def test_search(site: Site) -> None:
    """A search names a source and a question; what is not one is refused before it costs anything."""
    site.service.hits = [{"rank": 1, "score": 0.9, "source": "docs", "path": "a.md", "text": "x", "collection_id": "c"}]
    answer = site.ask("POST", "/api/v1/search", json={"source": "docs", "q": " how? "}, headers=with_token())
    assert ["a.md"] == [row["path"] for row in answer.json()["hits"]]
    assert [("docs", "how?")] == site.service.searched
    for body, status in (
        ({"source": "other", "q": "x"}, 404),
        ({"source": ["docs"], "q": "x"}, 404),
        ({"q": "x"}, 404),
        ({"source": "docs"}, 400),
        ({"source": "docs", "q": "  "}, 400),
        ({"source": "docs", "q": 7}, 400),
        ({"source": "docs", "q": "x" * 2001}, 400),
    ):
        assert status == site.ask("POST", "/api/v1/search", json=body, headers=with_token()).status_code, body
    assert 403 == site.ask("POST", "/api/v1/search", json={"source": "docs", "q": "x"}).status_code
    assert 1 == len(site.service.searched)


# ---------------------------------------------------------------- reading, once for all


def test_many_readers_share_one_reading(site: Site) -> None:
    """Fifty who ask for the page at once have the ledger summed up twice at most, not fifty times."""
    site.service.write(lambda conn: add_document(conn, "a.md", "verified"))

    async def go(client: httpx.AsyncClient) -> list[httpx.Response]:
        return await asyncio.gather(*(client.get("/") for _ in range(50)))

    answers = site.run(go)
    assert {200} == {answer.status_code for answer in answers}
    assert len([query for query in site.service.queries if "from findings" in query]) <= 2


def test_what_is_read_is_as_new_as_the_question(site: Site) -> None:
    """A page that is asked for after a change shows it."""

    async def go(client: httpx.AsyncClient) -> None:
        for number in range(1, 6):
            site.service.write(lambda conn, n=number: add_document(conn, f"{n}.md", "verified"))
            counts = (await client.get("/api/v1/status")).json()["sources"][0]["counts"]
            assert number == counts["verified"]

    site.run(go)


def test_the_page_fetches_what_it_shows(site: Site) -> None:
    """No query of the page brings every document along."""

    def fill(conn: Any) -> None:
        for number in range(300):
            add_document(conn, f"{number}.md", "verified")

    site.service.write(fill)
    assert 200 == site.ask("GET", "/").status_code
    listing = [query for query in site.service.queries if "from documents" in query and "count(" not in query]
    assert listing
    for query in listing:
        assert " limit " in query.lower(), query


def test_a_stream_tells_and_ends(site: Site) -> None:
    """Whoever listens to the stream hears of events; there is room for so many and no more."""

    async def go(client: httpx.AsyncClient) -> None:
        readers = [site.stream.read() for _ in range(MOST_READERS)]
        for reader in readers:
            await anext(reader)
        assert 503 == (await client.get("/api/v1/stream")).status_code
        for reader in readers:
            await reader.aclose()
        # httpx's transport gives the whole answer at its end.
        asking = asyncio.ensure_future(client.get("/api/v1/stream"))
        for _ in range(100):
            await asyncio.sleep(0)
        assert 1 == len(site.stream)
        site.stream.tell({"event": "verified"})
        site.stream.close()
        answer = await asking
        assert "text/event-stream; charset=utf-8" == answer.headers["content-type"]
        assert 'data: {"event": "verified"}\n\n' in answer.text
        _bounded(answer)
        assert 0 == len(site.stream)

    site.run(go)
