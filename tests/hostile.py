"""Documents that are built to hurt whoever reads them, made by code: small files that ask for much.

Each is named after what it asks for. ``PARSED`` are those of formats that a parser has to open, ``TEXTS`` those that
only regular expressions and comparisons see. All are made within a second and in little memory.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Iterable

MIB = 2**20
_W = b'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_S = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def archive(entries: dict[str, Iterable[bytes]]) -> bytes:
    """A ZIP archive; each entry is given in pieces, so that none of it stands in memory unpacked."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, pieces in entries.items():
            with packed.open(name, "w", force_zip64=True) as entry:
                for piece in pieces:
                    entry.write(piece)
    return out.getvalue()


def _many(piece: bytes, size: int) -> Iterable[bytes]:
    """``piece`` again and again, ``size`` bytes in all."""
    block = piece * max(1, MIB // len(piece))
    for _ in range(max(1, size // len(block))):
        yield block


def _word(*pieces: Iterable[bytes]) -> bytes:
    def whole() -> Iterable[bytes]:
        yield b"<w:document " + _W + b"><w:body>"
        for part in pieces:
            yield from part
        yield b"</w:body></w:document>"

    return archive({"word/document.xml": whole()})


def _book(sheet: Iterable[bytes], strings: Iterable[bytes] = ()) -> bytes:
    def whole() -> Iterable[bytes]:
        yield b"<worksheet " + _S + b"><sheetData><row>"
        yield from sheet
        yield b"</row></sheetData></worksheet>"

    def shared() -> Iterable[bytes]:
        yield b"<sst " + _S + b">"
        yield from strings
        yield b"</sst>"

    return archive({"xl/sharedStrings.xml": shared(), "xl/worksheets/sheet1.xml": whole()})


def nested_elements() -> bytes:
    """A docx of some 200 KB whose elements stand inside of each other, 50 million of them."""
    return _word(_many(b"<w:p>", 200 * MIB))


def large_attributes() -> bytes:
    """A docx with one element whose attribute is 200 MB long."""
    return _word((b'<w:p w:x="',), _many(b"a", 200 * MIB), (b'"/>',))


def many_attributes() -> bytes:
    """A docx with one element of 16 million attributes of different names."""
    names = (b"".join(b' a%d=""' % number for number in range(at, at + 10_000)) for at in range(0, 2_000_000, 10_000))
    return _word((b"<w:p",), names, (b"/>",))


def many_elements() -> bytes:
    """A docx of 200 MB of empty elements."""
    return _word(_many(b"<w:r/>", 200 * MIB))


def many_paragraphs() -> bytes:
    """A docx of 200 MB of text."""
    return _word(_many(b"<w:p><w:r><w:t>All work and no play.</w:t></w:r></w:p>", 200 * MIB))


def unread_fields() -> bytes:
    """A docx with a field whose instruction grows by two characters, ten million times."""
    begin = b'<w:p><w:r><w:fldChar w:fldCharType="begin"/></w:r>'
    return _word((begin,), _many(b"<w:instrText>a<w:b/>b</w:instrText>", 200 * MIB), (b"</w:p>",))


def one_string_in_many_cells() -> bytes:
    """An xlsx with one shared string of 100 KB, which 200 000 cells show."""
    text = b"<si><t>" + b"lorem ipsum " * 8000 + b"</t></si>"
    return _book(_many(b'<c t="s"><v>0</v></c>', 200_000 * 21), (text,))


def many_strings() -> bytes:
    """An xlsx with 40 million empty shared strings."""
    return _book((b'<c t="s"><v>0</v></c>',), _many(b"<si/>", 200 * MIB))


def large_dimension() -> bytes:
    """An xlsx that claims a million rows of 16 384 columns, with a cell at each corner."""
    sheet = (
        b"<worksheet " + _S + b'><dimension ref="A1:XFD1048576"/><sheetData><row r="1"><c r="A1"><v>1</v></c></row>'
        b'<row r="1048576"><c r="XFD1048576"><v>2</v></c></row></sheetData></worksheet>'
    )
    return archive({"xl/worksheets/sheet1.xml": (sheet,)})


def entities() -> bytes:
    """A docx with a billion laughs."""
    laughs = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10))
    text = b'<!DOCTYPE x [<!ENTITY l0 "ha">' + laughs + b"]><w:document " + _W + b"><w:t>&l9;</w:t></w:document>"
    return archive({"word/document.xml": (text,)})


def zip_of_zeros() -> bytes:
    """A pptx with ten slides of 200 MB of blanks each."""
    return archive({f"ppt/slides/slide{number}.xml": _many(b" ", 20 * MIB) for number in range(1, 101)})


def many_entries() -> bytes:
    """A pptx of 300 000 empty entries, 30 MB of directory."""
    out = io.BytesIO()
    name, count = b"%06d.xml", 300_000
    directory = io.BytesIO()
    for number in range(count):
        at = out.tell()
        out.write(b"PK\3\4" + b"\x14" + b"\0" * 21 + b"\x0a\0\0\0" + name % number)
        directory.write(b"PK\1\2\x14\0\x14" + b"\0" * 21 + b"\x0a\0" + b"\0" * 12 + at.to_bytes(4, "little"))
        directory.write(name % number)
    at, size = out.tell(), directory.tell()
    end = b"PK\5\6\0\0\0\0\xff\xff\xff\xff" + size.to_bytes(4, "little") + at.to_bytes(4, "little") + b"\0\0"
    return out.getvalue() + directory.getvalue() + end


# ---------------------------------------------------------------- PDF


def pdf(*objects: bytes) -> bytes:
    """A PDF of these objects, numbered from 1; the first is the catalogue."""
    out, places = bytearray(b"%PDF-1.7\n"), []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    at = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    return bytes(out + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, at))


def _page(content: bytes, filters: bytes = b"", more: bytes = b"", *rest: bytes) -> bytes:
    stream = b"<< /Length %d %s >>\nstream\n" % (len(content), filters) + content + b"\nendstream"
    return pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R /Resources << /Font << /F 5 0 R >> "
        + more + b" >> >>",
        stream,
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        *rest,
    )  # fmt: skip


def ascii85() -> bytes:
    """A PDF whose page is 40 MB of zeros in ASCII85, deflated."""
    return _page(zlib.compress(b"z" * (40 * MIB)), b"/Filter [/FlateDecode /ASCII85Decode]")


def deflated_thrice() -> bytes:
    """A PDF whose page unpacks to 4 GB."""
    once = zlib.compressobj()
    block = b"0" * MIB
    packed = b"".join(once.compress(block) for _ in range(1024)) + once.flush()
    return _page(zlib.compress(zlib.compress(packed)), b"/Filter [/FlateDecode /FlateDecode /FlateDecode]")


def held() -> bytes:
    """A PDF of less than 4 KB with 4 million operators on its page, deflated twice."""
    content = zlib.compress(zlib.compress(b"BT /F 9 Tf 9 9 Td (a) Tj ET\n" * 300_000, 9), 9)
    return _page(content, b"/Filter [/FlateDecode /FlateDecode]")


def nested_arrays() -> bytes:
    """A PDF whose page opens 2 million arrays."""
    return _page(zlib.compress(b"[" * 2_000_000), b"/Filter /FlateDecode")


def loop_of_pages() -> bytes:
    """A PDF whose tree of pages holds itself."""
    return pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R 2 0 R] /Count 2 >>",
        b"<< /Type /Pages /Parent 2 0 R /Kids [2 0 R 3 0 R] /Count 99999999 >>",
    )


def loop_of_objects() -> bytes:
    """A PDF whose length of a stream is that stream, and whose fonts stand in themselves."""
    return pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 3 0 R /MediaBox 3 0 R /Contents [4 0 R 4 0 R] /Resources 3 0 R /Font 3 0 R >>",
        b"<< /Length 4 0 R >>\nstream\nBT (a) Tj ET\nendstream",
    )


def forms_in_forms() -> bytes:
    """A PDF with thirty drawings, each of which shows the next one twice."""
    forms = [
        b"<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /A %d 0 R /B %d 0 R >> >> "
        b"/Length 12 >>\nstream\n/A Do /B Do \nendstream" % (number + 7, number + 7)
        for number in range(30)
    ]
    return _page(b"/A Do", b"", b"/XObject << /A 6 0 R >>", *forms, forms[-1])


def giant_picture() -> bytes:
    """A PDF with a picture of 60 000 x 60 000 on its page."""
    content = b"BI /W 60000 /H 60000 /BPC 8 /CS /RGB ID " + b"\0" * 1000 + b" EI BT /F 9 Tf 9 9 Td (hello) Tj ET"
    picture = zlib.compress(b"\0" * (20 * MIB))
    image = (
        b"<< /Type /XObject /Subtype /Image /Width 60000 /Height 60000 /BitsPerComponent 8 /ColorSpace /DeviceRGB "
        b"/Filter /FlateDecode /Length %d >>\nstream\n" % len(picture) + picture + b"\nendstream"
    )
    return _page(content + b" /A Do", b"", b"/XObject << /A 6 0 R >>", image)


def many_objects() -> bytes:
    """A PDF of one line that says that it has a hundred million objects."""
    return (
        b"%PDF-1.7\nxref\n0 100000000\n" + b"0000000000 65535 f \n" * 10
        + b"trailer\n<< /Size 100000000 /Root 1 0 R >>\nstartxref\n9\n%%EOF\n"
    )  # fmt: skip


def wide_character_map() -> bytes:
    """A PDF with a font whose map names four billion characters in one line."""
    cmap = (
        b"1 begincodespacerange <0000> <ffff> endcodespacerange\n1 beginbfrange <00000000> <ffffffff> <0041> endbfrange"
    )
    return pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R "
        b"/Resources << /Font << /F 5 0 R >> >> >>",
        b"<< /Length 38 >>\nstream\nBT /F 9 Tf 99 99 Td (hello hello) Tj ET\nendstream",
        b"<< /Type /Font /Subtype /Type0 /BaseFont /X /Encoding /Identity-H /ToUnicode 6 0 R >>",
        b"<< /Length %d >>\nstream\n" % len(cmap) + cmap + b"\nendstream",
    )


# ---------------------------------------------------------------- HTML and CSV


def unclosed_tags() -> bytes:
    """A page of 40 KB of tags that never end."""
    return b"<a " * 13_500


def unclosed_quotes() -> bytes:
    """A page of tags whose attributes never end."""
    return b"<a b='" * 60_000


def unclosed_comments() -> bytes:
    """A page of comments and declarations that never end."""
    return b"<!-- <!x <? </ " * 40_000


def unclosed_scripts() -> bytes:
    """A page of scripts that never end, behind what Python's parser gives up on."""
    return b"<p>text<![ x ]><script " * 40_000


def deep_html() -> bytes:
    """A page of 300 000 elements inside of each other."""
    return b"<div>" * 190_000 + b"text"


def entities_of_html() -> bytes:
    """A page of 900 KB of ampersands and digits."""
    return b"<p>" + b"&#" * 200_000 + b"1" * 500_000


def unclosed_cells() -> bytes:
    """A table of one line of 8 MB in which each quote may end a cell, and none does."""
    return b'a,b\n"' + b'"x' * (4 * MIB - 10)


def blank_cells() -> bytes:
    """A table with blanks behind each quote."""
    return b'a,b\n"' + b'" ' * (4 * MIB - 10) + b"x"


def commas() -> bytes:
    """A table of 8 MB of empty cells with a word."""
    return b"word" + b"," * (8 * MIB - 10)


def quoted_delimiters() -> bytes:
    """A table in which each cell is quoted and holds delimiters of all kinds."""
    return b'"a,|;\t",' * (8 * MIB // 9)


# ---------------------------------------------------------------- texts


def exclamations() -> bytes:
    """A text of 200 KB without a letter, a blank or an end of a line."""
    return b"!" * 200_000


def short_lines() -> bytes:
    """A text of 4 million lines of one letter."""
    return b"a\n" * (4 * MIB - 10)


def one_line() -> bytes:
    """A text of 8 MB of one letter in one line."""
    return b"a" * (8 * MIB - 10)


def almost_links() -> bytes:
    """A text of what begins like links, tags and comments and never ends."""
    return b'http <!-- ](a "[ data:a/a;a;a; `` $$ ' * 200_000


def one_emoji() -> bytes:
    """A text of 8 MB with one character that takes four bytes for all of them."""
    return "😀".encode() + b"lorem ipsum\n" * ((8 * MIB - 100) // 12)


def deep_front_matter() -> bytes:
    """A text whose front matter opens 60 000 lists."""
    return b"---\nquestions: " + b"[" * 60_000 + b"\n---\n# Title\n\nA sentence of the text.\n"


def dotted_front_matter() -> bytes:
    """A text whose front matter is one key of 30 000 parts."""
    return b"+++\n" + b".".join([b"a"] * 30_000) + b" = 1\n+++\n# Title\n\nA sentence of the text.\n"


def sixties_front_matter() -> bytes:
    """A text whose front matter is a number to the base of sixty."""
    return b"---\nquestions: " + b":".join([b"1"] * 30_000) + b"\n---\n# Title\n\nA sentence of the text.\n"


PARSED: dict[str, Callable[[], bytes]] = {
    **{
        f"{make.__name__}.docx": make
        for make in (nested_elements, large_attributes, many_attributes, many_elements, many_paragraphs, unread_fields,
                     entities)
    },
    **{f"{make.__name__}.xlsx": make for make in (one_string_in_many_cells, many_strings, large_dimension)},
    **{f"{make.__name__}.pptx": make for make in (zip_of_zeros, many_entries)},
    **{
        f"{make.__name__}.pdf": make
        for make in (ascii85, deflated_thrice, held, nested_arrays, loop_of_pages, loop_of_objects, forms_in_forms,
                     giant_picture, many_objects, wide_character_map)
    },
    **{
        f"{make.__name__}.html": make
        for make in (unclosed_tags, unclosed_quotes, unclosed_comments, unclosed_scripts, deep_html, entities_of_html)
    },
    **{f"{make.__name__}.csv": make for make in (unclosed_cells, blank_cells, commas, quoted_delimiters)},
}  # fmt: skip
"""File names of hostile documents, and what makes each of them."""

TEXTS: dict[str, Callable[[], bytes]] = {
    f"{make.__name__}.md": make
    for make in (exclamations, short_lines, one_line, almost_links, one_emoji, deep_front_matter, dotted_front_matter,
                 sixties_front_matter)
}  # fmt: skip
"""The same of texts."""


def main() -> None:
    """Say how large they are."""
    for name, make in {**PARSED, **TEXTS}.items():
        print(name, len(make()))


if __name__ == "__main__":
    main()
