"""Which deletions are allowed. Pure: a look at one source in, a verdict out.

Vanished files are rationed, replaced versions are not (law 4). The budget is a rolling window, so that many small
passes cannot do what one big one may not (rule 15).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from syncd.models import DeletePolicy, Hold, HoldReason, RevisionId, RootState

PERCENT_FROM = 5  # the percentage is asked from this many deletions on (pinned)


@dataclass(frozen=True, slots=True)
class Vanished:
    """A document whose file is gone and which still serves."""

    path: str
    revision: RevisionId


@dataclass(frozen=True, slots=True)
class Question:
    """What the firewall has to know of one source.

    Args:
        source: its name.
        policy: the limits of the configuration.
        root: how the root directory looks now.
        unreadable: at least one directory below the root could not be read.
        blind: the first of them, and why; "" when that is not known.
        scope_changed: path, include or exclude differ from those of the last mirror.
        vanished: what would be retired.
        serving: documents of the source that have a verified revision.
        used: retirements of vanished files within the window that no person released.
        base: documents that were verified before the window began; 0 for a source younger than that, which is judged
            by what it has now.
        released: revisions a person let go (not expired, not used).
        emptied_released: the person meant the emptied root as well.
        now: the time.
    """

    source: str
    policy: DeletePolicy
    root: RootState
    unreadable: bool
    scope_changed: bool
    vanished: tuple[Vanished, ...]
    serving: int
    used: int
    base: int
    released: frozenset[RevisionId]
    emptied_released: bool
    now: float
    blind: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What may be retired, and the hold over the rest (``None``: nothing is held)."""

    allowed: tuple[Vanished, ...]
    hold: Hold | None

    @property
    def root_believed(self) -> bool:
        """Whether the disk can be believed at all, whatever is rationed."""
        return self.hold is None or self.hold.reason in (HoldReason.LIMIT, HoldReason.SCOPE)


def judge(question: Question) -> Verdict:
    """Decide about all deletions of one source."""
    q = question
    # A root that cannot be believed says nothing about any file; no release changes that (rule 20). Only the root
    # itself can: it comes back, or a person accepts the other file system.
    match q.root:
        case RootState.MISSING:
            return _nothing(q, HoldReason.MISSING, "the source's folder is missing")
        case RootState.UNREADABLE:
            return _nothing(q, HoldReason.UNREADABLE, "the source's folder cannot be read")
        case RootState.DEVICE:
            message = "another file system is mounted there and most known files are missing"
            return Verdict((), _hold(q, HoldReason.DEVICE, True, q.vanished, message))
        case RootState.EMPTY | RootState.OK:
            pass
    if q.unreadable:
        which = f": {q.blind}" if q.blind else ""
        return _nothing(
            q, HoldReason.UNREADABLE, f"some folders cannot be read, so nothing is known of their files{which}"
        )
    released = tuple(v for v in q.vanished if v.revision in q.released)
    others = tuple(v for v in q.vanished if v.revision not in q.released)
    # An emptied root is let go only by a release that says so.
    if q.root is RootState.EMPTY and q.serving > 0:
        if not q.emptied_released:
            return Verdict((), _hold(q, HoldReason.EMPTY, True, q.vanished, "no file is left in the source's folder"))
        if others:
            return Verdict(released, _hold(q, HoldReason.EMPTY, True, others, "no file is left in the source's folder"))
    # What a person let go is let go; the rest is rationed, all or nothing.
    why = _excess(q, len(others))
    if others and why is not None:
        reason, message = why
        return Verdict(released, _hold(q, reason, True, others, message))
    return Verdict(q.vanished, None)


def _excess(q: Question, deletions: int) -> tuple[HoldReason, str] | None:
    """Why so many deletions are too many."""
    if q.scope_changed:
        return HoldReason.SCOPE, "path, include or exclude were changed"
    planned = q.used + deletions
    if planned > q.policy.max_count:
        return HoldReason.LIMIT, f"{planned} deletions, more than max_count = {q.policy.max_count}"
    base = q.base or q.serving + q.used
    if planned >= PERCENT_FROM and planned * 100 > q.policy.max_percent * base:
        return (
            HoldReason.LIMIT,
            f"{planned} deletions of {base} documents, more than max_percent = {q.policy.max_percent:g}%",
        )
    return None


def _nothing(q: Question, reason: HoldReason, message: str) -> Verdict:
    return Verdict((), _hold(q, reason, False, q.vanished, message))


def _hold(q: Question, reason: HoldReason, releasable: bool, held: tuple[Vanished, ...], message: str) -> Hold:
    # Below a root that is not there the scan calls nothing missing; what is at stake is everything that serves.
    at_stake = q.serving if q.root in (RootState.MISSING, RootState.UNREADABLE) else 0
    return Hold(
        source=q.source,
        reason=reason,
        releasable=releasable,
        paths=tuple(v.path for v in held),
        since=q.now,
        message=message,
        at_stake=at_stake,
        id=name_of(q.source, reason, (v.revision for v in held)),
        revisions=tuple(v.revision for v in held),
    )


def name_of(source: str, reason: HoldReason, revisions: Iterable[str]) -> str:
    """The id of a hold: eight characters that stand for exactly these deletions."""
    said = "\0".join([source, reason.value, *sorted(revisions)])
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:8]
