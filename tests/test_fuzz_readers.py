"""Every reader of files, fed with damaged documents: nothing but the documented errors comes out.

A case is one number: it chooses the document, the damage and its places, so a failure names what replays it.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import zipfile
from functools import cache
from pathlib import Path
from time import monotonic

import exercised
import pytest
from reading import prepare

from syncd.compare import examine
from syncd.errors import Permanent
from syncd.extract import office_text
from syncd.formats import TEXT_FORMATS, format_of
from syncd.matter import front_matter
from syncd.models import Format
from syncd.tabular import csv_text
from syncd.visible import html_text

SERVED = Path(__file__).parent / "served"
FRAGMENTS = [
    *(b"<![ ... ]>", b"<![endif]>", b"<![CDATA[", b"<![if !supportLists]>", b"<![x[", b"]]>", b"<!", b"<!-", b"<!--"),
    *(b"<!doctype", b"<!ENTITY a 'b'>", b"<?", b"<?xml", b"</", b"<", b">", b"&", b"<a href=", b"<li>", b"</i></i>"),
    *(b"&#x110000;", b"&#99999999999;", b"&#xD800;", b"<ol start='99999999999999999999'>", b"<ol start=-1>"),
    *(b"<input type=checkbox>", b"<img src=x alt=", b"<table><tr><td>", b"<pre><code class=language->", b"<script>"),
    *(b"<textarea>", b"<plaintext>", b"<svg/>", b"<iframe/>"),
    *(b'"', b'""', b'"\n', b",", b";;;", b"\r", b"\n\r", b"\x1e", b"\x1f", b"|||", b"```"),
    *(b"\0", b"\xff", b"\xe6\xb0", b"\xef\xbb\xbf", b"\xff\xfe"),
    *(b"---\n", b"+++\n", b"---\nx: &a [*a]\n---\n", b"---\n? [1]\n---\n", b"_x000D_", b"_xD800_"),
    *(b"<w:p>", b"</w:r>", b"<w:fldChar w:fldCharType='end'/>", b'<w:instrText>HYPERLINK "', b"<c t='s'><v>-1</v></c>"),
    *(b"<c t='s'><v>x</v></c>", b"<c t='s'><v>99999999</v></c>", b"<c t='n' s='9999'><v>1e999</v></c>"),
    *(b"endobj", b"stream\n", b"<< /Length -1 >>", b"/Kids [1 0 R]"),
]


@cache
def documents() -> list[str]:
    """The names of all served documents."""
    lines = (SERVED / "served.jsonl").read_text(encoding="utf-8").splitlines()
    return sorted(json.loads(line)["file"] for line in lines)


def damaged(raw: bytes, rng: random.Random) -> bytes:
    """Bytes with a few places flipped, cut out, doubled or filled with a fragment."""
    out = bytearray(raw)
    for _ in range(rng.randint(1, 6)):
        at, length = rng.randrange(len(out) + 1), min(len(out), rng.choice((1, 2, 8, 64, 500)))
        match rng.randrange(6):
            case 0:
                out[at:at] = rng.choice(FRAGMENTS)
            case 1:
                del out[at : at + length]
            case 2:
                out[at:at] = out[at : at + length]
            case 3:
                out[at : at + length] = rng.randbytes(min(length, len(out) - at))
            case 4 if rng.random() < 0.3:
                del out[at:]
            case _:
                out[at:at] = rng.choice(FRAGMENTS) + rng.choice(FRAGMENTS)
    return bytes(out)


def damaged_inside(raw: bytes, rng: random.Random) -> bytes:
    """An archive with one or two of its entries damaged, so that the damage reaches the readers of XML."""
    out = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(out, "w") as new:
            names = old.namelist()
            # What is read lies in few of the entries.
            read = [n for n in names if n.endswith((".xml", ".rels")) and "theme" not in n and "docProps" not in n]
            chosen = set(rng.sample(read or names, min(2, len(read or names))))
            for name in names:
                entry = old.read(name)
                new.writestr(name, damaged(entry, rng) if name in chosen else entry)
    except zipfile.BadZipFile:
        return damaged(raw, rng)
    return out.getvalue()


def feed(name: str, raw: bytes, folder: Path) -> None:
    """Give one document to everything that reads it."""
    fmt = format_of(name)
    assert fmt is not None
    file = folder / "document"
    file.write_bytes(raw)
    digest = hashlib.sha256(raw).hexdigest()
    try:
        out = prepare(
            str(file), path=name, sha256=digest, encodings=("utf-8", "gb18030"), max_size=2**30, unique="u"
        )  # fmt: skip
    except Permanent as error:
        assert error.code in ("empty", "unreadable", "too-large", "unsupported")
        assert error.message
        exercised.add("damaged documents refused")
    else:
        assert out.text is not None or out.weak
        assert examine(out.text or "", [out.text or ""], fmt).difference is None
        exercised.add("damaged documents read")
    if fmt in TEXT_FORMATS:
        text = raw.decode("utf-8", "replace")
        for made in (html_text(text), csv_text(text)):
            examine(made, [text], fmt)
        _, body = front_matter(text)
        assert 0 <= body <= len(text)
    else:
        for other in (Format.DOCX, Format.PPTX, Format.XLSX):
            found = office_text(io.BytesIO(raw), other, 2**20)
            assert found.text is not None or found.weak


def run(numbers: range, folder: Path, seconds: float) -> int:
    """Run cases until the time is up; returns how many."""
    until = monotonic() + seconds
    done = 0
    for number in numbers:
        if monotonic() > until:
            break
        rng = random.Random(number)
        name = rng.choice(documents())
        raw = (SERVED / name).read_bytes()
        inside = name.endswith((".docx", ".pptx", ".xlsx")) and rng.random() < 0.8
        raw = damaged_inside(raw, rng) if inside else damaged(raw, rng)
        try:
            feed(name, raw, folder)
        except Exception as error:
            pytest.fail(f"case {number}, {name}: {type(error).__name__}: {error}")
        done += 1
    return done


@pytest.mark.parametrize("part", range(4))
def test_no_damage_comes_out_as_anything_but_a_documented_error(scratch: Path, part: int) -> None:
    """Damaged documents are read, or refused with ``empty`` or ``unreadable``; some hundred cases in each run."""
    assert run(range(part * 100_000, part * 100_000 + 150), scratch, 20.0) > 0


@pytest.mark.long
@pytest.mark.timeout(900)
def test_no_damage_comes_out_for_long(scratch: Path) -> None:
    """The same for ten minutes."""
    assert run(range(10**7, 2 * 10**7), scratch, 600.0) > 1000


@pytest.mark.parametrize(
    "page",
    [
        "<![ x ]>",
        "<![weird]>text",
        "<p>a<![if !vml]>b<![endif]>c</p>",
        "<![CDATA[x]]>",
        "<!>",
        "<!x",
        "<![",
        "<!doctype",
    ],
)
def test_odd_declarations_are_comments(page: str) -> None:
    """Marked sections and declarations that no browser knows are passed over, never an error."""
    assert "[" not in html_text(f"<p>before</p>{page}")
    assert html_text(f"<p>before</p>{page}").startswith("before")


def test_word_s_conditional_sections_keep_their_text() -> None:
    """What stands between Word's ``<![if …]>`` and ``<![endif]>`` is text of the page."""
    assert html_text("<p>one<![if !supportLists]>two<![endif]>three</p>") == "onetwothree"
