"""Which document a collection belonged to, and which documents had to be seen, at each moment of a story (law 1).

A path is no identity: a document that is moved takes its versions and its claim to be seen along, what was given up
before stays behind under the old path, and another file may take that path later. So what the ledgers wrote down is
told again in the order in which it happened, beside what happened on the server.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

Key = tuple[str, str]  # source and path


class Deed(NamedTuple):
    """One thing that a ledger wrote down; in the order of these fields."""

    at: float
    number: int  # of the ledger's row
    event: str  # verified, let go, moved, adopted
    key: Key
    other: str  # moved: the path before; adopted: the collection


@dataclass
class Memory:
    """What all ledgers of a world ever wrote down, whatever has become of them since."""

    deeds: set[Deed] = field(default_factory=set)

    def remember(self, ledger: Path) -> None:
        """Add what a ledger knows now; one that cannot be read adds nothing."""
        with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as conn:
            # A vanished file is let go in the transaction that counts it for the firewall.
            self.deeds |= {
                Deed(at, number, event, (source, path), other)
                for number, at, event, source, path, other in conn.execute(
                    "select e.id, e.at, case e.event when 'retired' then 'let go' else e.event end, e.source, e.path,"
                    " case e.event when 'moved' then substr(e.detail, 6) when 'adopted' then e.detail else '' end"
                    " from events e where e.event in ('verified', 'moved', 'adopted')"
                    " or (e.event = 'retired' and exists (select 1 from deletions x"
                    " join documents d on d.id = x.document"
                    " where d.source = e.source and d.path = e.path and x.at = e.at))"
                )
            }

    def proofs(self) -> int:
        """How often a document was verified."""
        return sum(deed.event == "verified" for deed in self.deeds)


@dataclass
class _Told:
    """How things stand at one moment of the story."""

    owner: dict[str, Key] = field(default_factory=dict)  # collection -> its document
    versions: dict[Key, set[str]] = field(default_factory=dict)  # the same, the other way round
    visible: set[str] = field(default_factory=set)
    ready: set[str] = field(default_factory=set)  # shown on purpose: nothing is before its content was compared
    bound: set[Key] = field(default_factory=set)  # documents of which a version must be seen

    def seen(self, key: Key) -> bool:
        return bool(self.versions.get(key, set()) & self.visible & self.ready)

    def own(self, collection: str, key: Key) -> None:
        self.versions.get(self.owner.get(collection, key), set()).discard(collection)
        self.owner[collection] = key
        self.versions.setdefault(key, set()).add(collection)

    def server(self, event: Any) -> None:
        collection = event.collection_id
        marker = event.metadata["syncd"]
        if collection not in self.owner:
            self.own(collection, (marker["source"], marker["path"]))
        match event.event:
            case "created":
                self.visible.add(collection)
            case "shown":
                self.visible.add(collection)
                self.ready.add(collection)
            case "hidden" | "deleted":
                self.visible.discard(collection)

    def ledger(self, deed: Deed) -> None:
        match deed.event:
            case "verified":
                self.bound.add(deed.key)
            case "let go":
                self.bound.discard(deed.key)
            case "moved":
                before = (deed.key[0], deed.other)
                self._pass_on(before, deed.key, set(self.versions.get(before, ())))
            case "adopted":
                before = self.owner.get(deed.other, deed.key)
                if deed.other in self.visible and deed.other in self.ready:
                    self._pass_on(before, deed.key, {deed.other})
                else:
                    self.own(deed.other, deed.key)

    def _pass_on(self, before: Key, after: Key, collections: set[str]) -> None:
        for collection in collections:
            self.own(collection, after)
        if before != after and before in self.bound and not self.seen(before):
            self.bound.discard(before)
            self.bound.add(after)


def gaps(timeline: list[Any], memory: Memory) -> Iterator[str]:
    """Every moment at which a document had been verified, not let go, and no compared version of it was visible.

    Where ledger and server tell of the same instant nobody knows which came first: a document that is let go or moved
    then need not be seen any more, one that is verified then need not be seen yet.

    Args:
        timeline: of the emulator, in the order in which things happened; what carries no marker of ours is left out.
        memory: of the ledgers that wrote there.
    """
    told = _Told()
    deeds = sorted(memory.deeds)
    done = 0
    for index, event in enumerate(timeline):
        if "syncd" not in event.metadata:
            continue
        while done < len(deeds) and deeds[done].at < event.at:
            told.ledger(deeds[done])
            done += 1
        told.server(event)
        now = [deed for deed in deeds[done : done + 200] if deed.at == event.at]
        gone = {deed.key for deed in now if deed.event == "let go"}
        gone |= {(deed.key[0], deed.other) for deed in now if deed.event == "moved"}
        key = told.owner[event.collection_id]
        if key in told.bound - gone and not told.seen(key):
            yield f"{key[1]} at {event.at:.3f}, after event {index}: {_story(timeline, deeds, key, told.owner)}"


def _story(timeline: list[Any], deeds: list[Deed], key: Key, owner: dict[str, Key]) -> str:
    """What happened to a document: on the server, and in the ledger."""
    server = [(e.at, e.event, e.collection_id[-4:]) for e in timeline if owner.get(e.collection_id) == key]
    ledger = [(d.at, d.event, d.other) for d in deeds if key in (d.key, (d.key[0], d.other))]
    return "; ".join(f"{at:.3f} {event} {what}".rstrip() for at, event, what in sorted(server + ledger))
