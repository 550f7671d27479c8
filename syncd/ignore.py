"""Which files of a source are documents: include, exclude, ``.syncdignore`` and the names that never count.

Pure: paths go in, answers come out. Paths are relative to the source's root, POSIX style; they and the patterns are
compared in Unicode NFC, so that a pattern typed on one system finds a name made on another.

Who wins, from the top:

1. names that never count (``NEVER``): no pattern brings them back;
2. ``exclude`` of the configuration, gitignore syntax, the last match wins: the operator's word stands above the word
   of whoever writes the documents;
3. ``.syncdignore`` files, the deepest first;
4. ``include``: globs in gitignore syntax, case-sensitive; without any, every format that somebody reads, whatever
   the case of its suffix.

As in git, a directory that is ignored is not entered: nothing below it can be brought back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from hashlib import blake2b
from unicodedata import normalize

from syncd import patterns
from syncd.charset import mark_of
from syncd.patterns import PatternError, Patterns

IGNORE_FILE = ".syncdignore"

# Half-written, locked, and hidden: what editors, browsers and office programs leave beside documents.
NEVER_STARTS = (".", "~$")
NEVER_ENDS = ("~", ".swp", ".tmp", ".part", ".crdownload")
NEVER_FILES = ("thumbs.db",)
QUESTIONS_END = ".questions.toml"  # golden questions: read by the proof, not a document

_VERSION = b"syncd.ignore/2"  # part of the digest; raise it when a rule above changes
_PLAIN_SUFFIX = re.compile(r"(?:\*\*/)?\*(\.[^/*?\[\]\\!\s]+)")


def ignore_text(data: bytes) -> str:
    """Return the text of a ``.syncdignore``: UTF-8, or what its byte order mark says.

    Raises:
        ValueError: it is something else. Patterns read wrongly match nothing, and what should stay out would be sent.
    """
    skip, codec = mark_of(data)
    codec = codec or "utf-8"
    try:
        text = data[skip:].decode(codec)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, skip + error.start) + 1
        raise ValueError(f"it is no {codec.upper()}, line {line}: save it as UTF-8") from None
    if "\0" in text:
        raise ValueError(f"it is no UTF-8, line {text.count(chr(10), 0, text.index(chr(0))) + 1}: save it as UTF-8")
    return text


class Verdict(Enum):
    """Whether one file is a document, and why not."""

    IN = "in"
    NOT_INCLUDED = "not-included"
    IGNORED = "ignored"
    UNSUPPORTED = "unsupported"  # nobody reads this format


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one source; made by ``compile``.

    Attributes:
        explicit: the configuration names what to include (an unsupported file is then somebody's wish, not chance).
        digest: changes when any rule changes.
    """

    explicit: bool
    digest: bytes
    _suffixes: frozenset[str]  # lower case, with the dot
    _endings: tuple[str, ...]  # includes of the form ``*.md``: no pattern needs to be asked
    _included: Patterns | None
    _excluded: Patterns | None
    _layers: tuple[tuple[str, Patterns], ...] = ()  # .syncdignore: (directory + "/", patterns), deepest first

    @classmethod
    def compile(cls, include: Sequence[str], exclude: Sequence[str], suffixes: Iterable[str]) -> Rules:
        """Build the rules of a source.

        Args:
            include: globs; empty for every known suffix.
            exclude: gitignore patterns.
            suffixes: of the formats that somebody reads, with or without the dot.

        Raises:
            PatternError: a pattern is malformed or can match nothing; the message names it.
        """
        known = frozenset("." + suffix.lower().lstrip(".") for suffix in suffixes)
        plain = [match[1] for pattern in include if (match := _PLAIN_SUFFIX.fullmatch(pattern))]
        # Order counts only where something is taken out again; then all patterns go the long way together.
        negated = any(pattern.startswith("!") for pattern in include)
        others = [p for p in include if negated or not _PLAIN_SUFFIX.fullmatch(p)]
        parts = [_VERSION, repr(sorted(known)).encode(), _bytes(include), _bytes(exclude)]
        return cls(
            explicit=bool(include),
            digest=_digest(parts),
            _suffixes=known,
            _endings=() if negated else tuple(normalize("NFC", ending) for ending in plain),
            _included=_parse(others),
            _excluded=_parse(exclude),
        )

    def with_ignore_file(self, rel_dir: str, text: str) -> Rules:
        """Return these rules with a ``.syncdignore`` added that stands in ``rel_dir`` ("" is the root).

        Raises:
            PatternError: a line is malformed, or there are too many; the message names it, ``number`` is the line.
        """
        # Lines end where git ends them: ``splitlines`` knows more ends than that.
        lines = normalize("NFC", text.removeprefix("\ufeff")).split("\n")
        layer = patterns.parse([line.removesuffix("\r") for line in lines])
        patterns.check_together((layer, *(above for _, above in self._layers)), len(lines))
        prefix = _nfc(rel_dir) + "/" if rel_dir else ""
        return replace(
            self,
            digest=_digest([self.digest, _bytes([rel_dir, text])]),
            _layers=((prefix, layer), *self._layers) if layer else self._layers,
        )

    def directory(self, rel_dir: str) -> bool:
        """Tell whether a directory is ignored, provided that those above it are not."""
        name = rel_dir.rpartition("/")[2].lower()
        if name.startswith(NEVER_STARTS) or name.endswith(NEVER_ENDS):
            return True
        return self._judges and self._ignores(_nfc(rel_dir), directory=True)

    def file(self, rel: str) -> Verdict:
        """Judge a file, provided that the directories above it are not ignored."""
        rel = _nfc(rel)
        name = rel.rpartition("/")[2]
        low = name.lower()
        if low.startswith(NEVER_STARTS) or low.endswith((*NEVER_ENDS, QUESTIONS_END)) or low in NEVER_FILES:
            return Verdict.IGNORED
        if self._judges and self._ignores(rel, directory=False):
            return Verdict.IGNORED
        if self.explicit and not name.endswith(self._endings) and not self._includes(rel):
            return Verdict.NOT_INCLUDED
        if low[low.rfind(".") :] not in self._suffixes:
            return Verdict.UNSUPPORTED
        return Verdict.IN

    def path(self, rel: str) -> Verdict:
        """Judge a file together with every directory above it (but without ``.syncdignore`` files not yet added)."""
        at = rel.find("/")
        while at >= 0:
            if self.directory(rel[:at]):
                return Verdict.IGNORED
            at = rel.find("/", at + 1)
        return self.file(rel)

    @property
    def _judges(self) -> bool:
        """Whether there is any pattern that may ignore something."""
        return self._excluded is not None or bool(self._layers)

    def _ignores(self, rel: str, *, directory: bool) -> bool:
        if self._excluded is not None:
            answer = self._excluded.verdict(self._excluded.last(rel, directory=directory))
            if answer is not None:
                return answer
        for prefix, layer in self._layers:
            if rel.startswith(prefix) and len(rel) > len(prefix):
                answer = layer.verdict(layer.last(rel[len(prefix) :], directory=directory))
                if answer is not None:
                    return answer
        return False

    def _includes(self, rel: str) -> bool:
        """By the last pattern that names the file itself, else by the last one that names a directory above it."""
        if self._included is None:
            return False
        found = self._included.last(rel, directory=False)
        if found < 0:
            ends = (at for at, character in enumerate(rel) if character == "/")
            found = max((self._included.last(rel[:end], directory=True) for end in ends), default=-1)
        return self._included.verdict(found) is True


def _nfc(path: str) -> str:
    return path if path.isascii() else normalize("NFC", path)


def _parse(stated: Sequence[str]) -> Patterns | None:
    """Read the patterns of a configuration; blank lines and comments, at home in a file, are mistakes there."""
    if not stated:
        return None
    for number, pattern in enumerate(stated, 1):
        if ".." in pattern.lstrip("!").split("/"):
            raise PatternError(f"the pattern {pattern!r} can match nothing: no path in the source holds '..'", number)
    return patterns.parse([normalize("NFC", pattern) for pattern in stated], strict=True)


def _bytes(texts: Sequence[str]) -> bytes:
    return repr(tuple(texts)).encode("utf-8", "backslashreplace")


def _digest(parts: Iterable[bytes]) -> bytes:
    hashed = blake2b(digest_size=16)
    for part in parts:
        hashed.update(len(part).to_bytes(8, "little"))
        hashed.update(part)
    return hashed.digest()
