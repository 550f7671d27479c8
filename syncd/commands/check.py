"""`syncd check`: the configuration alone, offline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from syncd.commands import TABLE
from syncd.commands.base import Command, globals_of

if TYPE_CHECKING:
    from syncd.config import Config


@click.command("check", cls=Command, help=TABLE["check"].help)
@click.pass_context
def check(ctx: click.Context) -> None:
    """Every problem with its place; without any, what is in effect."""
    from syncd.report import Finding, Level, Lines, Report

    given = globals_of(ctx)
    config = given.load()  # a ConfigError with every problem ends here
    missing = [
        f"source {source.name}: there is no folder {source.path} yet"
        for source in config.sources
        if not source.path.is_dir()
    ]
    parts: list[Any] = [_summary(config), _sources(config)]
    parts += [Finding(Level.WARNING, "warning", text) for text in missing]
    parts.append(Lines((f"{config.path}: no problems",)))
    data = {
        "ok": True,
        "file": str(config.path),
        "problems": [],
        "warnings": [*config.warnings, *missing],
        "effective": plain(config),
    }
    given.show(Report("check", data, tuple(parts)))


def _summary(config: Config) -> Any:
    from syncd.durations import format_duration
    from syncd.report import Column, Table

    server = config.fastgpt
    rows = [
        ("server", server.base_url),
        ("key from", server.api_key_origin),
        ("time-outs", f"{format_duration(server.timeout)}, uploads {format_duration(server.upload_timeout)}"),
        ("at most", f"{server.uploads} uploads at once, {server.search_tests_per_second:g} search tests a second"),
        ("ledger", str(config.ledger.path)),
        ("space", config.ledger.space or "(none; `[ledger] space` names one)"),
    ]
    return Table((Column("setting"), Column("in effect")), tuple(rows))


def _sources(config: Config) -> Any:
    from syncd.durations import format_duration
    from syncd.report import Column, Table

    return Table(
        (
            Column("source"),
            Column("folder"),
            Column("dataset"),
            Column("include"),
            Column("exclude"),
            Column("deletions"),
        ),
        tuple(
            (
                source.name,
                str(source.path),
                source.dataset + (f" / {source.folder}" if source.folder else ""),
                " ".join(source.include) or "every readable format",
                " ".join(source.exclude) or "-",
                f"up to {source.delete.max_count}, {source.delete.max_percent:g}%, "
                f"after {format_duration(source.delete.grace)}",
            )
            for source in config.sources
        ),
        empty="no source is configured",
    )


def plain(value: Any) -> Any:
    """Configuration values as JSON has them; a secret shows itself as ***."""
    import dataclasses

    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


COMMANDS = {"check": check}
