"""What all commands share: the global options, the one door to stdout and stderr, the configuration."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

import click

from syncd.errors import EXIT_USAGE, SyncdError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from syncd.config import Config
    from syncd.logs import Redactor
    from syncd.report import Report


@dataclass(slots=True)
class Globals:
    """The global options of one call, and its output.

    Everything that is printed goes through ``out`` and ``err``, which take out secrets and what terminals and CI
    systems would obey, and outlive a stream that takes nothing.
    """

    config_path: str | None = None
    as_json: bool = False
    quiet: bool = False
    verbosity: int = 0
    redactor: Redactor | None = None
    ledger: Path | None = None  # of the configuration that was read
    _deaf: set[str] = field(default_factory=set)

    # ------------------------------------------------------------ output

    def out(self, text: str, *, orders: bool = False) -> None:
        """Write text that ends its own lines to stdout; with ``orders`` its lines are meant for a CI system."""
        self._write(sys.stdout, "stdout", text if orders else self._harmless(sys.stdout, text))

    def err(self, text: str) -> None:
        """Write text that ends its own lines to stderr."""
        self._write(sys.stderr, "stderr", self._harmless(sys.stderr, text))

    def note(self, line: str) -> None:
        """Say something on the way, on stderr; not with ``-q``."""
        if not self.quiet:
            self.err(line + "\n")

    def _harmless(self, stream: TextIO, text: str) -> str:
        from syncd.harmless import harmless
        from syncd.report import terminal

        return harmless(text, colours=terminal.look(stream).colour)

    def _write(self, stream: TextIO, name: str, text: str) -> None:
        if name in self._deaf or not text:
            return
        if self.redactor is not None:
            text = self.redactor.line(text)
        try:
            # Whether there are colours in it was decided before; click must not take them out again.
            click.echo(text, file=stream, nl=False, color=True)
            stream.flush()
        except (OSError, ValueError):
            # A stream of a process (`outlet.py`) never does this. Neither work nor exit code depend on words.
            self._deaf.add(name)

    def show(self, report: Report) -> None:
        """Print what a command found out, for the one who asked: a program or a person."""
        if self.as_json:
            self.show_json(report.document)
        else:
            from syncd.report import terminal, text

            self.out(text.render(report, terminal.look(sys.stdout)))

    def show_json(self, document: dict[str, Any]) -> None:
        """Print the one JSON document."""
        from syncd.report import jsontext

        encoding = sys.stdout.encoding or "utf-8"
        self._write(sys.stdout, "stdout", jsontext.render(document, indent=sys.stdout.isatty(), encoding=encoding))

    # ------------------------------------------------------------ configuration and logs

    def load(self, path: Path | None = None, env: Mapping[str, str] | None = None) -> Config:
        """Read the configuration and set logging up, so that no line can hold the key.

        Raises:
            ConfigError: with every problem.
        """
        from syncd import config, coredumps

        given = os.environ if env is None else env
        loaded = config.load(config.find(self.config_path, given) if path is None else path, env=given)
        coredumps.off()
        self.ledger = loaded.ledger.path
        self.configure_logs(loaded.secrets())
        for warning in loaded.warnings:
            self.note(f"warning: {warning}")
        return loaded

    def configure_logs(self, secrets: Iterable[str] = ()) -> None:
        """Silent, unless ``-v`` (what was done) or ``-vv`` (everything) asks: a command tells its story itself."""
        import logging

        from syncd import logs

        self.redactor = logs.Redactor(secrets)
        if self.verbosity and not self.quiet:
            logs.configure(logging.INFO if self.verbosity == 1 else logging.DEBUG, json=False, secrets=secrets)
            return
        logging.getLogger(logs.ROOT).setLevel(logging.CRITICAL + 1)
        # Without any handler Python prints warnings of libraries to stderr.
        logging.getLogger().addHandler(logging.NullHandler())


def globals_of(ctx: click.Context) -> Globals:
    """The global options of the running call."""
    return ctx.ensure_object(Globals)


# ---------------------------------------------------------------- options that stand before or after the command


def _keep(name: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    def callback(ctx: click.Context, _parameter: click.Parameter, value: Any) -> Any:
        given = globals_of(ctx)
        if name == "verbosity":
            given.verbosity += value
        elif value:
            setattr(given, name, value)
        return value

    return callback


def global_options() -> list[click.Option]:
    """The options of design 7, fresh for each command; what stands nearer to the end wins."""
    return [
        click.Option(
            ["--config"],
            metavar="FILE",
            expose_value=False,
            callback=_keep("config_path"),
            help="The configuration; without it SYNCD_CONFIG, ./config.toml and the usual places.",
        ),
        click.Option(
            ["--json"],
            is_flag=True,
            is_eager=True,  # --version asks for it
            expose_value=False,
            callback=_keep("as_json"),
            help="Print exactly one JSON document on stdout.",
        ),
        click.Option(
            ["-q", "--quiet"],
            is_flag=True,
            expose_value=False,
            callback=_keep("quiet"),
            help="Only results and errors.",
        ),
        click.Option(
            ["-v", "--verbose"],
            count=True,
            expose_value=False,
            callback=_keep("verbosity"),
            help="Logs on stderr; -vv with everything, and tracebacks of bugs.",
        ),
    ]


class Command(click.Command):
    """A command that takes the global options too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._globals = global_options()
        self.params += self._globals

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The command's own options first, the global ones in a section of their own."""
        for title, chosen in (("Options", False), ("Global options", True)):
            rows = [
                row
                for option in self.get_params(ctx)
                if isinstance(option, click.Option)
                and (option in self._globals) is chosen
                and (row := option.get_help_record(ctx)) is not None
            ]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


class DurationType(click.ParamType[float]):
    """A length of time as the configuration writes it: 30s, 5m, 1h30m."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        if isinstance(value, float):
            return value
        from syncd.durations import parse_duration

        try:
            return parse_duration(str(value))
        except ValueError as error:
            self.fail(f"{value!r} {error}", param, ctx)


DURATION = DurationType()


# ---------------------------------------------------------------- names of sources


def chosen_sources(config: Config, names: Iterable[str], *, also: Iterable[str] = ()) -> list[str] | None:
    """The sources a person named, each once; ``None`` when nobody named any.

    Args:
        config: the configuration.
        names: as given.
        also: further names that are right, such as sources that only the ledger knows.

    Raises:
        UsageError: there is no such source; the nearest name is told.
    """
    known = [source.name for source in config.sources]
    wanted = list(dict.fromkeys(names))
    for name in wanted:
        if name not in known and name not in also:
            raise unknown(f'there is no source "{name}"', name, [*known, *also], "sources")
    return wanted or None


def unknown(message: str, word: str, known: Iterable[str], noun: str) -> UsageError:
    """The error that refuses a word and tells the nearest known ones."""
    import difflib

    candidates = sorted(set(known))
    near = difflib.get_close_matches(word, candidates, n=1, cutoff=0.5)
    if near:
        return UsageError(f'{message}; did you mean "{near[0]}"?')
    shown = ", ".join(candidates[:12]) + (", …" if len(candidates) > 12 else "")
    return UsageError(message, hint=f"{noun}: {shown}" if candidates else "")


def as_usage_error(error: click.ClickException) -> SyncdError:
    """What click found wrong with the command line, as an error of ours."""
    ctx = getattr(error, "ctx", None)
    hint = f"`{ctx.command_path} --help` shows how it is used" if ctx is not None else ""
    made = UsageError(error.format_message(), hint=hint)
    made.exit_code = EXIT_USAGE
    return made
