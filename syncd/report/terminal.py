"""How a stream wants to be written to: whether a person watches it, and whether it takes colours."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO


@dataclass(frozen=True, slots=True)
class Look:
    """How to write to one stream.

    ``live`` allows bars that are drawn over and over; ``rich`` allows drawn tables; ``colour`` allows colours.
    """

    live: bool
    rich: bool
    colour: bool


def look(stream: TextIO, env: Mapping[str, str] = os.environ) -> Look:
    """Find out, honouring NO_COLOR, FORCE_COLOR and TERM=dumb."""
    forced = env.get("FORCE_COLOR", "") not in ("", "0")
    try:
        terminal = stream.isatty() and env.get("TERM") != "dumb"
    except ValueError:  # closed
        terminal = False
    rich = terminal or forced
    return Look(live=terminal, rich=rich, colour=rich and not env.get("NO_COLOR"))
