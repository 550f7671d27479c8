"""Is one file there, at this moment, and is it in scope? Asked right before its document is retired (rule 16)."""

from __future__ import annotations

import errno
import os
import stat

from syncd.ignore import IGNORE_FILE, Rules, Verdict, ignore_text


def in_scope(root: str, rules: Rules, path: str) -> bool:
    """Whether the file at ``path`` (as the disk spells it) is there and would be scanned, asked without a scan."""
    try:
        status = os.lstat(os.path.join(root, path))
    except OSError as error:
        return error.errno not in (errno.ENOENT, errno.ENOTDIR)  # in doubt it is there
    if stat.S_ISDIR(status.st_mode):
        return False
    parts = path.split("/")
    for depth in range(len(parts)):
        above = "/".join(parts[:depth])
        if above and rules.directory(above):
            return False
        try:
            text = _text(os.path.join(root, above, IGNORE_FILE))
            rules = rules.with_ignore_file(above, text) if text else rules
        except (OSError, ValueError):
            return True
    return rules.file(path) in (Verdict.IN, Verdict.UNSUPPORTED)


def _text(path: str) -> str:
    """The text of a small file; "" when there is none."""
    try:
        with open(path, "rb") as file:
            return ignore_text(file.read())
    except FileNotFoundError:
        return ""
