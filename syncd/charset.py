"""Bytes to text: which encoding a text file has.

The order: a byte order mark decides; then UTF-16 without a mark, when the zero bytes give it away; then what an HTML or
XML head states (unless the bytes are plainly UTF-8: pages converted later often keep a stale ``meta``); then the
configured encodings, strictly, one after the other.

GB18030 accepts nearly any pairs of bytes, so it alone is looked at twice: text that reads like Chinese is taken, and
what clearly is Big5, Shift-JIS, EUC-KR, EUC-JP or a Western encoding is refused with its name. What cannot be told
apart are texts of a few characters: there the configured order counts, as the operator said.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

BOM = codecs.BOM_UTF8

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
_PAIR = re.compile(rb"[\x81-\xfe][\x40-\x7e\x80-\xfe]")
_HEAD = 4096
_LOOKED_AT = 16384  # bytes that a guess is based on
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
_CHINESE = frozenset({"gb18030", "gbk", "gb2312"})
_WESTERN = ("cp1252", "cp1250", "cp1251", "cp1253", "cp1254")
_BEYOND_ASCII = bytes(range(128, 256))
_CONTROLS = bytes(b for b in range(32) if b not in b"\t\n\v\f\r\x1b\x08")


class Undecodable(Exception):
    """The bytes are no text in any of the encodings; ``hint`` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def decode(raw: bytes, encodings: tuple[str, ...], *, html: bool = False) -> tuple[str, str, int]:
    """Return the text without its byte order mark, the encoding, and the length of the mark in bytes.

    Raises:
        Undecodable: none of the encodings fits, or the text is binary data.
    """
    if raw.isascii() and b"\x1b" not in raw and b"\0" not in raw:
        return raw.decode("ascii"), "utf-8", 0
    skip, names = candidates(raw, encodings, html=html)
    body = raw[skip:]
    refused = ""
    for name in names:
        try:
            text = body.decode(name)
            text.encode("utf-8")
        except (UnicodeError, LookupError):
            continue
        other = refuse(body, name) if not skip else None
        if other is None:
            return text, name, skip
        refused = other
    raise undecodable(body, names, refused)


def candidates(head: bytes, encodings: tuple[str, ...], *, html: bool = False) -> tuple[int, tuple[str, ...]]:
    """Return the length of the byte order mark and the encodings to try, the best first.

    Args:
        head: the beginning of the file, some kilobytes or all of it.
        encodings: the configured ones.
        html: look for an encoding that the document states itself.
    """
    for mark, name in _MARKS:
        if head.startswith(mark):
            return len(mark), (name,)
    names: list[str] = []
    wide = _wide(head)
    if wide:
        names.append(wide)
    stated = stated_charset(head) if html else ""
    if stated:
        if stated != "utf-8" and not stated.startswith("iso2022") and _plainly_utf8(head):
            names.append("utf-8")
        names.append(stated)
    names.extend(name for name in map(canonical, encodings) if name not in names)
    return 0, tuple(names)


def undecodable(raw: bytes, names: tuple[str, ...], refused: str = "") -> Undecodable:
    """Return the error for bytes that are no text in ``names``."""
    if b"\0" in raw[:65536]:
        return Undecodable("There is binary data behind a text suffix.", "Rename or exclude the file.")
    guess = refused or _guess(raw)
    looks = f"; it looks like {guess}" if guess else ""
    hint = f"Convert the file to UTF-8{f', or add {guess!r} to the encodings' if guess else ''}."
    return Undecodable(f"The text is in none of the encodings {', '.join(names)}{looks}.", hint)


def check_text(payload: bytes) -> None:
    """Raise ``Undecodable`` when UTF-8 text holds NUL or is mostly control characters."""
    if b"\0" in payload or len(payload.translate(None, _CONTROLS)) * 10 < len(payload) * 9:
        raise Undecodable("There is binary data behind a text suffix.", "Rename or exclude the file.")


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


def _plainly_utf8(head: bytes) -> bool:
    """Say whether the bytes hold several well-formed UTF-8 characters and nothing else beyond ASCII."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return len(head) - len(text) >= 6  # three characters of two bytes, or more


def _wide(head: bytes) -> str:
    """Return the kind of UTF-16 without a mark that the zero bytes give away, or "".

    The upper byte of ASCII characters is zero; a zero lower byte is rare (though U+4E00 is the Chinese "one"). Zeros
    strewn into plain ASCII are binary data, not Chinese in UTF-16: that has its share of bytes beyond ASCII.
    """
    sample = head[: _HEAD & ~1]
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if odd >= 1 and odd >= 2 * even:
        name = "utf-16-le"
    elif even >= 1 and even >= 2 * odd:
        name = "utf-16-be"
    else:
        return ""
    beyond = len(sample) - len(sample.translate(None, _BEYOND_ASCII))
    if (even + odd) * 6 < len(sample) and beyond * 8 < len(sample):
        return ""
    try:
        text = codecs.getincrementaldecoder(name)().decode(sample)
    except UnicodeDecodeError:
        return ""
    return name if not any(c < " " and c not in "\t\n\r\f\v" for c in text) else ""


def refuse(raw: bytes, name: str) -> str | None:
    """Return the encoding that ``raw`` clearly has instead of GB18030, ``None`` when Chinese is believable.

    Encodings other than the Chinese ones are never refused. Cannot be told apart: texts of a few characters, Korean
    without blanks, and Japanese in EUC without kana.
    """
    if name not in _CHINESE or raw.isascii():
        return None
    raw = raw[:_LOOKED_AT]
    pairs = _PAIR.findall(raw)
    western = sum(pair[0] >= 0xC0 and chr(pair[1]).isalpha() and pair[1] < 0x7B for pair in pairs)
    if western * 10 >= 6 * len(pairs):
        return "cp1252"  # an accented letter has swallowed the plain letter behind it
    text = codecs.getincrementaldecoder("gb18030")("ignore").decode(raw)
    wide = [c for c in text if c > "\x7f"]
    kana = sum("\u3041" <= c <= "\u30fe" for c in wide)
    if kana >= 3 and kana * 6 >= len(wide):
        return "euc_jp"
    hangul = sum(0xB0 <= pair[0] <= 0xC8 and pair[1] >= 0xA1 for pair in pairs)
    if hangul >= 8 and hangul * 20 >= 19 * len(pairs) and raw.count(b" ") * 8 >= hangul:
        return "cp949"  # all of it in the rows of Hangul, in words; Chinese has two fifths of its characters elsewhere
    common = sum(pair[0] >= 0xA1 and pair[1] >= 0xA1 for pair in pairs)
    if common * 10 >= 9 * len(pairs) or len(pairs) < 4:
        return None  # simplified Chinese
    return _other_than_chinese(raw)


def _other_than_chinese(raw: bytes) -> str | None:
    """Return what charset-normalizer takes the bytes for, ``None`` when Chinese is among its guesses."""
    import charset_normalizer

    guesses = list(charset_normalizer.from_bytes(_whole_lines(raw)))
    names = {name for guess in guesses for name in (guess.encoding, *guess.could_be_from_charset)}
    if not guesses or names & _CHINESE:
        return None
    return guesses[0].encoding


def _whole_lines(raw: bytes) -> bytes:
    """Return ``raw`` up to its last line end: a beginning cut inside a character fits no encoding."""
    return raw[: raw.rfind(b"\n") + 1 or None] if len(raw) == _LOOKED_AT else raw


def _guess(raw: bytes) -> str:
    """Return what charset-normalizer takes the bytes for, "" when it does not know; only ever shown to a person."""
    import charset_normalizer

    names = [guess.encoding for guess in charset_normalizer.from_bytes(_whole_lines(raw[:_LOOKED_AT]))]
    if names and names[0].startswith(("cp12", "iso8859", "mac_", "latin", "koi8", "cp0", "cp10", "cp11", "kz")):
        # It cannot tell the code pages of one byte apart, and these are the ones people have.
        return next((name for name in _WESTERN if name in names), "")
    return names[0] if names and not names[0].startswith("utf") else ""
