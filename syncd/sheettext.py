"""The cells of an xlsx as FastGPT's reader takes them over, and what it leaves behind.

Up to 4.14 the reader gives out what is stored: dates and percentages as bare numbers, ``true`` and ``false``, nothing
for an error or for a formula without a stored result. Later ones show numbers in their formats. So numbers with a
format are marked: where only they differ, nothing can be said about them.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter

from syncd.wordtext import Add, Source

FORMATTED, PLAIN = "\ue0f0", "\ue0f1"
"""What stands before and behind a number that is shown in a format (characters of the private use area)."""

_SHOWN = 11  # digits of a number without a format
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_ROW = 2**20  # characters of a row that are held


def plain(text: str) -> str:
    """Return ``text`` without the marks of numbers in a format."""
    return text.replace(FORMATTED, "").replace(PLAIN, "")


def read(source: Source, add: Add, left: Counter[str]) -> None:
    """Give the cells to ``add``, a line for each row; count in ``left`` what FastGPT leaves behind."""
    strings = _Strings()
    if "xl/sharedStrings.xml" in source.names:
        source.parse("xl/sharedStrings.xml", strings)
    styles = _Styles()
    if "xl/styles.xml" in source.names:
        source.parse("xl/styles.xml", styles)
    for name in _sheets(source):
        source.parse(name, _Sheet(add, left, strings.all, styles.formatted))


def _sheets(source: Source) -> list[str]:
    """Return the sheets in the order of the book."""
    book = _Book()
    if "xl/workbook.xml" in source.names:
        source.parse("xl/workbook.xml", book)
    targets = source.relations("xl/workbook.xml")
    found = [posixpath.normpath(posixpath.join("xl", targets[one])) for one in book.ids if one in targets]
    found = [name.lstrip("/") if name in source.names else name.removeprefix("xl/").lstrip("/") for name in found]
    found = [name for name in found if name in source.names]
    numbered = [(int(m[1]), n) for n in source.names if (m := re.fullmatch(r"xl/worksheets/sheet(\d+)\.xml", n))]
    return found or [name for _, name in sorted(numbered)]


def _tidy(value: str) -> str:
    return " ".join(_ESCAPED.sub(lambda m: chr(int(m[1], 16)), value).split())


class _Quiet:
    """A sink that takes nothing."""

    def start(self, space: str, tag: str, attrs: dict[str, str]) -> None:
        """See ``Sink``."""

    def end(self, space: str, tag: str) -> None:
        """See ``Sink``."""

    def data(self, text: str) -> None:
        """See ``Sink``."""


class _Book(_Quiet):
    def __init__(self) -> None:
        self.ids: list[str] = []

    def start(self, space: str, tag: str, attrs: dict[str, str]) -> None:
        if tag == "sheet":
            self.ids += [value for name, value in attrs.items() if name.endswith(" id")]


class _Styles(_Quiet):
    """Which styles of cells show a number in a format."""

    def __init__(self) -> None:
        self.formatted: list[bool] = []
        self._inside = False

    def start(self, space: str, tag: str, attrs: dict[str, str]) -> None:
        self._inside = self._inside or tag == "cellXfs"
        if tag == "xf" and self._inside:
            self.formatted.append(attrs.get("numFmtId", "0") not in ("0", "49"))

    def end(self, space: str, tag: str) -> None:
        self._inside = self._inside and tag != "cellXfs"


class _Strings(_Quiet):
    def __init__(self) -> None:
        self.all: list[str] = []
        self._words: list[str] = []
        self._text = self._reading = False  # reading: the pronunciation of East Asian words

    def start(self, space: str, tag: str, attrs: dict[str, str]) -> None:
        self._reading = self._reading or tag == "rPh"
        self._text = tag == "t" and not self._reading

    def end(self, space: str, tag: str) -> None:
        self._text = False
        self._reading = self._reading and tag != "rPh"
        if tag == "si":
            self.all.append("".join(self._words))
            self._words.clear()

    def data(self, text: str) -> None:
        if self._text:
            self._words.append(text)


class _Sheet(_Quiet):
    def __init__(self, add: Add, left: Counter[str], strings: list[str], formatted: list[bool]) -> None:
        self.add, self.left, self.strings, self.formatted = add, left, strings, formatted
        self.type = self.inside = self.style = ""
        self.formula = self._reading = False
        self.length = 0  # characters of the row
        self.row: list[str] = []
        self.words: list[str] = []
        self.known: dict[int, str] = {}  # shared strings as they are shown

    def start(self, space: str, tag: str, attrs: dict[str, str]) -> None:
        if tag == "c":
            self.type, self.style, self.formula = attrs.get("t", "n"), attrs.get("s", ""), False
            self.words.clear()
        self.formula = self.formula or tag == "f"
        self._reading = self._reading or tag == "rPh"
        self.inside = "" if self._reading else tag

    def end(self, space: str, tag: str) -> None:
        self.inside = ""
        self._reading = self._reading and tag != "rPh"
        if tag == "row" and self.row:
            self.add(" | ".join(self.row) + "\n")
            self.row.clear()
            self.length = 0
        elif tag == "c":
            value = "".join(self.words)
            if self.formula and not value:
                self.left["formula without a stored result"] += 1
            elif self.type == "e":
                self.left["cell with an error"] += 1
            elif value:
                self._cell(self._shown(value))

    def _cell(self, text: str) -> None:
        """Take a cell along; a row that is as long as a whole sheet goes out in parts."""
        self.row.append(text)
        self.length += len(text)
        if self.length > _ROW:
            self.add(" | ".join(self.row))
            self.row[:], self.length = ("",), 0

    def _shown(self, value: str) -> str:
        if self.type == "s":
            index = int(value)
            if index not in self.known:
                self.known[index] = _tidy(self.strings[index]) if index < len(self.strings) else ""
            return self.known[index]
        if self.type == "b":
            return "true" if value == "1" else "false"
        if self.type == "n":
            number = int(self.style) if self.style.isdecimal() else -1
            formatted = 0 <= number < len(self.formatted) and self.formatted[number]
            # Without a format at most 11 digits are shown.
            return f"{FORMATTED}{value}{PLAIN}" if formatted or len(value) > _SHOWN else value
        return _tidy(value)

    def data(self, text: str) -> None:
        if self.inside in ("v", "t"):
            self.words.append(text)
