"""What is said when the kernel gives no more watches or instances."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

import pytest

from syncd.limits import is_limit, refusal


@pytest.mark.parametrize(
    ("number", "setting", "allowed", "expected"),
    [
        (errno.ENOSPC, "max_user_watches", "8192", "the limit of 8192 inotify watches is reached: raise it with sysctl "
         "fs.inotify.max_user_watches=524288"),
        (errno.ENOSPC, "max_user_watches", "524288", "the limit of 524288 inotify watches is reached: raise it with "
         "sysctl fs.inotify.max_user_watches=2097152"),
        (errno.EMFILE, "max_user_instances", "128\n", "the limit of 128 inotify instances is reached: raise it with "
         "sysctl fs.inotify.max_user_instances=512"),
        (errno.EMFILE, "other", "", "the limit of inotify instances is reached: raise it with "
         "sysctl fs.inotify.max_user_instances"),
    ],
)  # fmt: skip
def test_a_limit_is_named(tmp_path: Path, number: int, setting: str, allowed: str, expected: str) -> None:
    """The sentence names the limit, the setting, and a value that is larger than what there is."""
    (tmp_path / setting).write_text(allowed)
    error = OSError(number, "inotify limit reached")
    assert (True, expected) == (is_limit(error), refusal(error, tmp_path))


def test_what_is_no_limit() -> None:
    """Anything else is said as it came."""
    error = OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    assert (False, "inotify cannot be used here: Function not implemented") == (is_limit(error), refusal(error))
    assert "inotify cannot be used here: no such module" == refusal(ImportError("no such module"))


def test_no_file_descriptor_is_left() -> None:
    """The same error number may mean the limit of this process: then that is the one to raise."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    try:
        while True:
            try:
                taken.append(os.open("/", os.O_RDONLY))
            except OSError:
                break
        said = refusal(OSError(errno.EMFILE, "inotify instance limit reached"))
    finally:
        for fd in taken:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "this process has no file descriptor left: raise LimitNOFILE or ulimit -n" == said
