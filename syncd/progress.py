"""What a pass has done so far: counted by the engine, shown by the command line."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from syncd.logs import get_logger
from syncd.models import DocumentKey, Proof, Verdict

log = get_logger(__name__)

COUNTS = ("uploaded", "verified", "replaced", "moved", "retired", "deleted", "quarantined", "held", "unchanged")


@dataclass(slots=True)
class Progress:
    """Running figures of one pass; ``listener`` hears each thing that happens to a document.

    To listen is no part of the work: whatever a listener does wrong is logged, and costs no document anything.
    """

    listener: Callable[[str, DocumentKey, str], None] | None = None
    on_proof: Callable[[DocumentKey, Proof], None] | None = None
    on_scan: Callable[[str, float, int, bool], None] | None = None  # source, seconds, files in scope, whole source
    noticed: Callable[[DocumentKey], float | None] = lambda _key: None  # seconds since a change was first heard of
    phase: str = "starting"
    documents_total: int = 0
    documents_done: int = 0
    bytes_total: int = 0
    bytes_sent: int = 0
    in_training: int = 0
    proofs_total: int = 0
    proofs_done: int = 0
    waits_for: Callable[[], str] = lambda: ""  # what the server seems to be at, when nothing moves
    looked_for: dict[DocumentKey, str] = field(default_factory=dict)  # what a document waits for by itself
    trouble: str = ""  # what the server's trouble is, while there is one
    counts: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    touched: set[DocumentKey] = field(default_factory=set)  # documents on disk that had work
    resent: set[tuple[str, str | None]] = field(default_factory=set)

    def begin(self) -> None:
        """Forget what the pass before counted."""
        self.counts.clear()
        self.verdicts.clear()
        self.touched.clear()

    def count(self, what: str, key: DocumentKey, detail: str = "") -> None:
        """One document more reached ``what``."""
        self.counts[what] += 1
        self.tell(what, key, detail)

    def tell(self, event: str, key: DocumentKey, detail: str = "") -> None:
        """Something happened to a document."""
        if self.listener is not None:
            with _heard():
                self.listener(event, key, detail)

    def sent(self, size: int) -> None:
        """So many bytes more went to the server."""
        self.bytes_sent += size

    def scanned(self, source: str, seconds: float, files: int, whole: bool) -> None:
        """A look at the disk ended."""
        if self.on_scan is not None:
            with _heard():
                self.on_scan(source, seconds, files, whole)

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """While one document waits for its training."""
        self.in_training += 1
        try:
            yield
        finally:
            self.in_training -= 1

    def proof(self, key: DocumentKey, proof: Proof) -> None:
        """One proof ended."""
        self.proofs_done += 1
        if self.on_proof is not None:
            with _heard():
                self.on_proof(key, proof)
        for result in proof.results:
            self.verdicts[result.verdict.value] += 1
            if result.verdict is not Verdict.FOUND:
                self.tell("probe", key, f"{result.verdict.value}: {result.probe.text[:60]}")


@contextlib.contextmanager
def _heard() -> Iterator[None]:
    try:
        yield
    except Exception:
        log.exception("bug")
