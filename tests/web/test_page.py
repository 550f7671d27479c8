"""The status page: whatever a name contains is text, every state has its words, and no secret shows."""

from __future__ import annotations

import time
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import pytest
from web_parts import (
    HOSTILE,
    KEY,
    TOKEN,
    Site,
    add_document,
    add_event,
    add_proof,
    add_revision,
    hold,
    logged_in,
    stand,
    with_token,
)

from syncd.ledger import records
from syncd.models import HoldReason

ALLOWED = {
    *("html", "head", "meta", "title", "link", "script", "body", "header", "main", "footer", "div", "section"),
    *("article", "h1", "h2", "h3", "p", "span", "strong", "em", "code", "br", "a", "img", "ul", "ol", "li", "time"),
    *("form", "label", "input", "select", "option", "button", "details", "summary", "figure", "figcaption"),
    *("svg", "rect", "line", "text", "polyline", "circle"),
}
_VOID = {"meta", "link", "img", "input", "br"}


class _Reader(HTMLParser):
    """Reads a page as strictly as can be: all tags are known and closed, no attribute runs or loads anything."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text: list[str] = []
        self.values: list[str] = []
        self.buttons: list[str] = []
        self.scripts: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED, tag
        for name, value in attrs:
            assert not name.startswith("on"), name
            assert name != "style", "the page's policy would not let it through"
            if name in ("src", "href", "action"):
                assert str(value).startswith("/") and not str(value).startswith("//"), value
        found = dict(attrs)
        self.values.append(str(found.get("value", "")))
        if tag == "button":
            self.buttons.append(str(found.get("value", "")))
        if tag == "script":
            self.scripts.append(str(found.get("src")))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        assert not (self._open and self._open[-1] == "script"), "a script within the page"
        self.text.append(data)


def read(page: str) -> _Reader:
    reader = _Reader()
    reader.feed(page)
    reader.close()
    assert not reader._open
    return reader


def text_of(page: str) -> str:
    return " ".join(" ".join(read(page).text).split())


def page(site: Site, *, path: str = "/", known: bool = True) -> str:
    answer = site.ask("GET", path, headers=logged_in(site) if known else {})
    assert 200 == answer.status_code
    assert "text/html; charset=utf-8" == answer.headers["content-type"]
    return answer.text


def _everywhere(site: Site, name: str) -> None:
    """A text that somebody else chose, in every place where the page shows one."""
    now = time.time()

    def fill(conn: Any) -> None:
        add_document(conn, name, "quarantined", at=now, message=f"said {name}")
        add_event(conn, name, "failed", now, f"because {name}")
        records.add_finding(conn, "lost", "docs", name, None, f"found {name}", now)

    site.service.write(fill)
    stand(site.service, [hold(name, "other.md")])
    site.service.said["server"] = {"state": "trouble", "message": name, "hint": name, "since": None}
    site.service.said["troubles"] = {"docs": name}
    site.service.said["watch"] = {"docs": {"mode": "poll", "reason": name}}
    site.service.said["config"] = {"refused": {"at": None, "problems": [name]}}
    site.service.hits = [
        {"rank": 1, "score": 0.5, "source": "docs", "path": name, "text": name, "collection_id": "c"},
        {"rank": 2, "score": None, "source": None, "path": None, "text": name * 50, "collection_id": "d"},
    ]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text(site: Site, name: str) -> None:
    """A file name with markup, control or direction characters stays text wherever the page shows it."""
    _everywhere(site, name)
    for found in (
        page(site),
        page(site, path="/?part=live"),
        site.ask("POST", "/search", data={"source": "docs", "q": name}, headers=with_token()).text,
    ):
        reader = read(found)
        assert ["/static/page.js"] == reader.scripts or not reader.scripts
        for character in ("\u202e", "\x1b"):
            assert character not in found
    shown = text_of(page(site))
    printed = name.replace("\u202e", "\\u202e").replace("\x1b", "\\x1b").replace("\n", " ")
    assert f"docs/{' '.join(printed.split())}" in shown
    assert quote(name) in read(page(site)).values  # what a button sends back is the name as it is, not as it is shown


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_in_json(site: Site, name: str) -> None:
    """Programs get the name as it is, as JSON that no browser takes for a page."""
    _everywhere(site, name)
    answer = site.ask("GET", "/api/v1/documents")
    assert "application/json" == answer.headers["content-type"]
    assert "nosniff" == answer.headers["x-content-type-options"]
    assert [name] == [row["path"] for row in answer.json()["documents"]]


def test_no_secrets(site: Site) -> None:
    """Neither the key nor the token is in anything that can be asked for."""
    _everywhere(site, "a.md")
    for path in ("/", "/?part=live", "/api/v1/status", "/api/v1/documents", "/api/v1/events", "/metrics", "/livez"):
        found = site.ask("GET", path, headers=with_token()).text
        assert KEY not in found, path
        assert TOKEN not in found, path


@pytest.mark.parametrize(
    ("said", "paused", "word"),
    [
        ({}, None, "Nothing to do"),
        ({"under_way": 3}, None, "At work"),
        (
            {"server": {"state": "trouble", "message": "refused", "hint": "look", "since": None}},
            None,
            "Waits for FastGPT",
        ),
        ({"troubles": {"docs": "no such dataset"}}, None, "A source is in trouble"),
        ({}, "2026-11-20T08:00:00.000Z", "Paused"),
        (
            {
                "server": {
                    "state": "trouble",
                    "message": "refused",
                    "code": "account-refused",
                    "hint": "",
                    "since": None,
                }
            },
            "2026-11-20T08:00:00.000Z",
            "Refused by FastGPT",
        ),
        ({"under_way": 3}, "2026-11-20T08:00:00.000Z", "Paused"),
    ],
)
def test_words_for_the_service(site: Site, said: dict[str, Any], paused: str | None, word: str) -> None:
    """How it goes is said in a word, the gravest first."""
    site.service.said |= said
    site.service.paused = paused
    found = page(site)
    assert word in text_of(found)
    assert f"<title>{word} — syncd</title>" in found


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("verified", "In step"),
        ("waiting", "Nothing to do"),
        ("uploading", "At work"),
        ("indexing", "At work"),
        ("proving", "At work"),
        ("quarantined", "1 document quarantined"),
        ("held", "Nothing to do"),
        ("retired", "Nothing to do"),
    ],
)
def test_words_for_documents(site: Site, state: str, word: str) -> None:
    """Each state is counted and drawn, and what the page says in a word follows from it."""
    site.service.write(lambda conn: add_document(conn, "a.md", state))
    found = page(site)
    assert word in text_of(found)
    assert f"1 {state}" in text_of(found)
    assert f'class="s-{state}"' in found


def test_an_outage_is_explained(site: Site) -> None:
    """In an outage the page says what the server said, what to do, and since when."""
    site.service.said["server"] = {
        "state": "trouble",
        "message": "The server cannot be reached",
        "hint": "Check `fastgpt.base_url`.",
        "since": "2026-11-20T08:00:00.000Z",
    }
    found = page(site)
    assert "The server cannot be reached" in text_of(found)
    assert "<code>fastgpt.base_url</code>" in found
    assert "It began" in text_of(found)


def test_a_refused_configuration_is_explained(site: Site) -> None:
    """A configuration that was refused is named with its problems, until it is right."""
    site.service.said["config"] = {"refused": {"at": None, "problems": ["config.toml:3: wrong"]}}
    assert "the old one stays: config.toml:3: wrong" in text_of(page(site))


def test_quarantine_names_the_remedy(site: Site) -> None:
    """A quarantined document is shown with its code, its message, what to do, and whether an older version serves."""

    def fill(conn: Any) -> None:
        number = add_document(conn, "a b.md", "quarantined", message="search does not find it")
        add_revision(conn, number, "verified", 0.0)
        conn.execute("update documents set quarantine = 'search-missing'")

    site.service.write(fill)
    shown = text_of(page(site))
    assert "docs/a b.md search-missing" in shown
    assert "search does not find it" in shown
    assert "The version before it is still found by search." in shown
    assert "syncd retry 'a b.md'" in shown or "syncd" in shown


def test_many_quarantined(site: Site) -> None:
    """Of very many quarantined documents the newest are shown and the rest is counted."""

    def fill(conn: Any) -> None:
        for number in range(150):
            add_document(conn, f"{number:03}.md", "quarantined", at=float(number))

    site.service.write(fill)
    shown = text_of(page(site))
    assert "docs/149.md" in shown
    assert "docs/049.md" not in shown
    assert "and 50 more" in shown


def test_a_hold_can_be_released_exactly(site: Site) -> None:
    """A hold is shown with its reason, its documents, its id and a button that says how many, and what was seen."""
    one = hold(*(f"{number}.md" for number in range(25)))
    stand(site.service, [one])
    found = page(site)
    assert "too many deletions" in text_of(found)
    assert "25 documents" in text_of(found)
    assert "and 5 more" in text_of(found)
    assert "release" in read(found).buttons
    assert "Delete these 25…" in text_of(found)
    assert one.id in text_of(found)
    assert one.id in read(found).values


@pytest.mark.parametrize(
    ("reason", "releasable"),
    [(HoldReason.EMPTY, True), (HoldReason.MISSING, False), (HoldReason.UNREADABLE, False), (HoldReason.DEVICE, False)],
)
def test_some_holds_have_no_button(site: Site, reason: HoldReason, releasable: bool) -> None:
    """An emptied root is released on the command line alone, and a root that is not well not at all."""
    stand(site.service, [hold("a.md", reason=reason, releasable=releasable)])
    assert "release" not in read(page(site)).buttons


def test_proofs_as_figures(site: Site) -> None:
    """Proofs are summed up by share and mean rank, for all and for each source, and drawn twice: wide and narrow."""

    def fill(conn: Any) -> None:
        number = add_document(conn, "a.md", "verified")
        revision = conn.execute("select id from revisions where document = ?", (number,)).fetchone()[0]
        add_proof(conn, revision, time.time(), 1, 2)
        add_proof(conn, revision, time.time(), None, 1)

    site.service.write(fill)
    found = page(site)
    assert "75 % of 4 probes found their document" in text_of(found)
    assert "0.62 mean reciprocal rank" in text_of(found)
    assert "75 % of 4 probes found" in text_of(found)
    assert 'class="chart wide"' in found
    assert 'class="chart narrow"' in found


def test_one_miss_in_ten_thousand_is_not_rounded_away(site: Site) -> None:
    """100 % is said only of all."""

    def fill(conn: Any) -> None:
        number = add_document(conn, "a.md", "verified")
        revision = conn.execute("select id from revisions where document = ?", (number,)).fetchone()[0]
        add_proof(conn, revision, time.time(), *([1] * 9999), None)

    site.service.write(fill)
    assert "99.9 % of 10 000 probes" in text_of(page(site))


def test_empty_states(site: Site) -> None:
    """A service that has done nothing yet has a page without holes."""
    shown = text_of(page(site))
    for words in ("No documents yet.", "No proof was made yet.", "Nothing has happened yet.", "not looked at yet"):
        assert words in shown


def test_recent_activity(site: Site) -> None:
    """What happened is listed, newest first, with how long ago, and without FastGPT's ids."""

    def fill(conn: Any) -> None:
        add_event(conn, "a.md", "uploaded", time.time() - 120, "6b00000100000000000001e3")
        add_event(conn, "b.md", "failed", time.time() - 60, "the server said no")

    site.service.write(fill)
    shown = text_of(page(site))
    assert shown.index("docs/b.md") < shown.index("docs/a.md")
    assert "6b0000010000" not in shown
    assert "the server said no 1 min ago" in shown


def test_without_the_token_there_are_no_buttons(site: Site) -> None:
    """Who has not shown the token sees everything, a login, and nothing that acts or costs."""
    stand(site.service, [hold("a.md")])
    site.service.write(lambda conn: add_document(conn, "a.md", "quarantined"))
    reader = read(page(site, known=False))
    assert {""} == set(reader.buttons)
    found = page(site, known=False)
    assert 'action="/login"' in found
    assert 'action="/search' not in found
    assert {"sync", "pause", "reload", "retry", "release", ""} == set(read(page(site)).buttons)


def test_where_no_token_is_set(make_site: Callable[..., Site]) -> None:
    """Without a token the page says how to set one, and lets this machine search."""
    found = make_site(token="").ask("GET", "/").text
    assert "no token is set" in text_of(found)
    assert 'action="/login"' not in found
    assert 'action="/search' in found


def test_paused_offers_to_resume(site: Site) -> None:
    """While paused the button is the other one."""
    site.service.paused = "2026-11-20T08:00:00.000Z"
    buttons = read(page(site)).buttons
    assert "resume" in buttons
    assert "pause" not in buttons


def test_the_live_part_is_the_page_without_its_frame(site: Site) -> None:
    """What is fetched anew has every part that changes, by the name it has in the page, and nothing to type in."""
    _everywhere(site, "a.md")
    whole, live = page(site), page(site, path="/?part=live")
    for name in ("live-state", "live-sources", "live-rest", "live-buttons"):
        assert 1 == whole.count(f'<div data-live id="{name}">')
        assert 1 == live.count(f'<div data-live id="{name}">')
    assert "<html" not in live
    assert 'name="q"' not in live
    assert 'name="token"' not in live
    read(live)


def test_documents_that_nobody_looks_at(site: Site) -> None:
    """The page says since when the folder of a source was not looked at, and why, beside the states that it shows."""
    site.service.write(lambda conn: [add_document(conn, f"{n}.md", "verified") for n in range(2)])
    site.service.write(lambda conn: conn.execute("update sources set last_scan_at = 1764411120"))
    assert "not looked at since" not in text_of(page(site))
    stand(site.service, [hold("0.md", "1.md", reason=HoldReason.MISSING, releasable=False)])
    shown = text_of(page(site))
    assert "2 documents not looked at since 2025-11-29" in shown
    assert "the folder is not there" in shown
    [source] = [row for row in site.ask("GET", "/api/v1/status").json()["sources"] if row["name"] == "docs"]
    assert source["unserved"]["reason"] == "the folder is not there"
