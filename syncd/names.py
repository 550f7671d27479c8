"""File names that survive FastGPT.

What a real server does to names (fastgpt-observed, facts 2, 15, 22 and 24): raw UTF-8 in the multipart header is stored
as mojibake; a lone ``%`` hangs the request; ``#`` and ``?`` make the parser fail for good; names are cut to 50 UTF-16
units, and a cut inside an emoji is an error. So a document is sent under a safe short name, and gets its true name
by ``collection/update`` once it is trained (an update has no such limits).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from urllib.parse import quote

from syncd.models import Format

UPLOAD_LIMIT = 50
"""Longest name that is sent, in UTF-16 units, extension included."""

REMOTE_LIMIT = 255
"""Longest name that is set by ``update``, in UTF-16 units."""

_FALLBACK = "document"
# The characters with a meaning in URLs, paths and headers, and the quotation marks that end a header's value.
_UNSAFE = re.compile(r"[#?%/\\\"'`\u2018\u2019\u201c\u201d]")
_ENDS = re.compile(r"\A[\s.]+|[\s.]+\Z")
_HEX = re.compile(r"[^0-9a-f]+")
_ZWJ = "\u200d"


def upload_name(path: str, fmt: Format, unique: str) -> str:
    """Return the name a file is sent under.

    The base name in NFC with the lower-case extension FastGPT knows (``guide.mdx`` becomes ``guide.mdx.md``). When
    characters had to be replaced or the name is too long, 8 hex digits of ``unique`` keep it apart from others.

    Args:
        path: the document's path; only its last part counts.
        fmt: decides the extension.
        unique: a hash or UUID of the document or attempt.
    """
    extension = f".{fmt.value}"
    base = unicodedata.normalize("NFC", _base(path))
    stem = base[: -len(extension)] if base.lower().endswith(extension) else base
    clean = _cleaned(stem)
    if clean == stem and _units(clean) + len(extension) <= UPLOAD_LIMIT:
        return clean + extension
    tail = f"-{_eight(unique)}{extension}"
    return _ENDS.sub("", _cut(clean, UPLOAD_LIMIT - len(tail))) + tail


def remote_name(path: str) -> str:
    """Return the true name of a document's collection: its base name in NFC.

    Characters that no JSON text or web page can carry (controls, halves of surrogate pairs) become ``_``. A name of
    more than 255 UTF-16 units is shortened before its extension and made unique by a hash of the path.
    """
    base = "".join(_printable(c) for c in unicodedata.normalize("NFC", _base(path)))
    if not base.strip():
        base = _FALLBACK
    if _units(base) <= REMOTE_LIMIT:
        return base
    dot = base.rfind(".")
    extension = base[dot:] if dot > 0 and len(base) - dot <= 12 and base[dot:].isascii() else ""
    tail = f"-{_eight(path)}{extension}"
    return _cut(base[: len(base) - len(extension)], REMOTE_LIMIT - len(tail)) + tail


def encode_filename(name: str) -> str:
    """Return ``name`` as it stands in the multipart header: percent-encoded as a whole (observed fact 2)."""
    return quote(name, safe="")


def _base(path: str) -> str:
    return path[path.rfind("/") + 1 :]


def _printable(char: str) -> str:
    return "_" if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") else char


def _cleaned(stem: str) -> str:
    """Replace what FastGPT cannot take; no blanks or dots at the ends; never empty."""
    text = _ENDS.sub("", _UNSAFE.sub("_", "".join(_printable(c) for c in stem)))
    return text if any(c.isalnum() for c in text) or _has_symbol(text) else _FALLBACK


def _has_symbol(text: str) -> bool:
    return any(c != "_" and unicodedata.category(c)[0] in "SP" for c in text)


def _units(text: str) -> int:
    """Length as JavaScript counts it: characters beyond U+FFFF take two units."""
    return len(text) + sum(c > "\uffff" for c in text)


def _cut(text: str, limit: int) -> str:
    """Return the longest beginning of ``text`` within ``limit`` UTF-16 units that splits no visible character."""
    used = end = 0
    for end, char in enumerate(text):  # noqa: B007
        used += 2 if char > "\uffff" else 1
        if used > limit:
            break
    else:
        return text
    kept = end
    # A mark, a skin tone or a joined emoji belongs to what stands before it.
    while end > 0 and (_joins(text[end]) or text[end - 1] == _ZWJ):
        end -= 1
    return text[: end or kept]


def _joins(char: str) -> bool:
    return char == _ZWJ or "\U0001f3fb" <= char <= "\U0001f3ff" or unicodedata.category(char)[0] == "M"


def _eight(unique: str) -> str:
    digits = _HEX.sub("", unique.lower())
    if len(digits) < 8:
        digits = hashlib.sha256(unique.encode("utf-8", "surrogatepass")).hexdigest()
    return digits[:8]
