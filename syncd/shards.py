"""Which of several instances a document belongs to: ``SYNCD_SHARD=i/n``. Pure.

A tree too big for one instance is split by a stable hash of each document's source and path. Every shard has its own
ledger; the marker on the server's collections is what passes a document from one shard to another when n changes.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

VARIABLE = "SYNCD_SHARD"
_MOST = 4096
_SPELLING = re.compile(r"([0-9]{1,4})/([0-9]{1,4})")


@dataclass(frozen=True, slots=True)
class Shard:
    """The part ``index`` (from 0) of ``total``."""

    index: int
    total: int

    def owns(self, source: str, path: str) -> bool:
        """Whether a document, by its source's name and its path in NFC, is this shard's."""
        digest = hashlib.blake2b(f"{source}\n{path}".encode("utf-8", "surrogateescape"), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.total == self.index

    def __str__(self) -> str:
        return f"{self.index}/{self.total}"


def parse(text: str) -> Shard | None:
    """Read "i/n"; ``None`` for the only shard of one.

    Raises:
        ValueError: it is none; the message says what is.
    """
    match = _SPELLING.fullmatch(text.strip())
    index, total = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= total <= _MOST or index >= total:
        raise ValueError(f'must be "i/n" with i from 0 to n - 1, such as "0/3", not "{text}"')
    return None if total == 1 else Shard(index, total)
