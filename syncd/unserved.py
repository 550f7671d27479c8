"""What cannot be looked at, or waits although it has changed: what `ls`, `status` and the page say of such documents.

Their last proven state is still shown: the version that was verified is what search finds. Beside it stands that nobody
has looked since, or that the file is another one by now.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from syncd.ledger import records, remote
from syncd.models import HoldReason
from syncd.report.human import iso, minute

# Why nobody can look; deletions that are held for other reasons keep no file from being looked at.
_ROOTS: Mapping[HoldReason, str] = {
    HoldReason.MISSING: "the folder is not there",
    HoldReason.EMPTY: "the folder is empty",
    HoldReason.DEVICE: "another file system is where the folder was",
    HoldReason.UNREADABLE: "the folder, or a part of it, cannot be read",
}


@dataclass(frozen=True, slots=True)
class Unserved:
    """Why a source cannot be served.

    Attributes:
        reason: in plain words.
        since: when its folder was read completely the last time, seconds since the epoch; ``None`` where the folder is
            read, and it is the server that does not serve it, or where it never was read.
        looked_at: the folder is still read.
    """

    reason: str
    since: float | None
    looked_at: bool

    @property
    def note(self) -> str:
        """What is said of each document of the source."""
        if self.looked_at:
            return f"not served: {self.reason}"
        return f"not looked at since {minute(self.since, 'it was configured')}: {self.reason}"

    def data(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"reason": self.reason, "since": iso(self.since), "note": self.note}


def of_source(conn: sqlite3.Connection, name: str, trouble: str = "") -> Unserved | None:
    """Why a source cannot be served, if so.

    Args:
        conn: the ledger.
        name: the source.
        trouble: what a running service says of it, else what the ledger remembers is taken.
    """
    row = remote.source(conn, name)
    for hold in records.holds(conn, name):
        if hold.reason in _ROOTS:
            return Unserved(_ROOTS[hold.reason], None if row is None else row.last_scan_at, looked_at=False)
    said = trouble or ("" if row is None else row.trouble)
    if not said:
        return None
    return Unserved(said.removeprefix(f'source "{name}": '), None, looked_at=True)


def changed(service: Mapping[str, Any]) -> str:
    """What is said of a file that is another one than the version that was verified, and not under way."""
    if service.get("server", {}).get("message"):
        return "changed, waiting for the server"
    if service.get("paused"):
        return "changed, waiting for `syncd resume`"
    return "changed, waiting for its turn" if service.get("running") else "changed, waiting for the next run"
