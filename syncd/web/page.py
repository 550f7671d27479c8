"""The status page, rendered by Jinja2, which escapes whatever a file name may contain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape

from syncd import __version__
from syncd.explain import HOLD_REASONS, remedy_for
from syncd.report.human import lasting, printable
from syncd.web import chart

DAYS = 30
STATES = ("verified", "proving", "indexing", "uploading", "waiting", "held", "quarantined", "retired")


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["plain"] = lambda text: printable(str(text))
    return made


def render(
    status: Mapping[str, Any],
    *,
    quality: list[dict[str, Any]],
    recent: list[dict[str, Any]],
    troubled: Iterable[Mapping[str, Any]],
    may_act: bool,
    has_token: bool,
    now: float,
    part: bool = False,
    said: str = "",
    searched: Mapping[str, Any] | None = None,
) -> str:
    """The page; with ``part`` only what changes by itself.

    Args:
        status: the document of `syncd status --json`.
        quality: rows of ``ledger.quality.by_day``.
        recent: rows of ``ledger.quality.recent``.
        troubled: quarantined documents, as rows of ``records.documents``.
        may_act: whoever asks has shown the token.
        has_token: a token is configured at all.
        now: seconds since the epoch.
        part: leave the frame out.
        said: the answer to what was just asked for.
        searched: source, query and hits of a search.
    """
    service = status["service"]
    template = _environment().get_template("live.html" if part else "page.html")
    return template.render(
        version=__version__,
        state=_state(service),
        service=service,
        problems=_problems(status),
        sources=[_source(row, now) for row in status["sources"]],
        held=[_hold(row["name"], hold) for row in status["sources"] for hold in row["holds"]],
        quarantined=[_quarantined(row) for row in troubled],
        findings=status["findings"],
        chart=chart.quality(quality, now, DAYS),
        has_quality=bool(quality),
        proofs=_sums(quality),
        recent=[{**row, "ago": _ago(row["at"], now)} for row in recent],
        jobs=[
            {"name": name, "when": _ahead(at, now), "rule": service.get("schedule", {}).get(name, "")}
            for name, at in service.get("next", {}).items()
            if at
        ],
        may_act=may_act,
        has_token=has_token,
        said=said,
        searched=searched,
        states=STATES,
        verdicts=chart.VERDICTS,
        days=DAYS,
    )


def refused(reason: str, *, login: bool) -> str:
    """The page of somebody who must show the token first."""
    return _environment().get_template("refused.html").render(reason=reason, login=login)


def _state(service: Mapping[str, Any]) -> dict[str, str]:
    """One word for how it goes, and its colour."""
    if service.get("paused"):
        return {"word": "paused", "tone": "warn"}
    if service.get("server", {}).get("state") == "trouble":
        return {"word": "waits for FastGPT", "tone": "bad"}
    if service.get("troubles"):
        return {"word": "a source is in trouble", "tone": "bad"}
    if service.get("under_way"):
        return {"word": f"works on {service['under_way']}", "tone": "busy"}
    return {"word": "in step", "tone": "good"}


def _problems(status: Mapping[str, Any]) -> list[dict[str, str]]:
    service = status["service"]
    found = []
    server = service.get("server", {})
    if server.get("message"):
        found.append({"tone": "bad", "text": server["message"], "hint": server.get("hint", "")})
    for source, text in service.get("troubles", {}).items():
        found.append({"tone": "bad", "text": f"{source}: {text}", "hint": ""})
    refused = service.get("config", {}).get("refused")
    if refused:
        found += [
            {"tone": "bad", "text": f"a new configuration was refused: {problem}", "hint": "`syncd check` shows all"}
            for problem in refused["problems"]
        ]
    if service.get("paused"):
        found.append({"tone": "warn", "text": "Paused: nothing is sent.", "hint": "`syncd resume` lets it go on"})
    return found


def _source(row: Mapping[str, Any], now: float) -> dict[str, Any]:
    counts = {state: row["counts"].get(state, 0) for state in STATES}
    scanned = row["last_scan_at"]
    return {
        **row,
        "bars": chart.shares(counts, STATES),
        "shown": [(state, counts[state]) for state in STATES if counts[state]],
        "total": sum(counts.values()),
        "scanned": _ago(datetime.fromisoformat(scanned).timestamp(), now) if scanned else "never",
    }


def _hold(source: str, hold: Mapping[str, Any]) -> dict[str, Any]:
    known = HOLD_REASONS.get(hold["reason"])
    return {
        **hold,
        "source": source,
        "remedy": known.remedy.replace("SOURCE", source) if known else "",
        "named": list(hold["paths"])[:20],
    }


def _quarantined(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "source": row["source"],
        "path": row["path"],
        "code": row["quarantine"],
        "message": row["quarantine_message"],
        "remedy": remedy_for(str(row["quarantine"]), row["path"]),
        "serves": row["serving_collection_id"] is not None,
    }


def _sums(quality: list[dict[str, Any]]) -> dict[str, int]:
    return {verdict: sum(row[verdict] for row in quality) for verdict in chart.VERDICTS}


def _ago(at: float, now: float) -> str:
    return f"{lasting(max(now - at, 0.0))} ago"


def _ahead(at: str, now: float) -> str:
    left = datetime.fromisoformat(at).timestamp() - now
    return f"in {lasting(left)}" if left > 0 else "now"
