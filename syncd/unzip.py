"""What is read of a ZIP archive before its entries: the directory, which Python's reader takes into memory whole."""

from __future__ import annotations

import io
import zipfile
from typing import IO

MAX_DIRECTORY = 2**20
"""Bytes of the directory: ten thousand entries."""


class Directory(io.RawIOBase):
    """A file of which only short pieces are read, so that the directory of an archive is no larger than it may be."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        """See ``io.RawIOBase``; raises ``zipfile.BadZipFile`` when more is asked for than may be."""
        if size > MAX_DIRECTORY:
            raise zipfile.BadZipFile("its directory is too large")
        found = self._file.read(size if size >= 0 else MAX_DIRECTORY + 1)
        if len(found) > MAX_DIRECTORY:
            raise zipfile.BadZipFile("its directory is too large")
        return found

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """See ``io.RawIOBase``."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """See ``io.RawIOBase``."""
        return self._file.tell()

    def seekable(self) -> bool:
        """See ``io.RawIOBase``."""
        return True

    def readable(self) -> bool:
        """See ``io.RawIOBase``."""
        return True
