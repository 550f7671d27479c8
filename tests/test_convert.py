"""From a file to what is sent for it (observed facts 1, 9 and 25; design 12, rules 10 and 32)."""

from __future__ import annotations

import codecs
import hashlib
import os
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from reading import extract_text, prepare, whole_text

from syncd import convert
from syncd.convert import ChangedWhileReading, Outgoing, settings_id
from syncd.errors import Permanent, SyncdError
from syncd.matter import front_matter
from syncd.models import Training

BOM = codecs.BOM_UTF8
HEAD = BOM + b"\n"  # before text and Markdown
DEFAULT = ("utf-8", "gb18030")
SIMPLIFIED = "本手册介绍水泵的安装、调试和维护方法，请在操作之前仔细阅读。每五千小时更换一次润滑油。\n"
TRADITIONAL = "員工手冊：請在操作設備之前仔細閱讀本說明，並按照規定進行維護。每五千小時更換一次潤滑油。\n"
JAPANESE = "この説明書は、装置の設置、調整、保守の方法について説明します。作業の前に必ずお読みください。\n"
KOREAN = "이 설명서는 장치의 설치와 유지 보수 방법을 설명합니다. 작업하기 전에 반드시 읽으십시오.\n"
FRENCH = "Le café est fermé à midi, mais l'hôtel voisin sert déjà des crêpes aux élèves affamés.\n"

Send = Callable[..., Outgoing]


@pytest.fixture
def send(tmp_path: Path) -> Send:
    """Write a file and prepare it."""

    def _send(raw: bytes, path: str = "a.md", encodings: tuple[str, ...] = DEFAULT, max_size: int = 2**30) -> Outgoing:
        file = tmp_path / "file"
        file.write_bytes(raw)
        sha256 = hashlib.sha256(raw).hexdigest()
        out = prepare(str(file), path=path, sha256=sha256, encodings=encodings, max_size=max_size, unique="0123abcd")
        assert out.sha256 == sha256
        sent = body(out)
        assert len(sent) == out.size
        assert out.body.whole is None or out.body.whole == sent
        return out

    return _send


def body(out: Outgoing) -> bytes:
    blocks = list(out.body.blocks())
    assert all(0 < len(block) <= 2**20 for block in blocks)
    out.body.verify()
    return b"".join(blocks)


def refused(send: Send, raw: bytes, path: str = "a.md", **more: object) -> Permanent:
    with pytest.raises(Permanent) as caught:
        send(raw, path, **more)
    assert caught.value.hint
    return caught.value


# ---------------------------------------------------------------- what is sent


@pytest.mark.parametrize("path", ["a.md", "a.txt", "a.rst", "a.csv", "a.html"])
@pytest.mark.parametrize(
    "raw", [b"plain words\n", "caf\u00e9 \U0001f600 中文\r\n\r\nsecond\rthird".encode(), BOM + b"marked\n"]
)
def test_text_goes_out_as_utf8_with_one_mark(send: Send, path: str, raw: bytes) -> None:
    """Always a mark, never two, behind it a line end where headings are looked for, and line ends as they were."""
    head = BOM if path in ("a.csv", "a.html") else HEAD
    assert body(send(raw, path)) == head + raw.removeprefix(BOM)


def test_inner_marks_stay(send: Send) -> None:
    """Only the first mark is a mark; U+FEFF further on is text."""
    out = send(BOM + BOM + "a\ufeffb".encode())
    assert body(out) == HEAD + BOM + "a\ufeffb".encode()
    assert out.text == "\ufeffa\ufeffb"


@pytest.mark.parametrize(
    ("mark", "codec"),
    [
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
        (codecs.BOM_UTF8, "utf-8"),
    ],
)
def test_a_mark_decides(send: Send, mark: bytes, codec: str) -> None:
    """A byte order mark is believed before anything else."""
    text = "# Title\n\n" + SIMPLIFIED + FRENCH + "\U0001f600"
    out = send(mark + text.encode(codec))
    assert out.text == text
    assert out.charset == codec
    assert body(out) == HEAD + text.encode()


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["Plain words in two bytes each.\n", "中文\n第二行\n", "第一章\n一二三 abc\n"])
def test_utf16_without_a_mark(send: Send, codec: str, text: str) -> None:
    """The zero bytes of ASCII characters on one side give UTF-16 away."""
    assert send(text.encode(codec)).text == text


@pytest.mark.parametrize(
    "text", [SIMPLIFIED, SIMPLIFIED * 40, "安装指南", "水泵", "设备编号 P-101 的水泵，功率 5kW。", TRADITIONAL]
)
def test_gbk_is_recognised(send: Send, text: str) -> None:
    """Simplified Chinese in GBK or GB18030, however short, and Traditional in GBK are taken."""
    out = send(text.encode("gb18030"))
    assert out.text == text
    assert out.charset == "gb18030"
    assert body(out) == HEAD + text.encode()


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("big5", TRADITIONAL),
        ("cp932", JAPANESE),
        ("cp949", KOREAN),
        ("euc_jp", JAPANESE),
        ("cp1252", FRENCH),
        ("cp1252", "señor, naïve"),
        ("cp1251", "Руководство по установке насоса, второе издание."),
    ],
)
def test_other_encodings_are_not_taken_for_chinese(send: Send, codec: str, text: str) -> None:
    """Sent as what they are where only one reading is language, else refused with all readings; never as Chinese."""
    try:
        assert send(text.encode(codec)).text == text
    except Permanent as error:
        assert error.code == "unreadable"
        assert text[:5] in error.message
        assert codec in error.message
    assert send(text.encode(codec), encodings=("utf-8", codec)).text == text


def test_encodings_are_tried_in_order(send: Send) -> None:
    """What the operator writes first is tried first; names that do not exist are passed over; UTF-8 is no guess."""
    raw = "é".encode("latin-1") * 3
    assert send(raw, encodings=("utf-8", "no-such", "cp1252", "latin-1")).charset == "cp1252"
    assert send("水泵".encode("gbk"), encodings=("gb18030", "big5")).text == "水泵"
    assert send("中文".encode(), encodings=("gb18030", "utf-8")).text == "中文"  # it would be "涓枃"


@pytest.mark.parametrize(
    "raw", [b"\x00\x01\x02binary", b"text\x00text\n", bytes(range(1, 9)) * 20, random.Random(1).randbytes(4000)]
)
@pytest.mark.parametrize("path", ["a.md", "a.csv", "a.html"])
def test_binary_behind_a_text_suffix(send: Send, raw: bytes, path: str) -> None:
    """Zero bytes, control characters and noise are no text."""
    assert refused(send, raw, path).code == "unreadable"


@pytest.mark.parametrize(
    "raw", [b"", b" \n\t\r\n", BOM, BOM + b"\n", "\u3000\u00a0\ufeff ".encode(), "\ufeff \n".encode("utf-16-le")]
)
@pytest.mark.parametrize("path", ["a.md", "a.txt", "a.html"])
def test_blank_is_empty(send: Send, raw: bytes, path: str) -> None:
    """FastGPT refuses an empty file and fails for good on a blank one (fact 9)."""
    assert refused(send, raw, path).code == "empty"


def test_other_refusals(send: Send, tmp_path: Path) -> None:
    """Unsupported and too large are known before anything is read or sent; a directory is no document."""
    assert refused(send, b"x", "a.exe").code == "unsupported"
    assert refused(send, b"x", "README").code == "unsupported"
    assert refused(send, b"x" * 11, "a.md", max_size=10).code == "too-large"
    assert send(b"x" * 10, "a.md", max_size=10).text == "x" * 10
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Permanent):
        prepare(str(tmp_path / "pipe"), path="a.md", sha256="", encodings=DEFAULT, max_size=1, unique="")
    with pytest.raises(FileNotFoundError):
        prepare(str(tmp_path / "gone"), path="a.md", sha256="", encodings=DEFAULT, max_size=1, unique="")


def test_a_file_that_changed_is_noticed(tmp_path: Path) -> None:
    """Other bytes than planned are never sent under the planned hash (rule 10)."""
    file = tmp_path / "a.md"
    file.write_bytes(b"new")
    with pytest.raises(ChangedWhileReading):
        prepare(os.fsencode(file), path="a.md", sha256="0" * 64, encodings=DEFAULT, max_size=100, unique="")
    assert issubclass(ChangedWhileReading, SyncdError)


def test_names_types_and_length(send: Send) -> None:
    """The safe name, the media type and the length as JavaScript counts it come along."""
    out = send("a\U0001f600\n".encode(), "x/guide.mdx")
    assert (out.upload_name, out.content_type, out.text_length) == ("guide.mdx.md", "text/markdown; charset=utf-8", 5)
    assert send(b"a,b\n1,2\n", "t.csv").text_length is None


# ---------------------------------------------------------------- HTML, CSV, front matter


@pytest.mark.parametrize(
    "head", ['<meta charset="gb2312">', "<META http-equiv=Content-Type content='text/html; charset=GBK'>"]
)
def test_a_stated_charset_is_honoured_and_rewritten(send: Send, head: str) -> None:
    """A page in GBK goes out as UTF-8 and says so."""
    page = f"<html><head>{head}<title>手册</title></head><body><p>{SIMPLIFIED}</p></body></html>"
    out = send(page.encode("gbk"), "a.htm", ("utf-8",))
    sent = body(out).decode("utf-8-sig")
    assert SIMPLIFIED in sent
    assert "utf-8" in sent
    assert "gb" not in sent.lower()
    assert out.text == "手册\n" + SIMPLIFIED.strip()


def test_other_stated_charsets(send: Send) -> None:
    """Big5, Shift-JIS and Latin-1 pages need no configuration, and XHTML states it in its XML line."""
    for name, text in (("big5", TRADITIONAL), ("shift_jis", JAPANESE), ("iso-8859-1", FRENCH), ("euc-kr", KOREAN)):
        page = f"<meta charset={name}><p>{text}</p>".encode(name)
        assert send(page, "a.html").text == text.strip()
    xhtml = f'<?xml version="1.0" encoding="gbk"?><html><p>{SIMPLIFIED}</p></html>'.encode("gbk")
    out = send(xhtml, "a.xhtml", ("utf-8",))
    assert out.text == SIMPLIFIED.strip()
    assert b'encoding="utf-8"' in body(out)


def test_a_stale_charset_is_not_believed(send: Send) -> None:
    """Bytes that are plainly UTF-8 are UTF-8 whatever an old meta says; what goes out is told right."""
    for text in (SIMPLIFIED.strip(), "安装指南维护手册"):  # the second can be read as GBK, too
        page = f'<meta charset="gbk"><p>{text}</p>'
        out = send(page.encode(), "a.html", ("utf-8", "gbk"))
        assert out.text == text
        assert body(out) == BOM + page.replace("gbk", "utf-8").encode()
    assert send(f"<meta charset=iso-8859-1><p>{FRENCH}</p>".encode(), "a.html").text == FRENCH.strip()


def test_visible_text_of_html(send: Send) -> None:
    """What FastGPT's conversion shows: no scripts, no styles; <i>, <noscript> and links; lists numbered."""
    page = """<html><head><title>T &amp; Co</title><style>p{}</style><script>var x = "<p>no</p>";</script></head><body>
    <h1>Head</h1><p>One <b>bold</b> <i class=icon>slanted</i> word&nbsp;&lt;x&gt;<br>next line</p><!-- no -->
    <ol start="3"><li>three<li>four</ol><ul><li>dot</ul><table><tr><th>a</th><td>b</td></tr></table>
    <img alt="a picture" src="x.png"><i>never closed<p>but the page goes on</p><noscript>no</noscript></body></html>"""
    assert send(page.encode(), "a.html").text == (
        "T & Co\nHead\nOne bold slanted word <x>\nnext line\n3. three\n4. four\n- dot\n| a | b\n"
        "![a picture](x.png)never closed\nbut the page goes on\nno"
    )
    picture = send(b"<html><body><img alt=x></body></html>", "a.html")
    assert picture.text is None
    assert picture.weak


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ('name,note\nbob,"two\nlines, one cell"\n', "name | note\nbob | two lines, one cell"),
        ("name;note\nbob;a, b", "name | note\nbob | a, b"),
        ("name\tnote\nbob\tx", "name | note\nbob | x"),
        ("only one column\nnext\n", "only one column\nnext"),
        ("名称,数值\n温度,200\n", "名称 | 数值\n温度 | 200"),
    ],
)
def test_cells_of_csv(send: Send, raw: str, text: str) -> None:
    """Cells, with the delimiter that Papa Parse would guess."""
    assert send(raw.encode(), "a.csv").text == text


def test_csv_without_text(send: Send) -> None:
    """Separators alone give no text to compare, and say so; a cell longer than Python's limit is no accident."""
    out = send(b",,,\n,,,\n", "a.csv")
    assert out.text is None
    assert out.weak
    assert "x" * 140_000 in (send(b"a,b\n" + b"x" * 140_000 + b",c\n", "a.csv").text or "")


@pytest.mark.parametrize(
    ("text", "data", "rest"),
    [
        ("---\ntitle: A\nquestions: [x, y]\n---\nbody", {"title": "A", "questions": ["x", "y"]}, "body"),
        ("---\r\ntitle: A\r\n---\r\nbody", {"title": "A"}, "body"),
        ('+++\ntitle = "A"\n+++\nbody', {"title": "A"}, "body"),
        ("\ufeff---\na: 1\n---\n", {"a": 1}, ""),
        ("---\na: 1\n---", {"a": 1}, ""),
        ("---\n---\nbody", {}, "body"),
        ("---\n- a\n- b\n---\nbody", {}, "body"),
        ("---\n{ [rubbish\n---\nbody", {}, "body"),
        ("+++\nrubbish\n+++\nbody", {}, "body"),
        ("---\na: &x [1]\nb: *x\n---\nbody", {}, "body"),
        ("---\nwhen: 2024-99-99\n---\nbody", {"when": "2024-99-99"}, "body"),
        ("no front matter\n---\na: 1\n---\n", {}, None),
        ("---\nnever closed", {}, None),
        ("", {}, None),
    ],
)
def test_front_matter(text: str, data: dict[str, object], rest: str | None) -> None:
    """YAML or TOML at the very beginning; rubbish is an empty table and never an error."""
    found, at = front_matter(text)
    assert found == data or (found == {} and "99" in text)
    assert text[at:] == (text if rest is None else rest)


@given(st.text())
def test_front_matter_never_raises(text: str) -> None:
    """Whatever stands there, the document is still a document."""
    for fence in ("---", "+++"):
        front_matter(f"{fence}\n{text}\n{fence}\nbody")


def test_front_matter_is_bounded_and_is_sent(send: Send) -> None:
    """More than 64 KiB of it is not read; it is always part of what is sent and compared."""
    assert front_matter("---\na: " + "x" * 70_000 + "\n---\n") == ({}, 0)
    text = "---\ntitle: A\n---\nbody\n"
    assert send(text.encode()).text == text


# ---------------------------------------------------------------- large files


def large(
    tmp_path: Path, raw: bytes, path: str = "a.txt", encodings: tuple[str, ...] = DEFAULT
) -> tuple[Path, Outgoing]:
    file = tmp_path / "large"
    file.write_bytes(raw)
    sha256 = hashlib.sha256(raw).hexdigest()
    return file, prepare(str(file), path=path, sha256=sha256, encodings=encodings, max_size=2**30, unique="0123abcd")


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything above 100 KB is large."""
    monkeypatch.setattr(convert, "_held", lambda _format: 100_000)


@pytest.mark.usefixtures("small_memory")
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le"])
def test_large_texts_are_transcoded_in_blocks(tmp_path: Path, codec: str) -> None:
    """The same bytes come out as for a small file, with a sample of the beginning, the middle and the end."""
    text = "".join(f"{i} {SIMPLIFIED}" for i in range(20_000)) + "the end \U0001f600\r\n"
    _, out = large(tmp_path, text.encode(codec))
    assert out.body.whole is None
    assert body(out) == HEAD + text.encode()
    assert body(out) == HEAD + text.encode(), "a second time, from the beginning"
    assert out.size == len(HEAD + text.encode())
    assert out.text is None
    assert out.weak == ""
    assert out.whole is not None
    assert whole_text(out.whole) == text, "read anew when it is compared"
    assert out.text_length == len(text) + 2
    assert out.sample.startswith("0 本手册")
    assert out.sample.endswith("the end \U0001f600\r\n")
    assert len(out.sample) <= 3 * 65536 + 4
    middle = [line for line in out.sample.splitlines() if line.split(" ")[0].isdigit()]
    assert any(8_000 < int(line.split(" ")[0]) < 13_000 for line in middle)


@pytest.mark.usefixtures("small_memory")
def test_large_texts_are_refused_like_small_ones(tmp_path: Path) -> None:
    """Blank, binary, undecodable, mixed and changed large files end as small ones do."""
    for raw, code in (
        (b" \n" * 100_000, "empty"),
        (b"text " * 60_000 + b"\0", "unreadable"),
        (b"text " * 60_000 + b"\xff\xfe\xfa", "unreadable"),
        (b"text " * 60_000 + TRADITIONAL.encode("big5")[:9], "unreadable"),
        (SIMPLIFIED.encode("gbk") * 3000 + "80°C\n".encode("latin-1") + SIMPLIFIED.encode("gbk") * 3000, "unreadable"),
    ):
        with pytest.raises(Permanent) as caught:
            large(tmp_path, raw)
        assert caught.value.code == code
    file, _ = large(tmp_path, b"text " * 60_000)
    with pytest.raises(ChangedWhileReading):
        prepare(str(file), path="a.md", sha256="0" * 64, encodings=DEFAULT, max_size=2**30, unique="")


@pytest.mark.usefixtures("small_memory")
@pytest.mark.parametrize("path", ["a.txt", "a.pdf"])
@pytest.mark.parametrize("change", ["longer", "shorter", "other"])
def test_a_large_file_that_changes_before_it_is_sent(tmp_path: Path, path: str, change: str) -> None:
    """The very bytes that are sent are hashed: growth and loss abort the upload, other bytes fail afterwards."""
    raw = b"some words of text\n" * 20_000
    file, out = large(tmp_path, raw, path)
    file.write_bytes({"longer": raw + b"more", "shorter": raw[:-5], "other": raw[:-5] + b"xxxx\n"}[change])
    with pytest.raises(ChangedWhileReading):
        sent = sum(len(block) for block in out.body.blocks())
        assert change == "other"
        assert sent == out.size
        out.body.verify()


@pytest.mark.usefixtures("small_memory")
def test_a_body_that_was_not_sent_is_not_verified(tmp_path: Path) -> None:
    """``verify`` speaks of bytes that were read to the end."""
    _, out = large(tmp_path, b"some words of text\n" * 20_000)
    with pytest.raises(ChangedWhileReading):
        out.body.verify()
    next(iter(out.body.blocks()))
    with pytest.raises(ChangedWhileReading):
        out.body.verify()


@pytest.mark.usefixtures("small_memory")
@pytest.mark.parametrize("path", ["a.md", "a.csv", "a.html"])
def test_a_large_text_is_sampled_the_same_for_every_proof(tmp_path: Path, path: str) -> None:
    """`verify` asks for the passages that the first proof asked for: a table's as FastGPT shows it, by its cells."""
    file, out = large(
        tmp_path, b"part number,is kept in,by\n" + b"flange 4711,the northern store,somebody\n" * 5000, path
    )
    again = convert.extract_text(str(file), path=path, encodings=("utf-8",))
    assert out.sample == again.sample
    assert ("flange 4711 | the northern store" in out.sample) == (path == "a.csv")


@pytest.mark.usefixtures("small_memory")
def test_a_large_page_states_utf8(tmp_path: Path) -> None:
    """The charset in the head of a streamed page is rewritten, too; FastGPT keeps a page of that size as it is."""
    page = "<meta charset=gbk><title>手册</title>" + f"<p>{SIMPLIFIED}</p>\n" * 5000
    _, out = large(tmp_path, page.encode("gbk"), "a.html", ("utf-8",))
    assert body(out) == BOM + page.replace("gbk", "utf-8").encode()
    assert out.sample.startswith("<meta charset=utf-8><title>手册</title><p>本手册")


def test_memory_stays_low(tmp_path: Path) -> None:
    """A text of 40 MB is prepared and sent with less than 20 MB of memory."""
    file = tmp_path / "big.txt"
    with file.open("wb") as stream:
        for _ in range(40):
            stream.write(SIMPLIFIED.encode("gb18030") * (2**20 // len(SIMPLIFIED.encode("gb18030"))))
    with file.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    tracemalloc.start()
    out = prepare(str(file), path="a.txt", sha256=sha256, encodings=DEFAULT, max_size=2**30, unique="")
    total = sum(len(block) for block in out.body.blocks())
    out.body.verify()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == out.size > 40 * 2**20
    assert peak < 20 * 2**20


# ---------------------------------------------------------------- the small helpers


def test_extract_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same text as for sending, with a reason where there is none; only the disk's trouble is raised."""
    file = tmp_path / "x"
    file.write_bytes(SIMPLIFIED.encode("gbk"))
    assert extract_text(str(file), path="a.md", encodings=DEFAULT) == (SIMPLIFIED, "")
    assert extract_text(str(file), path="a.md", encodings=("utf-8",))[0] is None
    assert extract_text(str(file), path="a.exe", encodings=DEFAULT)[1]
    with monkeypatch.context() as patched:
        patched.setattr(convert, "TEXT_IN_MEMORY", 3)
        assert extract_text(str(file), path="a.md", encodings=DEFAULT) == (None, "too large to compare whole")
    assert extract_text(str(file), path="a.pdf", encodings=DEFAULT)[0] is None
    with pytest.raises(FileNotFoundError):
        extract_text(str(tmp_path / "gone"), path="a.md", encodings=DEFAULT)


def test_settings_id() -> None:
    """It changes with what changes the sent bytes or the training of this very file, and with nothing else."""
    chunk, qa = Training(), Training("qa")
    own = settings_id(chunk, DEFAULT, "a/b.md")
    assert len(own) == 16
    assert int(own, 16) >= 0
    assert own == settings_id(chunk, DEFAULT, "other/c.MD") == settings_id(chunk, DEFAULT, "d.mdx")
    assert own != settings_id(qa, DEFAULT, "a.md")
    assert own != settings_id(Training("chunk", (("chunkSize", 512),)), DEFAULT, "a.md")
    assert own != settings_id(chunk, ("utf-8",), "a.md")
    assert settings_id(chunk, DEFAULT, "a.pdf") == settings_id(chunk, ("utf-8",), "a.pdf")
    assert settings_id(chunk, DEFAULT, "a.pdf") != settings_id(qa, DEFAULT, "a.pdf")
    size, implied = (("chunkSize", 512),), (("chunkSplitMode", "paragraph"),)
    same = settings_id(Training("chunk", size, implied), DEFAULT, "a.md")
    assert same == settings_id(Training("chunk", size), DEFAULT, "a.md"), "a changed default re-sends nothing"
    one = Training("chunk", (("a", 1), ("b", "x")))
    assert settings_id(one, DEFAULT, "a.md") == settings_id(Training("chunk", (("b", "x"), ("a", 1))), DEFAULT, "a.md")
    assert own == "18654cf36946602b"  # stored in ledgers: a change here re-uploads everything


@given(st.text(min_size=1, max_size=400).filter(lambda text: "\0" not in text))
@example("¼û")  # also two Chinese characters in gb18030
@example("0\x04")  # also a Cyrillic one in UTF-16
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_utf8_text_arrives_unchanged(send: Send, text: str) -> None:
    """What is sent decodes to exactly the text of the file, or the file is refused with a reason."""
    for path in ("a.md", "a.html"):
        try:
            out = send(text.encode(), path)
        except Permanent as error:
            assert error.code in ("empty", "unreadable")
        else:
            line = "\n" if path == "a.md" else ""
            assert body(out).decode("utf-8-sig") == line + text.removeprefix("\ufeff")
