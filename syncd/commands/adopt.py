"""`syncd adopt`: rebuild a lost ledger from the markers on the server."""

from __future__ import annotations

import click

from syncd.commands import TABLE
from syncd.commands.base import Command, chosen_sources, globals_of


@click.command("adopt", cls=Command, help=TABLE["adopt"].help)
@click.argument("sources", metavar="[SOURCE]...", nargs=-1)
@click.option("--take", is_flag=True, help="Also collections that carry our marker but match no file here.")
@click.pass_context
def adopt(ctx: click.Context, sources: tuple[str, ...], take: bool) -> int:
    """Nothing is uploaded or deleted; the next pass proves what was adopted."""
    import asyncio

    from syncd.report import Lines, Report
    from syncd.report.human import count

    given = globals_of(ctx)
    config = given.load()
    names = chosen_sources(config, sources)

    async def work() -> tuple[dict[str, int], int | None]:
        from syncd import service

        async with service.engine(config) as engine, service.signals(engine.stop) as caught:
            return await engine.adopt(names, take=take), caught()

    counts, signal = asyncio.run(work())
    lines = [f"{count(counts.get('adopted', 0), 'collection')} adopted; the next `syncd sync` proves them"]
    said = {
        "arrived": "had arrived late and are known now",
        "doubles": "are doubles and were hidden",
        "lost": "are not on the server any more and will be sent again",
    }
    lines += [f"{counts[name]} {text}" for name, text in said.items() if counts.get(name)]
    if counts.get("unclaimed"):
        lines.append(f"{counts['unclaimed']} carry our marker but match no file here; `syncd adopt --take` takes them")
    given.show(Report("adopt", {"counts": counts, "taken": take}, (Lines(tuple(lines)),)))
    return 0 if signal is None else 128 + signal


COMMANDS = {"adopt": adopt}
