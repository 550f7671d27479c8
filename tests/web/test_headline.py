"""The gravest thing is the headline, everywhere the same (design 13)."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from web_parts import Site, add_document, hold, stand

from syncd.commands.status import _headline
from syncd.headline import Facts, headline, of_status
from syncd.ledger import quality

# The gravest first, each with what makes it so.
GRAVITY: list[tuple[str, dict[str, Any]]] = [
    ("damaged", {"damaged": "the ledger is damaged: row 3 missing"}),
    ("ledger", {"ledger": "cannot use the ledger, its disk is full"}),
    ("refused", {"server": "The key was refused", "server_code": "account-refused"}),
    ("source", {"troubles": {"docs": "no such dataset"}}),
    ("held", {"held": 6}),
    ("quarantined", {"quarantined": 45}),
    ("unproven", {"unproven": 2}),
    ("config", {"refused": "config.toml:3: wrong"}),
    ("paused", {"paused": True}),
    ("work", {"work": 3}),
    ("in-step", {"verified": 1000}),
]


@pytest.mark.parametrize(("graver", "other"), list(itertools.combinations(range(len(GRAVITY)), 2)))
def test_the_graver_wins(graver: int, other: int) -> None:
    """Of any two things the graver one is the headline, and what a person must act on is named behind it."""
    found = headline(Facts(**{**GRAVITY[other][1], **GRAVITY[graver][1]}))
    assert GRAVITY[graver][0] == found.kind
    alone = headline(Facts(**GRAVITY[other][1]))
    assert (alone.tone == "good") or alone.word in found.more


def test_everything_at_once_hides_nothing() -> None:
    """45 quarantined documents are never hidden behind whatever else is so."""
    everything: dict[str, Any] = {}
    for _, facts in GRAVITY:
        everything |= facts
    assert "45 documents quarantined" in headline(Facts(**everything)).line
    assert "45 documents quarantined" == headline(Facts(quarantined=45, work=3, verified=7)).word


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        (Facts(), "Nothing to do"),
        (Facts(verified=2), "In step"),
        (Facts(work=1), "At work"),
        (Facts(work=1, running=False), "Not finished"),
        (Facts(held=1), "1 deletion held"),
        (Facts(quarantined=1), "1 document quarantined"),
        (Facts(quarantined=1200), "1\N{NARROW NO-BREAK SPACE}200 documents quarantined"),
        (Facts(server="Connection refused", server_code="server-unreachable"), "Waits for FastGPT"),
        (Facts(server="The balance is used up", server_code="account-refused"), "Refused by FastGPT"),
    ],
)
def test_words(facts: Facts, word: str) -> None:
    """Each thing has its words, in the right number."""
    assert word == headline(facts).word
    assert headline(facts).more


def test_a_service_that_does_not_run_is_named() -> None:
    """Whoever looks while nothing runs is told."""
    assert "No service is running (`syncd run` starts one)." in headline(Facts(verified=1, running=False)).line
    assert "No service" not in headline(Facts(verified=1)).line


@pytest.mark.parametrize("what", ["quarantined", "held", "paused", "work", "in step", "server", "unproven", "ledger"])
def test_page_tab_status_and_systemd_agree(site: Site, what: str) -> None:
    """One function speaks for the page, the tab's title, `syncd status`, its JSON and systemd's STATUS=."""
    site.service.write(lambda conn: add_document(conn, "good.md", "verified"))
    match what:
        case "quarantined":
            site.service.write(lambda conn: [add_document(conn, f"{n}.md", "quarantined") for n in range(3)])
            site.service.said["under_way"] = 2
        case "held":
            stand(site.service, [hold("a.md", "b.md")])
        case "paused":
            site.service.paused = "2026-11-20T08:00:00.000Z"
        case "work":
            site.service.write(lambda conn: add_document(conn, "a.md", "indexing"))
        case "server":
            site.service.said["server"] = {"state": "trouble", "message": "gone", "hint": "", "since": None}
        case "unproven":
            site.service.said["unproven"] = {"docs": 2}
        case "ledger":
            site.service.said["ledger"] = {"state": "trouble", "message": "full", "hint": "", "since": None}
    status = site.ask("GET", "/api/v1/status").json()
    wanted = of_status(status)
    assert wanted.data() == status["headline"]
    page = site.ask("GET", "/").text
    assert f"<title>{wanted.word} — syncd</title>" in page
    assert f'<p class="word">{wanted.word}</p>' in page
    assert wanted.line == _headline(status).lines[0]
    figures = quality.at_a_glance(site.service.ledger.conn)
    said = site.service.said
    facts = Facts(
        server=said.get("server", {}).get("message", ""),
        held=figures["held"],
        quarantined=figures["quarantined"],
        unproven=max(figures["unproven"], sum(said.get("unproven", {}).values())),
        ledger=said.get("ledger", {}).get("message", ""),
        paused=site.service.paused is not None,
        work=said.get("under_way", 0) or figures["work"],
        verified=figures["verified"],
    )
    assert wanted == headline(facts)
    assert wanted != headline(replace(facts, damaged="row 3"))
