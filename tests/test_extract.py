"""The text of office formats and PDF, read with bounds."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import extract_text

from syncd import extract
from syncd.compare import compare
from syncd.extract import office_text
from syncd.models import Format

LIMIT = 2**20
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
MC = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'


def archive(**entries: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in entries.items():
            file.writestr(name, text)
    return out.getvalue()


def docx(body: str, prolog: str = "") -> bytes:
    document = f'<?xml version="1.0"?>{prolog}<w:document {W} {MC}><w:body>{body}</w:body></w:document>'
    return archive(**{"[Content_Types].xml": "<x/>", "word/document.xml": document, "word/header1.xml": "<no/>"})


def p(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def read(raw: bytes, fmt: Format, limit: int = LIMIT) -> tuple[str | None, str]:
    found = office_text(io.BytesIO(raw), fmt, limit)
    return found.text, found.weak


HELVETICA = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"


def pdf(*pages: str, font: str = HELVETICA) -> bytes:
    """A PDF with one line of Helvetica on each page; a page of "" has no text."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>"]
    kids = " ".join(f"{4 + 2 * i} 0 R" for i in range(len(pages)))
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>")
    objects.append(font)
    for i, text in enumerate(pages):
        stream = f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET" if text else "0 0 m"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * i} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    out = b"%PDF-1.4\n"
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}".encode()
    return out + f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()


def test_docx() -> None:
    """Paragraphs, tabs, breaks, tables and text boxes once; no deleted or moved text, no field codes, no formulas."""
    body = (
        p("压缩机 manual &amp; more")
        + "<w:p><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t></w:r>"
        + "<w:del><w:r><w:delText>deleted</w:delText></w:r></w:del><w:moveFrom><w:r><w:t>moved</w:t></w:r></w:moveFrom>"
        + "<w:r><w:instrText>PAGE</w:instrText></w:r></w:p>"
        + f"<w:tbl><w:tr><w:tc>{p('Part')}</w:tc><w:tc>{p('Qty')}</w:tc></w:tr></w:tbl>"
        + f"<mc:AlternateContent><mc:Choice>{p('box')}</mc:Choice>"
        + f"<mc:Fallback>{p('box')}</mc:Fallback></mc:AlternateContent>"
    )
    text, weak = read(docx(body), Format.DOCX)
    assert weak == ""
    assert text is not None
    assert text.split() == ["压缩机", "manual", "&", "more", "a", "b", "c", "Part", "|", "Qty", "|", "box"]


def test_pptx_in_order_with_notes() -> None:
    """Slides and notes in the order in which they stand in the archive, as FastGPT unpacks them."""
    raw = archive(
        **{
            f"ppt/slides/slide{n}.xml": f"<s {A}><a:p><a:r><a:t>slide</a:t></a:r><a:r><a:t> {n}</a:t></a:r></a:p></s>"
            for n in (1, 2, 10)
        },
        **{"ppt/notesSlides/notesSlide1.xml": f"<s {A}><a:p><a:r><a:t>a note</a:t></a:r></a:p></s>"},
    )
    assert read(raw, Format.PPTX) == ("slide 1\nslide 2\nslide 10\na note\n", "")


def test_xlsx_in_row_order() -> None:
    """Shared, inline and formula strings, numbers and booleans, row by row; no phonetic readings."""
    shared = f"<sst {S}><si><t>name</t></si><si><r><t>温</t></r><r><t>度</t></r><rPh><t>おんど</t></rPh></si></sst>"
    sheet = (
        f'<worksheet {S}><sheetData><row><c t="s"><v>0</v></c><c t="inlineStr"><is><t>value</t></is></c></row>'
        '<row><c t="s"><v>1</v></c><c><v>16.5</v></c><c t="b"><v>1</v></c><c t="str"><f>A1</f><v>x y</v></c><c/></row>'
        "<row/></sheetData></worksheet>"
    )
    raw = archive(**{"xl/sharedStrings.xml": shared, "xl/worksheets/sheet1.xml": sheet})
    assert read(raw, Format.XLSX) == ("name | value\n温度 | 16.5 | true | x y\n", "")


@pytest.mark.parametrize(
    "font",
    [
        "<< /Type /Font /Subtype /Type0 /BaseFont /A /Encoding /Identity-H /DescendantFonts [<< /Type /Font /Subtype "
        "/CIDFontType2 /BaseFont /A /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> >>] >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /A /Encoding << /Type /Encoding /Differences [33 /g1 /g2] >> >>",
    ],
)
def test_a_pdf_without_character_maps(font: str) -> None:
    """Letters that nobody can tell are called that: not a scan, and never compared as what they seem to be."""
    text, weak = read(pdf("Boiler pressure", font=font), Format.PDF)
    assert text is None
    assert "no scan" in weak
    assert "no character map" in weak
    mapped = font.removesuffix(">>") + "/ToUnicode 4 0 R >>"
    assert "character map" not in read(pdf("Boiler pressure", font=mapped), Format.PDF)[1]


def test_pdf() -> None:
    """Pages in order; a scanned PDF says that there is no text."""
    text, weak = read(pdf("Boiler B-12 design pressure", "Page two"), Format.PDF)
    assert weak == ""
    assert text is not None
    assert text.split() == ["Boiler", "B-12", "design", "pressure", "Page", "two"]
    assert read(pdf("", ""), Format.PDF) == (None, "no text in this PDF can be read here")


def test_from_disk_too(tmp_path: Path) -> None:
    """Large files are read from their place, by any kind of path."""
    for name, raw in (("a.docx", docx(p("hello"))), ("a.pdf", pdf("hello"))):
        file = tmp_path / name
        file.write_bytes(raw)
        for path in (str(file), bytes(file)):
            text, weak = extract_text(path, path=name, encodings=("utf-8",))
            assert (text or "").strip() == "hello"
            assert weak == ""
    for name in ("gone.docx", "gone.pdf"):
        with pytest.raises(FileNotFoundError):
            extract_text(str(tmp_path / name), path=name, encodings=("utf-8",))


@pytest.mark.parametrize("fmt", [Format.DOCX, Format.PPTX, Format.XLSX, Format.PDF])
@pytest.mark.parametrize("raw", [b"", b"rubbish", b"PK\x03\x04 rubbish", b"%PDF-1.4 rubbish", archive(a="b")])
def test_broken_files_make_the_proof_weak(fmt: Format, raw: bytes) -> None:
    """What cannot be read here has no text and a reason."""
    text, weak = read(raw, fmt)
    assert text is None
    assert weak


@given(st.binary(max_size=300), st.integers(0, 400))
def test_damage_anywhere_never_raises(noise: bytes, at: int) -> None:
    """A file damaged at any place is at worst unreadable."""
    for raw, fmt in ((docx(p("hello")), Format.DOCX), (pdf("hello"), Format.PDF)):
        text, weak = read(raw[:at] + noise + raw[at + len(noise) :], fmt)
        assert text or weak


def test_entity_bombs_are_refused() -> None:
    """A document type, the way in for entities, is not read at all."""
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    text, weak = read(docx("<w:p><w:t>&b;</w:t></w:p>", bomb), Format.DOCX)
    assert text is None
    assert "document type" in weak
    outside = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    assert read(docx("<w:p><w:t>&a;</w:t></w:p>", outside), Format.DOCX)[0] is None


def test_zip_bombs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What unpacks to too much, or has too many entries, is given up."""
    raw = docx(p("hello") + "<!--" + " " * 3_000_000 + "-->")
    assert len(raw) < 20_000
    monkeypatch.setattr(extract, "MAX_UNPACKED", 2_000_000)
    text, weak = read(raw, Format.DOCX)
    assert text is None
    assert "unpacks" in weak
    monkeypatch.setattr(extract, "MAX_ENTRIES", 2)
    assert "entries" in read(docx(p("hello")), Format.DOCX)[1]


def test_the_text_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than ``limit`` bytes, too many pages or too long a time give the beginning, and say so."""
    text, weak = read(docx("".join(p(f"paragraph {i}") for i in range(5000))), Format.DOCX, 10_000)
    assert text is not None
    assert 5_000 < len(text) <= 10_000
    assert weak == "only its beginning is compared"
    monkeypatch.setattr(extract, "MAX_PAGES", 1)
    assert read(pdf("one", "two"), Format.PDF) == ("one\n", "only its first 1 pages are compared")
    monkeypatch.setattr(extract, "MAX_SECONDS", -1.0)
    assert read(pdf("one"), Format.PDF)[0] is None


@pytest.mark.parametrize(
    ("raw", "fmt", "server"),
    [
        (
            docx(p("Compressor manual") + p("Needs an oil change every 2000 hours. 每 2000 小时换油。")),
            Format.DOCX,
            "# Compressor manual\n\nNeeds an oil change every 2000 hours. 每 2000 小时换油。",
        ),
        (
            pdf("Boiler B-12 design pressure is 16 bar.", "Page two: safety valve set at 17 bar."),
            Format.PDF,
            "Boiler B-12 design pressure is 16 bar.Page two: safety valve set at 17 bar.",
        ),
    ],
)
def test_the_same_text_as_the_server_sees(raw: bytes, fmt: Format, server: str) -> None:
    """What is read here is equal enough to what FastGPT's readers gave for such files (fastgpt-observed 3)."""
    text, _ = read(raw, fmt)
    assert text is not None
    assert compare(text, [server], fmt) is None
    assert compare(text, ["Something else that has nothing to do with it at all."], fmt) is not None
