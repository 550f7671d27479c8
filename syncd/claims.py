"""Who works on which document: one pass at a time, while passes run side by side.

A pass claims a document when it plans work for it, and frees it when that work has come to rest. A later pass that
finds a document claimed leaves it alone and says what it saw; the one that holds the claim hears of it at its next
safe point, and whoever listens is told once the document is free.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from syncd.models import Content, DocumentKey


@dataclass(slots=True)
class _Claim:
    owner: object
    content: Content | None  # what the disk says of it, as the owner saw it; None: its file is gone
    vanished: bool
    begun: bool  # its work was begun: nobody else may take it over
    # Made when somebody asks: a first look claims a hundred thousand documents, and has news of few.
    newer: asyncio.Event | None = None  # the disk says something newer of it
    freed: asyncio.Event | None = None

    def tell(self) -> None:
        """The disk says something newer of it."""
        self.listen().set()

    def listen(self) -> asyncio.Event:
        """The event that tells of it."""
        if self.newer is None:
            self.newer = asyncio.Event()
        return self.newer


@dataclass(slots=True)
class Claims:
    """The claims of all passes of one engine.

    Attributes:
        freed: told of each document of which somebody saw something newer while it was claimed.
    """

    freed: Callable[[DocumentKey], None] = lambda _key: None
    _held: dict[DocumentKey, _Claim] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._held)

    def keys(self) -> list[DocumentKey]:
        """The documents that are being worked on."""
        return list(self._held)

    def take(
        self,
        key: DocumentKey,
        owner: object,
        content: Content | None,
        *,
        vanished: bool = False,
        begun: bool = False,
    ) -> bool:
        """Claim a document; False when another pass holds it.

        If that one saw other content, it hears of it and stops at its next safe point. If its turn for the document
        has not come yet, it loses the document: what was just saved does not wait for a long queue.

        Args:
            key: the document.
            owner: the pass.
            content: what the disk says of it; ``None`` when its file is gone.
            vanished: its file is gone: no other vanished file may have become it.
            begun: it is worked on from now on, and cannot be taken over.
        """
        held = self._held.get(key)
        if held is None:
            self._held[key] = _Claim(owner, content, vanished, begun or vanished)
            return True
        if held.owner is owner:
            held.content, held.vanished = content, vanished
            held.begun = held.begun or begun or vanished
            return True
        if held.content != content:
            if content is not None and not held.begun and not begun and not vanished:
                self._take_over(held, owner, content)
                return True
            held.tell()
        return False

    def _take_over(self, held: _Claim, owner: object, content: Content | None) -> None:
        held.owner, held.content = owner, content

    def start(self, key: DocumentKey, owner: object) -> bool:
        """Begin the work on a document that was claimed; False when another pass has taken it over."""
        held = self._held.get(key)
        if held is None or held.owner is not owner:
            return False
        held.begun = True
        return True

    def hold(self, key: DocumentKey, owner: object) -> bool:
        """Claim a document for work that can wait as well; False when another pass holds it, which hears nothing."""
        held = self._held.get(key)
        return held.owner is owner if held is not None else self.take(key, owner, None, vanished=True)

    async def wrest(self, key: DocumentKey, owner: object) -> None:
        """Claim a document for a person's decision: whoever works on it stops at its next safe point."""
        while not self.take(key, owner, None, begun=True):
            held = self._held[key]
            if not held.begun:
                self._take_over(held, owner, None)
                held.begun = True
                return
            held.tell()
            if held.freed is None:
                held.freed = asyncio.Event()
            await held.freed.wait()

    def newer(self, key: DocumentKey) -> asyncio.Event | None:
        """The event that tells that somebody saw something newer of a claimed document."""
        held = self._held.get(key)
        return None if held is None else held.listen()

    def free(self, key: DocumentKey, owner: object) -> None:
        """Give a document back. Not ours: nothing happens."""
        held = self._held.get(key)
        if held is None or held.owner is not owner:
            return
        del self._held[key]
        if held.freed is not None:
            held.freed.set()
        if held.newer is not None and held.newer.is_set():
            self.freed(key)

    def keep(self, owner: object, keys: Collection[DocumentKey]) -> None:
        """Give back all but these: a new plan has no work for the others."""
        for key in [key for key, held in self._held.items() if held.owner is owner and key not in keys]:
            self.free(key, owner)

    def end(self, owner: object) -> None:
        """A pass ends: give back whatever it still holds."""
        for key in [key for key, held in self._held.items() if held.owner is owner]:
            self.free(key, owner)

    def of_others(self, owner: object, source: str) -> list[tuple[DocumentKey, Content]]:
        """What other passes work on in a source, and with which content; what vanishes is left out."""
        return [
            (key, held.content)
            for key, held in self._held.items()
            if key.source == source and held.owner is not owner and not held.vanished and held.content is not None
        ]
