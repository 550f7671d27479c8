"""Where in a TOML file each key stands.

The parsers of TOML give values without positions. This scanner walks a text that a parser has already
accepted, so it may trust its grammar and only has to know where strings, arrays and tables begin and end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

Where = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_PLAIN_VALUE = re.compile(r"[^,\]}#\n]+")
# A closing quote may be preceded by one or two quotes of the content: """a""""" ends after all five.
_STRINGS = (
    re.compile(r'"""(?:[^\\"]|\\.|"(?!""))*"{3,5}', re.DOTALL),
    re.compile(r"'''(?:[^']|'(?!''))*'{3,5}", re.DOTALL),
    re.compile(r'"(?:[^\\"\n]|\\.)*"'),
    re.compile(r"'[^'\n]*'"),
)


class Lines:
    """The lines (from 1) of the tables, array elements and keys of one TOML text.

    ``unquote`` turns a quoted key, quotes included, into the key it means. What the scanner cannot
    follow it leaves out: a line is a convenience, never a reason to fail.
    """

    def __init__(self, text: str, unquote: Callable[[str], str]) -> None:
        self._text = text
        self._unquote = unquote
        self._position = 0
        self._line = 1
        self._counted = 0
        self._tables: dict[Where, int] = {}  # arrays of tables and how many elements they have so far
        self._found: dict[Where, int] = {}
        try:
            self._document()
        except (LookupError, RecursionError):
            return

    def of(self, where: Where) -> int:
        """Return the line of ``where``, or of the nearest thing around it, or 1."""
        for length in range(len(where), 0, -1):
            line = self._found.get(where[:length])
            if line is not None:
                return line
        return 1

    def known(self) -> Iterator[Where]:
        """Every place whose line is known."""
        return iter(self._found)

    def _document(self) -> None:
        table: Where = ()
        while self._skip(_BLANK) < len(self._text):
            if self._peek("["):
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Where:
        line = self._here()
        array = self._peek("[[")
        self._position += 2 if array else 1
        self._skip(_SPACE)
        keys = self._keys()
        self._skip(_SPACE)
        self._position += 2 if array else 1
        where: Where = ()
        for key in keys[:-1]:
            where = self._inside((*where, key))
            self._found.setdefault(where, line)
        where = (*where, keys[-1])
        if array:
            self._found.setdefault(where, line)
            self._tables[where] = self._tables.get(where, 0) + 1
        where = self._inside(where)
        self._found[where] = line
        return where

    def _inside(self, where: Where) -> Where:
        """The table that a further header below ``where`` speaks of: the last one of an array."""
        count = self._tables.get(where)
        return where if count is None else (*where, count - 1)

    def _pair(self, table: Where) -> None:
        line = self._here()
        where = table
        for key in self._keys():
            where = (*where, key)
            self._found.setdefault(where, line)
        self._skip(_SPACE)
        self._expect("=")
        self._skip(_SPACE)
        self._value(where)

    def _keys(self) -> list[str]:
        keys = []
        while True:
            bare = _BARE_KEY.match(self._text, self._position)
            if bare:
                self._position = bare.end()
                keys.append(bare[0])
            else:
                start = self._position
                self._string()
                keys.append(self._unquote(self._text[start : self._position]))
            end = self._position
            self._skip(_SPACE)
            if not self._peek("."):
                self._position = end
                return keys
            self._position += 1
            self._skip(_SPACE)

    def _value(self, where: Where) -> None:
        if self._peek("["):
            self._array(where)
        elif self._peek("{"):
            self._inline_table(where)
        elif self._peek('"') or self._peek("'"):
            self._string()
        else:
            plain = _PLAIN_VALUE.match(self._text, self._position)
            if plain is None:
                raise LookupError("no value here")
            self._position = plain.end()

    def _array(self, where: Where) -> None:
        self._position += 1
        index = 0
        while self._skip(_BLANK) < len(self._text) and not self._peek("]"):
            self._found[(*where, index)] = self._here()
            self._value((*where, index))
            self._comma()
            index += 1
        self._expect("]")

    def _inline_table(self, where: Where) -> None:
        self._position += 1
        while self._skip(_BLANK) < len(self._text) and not self._peek("}"):
            self._pair(where)
            self._comma()
        self._expect("}")

    def _comma(self) -> None:
        self._skip(_BLANK)
        if self._peek(","):
            self._position += 1

    def _string(self) -> None:
        for pattern in _STRINGS:
            match = pattern.match(self._text, self._position)
            if match:
                self._position = match.end()
                return
        raise LookupError("no string here")

    def _peek(self, text: str) -> bool:
        return self._text.startswith(text, self._position)

    def _expect(self, text: str) -> None:
        if not self._peek(text):
            raise LookupError(f"no {text} here")
        self._position += len(text)

    def _skip(self, pattern: re.Pattern[str]) -> int:
        match = pattern.match(self._text, self._position)
        if match:
            self._position = match.end()
        return self._position

    def _here(self) -> int:
        """The line of the position; counted onwards, so that a whole file costs one pass."""
        self._line += self._text.count("\n", self._counted, self._position)
        self._counted = self._position
        return self._line
