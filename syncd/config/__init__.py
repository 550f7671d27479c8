"""The configuration: TOML to frozen values; every problem at once, with file and line (design 8)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from syncd.config.document import Document, parse
from syncd.config.problems import Problems
from syncd.config.reader import read, xdg_home
from syncd.config.starter import STARTER, starter
from syncd.config.values import (
    Config,
    FastGPT,
    Http,
    LedgerConfig,
    Notify,
    Schedule,
    Secret,
    Service,
    Source,
    VerifyPolicy,
)
from syncd.errors import ConfigError

__all__ = [
    "STARTER",
    "Config",
    "FastGPT",
    "Http",
    "LedgerConfig",
    "Notify",
    "Schedule",
    "Secret",
    "Service",
    "Source",
    "VerifyPolicy",
    "find",
    "load",
    "starter",
]

HERE = Path("config.toml")
SYSTEM = Path("/etc/syncd/config.toml")
# Nobody writes such a file by hand; it keeps a wrong path (a device, a database) from being read whole.
LARGEST_FILE = 4 * 1024 * 1024


def find(explicit: str | None, env: Mapping[str, str]) -> Path:
    """Return the configuration file to read: stated by ``--config`` or ``SYNCD_CONFIG``, else the first that exists.

    A stated file is returned even when it does not exist; ``load`` then says so.

    Raises:
        ConfigError: nothing is stated and no usual place has one.
    """
    stated = explicit or env.get("SYNCD_CONFIG")
    if stated:
        return Path(stated)
    home = xdg_home(env, "XDG_CONFIG_HOME", ".config")
    places = [HERE, *([home / "syncd" / "config.toml"] if home else []), SYSTEM]
    for place in places:
        if os.path.isfile(place):
            return place
    listed = ", ".join(["--config", "SYNCD_CONFIG", f"./{HERE}", *map(str, places[1:])])
    raise ConfigError(
        [f"no configuration found; looked at {listed}"], hint="`syncd init` writes a first one into this folder"
    )


def load(path: Path | None = None, *, env: Mapping[str, str] = os.environ) -> Config:
    """Read and check a configuration; nothing but the file, the key's file and the environment is touched.

    Args:
        path: the file; without it the one that ``find`` gives.
        env: the environment.

    Raises:
        ConfigError: with every problem, in the order of the lines.
    """
    path = find(None, env) if path is None else path
    problems = Problems(str(path))
    config = _read(path, env, problems)
    # Raised here, where no local variable holds the text of the file, which may contain the key.
    if config is None:
        problems.fail()
    return config


def _read(path: Path, env: Mapping[str, str], problems: Problems) -> Config | None:
    text = _text(path, problems)
    parsed = None if text is None else parse(text, problems)
    return read(Document(path, *parsed, env, problems)) if parsed else None


def _text(path: Path, problems: Problems) -> str | None:
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        problems.at(1, f"cannot be read: {reason}; `syncd init` writes a first configuration")
        return None
    if len(data) > LARGEST_FILE:
        problems.at(1, "too large for a configuration")
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problems.at(data.count(b"\n", 0, error.start) + 1, "not valid TOML: the text is not UTF-8")
        return None
