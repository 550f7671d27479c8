"""Runs inside a machine booted with systemd: starts the units for real, writes "ok NAME" or "FAIL NAME why".

The host (.ci/systemd) has put syncd into /opt/syncd, the units into /etc/systemd/system and the rest into /units.
Here an administrator works as administrators do: root at a shell, without the variables that systemd gives the service.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

RESULTS = Path("/results")
DOCS = Path("/srv/docs")
ETC = Path("/etc/syncd")
CONFIG = ETC / "config.toml"
KEY_FILE = ETC / "fastgpt-api-key"
UNITS = Path("/etc/systemd/system")
STATE = Path("/var/lib/private/syncd")
NOBODY = 65534
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


# ---------------------------------------------------------------- asking


def systemctl(*words: str) -> tuple[int, str]:
    """Exit code and output."""
    done = subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


WELL = ("In step", "At work", "Nothing to do")


def must(*words: str) -> None:
    """A systemctl that succeeds."""
    code, text = systemctl(*words)
    assert code == 0, f"systemctl {' '.join(words)}: {text} {show('StatusText')}"


def show(name: str, unit: str = "syncd.service") -> str:
    """One property of a unit."""
    return systemctl("show", unit, "-p", name, "--value")[1].strip()


def syncd(*words: str, user: int = 0) -> tuple[int, str, str]:
    """A command of syncd at a shell: exit code, output, errors."""
    env = {"PATH": "/usr/bin:/bin", "HOME": "/root" if user == 0 else "/nonexistent", "LANG": "C.UTF-8"}
    done = subprocess.run(
        ["/opt/syncd/bin/syncd", *words], capture_output=True, text=True, env=env, cwd="/", user=user, check=False
    )
    return done.returncode, done.stdout, done.stderr


def answer(*words: str) -> Any:
    """The JSON of a command that succeeds."""
    code, text, errors = syncd(*words, "--json")
    assert code == 0, f"syncd {' '.join(words)}: exit {code}: {errors}"
    return json.loads(text)


def until(what: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Ask again until the answer is true; the last answer."""
    deadline = time.monotonic() + seconds
    while not (found := what()) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert found, f"not so within {seconds:g} s; syncd says {show('StatusText')!r}"
    return found


def documents(*options: str) -> dict[str, dict[str, Any]]:
    """`syncd ls --json` by path."""
    code, text, _ = syncd(*options, "ls", "--json")
    return {row["path"]: row for row in json.loads(text)["documents"]} if code == 0 else {}


def verified(path: str, *options: str) -> dict[str, Any] | None:
    """A document's row, once it is verified."""
    row = documents(*options).get(path)
    return row if row is not None and row["state"] == "verified" else None


def collections() -> dict[str, str]:
    """The serving collection of each document; the same ones mean that nothing was uploaded again."""
    found = {path: row["serving"]["collection_id"] for path, row in documents().items() if row["serving"]}
    assert found
    return found


def journal(*words: str) -> str:
    """What the journal holds."""
    subprocess.run(["journalctl", "--sync"], check=True, capture_output=True)
    done = subprocess.run(["journalctl", "--no-pager", *words], capture_output=True, text=True, check=True)
    return done.stdout


def journal_since(mark: str, unit: str = "", priority: str = "") -> str:
    """The messages that came after a mark, of everybody or one unit, of every priority or one."""
    # journalctl's own filters would skip the first entry that they let through after a cursor.
    rows = [json.loads(line) for line in journal(f"--after-cursor={mark}", "-o", "json").splitlines()]
    return "\n".join(
        str(row.get("MESSAGE"))
        for row in rows
        if unit in ("", row.get("_SYSTEMD_UNIT"), row.get("UNIT")) and priority in ("", row.get("PRIORITY"))
    )


def cursor() -> str:
    """Where the journal stands."""
    return str(json.loads(journal("-n", "1", "-o", "json"))["__CURSOR"])


# ---------------------------------------------------------------- acting


def configure(settle: str = "1s", extra: str = "", docs: Path = DOCS, to: Path = CONFIG, dataset: str = "Docs") -> None:
    """Write a configuration."""
    to.write_text(CONFIGURATION.format(url=URL, docs=docs, settle=settle, dataset=dataset) + extra)


def write(path: Path, title: str, word: str) -> None:
    """Write a document."""
    path.write_text(TEXT.format(title=title, word=word), encoding="utf-8")


@contextmanager
def drop_in(name: str, text: str, unit: str = "syncd.service") -> Iterator[None]:
    """A drop-in as `systemctl edit` writes one, while inside."""
    path = UNITS / f"{unit}.d" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    must("daemon-reload")
    try:
        yield
    finally:
        path.unlink()
        must("daemon-reload")


def goes_on(path: str = "goes-on.md") -> None:
    """The service works: a change is verified, by a service that has started no second ledger."""
    before = collections()
    old = documents().get(path, {}).get("sha256")
    write(DOCS / path, "cellar", f"shelf number {time.monotonic_ns()}")
    until(lambda: (row := verified(path)) and row["sha256"] != old)
    kept = {name: collection for name, collection in collections().items() if name != path}
    before.pop(path, None)
    assert before == kept, "documents were uploaded again"


# ---------------------------------------------------------------- the checks, in this order


def starts_and_notifies() -> None:
    """`systemctl start` returns when READY=1 was sent; STATUS= says what it does."""
    must("start", "syncd.service")
    assert show("ActiveState") == "active"
    said = until(lambda: show("StatusText").startswith(WELL) and show("StatusText"))
    assert said.partition(":")[0] in systemctl("status", "syncd.service")[1]


def is_locked_up() -> None:
    """Its process has no capability, no new privileges, a system call filter, and a user of its own."""
    said = dict(line.split(":", 1) for line in Path(f"/proc/{show('MainPID')}/status").read_text().splitlines())
    assert (said["CapEff"].strip(), said["CapBnd"].strip()) == ("0" * 16, "0" * 16), said
    assert (said["NoNewPrivs"].strip(), said["Seccomp"].strip()) == ("1", "2"), said
    assert int(said["Uid"].split()[0]) >= 61184, said["Uid"]
    assert len(os.listdir(f"/proc/{show('MainPID')}/task")) < int(show("TasksMax")) / 4
    mounts = [line.split() for line in Path(f"/proc/{show('MainPID')}/mountinfo").read_text().splitlines()]
    assert [row[5].split(",")[0] for row in mounts if row[4] == "/"] == ["ro"]


def mirrors_an_edit() -> None:
    """A file that is written, one that is edited and one with a name beyond ASCII are verified."""
    first = until(lambda: verified("a.md"))
    write(DOCS / "a.md", "cistern", "second sieve")
    write(DOCS / "手册 安装.md", "lantern", "wick")
    until(lambda: (row := verified("a.md")) and row["sha256"] != first["sha256"])
    until(lambda: verified("手册 安装.md"))


def reads_in_a_process_of_its_own() -> None:
    """A page is read by a child, which the unit's filter of system calls lets limit itself."""
    page = "<html><body><p>The orangery has one window and a stove.</p></body></html>"
    (DOCS / "page.html").write_text(page)
    row = until(lambda: verified("page.html"))
    assert not row["weak"], row
    pid = show("MainPID")
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        assert "unlimited" not in Path(f"/proc/{child}/limits").read_text().split("Max data size")[1].split("\n")[0]


def keeps_its_state_to_itself() -> None:
    """The state directory belongs to the dynamic user alone, and so does everything in it."""
    status = STATE.stat()
    assert status.st_mode & 0o777 == 0o700, oct(status.st_mode)
    assert status.st_uid >= 61184, status.st_uid
    strangers = [path.name for path in STATE.iterdir() if path.stat().st_uid != status.st_uid]
    assert (STATE / "ledger.db").exists()
    assert not strangers, strangers


def root_looks_and_decides() -> None:
    """Root's commands find the service's ledger and key by themselves, while it runs."""
    assert answer("status")["service"]["running"] is True
    assert Path("/var/lib/syncd/ledger.db") == Path(answer("status")["ledger"]["path"])
    assert not Path("/root/.local").exists()
    assert answer("healthcheck")["healthy"] is True
    code, text, errors = syncd("search", "Who cleans the wick of the lantern?")
    assert code == 0, errors
    assert "手册" in text, text
    answer("pause")
    until(lambda: "Paused" in show("StatusText"))
    must("restart", "syncd.service")
    until(lambda: "Paused" in show("StatusText"))
    answer("resume")
    until(lambda: "Paused" not in show("StatusText"))
    assert syncd("retry")[0] == 0
    goes_on()
    keeps_its_state_to_itself()


def others_are_told_that_they_may_not() -> None:
    """An ordinary user gets an error that says why, and never a bug."""
    for words in (("status",), ("pause",), ("ls",), ("reload",)):
        code, _, errors = syncd(*words, user=NOBODY)
        assert (code in (65, 78), "ermission denied" in errors) == (True, True), (words, code, errors)


def root_decides_while_it_is_stopped() -> None:
    """What root does to the ledger of a service that is stopped leaves nothing that the service cannot open."""
    must("stop", "syncd.service")
    assert answer("status")["service"]["running"] is False
    keeps_its_state_to_itself()
    answer("pause")
    answer("resume")
    answer("ls")
    assert syncd("plan")[0] == 0
    assert syncd("backup", "/root/copy.db")[0] == 0
    write(DOCS / "by-root.md", "pantry", "hatch")
    code, text, errors = syncd("sync", "--wait", "60s")
    assert code == 0, text + errors
    keeps_its_state_to_itself()
    must("start", "syncd.service")
    goes_on()


def root_looks_after_a_crash() -> None:
    """The write-ahead log that a killed service leaves is read and kept in order by root."""
    must("kill", "-s", "KILL", "syncd.service")
    must("stop", "syncd.service")
    assert (STATE / "ledger.db-wal").exists()
    assert answer("status")["service"]["running"] is False
    answer("pause")
    answer("resume")
    keeps_its_state_to_itself()
    must("start", "syncd.service")
    goes_on()


def root_rebuilds_a_lost_ledger() -> None:
    """`syncd adopt` by root makes a ledger that the service can open, and nothing is uploaded again."""
    before = collections()
    must("stop", "syncd.service")
    for path in STATE.iterdir():
        path.unlink()
    code, text, errors = syncd("adopt")
    assert code == 0, text + errors
    keeps_its_state_to_itself()
    must("start", "syncd.service")
    until(lambda: all(verified(path) for path in before), 90)
    assert before == collections()


def reloads() -> None:
    """`systemctl reload` returns when a valid configuration is in force."""
    write(DOCS / "excluded.md", "attic", "beam")
    until(lambda: verified("excluded.md"))
    process, mark = show("MainPID"), cursor()
    configure(settle="2s")
    must("reload", "syncd.service")
    assert (show("ActiveState"), show("MainPID")) == ("active", process)
    assert "config.reloaded" in journal_since(mark)
    goes_on()


def refuses_a_wrong_configuration() -> None:
    """A wrong one fails the reload, is said in STATUS=, and the old one goes on."""
    process, mark = show("MainPID"), cursor()
    configure(extra="nonsense = 1\n")
    assert systemctl("reload", "syncd.service")[0] != 0
    until(lambda: "refused" in show("StatusText") and "nonsense" in show("StatusText"))
    assert (show("ActiveState"), show("MainPID")) == ("active", process)
    assert "config.refused" in journal_since(mark, "syncd.service", "3")
    goes_on_with = "refused.md"
    write(DOCS / goes_on_with, "lantern", "glass")
    configure()
    must("reload", "syncd.service")
    until(lambda: verified(goes_on_with))
    until(lambda: "refused" not in show("StatusText"))


def the_watchdog_restarts_a_frozen_process() -> None:
    """A process that stands still is killed and started again, and nothing is uploaded anew."""
    before, restarts, mark = collections(), int(show("NRestarts")), cursor()
    os.kill(int(show("MainPID")), signal.SIGSTOP)
    until(lambda: int(show("NRestarts")) > restarts and show("ActiveState") == "active")
    assert "Watchdog timeout" in journal_since(mark)
    assert before == collections()
    goes_on()


def the_watchdog_restarts_a_stuck_loop() -> None:
    """So is a process that is alive, but whose event loop does not get on."""
    text = "[Service]\nExecStart=\nExecStart=/usr/bin/python3 /units/stuck.py run\n"
    with drop_in("stuck.conf", text):
        must("restart", "syncd.service")
        goes_on()
        restarts, mark = int(show("NRestarts")), cursor()
        (ETC / "stuck").touch()
        until(lambda: "its loop is not" in journal_since(mark))
        (ETC / "stuck").unlink()
        until(lambda: int(show("NRestarts")) > restarts and show("ActiveState") == "active")
        said = journal_since(mark)
        assert said.count("its loop is not") > 1
        assert "Watchdog timeout" in said
        goes_on()
    must("restart", "syncd.service")


def never_gives_up() -> None:
    """However often it dies, it is started again, with its ledger."""
    with drop_in("often.conf", "[Service]\nRestartSec=100ms\n"):
        for _ in range(8):
            process = show("MainPID")
            must("kill", "-s", "KILL", "syncd.service")
            until(lambda old=process: show("MainPID") not in (old, "0") and show("ActiveState") == "active")
    goes_on()


def stops_in_time() -> None:
    """SIGTERM ends it with exit code 0, well within the time."""
    mark, began = cursor(), time.monotonic()
    must("stop", "syncd.service")
    assert time.monotonic() - began < 20
    assert (show("Result"), show("ExecMainStatus")) == ("success", "0")
    assert "service.stopped" in journal_since(mark)


def _fails_for_good(code: str, *said: str) -> None:
    """The service does not start, says why, and is not tried again."""
    systemctl("reset-failed", "syncd.service")
    mark = cursor()
    assert systemctl("start", "syncd.service")[0] != 0
    until(lambda: show("ActiveState") == "failed")
    time.sleep(4)  # RestartSec is 1 s here
    assert (show("ActiveState"), show("ExecMainStatus"), show("NRestarts")) == ("failed", code, "0")
    for word in said:
        assert word in journal_since(mark, "syncd.service"), (word, journal_since(mark))
    systemctl("reset-failed", "syncd.service")


def a_wrong_configuration_is_not_retried() -> None:
    """Exit code 78 is final until somebody mends it: a wrong key, and a file that the service may not read."""
    configure(extra="nonsense = 1\n")
    _fails_for_good("78", "config.toml:", "nonsense")
    configure()
    CONFIG.chmod(0o600)
    _fails_for_good("78", str(CONFIG), "ermission denied")
    CONFIG.chmod(0o644)


def the_key_may_be_named_in_the_configuration() -> None:
    """`api_key_file` as in the example configuration works, though the service may not read that file itself."""
    configure()
    CONFIG.write_text(CONFIG.read_text().replace("[[source]]", 'api_key_file = "fastgpt-api-key"\n[[source]]'))
    assert KEY_FILE.stat().st_mode & 0o777 == 0o600
    must("start", "syncd.service")
    goes_on()
    must("stop", "syncd.service")
    configure()


def a_missing_key_is_named() -> None:
    """Without the key's file the service says which file it misses."""
    KEY_FILE.rename(ETC / "away")
    try:
        _fails_for_good("78", str(KEY_FILE))
    finally:
        (ETC / "away").rename(KEY_FILE)


def wrong_usage_is_not_retried() -> None:
    """Exit code 2 is final too."""
    with drop_in("usage.conf", "[Service]\nExecStart=\nExecStart=/opt/syncd/bin/syncd run --nonsense\n"):
        _fails_for_good("2", "--nonsense")


def one_pass_by_a_timer() -> None:
    """syncd-sync.timer has syncd-sync.service do a pass, which ends."""
    write(DOCS / "pass.md", "bellows", "leather")
    often = "[Timer]\nOnCalendar=\nOnCalendar=*:*:0/3\nRandomizedDelaySec=0\nAccuracySec=100ms\n"
    with drop_in("often.conf", often, "syncd-sync.timer"):
        must("start", "syncd-sync.timer")
        until(lambda: verified("pass.md"))
        must("stop", "syncd-sync.timer")
    until(lambda: show("ActiveState", "syncd-sync.service") == "inactive")
    found = tuple(show(name, "syncd-sync.service") for name in ("Result", "ExecMainStatus"))
    assert found == ("success", "0"), found


def a_pass_beside_the_service() -> None:
    """A pass while the service runs leaves the work to it, fails nothing and takes nothing away from it."""
    must("start", "syncd.service")
    mark = cursor()
    must("start", "syncd-sync.service")
    assert "in use by" in journal_since(mark, "syncd-sync.service"), journal_since(mark)
    assert show("Result", "syncd-sync.service") == "success"
    keeps_its_state_to_itself()
    goes_on()


def several_instances() -> None:
    """syncd@NAME reads a configuration, a key and a ledger of its own, beside syncd.service."""
    config = ETC / "second.toml"
    configure(to=config, dataset="Second", extra='[http]\nlisten = "127.0.0.1:8322"\n')
    shutil.copy(KEY_FILE, ETC / "second.key")
    must("start", "syncd@second.service")
    second = until(lambda: verified("a.md", "--config", str(config)))
    assert second["dataset_id"] != documents()["a.md"]["dataset_id"]
    assert Path("/var/lib/private/syncd-second/ledger.db").exists()
    until(lambda: show("StatusText", "syncd@second.service").startswith(WELL))
    goes_on()
    must("reload", "syncd@second.service")
    must("stop", "syncd@second.service")
    assert show("ActiveState") == "active"


def documents_of_a_group() -> None:
    """Documents that the service may not read are told; the example drop-in lets it read them."""
    subprocess.run(["groupadd", "docs"], check=True)
    subprocess.run(["chgrp", "-R", "docs", str(DOCS)], check=True)
    subprocess.run(["chmod", "-R", "o-rwx,g+rX", str(DOCS)], check=True)
    before = collections()
    must("restart", "syncd.service")
    until(lambda: "root-unreadable" in json.dumps(answer("status")))
    assert before == collections()
    example = Path("/units/syncd.service.d/documents-of-a-group.conf.example").read_text()
    with drop_in("documents.conf", example):
        must("restart", "syncd.service")
        write(DOCS / "group.md", "ledger", "spine")
        subprocess.run(["chgrp", "docs", str(DOCS / "group.md")], check=True)
        until(lambda: verified("group.md"))
        assert "root-unreadable" not in json.dumps(answer("status"))
        must("stop", "syncd.service")
    subprocess.run(["chmod", "-R", "o+rX", str(DOCS)], check=True)


def documents_in_a_home() -> None:
    """Documents below a home are not there for the service, and nothing is deleted; the example drop-in shows them."""
    home = Path("/home/alice/docs")
    home.mkdir(parents=True)
    home.parent.chmod(0o700)
    write(home / "home.md", "hearth", "poker")
    for path in home.iterdir():
        shutil.copy(path, DOCS)
    configure(docs=home, dataset="Home")
    must("start", "syncd.service")
    until(lambda: any(word in json.dumps(answer("status")) for word in ("root-missing", "root-unreadable")))
    example = Path("/units/syncd.service.d/documents-in-a-home.conf.example").read_text()
    with drop_in("documents.conf", example):
        must("restart", "syncd.service")
        until(lambda: verified("home.md"))
        write(home / "home.md", "hearth", "second poker")
        until(lambda: len([row for row in answer("history", "home.md")["events"] if row["event"] == "verified"]) > 1)
        must("stop", "syncd.service")
    configure()


def a_token_for_the_page() -> None:
    """The example drop-in hands the status page's token over."""
    (ETC / "http-token").write_text("token-of-the-page-0123456789")
    (ETC / "http-token").chmod(0o600)
    example = Path("/units/syncd.service.d/status-page-token.conf.example").read_text()
    code = (
        "import http.client,sys\n"
        "c = http.client.HTTPConnection('127.0.0.1', 8321, timeout=10)\n"
        "c.request('POST', '/api/v1/pause', headers={'Authorization': 'Bearer ' + sys.argv[1]})\n"
        "print(c.getresponse().status)"
    )

    def post(token: str) -> int:
        done = subprocess.run([sys.executable, "-c", code, token], capture_output=True, text=True, check=True)
        return int(done.stdout)

    with drop_in("token.conf", example):
        must("start", "syncd.service")
        assert post("wrong-token-0123456789") in (401, 403)
        assert post("token-of-the-page-0123456789") < 400
        until(lambda: "Paused" in show("StatusText"))
        answer("resume")
        must("stop", "syncd.service")


def reload_by_signal() -> None:
    """On a systemd that knows it, the example drop-in makes `systemctl reload` a signal with an answer."""
    version = int(systemctl("--version")[1].split()[1])
    if version < 253:
        return
    example = Path("/units/syncd.service.d/notify-reload.conf.example").read_text()
    with drop_in("reload.conf", example):
        must("start", "syncd.service")
        process, mark = show("MainPID"), cursor()
        configure(settle="2s")
        must("reload", "syncd.service")
        assert "config.reloaded" in journal_since(mark)
        configure(extra="nonsense = 1\n")
        must("reload", "syncd.service")
        until(lambda: "refused" in show("StatusText"))
        configure()
        must("reload", "syncd.service")
        until(lambda: "refused" not in show("StatusText"))
        assert (show("ActiveState"), show("MainPID")) == ("active", process)
        must("stop", "syncd.service")


def the_journal_is_in_order() -> None:
    """Every event has its priority, and no key is anywhere in the journal."""
    rows = [json.loads(line) for line in journal("-o", "json", "-u", "syncd").splitlines()]
    ours: dict[str, set[str]] = {}
    for row in rows:
        message = row.get("MESSAGE")
        if isinstance(message, str) and message.startswith("{"):
            event = json.loads(message)
            ours.setdefault(event["level"], set()).add(row["PRIORITY"])
    assert {"info": {"6"}, "error": {"3"}}.items() <= ours.items(), ours
    assert ours.get("warning", {"4"}) == {"4"}, ours
    everything = journal("-o", "export", "-a")
    assert "service.ready" in everything
    assert KEY[:12] not in everything
    assert "token-of-the-page" not in everything


CHECKS = (
    starts_and_notifies,
    is_locked_up,
    mirrors_an_edit,
    reads_in_a_process_of_its_own,
    keeps_its_state_to_itself,
    root_looks_and_decides,
    others_are_told_that_they_may_not,
    root_decides_while_it_is_stopped,
    root_looks_after_a_crash,
    root_rebuilds_a_lost_ledger,
    reloads,
    refuses_a_wrong_configuration,
    the_watchdog_restarts_a_frozen_process,
    the_watchdog_restarts_a_stuck_loop,
    never_gives_up,
    stops_in_time,
    a_wrong_configuration_is_not_retried,
    the_key_may_be_named_in_the_configuration,
    a_missing_key_is_named,
    wrong_usage_is_not_retried,
    one_pass_by_a_timer,
    a_pass_beside_the_service,
    several_instances,
    documents_of_a_group,
    documents_in_a_home,
    a_token_for_the_page,
    reload_by_signal,
    the_journal_is_in_order,
)

URL = KEY = ""


def prepare() -> None:
    """The emulator, the key, the documents; a watchdog and restarts that need no minute."""
    global URL, KEY
    must("start", "emulator.service")
    greeting: dict[str, str] = {}
    deadline = time.monotonic() + 60
    while not greeting and time.monotonic() < deadline:
        text = Path("/run/emulator.json").read_text() if Path("/run/emulator.json").exists() else ""
        greeting = json.loads(text) if text.endswith("\n") else {}
        time.sleep(0.2)
    URL, KEY = greeting["base_url"], greeting["global_key"]
    DOCS.mkdir(parents=True)
    write(DOCS / "a.md", "cistern", "sieve")
    ETC.mkdir(parents=True, exist_ok=True)
    KEY_FILE.write_text(KEY)
    KEY_FILE.chmod(0o600)
    configure()
    (UNITS / "syncd.service.d").mkdir(exist_ok=True)
    (UNITS / "syncd.service.d" / "override.conf").write_text("[Service]\nWatchdogSec=6\nRestartSec=1\n")
    must("daemon-reload")


def main() -> None:
    """Run every check, whatever became of the one before."""
    wanted = sys.argv[1:]
    with RESULTS.open("w") as results:
        try:
            prepare()
            results.write(f"-- {systemctl('--version')[1].splitlines()[0]}\n")
        except BaseException:
            results.write(f"FAIL prepare {traceback.format_exc()}\n")
            return
        for check in CHECKS:
            if wanted and check.__name__ not in wanted:
                continue
            began = time.monotonic()
            try:
                check()
            except BaseException as error:
                stack = traceback.extract_tb(error.__traceback__)[1:]
                where = " < ".join(f"line {frame.lineno}: {frame.line}" for frame in reversed(stack))
                results.write(f"FAIL {check.__name__}: {where}: {error}\n")
                # The next check may still say something of its own.
                configure()
                (ETC / "stuck").unlink(missing_ok=True)
                systemctl("reset-failed", "syncd.service")
                systemctl("start", "syncd.service")
            else:
                results.write(f"ok   {check.__name__} ({time.monotonic() - began:.1f} s)\n")
            results.flush()
        results.write("-- the end\n")


if __name__ == "__main__":
    main()
