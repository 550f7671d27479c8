"""Secrets stay secret (law 10): canaries are put into every place that holds one, and looked for everywhere else."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from email.message import Message
from pathlib import Path

import pytest
from cli_site import Site, clean_environment, stand_in

from syncd import bundle, outlet
from syncd.checkup import Finding
from syncd.cli import run
from syncd.commands import LATER, TABLE
from syncd.config import load, redacting
from syncd.errors import ConfigError

CANARY = "canary-0123456789/+aZ"
OLD = "older-canary-9876543210"


def spellings(secret: str) -> list[str]:
    """How a secret may look in a text."""
    return [
        secret,
        json.dumps(secret)[1:-1],
        secret.replace("/", "%2F").replace("+", "%2B"),
        secret.replace("/", "\\/"),
    ]


def assert_absent(text: str, secret: str = CANARY) -> None:
    for spelling in spellings(secret):
        assert spelling not in text, f"the canary is in: …{text[max(text.find(spelling) - 200, 0) :][:400]}…"


# ---------------------------------------------------------------- the bundle

TAIL = '[[source]]\nname = "docs"\npath = "docs"\ndataset = "d"\n'
GOOD = 'version = 1\n[fastgpt]\nbase_url = "http://127.0.0.1:9/api"\napi_key_file = "key"\n' + TAIL


def _with(lines: str) -> str:
    return f'version = 1\n[fastgpt]\nbase_url = "http://127.0.0.1:9/api"\n{lines}\n{TAIL}'


FORMS = {
    "plain": _with(f'api_key = "{CANARY}"'),
    "without blanks": _with(f'api_key="{CANARY}"'),
    "a literal": _with(f"api_key = '{CANARY}'"),
    "quoted key": _with(f'"api_key" = "{CANARY}"'),
    "several lines": _with(f'api_key = """\n{CANARY}"""'),
    "inline table": f'version = 1\nfastgpt = {{ base_url = "http://127.0.0.1:9", api_key = "{CANARY}" }}\n{TAIL}',
    "dotted key": f'version = 1\nfastgpt.base_url = "http://127.0.0.1:9"\nfastgpt.api_key = "{CANARY}"\n{TAIL}',
    "escaped": _with('api_key = "' + "".join(f"\\u{ord(c):04x}" for c in CANARY) + '"'),
    "comment": GOOD.replace("version = 1", f'version = 1\n# api_key = "{CANARY}"'),
    "end of a line": GOOD.replace("version = 1", f"version = 1 # was {CANARY}"),
    "unknown key": _with(f'api_keys = "{CANARY}"'),
    "key as a key": _with(f'"{CANARY}" = 1'),
    "unknown table": GOOD + f'[mine]\npass = "{CANARY}"\n',
    "wrong table": GOOD + f'[ledger]\ntoken = "{CANARY}"\n',
    "a list": _with(f'api_key = ["{CANARY}"]'),
    "in a source": GOOD + f'secret = "{CANARY}"\n[source.training]\npassword = "{CANARY}"\n',
    "address with a password": GOOD.replace("http://", f"http://user:{CANARY}@"),
    "token": GOOD + f'[http]\ntoken = "{CANARY}"\n',
    "webhook": GOOD + f'[notify]\nwebhook_url = "https://example.org/{CANARY}"\n',
    "ping": GOOD + f'[notify]\nping_url = "https://example.org/{CANARY}"\n',
    "signature": GOOD + f'[notify]\nwebhook_secret = "{CANARY}"\n',
    "elsewhere too": GOOD + f'tags = ["{CANARY}"]\n[http]\ntoken = "{CANARY}"\n',
    "where a file belongs": _with(f'api_key_file = "{CANARY}"'),
    "token for a file": GOOD + f'[http]\ntoken_file = "{CANARY}"\n',
    "no TOML": f'api_key = "{CANARY}\n',
    "no text": f'api_key = "{CANARY}"\n\x00\udcff',
}


@pytest.mark.parametrize("form", FORMS)
def test_the_bundle_shows_no_form_of_a_secret(tmp_path: Path, form: str) -> None:
    """However a secret is written in the configuration, right or wrong, it is in no file of the bundle."""
    (tmp_path / "key").write_text("fastgpt-another-key")
    config = tmp_path / "config.toml"
    config.write_bytes(FORMS[form].encode("utf-8", "surrogateescape"))
    said = [Finding("server", "error", "refused")]
    # What is known to be a secret is taken out of what was found as well.
    known = redacting.secrets(redacting.tables_of(config), config, {})
    said += [Finding("server", "error", f"the gateway says: key {secret} is over", secret) for secret in known]
    bundle.write(said, config, {}, tmp_path / "bundle.zip")

    with zipfile.ZipFile(tmp_path / "bundle.zip") as archive:
        contents = {name: archive.read(name).decode() for name in archive.namelist()}
    for content in contents.values():
        assert_absent(content)
        assert "fastgpt-another-key" not in content
    assert {"findings.json", "versions.json", "configuration.txt"} <= set(contents)
    assert 0o600 == stat.S_IMODE((tmp_path / "bundle.zip").stat().st_mode)


def test_the_bundle_shows_what_is_no_secret(tmp_path: Path) -> None:
    """The settings that matter for a bug report are there, as TOML that means the same."""
    (tmp_path / "key").write_text(CANARY)
    config = tmp_path / "config.toml"
    config.write_text(
        GOOD + 'include = ["**/*.md"]\n[source.training]\nchunk_size = 500\n[http]\nallowed_hosts = ["a"]\n'
    )
    bundle.write([], config, {"SYNCD_HTTP__TOKEN": CANARY}, tmp_path / "bundle.zip")
    with zipfile.ZipFile(tmp_path / "bundle.zip") as archive:
        shown = archive.read("configuration.txt").decode()
    assert (
        'version = 1\n\n[fastgpt]\nbase_url = "http://127.0.0.1:9/api"\napi_key_file = "***"\n\n[http]\n'
        'allowed_hosts = ["a"]\n\n[[source]]\nname = "docs"\npath = "docs"\ndataset = "d"\ninclude = ["**/*.md"]\n\n'
        "[source.training]\nchunk_size = 500\n"
    ) == shown


def test_a_pipe_with_the_key_holds_up_no_bundle(tmp_path: Path) -> None:
    """A named pipe that nobody writes to any more is no reason to wait."""
    os.mkfifo(tmp_path / "key")
    (tmp_path / "config.toml").write_text(GOOD)
    assert set() == redacting.secrets(redacting.tables_of(tmp_path / "config.toml"), tmp_path / "config.toml", {})


def test_a_bundle_that_cannot_be_written_leaves_no_half(tmp_path: Path) -> None:
    """An existing file is left alone, however it came there."""
    target = tmp_path / "bundle.zip"
    target.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        bundle.write([], None, {}, target)
    assert not (tmp_path / "elsewhere").exists()


# ---------------------------------------------------------------- a secret where a file's name belongs

PLACES = {
    "api_key_file": ("fastgpt", "api_key_file"),
    "token_file": ("http", "token_file"),
    "webhook_url_file": ("notify", "webhook_url_file"),
    "webhook_secret_file": ("notify", "webhook_secret_file"),
    "ping_url_file": ("notify", "ping_url_file"),
}
SHAPES = (
    CANARY,
    "canary-word",
    "https://hooks.example.org/services/canary/T0/B0",
    "canary" * 80,
    "~/canary",
    "docs/canary",
    "/canary/canary",
    "key/canary",  # below a file
)


@pytest.mark.parametrize("place", [*PLACES, "SYNCD_API_KEY_FILE"])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_no_file_is_not_echoed(tmp_path: Path, place: str, shape: str) -> None:
    """Where the name of a file belongs that does not exist, the message says where it is stated, and not what."""
    (tmp_path / "key").write_text("fastgpt-another-key")
    (tmp_path / "docs").mkdir()
    config = tmp_path / "config.toml"
    in_file, env = GOOD, {"HOME": str(tmp_path)}
    if place == "SYNCD_API_KEY_FILE":
        in_file, env = _with(""), {**env, place: shape}
    elif place == "api_key_file":
        in_file = _with(f'api_key_file = "{shape}"')
    else:
        in_file = GOOD + f'[{PLACES[place][0]}]\n{place} = "{shape}"\n'
    config.write_text(in_file)
    with pytest.raises(ConfigError) as caught:
        load(config, env=env)
    [problem] = caught.value.problems
    assert place in problem
    assert "canary" not in problem.removeprefix(str(tmp_path)).replace(tmp_path.name, "")


def test_the_same_in_the_environment(tmp_path: Path) -> None:
    """An override that names such a file is not echoed either, and a file that exists is named."""
    (tmp_path / "key").write_text("fastgpt-another-key")
    config = tmp_path / "config.toml"
    config.write_text(GOOD)
    for table, key in PLACES.values():
        with pytest.raises(ConfigError) as caught:
            load(config, env={f"SYNCD_{table}__{key}".upper(): "canary-word"})
        [problem] = caught.value.problems
        assert "canary" not in problem.replace(tmp_path.name, "").replace(str(tmp_path), "")
    (tmp_path / "empty").write_text("")
    with pytest.raises(ConfigError, match="Is a directory"):
        load(config, env={"SYNCD_HTTP__TOKEN_FILE": str(tmp_path)})


# ---------------------------------------------------------------- files that others can read


@pytest.mark.parametrize(
    ("mode", "warned"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True), (0o644, True)]
)
def test_every_secret_file_that_others_can_read_is_warned_about(
    tmp_path: Path, mode: int, warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each such file is named with the line that names it, by `check` as by everything that reads the configuration."""
    names = {"key": "word", "token": "word", "hook": "https://example.org/x", "sign": "word", "ping": "https://a.org/y"}
    for name, text in names.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    config = tmp_path / "config.toml"
    config.write_text(
        GOOD + '[http]\ntoken_file = "token"\n[notify]\nwebhook_url_file = "hook"\n'
        'webhook_secret_file = "sign"\nping_url_file = "ping"\n'
    )
    warnings = load(config, env={}).warnings
    assert (list(names) if warned else []) == [w.split(" in ")[1].split(";")[0].rsplit("/", 1)[1] for w in warnings]
    assert ([4, 10, 12, 13, 14] if warned else []) == [int(w.split(":")[1]) for w in warnings]
    assert 0 == run(["--config", str(config), "check", "--json"])
    assert list(warnings) == [w for w in json.loads(capsys.readouterr().out)["warnings"] if "others can read" in w]
    in_env = load(config, env={"SYNCD_HTTP__TOKEN_FILE": str(tmp_path / "token")}).warnings
    assert (1 if warned else 0) == sum(w.startswith("environment: SYNCD_HTTP__TOKEN_FILE: ") for w in in_env)


def test_a_secret_in_an_open_configuration_and_one_from_systemd(tmp_path: Path) -> None:
    """A configuration that holds any secret is such a file; what systemd hands over is read by nobody else."""
    (tmp_path / "fastgpt-api-key").write_text("word")
    config = tmp_path / "config.toml"
    config.write_text(_with("") + '[notify]\nping_url = "https://example.org/y"\n')
    config.chmod(0o644)
    [warning] = load(config, env={"CREDENTIALS_DIRECTORY": str(tmp_path)}).warnings
    assert f"{config}:10: [notify]: others can read the secret in this file" in warning


# ---------------------------------------------------------------- crashes


def test_a_process_that_knows_the_key_leaves_no_core(tmp_path: Path) -> None:
    """From the moment the configuration is read the process cannot be dumped, whatever the limits were."""
    site = Site(tmp_path)
    script = (
        "import ctypes, resource\nfrom syncd.cli import run\n"
        "ask = lambda: ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)  # PR_GET_DUMPABLE\n"
        "before = ask(); code = run(['check', '-q'])\n"
        "print(code, before, ask(), resource.getrlimit(resource.RLIMIT_CORE))"
    )
    ended = subprocess.run(
        ["bash", "-c", f'ulimit -S -c unlimited; {sys.executable} -c "$0"', script],
        cwd=site.tmp,
        env=clean_environment(),
        capture_output=True,
        text=True,
    )
    assert "0 1 0 (0, 0)" == ended.stdout.splitlines()[-1]


CRASHES = {
    "in a command": "from syncd.engine import Engine\nasync def boom(*a, **k): raise RuntimeError(SAID)\n"
    "Engine.sync = boom",
    "in a thread": "import threading, syncd.service as s\nreal = s.engine\n"
    "def engine(*a, **k):\n    t = threading.Thread(target=boom); t.start(); t.join(); return real(*a, **k)\n"
    "def boom(): raise RuntimeError(SAID)\ns.engine = engine",
    "in a finalizer": "import syncd.service as s\nreal = s.engine\n"
    "class Bad:\n    def __del__(self): raise RuntimeError(SAID)\n"
    "def engine(*a, **k):\n    Bad(); return real(*a, **k)\ns.engine = engine",
    "in a library": "import syncd.service as s\nimport logging, warnings, sys\nreal = s.engine\n"
    "def engine(*a, **k):\n    logging.getLogger('x').error(SAID); warnings.warn(SAID); print(SAID, file=sys.stderr)\n"
    "    return real(*a, **k)\ns.engine = engine",
}


@pytest.mark.parametrize("crash", CRASHES)
def test_no_crash_shows_a_secret(tmp_path: Path, crash: str) -> None:
    """A fault in syncd, in one of its threads or in a library is told with every secret of the configuration masked."""
    secrets = {"http": "token-canary-0123456789", "ping": "http://127.0.0.1:9/ping-canary-0123456789"}
    site = Site(tmp_path, extra=f'[http]\ntoken = "{secrets["http"]}"\n[notify]\nping_url = "{secrets["ping"]}"\n')
    site.fill(1)
    script = (
        f"SAID = open('said').read()\n{CRASHES[crash]}\nimport sys\nfrom syncd.cli import main\nmain(['sync', '-vv'])\n"
    )
    everything = [site.key, *secrets.values()]
    (tmp_path / "said").write_text("it failed: " + " ".join(everything))
    ended = subprocess.run(
        [sys.executable, "-W", "always", "-c", script],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    printed = ended.stdout + ended.stderr
    assert "it failed: ***" in printed
    for secret in everything:
        assert_absent(printed, secret)


# ---------------------------------------------------------------- every command, against servers that repeat the key


def parrot(how: str) -> AbstractContextManager[str]:
    """A server that repeats the key of each request in its answer; gives its address."""

    def answer(path: str, headers: Message) -> tuple[int, str, str]:
        said = f"your key {headers.get('Authorization')} is {how}"
        if how == "a page":
            return 502, "text/html", f"<html><head><title>{said}</title></head></html>"
        if how == "a text":
            return 404, "text/plain", said
        status = 200
        if how == "refused" or (how == "names" and "/list" not in path):
            body = {"code": 403, "statusText": "unAuthApiKey", "message": said, "data": None}
        elif how == "broken":
            status, body = 500, {"code": 500, "statusText": said, "message": said, "data": None}
        elif how == "strange":
            body = {"error": said}
        else:
            names = [{"_id": "6b0000010000000000000001", "name": said, "type": "dataset", "avatar": said}]
            body = {"code": 200, "statusText": "", "message": said, "data": names}
        return status, "application/json", json.dumps(body)

    return stand_in(answer)


ARGUMENTS = {
    "sync": ["--timeout", "0.2s", "--wait", "2s"],
    "plan": ["--out", "plan.json"],
    "apply": ["plan.json"],
    "history": ["otters.md"],
    "search": ["otters"],
    "verify": ["--junit", "junit.xml", "--baseline", "baseline.json"],
    "release": ["docs"],
    "rollback": ["otters.md"],
    "retry": ["otters.md"],
    "backup": ["backup.db"],
    "doctor": ["--bundle", "bundle.zip"],
    "explain": ["3"],
    "completion": ["bash"],
    "scaffold": ["k8s"],
    "adopt": ["--take"],
    "audit": ["--repair"],
}
ELSEWHERE = {"run", "demo", "emulator", *LATER}  # the service has a test of its own; the others know no secret


def _everything_written(folder: Path) -> Iterator[tuple[str, str]]:
    """Each file below a folder but those that hold the secrets, archives opened."""
    for file in sorted(folder.rglob("*")):
        if not file.is_file() or file.name in ("key", "config.toml"):
            continue
        if file.suffix == ".zip":
            with zipfile.ZipFile(file) as archive:
                for name in archive.namelist():
                    yield f"{file.name}/{name}", archive.read(name).decode()
        else:
            yield file.name, file.read_bytes().decode("latin-1")


def _every_command(site: Site, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    printed = {}
    for name in TABLE:
        if name in ELSEWHERE:
            continue
        for more in ([], ["--json"]):
            (site.tmp / "bundle.zip").unlink(missing_ok=True)
            assert 1 != run([name, *ARGUMENTS.get(name, []), *more, "-vv"]), (name, capsys.readouterr())
            printed[f"{name} {more}"] = "\n".join(capsys.readouterr())
    return printed


@pytest.mark.parametrize("how", ["refused", "broken", "a page", "a text", "strange", "names"])
def test_no_command_shows_or_keeps_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    """Whatever a server says back, no command prints the key, and no file, ledger or report holds it."""
    token = "token-canary-0123456789"
    site = Site(tmp_path, extra=f'[http]\nlisten = ""\ntoken = "{token}"\n')
    site.fill(2)
    monkeypatch.chdir(tmp_path)
    for variable in [name for name in os.environ if name.startswith("SYNCD_")]:
        monkeypatch.delenv(variable)
    if how == "refused":
        assert 0 == run(["sync"])  # so that there is a ledger with documents in it
    with parrot(how) as address:
        site.base_url = address
        site.configure()
        printed = _every_command(site, capsys)
    for command, text in [*printed.items(), *_everything_written(tmp_path)]:
        for secret in (site.key, token):
            assert secret not in text, f"{command} shows a secret: …{text[max(text.find(secret) - 300, 0) :][:500]}…"
    assert any("your key" in text for text in printed.values())  # it was told what the server said


def test_outlets_mask_what_nobody_else_did() -> None:
    """The last door of all output knows the secrets too."""
    reading, writing = os.pipe()
    stream = io.TextIOWrapper(outlet.Outlet(writing, None), write_through=True)  # type: ignore[type-var]
    outlet.conceal([CANARY, "short"])
    stream.write(f"a {CANARY} b short\n")
    assert b"a *** b short\n" == os.read(reading, 100)
    os.close(reading)
    os.close(writing)
