"""Starts the program once more in Python's UTF-8 mode where the locale says another encoding.

Documents are mirrored under the names that their bytes spell in UTF-8, and FastGPT's names are Unicode. In a Latin-1 or
GBK locale Python would take names, files and arguments for that encoding instead. What is printed stays in the encoding
of the terminal.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence


def again(
    argv: Sequence[str], env: Mapping[str, str], *, names: str, output: str, exists: bool = False
) -> tuple[list[bytes], dict[str, str]] | None:
    """The arguments and the environment to start with once more, ``None`` when that is not needed.

    Args:
        argv: the whole command line, the interpreter first, as Python read it in the locale's encoding.
        env: the environment.
        names: Python's encoding of file names.
        output: the encoding of the terminal.
        exists: take an argument that names an existing file by its bytes; tests that know no locale leave it off.
    """
    if names.lower().replace("-", "") == "utf8" or env.get("PYTHONUTF8") == "1":
        return None
    arguments = []
    for argument in argv[1:]:
        raw = os.fsencode(argument) if exists else b""
        # A question or the name of a document is text; what is a file here is known by its bytes.
        arguments.append(raw if exists and os.path.lexists(raw) else argument.encode("utf-8", "surrogateescape"))
    settings = {"PYTHONUTF8": "1", "PYTHONIOENCODING": env.get("PYTHONIOENCODING") or f"{output}:backslashreplace"}
    return [argv[0].encode("utf-8", "surrogateescape"), *arguments], {**env, **settings}


def enter() -> None:
    """Go on in UTF-8 mode; does not return where that takes a new start of the same process."""
    found = again(
        [sys.executable, *sys.orig_argv[1:]],
        os.environ,
        names=sys.getfilesystemencoding(),
        output=getattr(sys.stdout, "encoding", None) or "utf-8",
        exists=True,
    )
    if found is not None:
        arguments, env = found
        os.execve(sys.executable, arguments, env)  # noqa: S606 - this very program
