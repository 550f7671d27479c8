"""The report of a plan: every action with its reason, the holds, and what it will cost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from syncd.models import (
    ACTION_KINDS,
    AnyAction,
    Delete,
    Move,
    Plan,
    Prove,
    QuarantineDocument,
    Restore,
    Resume,
    Retire,
    Upload,
    Waiting,
)
from syncd.report.human import count, iso, size
from syncd.report.model import Column, Finding, Level, Lines, Part, Report, Table
from syncd.report.passes import hold_data, hold_finding

if TYPE_CHECKING:
    from syncd.config import Config

_CHUNK = 1000  # characters a chunk holds when nothing else is configured
# Requests a document costs, as they are made: see the budget of a small document (8 in all) in the benchmarks.
_REQUESTS = {"upload": 8, "resume": 5, "prove": 4, "restore": 5, "move": 1, "retire": 2, "delete": 2, "quarantine": 0}


@dataclass(frozen=True, slots=True)
class Cost:
    """About what a plan will cost; counts, and bytes."""

    documents: int
    bytes: int
    chunks: int
    requests: int
    search_tests: int


def estimate(config: Config, plan: Plan) -> Cost:
    """Estimate from sizes and settings; the server is not asked."""
    sources = {source.name: source for source in config.sources}
    uploads = [a for a in plan.actions if isinstance(a, Upload)]
    proofs = [a for a in plan.actions if isinstance(a, (Upload, Resume, Prove, Restore))]
    chunks = 0
    for upload in uploads:
        options = dict(sources[upload.key.source].training.options)
        chunk = int(options.get("chunkSize", _CHUNK)) or _CHUNK
        chunks += max(1, -(-upload.snapshot.size // chunk))
    searches = sum(max(sources[a.key.source].verify.probes, 0) for a in proofs)
    return Cost(
        documents=len(uploads),
        bytes=sum(upload.snapshot.size for upload in uploads),
        chunks=chunks,
        requests=sum(_REQUESTS[ACTION_KINDS[type(a)]] for a in plan.actions),
        search_tests=searches,
    )


def report(plan: Plan, waiting: Sequence[Waiting], *, ledger_id: str, cost: Cost) -> Report:
    """The plan as a report; its document is also what ``--out`` writes."""
    data = {
        "created_at": iso(time.time()),
        "ledger": ledger_id or None,
        "actions": [action_data(action) for action in plan.actions],
        "holds": [hold_data(hold) for hold in plan.holds],
        "waiting": [
            {"source": w.key.source, "path": w.key.path, "reason": w.reason, "until": iso(w.until)} for w in waiting
        ],
        "cost": asdict(cost),
    }
    return Report("plan", data, tuple(_parts(plan, waiting, cost)))


def action_data(action: AnyAction) -> dict[str, Any]:
    """One action, with what tells later whether the world has moved since."""
    data: dict[str, Any] = {
        "kind": ACTION_KINDS[type(action)],
        "source": action.key.source,
        "path": action.key.path,
        "reason": action.reason,
    }
    match action:
        case Upload():
            data |= {
                "sha256": action.snapshot.sha256,
                "settings": action.snapshot.settings,
                "size": action.snapshot.size,
            }
        case QuarantineDocument():
            data |= {"code": action.problem.value, "size": action.snapshot.size}
        case Move():
            data |= {
                "revision": action.revision.id,
                "from": {"source": action.origin.source, "path": action.origin.path},
            }
        case Retire():
            data |= {"revision": action.revision.id, "grace": action.grace, "vanished": action.vanished}
        case Resume() | Prove() | Restore() | Delete():
            data |= {"revision": action.revision.id, "collection_id": action.revision.collection_id}
    return data


def _parts(plan: Plan, waiting: Iterable[Waiting], cost: Cost) -> list[Part]:
    several = len({action.key.source for action in plan.actions}) > 1
    parts: list[Part] = [
        Table(
            (Column("do", toned=True), Column("document"), Column("size", right=True), Column("because")),
            tuple(
                (
                    ACTION_KINDS[type(action)],
                    f"{action.key.source}/{action.key.path}" if several else action.key.path,
                    size(action.snapshot.size) if isinstance(action, Upload) else "",
                    action.reason,
                )
                for action in plan.actions
            ),
        )
    ]
    parts += [hold_finding(hold) for hold in plan.holds]
    parts += [Finding(Level.WARNING, "waiting", f"{w.key.source}/{w.key.path}: {w.reason}") for w in waiting]
    if not plan.actions:
        parts.append(Lines(("nothing to do" if not plan.holds else "nothing else to do",)))
        return parts
    kinds = Counter(ACTION_KINDS[type(action)] for action in plan.actions)
    lines = [", ".join(f"{number} {kind}" for kind, number in kinds.items())]
    if cost.documents:
        lines.append(
            f"about {count(cost.chunks, 'chunk')} to train from {count(cost.documents, 'document')}, "
            f"{size(cost.bytes)}; {count(cost.requests, 'request')}, of which {count(cost.search_tests, 'search test')}"
        )
    elif cost.requests:
        lines.append(f"about {count(cost.requests, 'request')}")
    parts.append(Lines(tuple(lines)))
    return parts
