"""Runs inside a machine booted with systemd: starts the units for real, writes "ok NAME" or "FAIL NAME why".

The host (.ci/systemd) has put syncd into /opt/syncd and the units into /etc/systemd/system.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESULTS = Path("/results")
DOCS = Path("/srv/docs")
CONFIG = Path("/etc/syncd/config.toml")
DROP_INS = Path("/etc/systemd/system/syncd.service.d")
TEXT = "# {title}\n\nThe {title} is filled at seven, and its {word} is cleaned by the porter every Thursday.\n"
CONFIGURATION = """version = 1
[fastgpt]
base_url = "{url}"
search_tests_per_second = 50
[[source]]
name = "docs"
path = "{docs}"
dataset = "{dataset}"
settle = "{settle}"
"""


def systemctl(*words: str) -> tuple[int, str]:
    """Exit code and output."""
    done = subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def show(name: str, unit: str = "syncd.service") -> str:
    """One property of a unit."""
    return systemctl("show", unit, "-p", name, "--value")[1].strip()


def syncd(*words: str, config: Path = CONFIG, state: str = "syncd") -> tuple[int, str]:
    """A command of syncd as root, on the service's ledger."""
    env = {
        **os.environ,
        "SYNCD_CONFIG": str(config),
        "SYNCD_API_KEY": KEY,
        "STATE_DIRECTORY": f"/var/lib/private/{state}",
    }
    done = subprocess.run(["/opt/syncd/bin/syncd", *words], capture_output=True, text=True, env=env, check=False)
    return done.returncode, done.stdout + done.stderr


def until(what: Callable[[], Any], seconds: float = 40.0) -> Any:
    """Ask again until the answer is true; the last answer."""
    deadline = time.monotonic() + seconds
    while not (answer := what()) and time.monotonic() < deadline:
        time.sleep(0.3)
    assert answer, f"not so within {seconds:g} s; syncd says {show('StatusText')!r}"
    return answer


def documents(**how: Any) -> dict[str, dict[str, Any]]:
    """`syncd ls --json` by path."""
    code, text = syncd("ls", "--json", **how)
    try:
        return {row["path"]: row for row in json.loads(text)["documents"]} if code == 0 else {}
    except ValueError:
        return {}


def verified(path: str, **how: Any) -> dict[str, Any] | None:
    """A document's row, once it is verified."""
    row = documents(**how).get(path)
    return row if row is not None and row["state"] == "verified" else None


def configure(settle: str = "1s", extra: str = "", docs: Path = DOCS, to: Path = CONFIG, dataset: str = "Docs") -> None:
    """Write a configuration."""
    to.write_text(CONFIGURATION.format(url=URL, docs=docs, settle=settle, dataset=dataset) + extra)


# ---------------------------------------------------------------- the checks, in this order


def starts_and_notifies() -> None:
    """`systemctl start` returns when READY=1 was sent; STATUS= says what it does."""
    code, text = systemctl("start", "syncd.service")
    assert code == 0, text
    assert show("ActiveState") == "active"
    until(lambda: "source" in show("StatusText") or "document" in show("StatusText"))


def mirrors_an_edit() -> None:
    """A file that is written, and one that is edited, are verified."""
    first = until(lambda: verified("a.md"))
    (DOCS / "a.md").write_text(TEXT.format(title="cistern", word="sieve") * 2)
    until(lambda: (row := verified("a.md")) and row["sha256"] != first["sha256"])


def keeps_its_state_to_itself() -> None:
    """The state directory belongs to the dynamic user alone."""
    status = Path("/var/lib/private/syncd").stat()
    assert status.st_mode & 0o777 == 0o700, oct(status.st_mode)
    assert status.st_uid >= 61184, status.st_uid


def reloads() -> None:
    """`systemctl reload` returns when a valid configuration is in force."""
    configure(settle="2s")
    code, text = systemctl("reload", "syncd.service")
    assert code == 0, text
    assert show("ActiveState") == "active"


def refuses_a_wrong_configuration() -> None:
    """A wrong one fails the reload, is said in STATUS=, and the old one goes on."""
    process = show("MainPID")
    configure(extra="nonsense = 1\n")
    code, _ = systemctl("reload", "syncd.service")
    assert code != 0
    until(lambda: "refused" in show("StatusText"))
    assert (show("ActiveState"), show("MainPID")) == ("active", process)
    (DOCS / "later.md").write_text(TEXT.format(title="lantern", word="wick"))
    configure()
    assert systemctl("reload", "syncd.service")[0] == 0
    until(lambda: verified("later.md"))
    until(lambda: "refused" not in show("StatusText"))


def the_watchdog_restarts_it() -> None:
    """A process that makes no progress is killed and started again, and nothing is uploaded anew."""
    before = {path: row["collection_id"] for path, row in documents().items()}
    restarts = int(show("NRestarts"))
    os.kill(int(show("MainPID")), 19)  # SIGSTOP
    until(lambda: int(show("NRestarts")) > restarts and show("ActiveState") == "active", 60)
    assert before == {path: row["collection_id"] for path, row in documents().items()}


def stops_in_time() -> None:
    """SIGTERM ends it with exit code 0, well within the time."""
    began = time.monotonic()
    code, text = systemctl("stop", "syncd.service")
    assert code == 0, text
    assert time.monotonic() - began < 20
    assert (show("Result"), show("ExecMainStatus")) == ("success", "0")


def a_wrong_configuration_is_not_retried() -> None:
    """Exit code 78 is final until somebody mends it."""
    configure(extra="nonsense = 1\n")
    systemctl("reset-failed", "syncd.service")
    assert systemctl("start", "syncd.service")[0] != 0
    until(lambda: show("ActiveState") == "failed")
    time.sleep(7)  # RestartSec is 5 s
    assert (show("ActiveState"), show("ExecMainStatus"), show("NRestarts")) == ("failed", "78", "0")
    configure()
    systemctl("reset-failed", "syncd.service")


def one_pass_by_a_timer() -> None:
    """syncd-sync.service does one pass and ends; its timer is armed."""
    (DOCS / "pass.md").write_text(TEXT.format(title="bellows", word="leather"))
    code, text = systemctl("start", "syncd-sync.service")
    assert code == 0, text
    assert verified("pass.md"), documents()
    assert systemctl("start", "syncd-sync.timer")[0] == 0
    assert show("NextElapseUSecRealtime", "syncd-sync.timer")
    systemctl("stop", "syncd-sync.timer")


def several_instances() -> None:
    """syncd@NAME reads a configuration, a key and a ledger of its own."""
    config = Path("/etc/syncd/second.toml")
    configure(to=config, dataset="Second", extra='[http]\nlisten = "127.0.0.1:8322"\n')
    shutil.copy("/etc/syncd/fastgpt-api-key", "/etc/syncd/second.key")
    code, text = systemctl("start", "syncd@second.service")
    assert code == 0, text
    until(lambda: verified("a.md", config=config, state="syncd-second"))
    assert systemctl("stop", "syncd@second.service")[0] == 0


def documents_of_a_group() -> None:
    """Documents that the service may not read are told; the example drop-in lets it read them."""
    subprocess.run(["groupadd", "docs"], check=True)
    subprocess.run(["chgrp", "-R", "docs", str(DOCS)], check=True)
    subprocess.run(["chmod", "-R", "o-rwx,g+rX", str(DOCS)], check=True)
    assert systemctl("start", "syncd.service")[0] == 0
    until(lambda: "root-unreadable" in syncd("status", "--json")[1])
    assert len(documents()) >= 3
    shutil.copy("/units/syncd.service.d/documents-of-a-group.conf.example", DROP_INS / "documents.conf")
    systemctl("daemon-reload")
    assert systemctl("restart", "syncd.service")[0] == 0
    (DOCS / "group.md").write_text(TEXT.format(title="ledger", word="spine"))
    subprocess.run(["chgrp", "docs", str(DOCS / "group.md")], check=True)
    until(lambda: verified("group.md"))
    assert "root-unreadable" not in syncd("status", "--json")[1]


CHECKS = (
    starts_and_notifies,
    mirrors_an_edit,
    keeps_its_state_to_itself,
    reloads,
    refuses_a_wrong_configuration,
    the_watchdog_restarts_it,
    stops_in_time,
    a_wrong_configuration_is_not_retried,
    one_pass_by_a_timer,
    several_instances,
    documents_of_a_group,
)

URL = KEY = ""


def prepare() -> None:
    """The emulator, the key, the documents."""
    global URL, KEY
    systemctl("start", "emulator.service")
    greeting: dict[str, str] = {}
    deadline = time.monotonic() + 30
    while not greeting and time.monotonic() < deadline:
        text = Path("/run/emulator.json").read_text() if Path("/run/emulator.json").exists() else ""
        greeting = json.loads(text) if text.endswith("\n") else {}
        time.sleep(0.2)
    URL, KEY = greeting["base_url"], greeting["global_key"]
    DOCS.mkdir(parents=True)
    (DOCS / "a.md").write_text(TEXT.format(title="cistern", word="sieve"))
    CONFIG.parent.mkdir(parents=True, exist_ok=True)
    key = CONFIG.parent / "fastgpt-api-key"
    key.write_text(KEY)
    key.chmod(0o600)
    configure()
    DROP_INS.mkdir(exist_ok=True)
    (DROP_INS / "watchdog.conf").write_text("[Service]\nWatchdogSec=6\n")
    systemctl("daemon-reload")


def main() -> None:
    """Run every check, whatever became of the one before."""
    with RESULTS.open("w") as results:
        try:
            prepare()
            results.write(f"-- {systemctl('--version')[1].splitlines()[0]}\n")
        except BaseException:
            results.write(f"FAIL prepare {traceback.format_exc()}\n")
            return
        for check in CHECKS:
            began = time.monotonic()
            try:
                check()
            except BaseException as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                results.write(f"FAIL {check.__name__}: line {where.lineno}: {where.line}: {error}\n")
            else:
                results.write(f"ok   {check.__name__} ({time.monotonic() - began:.1f} s)\n")
            results.flush()


if __name__ == "__main__":
    main()
