"""The emulator reads the forms that arrive, however the network cuts them."""

from __future__ import annotations

import random

import pytest

from syncd.emulator.call import Upload
from syncd.emulator.multipart import UploadParser, boundary_of

BOUNDARY = "----syncd7f"


def _form(content: bytes, *, name: str = "file", close: bool = True, preamble: bytes = b"") -> bytes:
    parts = [
        b'Content-Disposition: form-data; name="data"\r\n\r\n{"datasetId":"1"}',
        f'Content-Disposition: form-data; name="{name}"; filename="a.md"\r\n\r\n'.encode() + content,
    ]
    delimiter = b"--" + BOUNDARY.encode()
    body = preamble + b"".join(delimiter + b"\r\n" + part + b"\r\n" for part in parts)
    return body + delimiter + b"--\r\n" if close else body


def _read(pieces: list[bytes], limit: int | None = None) -> Upload:
    parser = UploadParser(BOUNDARY, limit)
    for piece in pieces:
        parser.feed(piece)
    return parser.finish()


CONTENTS = {
    "plain": b"# Otters\n\nThey hold hands.\n",
    "empty": b"",
    "ends with line ends": b"a\r\n\r\n",
    "nearly the delimiter": b"a\r\n------syncd7\r\n--" + BOUNDARY.encode()[:-1] + b"\r\n-",
    "the boundary within a line": b"see --" + BOUNDARY.encode() + b" here",
    "every byte": bytes(range(256)) * 3,
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_cut_anywhere_it_is_the_same(content: bytes) -> None:
    """Where the network cuts a form changes nothing of what is read: at each place, at every byte, and by chance."""
    body = _form(content, preamble=b"passed over\r\n")
    cuts = [[body[:at], body[at:]] for at in range(len(body) + 1)]
    chance = random.Random(7)
    for _ in range(20):
        places = sorted(chance.sample(range(len(body)), 6))
        cuts.append([body[a:b] for a, b in zip([0, *places], [*places, len(body)], strict=True)])
    cuts.append([body[at : at + 1] for at in range(len(body))])
    for pieces in cuts:
        upload = _read(pieces)
        assert (upload.problem, upload.name, upload.content, upload.size, upload.fields) == (
            *(None, "a.md", content, len(content)),
            {"data": '{"datasetId":"1"}'},
        )


def test_a_form_that_breaks_off_is_refused() -> None:
    """A form without its end is no upload, wherever it breaks off, as busboy's "Unexpected end of form"."""
    whole = _form(b"# Otters\n")
    end = whole.rindex(b"--\r\n")
    for at in range(end + 2):
        assert "Unexpected end of form" == _read([whole[:at]]).problem
    assert _read([whole[: end + 2]]).problem is None


def test_what_is_too_large_is_counted_and_not_kept() -> None:
    """Past the limit the content is only counted."""
    upload = _read([_form(b"x" * 1000)], limit=100)
    assert (upload.size, len(upload.content) <= 100) == (1000, True)


def test_another_file_field_is_refused() -> None:
    """multer takes one file, in the field that is named so."""
    assert "Unexpected field" == _read([_form(b"x", name="other")]).problem


def test_headers_have_an_end() -> None:
    """A part whose header never ends is refused instead of kept for ever."""
    assert "Malformed part header" == _read([b"--" + BOUNDARY.encode() + b"\r\n" + b"x" * 100_000]).problem


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", "abc"),
        ('multipart/form-data; charset=utf-8; boundary="a b"', "a b"),
        ("application/json", None),
        ("multipart/form-data", None),
    ],
)
def test_boundaries(content_type: str, boundary: str | None) -> None:
    """Only a form has a boundary."""
    assert boundary == boundary_of(content_type)
