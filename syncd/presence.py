"""Is one file there, at this moment, and is it in scope? Asked right before its document is retired (rule 16)."""

from __future__ import annotations

import stat

from syncd import door
from syncd.door import ABSENT, FileAt
from syncd.ignore import Rules, Verdict
from syncd.ignorefile import with_ignore_file


def in_scope(root: str, rules: Rules, path: str) -> bool:
    """Whether the file at ``path`` (as the disk spells it) is there and would be scanned, asked without a scan."""
    try:
        mode = door.look(FileAt(root, path), follow=False).st_mode
        # A link to nothing may have something behind it in a moment; what it leads to outside is never taken.
        there = door.inside(root, path) is not None if stat.S_ISLNK(mode) else stat.S_ISREG(mode)
    except OSError as error:
        return error.errno not in ABSENT  # in doubt it is there
    if not there:
        return False
    parts = path.split("/")
    for depth in range(len(parts)):
        above = "/".join(parts[:depth])
        if above and rules.directory(above):
            return False
        try:
            rules = with_ignore_file(rules, root, above)
        except FileNotFoundError:
            continue
        except OSError:
            return True
    return rules.file(path) in (Verdict.IN, Verdict.UNSUPPORTED)
