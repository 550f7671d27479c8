"""What the tests of the command line share: a real emulator process, and a folder in which `syncd` runs as one."""

from __future__ import annotations

import atexit
import functools
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

import nursery

REPOSITORY = Path(__file__).resolve().parent.parent
_PATIENCE = 180  # seconds for one run, on a machine that is busy with other things
QUICK = ("--training-seconds", "0.05", "--chunk-seconds", "0.001")


@dataclass(frozen=True)
class Server:
    """A running emulator."""

    base_url: str
    key: str
    app_key: str

    def admin(self, name: str, body: object = None) -> Any:
        """One admin call."""
        data = None if body is None else json.dumps(body).encode()
        address = f"{self.base_url.removesuffix('/api')}/__emulator__/{name}"
        with urllib.request.urlopen(urllib.request.Request(address, data=data), timeout=60) as answer:  # noqa: S310
            return json.load(answer)


def start_server(*options: str) -> tuple[subprocess.Popen[str], Server]:
    """An emulator as a process; whoever starts it ends it with ``stop_server``."""
    process = subprocess.Popen(
        [sys.executable, "-m", "syncd.emulator", "--port", "0", *QUICK, *options],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    greeting = json.loads(process.stdout.readline())
    return process, Server(greeting["base_url"], greeting["global_key"], greeting["app_key"])


def stop_server(process: subprocess.Popen[str]) -> None:
    """End an emulator."""
    process.terminate()
    process.communicate(timeout=60)


@functools.cache
def server() -> Server:
    """The one emulator of this test session; each test has datasets of its own in it."""
    process, greeting = start_server()
    atexit.register(stop_server, process)
    return greeting


@dataclass(frozen=True)
class Result:
    """How one run ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)


def clean_environment(**extra: str) -> dict[str, str]:
    """Our environment without what would lead `syncd` elsewhere."""
    dropped = ("SYNCD_", "XDG_", "STATE_DIRECTORY", "CREDENTIALS_DIRECTORY", "NO_COLOR", "FORCE_COLOR", "_SYNCD")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return {**kept, "PYTHONPATH": str(REPOSITORY), **extra}


@dataclass
class Site:
    """A folder with documents and a configuration."""

    tmp: Path
    base_url: str = ""
    key: str = ""
    delete: str = ""
    extra: str = ""
    settle: str = "0s"
    env: dict[str, str] = field(default_factory=dict)
    server: Server | None = None  # the one of this test session, unless another is given

    def __post_init__(self) -> None:
        self.base_url = self.base_url or self.emulator.base_url
        self.key = self.key or self.emulator.key
        self.docs = self.tmp / "docs"
        self.docs.mkdir(exist_ok=True)
        self.configure()

    @property
    def emulator(self) -> Server:
        """Its server."""
        return self.server or server()

    @property
    def space(self) -> str:
        """The id of its deployment, in every marker."""
        return self.tmp.name

    def configure(self) -> None:
        """Write the configuration anew."""
        (self.tmp / "key").touch(0o600)
        (self.tmp / "key").write_text(self.key + "\n")
        (self.tmp / "config.toml").touch(0o600)
        (self.tmp / "config.toml").write_text(
            f"""\
version = 1
[fastgpt]
base_url = "{self.base_url}"
api_key_file = "key"
search_tests_per_second = 200
[ledger]
path = "ledger.db"
space = "{self.space}"
[[source]]
name = "docs"
path = "docs"
dataset = "{self.tmp.name}"
settle = "{self.settle}"
[source.delete]
{self.delete}
{self.extra}
"""
        )

    def write(self, path: str, text: str | bytes) -> Path:
        """Write a document, last changed a while ago."""
        target = self.docs / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode() if isinstance(text, str) else text)
        os.utime(target, (time.time() - 60, time.time() - 60))
        return target

    def fill(self, number: int = 3) -> None:
        """Write some documents, each about something else."""
        animals = ("otters", "walruses", "petrels", "lemmings", "narwhals", "puffins", "stoats", "ravens")
        for index in range(number):
            animal = animals[index]
            self.write(
                f"{animal}.md", f"# {animal.title()}\n\nEverything about {animal} number {index} in the far north.\n"
            )

    def expected(self) -> dict[str, str]:
        """Hash by path, as the disk says."""
        files = [path for path in self.docs.rglob("*") if path.is_file()]
        return {str(p.relative_to(self.docs)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}

    def shown(self) -> list[tuple[str, str]]:
        """Path and hash of every collection of this site that the server shows, sorted."""
        return sorted((path, sha256) for path, sha256, _ in self._collections())

    def visible_ids(self) -> dict[str, str]:
        """Collection id by path of what the server shows."""
        return {path: collection_id for path, _, collection_id in self._collections()}

    def _collections(self) -> list[tuple[str, str, str]]:
        rows: list[dict[str, Any]] = self.emulator.admin("snapshot")
        folders = {row["id"]: row for row in rows if row["type"] == "folder"}
        found: list[tuple[str, str, str]] = []
        for row in rows:
            marker = (row.get("metadata") or {}).get("syncd")
            if row["type"] == "folder" or marker is None or marker["space"] != self.space or row["forbid"]:
                continue
            path, parent = row["name"], row["parentId"]
            while parent:
                path, parent = f"{folders[parent]['name']}/{path}", folders[parent]["parentId"]
            found.append((path, marker["sha256"], row["id"]))
        return found

    def visible(self) -> dict[str, str]:
        """Hash by path of what the server shows at rest; a path that is shown twice fails."""
        rows = self.shown()
        found = dict(rows)
        assert len(found) == len(rows), f"something is visible twice: {rows}"
        return found

    def lose_ledger(self) -> None:
        """As in a fresh clone."""
        for path in self.tmp.glob("ledger.db*"):
            path.unlink()

    def command(self, *args: str) -> list[str]:
        """The command line of one run."""
        return [sys.executable, "-m", "syncd", *args]

    def start(
        self, *args: str, stdout: IO[Any], stderr: IO[Any], **env: str
    ) -> nursery.Child | subprocess.Popen[bytes]:
        """A process that runs `syncd`, in an interpreter of its own where the environment asks for that."""
        given = clean_environment(**{**self.env, **env})
        if nursery.usable(given):
            return nursery.start(args, cwd=self.tmp, env=given, stdout=stdout, stderr=stderr)
        return subprocess.Popen(
            self.command(*args), cwd=self.tmp, env=given, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr
        )

    def run(self, *args: str, code: int | None = None, **env: str) -> Result:
        """Run `syncd`; with ``code`` that exit code is demanded. The key must never appear."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = self.start(*args, stdout=out, stderr=err, **env)
            try:
                ended = process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGUSR2)  # a forked one tells where it is
                time.sleep(1)
                raise AssertionError(f"{args} does not end:\n{_text(out)}\n{_text(err)}") from None
            finally:
                process.kill()
                process.wait(60)
            result = Result(ended, _text(out), _text(err))
        assert self.key not in result.out + result.err, "the key was printed"
        if code is not None:
            assert result.code == code, f"{args} ended with {result.code}:\n{result.out}\n{result.err}"
        return result

    @contextmanager
    def running(self, *args: str) -> Iterator[subprocess.Popen[str]]:
        """`syncd` as a process under way; killed at the end if it still runs."""
        process = subprocess.Popen(
            self.command(*args),
            cwd=self.tmp,
            env=clean_environment(**self.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate(timeout=60)


def _text(file: IO[bytes]) -> str:
    """All that was written to a file."""
    file.seek(0)
    return file.read().decode()


def interrupt(process: subprocess.Popen[str], number: signal.Signals) -> Result:
    """Send a signal and wait for the end."""
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return Result(process.returncode, out, err)


Said = tuple[int, str, str]
"""An answer: HTTP status, media type, text."""


@contextmanager
def stand_in(answer: Callable[[str, Message], Said]) -> Iterator[str]:
    """A server that answers every request with what ``answer`` makes of path and headers; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, kind, text = answer(self.path, self.headers)
            data = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - names of http.server

        def log_message(self, *_args: object) -> None:
            """Keep quiet."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_address[1]}/api"
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


def html_server(status: int = 200) -> AbstractContextManager[str]:
    """A web server that answers everything with a page; gives its address."""
    page = "<!doctype html><html><head><title>Welcome</title></head><body>Log in</body></html>"
    return stand_in(lambda _path, _headers: (status, "text/html", page))
