"""A table of texts in the encodings people used: accepted and right, refused, garbled (the last must never happen)."""

from __future__ import annotations

import tomllib
import unicodedata
from collections import Counter
from pathlib import Path

import exercised
import pytest

from syncd import charset

SAMPLES = tomllib.loads((Path(__file__).parent / "fixtures" / "languages.toml").read_text(encoding="utf-8"))
CHARACTERS = (3, 4, 6, 10, 20, 40, 80)
BYTES = (200, 250, 400)  # of the text, without its head
HEAD = (
    "# Manual P-101, second edition\n\nThis is an English introduction: read it before you open the pump. The parts "
    "are listed in table 3; order them at least 14 days before the work begins, and keep the old ones for the "
    "inspection.\n\n"
)
TONES = "\u0300\u0301\u0303\u0309\u0323"


def encoded(text: str, codec: str) -> bytes:
    """Encode as the programs of its time did: Windows-1258 writes the tones of Vietnamese behind their letters."""
    if codec != "cp1258":
        return text.encode(codec)
    out = []
    for c in text:
        parts = unicodedata.normalize("NFD", c)
        tones = "".join(part for part in parts if part in TONES)
        try:
            out.append(c.encode(codec))
        except UnicodeEncodeError:
            letter = unicodedata.normalize("NFC", "".join(part for part in parts if part not in TONES))
            out.append((letter + tones).encode(codec))
    return b"".join(out)


def pieces(language: str, codec: str) -> list[bytes]:
    """Return beginnings of different lines of the language's text, in one encoding, of all lengths."""
    lines = SAMPLES[language]["text"].strip().split("\n")
    found = []
    for number, length in enumerate((*CHARACTERS, *BYTES)):
        rest = "\n".join(lines[number % len(lines) :] + lines[: number % len(lines)] + lines)
        if length in CHARACTERS:
            raw = encoded(rest[:length].strip(), codec)
        else:
            cut = next(n for n in range(length // 4, len(rest)) if len(encoded(rest[:n], codec)) >= length)
            raw = encoded(rest[:cut], codec)
        found.append(raw)
    return found


def outcome(raw: bytes, codec: str, encodings: tuple[str, ...]) -> str:
    """Say what became of a text."""
    try:
        text, _, skip = charset.decode(raw, encodings)
    except charset.Undecodable as error:
        assert error.message
        assert error.hint
        return "refused"
    return "right" if (text, skip) == (raw.decode(codec), 0) else "garbled"


@pytest.mark.parametrize("language", SAMPLES)
def test_the_table(language: str) -> None:
    """With the default encodings no text is ever garbled, and of 200 bytes and more hardly one is refused."""
    short: Counter[str] = Counter()
    long: Counter[str] = Counter()
    garbled = []
    for codec in SAMPLES[language]["encodings"]:
        for piece in pieces(language, codec):
            for head in ("", HEAD):
                raw = encoded(head, codec) + piece
                found = outcome(raw, codec, charset.DEFAULT)
                (long if len(piece) >= 200 else short)[found] += 1
                if found == "garbled":
                    garbled.append((codec, piece, charset.decode(raw, charset.DEFAULT)[:2]))
    for name, counted in (("shorter than 200 bytes", short), ("of 200 bytes and more", long)):
        for found in ("right", "refused", "garbled"):
            exercised.add(f"encodings, texts {name}: {found}", counted[found])
    assert garbled == []
    assert long["refused"] * 10 < long.total(), long


@pytest.mark.parametrize("language", SAMPLES)
def test_an_encoding_that_was_named(language: str) -> None:
    """What a person configured is read as that however short it is; a plainly wrong word is refused, not garbled."""
    for codec in SAMPLES[language]["encodings"]:
        texts = pieces(language, codec)
        for piece in (texts[1], texts[5], texts[-1]):
            found = outcome(piece, codec, ("utf-8", codec))
            exercised.add(f"encodings that were named: {found}")
            assert found == "right", (codec, piece)
        for wrong in ("cp1252", "cp1251", "gb18030"):
            found = outcome(texts[-1], codec, ("utf-8", wrong))
            exercised.add(f"encodings that were named wrongly: {found}")
            assert found != "garbled", (codec, wrong)


def test_the_table_is_large() -> None:
    """The figures speak of at least 2 000 cases in at least 30 languages."""
    assert len(SAMPLES) >= 30
    assert sum(len(sample["encodings"]) for sample in SAMPLES.values()) * (len(CHARACTERS) + len(BYTES)) * 2 >= 2000
