"""`syncd retry`, `release` and `rollback`: what a person decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syncd.commands import TABLE, lastgood
from syncd.commands.base import Command, chosen_sources, globals_of

if TYPE_CHECKING:
    from syncd.config import Config
    from syncd.report import Report

_SOURCE = click.option("--source", metavar="NAME", help="The source, when several have such a path.")


@click.command("retry", cls=Command, help=TABLE["retry"].help)
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that are quarantined or failing, as without a PATH.")
@click.option("--outdated", is_flag=True, help="Send again what was sent in an older way and would gain by today's.")
@click.option("--per-minute", type=click.IntRange(1), metavar="N", help="With --outdated: so many at a time.")
@_SOURCE
@click.pass_context
def retry(
    ctx: click.Context,
    paths: tuple[str, ...],
    everything: bool,
    outdated: bool,
    per_minute: int | None,
    source: str | None,
) -> None:
    """The next pass tries them again."""

    from syncd import decisions
    from syncd.commands.asking import ask
    from syncd.commands.reading import by_source, find_document, ledger_if_any
    from syncd.errors import UsageError
    from syncd.ledger import Ledger
    from syncd.report import Lines, Report
    from syncd.report.human import count

    if paths and everything:
        raise UsageError("name documents or give --all, not both", hint="`syncd ls --state quarantined` lists them")
    if outdated and (paths or everything):
        raise UsageError("--outdated chooses the documents itself", hint="`syncd status` says how many there are")
    if per_minute is not None and not outdated:
        raise UsageError("--per-minute belongs to --outdated", hint="`syncd retry --help` shows both")
    given = globals_of(ctx)
    config = lastgood.load(given)
    chosen_sources(config, [source] if source else [])
    if outdated:
        given.show(_outdated(config, source, per_minute))
        return
    groups: dict[str | None, list[str] | None] = {source: None}
    if paths:
        with ledger_if_any(config) as known:
            keys = [find_document(config, known, path, source) for path in paths]
        groups = dict(by_source(keys).items())
    when = "now, by the service"
    answers = [ask(config, "retry", {"paths": group, "source": name}) for name, group in groups.items()]
    if None not in answers:
        number = sum(answer["count"] for answer in answers if answer is not None)
    else:
        when = "by the next `syncd sync`"
        ledger = Ledger(config.ledger.path)
        try:
            number = sum(decisions.retry(ledger, config, group, name) for name, group in groups.items())
        finally:
            ledger.close()
    said = f"{count(number, 'document')} will be tried again {when}" if number else "nothing to retry"
    given.show(Report("retry", {"count": number}, (Lines((said,)),)))


def _outdated(config: Config, source: str | None, per_minute: int | None) -> Report:
    """Have the documents sent anew that were sent in an older way: by the service bit by bit, else all of them."""
    import time

    from syncd import outdated
    from syncd.commands.asking import ask
    from syncd.ledger import Ledger
    from syncd.report import Lines, Report
    from syncd.report.human import count

    rate = per_minute or outdated.PER_MINUTE
    answer = ask(config, "retry", {"outdated": True, "per_minute": rate, "source": source})
    if answer is not None:
        number, when = answer["count"], f"by the service, {rate} a minute"
    else:
        when = "by the next `syncd sync`"
        if per_minute is not None:
            when = f"by `syncd sync`, which takes those that are due: {per_minute} now, and as many in each minute"
        ledger = Ledger(config.ledger.path)
        try:
            sources = [one for one in config.sources if source in (None, one.name)]
            number = outdated.ask(ledger, sources, time.time(), per_minute)
        finally:
            ledger.close()
    said = f"{count(number, 'document')} will be sent again {when}" if number else "nothing was sent in an older way"
    return Report("retry", {"count": number}, (Lines((said,)),))


@click.command("release", cls=Command, help=TABLE["release"].help)
@click.argument("source")
@click.option("--emptied", is_flag=True, help="The folder was emptied on purpose.")
@click.option("--hold", metavar="ID", help="The hold as it was shown; without it the one that was shown last.")
@click.pass_context
def release(ctx: click.Context, source: str, emptied: bool, hold: str | None) -> None:
    """Let exactly the deletions of SOURCE go that `syncd status` or `syncd sync` showed, once."""
    import time

    from syncd import decisions
    from syncd.commands.asking import ask
    from syncd.commands.reading import ledger_if_any
    from syncd.ledger import Ledger, remote
    from syncd.report import Lines, Report

    given = globals_of(ctx)
    config = lastgood.load(given)
    with ledger_if_any(config) as known:
        chosen_sources(config, [source], also=[] if known is None else remote.source_names(known.conn))
    answer = ask(config, "release", {"source": source, "emptied": emptied, "hold": hold})
    if answer is None:
        ledger = Ledger(config.ledger.path)
        try:
            released = decisions.release(ledger, source, time.time(), emptied=emptied, hold=hold)
        finally:
            ledger.close()
        answer = {
            "source": source,
            "emptied": emptied,
            "hold": released.hold,
            "paths": released.paths,
            "came_since": released.came_since,
            "message": released.sentence("the next `syncd sync` carries them out"),
        }
    lines = [*(f"  {path}" for path in answer["paths"]), str(answer["message"])]
    given.show(Report("release", answer, (Lines(tuple(lines)),)))


@click.command("rollback", cls=Command, help=TABLE["rollback"].help)
@click.argument("path")
@_SOURCE
@click.pass_context
def rollback(ctx: click.Context, path: str, source: str | None) -> int:
    """Show the version of PATH before the last one again, without an upload."""
    import asyncio

    from syncd.commands.asking import ask
    from syncd.commands.reading import find_document, ledger_if_any
    from syncd.report import Lines, Report

    given = globals_of(ctx)
    config = given.load()
    with ledger_if_any(config) as known:
        key = find_document(config, known, path, source)
    answer = ask(config, "rollback", {"source": key.source, "path": key.path})
    if answer is not None:
        given.show(Report("rollback", answer, (Lines((answer["message"],)),)))
        return 0

    async def work() -> tuple[str, str, str, int | None]:
        from syncd import decisions, service

        async with service.engine(config) as engine, service.signals(engine.stop) as caught:
            sentence = await decisions.rollback(engine, key.path, key.source)
            return key.source, key.path, sentence, caught()

    name, found, sentence, signal = asyncio.run(work())
    given.show(Report("rollback", {"source": name, "path": found, "message": sentence}, (Lines((sentence,)),)))
    return 0 if signal is None else 128 + signal


COMMANDS = {"retry": retry, "release": release, "rollback": rollback}
