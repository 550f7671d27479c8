"""The frame of the command line: options, help, errors, and what is never imported too early."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nursery
import pytest
from cli_site import REPOSITORY, Site, clean_environment

from syncd import errors, explain
from syncd.cli import cli
from syncd.commands import LATER, TABLE
from syncd.models import HoldReason, Problem

HEAVY = ("httpx", "apscheduler", "sqlite_utils", "rich", "structlog", "yaml", "pypdf", "starlette", "uvicorn")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_imports_nothing_heavy(option: str) -> None:
    """`--help` and `--version` import none of the libraries that only the work needs."""
    script = (
        "import sys; from syncd.cli import run; code = run([sys.argv[1]])\n"
        f"loaded = [n for n in {HEAVY!r} if n in sys.modules]; print('LOADED', loaded); sys.exit(code)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, option],
        cwd=REPOSITORY,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, "LOADED []")


def test_tables_for_programs_and_files_need_no_rich(tmp_path: Path) -> None:
    """Without a terminal no table is drawn, so rich is not imported for it."""
    site = Site(tmp_path)
    script = "import sys; from syncd.cli import run; run(['explain']); sys.exit('rich' in sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=site.tmp, env=clean_environment(), capture_output=True, timeout=30
    )

    assert ended.returncode == 0


def test_every_command_exists_and_tells_its_help() -> None:
    """The table of commands is what the commands themselves say."""
    ctx = cli.make_context("syncd", ["sync"], resilient_parsing=True)
    for name, entry in TABLE.items():
        command = cli.get_command(ctx, name)
        assert command is not None
        assert (name, entry.help) == (command.name, command.help)


@pytest.mark.parametrize("name", LATER)
def test_promised_commands_say_not_yet(tmp_path: Path, name: str) -> None:
    """A command of a later version is there and says so."""
    result = Site(tmp_path).run(name, "--some", "thing", "--json", code=2)

    assert "not yet" in result.json["error"]["message"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["snyc"], 'did you mean "sync"?'),
        (["sync", "dcos"], 'did you mean "docs"?'),
        (["ls", "--stat", "held"], "--state"),
        (["sync", "--timeout", "soon"], "must be a duration"),
        (["explain", "70"], "there is no code"),
        (["retry", "a.md", "--all"], "not both"),
    ],
)
def test_usage_errors_end_with_2_and_help(tmp_path: Path, args: list[str], words: str) -> None:
    """A wrong word on the command line is answered with the right one."""
    site = Site(tmp_path)

    assert words in site.run(*args, code=2).err
    document = site.run(*args, "--json", code=2).json
    assert (document["schema"], document["exit_code"], document["error"]["code"]) == ("syncd.error/1", 2, "usage")


def test_no_command_shows_the_help(tmp_path: Path) -> None:
    """A bare `syncd` is a question, not a command."""
    assert "Getting started" in Site(tmp_path).run(code=2).err


def test_global_options_stand_before_or_after_the_command(tmp_path: Path) -> None:
    """--config and --json mean the same on both sides."""
    site = Site(tmp_path)
    (tmp_path / "config.toml").rename(tmp_path / "other.toml")

    before = site.run("--config", "other.toml", "--json", "-q", "status", code=0).json
    after = site.run("status", "-q", "--json", "--config", "other.toml", code=0).json
    assert before == after
    assert after["schema"] == "syncd.status/1"
    assert site.run("status").code == 78


def test_the_environment_names_the_configuration(tmp_path: Path) -> None:
    """SYNCD_CONFIG is looked at, and --config wins over it."""
    site = Site(tmp_path)
    (tmp_path / "config.toml").rename(tmp_path / "other.toml")

    site.run("status", code=0, SYNCD_CONFIG="other.toml")
    assert "absent.toml" in site.run("status", "--config", "absent.toml", code=78, SYNCD_CONFIG="other.toml").err


def test_version(tmp_path: Path) -> None:
    """The version, for people and for programs."""
    site = Site(tmp_path)

    assert site.run("--version", code=0).out.startswith("syncd ")
    assert site.run("--version", "--json", code=0).json["schema"] == "syncd.version/1"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(tmp_path: Path, shell: str) -> None:
    """Each shell gets its script, and the script's question is answered."""
    site = Site(tmp_path)

    assert "_SYNCD_COMPLETE" in site.run("completion", shell, code=0).out
    words = site.run(_SYNCD_COMPLETE="bash_complete", COMP_WORDS="syncd sta", COMP_CWORD="1").out
    assert "plain,status" in words


def test_a_closed_pipe_is_no_failure(tmp_path: Path) -> None:
    """`syncd explain | head -1` ends quietly."""
    site = Site(tmp_path)
    with site.running("explain") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        err = process.stderr.read()
        process.wait(timeout=60)
        process.stdout = None
        process.stderr.close()
        process.stderr = None

    assert (process.returncode, err) == (0, "")


# ---------------------------------------------------------------- every code is documented


def test_every_exit_code_is_explained() -> None:
    """Each exit code of the product has its meaning and its remedy."""
    codes = {value for name, value in vars(errors).items() if name.startswith("EXIT_") and isinstance(value, int)}

    assert {str(code) for code in codes} | {"130", "143"} == set(explain.EXIT_CODES)


@pytest.mark.parametrize(("which", "some"), [("events", "document.verified"), ("metrics", "syncd_documents")])
def test_contracts_are_listed(which: str, some: str, tmp_path: Path) -> None:
    """`explain events` and `explain metrics` list every name that machines rely on."""
    site = Site(tmp_path)
    rows = site.run("explain", which, "--json", code=0).json[which]
    assert some in {row["event" if which == "events" else "metric"] for row in rows}
    assert all(row["says"] for row in rows)
    assert some in site.run("explain", which, code=0).out


def test_every_error_of_a_document_is_explained() -> None:
    """Each error code of documents, and each reason of a hold."""
    assert {problem.value for problem in Problem} == {str(code) for code in explain.DOCUMENT_CODES}
    assert {reason.value for reason in HoldReason} == {str(code) for code in explain.HOLD_REASONS}


def test_every_error_of_a_run_is_explained() -> None:
    """Each class of error has a code that `explain` knows; those of documents have their own."""
    nursery.read_everything()  # every module may add errors of its own
    from syncd.reader.wire import GivenUp
    from syncd.work import Spent

    def below(kind: type[errors.SyncdError]) -> set[type[errors.SyncdError]]:
        return {kind}.union(*(below(child) for child in kind.__subclasses__()))

    kinds = {kind for kind in below(errors.SyncdError) if not issubclass(kind, errors.DocumentError)}
    kinds -= {GivenUp, Spent}  # caught by the pass in which they are raised

    assert {kind.code for kind in kinds} - set(explain.RUN_CODES) == set()


def test_every_word_of_a_report_is_explained() -> None:
    """Whoever reads a state, a verdict or a label in what syncd prints can ask what it means."""
    from syncd.models import Verdict
    from syncd.standing import STATES

    labels = {"orphan", "duplicate", "outranked", "skipped", "weak", "passage", "unproven"}
    known = {str(code) for table in explain.TABLES.values() for code in table}
    assert {*STATES, *(verdict.value for verdict in Verdict), *labels} - known == set()


def test_explain_answers_for_each_code(tmp_path: Path) -> None:
    """All codes in one table, one of them alone, and the same for programs."""
    site = Site(tmp_path)

    assert "held by the firewall" in site.run("explain", code=0).out
    assert "Over --timeout" not in site.run("explain", "69", code=0).out
    document = site.run("explain", "encoding-lost", "--json", code=0).json
    assert (document["schema"], [c["code"] for c in document["codes"]]) == ("syncd.explain/1", ["encoding-lost"])
