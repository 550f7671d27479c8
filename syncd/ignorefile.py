"""The ``.syncdignore`` of one directory, read and added to the rules."""

from __future__ import annotations

import errno

from syncd import door
from syncd.door import FileAt
from syncd.ignore import IGNORE_FILE, Rules, ignore_text
from syncd.patterns import PatternError

_MOST = 1 << 20  # bytes


def with_ignore_file(rules: Rules, root: str, rel: str) -> Rules:
    """Add the ``.syncdignore`` of the directory ``rel``, "" for the root.

    Raises:
        OSError: it cannot be read or understood; the reason names the file, and the line where there is one. Not to
            know what shall be ignored never means "nothing". ``FileNotFoundError``: there is none.
    """
    name = f"{rel}/{IGNORE_FILE}" if rel else IGNORE_FILE
    try:
        return rules.with_ignore_file(rel, ignore_text(door.read(FileAt(root, name), _MOST)))
    except PatternError as error:
        raise _unusable(f"{name}:{error.number}: {error}") from error
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unusable(f"{name} cannot be used: {error.strerror or error}") from error
    except ValueError as error:
        raise _unusable(f"{name} cannot be used: {error}") from error


def _unusable(why: str) -> OSError:
    return OSError(errno.EINVAL, why)
