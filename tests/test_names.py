"""Names that survive FastGPT's file handling (observed facts 2, 15, 22, 24)."""

from __future__ import annotations

import unicodedata
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syncd.formats import format_of
from syncd.models import Format
from syncd.names import REMOTE_LIMIT, UPLOAD_LIMIT, encode_filename, remote_name, upload_name

UNIQUE = "0123abcd-ffff-4000-8000-000000000000"
FORBIDDEN = set("#?%/\\\"'`\u2018\u2019\u201c\u201d")

odd_names = st.one_of(
    st.text(min_size=0, max_size=300),
    st.text(alphabet="a.#?%'\" \\é\u0301\u200d\U0001f600\U0001f3fd中\ud800\x00\u202e", max_size=120),
)


def units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@pytest.mark.parametrize(
    ("path", "fmt", "expected"),
    [
        ("guide.md", Format.MARKDOWN, "guide.md"),
        ("deep/er/guide.mdx", Format.MARKDOWN, "guide.mdx.md"),
        ("X.TXT", Format.TEXT, "X.txt"),
        ("page.htm", Format.HTML, "page.htm.html"),
        ("说明 文档.md", Format.MARKDOWN, "说明 文档.md"),
        ("cafe\u0301.md", Format.MARKDOWN, "café.md"),
        ("100% sure.md", Format.MARKDOWN, "100_ sure-0123abcd.md"),
        ("c#.md", Format.MARKDOWN, "c_-0123abcd.md"),
        ("why?.md", Format.MARKDOWN, "why_-0123abcd.md"),
        ('it\'s "it".md', Format.MARKDOWN, "it_s _it_-0123abcd.md"),
        ("a\x07\nb.md", Format.MARKDOWN, "a__b-0123abcd.md"),
        (".md", Format.MARKDOWN, "document-0123abcd.md"),
        ("....md", Format.MARKDOWN, "document-0123abcd.md"),
        ("  .md", Format.MARKDOWN, "document-0123abcd.md"),
        ("##.md", Format.MARKDOWN, "document-0123abcd.md"),
        ("draft .md", Format.MARKDOWN, "draft-0123abcd.md"),
        (".hidden.md", Format.MARKDOWN, "hidden-0123abcd.md"),
        ("😀.md", Format.MARKDOWN, "😀.md"),
        ("a" * 47 + ".md", Format.MARKDOWN, "a" * 47 + ".md"),
        ("a" * 48 + ".md", Format.MARKDOWN, "a" * 38 + "-0123abcd.md"),
        ("中" * 85 + ".md", Format.MARKDOWN, "中" * 38 + "-0123abcd.md"),
        ("a" * 251 + ".pdf", Format.PDF, "a" * 37 + "-0123abcd.pdf"),
    ],
)
def test_upload_names(path: str, fmt: Format, expected: str) -> None:
    """A name is kept when FastGPT can take it, else made safe and unique."""
    assert upload_name(path, fmt, UNIQUE) == expected


def test_the_cut_never_falls_inside_a_character() -> None:
    """A cut inside an emoji is an error on the server, and one before an accent changes the word (fact 24)."""
    for lead in range(30, 40):
        name = upload_name("a" * lead + "😀👍🏽👩\u200d💻e\u0301" * 20 + ".md", Format.MARKDOWN, UNIQUE)
        assert units(name) <= UPLOAD_LIMIT
        stem = name.removesuffix("-0123abcd.md")
        name.encode("utf-8")
        assert not stem.endswith("\u200d")
        assert stem.lstrip("a") in "😀👍🏽👩\u200d💻é" * 20
        assert not stem.endswith("👍"), "the skin tone belongs to the thumb"


@given(odd_names, st.sampled_from(Format))
@example("\U0001f600" * 100, Format.MARKDOWN)
@example("e" + "\u0301" * 100, Format.TEXT)
def test_every_upload_name_is_safe(path: str, fmt: Format) -> None:
    """Whatever a file is called, the name sent is short, encodable, has extension and stem, and is stable."""
    name = upload_name(path, fmt, UNIQUE)
    assert name == upload_name(path, fmt, UNIQUE)
    assert 0 < units(name) <= UPLOAD_LIMIT
    assert name.endswith(f".{fmt.value}")
    assert format_of(name) is fmt
    stem = name.removesuffix(f".{fmt.value}")
    assert stem.strip(" .")
    assert stem == stem.strip()
    assert not FORBIDDEN & set(name)
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in name)
    assert unquote(encode_filename(name)) == name
    assert encode_filename(name).isascii()


@given(st.text(min_size=1, max_size=80).filter(lambda s: "/" not in s))
def test_a_changed_name_is_unique(stem: str) -> None:
    """Two documents whose names had to be changed do not meet under one name."""
    path = stem + "#.md"
    assert upload_name(path, Format.MARKDOWN, "a" * 8) != upload_name(path, Format.MARKDOWN, "b" * 8)


def test_unique_may_be_any_text() -> None:
    """The eight digits are hex even when the unique text has none."""
    name = upload_name("#.md", Format.MARKDOWN, "zzz")
    assert name.startswith("document-")
    assert len(name) == len("document-12345678.md")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/b/100% #1?.md", "100% #1?.md"),
        ("cafe\u0301.md", "café.md"),
        ("x\x00y.md", "x_y.md"),
        ("bad\udcff.md", "bad_.md"),
        ("中" * 85 + ".md", "中" * 85 + ".md"),
        ("", "document"),
        ("   ", "document"),
    ],
)
def test_remote_names_are_true(path: str, expected: str) -> None:
    """The name set by ``update`` is the file's own, in NFC."""
    assert remote_name(path) == expected


@given(odd_names)
@example("x" * 400 + ".md")
@example("😀" * 200 + ".markdown")
@example("a." + "b" * 400)
def test_remote_names_fit(path: str) -> None:
    """A true name is within 255 units and can be written as JSON."""
    name = remote_name(path)
    assert 0 < units(name) <= REMOTE_LIMIT
    name.encode("utf-8")
    assert "/" not in name


def test_long_remote_names_stay_apart() -> None:
    """Two long names with one beginning do not become one."""
    a, b = remote_name("x" * 300 + "1.md"), remote_name("x" * 300 + "2.md")
    assert a != b
    assert a.endswith(".md")


def test_encode_filename_encodes_all() -> None:
    """Percent signs, quotes, blanks and Chinese are all encoded (fact 2)."""
    assert encode_filename("100% 中\"'.md") == "100%25%20%E4%B8%AD%22%27.md"
