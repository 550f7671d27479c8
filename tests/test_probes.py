"""Which passages are asked for, and what the answer means (design 6; design 12, rules 7 and 9)."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.compare import normalise
from syncd.models import CollectionId, Hit, Probe, ProbeResult, Verdict
from syncd.passages import LONGEST, SHORTEST
from syncd.probes import choose, judge, judge_outranked, needs_more

OWN, TWIN, OTHER = (CollectionId(name * 24) for name in "abc")
BOTH = frozenset({"embedding", "fullText"})

GUIDE = """---
title: Pump guide
description: A front matter line that nobody should search for, although it is long enough.
---

# Pump guide

The maintenance interval of pump P-101 is three thousand hours. Write the reading into the blue logbook afterwards.

```sh
systemctl restart pump-controller.service --now # code is not prose, however long the line may be
```

| part | quantity of this very part in the whole machine |
| --- | --- |
| gasket ring of the upper housing | 14 pieces in a bag |

## Alarms

When the klaxon sounds twice, close valve V-7 by hand and call the shift engineer, see [the list](https://example.org/x).

- Grease the **rear bearing** with lithium soap every second Thursday, never with silicone.

![A picture](data.png)
<div class="note">html that is no prose at all, only decoration around it</div>

## Disposal

Used coolant belongs into the yellow drums behind hall nine, whose lids must be sealed with wax.
"""

CHINESE = """# 水泵手册

English words come first here, and there are quite a few of them in this introduction sentence.

水泵 P-102 的维护周期为五千小时，每次维护之后必须把读数写进蓝色的记录本。维护人员需要佩戴防护眼镜。

## 报警

当警报器连续响两次时，请手动关闭阀门 V-7，并立即通知当班工程师，不要离开现场。

## 废液

用过的冷却液必须倒入九号车间后面的黄色桶里，桶盖要用蜡密封，并且贴上带有日期的标签。
"""


def hit(collection: CollectionId, text: str = "", rank: int = 1, types: frozenset[str] = BOTH) -> Hit:
    return Hit(collection, text, rank, 0.5, types)


# ---------------------------------------------------------------- choose


def test_prose_from_each_third() -> None:
    """Prose is preferred to code, tables, headings, front matter and markup, one passage from each part."""
    probes = choose(GUIDE, 3)
    assert len(probes) == 3
    assert [p.position for p in probes] == sorted(p.position for p in probes)
    assert probes[0].position < 0.45 < probes[2].position
    for probe in probes:
        assert SHORTEST <= len(probe.text) <= LONGEST
        assert not re.search(r"systemctl|quantity|front matter|https?:|<div|\*\*|\]\(|```|^#|\|", probe.text)
        assert all(word in probe.text or word.lower() in probe.text.lower() for word in probe.rare_words.split())
        assert probe.rare_words


def test_non_ascii_text_is_preferred() -> None:
    """Chinese is what gets lost on the way, so it is asked for where there is any (fact 1)."""
    for probe in choose(CHINESE, 3):
        assert sum(c > "\x7f" for c in probe.text) > len(probe.text) / 2
        assert SHORTEST <= len(probe.text) <= LONGEST


def test_the_same_every_time() -> None:
    """A probe can be asked again next week."""
    assert choose(GUIDE, 3) == choose(GUIDE, 3)
    assert normalise(choose(GUIDE, 1)[0].text) in normalise(GUIDE)


def test_rare_words_decide() -> None:
    """A sentence with words of its own is preferred to boilerplate."""
    boiler = "The operator shall read the manual before the operator starts the machine.\n\n"
    text = boiler * 8 + "Zirconium nozzles tolerate fluoride vapours unharmed.\n\n" + boiler * 8
    assert "Zirconium" in choose(text, 1)[0].text


def test_front_matter_is_left_alone() -> None:
    """Even where its words are the rarest; it is asked for only when there is nothing else."""
    body = "The operator shall read the manual.\n\n" * 5
    text = f"---\nsummary: Zirconium nozzles tolerate fluoride vapours unharmed and silently.\n---\n{body}"
    assert all("operator" in probe.text for probe in choose(text, 3))
    assert "Zirconium" in choose(text.removesuffix(body), 3)[0].text


LINKED = [
    ("请访问http://a.b/c的页面查看水泵维护周期的详细说明。", "水泵的维护周期为五千小时，必须把读数写进蓝色的记录本。"),
    ("参见[蓝色记录本的填写说明和全部附件](https://example.org/x)。", "水泵的维护周期为五千小时，必须写进记录本。"),
    ("The httpd-configuration-of-the-walrus rests.", "Grease the bearing with lithium soap every second Thursday."),
    ("HTTPS://EXAMPLE.ORG/QUARTZ/ZIRCONIUM/NOZZLES.", "The operator shall read the manual of the machine."),
]


@pytest.mark.parametrize(("dropped", "kept"), LINKED)
@pytest.mark.parametrize("glue", ["\n\n", " ", "\n"])
def test_nothing_is_asked_that_full_text_does_not_know(dropped: str, kept: str, glue: str) -> None:
    """FastGPT's full text drops every run of non-blanks that holds "http", so no probe comes from one (R11)."""
    for count in (1, 3):
        for text in (dropped + glue + kept, kept + glue + dropped):
            probes = choose(text, count)
            assert probes
            assert not [p.text for p in probes if any(word in p.text for word in re.findall(r"\S*http\S*", text, re.I))]
            assert all(normalise(p.text) in normalise(text) for p in probes)
            assert all("http" not in p.text.lower() and "附件" not in p.text for p in probes)


def test_a_link_is_cut_off_whole() -> None:
    """The words of a link around its blank do not stand in a probe with an open bracket."""
    text = "See [the long list of parts](https://example.org/x) for more about the otters of the harbour of Wismar."
    assert ["for more about the otters of the harbour of Wismar."] == [p.text for p in choose(text, 1)]


def test_a_text_of_links_alone_is_asked_for_all_the_same() -> None:
    """There is always a question, even where full text knows nothing of the text: nearness finds it."""
    assert choose("https://a.example/b https://c.example/d", 2)
    assert ["word"] == [p.text for p in choose("https://a.example/b\nword\nhttps://c.example/d", 1)]


def test_what_was_asked_can_be_avoided() -> None:
    """Other probes than those used before, as long as there are any."""
    first = choose(GUIDE, 2)
    more = choose(GUIDE, 2, avoid=frozenset(p.text for p in first))
    assert more
    assert not {p.text for p in first} & {p.text for p in more}


@pytest.mark.parametrize(
    "text",
    [
        "three little words",
        "短文",
        "7",
        "# Only a heading",
        "| a | b |\n| - | - |",
        "```\ncode only\n```",
        "---\na: b\n---\n",
        "- é",
        "<p>x",
        "http://x.y",
    ],
)
def test_tiny_documents_give_one_probe(text: str) -> None:
    """Whatever there is, it is asked for."""
    probes = choose(text, 3)
    assert len(probes) == 1
    assert probes[0].text
    assert probes[0].rare_words


@pytest.mark.parametrize("text", ["", " \n", "---\n***\n", "。，！", "😀"])
def test_nothing_to_ask_for(text: str) -> None:
    """Without a letter or a digit there is no probe; and none when none is wanted."""
    assert choose(text, 3) == ()
    assert choose(GUIDE, 0) == ()


@given(st.text(alphabet=st.sampled_from("ab 中文é。.\n#|`<>[]()-*😀\u0301,1"), max_size=600), st.integers(1, 5))
def test_always_one_and_never_too_long(text: str, count: int) -> None:
    """Any text with a letter or a digit gives between one and ``count`` different probes of bounded length."""
    probes = choose(text, count)
    assert len(probes) <= count
    assert len({p.text for p in probes}) == len(probes)
    assert bool(probes) is any(c.isalnum() for c in text)
    for probe in probes:
        assert 0 < len(probe.text) <= LONGEST
        assert any(c.isalnum() for c in probe.text)
        assert probe.rare_words
        assert 0.0 <= probe.position <= 1.0
        probe.text.encode()


def test_long_lines_are_cut_between_words() -> None:
    """A passage does not end in the middle of a word or a clause where there is another place."""
    line = "unpunctuated words follow each other without any full stop for a very long time " * 9
    for probe in choose(line, 2):
        assert set(probe.text.split()) <= set(line.split())
    clauses = "，".join(f"第{i}个分句描述了设备的第{i}个部件" for i in range(60))
    for probe in choose(clauses, 2):
        assert all(re.fullmatch(r"第(\d+)个分句描述了设备的第\1个部件", clause) for clause in probe.text.split("，"))


def test_large_documents_are_looked_at_in_parts() -> None:
    """A megabyte costs no more than its windows, and its code blocks stay code."""
    parts = [f"Paragraph number {i} mentions the unusual word zz{i}yy in its middle." for i in range(14_000)]
    parts[2000] = (
        "```\n" + "\n".join(f"code line {i} of a very long listing without prose" for i in range(4000)) + "\n```"
    )
    text = "\n\n".join(parts)
    began = time.process_time()
    probes = choose(text, 3)
    assert time.process_time() - began < 0.5
    assert len(probes) == 3
    assert all("unusual word" in p.text for p in probes)
    assert probes[0].position < 0.34 < probes[1].position < 0.67 < probes[2].position


def test_rare_words_of_chinese_are_pieces_of_it() -> None:
    """Full-text search gets pieces of up to eight characters, not a whole sentence."""
    for probe in choose(CHINESE, 3):
        for word in probe.rare_words.split():
            assert word in probe.text
            assert len(word) <= 8 or word.isascii()


# ---------------------------------------------------------------- judge

PROBE = Probe("The maintenance interval of **pump** P-101 is three thousand hours.", "maintenance P-101", 0.1)
PASSAGE = "## Heading\n\nThe maintenance\ninterval of pump P-101 is three thousand hours. And more."


def test_found_with_the_best_rank() -> None:
    """Our collection among the hits is found; the best rank counts, and the score types of all our hits."""
    hits = [
        hit(OTHER, rank=1),
        hit(OWN, rank=3, types=frozenset({"embedding"})),
        hit(OWN, rank=2, types=frozenset({"fullText", "rrf"})),
    ]
    result = judge(PROBE, hits, OWN, mode="mixedRecall", twins={OTHER})
    assert (result.verdict, result.rank, result.score) == (Verdict.FOUND, 2, 0.5)
    assert result.score_types == {"embedding", "fullText", "rrf"}
    assert result.mode == "mixedRecall"


@pytest.mark.parametrize("twins", [{TWIN}, {TWIN: "x"}, lambda collection: collection == TWIN])
def test_shared_with_a_known_twin(twins: object) -> None:
    """A twin's hit with exactly our passage passes: search merges equal chunks across collections."""
    result = judge(PROBE, [hit(OTHER, PASSAGE), hit(TWIN, PASSAGE, 2)], OWN, mode="embedding", twins=twins)
    assert (result.verdict, result.shared_with, result.rank) == (Verdict.SHARED, TWIN, 2)
    assert result.score_types == BOTH


def test_not_shared() -> None:
    """Neither another text of a twin nor our text in a collection that is no twin passes (rule 7)."""
    for hits in ([], [hit(TWIN, "Another text.")], [hit(OTHER, PASSAGE)]):
        result = judge(PROBE, hits, OWN, mode="embedding", twins={TWIN})
        assert (result.verdict, result.rank, result.shared_with) == (Verdict.MISSING, None, None)
    assert judge(PROBE, [hit(OTHER, PASSAGE)], OWN, mode="embedding").verdict is Verdict.MISSING
    assert judge(Probe("***", "", 0), [hit(TWIN, "x")], OWN, mode="embedding", twins={TWIN}).verdict is Verdict.MISSING


def test_outranked() -> None:
    """Found by its rare words only is a quality finding; anything else stays as it was."""
    missing = judge(PROBE, [], OWN, mode="embedding")
    found = judge_outranked(missing, [hit(OTHER), hit(OWN, types=frozenset({"fullText"}))], OWN)
    assert (found.verdict, found.rank, found.score_types) == (Verdict.OUTRANKED, None, {"fullText"})
    assert judge_outranked(missing, [hit(OTHER)], OWN) is missing
    good = judge(PROBE, [hit(OWN)], OWN, mode="embedding")
    assert judge_outranked(good, [hit(OWN)], OWN) is good


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([], None),
        ([("mixedRecall", {"embedding", "fullText", "rrf"})], None),
        ([("mixedRecall", {"embedding", "rrf"})], "fullTextRecall"),
        ([("mixedRecall", {"fullText", "rrf"})], "embedding"),
        ([("mixedRecall", {"fullText"}), ("mixedRecall", {"embedding"})], None),
        ([("embedding", {"embedding"})], "fullTextRecall"),
        ([("fullTextRecall", {"fullText"})], "embedding"),
        ([("mixedRecall", set())], "embedding"),
        ([("mixedRecall", {"rrf"}), ("embedding", {"embedding"})], "fullTextRecall"),
        ([("mixedRecall", {"embedding"}), ("fullTextRecall", set())], None),
    ],
)
def test_both_indexes_must_have_answered(seen: list[tuple[str, set[str]]], expected: str | None) -> None:
    """The absent one of the two score types is asked for once, never twice (rule 9)."""
    results = [ProbeResult(PROBE, mode, Verdict.FOUND, score_types=frozenset(types)) for mode, types in seen]
    assert needs_more(results) == expected


@pytest.mark.parametrize(
    ("text", "never"),
    [
        ("The lamp is trimmed daily.\n\n![](data:image/png;base64," + "QUJD" * 4000 + ")\n\nThe bell rings.\n", "QUJD"),
        ("1. Oil with SPLIT_HERE_SPLIT_HERE in the north pump is changed.\n" * 9, "SPLIT_HERE"),
        ("Lines of code say CODE_BLOCK_LINE_MARKER where the east gate is opened.\n", "CODE_BLOCK"),
    ],
)
def test_what_fastgpt_keeps_elsewhere_is_no_passage(text: str, never: str) -> None:
    """Pictures inside the text and the marks of FastGPT's own splitter are not stored as they stand."""
    chosen = choose(text, 4)

    assert chosen
    assert [] == [probe.text for probe in chosen if never in probe.text]


def test_a_list_of_links_is_asked_for_by_a_link() -> None:
    """The numbers of a list tell nothing; where there is nothing but links, one of them is the passage."""
    text = "".join(f"{n}. https://example.com/pump/{n}\n" for n in range(1, 30))

    assert ["https://example.com/pump/1"] == [probe.text.split()[0] for probe in choose(text, 2)]


@pytest.mark.parametrize("size", [15_000, 200_000])
@pytest.mark.parametrize(
    "piece",
    [
        '"',
        ".",
        "[",
        "](",
        "[](",
        "`",
        "<",
        "<!--",
        "{#",
        "*a",
        "> ",
        "\n",
        "😀",
        "。",
        "1 ",
        "http ",
        "-" * 4000 + " http ",
    ],
)
def test_no_shape_of_text_takes_for_ever(piece: str, size: int) -> None:
    """What is looked for grows with the text, never with its square; processor time, since the machine may be busy."""
    text = piece * (size // len(piece)) + " the keeper"
    began = time.thread_time()
    chosen = choose(text, 5)
    assert time.thread_time() - began < 0.5  # 10 to 40 ms; some took 1.4 s for 16 000 characters, and 200 s for 200 000
    assert chosen
    assert all(len(probe.text) <= LONGEST for probe in chosen)
