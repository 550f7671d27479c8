"""HTML and CSV as FastGPT's conversion to Markdown shows them; pure.

Sources: its ``html2md`` (Turndown without ``i``, script, style and iframe) and its CSV reader (Papa Parse, one table
row per record), as read in the 4.14 tree; observed facts 1 and 20.
"""

from __future__ import annotations

import csv
import io
from html.parser import HTMLParser
from itertools import pairwise

# FastGPT's conversion removes script, style, iframe and, for whatever reason, i; the others are not shown by browsers.
_DROPPED = frozenset({"script", "style", "iframe", "i", "template", "svg", "noscript", "object", "video", "audio"})
_BLOCKS = frozenset(
    """
    address article aside blockquote body br dd details dialog div dl dt fieldset figcaption figure footer form
    h1 h2 h3 h4 h5 h6 head header hr html legend li main nav ol option p pre section select summary table tbody
    tfoot thead title tr ul
    """.split()  # noqa: SIM905 - reads better than forty quoted names
)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.dropped = ""  # the element whose content is being left out
        self.depth = 0
        self.lists: list[int] = []  # the next number of each open list, -1 for bullets

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self.dropped == "i" and tag in _BLOCKS:
            self.dropped = ""  # an <i> that nobody closed must not swallow the page
        if self.dropped:
            self.depth += tag == self.dropped
            return
        if tag in _DROPPED:
            self.dropped, self.depth = tag, 1
        elif tag in _BLOCKS:
            self.parts.append("\n")
            self._list(tag, dict(attrs))
        elif tag in ("td", "th"):
            self.parts.append(" | ")
        elif tag == "img":
            self.parts.append(dict(attrs).get("alt") or "")

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

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _DROPPED:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self.dropped:
            self.depth -= tag == self.dropped
            if self.depth <= 0:
                self.dropped = ""
            return
        if tag in ("ol", "ul") and self.lists:
            self.lists.pop()
        if tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self.dropped:
            self.parts.append(data)


def html_text(text: str) -> str:
    """Return what a reader of the page sees, one line per block."""
    page = _Page()
    page.feed(text)
    page.close()
    lines = (" ".join(line.split()) for line in "".join(page.parts).split("\n"))
    return "\n".join(line for line in lines if line)


# ---------------------------------------------------------------- CSV


def csv_text(text: str) -> str:
    """Return the cells, one line per row, joined by `` | `` as in the table FastGPT makes of them."""
    delimiter = _delimiter(text)
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        return "\n".join(" | ".join(" ".join(cell.split()) for cell in row) for row in rows if row)
    except csv.Error:
        return text


def _delimiter(text: str) -> str:
    """Guess as Papa Parse does, which FastGPT reads CSV with: the most columns with the steadiest rows of ten."""
    best, best_delta, best_columns = ",", None, 1.99
    head = text[:65536]
    for delimiter in ",\t|;":
        counts: list[int] = []
        try:
            for row in csv.reader(io.StringIO(head, newline=""), delimiter=delimiter):
                counts.append(max(1, len(row)))
                if len(counts) == 10:
                    break
        except csv.Error:
            continue
        if not counts:
            continue
        delta = sum(abs(a - b) for a, b in pairwise(counts))
        columns = sum(counts) / len(counts)
        if (best_delta is None or delta <= best_delta) and columns > best_columns:
            best, best_delta, best_columns = delimiter, delta, columns
    return best
