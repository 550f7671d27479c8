"""Formats to text."""

from __future__ import annotations

import io
import zipfile

import pytest
from contract_target import Target

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
TYPES = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'


def archive(plain: dict[str, str] | None = None, **members: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as pack:
        pack.writestr("[Content_Types].xml", TYPES)
        for name, text in members.items():
            pack.writestr(name.replace("__", "/") + ".xml", text)
        for name, text in (plain or {}).items():
            pack.writestr(name, text)
    return buffer.getvalue()


DOCX = archive(
    word__document=f'<w:document {W}><w:body><w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr><w:r><w:t>Compressor'
    "</w:t></w:r></w:p><w:p><w:r><w:t>压缩机 C-204 needs oil.</w:t></w:r></w:p><w:tbl><w:tr><w:tc><w:p><w:r><w:t>Seal"
    "</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>4</w:t></w:r></w:p></w:tc></w:tr></w:tbl></w:body></w:document>"
)
PPTX = archive(
    ppt__slides__slide1=f"<p {A}><a:p><a:r><a:t>Safety</a:t></a:r></a:p>"
    "<a:p><a:r><a:t>Wear a helmet</a:t></a:r></a:p></p>"
)
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_SHEET_LINK = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    f'<Relationship Id="r1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>'
)
XLSX = archive(
    {"xl/_rels/workbook.xml.rels": _SHEET_LINK},
    xl__workbook=f'<workbook {S} xmlns:r="{_OFFICE}"><sheets><sheet name="A" r:id="r1"/></sheets></workbook>',
    xl__sharedStrings=f"<sst {S}><si><t>name</t></si><si><t>温度</t></si></sst>",
    xl__worksheets__sheet1=f'<worksheet {S}><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c>'
    '<c r="B1" t="inlineStr"><is>'
    '<t>value</t></is></c></row><row r="2"><c r="A2" t="s"><v>1</v></c><c r="B2"><v>200</v></c></row></sheetData>'
    "</worksheet>",
)


def pdf(*pages: str) -> bytes:
    """A small PDF with one line of text a page."""
    kids = " ".join(f"{4 + 2 * index} 0 R" for index in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for index, text in enumerate(pages):
        stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * index} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    body, offsets = "%PDF-1.4\n", []
    for number, text in enumerate(objects, 1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{text}\nendobj\n"
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    trailer = f"trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{len(body)}\n%%EOF\n"
    return f"{body}xref\n0 {size}\n0000000000 65535 f \n{table}{trailer}".encode()


def test_csv_becomes_a_table(target: Target, dataset: str) -> None:
    """CSV becomes a Markdown table; the last line end gives an empty row."""
    stored = target.stored(dataset, "phones.csv", b"name,phone\nalice,111\nbob,222\n")
    assert stored == "| name | phone |\n| --- | --- |\n| alice | 111 |\n| bob | 222 |\n|  |"


def test_html_becomes_markdown(target: Target, dataset: str) -> None:
    """HTML becomes Markdown, with its title in front."""
    head = "<head><title>T</title><style>p{}</style></head>"
    page = f"<html>{head}<body><h1>Head</h1><p>About <b>turbines</b>.</p></body></html>"
    assert target.stored(dataset, "page.html", page.encode()) == "T\n\n# Head\n\nAbout **turbines**."


@pytest.mark.emulator_only
def test_office_formats(target: Target, dataset: str) -> None:
    """docx, pptx and xlsx come as text with headings and tables."""
    assert target.stored(dataset, "a.docx", DOCX) == (
        "# Compressor\n\n压缩机 C-204 needs oil.\n\n|     |     |\n| --- | --- |\n| Seal | 4   |"
    )
    assert target.stored(dataset, "a.pptx", PPTX) == "Safety\nWear a helmet"
    assert target.stored(dataset, "a.xlsx", XLSX) == "| name | value |\n| --- | --- |\n| 温度 | 200 |"


def test_pdf_pages_follow_each_other(target: Target, dataset: str) -> None:
    """The text of a PDF's pages is found."""
    stored = target.stored(dataset, "boiler.pdf", pdf("Boiler B-12 design pressure is 16 bar.", "Page two"))
    assert "Boiler B-12 design pressure is 16 bar." in stored
    assert "Page two" in stored


@pytest.mark.parametrize("name", ["broken.pdf", "broken.docx", "broken.xlsx"])
def test_a_broken_file_fails_in_the_parse(target: Target, dataset: str, name: str) -> None:
    """Broken files are accepted and fail for good in the parse."""
    collection = target.upload(dataset, name, b"%PDF-1.4 this is not a document")
    progress = target.wait(collection)
    assert (progress["errorCounts"]["parse"], progress["trainedCount"]) == (1, 0)
