"""Passes what happens in the service on to those who want to hear it: log, metrics, notices, the status page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from syncd.engine import Outcome
from syncd.errors import ServerError
from syncd.explain import remedy_for, remedy_for_hold
from syncd.logs import get_logger
from syncd.models import DocumentKey, HoldReason, Proof
from syncd.notices import Notice
from syncd.report.human import iso
from syncd.running import Listener
from syncd.web import Metrics

log = get_logger(__name__)

_TO_THE_PAGE = frozenset(
    {"uploaded", "verified", "moved", "retired", "deleted", "quarantined", "failed", "replaced", "probe"}
)

_WELL_AGAIN = frozenset({"verified", "retired", "deleted"})


def _subject(source: str, reason: HoldReason) -> str:
    return f"{source}: {reason.value}"


@dataclass(slots=True)
class Hearing(Listener):
    """Tells each of them, in its own words.

    Args:
        metrics: counts.
        notify: takes notices for persons.
        page: takes events for whoever looks at the status page.
        now: the wall clock, seconds since the epoch.
        describe: called when something that the service says of itself has changed.
    """

    metrics: Metrics
    notify: Callable[[Notice], None]
    page: Callable[[dict[str, Any]], None]
    now: Callable[[], float]
    describe: Callable[[], None]
    _held: set[tuple[str, str]] = field(default_factory=set)  # source and reason of holds that were told
    _named: set[tuple[str, str]] = field(default_factory=set)  # skipped files that were told

    def event(self, event: str, key: DocumentKey, detail: str) -> None:
        """Something happened to a document; the engine itself has written its line into the log."""
        self.metrics.event(key.source, event)
        if event == "skipped":
            self._skipped(key, detail)
        if event in _TO_THE_PAGE:
            self.page({"at": iso(self.now()), "source": key.source, "path": key.path, "event": event, "detail": detail})
        self._tell_of_document(event, key, detail)

    def _tell_of_document(self, event: str, key: DocumentKey, detail: str) -> None:
        subject, code = f"{key.source}/{key.path}", detail.partition(":")[0]
        if event == "failed":
            self.metrics.error("failed")  # its text is the server's: no kind
        elif event == "quarantined":
            self.metrics.error(code)
            hint = remedy_for(code, key.path)
            self.notify(Notice("quarantine", subject, f"{subject} is quarantined: {detail}", hint, self.now()))
        elif event in _WELL_AGAIN:
            text = f"{subject} is {event}, and quarantined no more"
            self.notify(Notice("recovery", subject, text, "", self.now(), ends="quarantine"))

    def _skipped(self, key: DocumentKey, detail: str) -> None:
        """Once for each file: it stays as it is from scan to scan."""
        name = (key.source, key.path)
        if name not in self._named and len(self._named) < 1000:
            self._named.add(name)
            log.info("document.skipped", source=key.source, path=key.path, reason=detail)

    def searchable(self, key: DocumentKey, seconds: float) -> None:
        """A saved document was verified so long after its change was noticed."""
        self.metrics.searchable(key.source, seconds)

    def proof(self, key: DocumentKey, proof: Proof) -> None:
        """A proof ended."""
        for result in proof.results:
            self.metrics.verdict(key.source, result.verdict.value, result.rank)

    def scanned(self, source: str, seconds: float, at: float, files: int, whole: bool) -> None:
        """A look at the disk ended."""
        self.metrics.scanned(source, seconds, at, files, whole)

    def passed(self, sources: list[str], whole: bool, outcome: Outcome) -> None:
        """A pass ended: what is held now, and was not before, is told.

        A pass over a few paths may find reason to look at the whole source, and hold something; that nothing is held
        only a pass over the whole source can say.
        """
        self._served(sources, whole, outcome)
        standing = {(hold.source, hold.reason.value) for hold in outcome.holds}
        for hold in outcome.holds:
            if (hold.source, hold.reason.value) in self._held:
                continue
            log.warning("hold.placed", source=hold.source, reason=hold.reason.value, count=len(hold.paths))
            text = f"deletions of {hold.source} are held: {hold.message}"
            self.notify(Notice("hold", _subject(hold.source, hold.reason), text, remedy_for_hold(hold), self.now()))
        if not whole:
            self._held |= standing
            return
        for source, reason in {one for one in self._held if one[0] in sources} - standing:
            log.info("hold.released", source=source, reason=reason)
        for source in sources:
            # Asked of what stands, not of what changed: a reload may lie between, and who was told must be told.
            for over in (reason for reason in HoldReason if (source, reason.value) not in standing):
                text = f"deletions of {source} are held no more ({over.value})"
                self.notify(Notice("recovery", _subject(source, over), text, "", self.now(), ends="hold"))
        self._held = {one for one in self._held if one[0] not in sources} | standing

    def _served(self, sources: list[str], whole: bool, outcome: Outcome) -> None:
        """A source that cannot be served is news, and so is that it can again; either is told once."""
        for source in sources:
            trouble = outcome.troubles.get(source)
            if trouble is not None:
                self.metrics.source(source, False)
                text = f"{source} cannot be served: {trouble}"
                hint = "`syncd status` shows it; the other sources are served"
                self.notify(Notice("outage", f"source {source}", text, hint, self.now()))
            elif whole:
                self.metrics.source(source, True)
                text = f"{source} is served again"
                self.notify(Notice("recovery", f"source {source}", text, "", self.now(), ends="outage"))

    def trouble(self, error: ServerError | None) -> None:
        """The server is in trouble, or well again."""
        self.metrics.server(error is None)
        if error is None:
            text = "the FastGPT server works again"
            self.notify(Notice("recovery", "server", text, "", self.now(), ends="outage"))
        else:
            self.metrics.error(error.code)
            self.notify(Notice("outage", "server", error.message, error.hint, self.now()))

    def training(self, source: str, trouble: str) -> None:
        """FastGPT trains nothing of a source, or does again."""
        subject = f"training of {source}"
        if trouble:
            hint = "look at the server's embedding model and its queue; everything goes on by itself once it works"
            self.notify(Notice("outage", subject, trouble, hint, self.now()))
        else:
            text = f"FastGPT trains documents of {source} again"
            self.notify(Notice("recovery", subject, text, "", self.now(), ends="outage"))

    def paused(self, paused: bool) -> None:
        """A person has the service pause, or go on."""
        self.metrics.paused(paused)

    def changed(self) -> None:
        """Something that the service says of itself has changed."""
        self.describe()
