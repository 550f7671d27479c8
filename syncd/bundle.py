"""`syncd doctor --bundle`: everything a bug report needs, and no secret."""

from __future__ import annotations

import io
import json
import platform
import sqlite3
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from syncd import __version__
from syncd.checkup import Finding
from syncd.config import Config, load
from syncd.errors import ConfigError, SyncdError
from syncd.ledger import Ledger, records

_PACKAGES = ("httpx", "sqlite-utils", "structlog", "click", "rich", "pypdf")


def write(findings: list[Finding], path: Path | None, env: Mapping[str, str], target: Path) -> None:
    """Write a redacted ZIP for a bug report: findings, versions, the configuration without secrets, ledger figures.

    Raises:
        FileExistsError: the target exists.
    """
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
    found = {
        "syncd": __version__,
        "python": sys.version,
        "platform": platform.platform(),
        "sqlite": sqlite3.sqlite_version,
    }
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found


def _figures(config: Config) -> dict[str, object]:
    try:
        ledger = Ledger(config.ledger.path, write=False)
    except SyncdError as error:
        return {"error": error.message}
    try:
        return {source.name: records.counts_by_state(ledger.conn, source.name) for source in config.sources}
    finally:
        ledger.close()
