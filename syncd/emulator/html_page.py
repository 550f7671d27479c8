"""HTML pages to trees: Python's tokenizer, made to take for text or a comment what it would stumble over."""

from __future__ import annotations

import html
from html.parser import HTMLParser

from syncd.emulator.html_tree import TreeBuilder
from syncd.emulator.nodes import Node

_RAW = ("script", "style", "xmp", "iframe", "noembed", "noframes", "noscript", "textarea", "title")
_DECODED = ("textarea", "title")


def parse(text: str) -> Node:
    """The tree of a page under a node named ``root``. Raises RecursionError for a page that is nested too deeply."""
    builder = TreeBuilder()
    reader = _Reader(builder)
    reader.feed(text.replace("\r\n", "\n").replace("\r", "\n"))
    reader.close()
    if reader.cdata_elem:  # a title or script that never ends goes to the end of the page
        reader.handle_data(reader.rawdata)
    return builder.root


class _Reader(HTMLParser):
    """Hands on tags and texts."""

    CDATA_CONTENT_ELEMENTS = _RAW  # type: ignore[misc]  # later versions of Python have the longer list themselves

    def __init__(self, builder: TreeBuilder) -> None:
        super().__init__(convert_charrefs=True)
        self._builder = builder

    def parse_html_declaration(self, i: int) -> int:
        """Marked sections and odd declarations end at the next ``>``, as in browsers."""
        if self.rawdata[i : i + 4] == "<!--":
            return self.parse_comment(i)
        return self.parse_bogus_comment(i)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._builder.start(tag, {name: value or "" for name, value in reversed(attrs)})

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self._builder.foreign():
            self._builder.end(tag)
        elif tag in self.CDATA_CONTENT_ELEMENTS:
            self.set_cdata_mode(tag)

    def handle_endtag(self, tag: str) -> None:
        self._builder.end(tag)

    def handle_data(self, data: str) -> None:
        raw = self.cdata_elem
        self._builder.text(html.unescape(data) if raw in _DECODED else data)
