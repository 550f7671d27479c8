"""The configuration to answer from when the file is wrong: the last good one, which the ledger keeps."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from syncd.errors import ConfigError, SyncdError

if TYPE_CHECKING:
    from syncd.commands.base import Globals
    from syncd.config import Config

_SHOWN = 3  # problems


def load(given: Globals, env: Mapping[str, str] | None = None) -> Config:
    """The configuration, or the last good one with a line on stderr that says so.

    For commands that ask or tell and send nothing themselves: an operator needs them most when something is wrong.

    Raises:
        ConfigError: it is wrong, and no service or pass has left a good one.
    """
    config, wrong = load_or_last(given, env)
    if wrong is not None:
        tell(given, wrong)
    return config


def load_or_last(given: Globals, env: Mapping[str, str] | None = None) -> tuple[Config, ConfigError | None]:
    """The configuration, or the last good one and what is wrong with the file."""
    chosen = os.environ if env is None else env
    try:
        return given.load(env=chosen), None
    except ConfigError as error:
        last = _last_good(given, chosen)
        if last is None:
            raise
        given.configure_logs()
        given.ledger = last.ledger.path
        return last, error


def tell(given: Globals, wrong: ConfigError) -> None:
    """Say that the file is wrong, and what is shown instead."""
    from syncd.report.human import printable

    for problem in wrong.problems[:_SHOWN]:
        given.err(f"warning: {printable(problem)}\n")
    more = len(wrong.problems) - _SHOWN
    rest = f"{more} more problems; " if more > 0 else ""
    given.err(f"warning: {rest}this configuration is wrong (`syncd check`); answered from the last good one\n")


def _last_good(given: Globals, env: Mapping[str, str]) -> Config | None:
    from contextlib import closing

    from syncd import config
    from syncd.config import kept
    from syncd.ledger import Ledger, requests

    try:
        path = kept.ledger_of(config.find(given.config_path, env), env)
        if path is None:
            return None
        with closing(Ledger(path, write=False)) as ledger:
            return kept.revive(ledger.meta(requests.CONFIGURATION))
    except SyncdError:
        return None  # then the configuration is all that there is to speak of
