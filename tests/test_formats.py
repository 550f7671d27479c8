"""Which files travel, and as what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.formats import DEFAULT_SUFFIXES, KNOWN_SUFFIXES, TEXT_FORMATS, format_of, suffix_of, suffixes_for
from syncd.models import Format


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.md", Format.MARKDOWN),
        ("dir/A.MD", Format.MARKDOWN),
        ("guide.mdx", Format.MARKDOWN),
        ("x.markdown", Format.MARKDOWN),
        ("x.mdown", Format.MARKDOWN),
        ("x.mkd", Format.MARKDOWN),
        ("x.qmd", Format.MARKDOWN),
        ("page.htm", Format.HTML),
        ("page.xhtml", Format.HTML),
        ("page.html", Format.HTML),
        ("table.csv", Format.CSV),
        ("a.docx", Format.DOCX),
        ("a.pdf", Format.PDF),
        ("a.PPTX", Format.PPTX),
        ("a.xlsx", Format.XLSX),
        ("a.rst", Format.TEXT),
        ("a.adoc", Format.TEXT),
        ("a.org", Format.TEXT),
        ("a.log", Format.TEXT),
        ("mkdocs.yml", Format.TEXT),
        ("说明.txt", Format.TEXT),
        ("archive.tar.gz", None),
        ("a.doc", None),
        ("a.png", None),
        ("Makefile", None),
        ("dir.md/Makefile", None),
        ("a.", None),
        ("", None),
    ],
)
def test_the_suffix_alone_decides(path: str, expected: Format | None) -> None:
    """FastGPT decides by the extension, whatever its case and whatever the folders are called."""
    assert format_of(path) is expected


def test_default_suffixes_are_documents() -> None:
    """Lock files and site settings are sent only when somebody asks for them."""
    assert DEFAULT_SUFFIXES < KNOWN_SUFFIXES
    assert {".json", ".yaml", ".yml", ".toml", ".ini", ".xml"} == KNOWN_SUFFIXES - DEFAULT_SUFFIXES
    assert {f".{fmt.value}" for fmt in Format} <= DEFAULT_SUFFIXES
    assert all(s == s.lower() and s.startswith(".") and format_of("x" + s) for s in KNOWN_SUFFIXES)


def test_text_formats() -> None:
    """Text is what goes out as UTF-8 with a byte order mark."""
    assert {Format.TEXT, Format.MARKDOWN, Format.HTML, Format.CSV} == TEXT_FORMATS


@given(st.text())
def test_any_path_has_an_answer(path: str) -> None:
    """No path is too odd to be looked at."""
    fmt = format_of(path)
    assert (fmt is None) == (suffix_of(path) not in KNOWN_SUFFIXES)


@pytest.mark.parametrize(
    ("include", "named"),
    [
        ((), set()),
        (("**/*",), set()),
        (("docs/**",), set()),
        (("**/*.*",), set()),
        (("**/*.md",), set()),
        (("**/*.json",), {".json"}),
        (("**/*.y*ml",), {".yaml", ".yml"}),
        (("settings/site.INI", "!**/*.xml"), {".ini"}),
    ],
)
def test_files_of_data_are_read_where_an_include_names_them(include: tuple[str, ...], named: set[str]) -> None:
    """Lock files and settings are documents only for whoever asks for their format."""
    assert DEFAULT_SUFFIXES | named == suffixes_for(include)
