"""The one error of texts whose encoding cannot be told, and the encoding that was chosen otherwise."""

from __future__ import annotations

from dataclasses import dataclass

from syncd.evidence import Place

SAVE = "Save the file as UTF-8 with the program that wrote it."


class Undecodable(Exception):
    """The bytes are no text that can be told; ``hint`` says what to do.

    ``advised`` is an encoding that the hint names: whoever reads the file has to try it on the whole of it.
    """

    def __init__(self, message: str, hint: str = "", advised: Choice | None = None) -> None:
        super().__init__(message)
        self.advised = advised
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Choice:
    """The encoding to read a file in.

    Args:
        codec: Python's name.
        language: what it reads as, where that was the reason; "" when the form of the bytes or a person decided.
    """

    codec: str
    language: str = ""


def binary(place: Place) -> Undecodable:
    """Return the error for a zero byte in what should be text."""
    return Undecodable(
        f"There is binary data behind a text suffix: a zero byte in line {place.line}, "
        f"byte {place.offset} of the file.",
        "Remove the byte if this is text; rename or exclude the file if it is not.",
    )


def unfit(choice: Choice, place: Place) -> Undecodable:
    """Return the error for a file that is in one encoding but for a byte."""
    language = f" as {choice.language}" if choice.language else ""
    reads = f"The text reads{language} in {choice.codec}"
    return Undecodable(
        f"{reads}, but 0x{place.byte:02X} in line {place.line}, byte {place.offset} of the file, does not fit.",
        f"Mend that line. {SAVE}",
    )
