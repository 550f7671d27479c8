"""Each command in an interpreter of its own, as people start it; most tests fork theirs (`nursery.py`)."""

from __future__ import annotations

import signal
import subprocess
import tempfile
from pathlib import Path

import nursery
import pytest
from cli_site import Site, clean_environment
from service_site import running

from syncd.commands import LATER, TABLE

# Every command once, in an order in which each has something to do, with its exit code.
STORY: tuple[tuple[int, str, ...], ...] = (
    (0, "init", "--config", "first.toml"),
    (0, "check"),
    (0, "doctor"),
    (0, "plan"),
    (0, "sync"),
    (0, "status"),
    (0, "ls"),
    (0, "history", "otters.md"),
    (0, "search", "walruses in the far north"),
    (0, "verify"),
    (0, "retry", "otters.md"),
    (6, "release", "docs"),
    (6, "rollback", "otters.md"),
    (0, "pause"),
    (75, "sync"),
    (0, "resume"),
    (75, "reload"),
    (0, "adopt"),
    (0, "backup", "copy.db"),
    (0, "scaffold", "docker"),
    (69, "healthcheck"),
    (0, "explain"),
    (0, "completion", "bash"),
)
ELSEWHERE = {"demo", "emulator", "run"}  # test_cli_demo.py, every test with a server, and the next one


def alone(site: Site, *args: str) -> subprocess.CompletedProcess[bytes]:
    """One command in an interpreter of its own."""
    return subprocess.run(
        site.command(*args),
        cwd=site.tmp,
        env=clean_environment(SYNCD_HTTP__LISTEN="127.0.0.1:9"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )


def test_every_command_in_an_interpreter_of_its_own(tmp_path: Path) -> None:
    """Each command imports what it needs: nothing else has read it before."""
    site = Site(tmp_path)
    site.fill(3)
    for code, *args in STORY:
        ended = alone(site, *args)
        assert (args, code) == (args, ended.returncode), (ended.stdout + ended.stderr).decode()
    assert set(TABLE) == {args[1] for args in STORY} | ELSEWHERE | set(LATER)


def test_a_service_in_an_interpreter_of_its_own(tmp_path: Path) -> None:
    """So does the service, from its start to its end."""
    site = Site(tmp_path)
    site.fill(1)
    with running(site, SYNCD_TEST_INTERPRETERS="1") as service:
        assert isinstance(service.process, subprocess.Popen)
        service.in_step()
        assert 0 == service.end()
    assert [] == service.events("bug")


@pytest.mark.skipif(not nursery.usable(clean_environment()), reason="here every process has an interpreter of its own")
def test_a_forked_process_is_a_process(tmp_path: Path) -> None:
    """What is forked has its own directory, environment and files, ends with its exit code, and can be killed."""
    site = Site(tmp_path)
    site.fill(1)
    given = clean_environment()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        found = [
            nursery.start(args, cwd=tmp_path, env={**given, **env}, stdout=out, stderr=err)
            for args, env in (
                (["sync", "-q"], {"SYNCD_CRASH_AT": "http.upload.after"}),
                (["nothing"], {}),
                (["status"], {"SYNCD_CONFIG": "absent.toml"}),
                (["--version"], {}),
            )
        ]
        assert [-signal.SIGKILL, 2, 78, 0] == [child.wait(60) for child in found]
        out.seek(0)
        err.seek(0)
        assert out.read().startswith(b"syncd ")
        told = err.read().decode()
    assert "absent.toml" in told
    assert "there is no command" in told
    assert len(found) == len({child.pid for child in found})
