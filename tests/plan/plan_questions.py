"""Questions to the firewall in short."""

from __future__ import annotations

from syncd.firewall import Question, Vanished, judge
from syncd.models import DeletePolicy, RevisionId, RootState


def vanished(*names: str) -> tuple[Vanished, ...]:
    """Documents whose files are gone, each with a revision of its own."""
    return tuple(Vanished(f"{name}.md", RevisionId(name)) for name in names)


def some(n: int) -> tuple[Vanished, ...]:
    """``n`` vanished documents."""
    return vanished(*(f"v{i:03}" for i in range(n)))


def question(**more: object) -> Question:
    """A healthy source of 100 documents with nothing gone."""
    values: dict[str, object] = {
        "source": "docs",
        "policy": DeletePolicy(),
        "root": RootState.OK,
        "unreadable": False,
        "scope_changed": False,
        "vanished": (),
        "serving": 100,
        "used": 0,
        "base": 100,
        "released": frozenset(),
        "emptied_released": False,
        "now": 7.0,
    }
    return Question(**{**values, **more})  # type: ignore[arg-type]


def answer(**more: object) -> tuple[list[str], str]:
    """The revisions that are let go, and the reason of the hold."""
    verdict = judge(question(**more))
    return [v.revision for v in verdict.allowed], verdict.hold.reason.value if verdict.hold else ""


def ids(*names: str) -> frozenset[RevisionId]:
    """Revisions a person let go."""
    return frozenset(RevisionId(name) for name in names)
