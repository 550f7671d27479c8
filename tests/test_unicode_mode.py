"""A locale that is not Unicode's changes neither names nor content; a closed terminal leaves nothing behind."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_site import Site, clean_environment

from syncd import unicode_mode

LOCALES = (("de_DE", "ISO-8859-1"), ("zh_CN", "GBK"))


@pytest.mark.parametrize("names", ["utf-8", "UTF-8", "utf8"])
def test_a_unicode_locale_needs_no_second_start(names: str) -> None:
    """The usual case costs nothing."""
    assert None is unicode_mode.again(["python", "syncd"], {}, names=names, output="utf-8")


def test_another_locale_starts_once_more() -> None:
    """Arguments become UTF-8, output stays the terminal's, and the second start is the last one."""
    found = unicode_mode.again(["python", "-m", "syncd", "search", "年假"], {"A": "b"}, names="gbk", output="gbk")

    assert found is not None
    arguments, env = found
    assert [b"python", b"-m", b"syncd", b"search", "年假".encode()] == arguments
    assert {"A": "b", "PYTHONUTF8": "1", "PYTHONIOENCODING": "gbk:backslashreplace"} == env
    assert None is unicode_mode.again(["python"], env, names="gbk", output="gbk")


def _locale(folder: Path, language: str, charmap: str) -> dict[str, str]:
    """The environment of a locale that is compiled into a folder; skipped where its sources are not installed."""
    tool = shutil.which("localedef")
    made = tool and subprocess.run(
        [tool, "-f", charmap, "-i", language, str(folder / f"{language}.{charmap}")], capture_output=True, check=False
    )
    if not made or made.returncode:
        assert os.environ.get("CI") != "true", "CI installs the sources of locales"
        pytest.skip("the sources of locales are not installed (Debian's package locales)")
    return {"LOCPATH": str(folder), "LC_ALL": f"{language}.{charmap}"}


@pytest.mark.parametrize(("language", "charmap"), LOCALES)
def test_the_demo_runs_in_any_locale(tmp_path: Path, language: str, charmap: str) -> None:
    """Chinese names and texts are proven where the locale knows no Chinese, or knows it in another encoding."""
    env = _locale(tmp_path, language, charmap) | {"TMPDIR": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-m", "syncd", "demo", "--json"],
        env=clean_environment(**env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=90,
        check=False,
    )

    assert 0 == ended.returncode, ended.stderr.decode(charmap, "replace")
    shown = "制度/年假.md" if charmap == "GBK" else "\\u5236\\u5ea6/\\u5e74\\u5047.md"
    assert shown in ended.stderr.decode(charmap)


def test_a_demo_whose_terminal_closes_cleans_up(tmp_path: Path) -> None:
    """Closing the window ends the local FastGPT and removes the folder, as Ctrl-C does."""
    site = Site(tmp_path, env={"TMPDIR": str(tmp_path), "TERM": "dumb"})
    before = set(os.listdir(tmp_path))
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        site.command("demo"),
        cwd=tmp_path,
        env=clean_environment(**site.env),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = ""
    while "\n3." not in shown:
        shown += os.read(ours, 4096).decode()
    os.close(ours)
    process.send_signal(signal.SIGHUP)  # the kernel's word to whoever has the terminal as its own

    assert 128 + signal.SIGHUP == process.wait(60)
    assert before == set(os.listdir(tmp_path))
