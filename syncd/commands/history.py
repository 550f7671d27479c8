"""`syncd history`: what happened to one document, and its proofs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from syncd.commands import TABLE, lastgood
from syncd.commands.base import Command, globals_of

if TYPE_CHECKING:
    from syncd.ledger import Ledger
    from syncd.models import DocumentKey
    from syncd.report import Report


@click.command("history", cls=Command, help=TABLE["history"].help)
@click.argument("path")
@click.option("--source", metavar="NAME", help="The source, when several have such a path.")
@click.pass_context
def history(ctx: click.Context, path: str, source: str | None) -> None:
    """Events and proofs of PATH, oldest first."""
    from syncd.commands.reading import find_document, ledger_if_any
    from syncd.ledger import records

    given = globals_of(ctx)
    config = lastgood.load(given)
    with ledger_if_any(config) as ledger:
        key = find_document(config, ledger, path, source)
        assert ledger is not None  # noqa: S101 - a document was found in it
        events = records.history(ledger.conn, key.path, key.source)
        probes = records.proofs_of(ledger.conn, key.path, key.source)
        instead = _instead(ledger, probes)
    given.show(_report(key, events, probes, instead))


def _instead(ledger: Ledger, probes: list[dict[str, Any]]) -> dict[str, str]:
    """Collections that search gave where ours was missing, as SOURCE/PATH where they are ours."""
    import json

    from syncd.ledger import records

    ids = {one for row in probes if row["instead"] for one in json.loads(row["instead"])}
    places = records.path_of_collections(ledger.conn, sorted(ids))
    return {one: "/".join(places[one]) if one in places else f"collection {one}" for one in ids}


def _report(
    key: DocumentKey, events: list[dict[str, Any]], probes: list[dict[str, Any]], instead: dict[str, str]
) -> Report:
    import json

    from syncd.report import Column, Report, Table
    from syncd.report.human import iso, moment, shorten

    proofs: dict[int, dict[str, Any]] = {}
    for row in probes:
        row["instead"] = [instead[one] for one in json.loads(row["instead"] or "[]")]
        proof = proofs.setdefault(
            row["proof"],
            {
                "at": iso(row["at"]),
                "revision": row["revision"],
                "passed": bool(row["passed"]),
                "weak": row["weak"] or None,
                "failure": row["failure"] or None,
                "probes": [],
            },
        )
        if row["query"] is not None:
            proof["probes"].append(
                {name: row[name] for name in ("query", "mode", "verdict", "rank", "score", "instead")}
            )
    data = {
        "source": key.source,
        "path": key.path,
        "events": [
            {"at": iso(e["at"]), "event": e["event"], "revision": e["revision"], "detail": e["detail"]} for e in events
        ],
        "proofs": list(proofs.values()),
    }
    happened = Table(
        (Column("when"), Column("what"), Column("version"), Column("detail")),
        tuple((moment(e["at"]), e["event"], (e["revision"] or "")[:8], e["detail"]) for e in events),
        title=f"{key.source}/{key.path}",
        empty="nothing happened to it yet",
    )
    searched = Table(
        (
            Column("when"),
            Column("version"),
            Column("verdict", toned=True),
            Column("rank", right=True),
            Column("score", right=True),
            Column("mode"),
            Column("search test"),
            Column("found instead"),
        ),
        tuple(
            (
                moment(row["at"]),
                row["revision"][:8],
                row["verdict"],
                "-" if row["rank"] is None else str(row["rank"]),
                "-" if row["score"] is None else f"{row['score']:.3f}",
                row["mode"],
                shorten(" ".join(row["query"].split()), 70),
                shorten(", ".join(row["instead"]), 70) or "-",
            )
            for row in probes
            if row["query"] is not None
        ),
        title="proofs",
        empty="no proof yet",
    )
    return Report("history", data, (happened, searched))


COMMANDS = {"history": history}
