"""What the commands share that read the ledger: opening it beside a running service, and finding documents."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from syncd.commands.base import unknown
from syncd.errors import UsageError
from syncd.models import DocumentKey

if TYPE_CHECKING:
    from syncd.config import Config
    from syncd.ledger import Ledger


@contextmanager
def ledger_if_any(config: Config) -> Iterator[Ledger | None]:
    """The ledger for reading, no lock taken; ``None`` when nothing was ever synchronised.

    Raises:
        LedgerError: it cannot be used.
    """
    from syncd.ledger import Ledger
    from syncd.ledger.store import exists

    if not exists(config.ledger.path):
        yield None
        return
    ledger = Ledger(config.ledger.path, write=False)
    try:
        yield ledger
    finally:
        ledger.close()


def find_document(config: Config, ledger: Ledger | None, given: str, source: str | None = None) -> DocumentKey:
    """The document that a person means by a path: relative to its source, or of its file on disk.

    Raises:
        UsageError: no document is known by that path, or several are.
    """
    from syncd.ledger import entries, remote

    known = [] if ledger is None else remote.source_names(ledger.conn)
    names = [s.name for s in config.sources]
    names += [name for name in known if name not in names]  # a source may have left the configuration
    if source is not None:
        if source not in names:
            raise unknown(f'there is no source "{source}"', source, names, "sources")
        names = [source]
    found = [
        key
        for key in dict.fromkeys([*_on_disk(config, given, names), *_within(given, names)])
        if ledger is not None and entries.one(ledger.conn, key) is not None
    ]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(key.source for key in found)
        raise UsageError(f'"{given}" exists in the sources {listed}', hint="say which one with --source")
    if ledger is None:
        raise UsageError(f'no document "{given}" is known: nothing was synchronised yet', hint="run `syncd sync` first")
    raise unknown(
        f'no document "{given}" is known', _plain(given), _paths(ledger, names), "`syncd ls` lists them; some are"
    )


def _plain(path: str) -> str:
    """A path as the ledger spells it: POSIX, NFC, without ``.`` and doubled slashes."""
    return unicodedata.normalize("NFC", os.path.normpath(path))


def _within(given: str, names: Iterable[str]) -> list[DocumentKey]:
    if os.path.isabs(given):
        return []
    plain, names = _plain(given), list(names)
    named, _, rest = plain.partition("/")  # as search, plan and the log print it: SOURCE/PATH
    return [DocumentKey(name, plain) for name in names] + [DocumentKey(name, rest) for name in names if name == named]


def _on_disk(config: Config, given: str, names: Iterable[str]) -> list[DocumentKey]:
    """The path as one on disk, below the roots of the sources; both may be reached by symbolic links."""
    wanted = set(names)
    keys: list[DocumentKey] = []
    for source in config.sources:
        if source.name not in wanted:
            continue
        for path, root in (
            (os.path.abspath(given), os.path.abspath(source.path)),
            (os.path.realpath(given), os.path.realpath(source.path)),
        ):
            if path.startswith(root.rstrip("/") + "/"):
                keys.append(DocumentKey(source.name, _plain(os.path.relpath(path, root))))
    return keys


def _paths(ledger: Ledger, names: Iterable[str]) -> list[str]:
    from syncd.ledger import records

    return [row["path"] for row in records.documents(ledger.conn, names, everything=True)]


def by_source(keys: Iterable[DocumentKey]) -> dict[str, list[str]]:
    """Paths by source, in the order given."""
    grouped: dict[str, list[str]] = {}
    for key in keys:
        grouped.setdefault(key.source, []).append(key.path)
    return grouped
