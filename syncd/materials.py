"""The texts of documents under way, kept from the upload to the proof, as long as there is room.

What has no room is made again from its file when it is needed: a server whose training hangs must not fill the memory
with the texts of all that waits for it.
"""

from __future__ import annotations

import sys
from collections import OrderedDict

from syncd.prove import Material

ROOM = 32 * 1024 * 1024  # bytes of memory


def weight(material: Material) -> int:
    """Bytes of memory that the texts of a material take; two names of one text count once."""
    texts = {id(text): text for text in (material.text, material.compared, material.sample) if text}
    read = 0 if material.task is None else len(material.task.content)
    return sum(sys.getsizeof(text) for text in texts.values()) + read


class Materials:
    """Materials by revision, the least lately used one goes first.

    Args:
        room: bytes that all of them may take; one that alone takes more is not kept.
    """

    def __init__(self, room: int = ROOM) -> None:
        self.room = room
        self.held = 0  # bytes
        self._kept: OrderedDict[str, tuple[Material, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, revision: str) -> Material | None:
        """What is kept of a revision."""
        found = self._kept.get(revision)
        if found is None:
            return None
        self._kept.move_to_end(revision)
        return found[0]

    def put(self, revision: str, material: Material) -> None:
        """Keep a material, in place of what is needed last."""
        self.drop(revision)
        size = weight(material)
        if size > self.room:
            return
        self._kept[revision] = material, size
        self.held += size
        while self.held > self.room:
            _, (_, freed) = self._kept.popitem(last=False)
            self.held -= freed

    def drop(self, revision: str) -> None:
        """It is not needed any more."""
        _, size = self._kept.pop(revision, (None, 0))
        self.held -= size
