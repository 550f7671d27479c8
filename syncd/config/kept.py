"""A configuration as the ledger keeps it: for who asks while the file is wrong. Without any secret (law 10)."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from syncd import salvage
from syncd.config.document import Document
from syncd.config.environment import variable
from syncd.config.lines import Lines
from syncd.config.problems import Problems
from syncd.config.reader import default_ledger
from syncd.config.values import NO_SECRET, Config, Secret


def keep(config: Config) -> str:
    """A configuration as JSON; secrets are left out."""
    return json.dumps(_plain(config), ensure_ascii=False, sort_keys=True)


def revive(text: str) -> Config | None:
    """The configuration that was kept; ``None`` when another version of syncd wrote it in another shape."""
    try:
        found = _read(Config, json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return typing.cast(Config, found)


def ledger_of(path: Path, env: Mapping[str, str]) -> Path | None:
    """Where the ledger of a configuration is that may be wrong in any way; ``None`` when nothing tells."""
    problems = Problems(str(path))
    document = Document(path, {}, Lines("", lambda quoted: quoted), env, problems)
    try:
        source = path.read_bytes().decode("utf-8-sig", "replace")
    except (OSError, ValueError):
        source = ""
    stated = env.get(variable("ledger", "path")) or salvage.text_of(source, "ledger", "path")
    return document.absolute(stated) if stated else default_ledger(document)


def _plain(value: Any) -> Any:
    if isinstance(value, Secret):
        return None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return value


def _read(kind: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Secret:
        return NO_SECRET
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        chosen = [one for one in arguments if one is not type(None)]
        return _read(chosen[0], value) if len(chosen) == 1 else value
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return tuple(_read(arguments[0], item) for item in value)
        return tuple(_read(one, item) for one, item in zip(arguments, value, strict=True))
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        made: Any = kind
        return made(**{name: _read(hints[name], item) for name, item in value.items()})
    return kind(value) if kind is Path else value
