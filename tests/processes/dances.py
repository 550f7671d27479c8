"""How programs save a file: the system calls of editors and tools, one function for each.

Each takes the file and its new content. Facts: strace of the programs named (vim 9.0, GNU sed 4.9, rsync 3.2, GLib's
g_file_replace, Qt's QSaveFile, LibreOffice 7.4, Node's fs.writeFile) or their documentation; nothing is left behind.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

Save = Callable[[Path, bytes], None]


def write(path: Path, content: bytes, flags: int = os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode: int = 0o644) -> None:
    """Open, write all, close."""
    fd = os.open(path, flags, mode)
    os.write(fd, content)
    os.close(fd)


def vim_rename(path: Path, content: bytes) -> None:
    """Vim, backupcopy=no: a probe file, the old file becomes the backup, the new one is written, the backup goes."""
    swap = path.with_name(f".{path.name}.swp")
    write(swap, b"b0VIM 9.0", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    probe = path.with_name("4913")
    os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
    os.chmod(probe, 0o644)
    probe.unlink()
    backup = path.with_name(path.name + "~")
    path.rename(backup)
    write(path, content)
    backup.unlink()
    swap.unlink()


def vim_copy(path: Path, content: bytes) -> None:
    """Vim, backupcopy=yes: a copy is made as the backup, the file itself is emptied and written."""
    backup = path.with_name(path.name + "~")
    write(backup, path.read_bytes())
    write(path, content, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    backup.unlink()


def vscode(path: Path, content: bytes) -> None:
    """VS Code: emptied in place, then written."""
    os.truncate(path, 0)
    write(path, content, os.O_RDWR)


def obsidian(path: Path, content: bytes) -> None:
    """Obsidian: written in place, in pieces, then its times are set."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for at in range(0, len(content), 16):
        os.write(fd, content[at : at + 16])
    os.close(fd)
    now = time.time()
    os.utime(path, (now, now))


def gedit(path: Path, content: bytes) -> None:
    """GLib programs: a hidden new file beside it takes its place, the old one is linked as a backup."""
    new = path.with_name(".goutputstream-X7K2Q1")
    write(new, content, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    backup = path.with_name(path.name + "~")
    os.link(path, backup)
    os.chmod(new, 0o644)
    new.rename(path)
    backup.unlink()


def kate(path: Path, content: bytes) -> None:
    """Qt programs: a new file with six letters behind the name takes its place."""
    new = path.with_name(path.name + ".HdpQrt")
    write(new, content, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    new.rename(path)


def libreoffice(path: Path, content: bytes) -> None:
    """LibreOffice: a lock file with who and when, a new file under a name of its own, moved over the old one."""
    lock = path.with_name(f".~lock.{path.name}#")
    write(lock, b",user,host,01.01.2026 00:00,file:///home/user;")
    new = path.with_name("lu81245d1v0.tmp")
    write(new, content, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    new.rename(path)
    lock.unlink()


def word(path: Path, content: bytes) -> None:
    """Word: for a moment there is no file of the name at all."""
    lock = path.with_name("~$" + path.name[2:])
    write(lock, b"\x04user")
    new, old = path.with_name("~WRD0001.tmp"), path.with_name("~WRL0002.tmp")
    write(new, content)
    path.rename(old)
    new.rename(path)
    old.unlink()
    lock.unlink()


def emacs(path: Path, content: bytes) -> None:
    """Emacs: a lock that is a link to nowhere, the old file becomes the backup, the new one is written."""
    lock = path.with_name(".#" + path.name)
    lock.symlink_to(f"user@{socket.gethostname()}.4711:1700000000")
    auto = path.with_name(f"#{path.name}#")
    write(auto, content)
    backup = path.with_name(path.name + "~")
    path.rename(backup)
    write(path, content)
    auto.unlink()
    lock.unlink()
    backup.unlink()


def sed(path: Path, content: bytes) -> None:
    """The real `sed -i`, which puts a file named sedXXXXXX in the old one's place."""
    script = path.with_name(".script")
    script.write_bytes(
        b"1c\\\n" + content.rstrip(b"\n").replace(b"\\", b"\\\\").replace(b"\n", b"\\\n") + b"\n$!d\n2,$d\n"
    )
    subprocess.run(["sed", "-i", "-f", script, path], check=True, timeout=30)
    script.unlink()


def rsync(path: Path, content: bytes) -> None:
    """rsync: a hidden file with six letters, its times set before it takes the place."""
    new = path.with_name(f".{path.name}.k3Hd8s")
    write(new, content, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    then = time.time() - 86_400  # the time the file has over there
    os.utime(new, (then, then))
    os.chmod(new, 0o644)
    new.rename(path)


def git_checkout(path: Path, content: bytes) -> None:
    """git: the old file goes, a new one is written."""
    path.unlink()
    write(path, content, os.O_WRONLY | os.O_CREAT | os.O_EXCL)


def browser(path: Path, content: bytes) -> None:
    """A download: grows under another name and gets its own at the end."""
    part = path.with_name(path.name + ".part")
    write(part, content[:10])
    write(part, content[10:], os.O_WRONLY | os.O_APPEND)
    part.rename(path)


def in_two_breaths(path: Path, content: bytes) -> None:
    """Emptied, then closed half-written, then written again as a whole."""
    write(path, b"")
    write(path, content[: len(content) // 2])
    write(path, content)


def over_and_over(path: Path, content: bytes) -> None:
    """Saved five times in a row: only the last one counts."""
    for number in range(4):
        write(path, content + f"\nDraft {number}.\n".encode())
    write(path, content)


def hard_link(path: Path, content: bytes) -> None:
    """A finished file is linked to the name, as snapshot tools do: nobody ever writes to it there."""
    store = path.with_name(".store")
    write(store, content)
    path.unlink()
    os.link(store, path)
    store.unlink()


def moved_over(path: Path, content: bytes) -> None:
    """`mv` from another folder of the same disk, outside the tree."""
    outside = path.parents[2] / "outside.md"
    write(outside, content)
    outside.rename(path)


EVERY: tuple[Save, ...] = (
    vim_rename,
    vim_copy,
    vscode,
    obsidian,
    gedit,
    kate,
    libreoffice,
    word,
    emacs,
    sed,
    rsync,
    git_checkout,
    browser,
    in_two_breaths,
    over_and_over,
    hard_link,
    moved_over,
)


class Dribble:
    """A writer of one byte at a time.

    Attributes:
        longest: seconds between two of its writes at most, as it really went.
    """

    longest = 0.0

    def __call__(self, path: Path, content: bytes) -> None:
        """Write for about two seconds, never closing in between."""
        pause = 2.0 / len(content)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        last = time.monotonic()
        for byte in content:
            os.write(fd, bytes([byte]))
            now = time.monotonic()
            self.longest, last = max(self.longest, now - last), now
            time.sleep(pause)  # how slowly it writes, not a synchronisation
        os.close(fd)
