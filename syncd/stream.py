"""The bytes that are sent, in blocks, hashed while they are read (design 12, rule 10).

A body in memory was hashed when it was read. A streamed one reads the file anew each time it is sent and hashes the
very bytes it reads, so a file that changed in between is noticed before anybody takes the upload for good.
"""

from __future__ import annotations

import codecs
import hashlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from syncd import charset, door
from syncd.charset import Choice
from syncd.door import BLOCK, FileAt, TooLarge
from syncd.errors import SyncdError
from syncd.evidence import BLOCK as EVIDENCE_BLOCK
from syncd.evidence import Evidence, Place
from syncd.packing import Packing

_TRANSCODE = 256 * 1024  # raw bytes read at a time when they are transcoded: a byte becomes three at most
_SAMPLE = 64 * 1024  # characters of each of the three samples of a large text


class ChangedWhileReading(SyncdError):
    """The file is not what was planned: its bytes hash to something else. It will be planned anew."""

    code = "changed-while-reading"


def changed(path: str) -> ChangedWhileReading:
    """Return the error for the document at ``path``."""
    return ChangedWhileReading(f"{path} changed while it was read.", hint="It is read again in the next pass.")


@dataclass(frozen=True, slots=True)
class TextPlan:
    """How a large text is turned into what is sent."""

    codec: str
    skip: int  # length of the byte order mark of the file
    restate: bool  # the head of an HTML page must not state another charset
    head: bytes = charset.BOM  # what is sent before it


class Body:
    """What is sent, as a series of blocks of ``size`` bytes in all; ``whole`` when it stands in memory."""

    __slots__ = ("_digest", "_path", "_place", "_plan", "_raw", "_sha256", "size", "whole")

    def __init__(
        self, whole: bytes | None, place: FileAt | None = None, path: str = "", sha256: str = "", size: int = 0,
        plan: TextPlan | Packing | None = None, raw: int = 0,
    ) -> None:  # fmt: skip
        self.whole = whole
        self.size = size if whole is None else len(whole)
        self._place, self._path, self._sha256, self._plan = place, path, sha256, plan
        self._raw = raw or size  # bytes of the file
        self._digest = ""

    def blocks(self) -> Iterator[bytes]:
        """Yield the bytes from the beginning, at most 1 MiB at a time.

        Raises:
            ChangedWhileReading: the file has grown or shrunk; the upload must be aborted.
            OSError: the file cannot be read any more.
        """
        if self.whole is not None:
            view = self.whole
            for start in range(0, len(view), BLOCK):
                yield view[start : start + BLOCK]
            return
        self._digest = ""
        left = self.size
        digest = hashlib.sha256()
        assert self._place is not None  # noqa: S101 - what is not in memory is in a file
        try:
            for block in _sent(self._place, self._raw, self._plan, digest):
                left -= len(block)
                if left < 0:
                    raise changed(self._path)
                if block:
                    yield block
        except TooLarge:
            raise changed(self._path) from None
        if left:
            raise changed(self._path)
        self._digest = digest.hexdigest()

    def verify(self) -> None:
        """Raise ``ChangedWhileReading`` unless the bytes that were sent last are those that were planned."""
        if self.whole is None and self._digest != self._sha256:
            raise changed(self._path)


def _raw(place: FileAt, most: int, size: int, digest: hashlib._Hash) -> Iterator[bytes]:
    """Yield a file in blocks of ``size`` bytes; raises ``TooLarge`` when it has more than ``most`` bytes by now."""
    for block in door.blocks(place, most, size):
        digest.update(block)
        yield block


def _sent(place: FileAt, raw: int, plan: TextPlan | Packing | None, digest: hashlib._Hash) -> Iterator[bytes]:
    if plan is None:
        yield from _raw(place, raw, BLOCK, digest)
        return
    if isinstance(plan, Packing):
        yield from plan.pieces(_raw(place, raw, BLOCK, digest))
        return
    yield plan.head
    for _, block in decoded(_raw(place, raw, _TRANSCODE, digest), plan):
        yield block


def decoded(blocks: Iterable[bytes], plan: TextPlan, choice: Choice | None = None) -> Iterator[tuple[str, bytes]]:
    """Yield the text of a file's blocks, and its UTF-8 form, block by block; strict.

    Raises:
        charset.Undecodable: a byte does not fit, if ``choice`` says what is tried; else ``UnicodeError``.
    """
    decoder = codecs.getincrementaldecoder(plan.codec)()
    skip, first, done, line = plan.skip, plan.restate, 0, 1
    for block in itertools.chain(blocks, (b"",)):
        pending = decoder.getstate()[0] if choice is not None else b""
        try:
            text = decoder.decode(block[skip:], not block)
            payload = text.encode("utf-8")
        except UnicodeError as error:
            if choice is None:
                raise
            at = (
                max(getattr(error, "start", 0) - len(pending) + skip, 0) if isinstance(error, UnicodeDecodeError) else 0
            )
            place = Place(done + at, line + block.count(b"\n", 0, at), block[at] if at < len(block) else 0)
            raise charset.unfit(choice, place) from None
        skip = 0
        done += len(block)
        line += block.count(b"\n")
        if first:
            text, first = charset.restate_charset(text), False
            payload = text.encode("utf-8")
        yield text, payload


@dataclass(frozen=True, slots=True)
class Survey:
    """What the first reading of a large text has shown."""

    plan: TextPlan
    sha256: str
    size: int  # bytes to send
    length: int  # UTF-16 units
    blank: bool
    sample: str  # beginning, middle and end
    plainly_utf8: bool  # when it was read as UTF-8: no other encoding looks like that


def survey(disk: FileAt | str | bytes, size: int, encodings: tuple[str, ...], *, html: bool, head: bytes) -> Survey:
    """Read a large text once as UTF-8; if it is none, once to see what it is and once or more as that.

    ``head`` is sent before it.

    Raises:
        TooLarge: it has more than ``size`` bytes by now.
        charset.Undecodable: it cannot be told what it is, or it is binary data.
        OSError: it cannot be read.
    """
    place = FileAt.of(disk)
    begin = door.begin(place, _TRANSCODE)
    skip, name = charset.mark_of(begin)
    restate = html and charset.stated_charset(begin) not in ("", "utf-8")
    if skip:
        return _survey(place, size, TextPlan(name, skip, restate, head), Choice(name))
    try:
        seen = _survey(place, size, TextPlan("utf-8", 0, restate, head), Choice("utf-8"))
        if seen.plainly_utf8:
            return seen
    except charset.Undecodable:
        pass  # another encoding, or the reason why it is none is found below
    evidence = Evidence()
    for block in _raw(place, size, EVIDENCE_BLOCK, hashlib.sha256()):
        evidence.feed(block)
    evidence.end()
    refuted: list[str] = []
    while True:
        try:
            choice = charset.choose(evidence, encodings, html=html, without=refuted)
        except charset.Undecodable as error:
            if error.advised is not None:  # what is advised was tried on the whole file
                _survey(place, size, TextPlan(error.advised.codec, 0, restate, head), error.advised)
            raise
        try:
            return _survey(place, size, TextPlan(choice.codec, 0, restate, head), choice)
        except charset.Undecodable:
            if choice.language or len(refuted) > len(encodings):
                raise
            refuted.append(choice.codec)


def _survey(place: FileAt, size: int, plan: TextPlan, choice: Choice) -> Survey:
    digest = hashlib.sha256()
    sent, length, blank, done, line, beyond = len(plan.head), 0, True, 0, 1, 0
    escaped = False
    samples: list[str] = []
    tail = ""
    for text, block in decoded(_raw(place, size, _TRANSCODE, digest), plan, choice):
        charset.check_text(block)
        charset.check_block(text, choice, line)
        line += text.count("\n")
        sent += len(block)
        beyond += len(block) - len(text)
        escaped = escaped or (choice.codec == "utf-8" and charset.may_be_other(block))
        length += len(text.encode("utf-16-le")) // 2
        blank = blank and not text.replace("\ufeff", "").strip()
        if not samples or (len(samples) == 1 and done >= size // 2):
            samples.append(text[:_SAMPLE])
        tail = (tail + text)[-_SAMPLE:]
        done += _TRANSCODE
    plainly = beyond >= charset.PLAINLY or not (beyond or escaped)
    return Survey(plan, digest.hexdigest(), sent, length, blank, "\n\n".join([*samples, tail]), plainly)
