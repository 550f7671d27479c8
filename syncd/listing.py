"""One directory as the disk lists it: what is in it, one signature over all of it, and how its names are spelled.

Everything is read through the directory's open descriptor. Sizes are bytes, times nanoseconds since the epoch.
"""

from __future__ import annotations

import os
import stat
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from unicodedata import normalize

from syncd.door import ABSENT

Row = tuple[str, int, int, int]
"""Name, size, mtime in nanoseconds, inode of one file."""

_FIELDS = 4  # numbers kept of each file: size, mtime_ns, inode, ctime_ns


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link; ``row`` is the stat of its target when that is a regular file, wherever it lies."""

    name: str
    text: str
    row: Row | None


@dataclass(slots=True)
class Listing:
    """The entries of one directory, in the order in which the disk lists them."""

    names: list[str]  # regular files
    numbers: list[int]  # ``_FIELDS`` for each of ``names``
    directories: list[str]
    links: list[Link]
    special: int  # FIFOs, sockets, devices

    def rows(self) -> list[Row]:
        """Return the regular files."""
        fields = (self.numbers[at::_FIELDS] for at in range(_FIELDS - 1))
        return list(zip(self.names, *fields, strict=True))

    def signature(self, salt: bytes) -> bytes:
        """Return one value that changes when anything in the directory does.

        The order of the names is part of it. It is stable while nothing changes; where a file system has another
        order today, the directory is looked into once more, no harm done.
        """
        try:
            packed = array("Q", self.numbers).tobytes()
        except OverflowError:  # modified before 1970
            packed = repr(self.numbers).encode()
        # No name holds "/" or a zero byte, so that nothing can pass for something else.
        text = "\0".join(self.names) + "//" + "\0".join(self.directories) + "//"
        if self.links:
            text += repr(self.links)
        hashed = blake2b(salt, digest_size=16)
        hashed.update(text.encode("utf-8", "surrogateescape"))
        hashed.update(packed)
        return hashed.digest()


def chain(salt: bytes, more: bytes) -> bytes:
    """Make the salt for what lies below something that changes the meaning of signatures."""
    return blake2b(len(salt).to_bytes(8, "little") + salt + more, digest_size=16).digest()


def read(fd: int, leads_inside: Callable[[str], bool]) -> Listing:
    """List one directory and stat what is in it.

    Args:
        fd: the directory; it stays open.
        leads_inside: asked for a symbolic link whose target cannot be looked at.

    Raises:
        OSError: the directory, one of its files, or a link's target inside the root cannot be looked at. Nothing may
            then be concluded from what else is there.
    """
    names: list[str] = []
    numbers: list[int] = []
    directories: list[str] = []
    links: list[str] = []
    special = 0
    with os.scandir(fd) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                names.append(entry.name)
                # ctime only makes a directory be looked into: a file that was unreadable may have become readable.
                numbers += (status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns)
            elif entry.is_dir(follow_symlinks=False):
                directories.append(entry.name)
            elif entry.is_symlink():
                links.append(entry.name)
            else:
                special += 1
    followed = [link for name in links if (link := _follow(fd, name, leads_inside)) is not None]
    return Listing(names, numbers, directories, followed, special)


def _follow(fd: int, name: str, leads_inside: Callable[[str], bool]) -> Link | None:
    try:
        text = os.readlink(name, dir_fd=fd)
    except FileNotFoundError:
        return None
    try:
        status = os.stat(name, dir_fd=fd)
    except OSError as error:
        if error.errno not in ABSENT and leads_inside(name):
            raise
        return Link(name, text, None)
    row = (name, status.st_size, status.st_mtime_ns, status.st_ino)
    return Link(name, text, row if stat.S_ISREG(status.st_mode) else None)


def spell(names: Iterable[str], noun: str) -> dict[str, tuple[str, str]]:
    """Find the names that siblings not written in ASCII have in documents' paths.

    Args:
        names: siblings, as the disk spells them.
        noun: what they are, for the reason: "file" or "folder".

    Returns:
        Name on disk -> its NFC form and "", or, when that is taken by a sibling that comes first in byte order or when
        the name is not UTF-8, a form with backslash escapes and the reason. Names in ASCII are left out: they are what
        they are.
    """
    names = list(names)
    foreign = [name for name in names if not name.isascii()]
    if not foreign:
        return {}
    # NFC can turn a name into ASCII (the Kelvin sign is a K), and ASCII always comes first in byte order.
    taken = {name for name in names if name.isascii()}
    spelled: dict[str, tuple[str, str]] = {}
    for name in sorted(foreign, key=os.fsencode):
        path, trouble = _spell_one(os.fsencode(name), taken, noun)
        while path in taken:
            path += "\\"
        taken.add(path)
        spelled[name] = (path, trouble)
    return spelled


def _spell_one(raw: bytes, taken: set[str], noun: str) -> tuple[str, str]:
    try:
        path = normalize("NFC", raw.decode())
    except UnicodeDecodeError:
        path = normalize("NFC", raw.decode("utf-8", "backslashreplace"))
        return path, f"the name of the {noun} is not UTF-8: {path}"
    if path not in taken:
        return path, ""
    return raw.decode("ascii", "backslashreplace"), f"another {noun} here has the same name after Unicode NFC: {path}"
