"""What all work on one document shares: its source at run time, the tools, and how a piece of work can end early."""

from __future__ import annotations

import asyncio
import math
import posixpath
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from syncd.claims import Claims
from syncd.compare import Comparison
from syncd.config import Config, Source
from syncd.convert import ChangedWhileReading, Outgoing, prepare
from syncd.disk import Disk
from syncd.door import ABSENT, FileAt
from syncd.errors import OutcomeUnknown, Permanent, SyncdError, Unavailable
from syncd.fastgpt.client import Client
from syncd.fastgpt.limiter import Turns
from syncd.folders import Folders
from syncd.ledger import Ledger, moves
from syncd.materials import Materials
from syncd.models import CANDIDATE_STATES, CollectionId, DocumentKey, FileSnapshot, Problem, Revision
from syncd.names import remote_name
from syncd.plan import SourcePolicy
from syncd.progress import Progress
from syncd.prove import Material, Prover
from syncd.reader.wire import GivenUp
from syncd.shards import Shard
from syncd.suspects import Suspects
from syncd.together import begin, ended
from syncd.training import TrainingWatch
from syncd.witness import Witness

T = TypeVar("T")
_SPACE = uuid.UUID("7d3c3c52-3d5c-4b7e-9f0e-6f3f0f6f9b1a")
_TITLE_OPTIONS = frozenset({"indexPrefixTitle", "dataEnhanceCollectionName"})


class Unproven(SyncdError):
    """Something fails, but nothing shows that the dataset works at all: the server's trouble (rule 6)."""

    code = "unproven"


class Untrained(Unproven):
    """Its training fails, and nothing shows that the dataset trains anything else: the server's trouble (rule 6)."""

    code = "untrained"


class Gone(SyncdError):
    """The file changed or vanished between plan and action: the next look at the disk decides."""

    code = "changed"


class Refused(SyncdError):
    """A deletion was not made, since the server does not show what it must (rule 13)."""

    code = "refused"


class Spent(SyncdError):
    """An upload did not arrive, and this pass has no more time to send it again: the next one does."""

    code = "spent"


class Stopped(SyncdError):
    """Somebody asked to stop, and this is a safe point."""

    code = "stopped"


@dataclass(slots=True)
class SourceState:
    """One source at run time: its configuration and what is bound to it."""

    config: Source
    policy: SourcePolicy
    space: str
    dataset_id: str = ""
    shard: Shard | None = None

    def owns(self, path: str) -> bool:
        """Whether a document is this instance's, and not another shard's."""
        return self.shard is None or self.shard.owns(self.config.name, path)

    def place(self, disk_name: str) -> FileAt:
        """Where a file is; ``disk_name`` as in a ``FileSnapshot``."""
        return FileAt(str(self.config.path), disk_name)

    def folder_of(self, path: str) -> str:
        """The folder within the dataset in which the document stands; "" is the root."""
        return posixpath.dirname(self.policy.placement(path).partition("\n")[0])


def space_of(source: Source, stated: str) -> str:
    """The deployment a source's markers belong to: the configured one, else one derived from what does not change.

    Without ``[ledger] space`` it is derived from the source's name, dataset and folder, so that a lost ledger still
    recognises its collections.
    """
    return stated or str(uuid.uuid5(_SPACE, "\n".join((source.name, source.dataset, source.folder))))


def source_state(source: Source, config: Config) -> SourceState:
    """One source at the start of a run."""
    options = {name for name, value in source.training.options if value}
    return SourceState(
        config=source,
        policy=SourcePolicy(
            name=source.name,
            folder=source.folder,
            tags=source.tags,
            delete=source.delete,
            title_in_index=bool(options & _TITLE_OPTIONS),
        ),
        space=space_of(source, config.ledger.space),
        shard=config.shard,
    )


@dataclass(slots=True)
class Tools:
    """Everything an action needs.

    Args:
        run: runs blocking work elsewhere (``asyncio.to_thread``).
        disk: the same for what touches the files of a source.
        stopping: set when somebody asked to stop, or the pass is to end.
        claims: which pass works on which document.
        witness: whether what fails for one document works for others.
        owner: the pass.
        look_again: called with a source that is to be looked at as a whole again.
        admit: raises the server's trouble while there is some, with an endpoint also what it limits there alone; asked
            by what has waited for its turn.
    """

    client: Client
    ledger: Ledger
    folders: Folders
    training: TrainingWatch
    prover: Prover
    sources: dict[str, SourceState]
    uploads: Turns
    now: Callable[[], float]
    run: Callable[..., Awaitable[Any]]
    disk: Disk
    progress: Progress
    stopping: asyncio.Event
    claims: Claims
    witness: Witness
    owner: object = None
    look_again: Callable[[str], None] = lambda _source: None
    admit: Callable[[str], None] = lambda _endpoint: None
    taken_at: list[float] = field(default_factory=lambda: [-math.inf])  # when the server took an upload, by the loop
    suspects: Suspects = field(default_factory=Suspects)  # whose training fails
    materials: Materials = field(default_factory=Materials)  # by revision, while it is under way
    spent: dict[str, SyncdError] = field(default_factory=dict)  # by revision: not sent again in this pass, and why
    doubts: dict[str, OutcomeUnknown] = field(default_factory=dict)  # by revision, while its upload is looked for

    async def unless_stopped(self, work: Coroutine[Any, Any, T], key: DocumentKey | None = None) -> T:
        """Wait for ``work``, but not past a stop or news of the document; for waits that leave nothing half done.

        Raises:
            Stopped: somebody asked to stop first, or the file says something newer.
        """
        newer = None if key is None else self.claims.newer(key)
        task = begin(work)
        stops = [begin(event.wait()) for event in (self.stopping, newer) if event is not None]
        try:
            await asyncio.wait({task, *stops}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise Stopped("somebody asked to stop, or the file changed")
        finally:
            await ended(*(each for each in (task, *stops) if not each.done()))

    def outdated(self, key: DocumentKey) -> bool:
        """Whether another pass saw something newer of a document that this one works on."""
        newer = self.claims.newer(key)
        return newer is not None and newer.is_set()

    async def prepare(self, source: SourceState, snapshot: FileSnapshot) -> Outgoing:
        """The file as it is sent.

        Raises:
            Gone: it is not what was planned.
            Permanent: it cannot be sent.
        """

        def convert() -> Outgoing:
            return prepare(
                source.place(snapshot.disk_name),
                path=snapshot.key.path,
                sha256=snapshot.sha256,
                encodings=source.config.encodings,
                max_size=source.config.max_size,
                unique=snapshot.sha256,
            )

        try:
            outgoing: Outgoing = await self.disk.run(source.config.name, convert)
        except ChangedWhileReading as error:
            raise Gone(error.message) from error
        except OSError as error:
            if error.errno in ABSENT:
                raise Gone("the file vanished") from error
            raise Permanent(
                Problem.UNREADABLE,
                f"the file cannot be read: {error.strerror}",
                hint="give syncd's user the right to read it",
            ) from error
        return outgoing

    async def material(self, source: SourceState, snapshot: FileSnapshot | None, revision: Revision) -> Material:
        """The text the revision was made of: kept since the upload, or read again if the file is still the same."""
        kept = self.materials.get(revision.id)
        if kept is not None and kept.task is None:
            return kept
        if kept is not None:
            return await self._complete(revision, kept)
        if snapshot is None or snapshot.content != revision.content:
            return Material(None, "the file is not there any more in the version that was sent")
        outgoing = await self.prepare(source, snapshot)
        return await self._complete(revision, Material.of(outgoing, snapshot.key.path, source.config.training.mode))

    async def _complete(self, revision: Revision, material: Material) -> Material:
        """Have a document's text read, and keep it as long as it may be needed again."""
        try:
            material = await self.prover.complete(material)
        except GivenUp as error:
            raise Stopped(error.message) from error
        except OSError as error:
            raise Gone(f"the file cannot be read any more: {error.strerror}") from error
        if revision.state in CANDIDATE_STATES:
            self.materials.put(revision.id, material)
        return material

    async def compare(self, revision: Revision, material: Material) -> Comparison:
        """Compare what the server holds of a revision with what was sent; see ``Prover.compare``.

        Raises:
            Gone: a large text is read anew for it, and it is not what was sent any more.
            Permanent: the content differs.
        """
        assert revision.collection_id is not None  # noqa: S101 - it is trained
        try:
            return await self.prover.compare(revision.collection_id, material)
        except GivenUp as error:
            raise Stopped(error.message) from error
        except ChangedWhileReading as error:
            raise Gone(error.message) from error
        except OSError as error:
            raise Gone(f"the file cannot be read any more: {error.strerror}") from error

    async def hide(self, revision: Revision, collection_id: CollectionId) -> None:
        """Hide a collection, and know it."""
        await self.client.update(collection_id, forbid=True)
        await self.ledger.commit("hidden", lambda db: moves.hidden(db, revision))

    async def see_visible(self, collection_id: CollectionId) -> None:
        """Return once ``detail`` shows the collection visible; show it when it is not (rule 1)."""
        for pause in (0.2, 0.5, 1.0, 2.0, 5.0):
            if not (await self.client.collection(collection_id)).forbid:
                return
            await self.client.update(collection_id, forbid=False)
            await asyncio.sleep(pause)
        raise Unavailable("the server answers that it shows a collection, but keeps it hidden")

    async def place(
        self, source: SourceState, key: DocumentKey, revision: Revision, *, forbid: bool | None = None
    ) -> None:
        """Give a collection its true name, folder and tags, and with ``forbid`` its visibility, in one call."""
        assert revision.collection_id is not None  # noqa: S101 - only what is on the server has a place
        folder = source.folder_of(key.path)
        folder_id = await self.folders.ensure(key.source, source.dataset_id, folder)
        tags = source.config.tags
        had_tags = "\n" in revision.placed  # tags that people gave by hand are left alone
        await self.client.update(
            revision.collection_id,
            name=remote_name(key.path),
            parent_id=folder_id,
            forbid=forbid,
            tags=tags if tags or had_tags else None,
        )
