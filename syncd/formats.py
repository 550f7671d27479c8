"""Which files travel, and as what: the table of suffixes.

FastGPT reads eight extensions and decides by the extension alone (txt, md, html, csv, docx, pdf, pptx, xlsx).
Other text files are sent under the extension of the format that suits them best.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from syncd.models import Format

# Documents: what a folder of documentation is expected to hold.
_DOCUMENTS: dict[str, Format] = {
    ".txt": Format.TEXT,
    ".md": Format.MARKDOWN,
    ".html": Format.HTML,
    ".csv": Format.CSV,
    ".docx": Format.DOCX,
    ".pdf": Format.PDF,
    ".pptx": Format.PPTX,
    ".xlsx": Format.XLSX,
    ".markdown": Format.MARKDOWN,
    ".mdown": Format.MARKDOWN,
    ".mkd": Format.MARKDOWN,
    ".mdx": Format.MARKDOWN,
    ".qmd": Format.MARKDOWN,
    ".rmd": Format.TEXT,
    ".htm": Format.HTML,
    ".xhtml": Format.HTML,
    ".text": Format.TEXT,
    ".rst": Format.TEXT,
    ".adoc": Format.TEXT,
    ".asciidoc": Format.TEXT,
    ".org": Format.TEXT,
    ".tex": Format.TEXT,
    ".textile": Format.TEXT,
    ".wiki": Format.TEXT,
    ".log": Format.TEXT,
    ".tsv": Format.TEXT,
}

# Read when somebody asks for them by an include; never by default, because in a repository of documents they are
# mostly lock files and site settings, which cost tokens and clutter every search.
_DATA: dict[str, Format] = {
    ".json": Format.TEXT,
    ".yaml": Format.TEXT,
    ".yml": Format.TEXT,
    ".toml": Format.TEXT,
    ".ini": Format.TEXT,
    ".xml": Format.TEXT,
}

_TABLE: dict[str, Format] = {**_DOCUMENTS, **_DATA}

TEXT_FORMATS: frozenset[Format] = frozenset({Format.TEXT, Format.MARKDOWN, Format.HTML, Format.CSV})
"""Formats that are sent as UTF-8 text; the others travel byte for byte."""

DEFAULT_SUFFIXES: frozenset[str] = frozenset(_DOCUMENTS)
"""What a source without ``include`` takes: lower case, with the dot."""

KNOWN_SUFFIXES: frozenset[str] = frozenset(_TABLE)
"""Every suffix that ``format_of`` knows."""


def suffixes_for(include: Iterable[str]) -> frozenset[str]:
    """Return the suffixes that a source with these include patterns reads: lower case, with the dot.

    Files of data (``.json``, ``.ini`` …) are read only where a pattern names their suffix; ``**/*`` asks for none.
    """
    named = set()
    for pattern in include:
        last = pattern.rstrip().rpartition("/")[2]
        ending = last[last.rfind(".") :].lower() if "." in last else ""
        if not pattern.startswith(("!", "#")) and any(map(str.isalnum, ending)):
            named |= {suffix for suffix in _DATA if fnmatchcase(suffix, ending)}
    return DEFAULT_SUFFIXES | named


def suffix_of(path: str) -> str:
    """Return the lower-cased suffix of the last part of ``path`` with its dot, "" when there is none.

    Unlike ``os.path.splitext`` a name that is nothing but a suffix (``.md``) has that suffix: it is the
    scanner's business to leave such files out.
    """
    name = path[path.rfind("/") + 1 :]
    dot = name.rfind(".")
    return name[dot:].lower() if dot >= 0 else ""


def format_of(path: str) -> Format | None:
    """Return how the file at ``path`` travels, ``None`` when FastGPT cannot read it."""
    return _TABLE.get(suffix_of(path))
