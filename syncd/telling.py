"""Which of a file's possible readings is the right one: only what can be told is told. Pure.

The sample of a file is decoded in every encoding that people have. Readings in which impossible characters stand are
dropped, equal texts are one reading, the others are scored as language. One reading is *clear* when it reads as
language by itself and every other is far behind; when two come close nobody can know, and nothing is decided.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Sequence

from syncd.readings import Reading, score

_ANY = ("alphabetic", "thai", "zh", "ja", "ko")
_KINDS = (
    ("zh", "gb18030 cp950 big5hkscs"),
    ("ja", "cp932 euc_jp"),
    ("ko", "cp949"),
    ("alphabetic", "cp1252 cp1250 cp1251 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258"),
    ("thai", "cp874"),
    ("alphabetic", "iso8859-15 iso8859-2 iso8859-5 iso8859-6 iso8859-7 iso8859-8 iso8859-9 iso8859-13 iso8859-4"),
    (
        "alphabetic",
        "koi8-r koi8-u cp866 cp850 cp437 cp852 cp855 cp857 cp737 cp775 cp862 cp720 cp1125 cp861 cp865 cp869",
    ),
    ("alphabetic", "mac-roman mac-latin2 mac-cyrillic mac-turkish cp037 cp500"),
)
ENCODINGS = {codecs.lookup(name).name: (kind,) for kind, names in _KINDS for name in names.split()}
"""Encodings that are tried, the most usual first, and what each can hold."""

_FAMILIES = (  # other spellings and relatives of the above, as a person may configure them
    ("zh", ("gb", "big5", "hz")),
    ("ja", ("shift", "euc_ji", "iso2022_jp")),
    ("ko", ("euc_kr", "johab", "iso2022_kr")),
    ("thai", ("tis", "iso8859-11")),
)
WIDE = ("utf-16-le", "utf-16-be")
CLEAR = 8.0
"""Score from which a reading reads as language by itself."""

AHEAD = 6.0
"""How far every other reading must be behind."""

IMPOSSIBLE = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f\ufdd0-\ufdef\ufff0-\uffff]")
_PRIVATE = re.compile("[\ue000-\uf8ff]")
_SHOWN = 48  # characters of a sample line


def read(sample: bytes, name: str) -> str | None:
    """Return the sample in one encoding; ``None`` when it is no text in it. A last character may be cut off."""
    try:
        text = codecs.getincrementaldecoder(name)().decode(sample)
        text.encode("utf-8")
    except (UnicodeError, LookupError):
        return None
    return None if IMPOSSIBLE.search(text) else text


def readings(sample: bytes, more: Iterable[str] = (), *, head: bytes = b"") -> list[Reading]:
    """Return what the sample can be taken for, the best first.

    Args:
        sample: lines of the file that hold bytes beyond ASCII.
        more: encodings to try first, beyond those that are always tried.
        head: the beginning of the file if that may be UTF-16 without a mark, of an even length.
    """
    found: dict[str, list[str]] = {}
    for name in dict.fromkeys((*more, *ENCODINGS)):
        text = read(sample, name)
        if text is not None:
            found.setdefault(text, []).append(name)
    for name in WIDE if head else ():
        text = read(head, name)
        if text is not None:
            found.setdefault(text, []).append(name)
    rated = []
    for text, names in found.items():
        value, language = score(text, _kinds(names))
        rated.append(Reading(tuple(names), text, value - 4.0 * len(_PRIVATE.findall(text)), language))
    return sorted(rated, key=lambda reading: -reading.score)


def kinds_of(name: str) -> tuple[str, ...]:
    """Return what an encoding can hold."""
    if name in ENCODINGS:
        return ENCODINGS[name]
    if name.startswith("utf"):
        return _ANY
    return (next((kind for kind, starts in _FAMILIES if name.startswith(starts)), "alphabetic"),)


def _kinds(names: Sequence[str]) -> tuple[str, ...]:
    kinds = {kind for name in names for kind in kinds_of(name)}
    return tuple(kind for kind in _ANY if kind in kinds)


def clear(rated: Sequence[Reading], floor: float = CLEAR, ahead: float = AHEAD) -> Reading | None:
    """Return the one reading that can be told from all others, ``None`` when there is none.

    Up to half of the floor may be missing where the others are that much further behind.
    """
    if not rated:
        return None
    best = rated[0].score
    lead = best - rated[1].score if len(rated) > 1 else 2 * ahead
    return rated[0] if best >= floor / 2 and lead >= ahead and best + lead >= floor + ahead else None


def possible(rated: Sequence[Reading]) -> list[Reading]:
    """Return the readings between which nothing can be decided."""
    if not rated:
        return []
    return [reading for reading in rated if reading.score > max(rated[0].score - AHEAD, -4.0)]


def sample_line(text: str) -> str:
    """Return the part of a text that shows best how it reads: around its first letters beyond ASCII."""
    first = next((i for i, c in enumerate(text) if c > "\x7f"), 0)
    start = text.rfind("\n", 0, first) + 1
    if first - start > _SHOWN // 2:
        start = text.rfind(" ", start, first - _SHOWN // 4) + 1 or first - _SHOWN // 4
    end = text.find("\n", start)
    return text[start : min(start + _SHOWN, end if end >= 0 else len(text))].strip()
