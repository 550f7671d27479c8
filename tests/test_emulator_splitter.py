"""The emulator cuts texts exactly as FastGPT's own splitter does.

The made-up texts are data of this repository. The public documents are not: the folder that ``SYNCD_REFERENCE`` names
holds them (``splitter-vectors.json`` beside ``corpora``).
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from syncd.emulator.parsing import chunks_of

MADE_UP = json.loads((Path(__file__).parent / "fixtures" / "splitter-vectors.json").read_text(encoding="utf-8"))
REFERENCE = os.environ.get("SYNCD_REFERENCE")


def settings_of(vector: dict[str, Any]) -> dict[str, Any]:
    """The settings under which FastGPT cuts so: none for its defaults, custom with or without headings."""
    if (vector["size"], vector["deep"]) == (1000, 5):
        return {}
    headings = {"chunkSplitMode": "paragraph", "paragraphChunkDeep": vector["deep"]} if vector["deep"] else {}
    return {"chunkSettingMode": "custom", "chunkSize": vector["size"], **headings}


def cut(text: str, vector: dict[str, Any]) -> list[list[Any]]:
    """Length in UTF-16 units and hash of each chunk."""
    return [
        [len(chunk.encode("utf-16-le")) // 2, hashlib.sha256(chunk.encode()).hexdigest()[:12]]
        for chunk in chunks_of(text, settings_of(vector), None)
    ]


@pytest.mark.parametrize("vector", MADE_UP["vectors"], ids=lambda item: f"{item['name']}-{item['size']}")
def test_made_up_texts_are_cut_as_fastgpt_cuts_them(vector: dict[str, Any]) -> None:
    """Tables, code, blank lines, CRLF, long lines, emoji: each chunk has FastGPT's length and hash."""
    assert cut(MADE_UP["texts"][vector["name"]], vector) == vector["chunks"]


@pytest.mark.skipif(
    REFERENCE is None,
    reason="SYNCD_REFERENCE IS NOT SET: the 229 public documents of the splitter's vectors were NOT compared",
)
def test_public_documents_are_cut_as_fastgpt_cuts_them() -> None:
    """Both corpora, without prefix, with BOM, with BOM and newline, at all sizes: every chunk is FastGPT's."""
    folder = Path(REFERENCE or "")
    vectors = json.loads((folder / "splitter-vectors.json").read_text(encoding="utf-8"))["vectors"]
    wrong = []
    compared = 0
    for vector in vectors:
        if "file" not in vector:
            continue
        text = vector["prefix"] + (folder / "corpora" / vector["file"]).read_bytes().decode("utf-8")
        compared += 1
        if cut(text, vector) != vector["chunks"]:
            wrong.append((vector["file"], vector["size"], vector["deep"], vector["prefix"]))
    assert compared == 844
    assert wrong == []


def test_a_heading_behind_a_bom_is_no_heading() -> None:
    """Behind U+FEFF on its line a heading is repeated above no chunk; with a newline between it is, above all."""
    text = "# Pumps\n" + "".join(f"\n## Part {number}\n\n{'Grease the bearing. ' * 20}\n" for number in range(4))
    glued, apart = chunks_of("\ufeff" + text, {}, None), chunks_of("\ufeff\n" + text, {}, None)
    assert [chunk.startswith("# Pumps\n## Part") for chunk in glued] == [False] * 5
    assert [chunk.startswith("# Pumps\n## Part") for chunk in apart] == [True] * 4
    assert "\ufeff" not in "".join(glued + apart)


def test_custom_settings_without_paragraph_forget_headings() -> None:
    """``chunkSize`` alone switches heading-aware cutting off; ``chunkSplitMode: paragraph`` brings it back."""
    text = "# Pumps\n" + "".join(f"\n## Part {number}\n\n{'Grease the bearing. ' * 20}\n" for number in range(4))
    plain = chunks_of(text, {"chunkSettingMode": "custom", "chunkSize": 300}, None)
    aware = chunks_of(text, {"chunkSettingMode": "custom", "chunkSize": 300, "chunkSplitMode": "paragraph"}, None)
    assert sum("# Pumps" in chunk for chunk in plain) == 1
    assert all(chunk.startswith("# Pumps\n") for chunk in aware)


def test_a_splitter_of_ones_own_cuts_first() -> None:
    """``chunkSplitter`` is a literal text, alternatives behind ``|``, ``\\n`` as an escape, and is itself dropped."""
    settings = {"chunkSettingMode": "custom", "chunkSize": 2000, "chunkSplitMode": "char", "chunkSplitter": "==|@@\\n"}
    text = "==".join(["a" * 400, "b" * 400]) + "@@\n" + "c" * 400
    assert chunks_of(text, settings, None) == ["a" * 400, "b" * 400, "c" * 400]
