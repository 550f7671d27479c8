"""How text is sent, and who would gain if what was sent in an older way were sent again; pure.

FastGPT guesses the encoding of a stored file from its first 200 bytes (up to 4.14.10; later versions look at all of it)
and destroys what does not fit the guess: a byte order mark prevents that (observed facts 1 and 25). It repeats the
headings above each chunk, but a line that begins with U+FEFF is no heading to it: with the mark right before
``# Title`` every chunk but the first loses the title (retrieval.md R1, measured on 4.14.10.1: 1 of 18 chunks carries
it, with a line end behind the mark 18 of 18). So text and Markdown get a mark and a line end; HTML and CSV, which
FastGPT converts, get the mark alone.

A change of the way is recorded with what is sent from then on. It re-sends nothing by itself: what is there stays what
it is, and a person decides (`syncd retry --outdated`).
"""

from __future__ import annotations

import re

from syncd.formats import TEXT_FORMATS, format_of
from syncd.models import Format, Training

WAY = 2
"""The way of sending of this version.

1: a mark before every text, chunk settings exactly as stated. 2: a line end behind the mark of text and Markdown;
custom chunk settings without a split mode are sent with ``paragraph``; pptx is packed anew.
"""

MARK = b"\xef\xbb\xbf"
"""The byte order mark of UTF-8."""

LONG = 1000
"""Characters below which FastGPT makes one chunk of a text, which holds its own title (observed fact 25)."""

LOSES_TITLE = "their chunks lose the title"
LOSES_HEADINGS = "they are cut without regard to headings"

_LINE_END = b"\n"
_WITH_LINE = frozenset({Format.TEXT, Format.MARKDOWN})
# As FastGPT's splitter looks for them; it goes down to level 5 unless told otherwise.
_HEADING = re.compile(r"^#{1,5}\s[^\n]+\n", re.MULTILINE)


def head_of(fmt: Format) -> bytes:
    """Return what stands before a text when it is sent: b"" for formats that travel byte for byte."""
    if fmt not in TEXT_FORMATS:
        return b""
    return MARK + _LINE_END if fmt in _WITH_LINE else MARK


def may_gain(sent_as: int, path: str, size: int, training: Training) -> str:
    """Say what a document loses by the way in which it was sent; "" when nothing.

    Args:
        sent_as: the way, see ``WAY``.
        path: the document's path, for its format.
        size: of the file, in bytes.
        training: the settings of its source.

    Returns:
        ``LOSES_HEADINGS``, or ``LOSES_TITLE`` when the text decides (``loses_title``), or "".
    """
    if sent_as >= WAY:
        return ""
    if training.implied:
        return LOSES_HEADINGS
    return LOSES_TITLE if format_of(path) in _WITH_LINE and size >= LONG else ""


def loses_title(text: str) -> bool:
    """Whether a mark alone costs this text its title: it begins with a heading, has others, and is long."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    first = _HEADING.match(text)
    return first is not None and len(text) >= LONG and _HEADING.search(text, first.end()) is not None
