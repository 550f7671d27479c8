"""The values that flow through syncd: frozen, comparable, without behaviour.

Times are seconds since the epoch (UTC) as ``float`` unless a name ends in ``_ns``; sizes are bytes;
paths are relative to the source's root, POSIX style, Unicode NFC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

CollectionId = NewType("CollectionId", str)
DatasetId = NewType("DatasetId", str)
RevisionId = NewType("RevisionId", str)


# ---------------------------------------------------------------- what a document is


@dataclass(frozen=True, slots=True, order=True)
class DocumentKey:
    """One file of one source."""

    source: str
    path: str


@dataclass(frozen=True, slots=True)
class Content:
    """What a revision was made of: the file's bytes and what changes the sent bytes or the training."""

    sha256: str  # of the raw bytes of the file, hex
    settings: str  # short hash of training settings and converter


class Problem(StrEnum):
    """The pinned error codes of documents (design 12)."""

    ENCODING_LOST = "encoding-lost"
    CONTENT_DIFFERS = "content-differs"
    PARSE_FAILED = "parse-failed"
    TRAINING_FAILED = "training-failed"
    TRAINING_TIMEOUT = "training-timeout"
    SEARCH_MISSING = "search-missing"
    TOO_LARGE = "too-large"
    UNSUPPORTED = "unsupported"
    EMPTY = "empty"
    UNREADABLE = "unreadable"
    NAME_COLLISION = "name-collision"
    ROLLED_BACK = "rolled-back"
    SUPERSEDED = "superseded"
    UPLOAD_FAILED = "upload-failed"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class FileSnapshot:
    """What the disk says of one document now.

    ``disk_name`` is the path below the root as the file system spells it (``os.fsdecode`` form); it differs
    from ``key.path`` when the name on disk is not NFC. ``sha256`` is "" while the file was not hashed.
    """

    key: DocumentKey
    disk_name: str
    size: int
    mtime_ns: int
    inode: int
    sha256: str = ""
    settings: str = ""
    problem: Problem | None = None
    message: str = ""  # says more about ``problem``
    racy: bool = False  # modified so close to the scan that an equal signature proves nothing

    @property
    def content(self) -> Content:
        """The content as a revision would be made of it."""
        return Content(self.sha256, self.settings)


@dataclass(frozen=True, slots=True)
class KnownFile:
    """What the ledger remembers of one file of a directory, for the scan's comparison."""

    size: int
    mtime_ns: int  # -1: racy, compare by hash
    inode: int
    sha256: str
    at_rest: bool  # nothing is left to do for exactly this state of the file


class RootState(StrEnum):
    """How a source's root directory looks."""

    OK = "ok"
    MISSING = "root-missing"
    UNREADABLE = "root-unreadable"
    EMPTY = "root-empty"
    DEVICE = "root-device"


# ---------------------------------------------------------------- what the ledger knows


class State(StrEnum):
    """Where a revision is in its life (pinned names, design 4)."""

    UPLOADING = "uploading"
    INDEXING = "indexing"
    PROVING = "proving"
    VERIFIED = "verified"
    RETIRED = "retired"
    QUARANTINED = "quarantined"
    DELETED = "deleted"


CANDIDATE_STATES = frozenset({State.UPLOADING, State.INDEXING, State.PROVING})


class Flip(StrEnum):
    """How far the switch from the old revision to the new one has come."""

    FORWARD = "forward"  # begun: show the new one, then hide the old one
    DONE = "done"  # the new one is visible, the old one hidden
    BACK = "back"  # begun: show the old one, then hide the new one


@dataclass(frozen=True, slots=True)
class Revision:
    """One content of one document, living as one collection on the server."""

    id: RevisionId
    document_id: int
    content: Content
    state: State
    attempt: str  # id of the latest upload attempt, part of the marker
    dataset_id: DatasetId
    collection_id: CollectionId | None = None
    placed: str = ""  # the placement (folder, name, tags) it was last given on the server
    flip: Flip | None = None
    visible: bool = False  # what we last made or saw of it
    created_at: float = 0.0
    sent_at: float | None = None  # the last moment at which the upload request may have been under way
    absences: int = 0  # times the marker was looked for since ``sent_at`` and not found
    verified_at: float | None = None
    retired_at: float | None = None
    delete_after: float | None = None
    delete_sent: bool = False
    reason: str = ""  # why it was retired or quarantined
    weak: str = ""  # why the proof is weak; "" when it is not
    successor: RevisionId | None = None
    reprove: bool = False  # serving, but its proof leaned on something that is gone
    sent_as: int = 1  # the way of sending, see ``sending.WAY``
    resend_at: float | None = None  # a person wants it sent anew, in today's way, from then on


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Given up until content, settings or a person changes that."""

    problem: str
    message: str
    content: Content
    since: float


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """All that the ledger knows of one document."""

    document_id: int
    key: DocumentKey
    candidate: Revision | None = None
    serving: Revision | None = None
    retired: tuple[Revision, ...] = ()  # newest first; not yet deleted
    failed: tuple[Revision, ...] = ()  # quarantined revisions that still exist on the server
    quarantine: Quarantine | None = None
    attempts: int = 0
    next_try_at: float | None = None
    last_error: str = ""
    sha256: str = ""  # of the file as last seen
    missing_since: float | None = None  # when a look at the whole source did not find the file
    gone: bool = False  # the file is known to have vanished
    setbacks: int = 0  # calls for it that came to nothing since its last success, while the server was well
    setback_since: float | None = None


# ---------------------------------------------------------------- what shall be done


@dataclass(frozen=True, slots=True)
class Action:
    """The base of all actions: one document, one step, and the reason in plain words."""

    key: DocumentKey
    reason: str


@dataclass(frozen=True, slots=True)
class Upload(Action):
    """Send this content as a new, hidden candidate."""

    snapshot: FileSnapshot


@dataclass(frozen=True, slots=True)
class Resume(Action):
    """Take a candidate up where it stopped: find it by its marker, hide it, wait for its training."""

    revision: Revision


@dataclass(frozen=True, slots=True)
class Prove(Action):
    """Compare, flip and search; or finish a flip that was begun."""

    revision: Revision


@dataclass(frozen=True, slots=True)
class Move(Action):
    """Give a serving revision another path, folder, name or tags without an upload."""

    revision: Revision
    origin: DocumentKey  # where it was; equal to ``key`` when only the name, folder or tags changed
    snapshot: FileSnapshot


@dataclass(frozen=True, slots=True)
class Restore(Action):
    """Bring a retired revision back: its file came back.

    With equal content it becomes the candidate again and is proven anew; with other content it is only shown
    (``as_serving``: it was proven before) and then replaced in the ordinary way (rule 21).
    """

    revision: Revision
    as_serving: bool


@dataclass(frozen=True, slots=True)
class Retire(Action):
    """Hide a revision; delete it after the grace time (seconds)."""

    revision: Revision
    grace: float
    vanished: bool  # the file is gone (the firewall allowed it), as opposed to superseded


@dataclass(frozen=True, slots=True)
class Delete(Action):
    """Delete a retired revision from the server."""

    revision: Revision


@dataclass(frozen=True, slots=True)
class QuarantineDocument(Action):
    """Give the document up until its content, its settings or a person changes that."""

    snapshot: FileSnapshot
    problem: Problem


AnyAction = Upload | Resume | Prove | Move | Restore | Retire | Delete | QuarantineDocument

ACTION_KINDS: dict[type, str] = {
    Upload: "upload",
    Resume: "resume",
    Prove: "prove",
    Move: "move",
    Restore: "restore",
    Retire: "retire",
    Delete: "delete",
    QuarantineDocument: "quarantine",
}


class HoldReason(StrEnum):
    """Why deletions of a source are held (pinned, design 12)."""

    LIMIT = "limit"
    SCOPE = "scope-changed"
    MISSING = "root-missing"
    EMPTY = "root-empty"
    DEVICE = "root-device"
    UNREADABLE = "root-unreadable"


@dataclass(frozen=True, slots=True)
class Hold:
    """Deletions that wait for a person, or for the root to come back."""

    source: str
    reason: HoldReason
    releasable: bool
    paths: tuple[str, ...]
    since: float
    message: str
    at_stake: int = 0  # documents that serve from a root that cannot be believed; their paths are not listed
    id: str = ""  # names exactly what is held; another one as soon as that changes
    revisions: tuple[RevisionId, ...] = ()  # what would be deleted; empty in what is read back for reports

    @property
    def count(self) -> int:
        """How many documents the hold is about."""
        return max(len(self.paths), self.at_stake)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A document with work left that cannot be done in this pass."""

    key: DocumentKey
    reason: str
    until: float | None = None  # the pass goes on with it then
    due: float | None = None  # another pass is to look at it then, at the latest


@dataclass(frozen=True, slots=True)
class Orphan:
    """A collection that carries a marker of our space, while no file here is its document.

    Attributes:
        source: the marker's; it need not be one of this configuration.
        path: the marker's, relative to the source.
        visible: people find it.
        takeable: the source is one of this configuration, so that ``adopt --take`` can take the collection.
    """

    source: str
    path: str
    collection_id: CollectionId
    visible: bool
    takeable: bool

    @property
    def sentence(self) -> str:
        """What a person is told."""
        found = "search finds it" if self.visible else "it is hidden from search"
        if not self.takeable:
            return f'made for the source "{self.source}", which is not in this configuration; {found}'
        if not self.visible:
            return f"its file is not here; {found} already; `syncd adopt --take` has it deleted after the grace"
        return f"its file is not here; {found}; `syncd sync --stateless` retires it under the firewall"


@dataclass(frozen=True, slots=True)
class Plan:
    """What shall be done, in order, and what may not."""

    actions: tuple[AnyAction, ...] = ()
    holds: tuple[Hold, ...] = ()
    waiting: tuple[Waiting, ...] = ()


# ---------------------------------------------------------------- proof


class Verdict(StrEnum):
    """What a search test says of one probe (design 6)."""

    FOUND = "found"
    SHARED = "shared"
    OUTRANKED = "outranked"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Probe:
    """One query of ours, cut from the document's own text."""

    text: str
    rare_words: str  # the rarest words of the passage, for the full-text look after a miss
    position: float  # where in the document, 0.0 .. 1.0


@dataclass(frozen=True, slots=True)
class Hit:
    """One row of a search test's answer."""

    collection_id: CollectionId
    text: str
    rank: int  # 1 is the best
    score: float | None
    score_types: frozenset[str]  # embedding, fullText, rrf, reRank
    written_at: float | None = None  # when the server wrote the row, by its clock


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One probe, searched."""

    probe: Probe
    mode: str
    verdict: Verdict
    rank: int | None = None
    score: float | None = None
    score_types: frozenset[str] = frozenset()
    shared_with: CollectionId | None = None
    instead: tuple[CollectionId, ...] = ()  # what was given instead of our collection, best first


@dataclass(frozen=True, slots=True)
class Proof:
    """The results of the probes of one revision."""

    passed: bool
    results: tuple[ProbeResult, ...]
    weak: str = ""  # why the proof is weak; "" when it is not
    failure: str = ""
    finding: str = ""  # what a person should know of a proof that passed


# ---------------------------------------------------------------- what is sent


class Format(StrEnum):
    """How a file travels: as it is, or as text."""

    TEXT = "txt"
    MARKDOWN = "md"
    HTML = "html"
    CSV = "csv"
    DOCX = "docx"
    PDF = "pdf"
    PPTX = "pptx"
    XLSX = "xlsx"


@dataclass(frozen=True, slots=True)
class Marker:
    """What every collection of ours carries as ``metadata.syncd`` (design 12, rule 23)."""

    space: str
    ledger: str
    document: str
    revision: str
    attempt: str
    source: str
    path: str
    sha256: str
    settings: str
    v: int = 1
    sent_as: int = 1  # the way of sending, see ``sending.WAY``; 1 before it was recorded


# ---------------------------------------------------------------- policies that come from the configuration


@dataclass(frozen=True, slots=True)
class DeletePolicy:
    """How many vanished files may be retired without a person (``[source.delete]``)."""

    max_count: int = 50
    max_percent: float = 20.0
    grace: float = 86400.0

    @property
    def window(self) -> float:
        """Length of the rolling window in seconds: the grace, at least one hour."""
        return max(self.grace, 3600.0)


@dataclass(frozen=True, slots=True)
class Training:
    """How FastGPT cuts and trains; ``options`` are FastGPT's own names and values, sorted.

    ``implied`` are values that nobody stated. They are sent with what is sent anew, but are no part of the settings'
    hash: a default that changes re-sends nothing.
    """

    mode: str = "chunk"
    options: tuple[tuple[str, str | int | bool], ...] = field(default=())
    implied: tuple[tuple[str, str | int | bool], ...] = field(default=())
