"""Which file system a path lies on, from the kernel's own table."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.filesystems import changed_by_others, file_system, mounts_below, read_mounts

MOUNTS = """\
/dev/root / ext4 rw 0 0
proc /proc proc rw 0 0
server:/x /srv/docs nfs4 rw,vers=4.2 0 0
//nas/y /srv/docs/deep\\040er cifs rw 0 0
tmpfs /srv/docsandmore tmpfs rw 0 0
old /over ext4 rw 0 0
new /over nfs rw 0 0
share /srv/文档 9p rw 0 0
back /srv/a\\134b fuse.sshfs rw 0 0
tab /srv/t\\011b overlay rw 0 0
sep /srv/u\u2028v zfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/srv", "ext4"),
        ("/srv/docs", "nfs4"),
        ("/srv/docs/a/b", "nfs4"),
        ("/srv/docs/deep er", "cifs"),
        ("/srv/docs/deep er/a", "cifs"),
        ("/srv/docs/deep", "nfs4"),
        ("/srv/docsandmore/x", "tmpfs"),
        ("/srv/docsandless", "ext4"),
        ("/over/x", "nfs"),
        ("/srv/文档/x", "9p"),
        ("/srv/a\\b/x", "fuse.sshfs"),
        ("/srv/t\tb", "overlay"),
        ("/srv/u\u2028v/x", "zfs"),
    ],
)
def test_the_deepest_and_latest_mount_counts(path: str, kind: str) -> None:
    """A path lies on the deepest mount above it, on the latest where there are two; names come out of their escapes."""
    assert kind == file_system(path, MOUNTS)


def test_a_link_is_followed(tmp_path: Path) -> None:
    """What a link leads to decides."""
    target = tmp_path / "share"
    target.mkdir()
    (tmp_path / "docs").symlink_to(target)
    mounts = f"root / ext4 rw 0 0\nserver {os.path.realpath(target)} nfs rw 0 0\n"
    assert ("nfs", "ext4") == (file_system(tmp_path / "docs", mounts), file_system(tmp_path, mounts))


def test_nothing_is_told() -> None:
    """Without a table, or with lines nobody understands, the type is not known."""
    assert ["", "", ""] == [file_system("/srv", text) for text in ("", "\n\n", "nonsense\n")]


def test_this_machine() -> None:
    """The kernel's own table is read when none is given."""
    assert "proc" == file_system("/proc/self")
    assert file_system("/proc/self") == file_system("/proc/self", read_mounts())


def test_mounts_below() -> None:
    """Only what is mounted below a directory, relative to it; a hidden mount does not count."""
    assert {"deep er": "cifs"} == mounts_below("/srv/docs", MOUNTS)
    assert {} == mounts_below("/srv/docs/deep er", MOUNTS)
    assert {"over": "nfs", "proc": "proc"}.items() <= mounts_below("/", MOUNTS).items()
    assert "" not in mounts_below("/", MOUNTS)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        *[(kind, True) for kind in ("nfs", "nfs4", "cifs", "smb3", "9p", "virtiofs", "ceph", "glusterfs", "vboxsf")],
        *[(kind, True) for kind in ("fuse", "fuse.sshfs", "fuse.s3fs", "fuse.rclone", "fuse.grpcfuse", "fakeowner")],
        *[(kind, False) for kind in ("ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "f2fs", "vfat", "ntfs3", "")],
        *[(kind, False) for kind in ("fuseblk", "fuse.ntfs-3g", "fuse.fuse-overlayfs")],
    ],
)
def test_who_else_writes(kind: str, expected: bool) -> None:
    """Network, host and cloud file systems change behind this kernel's back, disks do not."""
    assert expected == changed_by_others(kind)


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=12))
def test_any_name(name: str) -> None:
    """Whatever a mount point is called, the path below it finds it."""
    if name in (".", ".."):
        return
    written = "".join(f"\\{ord(char):03o}" if char in " \t\n\\#" else char for char in name)
    mounts = f"root / ext4 rw 0 0\nx /no-such-place/{written} nfs rw 0 0\n"
    assert "nfs" == file_system(f"/no-such-place/{name}/a", mounts)
    assert {name: "nfs"} == mounts_below("/no-such-place", mounts)
