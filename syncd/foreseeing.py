"""What a plan can tell already: files that would be uploaded, but cannot be sent as they are.

A pass finds that out when it opens the file to send it. A plan opens those files alone, and each content once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from syncd.convert import foresee
from syncd.door import FileAt
from syncd.models import AnyAction, Plan, Problem, QuarantineDocument, Upload
from syncd.work import SourceState

_REMEMBERED = 4096


def foreseen(plan: Plan, sources: dict[str, SourceState]) -> Plan:
    """Put a quarantine in the place of each upload that will not come about; reads files, so not on the event loop."""
    return replace(plan, actions=tuple(_foreseen(plan.actions, sources)))


def _foreseen(actions: Iterable[AnyAction], sources: dict[str, SourceState]) -> Iterable[AnyAction]:
    for action in actions:
        found = _found(action, sources[action.key.source]) if isinstance(action, Upload) else None
        yield action if found is None else found


def _found(action: Upload, source: SourceState) -> QuarantineDocument | None:
    snapshot, config = action.snapshot, source.config
    found = _trouble(
        source.place(snapshot.disk_name), snapshot.key.path, snapshot.sha256, config.encodings, config.max_size
    )
    if found is None:
        return None
    problem, message = found
    return QuarantineDocument(action.key, message, snapshot=snapshot, problem=problem)


@lru_cache(_REMEMBERED)
def _trouble(
    place: FileAt, path: str, sha256: str, encodings: tuple[str, ...], max_size: int
) -> tuple[Problem, str] | None:
    error = foresee(place, path=path, sha256=sha256, encodings=encodings, max_size=max_size)
    return None if error is None else (Problem(error.code), error.message)
