"""Documents of the tests' own, read in place: what a reader would make of them in its own process."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from syncd import convert, door
from syncd.convert import Outgoing
from syncd.reader import jobs
from syncd.reader.asking import Whole, text_of


def prepare(disk_path: str | bytes, **arguments: Any) -> Outgoing:
    """``convert.prepare``, with the text that is left to a reader."""
    out = convert.prepare(disk_path, **arguments)
    if out.task is None:
        return out
    read = text_of(out.task)
    return replace(out, text=read.text, weak=read.weak, task=None)


def whole_text(whole: Whole) -> str | None:
    """The text of a file that is read anew; ``None`` when it is not what it was."""
    file = door.open_file(whole.disk)
    try:
        return jobs.decode(file, whole.head())
    finally:
        os.close(file)


def extract_text(disk_path: str | bytes, **arguments: Any) -> tuple[str | None, str]:
    """``convert.extract_text``, with the text that is left to a reader."""
    found = convert.extract_text(disk_path, **arguments)
    if found.task is None:
        return found.text, found.weak
    read = text_of(found.task)
    return read.text, read.weak
