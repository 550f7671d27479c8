"""Takes one document as far as it goes in a pass."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from sqlite3 import Connection

from syncd.apply import Applier, Gone, Refused, Spent, Stopped, Tools, Unproven, Untrained
from syncd.blaming import Blame
from syncd.errors import (
    EXIT_PARTIAL,
    DocumentError,
    OutcomeUnknown,
    RemoteMissing,
    ServerError,
    SyncdError,
    Transient,
)
from syncd.fastgpt.endpoints import SEARCH
from syncd.ledger import entries, moves, records
from syncd.ledger.moves import StaleMove
from syncd.logs import get_logger
from syncd.models import (
    AnyAction,
    Delete,
    DocumentKey,
    FileSnapshot,
    Flip,
    LedgerEntry,
    Move,
    Problem,
    Prove,
    QuarantineDocument,
    Restore,
    Resume,
    Retire,
    Upload,
    Waiting,
)
from syncd.passing import PassState
from syncd.patience import LONGEST_PAUSE, MOST
from syncd.plan import decide, decide_vanished
from syncd.retiring import LOOK_LATER
from syncd.setbacks import Setbacks

log = get_logger(__name__)

_RESTS = "the server did not answer for it lately"
_AFTER_A_REST = 2  # tries at what could not be taken away before


@dataclass(slots=True)
class Follower:
    """Works on one document at a time; many of its tasks run side by side.

    Args:
        blame: what follows from a failure that is the document's.
        setbacks: whose trouble a call is that came to nothing.
        exists: whether a document's file is there at this moment.
    """

    tools: Tools
    applier: Applier
    state: PassState
    blame: Blame
    setbacks: Setbacks
    exists: Callable[[DocumentKey], Awaitable[bool]]
    proving: Callable[[DocumentKey], None] = lambda _key: None  # told when a document has only its searches before it

    async def follow(self, key: DocumentKey, planned: list[AnyAction], snapshot: FileSnapshot | None) -> None:
        """Take one document as far as it goes in this pass."""
        if not self.tools.claims.start(key, self.tools.owner):
            self.tools.progress.documents_done += 1
            return  # it was saved again meanwhile, and another pass has taken it over
        try:
            await self._follow(key, planned, snapshot)
        finally:
            self.tools.claims.free(key, self.tools.owner)
            self.tools.progress.looked_for.pop(key, None)
            self.tools.progress.documents_done += 1

    async def _follow(self, key: DocumentKey, planned: list[AnyAction], snapshot: FileSnapshot | None) -> None:
        for action in planned:
            if isinstance(action, Retire) and not action.vanished:
                await self.guarded(action, lambda a=action: self.applier.retire(a, _gone))  # type: ignore[misc]
        if self.tools.witness.rests(key):
            entry = entries.one(self.tools.ledger.conn, key)
            self.state.put_off[key] = (entry.last_error if entry else "") or _RESTS
        while key not in self.state.put_off and key.source not in self.state.troubles:
            entry = entries.one(self.tools.ledger.conn, key)
            if entry is None or not self._may_go_on(entry):
                break
            step = self._next(snapshot, entry)
            if step is None or (isinstance(step, Waiting) and step.until is None):
                break
            if isinstance(step, Waiting):
                if self.setbacks.leaves_to_next(key, step):
                    break
                await self.blame.patience.pause((step.until or 0.0) - self.tools.now(), key)
                if (step.until or 0.0) > self.tools.now() and self._is_over(key):
                    break  # whoever comes next takes it up, a begun flip first of all
                continue
            if self.blame.patience.gate().closed:
                if not await self.blame.patience.passage(key):
                    break
                continue
            if isinstance(step, Prove) and step.revision.flip is not Flip.BACK:
                limit = self.blame.patience.gate().given_up(SEARCH.name)
                if limit is not None:  # nothing is shown that cannot be searched for
                    await self.setbacks.leave(key, entry, limit)
                    break
            if not await self._try(step, entry, snapshot):
                break

    def _is_over(self, key: DocumentKey) -> bool:
        """Somebody asked to stop, or the file says something newer."""
        return self.tools.stopping.is_set() or self.tools.outdated(key)

    def _may_go_on(self, entry: LedgerEntry) -> bool:
        """A safe point never lies inside a flip (rule 2)."""
        flipping = entry.candidate is not None and entry.candidate.flip is not None
        return flipping or not self._is_over(entry.key)

    def _next(self, snapshot: FileSnapshot | None, entry: LedgerEntry) -> AnyAction | Waiting | None:
        now = self.tools.now()
        if snapshot is None:
            return decide_vanished(entry, now)
        return decide(snapshot, entry, self.tools.sources[entry.key.source].policy, now)

    async def _try(self, step: AnyAction, entry: LedgerEntry, snapshot: FileSnapshot | None) -> bool:
        """One step; returns whether the pass goes on with the document."""
        key = entry.key
        try:
            await self._step(step, entry, snapshot)
            await self._passed(step, entry)
        except StaleMove:
            return True
        except Stopped:
            return False
        except OutcomeUnknown as error:
            log.warning("outcome.unknown", source=key.source, path=key.path, error=error.message)
            return await self.setbacks.came_to_nothing(key, error, snapshot)
        except ServerError as error:
            return await self.setbacks.came_to_nothing(key, error, snapshot)
        except RemoteMissing as error:
            await self.blame.lost(entry, snapshot, error)
        except Gone as error:
            self.blame.changed(key, error)
            return False
        except Spent as error:
            self.blame.put_off(key, error, EXIT_PARTIAL)
            return False
        except Unproven as error:
            if isinstance(error, Untrained):
                self.state.untrained[key.source] = error.message
            self.blame.leave_unproven(key, error.message)
            return False
        except DocumentError as error:
            await self.blame.failed(key, entry, snapshot, error)
        except SyncdError:
            raise
        except Exception as error:
            log.exception("bug", source=key.source, path=key.path)
            text = f"a fault in syncd itself: {type(error).__name__}: {error}"
            await self.blame.failed(key, entry, snapshot, Transient(Problem.INTERNAL, text))
        return True

    async def _passed(self, step: AnyAction, entry: LedgerEntry) -> None:
        """A step that ends a piece of work ends what was held against the document before."""
        if isinstance(step, (Upload, Resume)) or (isinstance(step, Prove) and step.revision.flip is None):
            return
        self.tools.witness.passed(entry.key)
        if entry.setbacks and not isinstance(step, (Prove, QuarantineDocument)):
            await self.tools.ledger.commit("recovered", lambda db: moves.recover(db, entry.document_id))

    async def _step(self, step: AnyAction, entry: LedgerEntry, snapshot: FileSnapshot | None) -> None:
        applier = self.applier
        match step:
            case Upload():
                await applier.upload(step, entry)
            case Resume():
                await applier.resume(step, snapshot)
            case Prove():
                self.proving(step.key)
                await applier.prove(step, entry, snapshot)
            case Restore():
                if snapshot is not None and not await self.exists(step.key):
                    raise Gone("the file is gone again")  # the plan has waited for the server
                await applier.restore(step)
            case Move():
                await applier.move(step)
            case Retire():
                await applier.retire(step, lambda: self.exists(step.key))
            case QuarantineDocument():
                await applier.quarantine(step, entry)
            case Delete():
                await applier.delete(step)

    # ------------------------------------------------------------ outside the life of a document

    async def guarded(self, action: AnyAction, work: Callable[[], Awaitable[None]]) -> None:
        """One action outside the life of a document: the server's trouble is waited for, the rest is left."""
        key = action.key
        witness = self.tools.witness
        failures, began = 0, asyncio.get_running_loop().time()
        if witness.rests(key):
            self.state.put_off[key] = _RESTS
            return
        while not self.tools.stopping.is_set():
            if self.blame.patience.gate().closed and not await self.blame.patience.passage():
                return
            try:
                await work()
                witness.passed(key)
            except ServerError as error:
                failures += 1
                most = _AFTER_A_REST if witness.rested(key) else MOST
                pause = min(2.0 ** (failures - 2), LONGEST_PAUSE)
                try:
                    own = await self.setbacks.is_its_own(key, error)
                except Stopped:
                    return
                if failures >= most or (own and self._too_long(began, pause, failures)):
                    await self._stuck(action, error, failures)
                    return
                if own:
                    await self.blame.patience.pause(pause)
                continue
            except (Gone, Refused, StaleMove) as error:
                self.state.put_off[key] = error.message
            except DocumentError as error:
                self.state.put_off[key] = error.message
                log.warning("document.failed", source=key.source, path=key.path, error=error.message)
            return

    def _too_long(self, began: float, pause: float, tries: int) -> bool:
        """A one-shot run is as patient with one document as with a server; the next run goes on."""
        patience = self.blame.patience.gate().patience
        lasts = asyncio.get_running_loop().time() - began
        return patience is not None and tries >= _AFTER_A_REST and lasts + pause >= patience

    async def _stuck(self, action: AnyAction, error: ServerError, tries: int) -> None:
        """What is to be hidden or deleted stays for now: a person hears of it, and it is tried again later."""
        key, now = action.key, self.tools.now()
        self.state.codes.add(EXIT_PARTIAL)
        doing = "deleted" if isinstance(action, Delete) else "hidden"
        message = f"the server is well, but it could not be {doing} in {tries} tries: {error.message}"

        def note(db: Connection) -> None:
            collection_id = None
            if isinstance(action, (Delete, Retire)):
                collection_id = action.revision.collection_id
            if isinstance(action, Delete):
                moves.keep(db, action.revision, now + LOOK_LATER)
            records.add_finding(db, "stuck", key.source, key.path, collection_id, message, now)

        await self.tools.ledger.commit("finding", note)
        self.tools.progress.tell("failed", key, message)
        log.warning("document.failed", source=key.source, path=key.path, error=message)
        self.state.stuck[key] = message
        if not isinstance(action, Delete):
            self.tools.witness.rest(key)
            self.state.put_off[key] = message


async def _gone() -> bool:
    """A version that was replaced has no file of its own."""
    return False
