"""`syncd doctor --bundle`: everything a bug report needs, and no secret."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import sys
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from syncd import __version__
from syncd.checkup import Finding
from syncd.config import Config, load, redacting
from syncd.errors import ConfigError, SyncdError
from syncd.ledger import Ledger, records
from syncd.logs import Redactor

_PACKAGES = ("httpx", "sqlite-utils", "structlog", "click", "rich", "pypdf")


def write(findings: list[Finding], path: Path | None, env: Mapping[str, str], target: Path) -> None:
    """Write a redacted ZIP for a bug report: findings, versions, the configuration without secrets, ledger figures.

    Only who runs this may read it: paths and addresses are in it.

    Raises:
        FileExistsError: the target exists.
    """
    contents = _contents(findings, path, env)
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in contents.items():
                archive.writestr(name, content)
    except BaseException:
        with suppress(OSError):
            target.unlink()  # a half of it is of no use
        raise


def _contents(findings: list[Finding], path: Path | None, env: Mapping[str, str]) -> dict[str, str]:
    tables = None if path is None else redacting.tables_of(path)
    redactor = Redactor(redacting.secrets(tables, path, env))

    def as_json(value: Any) -> str:
        # Value by value: a secret may look otherwise once it is written as JSON.
        return json.dumps(redactor.clean(value), indent=2, ensure_ascii=False)

    contents = {
        "findings.json": as_json([asdict(finding) for finding in findings]),
        "versions.json": as_json(_versions()),
        "configuration.txt": "it is no TOML\n" if tables is None else redactor.text(redacting.redacted(tables)),
    }
    with suppress(ConfigError):  # then nothing says for certain where it is
        contents["ledger.json"] = as_json(_figures(load(path, env=env)))
    return contents


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
