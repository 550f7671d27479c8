"""What `syncd verify` found, for machines that run tests: JUnit's XML and the annotations of GitHub. Pure.

A golden question fails when it is missing or outranked; an automatic probe fails only together with all others of its
document, as in the proof itself.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

# XML 1.0 knows no other characters.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PASSES = ("found", "shared", "outranked")


def failures(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows of the JSON contract that failed: golden questions first, each kind in the order given."""
    passed: dict[tuple[str, str], bool] = defaultdict(bool)
    for row in rows:
        if row["kind"] == "probe":
            passed[row["source"], row["path"]] |= row["verdict"] in _PASSES
    golden = [row for row in rows if row["kind"] == "golden" and row["verdict"] not in ("found", "shared")]
    probes = [row for row in rows if row["kind"] == "probe" and not passed[row["source"], row["path"]]]
    return golden + probes


def sentence(row: Mapping[str, Any]) -> str:
    """What happened to one question, in one line."""
    what = "question" if row["kind"] == "golden" else "passage"
    rank = "" if row["rank"] is None else f" at rank {row['rank']}"
    return f"the {what} {row['question']!r} is {row['verdict']}{rank}"


def junit(rows: Sequence[Mapping[str, Any]], worse: Sequence[str], problems: Sequence[str]) -> str:
    """One test case a question, in a suite for each document; what got worse, and what could not be asked, is a suite
    of its own."""
    import xml.etree.ElementTree as ET

    failed = {id(row) for row in failures(rows)}
    root = ET.Element("testsuites", name="syncd verify", tests=str(len(rows) + len(worse) + len(problems)))
    suites: dict[str, ET.Element] = {}
    count: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        name = _xml(f"{row['source']}/{row['path']}")
        if name not in suites:
            suites[name] = ET.SubElement(root, "testsuite", name=name)
        case = ET.SubElement(suites[name], "testcase", classname=name, name=_xml(f"{row['kind']}: {row['question']}"))
        count[name][0] += 1
        if id(row) in failed:
            count[name][1] += 1
            ET.SubElement(case, "failure", type=row["verdict"], message=_xml(sentence(row)))
    for name, kind, lines in (("baseline", "worse", worse), ("questions", "problem", problems)):
        if lines:
            suites[name] = ET.SubElement(root, "testsuite", name=name)
            count[name] = [len(lines), len(lines)]
        for line in lines:
            case = ET.SubElement(suites[name], "testcase", classname=name, name=_xml(line))
            ET.SubElement(case, "failure", type=kind, message=_xml(line))
    for name, suite in suites.items():
        suite.set("tests", str(count[name][0]))
        suite.set("failures", str(count[name][1]))
    root.set("failures", str(sum(failures_ for _, failures_ in count.values())))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def github(
    rows: Sequence[Mapping[str, Any]],
    worse: Sequence[str],
    problems: Sequence[str],
    files: Mapping[tuple[str, str], str],
) -> str:
    """Workflow commands of GitHub Actions, a line each.

    Args:
        rows: of the JSON contract.
        worse: what got worse than the baseline.
        problems: what could not be asked, and why.
        files: source and path of a document -> its file as the repository knows it.
    """
    lines = [f"::error title=worse than the baseline::{_data(line)}" for line in worse]
    lines += [f"::error title=not asked::{_data(line)}" for line in problems]
    for row in failures(rows):
        level = "error" if row["kind"] == "golden" else "warning"
        file = files.get((row["source"], row["path"]), row["path"])
        lines.append(f"::{level} file={_property(file)},title={row['verdict']}::{_data(sentence(row))}")
    return "".join(line + "\n" for line in lines)


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
