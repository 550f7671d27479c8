"""A local FastGPT: the subset of its HTTP API that syncd uses, with its habits, and faults to order.

It shares no code with the client. The dialect 4.14 is what a real 4.14.5.1 answered; 4.12 and 4.16 follow what was
read from the source code of those versions and have not been measured.
"""

from __future__ import annotations

from syncd.emulator.answers import ConnectionDropped
from syncd.emulator.emulator import Emulator
from syncd.emulator.options import EmulatorOptions


def main(argv: list[str] | None = None) -> int:
    """Serve over HTTP until a signal ends it; see ``--help``."""
    from syncd.emulator.server import main as serve  # uvicorn is only needed for this

    return serve(argv)


__all__ = ["ConnectionDropped", "Emulator", "EmulatorOptions", "main"]
