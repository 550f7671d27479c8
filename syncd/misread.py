"""What is said of a text whose encoding cannot be told: what is there, where, and what to do. Pure.

An encoding is only ever named together with a line read in it, so that a person can judge; it is advised only where it
decodes everything, reads as language, and no other one does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from syncd import telling
from syncd.evidence import Evidence
from syncd.readings import Reading
from syncd.undecodable import SAVE, Choice, Undecodable


def damage(evidence: Evidence) -> Undecodable:
    place = evidence.first_bad
    assert place is not None  # noqa: S101 - there are bad bytes
    where = f"0x{place.byte:02X} in line {place.line}, byte {place.offset} of the file"
    cut = evidence.bad_bytes < 4 and place.offset + evidence.bad_bytes == evidence.size
    if cut:
        return Undecodable(
            f"The text is UTF-8, but its last character is cut off: {where}.",
            "The file seems to have been cut; get it whole, or remove its last character.",
        )
    other = telling.clear(telling.readings(b"\n".join(line.strip(b"\r\n") for line in evidence.damaged)))
    if any(b"\xed" in line for line in evidence.damaged) and _is_cesu(evidence.damaged):
        return Undecodable(
            f"The text is UTF-8 with surrogates instead of characters (CESU-8); the first is {where}.", SAVE
        )
    count = evidence.bad_bytes
    bytes_ = "1 byte" if count == 1 else f"{count} bytes in {_lines(evidence)}"
    reads = (
        f" {_capital(_lines(evidence))} read as {other.language} in {other.names[0]}: “{shown(other)}”."
        if other
        else ""
    )
    return Undecodable(
        f"The text is UTF-8 but for {bytes_}{', the first is' if count > 1 else ':'} {where}.{reads}",
        "Mend what is damaged there, and save the whole file as UTF-8.",
    )


def _lines(evidence: Evidence) -> str:
    listed = ", ".join(map(str, evidence.bad_lines))
    if evidence.bad_line_count == 1:
        return f"line {listed}"
    more = f" and {evidence.bad_line_count - len(evidence.bad_lines)} more"
    return f"lines {listed}{more if evidence.bad_line_count > len(evidence.bad_lines) else ''}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _is_cesu(lines: Iterable[bytes]) -> bool:
    try:
        b"".join(lines).decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeError:
        return False
    return True


def undecided(
    evidence: Evidence, tried_in: Sequence[str], rated: Sequence[Reading], clear: Reading | None
) -> Undecodable:
    """Return the error when no encoding may be taken: one reading that was not asked for, several, or none."""
    place = evidence.first_bad
    tried = ", ".join(tried_in)
    where = (
        f" (the first byte that is not UTF-8: 0x{place.byte:02X} in line {place.line}, byte {place.offset})"
        if place
        else ""
    )
    message = f"The text is in none of the encodings {tried}{where}"
    if clear is not None:
        name = clear.names[0]
        return Undecodable(
            f"{message}; it reads as {clear.language} in {name}: “{shown(clear)}”.",
            f'Save the file as UTF-8, or add "{name}" to `encodings` if that line is right.',
            Choice(name, clear.language),
        )
    several = telling.possible(rated)
    if len(several) > 1:
        listed = "; ".join(f"{' = '.join(reading.names[:3])} “{shown(reading)}”" for reading in several)
        return Undecodable(f"{message}, and too short or too mixed to tell which it is: {listed}.", SAVE)
    if several:
        return Undecodable(
            f"{message}; in {several[0].names[0]} it would be “{shown(several[0])}”, which is not sure.", SAVE
        )
    return Undecodable(f"{message}, and reads as language in no encoding that is known here.", SAVE)


def doubtful(text: str, rated: Sequence[Reading]) -> Undecodable:
    """Return the error for a few characters of well-formed UTF-8 that make no sense, while another reading does."""
    several = telling.possible(rated) or rated[:1]
    listed = "; ".join(f"{' = '.join(reading.names[:3])} “{shown(reading)}”" for reading in several)
    return Undecodable(
        f"The text is too short to tell which it is: utf-8 “{telling.sample_line(text)}”; {listed}.", SAVE
    )


def shown(reading: Reading) -> str:
    """Return the part of a reading that is shown to a person."""
    return telling.sample_line(reading.text)
