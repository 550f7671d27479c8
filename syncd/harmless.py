"""Text that speaks to nobody but its reader: no name can steer a terminal or give orders to a CI system. Pure.

CI systems read commands out of what is printed. GitHub's runner takes a line that begins with ``::`` after blanks
(``::error …``), and ``##[…]`` anywhere in a line; Azure Pipelines takes ``##vso[…]`` and TeamCity ``##teamcity[…]``
anywhere; GitLab and Travis fold what stands between ``section_start:…`` or ``travis_fold:…`` and a carriage return.
The first character of such a word is written as an escape, as control characters are: ``\\x3a:error``.
"""

from __future__ import annotations

import re
import unicodedata

_COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")
_BEGINS = re.compile(r"(?m)^((?:\x1b\[[0-9;]*m|[^\S\n])*)(?=::|section_(?:start|end):|travis_(?:fold|time):)(.)")
_ANYWHERE = re.compile(r"#(?=#[A-Za-z]*\[)")
# What json.dumps leaves as it is though a terminal or a reader of lines acts on it.
_IN_JSON = re.compile("[\x7f-\x9f\u2028\u2029]")


def harmless(text: str, *, colours: bool = False) -> str:
    """Text of any number of lines as it may be printed.

    Args:
        text: what names, messages and answers of others may be part of.
        colours: sequences that choose a colour are ours, and stay.
    """
    if not text.isprintable():
        parts = _COLOUR.split(text) if colours else [text]
        text = "".join(part if colours and _COLOUR.fullmatch(part) else _shown(part) for part in parts)
    if ":" in text:
        text = _BEGINS.sub(lambda found: found[1] + _escape(found[2]), text)
    return _ANYWHERE.sub(lambda _: _escape("#"), text) if "##" in text else text


def in_json(text: str) -> str:
    """A JSON document that means the same and holds nothing that anybody but its reader acts on."""
    text = _IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return _ANYWHERE.sub(r"\\u0023", text) if "##" in text else text


def _shown(text: str) -> str:
    """Control characters and half characters as escapes; blanks, line breaks and tabulators stay."""
    return "".join(
        c
        if c in "\n\t" or c.isprintable() or unicodedata.category(c) == "Zs"
        else c.encode("unicode_escape", "surrogatepass").decode("ascii")
        for c in text
    )


def _escape(character: str) -> str:
    return f"\\x{ord(character):02x}"
