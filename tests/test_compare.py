"""Content on the server against content sent (design 12, rule 8)."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.compare import compare, normalise

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
    assert compare(text, [" ".join(chunk.split()) for chunk in chunks]) is None


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


def test_the_limit_is_two_hundred() -> None:
    """199 lost characters pass, 200 do not (rule 8)."""
    head, lost, tail = (normalise(english(s)) for s in (21, 22, 23))
    for length, passes in ((150, True), (199, True), (200, False), (201, False)):
        found = compare(head + lost[:length] + tail, [head, tail])
        assert (found is None) is passes, length
        if found:
            assert found.lost_characters == length


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


def test_one_percent_of_the_non_ascii_characters() -> None:
    """One lost accent of two hundred passes, five do not."""
    text = ". ".join(
        f"{w}\xe9{i}" for i, w in enumerate(random.Random(1).sample([w for w in WORDS if len(w) > 6], k=200))
    )
    for lost, passes in ((1, True), (2, True), (5, False), (60, False)):
        broken = text.replace("\xe9", "C)", lost)
        found = compare(text, [broken])
        assert (found is None) is passes, lost
        if found:
            assert found.kind == "encoding-lost"


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
    links = "\n".join(f"Chapter {i} on {w}" for i, w in enumerate(WORDS[:30]))
    there = "\n".join(
        f'-   [Chapter {i} on {w}](https://example.org/{i}_(x)/very/long/path/{w}.html "Go")'
        for i, w in enumerate(WORDS[:30])
    )
    assert compare(links, [there]) is None
    assert compare("snake_case * 2 [x]", [r"snake\_case \* 2 \[x\]"]) is None
    picture = "![x](data:image/png;base64," + "QUJD" * 200 + ")"
    assert (
        compare(
            "before the picture " + picture + " and after it", ["before the picture ![x](dataset/abc.png) and after it"]
        )
        is None
    )


def test_a_repeated_passage_is_needed_once() -> None:
    """Servers that drop equal chunks have lost nothing that could be found."""
    block = english(41, 3)
    assert compare("\n\n".join([block] * 5), [block]) is None
    between = "\n\n".join([block, english(42), block, english(43), block])
    assert compare(between, [block, english(42), english(43)]) is None


def test_scraps_of_a_lost_passage_elsewhere_do_not_excuse_it() -> None:
    """Pieces of 40 characters that stand somewhere on the server are no copy of the lost passage."""
    lost = normalise(english(61))[100:400]
    head, tail = normalise(english(62)), normalise(english(63))
    scraps = [
        "~".join((normalise(english(70 + i))[:300], lost[i * 40 : i * 40 + 40])) + english(80 + i) for i in range(3)
    ]
    assert compare(head + lost[:150] + lost + lost[150:] + tail, [head, *scraps, tail]) is not None
    twin = head + lost + tail + lost
    assert compare(twin + "end", [head, lost + tail, "end"]) is None


def test_empty_sent_text_is_equal_to_anything() -> None:
    """Markup alone has nothing that could be lost."""
    assert compare("", ["x"]) is None
    assert compare("---\n***", []) is None


@given(st.text(), st.lists(st.text(), max_size=4))
def test_never_raises_and_never_misses_itself(text: str, rows: list[str]) -> None:
    """Any text is equal to itself, whatever else is there; and nothing raises."""
    assert compare(text, [*rows, text]) is None
    compare(text, rows)
    compare(text, rows, tolerant=True)
    assert compare(text, [text], tolerant=True) is None


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


def test_tolerant_forgives_what_readers_do_differently() -> None:
    """Ligatures, missing blanks, number formats, another order of pages and page headers are no difference."""
    text = english(51) + "\n" + "Office workflow of the first efficient floor. " * 3
    pages = chunks_of(text, 800, 0)
    there = [page.replace("fi", "\ufb01").replace("\n", "").replace("7", "7.00 %") for page in reversed(pages)]
    assert compare(text + "\nPage 12 of 90, confidential", there, tolerant=True) is None
    assert (
        compare(
            "pressure | 16\n温度 | 200 | 45234",
            ["| pressure | 16 |\n| --- | --- |\n| 温度 | 200 | 11/4/23 |"],
            tolerant=True,
        )
        is None
    )
    assert compare("1 | 2 | 3.5\n4 | 5 | 6", ["| 1.00 | 2.00 | 3.50 |\n| 4.00 | 5.00 | 6.00 |"], tolerant=True) is None


def test_tolerant_still_sees_a_loss() -> None:
    """Half a document, a block of 1 000 letters, garbled or foreign text do not pass even there."""
    text = english(52, 60)
    assert compare(text, [text[: len(text) // 2]], tolerant=True) is not None
    letters = "".join(c for c in text if c.isalpha())
    assert compare(letters, [letters[:4000], letters[6000:]], tolerant=True) is not None
    assert compare(text, [], tolerant=True) is not None
    assert compare(text, [english(53, 60)], tolerant=True) is not None
    garbled = chinese(54).encode().translate(SEVEN_BITS).decode()
    assert compare(chinese(54), [garbled], tolerant=True) is not None
    assert compare("1 | 2 | 3.5\n4 | 5 | 6", [], tolerant=True) is not None


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
