"""The applier of the model: each action as a generator that yields after every commit and every call.

Whoever drives it may stop at any of these points, which is a crash, and looks at the laws there.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

from plan_model import LOOKS, Collection, Document, FailedError, Model

from syncd.models import (
    AnyAction,
    CollectionId,
    Content,
    DatasetId,
    Delete,
    Flip,
    Move,
    Prove,
    QuarantineDocument,
    Restore,
    Resume,
    Retire,
    Revision,
    RevisionId,
    State,
    Upload,
)

Steps = Generator[str, None, None]
GARBLED, UNFINDABLE = "X", "Y"  # contents that the server destroys, and that its search never finds


class World(Model):
    """The model, with hands."""

    def apply(self, action: AnyAction) -> Steps:
        """Carry out one action; stale ones do nothing.

        Raises:
            FailedError: as the real applier would.
        """
        document = self.documents[action.key.path]
        if not isinstance(action, (Upload, QuarantineDocument)):
            if document.revisions.get(action.revision.id) != action.revision:
                return
            if isinstance(action, (Resume, Prove)) and self.hits(0.1):
                raise FailedError
        carry: dict[type, Callable[..., Steps]] = {
            Upload: self._upload,
            Resume: self._resume,
            Prove: self._prove,
            Move: self._move,
            Restore: self._restore,
            Retire: self._retire,
            Delete: self._delete,
            QuarantineDocument: self._quarantine,
        }
        yield from carry[type(action)](document, action)

    def _content(self, path: str) -> Content | None:
        return self.snapshot(path).content if self.there(path) else None

    def _upload(self, document: Document, action: Upload) -> Steps:
        if document.entry().candidate is not None or self._content(document.path) != action.snapshot.content:
            return
        name = RevisionId(self.new("r"))
        revision = Revision(name, 1, action.snapshot.content, State.UPLOADING, f"{name}/0", DatasetId("d"))
        document.revisions[name] = revision
        yield "upload intent"
        yield from self._send(document, revision)

    def _send(self, document: Document, revision: Revision) -> Steps:
        name = self.new("col")
        collection = Collection(revision.content.sha256, True, revision.attempt)
        if self.hits(0.08):
            self.put(document, revision, state=State.DELETED)
            raise FailedError("" if self.rng.random() < 0.5 else "parse-failed")
        if self.hits(0.15):
            kind = self.rng.randrange(3)
            if kind == 0:
                self.server[name] = collection
            elif kind == 1:
                self.late.append((self.now + self.rng.choice((1.0, 40.0, 90000.0)), name, collection))
            return
        self.server[name] = collection
        yield "arrived"
        revision = self.put(document, revision, state=State.INDEXING, collection_id=CollectionId(name), visible=True)
        yield "identified"
        yield from self._hide(document, revision)

    def _hide(self, document: Document, revision: Revision) -> Steps:
        if self.hits(0.05):
            raise FailedError
        assert revision.collection_id is not None
        self.server[revision.collection_id].visible = False
        yield "hidden"
        self.put(document, document.revisions[revision.id], visible=False)
        yield "hidden, noted"

    def _resume(self, document: Document, action: Resume) -> Steps:
        revision, wanted = action.revision, self._content(document.path)
        if revision.state is State.UPLOADING:
            yield from self._look(document, revision, wanted)
            return
        assert revision.collection_id is not None
        if revision.visible:
            yield from self._hide(document, revision)
            revision = document.revisions[revision.id]
        if wanted is None:
            return
        if revision.content.sha256 == GARBLED or self.hits(0.05):
            raise FailedError("content-differs")
        self.put(document, revision, state=State.PROVING, flip=Flip.FORWARD, visible=True)
        yield "flip intent"

    def _look(self, document: Document, revision: Revision, wanted: Content | None) -> Steps:
        found = [n for n, c in self.server.items() if c.attempt == revision.attempt]
        if found:
            revision = self.put(
                document, revision, state=State.INDEXING, collection_id=CollectionId(found[0]), visible=True
            )
            yield "identified"
            yield from self._hide(document, revision)
            return
        revision = self.put(document, revision, absences=revision.absences + 1)
        yield "absence"
        if revision.absences < LOOKS:
            return
        if wanted != revision.content:
            self.put(document, revision, state=State.DELETED)
            return
        attempt = f"{revision.id}/{self.new('a')}"
        revision = self.put(document, revision, attempt=attempt, absences=0)
        yield "again"
        yield from self._send(document, revision)

    def _prove(self, document: Document, action: Prove) -> Steps:
        revision, old = action.revision, document.entry().serving
        if revision.state is State.VERIFIED:
            self.put(document, revision, reprove=False)
            return
        assert revision.collection_id is not None
        if revision.flip is Flip.FORWARD:
            self.server[revision.collection_id].visible = True
            yield "new one shown"
            if old is not None and old.collection_id is not None:
                self.server[old.collection_id].visible = False
                yield "old one hidden"
                self.put(document, old, visible=False)
            placement = self.policy.placement(document.path)
            revision = self.put(document, revision, flip=Flip.DONE, placed=placement)
            yield "flipped"
        if revision.flip is Flip.DONE and (revision.content.sha256 == UNFINDABLE or self.hits(0.1)):
            revision = self.put(document, revision, flip=Flip.BACK)
            yield "flip back intent"
        if revision.flip is Flip.BACK:
            yield from self._back(document, revision)
            raise FailedError("search-missing")
        if old is not None:
            self.put(
                document,
                document.revisions[old.id],
                state=State.RETIRED,
                visible=False,
                retired_at=self.now,
                delete_after=self.now + self.policy.delete.grace,
                successor=revision.id,
                reprove=False,
            )
        for r in list(document.revisions.values()):
            if r.state is State.QUARANTINED:
                self.put(
                    document, r, state=State.RETIRED, retired_at=self.now, delete_after=self.now, successor=revision.id
                )
        self.put(
            document,
            revision,
            state=State.VERIFIED,
            flip=None,
            visible=True,
            verified_at=self.now,
            reason="",
            retired_at=None,
            delete_after=None,
            successor=None,
            reprove=self.hits(0.1),
        )
        self.served.append((revision.id, self.now))
        document.attempts, document.next_try_at, document.quarantine, document.gone = 0, None, None, False
        document.rest = None
        yield "verified"

    def _back(self, document: Document, revision: Revision) -> Steps:
        old = document.entry().serving
        assert revision.collection_id is not None
        if old is not None and old.collection_id is not None:
            self.server[old.collection_id].visible = True
            yield "old one shown"
        self.server[revision.collection_id].visible = False
        yield "new one hidden"
        if old is not None:
            self.put(document, old, visible=True)
        self.put(document, revision, state=State.INDEXING, flip=None, visible=False)
        yield "flipped back"

    def relink(self, moves: list[Move]) -> None:
        """All moves of a pass change the ledger at once (rule 33)."""
        for move in moves:
            origin, target = self.documents[move.origin.path], self.documents[move.key.path]
            if origin is target or self.there(origin.path) or origin.revisions.get(move.revision.id) != move.revision:
                continue
            assert target.entry().serving is None
            for r in list(origin.revisions.values()):
                if r.state in (State.VERIFIED, State.RETIRED, State.QUARANTINED):
                    target.revisions[r.id] = origin.revisions.pop(r.id)
            self.close(origin)
            target.quarantine, target.attempts, target.next_try_at, target.gone = None, 0, None, False
            target.rest = None

    def _move(self, document: Document, action: Move) -> Steps:
        if self.hits(0.1):
            raise FailedError
        yield "told the server"
        self.put(document, action.revision, placed=self.policy.placement(document.path))
        document.rest = None

    def _restore(self, document: Document, action: Restore) -> Steps:
        revision = action.revision
        assert revision.collection_id is not None
        state = State.INDEXING
        if action.as_serving:
            if revision.state is State.RETIRED:
                # Intent before call: after a crash it is known that it may be seen.
                revision = self.put(document, revision, visible=True)
                yield "restore intent"
            self.server[revision.collection_id].visible = True
            yield "shown again"
            state = State.VERIFIED
        self.put(
            document,
            revision,
            state=state,
            visible=action.as_serving,
            retired_at=None,
            delete_after=None,
            successor=None,
            reason="",
        )
        document.gone, document.rest = False, None
        yield "restored"

    def _retire(self, document: Document, action: Retire) -> Steps:
        revision = action.revision
        if action.vanished and self.there(document.path):
            return
        if revision.state is not State.RETIRED:
            revision = self.put(
                document,
                revision,
                state=State.RETIRED,
                flip=None,
                retired_at=self.now,
                delete_after=self.now + action.grace,
                reprove=False,
            )
            if action.vanished:
                self.close(document)
                self.deletions.append((self.now, revision.id in self.released))
                self.released.discard(revision.id)
                self.emptied = self.emptied and bool(self.released)
            yield "retired"
        assert revision.collection_id is not None
        self.server[revision.collection_id].visible = False
        yield "retired and hidden"
        self.put(document, document.revisions[revision.id], visible=False)

    def _delete(self, document: Document, action: Delete) -> Steps:
        revision = action.revision
        assert revision.collection_id is not None
        found = self.server.get(revision.collection_id)
        if found is not None:
            assert found.attempt == revision.attempt, "somebody else's"
            assert not found.visible, "about to delete what is visible (rule 13)"
            serving = document.entry().serving
            if revision.successor is not None and serving is not None and serving.collection_id is not None:
                assert self.server[serving.collection_id].visible, "its successor is hidden (rule 13)"
        self.put(document, revision, delete_sent=True)
        yield "delete intent"
        self.server.pop(revision.collection_id, None)
        yield "deleted"
        self.put(document, document.revisions[revision.id], state=State.DELETED, visible=False)

    def _quarantine(self, document: Document, action: QuarantineDocument) -> Steps:
        if self.there(document.path) and self.snapshot(document.path).problem is not None:
            self.give_up(document, action.snapshot.content, action.problem.value)
        yield "given up"
