"""The report of one pass, as `syncd sync` prints it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence, Set
from typing import TYPE_CHECKING, Any

from syncd.errors import EXIT_BUSY, EXIT_HELD, EXIT_OK, EXIT_PARTIAL, EXIT_UNPROVEN
from syncd.explain import EXIT_CODES, remedy_for, remedy_for_hold
from syncd.models import DocumentKey, Hold, Verdict
from syncd.report.human import count, iso, lasting
from syncd.report.model import Finding, Level, Lines, Part, Report

if TYPE_CHECKING:
    from syncd.engine import Outcome
    from syncd.ledger import Ledger
    from syncd.progress import Progress

_WRITTEN = "still being written"  # in the reason of a document that waits for its writer
MOST = 20  # findings of one kind that people are shown


class Remarks:
    """Collects what a report says beside the end state.

    Duplicates and others in front among the documents that passed, skipped files, and who was given up on the way.
    """

    def __init__(self, progress: Progress) -> None:
        self.found: dict[str, dict[DocumentKey, str]] = {"shared": {}, "outranked": {}}
        self.skipped: list[DocumentKey] = []
        self.given_up: set[DocumentKey] = set()
        self._before = progress.listener
        progress.listener = self._listen

    def _listen(self, event: str, key: DocumentKey, detail: str) -> None:
        if self._before is not None:
            self._before(event, key, detail)
        if event == "skipped":
            self.skipped.append(key)
        elif event == "quarantined":
            self.given_up.add(key)
        verdict, _, probe = detail.partition(": ")
        if event == "probe" and verdict in self.found:
            self.found[verdict].setdefault(key, probe)


def failed_documents(ledger: Ledger, outcome: Outcome, names: Iterable[str]) -> list[dict[str, Any]]:
    """Documents of these sources that are quarantined or failing now."""
    from syncd.ledger import records

    if EXIT_PARTIAL not in outcome.codes:
        return []
    return [
        {
            "source": row["source"],
            "path": row["path"],
            "state": row["state"],
            "code": row["quarantine"] or row["last_error_code"],
            "message": row["quarantine_message"] if row["quarantine"] else row["last_error"],
            "attempts": row["attempts"],
        }
        for row in records.documents(ledger.conn, names)
        if not row["gone"] and (row["quarantine"] is not None or row["next_try_at"] is not None)
    ]


def hold_data(hold: Hold) -> dict[str, Any]:
    """A hold as the contract has it, with the sentence for people."""
    return {
        "id": hold.id,
        "source": hold.source,
        "reason": hold.reason.value,
        "releasable": hold.releasable,
        "count": hold.count,
        "paths": list(hold.paths),
        "since": iso(hold.since),
        "message": hold.message,
        "remedy": remedy_for_hold(hold),
    }


def hold_finding(hold: Hold) -> Finding:
    """A hold for people."""
    what = f"{count(hold.count, 'deletion')} held" if hold.count else "deletions held"
    named = f", hold {hold.id}" if hold.id else ""
    message = f"{hold.source}: {what} ({hold.reason.value}{named}): {hold.message}"
    return Finding(Level.ERROR, "held", message, remedy_for_hold(hold))


def orphan_findings(orphans: Sequence[dict[str, Any]]) -> list[Part]:
    """What is on the server while its file is not here: what people find is an error, what is hidden a remark."""
    shown = [row for row in orphans if row["visible"]]
    hidden = [row for row in orphans if not row["visible"]]
    return [
        part
        for level, rows in ((Level.ERROR, shown), (Level.INFO, hidden))
        for part in _some(
            [Finding(level, "orphan", f"{row['source']}/{row['path']}: {row['message']}") for row in rows],
            "syncd sync --json",
        )
    ]


def report(
    outcome: Outcome,
    remarks: Remarks,
    failed: Sequence[dict[str, Any]],
    *,
    startup: float,
    exit_code: int,
    stopped: str = "",
) -> Report:
    """The report of a pass.

    Args:
        outcome: what the engine says.
        remarks: collected on the way.
        failed: documents that failed, see ``failed_documents``.
        startup: seconds from the start of the process until the engine began.
        exit_code: the code of the process.
        stopped: the signal that ended it, or "".
    """
    total = startup + outcome.timings["total"]
    timings = {"startup": startup, "scan": outcome.timings["scan"], "total": total}
    data: dict[str, Any] = {
        "exit_code": exit_code,
        "counts": outcome.counts,
        "timings": {name: round(value, 6) for name, value in timings.items()},
        "holds": [hold_data(hold) for hold in outcome.holds],
        "documents_failed": list(failed),
        "waiting": [
            {"source": w.key.source, "path": w.key.path, "reason": w.reason, "until": iso(w.until)}
            for w in outcome.waiting
        ],
        "unproven": [
            {"source": key.source, "path": key.path, "reason": reason} for key, reason in outcome.unproven.items()
        ],
        "troubles": [
            {"source": name, "message": message, "hint": outcome.remedies.get(name, "")}
            for name, message in outcome.troubles.items()
        ],
        "verdicts": {verdict.value: outcome.verdicts.get(verdict.value, 0) for verdict in Verdict},
        "duplicates": _places(remarks.found["shared"]),
        "outranked": _places(remarks.found["outranked"]),
        "skipped": [{"source": key.source, "path": key.path, "reason": "unsupported"} for key in remarks.skipped],
        "orphans": outcome.orphans,
        "stopped_by": stopped or None,
    }
    return Report("sync", data, tuple(_parts(outcome, remarks, failed, total, exit_code, stopped)))


def _failures(failed: Sequence[dict[str, Any]], given_up: Set[DocumentKey]) -> list[Part]:
    """What failed in this pass, each with its remedy; what was given up before, as a count: it was named then."""
    old = [
        row
        for row in failed
        if row["state"] == "quarantined" and DocumentKey(row["source"], row["path"]) not in given_up
    ]
    parts = _some(
        [
            Finding(
                Level.ERROR,
                "quarantined" if row["state"] == "quarantined" else "failing",
                f"{row['source']}/{row['path']}: {row['code']}: {row['message']}",
                remedy_for(row["code"], row["path"]),
            )
            for row in failed
            if row not in old
        ],
        "syncd ls --state quarantined",
    )
    if old:
        codes = ", ".join(f"{number} {code}" for code, number in Counter(row["code"] for row in old).most_common())
        message = f"{count(len(old), 'document')} given up before this run ({codes})"
        parts.append(Finding(Level.ERROR, "quarantined", message, "`syncd ls --state quarantined` names them"))
    return parts


def _places(found: dict[DocumentKey, str]) -> list[dict[str, str]]:
    return [{"source": key.source, "path": key.path, "probe": probe} for key, probe in found.items()]


def summary(counts: dict[str, int]) -> str:
    """The counts that are not 0, in words."""
    said = [f"{number:,} {name}".replace(",", " ") for name, number in counts.items() if number]
    return ", ".join(said) or "no document found"


def _parts(
    outcome: Outcome,
    remarks: Remarks,
    failed: Sequence[dict[str, Any]],
    total: float,
    exit_code: int,
    stopped: str,
) -> list[Part]:
    parts: list[Part] = [
        Finding(Level.ERROR, "not served", f"{source}: {message}", outcome.remedies.get(source, ""))
        for source, message in outcome.troubles.items()
    ]
    parts += [hold_finding(hold) for hold in outcome.holds]
    parts += orphan_findings(outcome.orphans)
    parts += _failures(failed, remarks.given_up)
    parts += _some(
        [
            Finding(Level.WARNING, "not proven", f"{key.source}/{key.path}: {reason}")
            for key, reason in outcome.unproven.items()
        ],
        "syncd ls",
    )
    named = {(row["source"], row["path"]) for row in failed}  # above, with the remedy
    parts += _some(
        [
            Finding(Level.WARNING, "waiting", f"{w.key.source}/{w.key.path}: {w.reason}")
            for w in outcome.waiting
            if (w.key.source, w.key.path) not in named
        ],
        "syncd ls --state waiting",
    )
    if remarks.skipped:
        names = ", ".join(f"{key.source}/{key.path}" for key in remarks.skipped[:5])
        more = ", …" if len(remarks.skipped) > 5 else ""
        message = f"{count(len(remarks.skipped), 'file')} of formats that nobody reads: {names}{more}"
        parts.append(Finding(Level.INFO, "skipped", message))
    parts += _remarked(remarks.found["shared"], "duplicate", "its text is found in an equal document")
    parts += _remarked(remarks.found["outranked"], "outranked", "others come first, or one kind of search misses it")
    said = summary(outcome.counts)
    if stopped:
        last = [f"stopped by {stopped} after {lasting(total)}: {said}", "the next `syncd sync` goes on from here"]
    else:
        last = [f"done in {lasting(total)}: {said}"]
        if exit_code != EXIT_OK:
            last.append(f"exit code {exit_code}: {cause(exit_code, outcome)} (`syncd explain {exit_code}`)")
    parts.append(Lines(tuple(last)))
    return parts


def cause(exit_code: int, outcome: Outcome) -> str:
    """Why a pass ended with a code that several things end with."""
    troubled = len(outcome.troubles)
    if exit_code == EXIT_HELD:
        said = ["deletions are held by the firewall"] * bool(outcome.holds)
        said += [f"{count(troubled, 'source')} could not be served"] * bool(troubled)
        said += ["documents on the server have no file any more"] * bool(outcome.orphans)
        if said:
            return ", and ".join(said)
    if exit_code == EXIT_BUSY and any(_WRITTEN in w.reason for w in outcome.waiting):
        return "files are still being written, try later"
    if troubled and not outcome.holds and exit_code not in (EXIT_PARTIAL, EXIT_UNPROVEN):
        return f"{count(troubled, 'source')} could not be served"
    title = EXIT_CODES.get(str(exit_code))
    return "see above" if title is None else title.title


def _remarked(found: dict[DocumentKey, str], label: str, what: str) -> list[Part]:
    return _some(
        [Finding(Level.INFO, label, f'{key.source}/{key.path}: {what}: "{probe}"') for key, probe in found.items()],
        "syncd sync --json",
    )


def _some(findings: list[Finding], command: str) -> list[Part]:
    """The first of many, and how to see the rest."""
    if len(findings) <= MOST:
        return list(findings)
    rest = Finding(findings[0].level, findings[0].label, f"and {len(findings) - MOST} more: `{command}` lists them")
    return [*findings[:MOST], rest]
