"""Bytes to text with FastGPT's guess of the encoding (observed facts 1 and 25, section 13 of the record)."""

from __future__ import annotations

_GUESS_BYTES = 200
_BOM = "\ufeff"
_BOM_BYTES = b"\xef\xbb\xbf"
_SEVEN_BITS = bytes(index & 0x7F for index in range(256))


def garble(content: bytes) -> str:
    """Node's ``toString('ascii')``: the eighth bit of every byte is lost."""
    return content.translate(_SEVEN_BITS).decode("ascii")


def decode(content: bytes, guesses: bool) -> str:
    """The text the server reads; a BOM stays as U+FEFF.

    With ``guesses`` only the first 200 bytes are looked at: plain ASCII there destroys everything else later.
    """
    if content.startswith(_BOM_BYTES):
        return content.decode("utf-8", "replace")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    head = content[:_GUESS_BYTES] if guesses else content
    if guesses and head.isascii():
        return garble(content)
    return content.decode("utf-8" if _is_utf8(head) else "gb18030", "replace")


def _is_utf8(head: bytes) -> bool:
    """Whether the bytes are UTF-8, allowing for a character cut at the end."""
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 3 and error.reason == "unexpected end of data"
    return True


def strip_bom(text: str) -> str:
    """The text without a leading U+FEFF."""
    return text.removeprefix(_BOM)
