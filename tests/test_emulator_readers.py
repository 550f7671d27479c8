"""The emulator reads documents as FastGPT's own readers do.

``served/`` holds 300 documents with the chunks that the readers and the splitter of 4.14.5.1 make of them. What still
differs is listed with the reason: a new difference fails, and so does one that is gone.
"""

from __future__ import annotations

import io
import json
import random
import re
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from syncd.emulator.formats import ParseError, read
from syncd.emulator.parsing import chunks_of

SERVED = Path(__file__).parent / "served"
ROWS = [json.loads(line) for line in (SERVED / "served.jsonl").read_text(encoding="utf-8").splitlines()]
BOM = b"\xef\xbb\xbf"

_LETTERS = (
    "each letter stands in its own text object: the PDF library there guesses blanks from widths, ours from places"
)
_AES = "needs a library for AES that is no part of this project's environment"
DIFFERENT = {"pdf/letter_by_letter.pdf": _LETTERS} | (
    {}
    if find_spec("cryptography")
    else {f"pdf/{name}.pdf": _AES for name in ("aes128_owner", "aes256_owner", "aes256_user")}
)


def sent(row: dict[str, Any]) -> bytes:
    """The bytes that were given to FastGPT's reader."""
    content = (SERVED / row["file"]).read_bytes()
    if row["sent"] == "as it is":
        return content
    while content.startswith(BOM):
        content = content[len(BOM) :]
    return BOM + (b"\n" if row["sent"] == "BOM + newline" else b"") + content


def chunks(content: bytes, name: str) -> list[str] | str:
    """The chunks, or the error as the reference writes it."""
    extension = name.rpartition(".")[2].replace("htm", "html").replace("htmll", "html")
    try:
        return chunks_of(read(content, extension, True), {}, None)
    except ParseError as error:
        return f"error: {error}"


def unnamed(found: list[str] | str) -> list[str] | str:
    """Without the names of stored pictures, which are made by chance there."""
    if isinstance(found, str):
        return found
    return [re.sub(r'dataset/[^)"]*?/[-\w]+\.png', "PICTURE", chunk) for chunk in found]


def test_documents_are_read_as_fastgpt_reads_them() -> None:
    """All served documents give FastGPT's very chunks, but for the listed ones."""
    different = {row["file"] for row in ROWS if unnamed(chunks(sent(row), row["file"])) != unnamed(row["v14"])}
    assert len(ROWS) == 300
    assert sorted(different) == sorted(DIFFERENT)


def test_a_page_of_more_than_a_million_characters_stays_as_it_is() -> None:
    """FastGPT does not convert such a page: its tags are stored."""
    page = "<p>水泵 pump</p>" * 80_000
    assert read(BOM + page.encode(), "html", True) == page
    assert read(BOM + page[:28].encode(), "html", True) == "水泵 pump\n\n水泵 pump"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-8"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_guessed_in_every_encoding(encoding: str, delimiter: str) -> None:
    """A CSV's delimiter is guessed, whatever Unicode encoding it has, and its mark is no part of the first cell."""
    rows = [["编号", "Name"], ["1", "pump"], ["2", "valve"]]
    text = "\ufeff" + "\r\n".join(delimiter.join(row) for row in rows)
    expected = "| 编号 | Name |\n| --- | --- |\n| 1 | pump |\n| 2 | valve |"
    assert read(text.encode(encoding), "csv", True) == expected


def test_a_workbook_that_is_no_zip_is_a_sheet_of_its_bytes() -> None:
    """Whatever calls itself .xlsx and is no zip is read as text in rows; an old Excel file is refused."""
    assert read(b"name,amount\npump,3\n", "xlsx", True) == "| name | amount |\n| --- | --- |\n| pump | 3 |"
    assert "泵".encode().decode("latin-1") in read("泵".encode(), "xlsx", True)
    with pytest.raises(ParseError):
        read(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), "xlsx", True)


def test_workbooks_show_raw_values() -> None:
    """Errors are nothing, truth is a word, escapes are characters, merged cells stand once, numbers as JavaScript's."""
    cells = (
        '<c r="B2" t="e"><v>#DIV/0!</v></c><c r="C2" t="e"><v>#NULL!</v></c><c r="D2" t="b"><v>1</v></c>'
        '<c r="E2" t="inlineStr"><is><t>a_x000D_b</t></is></c><c r="F2"><v>1E21</v></c><c r="G2"><v>0.1</v></c>'
    )
    sheet = f'<worksheet xmlns="{_MAIN}"><dimension ref="A1:G2"/><sheetData><row r="1">'
    sheet += '<c r="A1" t="inlineStr"><is><t>merged</t></is></c></row><row r="2">' + cells
    sheet += '</row></sheetData><mergeCells><mergeCell ref="A1:B1"/></mergeCells></worksheet>'
    text = read(workbook(sheet), "xlsx", True)
    assert text == (
        "| merged |  |  |  |  |  |  |\n| --- | --- | --- | --- | --- | --- | --- |\n"
        "|  |  | null | true | a\rb | 1e+21 | 0.1 |"
    )


_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


def workbook(sheet: str) -> bytes:
    """A workbook of one sheet."""
    book = f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets><sheet name="S" r:id="r1"/></sheets></workbook>'
    link = f'<Relationships xmlns="{_PACKAGE}"><Relationship Id="r1" Type="{_OFFICE}/worksheet" Target="s.xml"/>'
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("xl/workbook.xml", book)
        archive.writestr("xl/_rels/workbook.xml.rels", link + "</Relationships>")
        archive.writestr("xl/s.xml", sheet)
    return target.getvalue()


def test_broken_documents_only_fail_as_parse_errors() -> None:
    """A changed, cut or doubled byte range never makes a reader fail in a way of its own."""
    dice = random.Random(7)
    rows = [row for row in ROWS if (SERVED / row["file"]).stat().st_size < 20_000]
    for row in dice.sample(rows, 120):
        content = bytearray(sent(row))
        at = dice.randrange(len(content) + 1)
        piece = dice.choice([b"", b"<![if x]>", b"\xff\xfe", bytes([dice.randrange(256)]) * 3, bytes(content[:9])])
        content[at : at + dice.randrange(40)] = piece
        found = chunks(bytes(content), row["file"])
        assert isinstance(found, str | list)


@pytest.mark.parametrize("page", ["<![if !vml]><p>a</p><![endif]>", "<!x<p>a</p>", "<![CDATA[x]]>a", "<![a"])
def test_odd_declarations_are_comments(page: str) -> None:
    """Marked sections and declarations that nobody knows do not stop the reading of a page."""
    assert isinstance(read(BOM + page.encode(), "html", True), str)


def test_a_page_nested_too_deeply_gives_nothing() -> None:
    """FastGPT's converter gives up on it and stores nothing; ours does so earlier, and soon."""
    assert read(BOM + b"<div>" * 20_000 + b"x", "html", True) == ""
    assert read(BOM + b"<div>" * 200 + b"x", "html", True) == "x"
