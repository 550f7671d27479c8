"""Multipart bodies read as busboy and multer read them (observed fact 2, record section 3)."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

from syncd.emulator.call import Upload
from syncd.emulator.naming import decode_uri_component

_BOUNDARY = re.compile(r'boundary=(?:"([^"]+)"|([^;\s]+))', re.IGNORECASE)
_MOST_HEADERS = 80 * 1024  # bytes of one part's header lines; busboy stops there (its HeaderParser)
_PARAMETER = re.compile(r';\s*([\w*]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))')


def boundary_of(content_type: str) -> str | None:
    """The boundary, if this is a multipart form."""
    if not content_type.lower().startswith("multipart/form-data"):
        return None
    match = _BOUNDARY.search(content_type)
    return (match.group(1) or match.group(2)) if match else None


class UploadParser:
    """Takes a body piece by piece; one file part named ``file`` and plain fields are expected."""

    def __init__(self, boundary: str, limit: int | None) -> None:
        self._limit = limit
        self._upload = Upload()
        self._content = bytearray()
        self._field: str | None = None
        self._data = bytearray()
        self._in_file = False
        # The first delimiter needs no line end before it; this gives it one.
        self._delimiter = b"\r\n--" + boundary.encode("latin-1")
        self._unread = bytearray(b"\r\n")
        self._reads: Callable[[], bool] = self._preamble

    def feed(self, data: bytes) -> None:
        """Read on; after the first problem the rest is only received."""
        if self._upload.problem is not None:
            return
        self._unread += data
        while self._upload.problem is None and self._reads():
            pass

    def finish(self) -> Upload:
        """The upload as far as it was understood."""
        upload = self._upload
        if upload.problem is None and self._reads != self._epilogue:
            upload.problem = "Unexpected end of form"
        upload.content = bytes(self._content)
        self._content.clear()
        return upload

    # Each of these takes what it understands off the front of what is unread, and says whether to go on.

    def _preamble(self) -> bool:
        """Before the first part: whatever stands there is passed over."""
        return self._until_delimiter(lambda _: None)

    def _inside(self) -> bool:
        """Inside a part."""
        return self._until_delimiter(self._part)

    def _until_delimiter(self, take: Callable[[bytes], None]) -> bool:
        at = self._unread.find(self._delimiter)
        if at < 0:  # a delimiter may have begun at the end of what is there
            ready = max(len(self._unread) - len(self._delimiter) + 1, 0)
            take(bytes(self._unread[:ready]))
            del self._unread[:ready]
            return False
        take(bytes(self._unread[:at]))
        del self._unread[: at + len(self._delimiter)]
        if self._reads == self._inside:
            self._end()
        self._reads = self._boundary
        return True

    def _boundary(self) -> bool:
        """Behind a delimiter: a line end before another part, or two dashes at the end of the form."""
        if len(self._unread) < 2:
            return False
        mark = bytes(self._unread[:2])
        del self._unread[:2]
        self._begin()
        self._reads = self._headers if mark == b"\r\n" else self._epilogue
        if mark not in (b"\r\n", b"--"):
            self._upload.problem = "Unexpected end of form"
        return True

    def _headers(self) -> bool:
        """A part's header lines, which end with an empty one."""
        end = self._unread.find(b"\r\n\r\n")
        if end < 0:
            if len(self._unread) > _MOST_HEADERS:
                self._upload.problem = "Malformed part header"
            return False
        lines = self._unread[:end].decode("latin-1").split("\r\n")
        del self._unread[: end + 4]
        named = (line.partition(":") for line in lines)
        self._headed({name.strip().lower(): value.strip() for name, _, value in named})
        self._reads = self._inside
        return True

    def _epilogue(self) -> bool:
        """Behind the form: nothing counts."""
        self._unread.clear()
        return False

    def _begin(self) -> None:
        self._data.clear()
        self._field = None
        self._in_file = False

    def _headed(self, headers: dict[str, str]) -> None:
        parameters = _parameters(headers.get("content-disposition", ""))
        field, name = parameters.get("name", ""), parameters.get("filename")
        if name is None:
            self._field = field
            return
        if field != "file" or self._upload.name is not None:
            self._upload.problem = "Unexpected field"
            return
        self._in_file = True
        try:
            self._upload.name = decode_uri_component(name)
        except ValueError:  # thrown inside multer's callback: nobody answers (observed fact 2)
            self._upload.hangs = True
            self._upload.name = name

    def _part(self, data: bytes) -> None:
        if not self._in_file:
            self._data += data
            return
        self._upload.size += len(data)
        if self._limit is None or self._upload.size <= self._limit:
            self._content += data

    def _end(self) -> None:
        self._in_file = False
        if self._field is not None:
            self._upload.fields[self._field] = self._data.decode("utf-8", "replace")


def _parameters(header: str) -> dict[str, str]:
    """Header parameters in latin-1, as busboy has them; ``name*=`` (RFC 5987) wins and is decoded."""
    found: dict[str, str] = {}
    decoded: dict[str, str] = {}
    for match in _PARAMETER.finditer(header):
        name, quoted, plain = match.group(1).lower(), match.group(2), match.group(3)
        value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else (plain or "").strip()
        if name.endswith("*"):
            charset, _, rest = value.partition("'")
            _, _, text = rest.partition("'")
            try:
                decoded[name[:-1]] = unquote_to_bytes(text).decode(charset or "utf-8", "replace")
            except LookupError:
                decoded[name[:-1]] = text
        else:
            found[name] = value
    return found | decoded
