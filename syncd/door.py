"""The one door to the files of a source: nothing else in syncd opens them (a test reads the code for that).

People whom nobody knows put things into a source's folder, at any moment. So whatever is read there is opened name by
name below the root, by descriptors of directories and never through a symbolic link, so that no swap on the way leads
out. Only the last name may be a link, if its target lies inside the root (design 12, rule 31); that target is then
opened in the same strict way. What is opened is a regular file, looked at before (opening a pipe would wake its
writer, opening a device may do anything) and proven after; ``O_NONBLOCK`` keeps what takes its place in between from
blocking us for ever. Every reading has a bound, since a size is only a promise: files in ``/proc`` have none and never
end, others grow.

``openat2`` would save some calls and promise nothing more: there is no name in Python for it, older kernels and seccomp
profiles refuse it, and the way by names would have to stay.

All of this blocks, so the event loop has it done in a thread (``Disk``).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})  # nothing is there that a scan would have followed
BLOCK = 2**20
"""Largest block in bytes."""

_ROOT = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_BELOW = _ROOT | os.O_NOFOLLOW  # ``O_PATH``: the right to pass a directory is enough
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_KINDS = {
    stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder", stat.S_IFLNK: "a link",
}  # fmt: skip


class LeadsOutside(OSError):
    """The last name is a symbolic link to somewhere outside the root, or to nothing."""


class NotRegular(OSError):
    """There is something, but no regular file."""


class TooLarge(OSError):
    """The file holds more than may be read."""


@dataclass(frozen=True, slots=True)
class FileAt:
    """Where a file of a source is.

    Attributes:
        root: the source's directory; that one may be, or lie behind, a symbolic link.
        rel: the path below it, as the disk spells it.
    """

    root: str
    rel: str

    @classmethod
    def of(cls, path: str | bytes | os.PathLike[str] | FileAt) -> FileAt:
        """The place of a file that stands alone: its own directory is the root."""
        if isinstance(path, FileAt):
            return path
        root, name = os.path.split(os.fsdecode(path))
        return cls(root or ".", name)


def open_file(place: FileAt) -> int:
    """Open a file for reading; the caller closes the descriptor.

    Raises:
        OSError: its ``errno`` is in ``ABSENT`` when there is no such file by the rules above, ``LeadsOutside`` among
            that; ``NotRegular`` when it is no file.
    """
    try:
        return _open(place.root, place.rel)
    except _Link:
        target = inside(place.root, place.rel)
        if target is None:
            raise LeadsOutside(errno.ELOOP, "it is a link that leads out of the source") from None
        try:
            return _open(place.root, target)
        except FileNotFoundError:
            raise LeadsOutside(errno.ELOOP, "it is a link to nothing") from None


def binary(place: FileAt) -> BinaryIO:
    """Open a file for readers that seek; they bound what they take. Raises as ``open_file`` does."""
    return os.fdopen(open_file(place), "rb")


def read(place: FileAt, most: int) -> bytes:
    """Return the whole content of a small file.

    Raises:
        TooLarge: it has more than ``most`` bytes; not more than that is read.
        OSError: as ``open_file``, or reading failed.
    """
    return b"".join(blocks(place, most))


def begin(place: FileAt, length: int) -> bytes:
    """Return the first bytes of a file; raises as ``open_file`` does."""
    fd = open_file(place)
    try:
        return upto(fd, length)
    finally:
        os.close(fd)


def blocks(place: FileAt, most: int, size: int = BLOCK) -> Iterator[bytes]:
    """Yield the content of a file, at most ``size`` bytes at a time.

    Raises:
        TooLarge: it has more than ``most`` bytes, by its size or by what it gives; not more than that is yielded.
        OSError: as ``open_file``, or reading failed.
    """
    fd = open_file(place)
    try:
        yield from descriptor_blocks(fd, most, size)
    finally:
        os.close(fd)


def descriptor_blocks(fd: int, most: int, size: int = BLOCK) -> Iterator[bytes]:
    """The same of an open file, from where it stands."""
    told = os.fstat(fd).st_size
    if told > most:
        raise _too_large(told, most)
    # A small file takes one small buffer; a large one takes blocks that do not depend on its size.
    room = min(told + 1, size)
    left = most
    while block := os.read(fd, min(room, left + 1)):
        left -= len(block)
        if left < 0:
            raise _too_large(told, most)
        yield block
        room = size if room > told else room


def look(place: FileAt, *, follow: bool = True) -> os.stat_result:
    """Return what the disk says of a file without opening it.

    Args:
        place: where it is.
        follow: of a symbolic link as the last name its target, if that lies inside the root; else the link.

    Raises:
        OSError: as ``open_file``, but whatever kind of thing is there is told.
    """
    try:
        return _look(place.root, place.rel, follow)
    except _Link:
        target = inside(place.root, place.rel)
        if target is None:
            raise LeadsOutside(errno.ELOOP, "it is a link that leads out of the source") from None
        return _look(place.root, target, follow)


def open_directory(root: str, rel: str) -> int:
    """Open a directory below the root, or with "" the root, to list it; no name on the way below may be a link.

    Raises:
        OSError: there is no such directory, or it may not be read.
    """
    if not rel:
        return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    *directories, name = _names(rel)
    at = _directory(root, directories)
    try:
        return os.open(name, DIRECTORY, dir_fd=at)
    finally:
        os.close(at)


def upto(fd: int, length: int) -> bytes:
    """Return the next bytes of an open file, ``length`` of them if it has so many."""
    found = bytearray()
    while len(found) < length and (block := os.read(fd, min(length - len(found), BLOCK))):
        found += block
    return bytes(found)


def inside(root: str, rel: str) -> str | None:
    """Resolve ``rel`` below ``root``; return where it leads, relative to the root, ``None`` when that is elsewhere.

    Raises:
        OSError: a link inside the root cannot be read.
    """
    prefix = os.path.realpath(root).rstrip("/") + "/"
    path = os.path.join(root, rel)
    try:
        # Strictly, since Python 3.13 on takes a link that cannot be read for a file otherwise.
        target = os.path.realpath(path, strict=True)
    except OSError as error:  # seen with links into /proc; what lies outside is none of our business
        if error.errno not in ABSENT:
            if os.fsdecode(error.filename or prefix).startswith(prefix):
                raise
            return None
        target = os.path.realpath(path)
    return target[len(prefix) :] if target.startswith(prefix) else None


class _Link(OSError):
    """The last name is a symbolic link."""


def _names(rel: str) -> list[str]:
    """The names of a path; raises when it cannot be one below a root: what a server says a path is may be anything."""
    names = rel.split("/")
    try:
        odd = b"\0" in os.fsencode(rel) or any(name in ("", ".", "..") for name in names)
    except UnicodeEncodeError:
        odd = True
    if odd:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    return names


def _directory(root: str, directories: list[str]) -> int:
    """Open a directory below the root, name by name."""
    at = os.open(root, _ROOT)
    try:
        for directory in directories:
            below = os.open(directory, _BELOW, dir_fd=at)
            os.close(at)
            at = below
    except BaseException:
        os.close(at)
        raise
    return at


def _look(root: str, rel: str, follow: bool) -> os.stat_result:
    *directories, name = _names(rel)
    at = _directory(root, directories)
    try:
        status = os.stat(name, dir_fd=at, follow_symlinks=False)
    finally:
        os.close(at)
    if follow and stat.S_ISLNK(status.st_mode):
        raise _Link(errno.ELOOP, os.strerror(errno.ELOOP))
    return status


def _open(root: str, rel: str) -> int:
    *directories, name = _names(rel)
    at = _directory(root, directories)
    try:
        _check(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode)
        fd = os.open(name, _FILE, dir_fd=at)
    except OSError as error:
        if error.errno == errno.ELOOP and not isinstance(error, _Link):
            raise _Link(errno.ELOOP, os.strerror(errno.ELOOP)) from error
        raise
    finally:
        os.close(at)
    try:
        _check(os.fstat(fd).st_mode)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _check(mode: int) -> None:
    kind = stat.S_IFMT(mode)
    if kind == stat.S_IFLNK:
        raise _Link(errno.ELOOP, os.strerror(errno.ELOOP))
    if kind != stat.S_IFREG:
        raise NotRegular(errno.EINVAL, f"it is no file but {_KINDS.get(kind, 'something else')}")


def _too_large(told: int, most: int) -> TooLarge:
    return TooLarge(errno.EFBIG, f"it has {told if told > most else f'more than {most}'} bytes; the most is {most}")
