"""What one pass over the bytes of a text shows of its encoding, in bounded memory. Pure.

Lines are what is looked at: a line end is a byte of its own in every encoding but UTF-16 and UTF-32, so a line can be
judged by itself, and a file whose lines are in different encodings can be told as that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

BLOCK = 256 * 1024
"""Bytes that are looked at at a time."""

SAMPLE = 24 * 1024
"""Bytes of distinct lines beyond ASCII that a decision is based on."""

HEAD = 16 * 1024
"""Bytes of the beginning that are kept, for encodings whose lines cannot be split."""

_LONGEST = 4096  # of a line in the sample
_COUNTED = 200  # damaged lines whose bad bytes are counted one by one
_LOOKED_AT = 16 * 1024  # of each block of a file that is not UTF-8, line by line
_CARRY = 256 * 1024  # of a line that is looked at as one
_ESCAPED = re.compile("[\udc80-\udcff]")
_ESCAPES = re.compile(rb"\x1b[$(]|~\{|\+[A-Za-z0-9+/]{3}")  # of ISO-2022, HZ and UTF-7, all in ASCII
_SOUND = re.compile("[\x80-\ud7ff\ue000-\uffff]{6}")  # well-formed UTF-8 in a row
_CONTROL = re.compile(rb"[\x00-\x07\x0e-\x1a\x1c-\x1f]")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a byte stands: ``offset`` in bytes from the beginning of the file, ``line`` from 1, and the byte."""

    offset: int
    line: int
    byte: int


@dataclass(slots=True)
class Evidence:
    """Feed it the blocks of a file in order, then ``end`` it."""

    size: int = 0
    head: bytes = b""
    sample: list[bytes] = field(default_factory=list)  # distinct lines with bytes beyond ASCII
    escaped: bytes = b""  # lines in ASCII that may be something else
    damaged: list[bytes] = field(default_factory=list)  # those that are not UTF-8
    first_bad: Place | None = None  # the first byte that is not UTF-8
    bad_bytes: int = 0  # exact for the first 200 such lines, then one a line
    bad_lines: list[int] = field(default_factory=list)  # the first few
    bad_line_count: int = 0
    sound_lines: int = 0  # lines that are beyond doubt UTF-8
    sound: int = 0  # bytes of well-formed UTF-8 beyond one a character
    first_sound_line: int = 0
    first_zero: Place | None = None
    zeros: int = 0
    controls: int = 0
    _line: int = 1
    _carry: bytes = b""
    _seen: set[bytes] = field(default_factory=set)
    _room: int = SAMPLE

    @classmethod
    def of(cls, raw: bytes) -> Evidence:
        """Return what all the bytes of a text show."""
        evidence = cls()
        for start in range(0, len(raw), BLOCK):
            evidence.feed(raw[start : start + BLOCK])
        evidence.end()
        return evidence

    def feed(self, block: bytes) -> None:
        """Take the next bytes, best ``BLOCK`` at a time."""
        if len(self.head) < HEAD:
            self.head += block[: HEAD - len(self.head)]
        data = self._carry + block
        start = self.size - len(self._carry)
        self.size += len(block)
        cut = data.rfind(b"\n") + 1
        if not cut and len(data) > _CARRY:
            cut = len(data)  # a line without an end
        self._carry = data[cut:]
        self._lines(data[:cut], start)

    def end(self) -> None:
        """Take what is left: the last line may have no end."""
        rest, self._carry = self._carry, b""
        self._lines(rest, self.size - len(rest))

    def _lines(self, data: bytes, start: int) -> None:
        if data.isascii() and not _CONTROL.search(data) and (self.sample or not _ESCAPES.search(data)):
            self._line += data.count(b"\n")
            return
        controls = _CONTROL.search(data) is not None
        rest = b""
        if self.bad_line_count > _COUNTED and not controls:
            cut = data.find(b"\n", _LOOKED_AT if self._room > 0 else 0) + 1 or len(data)
            data, rest = data[:cut], data[cut:]
        for line in _split(data):
            if controls:
                self._control(line, start)
            if not line.isascii():
                self._beyond(line, start)
            elif len(self.escaped) < HEAD and _ESCAPES.search(line):
                self.escaped += line
            start += len(line)
            self._line += line.endswith(b"\n")
        if rest:
            self._skim(rest)

    def _skim(self, data: bytes) -> None:
        """Look at the rest of a file that is not UTF-8 only for lines that are."""
        text = data.decode("utf-8", "surrogateescape")
        end = 0
        for run in _SOUND.finditer(text):
            if run.start() < end:
                continue
            start = text.rfind("\n", 0, run.start()) + 1
            end = text.find("\n", run.start()) % (len(text) + 1)
            line = text[start:end]
            if not _ESCAPED.search(line) and len(line.encode("utf-8")) - len(line) >= 8:
                self.sound_lines += 1
                self.first_sound_line = self.first_sound_line or self._line + text.count("\n", 0, start)
        lines = data.count(b"\n")
        self._line += lines
        self.bad_line_count += lines

    def _beyond(self, line: bytes, start: int) -> None:
        try:
            more = len(line) - len(line.decode("utf-8"))
        except UnicodeDecodeError as error:
            self._damage(line, start, error.start)
        else:
            self.sound += more
            if more >= 8:  # by chance in one line of a million
                self.sound_lines += 1
                self.first_sound_line = self.first_sound_line or self._line
        self._keep(line)

    def _control(self, line: bytes, start: int) -> None:
        found = _CONTROL.search(line)
        if found is None:
            return
        self.controls += len(_CONTROL.findall(line))
        self.zeros += line.count(0)
        zero = line.find(b"\0")
        if zero >= 0 and self.first_zero is None:
            self.first_zero = Place(start + zero, self._line, 0)

    def _damage(self, line: bytes, start: int, at: int) -> None:
        self.bad_line_count += 1
        if len(self.bad_lines) < 5:
            self.bad_lines.append(self._line)
        if self.first_bad is None:
            self.first_bad = Place(start + at, self._line, line[at])
        if self.bad_line_count > _COUNTED:
            self.bad_bytes += 1
            return
        text = line.decode("utf-8", "surrogateescape")
        bad = len(text) - len(_ESCAPED.sub("", text))
        self.bad_bytes += bad
        self.sound += len(line) - len(text)
        if sum(map(len, self.damaged)) < SAMPLE // 4:
            self.damaged.append(line[:_LONGEST])

    def _keep(self, line: bytes) -> None:
        if self._room <= 0:
            return
        line = line.strip(b"\r\n")
        if len(line) > _LONGEST:
            line = _shorten(line)
        if line not in self._seen:
            self._seen.add(line)
            self._room -= len(line)
            self.sample.append(line)


def _split(data: bytes) -> list[bytes]:
    lines = data.split(b"\n")
    last = lines.pop()
    return [line + b"\n" for line in lines] + ([last] if last else [])


def _shorten(line: bytes) -> bytes:
    """Return the part of a long line in which its bytes beyond ASCII begin, cut where no character can be cut."""
    first = next(i for i, byte in enumerate(line) if byte >= 0x80)
    start = max((line.rfind(mark, 0, first) for mark in (b" ", b"\t", b"\r", b",")), default=-1) + 1
    cut = start + _LONGEST
    end = max(line.rfind(mark, start, cut) for mark in (b" ", b"\t", b"\r", b",", b"."))
    return line[start : end if end > first else cut]
