"""Before the first remote action of a run: datasets are bound, and each is surveyed once (rules 24 to 26, 28)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from syncd import due
from syncd.audit import Auditor, Survey
from syncd.datasets import bind
from syncd.errors import RemoteMissing, SourceError, Stuck
from syncd.fastgpt.client import Client
from syncd.fastgpt.limiter import Turns
from syncd.ledger import Ledger, remote
from syncd.ledger.moves import StaleMove
from syncd.logs import get_logger
from syncd.passing import PassState
from syncd.work import SourceState

log = get_logger(__name__)


@dataclass(slots=True)
class Known:
    """What an engine has looked at on the server in its life; one pass at a time looks."""

    surveyed: set[str] = field(default_factory=set)  # datasets
    ready: set[str] = field(default_factory=set)  # sources
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    looks: int = 0  # how often a survey ended
    troubles: dict[str, str] = field(default_factory=dict)  # source -> trouble that was logged


@dataclass(slots=True)
class Preparer:
    """Binds and surveys on behalf of one pass.

    Args:
        patiently: repeats idempotent work until the server lets it through; a stop breaks it off.
        known: what was looked at already.
        uploads: the limit for uploads; a survey waits until none is being sent.
        adopted: told of sources of which collections were taken in.
    """

    client: Client
    ledger: Ledger
    auditor: Auditor
    sources: dict[str, SourceState]
    now: Callable[[], float]
    state: PassState
    patiently: Callable[[Callable[[], Coroutine[Any, Any, Any]]], Awaitable[Any]]
    known: Known
    uploads: Turns
    adopted: Callable[[set[str]], None]

    def survey_due(self) -> bool:
        """Whether the datasets must be looked at although the disk asks for nothing.

        A copied ledger is compared with the server before anything else (rule 28), and so is the server some time
        after an upload was given up, since it may have arrived all the same (rule 11).
        """
        if self.ledger.meta("is_backup"):
            self.ledger.renew_identity()
        shard = next((str(state.shard) for state in self.sources.values() if state.shard is not None), "")
        if self.ledger.meta("shard") != shard:
            with self.ledger.transaction("resharded") as db:
                remote.resharded(db, shard)
        at = self.ledger.meta("survey_at")
        return bool(at) and due.has_come(float(at), self.now(), 2 * due.SURVEY)

    def rebound(self, names: Iterable[str]) -> list[str]:
        """Sources for which the configuration names another dataset than the one they were mirrored to."""
        found = []
        for name in names:
            row = remote.source(self.ledger.conn, name)
            if row is not None and row.dataset_id and row.dataset_ref != self.sources[name].config.dataset:
                found.append(name)
        return found

    async def prepare(self, wanted: Iterable[str]) -> bool:
        """Bind and survey what is wanted; returns whether the plan has to be made again."""
        wanted = set(wanted)
        if not self.survey_due() and wanted <= self.known.ready:
            return False
        before = self.known.looks
        async with self.known.lock:
            if self.known.looks != before:
                return True  # another pass has looked meanwhile, and may have taken something in
            again = await self._prepare(wanted)
            self.known.looks += 1
            return again

    async def _prepare(self, wanted: set[str]) -> bool:
        is_due, began = self.survey_due(), self.now()
        if is_due:
            self.known.surveyed.clear()
            self.known.ready.clear()
            wanted = set(self.sources)
        again = is_due
        for name in sorted(wanted - self.known.ready - set(self.state.troubles)):
            state = self.sources[name]
            try:
                moved = name in self.rebound([name])
                state.dataset_id = await self.patiently(partial(bind, self.client, self.ledger, state))
                again |= moved
                again |= await self._survey(state)
            except SourceError as error:
                self.trouble(name, error)
                again = True
            except (Stuck, RemoteMissing) as error:
                self.trouble(name, not_answered(name, error))
                again = True
            else:
                if state.dataset_id in self.known.surveyed:
                    self.known.ready.add(name)
                self.known.troubles.pop(name, None)
        if is_due and wanted <= self.known.ready | set(self.state.troubles):
            await self.ledger.commit("surveyed", lambda db: remote.forget_survey(db, began))
        return again

    async def look_again(self) -> bool:
        """Survey what was surveyed before once more; returns whether anything was found."""
        self.known.surveyed.clear()
        names = set(self.known.ready)
        self.known.ready.clear()
        return await self.prepare(names)

    def trouble(self, name: str, error: SourceError) -> None:
        """A source cannot be served in this pass."""
        self.state.troubles[name] = error
        if self.known.troubles.get(name) != error.message:
            self.known.troubles[name] = error.message
            log.error("source.trouble", source=name, error=error.message, hint=error.hint)

    async def _survey(self, state: SourceState) -> bool:
        if state.dataset_id in self.known.surveyed:
            return False
        for other in self.sources.values():
            row = remote.source(self.ledger.conn, other.config.name)
            if not other.dataset_id and row is not None and row.dataset_id == state.dataset_id:
                other.dataset_id = state.dataset_id
        feeding = [
            s
            for s in self.sources.values()
            if s.dataset_id == state.dataset_id or s.config.dataset in (state.config.dataset, state.dataset_id)
        ]
        async with self.uploads.none():  # what is being sent would look like something that nobody knows
            try:
                survey: Survey = await self.patiently(lambda: self.auditor.survey(state.dataset_id, feeding))
            except StaleMove:
                return True  # another pass was faster with something that the survey saw; the next round looks again
        self.known.surveyed.add(state.dataset_id)
        for name, ledger in survey.rivals.items():
            self.trouble(name, rival_error(name, ledger))
        if survey.adopted:
            self.adopted({s.config.name for s in feeding})
        return survey.changed or bool(survey.rivals)


def not_answered(source: str, error: Stuck | RemoteMissing) -> SourceError:
    """The server is well, but does not answer what must be known before a source is served."""
    stuck = SourceError(
        f'source "{source}": the server does not answer what has to be known first: {error.message}',
        hint=error.hint or "see FastGPT's log, and that of the proxy in front of it; it is tried again",
    )
    stuck.exit_code = error.exit_code if isinstance(error, Stuck) else stuck.exit_code
    return stuck


def rival_error(source: str, ledger: str) -> SourceError:
    """Two instances feed one source."""
    return SourceError(
        f'source "{source}": another syncd (ledger {ledger}) writes to the same dataset for this source',
        hint="stop one of the two, or give each its own folder and its own [ledger] space; "
        "to take over for good, run `syncd adopt --take`",
    )
