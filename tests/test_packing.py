"""Presentations are sent in the form that FastGPT reads, whatever they look like (retrieval.md R15)."""

from __future__ import annotations

import hashlib
import io
import random
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import prepare

from syncd import convert
from syncd.convert import ChangedWhileReading, Outgoing
from syncd.errors import Permanent
from syncd.packing import CONTENT_TYPES, plan

TYPES = b'<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'


def archive(*names: str, stream: bool = False, noise: int = 3000, seed: int = 0) -> bytes:
    """An archive whose entries have content of their own; ``stream`` leaves sizes to descriptors behind the data."""

    class Stream(io.BytesIO):
        def seekable(self) -> bool:
            return not stream

    dice = random.Random(seed)
    target = Stream()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in names:
            content = dice.randbytes(0 if "empty" in name else noise)
            packed.writestr(name, TYPES if name == CONTENT_TYPES else content)
    return target.getvalue()


def contents(raw: bytes) -> dict[str, bytes]:
    """Everything in an archive, by name."""
    with zipfile.ZipFile(io.BytesIO(raw)) as packed:
        assert packed.testzip() is None
        return {name: packed.read(name) for name in packed.namelist()}


def packed(raw: bytes, block: int = 2**20) -> bytes:
    """An archive packed anew, read in blocks."""
    found = plan(io.BytesIO(raw))
    assert found is not None
    sent = b"".join(found.pieces(raw[at : at + block] for at in range(0, len(raw), block)))
    assert len(sent) == found.size
    return sent


NAMES = ("ppt/slides/slide1.xml", "ppt/media/图片1.png", "empty.xml", CONTENT_TYPES, "docProps/app.xml")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("block", [1, 7, 100, 4096, 2**20])
def test_the_same_content_with_the_types_first(stream: bool, block: int) -> None:
    """All entries arrive, the first one is the types, uncompressed; whatever the blocks, the bytes are the same."""
    raw = archive(*NAMES, stream=stream)
    sent = packed(raw, block)
    assert contents(raw) == contents(sent)
    with zipfile.ZipFile(io.BytesIO(sent)) as found:
        first = found.infolist()[0]
    assert (CONTENT_TYPES, 0, zipfile.ZIP_STORED) == (first.filename, first.header_offset, first.compress_type)
    assert sent.startswith(b"PK\3\4") and TYPES in sent[:200]
    assert packed(raw) == sent == packed(sent)


@given(st.permutations(NAMES), st.integers(0, 5000), st.integers(1, 5000))
@settings(deadline=None, max_examples=40)
def test_any_order_and_size(names: list[str], noise: int, block: int) -> None:
    """Nothing of an archive is lost, however it is laid out."""
    raw = archive(*names, noise=noise)
    assert contents(raw) == contents(packed(raw, block))


@pytest.mark.parametrize(
    "raw",
    [b"", b"no archive at all", archive("ppt/slides/slide1.xml"), archive(*NAMES)[:-30], b"\xd0\xcf\x11\xe0" * 500],
)
def test_what_is_of_an_odd_shape_is_left_alone(raw: bytes) -> None:
    """No archive, no types in it, or damaged: it is sent as it is."""
    assert plan(io.BytesIO(raw)) is None


@given(st.integers(0, 10_000), st.integers(0, 255))
@settings(deadline=None, max_examples=200)
def test_damage_is_never_our_failure(at: int, byte: int) -> None:
    """Whatever stands in the file, there is a packing or none, and its size is what it yields."""
    raw = bytearray(archive(*NAMES, noise=300))
    raw[at % len(raw)] = byte
    found = plan(io.BytesIO(bytes(raw)))
    if found is not None:
        assert found.size == sum(map(len, found.pieces([bytes(raw)])))


def send(folder: Path, raw: bytes, path: str) -> tuple[Path, Outgoing]:
    file = folder / "file"
    file.write_bytes(raw)
    sha256 = hashlib.sha256(raw).hexdigest()
    return file, prepare(str(file), path=path, sha256=sha256, encodings=("utf-8",), max_size=2**30, unique="")


@pytest.mark.parametrize("large", [False, True])
def test_a_presentation_is_packed_when_it_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: bool) -> None:
    """From memory and from the disk the same bytes, of the size that was said; the hash is the file's (rule 10)."""
    if large:
        monkeypatch.setattr(convert, "IN_MEMORY", 1000)
    raw = archive(*NAMES, noise=40_000)
    file, out = send(tmp_path, raw, "deck.pptx")
    assert (out.body.whole is None) == large
    sent = b"".join(out.body.blocks())
    out.body.verify()
    assert (packed(raw), len(sent), hashlib.sha256(raw).hexdigest()) == (sent, out.size, out.sha256)
    if large:
        file.write_bytes(raw[:-1] + b"\1")
        with pytest.raises(ChangedWhileReading):
            list(out.body.blocks())
            out.body.verify()


def test_other_formats_travel_as_they_are(tmp_path: Path) -> None:
    """Word files and workbooks, and presentations that are none, are sent byte for byte."""
    raw = archive(*NAMES)
    for path, content in (("a.docx", raw), ("a.xlsx", raw), ("a.pptx", b"no archive")):
        _, out = send(tmp_path, content, path)
        assert content == b"".join(out.body.blocks())


@pytest.mark.parametrize("raw", [b"a,b\n1,2\n", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 100, archive(*NAMES)[:-30]])
def test_a_broken_workbook_is_unreadable(tmp_path: Path, raw: bytes) -> None:
    """FastGPT would train its bytes as a table and call it well; it is refused with a reason (R15)."""
    with pytest.raises(Permanent) as caught:
        send(tmp_path, raw, "prices.xlsx")
    assert ("unreadable", True) == (caught.value.code, bool(caught.value.hint))
