"""Which files are documents."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.ignore import Rules, Verdict, ignore_text

SUFFIXES = frozenset({".md", ".txt", ".pdf"})
IN, NOT_INCLUDED, IGNORED, UNSUPPORTED = Verdict.IN, Verdict.NOT_INCLUDED, Verdict.IGNORED, Verdict.UNSUPPORTED


def rules(include: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> Rules:
    return Rules.compile(include, exclude, SUFFIXES)


@pytest.mark.parametrize(
    ("path", "verdict"),
    [
        ("a.md", IN),
        ("deep/er/a.md", IN),
        ("A.MD", IN),
        ("a.Pdf", IN),
        ("日本語.md", IN),
        ("100% #1?.md", IN),
        ("a\nb.md", IN),
        ("two.dots.md", IN),
        ("README", UNSUPPORTED),
        ("md", UNSUPPORTED),
        ("a.", UNSUPPORTED),
        ("a.png", UNSUPPORTED),
        ("a.md.png", UNSUPPORTED),
    ],
)
def test_without_include_every_known_suffix_is_in(path: str, verdict: Verdict) -> None:
    """Nothing named to include: every format that somebody reads, whatever the case of the suffix."""
    assert rules().file(path) is verdict


@pytest.mark.parametrize("suffixes", [{"md"}, {".md"}, {".MD"}])
def test_suffixes_may_be_written_any_way(suffixes: set[str]) -> None:
    """With or without the dot, in either case."""
    assert Rules.compile((), (), suffixes).file("a.md") is IN


NEVER = [
    ".hidden.md",
    "~$report.md",
    "a.swp",
    ".a.md.swp",
    "a.tmp",
    "a.TMP",
    "a.md~",
    "a.part",
    "a.md.crdownload",
    ".~lock.a.md#",
    "Thumbs.db",
    "thumbs.db",
    "a.questions.toml",
]


@pytest.mark.parametrize("name", NEVER)
@pytest.mark.parametrize("folder", ["", "docs/"])
def test_some_names_never_count_whatever_is_included(name: str, folder: str) -> None:
    """Not by suffix, not by a pattern, not by naming the file exactly, not by a negation."""
    path = folder + name
    for each in (
        rules(),
        rules(("**/*",)),
        rules((path,)),
        rules(("**/*" + name[-4:],)),
        rules((), (f"!{path}",)),
        rules().with_ignore_file("", f"!{name}\n"),
    ):
        assert each.file(path) is IGNORED


@pytest.mark.parametrize("name", [".git", "docs/.cache", "~$x", "upload.tmp", "docs/old~", "a.part"])
def test_some_directories_never_count(name: str) -> None:
    """Dot directories and half-finished ones are not entered, even if a pattern asks for them."""
    assert rules().directory(name)
    assert rules(("**/*.md",), (f"!{name}/",)).directory(name)
    assert not rules().directory("docs")
    assert not rules().directory("v1.2")


@pytest.mark.parametrize(
    ("include", "path", "verdict"),
    [
        (("**/*.md",), "a.md", IN),
        (("**/*.md",), "x/y/a.md", IN),
        (("*.md",), "x/a.md", IN),
        (("**/*.md",), "a.MD", NOT_INCLUDED),
        (("**/*.md",), "a.txt", NOT_INCLUDED),
        (("**/*.md", "**/*.pdf"), "a.pdf", IN),
        (("**/*.png",), "a.png", UNSUPPORTED),
        (("docs/",), "docs/x/a.md", IN),
        (("docs/",), "a.md", NOT_INCLUDED),
        (("/a.md",), "a.md", IN),
        (("/a.md",), "x/a.md", NOT_INCLUDED),
        (("docs/**/a?.md",), "docs/x/y/a1.md", IN),
        (("**/*", "!**/*.pdf"), "a.pdf", NOT_INCLUDED),
        (("**/*", "!**/*.pdf"), "a.md", IN),
        (("!**/*.pdf", "**/*.pdf"), "a.pdf", IN),
        (("**/*.pdf", "!old.pdf"), "old.pdf", NOT_INCLUDED),
        (("**/*.md", "docs/*.txt"), "docs/a.txt", IN),
        (("**/*.md", "docs/*.txt"), "other/a.txt", NOT_INCLUDED),
        (("**/*.tar.md",), "a.tar.md", IN),
    ],
)
def test_include_patterns(include: tuple[str, ...], path: str, verdict: Verdict) -> None:
    """Includes are globs in gitignore syntax; a suffix pattern and its long form agree."""
    assert rules(include).file(path) is verdict
    # The same, kept from the short cut for plain suffixes by a pattern that changes nothing.
    assert rules(("!nothing-of-this-name", *include)).file(path) is verdict


@pytest.mark.parametrize(
    ("exclude", "path", "ignored"),
    [
        (("drafts/",), "drafts/a.md", True),
        (("drafts/",), "x/drafts/a.md", True),
        (("/drafts/",), "x/drafts/a.md", False),
        (("drafts/",), "drafts.md", False),
        (("*.md", "!keep.md"), "keep.md", False),
        (("*.md", "!keep.md"), "a.md", True),
        (("!keep.md", "*.md"), "keep.md", True),
        (("drafts/", "!drafts/keep.md"), "drafts/keep.md", True),
        (("drafts/*", "!drafts/keep.md"), "drafts/keep.md", False),
        (("[ab].md",), "a.md", True),
        (("r\\#1.md",), "r#1.md", True),
        (("[[]x.md",), "[x.md", True),
        (("caf\u00e9/",), "cafe\u0301/a.md", True),
        (("cafe\u0301/",), "caf\u00e9/a.md", True),
    ],
)
def test_exclude_patterns(exclude: tuple[str, ...], path: str, ignored: bool) -> None:
    """The last match wins, a directory that is out stays out with all below it, spellings do not matter."""
    assert rules((), exclude).path(path) is (IGNORED if ignored else IN)


def test_a_directory_is_pruned_only_when_it_is_ignored_itself() -> None:
    """Patterns for files do not keep the walk out of a directory."""
    some = rules((), ("drafts/", "*.pdf", "a/b/"))
    assert some.directory("drafts")
    assert some.directory("x/drafts")
    assert some.directory("a/b")
    assert not some.directory("a")
    assert not some.directory("docs")


def test_an_ignore_file_counts_for_its_directory_and_below() -> None:
    """Nothing beside or above it is touched."""
    some = rules().with_ignore_file("docs", "*.pdf\n/top.md\nold/\n")
    assert some.file("docs/a.pdf") is IGNORED
    assert some.file("docs/x/a.pdf") is IGNORED
    assert some.file("docs/top.md") is IGNORED
    assert some.file("docs/x/top.md") is IN
    assert some.directory("docs/x/old")
    assert some.file("a.pdf") is IN
    assert some.file("docs2/a.pdf") is IN
    assert not some.directory("old")
    assert not some.directory("docs")


def test_the_deeper_ignore_file_wins() -> None:
    """A nested one may bring back what one above it took out, or the other way round."""
    some = rules().with_ignore_file("", "*.pdf\n").with_ignore_file("docs", "!a.pdf\n*.txt\n")
    assert some.file("docs/a.pdf") is IN
    assert some.file("docs/b.pdf") is IGNORED
    assert some.file("docs/a.txt") is IGNORED
    assert some.file("a.txt") is IN


def test_the_configuration_stands_above_ignore_files() -> None:
    """What the operator excludes cannot be published by whoever writes the documents, and the other way round."""
    some = rules((), ("secret/", "!notes.pdf")).with_ignore_file("", "!secret/\n*.pdf\n")
    assert some.directory("secret")
    assert some.file("notes.pdf") is IN
    assert some.file("other.pdf") is IGNORED


def test_an_ignore_file_may_hold_blank_lines_comments_a_bom_and_nothing() -> None:
    """As git reads it; and a file without a rule changes no verdict."""
    some = rules().with_ignore_file("", "\ufeff*.pdf\r\n\n# comment\n  \n")
    assert some.file("a.pdf") is IGNORED
    assert rules().with_ignore_file("", "# nothing\n").file("a.pdf") is IN


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
def test_an_ignore_file_is_text(codec: str) -> None:
    """What Windows' editors save is understood, with a mark or without."""
    some = rules().with_ignore_file("", ignore_text("秘密.pdf\n".encode(codec)))
    assert some.file("秘密.pdf") is IGNORED


@pytest.mark.parametrize(
    "data", ["a.md\n秘密.pdf\n".encode("gbk"), "a.md\n秘密.pdf\n".encode("utf-16-le"), b"a.md\n\0"]
)
def test_patterns_in_another_encoding_are_refused(data: bytes) -> None:
    """Read wrongly they would match nothing, and what should stay out would be sent."""
    with pytest.raises(ValueError, match=r"no UTF-8, line \d: save it as UTF-8"):
        ignore_text(data)


@pytest.mark.parametrize(
    "pattern", ["", "   ", "# a comment", "!", "/", "foo\\", "[z-a]", "../up", "!a/../b", "a\nb", "a\0b"]
)
def test_a_bad_pattern_is_named(pattern: str) -> None:
    """A malformed pattern, or one that can match nothing, is a mistake that the configuration reports."""
    for arguments in ((("*.md", pattern), ()), ((), ("*.md", pattern))):
        with pytest.raises(ValueError, match="the pattern ") as caught:
            rules(*arguments)
        assert repr(pattern) in str(caught.value)


def test_a_bad_line_in_an_ignore_file_is_named() -> None:
    """It is no reason to ignore nothing."""
    with pytest.raises(ValueError, match=r"'\[z-a\]'"):
        rules().with_ignore_file("docs", "*.pdf\n[z-a]\n")


def test_the_digest_changes_with_each_rule() -> None:
    """Equal rules, equal digest; any other rule, another digest."""
    different = [
        rules(),
        rules(("*.md",)),
        rules((), ("*.md",)),
        rules(("*.md", "*.txt")),
        rules(("*.txt", "*.md")),
        rules(("*.md, *.txt",)),
        Rules.compile((), (), {".md"}),
        rules().with_ignore_file("", "*.md"),
        rules().with_ignore_file("", "*.txt"),
        rules().with_ignore_file("a", "*.md"),
        rules().with_ignore_file("", "*.md").with_ignore_file("", "*.txt"),
    ]
    assert len({each.digest for each in different}) == len(different)
    assert rules(("*.md",)).digest == rules(("*.md",)).digest
    assert Rules.compile((), (), ["md", ".txt"]).digest == Rules.compile((), (), [".txt", ".md"]).digest


def test_explicit_tells_chance_from_wish() -> None:
    """Only a source that names its includes can ask for a format nobody reads."""
    assert rules(("*.png",)).explicit
    assert not rules().explicit


NAMES = st.text(st.sampled_from("ab.~$*é日\n %#-"), min_size=1, max_size=8).filter(lambda name: name not in (".", ".."))


@given(parts=st.lists(NAMES, min_size=1, max_size=3), suffix=st.sampled_from([".md", ".txt", ".png", ""]))
def test_the_short_cut_for_suffixes_agrees_with_the_patterns(parts: list[str], suffix: str) -> None:
    """For any path, ``**/*.md`` by its suffix and by the pattern engine are one answer."""
    path = "/".join(parts) + suffix
    if any(part.endswith(".md") for part in parts[:-1]) or "\n" in path:
        return  # git includes what is below a matching directory; the engine lets a name end before a newline
    short = rules(("**/*.md", "*.txt"))
    long = rules(("**/*.md", "*.txt", "!/no/such/file"))
    assert short.file(path) is long.file(path)


@given(path=st.lists(NAMES, min_size=1, max_size=4).map("/".join))
def test_any_path_gets_a_verdict(path: str) -> None:
    """No name makes the rules raise."""
    for each in (rules(), rules(("**/*.md", "a/"), ("*b*", "!a")), rules().with_ignore_file("a", "*\n!b*\n")):
        assert isinstance(each.path(path), Verdict)
        assert isinstance(each.directory(path), bool)
