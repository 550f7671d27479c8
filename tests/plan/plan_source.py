"""A source with a strict limit, and what can be wrong with it."""

from __future__ import annotations

from typing import Any

from plan_values import GRACE, NOW, told, view

from syncd.models import DeletePolicy, LedgerEntry, Plan, RevisionId, RootState
from syncd.plan import SourcePolicy, make

POLICY = SourcePolicy("docs", delete=DeletePolicy(max_count=1, grace=GRACE))
DUE = {"delete_after": NOW}
SUCCESSOR = RevisionId("s")
HELD = "2 deletions, more than max_count = 1"
DISTRUST: dict[str, dict[str, Any]] = {
    "missing": {"root": RootState.MISSING},
    "unreadable": {"root": RootState.UNREADABLE},
    "other device": {"root": RootState.DEVICE},
    "emptied": {"root": RootState.EMPTY, "serving": 1},
    "partly unreadable": {"unreadable": True},
}
# Holds over other documents: the disk is believed, but no new deletion of the source passes.
RATIONED: dict[str, dict[str, Any]] = {"limit": {"used": 1}, "scope": {"scope_changed": True}}


def run(*entries: LedgerEntry, gone: tuple[str, ...] = (), **more: Any) -> Plan:
    """One plan over one source."""
    return make([view(*entries, vanished=gone, policy=POLICY, **more)], NOW)


def lines(plan: Plan) -> list[str]:
    """Actions, then what waits, as text."""
    return [told(step) for step in (*plan.actions, *plan.waiting)]
