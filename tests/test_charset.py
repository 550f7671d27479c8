"""Which encoding a text has, and what is said when that cannot be told: a guess is never a remedy."""

from __future__ import annotations

import codecs
import contextlib
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncd import questions, stream, telling
from syncd.charset import DEFAULT, Undecodable, decode
from syncd.config.values import Source
from syncd.explain import DOCUMENT_CODES
from syncd.golden import Question

SIMPLIFIED = "本手册介绍水泵的安装、调试和维护方法，请在操作之前仔细阅读。每五千小时更换一次润滑油。\n"
ENGLISH = "The pump is opened once a year. Please read this page before the work begins, and keep it.\n"
POLISH = "Przed otwarciem pokrywy trzeba wyłączyć prąd, inaczej pracownikom grozi niebezpieczeństwo.\n"
RUSSIAN = "Насос в подвале осматривают раз в два года. Перед этим следует выключить ток.\n"


def refusal(raw: bytes, encodings: tuple[str, ...] = DEFAULT, *, html: bool = False) -> Undecodable:
    with pytest.raises(Undecodable) as caught:
        decode(raw, encodings, html=html)
    assert caught.value.message.endswith(".")
    assert caught.value.hint.endswith(".")
    return caught.value


def test_the_default_is_that_of_the_configuration() -> None:
    """What "nobody said anything" means is the same here and in the configuration."""
    assert Source.__dataclass_fields__["encodings"].default == DEFAULT


# ---------------------------------------------------------------- never as Chinese


@pytest.mark.parametrize(
    "text",
    [
        "Keep the oil at 80°C and the water at 20°C at all times.",
        "80°C",
        "5 µm",
        "a gap of 20µm",
        "Señor Muñoz",
        "Please don’t open the valve, it’s hot.",
        "The price is €100 and the fee is €20.",
        "Müller, Köln",
        "Größe",
        "l’été",
        "naïve façade",
        "Æøå ÄÖÜ äöü ßß éé èè öü",
        "Crème brûlée à la carte",
        "¿Qué? ¡Sí!",
    ],
)
@pytest.mark.parametrize("times", [1, 40])
def test_western_text_is_never_chinese(text: str, times: int) -> None:
    """Accented letters, signs and typographic marks swallow no neighbour: right or refused, however often they come."""
    raw = (text + "\n").encode("cp1252") * times
    for encodings in (DEFAULT, ("utf-8", "gb18030", "big5", "cp932", "cp949"), ("gb18030",)):
        with contextlib.suppress(Undecodable):
            assert decode(raw, encodings)[0] == (text + "\n") * times
    assert decode(raw, ("utf-8", "cp1252"))[0] == (text + "\n") * times
    assert decode(raw, ("utf-8", "gb18030", "cp1252"))[0] == (text + "\n") * times


def test_the_whole_file_is_judged() -> None:
    """One Western line behind a megabyte of Chinese refuses the file, and is named."""
    raw = SIMPLIFIED.encode("gbk") * 12_000
    assert decode(raw, DEFAULT)[1] == "gb18030"
    error = refusal(raw + "at 80°C today\n".encode("latin-1") + raw)
    assert "line 12001" in error.message
    assert "80癈" in error.message


def test_a_language_that_is_not_known_here() -> None:
    """Friulian spells like Latvian in Windows-1257; its words are none, so it is refused and not garbled."""
    for text in (
        "Modalitât\nChescj dâts par motîfs di ordenament\nMarche temporâl\nLenghis sudanichis centrâls\nErôr\n",
        "Erôr tal sierâ il file di bloc\nModalitât normâl, dâts par motîfs di ordenament\nMarche temporâl no sta\n",
    ):
        refusal(text.encode("cp1252"))


def test_lone_characters_that_people_write() -> None:
    """Chinese between figures and letters is Chinese: years, units, "A和B"."""
    for text in ("2024年5月3日", "我们有A和B两个", "3月 5日\n第3章\n", "长5米 宽3米", "15㎡的房间"):
        assert decode(text.encode("gbk"), DEFAULT)[0] == text


# ---------------------------------------------------------------- what is there is said


def test_a_hint_names_what_was_tried() -> None:
    """With encodings that a person chose, another one that reads as language is named with its line."""
    error = refusal(POLISH.encode("cp1250") * 2, ("utf-8", "gb18030", "cp1251"))
    assert "reads as Polish in cp1250: “" in error.message
    assert "wyłączyć" in error.message
    assert '"cp1250"' in error.hint


def test_what_is_advised_was_tried_on_the_whole_file(tmp_path: Path) -> None:
    """An encoding that reads the beginning and not the end is no remedy: the byte that does not fit is named."""
    raw = POLISH.encode("cp1250") * 9000 + b"\x81\x83\n" + POLISH.encode("cp1250") * 9
    error = refusal(raw, ("utf-8", "cp1251"))
    assert f"0x81 in line 9001, byte {len(POLISH.encode('cp1250')) * 9000} of the file" in error.message
    assert "encodings" not in error.hint
    assert prepared(tmp_path / "large", raw, ("utf-8", "cp1251")) == ("", error.message)


def test_several_candidates_and_no_advice() -> None:
    """What nobody can tell is shown in all its readings, and none of them is advised."""
    error = refusal("Señor Muñoz is the site manager.".encode("latin-1"))
    assert "cp1252" in error.message
    assert "“Señor Muñoz is the site manager.”" in error.message
    assert "“Seńor Muńoz is the site manager.”" in error.message
    assert "encodings" not in error.hint
    assert "UTF-8" in error.hint


WORDS = ["名称", "数量", "水泵", "电话", "地址", "价格", "部门", "姓名", "备注", "日期", "安装", "工作", "公司", "产品"]


@pytest.mark.parametrize("first", WORDS)
def test_a_short_table_in_gbk_is_not_korean(first: str) -> None:
    """Chinese, or refused with its Chinese reading among those shown; Korean is never what is advised."""
    for second in WORDS:
        text = f"{first},{second}\r\n"
        try:
            assert decode(text.encode("gbk"), DEFAULT)[0] == text
        except Undecodable as error:
            assert first in error.message
            assert "cp949" not in error.hint


def test_one_bad_byte() -> None:
    """A byte that is no UTF-8 among much that is gets its line and its place in the file."""
    raw = RUSSIAN.encode() * 30
    at = raw.index(b"\n", 2000) + 1
    error = refusal(raw[:at] + b"\xff" + raw[at:])
    assert f"0xFF in line {raw.count(bytes([10]), 0, at) + 1}, byte {at} of the file" in error.message
    assert "UTF-8 but for 1 byte" in error.message
    for encodings in (("utf-8", "cp1252"), ("utf-8", "gb18030", "latin-1"), ("koi8-r",)):
        assert f"byte {at}" in refusal(raw[:at] + b"\xff" + raw[at:], encodings).message, "no other encoding hides it"
    assert "cut off" in refusal(raw[:-3]).message


def test_two_encodings_in_one_file() -> None:
    """Lines in GBK among lines in UTF-8 are counted, placed and shown."""
    good = "2026-01-02 INFO 服务已经启动，一切正常\n"
    bad = "2026-01-03 ERROR 数据库连接失败，请检查配置\n"
    error = refusal(good.encode() * 9 + bad.encode("gbk") * 2 + good.encode())
    assert "lines 10, 11" in error.message
    assert f"byte {len(good.encode()) * 9 + len('2026-01-03 ERROR ')} " in error.message
    assert "read as Chinese in gb18030: “" in error.message
    assert "数据库连接失败" in error.message


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    "text", [RUSSIAN, "насос", SIMPLIFIED, SIMPLIFIED.strip(), ENGLISH, "Ok: valve open\n", POLISH]
)
def test_utf16_without_a_mark_is_read_or_named(codec: str, text: str) -> None:
    """Two bytes a character are text, and never "binary data"."""
    try:
        assert decode(text.encode(codec), DEFAULT)[0] == text
    except Undecodable as error:
        assert "binary" not in error.message
        assert codec in error.message


def test_a_zero_byte_has_a_place() -> None:
    """One zero byte in text is named with line and offset."""
    error = refusal(b"Line one.\nLine two.\n\0Line three.\n" * 3)
    assert "zero byte in line 3, byte 20 of the file" in error.message


@pytest.mark.parametrize(
    ("codec", "text"),
    [("iso2022_jp", "ポンプ"), ("iso2022_kr", "펌프의 점검"), ("hz", SIMPLIFIED), ("utf-7", SIMPLIFIED)],
)
def test_encodings_in_ascii(codec: str, text: str) -> None:
    """Text whose characters are written in ASCII is not sent as the ASCII it looks like."""
    raw = text.encode(codec)
    assert raw.isascii()
    assert decode(raw, DEFAULT)[0] == text


@pytest.mark.parametrize("text", ["a ~{b}~ c", "C++ and 1+1=2-1", "x+abcd-y", "\x1b[31mred\x1b[0m", "+4915112345678-9"])
def test_ascii_that_looks_like_it_stays(text: str) -> None:
    """Plus signs, tildes and colours of terminals are themselves."""
    assert decode(text.encode(), DEFAULT) == (text, "utf-8", 0)


def test_a_mark_that_lies() -> None:
    """What is not the encoding its mark states is refused with the place."""
    error = refusal(codecs.BOM_UTF8 + b"good\nb\xffd")
    assert "0xFF in line 2, byte 9" in error.message


def test_a_page_that_states_something_wrong() -> None:
    """The charset in a page's head is the word of a document: taken, unless another one plainly is the right one."""
    page = f"<meta charset=iso-8859-1><p>{RUSSIAN * 3}</p>".encode("cp1251")
    assert decode(page, DEFAULT, html=True)[1] in ("cp1251",)
    assert "cp1251" in refusal(page, ("utf-8", "cp1252"), html=True).message


def test_a_persons_word() -> None:
    """A named encoding is taken however short the text, and is not when the file plainly is in another one."""
    for text in ("Größe", "ÄÖÜ;5", "é", "°"):
        assert decode(text.encode("cp1252"), ("utf-8", "cp1252"))[0] == text
    assert decode("насос".encode("koi8-r"), ("utf-8", "koi8-r"))[0] == "насос"
    for wrong in ("cp1252", "cp1250", "gbk", "big5", "koi8-r", "cp1253"):
        assert "cp1251" in refusal(RUSSIAN.encode("cp1251") * 3, ("utf-8", wrong)).message


def test_questions_in_another_encoding_are_a_problem() -> None:
    """A file of golden questions is UTF-8, with a mark or without; anything else is named with its line."""
    text = '[[questions]]\ntext = "水泵多久检修一次？"\n'
    for codec in ("utf-8", "utf-8-sig"):
        assert questions.of_file(text.encode(codec), "a.md", "a.questions.toml") == (
            [Question("a.md", "水泵多久检修一次？")],
            [],
        )
    found, problems = questions.of_file(text.encode("gbk"), "a.md", "a.questions.toml")
    assert (found, problems) == ([], ["a.questions.toml:2: it is no UTF-8: save it as UTF-8"])


def test_what_explain_says() -> None:
    """An encoding is not mended by rights, and a text that the server garbled not by `encodings`."""
    assert "right to" not in DOCUMENT_CODES["unreadable"].remedy
    assert "encodings" not in DOCUMENT_CODES["encoding-lost"].remedy


# ---------------------------------------------------------------- large files are judged alike


def prepared(path: Path, raw: bytes, encodings: tuple[str, ...] = DEFAULT) -> tuple[str, str]:
    """Read a file as a large one; returns the codec, or the message of the refusal."""
    path.write_bytes(raw)
    try:
        return stream.survey(str(path), len(raw), encodings, html=False, head=b"").plan.codec, ""
    except Undecodable as error:
        return "", error.message


@pytest.mark.parametrize(
    "raw",
    [
        ENGLISH.encode() * 9000 + POLISH.encode("cp1250") * 3,
        ENGLISH.encode() * 9000 + "it is 80°C\n".encode("latin-1"),
        SIMPLIFIED.encode("gbk") * 9000,
        SIMPLIFIED.encode("gbk") * 9000 + RUSSIAN.encode() + SIMPLIFIED.encode("gbk") * 9000,
        SIMPLIFIED.encode("gbk") * 9000 + "bei 80°C ist\n".encode("latin-1"),
        RUSSIAN.encode() * 5000 + b"\xff" + RUSSIAN.encode() * 5000,
        RUSSIAN.encode() * 9000 + SIMPLIFIED.encode("gbk"),
        SIMPLIFIED.encode("utf-16-be") * 9000,
        b"plain words\n" * 50_000 + b"\0",
        ("ポンプ\n" * 3).encode("iso2022_jp") + ENGLISH.encode() * 9000,
    ],
    ids=[
        "polish-at-the-end",
        "degree",
        "gbk",
        "utf8-inside-gbk",
        "degree-in-gbk",
        "bad-byte",
        "gbk-at-the-end",
        "utf16",
        "zero",
        "iso2022",
    ],
)
def test_large_and_small_agree(tmp_path: Path, raw: bytes) -> None:
    """A file that is streamed is taken as the same encoding, or refused with the same words, as one in memory."""
    try:
        small = (decode(raw, DEFAULT)[1], "")
    except Undecodable as error:
        small = ("", error.message)
    assert prepared(tmp_path / "large", raw) == small


def test_a_late_word_in_another_encoding(tmp_path: Path) -> None:
    """What stands behind the first 256 KiB decides as much as what stands before."""
    codec, _ = prepared(tmp_path / "a", ENGLISH.encode() * 9000 + POLISH.encode("cp1250") * 3)
    assert codec == "cp1250"
    codec, message = prepared(tmp_path / "b", RUSSIAN.encode() * 5000 + b"\xff\n" + RUSSIAN.encode() * 5000)
    assert codec == ""
    assert f"line 5001, byte {len(RUSSIAN.encode()) * 5000} of the file" in message


def test_evidence_is_bounded(tmp_path: Path) -> None:
    """A line without an end and a million different lines are looked at in a few megabytes."""
    for raw in (
        SIMPLIFIED.strip().encode("gbk") * 25_000,
        b"".join(b"%d \xd6\xd0\xce\xc4\n" % i for i in range(60_000)),
    ):
        (tmp_path / "a").write_bytes(raw)
        tracemalloc.start()
        stream.survey(str(tmp_path / "a"), len(raw), DEFAULT, html=False, head=b"")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 16 * 2**20


# ---------------------------------------------------------------- whatever comes

ENCODINGS = st.sampled_from(
    [DEFAULT, ("utf-8",), ("gb18030", "cp1252"), ("latin-1",), ("utf-16",), ("no-such", "cp949"), ("utf-7", "hz"), ()]
)
TEXTS = st.one_of(
    st.binary(max_size=400),
    st.text(max_size=120).map(lambda text: text.encode("utf-8", "replace")),
    st.tuples(st.text(max_size=80), st.sampled_from(sorted(telling.ENCODINGS))).map(
        lambda t: t[0].encode(t[1], "replace")
    ),
    st.lists(
        st.sampled_from([b"\x1b$B", b"~{", b"+", b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b"a", b"\xc3", b"\n", b"\x0e"])
    ).map(b"".join),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS, ENCODINGS, st.booleans())
def test_nothing_but_the_documented_error(raw: bytes, encodings: tuple[str, ...], html: bool) -> None:
    """Any bytes with any encodings give a text that can be sent, or ``Undecodable`` with a message and a hint."""
    try:
        text, codec, skip = decode(raw, encodings, html=html)
    except Undecodable as error:
        assert error.message
        assert error.hint
        return
    text.encode("utf-8")
    assert text == raw[skip:].decode(codec)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(TEXTS, ENCODINGS)
def test_nothing_but_the_documented_errors_when_large(tmp_path: Path, raw: bytes, encodings: tuple[str, ...]) -> None:
    """The same holds for a file that is streamed."""
    (tmp_path / "a").write_bytes(raw)
    try:
        stream.survey(str(tmp_path / "a"), len(raw), encodings, html=True, head=b"")
    except Undecodable as error:
        assert error.hint


def test_a_few_bytes_that_may_be_either_are_decided_by_somebodys_word() -> None:
    """Two characters that are well-formed UTF-8 and good Chinese in gb18030: both are shown, and a name decides."""
    raw = "录没".encode("gb18030")
    with pytest.raises(Undecodable, match=r"too short to tell which it is: utf-8 “¼û”; gb18030 “录没”"):
        decode(raw, DEFAULT)
    assert ("录没", "gb18030", 0) == decode(raw, ("gb18030",))
    assert ("¼û", "utf-8", 0) == decode(raw, ("utf-8",))
