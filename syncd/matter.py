"""Front matter: what a document says of itself above its text.

YAML and TOML are parsed here, so whoever reads documents of others asks a reader for it (``reader``). Even so it is
bounded in length and depth, and what is wrong is said with its line: PyYAML takes a minute for 64 KiB of open brackets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from syncd import authored

FRONT_LIMIT = 64 * 1024
"""Longest front matter that is read, in characters."""

_FRONT = re.compile(r"\ufeff?(---|\+\+\+)[ \t]*\r?\n(.*?)^\1[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_FENCES = ("---", "+++")
_DEEPEST = 50  # collections one in another


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """What stands there.

    Attributes:
        table: empty when there is none, or when it cannot be read.
        body: where the text goes on behind it; 0 without a fence.
        trouble: why it cannot be read, else "".
        line: of the trouble, in the whole text from 1.
        text: what stands between the fences, as it is.
        toml: it is TOML, not YAML.
    """

    table: dict[str, object] = field(default_factory=dict)
    body: int = 0
    trouble: str = ""
    line: int = 1
    text: str = ""
    toml: bool = False


def may_have(text: str) -> bool:
    """Say whether a text begins like one with front matter."""
    return text.removeprefix("\ufeff").startswith(_FENCES)


def read(text: str) -> FrontMatter:
    """Read the front matter of a Markdown text (``---`` YAML, ``+++`` TOML).

    More than 64 KiB of it is none. YAML with aliases (the way in for expansion bombs), deep nesting and what is no
    table are trouble; the body then begins after the fence all the same.
    """
    found = _FRONT.match(text, 0, FRONT_LIMIT)
    if found is None:
        return FrontMatter()
    inner, end, toml = found[2], found.end(), found[1] == "+++"
    try:
        data = authored.tables(inner) if toml else _yaml(inner)
    except authored.NotReadable as error:
        return FrontMatter({}, end, str(error), error.line + 1, inner, toml)
    if data is None:
        data = {}
    if not isinstance(data, dict):
        return FrontMatter({}, end, "it is no table", 2, inner, toml)
    return FrontMatter({str(key): value for key, value in data.items()}, end, "", 1, inner, toml)


def front_matter(text: str) -> tuple[dict[str, object], int]:
    """Return the table of the front matter of a Markdown text, and where the body begins; see ``read``."""
    found = read(text)
    return found.table, found.body


def _yaml(text: str) -> object:
    """Parse YAML; raises ``authored.NotReadable``."""
    import yaml

    begins = (
        yaml.FlowSequenceStartToken, yaml.FlowMappingStartToken,
        yaml.BlockSequenceStartToken, yaml.BlockMappingStartToken,
    )  # fmt: skip
    ends = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken)
    depth = 0
    try:
        for token in yaml.scan(text, Loader=yaml.SafeLoader):
            line = token.start_mark.line + 1
            depth += isinstance(token, begins) - isinstance(token, ends)
            if isinstance(token, yaml.AliasToken):
                raise authored.NotReadable("it has an alias", line)
            if depth > _DEEPEST:
                raise authored.NotReadable("brackets or lists stand too deep in each other", line)
        found: object = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = 1 if error.problem_mark is None else error.problem_mark.line + 1
        raise authored.NotReadable(error.problem or "it is no YAML", line) from None
    except authored.NotReadable:
        raise
    except Exception as error:  # whatever a person typed there: no date, no number, no character
        raise authored.NotReadable(str(error).partition("\n")[0] or "it is no YAML", 1) from None
    return found
