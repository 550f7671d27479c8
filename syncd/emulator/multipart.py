"""Multipart bodies read as busboy and multer read them (observed fact 2, record section 3)."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from syncd.emulator.call import Upload
from syncd.emulator.naming import decode_uri_component

_BOUNDARY = re.compile(r'boundary=(?:"([^"]+)"|([^;\s]+))', re.IGNORECASE)
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
        self._header = bytearray()
        self._value = bytearray()
        self._headers: dict[str, str] = {}
        self._field: str | None = None
        self._data = bytearray()
        self._in_file = False
        self._parser = MultipartParser(
            boundary.encode("latin-1"),
            {
                "on_part_begin": self._begin,
                "on_part_data": self._part,
                "on_part_end": self._end,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_done,
            },
        )

    def feed(self, data: bytes) -> None:
        """Read on; after the first problem the rest is only received."""
        if self._upload.problem is not None:
            return
        try:
            self._parser.write(data)
        except FormParserError:
            self._upload.problem = "Unexpected end of form"

    def finish(self) -> Upload:
        """The upload as far as it was understood."""
        upload = self._upload
        if upload.problem is None and upload.name is not None and self._in_file:
            upload.problem = "Unexpected end of form"
        upload.content = bytes(self._content)
        self._content.clear()
        return upload

    def _begin(self) -> None:
        self._headers = {}
        self._data.clear()
        self._field = None
        self._in_file = False

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._header.decode("latin-1").lower()] = self._value.decode("latin-1")
        self._header.clear()
        self._value.clear()

    def _headers_done(self) -> None:
        parameters = _parameters(self._headers.get("content-disposition", ""))
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

    def _part(self, data: bytes, start: int, end: int) -> None:
        if not self._in_file:
            self._data += data[start:end]
            return
        self._upload.size += end - start
        if self._limit is None or self._upload.size <= self._limit:
            self._content += data[start:end]

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
