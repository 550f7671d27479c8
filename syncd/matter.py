"""Front matter: what a document says of itself above its text.

YAML and TOML are parsed here, so whoever reads documents of others asks a reader for it (``reader``).
"""

from __future__ import annotations

import re
import tomllib

FRONT_LIMIT = 64 * 1024
"""Longest front matter that is read, in characters."""

_FRONT = re.compile(r"\ufeff?(---|\+\+\+)[ \t]*\r?\n(.*?)^\1[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_FENCES = ("---", "+++")


def may_have(text: str) -> bool:
    """Say whether a text begins like one with front matter."""
    return text.removeprefix("\ufeff").startswith(_FENCES)


def front_matter(text: str) -> tuple[dict[str, object], int]:
    """Return the front matter of a Markdown text (``---`` YAML, ``+++`` TOML) and where the body begins.

    Rubbish, more than 64 KiB of it, anything but a table and YAML with aliases (the way in for expansion bombs) give
    an empty table; the body then begins after the fence if there is one, else at 0.
    """
    found = _FRONT.match(text, 0, FRONT_LIMIT)
    if found is None:
        return {}, 0
    try:
        if found[1] == "+++":
            data: object = tomllib.loads(found[2])
        else:
            import yaml

            if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(found[2], Loader=yaml.SafeLoader)):
                return {}, found.end()
            data = yaml.safe_load(found[2])
    except Exception:  # whatever a person typed there, the document is still a document
        return {}, found.end()
    return ({str(key): value for key, value in data.items()} if isinstance(data, dict) else {}), found.end()
