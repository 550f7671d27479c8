"""Which part of a tree a look goes into."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.aim import Aim, aim_at

names = st.sampled_from(["a", "b", "ab", "é", "a b"])
paths = st.lists(names, min_size=1, max_size=4).map("/".join)
anywhere = st.one_of(st.just(""), paths)


def test_files_and_new_directories() -> None:
    """A file's directory is looked into by itself, a new directory with everything below it."""
    assert Aim(frozenset({"", "a/b"}), frozenset({"c/d"})) == aim_at(["x.md", "a/b/y.md", "a/b/z.md"], ["c/d"])


@pytest.mark.parametrize(
    ("rel", "covers", "inside", "steps"),
    [
        ("", False, False, {"a", "c"}),
        ("a", False, False, {"b"}),
        ("a/b", True, False, set()),
        ("a/b/x", False, False, set()),
        ("c", False, False, {"d"}),
        ("c/d", True, True, set()),
        ("c/d/e/f", True, True, set()),
        ("c/dd", False, False, set()),
        ("ab", False, False, set()),
    ],
)
def test_what_is_looked_into(rel: str, covers: bool, inside: bool, steps: set[str]) -> None:
    """Names are compared whole: `c/dd` is not below `c/d`."""
    aim = aim_at(["a/b/y.md"], ["c/d"])
    assert (covers, inside, steps) == (aim.covers(rel), aim.inside_tree(rel), aim.steps(rel))


def test_the_whole_tree() -> None:
    """An aim at the root's tree covers everything."""
    aim = aim_at([], [""])
    assert [True, True, True] == [aim.covers(rel) for rel in ("", "a", "a/b/c")]


@given(st.lists(paths, max_size=6), st.lists(anywhere, max_size=4), anywhere)
def test_steps_lead_to_everything_aimed_at_and_nowhere_else(files: list[str], trees: list[str], rel: str) -> None:
    """Going down by steps reaches each directory aimed at; nothing is covered but these and what is below a tree."""
    aim = aim_at(files, trees)
    wanted = {posixpath.dirname(path) for path in files} | set(trees)
    reached, pending = set(), [""]
    while pending:
        at = pending.pop()
        reached.add(at)
        pending += [f"{at}/{name}" if at else name for name in aim.steps(at)]
    assert wanted <= reached
    assert [] == [at for at in reached - {""} if not any(f"{target}/".startswith(f"{at}/") for target in wanted)]
    inside = any(not tree or f"{rel}/".startswith(f"{tree}/") for tree in trees)
    assert (rel in wanted or inside, inside) == (aim.covers(rel), aim.inside_tree(rel))
