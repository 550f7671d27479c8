"""What a root hangs on: the names through which a path leads to its directory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.roots import Root, resolve


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A directory without any link above it."""
    return Path(os.path.realpath(tmp_path))


def identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def test_a_plain_directory(base: Path) -> None:
    """It hangs on its own name alone; how it is written does not matter."""
    (base / "a" / "docs").mkdir(parents=True)
    expected = Root(f"{base}/a/docs", identity(base / "a" / "docs"), ((f"{base}/a", "docs"),))
    for spelling in (f"{base}/a/docs", f"{base}/a/docs/", f"{base}//a/./docs", f"{base}/a/../a/docs"):
        assert expected == resolve(spelling)


def test_the_root_of_everything() -> None:
    """`/` hangs on nothing."""
    assert Root("/", identity(Path("/")), ()) == resolve("/")


def test_links_on_the_way(base: Path) -> None:
    """Each link is a name to hear of, and the directory at the end as well."""
    (base / "v1" / "docs").mkdir(parents=True)
    (base / "sub").mkdir()
    (base / "sub" / "..data").symlink_to("../v1")
    (base / "current").symlink_to(f"{base}/sub/..data/docs")
    root = resolve(f"{base}/current")
    assert f"{base}/v1/docs" == root.real
    assert ((str(base), "current"), (f"{base}/sub", "..data"), (f"{base}/v1", "docs")) == root.names


def missing(base: Path) -> tuple[str, tuple[str, str]]:
    return "a/b/docs", (str(base), "a")


def missing_end(base: Path) -> tuple[str, tuple[str, str]]:
    (base / "a").mkdir()
    return "a/docs", (f"{base}/a", "docs")


def dangling(base: Path) -> tuple[str, tuple[str, str]]:
    (base / "current").symlink_to("v1")
    return "current", (str(base), "v1")


def a_file(base: Path) -> tuple[str, tuple[str, str]]:
    (base / "docs").touch()
    return "docs", (str(base), "docs")


def below_a_file(base: Path) -> tuple[str, tuple[str, str]]:
    (base / "file").touch()
    return "file/docs", (f"{base}/file", "docs")


@pytest.mark.parametrize("case", [missing, missing_end, dangling, a_file, below_a_file])
def test_a_path_that_breaks_off(base: Path, case: Callable[[Path], tuple[str, tuple[str, str]]]) -> None:
    """There is no directory; the name that is missing, or in the way, is the one to hear of."""
    path, name = case(base)
    root = resolve(f"{base}/{path}")
    assert ("", None, name) == (root.real, root.identity, root.names[-1])


def test_a_loop_of_links(base: Path) -> None:
    """Links that lead in a circle end, and are what the path hangs on."""
    (base / "a").symlink_to("b")
    (base / "b").symlink_to("a")
    root = resolve(f"{base}/a/docs")
    assert ("", {(str(base), "a"), (str(base), "b")}) == (root.real, set(root.names))


def test_another_directory_of_the_same_name(base: Path) -> None:
    """A directory that takes another's place while that one still exists is told apart."""
    (base / "docs").mkdir()
    before = resolve(f"{base}/docs")
    (base / "docs").rename(base / "away")
    (base / "docs").mkdir()
    after = resolve(f"{base}/docs")
    assert (before.real, before.names) == (after.real, after.names)
    assert before != after


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["", "a", "b", "../a", "../b/c", "a/b", "/", ".", ".."])),
        max_size=6,
    ),
    st.lists(st.sampled_from([*"abc"]), min_size=1, max_size=4),
)
def test_the_kernel_agrees(
    tmp_path_factory: pytest.TempPathFactory, made: list[tuple[str, str]], way: list[str]
) -> None:
    """In any jumble of directories and links, a path leads where the kernel says it does, and every name is real."""
    base = Path(os.path.realpath(tmp_path_factory.mktemp("jumble")))
    at = base
    for name, target in made:
        place = at / name
        if not os.path.lexists(place):
            if target:
                place.symlink_to(f"{base}/a" if target == "/" else target)
            else:
                place.mkdir()
        if place.is_dir() and not place.is_symlink():
            at = place
    path = "/".join([str(base), *way])
    root = resolve(path)
    if os.path.isdir(path):
        assert (os.path.realpath(path), identity(Path(path))) == (root.real, root.identity)
        assert [] == [name for name in root.names if not os.path.lexists(os.path.join(*name))]
    else:
        assert ("", None) == (root.real, root.identity)
    assert [] == [folder for folder, _ in root.names if os.path.realpath(folder) != folder]
