"""Searches that lie, to see whether a client notices."""

from __future__ import annotations

import sqlite3

from syncd.emulator.core import Core
from syncd.emulator.faults import Fault
from syncd.emulator.ranking import Hit


class Lies:
    """The faults that bear on one search.

    search_drop: matching collections are never found. search_delay: not before the ``n``-th search that would have
    found them, or ``seconds`` after the first one that would have. search_outrank: with ``where="out"`` (default)
    they are missing from the embedding and from the mixture's vector half, but found by full text; with
    ``where="below"`` everything else comes first. search_old: where a hidden collection has the same name as a visible
    one, the hidden one is found instead. search_empty and search_500 speak for themselves.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        faults = core.faults.for_search()
        self.active = bool(faults)
        self.fails = any(fault.kind == "search_500" for fault in faults)
        self._empty = any(fault.kind == "search_empty" for fault in faults)
        self._faults = [fault for fault in faults if fault.kind not in ("search_500", "search_empty")]
        self.needs_hidden = any(fault.kind == "search_old" for fault in faults)
        self._now = core.elapsed()
        self._decided: dict[tuple[int, str], bool] = {}
        self._below: set[str] = set()

    def bend(self, hits: list[Hit], rows: dict[int, sqlite3.Row], kind: str) -> list[Hit]:
        """The hits of one recall as the liar tells them."""
        if not self.active:
            return hits
        if self._empty:
            return []
        return [hit for hit in hits if self._told(rows[hit.n], kind)]

    def order(self, answered: list[dict[str, object]]) -> list[dict[str, object]]:
        """The final order: outranked collections last."""
        if not self._below:
            return answered
        return sorted(answered, key=lambda row: row["collectionId"] in self._below)

    def _told(self, row: sqlite3.Row, kind: str) -> bool:
        hidden = bool(row["forbid"])
        replaced = False
        for fault in self._faults:
            if not fault.matches(row["source_name"]):
                continue
            if fault.kind == "search_drop":
                return False
            if fault.kind == "search_delay" and not self._due(fault, row["collection"]):
                return False
            if fault.kind == "search_outrank":
                if fault.params.get("where", "out") == "below":
                    self._below.add(row["collection"])
                elif kind == "embedding":
                    return False
            if fault.kind == "search_old" and self._has_twin(row, hidden):
                replaced = True
        return hidden if replaced else not hidden

    def _due(self, fault: Fault, collection: str) -> bool:
        """Whether a delayed collection may be told; counted once a search."""
        key = (fault.id, collection)
        if key not in self._decided:
            if "seconds" in fault.params:
                first = fault.seen.setdefault(collection, round(self._now * 1000))
                self._decided[key] = self._now * 1000 >= first + fault.number("seconds", 0) * 1000
            else:
                fault.seen[collection] = fault.seen.get(collection, 0) + 1
                self._decided[key] = fault.seen[collection] >= fault.number("n", 2)
        return self._decided[key]

    def _has_twin(self, row: sqlite3.Row, hidden: bool) -> bool:
        """Whether a collection of the same name is hidden where this one is visible, or the other way round."""
        other = self._core.store.one(
            "select 1 from collections where dataset = ? and name = ? and coalesce(forbid, 0) = ? and id <> ?",
            row["dataset"],
            row["source_name"],
            int(not hidden),
            row["collection"],
        )
        return other is not None
