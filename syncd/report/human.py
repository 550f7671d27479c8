"""Numbers, times and names as people read them. JSON gets the exact values instead."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

from syncd.durations import format_size

# Tones of states, errors and findings, by the names that click knows.
TONES = {
    "verified": "green",
    "ok": "green",
    "found": "green",
    "shared": "cyan",
    "uploading": "cyan",
    "indexing": "cyan",
    "proving": "cyan",
    "waiting": "yellow",
    "warning": "yellow",
    "outranked": "yellow",
    "retired": "bright_black",
    "deleted": "bright_black",
    "info": "cyan",
    "held": "magenta",
    "quarantined": "red",
    "failed": "red",
    "missing": "red",
    "error": "red",
}


def iso(at: float | None) -> str | None:
    """A moment for programs: ISO 8601 in UTC."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(at: float | None, none: str = "-") -> str:
    """A moment for people: in the local time zone, to the second."""
    return none if at is None else datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def minute(at: float | None, none: str = "-") -> str:
    """A moment for tables of people: in the local time zone, to the minute."""
    return none if at is None else datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M")


def still_written(since: float, now: float) -> str:
    """What is said of a file that does not come to rest."""
    return f"still being written for {lasting(now - since)}" if now - since >= 60.0 else "still being written"


def lasting(seconds: float) -> str:
    """A length of time, to two figures that matter: "0.4 s", "12 s", "3 min 5 s", "2 h 10 min", "3 d 4 h"."""
    if seconds < 9.95:
        return f"{max(seconds, 0.0):.1f} s"
    whole = round(seconds)
    for unit, smaller, size, part in (("d", "h", 86400, 3600), ("h", "min", 3600, 60), ("min", "s", 60, 1)):
        if whole >= size:
            big, rest = divmod(whole, size)
            return f"{big} {unit} {rest // part} {smaller}" if rest // part else f"{big} {unit}"
    return f"{whole} s"


def size(number: int) -> str:
    """Bytes with a unit, the number apart from it: "10.5 MB"."""
    text = format_size(number)
    digits = len(text) - len(text.lstrip("0123456789."))
    return f"{text[:digits]} {text[digits:]}"


def count(number: int, one: str, many: str = "") -> str:
    """ "1 document", "2 documents"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}".replace(",", " ")


def printable(text: str) -> str:
    """Text that cannot steer a terminal: control characters and half characters become escapes, line breaks stay."""
    if text.isprintable():
        return text
    return "".join(
        c if c == "\n" or c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii") for c in text
    )


def one_line(text: str) -> str:
    """Text for a cell or a list: blanks of any kind folded, byte order marks left out, then made printable."""
    return printable(" ".join(text.replace("\ufeff", "").split()))


def shorten(text: str, most: int) -> str:
    """At most ``most`` columns wide, with an ellipsis where something is left out."""
    if width(text) <= most:
        return text
    kept, used = "", 1
    for character in text:
        used += width(character)
        if used > most:
            break
        kept += character
    return kept.rstrip() + "…"


def telling_line(text: str, question: str) -> str:
    """The line of a passage that shares most with a question, the first of equals; one line, byte order marks gone."""
    folded = question.casefold()
    grams = {folded[i : i + 3] for i in range(max(len(folded) - 2, 1))}
    lines = [one_line(line) for line in text.splitlines()]

    def shared(line: str) -> int:
        low = line.casefold()
        return len(grams & {low[i : i + 3] for i in range(len(low))})

    return max(filter(None, lines), key=shared, default="")


def width(text: str) -> int:
    """Columns that a terminal gives a text: two for wide East Asian characters, none for combining marks."""
    if text.isascii():
        return len(text)
    columns = 0
    for character in text:
        if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
            continue
        columns += 2 if unicodedata.east_asian_width(character) in "WF" else 1
    return columns


def padded(text: str, columns: int, *, right: bool = False) -> str:
    """``text`` filled with blanks to that many columns."""
    blanks = " " * (columns - width(text))
    return blanks + text if right else text + blanks
