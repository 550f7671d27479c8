"""The report of a plan: every action with its reason, the holds, and what it will cost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from syncd.models import (
    ACTION_KINDS,
    AnyAction,
    Delete,
    DocumentKey,
    FileSnapshot,
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
from syncd.report.passes import hold_data, hold_finding, orphan_findings

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


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and what it was made from.

    Attributes:
        plan: the actions and holds.
        waiting: documents with work left that cannot be done now.
        ledger_id: of the ledger it was made from, or "".
        cost: the estimate.
        basis: "ledger"; "server" when there is none and the server's own markers were read instead; "files" when
            these could not be had either, so that nothing is known of what is there.
        ledger_path: where the ledger would be.
        not_asked: why the server's markers could not be read, or "".
        orphans: collections of ours whose files are not here.
    """

    plan: Plan
    waiting: Sequence[Waiting]
    ledger_id: str
    cost: Cost
    basis: str = "ledger"
    ledger_path: str = ""
    not_asked: str = ""
    orphans: Sequence[dict[str, Any]] = ()


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


def as_adopted(plan: Plan, snapshots: Mapping[DocumentKey, FileSnapshot]) -> Plan:
    """Say of a plan over what was just adopted what a reader wants to know: what stays, and what will be replaced.

    The pass proves each adopted version first, since it may be the only one that people find; only then it plans anew.
    """

    def said(action: AnyAction) -> AnyAction:
        snapshot = snapshots.get(action.key)
        if not isinstance(action, Prove) or snapshot is None:
            return action
        if snapshot.content == action.revision.content:
            return replace(action, reason="the server has it; it is proven again")
        return Upload(action.key, "other content than on the server", snapshot=snapshot)

    return replace(plan, actions=tuple(map(said, plan.actions)))


def report(made: Planned) -> Report:
    """The plan as a report; its document is also what ``--out`` writes."""
    data = {
        "created_at": iso(time.time()),
        "ledger": made.ledger_id or None,
        "basis": made.basis,
        "actions": [action_data(action, made.basis) for action in made.plan.actions],
        "holds": [hold_data(hold) for hold in made.plan.holds],
        "waiting": [
            {"source": w.key.source, "path": w.key.path, "reason": w.reason, "until": iso(w.until)}
            for w in made.waiting
        ],
        "orphans": list(made.orphans),
        "cost": asdict(made.cost),
    }
    return Report("plan", data, tuple(_parts(made)))


def _reason(action: AnyAction, basis: str) -> str:
    return (
        f"{action.reason}, unless the server has it"
        if basis == "files" and isinstance(action, Upload)
        else action.reason
    )


def action_data(action: AnyAction, basis: str = "ledger") -> dict[str, Any]:
    """One action, with what tells later whether the world has moved since."""
    data: dict[str, Any] = {
        "kind": ACTION_KINDS[type(action)],
        "source": action.key.source,
        "path": action.key.path,
        "reason": _reason(action, basis),
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


def _without_ledger(made: Planned) -> list[Part]:
    """What the plan is worth when there is no ledger."""
    where = f"there is no ledger yet ({made.ledger_path})"
    if made.basis == "server":
        return [Finding(Level.INFO, "no ledger", f"{where}: compared with what the server says of itself")]
    if made.basis == "files":
        why = (
            f": the server could not be asked: {made.not_asked}" if made.not_asked else " and the server was not asked"
        )
        return [
            Finding(
                Level.WARNING,
                "no ledger",
                f"{where}{why}; what it has already is adopted by the first pass and not uploaded again",
            )
        ]
    return []


def _parts(made: Planned) -> list[Part]:
    plan, cost = made.plan, made.cost
    several = len({action.key.source for action in plan.actions}) > 1
    parts: list[Part] = _without_ledger(made)
    parts += [
        Table(
            (Column("do", toned=True), Column("document"), Column("size", right=True), Column("because")),
            tuple(
                (
                    ACTION_KINDS[type(action)],
                    f"{action.key.source}/{action.key.path}" if several else action.key.path,
                    size(action.snapshot.size) if isinstance(action, Upload) else "",
                    _reason(action, made.basis),
                )
                for action in plan.actions
            ),
        )
    ]
    parts += [hold_finding(hold) for hold in plan.holds]
    parts += orphan_findings(made.orphans)
    parts += [Finding(Level.WARNING, "waiting", f"{w.key.source}/{w.key.path}: {w.reason}") for w in made.waiting]
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
