"""`syncd doctor`: looks at everything that must be right, and says what to do about what is not."""

from __future__ import annotations

import io
import json
import os
import platform
import sqlite3
import sys
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from syncd import __version__
from syncd.config import Config, Source, load
from syncd.errors import (
    EXIT_CONFIG,
    EXIT_HELD,
    EXIT_LEDGER,
    EXIT_OK,
    EXIT_REFUSED,
    ConfigError,
    SyncdError,
)

Level = Literal["ok", "warning", "error"]

_LOW_DISK = 200 * 2**20  # bytes; a ledger needs about 1 KB a document, and its write-ahead log as much again
_REMOTE_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "virtiofs", "ceph"})
_PACKAGES = ("httpx", "sqlite-utils", "structlog", "click", "rich", "pathspec", "pypdf", "charset-normalizer")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Args:
        check: its short, stable name.
        level: ``error`` keeps syncd from working, ``warning`` may bite later.
        message: what is so.
        hint: what to do; "" when nothing is.
        exit_code: of an error, as the command that it keeps from working would end.
    """

    check: str
    level: Level
    message: str
    hint: str = ""
    exit_code: int = EXIT_OK


async def examine(path: Path | None, env: Mapping[str, str] = os.environ) -> list[Finding]:
    """Look at configuration, ledger, folders, machine and server; never raises for what it finds."""
    findings: list[Finding] = []
    try:
        config = load(path, env=env)
    except ConfigError as error:
        return [
            Finding("configuration", "error", problem, error.hint or "see config.example.toml", EXIT_CONFIG)
            for problem in error.problems
        ]
    findings.append(Finding("configuration", "ok", f"{config.path}: {len(config.sources)} source(s)"))
    findings += [Finding("configuration", "warning", text) for text in config.warnings]
    findings.append(Finding("key", "ok", f"the key comes from {config.fastgpt.api_key_origin}"))
    findings += _ledger(config)
    for source in config.sources:
        findings += _folder(source)
    findings += _machine(config)
    findings += await _server(config)
    return findings


# ---------------------------------------------------------------- here


def _ledger(config: Config) -> list[Finding]:
    path = config.ledger.path
    findings: list[Finding] = []
    place = path.parent
    while not place.exists() and place != place.parent:
        place = place.parent
    if not os.access(place, os.W_OK):
        findings.append(
            Finding(
                "ledger",
                "error",
                f"{place} is not writable for this user",
                "change its owner, or set [ledger] path to another place",
                EXIT_LEDGER,
            )
        )
    kind = file_system(place)
    if kind in _REMOTE_FILE_SYSTEMS:
        findings.append(
            Finding(
                "ledger",
                "error",
                f"the ledger {path} lies on {kind}, where SQLite's locks and log are not reliable",
                "put it on a local disk",
                EXIT_LEDGER,
            )
        )
    free = _free(place)
    if free < _LOW_DISK:
        findings.append(Finding("disk", "warning", f"{free // 2**20} MB are free at {place}", "make room"))
    if path.exists():
        findings.append(_integrity(path))
    else:
        findings.append(Finding("ledger", "ok", f"{path} will be made by the first sync ({kind or 'local'} disk)"))
    return findings


def _integrity(path: Path) -> Finding:
    from syncd.errors import LedgerError
    from syncd.ledger import Ledger

    try:
        ledger = Ledger(path, write=False)
    except LedgerError as error:
        return Finding("ledger", "error", error.message, error.hint, EXIT_LEDGER)
    try:
        result = [row[0] for row in ledger.conn.execute("pragma integrity_check(5)")]
        documents = ledger.conn.execute("select count(*) from documents").fetchone()[0]
    except sqlite3.Error as error:
        result, documents = [str(error)], 0
    finally:
        ledger.close()
    if result != ["ok"]:
        return Finding(
            "ledger",
            "error",
            f"{path} is damaged: {'; '.join(result)}",
            "restore a backup, or move the file away: the next `syncd sync` rebuilds it from the server",
            EXIT_LEDGER,
        )
    return Finding("ledger", "ok", f"{path} is intact and knows {documents} document(s)")


def _folder(source: Source) -> list[Finding]:
    check = f"source {source.name}"
    if not source.path.exists():
        return [
            Finding(
                check,
                "error",
                f"{source.path} does not exist, so the source is held",
                "mount or make the folder, or correct `path`",
                EXIT_HELD,
            )
        ]
    if not os.access(source.path, os.R_OK | os.X_OK):
        return [
            Finding(
                check,
                "error",
                f"{source.path} cannot be read by this user (uid {os.getuid()})",
                "give it read and execute rights there; a systemd service: SupplementaryGroups=",
                EXIT_HELD,
            )
        ]
    kind = file_system(source.path)
    directories, unreadable = _count(source.path)
    findings = [Finding(check, "ok", f"{source.path} is readable: {directories} folder(s), {kind or 'local'} disk")]
    if unreadable:
        findings.append(
            Finding(
                check,
                "error",
                f"{len(unreadable)} folder(s) below it cannot be read, the first is {unreadable[0]}",
                "deletions of this source are held until they can be read, or are excluded",
                EXIT_HELD,
            )
        )
    limit = _watch_limit()
    if limit is not None and directories > limit * 0.8:
        findings.append(
            Finding(
                check,
                "warning",
                f"{directories} folders, but this machine allows {limit} inotify watches per user",
                f"raise it: sysctl fs.inotify.max_user_watches={max(directories * 2, 524288)}",
            )
        )
    return findings


def _count(root: Path) -> tuple[int, list[str]]:
    unreadable: list[str] = []
    directories = 0
    for _ in os.walk(root, onerror=lambda error: unreadable.append(str(error.filename))):
        directories += 1
    return directories, unreadable


def _machine(config: Config) -> list[Finding]:
    findings = [
        Finding("version", "ok", f"syncd {__version__}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}")
    ]
    if time.time() < 1_700_000_000:
        findings.append(
            Finding("clock", "error", f"the clock says {time.strftime('%Y-%m-%d')}", "set it, e.g. with NTP", EXIT_CONFIG)
        )
    encoding = sys.getfilesystemencoding()
    if encoding.lower() not in ("utf-8", "utf8"):
        findings.append(
            Finding("locale", "warning", f"file names are read as {encoding}", "set LANG=C.UTF-8 or PYTHONUTF8=1")
        )
    del config
    return findings


def file_system(path: Path) -> str:
    """The type of the file system a path lies on, as the kernel names it; "" when it does not tell."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    real = os.path.realpath(path)
    best, kind = "", ""
    for line in mounts:
        parts = line.split()
        if len(parts) < 3:
            continue
        point = parts[1].encode().decode("unicode_escape", errors="replace")
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, parts[2]
    return kind


def _free(path: Path) -> int:
    stats = os.statvfs(path)
    return stats.f_bavail * stats.f_frsize


def _watch_limit() -> int | None:
    try:
        return int(Path("/proc/sys/fs/inotify/max_user_watches").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


# ---------------------------------------------------------------- there


async def _server(config: Config) -> list[Finding]:
    from syncd.service import make_client

    findings: list[Finding] = []
    url = config.fastgpt.base_url
    async with make_client(config) as client:
        try:
            began = time.perf_counter()
            datasets = await client.datasets()
            milliseconds = (time.perf_counter() - began) * 1000
        except SyncdError as error:
            return [Finding("server", "error", f"{url}: {error.message}", error.hint, error.exit_code)]
        findings.append(Finding("server", "ok", f"{url} answers in {milliseconds:.0f} ms and takes the key"))
        try:
            dialect = await client.detect()
            known = dialect.name != "unknown"
            findings.append(
                Finding(
                    "version of FastGPT",
                    "ok" if known else "warning",
                    f"speaks as {dialect.name}" + (f" ({', '.join(dialect.quirks)})" if dialect.quirks else ""),
                    "" if known else "syncd was tested with 4.12 to 4.16; run `syncd sync` on a test dataset first",
                )
            )
            findings.append(_key_kind(await client.key_kind()))
        except SyncdError as error:
            findings.append(Finding("server", "warning", error.message, error.hint))
        for reference in dict.fromkeys(source.dataset for source in config.sources):
            findings.append(await _dataset(client.dataset, [(d.id, d.name, d.type) for d in datasets], reference))
    return findings


def _key_kind(kind: str) -> Finding:
    if kind == "app":
        return Finding(
            "kind of key",
            "warning",
            "this is an app-specific key",
            "it works on datasets today, but FastGPT documents the global key for that: make one under API keys",
        )
    if kind == "global":
        return Finding("kind of key", "ok", "this is a global key")
    return Finding("kind of key", "ok", "the server does not tell whether the key is global or app-specific")


async def _dataset(
    detail: Callable[..., object], known: list[tuple[str, str, str]], reference: str
) -> Finding:
    matches = [id_ for id_, name, kind in known if kind == "dataset" and reference in (id_, name)]
    check = f"dataset {reference}"
    if len(matches) > 1:
        return Finding(
            check, "error", f"{len(matches)} datasets have this name: {', '.join(matches)}", "write the id instead", EXIT_CONFIG
        )
    looks_like_id = len(reference) == 24 and all(c in "0123456789abcdef" for c in reference)
    if not matches and not looks_like_id:
        return Finding(check, "ok", "does not exist yet; the first sync makes it")
    try:
        dataset = await detail(matches[0] if matches else reference)  # type: ignore[misc]
    except SyncdError as error:
        return Finding(check, "error", error.message, error.hint, error.exit_code)
    if not dataset.can_write:
        return Finding(
            check,
            "error",
            "the key may read it but not write to it",
            "give the member who made the key write permission on it",
            EXIT_REFUSED,
        )
    if not dataset.can_manage:
        return Finding(
            check,
            "warning",
            "the key may write, but not manage it",
            "FastGPT from 4.17 on asks for manage permission to delete collections",
        )
    model = f", embedding model {dataset.vector_model}" if dataset.vector_model else ""
    return Finding(check, "ok", f"may be written and managed{model}")


# ---------------------------------------------------------------- the bundle


async def bundle(path: Path | None, env: Mapping[str, str], target: Path) -> None:
    """Write a redacted ZIP for a bug report: findings, versions, the configuration without secrets, ledger figures.

    Raises:
        FileExistsError: the target exists.
    """
    findings = await examine(path, env)
    with open(target, "xb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("findings.json", json.dumps([asdict(f) for f in findings], indent=2, ensure_ascii=False))
        archive.writestr("versions.json", json.dumps(_versions(), indent=2))
        try:
            config = load(path, env=env)
        except ConfigError:
            return
        archive.writestr("configuration.txt", redacted(config))
        archive.writestr("ledger.json", json.dumps(_figures(config), indent=2))


def redacted(config: Config) -> str:
    """The configuration's text with every value that could be a secret replaced."""
    secret = config.fastgpt.api_key.reveal()
    out = io.StringIO()
    for line in config.path.read_text(encoding="utf-8", errors="replace").splitlines():
        name = line.partition("=")[0].strip()
        out.write(f'{name} = "***"\n' if name.endswith(("api_key", "token", "password", "secret")) else line + "\n")
    return out.getvalue().replace(secret, "***")


def _versions() -> dict[str, str]:
    found = {"syncd": __version__, "python": sys.version, "platform": platform.platform(), "sqlite": sqlite3.sqlite_version}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found


def _figures(config: Config) -> dict[str, object]:
    from syncd.errors import LedgerError
    from syncd.ledger import Ledger, records

    try:
        ledger = Ledger(config.ledger.path, write=False)
    except LedgerError as error:
        return {"error": error.message}
    try:
        return {source.name: records.counts_by_state(ledger.conn, source.name) for source in config.sources}
    finally:
        ledger.close()
