"""The ledger: what syncd did, and what it therefore knows. Alone speaks SQL.

``store`` opens the file and commits, ``schema`` holds its tables, ``tree`` remembers the disk, ``entries`` reads
documents and revisions, ``moves`` changes them, ``remote`` remembers folders and strangers on the server,
``records`` keeps holds, proofs, history and what the reports read, ``resending`` what was sent in an older way.
Whatever reads or changes more than ``MANY`` rows does so beside the event loop: ``Ledger.read``, ``Ledger.commit``.
"""

from syncd.ledger.aside import MANY
from syncd.ledger.store import Ledger

__all__ = ["MANY", "Ledger"]
