"""Patterns: what git makes of them, and that none of them costs more than it is worth."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.ignore import Rules, Verdict
from syncd.patterns import LONGEST, MOST_CHARACTERS, MOST_PATTERNS, MOST_WILDCARDS, PatternError, parse

DIRECTORIES = ("a", "b", "ab", "a/b", "a/b/a", "é")
FILES = (
    *("a/a", "b/ba", "b/ba/c", "a b", "a/a/a", "é/a", "c", "aab", "bc", "a/c", "a/bc", "a/b/c", "a/b/a/ab", "b/-"),
    *("b/ba/c/ab", "a/]", "b/[ab]", "b/*", "ab/!c", "ab/#c", "a/a/a/b", "a/a/a/abab", "é/bé", "a/a c ", "b/a\\b"),
    *("ab/a^b", "a/a-c", "a/b/a/a/b"),
)  # fmt: skip
PIECES = (
    *("a", "b", "c", "ab", "é", "-", "]", "^", ":", " ", "\\ ", "\\a", "\\*", "\\?", "\\[", "\\\\", "\\/", "\\!"),
    *("*", "*", "*", "**", "***", "?", "/", "/", "/", "**/", "/**", "/**/", "*a", "*b*"),
    *("[ab]", "[!ab]", "[^a]", "[a-c]", "[]a]", "[!]a]", "[a-]", "[\\]a]", "[[ab]", "[+-9]", "[a/b]", "[a-b-c]"),
    *("[[:alpha:]]", "[![:punct:]]", "[[:lower:]b]", "[[:x]", "[\\a-c]", "[a-\\c]"),
)
BEGINS = ("", "", "", "", "!", "/", "#", "\\#", "\\!", "**/", "*")
ENDS = ("", "", "", "/", " ", "\\ ", "  ", "/**", "/*", "\r", "\t")


def some_pattern(rng: random.Random) -> str:
    return rng.choice(BEGINS) + "".join(rng.choices(PIECES, k=rng.randint(1, 5))) + rng.choice(ENDS)


def beyond_bytes(line: str) -> bool:
    """Whether git, which counts bytes, may see it differently: one of its characters may be half of an "é"."""
    return "?" in line.replace("\\?", "") or "[" in line.replace("\\[", "")


def ignored(rules: Rules, path: str, *, directory: bool) -> bool:
    parts = path.split("/")
    above = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
    if any(rules.directory(each) for each in above):
        return True
    return rules.directory(path) if directory else rules.file(path) is Verdict.IGNORED


def compare_with_git(tmp_path: Path, files: list[list[str]]) -> tuple[int, int]:
    """Have git and the rules judge every path by each of the ignore files; returns the number of files and verdicts."""
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not installed")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C.UTF-8"}
    subprocess.run([git, "init", "-q", str(tmp_path)], check=True, env=environment)
    asked: list[tuple[int, str, bool]] = []
    used: dict[int, Rules] = {}
    for number, lines in enumerate(files):
        text = "\n".join(lines)
        try:
            used[number] = Rules.compile((), (), ()).with_ignore_file("", text)
        except PatternError:
            continue  # what git lets match nothing without a word
        top = tmp_path / str(number)
        top.mkdir()
        (top / ".gitignore").write_bytes(text.encode())
        for directory in DIRECTORIES:
            os.mkdir(top / directory)
        doubtful = any(map(beyond_bytes, lines))
        asked += [
            (number, path, path in DIRECTORIES)
            for path in (*DIRECTORIES, *FILES)
            if not (doubtful and not path.isascii())
        ]
    given_to_git = b"\0".join(f"{number}/{path}".encode() for number, path, _ in asked)
    done = subprocess.run(
        [git, "-C", str(tmp_path), "check-ignore", "--no-index", "--stdin", "-z"],
        input=given_to_git, capture_output=True, check=False, env=environment,
    )  # fmt: skip
    assert (b"", True) == (done.stderr, done.returncode in (0, 1))
    by_git = set(done.stdout.decode().split("\0"))
    different = [
        (files[number], path, f"{number}/{path}" in by_git)
        for number, path, directory in asked
        if ignored(used[number], path, directory=directory) != (f"{number}/{path}" in by_git)
    ]
    assert [] == different[:20]
    return len(used), len(asked)


def test_patterns_match_what_git_matches(tmp_path: Path) -> None:
    """Each of thousands of generated patterns, alone in a file, has git's own verdict on every path."""
    rng = random.Random(20)
    used, _ = compare_with_git(tmp_path, [[some_pattern(rng)] for _ in range(1200)])
    assert used > 900


def test_files_of_patterns_match_what_git_matches(tmp_path: Path) -> None:
    """The last match wins, a negation brings back, what is below an ignored folder stays out: as git says."""
    rng = random.Random(21)
    files = [[some_pattern(rng) for _ in range(rng.randint(2, 6))] for _ in range(300)]
    used, _ = compare_with_git(tmp_path, files)
    assert used > 120


@pytest.mark.long
def test_very_many_patterns_match_what_git_matches(tmp_path: Path) -> None:
    """The same with other patterns in each run; the seed is printed."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for part in range(40):
        place = tmp_path / str(part)
        place.mkdir()
        files = [[some_pattern(rng) for _ in range(rng.choice((1, 1, 3)))] for _ in range(2500)]
        print(part, compare_with_git(place, files))
        shutil.rmtree(place)


def by_automaton(pattern: str, path: str) -> bool:
    """Whether a pattern of letters, ``?``, ``*``, ``**`` and slashes matches a path: all states at once, no regex."""
    segments = pattern.removeprefix("/").split("/")
    rows = {0}
    for name in path.split("/"):
        rows = {row for row in rows if row < len(segments)}
        for row in range(len(segments) - 1):
            if row in rows and segments[row] == "**":
                rows.add(row + 1)
        following = {row for row in rows if segments[row] == "**"}
        following |= {row + 1 for row in rows if segments[row] == "**"}
        following |= {row + 1 for row in rows if segments[row] != "**" and name_matches(segments[row], name)}
        rows = following
    return len(segments) in rows


def name_matches(glob: str, name: str) -> bool:
    def closed(states: set[int]) -> set[int]:
        todo = set(states)
        while todo:
            state = todo.pop()
            if state < len(glob) and glob[state] == "*" and state + 1 not in states:
                states.add(state + 1)
                todo.add(state + 1)
        return states

    states = closed({0})
    for letter in name:
        step = {state for state in states if state < len(glob) and glob[state] == "*"}
        step |= {state + 1 for state in states if state < len(glob) and glob[state] in (letter, "?")}
        states = closed(step)
    return len(glob) in states


GLOBS = st.text(st.sampled_from("ab*?"), min_size=1, max_size=8).filter(lambda glob: "**" not in glob)
PATTERNS = st.lists(st.one_of(GLOBS, st.just("**")), min_size=1, max_size=6).map(lambda parts: "/" + "/".join(parts))
PATHS = st.lists(st.text(st.sampled_from("ab"), min_size=1, max_size=8), min_size=1, max_size=6).map("/".join)


@given(pattern=PATTERNS, path=PATHS)
def test_patterns_match_what_an_automaton_matches(pattern: str, path: str) -> None:
    """That nothing is tried twice loses no match, wherever stars stand."""
    assert by_automaton(pattern, path) is (parse([pattern]).last(path, directory=False) == 0)


HOSTILE = [
    "a*" * (MOST_WILDCARDS - 1) + "*b",
    "*a" * MOST_WILDCARDS,
    "*?" * MOST_WILDCARDS + "b",
    "*[ab]" * MOST_WILDCARDS + "c",
    "/**/a" * (MOST_WILDCARDS - 1) + "/**/b",
    "**/*a*a*a/" * (MOST_WILDCARDS // 4) + "c",
    "/".join(["a*a*b"] * (MOST_WILDCARDS // 2)),
    "**/" + "a*a" * (MOST_WILDCARDS - 1) + "b",
    "*" + "a" * 2000 + "b",
    "**/" + "a" * 120 + "*a/" * 15 + "b",
]
LONG_PATHS = ["a" * 255, "a" * 4095, "/".join(["a" * 255] * 16), "/".join("a" * 2048), "/".join(["ab"] * 1365)]


@pytest.mark.parametrize("pattern", HOSTILE)
def test_no_pattern_keeps_the_matcher_busy(pattern: str) -> None:
    """What makes a backtracking matcher run for years is answered on the longest paths; else this never ends."""
    some = parse([pattern, "!" + pattern, pattern + "/"])
    for path in LONG_PATHS:
        for directory in (True, False):
            assert some.last(path, directory=directory) in (-1, 1, 2)


@given(st.text(st.sampled_from("ab*?/[]!-\\^: é\n\0#"), max_size=30), PATHS)
def test_any_line_is_a_pattern_or_a_finding(line: str, path: str) -> None:
    """No text makes the reader or the matcher fail in another way."""
    try:
        some = parse([line])
    except PatternError as error:
        assert 1 == error.number
        assert str(error).startswith("the pattern ")
    else:
        assert some.last(path, directory=True) in (-1, 0)


def test_bounds_are_named_with_their_line() -> None:
    """Too many wildcards, too long, too many patterns: the line is said, and one less is taken."""
    for line, why in [
        ("a*" * (MOST_WILDCARDS + 1), f"has {MOST_WILDCARDS + 1} wildcards; the most is {MOST_WILDCARDS}"),
        ("a" * (LONGEST + 1), f"has {LONGEST + 1} characters; the most is {LONGEST}"),
    ]:
        with pytest.raises(PatternError, match=why) as caught:
            parse(["*.md", line])
        assert 2 == caught.value.number
    assert parse(["a*" * MOST_WILDCARDS, "a" * LONGEST])
    many = [f"a{number}*b" for number in range(MOST_PATTERNS)]
    assert MOST_PATTERNS == parse([*many, "plain", "/plain/too"]).wild
    with pytest.raises(PatternError, match=f"more than {MOST_PATTERNS} patterns with wildcards") as caught:
        parse([*many, "plain", "one*more"])
    assert MOST_PATTERNS + 2 == caught.value.number
    long = ["a" * 4000 + "*"] * (MOST_CHARACTERS // 4001)
    with pytest.raises(PatternError, match=f"of more than {MOST_CHARACTERS} characters") as caught:
        parse([*long, long[0]])
    assert (len(long) + 1, len(long)) == (caught.value.number, parse(long).wild)


def test_patterns_of_nested_files_are_bounded_together() -> None:
    """Many folders, each with its own file, are no way around the bound for one path."""
    half = "\n".join(f"a{number}*b" for number in range(MOST_PATTERNS // 2))
    rules = Rules.compile((), (), ()).with_ignore_file("", half).with_ignore_file("a", half)
    with pytest.raises(PatternError, match=f"more than {MOST_PATTERNS} patterns with wildcards hold here"):
        rules.with_ignore_file("a/b", "one*more")


def test_plain_names_are_looked_up() -> None:
    """A list of 50 000 names is no pattern with wildcards, and the last word on a name still wins."""
    lines = [f"name-{number}.md" for number in range(50_000)]
    some = parse([*lines, "!name-7.md", "docs/", "/docs/x\\*.md"])
    assert 0 == some.wild
    assert (True, False, None) == tuple(
        some.verdict(some.last(path, directory=False)) for path in ("a/name-6.md", "name-7.md", "docs")
    )
    assert some.verdict(some.last("a/docs", directory=True)) is True
    assert some.verdict(some.last("docs/x*.md", directory=False)) is True
    assert some.verdict(some.last("a/docs/x*.md", directory=False)) is None
