"""The polish FastGPT gives to texts: to every chunk, to Markdown it made itself, and to pictures inside a text."""

from __future__ import annotations

import hashlib
import re

from syncd.emulator.javascript import BLANKS, trim

# Two of FastGPT's rules mean runs of white space inside a line and, by a slip, speak of ``]``.
_CLASS = f"[{BLANKS}&\\[^]"
_BETWEEN = re.compile(f"([\u4e00-\u9fa5]){_CLASS}\\]+([\u4e00-\u9fa5])")
_BRACKETS = re.compile(f"{_CLASS}\\]{{2,}}")
_LINK = re.compile(r"\[([^\]]+)\]\((.+?)\)")
_ESCAPED = re.compile(r"\\([#`!*()+-_\[\]{}\\.])")
_MARKED = re.compile(r"\n *(####|###|##|#|```|~~~)")
_PICTURE = re.compile(r"!\[([^\]]*)\]\((data:image/[^;)]+;base64,[^)\s]+)\)")
_SOURCE = re.compile(r'src="(data:image/[^;"]+;base64,[^"]+)"')


def simple_text(text: str) -> str:
    """One kind of line end, at most one empty line, no control characters."""
    text = _BETWEEN.sub(r"\1\2", trim(text))
    text = re.sub(r"\r\n|\r", "\n", text)
    text = re.sub(r"\n{3,}", "\n\n", text)
    text = _BRACKETS.sub(" ", text)
    return re.sub("[\x00-\x08]", " ", text)


def simple_markdown(text: str) -> str:
    """Markdown that was made from a page or a Word document: the escapes are taken back, links stand on one line."""
    text = _LINK.sub(lambda link: f"[{trim(link.group(1).replace(chr(10), ' '))}]({link.group(2)})", simple_text(text))
    text = _ESCAPED.sub(r"\1", text)
    text = text.replace("\\\\n", "\\n")
    return trim(_MARKED.sub(r"\n\1", text))


def picture(data: str) -> str:
    """Where the server keeps a picture; the name is made from its bytes here, by chance there."""
    return f"dataset/parsed/IMAGE_{hashlib.sha256(data.encode()).hexdigest()[:12]}_IMAGE.png"


def store_pictures(text: str) -> str:
    """Pictures inside a Markdown text are stored apart; only their name stays."""
    if "base64" not in text:
        return text
    return _PICTURE.sub(lambda found: f"![{found.group(1)}]({picture(found.group(2))})", text)


def store_sources(html: str) -> str:
    """The same for the sources of a page's pictures, where they stand in double quotes."""
    return _SOURCE.sub(lambda found: f'src="{picture(found.group(1))}"', html)
