"""How it goes, in a word: the gravest thing that is so, for page, tab title, `syncd status` and systemd. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_REFUSED = "account-refused"  # the code of ``errors.AccountRefused``


@dataclass(frozen=True, slots=True)
class Facts:
    """What is so. Counts are of documents, but for ``held``, which counts deletions.

    Attributes:
        damaged: what is damaged in the ledger; "" when nothing is.
        ledger: why the ledger takes nothing just now.
        server: what is wrong with FastGPT; ``server_code`` is the error's code.
        troubles: source -> why it cannot be served.
        refused: what is wrong with a configuration that was refused; the old one is in force.
        paused: a person has everything wait.
        running: a service runs.
        work: documents under way.
    """

    damaged: str = ""
    ledger: str = ""
    server: str = ""
    server_code: str = ""
    troubles: Mapping[str, str] = field(default_factory=dict)
    held: int = 0
    quarantined: int = 0
    unproven: int = 0
    refused: str = ""
    paused: bool = False
    running: bool = True
    work: int = 0
    verified: int = 0


@dataclass(frozen=True, slots=True)
class Headline:
    """The gravest thing, and what else is so.

    Attributes:
        kind: stable name of the gravest thing.
        word: a few words.
        more: a sentence about it, and the words of what is less grave.
        tone: "bad", "warn", "busy" or "good".
    """

    kind: str
    word: str
    more: str
    tone: str

    @property
    def line(self) -> str:
        """All of it in one line."""
        return f"{self.word}: {self.more}" if self.more else self.word

    def data(self) -> dict[str, str]:
        """As JSON has it."""
        return {"kind": self.kind, "word": self.word, "more": self.more, "tone": self.tone}


def headline(facts: Facts) -> Headline:
    """The gravest thing first; the words of the others follow it, so that nothing is hidden behind another."""
    first, *others = _all(facts)
    # What is under way or in step is worth a word only where nothing else is, or beside what keeps it from being so.
    also = [_brief(other, facts) for other in others if other.tone != "good"]
    more = [first.more, f"Also: {', '.join(also)}." if also else ""]
    if not facts.running:
        more.append("No service is running (`syncd run` starts one).")
    return Headline(first.kind, first.word, " ".join(part for part in more if part), first.tone)


def _brief(other: Headline, facts: Facts) -> str:
    return f"{other.word} ({facts.refused})" if other.kind == "config" else other.word


def _all(facts: Facts) -> Iterator[Headline]:
    """Everything that is so, the gravest first (design 13)."""
    if facts.damaged:
        yield Headline("damaged", "The ledger is damaged", f"{_sentence(facts.damaged)}", "bad")
    if facts.ledger:
        yield Headline("ledger", "The ledger takes nothing", f"{_sentence(facts.ledger)} Nothing is lost.", "bad")
    if facts.server and facts.server_code == _REFUSED:
        yield Headline("refused", "Refused by FastGPT", _sentence(facts.server), "bad")
    elif facts.server:
        more = f"{_sentence(facts.server)} It goes on by itself; no document suffers."
        yield Headline("server", "Waits for FastGPT", more, "bad")
    if facts.troubles:
        said = "; ".join(facts.troubles.values())
        several = len(facts.troubles) > 1
        word = f"{len(facts.troubles)} sources are in trouble" if several else "A source is in trouble"
        yield Headline("source", word, _sentence(said), "bad")
    if facts.held:
        word = f"{_number(facts.held)} deletion{'s' * (facts.held != 1)} held"
        yield Headline("held", word, "Bring the files back, or release them if they were meant to go.", "warn")
    if facts.quarantined:
        yield Headline("quarantined", f"{documents(facts.quarantined)} quarantined", "Each says what to do.", "warn")
    if facts.unproven:
        yield Headline("unproven", f"{documents(facts.unproven)} not proven", "They are tried again.", "warn")
    if facts.refused:
        yield Headline("config", "A new configuration was refused", f"The old one stays: {facts.refused}", "warn")
    if facts.paused:
        yield Headline("paused", "Paused", "Nothing is sent until somebody resumes.", "warn")
    if facts.work and not facts.running:
        waits = "waits" if facts.work == 1 else "wait"
        yield Headline("work", "Not finished", f"{documents(facts.work)} {waits} for the next pass.", "busy")
    elif facts.work:
        yield Headline("work", "At work", f"{documents(facts.work)} on the way to being searchable.", "busy")
    if not facts.verified:
        yield Headline("nothing", "Nothing to do", "No document is there yet.", "good")
    else:
        yield Headline("in-step", "In step", f"{documents(facts.verified)} found by search as saved.", "good")


def of_status(status: Mapping[str, Any]) -> Headline:
    """The headline of a document of `syncd status --json`."""
    service, sources = status["service"], status["sources"]
    counts = {
        state: sum(source["counts"].get(state, 0) for source in sources)
        for state in ("waiting", "uploading", "indexing", "proving", "quarantined", "verified")
    }
    ledger, server = service.get("ledger", {}), service.get("server", {})
    refused = service.get("config", {}).get("refused") or {}
    troubles = {source["name"]: source["trouble"] for source in sources if source.get("trouble")}
    findings = sum(finding["kind"] == "unproven" for finding in status["findings"])
    return headline(
        Facts(
            damaged=ledger.get("message", "") if ledger.get("state") == "damaged" else "",
            ledger=ledger.get("message", "") if ledger.get("state") == "trouble" else "",
            server=server.get("message", "") if server.get("state") == "trouble" else "",
            server_code=server.get("code", ""),
            troubles=troubles or service.get("troubles", {}),
            held=sum(hold["count"] or 1 for source in sources for hold in source["holds"]),
            quarantined=counts["quarantined"],
            unproven=max(findings, sum(service.get("unproven", {}).values())),
            refused="; ".join(refused.get("problems", [])[:1]),
            paused=bool(service.get("paused")),
            running=bool(service.get("running", True)),
            work=service.get("under_way")
            or counts["uploading"]
            + counts["indexing"]
            + counts["proving"]
            # What waits is on nobody's mind until somebody runs the next pass.
            + (0 if service.get("running", True) else counts["waiting"]),
            verified=counts["verified"],
        )
    )


def documents(count: int) -> str:
    """So many documents, in words."""
    return f"{_number(count)} document{'s' * (count != 1)}"


def _number(count: int) -> str:
    return f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
