"""HTML as FastGPT's conversion to Markdown shows it; pure.

Source: its ``html2md`` (Turndown with tables, over a parser that knows HTML 5) as read in the 4.14 tree, and the
readings in ``served/``; observed facts 1 and 20. Links and pictures come with their targets, ``<i>`` as ``_text_``,
hidden elements and the inside of ``svg`` and ``noscript`` as text; scripts, styles, frames and templates go.
"""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

KEPT_RAW = 1_000_000
"""Pages with more characters than this are kept by FastGPT as they are, tags and all."""

_DROPPED = frozenset({"script", "style", "iframe", "template"})
_BLOCKS = frozenset(
    """
    address article aside blockquote body br caption dd details dialog div dl dt fieldset figcaption figure footer form
    h1 h2 h3 h4 h5 h6 head header hr html legend li main nav noframes ol p pre section summary table tbody
    tfoot thead title tr ul
    """.split()  # noqa: SIM905 - reads better than forty quoted names
)
_TAG = re.compile(r"<[^>]*>")
_SCRIPT = re.compile(r"<(script|style)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_LANGUAGE = re.compile(r"language-(\S+)")
_NO_CHARACTER = re.compile(r"&#(?:0*[1-9]\d{7,}|[xX]0*[1-9a-fA-F][0-9a-fA-F]{6,});?")  # beyond all numbers of Unicode
_Attrs = list[tuple[str, str | None]]


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.dropped = ""  # the element whose content is being left out
        self.depth = 0
        self.lists: list[int] = []  # the next number of each open list, -1 for bullets
        self.links: list[str] = []  # what closes each open link
        self.item = False  # directly behind the start of a list's item
        self.code = False  # directly behind the start of a <pre>

    def parse_marked_section(self, i: int, report: int = 1) -> int:
        """Take ``<![ ... >`` for a comment, as browsers do; Python's parser stumbles over names it does not know."""
        end = self.rawdata.find(">", i + 3)
        return end + 1 if end >= 0 else len(self.rawdata)  # the page is fed as a whole

    def handle_starttag(self, tag: str, attrs: _Attrs) -> None:
        if self.dropped:
            self.depth += tag == self.dropped
            return
        item, self.item = self.item, tag == "li"
        code, self.code = self.code, tag == "pre"
        if tag in _DROPPED:
            self.dropped, self.depth = tag, 1
        elif tag in _BLOCKS:
            self.parts.append("\n")
            self._list(tag, dict(attrs))
        elif tag in ("td", "th"):
            self.parts.append(" | ")
        else:
            self._inline(tag, dict(attrs), item, code)

    def _inline(self, tag: str, attrs: dict[str, str | None], item: bool, code: bool) -> None:
        if tag == "img":
            if attrs.get("src"):
                self.parts.append(f"![{_one_line(attrs.get('alt'))}]({attrs['src']}{_title(attrs)})")
        elif tag == "a":
            href = attrs.get("href")
            self.links.append(f"]({href}{_title(attrs)})" if href else "")
            self.parts.append("[" if href else "")
        elif tag == "input" and item and (attrs.get("type") or "").lower() == "checkbox":
            self.parts.append("[x] " if "checked" in attrs else "[ ] ")
        elif tag == "code" and code and (language := _LANGUAGE.search(attrs.get("class") or "")):
            self.parts.append(f"{language[1]}\n")

    def _list(self, tag: str, attrs: dict[str, str | None]) -> None:
        if tag == "ol":
            start = attrs.get("start") or "1"
            self.lists.append(int(start) if start.isdecimal() and len(start) < 10 else 1)
        elif tag == "ul":
            self.lists.append(-1)
        elif tag == "li" and self.lists:
            number = self.lists[-1]
            self.parts.append("- " if number < 0 else f"{number}. ")
            if number >= 0:
                self.lists[-1] += 1

    def handle_startendtag(self, tag: str, attrs: _Attrs) -> None:
        self.handle_starttag(tag, attrs)  # to HTML the slash of <i/> means nothing
        if self.dropped == tag and tag == "iframe":
            self.dropped = ""

    def handle_endtag(self, tag: str) -> None:
        if self.dropped:
            self.depth -= tag == self.dropped
            if self.depth <= 0:
                self.dropped = ""
            return
        if tag in ("ol", "ul") and self.lists:
            self.lists.pop()
        if tag == "a" and self.links:
            self.parts.append(self.links.pop())
        if tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self.dropped:
            self.parts.append(data)
            if data.strip():
                self.item = self.code = False


def html_text(text: str) -> str:
    """Return what FastGPT shows of the page, one line per block; never raises."""
    if len(text) > KEPT_RAW:
        return text
    text = _NO_CHARACTER.sub("\ufffd", text)
    page = _Page()
    try:
        page.feed(text)
        page.close()
        shown = "".join(page.parts)
    except (AssertionError, ValueError):  # markup that Python's parser gives up on
        shown = unescape(_TAG.sub("\n", _SCRIPT.sub("", text)))
    lines = (" ".join(line.split()) for line in shown.split("\n"))
    return "\n".join(line for line in lines if line)


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def _title(attrs: dict[str, str | None]) -> str:
    title = _one_line(attrs.get("title"))
    return f' "{title}"' if title else ""
