"""Bytes to text: which encoding a text file has.

The order: a byte order mark decides; then what the bytes can only be (UTF-16 by its zero bytes, ISO-2022 by its
escapes, UTF-8 by its form: nothing else is well-formed UTF-8 by chance, so no order of encodings overrules it). For
the rest the readings of the whole file are compared (``telling``):

- Encodings that an HTML or XML head states or a person configured are taken in their order, unless a reading is noise
  or another encoding clearly is the right one: then the file is refused, and that encoding is named.
- With the default `encodings` (nobody said anything) the one clear reading is taken. Where two readings come close,
  the file is refused and all of them are shown: a guess is never sent.

No detector of encodings is used: those rank guesses, and what is wanted here is to know when there is one reading.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from functools import lru_cache

from syncd.evidence import Evidence, Place
from syncd.undecodable import SAVE, Choice, Undecodable, binary, unfit

__all__ = ["Choice", "Undecodable", "unfit"]

BOM = codecs.BOM_UTF8

DEFAULT = ("utf-8", "gb18030")
"""The `encodings` of a configuration that says nothing of them."""

_MARKS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_STATED = re.compile(
    rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]+)|<\?xml[^>]{0,100}?encoding\s*=\s*["']([\w.:-]+)""", re.I
)
_RESTATE = re.compile(
    r"""(<meta[^>]{0,200}?charset\s*=\s*["']?\s*|<\?xml[^>]{0,100}?encoding\s*=\s*["'])([\w.:-]+)""", re.I
)
_HEAD = 4096
_CONTROLS = bytes(b for b in range(32) if b not in b"\t\n\v\f\r\x1b\x08")
# What browsers understand by these names (the WHATWG encoding standard): the supersets that people really use.
_SUPERSETS = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
}
_IMPOSSIBLE = re.compile("[\x80-\x84\x86-\x9f\ufdd0-\ufdef\ufff0-\uffff]")
_UNUSUAL = re.compile(rb"[\x00-\x07\x0e-\x1f]")


# ---------------------------------------------------------------- a text in memory


def decode(raw: bytes, encodings: tuple[str, ...], *, html: bool = False) -> tuple[str, str, int]:
    """Return the text without its byte order mark, the encoding, and the length of the mark in bytes.

    Raises:
        Undecodable: it cannot be told what the text is, or it is binary data.
    """
    skip, name = mark_of(raw)
    if skip:
        return _strict(raw, Choice(name), skip), name, skip
    text = _plain_utf8(raw)
    if text is not None:
        return text, "utf-8", 0
    evidence = Evidence.of(raw)
    out: list[str] = []
    while True:
        try:
            choice = choose(evidence, encodings, html=html, without=out)
        except Undecodable as error:
            if error.advised is not None:
                check_block(_strict(raw, error.advised, 0), error.advised, 1)
            raise
        try:
            text = _strict(raw, choice, 0)
        except Undecodable:
            if choice.language or len(out) > len(encodings):
                raise
            out.append(choice.codec)
            continue
        check_block(text, choice, 1)
        return text, choice.codec, 0


def mark_of(head: bytes) -> tuple[int, str]:
    """Return the length of the byte order mark and the encoding it stands for; 0 and "" without one."""
    return next(((len(mark), name) for mark, name in _MARKS if head.startswith(mark)), (0, ""))


def _plain_utf8(raw: bytes) -> str | None:
    """Return the text of what is UTF-8 at first sight; ``None`` when it needs a closer look."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    beyond = len(raw) - len(text)
    return None if beyond < PLAINLY and (beyond or may_be_other(raw)) else text


PLAINLY = 24
"""Bytes of well-formed UTF-8 beyond one a character that no other encoding has by chance."""


def may_be_other(raw: bytes) -> bool:
    """Say whether what looks like ASCII may be ISO-2022, HZ, UTF-7, or UTF-16 without a mark."""
    return b"~{" in raw or b"+" in raw or _UNUSUAL.search(raw) is not None


def _strict(raw: bytes, choice: Choice, skip: int) -> str:
    try:
        text = raw[skip:].decode(choice.codec)
        text.encode("utf-8")
    except UnicodeDecodeError as error:
        at = skip + error.start
        raise unfit(choice, Place(at, raw.count(b"\n", 0, at) + 1, raw[at])) from None
    except UnicodeError:
        raise Undecodable(f"The text is no valid {choice.codec}.", SAVE) from None
    return text


def choose(
    evidence: Evidence, encodings: tuple[str, ...], *, html: bool = False, without: Sequence[str] = ()
) -> Choice:
    """Return the encoding of a file without a byte order mark, from what its bytes have shown.

    Args:
        evidence: of the whole file.
        encodings: the configured ones.
        html: believe an encoding that the document states itself.
        without: configured encodings that the rest of the file has refuted.

    Raises:
        Undecodable: it cannot be told, or it is binary data.
    """
    from syncd.choosing import settle  # what is known of languages is needed for few files only

    named = () if encodings == DEFAULT else tuple(map(canonical, encodings))
    said = [stated_charset(evidence.head) if html else "", *named]
    return settle(
        evidence, [name for name in dict.fromkeys(said) if name and name not in without], None if named else encodings
    )


# ---------------------------------------------------------------- the whole file


def check_block(text: str, choice: Choice, line: int) -> None:
    """Look at a part of a text that was chosen by its sample: the whole file has to read that way.

    Args:
        text: whole lines, or what is there of them.
        choice: what it was decoded with.
        line: the number of its first line.

    Raises:
        Undecodable: there is something in it that this encoding does not explain.
    """
    if choice.codec.startswith("utf"):
        return
    found = _IMPOSSIBLE.search(text)
    if found is not None:
        number = line + text.count("\n", 0, found.start())
        raise Undecodable(
            f"Read as {choice.codec}, there is the control character U+{ord(found[0]):04X} in line {number}.", SAVE
        )
    if not choice.codec.startswith(("gb", "cp949")):  # rare there: a second byte in ASCII
        return
    from syncd.readings import swallowed

    at = swallowed(text, choice.codec)
    if at >= 0:
        number = line + text.count("\n", 0, at)
        part = text[max(at - 12, text.rfind("\n", 0, at) + 1) : at + 12].split("\n")[0]
        raise Undecodable(
            f"Read as {choice.codec}, a rare character stands alone beside ASCII letters in line {number}: “{part}”. "
            "That line is in another encoding.",
            SAVE,
        )


def check_text(payload: bytes) -> None:
    """Raise ``Undecodable`` when UTF-8 text holds NUL or is mostly control characters."""
    zero = payload.find(b"\0")
    if zero >= 0:
        raise binary(Place(zero, payload.count(b"\n", 0, zero) + 1, 0))
    if len(payload.translate(None, _CONTROLS)) * 10 < len(payload) * 9:
        raise Undecodable(
            "There is binary data behind a text suffix: more than a tenth are control characters.",
            "Rename or exclude the file.",
        )


# ---------------------------------------------------------------- names of encodings


@lru_cache(maxsize=64)
def canonical(name: str) -> str:
    """Return Python's spelling of an encoding's name; unknown names come back as they are."""
    try:
        return codecs.lookup(name).name
    except (LookupError, ValueError):
        return name


def stated_charset(head: bytes) -> str:
    """Return the encoding that the head of an HTML or XML document states; "" when there is none that is known."""
    found = _STATED.search(head[:_HEAD])
    if not found:
        return ""
    name = canonical((found[1] or found[2]).decode("ascii").lower())
    name = _SUPERSETS.get(name, name)
    try:
        codecs.lookup(name)
    except LookupError:
        return ""
    # A page whose head could be read byte by byte is not UTF-16, whatever it says (as in the HTML standard).
    return "utf-8" if name.startswith(("utf-16", "utf-32", "utf_16", "utf_32")) else name


def restate_charset(text: str) -> str:
    """Return an HTML text whose head states UTF-8 where it stated another encoding."""
    return _RESTATE.sub(r"\1utf-8", text[:_HEAD]) + text[_HEAD:]
