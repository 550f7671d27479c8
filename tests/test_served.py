"""The comparison over what FastGPT's own readers and splitter make of 300 documents, and of two public corpora.

What it says of them is counted by what was done to them, and printed at the end of the run.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import exercised
import mutations
import pytest
from reading import extract_text

from syncd import convert
from syncd.compare import Comparison, examine
from syncd.emulator.parsing import chunks_of
from syncd.extract import office_text
from syncd.formats import TEXT_FORMATS, format_of
from syncd.models import Format
from syncd.prove import Material
from syncd.reader.asking import text_of
from syncd.tabular import csv_text

SERVED = Path(__file__).parent / "served"
REFERENCE = os.environ.get("SYNCD_REFERENCE")
needs_reference = pytest.mark.skipif(
    REFERENCE is None, reason="SYNCD_REFERENCE IS NOT SET: the two public corpora were NOT compared"
)

# FastGPT gets no text at all out of these: fonts without character maps.
NOTHING_THERE = {"pdf/cid_ja.pdf", "pdf/cid_ko.pdf", "pdf/cid_zh.pdf"}
NAMED = {
    "docx/bdo_dir.docx": "40 passages with a writing direction are not taken over by FastGPT",
    "docx/fldsimple.docx": "20 simple fields are not taken over by FastGPT",
    "docx/math.docx": "20 formulas are not taken over by FastGPT",
    "docx/ruby.docx": "100 passages with reading aids are not taken over by FastGPT",
    "docx/textbox_wps_only.docx": "20 text boxes are not taken over by FastGPT",
    "pdf/edges.pdf": "lines at the edges of pages are not taken over by FastGPT",
    "pptx/chart.pptx": "1 chart is not taken over by FastGPT",
    "pptx/smartart.pptx": "1 SmartArt drawing is not taken over by FastGPT",
    "xlsx/comments.xlsx": "1 sheet of comments is not taken over by FastGPT",
    "xlsx/bool_err.xlsx": "40 cells with an error are not taken over by FastGPT",
    "md/dup_lines.md": "characters that repeat what stands before them are not taken over by FastGPT",
}
"""Documents of which something is truly missing on the server, and how that is named."""


@cache
def served() -> list[dict[str, Any]]:
    """The lines of ``served.jsonl``."""
    return [json.loads(line) for line in (SERVED / "served.jsonl").read_text(encoding="utf-8").splitlines()]


@cache
def read(name: str) -> tuple[str | None, str, str]:
    """The text of a served document, why it is weak, and what is named as left behind."""
    fmt = format_of(name)
    assert fmt is not None
    if fmt not in TEXT_FORMATS:
        with open(SERVED / name, "rb") as file:
            found = office_text(file, fmt, 2**20)
        return found.text, found.weak, found.remark
    text, weak = extract_text(str(SERVED / name), path=name, encodings=("utf-8", "gb18030"))
    return text, weak, ""


def judged(name: str, text: str, chunks: list[str], weak: str = "") -> Comparison:
    """What the comparison says."""
    return examine(text, chunks, format_of(name) or Format.TEXT, partial=bool(weak))


def verdict(found: Comparison) -> str:
    """One word for it."""
    if found.difference is not None:
        return "differs"
    return "weak" if found.weak else "remark" if found.remark else "equal"


def tell(what: str, found: str) -> None:
    """Count one row of the table."""
    exercised.add(f"compared, {what}: {found}")


@pytest.mark.parametrize("version", ["v14", "v16"])
def test_nothing_is_blamed_that_fastgpt_does(version: str) -> None:
    """No served document differs from itself, unless the server holds nothing of it (v16 is counted only)."""
    blamed = []
    for one in served():
        name, chunks = one["file"], one[version]
        text, weak, remark = read(name)
        if isinstance(chunks, str):
            tell(f"served {version}, as it is", "refused by the server")
            continue
        if text is None:
            assert weak
            tell(f"served {version}, as it is", "weak")
            continue
        found = judged(name, text, chunks, weak)
        said = Comparison(found.difference, "; ".join(filter(None, (weak, found.weak))), found.remark or remark)
        tell(f"served {version}, as it is", verdict(said))
        if found.difference is not None:
            blamed.append(name)
        if version == "v14" and name in NAMED:
            assert NAMED[name] in f"{said.weak} {said.remark}"
    if version == "v14":
        assert set(blamed) == NOTHING_THERE


def damages(chunks: list[str], most: int) -> Iterator[tuple[str, mutations.Damage]]:
    """Every kind of damage."""
    yield "a chunk dropped", mutations.chunk_dropped(chunks)
    yield "a figure changed", mutations.figure_changed(chunks, most)
    yield "a paragraph replaced", mutations.paragraph_replaced(chunks, most)
    yield "every fourth sentence lost", mutations.every_fourth_sentence_lost(chunks)


def hunt(name: str, text: str, chunks: list[str], group: str, weak: str = "", most: int = 3) -> list[str]:
    """Do every damage to a document; returns those that were not seen."""
    missed = []
    for what, damage in damages(chunks, most):
        for number, (where, broken) in enumerate(damage):
            if most < 10 and number >= 2 * most:
                break
            found = verdict(judged(name, text, broken, weak))
            tell(f"{group}, {what}", "caught" if found == "differs" else f"MISSED ({found})")
            if found != "differs":
                missed.append(f"{name}: {what} at {where}")
    return missed


def every_damage(most: int) -> list[str]:
    """Damage all served documents."""
    missed = []
    for one in served():
        name, chunks = one["file"], one["v14"]
        text, weak, _ = read(name)
        if text is not None and isinstance(chunks, list) and chunks:
            missed += hunt(name, text, chunks, "served v14", weak, most)
    return missed


def test_every_damage_is_caught() -> None:
    """Any chunk, figure, paragraph, or a quarter of the sentences: some places in each of the served documents."""
    assert every_damage(1) == []


@pytest.mark.long
def test_every_damage_is_caught_in_many_places() -> None:
    """Every chunk, and up to 60 figures and paragraphs, in each of the served documents."""
    assert every_damage(60) == []


# ---------------------------------------------------------------- templated documents of 20 KB to 1 MB


def a_log(lines: int) -> str:
    """A log."""
    rng = random.Random(lines)
    return "".join(
        f"2026-11-{1 + i // 86400 % 28:02d} {i // 3600 % 24:02d}:{i // 60 % 60:02d}:{i % 60:02d}."
        f"{rng.randrange(1000):03d} "
        f"INFO [pump-{i % 7}] cycle {i} finished, pressure {rng.randrange(900, 1100)} kPa\n"
        for i in range(lines)
    )


def a_price_list(lines: int) -> str:
    """A price list as a Markdown table."""
    rng = random.Random(lines)
    rows = "".join(
        f"| A-{10000 + i} | Bearing {rng.choice('ABCDE')}{i % 50} | {rng.randrange(100, 99999) / 100:.2f} | "
        f"{rng.randrange(500)} |\n"
        for i in range(lines)
    )
    return f"# Prices\n\n| article | name | price | stock |\n| --- | --- | --- | --- |\n{rows}"


def a_csv(lines: int) -> str:
    """A CSV."""
    rng = random.Random(lines)
    return "id,name,value\n" + "".join(f"{i},sensor {i % 90},{rng.randrange(10**6)}\n" for i in range(lines))


def chinese_records(lines: int) -> str:
    """Records in Chinese."""
    rng = random.Random(lines)
    return "".join(
        f"第{i}号记录：{2000 + i % 27}年{1 + i % 12}月{1 + i % 28}日，设备{rng.randrange(1000, 9999)}运行正常，"
        f"压力{rng.randrange(90, 120)}千帕，温度{rng.randrange(20, 80)}度，操作员已签字。\n"
        for i in range(lines)
    )


TEMPLATED: list[tuple[str, Callable[[int], str], int]] = [  # characters of a line
    ("a.log", a_log, 77),
    ("prices.md", a_price_list, 40),
    ("a.csv", a_csv, 22),
    ("records.txt", chinese_records, 53),
]


def chunked(name: str, text: str) -> tuple[str, list[str]]:
    """The text as it is compared, and the chunks that FastGPT cuts it into."""
    if not name.endswith(".csv"):
        return text, chunks_of("\ufeff\n" + text, {}, None)
    rows = [f"| {' | '.join(line.split(','))} |" for line in text.split("\n")]
    rows.insert(1, f"|{' --- |' * (rows[0].count('|') - 1)}")
    return csv_text(text), chunks_of("\n".join(rows), {}, None)


@pytest.mark.parametrize("size", [20_000, 200_000, pytest.param(1_000_000, marks=pytest.mark.long)])
@pytest.mark.parametrize(("name", "make", "line"), TEMPLATED, ids=[item[0] for item in TEMPLATED])
def test_templated_documents(name: str, make: Callable[[int], str], line: int, size: int) -> None:
    """Documents of equal rows with other figures: one chunk, a tenth or a half lost, one figure changed are seen."""
    text, chunks = chunked(name, make(size // line))
    assert len(chunks) > 10
    assert judged(name, text, chunks) == Comparison(None)
    rng = random.Random(size)
    some = rng.sample(range(len(chunks)), 3 if size > 100_000 else 8)
    lost: list[tuple[str, list[str]]] = [
        ("a tenth lost", [chunk for number, chunk in enumerate(chunks) if number % 10 != 4]),
        ("the last tenth lost", chunks[: len(chunks) * 9 // 10]),
        ("a half lost", chunks[: len(chunks) // 2]),
        ("every second chunk lost", chunks[::2]),
        *(("one chunk lost", [*chunks[:number], *chunks[number + 1 :]]) for number in some),
    ]
    for number in some:
        at = next(i for i in range(len(chunks[number]) - 1, 0, -1) if chunks[number][i].isdigit())
        other = str((int(chunks[number][at]) + 1) % 10)
        changed = chunks[number][:at] + other + chunks[number][at + 1 :]
        lost.append(("a figure changed", [*chunks[:number], changed, *chunks[number + 1 :]]))
    for what, broken in lost:
        found = verdict(judged(name, text, broken))
        tell(f"templated, {what}", "caught" if found == "differs" else f"MISSED ({found})")
        assert found == "differs", (what, name)
    assert verdict(judged(name, text, rng.sample(chunks, len(chunks)))) == "equal", "another order is no loss"
    tell("templated, as it is", "equal")


# ---------------------------------------------------------------- the public corpora


def settings_of(vector: dict[str, Any]) -> dict[str, Any]:
    """The settings under which FastGPT cuts so."""
    if (vector["size"], vector["deep"]) == (1000, 5):
        return {}
    headings = {"chunkSplitMode": "paragraph", "paragraphChunkDeep": vector["deep"]} if vector["deep"] else {}
    return {"chunkSettingMode": "custom", "chunkSize": vector["size"], **headings}


@needs_reference
def test_the_public_corpora() -> None:
    """Each document, cut as FastGPT cuts it at every size, is equal; damages to every fourth are seen."""
    folder = Path(REFERENCE or "")
    vectors = json.loads((folder / "splitter-vectors.json").read_text(encoding="utf-8"))["vectors"]
    done: set[str] = set()
    wrong: list[str] = []
    for vector in vectors:
        if "file" not in vector or vector["prefix"] == "\ufeff":
            continue
        text = (folder / "corpora" / vector["file"]).read_bytes().decode("utf-8")
        chunks = chunks_of(vector["prefix"] + text, settings_of(vector), None)
        found = verdict(judged(vector["file"], text, chunks))
        tell("corpora, as it is", found)
        if found != "equal":
            wrong.append(f"{vector['file']} at {vector['size']}: {found}")
        if vector["file"] not in done:
            done.add(vector["file"])
            if len(done) % 4 == 0:
                wrong += hunt(vector["file"], text, chunks, "corpora", most=1)
    assert len(done) >= 228
    assert wrong == []


def test_remarks_travel_with_what_is_sent() -> None:
    """What FastGPT leaves behind is known with the text of a file."""
    file = SERVED / "xlsx/comments.xlsx"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    out = convert.prepare(str(file), path="a.xlsx", sha256=digest, encodings=("utf-8",), max_size=2**30, unique="")
    assert out.task is not None
    found = Material.of(out, "a.xlsx", "chunk").completed(text_of(out.task))
    assert f"{found.weak}{found.remark}" == "1 sheet of comments is not taken over by FastGPT"
