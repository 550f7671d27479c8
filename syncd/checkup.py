"""What `syncd doctor` looks at on this machine: the ledger, the folders, the disk, the clock."""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from syncd import __version__
from syncd.config import Config, Source
from syncd.errors import EXIT_CONFIG, EXIT_HELD, EXIT_LEDGER, EXIT_OK, LedgerError, SyncdError
from syncd.filesystems import changed_by_others, file_system
from syncd.ledger import Ledger
from syncd.observe import folders

Level = Literal["ok", "warning", "error"]

_LOW_DISK = 200 * 2**20  # bytes; a ledger needs about 1 KB a document, and its write-ahead log as much again


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


def ledger(config: Config) -> list[Finding]:
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
    if changed_by_others(kind):
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
    try:
        ledger = Ledger(path, write=False)
    except SyncdError as error:
        return Finding("ledger", "error", error.message, error.hint, error.exit_code)
    try:
        result = [row[0] for row in ledger.conn.execute("pragma integrity_check(5)")]
        documents = ledger.conn.execute("select count(*) from documents").fetchone()[0]
    except LedgerError as error:
        result, documents = [str(error.__cause__ or error)], 0
    except SyncdError as error:
        return Finding("ledger", "error", error.message, error.hint, error.exit_code)
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


def folder(source: Source) -> list[Finding]:
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
    directories, unreadable = folders(source)
    findings = [Finding(check, "ok", f"{source.path} is readable: {directories} folder(s), {kind or 'local'} disk")]
    if unreadable:
        findings.append(
            Finding(
                check,
                "error",
                f"{len(unreadable)} folder(s) in it cannot be read, the first is {unreadable[0]}",
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


def machine() -> list[Finding]:
    findings = [
        Finding(
            "version", "ok", f"syncd {__version__}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
        )
    ]
    if time.time() < 1_700_000_000:
        findings.append(
            Finding(
                "clock", "error", f"the clock says {time.strftime('%Y-%m-%d')}", "set it, e.g. with NTP", EXIT_CONFIG
            )
        )
    encoding = sys.getfilesystemencoding()
    if encoding.lower() not in ("utf-8", "utf8"):
        findings.append(
            Finding("locale", "warning", f"file names are read as {encoding}", "set LANG=C.UTF-8 or PYTHONUTF8=1")
        )
    return findings


def _free(path: Path) -> int:
    stats = os.statvfs(path)
    return stats.f_bavail * stats.f_frsize


def _watch_limit() -> int | None:
    try:
        return int(Path("/proc/sys/fs/inotify/max_user_watches").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
