"""Content on the server against content sent (design 12, rule 8)."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.bare import bare
from syncd.compare import Comparison, compare, examine, normalise
from syncd.models import Format
from syncd.sheettext import FORMATTED, PLAIN
from syncd.visible import html_text

SEVEN_BITS = bytes(b & 0x7F for b in range(256))
_rng = random.Random(0)
WORDS = ["".join(_rng.choices("etaoinshrdlucmfwyp", k=_rng.randint(2, 9))) for _ in range(1500)]
HANZI = (
    "水泵维护周期设备编号润滑轴承压力检查更换操作手册安装调试电机冷却阀门密封振动报警复位技术人员每年小时记录温度流量"
)


def english(seed: int, paragraphs: int = 12) -> str:
    """Prose with headings and a table, different for each seed."""
    rng = random.Random(seed)
    parts = []
    for number in range(paragraphs):
        if number % 4 == 0:
            parts.append(f"## Section {number} of book {seed}")
        sentences = (" ".join(rng.choices(WORDS, k=rng.randint(6, 14))).capitalize() + "." for _ in range(6))
        parts.append(f"{number}. " + " ".join(sentences))
    parts.append(
        "| part | count |\n| --- | --- |\n" + "\n".join(f"| {rng.choice(WORDS)} {i} | {i * 7} |" for i in range(9))
    )
    return "\n\n".join(parts)


def chinese(seed: int, paragraphs: int = 12) -> str:
    rng = random.Random(seed)
    return "\n\n".join(
        ["# 手册 " + str(seed)]
        + ["。".join("".join(rng.choices(HANZI, k=rng.randint(9, 22))) for _ in range(6)) for _ in range(paragraphs)]
    )


def mixed(seed: int) -> str:
    rng = random.Random(seed)
    return "\n\n".join(
        " ".join(rng.choices(WORDS, k=12)) + " " + "".join(rng.choices(HANZI, k=14)) + rng.choice("😀👍🏽🚰🔧")
        for _ in range(40)
    )


def chunks_of(text: str, size: int = 1000, overlap: int = 200, title: str = "") -> list[str]:
    """Cut as FastGPT does: about ``size`` characters, on paragraphs, overlapping, with repeated headings."""
    out: list[str] = []
    held = heading = ""
    for paragraph in text.split("\n\n"):
        if paragraph.startswith("#"):
            heading = paragraph
        if held and len(held) + len(paragraph) > size:
            out.append(held)
            held = f"{title}{heading}\n{held[-overlap:] if overlap else ''}"
        held += ("\n\n" if held else "") + paragraph
    return [*out, held]


DOCUMENTS = [
    english(1),
    chinese(2),
    mixed(3),
    english(4, 2),
    chinese(5, 1),
    "three little words",
    "短文",
    "é",
    "a\n\n\n# b",
]


@pytest.mark.parametrize("text", DOCUMENTS)
@pytest.mark.parametrize("overlap", [0, 200])
def test_what_fastgpt_makes_of_a_text_is_equal_enough(text: str, overlap: int) -> None:
    """Chunking, overlap, repeated headings, a title, other line ends, a mark and any order are no difference."""
    chunks = chunks_of(text, 1000, overlap, "The title\n")
    assert compare(text, chunks) is None
    assert compare(text, ["\ufeff" + chunks[0], *chunks[1:]]) is None
    assert compare(text.replace("\n", "\r\n"), chunks[::-1]) is None
    assert compare(text, [" ".join(chunk.split()) for chunk in chunks_of(text, 1000, overlap)]) is None


@pytest.mark.parametrize("text", [english(1), chinese(2), mixed(3), english(11, 30), chinese(12, 30)])
def test_each_lost_chunk_is_seen(text: str) -> None:
    """Whichever chunk is missing, its 200 characters are missed, as content and not as encoding."""
    chunks = chunks_of(text, 700, 0)
    for lost in range(len(chunks)):
        if len(normalise(chunks[lost])) < 200:
            continue
        found = compare(text, chunks[:lost] + chunks[lost + 1 :])
        assert found is not None
        assert found.kind == "content-differs"
        assert found.lost_run
        assert found.lost_run in normalise(chunks[lost])


@pytest.mark.parametrize("length", [1, 2, 3, 12, 40, 200])
def test_every_lost_letter_counts(length: int) -> None:
    """One lost letter or digit is a difference, and its place is named; no share of a text is free."""
    head, lost, tail = (bare(english(s)).text for s in (21, 22, 23))
    middle = "".join(char for char in lost if char.isalnum())[:length]
    found = compare(head + middle + tail, [head, tail])
    assert found is not None
    assert found.kind == "content-differs"
    assert found.lost_characters == length


@pytest.mark.parametrize("mark", [".", "!", "*", "_", "`", "|", "#"])
def test_marks_are_no_content(mark: str) -> None:
    """What Markdown writes anew, and punctuation that belongs to no figure, may be missing."""
    assert compare(f"first {mark} second word", ["first second word"]) is None


@pytest.mark.parametrize(
    ("sent", "there"),
    [("3.5 bar", "35 bar"), ("-7 degrees", "7 degrees"), ("at 10:30", "at 1030"), ("40 %", "40"), ("20 °C", "20 C")],
)
def test_the_marks_of_a_figure_are_content(sent: str, there: str) -> None:
    """A point, a minus sign, a colon inside a figure and signs such as % are what a reader would miss."""
    assert compare(f"The limit is {sent} for pumps", [f"The limit is {there} for pumps"]) is not None


def test_a_familiar_phrase_inside_does_not_hide_a_lost_chunk() -> None:
    """Words that also stand elsewhere do not cut a lost passage into harmless pieces."""
    phrase = "Tighten the gasket with the torque wrench."
    head, lost, tail = english(31), english(32)[:450], english(33)
    text = "\n\n".join([head, phrase, lost[:150], phrase, lost[150:300], phrase, lost[300:], tail])
    found = compare(text, [head + phrase, tail])
    assert found is not None
    assert found.kind == "content-differs"


@pytest.mark.parametrize(
    "text", [chinese(2), mixed(3), chinese(5, 1), "Plain ASCII for a while, then café, naïve and Größe. " * 9, "短文"]
)
def test_destroyed_characters_are_named(text: str) -> None:
    """What FastGPT does to text behind 200 bytes of ASCII is called by its name (observed fact 1)."""
    front = "---\n" + "title: an ascii title\n" * 10 + "---\n"
    whole = front + text
    garbled = whole.encode().translate(SEVEN_BITS).decode()
    found = compare(whole, chunks_of(garbled))
    assert found is not None
    assert found.kind == "encoding-lost"
    assert found.lost_non_ascii_percent > 90


@pytest.mark.parametrize("how", ["?", "\ufffd", "latin-1", "gb18030", ""])
def test_other_ways_to_lose_characters(how: str) -> None:
    """Question marks, replacement characters, two kinds of mojibake and plain loss are encoding-lost, too."""
    text = mixed(7)
    if how in ("latin-1", "gb18030"):
        wrong = text.encode().decode(how, "ignore")
    else:
        wrong = "".join(c if c < "\x7f" else how for c in text)
    found = compare(text, chunks_of(wrong))
    assert found is not None
    assert found.kind == "encoding-lost"


@pytest.mark.parametrize("lost", [1, 2, 5, 60])
def test_every_destroyed_character_counts(lost: int) -> None:
    """One destroyed accent of two hundred is a difference, and is called by its name."""
    text = ". ".join(
        f"{w}\xe9{i}" for i, w in enumerate(random.Random(1).sample([w for w in WORDS if len(w) > 6], k=200))
    )
    found = compare(text, [text.replace("\xe9", "C)", lost)])
    assert found is not None
    assert found.kind == "encoding-lost"
    assert found.lost_non_ascii_percent == lost / 2


@pytest.mark.parametrize("text", DOCUMENTS)
def test_nothing_and_another_document(text: str) -> None:
    """An empty result and another document's text are content-differs."""
    for rows in (
        [],
        [""],
        ["\n \ufeff"],
        ["A whale swam past the lighthouse, and nobody wrote it down."],
        [chinese(77)],
    ):
        found = compare(text, rows)
        assert found is not None
        assert found.kind == "content-differs"
        assert found.message


@pytest.mark.parametrize("text", [english(1), chinese(2), mixed(3)])
def test_truncation(text: str) -> None:
    """A text that was cut is content-differs."""
    found = compare(text, chunks_of(text[: len(text) * 3 // 4]))
    assert found is not None
    assert found.kind == "content-differs"


def test_markdown_from_csv_and_html() -> None:
    """Table bars, link targets, escapes and the ``\\n`` of CSV cells are markup."""
    assert (
        compare(
            "name | note\nbob | first line second line",
            ["| name | note |\n| --- | --- |\n| bob | first line\\nsecond line |"],
        )
        is None
    )
    page = "".join(
        f'<p><a href="https://example.org/{i}_(x)/very/long/path/{w}.html" title="Go">Chapter {i} on {w}</a></p>'
        for i, w in enumerate(WORDS[:30])
    )
    there = "\n".join(
        f'-   [Chapter {i} on {w}](https://example.org/{i}_(x)/very/long/path/{w}.html "Go")'
        for i, w in enumerate(WORDS[:30])
    )
    assert compare(html_text(page), [there], Format.HTML) is None
    assert compare(html_text(page), [there.replace("/7_(", "/8_(")], Format.HTML) is not None
    assert compare("snake_case * 2 [x]", [r"snake\_case \* 2 \[x\]"]) is None
    picture = "![x](data:image/png;base64," + "QUJD" * 200 + ")"
    assert (
        compare(
            "before the picture " + picture + " and after it", ["before the picture ![x](dataset/abc.png) and after it"]
        )
        is None
    )


def test_repetitions_count() -> None:
    """A passage that stands in the file five times is needed five times (design 13)."""
    block = english(41, 3)
    assert compare("\n\n".join([block] * 5), [block] * 5) is None
    assert compare("\n\n".join([block] * 5), [block] * 3) is not None
    between = "\n\n".join([block, english(42), block, english(43), block])
    assert compare(between, [block, english(42), block, english(43), block]) is None
    assert compare(between, [block, english(42), english(43), block]) is not None


def test_a_repetition_at_an_end_is_dropped_by_fastgpt_and_named() -> None:
    """What repeats the lines directly before it may be missing at an end (FastGPT's splitter); that is a remark."""
    line = "The same line about the pump.\n"
    found = examine("# Log\n" + line * 40, ["# Log\n" + line * 39])
    assert found.difference is None
    assert found.weak == ""
    assert found.remark == "24 characters that repeat what stands before them are not taken over by FastGPT"


def test_scraps_of_a_lost_passage_elsewhere_do_not_excuse_it() -> None:
    """Pieces of 40 characters that stand somewhere on the server are no copy of the lost passage."""
    lost = normalise(english(61))[100:400]
    head, tail = normalise(english(62)), normalise(english(63))
    scraps = [
        "~".join((normalise(english(70 + i))[:300], lost[i * 40 : i * 40 + 40])) + english(80 + i) for i in range(3)
    ]
    assert compare(head + lost[:150] + lost + lost[150:] + tail, [head, *scraps, tail]) is not None
    twin = head + lost + tail + lost
    assert compare(twin + "end", [head, lost + tail, "end"]) is not None
    assert compare(twin + "end", [head, lost + tail, lost + "end"]) is None


def test_empty_sent_text_is_equal_to_anything() -> None:
    """Markup alone has nothing that could be lost."""
    assert compare("", ["x"]) is None
    assert compare("---\n***", []) is None


@given(st.text(), st.lists(st.text(), max_size=4))
def test_never_raises_and_never_misses_itself(text: str, rows: list[str]) -> None:
    """Any text is equal to itself, and lost nowhere, whatever else is there; and nothing raises."""
    assert compare(text, [text]) is None
    found = compare(text, [*rows, text])
    assert found is None or found.lost_characters == 0
    for fmt in Format:
        examine(text, rows, fmt)
        assert examine(text, [text], fmt).difference is None


@given(st.integers(0, 10_000), st.integers(1, 900), st.booleans())
@settings(max_examples=60)
def test_any_cut_is_equal(seed: int, size: int, hanzi: bool) -> None:
    """Chunk borders anywhere lose nothing."""
    text = chinese(seed, 4) if hanzi else english(seed, 4)
    size = max(size, 40)
    assert compare(text, [text[i : i + size] for i in range(0, len(text), size)]) is None


@given(st.integers(0, 10_000), st.floats(0, 0.8))
@settings(max_examples=60)
def test_any_hole_of_300_is_seen(seed: int, where: float) -> None:
    """A hole of 300 characters is seen wherever it is."""
    text = normalise(english(seed, 8))
    at = int(len(text) * where)
    assert compare(text, [text[:at], text[at + 300 :]]) is not None


def test_a_pdf_may_be_read_in_another_way() -> None:
    """Ligatures, missing blanks, hyphens and another order of pages are no difference."""
    text = english(51) + "\n" + "Office workflow of the first efficient floor, re-\nciprocating. " * 3
    pages = chunks_of(text.replace("-\n", "-"), 800, 0)
    there = [page.replace("fi", "\ufb01").replace("\n", "") for page in reversed(pages)]
    assert compare(text, there, Format.PDF) is None


def test_a_few_letters_of_a_pdf_are_weak_and_figures_are_not() -> None:
    """Two readers may differ in single letters, which makes a proof weak; a changed figure is a difference."""
    text = english(55) + " pressure 1234 bar"
    letters = examine(text, [text.replace("pressure", "pressme")], Format.PDF)
    assert letters.difference is None
    assert letters.weak == "single letters of this PDF are read differently here than on the server"
    assert compare(text, [text.replace("1234", "1235")], Format.PDF) is not None


@pytest.mark.parametrize("fmt", list(Format))
def test_a_loss_is_seen_in_every_format(fmt: Format) -> None:
    """Half a document, a hole, foreign text, nothing, a changed figure: a difference whatever the format."""
    text = english(52, 60)
    for rows in ([text[: len(text) // 2]], [text[:4000], text[6000:]], [], [english(53, 60)]):
        assert compare(text, rows, fmt) is not None
    table = "pressure | 16\n温度 | 200 | 45234"
    assert compare(table, ["| pressure | 16 |\n| --- | --- |\n| 温度 | 200 | 45234 |"], fmt) is None
    assert compare(table, ["| pressure | 16 |\n| --- | --- |\n| 温度 | 201 | 45234 |"], fmt) is not None
    assert compare("1 | 2 | 3.5\n4 | 5 | 6", [], fmt) is not None


def test_numbers_of_a_sheet_have_one_form() -> None:
    """Exponents, digits of binary fractions and capitals of TRUE are how a number is written, not what it is."""
    sent = "0.07000000000000001 | 1e-07 | 1.234567890123457e+19 | TRUE"
    assert compare(sent, ["| 0.07 | 1e-7 | 12345678901234570000 | true |"], Format.XLSX) is None
    assert compare(sent, ["| 0.08 | 1e-7 | 12345678901234570000 | true |"], Format.XLSX) is not None


def test_numbers_with_a_format_cannot_be_judged() -> None:
    """Where only numbers with a format differ, the proof is weak and says so; all others still count."""
    sent = f"date | {FORMATTED}46023{PLAIN} | pump | 17"
    assert examine(sent, ["| date | 46023 | pump | 17 |"], Format.XLSX) == Comparison(None)
    shown = examine(sent, ["| date | 2026-01-01 | pump | 17 |"], Format.XLSX)
    assert shown.difference is None
    assert shown.weak == "its numbers with a format are shown differently by the server and could not be compared"
    assert compare(sent, ["| date | 2026-01-01 | pump | 18 |"], Format.XLSX) is not None


def test_what_is_added_is_seen() -> None:
    """Another document's paragraph among the file's own is a difference in a text, and makes an office proof weak."""
    text, other = english(56), "A whale swam past the lighthouse, and nobody wrote it down in the book of the day."
    rows = [text[:900], other, text[900:]]
    found = compare(text, rows)
    assert found is not None
    assert found.lost_characters == 0
    assert "whale" in found.lost_run
    office = examine(text, rows, Format.DOCX)
    assert office.difference is None
    assert "whale" in office.weak
    assert examine(text, rows, Format.DOCX, partial=True) == Comparison(None)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("the same line again and again, nothing new\n" * 8000, None),
        ("ab" * 200_000, None),
        ("a" * 300_000, ["a" * 900 + "b"] * 400),
        ("".join(chr(97 + i * i % 26) for i in range(300_000)), ["x y z " * 150] * 300),
    ],
    ids=["lines", "abab", "aaaa", "other"],
)
def test_no_text_makes_it_slow(text: str, rows: list[str] | None) -> None:
    """The time grows with the length, also for texts built to hurt: far below five seconds for 300 000 characters."""
    if rows is None:
        rows = [text[i : i + 1000] for i in range(0, len(text), 800)]
    began = time.process_time()
    compare(text, rows)
    assert time.process_time() - began < 5
