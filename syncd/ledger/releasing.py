"""Holds as they were shown to a person, and what of them a release lets go: exactly that (rule 20).

A hold changes from pass to pass. Each form of it has an id that names its revisions, so that what was seen and what
stands now can be told apart; the newest forms of a source are kept for as long as a release is good for.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from syncd.models import Hold

LIFETIME = 86400.0  # seconds after which a release expires, and a hold that was shown is forgotten (rule 20)
_FORMS = 10  # that are kept of a source, beside those that stand


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a release of one form would let go.

    Attributes:
        paths: path -> revision, of what was in that form and is still held.
        came_since: how many deletions are held now that were not in that form.
    """

    paths: dict[str, str]
    came_since: int


def keep_forms(conn: sqlite3.Connection, source: str, holds: Iterable[Hold], now: float) -> None:
    """Keep the holds that stand in the form they have now, and forget the oldest forms."""
    standing = list(holds)
    conn.executemany(
        "insert or ignore into hold_forms (source, id, reason, at, revisions) values (?, ?, ?, ?, ?)",
        [(source, hold.id, hold.reason.value, now, json.dumps(hold.revisions)) for hold in standing],
    )
    conn.execute(
        "delete from hold_forms where source = ?1 and id not in (select id from holds where source = ?1)"
        " and (coalesce(shown_at, at) <= ?2 or id not in (select id from hold_forms where source = ?1"
        " order by shown_at is not null desc, coalesce(shown_at, at) desc limit ?3))",
        (source, now - LIFETIME, _FORMS),
    )


def show(conn: sqlite3.Connection, holds: Iterable[Hold], now: float) -> None:
    """A person was shown these holds."""
    conn.executemany(
        "update hold_forms set shown_at = ? where source = ? and id = ?",
        [(now, hold.source, hold.id) for hold in holds],
    )


def last_shown(conn: sqlite3.Connection, hold: Hold, now: float) -> str:
    """The id of the form in which a hold was last shown; "" when nobody has seen it, or long ago."""
    row = conn.execute(
        "select id from hold_forms where source = ? and reason = ? and shown_at > ? order by shown_at desc,"
        " id = ? desc limit 1",
        (hold.source, hold.reason.value, now - LIFETIME, hold.id),
    ).fetchone()
    return "" if row is None else str(row[0])


def chosen(conn: sqlite3.Connection, hold: Hold, form: str) -> Chosen | None:
    """What of a hold that stands a release of one of its forms lets go; ``None``: there is no such form of it."""
    shown, held = _revisions(conn, hold, form), _revisions(conn, hold, hold.id)
    if shown is None or held is None:
        return None
    wanted = shown & held
    rows = conn.execute(
        "select d.path, r.id from revisions r join documents d on d.id = r.document"
        " where r.state = 'verified' and r.id in (select value from json_each(?)) order by d.path",
        (json.dumps(sorted(wanted)),),
    ).fetchall()
    return Chosen(dict(rows), len(held - shown))


def _revisions(conn: sqlite3.Connection, hold: Hold, form: str) -> set[str] | None:
    row = conn.execute(
        "select revisions from hold_forms where source = ? and id = ? and reason = ?",
        (hold.source, form, hold.reason.value),
    ).fetchone()
    return None if row is None else set(json.loads(row[0]))
