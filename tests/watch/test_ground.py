"""What a source stands on, and whether events would tell of every change there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from syncd.ground import Ground, look_at, unfit
from syncd.ignore import Rules
from syncd.roots import resolve


def test_what_is_mounted_where_a_path_leads(tmp_path: Path) -> None:
    """The target of a link decides; without a directory, what would hold it, and nothing is below."""
    real = os.path.realpath(tmp_path)
    (tmp_path / "v1").mkdir()
    (tmp_path / "current").symlink_to("v1")
    mounts = f"root / ext4 rw 0 0\na {real}/v1 xfs rw 0 0\nb {real}/v1/media nfs rw 0 0\nc {real}/v2 btrfs rw 0 0\n"
    assert Ground(resolve(f"{real}/v1"), "xfs", {"media": "nfs"}) == look_at(f"{real}/v1", mounts)
    linked = look_at(f"{real}/current", mounts)
    assert ("xfs", {"media": "nfs"}, f"{real}/v1") == (linked.kind, linked.below, linked.root.real)
    gone = look_at(f"{real}/v2/docs", mounts)
    assert ("btrfs", {}, "") == (gone.kind, gone.below, gone.root.real)


@pytest.mark.parametrize(
    ("kind", "below", "exclude", "expected"),
    [
        ("ext4", {}, (), ""),
        ("", {}, (), ""),
        ("ext4", {"a": "tmpfs"}, (), ""),
        ("nfs", {}, (), "nfs does not tell of what others change"),
        ("ext4", {"a/b": "cifs"}, (), "cifs, mounted on a/b, does not tell of what others change"),
        ("ext4", {"a/b": "cifs"}, ("a/",), ""),
        ("ext4", {"a/b": "cifs"}, ("/a/b/",), ""),
        ("ext4", {"a/b/c": "cifs"}, ("/a/b/",), ""),
        ("ext4", {"a/.cache/c": "cifs"}, (), ""),
        ("ext4", {"a/b": "cifs"}, ("b.md",), "cifs, mounted on a/b, does not tell of what others change"),
        ("ext4", {"a": "cifs", "b": "9p"}, ("a/",), "9p, mounted on b, does not tell of what others change"),
    ],
)
def test_events_would_not_do(kind: str, below: dict[str, str], exclude: tuple[str, ...], expected: str) -> None:
    """A share makes them unfit, at the root or below it, unless it lies in what is left out."""
    left_out = Rules.compile((), exclude, ("md",)).directory
    assert expected == unfit(Ground(kind=kind, below=below), left_out)
