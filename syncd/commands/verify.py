"""`syncd verify`: proofs and golden questions again, for documents that serve."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from syncd.commands import TABLE
from syncd.commands.base import Command, Globals, chosen_sources, globals_of

if TYPE_CHECKING:
    from syncd.config import Config
    from syncd.report import Report


@click.command("verify", cls=Command, help=TABLE["verify"].help)
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All documents; the same as naming none.")
@click.option("--sample", metavar="N/T", help="A share of the documents, another one each day: 1/7.")
@click.option("--source", metavar="NAME", help="Only this source.")
@click.option(
    "--baseline",
    metavar="FILE",
    help="Compare golden questions with those of an earlier run; written when it is missing. Exit code 7 when worse.",
)
@click.option("--junit", "junit_file", metavar="FILE", help="Write the results as JUnit's XML.")
@click.option("--format", "format_", type=click.Choice(["text", "json", "github"]), help="text without it.")
@click.pass_context
def verify(
    ctx: click.Context,
    paths: tuple[str, ...],
    everything: bool,
    sample: str | None,
    source: str | None,
    baseline: str | None,
    junit_file: str | None,
    format_: str | None,
) -> int:
    """Failed questions make exit code 4, golden questions that got worse 7."""
    import asyncio

    from syncd import golden
    from syncd.errors import EXIT_REGRESSED, EXIT_USAGE, UsageError, gravest
    from syncd.report import verdicts

    if (bool(paths) + everything + (sample is not None)) > 1:
        raise UsageError("paths, --all and --sample exclude each other")
    given = globals_of(ctx)
    config = given.load()
    chosen_sources(config, [source] if source else [])
    before = None if baseline is None else _baseline(baseline)
    rows, problems, metrics, code = asyncio.run(_verify(given, config, paths, everything, sample, source))
    worse = [] if before is None else golden.worse(before, rows)
    if worse and code < 128:
        code = gravest({code, EXIT_REGRESSED} - {0})
    report = _report(rows, problems, metrics, code, worse)
    if format_ == "json" or given.as_json:
        given.show_json(report.document)
    elif format_ == "github":
        given.out(verdicts.github(rows, worse, problems, _files(config, rows)), orders=True)
        given.note("\n".join(_summary(rows, metrics)))
    else:
        given.show(report)
    # Last: what was found is told, whatever becomes of these files.
    files = {} if junit_file is None else {junit_file: verdicts.junit(rows, worse, problems)}
    if baseline is not None and before is None:
        files[baseline] = json.dumps(report.document, ensure_ascii=False, indent=2) + "\n"
    unwritten = [problem for file, text in files.items() if (problem := _write(file, text))]
    for problem in unwritten:
        given.err(f"error: {problem}\n")
    if baseline in files and not unwritten:
        given.note(f"the baseline is written to {baseline}")
    return EXIT_USAGE if unwritten else code


def _baseline(file: str) -> dict[str, Any] | None:
    """An earlier run's document, ``None`` when there is none yet.

    Raises:
        UsageError: the file is something else.
    """
    from syncd.errors import UsageError

    try:
        with open(file, encoding="utf-8") as stream:
            found = json.load(stream)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UsageError(
            f"the baseline {file} cannot be read: {error}", hint="name a file that an earlier run wrote"
        ) from error
    if (
        not isinstance(found, dict)
        or found.get("schema") != "syncd.verify/1"
        or not isinstance(found.get("results"), list)
    ):
        raise UsageError(f"{file} is not a baseline of `syncd verify`", hint="name a file that an earlier run wrote")
    return found


def _write(file: str, text: str) -> str:
    """Write a file; returns why it could not be, or ""."""
    try:
        with open(file, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(text)
    except OSError as error:
        return f"cannot write {file}: {error.strerror}"
    return ""


def _files(config: Config, rows: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """Where each document stands, as seen from here: the repository in CI."""
    import os

    roots = {source.name: source.path for source in config.sources}
    return {
        (row["source"], row["path"]): os.path.relpath(os.path.join(roots[row["source"]], row["path"])) for row in rows
    }


async def _verify(
    given: Globals,
    config: Config,
    paths: tuple[str, ...],
    everything: bool,
    sample: str | None,
    source: str | None,
) -> tuple[list[dict[str, Any]], list[str], dict[str, Any], int]:
    from syncd import golden, service, verify
    from syncd.commands.reading import by_source, find_document
    from syncd.commands.sync import display_for
    from syncd.errors import gravest
    from syncd.live import shown
    from syncd.progress import Progress

    progress = Progress()
    display = display_for(given, progress)
    async with (
        service.engine(config, progress) as engine,
        shown(progress, display),
        service.signals(engine.stop) as caught,
    ):
        if paths:
            keys = [find_document(config, engine.ledger, path, source) for path in paths]
            reports = [
                await verify.verify(engine, paths=group, source=name, progress=progress)
                for name, group in by_source(keys).items()
            ]
        else:
            reports = [
                await verify.verify(engine, everything=everything, sample=sample, source=source, progress=progress)
            ]
        signal = caught()
    rows = [row for report in reports for row in report.results]
    problems = [problem for report in reports for problem in report.problems]
    code = gravest({report.exit_code for report in reports}) if signal is None else 128 + signal
    return rows, problems, golden.metrics(rows), code


def _report(
    rows: list[dict[str, Any]], problems: list[str], metrics: dict[str, Any], code: int, worse: list[str]
) -> Report:
    from syncd.report import Column, Finding, Level, Lines, Report, Table
    from syncd.report.human import shorten

    several = len({row["source"] for row in rows}) > 1
    failed = [row for row in rows if row["verdict"] != "found"]
    table = Table(
        (
            Column("document"),
            Column("kind"),
            Column("verdict", toned=True),
            Column("rank", right=True),
            Column("question"),
        ),
        tuple(
            (
                f"{row['source']}/{row['path']}" if several else row["path"],
                row["kind"],
                row["verdict"],
                "-" if row["rank"] is None else str(row["rank"]),
                shorten(" ".join(row["question"].split()), 70),
            )
            for row in failed
        ),
    )
    parts: list[Any] = [table]
    parts += [Finding(Level.WARNING, "question", problem) for problem in problems]
    parts += [Finding(Level.ERROR, "worse", line) for line in worse]
    parts.append(Lines(tuple(_summary(rows, metrics))))
    data = {"results": rows, "metrics": metrics, "problems": problems, "worse": worse, "exit_code": code}
    return Report("verify", data, tuple(parts))


def _summary(rows: list[dict[str, Any]], metrics: dict[str, Any]) -> list[str]:
    from syncd.report.human import count

    documents = len({(row["source"], row["path"]) for row in rows})
    found = sum(row["verdict"] == "found" for row in rows)
    return [f"{count(len(rows), 'question')} to {count(documents, 'document')}, {found} found", *_figures(metrics)]


def _figures(metrics: dict[str, Any]) -> list[str]:
    """A line for each kind of question; what was not asked is unmeasured, not perfect."""
    lines = []
    for title, figures in (("probes", metrics), ("golden questions", metrics["golden"])):
        told = ", ".join(f"{name} {figures[name]:.3f}" for name in figures if isinstance(figures[name], float))
        lines.append(f"{title}: {told or 'unmeasured'}")
    return lines


COMMANDS = {"verify": verify}
