"""`syncd verify` as a gate: the baseline, JUnit's XML, annotations for GitHub."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from cli_site import Site
from hypothesis import given
from hypothesis import strategies as st

from syncd.report import verdicts


def _row(path: str, kind: str, verdict: str, question: str = "q", rank: int | None = None) -> dict[str, Any]:
    return {"source": "docs", "path": path, "kind": kind, "verdict": verdict, "question": question, "rank": rank}


def test_what_fails_is_what_the_proof_fails() -> None:
    """A golden question must be found; a probe counts only when no other of its document is found."""
    rows = [
        _row("a.md", "probe", "missing"),
        _row("a.md", "probe", "outranked"),
        _row("b.md", "probe", "missing"),
        _row("b.md", "golden", "outranked", rank=4),
        _row("c.md", "golden", "found", rank=1),
    ]

    assert [rows[3], rows[2]] == verdicts.failures(rows)


def test_annotations_stand_on_the_file() -> None:
    """A colon, a comma, a percent sign or a line break in a name or question cannot end the annotation."""
    rows = [_row("a,b:c.md", "golden", "missing", "100 %\nsure?")]

    assert (
        "::error title=worse than the baseline::it fell\n"
        "::error title=not asked::a.md:3: 100 %25\n"
        "::error file=kb/a%2Cb%3Ac.md,title=missing::the question '100 %25\\nsure?' is missing\n"
    ) == verdicts.github(rows, ["it fell"], ["a.md:3: 100 %"], {("docs", "a,b:c.md"): "kb/a,b:c.md"})


@given(st.text(), st.text(), st.sampled_from(["found", "missing", "outranked", "shared"]))
def test_junit_takes_any_text(path: str, question: str, verdict: str) -> None:
    """Whatever stands in a name or a question, the XML can be read again and counts what failed."""
    rows = [_row(path, "golden", verdict, question)]
    root = ET.fromstring(verdicts.junit(rows, [], []))  # noqa: S314 - our own

    assert ("1", str(int(verdict in ("missing", "outranked")))) == (root.get("tests"), root.get("failures"))


def test_a_question_that_is_lost_fails_the_gate(tmp_path: Path) -> None:
    """The baseline is written when missing; a golden question that is found no more ends with its code, everywhere."""
    site = Site(tmp_path)
    site.write(
        "pump.md", "---\nquestions:\n  - How often is pump P-101 serviced?\n---\n# Pump\n\nP-101: every 5000 hours.\n"
    )
    site.write("oil.md", "# Oil\n\nThe gearbox takes ISO VG 220.\n")
    site.run("sync", code=0)

    assert "the baseline is written" in site.run("verify", "--baseline", "b.json", "--junit", "j.xml", code=0).err
    root = ET.parse(tmp_path / "j.xml").getroot()  # noqa: S314 - our own
    assert "0" == root.get("failures") and root.find(".//testcase") is not None
    kept = json.loads((tmp_path / "b.json").read_text())
    assert [] == site.run("verify", "--baseline", "b.json", "--json", code=0).json["worse"]

    for row in kept["results"]:
        row["rank"] = 0 if row["kind"] == "golden" else row["rank"]  # better than anything can be
    (tmp_path / "b.json").write_text(json.dumps(kept))
    gate = site.run("verify", "--baseline", "b.json", "--junit", "j.xml", "--format", "github", code=7)
    assert gate.out.startswith("::error title=worse than the baseline::pump.md")
    assert "1" == ET.parse(tmp_path / "j.xml").getroot().get("failures")  # noqa: S314 - our own

    (tmp_path / "b.json").write_text("{}")
    assert "is not a baseline" in site.run("verify", "--baseline", "b.json", code=2).err


def test_what_could_not_be_asked_is_told_in_every_format(tmp_path: Path) -> None:
    """A question that nobody understands ends the gate with 4, and each format says which and why."""
    site = Site(tmp_path)
    site.write("pump.md", "# Pump\n\nP-101: every 5000 hours.\n")
    site.write("pump.questions.toml", 'questions = ["How often?"')
    site.run("sync", code=0)

    gate = site.run("verify", "--junit", "j.xml", "--format", "github", code=4)
    assert gate.out.startswith("::error title=not asked::pump.questions.toml:1: ")
    suite = ET.parse(tmp_path / "j.xml").find("testsuite[@name='questions']")  # noqa: S314 - our own
    assert suite is not None and ("1", "1") == (suite.get("tests"), suite.get("failures"))
    assert "pump.questions.toml:1: " in site.run("verify", code=4).out
