"""What a person decides: try again, let deletions go, go back to the version before."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass

from syncd.config import Config
from syncd.engine import Engine
from syncd.errors import SyncdError, UsageError
from syncd.ledger import Ledger, entries, moves, records, releasing, remote, tree
from syncd.models import DocumentKey, Hold, HoldReason, Problem


class NotPossible(SyncdError):
    """The decision makes no sense as things are; nothing was changed."""

    exit_code = 6
    code = "not-possible"


def locate(ledger: Ledger, config: Config, path: str, source: str | None = None) -> DocumentKey:
    """The document a path means.

    Raises:
        UsageError: no source, or more than one, has such a document.
    """
    names = [s.name for s in config.sources] if source is None else [source]
    found = [name for name in names if entries.one(ledger.conn, DocumentKey(name, path)) is not None]
    if not found:
        raise UsageError(
            f'no document "{path}" is known', hint="`syncd ls` lists them, paths are relative to the source"
        )
    if len(found) > 1:
        raise UsageError(f'"{path}" exists in the sources {", ".join(found)}', hint="say which one with --source")
    return DocumentKey(found[0], path)


def retry(ledger: Ledger, config: Config, paths: list[str] | None, source: str | None = None) -> int:
    """Have quarantined and failing documents tried again by the next pass; returns how many.

    Args:
        paths: documents, relative to their source; ``None`` means all that are quarantined or failing, but for those
            that a person rolled back: who wants the newer version after all says so by name.
    """
    keys = None if paths is None else [locate(ledger, config, path, source) for path in paths]
    with ledger.transaction("retry") as conn:
        return try_again(conn, keys, source)


def try_again(conn: sqlite3.Connection, keys: list[DocumentKey] | None, source: str | None) -> int:
    """The same inside a write transaction, for documents that were found already."""
    if keys is None:
        ids = records.given_up(conn, source, but=Problem.ROLLED_BACK)
    else:
        known = (entries.one(conn, key) for key in dict.fromkeys(keys))
        ids = [entry.document_id for entry in known if entry is not None]
    for document_id in ids:
        moves.clear_quarantine(conn, document_id)
    tree.wake_documents(conn, ids)
    return len(ids) if keys is None else len(keys)


@dataclass(frozen=True, slots=True)
class Released:
    """What a release let go.

    Attributes:
        hold: the id of the hold, in the form that was carried out.
        paths: of the documents.
        came_since: deletions that are held as well, but were not in that form: they were not let go.
    """

    source: str
    hold: str
    paths: list[str]
    came_since: int

    def sentence(self, who: str) -> str:
        """For people; ``who`` carries it out."""
        noun = "deletion" if len(self.paths) == 1 else "deletions"
        said = f"{len(self.paths)} {noun} of {self.source} released (hold {self.hold}); {who}"
        if self.came_since:
            are = "is one that was" if self.came_since == 1 else "are some that were"
            said += f"; {self.came_since} came since and {are} not released"
        return said


def release(
    ledger: Ledger, source: str, now: float | None = None, *, emptied: bool = False, hold: str | None = None
) -> Released:
    """Let exactly the deletions go that were shown; the next pass carries them out, once (rule 20).

    Args:
        emptied: the folder was emptied on purpose.
        hold: the id of a hold in the form that was shown; without it the one that `status` or `sync` showed last.

    Raises:
        NotPossible: nothing is held, or it is not known what was shown, or the hold stands as long as the root is as
            it is. Nothing was let go.
    """
    with ledger.transaction("release") as conn:
        return let_go(conn, source, time.time() if now is None else now, emptied=emptied, hold=hold)


def let_go(
    conn: sqlite3.Connection, source: str, now: float, *, emptied: bool = False, hold: str | None = None
) -> Released:
    """The same inside a write transaction."""
    holds = records.holds(conn, source)
    if not holds:
        raise NotPossible(f'nothing of "{source}" is held', hint="`syncd status` shows the holds")
    for standing in holds:
        if not standing.releasable:
            raise NotPossible(
                f'"{source}" is held because {standing.message}',
                hint="bring the folder back; no release is needed then",
            )
        if standing.reason is HoldReason.EMPTY and not emptied:
            raise NotPossible(
                f'"{source}" is held because {standing.message}',
                hint=f"if it was emptied on purpose: `syncd release {source} --emptied`",
            )
    standing, form, chosen = _as_shown(conn, holds, hold, now)
    if standing.reason is HoldReason.DEVICE:
        # The person accepts the other file system; from here on the limits judge.
        remote.forget_device(conn, source)
    records.release(conn, source, chosen.paths.values(), now, emptied=emptied)
    tree.wake(conn, source, chosen.paths)
    return Released(source, form, sorted(chosen.paths), chosen.came_since)


def _as_shown(
    conn: sqlite3.Connection, holds: list[Hold], wanted: str | None, now: float
) -> tuple[Hold, str, releasing.Chosen]:
    """The hold that is meant, the id of the form that was shown, and what of that can go.

    Raises:
        NotPossible: it cannot be known, or none of it is held any more.
    """
    shown = [(hold, wanted or releasing.last_shown(conn, hold, now)) for hold in holds]
    for hold, form in shown:
        chosen = releasing.chosen(conn, hold, form) if form else None
        if chosen is None:
            continue
        if not chosen.paths and hold.paths:
            raise NotPossible(
                f"nothing of hold {form} is held any more; {hold.count} other deletions of {hold.source} are",
                hint=_look(hold),
            )
        return hold, form, chosen
    hold = holds[0]
    if wanted:
        raise NotPossible(
            f'"{hold.source}" has no hold {wanted}; {hold.count} of its deletions are held now, as hold {hold.id}',
            hint=_look(hold),
        )
    raise NotPossible(
        f'{hold.count} deletions of "{hold.source}" are held as hold {hold.id}, and it cannot be known which of them'
        " you have seen; nothing was let go",
        hint=_look(hold),
    )


def _look(hold: Hold) -> str:
    emptied = " --emptied" if hold.reason is HoldReason.EMPTY else ""
    return f"`syncd status` shows them; `syncd release {hold.source}{emptied} --hold {hold.id}` lets exactly these go"


async def rollback(engine: Engine, path: str, source: str | None = None) -> str:
    """Go back to the version before, through the same flip, without an upload (rule 22).

    Returns:
        A sentence that says what happened.

    Raises:
        NotPossible: there is no earlier version on the server, or one is just being replaced.
    """
    key = locate(engine.ledger, engine.config, path, source)
    entry = entries.one(engine.ledger.conn, key)
    assert entry is not None  # noqa: S101 - `locate` found it
    if entry.candidate is not None:
        raise NotPossible(f"{path} is being replaced right now", hint="run `syncd sync` first, then roll back")
    current = entry.serving
    before = next(
        (r for r in entry.retired if r.successor is not None and r.verified_at is not None and not r.delete_sent), None
    )
    if current is None or before is None:
        raise NotPossible(
            f"{path} has no earlier version on the server",
            hint="versions can be rolled back to for the grace time of [source.delete] after they were replaced",
        )
    await engine.bind(key.source)
    await engine.ledger.commit("rollback_intent", lambda db: moves.begin_rollback(db, before, current, engine.now()))
    await engine.finish_flip(key)
    after = entries.one(engine.ledger.conn, key)
    if after is None or after.serving is None or after.serving.id != before.id:
        raise NotPossible(
            f"search did not find the earlier version of {path}; the newer one serves on",
            hint="`syncd history PATH` shows the probes",
        )
    return (
        f"{path}: the earlier version ({before.content.sha256[:12]}) serves again; the newer one stays out"
        " until the file changes or `syncd retry`"
    )
