"""Ignore files, files of questions and front matter, damaged and built to hurt: a value or a finding, soon, and small.

A case is one number, so a failure names what replays it. What is measured is the processor's time of one case: the
bound is generous on a slow machine, and whatever grows with a square or an exponent is far beyond it.
"""

from __future__ import annotations

import random
import tracemalloc
from time import thread_time

import exercised
import pytest

from syncd import questions
from syncd.ignore import Rules, Verdict, ignore_text
from syncd.patterns import PatternError

SOON = 5.0  # seconds of the processor
SMALL = 128 * 2**20  # bytes; a reader may have more

IGNORE = (
    b"# what stays out\n*.tmp.md\n/drafts/\n!drafts/keep.md\ndocs/**/old-[0-9]?.md\n\\#a\\ \na\\*b\n[[:alpha:]]*/x/**\n"
)
TOML = b"""# questions
questions = ["why", {text = "how", must_rank = 3}, {text = "what", must_not = ["b.md"], answer_contains = "x"}]
[extra.table]
text = \"\"\"two
lines\"\"\"
when = 1979-05-27T07:32:00Z
"""
FRONT = b"""---
title: "A: b"
questions:
  - why
  - {text: how, must_rank: 3}
  - text: >-
      folded
      text
    must_not: [b.md]
tags: !!set {a, b}
---
# Title
"""
FRAGMENTS = [
    *(b"*", b"**", b"/", b"**/", b"[", b"]", b"[!", b"[[:", b":]", b"\\", b"?", b"!", b"#", b" ", b"a*b*c*d*e*f*"),
    *(b"[[", b"]]", b"{", b"}", b"= ", b'"""', b"'''", b'"', b"'", b".", b"a.b.c", b"\n[[questions]]\n", b"0x"),
    *(b"---\n", b"+++\n", b"- ", b"? ", b": ", b"&a ", b"*a", b"!!python/object:os.system ", b"|\n", b">\n", b"<<: "),
    *(b"%YAML 1.2\n", b"\t", b"\r", b"\n", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"\\ud800"),
    *(b"\xe2\x80\xa8", b"\xc2\x85", b"\x0b", "é水".encode(), b"9" * 5000, b"_", b"inf", b"nan", b"-", b"1:1:1"),
]  # fmt: skip
PATHS = ("a.md", "drafts/keep.md", "docs/x/y/old-12.md", "a/x/" + "a" * 255, "a*b", "é/水.md", "/".join("a" * 500))


def damaged(raw: bytes, rng: random.Random) -> bytes:
    """Bytes with some places cut out, doubled, filled with a fragment, or with very many of one."""
    out = bytearray(raw)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        at, length = rng.randrange(len(out) + 1), rng.choice((1, 3, 20, 200))
        match rng.randrange(5):
            case 0:
                del out[at : at + length]
            case 1:
                out[at:at] = out[at : at + length]
            case 2:
                one = rng.choice(FRAGMENTS)
                out[at:at] = one * min(rng.choice((2, 50, 3000, 30_000)), questions.LARGEST // len(one))
            case 3:
                out[at:at] = b"".join(rng.choices(FRAGMENTS, k=rng.choice((2, 6, 400))))
            case _:
                out[at : at + 1] = rng.randbytes(1)
    return bytes(out[: questions.LARGEST])


def ignoring(raw: bytes) -> str:
    """Read an ignore file and ask it."""
    try:
        rules = Rules.compile((), (), ()).with_ignore_file("", ignore_text(raw))
    except PatternError as error:
        assert error.number >= 1
        return "refused"
    except ValueError as error:
        assert "line" in str(error)
        return "no text"
    for path in PATHS:
        assert isinstance(rules.path(path), Verdict)
    return "used"


def asking(raw: bytes) -> str:
    """Read a file of questions."""
    found, problems = questions.of_file(raw, "a.md", "a.questions.toml")
    return told(problems, "a.questions.toml", bool(found))


def fronting(raw: bytes) -> str:
    """Read the questions of a text."""
    found, problems = questions.of_text(raw.decode("utf-8", "replace"), "a.md")
    return told(problems, "a.md", bool(found))


def told(problems: list[str], name: str, found: bool) -> str:
    assert len(problems) <= 22
    for problem in problems:
        begin, line, _ = problem.split(":", 2)
        assert (name, True) == (begin, line.isdecimal() and int(line) >= 1), problem
        assert len(problem) < 1000, problem
    return "problems" if problems else "questions" if found else "nothing"


KINDS = {"ignore": (IGNORE, ignoring), "toml": (TOML, asking), "front": (FRONT, fronting)}


def fuzz(kind: str, case: int) -> None:
    raw, work = KINDS[kind]
    data = damaged(raw, random.Random(f"{kind} {case}"))
    began = thread_time()
    outcome = work(data)
    took = thread_time() - began
    assert took < SOON, f"case {case} of {kind} took {took:.1f} s"
    exercised.add(f"authored {kind}: {outcome}")


@pytest.mark.parametrize("kind", KINDS)
def test_no_damage_costs_more_than_it_is_worth(kind: str) -> None:
    """Some hundred cases of each in every run."""
    for case in range(250):
        fuzz(kind, case)


@pytest.mark.parametrize("kind", KINDS)
def test_no_damage_takes_much_memory(kind: str) -> None:
    """The same of memory, in fewer cases, since measuring it is slow."""
    raw, work = KINDS[kind]
    for case in range(1000, 1025):
        data = damaged(raw, random.Random(f"{kind} {case}"))
        tracemalloc.start()
        try:
            work(data)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < SMALL, f"case {case} of {kind} took {peak} bytes"


@pytest.mark.long
@pytest.mark.timeout(4000)
@pytest.mark.parametrize("kind", KINDS)
def test_no_damage_costs_more_in_very_many_cases(kind: str) -> None:
    """Cases of this run's own; the seed is printed."""
    seed = random.randrange(1 << 40)
    print(f"cases of {kind} from {seed} on")
    for case in range(seed, seed + 40_000):
        fuzz(kind, case)
