"""The status page, rendered by Jinja2, which escapes whatever a file name may contain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape
from markupsafe import Markup, escape

from syncd import __version__
from syncd.durations import format_duration
from syncd.explain import HOLD_REASONS, remedy_for
from syncd.headline import of_status
from syncd.ledger.quality import added
from syncd.report.human import iso, lasting, moment, one_line, printable, telling_line
from syncd.web import chart
from syncd.web.facts import MOST_QUARANTINED, QUALITY_DAYS, Snapshot

STATES = ("verified", "proving", "indexing", "uploading", "waiting", "held", "quarantined", "retired")
_NAMED = 20  # held documents that are named
_FINDINGS = 50
_LONGEST_DETAIL = 160  # characters
_HITS = 5
_SPANS = (7, 14)  # days that are shown as long as there are no more
_WITH_AN_ID = frozenset({"uploaded", "adopted"})  # events whose detail is FastGPT's id: not for people
_GOOD = frozenset({"found", "shared"})


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["plain"] = lambda text: printable(str(text))
    made.filters["brief"] = lambda text, most=_LONGEST_DETAIL: _brief(one_line(str(text)), most)
    made.filters["remedy"] = _remedy
    made.filters["number"] = lambda count: f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return made


def render(
    snapshot: Snapshot,
    *,
    may_act: bool,
    may_search: bool = False,
    has_token: bool,
    now: float,
    part: bool = False,
    said: str = "",
    searched: Mapping[str, Any] | None = None,
) -> str:
    """The page; with ``part`` only what changes by itself.

    Args:
        snapshot: what is shown.
        may_act: whoever asks has shown the token.
        may_search: whoever asks may have the server search, which costs tokens.
        has_token: a token is configured at all.
        now: seconds since the epoch.
        part: leave the frame out.
        said: the answer to what was just asked for.
        searched: source, query and hits of a search.
    """
    status = snapshot.status
    service = status["service"]
    by_source = {row["source"]: row for row in added(snapshot.proofs, "source")}
    days = added(snapshot.proofs, "day")
    sources = [_source(row, by_source.get(row["name"]), now) for row in status["sources"]]
    span = next((span for span in _SPANS if not days or days[0]["day"] > now - span * 86400), QUALITY_DAYS)
    given_up = sum(source["counts"].get("quarantined", 0) for source in status["sources"])
    return (
        _environment()
        .get_template("live.html" if part else "page.html")
        .render(
            version=__version__,
            state=of_status(status),
            service=service,
            started=_when(service.get("started_at"), now),
            problems=_problems(service, now),
            sources=sources,
            held=[_hold(row, hold, now) for row in status["sources"] for hold in row["holds"]],
            waiting=[
                {**one, "source": row["name"]} for row in status["sources"] for one in row["waiting"]["documents"]
            ],
            more_waiting=sum(row["waiting"]["count"] - len(row["waiting"]["documents"]) for row in status["sources"]),
            quarantined=[_quarantined(row, now) for row in snapshot.quarantined],
            more_quarantined=max(given_up - MOST_QUARANTINED, 0),
            findings=status["findings"][:_FINDINGS],
            charts=[
                (name, chart.quality(days, now, span, width)) for name, width in (("wide", 640.0), ("narrow", 340.0))
            ],
            span=span,
            proofs=_whole(days),
            recent=[_event(row, now) for row in snapshot.recent],
            jobs=[
                {"name": name, "when": _when(at, now), "rule": service.get("schedule", {}).get(name, "")}
                for name, at in sorted(service.get("next", {}).items(), key=lambda job: str(job[1]))
                if at
            ],
            may_act=may_act,
            may_search=may_search,
            has_token=has_token,
            said=said,
            searched=None if searched is None else _found(searched),
            verdicts=chart.VERDICTS,
        )
    )


def refused(reason: str, *, login: bool) -> str:
    """The page of somebody who must show the token first, or asked for what cannot be."""
    return _environment().get_template("refused.html").render(reason=reason, login=login)


def confirm(source: str, hold: str, paths: list[str], came_since: int, grace: float | None) -> str:
    """The question before documents go.

    Args:
        source: whose documents.
        hold: the id of what was shown.
        paths: what would go.
        came_since: what is held as well, and would not.
        grace: seconds until what is hidden is deleted for good; ``None``: the source is not configured any more.
    """
    return (
        _environment()
        .get_template("confirm.html")
        .render(
            source=source,
            hold=hold,
            named=paths[:_NAMED],
            count=len(paths),
            came_since=came_since,
            grace=None if grace is None else format_duration(grace),
            at_once=grace == 0,
        )
    )


# ---------------------------------------------------------------- in a word


def _problems(service: Mapping[str, Any], now: float) -> list[dict[str, Any]]:
    found = []
    ledger, server = service.get("ledger", {}), service.get("server", {})
    if ledger.get("message"):
        since = _when(ledger.get("since"), now)
        found.append({"tone": "bad", "text": ledger["message"], "hint": ledger.get("hint", ""), "since": since})
    if server.get("message"):
        since = _when(server.get("since"), now)
        found.append({"tone": "bad", "text": server["message"], "hint": server.get("hint", ""), "since": since})
    for source, text in service.get("troubles", {}).items():
        found.append({"tone": "bad", "text": f"{source}: {text}", "hint": "", "since": None})
    refused = service.get("config", {}).get("refused")
    if refused:
        text = "A new configuration was refused, the old one stays: " + "; ".join(refused["problems"][:3])
        since = _when(refused.get("at"), now)
        found.append({"tone": "bad", "text": text, "hint": "`syncd check` shows every problem.", "since": since})
    return found


# ---------------------------------------------------------------- rows


def _source(row: Mapping[str, Any], proofs: Mapping[str, Any] | None, now: float) -> dict[str, Any]:
    counts = {state: row["counts"].get(state, 0) for state in STATES}
    return {
        **row,
        "bars": chart.shares(counts, STATES),
        "shown": [(state, counts[state]) for state in STATES if counts[state]],
        "total": sum(counts.values()),
        "scanned": _when(row["last_scan_at"], now),
        "proofs": None if proofs is None else {**proofs, "passed": _percent(proofs)},
    }


def _whole(days: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The proofs of all days together; ``None`` when there were none."""
    rows = list(days)
    if not rows:
        return None
    sums = {name: sum(row[name] for row in rows) for name in ("probes", *chart.VERDICTS)}
    mrr = sum(row["mrr"] * row["probes"] for row in rows) / sums["probes"]
    return {**sums, "mrr": mrr, "passed": _percent(sums)}


def _percent(row: Mapping[str, Any]) -> str:
    """How many probes found their document; never rounded up to all of them."""
    passed = sum(row[verdict] for verdict in _GOOD)
    if passed == row["probes"]:
        return "100 %"
    return f"{min(round(100 * passed / row['probes'], 1), 99.9):g} %"


def _hold(row: Mapping[str, Any], hold: Mapping[str, Any], now: float) -> dict[str, Any]:
    return {
        **hold,
        "source": row["name"],
        "title": HOLD_REASONS[hold["reason"]].title,
        "named": list(hold["paths"])[:_NAMED],
        "when": _when(hold.get("since"), now),
        "button": all(one["releasable"] and one["reason"] != "root-empty" for one in row["holds"]),
    }


def _quarantined(row: Mapping[str, Any], now: float) -> dict[str, Any]:
    return {
        **row,
        "remedy": remedy_for(str(row["code"]), row["path"]),
        "when": None if row["since"] is None else _time(row["since"], now),
    }


def _event(row: Mapping[str, Any], now: float) -> dict[str, Any]:
    detail = "" if row["event"] in _WITH_AN_ID else row["detail"]
    return {**row, "detail": detail, "when": _time(row["at"], now)}


def _found(searched: Mapping[str, Any]) -> dict[str, Any]:
    """A search with its first hits, each with the line that is nearest to the question."""
    hits = [{**hit, "line": telling_line(hit["text"], searched["query"])} for hit in searched["hits"][:_HITS]]
    return {**searched, "hits": hits}


# ---------------------------------------------------------------- moments


def _when(at: str | None, now: float) -> dict[str, str] | None:
    return _time(datetime.fromisoformat(at).timestamp(), now) if at else None


def _time(at: float, now: float) -> dict[str, str]:
    """A moment: as people say it, exactly, and for the machine."""
    if at > now:
        said = f"in {lasting(at - now)}"
    elif now - at < 1.5:
        said = "just now"
    else:
        said = f"{lasting(max(round(now - at), 2))} ago".replace(".0 s", " s")
    return {"said": said, "exact": moment(at), "iso": iso(datetime.fromtimestamp(at, UTC).timestamp()) or ""}


def _remedy(text: object) -> Markup:
    """A sentence in which commands stand between backticks."""
    parts = [escape(part) for part in printable(str(text)).split("`")]
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 and number < len(parts) - 1 else part
        for number, part in enumerate(parts)
    )


def _brief(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
