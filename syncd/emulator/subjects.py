"""Which documents and folders a request is about, so that faults can be ordered for one of them by its name.

A request is about what it uploads or makes, and about every collection whose id it brings. A name fits if it is the
collection's name, or a text of its metadata (a client's own mark, say its path), or the end of such a path.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from syncd.emulator.call import Call
from syncd.emulator.core import Core, loads
from syncd.emulator.naming import is_object_id
from syncd.emulator.wire import Incoming

_PLACES = frozenset(["parentId", "datasetId"])  # where something is, not what it is


class Subjects:
    """The names a request is about; looked up only when somebody asks."""

    def __init__(self, core: Core, call: Call, incoming: Incoming) -> None:
        self._core, self._call, self._incoming = core, call, incoming
        self._names: set[str] | None = None

    def include(self, name: str) -> bool:
        """Whether the request is about the document or folder of this name."""
        if self._names is None:
            self._names = set(self._found())
        return any(name == known or known.endswith("/" + name) for known in self._names)

    def _found(self) -> Iterator[str]:
        body: Any = {}
        if self._incoming.upload is not None:
            yield self._incoming.upload.name or ""
            body = _json(self._incoming.upload.fields.get("data", ""))
        elif self._incoming.raw:
            body = _json(self._incoming.raw)
        if isinstance(body, dict):
            yield from _texts([body.get("name"), body.get("metadata"), body.get("collectionMetadata")])
        for value in _values({**self._call.query, **(body if isinstance(body, dict) else {})}):
            row = self._core.collection(value.lower()) if is_object_id(value) else None
            if row is not None:
                yield row["name"]
                yield row["stored_name"] or ""
                yield from _texts(loads(row["metadata"], {}))


def _json(raw: str | bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return {}


def _values(body: dict[str, Any]) -> Iterator[str]:
    """The texts of a body's fields and lists, but not those that say where."""
    for key, value in body.items():
        if key not in _PLACES:
            yield from (item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str))


def _texts(value: Any) -> Iterator[str]:
    """All texts in nested data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for item in value.values() for text in _texts(item))
    elif isinstance(value, list):
        yield from (text for item in value for text in _texts(item))
