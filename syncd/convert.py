"""From a file to what is sent for it.

Text formats go out as UTF-8 with a byte order mark, whatever they were, and text and Markdown with a line end behind
it (``sending`` says why). Nothing else is changed: line ends, front matter and inner U+FEFF stay.
Other formats travel byte for byte.

Files of up to 4 MiB (texts 2 MiB) are read once and sent from memory; larger ones are streamed, and never stand in
memory as a whole. Nothing is parsed here that could cost more than it is worth: that is left to a reader (``reader``).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from syncd import charset, door, sending, stream
from syncd import packing as packer
from syncd.door import FileAt, NotRegular, TooLarge
from syncd.errors import Permanent
from syncd.formats import TEXT_FORMATS, format_of, suffix_of
from syncd.matter import front_matter
from syncd.models import Format, Problem, Training
from syncd.names import upload_name
from syncd.reader.asking import Task, Whole
from syncd.shown import shown
from syncd.stream import Body, ChangedWhileReading
from syncd.visible import KEPT_RAW

__all__ = [
    "CONVERTER_VERSION",
    "Body",
    "ChangedWhileReading",
    "Outgoing",
    "extract_text",
    "front_matter",
    "prepare",
    "settings_id",
]

CONVERTER_VERSION = 1
"""Part of the settings' hash: raised when everything of these formats must be sent again.

A better way of sending does not need that; it is recorded beside the hash (``sending.WAY``).
"""

IN_MEMORY = 4 * 2**20
"""Largest file of a binary format, in bytes, that is read into memory as a whole."""

TEXT_IN_MEMORY = 2 * 2**20
"""The same of a text; in memory a character takes up to four bytes."""

COMPARED = 12 * 2**20
"""Largest text file, in bytes, whose text is compared with the server's; it is read anew for that, one at a time."""

AT_ONCE = 64 * 1024
"""Largest CSV, in bytes, that is read where it is met; its reader's work grows with the length alone."""

_TYPES = {
    Format.TEXT: "text/plain; charset=utf-8",
    Format.MARKDOWN: "text/markdown; charset=utf-8",
    Format.HTML: "text/html; charset=utf-8",
    Format.CSV: "text/csv; charset=utf-8",
    Format.PDF: "application/pdf",
    Format.DOCX: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    Format.PPTX: "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One document, ready to be sent."""

    upload_name: str
    content_type: str
    size: int  # bytes to send
    sha256: str  # of the raw bytes of the file, as planned
    text: str | None  # the plain text the server's is compared with; None when it cannot be had
    weak: str  # why ``text`` is missing or only partial, else ""; a reader may have more to say
    charset: str  # of the file; "" for binary formats
    body: Body
    sample: str = ""  # beginning, middle and end of a text too large for ``text``, for probes
    text_length: int | None = (
        None  # UTF-16 units of a txt or md text as sent, without its mark: FastGPT's rawTextLength
    )
    task: Task | None = None  # what a reader is still to be asked, for ``text``
    whole: Whole | None = None  # a text too large for ``text``, read when it is to be compared


class Extract(NamedTuple):
    """What is known of the text of a file."""

    text: str | None = None
    weak: str = ""  # why it is missing or only partial, else ""
    task: Task | None = None  # what a reader is still to be asked for it
    sample: str = ""  # beginning, middle and end of a text too large to be held


def prepare(
    disk_path: FileAt | str | bytes,
    *,
    path: str,
    sha256: str,
    encodings: tuple[str, ...],
    max_size: int,
    unique: str,
) -> Outgoing:
    """Read a file and return what is sent for it.

    Args:
        disk_path: where the file is; a mere path is that of a file which stands alone.
        path: the document's path, for its name and format.
        sha256: the hash of the content that was planned.
        encodings: tried in this order for texts without a byte order mark.
        max_size: in bytes; larger files are refused.
        unique: keeps a shortened upload name apart from others.

    Raises:
        Permanent: empty, too large, unsupported or unreadable.
        ChangedWhileReading: the bytes are not those that were planned.
        OSError: the file is gone or may not be read.
    """
    fmt = format_of(path)
    if fmt is None:
        raise _permanent(Problem.UNSUPPORTED, f"FastGPT cannot read {suffix_of(path) or 'files without a suffix'}.",
                         "Convert the file, or exclude it.")  # fmt: skip
    place = FileAt.of(disk_path)
    raw, size = _read(place, max_size, _held(fmt))
    if size == 0:
        raise _permanent(Problem.EMPTY, "The file is empty.", "Fill or exclude it.")
    if raw is not None and hashlib.sha256(raw).hexdigest() != sha256:
        raise stream.changed(path)
    name = upload_name(path, fmt, unique)
    if fmt not in TEXT_FORMATS:
        if fmt is Format.XLSX and not _is_archive(place, raw):
            # FastGPT would take it for a table of its bytes, and train that (retrieval.md R15).
            raise _permanent(Problem.UNREADABLE, "This is no Excel workbook: it is no ZIP archive, as .xlsx files are.",
                             "Open and save it anew as .xlsx without a password, or exclude it.")  # fmt: skip
        body = _packed(raw, place, path, sha256, size) if fmt is Format.PPTX else None
        body = body or Body(raw, place, path, sha256, size)
        task = Task(fmt, disk=place, sha256=sha256) if raw is None else Task(fmt, raw)
        return Outgoing(name, _TYPES[fmt], body.size, sha256, None, "", "", body, task=task)
    try:
        if raw is None:
            return _large(place, path, sha256, encodings, fmt, name, size)
        return _small(raw, sha256, encodings, fmt, name)
    except charset.Undecodable as error:
        raise _permanent(Problem.UNREADABLE, error.message, error.hint) from None


def _is_archive(place: FileAt, raw: bytes | None) -> bool:
    with io.BytesIO(raw) if raw is not None else door.binary(place) as file:
        return zipfile.is_zipfile(file)


def _packed(raw: bytes | None, place: FileAt, path: str, sha256: str, size: int) -> Body | None:
    """A presentation in the form that FastGPT reads; ``None`` when it is sent as it is."""
    if raw is not None:
        packing = packer.plan(io.BytesIO(raw))
        return None if packing is None else Body(b"".join(packing.pieces([raw])), place, path, sha256, packing.size)
    with door.binary(place) as file:
        packing = packer.plan(file)
    return None if packing is None else Body(None, place, path, sha256, packing.size, packing, size)


def foresee(
    disk_path: FileAt | str | bytes, *, path: str, sha256: str, encodings: tuple[str, ...], max_size: int
) -> Permanent | None:
    """Return what will keep a file from being sent, as far as its own bytes tell: blank, undecodable, broken.

    Files of formats that only the server can judge give ``None``, and so does a file that changes meanwhile.
    """
    fmt = format_of(path)
    if fmt not in TEXT_FORMATS and fmt is not Format.XLSX:
        return None
    try:
        prepare(disk_path, path=path, sha256=sha256, encodings=encodings, max_size=max_size, unique="")
    except Permanent as error:
        return error
    except (ChangedWhileReading, OSError):
        return None
    return None


def _small(raw: bytes, sha256: str, encodings: tuple[str, ...], fmt: Format, name: str) -> Outgoing:
    text, codec, mark = charset.decode(raw, encodings, html=fmt is Format.HTML)
    payload = raw[mark:] if codec == "utf-8" else text.encode("utf-8")
    charset.check_text(payload)
    if not text.strip() or not text.replace("\ufeff", "").strip():
        raise _blank()
    if fmt is Format.HTML and charset.stated_charset(raw) not in ("", "utf-8"):
        text = charset.restate_charset(text)
        payload = text.encode("utf-8")
    whole = sending.head_of(fmt) + payload
    length = _raw_length(fmt, utf16_length(text))
    task = Task(fmt, payload) if _is_costly(text, fmt) else None
    plain, weak = (None, "") if task else shown(text, fmt)
    return Outgoing(name, _TYPES[fmt], len(whole), sha256, plain, weak, codec, Body(whole), "", length, task=task)


def _held(fmt: Format) -> int:
    """The largest file of a format that is held in memory; of HTML all that may be short enough to be converted."""
    if fmt is Format.HTML:
        return 4 * KEPT_RAW
    return TEXT_IN_MEMORY if fmt in TEXT_FORMATS else IN_MEMORY


def _is_costly(text: str, fmt: Format) -> bool:
    """Say whether a text is left to a reader: Python's parser of HTML takes hours for some hundred kilobytes."""
    return (fmt is Format.HTML and len(text) <= KEPT_RAW) or (fmt is Format.CSV and len(text) > AT_ONCE)


def _large(
    place: FileAt, path: str, sha256: str, encodings: tuple[str, ...], fmt: Format, name: str, size: int
) -> Outgoing:
    try:
        seen = stream.survey(place, size, encodings, html=fmt is Format.HTML, head=sending.head_of(fmt))
    except TooLarge:
        raise stream.changed(path) from None
    if seen.sha256 != sha256:
        raise stream.changed(path)
    if seen.blank:
        raise _blank()
    body = Body(None, place, path, sha256, seen.size, seen.plan, size)
    length = _raw_length(fmt, seen.length)
    weak = f"too large to compare whole ({size // 2**20} MiB)" if size > COMPARED else ""
    whole = Whole(place, seen.plan, sha256, path) if size <= COMPARED else None
    return Outgoing(
        name, _TYPES[fmt], seen.size, sha256, None, weak, seen.plan.codec, body, _sample(seen, fmt), length, whole=whole
    )


def _sample(seen: stream.Survey, fmt: Format) -> str:
    """The sample of a large text as FastGPT shows it; a page that is as large is trained as it stands."""
    return (shown(seen.sample, fmt)[0] or "") if fmt is Format.CSV else seen.sample


def _raw_length(fmt: Format, length: int) -> int | None:
    """Return FastGPT's ``rawTextLength`` of a text as it is sent: with the line end, without the mark."""
    return length + len(sending.head_of(fmt)) - len(sending.MARK) if fmt in (Format.TEXT, Format.MARKDOWN) else None


def extract_text(
    disk_path: FileAt | str | bytes,
    *,
    path: str,
    encodings: tuple[str, ...],
    sha256: str | None = None,
    max_size: int | None = None,
) -> Extract:
    """Return the plain text of a file, or what a reader is to be asked for it, or why it cannot be had.

    Args:
        disk_path: as for ``prepare``.
        path: the document's path, for its format.
        encodings: tried in this order for texts without a byte order mark.
        sha256: the content whose text is wanted; ``None``: whatever is there.
        max_size: in bytes; larger files are not read.

    Raises:
        ChangedWhileReading: the file has other content; of one that a reader is to be asked for, the reader says so.
        OSError: the file is gone or may not be read.
    """
    fmt = format_of(path)
    if fmt is None:
        return Extract(weak="a format that cannot be read here")
    place = FileAt.of(disk_path)
    try:
        raw, size = _read(place, max_size, _held(fmt))
        if raw is not None and sha256 not in (None, hashlib.sha256(raw).hexdigest()):
            raise stream.changed(path)
        if fmt not in TEXT_FORMATS:
            return Extract(task=Task(fmt, disk=place, sha256=sha256 or "") if raw is None else Task(fmt, raw))
        if raw is None:
            seen = stream.survey(place, size, encodings, html=fmt is Format.HTML, head=b"")
            if sha256 not in (None, seen.sha256):
                raise stream.changed(path)
            return Extract(weak="too large to compare whole", sample=_sample(seen, fmt))
        text, codec, mark = charset.decode(raw, encodings, html=fmt is Format.HTML)
        payload = raw[mark:] if codec == "utf-8" else text.encode("utf-8")
        charset.check_text(payload)
    except (charset.Undecodable, Permanent) as error:
        return Extract(weak=error.message)
    return Extract(task=Task(fmt, payload)) if _is_costly(text, fmt) else Extract(*shown(text, fmt))


def utf16_length(text: str) -> int:
    """Return the length of ``text`` as JavaScript counts it."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def settings_id(training: Training, encodings: tuple[str, ...], path: str) -> str:
    """Return 16 hex digits that change when this file would be sent or trained differently, and only then."""
    return _settings_id(training, encodings, suffix_of(path))


@lru_cache(maxsize=4096)
def _settings_id(training: Training, encodings: tuple[str, ...], suffix: str) -> str:
    fmt = format_of(suffix)
    parts: list[object] = [training.mode, sorted(training.options), str(fmt)]
    if fmt in TEXT_FORMATS:
        parts += [encodings, CONVERTER_VERSION]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _read(place: FileAt, max_size: int | None, limit: int) -> tuple[bytes | None, int]:
    """Return the content of a file (``None`` when larger than ``limit``) and its size."""
    try:
        descriptor = door.open_file(place)
    except NotRegular as error:
        message = f"This cannot be read: {error.strerror}."
        raise _permanent(Problem.UNREADABLE, message, "Exclude it.") from None
    try:
        size = os.fstat(descriptor).st_size
        if max_size is not None and size > max_size:
            raise _permanent(Problem.TOO_LARGE, f"The file has {size} bytes, more than the {max_size} allowed.",
                             "Split the file, or exclude it.")  # fmt: skip
        if size > limit:
            return None, size
        raw = door.upto(descriptor, size + 1)  # one that grows is found out by its hash
        return raw, len(raw)
    finally:
        os.close(descriptor)


def _permanent(problem: Problem, message: str, hint: str) -> Permanent:
    return Permanent(problem.value, message, hint=hint)


def _blank() -> Permanent:
    return _permanent(Problem.EMPTY, "There is nothing but white space in the file.", "Fill or exclude it.")
