"""A ZIP archive in another order: one entry first and uncompressed, all others as they are.

FastGPT guesses the encoding of what it stores from the first 200 bytes, of a ``.pptx`` too, and its reader fails or not
by that guess; with ``[Content_Types].xml`` first and stored, decks that failed were parsed (retrieval.md R15). The
compressed bytes of all other entries are sent as they stand in the file, so it is read once, from beginning to end,
never unpacked, and the result depends on nothing but its bytes.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO

from syncd.unzip import Directory

CONTENT_TYPES = "[Content_Types].xml"
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_UTF8, _DESCRIPTOR, _ENCRYPTED = 0x800, 0x08, 0x01
_MOST = 2**32 - 1  # larger archives need another form, which no presentation has
_FIRST = 2**20  # bytes of the first entry at most
_ENTRIES = 10_000


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of the file that are sent as they are, and the header that goes before them."""

    header: bytes
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Packing:
    """How an archive is sent: ``first``, then the parts in the file's order, then the directory."""

    first: bytes
    parts: tuple[Part, ...]
    directory: bytes

    @property
    def size(self) -> int:
        """Bytes to send."""
        parts = sum(len(part.header) + part.end - part.start for part in self.parts)
        return len(self.first) + parts + len(self.directory)

    def pieces(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield what is sent, out of the blocks of the whole file in their order; all of them are taken."""
        yield self.first
        parts = iter(self.parts)
        part = next(parts, None)
        at = 0
        for block in blocks:
            end = at + len(block)
            while part is not None and part.start < end:
                if part.start >= at:
                    yield part.header
                yield block[max(part.start - at, 0) : part.end - at]
                if part.end > end:
                    break
                part = next(parts, None)
            at = end
        yield self.directory


def plan(file: IO[bytes], first: str = CONTENT_TYPES) -> Packing | None:
    """Find out how to send an archive with that entry first; ``None`` when it is not to be packed anew.

    That is so for what is no archive, holds no such entry, or is of an odd shape (encrypted, damaged, entries that
    overlap): it is sent as it is, and the server says what it thinks of it.
    """
    try:
        with zipfile.ZipFile(Directory(file)) as archive:
            entries = archive.infolist()
            chosen = next((entry for entry in entries if entry.filename == first), None)
            if chosen is None or len(entries) > _ENTRIES or chosen.file_size > _FIRST:
                return None
            if chosen.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                return None
            return _packing(file, entries, chosen, archive.read(chosen))
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError, RuntimeError):
        return None
    except (struct.error, zlib.error):
        return None


def _packing(
    file: IO[bytes], entries: list[zipfile.ZipInfo], chosen: zipfile.ZipInfo, content: bytes
) -> Packing | None:
    head = _header(chosen, 0, len(content)) + content
    parts: list[Part] = []
    directory = [_listed(chosen, 0, len(content), 0)]
    at, last = len(head), 0
    for entry in sorted((e for e in entries if e is not chosen), key=lambda e: e.header_offset):
        if entry.flag_bits & _ENCRYPTED or max(entry.file_size, entry.compress_size, entry.header_offset) > _MOST:
            return None
        start = _begin(file, entry)
        if entry.header_offset < last:
            return None
        last = start + entry.compress_size
        part = Part(_header(entry, entry.compress_type, entry.compress_size), start, last)
        directory.append(_listed(entry, entry.compress_type, entry.compress_size, at))
        parts.append(part)
        at += len(part.header) + part.end - part.start
    file.seek(0, 2)
    if at > _MOST or last > file.tell():
        return None
    whole = b"".join(directory)
    end = _END.pack(b"PK\5\6", 0, 0, len(directory), len(directory), len(whole), at, 0)
    return Packing(head, tuple(parts), whole + end)


def _begin(file: IO[bytes], entry: zipfile.ZipInfo) -> int:
    """Where the bytes of an entry begin, behind its own header."""
    file.seek(entry.header_offset)
    header = _LOCAL.unpack(file.read(_LOCAL.size))
    if header[0] != b"PK\3\4":
        raise zipfile.BadZipFile("no header where the directory names one")
    return entry.header_offset + _LOCAL.size + int(header[9]) + int(header[10])


def _name(entry: zipfile.ZipInfo) -> bytes:
    return entry.orig_filename.encode("utf-8" if entry.flag_bits & _UTF8 else "cp437")


def _stamp(entry: zipfile.ZipInfo) -> tuple[int, int]:
    year, month, day, hour, minute, second = entry.date_time
    return hour << 11 | minute << 5 | second // 2, (year - 1980) << 9 | month << 5 | day


def _header(entry: zipfile.ZipInfo, method: int, size: int) -> bytes:
    name, flags = _name(entry), entry.flag_bits & ~_DESCRIPTOR
    whole = entry.file_size
    return _LOCAL.pack(b"PK\3\4", 20, flags, method, *_stamp(entry), entry.CRC, size, whole, len(name), 0) + name


def _listed(entry: zipfile.ZipInfo, method: int, size: int, at: int) -> bytes:
    name, flags = _name(entry), entry.flag_bits & ~_DESCRIPTOR
    return (
        _CENTRAL.pack(
            b"PK\1\2", 20, 20, flags, method, *_stamp(entry), entry.CRC, size, entry.file_size,
            len(name), 0, 0, 0, 0, entry.external_attr & _MOST, at,
        )
        + name
    )  # fmt: skip
