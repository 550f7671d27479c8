"""Golden questions as somebody wrote them: bounded, named with file and line, and nobody else's trouble."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd import authored, matter
from syncd.golden import LONGEST, MOST, Question
from syncd.questions import of_file, of_text

NAME = "a.questions.toml"


def problems_of(content: str) -> list[str]:
    return of_file(content.encode(), "a.md", NAME)[1]


RANK = 'question 1 has a "must_rank" that is no whole number from 1 on'
WRONG = [
    ("questions = 1", 1, "questions must be a list"),
    ("questions = {a = 1}", 1, "questions must be a list"),
    ('\n\nquestions = [\n"a",\n1,\n]', 5, "question 2 must be a text, or a table with a text"),
    ('[[questions]]\ntext = "a"\n\n[[questions]]\nrank = 1', 4, "question 2 must be a text, or a table with a text"),
    ('[[questions]]\ntext = " "', 1, 'question 1 has a "text" that is empty'),
    ('questions = ["a", " "]', 1, "question 2 is empty"),
    ('[[questions]]\ntext = "a"\nmust_rank = "1"', 1, RANK),
    ('[[questions]]\ntext = "a"\nmust_rank = true', 1, RANK),
    ('[[questions]]\ntext = "a"\nmust_rank = 0', 1, RANK),
    ('[[questions]]\ntext = "a"\npath = 7', 1, 'question 1 has a "path" that is no text'),
    ('[[questions]]\ntext = "a"\nmust_not = [["b"]]', 1, 'question 1 has a "must_not" that is no text'),
    ('[[questions]]\ntext = "a"\nanswer_contains = 7', 1,
     f'question 1 has a "answer_contains" that is no list of at most {MOST} texts'),
    (f'questions = [\n"a",\n"{"x" * (LONGEST + 1)}"]', 3,
     f"question 2 has {LONGEST + 1} characters; the most is {LONGEST}"),
    ("\n[[questions]\n", 2, "it cannot be read, so its questions are not asked: Expected ']]' at the end of an array"
     " declaration"),
    ('questions = ["a"', 1, "it cannot be read, so its questions are not asked: Unclosed array"),
    ("a = 1\nquestions = " + "[" * 5000, 2, "it cannot be read, so its questions are not asked: brackets stand too deep"
     " in each other"),
    ("a = 1\na" + ".a" * 101 + " = 1", 2, "it cannot be read, so its questions are not asked: the line has more than"
     f" {authored.MOST_DOTS} dots"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "line", "problem"), WRONG)
def test_what_is_wrong_is_named_with_its_line(content: str, line: int, problem: str) -> None:
    """File, line, question and reason; nothing of what was written is repeated at length."""
    assert [f"{NAME}:{line}: {problem}"] == problems_of(content)


def test_the_others_are_asked() -> None:
    """One wrong question takes no other along, and nothing that was meant is lost without a word."""
    found, problems = of_file(b'questions = ["a", 1, {text = " b ", must_rank = 2, path = "c.md"}]', "a.md", NAME)
    assert [Question("a.md", "a"), Question("c.md", "b", 2)] == found
    assert 1 == len(problems)


def test_very_many_are_bounded() -> None:
    """100 000 questions, good or bad: the first thousand are looked at, and what is said fits a screen."""
    found, problems = of_file(b"questions = [" + b'"a",' * 100_000 + b"]", "a.md", NAME)
    assert (MOST, [f"{NAME}:1: there are 100000 questions; the first {MOST} are asked"]) == (len(found), problems)
    found, problems = of_file(b"questions = [\n" + b"1,\n" * 100_000 + b"]", "a.md", NAME)
    assert ([], 22) == (found, len(problems))
    assert [
        f"{NAME}:21: question 20 must be a text, or a table with a text",
        f"{NAME}:22: {MOST - 20} more questions are wrong",
        f"{NAME}:1002: there are 100000 questions; the first {MOST} are asked",
    ] == problems[-3:]


@pytest.mark.parametrize(
    ("head", "line", "problem"),
    [
        ("title: A\nquestions:\n- a\n- 1\n", 5, "question 2 must be a text, or a table with a text"),
        ("questions: why\n", 2, "questions must be a list"),
        ('questions: ["\\ud800"]\n', 2, "question 1 holds half a character"),
        ("title: A\nquestions: [a\n", 4, "its front matter cannot be read, so its questions are not asked: expected"
         " ',' or ']', but got '<stream end>'"),
        ("a: &x 1\nquestions: [*x]\n", 3, "its front matter cannot be read, so its questions are not asked: it has an"
         " alias"),
        ("questions: " + "[" * 60_000 + "\n", 2, "its front matter cannot be read, so its questions are not asked:"
         " brackets or lists stand too deep in each other"),
        ("questions:\n" + "".join(" " * n + "- \n" for n in range(70)), 53, "its front matter cannot be read, so its"
         " questions are not asked: brackets or lists stand too deep in each other"),
        ("- questions\n", 2, "its front matter cannot be read, so its questions are not asked: it is no table"),
    ],
)  # fmt: skip
def test_front_matter_is_named_with_its_line(head: str, line: int, problem: str) -> None:
    """Lines count from the beginning of the document; one that cannot be read and has questions is named."""
    found, problems = of_text(f"---\n{head}---\nbody", "a.md")
    assert [f"a.md:{line}: {problem}"] == problems
    assert all(question.text == "a" for question in found)


def test_front_matter_without_questions_is_nobodys_business() -> None:
    """What cannot be read there is a remark only where somebody asks something."""
    assert ([], []) == of_text("---\na: [b\n---\n", "a.md")
    assert ([], []) == of_text("no front matter", "a.md")
    assert ([Question("a.md", "why")], []) == of_text('+++\nquestions = ["why"]\n+++\n', "a.md")
    assert ([], ["a.md:3: question 1 must be a text, or a table with a text"]) == of_text(
        "+++\na = 1\nquestions = [1]\n+++\n", "a.md"
    )


@given(st.binary(max_size=200), st.text(max_size=60))
def test_anything_is_questions_or_problems(data: bytes, some: str) -> None:
    """No bytes and no text make the readers fail, and every problem has a file and a line."""
    for found, problems in (
        of_file(data, "a.md", NAME),
        of_file(f"questions = [{some}]".encode("utf-8", "replace"), "a.md", NAME),
        of_text(f"---\nquestions: {some}\n---\n", NAME),
        of_text(f"+++\nquestions = {some}\n+++\n", NAME),
    ):
        assert all(isinstance(question, Question) for question in found)
        assert all(problem.split(":")[0] == NAME and problem.split(":")[1].isdecimal() for problem in problems)
    assert 0 <= matter.read(some).body <= len(some)
