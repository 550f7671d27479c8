"""What names may not do in anything that is printed: give orders to a CI system, or steer a terminal."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd import healthcheck
from syncd.harmless import harmless, in_json
from syncd.report import jsontext


def obeyed(line: str) -> str:
    """What a CI system or a terminal would act on in one line, "" for nothing; after the sources of the runners."""
    if line.lstrip().startswith("::"):
        return "a workflow command of GitHub's runner (ActionCommand.TryParseV2)"
    if re.search(r"##\[[^\]]*\]?", line):
        return "an old command of GitHub's runner (ActionCommand.TryParse)"
    if re.search(r"##(?:vso|teamcity)\[", line):
        return "a logging command of Azure Pipelines or TeamCity"
    if re.match(r"\s*(?:section_(?:start|end)|travis_(?:fold|time)):", line):
        return "a fold of GitLab's or Travis's log"
    if found := re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]", line):
        return f"the control character {found[0]!r}"
    return ""


ORDERS = (
    "::error file=x::one.md",
    "  ::add-mask::a",
    "::stop-commands::x",
    "##[error]three.md",
    "##vso[task.logissue type=error]two.md",
    "##teamcity[buildProblem description='x']",
    "section_start:1700000000:four\r\x1b[0K",
    "travis_fold:start:x",
    "five\n::error::5.md",
    "five\r\n\t::error::5.md",
    "\x1b[31msix\x1b[0m.md",
    "\x9b31msix.md",
    "\x1b]0;title\x07.md",
    "a\x08\x08b",
    "nine\u2028::error::9.md",
    "\u3000::error::ideographic.md",
)


@pytest.mark.parametrize("text", ORDERS)
def test_no_order_gets_through(text: str) -> None:
    """Every line of what is printed is read by the runners as plain text, wherever in the text the order stands."""
    for written in (text, f"a line\n{text}\n", f"  -> {text}"):
        assert [] == [why for line in harmless(written).split("\n") if (why := obeyed(line))]


PARTS = [*":#[]svo \n\t\r\x1b0m_", "section_start:", "::error", "##", "\u3000", "é"]


@given(st.lists(st.sampled_from(PARTS)).map("".join))
def test_whatever_is_put_together(text: str) -> None:
    """No arrangement of the parts of orders becomes one, and doing it twice changes nothing more."""
    shown = harmless(text)
    assert [] == [why for line in shown.split("\n") if (why := obeyed(line))]
    assert shown == harmless(shown)


@pytest.mark.parametrize(
    "text",
    [
        "error: the file is gone\n",
        "path  state\n文档/手册.md  verified\n",
        "a :: b, std::vector\n",
        "## Heading\n# Title [link](x)\n##\n",
        "[section] starts\n",
        "half\u00a0a\u3000blank\tand a tabulator\n",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    """What is no order is printed as it is."""
    assert text == harmless(text)


def test_our_colours_stay_where_there_are_colours() -> None:
    """The sequences that choose a colour pass to a terminal, and an order behind one is none."""
    text = "\x1b[31m\x1b[1merror:\x1b[0m x\n\x1b[32m::error::x\n"
    assert "\x1b[31m\x1b[1merror:\x1b[0m x\n\x1b[32m\\x3a:error::x\n" == harmless(text, colours=True)
    assert "\x1b" not in harmless(text)
    assert "\x1b[2J" not in harmless("\x1b[2J", colours=True)


@pytest.mark.parametrize("text", ORDERS)
def test_a_json_document_means_the_same_and_orders_nothing(text: str) -> None:
    """In a document for programs orders are written as JSON's own escapes."""
    document = {"path": text, text: ["a\x7fb", text]}
    written = jsontext.render(document, indent=False)
    assert document == json.loads(written)
    assert "" == obeyed(written.rstrip("\n"))
    assert in_json(written) == written


def test_who_answers_the_health_check_orders_nothing() -> None:
    """Whoever listens on the port, its answer is one line of plain text."""
    for text in ORDERS:
        said = text.strip()
        line = healthcheck._harmless(said if said.isprintable() else ascii(said)[1:-1])
        assert "" == obeyed(line)
