"""What one pass knows of itself, and how it ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from syncd.errors import EXIT_BUSY, EXIT_HELD, EXIT_PARTIAL, EXIT_UNPROVEN, SourceError, gravest
from syncd.ledger import MANY, Ledger, records
from syncd.models import DocumentKey, Hold, Plan, Waiting
from syncd.observe import STILL_BEING_WRITTEN, Observation
from syncd.progress import Progress

_COUNTS = ("uploaded", "verified", "replaced", "moved", "retired", "deleted", "quarantined", "held", "unchanged")


@dataclass(slots=True)
class PassState:
    """Decisions that hold until the pass ends.

    Attributes:
        troubles: source -> why it cannot be served.
        adopting: sources of which collections were taken in: nothing of them retires (rule 25).
        open: documents whose work came to nothing in this pass, and why: a vanished file may be one of them (rule 17).
        unproven: documents that search misses while nothing shows that search works.
        untrained: source -> what the server said when it trained nothing of it.
        put_off: documents that are not touched again in this pass, and why.
        changed: how often a document's file changed under our hands.
        refusals: how often the server refused a document's upload while it took nobody else's either.
        setbacks: how often the server failed for a document, though it was well.
        trouble_since: when that began, by the event loop.
        stuck: what could not be hidden or deleted, and why.
        codes: exit codes beside those that follow from the end state.
    """

    troubles: dict[str, SourceError] = field(default_factory=dict)
    open: dict[DocumentKey, str] = field(default_factory=dict)
    adopting: set[str] = field(default_factory=set)
    unproven: dict[DocumentKey, str] = field(default_factory=dict)
    untrained: dict[str, str] = field(default_factory=dict)
    put_off: dict[DocumentKey, str] = field(default_factory=dict)
    changed: Counter[DocumentKey] = field(default_factory=Counter)
    refusals: Counter[DocumentKey] = field(default_factory=Counter)
    setbacks: Counter[DocumentKey] = field(default_factory=Counter)
    trouble_since: dict[DocumentKey, float] = field(default_factory=dict)
    stuck: dict[DocumentKey, str] = field(default_factory=dict)
    codes: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Outcome:
    """How a pass ended."""

    counts: dict[str, int]
    codes: set[int]
    holds: list[Hold]
    waiting: list[Waiting]
    troubles: dict[str, str]  # source -> why it could not be served
    unproven: dict[DocumentKey, str]
    timings: dict[str, float]
    verdicts: dict[str, int] = field(default_factory=dict)
    written: dict[str, frozenset[str]] = field(default_factory=dict)  # source -> paths on disk, still being written
    remedies: dict[str, str] = field(default_factory=dict)  # source -> what to do about its trouble
    untrained: dict[str, str] = field(default_factory=dict)  # source -> why FastGPT trains nothing of it
    orphans: list[dict[str, Any]] = field(default_factory=list)  # findings: ours on the server, and no file is here

    @property
    def exit_code(self) -> int:
        """The gravest code that applies."""
        return gravest(self.codes)


def still_waiting(plan: Plan, observations: Iterable[Observation], state: PassState) -> list[Waiting]:
    """Every document with work left, and why it was not done."""
    waiting = list(plan.waiting)
    for observation in observations:
        waiting += observation.waiting
    return waiting + [Waiting(key, reason) for key, reason in state.put_off.items() if key not in state.unproven]


async def keep_notes(ledger: Ledger, now: float, plan: Plan, names: Iterable[str], waiting: list[Waiting]) -> None:
    """Keep holds, waiting and held documents for `status` and `ls`."""
    for name in names:
        holds = [hold for hold in plan.holds if hold.source == name]
        held = [(path, hold.message) for hold in holds for path in hold.paths]
        mine = [w for w in waiting if w.key.source == name]
        before, many = records.noted(ledger.conn, name, MANY)
        if not (holds or mine or before):
            continue
        many = many or len(held) + len(mine) > MANY

        def write(
            db: Any,
            name: str = name,
            holds: list[Hold] = holds,
            held: list[tuple[str, str]] = held,
            mine: list[Waiting] = mine,
        ) -> None:
            records.store_holds(db, name, holds, now)
            records.store_notes(db, name, mine, held)

        await ledger.commit("notes", write, durable=False, beside=many)


async def outcome(
    ledger: Ledger,
    progress: Progress,
    state: PassState,
    plan: Plan,
    observations: Mapping[str, Observation],
    waiting: list[Waiting],
    timings: dict[str, float],
) -> Outcome:
    """Put together how the pass ended."""
    codes = set(state.codes)
    counts = {name: progress.counts[name] for name in _COUNTS}
    counts["held"] = sum(hold.count for hold in plan.holds)
    in_scope = sum(o.result.in_scope for o in observations.values())
    counts["unchanged"] = max(in_scope - len(progress.touched), 0)
    for name in observations:
        if records.in_trouble(ledger.conn, name):
            codes.add(EXIT_PARTIAL)
    if plan.holds:
        codes.add(EXIT_HELD)
    if state.unproven:
        codes.add(EXIT_UNPROVEN)
    if any(w.reason.startswith(STILL_BEING_WRITTEN) for w in waiting):
        codes.add(EXIT_BUSY)
    orphans: list[dict[str, Any]] = []
    if records.count_orphans(ledger.conn):
        orphans = await ledger.read(lambda conn: records.orphans(conn, observations))
    if any(orphan["visible"] for orphan in orphans):
        codes.add(EXIT_HELD)
    codes |= {error.exit_code for error in state.troubles.values()}
    return Outcome(
        counts=counts,
        codes=codes,
        holds=list(plan.holds),
        waiting=waiting + [Waiting(key, why) for key, why in state.stuck.items() if key not in state.put_off],
        troubles={name: error.message for name, error in state.troubles.items()},
        remedies={name: error.hint for name, error in state.troubles.items() if error.hint},
        unproven=dict(state.unproven),
        untrained=dict(state.untrained),
        timings=timings,
        verdicts=dict(progress.verdicts),
        written={
            name: frozenset(snapshot.disk_name for snapshot in o.unsettled)
            for name, o in observations.items()
            if o.unsettled
        },
        orphans=orphans,
    )
