"""`syncd search`: one search test, shown with paths instead of ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from syncd.commands import TABLE
from syncd.commands.base import Command, chosen_sources, globals_of

if TYPE_CHECKING:
    from syncd.config import Config
    from syncd.fastgpt.client import Client
    from syncd.ledger import Ledger
    from syncd.report import Report

_MODES = ("mixedRecall", "embedding", "fullTextRecall")


@click.command("search", cls=Command, help=TABLE["search"].help)
@click.argument("query")
@click.option("--source", "sources", multiple=True, metavar="NAME", help="Only this source's dataset; repeatable.")
@click.option("--dataset", metavar="NAME|ID", help="Only this dataset.")
@click.option("--mode", type=click.Choice(_MODES), default="mixedRecall", show_default=True)
@click.option("--limit", type=click.IntRange(1, 100), default=10, show_default=True, help="Hits shown to people.")
@click.pass_context
def search(
    ctx: click.Context, query: str, sources: tuple[str, ...], dataset: str | None, mode: str, limit: int
) -> None:
    """Ask each dataset once."""
    import asyncio

    from syncd.errors import UsageError

    if not query.strip():
        raise UsageError("a search test needs a text")
    given = globals_of(ctx)
    config = given.load()
    names = chosen_sources(config, sources)
    found = asyncio.run(search_all(config, names, dataset, query, mode))
    given.show(report(query, mode, found, limit))


async def search_all(
    config: Config, names: list[str] | None, dataset: str | None, query: str, mode: str
) -> list[dict[str, Any]]:
    """Ask every chosen dataset once; each entry holds its hits."""
    from syncd import standing
    from syncd.commands.reading import ledger_if_any
    from syncd.service import make_client

    with ledger_if_any(config) as ledger:
        async with make_client(config) as client:
            chosen = await _datasets(config, ledger, client, names, dataset)
            conn = None if ledger is None else ledger.conn
            return [
                {**entry, "hits": standing.hits(conn, await client.search_test(entry["dataset_id"], query, mode=mode))}
                for entry in chosen
            ]


async def _datasets(
    config: Config, ledger: Ledger | None, client: Client, names: list[str] | None, dataset: str | None
) -> list[dict[str, Any]]:
    """The datasets to ask, each once; ids from the ledger, and from the server where no pass has bound one yet."""
    from syncd.errors import UsageError
    from syncd.ledger import remote

    found: dict[str, dict[str, Any]] = {}
    for source in config.sources:
        if names is not None and source.name not in names:
            continue
        row = None if ledger is None else remote.source(ledger.conn, source.name)
        bound = None if row is None else row.dataset_id
        if dataset is not None and dataset not in (source.dataset, bound):
            continue
        dataset_id = bound or await _look_up(client, source.dataset)
        if dataset_id is None:
            continue
        entry = found.setdefault(dataset_id, {"dataset_id": dataset_id, "dataset": source.dataset, "sources": []})
        entry["sources"].append(source.name)
    if not found and dataset is not None:
        dataset_id = await _look_up(client, dataset)
        if dataset_id is not None:
            found[dataset_id] = {"dataset_id": dataset_id, "dataset": dataset, "sources": []}
    if not found:
        raise UsageError("there is no such dataset on the server yet", hint="`syncd sync` makes the datasets")
    return list(found.values())


async def _look_up(client: Client, name: str) -> str | None:
    """A dataset's id by its name or id."""
    for known in await client.datasets(name):
        if name in (known.name, known.id):
            return str(known.id)
    return next((str(known.id) for known in await client.datasets() if known.id == name), None)


def report(query: str, mode: str, found: list[dict[str, Any]], limit: int = 10) -> Report:
    """The hits by dataset."""
    from syncd.report import Column, Report, Table
    from syncd.report.human import shorten, telling_line

    def place(hit: dict[str, Any]) -> str:
        return f"{hit['source']}/{hit['path']}" if hit["path"] else f"(not ours: {hit['collection_id']})"

    tables = tuple(
        Table(
            (Column("rank", right=True), Column("score", right=True), Column("document"), Column("passage")),
            tuple(
                (
                    str(hit["rank"]),
                    "-" if hit["score"] is None else f"{hit['score']:.3f}",
                    place(hit),
                    shorten(telling_line(hit["text"], query), 80),
                )
                for hit in entry["hits"][:limit]
            ),
            title=entry["dataset"],
            empty=f"{entry['dataset']}: nothing found",
        )
        for entry in found
    )
    return Report("search", {"query": query, "mode": mode, "datasets": found}, tables)


COMMANDS = {"search": search}
