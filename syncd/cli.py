"""The command line: finds the command, prints what went wrong in one place, and exits."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any, NoReturn, cast

import click

from syncd import __version__, outlet, unicode_mode
from syncd.commands import TABLE
from syncd.commands.base import Globals, as_usage_error, global_options, globals_of
from syncd.errors import EXIT_BUG, EXIT_OK, EXIT_USAGE, ConfigError, SyncdError, gravest

_INTERRUPTED = 130


class Commands(click.Group):
    """The commands of ``TABLE``; each is imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order of the help."""
        return list(TABLE)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        entry = TABLE.get(cmd_name)
        if entry is None:
            return None
        module = importlib.import_module(f"syncd.commands.{entry.module}")
        return cast(click.Command, module.COMMANDS[cmd_name])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or tell the nearest known one."""
        if args and args[0] not in TABLE and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], TABLE, n=1, cutoff=0.5)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            raise click.UsageError(f'there is no command "{args[0]}"{hint}', ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands by what they are for, without importing any."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, entry in TABLE.items():
            sections.setdefault(entry.section, []).append((name, entry.help))
        widest = max(map(len, TABLE))
        for section, rows in sections.items():
            with formatter.section(section):
                formatter.write_dl([(name.ljust(widest), text) for name, text in rows])


def _version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    given = globals_of(ctx)
    if given.as_json:
        given.show_json({"schema": "syncd.version/1", "version": __version__})
    else:
        given.out(f"syncd {__version__}\n")
    ctx.exit()


cli = Commands(
    "syncd",
    help="Keeps FastGPT datasets an exact, proven mirror of folders of documents.",
    epilog="Start with `syncd demo`. `syncd explain` lists exit codes and what to do.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    params=[
        *global_options(),
        click.Option(
            ["--version"],
            is_flag=True,
            expose_value=False,
            callback=_version,
            help="Show the version and exit.",
        ),
    ],
)


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """The entry point of the ``syncd`` script."""
    if argv is None:
        unicode_mode.enter()
    outlet.install()
    code = run(argv)
    _tell_loss()
    sys.exit(code)


def _tell_loss() -> None:
    """Say on the one stream that the other one is not complete; the exit code speaks of the work alone."""
    for stream, name, other in ((sys.stdout, "output", sys.stderr), (sys.stderr, "error", sys.stderr)):
        loss = outlet.take_loss(stream)
        if loss is not None and loss.reason:
            other.write(f"warning: standard {name} took no more ({loss.reason}): {loss.lines} of its lines are lost\n")


def run(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; nothing escapes but ``SystemExit`` of shell completion."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        # A name on disk need not be Unicode, and a stream need not take Unicode; neither may end the program.
        reconfigure: Any = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    args = list(sys.argv[1:] if argv is None else argv)
    given = Globals()
    try:
        return _guarded(args, given)
    except KeyboardInterrupt:
        given.err("interrupted\n")
        return _INTERRUPTED


def _guarded(args: list[str], given: Globals) -> int:
    try:
        result = cli.main(args=args, prog_name="syncd", standalone_mode=False, obj=given)
    except click.exceptions.NoArgsIsHelpError as error:
        given.err(error.format_message() + "\n")
        return EXIT_USAGE
    except click.ClickException as error:
        # Options behind the mistake were not read; the one that decides how to answer is looked for.
        given.as_json = given.as_json or "--json" in args
        return _report(as_usage_error(error), given)
    except click.Abort:
        raise KeyboardInterrupt from None
    except SyncdError as error:
        return _report(error, given)
    except BaseExceptionGroup as group:
        return _report_group(group, given)
    except KeyboardInterrupt:
        raise
    except Exception as error:
        return _report_bug(error, given)
    return result if isinstance(result, int) else EXIT_OK


# ---------------------------------------------------------------- what went wrong, printed here alone


def _report(error: SyncdError, given: Globals) -> int:
    """Message and hint on stderr; with ``--json`` the error document on stdout as well."""
    from syncd.report import terminal, text
    from syncd.report.human import printable

    look = terminal.look(sys.stderr)
    problems = error.problems if isinstance(error, ConfigError) else [error.message]
    label = text.style("error:", look, tone="red", bold=True)
    given.err("".join(f"{label} {printable(problem)}\n" for problem in problems))
    if error.hint:
        given.err(f"{text.style('hint:', look, tone='cyan')} {printable(error.hint)}\n")
    if given.as_json:
        document: dict[str, Any] = {
            "schema": "syncd.error/1",
            "exit_code": error.exit_code,
            "error": {"code": error.code, "message": error.message, "hint": error.hint},
        }
        if isinstance(error, ConfigError):
            document["problems"] = error.problems
        given.show_json(document)
    return error.exit_code


def _report_group(group: BaseExceptionGroup[BaseException], given: Globals) -> int:
    """Several tasks failed at once: the gravest error speaks for them, unless one of them is a bug."""
    flat = _flat(group)
    if any(isinstance(error, KeyboardInterrupt) for error in flat):
        raise KeyboardInterrupt
    known = [error for error in flat if isinstance(error, SyncdError)]
    if len(known) < len(flat):
        return _report_bug(group, given)
    worst = gravest({error.exit_code for error in known})
    return _report(next(error for error in known if error.exit_code == worst), given)


def _flat(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (_flat(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]


def _report_bug(error: BaseException, given: Globals) -> int:
    """What nobody foresaw: short, and with the traceback only for who asks; a damaged ledger explains anything."""
    if given.verbosity:
        import traceback

        # Without the local variables of the frames: those are where secrets live.
        given.err("".join(traceback.format_exception(error)))
    if given.ledger is not None:
        from syncd.ledger import soundness

        damage = soundness.blamed(given.ledger)
        if damage is not None:
            return _report(damage, given)
    found = SyncdError(
        f"this is a bug in syncd: {type(error).__name__}: {error}",
        hint="please report it with what `-v` prints; the ledger is safe, the same command may be run again",
    )
    found.exit_code = EXIT_BUG
    found.code = "bug"
    return _report(found, given)


if __name__ == "__main__":
    main()
